//! What became of a send outlives the process when Redis cannot take it: nothing is told twice.

use super::world::{World, post};
use crate::support::child::{Serving, orderwire, run_in};
use crate::support::orders::{woo, woo_order};
use crate::support::provider::Provider;
use crate::support::relay::OPS;
use crate::support::until;
use crate::support::wire::Request;
use orderwire::domain::owed::State;
use orderwire::store::work::{Dest, Leased, Settle};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

const PUSH: &str = "POST /v2/bot/message/push";

/// A LINE that answers the first push only when it is let, with this status; how to know that it has it, and to
/// let it.
async fn slow_line(status: u16) -> (Provider, Receiver<()>, Sender<()>) {
    let ((told, heard), (free, wait)) = (channel(), channel::<()>());
    let (told, wait) = (Mutex::new(told), Mutex::new(wait));
    let line = Provider::start(move |seen| {
        // The relay asks for its quota too.
        if !seen.line.starts_with(PUSH) {
            return (404, json!({}));
        }
        told.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap_err();
        (status, json!({ "sentMessages": [{ "id": "1" }] }))
    });
    (line.await, heard, free)
}

async fn comes(heard: Receiver<()>) -> Receiver<()> {
    tokio::task::spawn_blocking(move || {
        heard.recv().unwrap();
        heard
    })
    .await
    .unwrap()
}

async fn gone(world: &World) {
    until("nothing is left on disk", || async { world.files("spool/results", "spool").is_empty().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_leaves_while_redis_is_away_writes_at_its_next_start_what_it_told() {
    let (line, heard, free) = slow_line(200).await;
    let mut world = World::with(line);
    let relay = world.relay().await;
    post(&relay, 931, "taken").await;
    let _heard = comes(heard).await;
    world.redis.kill();
    drop(free);
    relay.leave().await;
    assert_eq!(world.files("spool/results", "spool").len(), 1, "it is on disk");
    world.redis.start_again();
    let relay = world.relay().await;
    relay.comes_to("woo", 931, "payment_received", "sent").await;
    gone(&world).await;
    assert_eq!(world.line.seen_at(PUSH).len(), 1, "told once");
    assert!(relay.app.store.audit().await.unwrap().bad.is_empty());
}

/// The same relay: what it told is written down as soon as Redis is back, and it goes on with the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_stays_writes_it_when_redis_is_back() {
    let (line, heard, free) = slow_line(200).await;
    let mut world = World::with(line);
    let relay = world.relay().await;
    post(&relay, 941, "taken").await;
    let _heard = comes(heard).await;
    world.redis.kill();
    drop(free);
    until("it is on disk", || async { (world.files("spool/results", "spool").len() == 1).then_some(()) }).await;
    world.redis.start_again();
    relay.comes_to("woo", 941, "payment_received", "sent").await;
    gone(&world).await;
    assert_eq!(world.line.seen_at(PUSH).len(), 1, "told once");
}

/// Where the order's item stands, by the admin door of a process.
async fn state(serving: &Serving, order: u64) -> Option<String> {
    let path = format!("/api/v1/orders/woo/{order}");
    let ask = Request::new("GET", path).header("authorization", format!("Bearer {OPS}"));
    let view: Value = serde_json::from_str(&ask.send(serving.admin).await.body).ok()?;
    let item = view["items"].as_array()?.iter().find(|i| i["milestone"] == "payment_received")?;
    item["state"].as_str().map(str::to_string)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_behind_the_flush_and_behind_the_write_tells_nothing_twice() {
    let (line, heard, free) = slow_line(200).await;
    let mut world = World::with(line);
    let file = world.settings();
    let mut serving = Serving::to_die(&file, &world.dir, "all", "after-result");
    let body = woo_order(951, "processing", 5).to_string();
    assert_eq!(woo("order.created", body.as_bytes()).send(serving.web).await.status, 200);
    let _heard = comes(heard).await;
    world.redis.kill();
    drop(free);
    serving.ended();
    world.redis.start_again();
    let mut relay = orderwire();
    relay.env("ORDERWIRE_CRASH", "after-replay");
    let died = run_in(&mut relay, &["-c", &file.display().to_string(), "serve"]);
    assert_eq!(died.code, -1, "killed by its own abort: {died:?}");
    let serving = Serving::start(&file, &world.dir);
    until("it is recorded", || async { (state(&serving, 951).await? == "sent").then_some(()) }).await;
    gone(&world).await;
    assert_eq!(world.line.seen_at(PUSH).len(), 1, "told once");
}

/// Its lease was lost meanwhile, and whoever has the order does not know: it is known from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_comes_too_late_still_says_that_it_was_told() {
    let (line, heard, free) = slow_line(500).await;
    let world = World::with(line);
    let relay = world.relay().await;
    post(&relay, 961, "taken").await;
    let heard = comes(heard).await;
    let (_, record) = relay.order("woo", 961).await.unwrap();
    let mut item = record.items.iter().find(|i| i.state == State::Begun).unwrap().clone();
    item.state = State::Sent;
    let member = relay.app.store.member(&orderwire::store::keys::Unit::order(&"woo".into(), "961"));
    let leased = Leased { member, token: "of another process".into(), redeliveries: 0 };
    let settle = Settle { items: vec![item], ..Settle::unchanged(leased, record.revision, record.wakes, Dest::Done) };
    relay.app.results.as_ref().unwrap().append(&settle).await.unwrap();
    gone(&world).await;
    // The send that is under way fails: without the late word it would be made again.
    drop(free);
    relay.comes_to("woo", 961, "payment_received", "sent").await;
    assert_eq!(world.line.seen_at(PUSH).len(), 1, "not told again");
    drop(heard);
}
