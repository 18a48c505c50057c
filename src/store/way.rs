//! Ways to the server, or to the servers of a cluster.

use super::check::Demands;
use super::cluster::Map;
use super::error::StoreError;
use super::fence::Fence;
use super::link::{Link, Repeat, error_of};
use super::place::Place;
use super::route::Router;
use super::script::Call;
use super::{Info, child::Child};
use redis::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant as Moment;

/// Ways for threads that serve requests, at most.
const MOST_WAYS: usize = 16;

/// What every way of a store is made of.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) deadline: Duration,
    pub(super) demands: Arc<Demands>,
    pub(super) child: Option<Arc<Child>>,
    /// Where the servers of a cluster are; the same for all ways.
    pub(super) map: Option<Arc<Map>>,
}

impl Plan {
    /// A way for what need not wait for a replica.
    pub(super) fn plain(&self) -> Way {
        self.way(Lane::plain)
    }

    /// A way on which every answer means: a replica has it.
    pub(super) fn fenced(&self) -> Way {
        self.way(Lane::fenced)
    }

    fn way(&self, lane: fn(&Plan) -> Lane) -> Way {
        let to = match &self.map {
            None => To::One(lane(self)),
            Some(map) => To::Many(Box::new(Router::new(self.clone(), Arc::clone(map), lane))),
        };
        Way { to, deadline: self.deadline }
    }

    fn link(&self) -> Link {
        Link::new(self.place.clone(), self.deadline, Arc::clone(&self.demands), self.child.clone())
    }
}

/// A way to one server.
pub(super) enum Lane {
    Plain(Box<Link>),
    Fenced(Fence),
}

impl Lane {
    fn plain(plan: &Plan) -> Lane {
        Lane::Plain(Box::new(plan.link()))
    }

    fn fenced(plan: &Plan) -> Lane {
        Lane::Fenced(Fence::new(plan.link(), plan.deadline))
    }

    /// The answers, errors among them.
    pub(super) async fn send(&self, calls: Vec<Call>, repeat: Repeat, until: Moment) -> Result<Vec<Value>, StoreError> {
        match self {
            Lane::Plain(link) => link.send(&calls, repeat, None, until).await,
            Lane::Fenced(fence) => fence.send(calls, until).await,
        }
    }

    /// What is known of the server.
    pub(super) async fn info(&self, demands: &Demands) -> Result<Info, StoreError> {
        match self {
            Lane::Plain(link) => link.info(demands).await,
            Lane::Fenced(_) => Err(StoreError::bug("a fence is no place to ask")),
        }
    }
}

enum To {
    One(Lane),
    Many(Box<Router>),
}

/// A way to wherever the keys are. Every call has its own deadline.
pub(super) struct Way {
    to: To,
    deadline: Duration,
}

impl Way {
    /// Sends the calls, one pipeline a server, and gives their answers in the order asked; the first error is the
    /// result.
    pub(super) async fn flight(&self, calls: &[Call], repeat: Repeat) -> Result<Vec<Value>, StoreError> {
        let until = Moment::now() + self.deadline;
        match &self.to {
            To::One(Lane::Plain(link)) => fine(link.send(calls, repeat, None, until).await?),
            To::One(lane) => fine(lane.send(calls.to_vec(), repeat, until).await?),
            To::Many(router) => router.send(calls, repeat, until).await.into_iter().collect(),
        }
    }

    /// The same for calls that are not needed any more.
    pub(super) async fn lasting(&self, calls: Vec<Call>) -> Result<Vec<Value>, StoreError> {
        match &self.to {
            To::One(lane @ Lane::Fenced(_)) => {
                fine(lane.send(calls, Repeat::Once, Moment::now() + self.deadline).await?)
            }
            _ => self.flight(&calls, Repeat::Once).await,
        }
    }

