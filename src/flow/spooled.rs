//! spooled: genuine requests that could not be stored wait on disk; `drain` puts them through later.
//!
//! Dies before the flush: nobody was answered, the sender repeats or knows it lost. Dies after the flush: the record
//! is offered at the next start.

use super::App;
use crate::domain::webhook::RawWebhook;
use crate::spool::{Door, Entry};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Kept back for the disk, of the time for an answer. With the 1.9 s behind the signature and the body's 2.5 s the
/// answer is within the five seconds Shopify waits.
const DISK: Duration = Duration::from_millis(400);

/// Time for one answer.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The store is given up at.
    pub store: Instant,
    /// The answer leaves at: a store that refuses at once leaves the disk all the time there is.
    pub answer: Instant,
}

impl Times {
    /// From now on; `in_all`: time for the answer.
    pub fn of(app: &App, in_all: Duration) -> Times {
        let answer = Instant::now() + in_all;
        let store = if app.spool.is_some() { answer - DISK } else { answer };
        Times { store, answer }
    }
}

/// Keeps a request whose signature held; `false`: nobody has it, the sender must be told so.
pub async fn keep(app: &App, door: Door, raw: &RawWebhook, times: Times) -> bool {
    let Some(spool) = &app.spool else { return false };
    let entry = Entry { door, raw: raw.clone() };
    match timeout_at(times.answer, spool.append(&entry)).await {
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
            tracing::error!("a genuine request was not on disk in time");
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
