//! Shopify: golden requests, the door, laws that hold for any body, and the questions to its API.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod ask;
mod door;
mod golden;
mod laws;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::event::{OrderEvent, Told};
use orderwire::domain::settings::Secret;
use orderwire::domain::signature::sign;
use orderwire::domain::webhook::RawWebhook;
use orderwire::platform::{self, Kind, Shop};
use proptest::prelude::ProptestConfig;
use std::collections::BTreeMap;
use std::path::PathBuf;

const SECRET: &str = "new-secret";
const OLD_SECRET: &str = "old-secret";
const DOMAIN: &str = "demo-tw.myshopify.com";

fn kind() -> &'static Kind {
    platform::find("shopify").expect("shopify is in the list")
}

fn shop() -> Shop {
    Shop {
        id: "demo-tw".into(),
        secrets: vec![Secret::new(SECRET), Secret::new(OLD_SECRET)],
        domain: Some(DOMAIN.into()),
        statuses: BTreeMap::new(),
        identify: BTreeMap::from([("line".into(), vec!["line_user_id".into()])]),
        api: None,
        payment_deadline: None,
    }
}

fn received() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn signature(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(sign(secret.as_bytes(), body))
}

/// A webhook as Shopify sends it.
fn webhook(topic: &str, body: &[u8]) -> RawWebhook {
    let headers = [
        ("X-Shopify-Topic", topic),
        ("X-Shopify-Shop-Domain", DOMAIN),
        ("X-Shopify-Webhook-Id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        ("X-Shopify-Hmac-Sha256", &signature(SECRET, body)),
    ];
    RawWebhook::post(&headers, body.to_vec(), received())
}

/// No files of past failures: one that was found becomes a golden case.
fn generated(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn events(told: Told) -> Vec<OrderEvent> {
    match told {
        Told::Events(events) => events,
        other => panic!("no events: {other:?}"),
    }
}

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/platform/shopify")
}

/// One golden case: its name, and its request as it stands in `request.http`.
struct Case {
    name: String,
    topic: String,
    raw: RawWebhook,
}

fn cases() -> Vec<Case> {
    let mut names: Vec<_> = std::fs::read_dir(golden_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    names.into_iter().map(|n| case(n.to_str().unwrap())).collect()
}

/// Reads a case: a method, headers, an empty line, the body. What Shopify always sends is added where the
/// file does not say otherwise; `<signed>` stands for the right signature.
fn case(name: &str) -> Case {
    let text = std::fs::read_to_string(golden_dir().join(name).join("request.http")).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let method = lines.next().unwrap();
    let signed = signature(SECRET, body.as_bytes());
    let mut headers: Vec<(String, String)> = lines
        .map(|l| l.split_once(':').unwrap_or_else(|| panic!("{name}: {l:?} is no header")))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().replace("<signed>", &signed)))
        .collect();
    let topic = headers.iter().find(|(n, _)| n == "x-shopify-topic").map(|(_, v)| v.clone()).unwrap_or_default();
    let usual =
        [("x-shopify-shop-domain", DOMAIN), ("x-shopify-webhook-id", name), ("x-shopify-hmac-sha256", signed.as_str())];
    for (n, v) in usual {
        if !headers.iter().any(|(there, _)| there == n) {
            headers.push((n.into(), v.into()));
        }
    }
    let raw = RawWebhook {
        method: method.into(),
        query: String::new(),
        headers,
        body: body.as_bytes().to_vec().into(),
        received_at: received(),
    };
    Case { name: name.into(), topic, raw }
}
