//! Named places where a debug build dies when told to: instants that a `kill -9` by time rarely hits.
//!
//! `ORDERWIRE_CRASH=after-begin:3` aborts the process the third time it passes `after-begin`;
//! `ORDERWIRE_CRASH=after-begin:3:panic` panics there, and every third time after. The places:
//! `after-lease` `after-begin` `after-send` `before-settle` `after-commit` `after-duty` `before-erase` `after-page`
//! `after-reseal` `after-spool` `before-strike` `after-result` `after-replay` `after-redeem` `after-link` `after-said`.
//! A release build has none of this.

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<Armed> = std::sync::OnceLock::new();

/// What is to happen.
#[cfg(debug_assertions)]
struct Armed {
    place: String,
    nth: u64,
    panics: bool,
    passed: std::sync::atomic::AtomicU64,
}

/// Takes the order (`place`, `place:n` or `place:n:panic`) once, at start; anything else arms nothing.
pub fn arm(order: Option<&String>) {
    #[cfg(debug_assertions)]
    if let Some(order) = order {
        let mut parts = order.split(':');
        let place = parts.next().unwrap_or_default().to_string();
        let nth = parts.next().and_then(|n| n.parse().ok()).unwrap_or(1).max(1);
        let panics = parts.next() == Some("panic");
        drop(ARMED.set(Armed { place, nth, panics, passed: std::sync::atomic::AtomicU64::new(0) }));
    }
    #[cfg(not(debug_assertions))]
    let _ = order;
}

/// Dies or panics here, if that is the place and the time.
#[inline]
pub(super) fn point(place: &str) {
    #[cfg(debug_assertions)]
    if let Some(armed) = ARMED.get()
        && armed.place == place
    {
        let passed = armed.passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        match armed.panics {
            true if passed.is_multiple_of(armed.nth) => panic!("told to panic at {place}"),
            false if passed == armed.nth => std::process::abort(),
            _ => {}
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
