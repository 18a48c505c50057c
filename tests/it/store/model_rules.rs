//! The provider of the model, and what its workers make of an order: the rules of items, as small as they can
//! be.

use super::*;
use rand::RngExt as _;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;

/// What happened how often: a run in which nothing went wrong proves nothing.
#[derive(Default, Debug)]
pub(super) struct Counts {
    pub commits: AtomicU32,
    pub duplicates: AtomicU32,
    pub conflicts: AtomicU32,
    pub errors: AtomicU32,
    pub crashes: [AtomicU32; 4],
    pub stalls: AtomicU32,
    pub fenced: AtomicU32,
    pub moved: AtomicU32,
    pub parked: AtomicU32,
    pub kills: AtomicU32,
    pub audits: AtomicU32,
}

/// The provider: what it accepted, in which order.
#[derive(Default)]
pub(super) struct Provider {
    /// Items of each order as first accepted.
    pub told: BTreeMap<u64, Vec<u16>>,
    /// The same key again: no second message.
    pub repeats: u32,
    /// A second message.
    pub doubles: Vec<(u64, u16)>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Accepted,
    NotTaken,
    AnswerLost,
}

/// Orders with even numbers go to a channel that knows a repeated key.
pub(super) fn keyed(order: u64) -> bool {
    order.is_multiple_of(2)
}

pub(super) fn channel() -> Tag {
    Tag::of("line-main")
}

impl Provider {
    pub(super) fn take(&mut self, order: u64, no: u16, rng: &mut StdRng) -> Outcome {
        let outcome = match rng.random_range(0..10) {
            0 => return Outcome::NotTaken,
            1 => Outcome::AnswerLost,
            _ => Outcome::Accepted,
        };
        let told = self.told.entry(order).or_default();
        if !told.contains(&no) {
            told.push(no);
        } else if keyed(order) {
            self.repeats += 1;
        } else {
            self.doubles.push((order, no));
        }
        outcome
    }
}

/// What a worker makes of an order: the rules of items, as small as they can be.
pub(super) struct Plan {
    items: Vec<Owed>,
    pub send: Option<Owed>,
    pub park: bool,
}

impl Plan {
    pub(super) fn of(record: &Record, order: u64, now: i64) -> Plan {
        let mut items = record.items.clone();
        // What a dead worker had begun may have been told.
        for item in items.iter_mut().filter(|i| i.state == State::Begun) {
            item.state = if keyed(order) { State::Again } else { State::Unsure };
        }
        let due = |i: &&Owed| i.not_before.as_millisecond() <= now;
        let again = items.iter().find(|i| i.state == State::Again).cloned();
        let newest = items.iter().filter(|i| i.state == State::Open).rfind(due).cloned();
        let send = match again {
            Some(item) => Some(item).filter(|i| due(&i)),
            None => newest.filter(|n| !items.iter().any(|i| i.state.is_told() && i.no > n.no)),
        };
        let mut plan = Plan { items, send, park: false };
        plan.supersede();
        plan
    }

    /// Nothing older is told after something newer was, or is about to be.
    fn supersede(&mut self) {
        let told = self.items.iter().filter(|i| i.state.is_told()).map(|i| i.no).max().unwrap_or(0);
        for item in self.items.iter_mut().filter(|i| i.state == State::Open && i.no < told) {
            item.state = State::Superseded;
        }
    }

    pub(super) fn sent(&mut self, before: &Owed, begun: Owed, order: u64, outcome: Outcome, now: i64) {
        let later = from_millis(now + 700);
        let after = match outcome {
            Outcome::Accepted => ended(begun, State::Sent),
            // As it was before: definitely not taken.
            Outcome::NotTaken => Owed { not_before: later, ..before.clone() },
            Outcome::AnswerLost if keyed(order) => Owed { not_before: later, ..ended(begun, State::Again) },
            Outcome::AnswerLost => ended(begun, State::Unsure),
        };
        if let Some(item) = self.items.iter_mut().find(|i| i.no == after.no) {
            *item = after;
        }
        self.supersede();
    }

    pub(super) fn changed(&self, record: &Record) -> Vec<Owed> {
        self.items.iter().filter(|i| record.item(i.no) != Some(*i)).cloned().collect()
    }

    pub(super) fn dest(&self, now: i64) -> Dest {
        let first = self.items.iter().filter(|i| i.state.is_open()).map(|i| i.not_before).min();
        match first {
            None => Dest::Done,
            Some(_) if self.park => Dest::Park(channel(), from_millis(now + 60_000)),
            Some(t) => Dest::Wait(t),
        }
    }
}
