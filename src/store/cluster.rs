//! A cluster as it stands: which primary has which slot, and who does not answer.
//!
//! One task of a store keeps this up: it asks all nodes it knows of when a call finds that something has changed, and
//! now and then by itself. Nodes may disagree after a failover; whoever has heard of the newest one is believed.

use super::error::{ErrorKind, StoreError};
use super::place::Place;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant as Moment, timeout, timeout_at};

/// Slots of every cluster.
pub(super) const SLOTS: usize = 16_384;
/// Once a node has answered, the others get so long.
const OTHERS: Duration = Duration::from_millis(200);
/// Between two rounds of questions at least.
const GAP: Duration = Duration::from_millis(30);
/// While a primary does not answer, it is asked again after so long.
const SOON: Duration = Duration::from_millis(250);
/// And all of them without any cause.
const NOW_AND_THEN: Duration = Duration::from_secs(10);
/// Nodes asked in one round at most.
const ASKED: usize = 24;

/// The slot of a key: of what stands in its first braces, if anything does.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let braced = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let tag = rest.get(..rest.iter().position(|b| *b == b'}')?)?;
        (!tag.is_empty()).then_some(tag)
    });
    crc16::State::<crc16::XMODEM>::calculate(braced.unwrap_or(key)) % SLOTS as u16
}

/// A node's address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

impl Node {
    pub(super) fn new(host: &str, port: u16) -> Node {
        Node { host: host.into(), port }
    }

    /// Reads `host:port`; without a host it is the host of who said so.
    pub(super) fn read(text: &str, said_by: &Node) -> Option<Node> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        Some(if host.is_empty() { Node { host: said_by.host.clone(), port } } else { Node::new(host, port) })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Who has what.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// By slot: the place in `primaries`, from 1; 0: nobody.
    owners: Vec<u16>,
    /// In the order of their addresses.
    pub(super) primaries: Vec<Node>,
    pub(super) replicas: Vec<Node>,
}

impl Table {
    /// Reads the answer to `CLUSTER SLOTS` of `said_by`.
    fn read(answer: Value, said_by: &Node) -> Option<Table> {
        let Value::Array(ranges) = answer else { return None };
        let mut read = Vec::new();
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let mut parts = parts.into_iter();
            let (Some(Value::Int(first)), Some(Value::Int(last))) = (parts.next(), parts.next()) else { return None };
            let (first, last) = (usize::try_from(first).ok()?, usize::try_from(last).ok()?);
            let mut nodes = parts.map(|node| address(node, said_by)).collect::<Option<Vec<_>>>()?.into_iter();
            read.push((first..=last.min(SLOTS - 1), nodes.next()?, nodes.collect::<Vec<_>>()));
        }
        let primaries: BTreeSet<&Node> = read.iter().map(|(_, primary, _)| primary).collect();
        let primaries: Vec<Node> = primaries.into_iter().cloned().collect();
        let mut owners = vec![0; SLOTS];
        for (slots, primary, _) in &read {
            let place = u16::try_from(primaries.binary_search(primary).ok()? + 1).ok()?;
            owners.get_mut(slots.clone())?.fill(place);
        }
        let replicas: BTreeSet<Node> = read.into_iter().flat_map(|(.., replicas)| replicas).collect();
        Some(Table { owners, primaries, replicas: replicas.into_iter().collect() })
    }

    /// Who has the slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Node> {
        let place = usize::from(*self.owners.get(usize::from(slot))?);
        self.primaries.get(place.checked_sub(1)?)
    }

    /// Every slot has a primary.
    pub(super) fn is_whole(&self) -> bool {
        !self.owners.is_empty() && !self.owners.contains(&0)
    }

    /// The slots of a primary, as ranges.
    pub(super) fn slots(&self, node: &Node) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in (0..=u16::MAX).take(SLOTS).filter(|slot| self.owner(*slot) == Some(node)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }
}

/// `[host, port, id, …]`; a host that is not told is that of who was asked.
fn address(node: Value, said_by: &Node) -> Option<Node> {
    let Value::Array(parts) = node else { return None };
    let mut parts = parts.into_iter();
    let host = match parts.next()? {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text,
        Value::Nil => String::new(),
        _ => return None,
    };
    let Value::Int(port) = parts.next()? else { return None };
    let host = if host.is_empty() || host == "?" { said_by.host.clone() } else { host.as_str().into() };
    Some(Node { host, port: u16::try_from(port).ok()? })
}

