//! WhatsApp: a yes first, templates outside the 24 hours, and failures that are told after the acceptance.

use super::shops::Tea;
use super::world::{Setup, World, channels, customers, forms, shown};
use orderwire::mock::{Become, Say};

const NUMBER: &str = "+886912345678";
const TYPED: &str = "0912-345-678";

const THEN_MAIL: &str = customers!(["order_placed", "shipped"] => ["whatsapp", "mail"]);

const SHIPPED: &str = r#"
[whatsapp]
template = "order_shipped"
language = "zh_TW"
params = ["{{ order.name }}", "{{ parcel.number or '準備中' }}"]
"#;

fn asked() -> Setup {
    Setup {
        routes: THEN_MAIL,
        words: &[("zh-TW/shipped.toml", SHIPPED)],
        whatsapp: &[("order_shipped", "zh_TW", 2)],
        channels: &[("whatsapp", "opt_in_at_checkout = true")],
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_yes_the_next_channel_is_taken() {
    let mut w = World::start(Setup { channels: &[], ..asked() }).await;
    let order = Tea::paid(1, w.now()).phone(TYPED);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    // The word by which orders are switched on is a yes on record.
    w.say("whatsapp", NUMBER, Say::Text("開啟訂單通知".into())).await;
    assert_eq!(w.news().len(), 1, "it is answered");
    w.leap(6).await;
    let order = Tea::paid(2, w.now()).phone(TYPED);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("whatsapp", "text")], "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_window_by_template_inside_in_free_words() {
    let mut w = World::start(asked()).await;
    let mut order = Tea::paid(1, w.now()).phone(TYPED);
    // No template is named for "received": the next channel.
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    order.ship("F12345678901", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("whatsapp", "template")], "{}", shown(&news));
    assert!(news[0].to == NUMBER && news[0].text.contains("F12345678901"), "{}", shown(&news));
    w.comes_to("tea", 1, "shipped", "delivered").await;
    w.say("whatsapp", NUMBER, Say::Text("你好".into())).await;
    w.leap(6).await;
    let order = Tea::paid(2, w.now()).phone(TYPED);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(channels(&news), ["whatsapp"], "{}", shown(&news));
    assert!(news[0].text.starts_with('*'), "the title is bold: {}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_told_after_the_acceptance_sends_the_rest_of_the_chain_once() {
    let mut w = World::start(asked()).await;
    w.mock.person("whatsapp", NUMBER, Become::Blocked);
    let mut order = Tea::paid(1, w.now()).phone(TYPED);
    assert_eq!(channels(&w.told(&order.webhook(w.now())).await), ["smtp"]);
    order.ship("F1", w.now());
    let mut news = w.told(&order.webhook(w.now())).await;
    let items = loop {
        let items = w.items("tea", 1, "shipped").await;
        if items.iter().any(|i| i.state == "sent" && i.channel.as_deref() == Some("mail")) {
            break items;
        }
        w.rest().await;
    };
    news.extend(w.news());
    assert_eq!(channels(&news), ["smtp", "whatsapp"], "{}", shown(&news));
    let states: Vec<_> = items.iter().map(|i| (i.state.as_str(), i.channel.as_deref().unwrap_or_default())).collect();
    assert_eq!(states, [("undelivered", "whatsapp"), ("sent", "mail")]);
    // The number is known to be of no use until something comes from it.
    order.ship("F2", w.now());
    let order = Tea::paid(2, w.now()).phone(TYPED);
    assert_eq!(channels(&w.told(&order.webhook(w.now())).await), ["smtp"]);
    w.end().await;
}
