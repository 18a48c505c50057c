//! WeChat: templates to followers, free words inside the window, and what becomes of both.

use super::shops::Tea;
use super::world::{Setup, World, channels, customers, forms, shown};
use orderwire::flow::link::{self, Invitation};
use orderwire::mock::{Become, Fault, FaultKind, Say};
use serde_json::json;
use std::time::{Duration, Instant};

const FOLLOWER: &str = "oia2TjuEGTNoeX76QEjQNrcURxG8";

const THEN_MAIL: &str = customers!(["order_placed", "shipped"] => ["wechat-main", "mail"]);

const SHIPPED: &str = r#"
[wechat]
template_id = "TM00001"
data = { character_string1 = "{{ order.name }}", phrase2 = "已出貨", character_string3 = "{{ parcel.number or '-' }}", amount4 = "{{ '¥1,200.00' }}" }
"#;

async fn world() -> World {
    World::start(Setup { routes: THEN_MAIL, words: &[("zh-TW/shipped.toml", SHIPPED)], ..Setup::default() }).await
}

fn order(w: &World, id: u64) -> Tea {
    let mut order = Tea::paid(id, w.now());
    order.meta.push(("wechat_openid", json!(FOLLOWER)));
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_window_by_template_inside_in_free_words() {
    let mut w = world().await;
    let mut first = order(&w, 1);
    // No template is named for "received": the next channel.
    assert_eq!(forms(&w.told(&first.webhook(w.now())).await), [("smtp", "mail")]);
    first.ship("SF1234567890", w.now());
    let news = w.told(&first.webhook(w.now())).await;
    assert_eq!(forms(&news), [("wechat", "template")], "{}", shown(&news));
    assert!(news[0].to == FOLLOWER && news[0].text.contains("SF1234567890"), "{}", shown(&news));
    assert!(news[0].text.contains("已出貨") && news[0].text.contains("¥1200.00"), "{}", shown(&news));
    w.comes_to("tea", 1, "shipped", "delivered").await;
    w.say("wechat", FOLLOWER, Say::Text("你好".into())).await;
    let news = w.told(&order(&w, 2).webhook(w.now())).await;
    assert_eq!(forms(&news), [("wechat", "text")], "{}", shown(&news));
    w.pass(48 * 3600).await;
    assert_eq!(forms(&w.told(&order(&w, 3).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_opens_a_minute_and_who_unfollows_is_told_elsewhere() {
    let mut w = world().await;
    w.say("wechat", FOLLOWER, Say::Postback("ORDERS".into())).await;
    assert_eq!(forms(&w.told(&order(&w, 1).webhook(w.now())).await), [("wechat", "text")]);
    w.pass(60).await;
    assert_eq!(forms(&w.told(&order(&w, 2).webhook(w.now())).await), [("smtp", "mail")]);
    w.say("wechat", FOLLOWER, Say::Unfollow).await;
    let mut gone = order(&w, 3);
    gone.ship("SF1", w.now());
    assert_eq!(channels(&w.told(&gone.webhook(w.now())).await), ["smtp", "smtp"], "no template to who left");
    // WeChat's times have whole seconds, and at one moment leaving counts.
    w.pass(2).await;
    w.say("wechat", FOLLOWER, Say::Link("k7Jd93".into())).await;
    assert_eq!(forms(&w.told(&order(&w, 4).webhook(w.now())).await), [("wechat", "text")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// Only WeChat counts its five: its answer closes the window, and the template carries on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_count_is_used_up_the_window_is_closed() {
    let mut w = world().await;
    w.say("wechat", FOLLOWER, Say::Text("在嗎".into())).await;
    for id in 1..=5 {
        assert_eq!(forms(&w.told(&order(&w, id).webhook(w.now())).await), [("wechat", "text")], "{id}");
    }
    for id in 6..=7 {
        assert_eq!(forms(&w.told(&order(&w, id).webhook(w.now())).await), [("smtp", "mail")], "{id}");
        assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    }
    let mut sixth = order(&w, 6);
    sixth.ship("SF6", w.now());
    let news = w.told(&sixth.webhook(w.now())).await;
    assert_eq!(forms(&news), [("wechat", "template")], "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_told_after_the_acceptance_sends_the_rest_of_the_chain_once() {
    let mut w = world().await;
    w.mock.person("wechat", FOLLOWER, Become::Blocked);
    let mut first = order(&w, 1);
    assert_eq!(channels(&w.told(&first.webhook(w.now())).await), ["smtp"]);
    first.ship("SF1", w.now());
    let mut news = w.told(&first.webhook(w.now())).await;
    let started = Instant::now();
    let items = loop {
        let items = w.items("tea", 1, "shipped").await;
        if items.iter().any(|i| i.state == "sent" && i.channel.as_deref() == Some("mail")) {
            break items;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nobody told of the block: {items:#?}");
        w.rest().await;
    };
    news.extend(w.news());
    assert_eq!(channels(&news), ["smtp", "wechat"], "{}", shown(&news));
    let states: Vec<_> = items.iter().map(|i| (i.state.as_str(), i.channel.as_deref().unwrap_or_default())).collect();
    assert_eq!(states, [("undelivered", "wechat-main"), ("sent", "mail")]);
    let mut second = order(&w, 2);
    second.ship("SF2", w.now());
    assert_eq!(channels(&w.told(&second.webhook(w.now())).await), ["smtp", "smtp"], "until something comes from them");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_whose_answer_was_lost_goes_again_under_its_mark() {
    let mut w = world().await;
    let mut first = order(&w, 1);
    w.told(&first.webhook(w.now())).await;
    w.mock.fault(Fault::new("wechat", FaultKind::CutAfter));
    first.ship("SF1", w.now());
    let mut news = w.told(&first.webhook(w.now())).await;
    news.extend(w.later(60).await);
    assert_eq!(forms(&news), [("wechat", "template")], "told twice: {}", shown(&news));
    let marks: Vec<bool> = w.mock.sent().iter().filter(|t| t.channel == "wechat").map(|t| t.duplicate).collect();
    assert_eq!(marks, [false, true]);
    w.mock.fault(Fault::new("wechat", FaultKind::Rate429));
    let mut second = order(&w, 2);
    second.ship("SF2", w.now());
    let waits = w.told(&second.webhook(w.now())).await;
    let told = w.later(60).await;
    assert_eq!(forms(&[waits, told].concat()).iter().filter(|f| f.0 == "wechat").count(), 1, "a minute later");
    w.end().await;
}

const ALLOWED: &str = r#"
[wechat.subscription]
template_id = "SN00001"
data = { character_string1 = "{{ order.name }}", phrase2 = "已成立", thing3 = "{{ shop.name or '感謝您的訂購' }}" }
"#;

async fn asking() -> World {
    let words = &[("zh-TW/order_placed.toml", ALLOWED), ("zh-TW/shipped.toml", SHIPPED)];
    World::start(Setup { routes: THEN_MAIL, words, ..Setup::default() }).await
}

fn tap(word: &str) -> Say {
    Say::Postback(format!("{word}:SN00001"))
}

/// Each tap on "allow" is one message: counted, used up, and gone when the customer takes it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_customer_allowed_by_a_tap_is_sent_once_for_each() {
    let mut w = asking().await;
    assert_eq!(forms(&w.told(&order(&w, 1).webhook(w.now())).await), [("smtp", "mail")], "nothing is allowed");
    w.say("wechat", FOLLOWER, tap("allow")).await;
    w.say("wechat", FOLLOWER, Say::Text("你好".into())).await;
    assert_eq!(forms(&w.told(&order(&w, 2).webhook(w.now())).await), [("wechat", "text")], "words cost no tap");
    w.pass(48 * 3600).await;
    let mut third = order(&w, 3);
    let news = w.told(&third.webhook(w.now())).await;
    assert_eq!(forms(&news), [("wechat", "subscription")], "{}", shown(&news));
    assert!(news[0].text.contains("已成立") && news[0].to == FOLLOWER, "{}", shown(&news));
    third.ship("SF3", w.now());
    assert_eq!(
        forms(&w.told(&third.webhook(w.now())).await),
        [("wechat", "template")],
        "a template where one is named"
    );
    assert_eq!(forms(&w.told(&order(&w, 4).webhook(w.now())).await), [("smtp", "mail")], "the tap is used up");
    w.pass(2).await;
    for _ in 0..2 {
        w.say("wechat", FOLLOWER, tap("allow")).await;
        w.pass(2).await;
    }
    assert_eq!(forms(&w.told(&order(&w, 5).webhook(w.now())).await), [("wechat", "subscription")]);
    w.pass(2).await;
    w.say("wechat", FOLLOWER, tap("refuse")).await;
    assert_eq!(forms(&w.told(&order(&w, 6).webhook(w.now())).await), [("smtp", "mail")], "taken back");
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// Only WeChat knows: a tap was taken back and nobody told us. Where nothing else can carry it, the next tap does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_that_wechat_does_not_know_of_waits_for_the_next() {
    let words = &[("zh-TW/order_placed.toml", ALLOWED)];
    let routes = customers!(["order_placed"] => ["wechat-main"]);
    let mut w = World::start(Setup { routes, words, ..Setup::default() }).await;
    w.say("wechat", FOLLOWER, tap("allow")).await;
    let body = json!({ "errcode": 43101, "errmsg": "user refuse to accept the msg" }).to_string();
    w.mock.fault(Fault::new("wechat", FaultKind::Status(200, body)));
    assert_eq!(forms(&w.told(&order(&w, 1).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.1, "window_closed");
    w.pass(5).await;
    w.say("wechat", FOLLOWER, tap("allow")).await;
    assert_eq!(forms(&w.news()), [("wechat", "subscription")]);
    w.end().await;
}

/// WeChat makes a code of its own for each chat that is to begin; whoever scans it brings ours back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_by_a_scanned_scene() {
    let mut w = World::chain(customers!(["order_placed"] => ["wechat-main"])).await;
    w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    let (app, channel) = (w.relay.app.clone(), "wechat-main".into());
    let invitation = Invitation { shop: "tea".into(), order: "1".into(), shown: None };
    assert_eq!(link::ways(&app.live(), &"tea".into()).len(), 1, "without a start_url");
    let begun = link::begin(&app, &invitation, &channel).await.expect("a code").expect("a way");
    assert!(begun.url.starts_with("http://weixin.qq.com/q/") && begun.says.is_none(), "{begun:?}");
    let scene = w.mock.installed()["wechat:scene"].as_str().unwrap_or_default().to_string();
    assert_eq!(link::code_in(&scene).as_deref(), Some(scene.as_str()));
    w.say("wechat", FOLLOWER, Say::Link(scene)).await;
    assert!(shown(&w.news()).contains("連結成功"));
    // What WeChat does not make is said, and no link leads nowhere.
    w.mock.fault(Fault::new("wechat:api", FaultKind::Status(500, String::new())));
    assert!(link::begin(&app, &invitation, &channel).await.is_err());
    w.end().await;
}
