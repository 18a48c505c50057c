//! Orders as the two shop systems write them: what the demo posts, signed, through the real door.

use crate::domain::signature::sign;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A webhook ready to be posted.
pub struct Webhook {
    /// Path at the public door.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The very bytes.
    pub body: String,
}

/// An order of a WooCommerce shop.
#[derive(Clone)]
pub struct Woo {
    /// Shop id.
    pub shop: &'static str,
    /// Its secret.
    pub secret: &'static str,
    /// Order id.
    pub id: u64,
    /// Status.
    pub status: &'static str,
    /// Paid at.
    pub paid: Option<Timestamp>,
    /// Meta data.
    pub meta: Vec<(&'static str, Value)>,
    /// Made at.
    pub created: Timestamp,
    /// Billing country, phone, e-mail, total, currency, title of the one item.
    pub who: (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str),
    /// Payment method and its title.
    pub method: (&'static str, &'static str),
}

fn gmt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

impl Woo {
    /// The webhook of its state at `now`.
    pub fn webhook(&self, topic: &str, now: Timestamp) -> Webhook {
        let (country, phone, email, total, currency, item) = self.who;
        let meta: Vec<Value> =
            self.meta.iter().enumerate().map(|(i, (k, v))| json!({ "id": i + 1, "key": k, "value": v })).collect();
        let body = json!({
            "id": self.id, "parent_id": 0, "status": self.status, "currency": currency, "version": "11.0.1",
            "date_created_gmt": gmt(self.created), "date_modified_gmt": gmt(now),
            "date_paid_gmt": self.paid.map(gmt), "date_completed_gmt": null,
            "total": total, "total_tax": "0", "customer_id": 7, "order_key": "wc_order_demo",
            "number": self.id.to_string(), "created_via": "checkout", "customer_note": "",
            "billing": { "first_name": "", "last_name": "", "country": country, "phone": phone, "email": email },
            "shipping": { "first_name": "", "last_name": "", "country": country, "phone": "" },
            "payment_method": self.method.0, "payment_method_title": self.method.1,
            "needs_payment": self.paid.is_none() && self.status == "pending", "needs_processing": true,
            "payment_url": "https://shop.example.com/checkout/order-pay/",
            "meta_data": meta,
            "line_items": [{ "id": 1, "name": item, "product_id": 11, "quantity": 1, "total": total, "price": 1, "image": { "id": "", "src": "" } }],
            "shipping_lines": [{ "method_title": "Shipping", "method_id": "flat_rate" }],
            "refunds": [],
        })
        .to_string();
        let signature = STANDARD.encode(sign(self.secret.as_bytes(), body.as_bytes()));
        Webhook {
            path: format!("/hooks/woocommerce/{}", self.shop),
            headers: vec![
                ("content-type", "application/json".into()),
                ("x-wc-webhook-topic", topic.into()),
                ("x-wc-webhook-source", "https://shop.example.com/".into()),
                ("x-wc-webhook-id", "2".into()),
                ("x-wc-webhook-delivery-id", "0123456789abcdef".into()),
                ("x-wc-webhook-signature", signature),
            ],
            body,
        }
    }
}

/// An order of a Shopify shop.
#[derive(Clone)]
pub struct Shopify {
    /// Shop id.
    pub shop: &'static str,
    /// Its secret.
    pub secret: &'static str,
    /// Order id: beyond 2^53, as they are.
    pub id: u64,
    /// Name.
    pub name: &'static str,
    /// `financial_status`.
    pub financial: &'static str,
    /// Fulfilments.
    pub fulfillments: Vec<Value>,
    /// Made at.
    pub created: Timestamp,
    /// Customer's language, country, e-mail, total, currency, item.
    pub who: (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str),
    /// Cart attributes.
    pub attributes: Vec<(&'static str, &'static str)>,
}

impl Shopify {
    /// The webhook of its state at `now`, as delivery `delivery`.
    pub fn webhook(&self, topic: &str, now: Timestamp, delivery: &str) -> Webhook {
        let (locale, country, email, total, currency, item) = self.who;
        let money = json!({ "shop_money": { "amount": total, "currency_code": currency }, "presentment_money": { "amount": total, "currency_code": currency } });
        let attributes: Vec<Value> = self.attributes.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
        let body = json!({
            "id": self.id, "admin_graphql_api_id": format!("gid://shopify/Order/{}", self.id), "name": self.name,
            "order_number": 1001, "confirmed": true, "test": false, "source_name": "web",
            "created_at": self.created.to_string(), "updated_at": now.to_string(), "processed_at": self.created.to_string(),
            "cancelled_at": null, "cancel_reason": null, "closed_at": null,
            "financial_status": self.financial,
            "fulfillment_status": if self.fulfillments.is_empty() { Value::Null } else { json!("fulfilled") },
            "currency": currency, "presentment_currency": currency, "total_price": total, "total_price_set": money,
            "current_total_price": total, "current_total_price_set": money, "total_outstanding": "0.00",
            "payment_gateway_names": ["shopify_payments"], "customer_locale": locale, "email": email, "contact_email": email,
            "phone": null, "order_status_url": "https://demo-en.myshopify.com/1/orders/abc/authenticate?key=demo",
            "customer": { "id": 9_007_199_254_740_993_u64, "email": email, "first_name": null, "last_name": null },
            "shipping_address": { "country_code": country }, "billing_address": { "country_code": country },
            "line_items": [{ "id": 1, "title": item, "name": item, "quantity": 1, "price": total, "requires_shipping": true, "gift_card": false }],
            "shipping_lines": [{ "title": "Standard" }], "fulfillments": self.fulfillments, "refunds": [], "tags": "", "note_attributes": attributes,
        })
        .to_string();
        let signature = STANDARD.encode(sign(self.secret.as_bytes(), body.as_bytes()));
        Webhook {
            path: format!("/hooks/shopify/{}", self.shop),
            headers: vec![
                ("content-type", "application/json".into()),
                ("x-shopify-topic", topic.into()),
                ("x-shopify-shop-domain", "demo-en.myshopify.com".into()),
                ("x-shopify-api-version", "2026-10".into()),
                ("x-shopify-webhook-id", delivery.into()),
                ("x-shopify-triggered-at", now.to_string()),
                ("x-shopify-hmac-sha256", signature),
            ],
            body,
        }
    }

    /// A fulfilment with a tracking number.
    pub fn shipped(&mut self, now: Timestamp, carrier: &str, number: &str, url: &str) {
        self.fulfillments = vec![json!({
            "id": 4_567_890_123_456_789_u64, "order_id": self.id, "name": format!("{}.1", self.name), "status": "success",
            "shipment_status": null, "created_at": now.to_string(), "updated_at": now.to_string(),
            "tracking_company": carrier, "tracking_number": number, "tracking_numbers": [number],
            "tracking_url": url, "tracking_urls": [url], "line_items": [{ "id": 1, "quantity": 1, "requires_shipping": true }],
        })];
    }
}
