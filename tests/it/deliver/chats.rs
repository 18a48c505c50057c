//! Telegram, Viber and Instagram: from a shop's signed webhook to what the provider took, and back.

use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Become, Fault, FaultKind, Say};
use serde_json::json;

const CHAT: &str = "218485655";
const SUBSCRIBER: &str = "01234567890A=";
const FAN: &str = "9990001112223334";

fn carrying(w: &World, id: u64, key: &'static str, who: &str) -> Tea {
    let mut order = Tea::paid(id, w.now());
    order.meta.push((key, json!(who)));
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telegram_tells_who_started_the_bot_and_nobody_who_blocked_it() {
    let routes = customers!(["order_placed", "shipped"] => ["telegram", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), [("telegram", "message")], "{}", shown(&news));
    assert_eq!(news[0].to, CHAT);
    w.say("telegram", CHAT, Say::Unfollow).await;
    let news = w.told(&carrying(&w, 2, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "the block was heard before anything was tried");
    // Telegram's times have whole seconds, and at one moment a block counts.
    w.pass(2).await;
    w.say("telegram", CHAT, Say::Follow).await;
    w.mock.fault(Fault::new("telegram", FaultKind::Rate429After("1".into())));
    let news = w.told(&carrying(&w, 3, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), []);
    w.pass(2).await;
    assert_eq!(forms(&w.news()), [("telegram", "message")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viber_tells_subscribers_and_reports_what_arrived() {
    let routes = customers!(["order_placed", "shipped"] => ["viber", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("viber", "text")], "{}", shown(&news));
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.mock.person("viber", SUBSCRIBER, Become::Blocked);
    let news = w.told(&carrying(&w, 2, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.say("viber", SUBSCRIBER, Say::Text("退订".into())).await;
    let news = w.told(&carrying(&w, 3, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instagram_tells_inside_the_window_only() {
    let routes = customers!(["order_placed", "shipped"] => ["instagram", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.say("instagram", FAN, Say::Text("在嗎".into())).await;
    let news = w.told(&carrying(&w, 2, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("instagram", "text")], "{}", shown(&news));
    w.pass(24 * 3600 + 60).await;
    let news = w.told(&carrying(&w, 3, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}
