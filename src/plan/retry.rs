//! When to try again, and what follows a send of which nobody knows whether it arrived.

use crate::domain::channel::Capabilities;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::milestone::Purpose;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Sends of one item at most. With the delays of [`backoff`] a few hours; a provider that is down for longer
/// trips the breaker, and waiting for that does not count.
pub const MAX_ATTEMPTS: u8 = 25;

/// First delay at most. Seconds.
const BASE: i64 = 5;
/// Any delay at most. Seconds.
const CAP: i64 = 15 * 60;

/// Seconds until the next try after `attempts` sends: anything up to 5 s, 10 s, 20 s … 15 min (full jitter, so
/// that what failed together does not come back together), and never less than the provider asked for in
/// `after_secs`. The same `seed` gives the same delay.
pub fn backoff(attempts: u8, after_secs: Option<i64>, seed: u64) -> i64 {
    let doublings = u32::from(attempts.saturating_sub(1)).min(20);
    let most = BASE.saturating_mul(1_i64 << doublings).min(CAP);
    let mut rng = StdRng::seed_from_u64(seed ^ u64::from(attempts));
    rng.random_range(1..=most).max(after_secs.unwrap_or(0))
}

/// What follows a send of which nobody knows whether it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterUnsure {
    /// Once more: the same envelope, under the same key where there is one (`State::Again`).
    Again,
    /// Not again (`State::Unsure`).
    Unsure,
}

/// What follows a send of which nobody knows whether it arrived.
///
/// With a retry key a repetition is no second message, so anything is repeated while the provider surely
/// remembers the key: its life from the *first* attempt, less an hour (less a twelfth where the life is
/// short). Without one, progress is never repeated; a record or a call to act is, once.
///
/// `unsure_sends` counts this one. Where only all sends are counted (a worker died between begin and settle)
/// give those: the answer then errs on the side of not telling twice.
pub fn after_unsure(
    purpose: Purpose,
    unsure_sends: u8,
    has_retry_key: bool,
    first_attempt: Timestamp,
    now: Timestamp,
    caps: &Capabilities,
) -> AfterUnsure {
    let again = match caps.retry_key_secs.filter(|_| has_retry_key) {
        Some(life) => now < plus_secs(first_attempt, life - (life / 12).clamp(0, 3600)),
        None => purpose != Purpose::Status && unsure_sends <= 1,
    };
    if again { AfterUnsure::Again } else { AfterUnsure::Unsure }
}
