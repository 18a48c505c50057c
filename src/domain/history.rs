//! What states something was seen in, ordered by the *signed* time of each sighting.
//!
//! Webhooks arrive in any order. Keeping every run of equal states, first and last sighting, makes the
//! kept history the same whatever the order of arrival, so the milestones read from it are too.

use super::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Runs kept at most; an order that changes more often than this is being edited by a machine.
const MAX_RUNS: usize = 24;

/// An unbroken run of sightings of one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run<S> {
    /// The state seen.
    pub state: S,
    /// Signed time of its first sighting in this run.
    pub first: Timestamp,
    /// Signed time of its last sighting in this run.
    pub last: Timestamp,
}

/// Runs in time order; at one and the same second the state's own order decides, so that the result does
/// not depend on which webhook came first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History<S> {
    runs: Vec<Run<S>>,
}

impl<S> Default for History<S> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<S: Clone + Ord> History<S> {
    /// Notes that `state` was true at `at`.
    pub fn see(&mut self, state: S, at: Timestamp) {
        let new = Run { state, first: at, last: at };
        // The run that covers this moment, if any: same state changes nothing, another state splits it.
        if let Some(i) = self.runs.iter().position(|r| r.first <= at && at <= r.last && r.first < r.last) {
            if self.runs[i].state == new.state {
                return;
            }
            let whole = self.runs[i].clone();
            let head = Run { last: whole.first, ..whole.clone() };
            let tail = Run { first: whole.last, ..whole };
            self.runs.splice(i..=i, [head, tail]);
        }
        let key = |r: &Run<S>| (r.first, r.state.clone());
        let at_index = self.runs.partition_point(|r| key(r) < key(&new));
        self.runs.insert(at_index, new);
        self.join_neighbours();
        if self.runs.len() > MAX_RUNS {
            self.runs.remove(1);
            self.join_neighbours();
        }
    }

    fn join_neighbours(&mut self) {
        let mut joined: Vec<Run<S>> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            match joined.last_mut() {
                Some(prev) if prev.state == run.state => prev.last = prev.last.max(run.last),
                _ => joined.push(run),
            }
        }
        self.runs = joined;
    }

    /// The newest state.
    pub fn now(&self) -> Option<&S> {
        self.runs.last().map(|r| &r.state)
    }

    /// Since when the newest state has been seen.
    pub fn since(&self) -> Option<Timestamp> {
        self.runs.last().map(|r| r.first)
    }

    /// First sighting of a state, whatever came later.
    pub fn first(&self, wanted: impl Fn(&S) -> bool) -> Option<Timestamp> {
        self.runs.iter().find(|r| wanted(&r.state)).map(|r| r.first)
    }

    /// Whether a state was ever seen.
    pub fn ever(&self, wanted: impl Fn(&S) -> bool) -> bool {
        self.first(wanted).is_some()
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> &[Run<S>] {
        &self.runs
    }

    /// Nothing seen yet.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}
