//! Shops: WooCommerce's REST API and Shopify's Admin GraphQL API, over orders that somebody saves, with the webhooks
//! that saving sends, as many of them as are not lost.
//!
//! Vendors' documents: WooCommerce REST API v3 (orders, order notes, webhooks, system status), Shopify Admin GraphQL
//! API 2026-10 (state of November 2026).

mod graph;
mod query;
pub(super) mod shopify;
pub(super) mod woo;

use super::House;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::signature::sign;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the shops are told at the start.
#[derive(Clone)]
pub struct ShopOptions {
    /// WooCommerce: consumer key and secret.
    pub woo_key: (String, String),
    /// WooCommerce: what keys may do.
    pub woo_writes: bool,
    /// WooCommerce: whether WordPress' cron is on.
    pub wp_cron: bool,
    /// WooCommerce: home address.
    pub woo_home: String,
    /// Shopify: the access token.
    pub token: String,
    /// Shopify: scopes of the token.
    pub scopes: Vec<String>,
    /// Shopify: the app's client secret, by which webhooks are signed.
    pub client_secret: String,
    /// Shopify: domain.
    pub domain: String,
    /// Shopify: the app may see protected customer data.
    pub sees_customers: bool,
    /// Shopify: the version that is asked is no longer supported.
    pub version_retired: bool,
    /// How far the shops' clocks are ahead. Seconds.
    pub clock_ahead: i64,
}

impl Default for ShopOptions {
    fn default() -> Self {
        let scopes = ["write_orders", "read_fulfillments", "read_returns", "read_merchant_managed_fulfillment_orders"];
        ShopOptions {
            woo_key: ("ck_mock".into(), "cs_mock".into()),
            woo_writes: true,
            wp_cron: true,
            woo_home: "https://shop.example.com/".into(),
            token: "shpat_mock".into(),
            scopes: scopes.map(String::from).to_vec(),
            client_secret: "shopify-client-secret".into(),
            domain: "demo.myshopify.com".into(),
            sees_customers: true,
            version_retired: false,
            clock_ahead: 0,
        }
    }
}

/// Which shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopKind {
    /// WooCommerce; orders in its REST shape.
    WooCommerce,
    /// Shopify; orders in the shape of its webhooks.
    Shopify,
}

impl ShopKind {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<ShopKind> {
        match name {
            "woocommerce" => Some(ShopKind::WooCommerce),
            "shopify" => Some(ShopKind::Shopify),
            _ => None,
        }
    }
}

/// A webhook or subscription at a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopHook {
    /// Its number.
    pub id: u64,
    /// Topic, as the shop writes it (`order.updated`, `ORDERS_UPDATED`).
    pub topic: String,
    /// Where it leads.
    pub url: String,
    /// It sends.
    pub active: bool,
    /// WooCommerce: the key it signs with.
    pub secret: String,
}

/// What the shops remember.
#[derive(Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) woo: BTreeMap<u64, Value>,
    pub(super) shopify: BTreeMap<u64, Value>,
    pub(super) notes: BTreeMap<u64, Vec<Value>>,
    pub(super) metafields: BTreeMap<u64, String>,
    pub(super) hooks: BTreeMap<u64, ShopHook>,
    pub(super) subscriptions: BTreeMap<u64, ShopHook>,
    last_id: u64,
    saves: u64,
    /// Of ten saves so many send nothing that arrives.
    lost: u64,
}

