//! What providers say of messages later: delivered, read, never arrived.

use super::chain::LAN;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::{ReceiptOf, ReceiptState};
use orderwire::mock::{Fault, FaultKind, Say};

const PAGE: &str = customers!(["order_placed", "payment_received", "shipped"] => ["messenger-page"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_then_read_up_to_a_moment() {
    let mut w = World::chain(PAGE).await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    let mut order = Tea::paid(1, w.now()).messenger(LAN);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.pass(2).await;
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    w.comes_to("tea", 1, "shipped", "delivered").await;
    w.pass(2).await;
    // One word for all messages so far.
    w.say("messenger", LAN, Say::Read).await;
    w.comes_to("tea", 1, "order_placed", "read").await;
    w.comes_to("tea", 1, "shipped", "read").await;
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joined_item_moves_with_its_message() {
    let mut w = World::chain(PAGE).await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    assert_eq!(w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await.len(), 1);
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.comes_to("tea", 1, "payment_received", "delivered").await;
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_comes_before_the_answer_is_kept_for_it() {
    let mut w = World::chain(PAGE).await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    w.mock.fault(Fault::new("messenger", FaultKind::SlowAnswer(600)));
    let news = w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_settles_what_nobody_answered() {
    let mut w =
        World::start(Setup { routes: PAGE, channels: &[("messenger-page", "timeout = \"2s\"")], ..Setup::default() })
            .await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    w.mock.fault(Fault::new("messenger", FaultKind::CutAfter));
    let mut news = w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    // Its provider's id was in the answer that never came: delivery cannot be told of it, that it exists can.
    w.comes_to("tea", 1, "order_placed", "sent").await;
    w.comes_to("tea", 1, "payment_received", "sent").await;
    news.extend(w.later(3600).await);
    assert_eq!(forms(&news), [("messenger", "update")], "the echo says that it is there: {}", shown(&news));
    w.end().await;
}

/// The provider says later that a message did not arrive: the rest of its chain carries all that was in it, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_arrive_goes_on_to_the_next_channel_once() {
    let mut w = World::chain(customers!(["order_placed", "payment_received"] => ["messenger-page", "mail"])).await;
    w.say("messenger", LAN, Say::Text("hi".into())).await;
    // The page reports nothing of its own.
    w.mock.set_relay(None);
    let news = w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    let of = ReceiptOf::ProviderId(news[0].ids[0].clone());
    for _ in 0..2 {
        let (page, state) = (ChannelId::from("messenger-page"), ReceiptState::Undelivered("551".into()));
        w.relay.app.store.receipt(&page, &of, None, &state, w.now()).await.expect("laid");
        w.tick().await;
        w.rest().await;
    }
    let news = w.news();
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(news[0].title, "訂單#1已成立並完成付款");
    for milestone in ["order_placed", "payment_received"] {
        let items = w.items("tea", 1, milestone).await;
        let states: Vec<_> = items.iter().map(|i| (i.state.as_str(), i.channel.as_deref())).collect();
        assert_eq!(states, [("undelivered", Some("messenger-page")), ("sent", Some("mail"))], "{milestone}");
    }
    w.end().await;
}
