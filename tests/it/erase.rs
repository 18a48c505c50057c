//! People's data: erased on every way it can be asked for, handed out, and never brought back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod points;

use crate::support::child::run;
use crate::support::orders::{EMAIL, LINE_USER, NAME, PHONE, shopify, shopify_order};
use crate::support::provider::Provider;
use crate::support::redis::{Redis, shared};
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request};
use orderwire::boot::run::Role;
use orderwire::domain::ids::ShopId;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::store::keys::{Unit, UnitKind};
use orderwire::store::rewrite::Log;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ADMIN: &str = "canary-admin-token-0123456789abcdef01";
const CUSTOMER: u64 = 9_007_199_254_740_993;

fn plan(redis: &Redis) -> Plan {
    let plan = Plan::on(redis);
    let admin = format!(
        "{}, {{ name = \"officer\", scopes = [\"admin\"], token = {{ value = \"{ADMIN}\" }} }}]",
        plan.admin.trim_end_matches(']')
    );
    Plan { admin, ..plan }
}

async fn ask(relay: &Relay, method: &str, target: &str, body: Value) -> Answer {
    let request = Request::new(method, target).header("authorization", format!("Bearer {ADMIN}"));
    request.header("content-type", "application/json").body(body.to_string()).send(relay.admin).await
}

async fn post(relay: &Relay, topic: &str, body: &Value) -> String {
    let webhook = shopify(topic, body.to_string().as_bytes());
    // A relay that has no answer of Redis in time (a busy machine) says so, and is asked again, as shops do: what it
    // had stored all the same is then a duplicate.
    for attempt in 0..5 {
        let answer = relay.post(&webhook).await;
        if answer.status != 503 {
            assert_eq!(answer.status, 200, "{topic}: {}", answer.body);
            let word = answer.json()["result"].as_str().unwrap().to_string();
            return if attempt > 0 && word == "duplicate" { "taken".into() } else { word };
        }
    }
    panic!("the relay took nothing in five tries")
}

