//! The way to a cluster: each call to the primary of its slot.
//!
//! The client library's own cluster client repeats scripts by itself, waits without a limit and sends `WAIT` to all
//! primaries at once, so this is ours. A call that a server refused because the slot is elsewhere, or between two
//! servers, was not executed and is sent again within its deadline, wherever it is now. A call whose connection broke
//! is sent again only when its slot has another primary by then, and never if it may not run twice.

use super::Info;
use super::check::Demands;
use super::cluster::{Map, Node, Table, View};
use super::error::{ErrorKind, StoreError};
use super::link::{Repeat, error_of};
use super::script::Call;
use super::way::{Lane, Plan, some_answered};
use futures_util::future::{join_all, select_ok};
use redis::{ServerErrorKind, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant as Moment;

/// First pause before a call that a server could not serve is sent again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(160);
/// So many times sent on at once by servers that disagree; then with pauses.
const HOPS: u32 = 4;

fn silent() -> StoreError {
    StoreError::new(ErrorKind::Away, "a primary of the cluster does not answer")
}

fn nobody() -> StoreError {
    StoreError::new(ErrorKind::Away, "no primary of the cluster answers")
}

/// The way to a cluster.
pub(super) struct Router {
    plan: Plan,
    map: Arc<Map>,
    lane: fn(&Plan) -> Lane,
    lanes: RwLock<HashMap<Node, Arc<Lane>>>,
    /// Lanes are made when they are first used, and outlive whoever that was.
    runtime: Handle,
}

/// A call on its way.
struct Open {
    place: usize,
    /// Sent on to this server, and whether it is to be asked for a slot that it is only being given.
    to: Option<(Node, bool)>,
    sent: u32,
}

/// What an answer means for its call.
enum Fate {
    Done(Result<Value, StoreError>),
    /// Not executed: to be sent on at once.
    Elsewhere(Node, bool),
    /// Not executed: to be sent again after a pause.
    Later,
}

/// Calls of one flight: those that are done and those that are not.
struct Flight<'a> {
    calls: &'a [Call],
    done: Vec<Option<Result<Value, StoreError>>>,
    open: Vec<Open>,
    /// Not executed as far as anybody knows, because the server could not be reached.
    unreached: Vec<(Node, Open, StoreError)>,
    /// Some of the open ones need a pause.
    rest: bool,
}

impl<'a> Flight<'a> {
    fn new(calls: &'a [Call]) -> Flight<'a> {
        let open = (0..calls.len()).map(|place| Open { place, to: None, sent: 0 }).collect();
        let done = calls.iter().map(|_| None).collect();
        Flight { calls, done, open, unreached: Vec::new(), rest: false }
    }

    fn slot(&self, one: &Open) -> Option<u16> {
        self.calls.get(one.place)?.slot()
    }

    fn end(&mut self, one: &Open, answer: Result<Value, StoreError>) {
        if let Some(place) = self.done.get_mut(one.place) {
            *place = Some(answer);
        }
    }

    fn again(&mut self, one: Open, to: Option<(Node, bool)>) {
        let sent = one.sent + 1;
        self.rest |= to.is_none() || sent >= HOPS;
        self.open.push(Open { to, sent, ..one });
    }

    /// The open calls by the server they go to.
    fn groups(&mut self, table: &Table) -> BTreeMap<Node, Vec<Open>> {
        let mut groups: BTreeMap<Node, Vec<Open>> = BTreeMap::new();
        for one in std::mem::take(&mut self.open) {
            let Some(slot) = self.slot(&one) else {
                self.end(&one, Err(StoreError::bug("a call that goes nowhere: it names no key")));
                continue;
            };
            match one.to.as_ref().map(|(node, _)| node).or(table.owner(slot)).cloned() {
                Some(node) => groups.entry(node).or_default().push(one),
                None => self.again(one, None),
            }
        }
        groups
    }

    /// The calls as they go to one server.
    fn calls_of(&self, group: &[Open]) -> Vec<Call> {
        let call = |one: &Open| {
            let call = self.calls.get(one.place)?.clone();
            Some(if one.to.as_ref().is_some_and(|(_, asking)| *asking) { call.asking() } else { call })
        };
        group.iter().filter_map(call).collect()
    }

    fn ended(self) -> Vec<Result<Value, StoreError>> {
        let between = || {
            let what =
                "a slot of the cluster is being moved or has no primary (TRYAGAIN, CLUSTERDOWN); not done in time";
            Err(StoreError::new(ErrorKind::Timeout, what))
        };
        self.done.into_iter().map(|answer| answer.unwrap_or_else(between)).collect()
    }
}

impl Router {
    pub(super) fn new(plan: Plan, map: Arc<Map>, lane: fn(&Plan) -> Lane) -> Router {
        Router { plan, map, lane, lanes: RwLock::default(), runtime: Handle::current() }
    }

