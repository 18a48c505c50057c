//! A cluster that loses a primary: what lies on the others goes on, every call is answered in its time, and nothing
//! that was acknowledged is lost.

use super::cluster::{everywhere, world_on};
use super::*;
use crate::support::cluster::{Cluster, NODE_TIMEOUT, Node, wait_for};
use crate::support::redis::{Reply, signal};
use orderwire::store::Durability;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A call has 1.5 s; a busy machine may wake its caller late.
const LONGEST: Duration = Duration::from_millis(2_500);

/// Writers that commit one order after the other, each in one partition, until told to stop.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    pub(super) book: Arc<Book>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

/// What became of their commits.
#[derive(Default)]
pub(super) struct Book {
    serial: AtomicU64,
    /// (partition, order) with the moment of its acknowledgement.
    pub(super) acknowledged: Mutex<BTreeMap<(u8, u64), Instant>>,
    /// Partition, moment and what was said.
    pub(super) refused: Mutex<Vec<(u8, Instant, String)>>,
    longest: Mutex<Duration>,
}

pub(super) fn numbered(store: &Store, i: u64) -> Member {
    store.member(&Unit::order(&ShopId::from("demo"), &format!("n{i}")))
}

impl Load {
    pub(super) fn on(w: &Arc<World>) -> Load {
        let (stop, book) = (Arc::new(AtomicBool::new(false)), Arc::new(Book::default()));
        let writer = |p: u8| {
            let (w, stop, book) = (Arc::clone(w), Arc::clone(&stop), Arc::clone(&book));
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    book.one(&w, p).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        };
        let writers = (0..16).map(writer).collect();
        Load { stop, book, writers }
    }

    pub(super) async fn end(self) -> Arc<Book> {
        self.stop.store(true, SeqCst);
        for writer in self.writers {
            writer.await.unwrap();
        }
        self.book
    }
}

impl Book {
    /// Commits a new order of this partition.
    async fn one(&self, w: &World, p: u8) {
        let next = || self.serial.fetch_add(1, SeqCst);
        let i = std::iter::repeat_with(next).find(|i| numbered(&w.store, *i).partition() == p).unwrap();
        let began = Instant::now();
        let done = w.store.commit(&numbered(&w.store, i), w.news(&Record::default(), i, 3600)).await;
        let mut longest = self.longest.lock().unwrap();
        *longest = longest.max(began.elapsed());
        match done {
            Ok(Committed::Stored { .. } | Committed::Duplicate) => {
                self.acknowledged.lock().unwrap().insert((p, i), Instant::now());
            }
            Ok(Committed::Conflict) => panic!("an order of its own"),
            Err(e) => {
                assert!(e.passes(), "{e}");
                self.refused.lock().unwrap().push((p, Instant::now(), e.to_string()));
            }
        }
    }

    /// How many were acknowledged and refused in these partitions since then.
    fn since(&self, at: Instant, partitions: &[u8]) -> (usize, usize) {
        let acknowledged = self.acknowledged.lock().unwrap();
        let good = acknowledged.iter().filter(|((p, _), t)| **t > at && partitions.contains(p)).count();
        let refused = self.refused.lock().unwrap();
        (good, refused.iter().filter(|(p, t, _)| *t > at && partitions.contains(p)).count())
    }

    /// Waits until every partition took something since then.
    async fn all_go_on(&self, at: Instant) {
        support::until("all partitions go on", async || (0..16).all(|p| self.since(at, &[p]).0 > 0).then_some(()))
            .await;
    }

    pub(super) async fn holds(&self, w: &World) {
        let acknowledged: Vec<u64> = self.acknowledged.lock().unwrap().keys().map(|(_, i)| *i).collect();
        assert!(acknowledged.len() > 100, "{} acknowledged", acknowledged.len());
        for some in acknowledged.chunks(200) {
            let members: Vec<Member> = some.iter().map(|i| numbered(&w.store, *i)).collect();
            for (record, i) in w.store.read_many(&members).await.unwrap().into_iter().zip(some) {
                assert_eq!(record.unwrap().items.len(), 1, "order {i} was acknowledged");
            }
        }
        assert!(*self.longest.lock().unwrap() < LONGEST, "{:?}", self.longest);
        w.audit().await;
    }
}

/// Partitions of a node, and those of the others.
fn shares(w: &World, node: &Node) -> (Vec<u8>, Vec<u8>) {
    let key = |tag: &str| format!("{}:{{{tag}}}:ctl", w.prefix);
    let has = |tag: &str| matches!(node.redis.ask(&["TYPE", &key(tag)]), Reply::Status(_));
    (0..16_u8).partition(|p| has(TAGS[usize::from(*p)]))
}

/// The primary is killed, or stands still until it is replaced and then goes on.
async fn a_primary_is_lost(signal_name: &str) {
    let mut cluster = Cluster::replicated(3);
    let w = Arc::new(world_on(&cluster, Durability::Replicated).await);
    let (theirs, others) = shares(&w, &cluster.primaries[0]);
    assert!((4..=7).contains(&theirs.len()), "{theirs:?}");
    let load = Load::on(&w);
    let book = Arc::clone(&load.book);
    book.all_go_on(Instant::now()).await;
    let at = Instant::now();
    signal(cluster.primaries[0].redis.pid(), signal_name);
    tokio::time::sleep(NODE_TIMEOUT).await;
    let (good, bad) = book.since(at, &others);
    assert!(good > 20 && bad * 10 < good, "while it was away the others took {good} and refused {bad}");
    wait_for("a replica in its place", || cluster.replicas[0].is_primary());
    // A primary without a replica takes no writes: they go on when the old one is back, as that.
    match signal_name {
        "STOP" => cluster.primaries[0].redis.thaw(),
        _ => tokio::task::block_in_place(|| cluster.primaries[0].redis.restart()),
    }
    wait_for("the old primary to follow", || !cluster.primaries[0].is_primary());
    book.all_go_on(Instant::now()).await;
    let refused = book.refused.lock().unwrap().iter().filter(|(p, ..)| theirs.contains(p)).count();
    assert!(refused > 0, "there was an outage");
    load.end().await.holds(&w).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_loses_nothing_and_stops_nobody_else() {
    a_primary_is_lost("KILL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_stands_still_loses_nothing_and_stops_nobody_else() {
    a_primary_is_lost("STOP").await;
}

/// A failover on purpose, under load: calls follow it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_is_followed() {
    let cluster = Cluster::replicated(3);
    let w = Arc::new(world_on(&cluster, Durability::Replicated).await);
    let load = Load::on(&w);
    let book = Arc::clone(&load.book);
    book.all_go_on(Instant::now()).await;
    for (primary, replica) in cluster.primaries.iter().zip(&cluster.replicas) {
        replica.must(&["CLUSTER", "FAILOVER"]);
        wait_for("the replica in its place", || replica.is_primary());
        primary.says(&["INFO", "replication"], "master_link_status:up");
        book.all_go_on(Instant::now()).await;
    }
    load.end().await.holds(&w).await;
    assert_eq!(everywhere(&w).len(), 16);
}