/// Every page of all that is kept of somebody.
async fn export(relay: &Relay, mut whom: Value) -> Vec<Value> {
    let mut pages = Vec::new();
    loop {
        let answer = ask(relay, "POST", "/api/v1/export", whom.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        whom["cursor"] = page["cursor"].clone();
        pages.push(page);
        if whom["cursor"].is_null() {
            return pages;
        }
    }
}

fn redact(orders: &[u64]) -> Value {
    json!({ "shop_id": 1, "shop_domain": "demo.myshopify.com",
        "customer": { "id": CUSTOMER, "email": EMAIL, "phone": PHONE }, "orders_to_redact": orders })
}

/// Another customer's order.
fn stranger(id: u64) -> Value {
    let mut order = shopify_order(id, "paid", 10);
    order["email"] = json!("other@example.org");
    order["contact_email"] = json!("other@example.org");
    order["phone"] = json!("+12025550143");
    order["customer"] = json!({ "id": 5, "email": "other@example.org" });
    order["note_attributes"] = json!([]);
    order
}

/// Everything is done that there is to do.
async fn done(relay: &Relay) {
    until("every duty is done", || async {
        while erase::work(&relay.app).await.ok()? {}
        let (open, _) = erase::list(&relay.app).await.ok()?;
        open.iter().all(|(_, d)| d.kind == Kind::HandOut).then_some(())
    })
    .await;
}

/// What is sealed of an order, as it lies in Redis: its bytes are nowhere else.
fn sealed(relay: &Relay, redis: &Redis, id: u64) -> Vec<u8> {
    let member = relay.app.store.member(&Unit::order(&ShopId::from("shopi"), &id.to_string()));
    let hash = member.as_str().rsplit('/').next().unwrap().to_string();
    let dump = redis.dump(&relay.prefix);
    let (_, bytes) = dump.iter().find(|(key, _)| key.ends_with(&format!("snp:{hash}"))).expect("a snapshot");
    bytes[40..80].to_vec()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_customer_is_left_in_redis_nor_in_its_log() {
    let redis = Redis::start();
    let line = Provider::line().await;
    let relay = Relay::start(&plan(&redis).provider(&line.url), Role::Web).await;
    for id in [11, 12] {
        assert_eq!(post(&relay, "orders/create", &shopify_order(id, "paid", 20)).await, "taken");
    }
    assert_eq!(post(&relay, "orders/create", &stranger(13)).await, "taken");
    let cut = json!({ "note": "not an order", "email": EMAIL });
    assert_eq!(post(&relay, "orders/updated", &cut).await, "unreadable");
    let (theirs, other) = ([sealed(&relay, &redis, 11), sealed(&relay, &redis, 12)], sealed(&relay, &redis, 13));
    assert!(theirs.iter().all(|s| holds(&redis.log(), s)), "the log holds what was written");

    // One order is named, the other found by the person.
    assert_eq!(post(&relay, "customers/redact", &redact(&[11])).await, "taken");
    done(&relay).await;
    until("the log is rewritten", || async { (erase::tidy_log(&relay.app).await? == Log::Clean).then_some(()) }).await;
    let kept: Vec<u8> =
        redis.dump(&relay.prefix).into_iter().flat_map(|(key, v)| [key.into_bytes(), v].concat()).collect();
    for (what, bytes) in [("Redis", &kept), ("its log", &redis.log())] {
        assert!(theirs.iter().all(|s| !holds(bytes, s)), "{what} holds ciphertext of an erased order");
        assert!(holds(bytes, &other), "{what} has lost a stranger's order");
        for word in [EMAIL, PHONE, NAME, LINE_USER] {
            assert!(!holds(bytes, word.as_bytes()), "{what} holds {word}");
        }
    }
    assert_eq!(redis.odd(&relay.prefix), 0);
    for id in [11, 12] {
        let view = relay.view("shopi", id).await.unwrap();
        assert!(view["erased"].is_string() && view["name"].is_null() && view["ledger"] == json!([]), "{view:#}");
        assert!(view["items"].as_array().unwrap().iter().all(|i| i["state"] == "skipped" && i["reason"] == "redacted"));
    }
    let (_, remembered) = erase::list(&relay.app).await.unwrap();
    assert!(remembered[0].1.counts.orders == 2 && remembered[0].1.person == Default::default(), "{remembered:?}");
    assert_eq!(relay.app.store.audit().await.unwrap().bad, Vec::<String>::new());

    // Whatever comes again or late finds it erased; what is new begins empty.
    let old = shopify_order(11, "paid", 20);
    assert_eq!(post(&relay, "orders/create", &old).await, "erased");
    assert_eq!(post(&relay, "orders/updated", &shopify_order(12, "refunded", 0)).await, "erased");
    assert_eq!(post(&relay, "customers/redact", &redact(&[11])).await, "taken", "asked a second time");
    done(&relay).await;
    assert_eq!(post(&relay, "orders/create", &shopify_order(14, "paid", 1)).await, "taken");
    assert!(relay.order("shopi", 14).await.is_some() && relay.order("shopi", 11).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_on_its_way_when_its_order_is_erased_goes_once_and_writes_nothing_back() {
    let (told, heard) = std::sync::mpsc::channel();
    let (free, wait) = std::sync::mpsc::channel::<()>();
    let (told, wait) = (std::sync::Mutex::new(told), std::sync::Mutex::new(wait));
    const PUSH: &str = "POST /v2/bot/message/push";
    let line = Provider::start(move |seen| {
        // The relay asks for its quota too.
        if !seen.line.starts_with(PUSH) {
            return (404, json!({}));
        }
        told.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap_err();
        (200, json!({ "sentMessages": [{ "id": "1" }] }))
    })
    .await;
    let relay = Relay::start(&plan(shared()).provider(&line.url), Role::All).await;
    post(&relay, "orders/create", &shopify_order(21, "paid", 5)).await;
    tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
    post(&relay, "customers/redact", &redact(&[21])).await;
    done(&relay).await;
    drop(free);
    let view = until("the lost lease is noticed", || async {
        let lost = relay.metric("orderwire_leases_lost_total").await >= 1.0;
        if lost { relay.view("shopi", 21).await } else { None }
    })
    .await;
    let states: Vec<&str> = view["items"].as_array().unwrap().iter().filter_map(|i| i["state"].as_str()).collect();
    assert!(states.contains(&"unsure") && view["erased"].is_string() && view["ledger"] == json!([]), "{view:#}");
    assert_eq!(line.seen_at(PUSH).len(), 1, "and is not sent again");
    assert_eq!(relay.app.store.audit().await.unwrap().bad, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_erased_and_another_one_untouched_also_when_who_does_it_dies() {
    let redis = Redis::start();
    let relay = Relay::start(&plan(&redis), Role::Web).await;
    let other = ShopId::from("woo");
    let record = |id: u64| crate::support::orders::woo_order(id, "processing", 5);
    for id in 1..=5 {
        post(&relay, "orders/create", &shopify_order(30 + id, "paid", 5)).await;
        let body = record(id).to_string();
        let answer = relay.post(&crate::support::orders::woo("order.created", body.as_bytes())).await;
        assert_eq!(answer.status, 200);
    }
    let theirs = |relay: &Relay| -> BTreeMap<String, Vec<u8>> {
        let hash = |id: u64| relay.app.store.member(&Unit::order(&other, &id.to_string())).as_str().to_string();
        let hashes: Vec<String> = (1..=5).map(|id| hash(id).rsplit('/').next().unwrap().to_string()).collect();
        redis.dump(&relay.prefix).into_iter().filter(|(key, _)| hashes.iter().any(|h| key.ends_with(h))).collect()
    };
    let before = theirs(&relay);
    assert_eq!(before.len(), 15, "five orders, each with its snapshot and ledger");
    // It died after some orders and before that was written down: the duty stands at its first page.
    let erased = relay.app.store.member(&Unit::order(&ShopId::from("shopi"), "31"));
    let read = relay.app.store.read(&erased).await.unwrap();
    let nothing = orderwire::store::erase::Remains::Tombstone;
    relay.app.store.erase(&erased, &read, &[], crate::support::orders::now(), nothing).await.unwrap();
    let notice = json!({ "shop_id": 1, "shop_domain": "demo.myshopify.com" });
    assert_eq!(post(&relay, "shop/redact", &notice).await, "taken");
    done(&relay).await;
    for id in 31..=35 {
        assert!(relay.order("shopi", id).await.is_none(), "{id}");
    }
    assert_eq!(theirs(&relay), before);
    let (_, remembered) = erase::list(&relay.app).await.unwrap();
    assert_eq!(remembered[0].1.counts.orders, 4);
    assert_eq!(relay.app.store.audit().await.unwrap().bad, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_an_erased_order_goes_with_it() {
    let relay = Relay::start(&plan(shared()), Role::Web).await;
    let mut order = shopify_order(41, "paid", 5);
    order["fulfillments"] = json!([{ "id": 410, "order_id": 41, "status": "success", "created_at": order["created_at"],
        "updated_at": order["updated_at"], "tracking_number": "T1" }]);
    post(&relay, "orders/create", &order).await;
    post(&relay, "customers/redact", &redact(&[41])).await;
    done(&relay).await;
    let scan = json!({ "id": 5, "fulfillment_id": 410, "status": "in_transit", "happened_at": order["updated_at"],
        "admin_graphql_api_id": "gid://shopify/FulfillmentEvent/5" });
    assert_eq!(post(&relay, "fulfillment_events/create", &scan).await, "erased");
    let unit = Unit { shop: ShopId::from("shopi"), kind: UnitKind::Join, id: "fulfillment:410".into() };
    assert_eq!(relay.app.store.read(&relay.app.store.member(&unit)).await.unwrap().revision, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_for_data_waits_for_an_operator_and_is_answered_with_all_there_is() {
    let relay = Relay::start(&plan(shared()), Role::Web).await;
    post(&relay, "orders/create", &shopify_order(51, "paid", 5)).await;
    post(&relay, "orders/create", &stranger(52)).await;
    let wish = json!({ "shop_id": 1, "shop_domain": "demo.myshopify.com", "customer": { "id": CUSTOMER, "email": EMAIL },
        "orders_requested": [51], "data_request": { "id": 9 } });
    post(&relay, "customers/data_request", &wish).await;
    done(&relay).await;
    let list = ask(&relay, "GET", "/api/v1/redact", Value::Null).await.json();
    let id = list["open"][0]["id"].as_str().unwrap().to_string();
    assert_eq!(list["open"][0]["run"], format!("orderwire export shopi --request {id}"));
    assert!(!list.to_string().contains(EMAIL), "the list names nobody");
    for whom in
        [json!({ "shop": "shopi", "request": id }), json!({ "shop": "shopi", "customer": EMAIL.to_uppercase() })]
    {
        let pages = export(&relay, whom).await;
        let text: String = pages.iter().map(Value::to_string).collect();
        for word in [EMAIL, PHONE, NAME, LINE_USER] {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(!text.contains("other@example.org"));
        let ids: Vec<&str> = pages
            .iter()
            .flat_map(|p| p["orders"].as_array().unwrap())
            .filter_map(|o| o["kept"]["id"].as_str())
            .collect();
        // A walk may meet an order twice.
        assert!(!ids.is_empty() && ids.iter().all(|id| *id == "51"), "{ids:?}");
    }
    let answered = || ask(&relay, "POST", "/api/v1/export/answered", json!({ "request": id }));
    assert_eq!((answered().await.status, answered().await.status), (200, 404));
    // Who only operates neither erases nor exports.
    for (method, target) in [("POST", "/api/v1/redact"), ("GET", "/api/v1/redact"), ("POST", "/api/v1/export")] {
        assert_eq!(relay.ops(method, target, Some(json!({ "shop": "shopi" }))).await.status, 403, "{method} {target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_is_dry_until_told_and_then_does_it() {
    let relay = Relay::start(&plan(shared()), Role::All).await;
    post(&relay, "orders/create", &shopify_order(61, "paid", 5)).await;
    let dir = crate::support::dir::Dir::new();
    let token = dir.write("token", ADMIN);
    let (url, token) = (format!("http://{}", relay.admin), token.display().to_string());
    let command = |args: &[&str]| {
        let all: Vec<String> =
            args.iter().chain(&["--url", &url, "--token-file", &token]).map(|a| (*a).to_string()).collect();
        tokio::task::spawn_blocking(move || run(&all.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let dry = command(&["redact", "shopi", "--customer", PHONE]).await.unwrap();
    assert!(
        dry.code == 0 && dry.out.contains("would erase order 61") && dry.err.contains("nothing was erased"),
        "{dry:?}"
    );
    assert!(relay.order("shopi", 61).await.is_some());
    assert_eq!(
        command(&["redact", "shopi", "--customer", PHONE, "--yes"]).await.unwrap().code,
        2,
        "a reason is needed"
    );
    assert_eq!(command(&["redact", "shopi", "--reason", "x", "--yes"]).await.unwrap().code, 1, "nobody is named");
    assert_eq!(command(&["redact", "nowhere", "--order", "1"]).await.unwrap().code, 1);
    let export = command(&["export", "shopi", "--customer", EMAIL]).await.unwrap();
    assert_eq!(export.json()["orders"][0]["kept"]["id"], "61", "{export:?}");
    let done = command(&["redact", "shopi", "--customer", PHONE, "--reason", "asked by mail", "--yes"]).await.unwrap();
    assert!(done.code == 0 && done.out.contains("erased: 1 orders"), "{done:?}");
    assert!(relay.order("shopi", 61).await.is_none());
    let list = command(&["redact", "--list", "--json"]).await.unwrap().json();
    assert_eq!((&list["done"][0]["by"], &list["done"][0]["reason"]), (&json!("officer"), &json!("asked by mail")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_taken_down_is_not_answered_as_taken() {
    let redis = Redis::start();
    let relay = Relay::start(&plan(&redis), Role::Web).await;
    redis.freeze();
    let answer = relay.post(&shopify("customers/redact", redact(&[1]).to_string().as_bytes())).await;
    redis.thaw();
    assert_eq!(answer.status, 503, "{}", answer.body);
    // A shop that is gone from the settings is erased too, and a page begins where the last one ended.
    let duty = Duty::new(Kind::Shop, &ShopId::from("gone"), "test", "left", crate::support::orders::now());
    until("it is taken down", || async { erase::ask(&relay.app, duty.clone()).await.ok() }).await;
    done(&relay).await;
}
