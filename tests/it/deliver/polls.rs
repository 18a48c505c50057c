//! What providers say of quotas and templates when they are asked: who asks, what stops, what comes back by itself.

use super::shops::Tea;
use super::world::{Setup, World, channels, customers, forms, shown};
use orderwire::channel::Quota;
use orderwire::domain::ids::{ChannelId, Tag};
use orderwire::flow::polls;
use orderwire::mock::Shelved;
use std::time::Duration;

const TYPED: &str = "0912-345-678";

const SHIPPED: &str = r#"
[whatsapp]
template = "order_shipped"
language = "zh_TW"
params = ["{{ order.name }}", "{{ parcel.number or '準備中' }}"]
"#;

fn whatsapp(routes: &'static str) -> Setup {
    Setup {
        routes,
        words: &[("zh-TW/shipped.toml", SHIPPED)],
        whatsapp: &[("order_shipped", "zh_TW", 2)],
        channels: &[("whatsapp", "opt_in_at_checkout = true\nbusiness_account_id = \"300000000000003\"")],
        ..Setup::default()
    }
}

/// Whoever's turn it is not asks nobody, so a test says when it is.
async fn asked(w: &World) {
    let app = &w.relay.app;
    let all: Vec<Tag> = app.live().channels.values().map(|account| account.tag).collect();
    app.store.poll_soon(&all).await.expect("it is time");
    polls::once(app, true).await;
}

fn level(w: &World, name: &str, channel: &str) -> Option<f64> {
    let metrics = w.relay.app.metrics.encode();
    let series = format!("orderwire_{name}{{channel=\"{channel}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse().ok())
}

fn shelve(w: &World, status: Option<&str>, category: Option<&str>) {
    let (status, category) = (status.map(str::to_string), category.map(str::to_string));
    w.mock.shelve("whatsapp", "order_shipped", Shelved { status, category, ..Shelved::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_is_stopped_is_left_alone_and_comes_back_by_itself() {
    let mut w = World::start(whatsapp(customers!(["shipped"] => ["whatsapp", "mail"]))).await;
    let mut id = 0;
    for (status, category) in [(Some("PAUSED"), None), (Some("REJECTED"), None), (None, Some("MARKETING"))] {
        shelve(&w, status, category);
        asked(&w).await;
        assert_eq!(level(&w, "templates_stopped", "whatsapp"), Some(1.0), "{status:?} {category:?}");
        id += 1;
        let mut order = Tea::paid(id, w.now()).phone(TYPED);
        order.ship("F1", w.now());
        let news = w.told(&order.webhook(w.now())).await;
        assert_eq!(channels(&news), ["smtp"], "{}", shown(&news));
        assert!(w.ledger("tea", id).await.contains("template_missing"), "the reason stands in the ledger");
        shelve(&w, None, None);
        asked(&w).await;
        assert_eq!(level(&w, "templates_stopped", "whatsapp"), Some(0.0));
        id += 1;
        w.leap(6).await;
        let mut order = Tea::paid(id, w.now()).phone(TYPED);
        order.ship("F2", w.now());
        let news = w.told(&order.webhook(w.now())).await;
        assert_eq!(forms(&news), [("whatsapp", "template")], "{}", shown(&news));
    }
    assert!(w.mock.refused().is_empty(), "nothing was tried in vain: {:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_another_channel_a_message_waits_for_its_template() {
    let mut w = World::start(whatsapp(customers!(["shipped"] => ["whatsapp"]))).await;
    shelve(&w, Some("PAUSED"), None);
    asked(&w).await;
    let mut order = Tea::paid(1, w.now()).phone(TYPED);
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "shipped").await.1, "template_missing");
    shelve(&w, None, None);
    asked(&w).await;
    assert_eq!(forms(&w.later(301).await), [("whatsapp", "template")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pod_asks_and_all_know() {
    let w = World::start(Setup {
        routes: customers!(["order_placed"] => ["line-main"]),
        quota: Some(10),
        ..Setup::default()
    })
    .await;
    let (app, line) = (&w.relay.app, Tag::of("line-main"));
    for id in 1..=9 {
        w.post(&Tea::paid(id, w.now()).line(&format!("U{id:032x}")).webhook(w.now())).await;
    }
    w.rest().await;
    let lease = Duration::from_secs(60);
    assert!(app.store.take_poll(line, lease).await.unwrap());
    assert!(!app.store.take_poll(line, lease).await.unwrap(), "somebody asks");
    polls::once(app, true).await;
    assert_eq!(level(&w, "quota_left", "line-main"), None, "and nobody else does");
    asked(&w).await;
    assert!(!app.store.take_poll(line, lease).await.unwrap(), "it was asked just now");
    assert_eq!(level(&w, "quota_left", "line-main"), Some(1.0));
    assert_eq!(level(&w, "quota_used_ratio", "line-main"), Some(0.9));
    let account = &app.live().channels[&ChannelId::from("line-main")];
    assert!(account.reserve(), "the rest is for what matters");
    account.set_quota(None, 0);
    // A pod that only listens knows it all the same.
    polls::once(app, false).await;
    assert!(account.reserve());
    w.end().await;
}

/// Each provider that can be asked for a quota says one, in its own words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_quota_that_can_be_asked_for_is() {
    let w = World::chain(customers!(["order_placed"] => ["wechat-main"])).await;
    let live = w.relay.app.live();
    let wechat = &live.channels[&ChannelId::from("wechat-main")];
    let said = wechat.channel.quota().expect("WeChat can be asked").await;
    assert_eq!(said, Some(Quota { limit: Some(100_000), used: 0 }));
    w.end().await;
}
