//! Messenger: free words inside the 24 hours, an approved template outside, else the next channel or patience.

use super::chain::LAN;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Become, Say};

const PAGE_ONLY: &str = customers!(["order_placed", "payment_received", "shipped", "delivered"] => ["messenger-page"]);

const PAGE_THEN_MAIL: &str = customers!(["order_placed", "shipped"] => ["messenger-page", "mail"]);

const SHIPPED: &str = r#"
[messenger]
utility_template = "order_shipped"
language = "zh_TW"
params = ["{{ order.name }}", "{{ parcel.number or '準備中' }}"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_window_by_template_inside_in_free_words() {
    let mut w = World::start(Setup {
        routes: PAGE_THEN_MAIL,
        words: &[("zh-TW/shipped.toml", SHIPPED)],
        templates: &[("order_shipped", "zh_TW")],
        ..Setup::default()
    })
    .await;
    let mut order = Tea::paid(1, w.now()).messenger(LAN);
    // No template is named for "received": the next channel.
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    order.ship("F12345678901", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "utility")], "{}", shown(&news));
    assert!(news[0].text.contains("F12345678901"), "{}", shown(&news));
    w.say("messenger", LAN, Say::Text("你好".into())).await;
    let mut order = Tea::paid(2, w.now()).messenger(LAN);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    order.ship("F2", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    // A day and a bit later the window is closed again.
    w.pass(24 * 3600 + 60).await;
    let order = Tea::paid(3, w.now()).messenger(LAN);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_the_chain_waits_for_the_customer_and_tells_the_present_once() {
    let mut w = World::chain(PAGE_ONLY).await;
    let mut order = Tea::paid(1, w.now()).messenger(LAN);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    w.pass(3600).await;
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    for milestone in ["order_placed", "payment_received", "shipped"] {
        assert_eq!(
            w.stands("tea", 1, milestone).await,
            ("open".into(), "window_closed".into(), String::new()),
            "{milestone}"
        );
    }
    w.say("messenger", LAN, Say::Text("where is it?".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    assert!(news[0].text.contains("F1"), "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "superseded");
    assert_eq!(w.stands("tea", 1, "payment_received").await.0, "superseded");
    // Whoever writes again hears nothing again.
    w.say("messenger", LAN, Say::Text("thank you".into())).await;
    assert_eq!(forms(&w.later(60).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_word_ends_when_it_is_stale() {
    let mut w = World::chain(PAGE_ONLY).await;
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await), []);
    w.pass(3 * 86_400 + 60).await;
    assert_eq!(w.stands("tea", 1, "order_placed").await, ("skipped".into(), "window_closed".into(), String::new()));
    w.say("messenger", LAN, Say::Text("hello".into())).await;
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_believed_when_it_says_that_the_window_is_closed() {
    let mut w = World::chain(PAGE_THEN_MAIL).await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    w.mock.person("messenger", LAN, Become::Closed);
    let news = w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 1, "asked once: {:?}", w.mock.refused());
    // The next message knows it.
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).messenger(LAN).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    w.say("messenger", LAN, Say::Text("hi again".into())).await;
    assert_eq!(forms(&w.told(&Tea::paid(3, w.now()).messenger(LAN).webhook(w.now())).await), [("messenger", "update")]);
    w.end().await;
}
