//! drain: what waits on disk goes through the same steps as at the door, when Redis is back.
//!
//! Dies after the store took a request and before it is struck off: it is offered again, and the store knows it by
//! its marks. The order of offers does not matter: absorbing is commutative.

use super::App;
use super::kept::AcceptError;
use super::spooled::figures;
use crate::spool::{Door, Entry, Place, Spool};
use crate::store::error::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Rests while Redis is away: from this, doubling, up to that.
const REST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What became of a record.
enum Put {
    /// The store has it, or needs nothing of it.
    Taken,
    /// Redis is away: none of the others will fare better.
    Away(String),
    /// This one could not be taken now.
    Later(String),
    /// It never will be.
    Never(String),
}

/// The loop of the process that has the spool: puts what waits through the same steps, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(spool) = &app.spool else { return };
    let mut rest = REST.0;
    while !*stop.borrow() {
        let gone_well = drain(&app, spool, &stop).await;
        figures(&app);
        let waits = spool.standing().records > 0;
        rest = if gone_well { REST.0 } else { (rest * 2).min(REST.1) };
        tokio::select! {
            () = spool.news(), if !waits => {}
            () = tokio::time::sleep(rest), if waits => {}
            _ = stop.changed() => {}
        }
    }
}

/// One round over all that waits; `false`: Redis is away, or something is left.
async fn drain(app: &App, spool: &Spool, stop: &watch::Receiver<bool>) -> bool {
    let (mut after, mut left): (Option<Place>, bool) = (None, false);
    while let Some((place, read)) = spool.next(after).await {
        if *stop.borrow() {
            return false;
        }
        after = Some(place);
        let put = match read {
            Ok(entry) => put(app, &entry).await,
            Err(damage) => Put::Never(format!("its record is {}", damage.as_str())),
        };
        match put {
            Put::Taken => spool.strike(place).await,
            Put::Away(why) => {
                tracing::warn!(why, waiting = spool.standing().records, "the spool waits for Redis");
                return false;
            }
            Put::Later(why) => {
                left = true;
                tracing::warn!(why, "a spooled request could not be taken yet");
            }
            Put::Never(why) => {
                tracing::error!(why, "a spooled request was set aside in the spool's folder: a person must look");
                if let Err(error) = spool.set_aside(place).await {
                    left = true;
                    tracing::error!(%error, "it could not be set aside, and still waits");
                }
            }
        }
    }
    !left
}

async fn put(app: &App, entry: &Entry) -> Put {
    match &entry.door {
        Door::Hook { shop, dedupe, content } => {
            let Some(shop) = app.live().shops.get(shop).cloned() else {
                return Put::Never(format!("the shop {shop} is no longer configured"));
            };
            match super::accept::put(app, &shop, &entry.raw, (dedupe, *content)).await {
                Ok(_) => Put::Taken,
                Err(AcceptError::Store(error)) if error.kind == ErrorKind::Bug => Put::Later(error.to_string()),
                Err(AcceptError::Store(error)) => Put::Away(error.to_string()),
                Err(error) => Put::Later(error.to_string()),
            }
        }
        Door::Callback { channel } => {
            let Some(account) = app.live().channels.get(channel).cloned() else {
                return Put::Never(format!("the channel {channel} is no longer configured"));
            };
            match super::hear::put(app, &account, &entry.raw).await {
                Ok(()) => Put::Taken,
                Err(error) if error.kind == ErrorKind::Bug => Put::Later(error.to_string()),
                Err(error) => Put::Away(error.to_string()),
            }
        }
    }
}
