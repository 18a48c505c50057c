//! A day in a minute: all channels are down for six hours and come back.

use super::shops::{Tea, Webhook, Wood};
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Fault, FaultKind, Taken};

/// Orders of each shop.
const ORDERS: u64 = 12;
/// Looks at what is due, ten minutes apart: six hours.
const LOOKS: usize = 36;

fn user(id: u64) -> String {
    format!("U{id:032x}")
}

/// Nothing stale is sent, nothing rushes, every outcome is explained.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hours_without_any_channel_end_without_stale_words_and_without_a_rush() {
    let mut w = World::start(Setup {
        routes: customers!(["order_placed", "payment_*", "shipped", "out_for_delivery", "delivered"] => ["line-main", "mail"]),
        channels: &[("mail", "per_second = 100")],
        // Nine in the morning in Taipei.
        at: Some("2026-11-25T01:00:00Z"),
        ..Setup::default()
    })
    .await;
    w.mock.fault(Fault::new("line", FaultKind::Status(503, "down".into())).times(0));
    w.mock.fault(Fault::new("smtp", FaultKind::SmtpGreeting(421, "4.3.2 down".into())).times(0));
    let post = |webhook: Webhook| {
        let w = &w;
        async move { assert_eq!(w.post(&webhook).await, "taken") }
    };
    let mut woods = Vec::new();
    for id in 1..=ORDERS {
        post(Tea::paid(id, w.now()).line(&user(id)).mail("").webhook(w.now())).await;
        post(Tea::unpaid(100 + id, w.now()).line(&user(100 + id)).mail("").webhook(w.now())).await;
        let mut wood = Wood::paid(id, w.now());
        wood.ship(&format!("1Z{id}"), w.now());
        wood.scan("out_for_delivery", w.now());
        post(wood.webhook(w.now())).await;
        woods.push(wood);
    }
    for look in 0..LOOKS {
        w.pass(600).await;
        if look == LOOKS / 2 {
            // Half of the parcels arrive meanwhile.
            for wood in woods.iter_mut().filter(|wood| wood.id % 2 == 0) {
                wood.scan("delivered", w.now());
                assert_eq!(w.post(&wood.webhook(w.now())).await, "taken");
            }
        }
    }
    assert_eq!(forms(&w.news()), []);
    let tried = w.mock.refused().len();
    // Five failures and then one probe a rest, growing to ten minutes, for each of two accounts.
    assert!(tried < 2 * (5 + LOOKS + 12), "{tried} sends went to channels that were down");
    w.mock.clear_faults();
    let mut news = w.news();
    for _ in 0..6 {
        news.extend(w.later(600).await);
    }
    // Each order what it has come to, and nothing that was true this morning.
    let told = |channel: &str, words: &str| {
        let says = |t: &&Taken| t.channel == channel && shown(&[(*t).clone()]).contains(words);
        news.iter().filter(says).count() as u64
    };
    assert_eq!(told("line", "已成立"), 2 * ORDERS, "{}", shown(&news));
    assert_eq!(told("smtp", "received and paid"), ORDERS, "{}", shown(&news));
    assert_eq!(told("smtp", "has been delivered"), ORDERS / 2);
    assert_eq!(told("smtp", "is on its way"), ORDERS / 2);
    assert_eq!(told("smtp", "out for delivery"), 0);
    everything_is_explained(&w).await;
    w.end().await;
}

async fn everything_is_explained(w: &World) {
    for (shop, ids) in [("tea", 1..=ORDERS), ("tea", 101..=100 + ORDERS), ("wood", 1..=ORDERS)] {
        for id in ids {
            for item in w.view(shop, id).await.items {
                let ended = !matches!(item.state.as_str(), "open" | "begun" | "again");
                let later = item.not_before > w.now();
                assert!(ended || later, "{shop} {id}: {item:?}");
                let told = matches!(item.state.as_str(), "sent" | "delivered" | "read");
                assert!(told || item.why.is_some(), "no reason: {item:?}");
                assert_ne!(item.state, "dead", "{item:?}");
            }
        }
    }
}
