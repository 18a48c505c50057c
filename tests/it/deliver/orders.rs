//! What an order owes, and what it does not: joined, superseded, old, deleted, for trying out, from a till.

use super::chain::MEI;
use super::shops::{Tea, Wood};
use super::world::{Setup, World, customers, forms, shown};
use orderwire::domain::consent::Source;
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::ledger::Entry;
use orderwire::mock::Say;
use orderwire::store::keys::Unit;
use serde_json::json;

const MAIL: &str = customers!(["*"] => ["mail"]);

async fn unowed(w: &World, shop: &str, id: u64, milestone: &str) -> Option<String> {
    let view = w.view(shop, id).await;
    view.ledger.into_iter().find_map(|e| match e.what {
        Entry::Unowed { milestone: m, reason, .. } if m == milestone => Some(reason),
        _ => None,
    })
}

/// A payment service names its deadline minutes after the order, and it is sooner than the shop's own: the reminder
/// goes before that one, though the order was to rest until the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_that_moves_forward_is_not_slept_through() {
    let routes = customers!(["order_placed", "payment_expiring"] => ["mail"]);
    let at = Some("2026-11-24T02:00:00Z");
    let mut w = World::start(Setup { routes, shop: "payment_deadline = \"5d\"", at, ..Setup::default() }).await;
    let mut order = Tea::unpaid(1, w.now());
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 1, "placed");
    assert_eq!(w.items("tea", 1, "payment_expiring").await[0].reason.as_deref(), Some("not_due"));
    order.meta.push(("_ecpay_atm_vAccount", json!("9103522850")));
    order.meta.push(("_ecpay_atm_ExpireDate", json!("2026/11/25")));
    w.pass(120).await;
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 0, "nothing is due");
    // The 25th ends at 16:00 UTC; six hours before that is 32 h from the start.
    assert_eq!(w.later(31 * 3600).await.len(), 0);
    let news = w.later(2 * 3600).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert!(news[0].text.contains("9103522850"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_together_is_told_together() {
    let mut w = World::start(Setup { routes: MAIL, slow: true, ..Setup::default() }).await;
    let mut order = Wood::paid(1, w.now());
    order.financial = "pending";
    w.post(&order.webhook(w.now())).await;
    w.pass(5).await;
    order.financial = "paid";
    w.post(&order.webhook(w.now())).await;
    w.rest().await;
    assert_eq!(forms(&w.news()), [], "it is gathered");
    let news = w.later(21).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert_eq!(news[0].title, "Order #1 received and paid");
    let (state, reason, _) = w.stands("wood", 1, "payment_pending").await;
    assert!(state == "superseded" || reason == "moved_on", "{state} {reason}");
    let paid = w.items("wood", 1, "payment_received").await.remove(0);
    assert_eq!(
        (paid.state.as_str(), paid.told_with),
        ("sent", w.items("wood", 1, "order_placed").await.first().map(|i| i.item))
    );
    assert_eq!(forms(&w.later(600).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_follows_within_the_minute_is_told_with_the_parcel() {
    let mut w = World::start(Setup { routes: MAIL, slow: true, ..Setup::default() }).await;
    let mut order = Wood::paid(1, w.now());
    w.post(&order.webhook(w.now())).await;
    w.pass(25).await;
    w.news();
    order.ship("", w.now());
    w.post(&order.webhook(w.now())).await;
    assert_eq!(forms(&w.later(60).await), [], "it waits for its number");
    let left = order.fulfillments[0]["created_at"].clone();
    order.fulfillments.clear();
    order.ship("1Z999AA10123456784", w.now());
    order.fulfillments[0]["created_at"] = left;
    w.post(&order.webhook(w.now())).await;
    let news = w.later(95).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert!(news[0].text.contains("1Z999AA10123456784"), "{}", shown(&news));
    assert_eq!(forms(&w.later(600).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_after_something_newer() {
    let mut w = World::start(Setup { routes: MAIL, slow: true, ..Setup::default() }).await;
    let made = w.now();
    let mut order = Wood::paid(1, made);
    w.pass(60).await;
    order.ship("1Z1", w.now());
    let shipped = order.webhook(w.now());
    w.pass(60).await;
    order.scan("out_for_delivery", w.now());
    let out = order.webhook(w.now());
    w.pass(60).await;
    order.scan("delivered", w.now());
    let delivered = order.webhook(w.now());
    w.post(&delivered).await;
    w.pass(25).await;
    let news = w.news();
    assert!(news.last().is_some_and(|t| t.title.contains("delivered")), "{}", shown(&news));
    let after = w.told(&out).await;
    assert_eq!(forms(&after), [], "{}", shown(&after));
    w.post(&shipped).await;
    let after = w.later(120).await;
    assert_eq!(forms(&after), [], "{}", shown(&after));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_order_tells_only_what_happens_from_now_on() {
    let mut w = World::chain(MAIL).await;
    let mut order = Wood::paid(1, w.now());
    w.pass(3 * 86_400).await;
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(unowed(&w, "wood", 1, "order_placed").await.as_deref(), Some("import_guard"));
    w.pass(60).await;
    order.ship("1Z1", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_order_reaches_only_those_who_try() {
    let mut w = World::chain(MAIL).await;
    let mut order = Wood::paid(1, w.now());
    order.test = true;
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("wood", 1, "order_placed").await, ("skipped".into(), "test_order".into(), String::new()));
    let mut order = Wood::paid(2, w.now());
    (order.test, order.email) = (true, "owner@example.com");
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_till_order_is_told_only_where_the_route_asks_for_it() {
    let mut w = World::chain(
        r#"
[[route]]
id = "till"
milestones = ["order_placed"]
audience = "customer"
when = "order.source.kind == 'pos'"
channels = ["mail"]
[[route]]
id = "customers"
milestones = ["*"]
audience = "customer"
channels = ["mail"]
"#,
    )
    .await;
    let mut till = Wood::paid(1, w.now());
    till.source = "pos";
    let news = w.told(&till.webhook(w.now())).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert_eq!(unowed(&w, "wood", 1, "payment_received").await.as_deref(), Some("no_route"));
    // The first route that matches decides, also where its condition is not true.
    let web = Wood::paid(2, w.now());
    let news = w.told(&web.webhook(w.now())).await;
    assert_eq!(news.len(), 1, "paid only: {}", shown(&news));
    assert_eq!(w.stands("wood", 2, "order_placed").await.1, "condition_false");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_order_is_silent() {
    let mut w = World::start(Setup { routes: MAIL, slow: true, ..Setup::default() }).await;
    let order = Tea::paid(1, w.now());
    w.post(&order.webhook(w.now())).await;
    w.post(&order.deleted()).await;
    assert_eq!(forms(&w.later(30).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await, ("skipped".into(), "order_deleted".into(), String::new()));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_milestone_that_no_route_wants_is_explained() {
    let mut w = World::chain(
        r#"
[[route]]
id = "customers"
milestones = ["shipped"]
audience = "customer"
when = "order.total >= 1000"
channels = ["mail"]
"#,
    )
    .await;
    let mut order = Tea::paid(1, w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(unowed(&w, "tea", 1, "order_placed").await.as_deref(), Some("no_route"));
    order.ship("F1", w.now());
    assert_eq!(w.told(&order.webhook(w.now())).await.len(), 1);
    let mut small = Tea::paid(2, w.now());
    small.total = "900";
    small.ship("F2", w.now());
    assert_eq!(forms(&w.told(&small.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 2, "shipped").await, ("skipped".into(), "condition_false".into(), String::new()));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_can_be_muted_on_a_channel() {
    let mut w = World::chain(customers!(["order_placed", "shipped"] => ["line-main", "mail"])).await;
    let mut order = Tea::paid(1, w.now()).line(MEI);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("line", "push")]);
    let app = w.relay.app.clone();
    let member = app.store.member(&Unit::order(&ShopId::from("tea"), "1"));
    assert!(app.store.mute(&member, ChannelId::from("line-main").tag(), true, Source::Operator).await.expect("muted"));
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    assert!(w.ledger("tea", 1).await.contains(r#"["line-main","order_muted"]"#));
    // Only this order.
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await), [("line", "push")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_an_address_says_what_would_help() {
    let mut w = World::chain(MAIL).await;
    assert_eq!(forms(&w.told(&Wood { email: "", ..Wood::paid(1, w.now()) }.webhook(w.now())).await), []);
    assert_eq!(w.stands("wood", 1, "order_placed").await, ("skipped".into(), "no_address".into(), String::new()));
    // A person who writes to the page is nobody of this order.
    w.say("messenger", super::chain::LAN, Say::Text("hi".into())).await;
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}