    /// The lane to a server. Lanes to servers that left the cluster are let go when a new one comes.
    fn lane(&self, node: &Node, table: &Table) -> Result<Arc<Lane>, StoreError> {
        if let Some(lane) = self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(node) {
            return Ok(Arc::clone(lane));
        }
        let place = self.plan.place.node(node)?;
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|node, _| table.primaries.contains(node) || table.replicas.contains(node));
        let _here = self.runtime.enter();
        let made = || Arc::new((self.lane)(&Plan { place, ..self.plan.clone() }));
        Ok(Arc::clone(lanes.entry(node.clone()).or_insert_with(made)))
    }

    /// Sends the calls to where their keys are; their answers in the order asked.
    pub(super) async fn send(&self, calls: &[Call], repeat: Repeat, until: Moment) -> Vec<Result<Value, StoreError>> {
        let mut flight = Flight::new(calls);
        let mut pause = PAUSE;
        loop {
            let (view, table) = match self.map.view(until).await {
                Ok(known) => known,
                Err(error) => {
                    let open = std::mem::take(&mut flight.open);
                    open.iter().for_each(|one| flight.end(one, Err(error.clone())));
                    return flight.ended();
                }
            };
            self.round(&mut flight, repeat, &view, &table, until).await;
            self.look_for_others(&mut flight, view.round, until).await;
            if flight.open.is_empty() {
                return flight.ended();
            }
            if std::mem::take(&mut flight.rest) {
                if Moment::now() + pause >= until {
                    return flight.ended();
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }

    /// Sends what is open, to all servers at once.
    async fn round(&self, flight: &mut Flight<'_>, repeat: Repeat, view: &View, table: &Table, until: Moment) {
        let mut sent = Vec::new();
        for (node, group) in flight.groups(table) {
            // It would cost everybody the whole deadline to find that out again.
            if view.silent.contains(&node) {
                group.iter().for_each(|one| flight.end(one, Err(silent())));
                continue;
            }
            let calls = flight.calls_of(&group);
            sent.push(async move {
                let answers = match self.lane(&node, table) {
                    Ok(lane) => lane.send(calls, repeat, until).await,
                    Err(error) => Err(error),
                };
                (node, group, answers)
            });
        }
        for (node, group, answers) in join_all(sent).await {
            match answers {
                Ok(answers) => {
                    for (one, answer) in group.into_iter().zip(answers) {
                        match self.fate(&node, answer) {
                            Fate::Done(answer) => flight.end(&one, answer),
                            Fate::Elsewhere(node, asking) => flight.again(one, Some((node, asking))),
                            Fate::Later => flight.again(one, None),
                        }
                    }
                }
                Err(error) => {
                    let unreached = matches!(error.kind, ErrorKind::Away | ErrorKind::ReadOnly);
                    if unreached || matches!(error.kind, ErrorKind::Timeout | ErrorKind::Unreplicated) {
                        self.map.doubt(Some(&node));
                    }
                    for one in group {
                        match unreached && repeat == Repeat::Once {
                            true => flight.unreached.push((node.clone(), one, error.clone())),
                            false => flight.end(&one, Err(error.clone())),
                        }
                    }
                }
            }
        }
    }

    fn fate(&self, node: &Node, answer: Value) -> Fate {
        let Value::ServerError(error) = &answer else { return Fate::Done(Ok(answer)) };
        // `<slot> <host>:<port>`
        let there = || Node::read(error.details()?.split_whitespace().nth(1)?, node);
        match error.kind() {
            Some(ServerErrorKind::Moved) => {
                self.map.doubt(None);
                there().map_or(Fate::Later, |node| Fate::Elsewhere(node, false))
            }
            Some(ServerErrorKind::Ask) => there().map_or(Fate::Later, |node| Fate::Elsewhere(node, true)),
            Some(ServerErrorKind::TryAgain) => Fate::Later,
            Some(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly) => {
                self.map.doubt(None);
                Fate::Later
            }
            _ => {
                let error = error_of(&answer).unwrap_or_else(|| StoreError::bug("an error that is none"));
                if error.kind == ErrorKind::Away {
                    self.map.doubt(None);
                }
                Fate::Done(Err(error))
            }
        }
    }

    /// What could not be reached goes on where its slot has another primary by now.
    async fn look_for_others(&self, flight: &mut Flight<'_>, round: u64, until: Moment) {
        let unreached = std::mem::take(&mut flight.unreached);
        if unreached.is_empty() {
            return;
        }
        let table = self.map.renewed(round, until).await.table.unwrap_or_default();
        for (node, one, error) in unreached {
            match flight.slot(&one).and_then(|slot| table.owner(slot)) {
                Some(owner) if *owner != node => flight.again(one, None),
                _ => flight.end(&one, Err(error)),
            }
        }
    }

    /// The servers that have keys, in the order of their addresses, with their lanes; an error for one of which is
    /// known that it does not answer.
    async fn lanes(&self, until: Moment) -> Result<Vec<(Node, Result<Arc<Lane>, StoreError>)>, StoreError> {
        let (view, table) = self.map.view(until).await?;
        let lane = |node: &Node| if view.silent.contains(node) { Err(silent()) } else { self.lane(node, &table) };
        Ok(table.primaries.iter().map(|node| (node.clone(), lane(node))).collect())
    }

    /// Sends the calls to one server, wherever their keys may be.
    async fn to_one(
        &self,
        (node, lane): &(Node, Result<Arc<Lane>, StoreError>),
        calls: &[Call],
        until: Moment,
    ) -> Result<Vec<Value>, StoreError> {
        let lane = lane.as_ref().map_err(Clone::clone)?;
        let answers = lane.send(calls.to_vec(), Repeat::Once, until).await;
        let answers = answers.inspect_err(|_| self.map.doubt(Some(node)))?;
        answers.iter().find_map(error_of).map_or(Ok(answers), Err)
    }

    /// Connects to every primary, which looks at it; one that does not answer is looked at when it does.
    pub(super) async fn greet(&self, until: Moment) -> Result<(), StoreError> {
        let (_, table) = self.map.view(until).await?;
        if !table.is_whole() {
            self.map.doubt(None);
            return Err(StoreError::new(ErrorKind::Away, "some slots of the cluster have no primary (CLUSTERDOWN)"));
        }
        let (lanes, ping) = (self.lanes(until).await?, [Call::bare("PING")]);
        let asked = lanes.iter().map(|one| self.to_one(one, &ping, until));
        some_answered(join_all(asked).await).map(|_| ())
    }

    /// Sends the call to every primary, and is content with the first answer.
    pub(super) async fn any(&self, call: &Call, until: Moment) -> Result<(), StoreError> {
        let lanes = self.lanes(until).await?;
        let asked = lanes.iter().map(|one| Box::pin(self.to_one(one, std::slice::from_ref(call), until)));
        match asked.len() {
            0 => Err(nobody()),
            _ => select_ok(asked).await.map(|_| ()),
        }
    }

    /// Sends the calls to every primary.
    pub(super) async fn everywhere(
        &self,
        calls: &[Call],
        until: Moment,
    ) -> Result<Vec<(String, Vec<Value>)>, StoreError> {
        let lanes = self.lanes(until).await?;
        let sent = lanes.iter().map(|one| async {
            let answers = self.to_one(one, calls, until).await?;
            Ok((format!("{:?}", one.0), answers))
        });
        join_all(sent).await.into_iter().collect()
    }

    /// Sends the calls to the primary of this place.
    pub(super) async fn at(
        &self,
        place: usize,
        calls: &[Call],
        until: Moment,
    ) -> Result<Option<Vec<Value>>, StoreError> {
        match self.lanes(until).await?.get(place) {
            Some(one) => self.to_one(one, calls, until).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends the calls to every node, replicas too.
    pub(super) async fn tell_all(&self, calls: &[Call]) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut pipe = redis::Pipeline::new();
        for call in calls {
            call.put(&mut pipe);
        }
        let answers = self.map.tell_all(&pipe).await?;
        match answers.iter().flatten().find_map(error_of) {
            Some(error) => Err(error),
            None => Ok(answers),
        }
    }

    /// The slots of every primary as the table has them.
    pub(super) async fn slots(&self, until: Moment) -> Result<String, StoreError> {
        let (_, table) = self.map.view(until).await?;
        let one = |node: &Node| format!("{node:?} {:?}", table.slots(node));
        Ok(table.primaries.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    /// What is known of the primaries, as of one server: the fullest, the one furthest off, the first complaint that a
    /// person must act on. One that serves nobody for a while is said beside it, as long as another serves.
    ///
    /// # Errors
    /// None of them answers, or one of them has lost the data.
    pub(super) async fn info(&self, demands: &Demands, until: Moment) -> Result<Info, StoreError> {
        let lanes = self.lanes(until).await?;
        let mut whole: Option<Info> = None;
        let (mut away, mut serve) = (None, false);
        let asked =
            lanes.iter().map(|(_, lane)| async move { lane.as_ref().map_err(Clone::clone)?.info(demands).await });
        for (known, (node, _)) in join_all(asked).await.into_iter().zip(&lanes) {
            match known {
                Ok(mut info) => {
                    serve |= info.complaint.is_none();
                    // Without a replica just now, or no longer a primary and not yet known for that.
                    if let Some(passing) = info.complaint.take_if(|c| c.passes()) {
                        self.map.doubt(None);
                        away = Some(passing);
                    }
                    whole = Some(whole.map_or(info.clone(), |whole| whole.with(info)));
                }
                Err(error) if error.passes() => {
                    self.map.doubt(Some(node));
                    away = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let mut whole = whole.ok_or_else(|| away.clone().unwrap_or_else(nobody))?;
        whole.server = format!("{}, a cluster of {} primaries", whole.server, lanes.len());
        whole.complaint = whole.complaint.or(away.clone().filter(|_| !serve));
        whole.away = away.filter(|_| whole.complaint.is_none());
        Ok(whole)
    }
}
