//! A hundred thousand orders that fall due in the same second.

use crate::support::{options, redis, seal};
use orderwire::domain::clock::{Timestamp, from_millis};
use orderwire::domain::ids::{Digest8, ShopId, Tag};
use orderwire::domain::owed::{Owed, State};
use orderwire::store::Store;
use orderwire::store::keys::{Member, PARTITIONS, Unit};
use orderwire::store::order::{Commit, Committed};
use std::time::{Duration, Instant};

/// Orders of the large shop.
const MANY: usize = 100_000;
/// Puts copies of a committed order beside it, all that is kept of it and its place in `wait`, until there are so
/// many. Committing each would take most of a minute.
const COPY: &str = "
-- Nothing is started anew here, so nothing has to be on disk.
redis.set_repl(redis.REPL_NONE)
local base, first, many = ARGV[1], ARGV[2], tonumber(ARGV[3])
local shop, hash = first:sub(1, 9), first:sub(10)
local due = redis.call('ZSCORE', base .. 'wait', first)
for i = 2, many do
  local other = hash:sub(1, 2) .. string.format('%030x', i)
  redis.call('COPY', base .. 'ord:' .. hash, base .. 'ord:' .. other)
  redis.call('COPY', base .. 'snp:' .. hash, base .. 'snp:' .. other)
  redis.call('ZADD', base .. 'wait', due, shop .. other)
end
return redis.call('ZCARD', base .. 'wait')";
/// What a worker's sweep moves at a time.
const MOVES: usize = 1000;

fn owed(now: Timestamp, due: Timestamp) -> Owed {
    Owed {
        no: 1,
        milestone: Tag::of("shipped"),
        subject: Digest8(1),
        route: Tag::of("main"),
        slot: Tag::NONE,
        state: State::Open,
        reason: None,
        attempts: 0,
        at: now,
        not_before: due,
        expires: from_millis(due.as_millisecond() + 86_400_000),
        channel: Tag::NONE,
        passed: 0,
        first_attempt: None,
        address: 0,
        follows: 0,
        within: 0,
        forced: false,
    }
}

fn commit(now: Timestamp, due: Timestamp) -> Commit {
    Commit {
        expected: 0,
        parked: None,
        seen: vec![Digest8(1)],
        seen_until: from_millis(now.as_millisecond() + 86_400_000),
        drop_seen: Vec::new(),
        snapshot: b"{}".to_vec(),
        owed: vec![owed(now, due)],
        due: Some(due),
        ledger: Vec::new(),
    }
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

/// Stores the large shop's orders, as many in each partition.
async fn store_many(store: &Store, server: &redis::Redis, prefix: &str, commit: &Commit) {
    let first: Vec<Member> = (0..PARTITIONS).map(|p| in_partition(store, "large", p)).collect();
    for m in &first {
        assert!(matches!(store.commit(m, commit.clone()).await, Ok(Committed::Stored { .. })));
    }
    let keys = server.keys(prefix);
    for m in &first {
        let base = keys.iter().find_map(|k| k.strip_suffix(&format!("ord:{}", hash(m)))).unwrap();
        let copied = server.ask(&["EVAL", COPY, "0", base, m.as_str(), &(MANY / PARTITIONS).to_string()]);
        assert_eq!(copied, redis::Reply::Int(i64::try_from(MANY / PARTITIONS).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_due_in_one_second_are_moved_in_bounded_steps_and_fairly() {
    let server = redis::Redis::start();
    let o = orderwire::store::StoreOptions { url: Some(server.url()), ..options() };
    let store = Store::open(&o, seal()).await.unwrap();
    let now = from_millis(store_now(&server));
    let due = from_millis(now.as_millisecond() + 3_600_000);
    let started = Instant::now();
    store_many(&store, &server, &o.prefix, &commit(now, due)).await;
    // A small shop with one order in each partition, due with them and behind them all by name and time.
    let small: Vec<Member> = (0..PARTITIONS).map(|p| in_partition(&store, "small", p)).collect();
    for m in &small {
        store.commit(m, commit(now, from_millis(due.as_millisecond() + 900))).await.unwrap();
    }
    eprintln!("{MANY} orders stored in {:?}", started.elapsed());
    server.set_ahead(&o.prefix, 3_601_000);
    let (mut ticks, mut leases, mut served) = (Vec::new(), Vec::new(), 0);
    let started = Instant::now();
    let mut first = Vec::new();
    // Workers lease while the sweep still moves what is due.
    for round in 0.. {
        let mut more = false;
        for p in 0..u8::try_from(PARTITIONS).unwrap() {
            let at = Instant::now();
            let ticked = store.tick(p, MOVES).await.unwrap();
            ticks.push(at.elapsed());
            assert!(usize::try_from(ticked.promoted).unwrap() <= MOVES);
            more |= ticked.more;
            let at = Instant::now();
            let got = store.lease(p, 64, "w", 600_000).await.unwrap();
            leases.push(at.elapsed());
            served += got.len();
            first.extend(got.iter().filter(|l| small.contains(&l.member)).map(|_| round));
        }
        if !more {
            break;
        }
    }
    let all = started.elapsed();
    let (tick, lease) = (percentile(&mut ticks, 0.99), percentile(&mut leases, 0.99));
    eprintln!(
        "all moved in {all:?}: {} ticks, p99 {tick:?}; {} leases of {served} orders, p99 {lease:?}; the small shop's came in rounds {first:?}",
        ticks.len(),
        leases.len()
    );
    // Bounds for a machine that is busy with other tests; `make bench` measures.
    assert!(tick < Duration::from_millis(250), "a tick took {tick:?}");
    assert!(lease < Duration::from_millis(100), "a lease took {lease:?}");
    assert!(all < Duration::from_secs(30), "{all:?}");
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.wait, stats.leased), (0, served as u64), "{stats:?}");
    assert_eq!(stats.ready, (MANY + PARTITIONS - served) as u64);
    // What was moved last and belongs to a shop that had nothing yet is served with the next call.
    let mut early = first.len();
    for p in 0..u8::try_from(PARTITIONS).unwrap() {
        let got = store.lease(p, 8, "w", 600_000).await.unwrap();
        early += got.iter().filter(|l| small.contains(&l.member)).count();
    }
    assert_eq!(early, PARTITIONS, "the small shop stands behind the large one");
}

fn order(store: &Store, shop: &str, i: usize) -> Member {
    store.member(&Unit::order(&ShopId::from(shop), &i.to_string()))
}

fn in_partition(store: &Store, shop: &str, p: usize) -> Member {
    (0..).map(|i| order(store, shop, i)).find(|m| usize::from(m.partition()) == p).unwrap()
}

fn hash(member: &Member) -> &str {
    member.as_str().split_once('/').unwrap().1
}

/// The server's clock, which scripts go by.
fn store_now(server: &redis::Redis) -> i64 {
    let time = server.ask(&["TIME"]).list();
    time.into_iter().next().unwrap().text().parse::<i64>().unwrap() * 1000
}
