//! Webhooks through the real door: storms, permutations, replays, and things whose order is not known yet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::orders::{LINE_USER, SHOPIFY_SECRET, base64_of, now, shopify, shopify_order, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request};
use orderwire::boot::run::Role;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::owed::State;
use orderwire::store::keys::{Unit, UnitKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

async fn web() -> Relay {
    Relay::start(&Plan::on(shared()), Role::Web).await
}

/// What the door said became of a webhook.
fn result(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["result"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_string()
}

async fn posted(relay: &Relay, request: Request) -> String {
    result(&relay.post(&request).await)
}

async fn ledger(relay: &Relay, kind: UnitKind, shop: &str, id: &str) -> Vec<LedgerEntry> {
    let unit = Unit { shop: shop.into(), kind, id: id.into() };
    relay.app.store.ledger(&relay.app.store.member(&unit)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_body_fifty_times_at_once_is_one_webhook() {
    let relay = web().await;
    let body = woo_order(501, "processing", 5).to_string();
    let storm = (0..50).map(|_| {
        let (web, request) = (relay.web, woo("order.created", body.as_bytes()));
        async move { result(&request.send(web).await) }
    });
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for word in futures_util::future::join_all(storm).await {
        *said.entry(word).or_default() += 1;
    }
    assert_eq!(said, BTreeMap::from([("taken".into(), 1), ("duplicate".into(), 49)]));
    let (_, record) = relay.order("woo", 501).await.unwrap();
    let ledger = ledger(&relay, UnitKind::Order, "woo", "501").await;
    let webhooks = ledger.iter().filter(|e| matches!(e.what, Entry::Webhook { .. })).count();
    assert_eq!(webhooks, 1, "one revision: {ledger:?}");
    let revision = record.revision;
    assert_eq!(posted(&relay, woo("order.created", body.as_bytes())).await, "duplicate");
    assert_eq!(relay.order("woo", 501).await.unwrap().1.revision, revision, "a duplicate changes nothing");
}

/// A life of a Shopify order: created, paid, shipped, seen on its way, refunded, each in its own words.
fn life() -> Vec<(&'static str, String)> {
    const ID: u64 = 123_456_789;
    let at = |ago: i64| plus_secs(now(), -ago).to_string();
    let shipped = json!({
        "id": 4401, "admin_graphql_api_id": "gid://shopify/Fulfillment/4401", "order_id": ID, "name": "#1.1",
        "status": "success", "service": "manual", "shipment_status": null, "tracking_company": "Carrier",
        "tracking_number": "900100", "tracking_numbers": ["900100"], "tracking_urls": ["https://track.example/900100"],
        "created_at": at(30), "updated_at": at(30), "line_items": [{ "id": 1, "quantity": 1, "requires_shipping": true }],
    });
    let scan = json!({
        "id": 99, "admin_graphql_api_id": "gid://shopify/FulfillmentEvent/99", "fulfillment_id": 4401, "order_id": ID,
        "status": "in_transit", "message": null, "happened_at": at(20), "created_at": at(20), "updated_at": at(20),
    });
    let money = json!({
        "id": 773, "kind": "refund", "status": "success", "amount": "10.00", "currency": "USD",
        "created_at": at(10), "processed_at": at(10), "order_id": ID,
    });
    let refund = json!({
        "id": 6001, "admin_graphql_api_id": "gid://shopify/Refund/6001", "order_id": ID, "created_at": at(10),
        "processed_at": at(10), "refund_line_items": [], "transactions": [money],
    });
    vec![
        ("orders/create", shopify_order(ID, "pending", 50).to_string()),
        ("orders/paid", shopify_order(ID, "paid", 40).to_string()),
        ("fulfillments/create", shipped.to_string()),
        ("fulfillment_events/create", scan.to_string()),
        ("refunds/create", refund.to_string()),
    ]
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |at| {
            let mut longer = shorter.clone();
            longer.insert(at, n - 1);
            longer
        })
    };
    permutations(n - 1).into_iter().flat_map(insert).collect()
}

/// What was told by an order's life, whatever its id and whenever it was first heard of.
fn told(
    order: &orderwire::domain::order::Order,
    owed: &[orderwire::domain::owed::Owed],
    id: u64,
) -> (Value, BTreeSet<String>) {
    let text = serde_json::to_string(order).unwrap().replace(&id.to_string(), "ID");
    let mut order: Value = serde_json::from_str(&text).unwrap();
    order["first_seen"] = Value::Null;
    let digests = order["told"].as_array().unwrap();
    let mut digests: Vec<String> = digests.iter().map(Value::to_string).collect();
    digests.sort();
    order["told"] = json!(digests);
    let items = owed.iter().map(|i| format!("{:?} {:?} {:?} {:?} {:?}", i.milestone, i.subject, i.route, i.slot, i.at));
    (order, items.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_permutation_of_a_life_ends_alike() {
    let relay = web().await;
    let life = life();
    let orders = permutations(life.len());
    assert_eq!(orders.len(), 120);
    let played = orders.iter().zip(700_000_001_u64..).map(|(order, id)| {
        let (web, life) = (relay.web, &life);
        async move {
            for step in order {
                let (topic, body) = &life[*step];
                let body = body.replace("123456789", &id.to_string());
                assert_eq!(result(&shopify(topic, body.as_bytes()).send(web).await), "taken", "{order:?}");
            }
        }
    });
    futures_util::future::join_all(played).await;
    let mut ends = Vec::new();
    for id in 700_000_001..700_000_001 + orders.len() as u64 {
        let (order, record) = relay.order("shopi", id).await.unwrap();
        ends.push(told(&order, &record.items, id));
    }
    assert!(ends[0].1.len() >= 4, "something was owed: {:?}", ends[0].1);
    for (end, order) in ends.iter().zip(&orders) {
        assert_eq!(end, &ends[0], "{order:?} ends unlike {:?}", orders[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn woocommerce_deliveries_of_one_second_are_all_kept() {
    let relay = web().await;
    // The delivery id is made of webhook and second: three webhooks of one second share it.
    let bodies = [woo_order(601, "pending", 9), woo_order(602, "pending", 9), woo_order(601, "processing", 8)];
    for body in &bodies {
        let request = woo("order.updated", body.to_string().as_bytes()).instead("x-wc-webhook-delivery-id", "5ame");
        assert_eq!(posted(&relay, request).await, "taken");
    }
    let (first, _) = relay.order("woo", 601).await.unwrap();
    assert!(first.paid(), "both states of the first order came in");
    assert!(!relay.order("woo", 602).await.unwrap().0.paid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_under_a_fresh_delivery_id_is_known_by_its_content() {
    let relay = web().await;
    let woo_body = woo_order(603, "processing", 9).to_string();
    let shopify_body = shopify_order(604, "paid", 9).to_string();
    assert_eq!(posted(&relay, woo("order.updated", woo_body.as_bytes())).await, "taken");
    assert_eq!(posted(&relay, shopify("orders/updated", shopify_body.as_bytes())).await, "taken");
    for _ in 0..3 {
        let again = woo("order.updated", woo_body.as_bytes()).instead("x-wc-webhook-id", "99");
        assert_eq!(posted(&relay, again).await, "duplicate");
        let again = shopify("orders/updated", shopify_body.as_bytes());
        assert_eq!(posted(&relay, again).await, "duplicate");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undated_bodies_work_by_the_state_they_find() {
    let relay = web().await;
    let deleted = || woo("order.deleted", br#"{"id":25}"#);
    let kept = || async { relay.order("woo", 25).await.unwrap().0.deleted() };
    let body = woo_order(25, "processing", 60).to_string();
    assert_eq!(posted(&relay, woo("order.created", body.as_bytes())).await, "taken");
    assert_eq!(posted(&relay, deleted()).await, "taken");
    assert!(kept().await, "in the bin");
    // Taken out of the bin: the body says that it was changed after the deletion.
    let body = woo_order(25, "processing", -1).to_string();
    assert_eq!(posted(&relay, woo("order.restored", body.as_bytes())).await, "taken");
    assert!(!kept().await, "out of the bin");
    relay.ahead(shared(), 5_000);
    assert_eq!(posted(&relay, deleted()).await, "taken", "the very bytes of the first deletion, and yet news");
    assert!(kept().await, "in the bin again");
}

// ---- Things whose order is not known yet ----------------------------------------------------------------

/// A return label: names its return, not its order.
fn label(of_return: u64) -> Request {
    let body = json!({ "id": 21, "return": { "id": of_return }, "shipping_deliverable": {
        "tracking": { "carrier_name": "Post", "tracking_number": "R1", "tracking_url": "https://track.example/R1" },
        "label": { "public_file_url": "https://cdn.example/label.pdf", "created_at": now().to_string() },
    } });
    shopify("reverse_deliveries/attach_deliverable", body.to_string().as_bytes())
}

fn approved(of_return: u64, order: u64) -> Request {
    let body = json!({
        "id": of_return, "admin_graphql_api_id": format!("gid://shopify/Return/{of_return}"), "status": "open",
        "order": { "id": order }, "total_return_line_items": 1, "name": "#1-R1", "return_line_items": [],
    });
    shopify("returns/approve", body.to_string().as_bytes())
}

fn hold(of_work: u64, what: &str) -> Request {
    let hold = json!({ "id": "gid://shopify/FulfillmentHold/31", "reason": "inventory_out_of_stock" });
    let body = json!({
        "fulfillment_order": { "id": format!("gid://shopify/FulfillmentOrder/{of_work}"), "status": "on_hold" },
        "fulfillment_hold": hold,
    });
    shopify(what, body.to_string().as_bytes())
}

fn api(url: &str) -> String {
    format!("[shop.api]\nurl = \"{url}\"\nsecret = {{ value = \"canary-admin-api-token\" }}")
}

/// The unit in which news of a thing waits.
async fn waiting(relay: &Relay, id: &str) -> Vec<orderwire::domain::owed::Owed> {
    let unit = Unit { shop: "shopi".into(), kind: UnitKind::Join, id: id.into() };
    relay.app.store.read(&relay.app.store.member(&unit)).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_order_waits_until_a_webhook_tells_it() {
    let line = Provider::line().await;
    let relay = Relay::start(&Plan::on(shared()).provider(&line.url), Role::All).await;
    assert_eq!(posted(&relay, label(3301)).await, "waiting");
    assert_eq!(
        posted(&relay, shopify("orders/create", shopify_order(801, "paid", 9).to_string().as_bytes())).await,
        "taken"
    );
    assert!(
        waiting(&relay, "return:3301").await.iter().all(|i| i.state == State::Open),
        "the order alone says nothing"
    );
    assert_eq!(posted(&relay, approved(3301, 801)).await, "taken");
    relay.comes_to("shopi", 801, "return_label_ready", "sent").await;
    let (order, _) = relay.order("shopi", 801).await.unwrap();
    assert_eq!(order.returns[0].label.as_ref().unwrap().value.number.as_deref(), Some("R1"));
    until("nothing waits any more", || async {
        waiting(&relay, "return:3301").await.iter().all(|i| i.state == State::Sent).then_some(())
    })
    .await;
    // From now on it is known: the next one goes straight to its order.
    let second = label(3301);
    let body = String::from_utf8(second.body.clone()).unwrap().replace("R1", "R2");
    let signed = base64_of(SHOPIFY_SECRET, body.as_bytes());
    assert_eq!(posted(&relay, second.body(body).instead("x-shopify-hmac-sha256", signed)).await, "taken");
    let pushes = line.seen_at("POST /v2/bot/message/push");
    assert!(pushes.iter().all(|p| p.json()["to"] == LINE_USER) && !pushes.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_is_asked_once_whose_hold_it_is() {
    let mut order = shopify_order(802, "paid", 9);
    order["id"] = json!("gid://shopify/Order/802");
    order["line_items"] = json!({ "nodes": order["line_items"] });
    order["fulfillment_orders"] = json!({ "nodes": [{ "id": "gid://shopify/FulfillmentOrder/601" }] });
    let shop = Provider::start(move |_| (200, json!({ "data": { "thing": { "order": order } } }))).await;
    let line = Provider::line().await;
    let plan = Plan { shopify: api(&shop.url), ..Plan::on(shared()).provider(&line.url) };
    let relay = Relay::start(&plan, Role::All).await;
    assert_eq!(posted(&relay, hold(601, "fulfillment_holds/added")).await, "waiting");
    relay.comes_to("shopi", 802, "on_hold", "sent").await;
    let asked = shop.seen_at("POST /admin/api/");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].json()["variables"]["id"], "gid://shopify/FulfillmentOrder/601");
    assert_eq!(posted(&relay, hold(601, "fulfillment_holds/released")).await, "taken", "known by now");
    assert_eq!(shop.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_refuses_the_question_may_still_tell_it_by_webhook() {
    let shop = Provider::start(|_| (403, json!({}))).await;
    let plan = Plan { shopify: api(&shop.url), ..Plan::on(shared()) };
    let relay = Relay::start(&plan, Role::All).await;
    assert_eq!(posted(&relay, label(3302)).await, "waiting");
    until("the shop was asked", || async { (!shop.seen().is_empty()).then_some(()) }).await;
    assert_eq!(posted(&relay, approved(3302, 803)).await, "taken");
    until("the label came to its order", || async {
        let (order, _) = relay.order("shopi", 803).await?;
        order.returns.iter().any(|r| r.label.is_some()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_joined_ends_with_its_remedy() {
    let relay = Relay::start(&Plan::on(shared()), Role::All).await;
    assert_eq!(posted(&relay, label(3303)).await, "waiting");
    let open = |items: Vec<orderwire::domain::owed::Owed>| items.iter().all(|i| i.state == State::Open);
    relay.ahead(shared(), 47 * 3_600_000);
    assert!(open(waiting(&relay, "return:3303").await), "not before its time");
    relay.ahead(shared(), 49 * 3_600_000);
    let items = until("it ended", || async {
        let items = waiting(&relay, "return:3303").await;
        (!items.is_empty() && items.iter().all(|i| !i.state.is_open())).then_some(items)
    })
    .await;
    assert!(items.iter().all(|i| (i.state, i.reason) == (State::Skipped, Some(Reason::Unjoinable))), "{items:?}");
    assert!(Reason::Unjoinable.remedy().contains("[shop.api]"));
    let ledger = ledger(&relay, UnitKind::Join, "shopi", "return:3303").await;
    let ended =
        |e: &LedgerEntry| matches!(&e.what, Entry::Ended { reason, .. } if reason.as_deref() == Some("unjoinable"));
    assert!(ledger.iter().any(ended), "{ledger:?}");
    let audit = relay.app.store.audit().await.unwrap();
    assert!(audit.bad.is_empty(), "{:?}", audit.bad);
}
