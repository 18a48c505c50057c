//! T4, T5, T7, T10: what a signature is worth, and what it is not.

use crate::support::dir::serial;
use crate::support::orders::{
    LINE_USER, PAGE_ID, SHOPIFY_SECRET, WOO_B_SECRET, WOO_SECRET, base64_of, line_text, messenger, now, shopify,
    shopify_order, woo, woo_of, woo_order,
};
use crate::support::provider::Provider;
use crate::support::redis::{Redis, shared};
use crate::support::relay::{Plan, Relay};
use crate::support::wire::Request;
use orderwire::boot::run::Role;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::Address;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
const PUSH: &str = "POST /v2/bot/message/push";

/// Everything told is told, and nothing more is owed.
async fn nothing_open(relay: &Relay, id: u64) -> usize {
    let (_, record) = relay.order("woo", id).await.unwrap();
    let open: Vec<_> = record.items.iter().filter(|i| i.state.is_open()).collect();
    assert!(open.is_empty(), "{open:?}");
    record.items.len()
}

/// The same signed body again: at once under fresh ids and other topics, when nobody remembers its digest any more,
/// and when the order has moved on. It says nothing new, so nothing is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_body_tells_nothing_whenever_it_comes() {
    let redis = Redis::start();
    let line = Provider::line().await;
    let relay = Relay::start(&Plan::on(&redis).provider(&line.url), Role::All).await;
    let paid = woo_order(21, "processing", 5).to_string();
    assert_eq!(relay.post(&woo("order.created", paid.as_bytes())).await.status, 200);
    relay.comes_to("woo", 21, "payment_received", "sent").await;
    let (pushes, items) = (line.seen_at(PUSH).len(), nothing_open(&relay, 21).await);
    let again = async |when: &str| {
        for topic in ["order.created", "order.updated", "order.restored", "order.deleted", "action.woocommerce_x"] {
            let answer = relay.post(&woo(topic, paid.as_bytes())).await;
            assert_eq!(answer.status, 200, "{when} {topic}: {}", answer.body);
            assert_eq!(nothing_open(&relay, 21).await, items, "{when}: {topic} owes");
        }
        assert_eq!(line.seen_at(PUSH).len(), pushes, "{when}");
    };
    again("at once").await;
    relay.ahead(&redis, 9 * DAY);
    let (_, record) = relay.order("woo", 21).await.unwrap();
    let over = relay.app.clock.now();
    assert!(record.seen.iter().all(|(_, until)| *until < over.as_millisecond()), "every digest is over");
    again("after its digest is forgotten").await;
    relay.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_body_tells_nothing_when_the_order_has_moved_on() {
    let line = Provider::line().await;
    let relay = Relay::start(&Plan::on(shared()).provider(&line.url), Role::All).await;
    let paid = woo_order(22, "processing", 50).to_string();
    let ended = woo_order(22, "cancelled", 5).to_string();
    assert_eq!(relay.post(&woo("order.created", paid.as_bytes())).await.status, 200);
    relay.comes_to("woo", 22, "payment_received", "sent").await;
    assert_eq!(relay.post(&woo("order.updated", ended.as_bytes())).await.status, 200);
    relay.comes_to("woo", 22, "cancelled", "sent").await;
    let (pushes, items) = (line.seen_at(PUSH).len(), nothing_open(&relay, 22).await);
    for topic in ["order.created", "order.updated", "order.restored"] {
        assert_eq!(relay.post(&woo(topic, paid.as_bytes())).await.status, 200);
        assert_eq!(nothing_open(&relay, 22).await, items, "{topic} owes");
    }
    assert_eq!(line.seen_at(PUSH).len(), pushes);
    relay.leave().await;
}

