//! A worker over the order, between the scripts: what it read, what it decided, what it has begun.

use super::Rules;
use super::order::{ITEMS, Kept};
use orderwire::domain::owed::State;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Holds nothing.
    #[default]
    Idle,
    /// Has the lease.
    Leased,
    /// Has read the order and decided.
    Decided,
    /// May send.
    Begun,
    /// Knows what is to be written.
    Settling,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Worker {
    pub phase: Phase,
    /// Its lease.
    pub token: u8,
    /// By its own clock the lease is over.
    pub late: bool,
    /// What it read, and the working copy.
    pub revision: u8,
    pub was: [Option<State>; ITEMS],
    pub now: [Option<State>; ITEMS],
    /// The item it has begun, and as what it was before.
    pub sending: Option<(usize, State)>,
}

/// How a send ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider has it, and says so.
    Accepted,
    /// The provider has it, and nobody hears of it.
    AnswerLost,
    /// Known not to be taken; or not even tried, because too little of the lease was left.
    NotTaken,
}

impl Worker {
    pub fn leased(token: u8) -> Worker {
        Worker { phase: Phase::Leased, token, ..Worker::default() }
    }

    /// Reads the order. What a dead worker had begun may have been told: with a key it goes again, without one it ends
    /// as unsure.
    pub fn read(&mut self, kept: &Kept, rules: Rules) {
        self.phase = Phase::Decided;
        self.revision = kept.revision;
        (self.was, self.now) = (kept.items, kept.items);
        for item in 0..ITEMS {
            if self.now[item] == Some(State::Begun) {
                let to = match (rules.begun_is_taken_as_open, rules.keyed) {
                    (true, _) => State::Open,
                    (false, true) => State::Again,
                    (false, false) => State::Unsure,
                };
                self.now[item] = Some(to);
            }
        }
        self.supersede();
    }

    /// Nothing older is told after something newer.
    fn supersede(&mut self) {
        let newest = (0..ITEMS).rev().find(|i| self.now[*i].is_some_and(State::is_told));
        for item in 0..newest.unwrap_or(0) {
            if self.now[item] == Some(State::Open) {
                self.now[item] = Some(State::Superseded);
            }
        }
    }

    /// What may go now: what may have been told before anything else; else any open item, the oldest or one that makes
    /// the older ones pointless.
    pub fn may_send(&self) -> Vec<usize> {
        let of = |state: State| (0..ITEMS).filter(|i| self.now[*i] == Some(state)).collect::<Vec<_>>();
        let again = of(State::Again);
        if again.is_empty() { of(State::Open) } else { again }
    }

    /// `begin` said go.
    pub fn begun(&mut self, item: usize) {
        let before = self.now[item].expect("an item that was read");
        self.sending = Some((item, before));
        self.now[item] = Some(State::Begun);
        // What is written at the end is what differs from Redis, where it stands as begun now.
        self.was[item] = self.now[item];
        self.phase = Phase::Begun;
    }

    /// The send is over, one way or the other.
    pub fn sent(&mut self, outcome: Outcome, rules: Rules) {
        let (item, before) = self.sending.take().expect("a send under way");
        let to = match outcome {
            Outcome::Accepted => State::Sent,
            Outcome::AnswerLost if rules.keyed => State::Again,
            Outcome::AnswerLost => State::Unsure,
            Outcome::NotTaken => before,
        };
        self.now[item] = Some(to);
        self.supersede();
        self.phase = Phase::Settling;
    }

    /// Writes what changed, and is free.
    pub fn settle(&mut self, kept: &mut Kept, rules: Rules) {
        kept.settle(self, rules);
        *self = Worker::default();
    }
}
