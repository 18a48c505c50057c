//! Whether Redis serves, as far as this process can tell.

use std::time::{Duration, Instant};

/// So many failures in a row …
const FAILURES: u32 = 3;
/// … over at least so long mean that it is away: a connection that is made anew is not yet an outage.
const LONG: Duration = Duration::from_secs(1);

/// What was seen of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    failures: u32,
    since: Option<Instant>,
}

impl Reach {
    /// A trip that the server served, or did not.
    pub fn seen(&mut self, serves: bool, now: Instant) {
        if serves {
            *self = Reach::default();
        } else {
            self.failures = self.failures.saturating_add(1);
            self.since.get_or_insert(now);
        }
    }

    /// Known to be away, until it serves again.
    pub fn away(self, now: Instant) -> bool {
        let long = self.since.is_some_and(|at| now.saturating_duration_since(at) >= LONG);
        self.failures >= FAILURES && long
    }
}
