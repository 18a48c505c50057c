//! Shopify orders of 8,148 bytes, signed, each a different one: made beforehand, so that making them costs
//! nothing while something is measured.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use orderwire::domain::clock::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;

/// Bytes of an order's body.
pub const BYTES: usize = 8_148;
/// What shops sign with.
pub const SECRET: &str = "bench-secret-of-every-shop-here";
/// Stages of an order's life: placed, paid, on its way, out for delivery, delivered.
pub const STAGES: usize = 5;
/// An order was made this long before it is sent, so that its later stages lie in the past too.
const MADE: SignedDuration = SignedDuration::from_secs(60);

const ID: &str = "8111111111111111";
const SERIAL: &str = "7222222222";
const CREATED: &str = "2001-02-03T04:05:06Z";
const UPDATED: &str = "2001-02-03T04:05:07Z";
const USER: &str = "U0123456789abcdef0123456789abcdef";

enum Blank {
    Id,
    Serial,
    Created,
    Updated,
    User,
}

/// One stage of an order with blanks for what differs between orders.
struct Form {
    body: Vec<u8>,
    blanks: Vec<(usize, Blank)>,
}

/// Makes the requests of one bench run.
pub struct Orders {
    forms: Vec<Form>,
    created: Timestamp,
}

impl Orders {
    /// Orders made a minute ago.
    pub fn new() -> Orders {
        Orders { forms: (0..STAGES).map(Form::new).collect(), created: SystemClock.now() - MADE }
    }

    /// Order `serial` of shop number `shop` as it first comes in.
    pub fn request(&self, shop: usize, serial: u64) -> Vec<u8> {
        self.stage(shop, serial, 0)
    }

    /// The whole HTTP request that tells stage `stage` of an order.
    pub fn stage(&self, shop: usize, serial: u64, stage: usize) -> Vec<u8> {
        let form = &self.forms[stage];
        let at = |secs: usize| (self.created + SignedDuration::from_secs(secs as i64)).strftime("%Y-%m-%dT%H:%M:%SZ");
        let id = format!("{:016}", 6_000_000_000_000_000 + serial);
        let words = [
            id.clone(),
            format!("{:010}", 1_000_000_000 + serial),
            at(0).to_string(),
            at(stage * 10).to_string(),
            user(shop, serial),
        ];
        let mut body = form.body.clone();
        for (place, blank) in &form.blanks {
            let word = match blank {
                Blank::Id => &words[0],
                Blank::Serial => &words[1],
                Blank::Created => &words[2],
                Blank::Updated => &words[3],
                Blank::User => &words[4],
            };
            body[*place..*place + word.len()].copy_from_slice(word.as_bytes());
        }
        let topic = if stage == 0 { "orders/create" } else { "orders/updated" };
        let mut head = String::with_capacity(700);
        write!(
            head,
            "POST /hooks/shopify/{} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: Shopify-Captain-Hook\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nx-shopify-topic: {topic}\r\n\
             x-shopify-hmac-sha256: {}\r\nx-shopify-shop-domain: {}\r\nx-shopify-api-version: 2026-10\r\n\
             x-shopify-webhook-id: {id}-{stage}\r\nx-shopify-event-id: {id}-{stage}-event\r\n\
             x-shopify-triggered-at: {}\r\n\r\n",
            shop_id(shop),
            body.len(),
            STANDARD.encode(sign(&body)),
            domain(shop),
            words[3],
        )
        .expect("a String takes everything");
        let mut request = head.into_bytes();
        request.extend_from_slice(&body);
        request
    }
}

/// Name of shop number `shop` in settings and addresses.
pub fn shop_id(shop: usize) -> String {
    format!("shop{shop}")
}

/// Its domain.
pub fn domain(shop: usize) -> String {
    format!("shop{shop}.myshopify.com")
}

/// The customer of an order: who it is tells the sink which order a message is about.
fn user(shop: usize, serial: u64) -> String {
    format!("U{shop:04x}{:012x}{serial:016x}", 0)
}

/// (shop, serial) of a customer's id as [`user`] wrote it.
pub fn read_user(user: &[u8]) -> Option<(usize, u64)> {
    let text = std::str::from_utf8(user).ok()?;
    Some((usize::from_str_radix(text.get(1..5)?, 16).ok()?, u64::from_str_radix(text.get(17..33)?, 16).ok()?))
}

