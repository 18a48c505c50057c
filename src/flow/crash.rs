//! Named places where a debug build dies when told to: instants that a `kill -9` by time rarely hits.
//!
//! `ORDERWIRE_CRASH=after-begin:3` aborts the process the third time it passes `after-begin`. The places:
//! `after-lease` `after-begin` `after-send` `before-settle` `after-commit` `after-duty` `before-erase` `after-page`
//! `after-reseal` `after-spool` `before-strike`. A release build has none of this.

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<(String, std::sync::atomic::AtomicI64)> = std::sync::OnceLock::new();

/// Takes the order (`place`, or `place:n`) once, at start; anything else arms nothing.
pub fn arm(order: Option<&String>) {
    #[cfg(debug_assertions)]
    if let Some(order) = order {
        let (place, nth) = order.split_once(':').unwrap_or((order, "1"));
        let nth = std::sync::atomic::AtomicI64::new(nth.parse().unwrap_or(1));
        drop(ARMED.set((place.to_string(), nth)));
    }
    #[cfg(not(debug_assertions))]
    let _ = order;
}

/// Dies here, if that is the place and the time.
#[inline]
pub(super) fn point(place: &str) {
    #[cfg(debug_assertions)]
    if let Some((armed, left)) = ARMED.get()
        && armed == place
        && left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
