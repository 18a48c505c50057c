//! A cluster in motion: slots that move under load, nodes that come, go and restart.

use super::cluster::world_on;
use super::cluster_faults::Load;
use super::*;
use crate::support::cluster::{Cluster, Node, move_slot, wait_for};
use orderwire::store::Durability;
use orderwire::store::work::Settled;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

fn slot(node: &Node, tag: &str) -> u16 {
    node.redis.ask(&["CLUSTER", "KEYSLOT", &format!("{{{tag}}}")]).text().parse().unwrap()
}

/// Who has a slot.
fn owner(cluster: &Cluster, slot: u16) -> usize {
    usize::from(slot) * cluster.primaries.len() / 16_384
}

/// Takes orders of a partition through commit, lease and settle, again and again; gives how often each was told of.
async fn live(w: Arc<World>, p: u8, stop: Arc<AtomicBool>) -> Vec<(Member, u64)> {
    let mine = |i: &u32| w.order(&format!("m{i}")).partition() == p;
    let members: Vec<Member> = (0..).filter(mine).take(6).map(|i| w.order(&format!("m{i}"))).collect();
    let mut told = vec![0_u64; members.len()];
    while !stop.load(SeqCst) {
        for (m, told) in members.iter().zip(&mut told) {
            let Ok(record) = w.store.read(m).await else { continue };
            let news = w.news(&record, *told + 1, 0);
            match w.store.commit(m, news).await {
                Ok(Committed::Stored { .. } | Committed::Duplicate) => *told += 1,
                Ok(Committed::Conflict) => {}
                Err(e) => assert!(e.passes(), "{e}"),
            }
        }
        for leased in w.store.lease(p, 10, "w", 30_000).await.unwrap_or_default() {
            let Ok(r) = w.store.read(&leased.member).await else { continue };
            let mut s = settle(&leased, &r, Dest::Done);
            let open: Vec<&Owed> = r.items.iter().filter(|i| i.state.is_open()).collect();
            s.closed = u16::try_from(open.len()).unwrap();
            s.items = open.into_iter().map(|i| ended(i.clone(), State::Sent)).collect();
            while let Err(e) = w.store.settle(&s).await {
                assert!(e.passes(), "{e}");
            }
        }
    }
    members.into_iter().zip(told).collect()
}

/// The slot of a partition moves to another primary and back while its orders live: each was told of as often as it
/// was acknowledged, and no script was done by half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_there_and_back_under_load() {
    let cluster = Cluster::start(3);
    let w = Arc::new(world_on(&cluster, Durability::Local).await);
    let nodes = &cluster.primaries;
    let (p, tag) = (4_u8, TAGS[4]);
    let slot = slot(&nodes[0], tag);
    let home = owner(&cluster, slot);
    let (from, to, third) = (&nodes[home], &nodes[(home + 1) % 3], &nodes[(home + 2) % 3]);
    let stop = Arc::new(AtomicBool::new(false));
    let lives = tokio::spawn(live(Arc::clone(&w), p, Arc::clone(&stop)));
    let load = Load::on(&w);
    let book = Arc::clone(&load.book);
    let count = |node: &Node| node.redis.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).text();
    wait_for("something to move", || count(from).parse::<u32>().unwrap() > 60);
    let step = || std::thread::sleep(Duration::from_millis(20));
    tokio::task::block_in_place(|| move_slot(slot, from, to, &[third], step));
    let moved = book.acknowledged.lock().unwrap().len();
    wait_for("more, where it is now", || book.acknowledged.lock().unwrap().len() > moved + 50);
    assert_eq!(count(from), "0");
    tokio::task::block_in_place(|| move_slot(slot, to, from, &[third], step));
    assert_eq!(count(to), "0");
    let back = book.acknowledged.lock().unwrap().len();
    wait_for("more, where it was", || book.acknowledged.lock().unwrap().len() > back + 50);
    stop.store(true, SeqCst);
    for (m, told) in lives.await.unwrap() {
        let r = w.store.read(&m).await.unwrap();
        assert!(told > 0 && r.items.len() as u64 >= told, "{m:?}: {} of {told}", r.items.len());
        assert!(r.items.iter().filter(|i| i.state.is_open()).count() <= 2);
    }
    load.end().await.holds(&w).await;
    let elsewhere = book.refused.lock().unwrap().iter().filter(|(q, ..)| *q != p).count();
    assert_eq!(elsewhere, 0, "a slot that moves troubles nobody else: {:?}", book.refused);
}

/// A node comes and takes over two partitions, gives them back and leaves; then every node restarts, one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_go_and_restart_one_by_one() {
    let mut cluster = Cluster::start(3);
    let w = Arc::new(world_on(&cluster, Durability::Local).await);
    let load = Load::on(&w);
    let newcomer = Node::start("");
    cluster.meet(&cluster.primaries[0], &newcomer);
    wait_for("everybody to know the newcomer", || {
        let knows = |n: &Node| n.redis.ask(&["CLUSTER", "INFO"]).text().contains("cluster_known_nodes:4");
        cluster.nodes().all(knows) && knows(&newcomer)
    });
    newcomer.says(&["CLUSTER", "INFO"], "cluster_state:ok");
    let homes: Vec<(u16, usize)> =
        [TAGS[2], TAGS[9]].map(|tag| slot(&newcomer, tag)).map(|s| (s, owner(&cluster, s))).to_vec();
    let others = |i: usize| (0..3).filter(|o| *o != i).map(|o| &cluster.primaries[o]).collect::<Vec<_>>();
    for (slot, home) in &homes {
        tokio::task::block_in_place(|| move_slot(*slot, &cluster.primaries[*home], &newcomer, &others(*home), || ()));
    }
    let book = Arc::clone(&load.book);
    let taken = book.acknowledged.lock().unwrap().len();
    wait_for("commits at the newcomer", || book.acknowledged.lock().unwrap().len() > taken + 100);
    assert!(w.store.info().await.unwrap().server.contains("4 primaries"), "it is one of them");
    for (slot, home) in &homes {
        tokio::task::block_in_place(|| move_slot(*slot, &newcomer, &cluster.primaries[*home], &others(*home), || ()));
    }
    for node in cluster.nodes() {
        node.must(&["CLUSTER", "FORGET", &newcomer.id()]);
    }
    drop(newcomer);
    for i in 0..3 {
        tokio::task::block_in_place(|| cluster.primaries[i].redis.restart());
        cluster.nodes().for_each(|node| node.says(&["CLUSTER", "INFO"], "cluster_state:ok"));
        let so_far = book.acknowledged.lock().unwrap().len();
        wait_for("commits after its restart", || {
            let acknowledged = book.acknowledged.lock().unwrap();
            acknowledged.len() > so_far + 50
        });
    }
    let m = w.order("last");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Done);
    (s.items, s.closed) = (vec![ended(r.items[0].clone(), State::Sent)], 1);
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
    load.end().await.holds(&w).await;
}
