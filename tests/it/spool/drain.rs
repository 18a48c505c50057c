//! Draining: beside live traffic, past records that the store refuses, by the settings in force then.

use super::world::{World, ended, post, said, spooled, told_once};
use crate::support::orders::{WOO_B_SECRET, woo, woo_of, woo_order};
use crate::support::until;
use orderwire::domain::clock::{Clock as _, SystemClock, plus_secs};
use orderwire::domain::ids::{Digest8, ShopId};
use orderwire::flow::drain::{Patience, run};
use orderwire::store::keys::Unit;
use orderwire::store::order::{Commit, Committed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_live_traffic_of_the_same_orders_nothing_is_told_twice() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    for order in 801..816 {
        post(&relay, order, "spooled").await;
    }
    world.redis.start_again();
    let storm = (801..821).map(|order| {
        let (web, body) = (relay.web, woo_order(order, "processing", 5).to_string());
        async move { woo("order.updated", body.as_bytes()).send(web).await.status }
    });
    let answers = futures_util::future::join_all(storm).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    told_once(&world, &relay, 801..821).await;
}

/// An order kept in a form of a later version: this one must not touch it, and not stop for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_refused_does_not_stop_the_others_and_is_set_aside_in_the_end() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    post(&relay, 831, "taken").await;
    relay.comes_to("woo", 831, "payment_received", "sent").await;
    let member = relay.app.store.member(&Unit::order(&ShopId::from("woo"), "831"));
    let record = relay.app.store.read(&member).await.unwrap();
    let mut order: serde_json::Value = serde_json::from_slice(&record.snapshot.unwrap()).unwrap();
    order["version"] = 999.into();
    let now = SystemClock.now();
    let newer = Commit {
        expected: record.revision,
        parked: record.parked,
        seen: vec![Digest8::of(&[b"the later version"])],
        seen_until: plus_secs(now, 60),
        drop_seen: Vec::new(),
        snapshot: order.to_string().into_bytes(),
        owed: Vec::new(),
        due: None,
        ledger: Vec::new(),
    };
    assert!(matches!(relay.app.store.commit(&member, newer).await.unwrap(), Committed::Stored { .. }));
    let body = woo_order(831, "completed", 1).to_string();
    said(&relay.post(&woo("order.updated", body.as_bytes())).await, "spooled");
    world.redis.kill();
    post(&relay, 832, "spooled").await;
    world.redis.start_again();
    relay.comes_to("woo", 832, "payment_received", "sent").await;
    spooled(&relay, 1).await;
    // The relay's own drain gives it a minute and a half; this one has less patience.
    let (stop, stopped) = watch::channel(false);
    let hasty = Patience { tries: 3, first: Duration::from_millis(5) };
    let draining = tokio::spawn(run(Arc::clone(&relay.app), hasty, stopped));
    ended(&relay, "refused", 1.0).await;
    stop.send_replace(true);
    draining.await.unwrap();
    spooled(&relay, 0).await;
    assert_eq!(world.files("spool/aside", "spool").len(), 1);
    until("the gauge shows it", || async { (relay.metric("orderwire_spool_set_aside").await == 1.0).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_a_shop_that_is_gone_is_set_aside_and_comes_back_with_it() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    let body = woo_order(841, "processing", 5).to_string();
    let gone = woo_of("woo-b", WOO_B_SECRET, "order.created", body.as_bytes())
        .instead("x-wc-webhook-source", "https://other.example.com/");
    said(&relay.post(&gone).await, "spooled");
    post(&relay, 842, "spooled").await;
    // The secret of the other shop is rotated meanwhile: that its webhook was genuine was proved at the door.
    let text = std::fs::read_to_string(&relay.file).unwrap();
    let text = text
        .replace("id = \"woo-b\"", "id = \"woo-c\"")
        .replace("canary-woo-secret-0123456789abcdef", "a-new-woo-secret-0123456789abcdef");
    std::fs::write(&relay.file, text).unwrap();
    until("the settings are reloaded", || async {
        (relay.metric(r#"orderwire_reload_total{result="done"}"#).await == 1.0).then_some(())
    })
    .await;
    world.redis.start_again();
    told_once(&world, &relay, std::iter::once(842)).await;
    ended(&relay, "unknown_shop", 1.0).await;
    relay.leave().await;
    let aside = world.files("spool/aside", "spool").remove(0);
    std::fs::rename(&aside, world.dir.join("spool").join(aside.file_name().unwrap())).unwrap();
    let relay = world.relay().await;
    spooled(&relay, 0).await;
    assert!(relay.order("woo-b", 841).await.unwrap().0.paid());
}
