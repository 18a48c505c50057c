//! What shops and providers send, signed: the bodies are ours, written from the vendors' facts.

use super::wire::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::clock::{Clock as _, SystemClock, Timestamp, from_millis, plus_secs};
use orderwire::domain::signature::sign;
use serde_json::{Value, json};

pub const WOO_SECRET: &str = "canary-woo-secret-0123456789abcdef";
pub const WOO_B_SECRET: &str = "canary-woo-b-secret-0123456789abcd";
pub const SHOPIFY_SECRET: &str = "canary-shopify-secret-0123456789ab";
pub const LINE_SECRET: &str = "canary-line-channel-secret-0123456";
pub const LINE_TOKEN: &str = "canary-line-access-token";
pub const APP_SECRET: &str = "canary-meta-app-secret-0123456789a";
pub const PAGE_TOKEN: &str = "canary-page-access-token";
pub const VERIFY_TOKEN: &str = "canary-verify-token";
/// The person of every order: a LINE user id, a mailbox, a phone, a name.
pub const LINE_USER: &str = "Uca9a5edcaf0123456789abcdef012345";
pub const EMAIL: &str = "canary.person@example.com";
pub const PHONE: &str = "+886912345678";
pub const NAME: &str = "Canaryname";
pub const PAGE_ID: &str = "104050607080901";

/// Now, in whole seconds.
pub fn now() -> Timestamp {
    from_millis(SystemClock.now().as_second() * 1000)
}

fn gmt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

pub fn base64_of(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(sign(secret.as_bytes(), body))
}

/// A WooCommerce order in `status`, changed `ago` seconds ago.
pub fn woo_order(id: u64, status: &str, ago: i64) -> Value {
    let at = plus_secs(now(), -ago);
    let paid = matches!(status, "processing" | "completed").then(|| gmt(at));
    json!({
        "id": id, "parent_id": 0, "status": status, "currency": "TWD", "version": "11.0.1",
        "date_created_gmt": gmt(plus_secs(now(), -600)), "date_modified_gmt": gmt(at),
        "date_paid_gmt": paid, "date_completed_gmt": null,
        "total": "1280", "total_tax": "0", "customer_id": 7, "order_key": "wc_order_x",
        "number": id.to_string(), "created_via": "checkout", "customer_note": "",
        "billing": { "first_name": NAME, "last_name": "", "country": "TW", "phone": PHONE, "email": EMAIL },
        "shipping": { "first_name": NAME, "last_name": "", "country": "TW", "phone": "" },
        "payment_method": "card", "payment_method_title": "Card",
        "needs_payment": status == "pending", "needs_processing": true,
        "payment_url": "https://shop.example.com/checkout/order-pay/",
        "meta_data": [{ "id": 1, "key": "line_user_id", "value": LINE_USER }],
        "line_items": [{ "id": 1, "name": "Tea", "product_id": 11, "quantity": 1, "total": "1280", "price": 1280 }],
        "shipping_lines": [{ "method_title": "Shipping", "method_id": "flat_rate" }],
        "refunds": [],
    })
}

/// A delivery of the shop `woo`.
pub fn woo(topic: &str, body: &[u8]) -> Request {
    woo_of("woo", WOO_SECRET, topic, body)
}

/// A delivery of another WooCommerce shop.
pub fn woo_of(shop: &str, secret: &str, topic: &str, body: &[u8]) -> Request {
    let headers = woo_headers(secret, topic, format!("{:032x}", super::dir::serial()), body);
    let post = Request::new("POST", format!("/hooks/woocommerce/{shop}")).body(body);
    headers.into_iter().fold(post, |request, (name, value)| request.header(name, value))
}

/// Headers of a WooCommerce delivery.
pub fn woo_headers(secret: &str, topic: &str, delivery: String, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".into()),
        ("x-wc-webhook-topic", topic.into()),
        ("x-wc-webhook-source", "https://shop.example.com/".into()),
        ("x-wc-webhook-id", "2".into()),
        ("x-wc-webhook-delivery-id", delivery),
        ("x-wc-webhook-signature", base64_of(secret, body)),
    ]
}

