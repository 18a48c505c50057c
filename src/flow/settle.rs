//! settle: writes where each order's items came to rest, as many orders in one flight as have arrived.
//!
//! A settle that Redis does not answer is kept and repeated until it is answered: losing one is what makes
//! doubles. Where there is a spool it is kept on disk (`results`), or else in memory. A repeat of one that was
//! executed finds another token and is told `fenced`, which means finished. What waits for one server of a cluster
//! holds up nothing that lies on the others.

use super::App;
use crate::domain::clock::from_millis;
use crate::domain::owed::State;
use crate::milestone;
use crate::store::error::StoreError;
use crate::store::work::{Dest, Leased, Settle, Settled};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Orders settled in one flight.
const FLIGHT: usize = 128;
/// Between two tries at a flight that was not answered.
const AGAIN: Duration = Duration::from_millis(200);
/// A lease given back is taken again after so long, milliseconds.
const BACK_MS: i64 = 200;

/// An order that came to rest.
pub enum Finished {
    /// Write this.
    Settle(Box<Settle>),
    /// Nothing was begun: give the lease back without a penalty.
    GiveBack(Leased),
    /// The code panicked over it: its lease ends by itself and is counted against it.
    LeftBehind,
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
        app.metrics.set_settle_backlog((count + inbox.len()) as u64 + super::results::waiting(&app));
        let mut settles = Vec::with_capacity(count);
        let mut back = Vec::new();
        for finished in arrived.drain(..) {
            match finished {
                Finished::Settle(settle) => settles.push(*settle),
                Finished::GiveBack(leased) => back.push(leased),
                Finished::LeftBehind => {}
            }
        }
        give_back(&app, &back).await;
        let unanswered = write(&app, settles).await;
        app.metrics.set_settle_backlog((unanswered.len() + inbox.len()) as u64 + super::results::waiting(&app));
        let done = Done { in_hand: Arc::clone(&in_hand), settled: Arc::clone(&settled) };
        done.count(count - unanswered.len());
        if !unanswered.is_empty() {
            tokio::spawn(write_again(Arc::clone(&app), unanswered, done));
        }
    }
}

/// Who is told that orders are no longer in hand.
struct Done {
    in_hand: Arc<AtomicUsize>,
    settled: Arc<Notify>,
}

impl Done {
    fn count(&self, orders: usize) {
        self.in_hand.fetch_sub(orders, Ordering::AcqRel);
        self.settled.notify_waiters();
        self.settled.notify_one();
    }
}

/// Tries until all are answered or on disk. They count as in hand for so long, which bounds how many there are.
async fn write_again(app: Arc<App>, mut settles: Vec<Settle>, done: Done) {
    while !settles.is_empty() {
        tokio::time::sleep(AGAIN).await;
        let before = settles.len();
        settles = write(&app, settles).await;
        done.count(before - settles.len());
    }
}

async fn give_back(app: &App, leased: &[Leased]) {
    if leased.is_empty() {
        return;
    }
    if let Err(error) = app.store.release(leased).await {
        tracing::warn!(%error, "leases could not be given back; they end by themselves");
    }
    // Whatever kept them from being worked on has a moment to pass.
    let now = app.clock.now();
    let again = from_millis(now.as_millisecond() + BACK_MS);
    leased.iter().for_each(|l| app.nudge.at(l.member.partition(), again, now));
}

/// The worker comes back to an order when it is due, and needs no look before.
fn remind(app: &App, settle: &Settle) {
    let now = app.clock.now();
    let at = match settle.dest {
        Dest::Ready => now,
        Dest::Wait(at) | Dest::Park(_, at) => at,
        Dest::Done => return,
    };
    app.nudge.at(settle.leased.member.partition(), at, now);
}

/// Writes them, and gives back what was not answered.
async fn write(app: &App, settles: Vec<Settle>) -> Vec<Settle> {
    if settles.is_empty() {
        return settles;
    }
    super::crash::point("before-settle");
    let (unanswered, error) = match app.timed("settle", settle_many(app, &settles)).await {
        Ok(answers) => {
            let mut unanswered = Vec::new();
            for (settle, answer) in settles.into_iter().zip(answers) {
                match answer {
                    Settled::Unanswered => unanswered.push(settle),
                    answer => written(app, &settle, answer),
                }
            }
            (unanswered, StoreError::unanswered())
        }
        Err(error) => (settles, error),
    };
    if unanswered.is_empty() {
        return unanswered;
    }
    if super::results::keep(app, &unanswered).await {
        tracing::warn!(%error, orders = unanswered.len(), "results were kept on disk: Redis could not take them");
        return Vec::new();
    }
    tracing::error!(%error, orders = unanswered.len(), "results could not be written; trying again");
    unanswered
}

/// Writes where orders came to rest. What is to be told of it at their shops is owed before: who dies in between has
/// owed a look at what has not changed, which does no harm. Where it cannot be owed, the settle counts as unanswered.
pub(super) async fn settle_many(app: &App, settles: &[Settle]) -> Result<Vec<Settled>, StoreError> {
    let not_owed = super::writeback::owe(app, settles).await;
    if not_owed.is_empty() {
        return app.store.settle_many(settles).await;
    }
    let rest: Vec<Settle> =
        settles.iter().enumerate().filter(|(i, _)| !not_owed.contains(i)).map(|(_, s)| s.clone()).collect();
    let mut answers = app.store.settle_many(&rest).await?.into_iter();
    let mut next = || answers.next().unwrap_or(Settled::Unanswered);
    Ok((0..settles.len()).map(|i| if not_owed.contains(&i) { Settled::Unanswered } else { next() }).collect())
}

/// What follows when Redis has answered a settle.
pub(super) fn written(app: &App, settle: &Settle, answer: Settled) {
    match answer {
        Settled::Ok => {
            count(app, settle);
            remind(app, settle);
        }
        Settled::Fenced => app.metrics.lease_lost(),
        Settled::Moved => {
            tracing::warn!(order = ?settle.leased.member, "an added item's number was taken; the next holder adds it anew")
        }
        // Whoever wrote it writes it again.
        Settled::Unanswered => {}
    }
}

/// Outcomes are counted where they are decided, once they are durable.
fn count(app: &App, settle: &Settle) {
    for item in &settle.items {
        if item.state.is_open() {
            continue;
        }
        let milestone = milestone::by_tag(item.milestone).map_or("unknown", |m| m.id);
        app.metrics.outcome(milestone, item.state, item.reason);
        if item.state == State::Dead {
            tracing::error!(order = ?settle.leased.member, item = item.no, milestone, reason = item.reason.map_or("", |r| r.as_str()), "a message died: a person must look (orderwire queue dead)");
        }
    }
}
