//! T28: nothing is kept longer than the table in README says. A life of two orders, then every key that is left is
//! held against its class: a key of no class is a mistake here, so that whoever adds one says how long it is kept.

use crate::support::orders::{LINE_USER, line_text, shopify, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::{Redis, Reply};
use crate::support::relay::{Plan, Relay};
use orderwire::boot::run::Role;
use serde_json::json;

const DAY: i64 = 86_400;

/// How long a class of keys may be kept after its last event. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// At most so long, and it ends by itself.
    Secs(i64),
    /// Names, figures and what is still under way; bounded by what it is about.
    Standing,
}

/// By what stands behind the partition's tag, or by the first word in the braces.
fn class(key: &str) -> Option<(&'static str, Kept)> {
    let (_, inner) = key.split_once('{')?;
    let (tag, rest) = inner.split_once('}')?;
    let word = match rest.strip_prefix(':') {
        Some(part) => part.split(':').next()?,
        None => tag.split(':').next()?,
    };
    Some(match word {
        "ord" | "snp" => ("order", Kept::Secs(90 * DAY)),
        "led" => ("ledger", Kept::Secs(400 * DAY)),
        "who" => ("person", Kept::Secs(400 * DAY)),
        "snt" => ("messages of a person", Kept::Secs(35 * DAY)),
        "msg" => ("message", Kept::Secs(35 * DAY)),
        "join" => ("what belongs to an order", Kept::Secs(90 * DAY)),
        "rekey" => ("sealing anew", Kept::Secs(90 * DAY)),
        "run" => ("operator's run", Kept::Secs(90 * DAY)),
        "hold" => ("right to go on", Kept::Secs(600)),
        "rl" => ("pace", Kept::Secs(600)),
        "tie" => ("orders of a person", Kept::Secs(400 * DAY)),
        "thread" => ("thread of a conversation", Kept::Secs(90 * DAY)),
        "invite" => ("code that ties a messenger", Kept::Secs(900)),
        "day" => ("messages of a person within a day", Kept::Secs(DAY)),
        "code" => ("one-time code", Kept::Secs(600)),
        "cnt" => ("uses of a form", Kept::Secs(900)),
        "odd" => ("unreadable", Kept::Secs(14 * DAY)),
        "ready" | "wait" | "lease" | "tok" | "red" | "vt" | "ctl" | "calls" | "dead" | "wake" | "meta" | "rewrite"
        | "open" | "done" => (word_of(word), Kept::Standing),
        _ => return None,
    })
}

fn word_of(_: &str) -> &'static str {
    "queue or figure"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_class_ends_when_the_table_says() {
    let redis = Redis::start();
    let line = Provider::line().await;
    let relay = Relay::start(&Plan::on(&redis).provider(&line.url), Role::All).await;
    for id in [71, 72] {
        let body = woo_order(id, "processing", 5).to_string();
        assert_eq!(relay.post(&woo("order.created", body.as_bytes())).await.status, 200);
        relay.comes_to("woo", id, "payment_received", "sent").await;
    }
    let shipped = json!({ "id": 5, "admin_graphql_api_id": "gid://shopify/Fulfillment/5", "order_id": 73 });
    assert_eq!(relay.post(&shopify("orders/create", br#"{"id":1,"email":"#)).await.status, 200);
    relay.post(&shopify("fulfillments/create", shipped.to_string().as_bytes())).await;
    let mut seen = std::collections::BTreeSet::new();
    for key in redis.keys(&relay.prefix) {
        let (name, kept) = class(&key).unwrap_or_else(|| panic!("{key} is of no class: say how long it is kept"));
        let Reply::Int(left) = redis.ask(&["PTTL", &key]) else { panic!("{key}") };
        match kept {
            Kept::Secs(most) => {
                assert!(left > 0, "{key} ({name}) is kept for ever");
                assert!(left <= most * 1000, "{key} ({name}) is kept for {} days", left / 86_400_000);
            }
            Kept::Standing => assert_eq!(left, -1, "{key} would vanish under work"),
        }
        seen.insert(name);
    }
    for name in ["order", "ledger", "unreadable", "pace", "what belongs to an order"] {
        assert!(seen.contains(name), "there was a {name} to look at: {seen:?}");
    }
    // What a person said for good is kept for good: without it they would be written to again.
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    let person = redis.keys(&relay.prefix).into_iter().filter(|k| k.contains("{who:")).collect::<Vec<_>>();
    assert!(!person.is_empty(), "{LINE_USER}");
    assert!(person.iter().any(|key| redis.ask(&["PTTL", key]) == Reply::Int(-1)), "{person:?}");
    relay.leave().await;
}

/// By the clock: what is over is gone, not merely due to go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_webhooks_are_gone_when_their_time_is_over() {
    let redis = Redis::start();
    let relay = Relay::start(&Plan::on(&redis), Role::All).await;
    assert_eq!(relay.post(&shopify("orders/create", br#"{"id":1,"email":"#)).await.status, 200);
    assert_eq!(redis.odd(&relay.prefix), 1);
    let key = redis.keys(&relay.prefix).into_iter().find(|k| k.ends_with(":odd")).unwrap();
    // An entry of fifteen days ago, as it would lie there by now; the next one that comes makes room.
    let old = (relay.app.clock.now().as_millisecond() - 15 * DAY * 1000).to_string();
    redis.ask(&["DEL", &key]);
    redis.ask(&["XADD", &key, &format!("{old}-1"), "x", "old"]);
    assert_eq!(relay.post(&shopify("orders/create", br#"{"id":1,"email":"#)).await.status, 200);
    let ids: Vec<String> =
        redis.ask(&["XRANGE", &key, "-", "+"]).list().into_iter().map(|e| e.list()[0].clone().text()).collect();
    assert!(ids.iter().all(|id| !id.starts_with(&old)), "{ids:?}");
    relay.leave().await;
}