/// Headers of a Shopify delivery: of which shop and topic, signed with which secret.
pub fn shopify_headers(
    (shop, secret, topic): (&str, &str, &str),
    delivery: String,
    triggered: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".into()),
        ("x-shopify-topic", topic.into()),
        ("x-shopify-shop-domain", format!("{shop}.myshopify.com")),
        ("x-shopify-api-version", "2026-10".into()),
        ("x-shopify-webhook-id", delivery),
        ("x-shopify-triggered-at", triggered.to_string()),
        ("x-shopify-hmac-sha256", base64_of(secret, body)),
    ]
}

/// A Shopify order, changed `ago` seconds ago.
pub fn shopify_order(id: u64, financial: &str, ago: i64) -> Value {
    let at = plus_secs(now(), -ago);
    let money = json!({ "shop_money": { "amount": "42.00", "currency_code": "USD" }, "presentment_money": { "amount": "42.00", "currency_code": "USD" } });
    json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "name": format!("#{id}"),
        "confirmed": true, "test": false, "source_name": "web",
        "created_at": plus_secs(now(), -600).to_string(), "updated_at": at.to_string(), "processed_at": at.to_string(),
        "cancelled_at": null, "cancel_reason": null, "closed_at": null,
        "financial_status": financial, "fulfillment_status": null,
        "currency": "USD", "presentment_currency": "USD", "total_price": "42.00", "total_price_set": money,
        "current_total_price": "42.00", "current_total_price_set": money, "total_outstanding": "0.00",
        "payment_gateway_names": ["shopify_payments"], "customer_locale": "en", "email": EMAIL, "contact_email": EMAIL,
        "phone": PHONE, "order_status_url": "https://demo.myshopify.com/1/orders/abc/authenticate?key=x",
        "customer": { "id": 9_007_199_254_740_993_u64, "email": EMAIL, "first_name": NAME, "last_name": null },
        "shipping_address": { "first_name": NAME, "country_code": "US" }, "billing_address": { "country_code": "US" },
        "line_items": [{ "id": 1, "title": "Tea", "name": "Tea", "quantity": 1, "price": "42.00", "requires_shipping": true }],
        "shipping_lines": [{ "title": "Standard" }], "fulfillments": [], "refunds": [], "tags": "",
        "note_attributes": [{ "name": "line_user_id", "value": LINE_USER }],
    })
}

/// A delivery of the shop `shopi`.
pub fn shopify(topic: &str, body: &[u8]) -> Request {
    let delivery = format!("d-{}", super::dir::serial());
    Request::new("POST", "/hooks/shopify/shopi")
        .header("content-type", "application/json")
        .header("x-shopify-topic", topic)
        .header("x-shopify-shop-domain", "demo.myshopify.com")
        .header("x-shopify-webhook-id", delivery)
        .header("x-shopify-hmac-sha256", base64_of(SHOPIFY_SECRET, body))
        .body(body)
}

/// A callback of LINE.
pub fn line(body: &[u8]) -> Request {
    Request::new("POST", "/callbacks/line-main")
        .header("content-type", "application/json")
        .header("x-line-signature", base64_of(LINE_SECRET, body))
        .body(body)
}

/// A callback of LINE in which [`LINE_USER`] wrote `text`.
pub fn line_text(text: &str) -> Request {
    let body = json!({ "destination": "U0", "events": [{
        "type": "message", "mode": "active", "timestamp": now().as_millisecond(),
        "webhookEventId": format!("01E{}", super::dir::serial()), "deliveryContext": { "isRedelivery": false },
        "source": { "type": "user", "userId": LINE_USER }, "replyToken": "canary-reply-token",
        "message": { "type": "text", "id": "1", "text": text },
    }] });
    line(body.to_string().as_bytes())
}

/// A callback of Meta for the page.
pub fn messenger(body: &[u8]) -> Request {
    Request::new("POST", "/callbacks/messenger-page")
        .header("content-type", "application/json")
        .header("x-hub-signature-256", format!("sha256={}", hex::encode(sign(APP_SECRET.as_bytes(), body))))
        .body(body)
}
