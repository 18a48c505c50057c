//! noted: who does not want to be written to any more, said while Redis was away. The wish lies on disk; until it is
//! applied this process sends them nothing all the same.
//!
//! Dies: the wish is on disk, and holds when the next process has put it through. Until then other pods do not know it.

use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, PersonFacts, Signal};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether somebody says that they do not want to be written to.
pub fn says_no(signal: &Signal) -> bool {
    super::consent::said(signal) == Some(true)
}

/// Wishes that lie on disk: whose, and when they were said.
#[derive(Default)]
pub struct Noted(Mutex<HashMap<(ChannelId, Address), Timestamp>>);

impl Noted {
    fn all(&self) -> MutexGuard<'_, HashMap<(ChannelId, Address), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They said so at `at`, and it is on disk.
    pub fn add(&self, channel: &ChannelId, person: &Address, at: Timestamp) {
        self.all().insert((channel.clone(), person.clone()), at);
    }

    /// What they said is applied, or something later is.
    pub fn applied(&self, channel: &ChannelId, person: &Address) {
        self.all().remove(&(channel.clone(), person.clone()));
    }

    /// They said so, and it is not applied yet.
    pub fn has(&self, channel: &ChannelId, person: &Address) -> bool {
        let all = self.all();
        !all.is_empty() && all.contains_key(&(channel.clone(), person.clone()))
    }

    /// What is known of them, with what they said meanwhile.
    pub fn over(&self, channel: &ChannelId, person: &Address, mut facts: PersonFacts) -> PersonFacts {
        let all = self.all();
        if !all.is_empty() {
            facts.opted_out = facts.opted_out.or(all.get(&(channel.clone(), person.clone())).copied());
        }
        facts
    }
}
