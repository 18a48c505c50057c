//! settle: writes where each order's items came to rest, as many orders in one flight as have arrived.
//!
//! A settle that Redis does not answer is kept and repeated until it is answered: losing one is what makes
//! doubles. A repeat of one that was executed finds another token and is told `fenced`, which means finished.

use super::App;
use crate::domain::owed::State;
use crate::milestone;
use crate::store::{Leased, Settle, Settled};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Orders settled in one flight.
const FLIGHT: usize = 128;
/// Between two tries at a flight that was not answered.
const AGAIN: Duration = Duration::from_millis(200);

/// An order that came to rest.
pub enum Finished {
    /// Write this.
    Settle(Box<Settle>),
    /// Nothing was begun: give the lease back without a penalty.
    GiveBack(Leased),
}

/// Runs until the last sender is gone.
pub async fn settler(
    app: Arc<App>,
    mut inbox: mpsc::UnboundedReceiver<Finished>,
    in_hand: Arc<AtomicUsize>,
    settled: Arc<Notify>,
) {
    let mut arrived = Vec::with_capacity(FLIGHT);
    while inbox.recv_many(&mut arrived, FLIGHT).await > 0 {
        let count = arrived.len();
        let mut settles = Vec::with_capacity(count);
        let mut back = Vec::new();
        for finished in arrived.drain(..) {
            match finished {
                Finished::Settle(settle) => settles.push(*settle),
                Finished::GiveBack(leased) => back.push(leased),
            }
        }
        if !back.is_empty()
            && let Err(error) = app.store.release(&back).await
        {
            tracing::warn!(%error, "leases could not be given back; they end by themselves");
        }
        write(&app, settles).await;
        in_hand.fetch_sub(count, Ordering::AcqRel);
        settled.notify_waiters();
        settled.notify_one();
        app.nudge.notify_one();
    }
}

async fn write(app: &App, settles: Vec<Settle>) {
    if settles.is_empty() {
        return;
    }
    loop {
        match app.store.settle_many(&settles).await {
            Ok(answers) => {
                for (settle, answer) in settles.iter().zip(answers) {
                    match answer {
                        Settled::Ok => count(app, settle),
                        Settled::Fenced => tracing::debug!(order = %settle.leased.member, "settled by another holder"),
                    }
                }
                return;
            }
            Err(error) => {
                tracing::error!(%error, orders = settles.len(), "results could not be written; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Outcomes are counted where they are decided, once they are durable.
fn count(app: &App, settle: &Settle) {
    for item in &settle.items {
        if item.state.is_open() {
            continue;
        }
        let milestone = milestone::by_tag(item.milestone).map_or("unknown", |m| m.id);
        app.metrics.outcome(milestone, item.state.as_str(), item.reason.map_or("", |r| r.as_str()));
        if item.state == State::Dead {
            tracing::error!(order = %settle.leased.member, item = item.no, milestone, reason = item.reason.map_or("", |r| r.as_str()), "a message died: a person must look (orderwire queue dead)");
        }
    }
}
