//! The order under the scripts, as small as it can be: what `commit lease begin settle tick erase` read and write,
//! and nothing else. Each function is one script, and happens at one moment.

use super::Rules;
use super::worker::Worker;
use orderwire::domain::owed::State;

/// Items of the order: the older and the newer of two things that happened.
pub const ITEMS: usize = 2;

/// What Redis keeps of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kept {
    /// `r`: moved by commit and erase, never by settle.
    pub revision: u8,
    /// `n`: items that are open, as the scripts count them.
    pub n: i8,
    /// The items; `None`: not owed yet.
    pub items: [Option<State>; ITEMS],
    /// In the set of what has something to do now, of what waits, of what is leased.
    pub ready: bool,
    pub wait: bool,
    pub lease: bool,
    /// Who holds it.
    pub token: Option<u8>,
    /// The lease's time is over, and nobody has noticed.
    pub over: bool,
    /// A tombstone.
    pub erased: bool,
    /// An item went where it may not go.
    pub lawless: bool,
}

/// The answers of `begin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    Go,
    Moved,
    Fenced,
}

impl Kept {
    /// Items that are open.
    pub fn open(&self) -> i8 {
        self.items.iter().flatten().map(|s| i8::from(s.is_open())).sum()
    }

    fn put(&mut self, item: usize, to: State) {
        if let Some(from) = self.items[item]
            && from != to
            && !from.may_become(to)
        {
            self.lawless = true;
        }
        self.items[item] = Some(to);
    }

    /// `commit`: one more item, if the revision is the one read.
    pub fn commit(&mut self, read: u8, item: usize) -> bool {
        if self.revision != read {
            return false;
        }
        self.revision += 1;
        self.n += 1;
        self.items[item] = Some(State::Open);
        if !self.lease && !self.ready {
            (self.ready, self.wait) = (true, false);
        }
        true
    }

    /// `lease`.
    pub fn take(&mut self, token: u8) {
        (self.ready, self.lease, self.token, self.over) = (false, true, Some(token), false);
    }

    /// `begin`: the item as begun, before anything goes out.
    pub fn begin(&mut self, token: u8, decided_on: u8, item: usize, rules: Rules) -> Begun {
        if self.token != Some(token) || self.over {
            Begun::Fenced
        } else if self.revision != decided_on {
            Begun::Moved
        } else {
            if !rules.begin_omitted {
                self.put(item, State::Begun);
            }
            Begun::Go
        }
    }

    /// `settle`: the items that changed, whole; where the order goes then. Nothing of another holder's order.
    pub fn settle(&mut self, by: &Worker, rules: Rules) {
        if self.token != Some(by.token) && !rules.settle_unfenced {
            return;
        }
        let (was, now) = (&by.was, &by.now);
        let moved = self.revision != by.revision;
        let done = now.iter().flatten().all(|s| !s.is_open());
        for item in 0..ITEMS {
            if let Some(to) = now[item].filter(|to| Some(*to) != was[item]) {
                self.n -= i8::from(was[item].is_some_and(State::is_open) && !to.is_open());
                self.put(item, to);
            }
        }
        (self.lease, self.token, self.over) = (false, None, false);
        if rules.settle_trusts_the_worker {
            (self.ready, self.wait) = (false, !done);
        } else if self.n > 0 {
            (self.ready, self.wait) = (moved, !moved);
        }
    }

    /// `tick`: what is due comes to `ready`, and so does what a lease that is over held.
    pub fn tick(&mut self) {
        if self.lease && self.over {
            (self.lease, self.token, self.over) = (false, None, false);
            self.ready = true;
        }
        if self.wait {
            (self.ready, self.wait) = (true, false);
        }
    }

    /// `erase`: whoever has it loses it first; what is open ends.
    pub fn erase(&mut self) {
        self.revision += 1;
        (self.ready, self.wait, self.lease, self.token, self.over) = (false, false, false, None, false);
        for item in 0..ITEMS {
            match self.items[item] {
                Some(State::Open) => self.put(item, State::Skipped),
                Some(State::Begun | State::Again) => self.put(item, State::Unsure),
                _ => {}
            }
        }
        (self.n, self.erased) = (0, true);
    }
}
