//! What cannot be taken is turned away before it is read, or goes to the spool without a try at Redis; what is owed
//! goes on.

use crate::support::child::Serving;
use crate::support::dir::Dir;
use crate::support::orders::{shopify, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::{Redis, Reply, shared};
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Pace, Request, get};
use orderwire::boot::run::Role;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

const SPOOLED: &str = "{\"ok\":true,\"result\":\"spooled\"}";

fn order(id: u64) -> Request {
    woo("order.updated", woo_order(id, "processing", 5).to_string().as_bytes())
}

/// A request of which only the head is sent: who answers it has not waited for a body.
fn only_head() -> Request {
    order(1).pace(Pace::OnlyLength(1000))
}

async fn pressure(relay: &Relay) -> Value {
    get(relay.admin, "/readyz?verbose").await.json()["pressure"].clone()
}

fn spooling(plan: Plan, folder: &Dir) -> Plan {
    plan.spool(folder.path())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_redis_turns_requests_away_unread_and_a_present_one_takes_them() {
    let redis = Redis::start();
    let relay = Relay::start(&Plan::on(&redis), Role::Web).await;
    assert_eq!(only_head().send(relay.web).await.status, 408, "Redis is there: the body is waited for");
    redis.freeze();
    until("it is known to be away", async || (pressure(&relay).await["door"] == "away").then_some(())).await;
    for request in [only_head(), Request { target: "/callbacks/line-main".into(), ..only_head() }] {
        let answer = request.send(relay.web).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")), "{}", request.target);
        assert!(answer.took < Duration::from_secs(1), "{:?}", answer.took);
    }
    assert!(relay.metric("orderwire_shed_total{reason=\"away\"}").await >= 2.0);
    let outcome = r#"orderwire_webhooks_total{shop="woo",platform="woocommerce",outcome="shed"}"#;
    assert!(relay.metric(outcome).await >= 1.0);
    assert_eq!(get(relay.admin, "/readyz").await.status, 503);
    redis.thaw();
    until("it is ready", async || (get(relay.admin, "/readyz").await.status == 200).then_some(())).await;
    assert_eq!(relay.post(&order(1)).await.status, 200, "who is told that it is ready is taken");
    relay.leave().await;
}

/// The first second of an outage: nobody knows yet, and those who wait are many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_turns_away_unread_or_goes_to_the_disk() {
    let (redis, folder) = (Redis::start(), Dir::new());
    let bounded = Plan { server: "max_waiting = 3".into(), ..Plan::on(&redis) };
    let other = Plan { prefix: format!("{}b", bounded.prefix), ..bounded.clone() };
    let plain = Relay::start(&bounded, Role::Web).await;
    let spools = Relay::start(&spooling(other, &folder), Role::Web).await;
    redis.freeze();
    let queue = |relay: &Relay, first: u64| {
        let web = relay.web;
        (first..first + 3).map(|id| tokio::spawn(async move { order(id).send(web).await })).collect::<Vec<_>>()
    };
    let (waits, spool_waits) = (queue(&plain, 10), queue(&spools, 20));
    for relay in [&plain, &spools] {
        until("all three wait", async || (relay.app.pressure.waiting() == 3).then_some(())).await;
    }
    let (head, whole) = (only_head().send(plain.web).await, order(30).send(spools.web).await);
    assert_eq!((head.status, head.header("retry-after")), (503, Some("30")));
    assert!(head.took < Duration::from_secs(1), "{:?}", head.took);
    assert_eq!((whole.status, whole.body.as_str()), (200, SPOOLED));
    assert!(whole.took < Duration::from_secs(1), "the disk, without a try at Redis: {:?}", whole.took);
    for wait in waits {
        let answer = wait.await.unwrap();
        assert!(answer.status == 503 && answer.took < Duration::from_millis(4500), "{answer:?}");
    }
    for wait in spool_waits {
        let answer = wait.await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, SPOOLED), "what was read is tried, then kept");
    }
    redis.thaw();
    until("the spool is empty", async || (spools.metric("orderwire_spool_records").await == 0.0).then_some(())).await;
    assert!(spools.order("woo", 30).await.is_some());
    assert_eq!(plain.app.pressure.waiting() + spools.app.pressure.waiting(), 0);
    drop((plain.leave().await, spools.leave().await));
}

#[test]
fn a_queue_for_nobody_is_a_mistake() {
    let dir = Dir::new();
    let plan = Plan { server: "max_waiting = 0".into(), ..Plan::on(shared()) };
    let file = dir.write("orderwire.toml", &plan.text());
    let problems = orderwire::boot::read(Some(&file), &std::collections::BTreeMap::new()).err().unwrap();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].contains("max_waiting") && said[0].contains("write 1"), "{said:?}");
}

