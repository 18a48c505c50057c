//! Quiet hours: progress waits for the morning where the customer is; what needs them, and records, pass.

use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::domain::clock::Timestamp;
use std::collections::BTreeSet;

const MAIL: &str = customers!(["*"] => ["mail"]);

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_waits_for_the_morning_where_the_customer_is() {
    let mut w = World::start(Setup {
        routes: MAIL,
        shop: "quiet = { hours = \"22:00-08:00\", spread = \"30m\" }",
        // 23:00 in Taipei, 22:00 in Ho Chi Minh City.
        at: Some("2026-11-26T15:00:00Z"),
        ..Setup::default()
    })
    .await;
    let mut orders: Vec<Tea> = (1..=6).map(|id| Tea::paid(id, w.now())).collect();
    orders[5].country = "VN";
    for order in &mut orders {
        let news = w.told(&order.webhook(w.now())).await;
        assert_eq!(news.len(), 1, "a record passes: {}", shown(&news));
    }
    w.pass(5).await;
    for order in &mut orders {
        order.status = "packing";
        assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [], "progress waits");
        assert_eq!(w.stands("tea", order.id, "preparing").await.1, "quiet_hours");
    }
    // What needs the customer passes, and says more than the progress that waited.
    let mut first = orders.remove(0);
    (first.status, first.meta) = ("ry-at-cvs", Vec::new());
    w.pass(5).await;
    let news = w.told(&first.webhook(w.now())).await;
    assert_eq!(news.len(), 1, "{}", shown(&news));
    assert_ne!(w.stands("tea", 1, "preparing").await.0, "open");
    // Not a minute before eight.
    w.pass(8 * 3600 + 59 * 60 - 30).await;
    assert_eq!(forms(&w.news()), []);
    let mut morning = Vec::new();
    for _ in 0..32 {
        morning.extend(w.later(60).await);
    }
    assert_eq!(morning.len(), 4, "{}", shown(&morning));
    assert!(morning.iter().all(|t| t.at >= at("2026-11-27T00:00:00Z") && t.at <= at("2026-11-27T00:32:00Z")));
    let moments: BTreeSet<i64> = morning.iter().map(|t| t.at.as_second() / 60).collect();
    assert!(moments.len() > 1, "they leave one after the other: {moments:?}");
    // An hour later it is eight in Vietnam.
    assert_eq!(w.stands("tea", 6, "preparing").await.1, "quiet_hours");
    w.pass(30 * 60).await;
    assert_eq!(w.later(30 * 60).await.len(), 1);
    assert_eq!(w.stands("tea", 6, "preparing").await.0, "sent");
    w.end().await;
}
