//! WooCommerce: golden deliveries, the door, odd input, recorded deliveries, the REST API.

mod anything;
mod api;
mod door;
mod golden;
mod recorded;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::ids::ShopId;
use orderwire::domain::settings::Secret;
use orderwire::domain::signature::sign;
use orderwire::domain::webhook::RawWebhook;
use orderwire::platform::{Kind, Shop, find};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SECRET: &str = "golden-secret-of-32-characters-ok";

fn kind() -> &'static Kind {
    find("woocommerce").expect("listed")
}

fn shop() -> Shop {
    Shop {
        id: ShopId::from("tea"),
        secrets: vec![Secret::new(SECRET)],
        domain: Some("tea.example".into()),
        statuses: BTreeMap::new(),
        identify: BTreeMap::from([("line".to_string(), vec!["line_user_id".to_string()])]),
        api: None,
        payment_deadline: Some(3600),
    }
}

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn base64_of(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(sign(secret.as_bytes(), body))
}

/// A delivery as WooCommerce makes it, signed.
fn delivery(topic: &str, body: &[u8], secret: &str) -> RawWebhook {
    let signature = base64_of(secret, body);
    RawWebhook::post(
        &[
            ("Content-Type", "application/json"),
            ("X-WC-Webhook-Source", "https://tea.example/"),
            ("X-WC-Webhook-Topic", topic),
            ("X-WC-Webhook-Signature", &signature),
            ("X-WC-Webhook-ID", "2"),
            ("X-WC-Webhook-Delivery-ID", "aa"),
        ],
        body.to_vec(),
        moment("2026-11-22T05:00:00Z"),
    )
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/platform/woocommerce")
}
