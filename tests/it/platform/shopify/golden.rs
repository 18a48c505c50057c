//! `tests/golden/platform/shopify/<case>/`: `request.http` → `expected.json`. With `ORDERWIRE_BLESS` set the
//! expectations are written anew, to be read by a person.

use super::{case, cases, events, golden_dir, kind, shop, webhook};
use orderwire::domain::event::Told;
use orderwire::domain::order::Order;
use orderwire::domain::webhook::Admission;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Topics that are read, and those that are known to tell a customer nothing.
const READ: &[&str] = &[
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/partially_fulfilled",
    "orders/fulfilled",
    "orders/cancelled",
    "orders/link_requested",
    "orders/edited",
    "orders/delete",
    "order_transactions/create",
    "refunds/create",
    "fulfillments/create",
    "fulfillments/update",
    "fulfillment_events/create",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_holds/added",
    "fulfillment_holds/released",
    "fulfillment_orders/progress_reported",
    "fulfillment_orders/fulfillment_request_accepted",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/line_items_prepared_for_pickup",
    "fulfillment_orders/line_items_prepared_for_local_delivery",
    "returns/request",
    "returns/approve",
    "returns/decline",
    "returns/cancel",
    "returns/close",
    "returns/reopen",
    "reverse_deliveries/attach_deliverable",
    "customers/data_request",
    "customers/redact",
    "shop/redact",
    "app/uninstalled",
];
const PASSED_OVER: &[&str] = &[
    "orders/risk_assessment_changed",
    "fulfillment_events/delete",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
    "fulfillment_orders/rescheduled",
    "fulfillment_orders/moved",
    "fulfillment_orders/split",
    "fulfillment_orders/merged",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/fulfillment_request_submitted",
    "fulfillment_orders/fulfillment_request_rejected",
    "fulfillment_orders/cancellation_request_submitted",
    "fulfillment_orders/cancellation_request_accepted",
    "fulfillment_orders/cancellation_request_rejected",
    "fulfillment_orders/fulfillment_service_failed_to_complete",
    "fulfillment_orders/manually_reported_progress_stopped",
    "returns/update",
    "returns/process",
    "reverse_fulfillment_orders/dispose",
    "checkouts/create",
    "checkouts/update",
    "checkouts/delete",
    "payment_terms/create",
    "payment_terms/update",
    "payment_terms/delete",
    "payment_schedules/due",
    "customers/create",
    "customers/update",
    "customers/delete",
    "customers_email_marketing_consent/update",
    "customers_marketing_consent/update",
    "customers_whats_app_marketing_consent/update",
];

fn outcome(raw: &orderwire::domain::webhook::RawWebhook) -> Value {
    match (kind().admit)(&shop(), raw) {
        Admission::Refuse(why) => json!({ "refused": why.as_str() }),
        Admission::Reply(_) => json!("reply"),
        Admission::Take { .. } => match (kind().normalise)(&shop(), raw) {
            Told::Events(events) => json!({ "events": events }),
            Told::Notice(notice) => json!({ "notice": notice }),
            Told::NoInterest(why) => json!({ "no_interest": why }),
            Told::Check(what) => json!({ "check": what }),
            Told::ShopFault(what) => json!({ "shop_fault": what }),
            Told::Unreadable(why) => json!({ "unreadable": why }),
        },
    }
}

