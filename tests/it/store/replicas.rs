//! A primary with replicas: what is acknowledged is on one of them, and a failover is followed.

use super::*;
use crate::support::redis::{Redis, signal};
use crate::support::seal;
use orderwire::store::error::ErrorKind;
use orderwire::store::work::Begun;
use orderwire::store::{Durability, StoreOptions};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Settings of a server that stops taking writes when it has no replica.
const KEPT: &str = "bind 127.0.0.1\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n\
                    min-replicas-to-write 1\nmin-replicas-max-lag 10\nrepl-diskless-sync-delay 0\n";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Server {
    redis: Redis,
    port: u16,
}

impl Server {
    fn start(of: Option<u16>, kept: &str) -> Server {
        let port = free_port();
        let of = of.map(|primary| format!("replicaof 127.0.0.1 {primary}\n")).unwrap_or_default();
        Server { redis: Redis::launch(&format!("port {port}\n{kept}{of}"), ""), port }
    }

    fn info(&self) -> String {
        self.redis.ask(&["INFO", "replication"]).text()
    }

    fn has(&self, line: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.info().contains(line) {
            assert!(Instant::now() < end, "no {line:?} in {}", self.info());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Server {
    /// It follows its primary, and has on disk what it got at first: before that, no `WAITAOF` is answered.
    fn follows(&self) {
        self.has("master_link_status:up");
        let end = Instant::now() + Duration::from_secs(20);
        let done =
            |said: String| said.contains("aof_rewrite_in_progress:0") && said.contains("aof_rewrite_scheduled:0");
        while !done(self.redis.ask(&["INFO", "persistence"]).text()) {
            assert!(Instant::now() < end, "it does not write its log anew");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn options(url: String) -> StoreOptions {
    StoreOptions { url: Some(url), prefix: support::prefix(), durability: Durability::Replicated, ..Default::default() }
}

/// A replica that stands still takes the acknowledgement away, and nothing else: the commit is in the primary, and
/// its repeat, a duplicate, passes the fence too or is not acknowledged either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_that_no_replica_has() {
    let w = World::new().await;
    let primary = Server::start(None, KEPT);
    let url = format!("redis://127.0.0.1:{}/0", primary.port);
    let alone = Store::open(&options(url.clone()), seal()).await.err().unwrap();
    assert_eq!(alone.kind, ErrorKind::Away);
    assert!(alone.to_string().contains("needs a replica"), "{alone}");
    let replica = Server::start(Some(primary.port), KEPT);
    primary.has("min_slaves_good_slaves:1");
    replica.follows();
    let o = options(url);
    let store = Store::open(&o, seal()).await.unwrap();
    // Another process, which has written nothing yet.
    let other = Store::open(&o, seal()).await.unwrap();
    assert_eq!(store.info().await.unwrap().durability, Durability::Replicated);
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    // Many at once share a fence.
    let many: Vec<_> =
        (0..200_u64).map(|i| store.member(&Unit::order(&ShopId::from("many"), &i.to_string()))).collect();
    let all = futures_util::future::join_all(
        many.iter().zip(1000..).map(|(m, seen)| store.commit(m, w.news(&Record::default(), seen, 3600))),
    );
    assert!(all.await.into_iter().all(|c| matches!(c, Ok(Committed::Stored { .. }))));
    let news = || w.news(&Record::default(), 1, 0);
    replica.redis.freeze();
    let said = store.commit(&m, news()).await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Unreplicated, "{said}");
    let again = store.commit(&m, news()).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Unreplicated, "a duplicate is no more certain than the first");
    let there = other.commit(&m, news()).await.unwrap_err();
    assert_eq!(there.kind, ErrorKind::Unreplicated, "nor at anybody else's");
    assert_eq!(store.read(&m).await.unwrap().items.len(), 1);
    let leased = store.lease(m.partition(), 10, "w", 30_000).await.unwrap().remove(0);
    let r = store.read(&m).await.unwrap();
    let ask = BeginAsk {
        leased: &leased,
        items: vec![ended(r.items[0].clone(), State::Begun)],
        revision: r.revision,
        expires: w.after(3600),
        channel: Tag::NONE,
        envelope: None,
    };
    let begun = store.begin(std::slice::from_ref(&ask)).await.unwrap_err();
    assert_eq!(begun.kind, ErrorKind::Unreplicated, "nothing is sent that a failover could forget");
    replica.redis.thaw();
    assert_eq!(store.commit(&m, news()).await.unwrap(), Committed::Duplicate);
    assert_eq!(store.begin(&[ask]).await.unwrap(), [Begun::Go]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_goes_on_without_replicas_is_refused() {
    let lone = KEPT.replace("min-replicas-to-write 1", "min-replicas-to-write 0");
    let primary = Server::start(None, &lone);
    let _replica = Server::start(Some(primary.port), &lone);
    primary.has("connected_slaves:1");
    let mut o = options(format!("redis://127.0.0.1:{}/0", primary.port));
    let refused = Store::open(&o, seal()).await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Setup);
    assert!(refused.to_string().contains("min-replicas-to-write"), "{refused}");
    o.accept_risk = vec!["min-replicas".into()];
    Store::open(&o, seal()).await.unwrap();
}

/// A primary with two replicas, watched by a sentinel.
struct Watched {
    primary: Server,
    replicas: [Server; 2],
    _sentinel: Redis,
    /// `store.url`, with the service's name still to come.
    url: String,
}

impl Watched {
    fn start() -> Watched {
        let primary = Server::start(None, KEPT);
        let replicas = [Server::start(Some(primary.port), KEPT), Server::start(Some(primary.port), KEPT)];
        primary.has("min_slaves_good_slaves:2");
        replicas.iter().for_each(Server::follows);
        let port = free_port();
        let conf = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n",
            primary.port
        );
        let sentinel = Redis::launch(&conf, "--sentinel");
        let end = Instant::now() + Duration::from_secs(20);
        while sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).list().len() < 2 {
            assert!(Instant::now() < end, "the sentinel finds no replicas");
            std::thread::sleep(Duration::from_millis(20));
        }
        // The first sentinel of the list is away.
        Watched {
            primary,
            replicas,
            _sentinel: sentinel,
            url: format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{port}"),
        }
    }

    /// Every replica has all that the primary wrote. A sentinel chooses by what it heard last, which may be seconds
    /// old: the replica that it takes must be one that had what was acknowledged (docs/redis.md).
    fn caught_up(&self) {
        let offset = |server: &Server| {
            let info = server.info();
            let line = info.lines().find_map(|l| l.strip_prefix("master_repl_offset:").map(str::to_string));
            line.unwrap_or_default()
        };
        let end = Instant::now() + Duration::from_secs(20);
        while self.replicas.iter().any(|r| offset(r) != offset(&self.primary)) {
            assert!(Instant::now() < end, "a replica stays behind");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn options(&self, service: &str) -> StoreOptions {
        options(format!("{}/{service}/0", self.url))
    }
}

/// Commits one order after the other until one is taken; gives the number of those that were refused before.
async fn until_taken(store: &Store, w: &World, from: u64) -> (u64, u32) {
    let end = Instant::now() + Duration::from_secs(40);
    let mut refused = 0;
    for i in from.. {
        match store.commit(&numbered(store, i), w.news(&Record::default(), i, 3600)).await {
            Ok(_) => return (i, refused),
            Err(e) => assert!(e.passes(), "{e}"),
        }
        refused += 1;
        assert!(Instant::now() < end, "the new primary is not found: {refused} refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("numbers do not end")
}

fn numbered(store: &Store, i: u64) -> Member {
    store.member(&Unit::order(&ShopId::from("demo"), &i.to_string()))
}

async fn all_there(store: &Store, acknowledged: &[u64]) {
    for i in acknowledged {
        assert_eq!(store.read(&numbered(store, *i)).await.unwrap().items.len(), 1, "order {i} was acknowledged");
    }
    assert_eq!(store.audit().await.unwrap().bad, Vec::<String>::new());
}

/// The primary is killed: the sentinel makes a replica the primary, and what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_loses_nothing_acknowledged() {
    let w = World::new().await;
    let watched = Watched::start();
    let unknown = Store::open(&watched.options("other"), seal()).await.err().unwrap();
    assert_eq!(unknown.kind, ErrorKind::Setup, "{unknown}");
    let store = Store::open(&watched.options("main"), seal()).await.unwrap();
    let mut acknowledged: Vec<u64> = (0..20).collect();
    for i in &acknowledged {
        store.commit(&numbered(&store, *i), w.news(&Record::default(), *i, 3600)).await.unwrap();
    }
    watched.caught_up();
    signal(watched.primary.redis.pid(), "KILL");
    let (taken, refused) = until_taken(&store, &w, 20).await;
    assert!(refused > 0, "there was an outage");
    acknowledged.push(taken);
    all_there(&store, &acknowledged).await;
}

/// The primary stands still until it is replaced, and then goes on as if nothing had been: nothing is acknowledged
/// by it any more, and what was acknowledged by either is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_comes_back_after_its_replacement_acknowledges_nothing() {
    let w = World::new().await;
    let watched = Watched::start();
    let store = Store::open(&watched.options("main"), seal()).await.unwrap();
    // Somebody who knows only the old address.
    let mut o = watched.options("main");
    o.url = Some(format!("redis://127.0.0.1:{}/0", watched.primary.port));
    let astray = Store::open(&o, seal()).await.unwrap();
    store.commit(&numbered(&store, 0), w.news(&Record::default(), 0, 3600)).await.unwrap();
    watched.primary.redis.freeze();
    let (taken, _) = until_taken(&store, &w, 1).await;
    watched.primary.redis.thaw();
    let mut acknowledged = vec![0, taken];
    for i in 1000..1100 {
        // It must not be acknowledged by the one left behind, whatever it believes to be.
        if astray.commit(&numbered(&astray, i), w.news(&Record::default(), i, 3600)).await.is_ok() {
            acknowledged.push(i);
        }
        store.commit(&numbered(&store, i + 1000), w.news(&Record::default(), i + 1000, 3600)).await.unwrap();
        acknowledged.push(i + 1000);
    }
    // Replicas of one primary only, in the end.
    let primaries = watched.replicas.iter().filter(|r| r.info().contains("role:master")).count();
    assert_eq!(primaries, 1);
    all_there(&store, &acknowledged).await;
}
