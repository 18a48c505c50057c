//! What tests of the running relay share: a private Redis, relays in this process and as children, raw HTTP,
//! providers' understudies, signed webhooks. Nothing sleeps to wait: [`until`] polls with a deadline.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod child;
pub mod chromium;
pub mod cluster;
pub mod dir;
pub mod orders;
pub mod provider;
pub mod redis;
pub mod relay;
mod store_room;
pub mod wire;

pub(crate) use store_room::*;

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; panics with `what` when there is none after 15 s.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
