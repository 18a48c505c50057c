//! Who shows wrong signatures again and again is shut out of that door, and nobody else.

use crate::support::orders::{WOO_SECRET, line_text, woo_of, woo_order};
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::wire::Request;
use orderwire::boot::run::Role;

fn from(place: &str, request: Request) -> Request {
    request.header("x-forwarded-for", place)
}

fn order(id: u64, secret: &str) -> Request {
    woo_of("woo", secret, "order.updated", woo_order(id, "processing", 5).to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_forges_is_shut_out_and_nobody_else() {
    let mut plan = Plan::on(shared());
    plan.server = "trusted_proxies = [\"127.0.0.1\"]".into();
    let relay = Relay::start(&plan, Role::Web).await;
    let forged = |place: &str| from(place, order(1, "another secret, of nobody"));
    let mut last = relay.post(&forged("203.0.113.7")).await;
    for _ in 0..60 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.status, 401);
        last = relay.post(&forged("203.0.113.7")).await;
    }
    assert_eq!((last.status, last.body.as_str()), (429, "{\"error\":\"too many wrong signatures\"}"));
    assert!(last.header("retry-after").is_some_and(|s| s.parse::<u64>().is_ok_and(|s| (1..=3).contains(&s))));
    // What a client writes before the proxy's own word counts for nothing.
    let dressed = from("198.51.100.9, 203.0.113.7", order(2, WOO_SECRET));
    assert!(matches!(relay.post(&dressed).await.status, 429 | 200), "at most until it is forgiven");
    // The genuine from elsewhere, and another door from there.
    assert_eq!(relay.post(&from("198.51.100.9", order(3, WOO_SECRET))).await.status, 200);
    assert_eq!(relay.post(&from("203.0.113.7", line_text("hello"))).await.status, 200);
    let line = r#"orderwire_webhooks_total{shop="woo",platform="woocommerce",outcome="shut_out"}"#;
    assert!(relay.metric(line).await >= 1.0);
}

/// Behind a proxy that nobody named everybody has one address: nobody is shut out for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_places_cannot_be_told_apart_nobody_is_shut_out() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    for _ in 0..40 {
        let answer = relay.post(&from("203.0.113.7", order(1, "another secret, of nobody"))).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(relay.post(&order(2, WOO_SECRET)).await.status, 200);
}
