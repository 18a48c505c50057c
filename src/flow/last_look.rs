//! last_look: what forbids a message is asked for once more right before its first byte, and once when it is out. A no
//! that was answered before the last look prevents the message; one that falls behind it is written down as such.
//!
//! Facts that are a moment old are good enough, so a relay at rest asks nothing twice. Who asks while another question
//! is under way goes with the next: one flight for all of them.
//!
//! Dies anywhere: nothing was written here.

use super::App;
use super::inhand::InHand;
use super::sending::Sending;
use crate::channel::LastLook;
use crate::domain::decision::Reason;
use crate::domain::ids::{ShopId, Tag};
use crate::store::people::{Look, LookAt};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The last look is no older than this at the request's first byte; the rest of 50 ms is for us to get there.
const FRESH: Duration = Duration::from_millis(40);
/// An answer that took longer does not count, and is asked for again so many times.
const LATE: Duration = Duration::from_millis(46);
const TRIES: usize = 5;
/// Longest wait for one answer: all tries together are less than the margin that a send leaves of its lease.
const WAIT: Duration = Duration::from_millis(300);
/// Questions in one flight at most.
const FLIGHT: usize = 256;

/// Questions of this process that wait for the next flight.
#[derive(Default)]
pub struct Looks(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    asks: Vec<(LookAt, oneshot::Sender<Seen>)>,
    /// Somebody sees them off.
    busy: bool,
}

/// An answer, and when it was asked for: it is at least as new as that.
struct Seen {
    asked: Instant,
    look: Look,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: Redis gave no answer.
async fn ask(app: &Arc<App>, at: LookAt) -> Option<Seen> {
    let (tell, told) = oneshot::channel();
    let idle = {
        let mut waiting = app.looks.lock();
        waiting.asks.push((at, tell));
        !std::mem::replace(&mut waiting.busy, true)
    };
    if idle {
        tokio::spawn(see_off(Arc::clone(app)));
    }
    timeout(WAIT, told).await.ok()?.ok()
}

async fn see_off(app: Arc<App>) {
    loop {
        let asks = {
            let mut waiting = app.looks.lock();
            if waiting.asks.is_empty() {
                waiting.busy = false;
                return;
            }
            let some = waiting.asks.len().min(FLIGHT);
            waiting.asks.drain(..some).collect::<Vec<_>>()
        };
        let (at, tell): (Vec<LookAt>, Vec<_>) = asks.into_iter().unzip();
        let asked = Instant::now();
        match app.timed("look", app.store.look(&at)).await {
            // Who no longer waits needs no answer.
            Ok(looks) => tell.into_iter().zip(looks).for_each(|(tell, look)| drop(tell.send(Seen { asked, look }))),
            Err(error) => tracing::warn!(%error, "what forbids a message could not be looked up right before it goes"),
        }
    }
}

/// Why a message was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It may not go any more.
    For(Reason),
    /// Redis was too slow for a look that is fresh enough.
    Slow,
}

/// What watches over one message on its way out.
pub struct Watch {
    app: Arc<App>,
    at: LookAt,
    shop: ShopId,
    channel: Tag,
    /// A person's reply: what somebody thinks of order updates forbids none.
    by_person: bool,
    state: Mutex<(Instant, Option<Held>)>,
}

impl Watch {
    /// Of a message to a customer; `None`: nobody needs to be asked.
    pub fn over(app: &Arc<App>, order: &InHand, sending: &Sending) -> Option<Watch> {
        let to = sending.go.address.as_ref()?;
        // An answer in a chat, which tells of no order: whoever asks is answered, also that messages are off now. So is
        // whoever a person answers; that the shop's own people forbid it, or that they left, is looked at there too.
        if order.order.head().is_none() && !sending.by_person {
            return None;
        }
        let channel = &sending.account.id;
        let mut people = vec![(channel.clone(), to.clone())];
        people.extend(super::batch::carried(order, channel).into_iter().filter(|(_, a)| a != to));
        Some(Watch {
            app: Arc::clone(app),
            at: LookAt { member: order.leased.member.clone(), people },
            shop: order.order.shop.clone(),
            channel: sending.account.tag,
            by_person: sending.by_person,
            state: Mutex::new((order.facts_at, None)),
        })
    }

    fn state(&self) -> MutexGuard<'_, (Instant, Option<Held>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was held back, and why.
    pub fn held(&self) -> Option<Held> {
        self.state().1
    }

    /// Wishes that lie on this process's disk.
    fn noted(&self) -> Option<Reason> {
        if self.by_person {
            return None;
        }
        let said = self.at.people.iter().any(|(c, a)| self.app.noted.has(c, a));
        said.then_some(Reason::OptedOut)
    }

    fn forbids(&self, look: &Look) -> Option<Reason> {
        if look.erased {
            return Some(Reason::Redacted);
        }
        let counts = |why: &Reason| !self.by_person || *why == Reason::OperatorBlocked;
        let no = look.facts.iter().find_map(|facts| facts.forbids(&self.shop).filter(counts)).or_else(|| self.noted());
        // The first is whom it goes to; that another address of theirs is gone says nothing of this one.
        let gone = look.facts.first().is_some_and(|facts| facts.blocked()).then_some(Reason::RecipientBlocked);
        no.or(gone).or_else(|| look.muted.contains(&self.channel).then_some(Reason::OrderMuted))
    }

    async fn look(&self) -> bool {
        let shut = match self.noted() {
            Some(reason) => Held::For(reason),
            None if self.fresh() => return true,
            None => {
                let mut held = Held::Slow;
                for _ in 0..TRIES {
                    let Some(seen) = ask(&self.app, self.at.clone()).await else { continue };
                    if let Some(reason) = self.forbids(&seen.look) {
                        held = Held::For(reason);
                        break;
                    }
                    if seen.asked.elapsed() <= LATE {
                        self.state().0 = seen.asked;
                        return true;
                    }
                }
                held
            }
        };
        self.state().1 = Some(shut);
        false
    }

    fn fresh(&self) -> bool {
        self.state().0.elapsed() <= FRESH
    }

    /// What forbids it now that it is out: the no came behind the last look. `None` also where nobody can say.
    pub async fn behind(&self) -> Option<Reason> {
        match ask(&self.app, self.at.clone()).await {
            Some(seen) => self.forbids(&seen.look).filter(|why| *why != Reason::Redacted),
            None => self.noted(),
        }
    }
}

impl LastLook for Watch {
    fn may_go(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.held().is_none() && self.look().await })
    }

    fn shut(&self) -> bool {
        self.held().is_some()
    }
}