/// Makes what is used this share of what may be used, in percent.
fn fill(redis: &Redis, percent: u64) {
    let info = redis.ask(&["INFO", "memory"]).text();
    let used: u64 = info.lines().find_map(|l| l.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap();
    let max = (used * 100 / percent).to_string();
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", &max]), Reply::Status("OK".into()));
}

async fn memory_is(relay: &Relay, level: &str) {
    until(level, async || (pressure(relay).await["memory"] == level).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_memory_takes_nothing_new_and_sees_off_what_is_owed() {
    let (redis, folder, line) = (Redis::start(), Dir::new(), Provider::line().await);
    // So much that what a test adds does not matter.
    assert_eq!(redis.ask(&["SETRANGE", "filler", "40000000", "x"]), Reply::Int(40_000_001));
    let plan = Plan::on(&redis).provider(&line.url);
    let relay = Relay::start(&plan, Role::All).await;
    let twin = Relay::start(&spooling(plan.clone(), &folder), Role::Web).await;
    assert_eq!(relay.ops("POST", "/api/v1/channels/line-main/pause", Some(json!({ "secs": 600 }))).await.status, 200);
    assert_eq!(relay.post(&order(1)).await.status, 200);
    fill(&redis, 83);
    memory_is(&relay, "high").await;
    assert_eq!(relay.post(&order(2)).await.status, 200, "a line in the log, and nothing else");
    fill(&redis, 92);
    memory_is(&relay, "tight").await;
    let replay = |more: Value| {
        let mut ask = json!({ "execute": true, "reason": "test" });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask
    };
    let bulk = relay.ops("POST", "/api/v1/replay", Some(replay(json!({ "filter": { "shop": "woo" } })))).await;
    assert_eq!((bulk.status, bulk.json()["title"].as_str()), (503, Some("Redis is nearly full")), "{}", bulk.body);
    assert!(bulk.body.contains("--order") && bulk.body.contains("maxmemory"), "{}", bulk.body);
    let one = json!({ "filter": { "shop": "woo", "order": "1" } });
    assert_eq!(relay.ops("POST", "/api/v1/replay", Some(replay(one))).await.status, 200, "a single order");
    let dry = json!({ "filter": { "shop": "woo" } });
    assert_eq!(relay.ops("POST", "/api/v1/replay", Some(dry)).await.status, 200, "and whoever only asks");
    fill(&redis, 97);
    memory_is(&relay, "full").await;
    memory_is(&twin, "full").await;
    let answer = only_head().send(relay.web).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    assert_eq!(relay.metric("orderwire_shed_total{reason=\"memory\"}").await, 1.0);
    assert_eq!(relay.metric("orderwire_redis_memory_level").await, 3.0);
    assert_eq!(get(relay.admin, "/readyz").await.status, 200, "its worker works");
    assert_eq!(twin.post(&order(3)).await.body, SPOOLED);
    // Even where Redis itself takes no more: what is owed is told and settled.
    fill(&redis, 104);
    let refused = redis.ask(&["SET", "more", "x"]);
    assert!(matches!(&refused, Reply::Error(e) if e.starts_with("OOM")), "{refused:?}");
    assert_eq!(relay.ops("POST", "/api/v1/channels/line-main/resume", None).await.status, 200);
    for id in [1, 2] {
        relay.comes_to("woo", id, "order_placed", "sent").await;
    }
    fill(&redis, 93);
    assert_eq!(twin.metric("orderwire_spool_records").await, 1.0, "it waits, although Redis would take it");
    fill(&redis, 88);
    memory_is(&relay, "tight").await;
    relay.comes_to("woo", 3, "order_placed", "sent").await;
    assert_eq!(relay.post(&order(4)).await.status, 200);
    drop((relay.leave().await, twin.leave().await));
}

/// Settings changed behind our back: what is acknowledged may be lost, so nothing is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_no_longer_keeps_what_it_acknowledges_is_not_asked() {
    let redis = Redis::start();
    let relay = Relay::start(&Plan::on(&redis), Role::All).await;
    assert_eq!(relay.post(&order(1)).await.status, 200);
    for (name, bad, good) in [("appendonly", "no", "yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")] {
        redis.ask(&["CONFIG", "SET", name, bad]);
        until("it is seen", async || (pressure(&relay).await["door"] == "setup").then_some(())).await;
        assert_eq!(only_head().send(relay.web).await.status, 503, "{name}");
        assert_eq!(get(relay.admin, "/readyz").await.status, 503, "{name}");
        let shown = pressure(&relay).await["complaint"].as_str().unwrap().to_string();
        assert!(shown.contains(name) && shown.contains(good), "what is wrong and what to do: {shown}");
        assert_eq!(relay.metric("orderwire_redis_complaint").await, 1.0);
        redis.ask(&["CONFIG", "SET", name, good]);
        until("it is right again", async || (pressure(&relay).await["door"] == "open").then_some(())).await;
        assert_eq!(get(relay.admin, "/readyz").await.status, 200, "{name}");
        assert_eq!(relay.post(&order(1)).await.status, 200);
    }
    relay.leave().await;
}

/// A wire to Redis on which every answer takes so long.
struct Slow {
    url: String,
    millis: Arc<AtomicU64>,
}

impl Slow {
    async fn lay(redis: &Redis) -> Slow {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/0", listener.local_addr().unwrap());
        let (socket, millis) = (redis.url().trim_start_matches("unix://").to_string(), Arc::new(AtomicU64::new(0)));
        let slow = Arc::clone(&millis);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // After the test its server is gone, and so is whoever still knocks.
                let Ok(server) = UnixStream::connect(&socket).await else { break };
                tokio::spawn(carry(client, server, Arc::clone(&slow)));
            }
        });
        Slow { url, millis }
    }

    fn set(&self, millis: u64) {
        self.millis.store(millis, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: UnixStream, millis: Arc<AtomicU64>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut answer = vec![0; 1 << 18];
    while let Ok(length @ 1..) = from_server.read(&mut answer).await {
        tokio::time::sleep(Duration::from_millis(millis.load(Ordering::SeqCst))).await;
        if to_client.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
    asking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_is_asked_for_less_and_a_quick_one_for_more_again() {
    let (redis, line) = (Redis::start(), Provider::line().await);
    let slow = Slow::lay(&redis).await;
    let mut plan = Plan::on(&redis).provider(&line.url);
    plan.store = plan.store.replace(&redis.url(), &slow.url);
    let relay = Relay::start(&plan, Role::All).await;
    let most = || async { relay.metric("orderwire_worker_most_orders").await };
    assert_eq!(relay.app.pressure.share().in_hand, 512);
    assert_eq!(relay.post(&order(1)).await.status, 200);
    slow.set(600);
    until("it was halved and halved again", || async { (1.0..=128.0).contains(&most().await).then_some(()) }).await;
    assert!(relay.metric("orderwire_redis_trip_seconds").await > 0.4);
    let shown = pressure(&relay).await;
    assert!(shown["max_in_hand"].as_u64().unwrap() <= 128 && shown["trip_ms"].as_u64().unwrap() > 400, "{shown}");
    for id in [2, 3] {
        let answer = relay.post(&order(id)).await;
        assert!([200, 503].contains(&answer.status) && answer.took < Duration::from_millis(4500), "{answer:?}");
    }
    slow.set(0);
    let lowest = until("it is quick again", || async {
        (relay.metric("orderwire_redis_trip_seconds").await < 0.1).then_some(most().await)
    })
    .await;
    until("some of it was given back", || async { (most().await >= lowest + 32.0).then_some(()) }).await;
    // Whatever was answered, the repeat is right.
    for id in 1..=3 {
        assert_eq!(relay.post(&order(id)).await.status, 200);
        relay.comes_to("woo", id, "order_placed", "sent").await;
    }
    relay.leave().await;
}

const BODY: usize = 6 * 1024 * 1024;
const SENDERS: usize = 60;

/// All but the last byte of the longest body, then nothing: its bytes are held as long as the door's patience lasts.
async fn withheld(to: std::net::SocketAddr, body: Arc<Vec<u8>>) -> u16 {
    let head = format!(
        "POST /hooks/shopify/shopi HTTP/1.1\r\nhost: localhost\r\nx-shopify-topic: orders/create\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (mut input, mut output) = TcpStream::connect(to).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        // Turned away in the middle, it cannot go on.
        if output.write_all(head.as_bytes()).await.is_ok() {
            drop(output.write_all(&body[..body.len() - 1]).await);
        }
        output
    });
    let mut answer = Vec::new();
    // A connection that was reset after its answer has given it all the same.
    drop(tokio::time::timeout(Duration::from_secs(10), input.read_to_end(&mut answer)).await);
    writing.abort();
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_the_longest_bodies_does_not_fill_the_memory() {
    let dir = Dir::new();
    let plan = Plan::on(shared());
    let file = dir.write("orderwire.toml", &plan.text());
    let relay = Serving::start(&file, &dir);
    let body = shopify_body(1);
    assert_eq!(shopify("orders/create", &body).send(relay.web).await.status, 200);
    let before = resident_mib(relay.pid());
    let bytes = Arc::new(vec![b'x'; BODY]);
    let flood: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(withheld(relay.web, Arc::clone(&bytes)))).collect();
    let started = Instant::now();
    let mut highest = 0;
    while !flood.iter().all(tokio::task::JoinHandle::is_finished) {
        highest = highest.max(resident_mib(relay.pid()));
        assert!(started.elapsed() < Duration::from_secs(30), "the flood does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut answers = Vec::new();
    for sender in flood {
        answers.push(sender.await.unwrap());
    }
    let count = |status: u16| answers.iter().filter(|a| **a == status).count();
    // 60 bodies of 6 MiB are 360 MiB; 21 of them are in the 128 MiB that may be held.
    assert!(count(408) >= 15, "those that were let in are held until they are given up: {answers:?}");
    assert!(count(503) + count(0) >= 30, "the others are turned away: {answers:?}");
    assert!(count(503) >= 1, "{answers:?}");
    assert!(highest < before + 128 + 64, "{before} MiB before, {highest} MiB at its highest");
    assert_eq!(shopify("orders/create", &shopify_body(2)).send(relay.web).await.status, 200, "and it goes on");
}

fn shopify_body(id: u64) -> Vec<u8> {
    crate::support::orders::shopify_order(id, "paid", 5).to_string().into_bytes()
}
