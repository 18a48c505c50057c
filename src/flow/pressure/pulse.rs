//! The pulse: asks Redis how it is, twice a second, and draws the consequences.
//!
//! Every beat is safe to repeat and to run in every pod at once. Dies anywhere: the next process begins anew.

use super::{Caller, Level, Shed};
use crate::flow::App;
use crate::store::Durability;
use crate::store::error::StoreError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(500);
/// And while Redis is away: who could be taken is to be taken.
const BEAT_AWAY: Duration = Duration::from_millis(100);
/// Beats between two looks at memory and settings.
const LOOK_EVERY: u64 = 4;
/// While memory is tight, unreadable webhooks are kept for so long only.
const KEEP_UNREADABLE_SECS: i64 = 86_400;
/// And the others are let go this often.
const SHORTEN: Duration = Duration::from_secs(60);

/// What the beats remember.
#[derive(Default)]
struct Pulse {
    beats: u64,
    door: Option<Shed>,
    shortened: Option<Instant>,
    limitless: bool,
    partly: bool,
}

/// The loop of this process, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut pulse = Pulse::default();
    while !*stop.borrow() {
        pulse.beat(&app).await;
        let rest = if pulse.door == Some(Shed::Away) { BEAT_AWAY } else { BEAT };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => {}
        }
    }
}

impl Pulse {
    async fn beat(&mut self, app: &App) {
        // It is counted where it is asked, whatever it says.
        let answer = app.ping().await;
        // A door that is shut because of what was seen opens with the next look.
        let due = self.beats.is_multiple_of(LOOK_EVERY) || matches!(self.door, Some(Shed::Setup | Shed::Memory));
        if due && answer.as_ref().map_or_else(|e| !e.passes(), |()| true) {
            self.look(app).await;
        }
        self.beats += 1;
        let now = Instant::now();
        if let Some(most) = app.pressure.fit(now) {
            let trip_ms = app.pressure.average().as_millis();
            tracing::debug!(most, trip_ms, "how many orders the worker takes in hand was fitted to Redis");
        }
        let view = app.pressure.view(now);
        app.metrics.set_pressure(app.pressure.average().as_secs_f64(), view.waiting, view.max_in_hand);
        self.tell(app, app.pressure.relief(Caller::Shop, now));
    }

    /// A door that shuts or opens is worth a line; each request that finds it shut is only counted: nobody knows who
    /// sent it.
    fn tell(&mut self, app: &App, door: Option<Shed>) {
        match (self.door, door) {
            (before, now) if before == now => {}
            (_, Some(why)) if app.spool.is_some() => {
                tracing::error!(%why, "webhooks go to the spool, Redis is not asked");
            }
            (_, Some(why)) => {
                tracing::error!(%why, lost = never_repeating(app), "webhooks are answered 503 before they are read");
            }
            (_, None) => tracing::info!("webhooks go to Redis again"),
        }
        self.door = door;
    }

    /// A primary of a cluster that is away shuts no door: the others take what is theirs.
    fn tell_partly(&mut self, away: Option<StoreError>) {
        match (std::mem::replace(&mut self.partly, away.is_some()), away) {
            (false, Some(error)) => {
                tracing::error!(%error, "a primary of the cluster does not serve: what lies on it waits, the rest goes on");
            }
            (true, None) => tracing::info!("every primary of the cluster serves again"),
            _ => {}
        }
    }

    async fn look(&mut self, app: &App) {
        let info = match app.store.info().await {
            Ok(info) => info,
            Err(error) => {
                app.metrics.redis_error(error.kind.as_str());
                return complain(app, Some(error).filter(|e| !e.passes()));
            }
        };
        let ratio = info.memory_ratio();
        app.metrics.set_redis(ratio.unwrap_or(0.0), 0);
        app.metrics.set_durability(match info.durability {
            Durability::Relaxed => 1,
            Durability::Local => 2,
            Durability::Replicated => 3,
        });
        app.metrics.set_clock_skew(info.skew_ms as f64 / 1000.0);
        complain(app, info.complaint);
        self.tell_partly(info.away);
        if ratio.is_none() && !std::mem::replace(&mut self.limitless, true) {
            tracing::warn!(
                "Redis has no maxmemory: it grows until the system ends it, and nothing warns before (docs/sizing.md)"
            );
        }
        let (before, now) = app.pressure.fills(ratio);
        app.metrics.set_memory_level(now as u8);
        if before != now {
            say(now, ratio.unwrap_or(0.0));
        }
        if now >= Level::Tight && self.shortened.is_none_or(|at| at.elapsed() >= SHORTEN) {
            self.shortened = Some(Instant::now());
            shorten(app).await;
        }
    }
}

/// Shops whose deliveries are lost while the door is shut, because their platform never repeats one.
fn never_repeating(app: &App) -> String {
    let live = app.live();
    let lost = live.shops.values().filter(|s| !s.platform.repeats).map(|s| s.rules.id.as_str());
    let mut lost: Vec<&str> = lost.collect();
    lost.sort_unstable();
    lost.join(", ")
}

/// What is wrong with the server's settings: while it is, what it acknowledges may be lost.
fn complain(app: &App, complaint: Option<StoreError>) {
    let what = complaint.map(|error| error.to_string());
    app.metrics.set_complaint(what.is_some());
    if app.pressure.complains(what.clone()) {
        match what {
            Some(what) => tracing::error!(what, "Redis is no longer set up as it must be"),
            None => tracing::info!("Redis is set up as it must be"),
        }
    }
}

fn say(level: Level, ratio: f64) {
    let percent = (ratio * 100.0).round();
    match level {
        Level::Calm => tracing::info!(percent, "Redis' memory has room again"),
        Level::High => tracing::error!(percent, "Redis' memory fills up: raise maxmemory, or find what is not sent"),
        Level::Tight => tracing::error!(
            percent,
            "Redis' memory is tight: unreadable webhooks are kept for a day only, and replays of many are refused"
        ),
        Level::Full => tracing::error!(
            percent,
            "Redis' memory is nearly full: nothing new is taken from shops, workers go on; raise maxmemory"
        ),
    }
}

async fn shorten(app: &App) {
    match app.store.shorten_odd(KEEP_UNREADABLE_SECS).await {
        Ok(0) => {}
        Ok(dropped) => tracing::warn!(dropped, "unreadable webhooks older than a day were let go for want of memory"),
        Err(error) => tracing::warn!(%error, "unreadable webhooks could not be let go"),
    }
}
