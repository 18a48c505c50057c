//! How much the worker takes in hand: half as much while Redis is slow, a little more again while it is not.
//!
//! Additive increase, multiplicative decrease: workers of several pods that press one server come to equal shares
//! without knowing of each other. No library: what is bounded here is how many orders a lease asks for, not calls
//! through a gate.

use crate::store::keys::PARTITIONS;
use std::time::{Duration, Instant};

/// Orders in hand at one time in one process, at most.
pub const MOST: usize = 512;
/// And at least: fewer than one of each partition would leave some never looked at.
const LEAST: usize = 32;
const _: () = assert!(LEAST >= PARTITIONS);
/// So many more after a second in which Redis was quick.
const STEP: usize = 16;
/// Between two changes: the average must have had time to show what the last one did.
const PERIOD: Duration = Duration::from_secs(1);
/// A trip's weight in the average, as TCP weighs its round trips (RFC 6298).
const WEIGHT: f64 = 0.125;

/// The moving average of trips to Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trip(f64);

impl Trip {
    /// One more.
    pub fn took(&mut self, time: Duration) {
        self.0 += (time.as_secs_f64() - self.0) * WEIGHT;
    }

    /// The average.
    pub fn average(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or_default()
    }
}

/// How many orders may be in hand.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    most: usize,
    changed: Option<Instant>,
}

impl Default for Crew {
    fn default() -> Self {
        Crew { most: MOST, changed: None }
    }
}

impl Crew {
    /// Orders that may be in hand.
    pub fn most(self) -> usize {
        self.most
    }

    /// Half as many where Redis is pressed, some more where it is not; at most once a second. Gives the number
    /// if it changed.
    pub fn fit(&mut self, pressed: bool, now: Instant) -> Option<usize> {
        if self.changed.is_some_and(|at| now.saturating_duration_since(at) < PERIOD) {
            return None;
        }
        let most = if pressed { (self.most / 2).max(LEAST) } else { (self.most + STEP).min(MOST) };
        if most == self.most {
            return None;
        }
        (self.most, self.changed) = (most, Some(now));
        Some(most)
    }
}
