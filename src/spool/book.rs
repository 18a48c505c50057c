//! What lies where: kept in memory, made anew from the files at each start.

use super::Place;
use super::files::Name;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) name: Name,
    pub(super) length: u32,
}

/// A file of records.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: u64,
    waiting: usize,
}

/// The waiting records and the files.
#[derive(Debug, Default)]
pub(super) struct Book {
    waiting: BTreeMap<Place, Spot>,
    files: BTreeMap<Name, Held>,
    pub(super) aside_bytes: u64,
    pub(super) aside: usize,
}

impl Book {
    /// A file is there, so long.
    pub(super) fn file(&mut self, name: Name, bytes: u64) {
        self.files.entry(name).or_default().bytes = bytes;
    }

    /// A record waits.
    pub(super) fn add(&mut self, place: Place, spot: Spot) {
        if self.waiting.insert(place, spot).is_none() {
            self.files.entry(spot.name).or_default().waiting += 1;
        }
    }

    /// It waits no more. `Some(true)`: it was the last of its file.
    pub(super) fn take(&mut self, place: Place) -> Option<(Name, bool)> {
        let spot = self.waiting.remove(&place)?;
        let held = self.files.get_mut(&spot.name)?;
        held.waiting = held.waiting.saturating_sub(1);
        Some((spot.name, held.waiting == 0))
    }

    /// Nothing in this file waits.
    pub(super) fn is_idle(&self, name: Name) -> bool {
        self.files.get(&name).is_none_or(|held| held.waiting == 0)
    }

    /// The file is gone.
    pub(super) fn forget(&mut self, name: Name) {
        self.files.remove(&name);
    }

    pub(super) fn spot(&self, place: Place) -> Option<Spot> {
        self.waiting.get(&place).copied()
    }

    /// The first waiting record behind a place.
    pub(super) fn next(&self, after: Option<Place>) -> Option<(Place, Spot)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range((from, Bound::Unbounded)).next().map(|(place, spot)| (*place, *spot))
    }

    pub(super) fn records(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes on disk, with what lies aside.
    pub(super) fn bytes(&self) -> u64 {
        self.aside_bytes + self.files.values().map(|held| held.bytes).sum::<u64>()
    }
}