impl Inner {
    pub(super) fn number(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Memory {
    pub(super) fn open(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request to the relay.
struct Delivery {
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// An HTTP date by the shops' clock.
pub(super) fn date(house: &House) -> String {
    let at = plus_secs(house.now(), house.options.shop.clock_ahead);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn path_of(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| "/".into(), |u| u.path().to_string())
}

/// An order's id, whichever way it is written.
fn id_of(order: &Value) -> u64 {
    order.get("id").and_then(Value::as_u64).unwrap_or_default()
}

/// Keeps an order and sends the webhooks of it; gives the relay's answers, none where they were lost.
pub(super) async fn save(house: &Arc<House>, kind: ShopKind, order: Value) -> Vec<Result<u16, String>> {
    let deliveries = {
        let mut inner = house.shop.open();
        let id = id_of(&order);
        let (orders, hooks) = match kind {
            ShopKind::WooCommerce => (&inner.woo, &inner.hooks),
            ShopKind::Shopify => (&inner.shopify, &inner.subscriptions),
        };
        let new = !orders.contains_key(&id);
        let active: Vec<ShopHook> = hooks.values().filter(|h| h.active).cloned().collect();
        match kind {
            ShopKind::WooCommerce => inner.woo.insert(id, order.clone()),
            ShopKind::Shopify => inner.shopify.insert(id, order.clone()),
        };
        inner.saves += 1;
        // Spread over the ten, and the same in every run.
        if (inner.saves * 7) % 10 < inner.lost {
            return Vec::new();
        }
        active.iter().filter_map(|hook| delivery(house, kind, hook, &order, new)).collect::<Vec<_>>()
    };
    let mut answers = Vec::new();
    for delivery in deliveries {
        answers.push(house.relay.send(&delivery.path, &delivery.headers, delivery.body).await);
    }
    answers
}

fn delivery(house: &House, kind: ShopKind, hook: &ShopHook, order: &Value, new: bool) -> Option<Delivery> {
    let body = order.to_string();
    let number = house.relay.event();
    let signed = |secret: &str| STANDARD.encode(sign(secret.as_bytes(), body.as_bytes()));
    let headers = match kind {
        ShopKind::WooCommerce => {
            let told = hook.topic == "order.updated" || (new && hook.topic == "order.created");
            if !told {
                return None;
            }
            vec![
                ("content-type", "application/json".into()),
                ("x-wc-webhook-topic", hook.topic.clone()),
                ("x-wc-webhook-source", house.options.shop.woo_home.clone()),
                ("x-wc-webhook-id", hook.id.to_string()),
                ("x-wc-webhook-delivery-id", format!("{number:032x}")),
                ("x-wc-webhook-signature", signed(&hook.secret)),
            ]
        }
        ShopKind::Shopify => {
            let topic = match hook.topic.as_str() {
                "ORDERS_CREATE" if new => "orders/create",
                "ORDERS_UPDATED" => "orders/updated",
                _ => return None,
            };
            vec![
                ("content-type", "application/json".into()),
                ("x-shopify-topic", topic.into()),
                ("x-shopify-shop-domain", house.options.shop.domain.clone()),
                ("x-shopify-api-version", "2026-10".into()),
                ("x-shopify-webhook-id", format!("mock-{number}")),
                ("x-shopify-hmac-sha256", signed(&house.options.shop.client_secret)),
            ]
        }
    };
    Some(Delivery { path: path_of(&hook.url), headers, body })
}

/// Of ten saves so many send nothing that arrives, from now on.
pub(super) fn lose(house: &House, of_ten: u64) {
    let mut inner = house.shop.open();
    (inner.lost, inner.saves) = (of_ten.min(10), 0);
}

/// A time as WooCommerce writes it.
pub(super) fn gmt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// An order, and what was written to it.
pub(super) fn show(house: &House, kind: ShopKind, id: u64) -> Value {
    let inner = house.shop.open();
    let order = if kind == ShopKind::WooCommerce { inner.woo.get(&id) } else { inner.shopify.get(&id) };
    json!({ "order": order, "notes": inner.notes.get(&id), "metafield": inner.metafields.get(&id) })
}

/// A webhook as JSON of lists.
pub(super) fn shown(hook: &ShopHook) -> Value {
    json!({ "id": hook.id, "topic": hook.topic, "url": hook.url, "active": hook.active })
}
