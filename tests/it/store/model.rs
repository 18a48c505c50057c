//! Writers, workers of two processes, crashes at every point, stalls beyond the lease, a server killed again
//! and again, time that runs fast: and still nothing lost, nothing stuck, nothing told twice or out of order.
//!
//! Virtual time is the server's clock plus an offset that grows while everybody works. What a worker does
//! between its last look at the clock and the provider's acceptance happens at one virtual moment: a stall
//! there is the one thing no store can make good (`reliability`: irreducible without a provider's key).

use super::model_rules::{Counts, Outcome, Plan, Provider, channel, keyed};
use super::*;
use crate::support::{Scratch, scratch, seal};
use orderwire::domain::decision::Reason;
use orderwire::store::StoreOptions;
use orderwire::store::work::{Begun, Settled};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::RwLock;

const ORDERS: u64 = 120;
const LEASE: i64 = 6_000;
/// A worker sends only while so much of its lease is left.
const MARGIN: i64 = 2_000;
const BUSY: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(25);

struct Sim {
    dir: Scratch,
    prefix: String,
    stores: Vec<Store>,
    offset: AtomicI64,
    gate: RwLock<()>,
    calm: AtomicBool,
    done: AtomicBool,
    next_event: AtomicU64,
    /// Events answered "stored": (order, subject).
    acknowledged: Mutex<Vec<(u64, Digest8)>>,
    provider: Mutex<Provider>,
    counts: Counts,
    bad: Mutex<Vec<String>>,
    last_error: Mutex<String>,
}

impl Sim {
    async fn new() -> Arc<Sim> {
        let dir = scratch("model");
        let prefix = support::prefix();
        let o = StoreOptions { dir: dir.to_path_buf(), prefix: prefix.clone(), ..support::beside() };
        let owner = Store::open(&o, seal()).await.unwrap();
        let other = Store::attach(&o, seal()).await.unwrap();
        Arc::new(Sim {
            dir,
            prefix,
            stores: vec![owner, other],
            offset: AtomicI64::new(0),
            gate: RwLock::new(()),
            calm: AtomicBool::new(false),
            done: AtomicBool::new(false),
            next_event: AtomicU64::new(1),
            acknowledged: Mutex::default(),
            provider: Mutex::default(),
            counts: Counts::default(),
            bad: Mutex::default(),
            last_error: Mutex::default(),
        })
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap() + self.offset.load(SeqCst)
    }

    fn member(&self, order: u64) -> Member {
        self.stores[0].member(&Unit::order(&ShopId::from("demo"), &order.to_string()))
    }

    /// True now and then, never once the storm is over.
    fn chance(&self, rng: &mut StdRng, of: f64) -> bool {
        !self.calm.load(SeqCst) && rng.random_bool(of)
    }

    fn crash(&self, rng: &mut StdRng, point: usize) -> bool {
        let crashed = self.chance(rng, 0.06);
        self.counts.crashes[point].fetch_add(u32::from(crashed), SeqCst);
        crashed
    }