/// What is known at one moment.
#[derive(Clone, Default)]
pub(super) struct View {
    /// Counts rounds of questions.
    pub(super) round: u64,
    /// Who has what; `None`: nobody could say yet.
    pub(super) table: Option<Arc<Table>>,
    /// Nodes that neither took a call nor answered when asked.
    pub(super) silent: Arc<BTreeSet<Node>>,
    /// Why nobody could say.
    error: Option<StoreError>,
}

/// What is known of the cluster. Shared by all ways to it; the task ends with the last of them.
pub(super) struct Map {
    inner: Arc<Inner>,
    bell: mpsc::Sender<()>,
}

struct Inner {
    /// Of the cluster.
    place: Place,
    deadline: Duration,
    view: watch::Sender<View>,
    /// Nodes that did not take a call since they were last heard of.
    suspects: Mutex<BTreeSet<Node>>,
}

impl Map {
    /// Begins to ask.
    pub(super) fn new(place: Place, deadline: Duration) -> Map {
        let (bell, rung) = mpsc::channel(1);
        let inner =
            Arc::new(Inner { place, deadline, view: watch::Sender::new(View::default()), suspects: Mutex::default() });
        tokio::spawn(keep_up(Arc::clone(&inner), rung));
        Map { inner, bell }
    }

    /// Something is not as the table says; `node`: it did not take a call.
    pub(super) fn doubt(&self, node: Option<&Node>) {
        if let Some(node) = node {
            self.inner.suspects.lock().unwrap_or_else(PoisonError::into_inner).insert(node.clone());
        }
        // A full bell has been rung.
        self.bell.try_send(()).ok();
    }

    /// What is known now.
    ///
    /// # Errors
    /// Nobody could say who has what, or not in time.
    pub(super) async fn view(&self, until: Moment) -> Result<(View, Arc<Table>), StoreError> {
        let mut seen = self.inner.view.subscribe();
        let view = seen.borrow_and_update().clone();
        if let Some(table) = view.table.clone() {
            return Ok((view, table));
        }
        if view.round > 0 {
            self.doubt(None);
        }
        let view = self.renewed(view.round, until).await;
        match view.table.clone() {
            Some(table) => Ok((view, table)),
            None => Err(view.error.unwrap_or_else(late)),
        }
    }

    /// What is known when somebody was asked again since that round, or at the given moment.
    pub(super) async fn renewed(&self, round: u64, until: Moment) -> View {
        let mut seen = self.inner.view.subscribe();
        drop(timeout_at(until, seen.wait_for(|view| view.round > round)).await);
        seen.borrow().clone()
    }

    /// Sends the commands to every node, replicas too, by connections made for that.
    ///
    /// # Errors
    /// One of them could not be asked.
    pub(super) async fn tell_all(&self, pipe: &redis::Pipeline) -> Result<Vec<Vec<Value>>, StoreError> {
        let until = Moment::now() + self.inner.deadline;
        let (_, table) = self.view(until).await?;
        let asked = table.primaries.iter().chain(&table.replicas).map(|node| self.inner.ask(node, pipe));
        let answers = timeout_at(until, futures_util::future::join_all(asked)).await.map_err(|_| late())?;
        answers.into_iter().collect()
    }
}

fn late() -> StoreError {
    StoreError::new(ErrorKind::Timeout, "no node of the cluster answered in time")
}

async fn keep_up(inner: Arc<Inner>, mut bell: mpsc::Receiver<()>) {
    loop {
        inner.refresh().await;
        let silent = !inner.view.borrow().silent.is_empty();
        tokio::time::sleep(GAP).await;
        // Without anybody left to ring, nobody is interested.
        if let Ok(None) = timeout(if silent { SOON } else { NOW_AND_THEN }, bell.recv()).await {
            return;
        }
    }
}

impl Inner {
    /// Asks every node known and the ones of the settings.
    async fn refresh(&self) {
        let known = self.view.borrow().table.clone().unwrap_or_default();
        let asked: BTreeSet<Node> =
            known.primaries.iter().chain(&known.replicas).chain(self.place.nodes()).take(ASKED).cloned().collect();
        let mut asking: FuturesUnordered<_> =
            asked.iter().map(|node| async move { (node, self.ask_for_table(node).await) }).collect();
        let (mut best, mut error, mut unheard) = (None::<(u64, Table)>, None, asked.clone());
        let mut until = Moment::now() + self.deadline;
        while let Ok(Some((node, heard))) = timeout_at(until, asking.next()).await {
            match heard {
                Ok((epoch, table)) => {
                    unheard.remove(node);
                    until = until.min(Moment::now() + OTHERS);
                    if best.as_ref().is_none_or(|(known, _)| epoch > *known) {
                        best = Some((epoch, table));
                    }
                }
                Err(e) => error = Some(e),
            }
        }
        self.publish(best.map(|(_, table)| Arc::new(table)), unheard, error);
    }

