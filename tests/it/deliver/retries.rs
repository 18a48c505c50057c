//! Sends that fail: what is repeated, how often, and what is not.

use super::chain::MEI;
use super::shops::{Tea, Wood};
use super::world::{World, customers, forms, shown};
use orderwire::flow::replay::{self, Filter, Request};
use orderwire::mock::{Fault, FaultKind};

const STAFF: &str = r#"
[[route]]
id = "staff"
milestones = ["order_placed", "preparing", "delivery_failed"]
audience = "staff"
channels = ["desk"]
"#;

const MAIL: &str = customers!(["order_placed", "payment_received", "shipped"] => ["mail"]);

/// Slack knows no key: a 500 may have been shown. Progress is never repeated, a record once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_progress_is_never_repeated_and_a_record_once() {
    let mut w = World::chain(STAFF).await;
    let fault = || Fault::new("slack", FaultKind::Status(500, "server_error".into()));
    w.mock.fault(fault());
    let mut order = Tea::paid(1, w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "again");
    let news = w.later(20).await;
    assert_eq!(forms(&news), [("slack", "webhook")], "{}", shown(&news));
    // Progress.
    order.status = "packing";
    w.mock.fault(fault());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "preparing").await, ("unsure".into(), "maybe_told".into(), "desk".into()));
    assert_eq!(forms(&w.later(3600).await), []);
    // A record whose second try is lost too.
    w.mock.fault(fault().times(2));
    w.told(&Tea::paid(2, w.now()).webhook(w.now())).await;
    w.pass(20).await;
    assert_eq!(w.stands("tea", 2, "order_placed").await.0, "unsure");
    assert_eq!(forms(&w.later(86_400).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_bounded_and_what_never_goes_ends_with_a_reason() {
    let mut w = World::start(super::world::Setup {
        routes: MAIL,
        channels: &[("mail", "per_second = 100")],
        ..super::world::Setup::default()
    })
    .await;
    let never = Fault::new("smtp", FaultKind::SmtpData(451, "4.3.0 try again".into())).times(10_000);
    w.mock.fault(never.only_to("mei@example.com"));
    w.post(&Tea::paid(1, w.now()).webhook(w.now())).await;
    let mut state = String::new();
    for others in 2..300 {
        // The mailbox of everybody else works, so it is the message, not the channel.
        w.post(&Tea::paid(others, w.now()).mail("lin@example.com").webhook(w.now())).await;
        w.pass(1_000).await;
        state = w.stands("tea", 1, "order_placed").await.0;
        if state != "open" {
            break;
        }
    }
    let item = w.items("tea", 1, "order_placed").await.remove(0);
    assert_eq!((state.as_str(), item.reason.as_deref()), ("dead", Some("attempts_spent")), "{item:?}");
    assert_eq!(item.attempts, 25);
    assert_eq!(10_000 - w.mock.faults()[0].times, 25, "no more sends than attempts");
    assert!(w.news().iter().all(|t| t.to == "lin@example.com"));
    let dead = orderwire::flow::queue::dead(&w.relay.app, None, 10).await.expect("a page").items;
    assert!(
        dead.iter().any(|d| d.milestone == "order_placed" && d.reason.as_deref() == Some("attempts_spent")),
        "{dead:?}"
    );
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_while_it_is_tried_again_says_so() {
    let w = World::chain(customers!(["out_for_delivery"] => ["mail"])).await;
    w.mock.fault(Fault::new("smtp", FaultKind::SmtpData(451, "4.3.0 try again".into())).times(10_000));
    let mut order = Wood::paid(1, w.now());
    order.ship("1Z1", w.now());
    order.scan("out_for_delivery", w.now());
    w.post(&order.webhook(w.now())).await;
    w.rest().await;
    assert_eq!(w.stands("wood", 1, "out_for_delivery").await.1, "retrying");
    // Worth something on that day only.
    for _ in 0..25 {
        w.pass(3600).await;
    }
    let (state, reason, _) = w.stands("wood", 1, "out_for_delivery").await;
    assert_eq!((state.as_str(), reason.as_str()), ("expired", "retrying"));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_of_which_nobody_heard_goes_once_more_and_no_more() {
    let mut w = World::start(super::world::Setup {
        routes: MAIL,
        channels: &[("mail", "timeout = \"1s\"")],
        ..super::world::Setup::default()
    })
    .await;
    w.mock.fault(Fault::new("smtp", FaultKind::HangAfter(0)).times(2));
    let mut news = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    news.extend(w.later(20).await);
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "unsure");
    news.extend(w.later(3600).await);
    // The second is the same mail, by its Message-ID: the receiver may merge them.
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.sent().len(), 2);
    w.end().await;
}

/// What may have arrived is replayed under the key it had, so that LINE itself refuses a double.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_what_may_have_been_told_keeps_its_key() {
    let mut w = World::chain(customers!(["order_placed"] => ["line-main"])).await;
    w.mock.fault(Fault::new("line", FaultKind::CutAfter));
    w.mock.fault(Fault::new("line", FaultKind::Status(400, r#"{"message":"The property is invalid"}"#.into())));
    let news = w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line", "push")], "it arrived, and nobody heard of it");
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "again");
    w.pass(20).await;
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "unsure");
    let filter = Filter { shop: Some("tea".into()), outcome: Some("unsure".into()), ..Filter::default() };
    let reason = Some("the customer asks".to_string());
    let again = Request { filter, execute: true, force: true, reason, ..Request::default() };
    let page = replay::page(&w.relay.app, &again, "test").await.expect("a page");
    assert_eq!(page.lines.iter().map(|l| l.action.as_str()).collect::<Vec<_>>(), ["again"], "{:?}", page.lines);
    assert_eq!(forms(&w.later(20).await), [], "LINE knows the key");
    let ends: Vec<_> = w.items("tea", 1, "order_placed").await.into_iter().map(|i| i.state).collect();
    assert_eq!(ends, ["unsure", "sent"]);
    assert!(w.ledger("tea", 1).await.contains("taken before"));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_answers_do_not_stop_the_worker() {
    use orderwire::mock::Wrong;
    let mut w = World::start(super::world::Setup {
        routes: r#"
[[route]]
id = "customers"
milestones = ["order_placed", "payment_received"]
audience = "customer"
channels = ["line-main"]
[[route]]
id = "staff"
milestones = ["order_placed"]
audience = "staff"
channels = ["desk"]
"#,
        channels: &[("line-main", "timeout = \"2s\""), ("desk", "timeout = \"2s\"")],
        ..super::world::Setup::default()
    })
    .await;
    let odd = [
        FaultKind::WrongEncoding(Wrong::Gzip),
        FaultKind::WrongEncoding(Wrong::Utf8),
        FaultKind::WrongEncoding(Wrong::Html),
        FaultKind::EndlessBody,
    ];
    for (id, kind) in (1..).zip(odd) {
        let user = format!("U{id:032x}");
        w.mock.fault(Fault::new("line", kind.clone()).only_to(&user));
        w.mock.fault(Fault::new("slack", kind));
        w.post(&Tea::paid(id, w.now()).line(&user).webhook(w.now())).await;
        w.rest().await;
        // Whatever was answered, the key makes one message of it.
        w.pass(700).await;
        w.pass(700).await;
        let items = w.items("tea", id, "order_placed").await;
        let line = items.iter().find(|i| i.route == "customers").expect("the customer's");
        assert_eq!(line.state, "sent", "{id}: {line:?}");
        let lined: Vec<_> = w.mock.sent().into_iter().filter(|t| t.to == user && !t.duplicate).collect();
        assert_eq!(lined.len(), 1, "{}", shown(&lined));
    }
    w.news();
    let news = w.told(&Tea::paid(99, w.now()).line("U000000000000000000000000000000ff").webhook(w.now())).await;
    assert_eq!(super::world::channels(&news), ["line", "slack"], "{}", shown(&news));
    w.end().await;
}
