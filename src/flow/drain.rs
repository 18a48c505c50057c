//! drain: what waits in the spool → the same steps as live traffic → struck off.
//!
//! That a record is genuine was proved at the door, and its seal proves that it is ours, so its signature is
//! not checked once more: a secret rotated while Redis was away must not lose what was acknowledged.
//!
//! Dies before the store took a record: it still waits. Dies between the store and the strike: it is offered
//! again, and is a duplicate by its marks. Dies after: done. So neither the order of records nor how often one
//! is offered matters; they go one by one all the same, oldest first, which leaves the store to live traffic.
//!
//! While Redis is away nothing can go on, so the first record waits for it; where a cluster is away in part, those for
//! the servers that answer go on. A record that the store refuses
//! for a reason of its own is put off, and the others go on; refused at every try, it is set aside, where it lies
//! until a person moves it, what it tells of is erased, or as long as unreadable webhooks are kept.

use super::App;
use super::erase::Erased;
use super::offer::{Offered, is_erased, offer};
use super::pressure::Caller;
use super::spooled;
use crate::domain::clock::plus_secs;
use crate::spool::{Damage, Place, Spool, SpoolError};
use crate::telemetry::SpoolEnd;
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// First and longest pause while Redis is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Pause before a record is offered again whose server did not answer; up to four times as long.
const BEHIND: Duration = Duration::from_secs(1);

/// Between two looks whether something was erased that lies aside.
const ASIDE: Duration = Duration::from_secs(5);
/// Between two looks whether something has lain there for long enough.
const ASIDE_OLD: Duration = Duration::from_secs(3600);

/// How long a record that the store refuses is put up with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries before it is set aside.
    pub tries: u32,
    /// Pause after the first; each further one is four times as long.
    pub first: Duration,
}

impl Default for Patience {
    /// A minute and a half in all: longer than a failover, or than a script's error at an upgrade.
    fn default() -> Self {
        Patience { tries: 5, first: Duration::from_secs(1) }
    }
}

/// A record that was refused: how often, and when it is offered again.
struct PutOff {
    tries: u32,
    /// How often its server did not answer.
    waits: u32,
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
    patience: Patience,
    erased: Erased,
    /// What lies aside was looked through for what had been erased by then, and when.
    looked: Option<(Option<u64>, Instant)>,
}

