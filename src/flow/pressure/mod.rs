//! pressure: how Redis bears what is asked of it, and what is asked less for that.
//!
//! Every process watches for itself: how long a trip takes (slow: its worker takes fewer orders at a time, `crew`),
//! whether Redis serves at all (`reach`), how full its memory is (`memory`), and how many genuine requests wait for
//! it. What it could not take is turned away at the door, before any of it is read, or goes to the spool without a
//! try. A request that was read is never turned away for this: it is tried.
//!
//! Nothing of it is stored. A process that dies forgets it, and the next one learns it anew within seconds.

mod crew;
mod memory;
pub mod pulse;
mod reach;

pub use memory::Level;

use crate::store::error::ErrorKind;
use crew::{Crew, MOST, Trip};
use memory::level;
use reach::Reach;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Trips that take longer than this on average are slow.
const SLOW: Duration = Duration::from_millis(400);
/// Orders taken from one partition in one call, while Redis is quick.
const TAKE: usize = 64;
/// Genuine requests that may wait for Redis, where the settings do not say.
pub const WAITING: usize = 1024;

/// Who stands at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A shop, with news that makes something owed.
    Shop,
    /// A channel's provider, with news that lets what is owed go. It is let in while the memory lasts.
    Channel,
}

/// Why Redis is not asked to take one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// It is set up so that it does not keep what it acknowledges.
    #[error("Redis is not set up as it must be")]
    Setup,
    /// It does not answer.
    #[error("Redis is away")]
    Away,
    /// What is left of its memory belongs to what is owed already.
    #[error("Redis' memory is nearly full")]
    Memory,
    /// Too many wait for it.
    #[error("too many requests wait for Redis")]
    Queue,
    /// Bodies under way hold as many bytes as they may.
    #[error("bodies under way hold as many bytes as they may")]
    Bytes,
}

impl Shed {
    /// All of them.
    pub const ALL: [Shed; 5] = [Shed::Setup, Shed::Away, Shed::Memory, Shed::Queue, Shed::Bytes];

    /// The word in measures and probes.
    pub fn as_str(self) -> &'static str {
        match self {
            Shed::Setup => "setup",
            Shed::Away => "away",
            Shed::Memory => "memory",
            Shed::Queue => "queue",
            Shed::Bytes => "bytes",
        }
    }
}

/// How much a worker takes in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Orders at one time.
    pub in_hand: usize,
    /// Orders from one partition in one call.
    pub take: usize,
}

/// What a probe shows.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Why shops' webhooks do not go to Redis just now; `open`: they do.
    pub door: &'static str,
    /// What is wrong with Redis' settings.
    pub complaint: Option<String>,
    /// Average trip, milliseconds.
    pub trip_ms: u64,
    /// Genuine requests that wait for Redis.
    pub waiting: usize,
    /// So many may.
    pub max_waiting: usize,
    /// Orders that the worker may have in hand at one time.
    pub max_in_hand: usize,
    /// How full Redis' memory is, as a level.
    pub memory: &'static str,
}

#[derive(Default)]
struct State {
    trip: Trip,
    crew: Crew,
    reach: Reach,
    level: Level,
    complaint: Option<String>,
}

/// What this process knows of it.
pub struct Pressure {
    max_waiting: usize,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

impl Default for Pressure {
    fn default() -> Self {
        Pressure::new(WAITING)
    }
}

/// A genuine request that waits for Redis; over when dropped.
pub struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pressure {
    /// Nothing is known yet; so many genuine requests may wait at one time.
    pub fn new(max_waiting: usize) -> Pressure {
        Pressure { max_waiting: max_waiting.max(1), waiting: AtomicUsize::new(0), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request whose signature held begins to wait. Forged ones are not counted: they would shut the door.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(&self.waiting)
    }

    /// A trip to Redis is over; `kind`: how it failed.
    pub fn trip(&self, took: Duration, kind: Option<ErrorKind>, now: Instant) {
        let mut state = self.state();
        // What was refused at once says nothing about how quick the server is.
        if matches!(kind, None | Some(ErrorKind::Timeout)) {
            state.trip.took(took);
        }
        // A full server answers, and so does one whose replica is late.
        let serves = matches!(kind, None | Some(ErrorKind::Full | ErrorKind::Unreplicated | ErrorKind::Bug));
        state.reach.seen(serves, now);
    }

    /// How full the memory is, 0 to 1; `None`: it has no limit. Gives the level before and the one now.
    pub fn fills(&self, ratio: Option<f64>) -> (Level, Level) {
        let mut state = self.state();
        let before = state.level;
        state.level = level(before, ratio.unwrap_or(0.0));
        (before, state.level)
    }

    /// What is wrong with how the server is set up; `None`: nothing. Gives whether that is news.
    pub fn complains(&self, what: Option<String>) -> bool {
        let mut state = self.state();
        let news = state.complaint != what;
        state.complaint = what;
        news
    }

    /// Why Redis is not to be asked to take a request of this caller; `None`: it is.
    pub fn relief(&self, caller: Caller, now: Instant) -> Option<Shed> {
        let state = self.state();
        if state.complaint.is_some() {
            Some(Shed::Setup)
        } else if state.reach.away(now) {
            Some(Shed::Away)
        } else if caller == Caller::Shop && state.level == Level::Full {
            Some(Shed::Memory)
        } else if self.waiting() >= self.max_waiting {
            Some(Shed::Queue)
        } else {
            None
        }
    }

    /// Whether so many wait that not even the disk could keep up.
    pub fn crowded(&self) -> bool {
        self.waiting() >= 2 * self.max_waiting
    }

    /// Genuine requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// How full the memory is.
    pub fn level(&self) -> Level {
        self.state().level
    }

    /// What the worker may take in hand.
    pub fn share(&self) -> Share {
        let in_hand = self.state().crew.most();
        Share { in_hand, take: (TAKE * in_hand / MOST).max(1) }
    }

    /// Fits what the worker may take to how Redis bears it. Gives how many orders that is from now on, where it
    /// changed.
    pub fn fit(&self, now: Instant) -> Option<usize> {
        let pressed = self.waiting() >= self.max_waiting;
        let mut state = self.state();
        let pressed = pressed || state.trip.average() > SLOW;
        state.crew.fit(pressed, now)
    }

    /// The average trip.
    pub fn average(&self) -> Duration {
        self.state().trip.average()
    }

    /// For probes.
    pub fn view(&self, now: Instant) -> View {
        let door = self.relief(Caller::Shop, now).map_or("open", Shed::as_str);
        let waiting = self.waiting();
        let state = self.state();
        View {
            door,
            complaint: state.complaint.clone(),
            trip_ms: u64::try_from(state.trip.average().as_millis()).unwrap_or(u64::MAX),
            waiting,
            max_waiting: self.max_waiting,
            max_in_hand: state.crew.most(),
            memory: state.level.as_str(),
        }
    }
}

#[cfg(test)]
mod tests;
