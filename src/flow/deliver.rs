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
use crate::store::keys::{Member, PARTITIONS};
use crate::store::order::Record;
use crate::store::work::Leased;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

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
        let share = self.app.pressure.share();
        let room = share.in_hand.saturating_sub(self.in_hand.load(Ordering::Acquire));
        let each = share.take.min(room / (places.count_ones() as usize).max(1));
        if each == 0 {
            self.settled.notified().await;
            self.app.nudge.again(places);
            return 0;
        }
        // The local deadline counts from before the lease was asked for: never longer than the real one.
        let asked = Instant::now();
        let partitions = (0..PARTITIONS).filter_map(|p| u8::try_from(p).ok()).filter(|p| places & place(*p) != 0);
        let calls = partitions.map(|p| async move {
            let lease = self.app.store.lease(p, each, &self.app.worker, self.app.lease_ms);
            (p, self.app.timed("lease", lease).await)
        });
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
            super::crash::point("after-lease");
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
            let members: Vec<Member> = group.iter().map(|l| l.member.clone()).collect();
            let prepared = AssertUnwindSafe(batch::prepare(&self.app, group, asked)).catch_unwind().await;
            let Ok(prepared) = prepared else {
                members.iter().for_each(|member| drop(done.send(left_behind(member))));
                continue;
            };
            prepared.into_iter().for_each(|ready| self.see_to(ready, asked));
        }
    }

    /// Starts the work on a unit, each in a task of its own, or hands on what needs none.
    fn see_to(&self, ready: Ready, asked: Instant) {
        let (app, done) = (Arc::clone(&self.app), self.finished.clone());
        let own = |unit: Box<(Leased, Record)>| (unit.0.member.clone(), *unit);
        let (member, work): (Member, BoxFuture<'static, Finished>) = match ready {
            Ready::Settle(settle) => return drop(done.send(Finished::Settle(settle))),
            Ready::GiveBack(leased) => return drop(done.send(Finished::GiveBack(leased))),
            Ready::Send(order) => {
                let member = order.leased.member.clone();
                let work = async move { Finished::Settle(Box::new(super::send::send_all(&app, *order).await)) };
                tokio::spawn(guarded(member, work, done));
                return;
            }
            Ready::Join(unit) => {
                let (member, (leased, record)) = own(unit);
                let work = async move {
                    match super::join::work(&app, leased.clone(), record).await {
                        Some(settle) => Finished::Settle(Box::new(settle)),
                        None => Finished::GiveBack(leased),
                    }
                };
                (member, work.boxed())
            }
            Ready::Talk(unit) => {
                let (member, (leased, record)) = own(unit);
                (member, async move { super::talk::work(&app, leased, record, asked).await }.boxed())
            }
            Ready::Note(unit) => {
                let (member, (leased, record)) = own(unit);
                (member, async move { super::writeback::work(&app, leased, record).await }.boxed())
            }
            Ready::Conversation(unit) => {
                let (member, (leased, record)) = own(unit);
                (member, async move { super::people::work(&app, leased, record, asked).await }.boxed())
            }
        };
        tokio::spawn(guarded(member, work, done));
    }
}

/// Work on one order whose panic harms nobody else: the worker goes on, and the order's lease ends by itself.
async fn guarded(member: Member, work: impl Future<Output = Finished>, done: mpsc::UnboundedSender<Finished>) {
    let finished = AssertUnwindSafe(work).catch_unwind().await;
    drop(done.send(finished.unwrap_or_else(|_| left_behind(&member))));
}

fn left_behind(member: &Member) -> Finished {
    tracing::error!(order = ?member, "the code panicked over this order; it is tried again when its lease is over");
    Finished::LeftBehind
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic over one order is an ended task, not an ended worker, and what is in hand is counted down.
    #[tokio::test]
    async fn a_panic_leaves_its_order_behind_and_nothing_else() {
        let member = Member::parse("0a0b0c0d/00112233445566778899aabbccddeeff").expect("a name");
        let (done, mut inbox) = mpsc::unbounded_channel();
        guarded(member.clone(), async { panic!("over this order") }, done.clone()).await;
        assert!(matches!(inbox.recv().await, Some(Finished::LeftBehind)));
        let leased = Leased { member: member.clone(), token: "t".into(), redeliveries: 0 };
        guarded(member, async { Finished::GiveBack(leased) }, done).await;
        assert!(matches!(inbox.recv().await, Some(Finished::GiveBack(_))));
    }
}
