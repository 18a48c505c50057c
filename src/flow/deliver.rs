//! deliver: the worker. Leases orders that are due, many at once, and carries each to its next rest.
//!
//! A batch goes together through *lease → read → facts → decide → words → begin*, one Redis flight a step;
//! then each send is a task of its own and its end goes to the settler, which writes what has arrived in one
//! flight. So a provider that hangs holds up nobody but its own messages.
//!
//! Dies after lease: the lease ends and the next holder starts over. Dies after begin: the next holder finds
//! `begun` items and takes the retry-key or unsure path. Dies before settle: the same. Dies after settle: done.

use super::App;
use super::batch::{self, Ready};
use super::nudge::{EVERYWHERE, Places, place};
use super::settle::{Finished, settler};
use crate::store::keys::PARTITIONS;
use crate::store::work::Leased;
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Orders worked on at one time in one process.
const IN_HAND: usize = 512;
/// Orders taken from one partition in one call.
const TAKE: usize = 64;
/// Orders that go up to `begin` together: few enough that what was read of them is still fresh by then.
const GROUP: usize = 128;
/// Rest between two looks at every partition; nudges bring looks at some of them in between.
const REST: Duration = Duration::from_millis(250);

/// The worker of this process: what it has in hand, and the settler's door.
pub struct Crew {
    app: Arc<App>,
    in_hand: Arc<AtomicUsize>,
    settled: Arc<Notify>,
    finished: mpsc::UnboundedSender<Finished>,
}

impl Crew {
    /// A crew with its settler running.
    pub fn new(app: Arc<App>) -> Crew {
        let (finished, inbox) = mpsc::unbounded_channel();
        let in_hand = Arc::new(AtomicUsize::new(0));
        let settled = Arc::new(Notify::new());
        tokio::spawn(settler(Arc::clone(&app), inbox, Arc::clone(&in_hand), Arc::clone(&settled)));
        Crew { app, in_hand, settled, finished }
    }

    /// One step: takes what is due and sees it off. Returns how many orders it took; their sends may still be
    /// under way ([`Crew::idle`]).
    pub async fn step(&self) -> usize {
        self.look(EVERYWHERE).await
    }

    /// The same in some partitions only: an empty look costs a script in each.
    async fn look(&self, places: Places) -> usize {
        let room = IN_HAND.saturating_sub(self.in_hand.load(Ordering::Acquire));
        let each = TAKE.min(room / (places.count_ones() as usize).max(1));
        if each == 0 {
            self.settled.notified().await;
            self.app.nudge.again(places);
            return 0;
        }
        // The local deadline counts from before the lease was asked for: never longer than the real one.
        let asked = Instant::now();
        let partitions = (0..PARTITIONS).filter_map(|p| u8::try_from(p).ok()).filter(|p| places & place(*p) != 0);
        let calls = partitions
            .map(|p| async move { (p, self.app.store.lease(p, each, &self.app.worker, self.app.lease_ms).await) });
        let mut leased: Vec<Leased> = Vec::new();
        for (partition, answer) in join_all(calls).await {
            match answer {
                Ok(some) => {
                    if some.len() >= each {
                        self.app.nudge.mark(place(partition));
                    }
                    leased.extend(some);
                }
                Err(error) => tracing::warn!(%error, "could not ask for due orders"),
            }
        }
        let took = leased.len();
        if took > 0 {
            self.in_hand.fetch_add(took, Ordering::AcqRel);
            self.see_off(leased, asked).await;
        }
        took
    }

    /// Waits until nothing is in hand.
    pub async fn idle(&self) {
        while self.in_hand.load(Ordering::Acquire) > 0 {
            // Register interest, then look: a settle between the two is not missed.
            let settled = self.settled.notified();
            if self.in_hand.load(Ordering::Acquire) == 0 {
                break;
            }
            settled.await;
        }
    }

    async fn see_off(&self, leased: Vec<Leased>, asked: Instant) {
        let alone = leased.iter().any(|l| l.redeliveries >= 2);
        // An order that brought workers down before is worked on alone, so that its neighbours stay innocent.
        for group in leased.chunks(if alone { 1 } else { GROUP }).map(<[Leased]>::to_vec) {
            let done = self.finished.clone();
            for ready in batch::prepare(&self.app, group, asked).await {
                match ready {
                    Ready::Settle(settle) => drop(done.send(Finished::Settle(settle))),
                    Ready::GiveBack(leased) => drop(done.send(Finished::GiveBack(leased))),
                    Ready::Join(unit) => {
                        let (app, done) = (Arc::clone(&self.app), done.clone());
                        tokio::spawn(async move {
                            let (leased, record) = *unit;
                            let finished = match super::join::work(&app, leased.clone(), record).await {
                                Some(settle) => Finished::Settle(Box::new(settle)),
                                None => Finished::GiveBack(leased),
                            };
                            drop(done.send(finished));
                        });
                    }
                    Ready::Send(order) => {
                        let (app, done) = (Arc::clone(&self.app), done.clone());
                        tokio::spawn(async move {
                            let settle = super::send::send_all(&app, *order).await;
                            drop(done.send(Finished::Settle(Box::new(settle))));
                        });
                    }
                }
            }
        }
    }
}

/// The loop: steps until told to stop, then lets what is under way end.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let crew = Crew::new(Arc::clone(&app));
    let mut looked: Option<Instant> = None;
    while !*stop.borrow() {
        let mut places = app.nudge.take(app.clock.now());
        if looked.is_none_or(|at| at.elapsed() >= REST) {
            (places, looked) = (EVERYWHERE, Some(Instant::now()));
        }
        if places != 0 && crew.look(places).await > 0 {
            continue;
        }
        // What becomes due between "nothing" and "sleep" has rung the bell, and a bell that rang is not missed.
        let due = looked.map_or(Duration::ZERO, |at| REST.saturating_sub(at.elapsed()));
        tokio::select! {
            () = app.nudge.rung() => {}
            () = tokio::time::sleep(app.nudge.rest(app.clock.now(), due)) => {}
            _ = stop.changed() => {}
        }
    }
    crew.idle().await;
}
