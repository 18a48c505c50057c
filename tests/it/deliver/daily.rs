//! How many messages one person gets on one account within a day: nobody is flooded, and nothing is lost in silence.

use super::chain::MEI;
use super::shops::Tea;
use super::world::{World, customers, forms, shown};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::person::Address;
use orderwire::mock::{Fault, FaultKind};
use orderwire::store::day::DayAsk;
use orderwire::store::keys::Unit;

const TWO: &str = concat!("[worker]\nperson_a_day = 2\n", customers!(["order_placed"] => ["line-main"]));
const ONE: &str = concat!("[worker]\nperson_a_day = 1\n", customers!(["order_placed", "preparing"] => ["line-main"]));
const ONE_THEN_MAIL: &str =
    concat!("[worker]\nperson_a_day = 1\n", customers!(["order_placed", "preparing"] => ["line-main", "mail"]));
const OTHER: &str = "U00000000000000000000000000000abc";
const DAY: i64 = 86_400;

fn capped() -> (String, String, String) {
    ("open".into(), "recipient_capped".into(), String::new())
}

/// Somebody writes a stranger's address into one cart after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_not_flooded_and_nothing_is_lost() {
    let mut w = World::chain(TWO).await;
    for id in 1..=6 {
        let news = w.told(&Tea::paid(id, w.now()).line(MEI).webhook(w.now())).await;
        // Records pass up to twice the number.
        assert_eq!(news.len(), usize::from(id <= 4), "order {id}: {}", shown(&news));
    }
    for id in 5..=6 {
        assert_eq!(w.stands("tea", id, "order_placed").await, capped(), "order {id}");
    }
    let item = w.items("tea", 5, "order_placed").await.remove(0);
    assert_eq!(item.attempts, 0, "nothing was tried");
    // Nobody else waits for them.
    assert_eq!(w.told(&Tea::paid(7, w.now()).line(OTHER).webhook(w.now())).await.len(), 1);
    assert_eq!(w.later(DAY - 120).await.len(), 0);
    let news = w.later(180).await;
    assert_eq!(forms(&news), [("line", "push"), ("line", "push")], "told when a day is over: {}", shown(&news));
    w.end().await;
}

/// Mere news waits first; what a newer day has no place for either expires, and says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_waits_where_records_pass_and_expires_for_this_reason() {
    let mut w = World::chain(ONE).await;
    let mut order = Tea::paid(1, w.now()).line(MEI);
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 1);
    w.pass(60).await;
    order.status = "preparing";
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 0);
    assert_eq!(w.stands("tea", 1, "preparing").await, capped());
    w.pass(3600).await;
    assert_eq!(w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await.len(), 1, "a record passes");
    assert_eq!(w.told(&Tea::paid(3, w.now()).line(MEI).webhook(w.now())).await.len(), 0, "once");
    assert_eq!(w.stands("tea", 3, "order_placed").await, capped());
    // The first place is free again, the second is not; that would be too late.
    let news = w.later(DAY - 3600).await;
    assert_eq!((news.len(), w.stands("tea", 3, "order_placed").await.0.as_str()), (1, "sent"), "{}", shown(&news));
    let (state, reason, _) = w.stands("tea", 1, "preparing").await;
    assert_eq!((state.as_str(), reason.as_str()), ("expired", "recipient_capped"));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_too_late_goes_on_to_the_next_channel() {
    let mut w = World::chain(ONE_THEN_MAIL).await;
    let mut order = Tea::paid(1, w.now()).line(MEI);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("line", "push")]);
    w.pass(60).await;
    order.status = "preparing";
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 0, "the customer is used to LINE");
    w.pass(3600).await;
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await), [("line", "push")]);
    let news = w.later(DAY - 3640).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "preparing").await.2, "mail");
    assert!(w.ledger("tea", 1).await.contains("recipient_capped"), "the ledger says why it was not LINE");
    w.end().await;
}

/// A message has one place however often it is tried, and a place is not given to another when its taker dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_one_place_however_often_it_is_tried() {
    let mut w = World::chain(ONE).await;
    w.mock.fault(Fault::new("line", FaultKind::Rate429).times(2));
    assert_eq!(w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await.len(), 0);
    assert_eq!(w.later(61).await.len(), 0);
    assert_eq!(w.later(61).await.len(), 1);
    assert_eq!(w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await.len(), 1, "two places, two messages");
    assert_eq!(w.told(&Tea::paid(3, w.now()).line(MEI).webhook(w.now())).await.len(), 0);
    let (store, now) = (&w.relay.app.store, w.now());
    let (channel, person) = ("line-main".into(), Address::new("line", OTHER));
    let member = store.member(&Unit::order(&"tea".into(), "9"));
    let ask = |item| {
        [DayAsk { channel: "line-main".into(), person: person.clone(), member: member.clone(), item, places: 1 }]
    };
    let free = async |item, at| store.day_places(&ask(item), at).await.remove(0).expect("an answer");
    assert_eq!(free(1, now).await, None);
    // Whoever took it died here: nobody else has it, and the next try of the same message does.
    assert_eq!(free(2, plus_secs(now, 3600)).await, Some(plus_secs(now, DAY)));
    assert_eq!(free(1, plus_secs(now, 7200)).await, None, "its own, for a day from now");
    assert_eq!(free(2, plus_secs(now, DAY)).await, Some(plus_secs(now, DAY + 7200)));
    assert_eq!(free(2, plus_secs(now, DAY + 7200)).await, None);
    // A clock that was days ahead holds nobody up now that it is right.
    assert_eq!(free(3, now).await, None);
    assert!(store.forget_person(&channel, &person).await.is_ok());
    assert_eq!(free(4, now).await, None, "who is forgotten has had nothing");
    w.end().await;
}
