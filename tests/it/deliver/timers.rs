//! What only time reaches: it falls due by itself, and is dropped when the order has moved on.

use super::shops::{Tea, Wood};
use super::world::{Setup, World, customers, forms, shown};

const MAIL: &str = customers!(["payment_expiring", "pickup_reminder", "delivery_delayed"] => ["mail"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_to_pay_runs_out_for_those_who_have_not_paid() {
    let mut w = World::start(Setup {
        routes: MAIL,
        shop: "payment_deadline = \"2h\"\npayment_reminder = \"30m\"",
        ..Setup::default()
    })
    .await;
    let slow = Tea::unpaid(1, w.now());
    let mut quick = Tea::unpaid(2, w.now());
    let mut gone = Tea::unpaid(3, w.now());
    for order in [&slow, &quick, &gone] {
        assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
        assert_eq!(w.stands("tea", order.id, "payment_expiring").await.1, "not_due");
    }
    assert_eq!(forms(&w.later(3600).await), []);
    (quick.status, quick.paid) = ("processing", Some(w.now()));
    w.told(&quick.webhook(w.now())).await;
    gone.status = "cancelled";
    w.told(&gone.webhook(w.now())).await;
    let news = w.later(1800 + 5).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert!(news[0].text.contains('1'), "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "payment_expiring").await.0, "sent");
    for id in [2, 3] {
        assert_eq!(
            w.stands("tea", id, "payment_expiring").await,
            ("skipped".into(), "moved_on".into(), String::new()),
            "{id}"
        );
    }
    assert_eq!(forms(&w.later(86_400).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_that_waits_is_brought_to_mind_unless_it_was_fetched() {
    let mut w = World::start(Setup {
        routes: MAIL,
        shop: "pickup_days = \"7d\"\npickup_reminder = \"1d\"",
        ..Setup::default()
    })
    .await;
    let mut orders = [Tea::paid(1, w.now()), Tea::paid(2, w.now())];
    for order in &mut orders {
        order.status = "ry-at-cvs";
        assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    }
    w.pass(5 * 86_400).await;
    orders[1].status = "picked-up";
    w.told(&orders[1].webhook(w.now())).await;
    assert_eq!(forms(&w.news()), []);
    let news = w.later(86_400 + 60).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "pickup_reminder").await.0, "sent");
    assert_eq!(w.stands("tea", 2, "pickup_reminder").await.1, "moved_on");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_without_a_scan_is_late_after_its_time() {
    let mut w = World::start(Setup { routes: MAIL, shop: "late_after = \"5d\"", ..Setup::default() }).await;
    let mut orders = [Wood::paid(1, w.now()), Wood::paid(2, w.now()), Wood::paid(3, w.now())];
    for order in &orders {
        w.told(&order.webhook(w.now())).await;
    }
    w.pass(86_400).await;
    for order in orders.iter_mut().take(2) {
        order.ship("1Z1", w.now());
        w.told(&order.webhook(w.now())).await;
    }
    w.pass(86_400).await;
    orders[1].scan("in_transit", w.now());
    w.told(&orders[1].webhook(w.now())).await;
    assert_eq!(forms(&w.news()), []);
    // Three days on, the order that never left is five days old.
    let news = w.later(3 * 86_400 + 60).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert!(news[0].title.contains("#3"), "{}", shown(&news));
    // A day later, the parcel that nobody scanned; the scanned one is on its way.
    let news = w.later(86_400).await;
    assert_eq!(news.len(), 1, "{}\n{:#?}", shown(&news), w.items("wood", 1, "delivery_delayed").await);
    assert!(news[0].title.contains("#1"), "{}", shown(&news));
    assert!(w.items("wood", 2, "delivery_delayed").await.iter().all(|i| i.reason.as_deref() == Some("moved_on")));
    w.end().await;
}
