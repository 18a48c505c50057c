//! The people at the other end: who blocked the account, who does not exist, whose window is open.

use crate::domain::clock::{Timestamp, plus_secs};
use std::collections::HashMap;
use std::sync::Mutex;

/// Messenger: free words for so long after a person acted. Seconds.
const WINDOW: i64 = 24 * 3600;

/// What a control call does to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Become {
    /// The window opens now, for 24 hours.
    Open,
    /// The window closes.
    Closed,
    /// The person blocks the account.
    Blocked,
    /// The person takes the block back.
    Unblocked,
    /// The provider does not know the id.
    Unknown,
    /// It does.
    Known,
}

impl Become {
    /// By its word in an address: `open close block unblock forget know`.
    pub(super) fn read(word: &str) -> Option<Become> {
        Some(match word {
            "open" => Become::Open,
            "close" => Become::Closed,
            "block" => Become::Blocked,
            "unblock" => Become::Unblocked,
            "forget" => Become::Unknown,
            "know" => Become::Known,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Default)]
struct Person {
    window_until: Option<Timestamp>,
    blocked: bool,
    unknown: bool,
}

/// Everybody of whom something is told, by channel and id. Whoever is not here is known, not blocked, and
/// has a closed window.
#[derive(Default)]
pub(super) struct People(Mutex<HashMap<(&'static str, String), Person>>);

impl People {
    pub(super) fn change(&self, channel: &'static str, id: &str, what: Become, now: Timestamp) {
        let Ok(mut people) = self.0.lock() else { return };
        let person = people.entry((channel, id.to_string())).or_default();
        match what {
            Become::Open => person.window_until = Some(plus_secs(now, WINDOW)),
            Become::Closed => person.window_until = None,
            Become::Blocked => person.blocked = true,
            Become::Unblocked => person.blocked = false,
            Become::Unknown => person.unknown = true,
            Become::Known => person.unknown = false,
        }
    }

    fn of(&self, channel: &'static str, id: &str) -> Person {
        let Ok(people) = self.0.lock() else { return Person::default() };
        // The plain path of a benchmark has nobody in here and makes no key.
        if people.is_empty() {
            return Person::default();
        }
        people.get(&(channel, id.to_string())).copied().unwrap_or_default()
    }

    pub(super) fn blocked(&self, channel: &'static str, id: &str) -> bool {
        self.of(channel, id).blocked
    }

    pub(super) fn unknown(&self, channel: &'static str, id: &str) -> bool {
        self.of(channel, id).unknown
    }

    /// Whether they acted within so many seconds.
    pub(super) fn wrote_within(&self, channel: &'static str, id: &str, now: Timestamp, secs: i64) -> bool {
        self.of(channel, id).window_until.is_some_and(|until| now < plus_secs(until, secs - WINDOW))
    }

    pub(super) fn open(&self, channel: &'static str, id: &str, now: Timestamp) -> bool {
        self.of(channel, id).window_until.is_some_and(|until| now < until)
    }
}
