//! Orders' lives, as the two shop systems write them, signed, and what each webhook's body proves.

use crate::support::orders::{shopify_headers, woo_headers};
use orderwire::domain::clock::{Timestamp, plus_secs};
use serde_json::{Value, json};

/// Who a customer on Messenger is: so many people, whose windows are opened before a run.
pub const PAGE_PEOPLE: u64 = 8;

/// What is to happen to one order.
pub struct Order {
    pub shop: &'static str,
    pub id: String,
    /// As messages write it.
    pub name: String,
    /// The sender repeats what was not answered 2xx.
    pub repeats: bool,
    pub steps: Vec<Step>,
}

/// One webhook.
#[derive(Clone)]
pub struct Step {
    pub topic: &'static str,
    /// The shop's time of it.
    pub at: Timestamp,
    /// Milestones that the order has reached, read from this body alone.
    pub proves: Vec<&'static str>,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// The `n`-th order of a run, created at `created`; the shops take turns.
pub fn order(n: u64, created: Timestamp) -> Order {
    match n % 4 {
        0 => woo("woo-line", n, created, ("line_user_id", json!(format!("U{n:032x}")))),
        1 => woo("woo-page", n, created, ("messenger_psid", json!(page_person(n)))),
        2 => shopify("fy-line", n, created, Some(format!("U{n:032x}"))),
        _ => shopify("fy-mail", n, created, None),
    }
}

/// The person who made order `n` on Messenger.
pub fn page_person(n: u64) -> String {
    format!("{}", 7_200_000_000_000_000 + n / 4 % PAGE_PEOPLE)
}

fn secret(shop: &str) -> String {
    format!("secret-of-{shop}-0123456789abcdef")
}

/// A moment of the order's life; all lie in the past, each later than the one before.
fn moment(created: Timestamp, step: usize) -> Timestamp {
    plus_secs(created, 5 + 10 * i64::try_from(step).unwrap_or(0))
}

fn woo(shop: &'static str, n: u64, created: Timestamp, identity: (&str, Value)) -> Order {
    let id = 1_000_000 + n;
    let paid = moment(created, 1);
    // Too short a time to pay for a reminder: nothing is left that only time would reach.
    let transfer = json!([
        { "id": 2, "key": "_ecpay_atm_BankCode", "value": "812" },
        { "id": 3, "key": "_ecpay_atm_vAccount", "value": "9103522850" },
        { "id": 4, "key": "_ecpay_atm_ExpireDate", "value": plus_secs(created, 1500).to_string() },
    ]);
    let sent_at = moment(created, 2).as_second().to_string();
    let parcel = json!([{ "id": 5, "key": "_wc_shipment_tracking_items", "value":
        [{ "tracking_provider": "ups", "tracking_number": format!("1Z{id}"), "date_shipped": sent_at, "tracking_id": "a1" }] }]);
    let placed = &["order_placed", "payment_pending"][..];
    let money = &["order_placed", "payment_received"][..];
    let gone = &["order_placed", "payment_received", "shipped"][..];
    // A status alone does not say when it left: heard of first as arrived, it is not told to be on its way.
    let there = &["order_placed", "payment_received", "delivered"][..];
    let off = &["order_placed", "payment_received", "cancelled"][..];
    // (status, paid, meta data, what it proves)
    let waits = ("on-hold", None, Some(&transfer), placed);
    let pays = ("processing", Some(paid), None, money);
    let mut life = vec![waits, pays, ("processing", Some(paid), Some(&parcel), gone)];
    life.push(("completed", Some(paid), Some(&parcel), there));
    if n / 4 % 4 == 3 {
        life = vec![pays, ("cancelled", Some(paid), None, off)];
    }
    let steps = life.into_iter().enumerate().map(|(i, (status, paid, more, proves))| {
        let (key, value) = &identity;
        let mut meta = vec![json!({ "id": 1, "key": key, "value": value })];
        meta.extend(more.and_then(Value::as_array).cloned().unwrap_or_default());
        let at = moment(created, i + 1);
        let topic = if i == 0 { "order.created" } else { "order.updated" };
        let body = woo_body(id, status, paid, meta, (created, at)).to_string();
        let headers = woo_headers(&secret(shop), topic, format!("{id}-{i}"), body.as_bytes());
        Step { topic, at, proves: proves.to_vec(), path: format!("/hooks/woocommerce/{shop}"), headers, body }
    });
    // WooCommerce itself never sends a webhook again.
    Order { shop, id: id.to_string(), name: format!("#{id}"), repeats: false, steps: steps.collect() }
}

fn woo_body(
    id: u64,
    status: &str,
    paid: Option<Timestamp>,
    meta: Vec<Value>,
    (created, now): (Timestamp, Timestamp),
) -> Value {
    let gmt = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mail = format!("woo-{id}@example.com");
    json!({
        "id": id, "parent_id": 0, "status": status, "currency": "USD", "version": "11.0.1",
        "date_created_gmt": gmt(created), "date_modified_gmt": gmt(now), "date_paid_gmt": paid.map(gmt),
        "date_completed_gmt": null, "total": "48.50", "total_tax": "0", "customer_id": 7,
        "order_key": "wc_order_x", "number": id.to_string(), "created_via": "checkout", "customer_note": "",
        "billing": { "first_name": "", "last_name": "", "country": "US", "phone": "", "email": mail },
        "shipping": { "first_name": "", "last_name": "", "country": "US", "phone": "" },
        "payment_method": if status == "on-hold" { "ecpay_atm" } else { "stripe" }, "payment_method_title": "Bank",
        "needs_payment": false, "needs_processing": true, "payment_url": "", "meta_data": meta,
        "line_items": [{ "id": 1, "name": "Board", "product_id": 11, "quantity": 1, "total": "48.50", "price": 48.5 }],
        "shipping_lines": [{ "method_title": "Post", "method_id": "flat_rate" }], "refunds": [],
    })
}

fn shopify(shop: &'static str, n: u64, created: Timestamp, line: Option<String>) -> Order {
    // Beyond 2^53, as they are.
    let id = 9_820_982_900_000_000_000 + n;
    let name = format!("#S{n}");
    let story: [(&str, Option<&str>, &[&str]); 5] = [
        ("orders/create", None, &["order_placed", "payment_received"]),
        ("orders/fulfilled", Some(""), &["order_placed", "payment_received", "shipped"]),
        ("orders/updated", Some("in_transit"), &["order_placed", "payment_received", "shipped", "in_transit"]),
        ("orders/updated", Some("out_for_delivery"), &["order_placed", "payment_received", "shipped"]),
        ("orders/updated", Some("delivered"), &["order_placed", "payment_received", "shipped", "delivered"]),
    ];
    let steps = story.into_iter().enumerate().map(|(i, (topic, scan, proves))| {
        let at = moment(created, i + 1);
        let parcel = scan.map(|scan| {
            json!([{
                "id": id / 10, "order_id": id, "name": format!("{name}.1"), "status": "success",
                "shipment_status": if scan.is_empty() { Value::Null } else { json!(scan) },
                "created_at": moment(created, 2).to_string(), "updated_at": at.to_string(),
                "tracking_company": "UPS", "tracking_number": format!("1ZS{n}"), "tracking_numbers": [format!("1ZS{n}")],
                "line_items": [{ "id": 1, "quantity": 1, "requires_shipping": true }],
            }])
        });
        let body = shopify_body(shop, (id, n, &name), line.as_deref(), parcel, (created, at)).to_string();
        let mut proves = proves.to_vec();
        proves.extend(scan.filter(|s| *s == "out_for_delivery"));
        let headers = shopify_headers((shop, &secret(shop), topic), format!("{shop}-{n}-{i}"), at, body.as_bytes());
        Step { topic, at, proves, path: format!("/hooks/shopify/{shop}"), headers, body }
    });
    let steps = steps.collect();
    Order { shop, id: id.to_string(), name, repeats: true, steps }
}

fn shopify_body(
    shop: &str,
    (id, n, name): (u64, u64, &str),
    line: Option<&str>,
    parcel: Option<Value>,
    (created, at): (Timestamp, Timestamp),
) -> Value {
    // What is dear is told to the staff.
    let total = if n / 4 % 8 == 0 { "148.50" } else { "48.50" };
    let amount = json!({ "amount": total, "currency_code": "USD" });
    let money = json!({ "shop_money": amount, "presentment_money": amount });
    let attributes: Vec<Value> = line.map(|id| json!({ "name": "line_user_id", "value": id })).into_iter().collect();
    let mail = format!("fy-{n}@example.com");
    json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "name": name, "order_number": n,
        "confirmed": true, "test": false, "source_name": "web", "created_at": created.to_string(),
        "updated_at": at.to_string(), "processed_at": created.to_string(), "cancelled_at": null, "cancel_reason": null,
        "closed_at": null, "financial_status": "paid",
        "fulfillment_status": if parcel.is_some() { json!("fulfilled") } else { Value::Null },
        "currency": "USD", "presentment_currency": "USD", "total_price": total, "total_price_set": money,
        "current_total_price": total, "current_total_price_set": money, "total_outstanding": "0.00",
        "payment_gateway_names": ["shopify_payments"], "customer_locale": "en", "email": mail, "contact_email": mail,
        "phone": null, "order_status_url": format!("https://{shop}.myshopify.com/1/orders/abc/authenticate?key=x"),
        "customer": { "id": 7, "email": mail, "first_name": null, "last_name": null },
        "shipping_address": { "country_code": "US" }, "billing_address": { "country_code": "US" },
        "line_items": [{ "id": 1, "title": "Board", "name": "Board", "quantity": 1, "price": total, "requires_shipping": true, "gift_card": false }],
        "shipping_lines": [{ "title": "Post" }], "fulfillments": parcel.unwrap_or_else(|| json!([])), "refunds": [],
        "tags": "", "note_attributes": attributes,
    })
}