    /// The same; what one server does not answer spoils nothing of what the others do.
    pub(super) async fn each(&self, calls: Vec<Call>) -> Vec<Result<Value, StoreError>> {
        let until = Moment::now() + self.deadline;
        let (count, sent) = (
            calls.len(),
            match &self.to {
                To::One(lane) => lane.send(calls, Repeat::Once, until).await,
                To::Many(router) => return router.send(&calls, Repeat::Once, until).await,
            },
        );
        match sent {
            Ok(answers) => answers.into_iter().map(|a| error_of(&a).map_or(Ok(a), Err)).collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    /// One call.
    pub(super) async fn one(&self, call: Call) -> Result<Value, StoreError> {
        let mut answers = self.flight(std::slice::from_ref(&call), Repeat::Once).await?;
        answers.pop().ok_or_else(|| StoreError::bug("a call without an answer"))
    }

    /// Connects wherever there are keys, which looks at every server.
    pub(super) async fn greet(&self) -> Result<(), StoreError> {
        match &self.to {
            // Whoever asked anything has.
            To::One(_) => Ok(()),
            To::Many(router) => router.greet(Moment::now() + self.deadline).await,
        }
    }

    /// Sends the call, which has no key, to all servers that have keys, and is content with the first answer.
    pub(super) async fn any(&self, call: &Call) -> Result<(), StoreError> {
        match &self.to {
            To::One(_) => self.one(call.clone()).await.map(|_| ()),
            To::Many(router) => router.any(call, Moment::now() + self.deadline).await,
        }
    }

    /// Sends the calls, which have no keys, to every server that has keys. Names of servers are what a person may
    /// be told.
    pub(super) async fn everywhere(&self, calls: &[Call]) -> Result<Vec<(String, Vec<Value>)>, StoreError> {
        match &self.to {
            To::One(_) => Ok(vec![(String::new(), self.flight(calls, Repeat::Once).await?)]),
            To::Many(router) => router.everywhere(calls, Moment::now() + self.deadline).await,
        }
    }

    /// Sends the calls, which have no keys, to the server of this place among those of [`Way::everywhere`].
    /// `None`: there are fewer.
    pub(super) async fn at(&self, place: usize, calls: &[Call]) -> Result<Option<Vec<Value>>, StoreError> {
        match &self.to {
            To::One(_) if place == 0 => self.flight(calls, Repeat::Once).await.map(Some),
            To::One(_) => Ok(None),
            To::Many(router) => router.at(place, calls, Moment::now() + self.deadline).await,
        }
    }

    /// Sends the calls to every server, those that only follow included.
    pub(super) async fn tell_all(&self, calls: &[Call]) -> Result<Vec<Vec<Value>>, StoreError> {
        match &self.to {
            To::One(_) => Ok(vec![self.flight(calls, Repeat::Once).await?]),
            To::Many(router) => router.tell_all(calls).await,
        }
    }

    /// Which server has what, in words: the same as long as nothing of that changes.
    pub(super) async fn slots(&self) -> Result<String, StoreError> {
        match &self.to {
            To::One(_) => Ok(String::new()),
            To::Many(router) => router.slots(Moment::now() + self.deadline).await,
        }
    }

    /// What is known of the servers.
    pub(super) async fn info(&self, demands: &Demands) -> Result<Info, StoreError> {
        match &self.to {
            To::One(lane) => lane.info(demands).await,
            To::Many(router) => router.info(demands, Moment::now() + self.deadline).await,
        }
    }

    /// Ends the server (the private one only).
    pub(super) async fn shut_down(&self) {
        if let To::One(Lane::Plain(link)) = &self.to {
            link.shut_down().await;
        }
    }
}

/// One way for each thread that serves requests by itself. A call then begins and ends on its thread: with one
/// connection for all, every call and every answer wakes another thread, which costs more than the call. Threads
/// that share a runtime share a way.
pub(super) struct Ways {
    shared: Way,
    own: Vec<Way>,
}

/// Threads with a runtime of their own, as they came.
static SEATS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SEAT: usize = SEATS.fetch_add(1, Ordering::Relaxed);
}

impl Ways {
    /// As many as there are processors, connected when they are first used.
    pub(super) fn new(way: impl Fn() -> Way) -> Ways {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WAYS);
        Ways { shared: way(), own: (0..count).map(|_| way()).collect() }
    }

    fn here(&self) -> &Way {
        let alone = |h: Handle| matches!(h.runtime_flavor(), RuntimeFlavor::CurrentThread);
        match Handle::try_current().is_ok_and(alone) {
            true => self.own.get(SEAT.with(|seat| *seat) % self.own.len().max(1)).unwrap_or(&self.shared),
            false => &self.shared,
        }
    }

    /// As [`Way::flight`].
    pub(super) async fn flight(&self, calls: &[Call], repeat: Repeat) -> Result<Vec<Value>, StoreError> {
        self.here().flight(calls, repeat).await
    }

    /// As [`Way::one`].
    pub(super) async fn one(&self, call: Call) -> Result<Value, StoreError> {
        self.here().one(call).await
    }
}

/// The answers, or the first error among them.
fn fine(answers: Vec<Value>) -> Result<Vec<Value>, StoreError> {
    match answers.iter().find_map(error_of) {
        Some(error) => Err(error),
        None => Ok(answers),
    }
}

/// The answers there are; the first error where there is none, and any mistake of ours.
pub(super) fn some_answered<T>(answers: Vec<Result<T, StoreError>>) -> Result<Vec<Option<T>>, StoreError> {
    let none = !answers.iter().any(Result::is_ok);
    let lift = |answer| match answer {
        Err(error) if none || !StoreError::passes(&error) => Err(error),
        answer => Ok(answer.ok()),
    };
    answers.into_iter().map(lift).collect()
}
