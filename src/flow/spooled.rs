//! spooled: genuine requests that Redis could not take wait on disk; `drain` puts them through later.
//!
//! Dies before the flush: nobody was answered, the sender repeats or knows it lost. Dies after the flush: the record
//! is offered at the next start.

use super::App;
use crate::domain::webhook::RawWebhook;
use crate::spool::{Door, Entry};
use std::time::Duration;

/// Longest a sender waits for the disk. With the 1.9 s behind the signature and the body's 2.5 s that is within the
/// five seconds Shopify waits.
const DISK: Duration = Duration::from_millis(400);

/// How long the store is waited for, of the time for an answer: where there is a spool, it needs its own part.
pub fn of_answer(app: &App, in_all: Duration) -> Duration {
    if app.spool.is_some() { in_all - DISK } else { in_all }
}

/// Keeps a request whose signature held; `false`: nobody has it, the sender must be told so.
pub async fn keep(app: &App, door: Door, raw: &RawWebhook) -> bool {
    let Some(spool) = &app.spool else { return false };
    let entry = Entry { door, raw: raw.clone() };
    match tokio::time::timeout(DISK, spool.append(&entry)).await {
        Ok(Ok(stored)) => {
            if let Some(took) = stored.flushed {
                app.metrics.spool_flushed(took.as_secs_f64());
            }
            super::crash::point("after-spool");
            figures(app);
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a genuine request could not be kept on disk");
            false
        }
        // It may be on disk: offered then, it is known or new, and both are right.
        Err(_) => {
            tracing::error!("a genuine request was not on disk within {DISK:?}");
            false
        }
    }
}

/// Says how the spool stands.
pub fn figures(app: &App) {
    if let Some(spool) = &app.spool {
        let now = spool.standing();
        app.metrics.set_spool(now.records, now.bytes, now.aside);
    }
}