/// The HMAC of a body under the shops' secret.
pub fn sign(body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

impl Form {
    fn new(stage: usize) -> Form {
        let bare = order(stage, "").to_string().len();
        let body = order(stage, &"x".repeat(BYTES.saturating_sub(bare))).to_string();
        assert_eq!(body.len(), BYTES, "stage {stage} of the bench's order does not fit its {BYTES} bytes");
        let mut blanks = Vec::new();
        for (mark, make) in [
            (ID, (|| Blank::Id) as fn() -> Blank),
            (SERIAL, || Blank::Serial),
            (CREATED, || Blank::Created),
            (UPDATED, || Blank::Updated),
            (USER, || Blank::User),
        ] {
            blanks.extend(body.match_indices(mark).map(|(place, _)| (place, make())));
        }
        Form { body: body.into_bytes(), blanks }
    }
}

fn money(amount: &str) -> Value {
    let side = json!({ "amount": amount, "currency_code": "USD" });
    json!({ "shop_money": side, "presentment_money": side })
}

fn address() -> Value {
    json!({
        "first_name": "Ada", "last_name": "Example", "name": "Ada Example", "company": null, "phone": "+12025550123",
        "address1": "1 Example Street", "address2": "", "city": "Springfield", "province": "Illinois",
        "province_code": "IL", "zip": "62701", "country": "United States", "country_code": "US",
        "latitude": 39.78, "longitude": -89.65,
    })
}

fn line(number: u64) -> Value {
    json!({
        "id": 14_000_000_000_000_000 + number, "admin_graphql_api_id": format!("gid://shopify/LineItem/{number}"),
        "name": format!("Linen shirt {number} - Blue / M"), "title": format!("Linen shirt {number}"),
        "variant_title": "Blue / M", "vendor": "Example Mills", "sku": format!("LS-{number:05}-BM"), "quantity": 1,
        "current_quantity": 1, "fulfillable_quantity": 1, "fulfillment_service": "manual", "fulfillment_status": null,
        "gift_card": false, "grams": 240, "price": "49.00", "price_set": money("49.00"), "product_exists": true,
        "product_id": 7_000_000_000_000_u64 + number, "properties": [], "requires_shipping": true, "taxable": true,
        "total_discount": "0.00", "total_discount_set": money("0.00"), "variant_id": 44_000_000_000_000_u64 + number,
        "tax_lines": [{ "title": "State tax", "rate": 0.0625, "price": "3.06", "price_set": money("3.06") }],
        "discount_allocations": [], "duties": [], "variant_inventory_management": "shopify",
    })
}

fn parcel(stage: usize) -> Value {
    let shipment = match stage {
        2 => Value::Null,
        3 => json!("out_for_delivery"),
        _ => json!("delivered"),
    };
    json!({
        "id": 4_567_890_123_456_789_u64, "order_id": ID.parse::<u64>().unwrap_or_default(), "name": "#1.1",
        "status": "success", "shipment_status": shipment, "created_at": CREATED, "updated_at": UPDATED,
        "tracking_company": "UPS", "tracking_number": "1Z999AA10123456784",
        "tracking_numbers": ["1Z999AA10123456784"], "tracking_url": "https://www.ups.com/track?n=1Z999AA10123456784",
        "tracking_urls": ["https://www.ups.com/track?n=1Z999AA10123456784"],
        "line_items": [{ "id": 14_000_000_000_000_001_u64, "quantity": 1, "requires_shipping": true }],
    })
}

/// An order the way the platform writes it, `padding` in a field that nobody reads.
fn order(stage: usize, padding: &str) -> Value {
    let mut all = about(stage, padding);
    for part in [prices(), things(stage)] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

fn about(stage: usize, padding: &str) -> Value {
    json!({
        "id": ID.parse::<u64>().unwrap_or_default(), "admin_graphql_api_id": format!("gid://shopify/Order/{ID}"),
        "app_id": 580_111, "browser_ip": "203.0.113.7", "buyer_accepts_marketing": false, "cancel_reason": null,
        "cancelled_at": null, "cart_token": null, "checkout_id": 37_000_000_000_000_u64, "confirmed": true,
        "client_details": { "accept_language": "en-US", "browser_ip": "203.0.113.7", "user_agent": "Mozilla/5.0" },
        "contact_email": format!("buyer{SERIAL}@example.com"), "email": format!("buyer{SERIAL}@example.com"),
        "created_at": CREATED, "updated_at": UPDATED, "processed_at": CREATED, "closed_at": null,
        "customer_locale": "en", "estimated_taxes": false, "name": format!("#{SERIAL}"), "note": null,
        "financial_status": if stage == 0 { "pending" } else { "paid" },
        "fulfillment_status": if stage >= 2 { json!("fulfilled") } else { Value::Null },
        "note_attributes": [{ "name": "line_user_id", "value": USER }, { "name": "gift", "value": "no" }],
        "number": 1, "order_number": 1001, "payment_gateway_names": ["shopify_payments"], "phone": "+12025550123",
        "order_status_url": "https://shop.example.com/1/orders/0123456789abcdef/authenticate?key=0123456789abcdef",
        "referring_site": "", "source_name": "web", "tags": "", "taxes_included": false, "test": false,
        "token": "0123456789abcdef0123456789abcdef", "landing_site": format!("/?ref={padding}"),
    })
}

fn prices() -> Value {
    json!({
        "currency": "USD", "presentment_currency": "USD", "discount_codes": [],
        "current_subtotal_price": "147.00", "current_total_price": "161.19", "current_total_tax": "9.19",
        "current_total_price_set": money("161.19"), "total_price": "161.19", "total_price_set": money("161.19"),
        "subtotal_price": "147.00", "subtotal_price_set": money("147.00"), "total_tax": "9.19",
        "total_tax_set": money("9.19"), "total_discounts": "0.00", "total_outstanding": "0.00",
        "total_shipping_price_set": money("5.00"), "total_weight": 720, "total_tip_received": "0.00",
        "tax_lines": [{ "title": "State tax", "rate": 0.0625, "price": "9.19", "price_set": money("9.19") }],
    })
}

fn things(stage: usize) -> Value {
    let parcels: Vec<Value> = (stage >= 2).then(|| parcel(stage)).into_iter().collect();
    json!({
        "customer": {
            "id": 8_222_000_000_000_000_u64, "email": format!("buyer{SERIAL}@example.com"), "first_name": "Ada",
            "last_name": "Example", "phone": "+12025550123", "state": "disabled", "verified_email": true,
            "default_address": address(), "currency": "USD", "tags": "",
        },
        "billing_address": address(), "shipping_address": address(),
        "line_items": (1..=3).map(line).collect::<Vec<_>>(), "fulfillments": parcels, "refunds": [], "returns": [],
        "shipping_lines": [{
            "id": 5_100_000_000_000_u64, "code": "Standard", "title": "Standard", "price": "5.00",
            "price_set": money("5.00"), "source": "shopify", "carrier_identifier": null, "tax_lines": [],
        }],
    })
}
