//! Redis is away: what the doors say, and what comes of it when it is back.

use super::world::{World, ended, post, said, spooled, told_once};
use crate::support::orders::{
    EMAIL, LINE_USER, NAME, PHONE, WOO_SECRET, line_text, messenger, shopify, shopify_order, woo, woo_of, woo_order,
};
use crate::support::redis::Redis;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Request, get};
use orderwire::boot::run::Role;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::Address;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_for_the_whole_run_and_one_message_an_order_when_it_is_back() {
    let mut world = World::new().await;
    world.redis.kill();
    let relay = world.relay().await;
    assert_eq!(get(relay.admin, "/readyz").await.status, 200, "it can take what comes");
    for order in 701..706 {
        let body = woo_order(order, "processing", 5).to_string();
        for topic in ["order.created", "order.updated"] {
            said(&relay.post(&woo(topic, body.as_bytes())).await, "spooled");
        }
    }
    let body = shopify_order(706, "paid", 5).to_string();
    said(&relay.post(&shopify("orders/create", body.as_bytes())).await, "spooled");
    let verbose = get(relay.admin, "/readyz?verbose").await.json();
    assert_eq!((&verbose["redis"], &verbose["spool"]["records"]), (&serde_json::Value::Null, &11.into()));
    assert_eq!(relay.metric("orderwire_spool_records").await, 11.0);
    assert!(relay.metric("orderwire_spool_bytes").await > 1000.0);
    assert!(relay.metric("orderwire_spool_flush_seconds_count").await >= 1.0);
    let counted = r#"orderwire_webhooks_total{shop="woo",platform="woocommerce",outcome="spooled"}"#;
    assert_eq!(relay.metric(counted).await, 10.0);
    world.holds_none_of(&[NAME, PHONE, EMAIL, LINE_USER, "Tea", WOO_SECRET]);
    world.redis.start_again();
    told_once(&world, &relay, 701..706).await;
    relay.comes_to("shopi", 706, "payment_received", "sent").await;
    spooled(&relay, 0).await;
    ended(&relay, "taken", 11.0).await;
    assert_eq!((world.files("spool", "spool"), world.files("spool", "struck")), (vec![], vec![]));
    until("the gauge shows it", || async { (relay.metric("orderwire_spool_bytes").await == 0.0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_genuine_is_kept_and_handshakes_need_no_redis() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    let body = woo_order(711, "processing", 5).to_string();
    let forged = woo_of("woo", "another-secret-0123456789abcdef", "order.created", body.as_bytes());
    assert_eq!(relay.post(&forged).await.status, 401);
    assert_eq!(relay.post(&woo_of("nobody", WOO_SECRET, "order.created", b"{}")).await.status, 404);
    let verify = "hub.mode=subscribe&hub.verify_token=canary-verify-token&hub.challenge=2711";
    let answer = relay.post(&Request::new("GET", format!("/callbacks/messenger-page?{verify}"))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "2711"));
    let forged = messenger(b"{}").instead("x-hub-signature-256", format!("sha256={}", "0".repeat(64)));
    assert_eq!(relay.post(&forged).await.status, 401);
    spooled(&relay, 0).await;
    assert_eq!(world.files("spool", "spool"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_is_kept_and_holds_before_the_next_message() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    let answer = relay.post(&line_text("STOP")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ok":true}"#));
    spooled(&relay, 1).await;
    world.holds_none_of(&[LINE_USER, "STOP", "canary-reply-token"]);
    assert_eq!(relay.metric(r#"orderwire_callbacks_total{channel="line-main",outcome="spooled"}"#).await, 1.0);
    world.redis.start_again();
    spooled(&relay, 0).await;
    post(&relay, 721, "taken").await;
    let item = relay.comes_to("woo", 721, "payment_received", "skipped").await;
    assert_eq!(item["reason"], "opted_out");
    assert_eq!(world.line.seen_at("POST /v2/bot/message/push").len(), 0);
}

/// Order and refusal lay on disk: the order comes out first, and nothing goes before the refusal does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_written_to_who_said_no_while_redis_was_away() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    for order in 724..730 {
        post(&relay, order, "spooled").await;
    }
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    world.redis.start_again();
    for order in 724..730 {
        let item = relay.comes_to("woo", order, "payment_received", "skipped").await;
        assert_eq!(item["reason"], "opted_out", "{order}");
    }
    assert_eq!(world.line.seen_at("POST /v2/bot/message/push").len(), 0);
    // It is applied by now, and whoever wants messages again gets them.
    spooled(&relay, 0).await;
    let who = [(ChannelId::from("line-main"), Address::new("line", LINE_USER))];
    until("the later word holds", || async {
        // LINE's times are told in whole seconds here: of the same second, the refusal holds.
        assert_eq!(relay.post(&line_text("START")).await.status, 200);
        relay.app.store.facts(&who).await.ok()?.remove(0).opted_out.is_none().then_some(())
    })
    .await;
    post(&relay, 730, "taken").await;
    relay.comes_to("woo", 730, "payment_received", "sent").await;
}

/// A time-out is no "no": Redis, going on, does what it was asked, and the spool's offer is a duplicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_is_not_waited_for() {
    let world = World::new().await;
    let redis = Redis::start();
    let plan = Plan { store: Plan::on(&redis).store, ..world.plan.clone() };
    let relay = Relay::start(&plan, Role::All).await;
    redis.freeze();
    let body = woo_order(731, "processing", 5).to_string();
    let answer = relay.post(&woo("order.created", body.as_bytes())).await;
    said(&answer, "spooled");
    assert!(answer.took < Duration::from_millis(2000), "{:?}", answer.took);
    let answer = relay.post(&line_text("hello")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.took < Duration::from_millis(1900), "LINE waits two seconds: {:?}", answer.took);
    redis.thaw();
    told_once(&world, &relay, std::iter::once(731)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_says_so() {
    let mut world = World::new().await;
    world.plan.spool.push_str("\nmax_bytes = \"16MiB\"");
    // What lies aside counts: there is room for some orders of 4 KB, and no more.
    let aside = world.dir.join("spool/aside/00000000000000ff-0000000000000000.spool");
    std::fs::create_dir_all(aside.parent().unwrap()).unwrap();
    std::fs::write(&aside, vec![b'x'; (16 << 20) - (20 << 10)]).unwrap();
    let relay = world.relay().await;
    world.redis.kill();
    let mut kept = 0;
    let refused = loop {
        let body = woo_order(741 + kept, "processing", 5).to_string();
        let answer = relay.post(&woo("order.updated", body.as_bytes())).await;
        if answer.status != 200 {
            break answer;
        }
        kept += 1;
    };
    assert!((2..=20).contains(&kept), "{kept} orders in 20 KiB");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")));
    assert_eq!(refused.body, r#"{"error":"try again"}"#);
    let verbose = get(relay.admin, "/readyz?verbose").await.json();
    assert_eq!(verbose["spool"]["records"], kept);
    world.redis.start_again();
    spooled(&relay, 0).await;
    told_once(&world, &relay, 741..741 + kept).await;
    // There is room again.
    world.redis.kill();
    post(&relay, 741 + kept, "spooled").await;
}
