//! results: how sends came to rest, on disk until Redis takes it. Losing one is what makes doubles.
//!
//! Dies before a result is flushed: the next holder of its order finds its items begun, as after any death in the
//! middle of a send. Dies after: the next start writes it before it leases anything or lets a lease end. Dies
//! between the write and the strike: it is written again, and is told `fenced`, which means finished.

use super::App;
use super::settle::written;
use crate::domain::owed::State;
use crate::spool::{Place, Spool};
use crate::store::error::{ErrorKind, StoreError};
use crate::store::work::{Settle, Settled};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Results written in one flight.
const FLIGHT: usize = 128;
/// Longest wait for the disk; then they stay in memory and Redis is tried again.
const DISK: Duration = Duration::from_secs(2);
/// First and longest pause while Redis is away: within the grace that leases are given after an outage.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// Keeps results on disk; `false`: not all of them are, and whoever has them must keep them.
pub(super) async fn keep(app: &App, settles: &[Settle]) -> bool {
    let Some(results) = &app.results else { return false };
    // Those that arrive together share a flush.
    let keeping = futures_util::future::join_all(settles.iter().map(|settle| results.append(settle)));
    let kept = tokio::time::timeout(DISK, keeping).await;
    // Those that are on disk all the same are told `fenced` later.
    match kept.map(|kept| kept.into_iter().find_map(Result::err)) {
        Err(_) => {
            tracing::error!("results were not on disk within {DISK:?}");
            false
        }
        Ok(Some(error)) => {
            tracing::error!(%error, "results could not be kept on disk");
            false
        }
        Ok(None) => {
            super::crash::point("after-result");
            true
        }
    }
}

/// Results that wait on disk.
pub(super) fn waiting(app: &App) -> u64 {
    app.results.as_ref().map_or(0, |results| results.standing().records)
}

/// The loop of a process that sends, until told to stop. Says in `clear` that nothing is left of an earlier
/// process.
pub async fn run(app: Arc<App>, clear: watch::Sender<bool>, mut stop: watch::Receiver<bool>) {
    let Some(results) = &app.results else {
        clear.send_replace(true);
        return;
    };
    let work = async {
        let mut pause = AWAY.0;
        loop {
            app.metrics.set_settle_backlog(waiting(&app));
            let left = round(&app, results).await;
            // A server that is back after an outage lets no lease end at once, so what waits for one of a cluster
            // need not hold up what lies on the others.
            if left.is_none() || app.store.is_cluster() {
                clear.send_replace(true);
            }
            let Some(error) = left else {
                pause = AWAY.0;
                app.metrics.set_settle_backlog(waiting(&app));
                results.news().await;
                continue;
            };
            if pause == AWAY.0 {
                tracing::warn!(%error, orders = waiting(&app), "results wait on disk for Redis");
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(AWAY.1);
        }
    };
    tokio::select! { () = work => {}, _ = stop.changed() => {} }
}

/// Writes all that waits, oldest first, as far as Redis takes it; why some of it is left.
async fn round(app: &App, results: &Spool<Settle>) -> Option<StoreError> {
    let (mut at, mut away, mut why) = (None, BTreeSet::new(), None);
    loop {
        let found = next(results, &mut at, &away).await;
        if found.is_empty() {
            return why;
        }
        match write(app, results, &found).await {
            Ok(unanswered) if unanswered.is_empty() => {}
            Ok(unanswered) => {
                away.extend(unanswered);
                why = Some(StoreError::unanswered());
            }
            Err(error) => {
                why = Some(error);
                // Of a cluster, whoever has the others may answer.
                away.extend(found.iter().map(|(_, settle)| settle.leased.member.partition()));
                if !app.store.is_cluster() {
                    return why;
                }
            }
        }
    }
}

/// The next results behind `at` that are not of the partitions `away`; what cannot be read is put aside on the way.
async fn next(results: &Spool<Settle>, at: &mut Option<Place>, away: &BTreeSet<u8>) -> Vec<(Place, Settle)> {
    let mut found = Vec::new();
    while found.len() < FLIGHT
        && let Some((place, read)) = results.next(*at).await
    {
        match read {
            Ok(settle) if away.contains(&settle.leased.member.partition()) => {}
            Ok(settle) => found.push((place, settle)),
            Err(damage) => aside(results, place, damage.as_str()).await,
        }
        *at = Some(place);
    }
    found
}

async fn aside(results: &Spool<Settle>, place: Place, why: &str) {
    match results.set_aside(place).await {
        Ok(()) => tracing::error!(
            why,
            "the result of a send cannot be taken and was set aside; its order goes on as after a crash in the middle of a send"
        ),
        Err(error) => tracing::error!(%error, "the result of a send cannot be taken, nor be set aside"),
    }
}

/// Writes them in one flight; gives the partitions whose server did not answer. One that the store itself refuses must
/// not hold up the others.
async fn write(app: &App, results: &Spool<Settle>, found: &[(Place, Settle)]) -> Result<BTreeSet<u8>, StoreError> {
    let (mut unanswered, mut written_down) = (BTreeSet::new(), 0_u64);
    let settles: Vec<Settle> = found.iter().map(|(_, settle)| settle.clone()).collect();
    let answers = match app.timed("settle", super::settle::settle_many(app, &settles)).await {
        Err(error) if error.kind == ErrorKind::Bug => {
            if let [(place, _)] = found {
                aside(results, *place, &error.to_string()).await;
                return Ok(unanswered);
            }
            for one in found {
                unanswered.extend(Box::pin(write(app, results, std::slice::from_ref(one))).await?);
            }
            return Ok(unanswered);
        }
        answers => answers?,
    };
    for ((place, settle), answer) in found.iter().zip(answers) {
        if answer == Settled::Unanswered {
            unanswered.insert(settle.leased.member.partition());
            continue;
        }
        if answer == Settled::Fenced {
            too_late(app, settle).await?;
        }
        written(app, settle, answer);
        super::crash::point("after-replay");
        results.strike(*place).await;
        written_down += 1;
    }
    if written_down > 0 {
        tracing::info!(orders = written_down, "results that Redis could not take are written down");
    }
    Ok(unanswered)
}

/// The lease ended meanwhile: whoever has the order now does not know that it was told, unless the settle had been
/// executed at the first try.
async fn too_late(app: &App, settle: &Settle) -> Result<(), StoreError> {
    let member = &settle.leased.member;
    let record = app.store.read(member).await?;
    let doubted = |no: u16| {
        let now = record.items.iter().find(|i| i.no == no).map(|i| i.state);
        matches!(now, Some(State::Begun | State::Again | State::Unsure))
    };
    let told = settle.items.iter().filter(|i| i.state == State::Sent && doubted(i.no));
    let told: Vec<u16> = told.map(|i| i.no).collect();
    if told.is_empty() { Ok(()) } else { app.store.told_after_all(member, &told, app.clock.now()).await }
}
