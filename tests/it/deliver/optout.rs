//! Switching order updates off and on, in every language, on each messenger, and right before a send.

use super::shops::Tea;
use super::world::{World, customers, forms, shown};
use orderwire::mock::Say;

const LINE: &str = customers!(["order_placed"] => ["line-main"]);
const PAGE: &str = customers!(["order_placed"] => ["messenger-page"]);

const WORDS: [(&str, &str); 4] = [
    ("STOP", "start"),
    ("退订", "继续接收"),
    ("關閉訂單通知", "繼續接收"),
    ("Tắt thông báo đơn hàng", "Tiếp tục nhận"),
];

/// In each language: off, still off after other words, on again.
async fn off_and_on(channel: &'static str, routes: &'static str, person_of: fn(u64) -> String) {
    let mut w = World::chain(routes).await;
    for (i, (off, on)) in (0_u64..).zip(WORDS) {
        let person = person_of(i);
        let order = |id: u64, w: &World| {
            let order = Tea::paid(id, w.now()).mail("");
            if channel == "line" { order.line(&person) } else { order.messenger(&person) }
        };
        w.say(channel, &person, Say::Text(off.into())).await;
        assert_eq!(w.news().len(), 1, "it is answered");
        let news = w.told(&order(10 * i + 1, &w).webhook(w.now())).await;
        assert_eq!(forms(&news), [], "{off}: {}", shown(&news));
        assert_eq!(w.stands("tea", 10 * i + 1, "order_placed").await.1, "opted_out", "{off} on {channel}");
        // Writing about something else does not switch on again.
        w.say(channel, &person, Say::Text("where is my order?".into())).await;
        assert_eq!(w.news().len(), 1, "it is answered");
        let news = w.told(&order(10 * i + 2, &w).webhook(w.now())).await;
        assert_eq!(forms(&news), [], "{off}: {}", shown(&news));
        w.say(channel, &person, Say::Text(on.into())).await;
        assert_eq!(w.news().len(), 1, "it is answered");
        let news = w.told(&order(10 * i + 3, &w).webhook(w.now())).await;
        assert_eq!(news.len(), 1, "{on} on {channel}: {}", shown(&news));
        assert_eq!((news[0].channel, news[0].to.as_str()), (channel, person.as_str()));
    }
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_switches_off_and_on_in_every_language_on_line() {
    off_and_on("line", LINE, |i| format!("U{i:032x}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_switches_off_and_on_in_every_language_on_messenger() {
    off_and_on("messenger", PAGE, |i| format!("720000000000000{i}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_between_the_webhook_and_the_send_is_heard() {
    let mut w =
        World::start(super::world::Setup { shop: "", routes: LINE, slow: true, ..super::world::Setup::default() })
            .await;
    w.post(&Tea::paid(1, w.now()).line(super::chain::MEI).webhook(w.now())).await;
    w.rest().await;
    assert_eq!(w.stands("tea", 1, "order_placed").await, ("open".into(), "settling".into(), String::new()));
    w.say("line", super::chain::MEI, Say::Text("停止".into())).await;
    assert_eq!(w.news().len(), 1, "it is answered");
    assert_eq!(forms(&w.later(25).await), []);
    let (state, reason, _) = w.stands("tea", 1, "order_placed").await;
    assert_eq!((state.as_str(), reason.as_str()), ("skipped", "opted_out"));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_hears_nothing_until_they_come_back() {
    let mut w = World::chain(LINE).await;
    let mei = super::chain::MEI;
    w.say("line", mei, Say::Follow).await;
    // The follow brought a reply token; a minute later it is worth nothing.
    w.pass(61).await;
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(mei).webhook(w.now())).await), [("line", "push")]);
    w.say("line", mei, Say::Unfollow).await;
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(mei).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 2, "order_placed").await.1, "recipient_blocked");
    w.say("line", mei, Say::Follow).await;
    assert_eq!(forms(&w.told(&Tea::paid(3, w.now()).line(mei).webhook(w.now())).await), [("line", "reply")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_back_does_not_undo_a_no() {
    let mut w = World::chain(LINE).await;
    let mei = super::chain::MEI;
    w.say("line", mei, Say::Text("STOP".into())).await;
    assert_eq!(w.news().len(), 1, "it is answered");
    w.say("line", mei, Say::Unfollow).await;
    w.say("line", mei, Say::Follow).await;
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(mei).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.1, "opted_out");
    w.end().await;
}