    /// Sleeps until its lease is long over.
    async fn stall(&self, rng: &mut StdRng) {
        if self.chance(rng, 0.04) {
            self.counts.stalls.fetch_add(1, SeqCst);
            let end = self.now() + LEASE + 2_000;
            while self.now() < end && !self.calm.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    fn failed(&self, e: &orderwire::store::error::StoreError) {
        assert!(e.passes(), "{e}");
        *self.last_error.lock().unwrap() = e.to_string();
        self.counts.errors.fetch_add(1, SeqCst);
    }

    fn raw(&self) -> Option<redis::Connection> {
        let url = format!("unix://{}", self.dir.join("redis/redis.sock").display());
        redis::Client::open(url).unwrap().get_connection().ok()
    }

    /// Time leaps; nobody is between clock and provider then.
    async fn time(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while !self.done.load(SeqCst) {
            let leap = rng.random_range(20..400);
            {
                let _all_stand = self.gate.write().await;
                let to = self.offset.load(SeqCst) + leap;
                while !self.set_offset(to) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                self.offset.store(to, SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(12)).await;
        }
    }

    fn set_offset(&self, to: i64) -> bool {
        let Some(mut raw) = self.raw() else { return false };
        let mut pipe = redis::pipe();
        for tag in TAGS {
            pipe.cmd("HSET").arg(format!("{}:{{{tag}}}:ctl", self.prefix)).arg("clock_offset_ms").arg(to);
        }
        pipe.query::<Vec<i64>>(&mut raw).is_ok()
    }

    /// Kills the server, pauses the channel, wakes orders, looks whether the whole holds together.
    async fn trouble(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while !self.calm.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..300))).await;
            match rng.random_range(0..4) {
                0 => {
                    let killed = self.kill_server();
                    self.counts.kills.fetch_add(u32::from(killed), SeqCst);
                }
                1 => {
                    let until = from_millis(self.now() + 3_000);
                    drop(self.stores[1].pause(channel(), until, Reason::BreakerOpen).await);
                }
                2 => drop(self.stores[1].wake(&[self.member(rng.random_range(0..ORDERS))]).await),
                _ => {
                    if let Ok(audit) = self.stores[0].audit().await {
                        self.counts.audits.fetch_add(1, SeqCst);
                        self.bad.lock().unwrap().extend(audit.bad);
                    }
                }
            }
        }
    }

    fn kill_server(&self) -> bool {
        let pid = std::fs::read_to_string(self.dir.join("redis/redis.pid")).unwrap_or_default();
        // The number may have gone to somebody else since.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        ["(redis-server)", "(valkey-server)"].iter().any(|name| stat.contains(name))
            && std::process::Command::new("kill").args(["-9", pid.trim()]).status().is_ok_and(|s| s.success())
    }

    async fn writer(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while !self.calm.load(SeqCst) {
            // A few orders are busy all the time, the others mostly quiet.
            let among = if rng.random_bool(0.3) { 4 } else { ORDERS };
            let order = rng.random_range(0..among);
            let event = self.next_event.fetch_add(1, SeqCst);
            self.tell(order, event, &mut rng).await;
            if rng.random_bool(0.2) {
                self.tell(order, event, &mut rng).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..16))).await;
        }
    }

    /// One webhook, sent again until it is answered.
    async fn tell(&self, order: u64, event: u64, rng: &mut StdRng) {
        let member = self.member(order);
        loop {
            let answer = match self.stores[0].read(&member).await {
                Ok(record) => {
                    let commit = self.news(&record, event, rng);
                    self.stores[0].commit(&member, commit).await
                }
                Err(e) => Err(e),
            };
            match answer {
                Ok(Committed::Conflict) => {
                    self.counts.conflicts.fetch_add(1, SeqCst);
                }
                Ok(Committed::Stored { .. }) => {
                    self.counts.commits.fetch_add(1, SeqCst);
                    return self.acknowledged.lock().unwrap().push((order, Digest8(event)));
                }
                Ok(Committed::Duplicate) => {
                    self.counts.duplicates.fetch_add(1, SeqCst);
                    return self.acknowledged.lock().unwrap().push((order, Digest8(event)));
                }
                Err(e) => {
                    self.failed(&e);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    fn news(&self, record: &Record, event: u64, rng: &mut StdRng) -> Commit {
        let now = self.now();
        let due = from_millis(now + rng.random_range(-500..3_000));
        let item = Owed {
            no: record.last_item + 1,
            milestone: Tag::of("shipped"),
            subject: Digest8(event),
            route: Tag::of("main"),
            slot: Tag::NONE,
            state: State::Open,
            reason: None,
            attempts: 0,
            at: from_millis(now),
            not_before: due,
            expires: from_millis(now + 86_400_000),
            channel: Tag::NONE,
            passed: 0,
            first_attempt: None,
            address: 0,
            follows: 0,
            within: 0,
            forced: false,
        };
        Commit {
            expected: record.revision,
            parked: record.parked,
            seen: vec![Digest8(event)],
            seen_until: from_millis(now + 8 * 86_400_000),
            drop_seen: record.stale_seen(from_millis(now)),
            snapshot: vec![b'x'; 200],
            owed: vec![item],
            due: Some(due),
            ledger: Vec::new(),
        }
    }

    async fn worker(&self, process: usize, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let store = &self.stores[process];
        let name = format!("w{seed}");
        while !self.done.load(SeqCst) {
            for p in 0..16 {
                if rng.random_bool(0.3)
                    && let Err(e) = store.tick(p, 100).await
                {
                    self.failed(&e);
                }
                let asked = self.now();
                match store.lease(p, 3, &name, LEASE.unsigned_abs()).await {
                    Ok(got) => {
                        for leased in got {
                            self.work(store, &leased, asked + LEASE, &mut rng).await;
                        }
                    }
                    Err(e) => self.failed(&e),
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    async fn work(&self, store: &Store, leased: &Leased, deadline: i64, rng: &mut StdRng) {
        for _ in 0..6 {
            let record = match store.read_many(std::slice::from_ref(&leased.member)).await {
                Ok(mut records) => records.remove(0).unwrap(),
                Err(e) => return self.failed(&e),
            };
            let order = (0..ORDERS).find(|o| self.member(*o) == leased.member).unwrap();
            let mut plan = Plan::of(&record, order, self.now());
            if self.crash(rng, 0) {
                return;
            }
            self.stall(rng).await;
            if let Some(item) = plan.send.clone() {
                match self.send(store, leased, &record, &mut plan, item, (order, deadline), rng).await {
                    Next::Settle => {}
                    Next::Again => continue,
                    Next::Leave => return,
                }
            }
            if self.crash(rng, 3) {
                return;
            }
            return self.settle(store, leased, &record, &plan).await;
        }
        if let Err(e) = store.release(std::slice::from_ref(leased)).await {
            self.failed(&e);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the simulation, read in one place")]
    async fn send(
        &self,
        store: &Store,
        leased: &Leased,
        record: &Record,
        plan: &mut Plan,
        before: Owed,
        (order, deadline): (u64, i64),
        rng: &mut StdRng,
    ) -> Next {
        let mut begun = ended(before.clone(), State::Begun);
        begun.attempts += 1;
        let ask = BeginAsk {
            leased,
            items: vec![begun.clone()],
            revision: record.revision,
            expires: begun.expires,
            channel: channel(),
            envelope: Some((begun.no, b"envelope".to_vec())),
        };
        let begin = match store.begin(std::slice::from_ref(&ask)).await {
            Ok(b) => b[0],
            Err(_) => match store.begin(&[ask]).await {
                Ok(b) => b[0],
                // It may be begun. Whoever comes next finds out.
                Err(e) => {
                    self.failed(&e);
                    return Next::Leave;
                }
            },
        };
        match begin {
            Begun::Go => {}
            Begun::Moved => {
                self.counts.moved.fetch_add(1, SeqCst);
                return Next::Again;
            }
            Begun::Paused => {
                self.counts.parked.fetch_add(1, SeqCst);
                plan.park = true;
                return Next::Settle;
            }
            Begun::Fenced => {
                self.counts.fenced.fetch_add(1, SeqCst);
                return Next::Leave;
            }
            Begun::Expired | Begun::Unanswered => panic!("nothing expires, and one server answers for all"),
        }
        if self.crash(rng, 1) {
            return Next::Leave;
        }
        self.stall(rng).await;
        let outcome = {
            let _one_moment = self.gate.read().await;
            let in_time = self.now() + MARGIN < deadline;
            if in_time { self.provider.lock().unwrap().take(order, begun.no, rng) } else { Outcome::NotTaken }
        };
        if self.crash(rng, 2) {
            return Next::Leave;
        }
        plan.sent(&before, begun, order, outcome, self.now());
        Next::Settle
    }

    /// A settle is repeated until it is recorded or the lease is lost: losing one is what makes doubles.
    async fn settle(&self, store: &Store, leased: &Leased, record: &Record, plan: &Plan) {
        let changed = plan.changed(record);
        let closed = changed.iter().filter(|i| !i.state.is_open()).count();
        let s = Settle {
            closed: u16::try_from(closed).unwrap(),
            drop_envelopes: changed.iter().filter(|i| !i.state.is_open()).map(|i| i.no).collect(),
            items: changed,
            ..super::settle(leased, record, plan.dest(self.now()))
        };
        loop {
            match store.settle(&s).await {
                Ok(Settled::Ok) => return,
                Ok(Settled::Fenced) => {
                    self.counts.fenced.fetch_add(1, SeqCst);
                    return;
                }
                Ok(Settled::Moved | Settled::Unanswered) => panic!("nothing was added"),
                Err(e) => self.failed(&e),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

enum Next {
    Settle,
    Again,
    Leave,
}

impl Sim {
    fn stuck(&self) {
        let log = std::fs::read_to_string(self.dir.join("redis/redis.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(12).collect();
        panic!("stuck: {:?}; last error {:?}; server, newest first: {tail:#?}", self.counts, self.last_error);
    }

    /// Every acknowledged event ended, and rightly.
    async fn check(&self) {
        let c = &self.counts;
        let audit = self.stores[0].audit().await.unwrap();
        assert_eq!(audit.bad, Vec::<String>::new(), "structure at the end");
        assert_eq!(*self.bad.lock().unwrap(), Vec::<String>::new(), "structure during {c:?}");
        let mut records = BTreeMap::new();
        for order in 0..ORDERS {
            records.insert(order, self.stores[0].read(&self.member(order)).await.unwrap());
        }
        self.check_told(&records);
    }

    fn check_told(&self, records: &BTreeMap<u64, Record>) {
        let c = &self.counts;
        let provider = self.provider.lock().unwrap();
        assert_eq!(provider.doubles, Vec::new(), "told twice: {c:?}");
        for (order, told) in &provider.told {
            assert!(told.is_sorted(), "order {order}: older after newer: {told:?} {c:?}");
        }
        for (order, subject) in self.acknowledged.lock().unwrap().iter() {
            let items: Vec<&Owed> = records[order].items.iter().filter(|i| i.subject == *subject).collect();
            assert_eq!(items.len(), 1, "event {subject:?} of order {order}: lost or kept twice");
        }
        for (order, record) in records {
            let told = provider.told.get(order).cloned().unwrap_or_default();
            for item in &record.items {
                let ok = match item.state {
                    State::Sent => told.contains(&item.no),
                    State::Unsure => !keyed(*order),
                    State::Superseded => record.items.iter().any(|i| i.no > item.no && i.state.is_told()),
                    _ => false,
                };
                assert!(ok, "order {order} item {} ended {:?}; told {told:?}", item.no, item.state);
            }
        }
        let least = |n: &AtomicU32| n.load(SeqCst);
        println!("{c:?} repeats by key {}", provider.repeats);
        assert!(least(&c.commits) > 100 && least(&c.duplicates) > 10 && least(&c.kills) > 0, "{c:?}");
        assert!(c.crashes.iter().all(|n| least(n) > 0) && least(&c.stalls) > 0, "{c:?}");
        assert!(least(&c.fenced) > 0 && least(&c.audits) > 0, "{c:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_stuck_doubled_or_told_out_of_order() {
    let sim = Sim::new().await;
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let run = run(sim.clone(), seed);
    tokio::time::timeout(BUSY + DRAIN, run).await.unwrap_or_else(|_| sim.stuck());
    sim.check().await;
    let Some(sim) = Arc::into_inner(sim) else { panic!("a task is left") };
    for store in sim.stores.into_iter().rev() {
        store.close().await;
    }
}

async fn run(sim: Arc<Sim>, seed: u64) {
    let mut storm = tokio::task::JoinSet::new();
    let mut crew = tokio::task::JoinSet::new();
    for i in 0..4 {
        let (a, b) = (sim.clone(), sim.clone());
        storm.spawn(async move { a.writer(seed + i).await });
        crew.spawn(async move { b.worker(usize::try_from(i).unwrap() % 2, seed + 10 + i).await });
    }
    let (a, b) = (sim.clone(), sim.clone());
    storm.spawn(async move { a.trouble(seed + 20).await });
    crew.spawn(async move { b.time(seed + 21).await });
    tokio::time::sleep(BUSY).await;
    sim.calm.store(true, SeqCst);
    while let Some(done) = storm.join_next().await {
        done.unwrap();
    }
    while sim.stores[0].resume(channel()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while sim.stores[0].stats().await.map_or(true, |s| s.open > 0) {
        assert!(crew.try_join_next().is_none(), "a worker ended before its time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sim.done.store(true, SeqCst);
    while let Some(done) = crew.join_next().await {
        done.unwrap();
    }
}
