//! drain: what waits in the spool → the same steps as live traffic → struck off.
//!
//! That a record is genuine was proved at the door, and its seal proves that it is ours, so its signature is
//! not checked once more: a secret rotated while Redis was away must not lose what was acknowledged.
//!
//! Dies before the store took a record: it still waits. Dies between the store and the strike: it is offered
//! again, and is a duplicate by its marks. Dies after: done. So neither the order of records nor how often one
//! is offered matters; they go one by one all the same, oldest first, which leaves the store to live traffic.
//!
//! While Redis is away nothing can go on, so the first record waits for it. A record that the store refuses
//! for a reason of its own is put off, and the others go on; refused at every try, it is set aside.

use super::App;
use super::kept::AcceptError;
use super::pressure::Level;
use super::{accept, hear, spooled};
use crate::spool::{Door, Entry, Place, Spool};
use crate::store::error::{ErrorKind, StoreError};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// First and longest pause while Redis is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Tries of a record that the store refuses before it is set aside.
const TRIES: u32 = 5;
/// Pause after the first of them; each further one is four times as long: a minute and a half in all, longer than a
/// failover, or than a script's error at an upgrade.
const PUT_OFF: Duration = Duration::from_secs(1);

/// What became of one offer.
enum Offered {
    /// The store has what it told.
    Taken,
    /// The store takes nothing just now.
    Away(String),
    /// The store does not take this one.
    Refused(String),
    /// It can never be taken.
    Never(String),
}

/// A record that was refused: how often, and when it is offered again.
struct PutOff {
    tries: u32,
    again: Instant,
}

/// A drain at work.
struct Drain<'a> {
    app: &'a App,
    spool: &'a Spool,
    /// The record looked at last.
    at: Option<Place>,
    put_off: BTreeMap<Place, PutOff>,
    pause: Duration,
}

/// The loop of the process that has the spool, until told to stop. Stopped in the middle of a record: it is
/// offered again at the next start.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(spool) = &app.spool else { return };
    let mut drain = Drain { app: &app, spool, at: None, put_off: BTreeMap::new(), pause: AWAY.0 };
    let work = async {
        loop {
            spooled::figures(&app);
            drain.step().await;
        }
    };
    tokio::select! { () = work => {}, _ = stop.changed() => {} }
}

impl Drain<'_> {
    /// One record, or a rest.
    async fn step(&mut self) {
        let Some((place, read)) = self.spool.next(self.at).await else { return self.rest().await };
        if self.put_off.get(&place).is_some_and(|p| p.again > Instant::now()) {
            self.at = Some(place);
            return;
        }
        let offered = match read {
            // One that brings us down must not stop the others.
            Ok(entry) => AssertUnwindSafe(offer(self.app, &entry))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Offered::Refused("it made the relay panic".into())),
            Err(damage) => Offered::Never(format!("its record is {}", damage.as_str())),
        };
        match offered {
            Offered::Away(error) => return self.wait_for_redis(&error).await,
            Offered::Taken => {
                super::crash::point("before-strike");
                self.spool.strike(place).await;
                self.put_off.remove(&place);
                if self.spool.standing().records == 0 {
                    tracing::info!("the spool is empty again: everything in it was taken");
                }
            }
            Offered::Refused(error) => self.refused(place, &error).await,
            Offered::Never(why) => self.set_aside(place, &why).await,
        }
        self.pause = AWAY.0;
        self.at = Some(place);
    }

    /// At the end of the spool: until something new is in it, or a record put off has its time.
    async fn rest(&mut self) {
        self.put_off.retain(|place, _| self.spool.waits(*place));
        let again = self.put_off.values().map(|p| p.again).min();
        match again {
            Some(again) => drop(timeout_at(again, self.spool.news()).await),
            None => self.spool.news().await,
        }
        self.at = None;
    }

    async fn wait_for_redis(&mut self, error: &str) {
        if self.pause == AWAY.0 {
            let records = self.spool.standing().records;
            tracing::warn!(records, error, "the spool waits for Redis");
        }
        // Pods must not come back in step.
        tokio::time::sleep(self.pause.mul_f64(rand::random_range(0.5..1.0))).await;
        self.pause = (self.pause * 2).min(AWAY.1);
    }

    async fn refused(&mut self, place: Place, error: &str) {
        let tries = self.put_off.get(&place).map_or(0, |p| p.tries) + 1;
        tracing::warn!(tries, error, "a record of the spool was not taken");
        if tries >= TRIES {
            return self.set_aside(place, error).await;
        }
        self.put_off_until(place, tries);
    }

    fn put_off_until(&mut self, place: Place, tries: u32) {
        let pause = PUT_OFF * 4_u32.saturating_pow(tries.saturating_sub(1).min(8));
        self.put_off.insert(place, PutOff { tries, again: Instant::now() + pause });
    }

    async fn set_aside(&mut self, place: Place, why: &str) {
        match self.spool.set_aside(place).await {
            Ok(()) => {
                self.put_off.remove(&place);
                tracing::error!(
                    why,
                    "a record of the spool was set aside, in the folder `aside` of the spool, for a person to look at"
                );
            }
            Err(error) => {
                tracing::error!(%error, "a record of the spool could not be set aside; it waits, the others go on");
                self.put_off_until(place, TRIES - 1);
            }
        }
    }
}

/// Puts a record through the steps behind admission, by the settings in force now.
async fn offer(app: &App, entry: &Entry) -> Offered {
    let live = app.live();
    match &entry.door {
        Door::Hook { platform, shop, dedupe, content } => {
            let Some(shop) = live.shops.get(shop).filter(|s| s.platform.name == platform) else {
                return Offered::Never(format!("the shop {shop} is no longer configured"));
            };
            if app.pressure.level() == Level::Full {
                return Offered::Away("its memory is nearly full".into());
            }
            match accept::put(app, shop, &entry.raw, (dedupe, *content)).await {
                Ok(_) => Offered::Taken,
                Err(AcceptError::Store(error)) => failed(&error),
                Err(error @ (AcceptError::TooLate | AcceptError::Shed(_))) => Offered::Away(error.to_string()),
                Err(error) => Offered::Refused(error.to_string()),
            }
        }
        Door::Callback { channel } => {
            let Some(account) = live.channels.get(channel) else {
                return Offered::Never(format!("the channel {channel} is no longer configured"));
            };
            match hear::put(app, account, &entry.raw).await {
                Ok(()) => Offered::Taken,
                Err(error) => failed(&error),
            }
        }
    }
}

/// A server that a person must put right takes nothing, like one that is away; a mistake of ours may lie in
/// this record alone.
fn failed(error: &StoreError) -> Offered {
    match error.kind {
        ErrorKind::Bug => Offered::Refused(error.to_string()),
        _ => Offered::Away(error.to_string()),
    }
}
