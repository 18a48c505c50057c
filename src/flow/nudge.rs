//! nudge: where something became due, so that the worker looks there at once and nowhere else.
//!
//! Only ever a hint: what is lost of it is found by the worker's regular look at every partition.

use crate::domain::clock::{Timestamp, from_millis};
use crate::store::keys::PARTITIONS;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Partitions, a bit each.
pub type Places = u32;

/// All of them.
pub const EVERYWHERE: Places = ((1_u64 << PARTITIONS) - 1) as Places;

/// Where to look, and when.
pub struct Nudge {
    now: AtomicU32,
    later: [AtomicI64; PARTITIONS],
    bell: Notify,
}

impl Default for Nudge {
    fn default() -> Self {
        let later = std::array::from_fn(|_| AtomicI64::new(i64::MAX));
        Nudge { now: AtomicU32::new(0), later, bell: Notify::new() }
    }
}

impl Nudge {
    /// Something became due, nobody knows where.
    pub fn notify_one(&self) {
        self.again(EVERYWHERE);
    }

    /// Something in `partition` is due at `at`; that may be now.
    pub fn at(&self, partition: u8, at: Timestamp, now: Timestamp) {
        if at <= now {
            self.again(place(partition));
        } else if let Some(later) = self.later.get(usize::from(partition)) {
            let at = at.as_millisecond();
            if later.fetch_min(at, Ordering::AcqRel) > at {
                // Whoever sleeps must not sleep longer than that.
                self.bell.notify_one();
            }
        }
    }

    /// Something in these places may be due: look again now.
    pub fn again(&self, places: Places) {
        self.mark(places);
        self.bell.notify_one();
    }

    /// Notes places without waking anybody: for the worker itself, which looks again anyway.
    pub fn mark(&self, places: Places) {
        self.now.fetch_or(places, Ordering::AcqRel);
    }

    /// Where to look now; forgotten by that.
    pub fn take(&self, now: Timestamp) -> Places {
        let mut places = self.now.swap(0, Ordering::AcqRel);
        for (partition, later) in (0_u8..).zip(&self.later) {
            let at = later.load(Ordering::Acquire);
            let passed = at <= now.as_millisecond();
            if passed && later.compare_exchange(at, i64::MAX, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                places |= place(partition);
            }
        }
        places
    }

    /// How long until something known becomes due; at most `longest`.
    pub fn rest(&self, now: Timestamp, longest: Duration) -> Duration {
        let soonest = self.later.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap_or(i64::MAX);
        if soonest == i64::MAX {
            return longest;
        }
        Duration::try_from(from_millis(soonest).duration_since(now)).unwrap_or(Duration::ZERO).min(longest)
    }

    /// Waits for the next nudge; one that came since the last wait counts.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// The place of one partition.
pub fn place(partition: u8) -> Places {
    1 << (usize::from(partition) % PARTITIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        from_millis(1_000_000 + ms)
    }

    #[test]
    fn what_is_due_now_is_looked_for_once_and_only_there() {
        let nudge = Nudge::default();
        nudge.at(3, at(0), at(0));
        nudge.at(15, at(-5), at(0));
        assert_eq!(nudge.take(at(0)), 1 << 3 | 1 << 15);
        assert_eq!(nudge.take(at(0)), 0);
        nudge.notify_one();
        assert_eq!(nudge.take(at(0)), EVERYWHERE);
    }

    #[test]
    fn what_is_due_later_shortens_the_rest_and_comes_in_its_time() {
        let nudge = Nudge::default();
        let longest = Duration::from_millis(250);
        assert_eq!(nudge.rest(at(0), longest), longest);
        nudge.at(2, at(400), at(0));
        nudge.at(2, at(40), at(0));
        nudge.at(2, at(90), at(0));
        assert_eq!(nudge.rest(at(0), longest), Duration::from_millis(40));
        assert_eq!(nudge.take(at(39)), 0);
        assert_eq!(nudge.rest(at(41), longest), Duration::ZERO);
        assert_eq!(nudge.take(at(41)), 1 << 2);
        assert_eq!(nudge.rest(at(41), longest), longest, "the regular look finds the others");
    }
}
