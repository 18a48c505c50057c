//! The chain of a route: the first channel that may and can; copies besides; what was passed over, and why.

use super::shops::Tea;
use super::world::{World, channels, customers, forms, shown};
use orderwire::mock::{Become, Say};

pub const MEI: &str = "U4af4980629b0e1f2d3c4b5a697887766";
pub const LAN: &str = "7200000000000001";

const ALL_THREE: &str =
    customers!(["order_placed", "payment_received", "shipped"] => ["line-main", "messenger-page", "mail"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_line_id_falls_to_the_next_channel_and_is_remembered() {
    let mut w = World::chain(ALL_THREE).await;
    w.mock.person("line", MEI, Become::Unknown);
    let mut order = Tea::paid(1, w.now()).line(MEI);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "order_placed").await, ("sent".into(), String::new(), "mail".into()));
    let ledger = w.ledger("tea", 1).await;
    assert!(ledger.contains("\"verdict\":\"unreachable\"") && ledger.contains("recipient_invalid"), "{ledger}");
    assert!(ledger.contains(r#"["messenger-page","address_unlinked"]"#), "{ledger}");
    // LINE forbids to write on to an id that it does not know: the next message does not even try.
    order.ship("F1", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    let ledger = w.ledger("tea", 1).await;
    assert!(ledger.contains(r#"["line-main","recipient_invalid"]"#), "{ledger}");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_on_line_and_blocked_the_page_gets_mail() {
    let mut w = World::chain(ALL_THREE).await;
    w.say("line", MEI, Say::Unfollow).await;
    w.say("messenger", LAN, Say::Text("hello".into())).await;
    w.mock.person("messenger", LAN, Become::Blocked);
    let order = Tea::paid(1, w.now()).line(MEI).messenger(LAN);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    let ledger = w.ledger("tea", 1).await;
    assert!(ledger.contains(r#"["line-main","recipient_blocked"]"#), "{ledger}");
    assert!(ledger.contains("recipient_blocked: 551"), "{ledger}");
    assert_eq!(w.mock.refused().iter().filter(|r| r.channel == "messenger").count(), 1);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_besides_whatever_happens_in_the_chain() {
    let mut w = World::chain(customers!(["order_placed"] => ["line-main"], also ["mail"])).await;
    let news = w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(channels(&news), ["line", "smtp"], "{}", shown(&news));
    // The chain ends without a message; its copy does not.
    w.say("line", MEI, Say::Unfollow).await;
    let news = w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(channels(&news), ["smtp"]);
    let items = w.items("tea", 2, "order_placed").await;
    let of = |slot: &str| items.iter().find(|i| i.slot == slot).map(|i| (i.state.as_str(), i.reason.as_deref()));
    assert_eq!(of("main"), Some(("skipped", Some("recipient_blocked"))));
    assert_eq!(of("also:mail"), Some(("sent", None)));
    // Nor does the copy's end touch the chain.
    let news = w.told(&Tea::paid(3, w.now()).line("U00000000000000000000000000000abc").mail("").webhook(w.now())).await;
    assert_eq!(channels(&news), ["line"]);
    w.end().await;
}
