//! Laws that hold for any body: no panic, no effect beyond what the body itself says.

use super::{cases, events, kind, shop, webhook};
use orderwire::domain::event::{OrderEvent, Told};
use orderwire::domain::order::ReturnState;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOWHERE: &str = "orders/create";

fn told(topic: &str, body: &[u8]) -> Told {
    (kind().normalise)(&shop(), &webhook(topic, body))
}

/// What an event does, without the words for it. A return that is open is so under every topic; that it is
/// open *again* only its own topic says, and only of a body that names its order as reopening does.
fn effect(mut event: OrderEvent) -> OrderEvent {
    event.topic.clear();
    for part in &mut event.patch.returns {
        part.state.iter_mut().filter(|s| s.0 == ReturnState::Reopened).for_each(|s| s.0 = ReturnState::Open);
    }
    event
}

/// Bodies of fulfilment orders and bare ids say too little to stand alone: which of a few things they mean
/// is the topic's to say. Everything else means one thing or nothing.
fn needs_its_topic(topic: &str) -> bool {
    topic.starts_with("fulfillment_orders/") || topic.starts_with("fulfillment_holds/")
}

#[test]
fn a_topic_only_narrows_what_a_body_says() {
    let cases = cases();
    let topics: Vec<&str> = cases.iter().map(|c| c.topic.as_str()).filter(|t| !t.is_empty()).collect();
    let mut crossed = 0;
    for case in &cases {
        let own = match (kind().normalise)(&shop(), &case.raw) {
            Told::Events(events) => events.into_iter().map(effect).collect(),
            _ => Vec::new(),
        };
        let bare = own.iter().any(|e| e.refetch || e.patch.deleted);
        for topic in &topics {
            let Told::Events(got) = told(topic, &case.raw.body) else { continue };
            if case.topic.is_empty() || bare || needs_its_topic(topic) || own.is_empty() {
                continue;
            }
            let got: Vec<OrderEvent> = got.into_iter().map(effect).collect();
            assert_eq!(got, own, "{} under {topic}", case.name);
            crossed += 1;
        }
    }
    assert!(crossed > 200, "{crossed} pairs");
}

/// What a body may do under a foreign topic, where it tells nothing under its own.
#[test]
fn a_body_without_news_gets_none_from_a_foreign_topic() {
    for case in cases() {
        let own = (kind().normalise)(&shop(), &case.raw);
        if matches!(own, Told::Events(_)) || case.topic.is_empty() || case.raw.has_header("shopify-hmac-sha256") {
            continue;
        }
        for other in cases().iter().map(|c| c.topic.as_str()) {
            let Told::Events(got) = told(other, &case.raw.body) else { continue };
            // The reverse is allowed only where the body does say so under its right topic.
            let explained = matches!(
                (case.name.as_str(), other),
                ("orders-delete-of-a-living-order" | "app-uninstalled-is-an-order" | "customer-redact-is-an-order", o)
                    if o.starts_with("orders/")
            ) || (case.name.starts_with("transaction-is-a-refund") && other == "refunds/create")
                || (case.name == "fulfillment-update-is-a-scan" && other == "fulfillment_events/create")
                || (case.name == "scan-deleted" && other == "fulfillment_events/create")
                || needs_its_topic(&case.topic) && needs_its_topic(other)
                || matches!(
                    case.name.as_str(),
                    "orders-create-bad-signature"
                        | "orders-create-two-signatures"
                        | "orders-create-unsigned"
                        | "orders-create-wrong-account"
                );
            assert!(explained, "{} under {other}: {got:?}", case.name);
        }
    }
}