    fn publish(&self, table: Option<Arc<Table>>, unheard: BTreeSet<Node>, error: Option<StoreError>) {
        let silent: BTreeSet<Node> = {
            let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
            suspects.retain(|node| unheard.contains(node));
            suspects.clone()
        };
        self.view.send_modify(|view| {
            view.round += 1;
            // What was known is better than nothing: whoever has moved says so.
            view.table = table.or(view.table.take());
            view.silent = Arc::new(silent);
            view.error = error;
        });
    }

    /// The newest change that the node has heard of, and who has what.
    async fn ask_for_table(&self, node: &Node) -> Result<(u64, Table), StoreError> {
        let mut pipe = redis::Pipeline::new();
        pipe.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let mut answers = timeout(self.deadline, self.ask(node, &pipe)).await.map_err(|_| late())??.into_iter();
        let info = match answers.next() {
            Some(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
            Some(Value::VerbatimString { text, .. }) => text,
            // Where it may not be asked, any node is as good as another.
            _ => String::new(),
        };
        let epoch = info.lines().find_map(|l| l.strip_prefix("cluster_current_epoch:")?.trim().parse().ok());
        match answers.next() {
            Some(Value::ServerError(e)) if e.code() == "ERR" => Err(StoreError::setup(
                "the server is of no cluster (cluster-enabled no); write redis:// or redis+sentinel:// in store.url",
            )),
            Some(Value::ServerError(e)) => Err(redis::RedisError::from(e).into()),
            answer => {
                let table = answer.and_then(|slots| Table::read(slots, node)).filter(|t| !t.primaries.is_empty());
                let nobody = || StoreError::new(ErrorKind::Away, "the cluster has no primaries yet (CLUSTERDOWN)");
                table.map(|table| (epoch.unwrap_or(0), table)).ok_or_else(nobody)
            }
        }
    }

    async fn ask(&self, node: &Node, pipe: &redis::Pipeline) -> Result<Vec<Value>, StoreError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline));
        let client = self.place.node(node)?.find(&config).await?;
        let mut conn = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(conn.send_packed_commands(pipe, 0, pipe.len()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())])
    }

    fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16::State::<crc16::XMODEM>::calculate(b"foo{}{bar}") % 16_384);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar"), crc16::State::<crc16::XMODEM>::calculate(b"foo{bar") % 16_384);
    }

    #[test]
    fn a_table_is_read_with_its_gaps_and_nameless_hosts() {
        let asked = Node::new("10.0.0.1", 7000);
        let answer = Value::Array(vec![
            range(0, 99, vec![node("10.0.0.2", 7001), node("10.0.0.3", 7002)]),
            range(101, 16_383, vec![node("", 7000)]),
            range(200, 200, vec![node("10.0.0.2", 7001)]),
        ]);
        let table = Table::read(answer, &asked).unwrap();
        assert_eq!(table.primaries, [asked.clone(), Node::new("10.0.0.2", 7001)]);
        assert_eq!(table.replicas, [Node::new("10.0.0.3", 7002)]);
        assert_eq!(table.owner(99), Some(&Node::new("10.0.0.2", 7001)));
        assert_eq!((table.owner(100), table.owner(101)), (None, Some(&asked)));
        assert!(!table.is_whole());
        assert_eq!(table.slots(&Node::new("10.0.0.2", 7001)), [(0, 99), (200, 200)]);
        assert!(Table::read(Value::Okay, &asked).is_none());
        assert!(Table::read(Value::Array(vec![range(0, 5, vec![])]), &asked).is_none());
    }

    #[test]
    fn a_node_that_is_named_without_a_host_is_at_the_speakers() {
        let said_by = Node::new("::1", 7000);
        assert_eq!(Node::read("10.0.0.9:6381", &said_by), Some(Node::new("10.0.0.9", 6381)));
        assert_eq!(Node::read(":6381", &said_by), Some(Node::new("::1", 6381)));
        assert_eq!(Node::read("::2:6381", &said_by), Some(Node::new("::2", 6381)));
        assert_eq!(Node::read("nonsense", &said_by), None);
    }
}