/// Two headers of one name are no signature, at every door that has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_signatures_are_none() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    let order = woo_order(31, "processing", 5).to_string();
    let other = shopify_order(32, "paid", 5).to_string();
    let page = json!({ "object": "page", "entry": [] }).to_string();
    for (request, name) in [
        (woo("order.created", order.as_bytes()), "x-wc-webhook-signature"),
        (shopify("orders/create", other.as_bytes()), "x-shopify-hmac-sha256"),
        (line_text("STOP"), "x-line-signature"),
        (messenger(page.as_bytes()), "x-hub-signature-256"),
    ] {
        let good = request.headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
        let forged = good.replace(|c: char| c.is_ascii_lowercase(), "a");
        for second in [good.clone(), forged.clone(), String::new()] {
            let twice = request.clone().header(name, second.clone());
            assert_eq!(relay.post(&twice).await.status, 401, "{name} twice");
            let joined = request.clone().instead(name, format!("{good}, {second}"));
            assert_eq!(relay.post(&joined).await.status, 401, "{name} joined by a proxy");
        }
        let first = request.clone().instead(name, forged).header(name, good);
        assert_eq!(relay.post(&first).await.status, 401, "{name}: the right one second");
    }
    assert!(relay.order("woo", 31).await.is_none() && relay.order("shopi", 32).await.is_none());
    let person = (ChannelId::from("line-main"), Address::new("line", LINE_USER));
    assert_eq!(relay.app.store.facts(&[person]).await.unwrap(), [Default::default()], "no opt-out was heard");
}

fn of(relay: &Request, shop: &str) -> Request {
    Request { target: format!("/hooks/shopify/{shop}"), ..relay.clone() }
}

/// An app's shops share one secret: what is signed for one is genuine at the other's address too. Nothing of it may
/// count there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_webhook_of_one_shop_counts_nothing_at_another() {
    let text = Plan::on(shared());
    let relay = Relay::start(&text, Role::Web).await;
    let body = shopify_order(41, "paid", 5).to_string();
    let ours = shopify("orders/create", body.as_bytes());
    let answer = relay.post(&of(&ours, "shopi-b")).await;
    assert_eq!(answer.status, 401, "the header names the other shop");
    // The header is not signed: whoever replays it writes what they like.
    let renamed = of(&ours, "shopi-b").instead("x-shopify-shop-domain", "other.myshopify.com");
    let answer = relay.post(&renamed).await;
    assert!(answer.status == 200 && answer.json()["result"] != "taken", "{}", answer.body);
    assert!(relay.order("shopi-b", 41).await.is_none(), "the body names its shop");
    // The compliance bodies name theirs as well.
    for topic in ["customers/redact", "shop/redact", "customers/data_request", "app/uninstalled"] {
        let body = json!({ "shop_id": 1, "shop_domain": "demo.myshopify.com", "domain": "demo.myshopify.com",
            "myshopify_domain": "demo.myshopify.com", "id": 1, "customer": { "id": 7, "email": "a@example.net" },
            "orders_to_redact": [41], "orders_requested": [41], "data_request": { "id": 1 } });
        let request = shopify(topic, body.to_string().as_bytes());
        let request = of(&request, "shopi-b").instead("x-shopify-shop-domain", "other.myshopify.com");
        assert_ne!(relay.post(&request).await.json()["result"], "taken", "{topic}");
    }
    let (open, done) = orderwire::flow::erase::list(&relay.app).await.unwrap();
    assert!(open.is_empty() && done.is_empty(), "{open:?}");
    // By its own address it is what it was all along.
    assert_eq!(relay.post(&ours).await.json()["result"], "taken");
    // Another secret: refused outright, whatever the headers say.
    let woo_body = woo_order(42, "processing", 5).to_string();
    for (shop, secret) in [("woo", WOO_B_SECRET), ("woo-b", WOO_SECRET), ("woo", SHOPIFY_SECRET)] {
        let answer = relay.post(&woo_of(shop, secret, "order.created", woo_body.as_bytes())).await;
        assert_eq!(answer.status, 401, "{shop}");
    }
    assert_eq!(base64_of(WOO_SECRET, b"x").len(), 44);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_shops_of_one_woocommerce_secret_are_told_apart_by_what_is_signed() {
    let plan = Plan::on(shared());
    let relay = {
        let text = plan.text().replace(WOO_B_SECRET, WOO_SECRET);
        assert_ne!(text, plan.text());
        Relay::start_text(&text, &plan.prefix, Role::Web).await
    };
    let mut order = woo_order(51, "processing", 5);
    order["_links"] = json!({ "self": [{ "href": "https://shop.example.com/wp-json/wc/v3/orders/51" }] });
    let request = woo_of("woo-b", WOO_SECRET, "order.created", order.to_string().as_bytes());
    for source in ["https://shop.example.com/", "https://other.example.com/"] {
        let answer = relay.post(&request.clone().instead("x-wc-webhook-source", source)).await;
        let taken = answer.status == 200 && answer.json()["result"] == "taken";
        assert!(!taken, "{source}: {} {}", answer.status, answer.body);
    }
    assert!(relay.order("woo-b", 51).await.is_none());
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.json()["result"], "taken");
}

