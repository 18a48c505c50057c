//! Redis is away: what is genuine waits on disk, is answered 200, and is told once when Redis is back.

use crate::support::dir::Dir;
use crate::support::orders::{WOO_SECRET, line_text, woo_of, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::Redis;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::Request;
use orderwire::boot::run::Role;
use serde_json::json;
use std::collections::BTreeSet;

const MEI: &str = "U4af4980629b0e1f2d3c4b5a697887766";
const SPOOLED: &str = "{\"ok\":true,\"result\":\"spooled\"}";

fn order(id: u64, secret: &str) -> Request {
    let mut order = woo_order(id, "processing", 5);
    order["meta_data"] = json!([{ "id": 1, "key": "line_user_id", "value": MEI }]);
    woo_of("woo", secret, "order.updated", order.to_string().as_bytes())
}

fn plan(redis: &Redis, folder: &Dir, provider: &str) -> Plan {
    Plan::on(redis).provider(provider).spool(folder.path())
}

/// Everything that lies in the folder.
fn bytes(folder: &Dir) -> Vec<u8> {
    let files = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
    files.flat_map(|p| std::fs::read(p).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_cannot_take_waits_on_disk_and_is_told_once() {
    let (redis, folder, line) = (Redis::start(), Dir::new(), Provider::line().await);
    let relay = Relay::start(&plan(&redis, &folder, &line.url), Role::All).await;
    redis.freeze();
    for id in [1, 2] {
        let answer = relay.post(&order(id, WOO_SECRET)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, SPOOLED), "order {id}");
        assert!(answer.took.as_millis() < 4500, "{:?}", answer.took);
    }
    let repeat = relay.post(&order(1, WOO_SECRET)).await;
    assert_eq!((repeat.status, repeat.body.as_str()), (200, SPOOLED), "nobody knows it here, Redis will");
    assert_eq!(relay.post(&order(3, "another secret, of nobody")).await.status, 401, "only what is genuine is kept");
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200, "a callback likewise");
    assert!(relay.metric("orderwire_spool_records").await >= 3.0);
    let kept = bytes(&folder);
    for canary in [MEI, "mei@example.com", "line_user_id", WOO_SECRET] {
        assert!(!kept.windows(canary.len()).any(|w| w == canary.as_bytes()), "{canary} can be read on disk");
    }
    redis.thaw();
    for id in [1, 2] {
        relay.comes_to("woo", id, "order_placed", "sent").await;
    }
    until("the spool is empty", async || (relay.metric("orderwire_spool_records").await == 0.0).then_some(())).await;
    let pushes = line.seen_at("POST /v2/bot/message/push");
    // A push of which nobody heard in that outage goes again: the very same, under the same key.
    let told = |id: u64| {
        let own = pushes.iter().filter(|p| p.body.contains(&format!("訂單#{id}已"))).map(|p| p.body.as_str());
        own.collect::<BTreeSet<_>>().len()
    };
    assert_eq!((told(1), told(2)), (1, 1), "one message each: {pushes:#?}");
    relay.leave().await;
}

/// A relay that is started while Redis is away takes what comes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_wait_for_redis() {
    let (redis, folder, line) = (Redis::start(), Dir::new(), Provider::line().await);
    redis.freeze();
    let relay = Relay::start(&plan(&redis, &folder, &line.url), Role::All).await;
    assert_eq!(relay.post(&order(1, WOO_SECRET)).await.body, SPOOLED);
    redis.thaw();
    relay.comes_to("woo", 1, "order_placed", "sent").await;
    relay.leave().await;
}

/// The next process finds what waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_outlives_the_process() {
    let (redis, folder, line) = (Redis::start(), Dir::new(), Provider::line().await);
    let plan = plan(&redis, &folder, &line.url);
    let relay = Relay::start(&plan, Role::Web).await;
    redis.freeze();
    assert_eq!(relay.post(&order(1, WOO_SECRET)).await.body, SPOOLED);
    let _settings = relay.leave().await;
    redis.thaw();
    let relay = Relay::start(&plan, Role::All).await;
    relay.comes_to("woo", 1, "order_placed", "sent").await;
    relay.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_says_so() {
    let (redis, folder) = (Redis::start(), Dir::new());
    let mut plan = plan(&redis, &folder, "http://127.0.0.1:9");
    plan.spool = plan.spool.replace("min_free_percent = 0", "min_free_percent = 90");
    let relay = Relay::start(&plan, Role::Web).await;
    redis.freeze();
    let answer = relay.post(&order(1, WOO_SECRET)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("30"));
    redis.thaw();
    relay.leave().await;
}
