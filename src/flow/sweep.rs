//! sweep: what must happen without a webhook: due waits, ended leases, woken orders a crash left asleep,
//! pauses of other pods, the figures of the gauges.
//!
//! Every sweep is safe to repeat and to run in every pod at once; there is no leader.

use super::App;
use crate::domain::decision::Reason;
use crate::domain::ids::Tag;
use crate::store::keys::PARTITIONS;
use crate::telemetry::QueueState;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Moves between fixed keys in one call.
const MOVES: usize = 1000;
/// Calls for one partition in one round while there is more.
const ROUNDS: usize = 20;
/// Rounds between two looks at the figures.
const STATS_EVERY: u64 = 7;

/// The loop of this process, until told to stop; a process that does not send only looks at the figures.
pub async fn run(app: Arc<App>, works: bool, mut stop: watch::Receiver<bool>) {
    let mut round = 0_u64;
    while !*stop.borrow() {
        if works {
            once(&app).await;
        } else {
            pauses(&app).await;
        }
        if round.is_multiple_of(STATS_EVERY) {
            figures(&app).await;
        }
        round += 1;
        // 0.5 to 1 s, so that pods do not sweep in step.
        let rest = Duration::from_millis(500 + rand::random_range(0..500));
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One round over all partitions. Returns how many orders it moved.
pub async fn once(app: &App) -> u32 {
    let mut moved = 0_u32;
    for partition in 0..PARTITIONS {
        let partition = u8::try_from(partition).unwrap_or(0);
        for _ in 0..ROUNDS {
            match app.store.tick(partition, MOVES).await {
                Ok(ticked) => {
                    moved += ticked.promoted + ticked.reaped + ticked.unparked;
                    (0..ticked.reaped).for_each(|_| app.metrics.redelivery());
                    if !ticked.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a sweep of due orders failed");
                    break;
                }
            }
        }
    }
    if let Err(error) = app.store.sweep_wakes(MOVES).await {
        tracing::warn!(%error, "a sweep of people to wake for failed");
    }
    pauses(app).await;
    if moved > 0 {
        app.nudge.notify_one();
    }
    moved
}

/// What other pods or a person did to channels.
async fn pauses(app: &App) {
    let live = app.live();
    match app.store.channel_states().await {
        Ok(states) => {
            for account in live.channels.values() {
                let state = states.iter().find(|(tag, ..)| *tag == account.tag);
                account.set_pause(state.map(|(_, until, reason)| (*until, *reason)));
                let resting = state.is_some_and(|(_, _, reason)| *reason == Reason::BreakerOpen);
                app.metrics.set_breaker_open(account.id.as_str(), resting);
            }
        }
        Err(error) => tracing::warn!(%error, "channels' states could not be read"),
    }
}

async fn figures(app: &App) {
    let live = app.live();
    match app.store.stats().await {
        Ok(stats) => {
            let now = app.clock.now();
            let oldest = stats.oldest_due.map_or(0, |at| (now.as_millisecond() - at.as_millisecond()).max(0));
            app.metrics.set_queue(QueueState::Ready, stats.ready);
            app.metrics.set_queue(QueueState::Wait, stats.wait);
            app.metrics.set_queue(QueueState::Leased, stats.leased);
            app.metrics.set_queue(QueueState::Parked, stats.parked.iter().map(|(_, n)| n).sum());
            app.metrics.set_owed(stats.open, stats.dead, oldest as f64 / 1000.0);
            // All of them: a channel that goes on again has none, and must be said to have none.
            let count = |tag: Tag| stats.parked.iter().filter(|(t, _)| *t == tag).map(|(_, n)| n).sum();
            live.channels.values().for_each(|a| app.metrics.set_parked(a.id.as_str(), count(a.tag)));
            let strangers = stats.parked.iter().filter(|(tag, _)| live.channel_by_tag(*tag).is_none());
            app.metrics.set_parked("unknown", strangers.map(|(_, n)| n).sum());
        }
        Err(error) => tracing::warn!(%error, "the queue's figures could not be read"),
    }
}