#[test]
fn shops_that_cannot_be_told_apart_are_warned_of() {
    let dir = crate::support::dir::Dir::new();
    let plain = Plan::on(shared()).text();
    let said = |text: &str| {
        let file = dir.write(&format!("o{}.toml", serial()), text);
        let ran = crate::support::child::run(&["-c", &file.display().to_string(), "check"]);
        format!("{}{}", ran.out, ran.err)
    };
    assert!(!said(&plain).contains("share a secret"), "both Shopify shops name their domain");
    let unnamed = plain.replace("domain = \"other.myshopify.com\"\n", "");
    assert!(said(&unnamed).contains("shops shopi and shopi-b share a secret"), "{}", said(&unnamed));
}

/// A receipt, signed by the vendor's own secret, reaches its own message only: not one of another page, not one that
/// nobody sent, and none that takes back what was heard later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_moves_its_own_message_and_forward_only() {
    let provider = Provider::start(|seen| match seen.line.contains("/messages") {
        true => (200, json!({ "recipient_id": "1", "message_id": "m_ours" })),
        false => (200, json!({})),
    })
    .await;
    let plan = Plan::on(shared()).provider(&provider.url);
    let routes = plan.routes.replace("line-main", "messenger-page");
    let plan = Plan { routes, ..plan };
    let text = plan.text().replacen("line = [\"line_user_id\"]", "messenger = [\"psid\"]", 1);
    let relay = Relay::start_text(&text, &plan.prefix, Role::All).await;
    const PSID: &str = "24680135792468";
    let event = |page: &str, what: Value| {
        let mut event =
            json!({ "sender": { "id": PSID }, "recipient": { "id": page }, "timestamp": now().as_millisecond() });
        event.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        let body = json!({ "object": "page", "entry": [{ "id": page, "time": now().as_millisecond(), "messaging": [event] }] });
        messenger(body.to_string().as_bytes())
    };
    let hello = event(PAGE_ID, json!({ "message": { "mid": "m_hello", "text": "hi" } }));
    assert_eq!(relay.post(&hello).await.status, 200);
    let mut order = woo_order(61, "processing", 5);
    order["meta_data"] = json!([{ "id": 1, "key": "psid", "value": PSID }]);
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
    relay.comes_to("woo", 61, "payment_received", "sent").await;
    let delivered = |page: &str, mid: &str| event(page, json!({ "delivery": { "mids": [mid], "watermark": 1 } }));
    let before = relay.order("woo", 61).await.unwrap().1;
    for fake in [
        delivered("999", "m_ours"),
        delivered(PAGE_ID, "m_theirs"),
        delivered(PAGE_ID, "woo/61"),
        delivered(PAGE_ID, ""),
    ] {
        assert!(relay.post(&fake).await.status < 500);
        assert_eq!(relay.order("woo", 61).await.unwrap().1.items, before.items);
    }
    let unsigned = delivered(PAGE_ID, "m_ours").instead("x-hub-signature-256", format!("sha256={}", "0".repeat(64)));
    assert_eq!(relay.post(&unsigned).await.status, 401);
    let read = event(PAGE_ID, json!({ "read": { "watermark": now().as_millisecond() + 60_000 } }));
    assert_eq!(relay.post(&read).await.status, 200);
    relay.comes_to("woo", 61, "payment_received", "read").await;
    assert_eq!(relay.post(&delivered(PAGE_ID, "m_ours")).await.status, 200);
    assert_eq!(relay.post(&woo("order.updated", order.to_string().as_bytes())).await.status, 200);
    let item = relay.comes_to("woo", 61, "payment_received", "read").await;
    assert_eq!(item["state"], "read", "delivered does not follow read");
    relay.leave().await;
}