/// The loop of the process that has the spool, until told to stop. Stopped in the middle of a record: it is
/// offered again at the next start.
pub async fn run(app: Arc<App>, patience: Patience, mut stop: watch::Receiver<bool>) {
    let Some(spool) = &app.spool else { return };
    let mut drain = Drain {
        app: &app,
        spool,
        at: None,
        put_off: BTreeMap::new(),
        pause: AWAY.0,
        patience,
        erased: Erased::default(),
        looked: None,
    };
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
        let offered = match &read {
            // One that brings us down must not stop the others.
            Ok(entry) => AssertUnwindSafe(offer(self.app, &mut self.erased, entry))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Offered::Refused("it made the relay panic".into())),
            Err(damage) => Offered::Never(end_of(*damage), format!("its record is {}", damage.as_str())),
        };
        match offered {
            Offered::Behind(error) if self.app.passes_by(Caller::Channel).is_none() => self.behind(place, &error),
            Offered::Away(error) | Offered::Behind(error) => return self.wait_for_redis(&error).await,
            Offered::Done { end, .. } => {
                if let (Some(ring), SpoolEnd::Taken, Ok(entry)) = (&self.app.ring, end, read) {
                    ring.keep(entry.door, entry.raw);
                }
                super::crash::point("before-strike");
                self.spool.strike(place).await;
                self.app.metrics.spool_ended(end);
                self.put_off.remove(&place);
                if self.spool.standing().records == 0 {
                    tracing::info!("the spool is empty again: nothing of it waits any more");
                }
            }
            Offered::Refused(error) => self.refused(place, &error).await,
            Offered::Never(end, why) => self.set_aside(place, end, &why).await,
        }
        self.pause = AWAY.0;
        self.at = Some(place);
    }

    /// At the end of the spool: until something new is in it, a record put off has its time, or it is time to look
    /// at what lies aside.
    async fn rest(&mut self) {
        self.tidy().await;
        self.put_off.retain(|place, _| self.spool.waits(*place));
        let again = self.put_off.values().map(|p| p.again).min();
        let look = Instant::now() + ASIDE;
        drop(timeout_at(again.map_or(look, |again| again.min(look)), self.spool.news()).await);
        self.at = None;
    }

    /// What lies aside goes when what it names was erased, and in the end. Dies in between: done at the next look.
    async fn tidy(&mut self) {
        if self.spool.standing().aside == 0 || self.erased.look(self.app).await.is_err() {
            return;
        }
        let version = self.erased.version();
        if self.looked.is_some_and(|(seen, at)| seen == version && at.elapsed() < ASIDE_OLD) {
            return;
        }
        let places = match self.spool.aside().await {
            Ok(places) => places,
            Err(error) => return tracing::warn!(%error, "what lies aside could not be looked at"),
        };
        for place in places {
            if let Err(error) = self.tidy_one(place).await {
                tracing::warn!(%error, "a piece that lies aside could not be looked at or removed");
            }
        }
        self.looked = Some((version, Instant::now()));
        spooled::figures(self.app);
    }

    async fn tidy_one(&self, place: Place) -> Result<(), SpoolError> {
        let (read, since) = self.spool.look_aside(place).await?;
        if read.is_ok_and(|entry| is_erased(self.app, &self.erased, &entry)) {
            self.spool.drop_aside(place).await?;
            self.app.metrics.spool_ended(SpoolEnd::Erased);
            tracing::info!("a record that lay aside was erased with what it told of");
        } else if plus_secs(since, self.app.store.keeps_unreadable()) <= self.app.clock.now() {
            self.spool.drop_aside(place).await?;
            tracing::error!(
                "a record that nobody looked at lay aside for as long as what cannot be read is kept, and was removed"
            );
        }
        Ok(())
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
        if tries >= self.patience.tries {
            return self.set_aside(place, SpoolEnd::Refused, error).await;
        }
        self.put_off_until(place, tries);
    }

    fn put_off_until(&mut self, place: Place, tries: u32) {
        let pause = self.patience.first * 4_u32.saturating_pow(tries.saturating_sub(1).min(8));
        self.put_off.insert(place, PutOff { tries, waits: 0, again: Instant::now() + pause });
    }

    /// Its server does not answer: it is offered again, and that counts as no refusal.
    fn behind(&mut self, place: Place, error: &str) {
        let (tries, waits) = self.put_off.get(&place).map_or((0, 0), |p| (p.tries, p.waits));
        tracing::debug!(error, "a record of the spool waits for its server");
        let again = Instant::now() + BEHIND * 2_u32.pow(waits.min(2));
        self.put_off.insert(place, PutOff { tries, waits: waits + 1, again });
    }

    async fn set_aside(&mut self, place: Place, end: SpoolEnd, why: &str) {
        match self.spool.set_aside(place).await {
            Ok(()) => {
                self.put_off.remove(&place);
                self.looked = None;
                self.app.metrics.spool_ended(end);
                tracing::error!(
                    why,
                    "a record of the spool was set aside, in the folder `aside` of the spool, for a person to look at"
                );
            }
            Err(error) => {
                tracing::error!(%error, "a record of the spool could not be set aside; it waits, the others go on");
                self.put_off_until(place, self.patience.tries);
            }
        }
    }
}

/// The word for a record that cannot be read.
fn end_of(damage: Damage) -> SpoolEnd {
    match damage {
        Damage::Damaged => SpoolEnd::Damaged,
        Damage::Unsealable => SpoolEnd::Unsealable,
        Damage::Unreadable => SpoolEnd::Unreadable,
    }
}
