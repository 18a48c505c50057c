//! What may not be said now waits; the customer's next word releases the present state, once, for nothing where the
//! channel answers for nothing.

use super::chain::{LAN, MEI};
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::Say;

macro_rules! alone {
    ($channel:literal) => {
        customers!(["order_placed", "payment_received", "shipped"] => [$channel])
    };
}

/// Three states that wait on `channel`, then "hi": one message, the latest. Gives its form.
async fn three_and_hi(mut w: World, order: Tea, channel: &str, person: &str, reason: &str) -> &'static str {
    let mut order = order;
    (order.paid, order.status, order.method) = (None, "pending", "ecpay_credit");
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    w.pass(600).await;
    (order.paid, order.status) = (Some(w.now()), "processing");
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    w.pass(600).await;
    order.ship("F12345678901", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    for milestone in ["order_placed", "payment_received", "shipped"] {
        let stands = w.stands("tea", order.id, milestone).await;
        assert_eq!((stands.0.as_str(), stands.1.as_str()), ("open", reason), "{channel} {milestone}");
    }
    let asked = w.mock.refused().len();
    w.say(channel, person, Say::Text("hi".into())).await;
    let news = w.news();
    assert_eq!(news.len(), 1, "{channel}: {}", shown(&news));
    assert!(news[0].text.contains("F12345678901"), "the latest: {}", shown(&news));
    assert_eq!(w.mock.refused().len(), asked, "{channel}: nothing was tried in vain");
    w.say(channel, person, Say::Text("thanks".into())).await;
    w.pass(120).await;
    assert_eq!(forms(&w.news()), [], "{channel}: once");
    let form = news[0].form;
    w.end().await;
    form
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_line_a_word_is_answered_for_nothing_where_the_quota_is_spent() {
    let mut w = World::start(Setup { routes: alone!("line-main"), quota: Some(1), ..Setup::default() }).await;
    let first = Tea::paid(1, w.now()).mail("").line(&MEI.replace('4', "5"));
    assert_eq!(forms(&w.told(&first.webhook(w.now())).await), [("line", "push")], "the month's last");
    let order = Tea::paid(2, w.now()).mail("").line(MEI);
    assert_eq!(three_and_hi(w, order, "line", MEI, "quota_spent").await, "reply");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_messenger_a_word_opens_the_window() {
    let w = World::chain(alone!("messenger-page")).await;
    let order = Tea::paid(1, w.now()).mail("").messenger(LAN);
    assert_eq!(three_and_hi(w, order, "messenger", LAN, "window_closed").await, "update");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_whatsapp_a_word_opens_the_window() {
    let channels = &[("whatsapp", "opt_in_at_checkout = true")];
    let w = World::start(Setup { routes: alone!("whatsapp"), channels, ..Setup::default() }).await;
    let order = Tea::paid(1, w.now()).mail("").phone("0912-345-678");
    assert_eq!(three_and_hi(w, order, "whatsapp", "+886912345678", "window_closed").await, "text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_shown_with_its_end() {
    let w = World::chain(alone!("messenger-page")).await;
    w.post(&Tea::paid(1, w.now()).mail("").messenger(LAN).webhook(w.now())).await;
    w.rest().await;
    let stands = w.view("tea", 1).await.people.remove(0);
    assert_eq!((stands.channel.as_str(), stands.window_until), ("messenger-page", None), "closed");
    let before = w.now();
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    let until = w.view("tea", 1).await.people.remove(0).window_until.expect("open");
    let hours = (until.as_second() - before.as_second()) as f64 / 3600.0;
    assert!((23.8..24.0).contains(&hours), "{hours}");
    w.pass(24 * 3600).await;
    assert_eq!(w.view("tea", 1).await.people.remove(0).window_until, None, "over");
    w.end().await;
}
