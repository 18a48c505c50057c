//! Death at each place where something is done about people's data: the next process goes on, nobody is forgotten
//! half, and nobody else is touched.

use super::{CUSTOMER, plan, redact, stranger};
use crate::support::child::{Serving, orderwire, run_in};
use crate::support::dir::Dir;
use crate::support::orders::{EMAIL, LINE_USER, NAME, PHONE, shopify, shopify_order};
use crate::support::redis::Redis;
use crate::support::until;
use crate::support::wire::Request;
use orderwire::domain::ids::ShopId;
use orderwire::flow::kept::read_order;
use orderwire::seal::Seal;
use orderwire::store::keys::Unit;
use orderwire::store::{Store, StoreOptions};
use serde_json::Value;
use std::sync::Arc;

async fn send(serving: &Serving, topic: &str, body: &Value) -> u16 {
    shopify(topic, body.to_string().as_bytes()).send(serving.web).await.status
}

async fn list(serving: &Serving) -> Value {
    let ask = Request::new("GET", "/api/v1/redact").header("authorization", format!("Bearer {}", super::ADMIN));
    serde_json::from_str(&ask.send(serving.admin).await.body).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_place_erases_all_of_a_customer_and_nobody_else() {
    let (redis, dir) = (Redis::start(), Dir::new());
    let plan = plan(&redis);
    let store = format!("[store]\ndir = \"{}\"\n", dir.join("data").display());
    let file = dir.write("orderwire.toml", &plan.text().replace("[store]\n", &store));
    let mut serving = Serving::to_die(&file, &dir, "web", "after-duty");
    for id in 71..=75 {
        assert_eq!(send(&serving, "orders/create", &shopify_order(id, "paid", 5)).await, 200);
    }
    assert_eq!(send(&serving, "orders/create", &stranger(76)).await, 200);
    // It dies behind the duty and before the answer: the shop will ask again, and need not.
    assert_eq!(send(&serving, "customers/redact", &redact(&[71, 72])).await, 0);
    serving.ended();
    for place in ["before-erase:2", "after-page:1", "before-erase:1", "after-page:2"] {
        let mut relay = orderwire();
        relay.env("ORDERWIRE_CRASH", place);
        let died = run_in(&mut relay, &["-c", &file.display().to_string(), "serve", "--role", "worker"]);
        assert_eq!(died.code, -1, "{place}: killed by its own abort: {died:?}");
        // The dead one's right to work on duties ends by itself within a minute: no need to wait for that.
        for hold in redis.keys(&plan.prefix).iter().filter(|key| key.contains("{hold:")) {
            redis.ask(&["DEL", hold]);
        }
    }
    let serving = Serving::start(&file, &dir);
    until("it is done", || async { (list(&serving).await["done"].as_array()?.len() == 1).then_some(()) }).await;
    assert_eq!(list(&serving).await["open"], Value::Array(Vec::new()));

    let seal = Arc::new(Seal::new(&[Seal::key_from_text(crate::support::relay::KEY).unwrap()]).unwrap());
    let options = StoreOptions { url: Some(redis.url()), prefix: plan.prefix.clone(), ..StoreOptions::default() };
    let store = Store::attach(&options, seal).await.unwrap();
    for id in 71..=75_u64 {
        let record = store.read(&store.member(&Unit::order(&ShopId::from("shopi"), &id.to_string()))).await.unwrap();
        assert!(record.erased.is_some() && record.snapshot.is_none(), "{id} of {CUSTOMER}");
        assert!(record.items.iter().all(|i| !i.state.is_open()), "{id}");
    }
    let other = store.read(&store.member(&Unit::order(&ShopId::from("shopi"), "76"))).await.unwrap();
    let other = read_order(&other.snapshot.unwrap()).unwrap();
    assert_eq!(other.head().unwrap().contact.emails, ["other@example.org"]);
    assert_eq!(store.audit().await.unwrap().bad, Vec::<String>::new());
    let logged = std::fs::read_to_string(&serving.log).unwrap();
    assert!(![EMAIL, PHONE, NAME, LINE_USER].iter().any(|word| logged.contains(word)), "{logged}");
}