#[test]
fn only_a_bare_id_deletes_and_only_under_its_topic() {
    for case in cases() {
        for topic in ["orders/delete", case.topic.as_str()] {
            if let Told::Events(got) = told(topic, &case.raw.body) {
                let deletes = got.iter().any(|e| e.patch.deleted);
                assert_eq!(deletes, topic == "orders/delete", "{} under {topic}", case.name);
            }
        }
    }
    assert!(events(told("orders/delete", br#"{"id":25}"#))[0].patch.deleted);
    for body in [&br#"{"id":25,"status":"any"}"#[..], br#"{"id":25,"admin_graphql_api_id":"gid://shopify/Product/25"}"#]
    {
        assert!(matches!(told("orders/delete", body), Told::Unreadable(_)));
    }
}

#[test]
fn only_its_own_body_makes_a_notice_and_only_for_the_shop_it_names() {
    const NOTICES: &[&str] =
        &["customers/data_request", "customers/redact", "customers/merge", "shop/redact", "app/uninstalled"];
    let mut made = 0;
    for case in cases() {
        let own = matches!((kind().normalise)(&shop(), &case.raw), Told::Notice(_));
        for topic in NOTICES.iter().chain(&["orders/create", "orders/cancelled", "orders/delete"]) {
            let got = told(topic, &case.raw.body);
            // A notice under another topic tells nothing, whatever the unsigned header says.
            let fits = own && case.topic == *topic
                || matches!(
                    (case.name.as_str(), *topic),
                    ("customer-redact-is-a-data-request", "customers/data_request")
                        | ("customer-data-request-is-a-redact" | "shop-redact-is-a-customers", "customers/redact")
                );
            assert_eq!(matches!(got, Told::Notice(_)), fits, "{} under {topic}: {got:?}", case.name);
            made += usize::from(fits);
        }
        // A merge names no shop and erases nothing; ids of customers are Shopify's own, so another shop's are nobody's.
        if own && case.topic != "customers/merge" {
            let mut unnamed = shop();
            unnamed.domain = None;
            let got = (kind().normalise)(&unnamed, &case.raw);
            assert!(!matches!(got, Told::Notice(_)), "{}: without a domain nobody knows whose it is", case.name);
            unnamed.domain = Some("another.myshopify.com".into());
            let got = (kind().normalise)(&unnamed, &webhook(&case.topic, &case.raw.body));
            assert_eq!(got, Told::NoInterest("other_shop"), "{}: an app's shops share one secret", case.name);
        }
    }
    assert!(made >= 8, "{made}");
}

#[test]
fn every_field_may_be_anything() {
    let odd =
        [json!(null), json!(true), json!(-1), json!(1.5), json!("x"), json!([]), json!([[null, 7]]), json!({"a": {}})];
    for case in cases() {
        let Ok(Value::Object(body)) = serde_json::from_slice(&case.raw.body) else { continue };
        for key in body.keys() {
            for value in &odd {
                let mut changed = body.clone();
                changed.insert(key.clone(), value.clone());
                let told = told(&case.topic, Value::Object(changed).to_string().as_bytes());
                let snapshot = case.name.starts_with("orders-updated") && case.name.ends_with("types");
                if snapshot && !matches!(key.as_str(), "id" | "admin_graphql_api_id" | "order_status_url") {
                    assert_eq!(events(told).len(), 1, "{key} = {value}");
                }
            }
        }
    }
}

#[test]
fn lists_and_depth_are_bounded() {
    let long = json!({"id": 1, "financial_status": "paid", "tags": vec!["x"; 10_001]});
    assert!(matches!(told(NOWHERE, long.to_string().as_bytes()), Told::Unreadable(why) if why.contains("too long")));
    let longest = json!({"id": 1, "financial_status": "paid", "note_attributes": vec![json!({}); 10_000]});
    assert!(matches!(told(NOWHERE, longest.to_string().as_bytes()), Told::Events(_)));
    // Deep where it is read: refused; deep where it is passed over: not even looked at.
    for key in ["line_items", "customer", "nobody_reads_this"] {
        let deep =
            format!(r#"{{"id":1,"financial_status":"paid","{key}":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(!matches!(told(NOWHERE, deep.as_bytes()), Told::NoInterest(_)));
        let deep = format!(r#"{{"id":1,"{key}":{}"#, r#"{"nodes":"#.repeat(50_000));
        assert!(matches!(told(NOWHERE, deep.as_bytes()), Told::Unreadable(_)));
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let body = json!({"id": 1, "name": "#1", "financial_status": "paid", "created_at": "2026-11-20T10:00:00Z",
        "customer": {"first_name": "繁".repeat(100_000)}, "line_items": [{"name": "<a".repeat(40_000)}, {"name": "&#".repeat(40_000)}]});
    let event = events(told(NOWHERE, body.to_string().as_bytes())).remove(0);
    let head = event.patch.head.unwrap();
    let first = head.contact.first_name.unwrap();
    assert!(first.len() <= 64 * 1024 && first.chars().all(|c| c == '繁') && first.len() > 60 * 1024);
    assert!(head.items.iter().all(|i| i.title.len() <= 64 * 1024));
}

fn json_value() -> impl Strategy<Value = Value> {
    let words = [
        "id",
        "order_id",
        "status",
        "order",
        "fulfillment_order",
        "nodes",
        "success",
        "open",
        "paid",
        "cancelled",
        "financial_status",
        "line_items",
        "fulfillments",
        "refunds",
        "transactions",
        "kind",
        "refund",
        "amount",
        "2026-11-20T10:00:00Z",
        "gid://shopify/Order/1",
        "created_at",
        "updated_at",
        "admin_graphql_api_id",
        "name",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        let key = prop_oneof![3 => proptest::sample::select(words.to_vec()).prop_map(String::from), 1 => ".{0,8}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..10).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(super::generated(256))]

    #[test]
    fn any_bytes_give_an_answer(body in proptest::collection::vec(any::<u8>(), 0..400), start in "[{\\[ ]?", topic in 0usize..40) {
        let body = [start.as_bytes(), &body].concat();
        let topics: Vec<String> = TOPICS.iter().map(|t| (*t).to_string()).collect();
        told(&topics[topic % topics.len()], &body);
    }

    #[test]
    fn any_json_gives_an_answer(body in json_value(), topic in 0usize..40) {
        let got = told(TOPICS[topic % TOPICS.len()], body.to_string().as_bytes());
        if let Told::Events(events) = got {
            // Whatever was made of it can be stored and read again.
            for event in events {
                let stored = serde_json::to_string(&event).unwrap();
                let mut order = orderwire::domain::order::Order::new("s".into(), "1".into(), super::received());
                order.absorb(&event);
                prop_assert_eq!(event, serde_json::from_str::<OrderEvent>(&stored).unwrap());
            }
        }
    }
}

const TOPICS: &[&str] = &[
    "orders/create",
    "orders/edited",
    "orders/delete",
    "order_transactions/create",
    "refunds/create",
    "fulfillments/update",
    "fulfillment_events/create",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/progress_reported",
    "fulfillment_orders/line_items_prepared_for_pickup",
    "returns/decline",
    "returns/reopen",
    "reverse_deliveries/attach_deliverable",
    "customers/redact",
    "app/uninstalled",
    "nothing/known",
];