#[test]
fn every_case_tells_what_it_should() {
    let bless = std::env::var_os("ORDERWIRE_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let dir = golden_dir().join(&case.name);
        let got = outcome(&case.raw);
        let path = dir.join("expected.json");
        if bless {
            std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&got).unwrap())).unwrap();
        }
        let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap_or_default()).unwrap_or_default();
        if got != expected {
            wrong.push(format!("{}\n  expected {expected}\n  got      {got}", case.name));
        }
        let files: BTreeSet<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().file_name()).collect();
        let read: BTreeSet<_> = ["expected.json", "request.http"].map(Into::into).into();
        assert_eq!(files, read, "{}: a file that no test reads", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_topic_that_is_read_has_a_case_that_tells_something() {
    let told: BTreeSet<String> = cases()
        .into_iter()
        .filter(|c| !matches!((kind().normalise)(&shop(), &c.raw), Told::Unreadable(_)))
        .map(|c| c.topic)
        .collect();
    for topic in READ {
        assert!(told.contains(*topic), "no golden case for {topic}");
        // A body of another shape is kept for a person, whatever the topic.
        let told = (kind().normalise)(&shop(), &webhook(topic, br#"{"unheard":"of"}"#));
        assert!(matches!(told, Told::Unreadable(_)), "{topic}: {told:?}");
    }
}

#[test]
fn topics_that_tell_customers_nothing_are_known_as_such() {
    for topic in PASSED_OVER {
        let told = (kind().normalise)(&shop(), &webhook(topic, br#"{"id":1}"#));
        assert!(matches!(told, Told::NoInterest(why) if why != "unknown_topic"), "{topic}: {told:?}");
    }
    let told = (kind().normalise)(&shop(), &webhook("orders/invented", br#"{"id":1}"#));
    assert_eq!(told, Told::NoInterest("unknown_topic"));
}

#[test]
fn topics_are_read_in_any_case() {
    let told = (kind().normalise)(&shop(), &webhook(" Orders/DELETE ", br#"{"id":25}"#));
    assert_eq!(events(told)[0].topic, "orders/delete");
}

#[test]
fn reasons_carry_nothing_of_the_body() {
    let bodies =
        [r#"{"id":1,"email":"mei@example.net","#, r#"{"email":"mei@example.net"}"#, r#"{"email":"mei@example.net"} x"#];
    for topic in READ {
        for body in bodies {
            let Told::Unreadable(why) = (kind().normalise)(&shop(), &webhook(topic, body.as_bytes())) else {
                panic!("{topic}: read")
            };
            assert!(!why.contains("mei") && why.starts_with(topic), "{why}");
        }
    }
}

/// The story of one order as its webhooks tell it, from the first attempt to pay to the return.
const STORY: &[&str] = &[
    "transaction-failure",
    "transaction-authorization",
    "transaction-sale",
    "orders-create-paid",
    "orders-paid",
    "orders-edited",
    "orders-edited-quietly",
    "orders-partially-fulfilled",
    "orders-fulfilled",
    "orders-link-requested",
    "orders-updated-cut-down-to-its-id",
    "fulfillment-create-pending",
    "fulfillment-create-untracked",
    "fulfillment-create",
    "fulfillment-update-out-for-delivery",
    "scan-label-printed",
    "scan-carrier-picked-up",
    "scan-delayed",
    "scan-out-for-delivery",
    "scan-attempted-delivery",
    "scan-delivered",
    "scan-eta-alone",
    "refund-pending",
    "refund-partial",
    "return-requested",
    "return-approved",
    "return-closed",
    "return-reopened",
];

fn story() -> Vec<orderwire::domain::event::OrderEvent> {
    STORY.iter().flat_map(|name| events((kind().normalise)(&shop(), &case(name).raw))).collect()
}

fn absorbed(events: &[orderwire::domain::event::OrderEvent]) -> Order {
    let mut order = Order::new("demo-tw".into(), "5812340098765".into(), super::received());
    events.iter().for_each(|e| order.absorb(e));
    order
}

proptest! {
    #![proptest_config(super::generated(32))]
    #[test]
    fn any_order_of_arrival_ends_alike(shuffled in Just(story()).prop_shuffle(), again in 0usize..40) {
        let mut twice = shuffled.clone();
        twice.extend(shuffled.get(again).cloned());
        prop_assert_eq!(absorbed(&twice), absorbed(&story()));
    }
}

#[test]
fn a_last_hold_lifted_lifts_those_placed_before_it() {
    let at = |name: &str, secs: i64| {
        let mut raw = case(name).raw;
        raw.received_at = orderwire::domain::clock::plus_secs(raw.received_at, secs);
        events((kind().normalise)(&shop(), &raw))
    };
    let mut order = Order::new("demo-tw".into(), "5812340098765".into(), super::received());
    for event in [at("hold-released-the-last", 60), at("hold-placed", 0), at("hold-placed-by-upsell", 120)].concat() {
        order.absorb(&event);
    }
    let hold = |id: &str| order.holds.iter().find(|h| h.id == id).unwrap();
    assert_eq!(order.lifted(hold("601/31")), Some(orderwire::domain::clock::plus_secs(super::received(), 60)));
    assert_eq!(order.lifted(hold("601/32")), None, "placed after the release");
    assert!(hold("601/32").silent && !hold("601/31").silent);
}
