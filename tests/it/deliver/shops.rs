//! Orders as the two shop systems write them, signed.

use crate::support::orders::{shopify_headers, woo_headers};
use orderwire::domain::clock::Timestamp;
use serde_json::{Value, json};

/// A webhook ready to be posted.
#[derive(Clone)]
pub struct Webhook {
    /// Path at the public door.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The very bytes.
    pub body: String,
}

/// An order of the WooCommerce shop `tea`.
#[derive(Clone)]
pub struct Tea {
    /// The shop's id.
    pub shop: &'static str,
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
    /// Country.
    pub country: &'static str,
    /// E-mail address; empty: none.
    pub email: &'static str,
    /// Phone number as typed; empty: none.
    pub phone: &'static str,
    /// Total.
    pub total: &'static str,
    /// Payment method.
    pub method: &'static str,
    /// `created_via`.
    pub via: &'static str,
}

impl Tea {
    /// Paid and being worked on, with an e-mail address, made at `now`.
    pub fn paid(id: u64, now: Timestamp) -> Tea {
        Tea {
            shop: "tea",
            id,
            status: "processing",
            paid: Some(now),
            meta: Vec::new(),
            created: now,
            country: "TW",
            email: "mei@example.com",
            phone: "",
            total: "1200",
            method: "ecpay_credit",
            via: "checkout",
        }
    }

    /// Not paid yet.
    pub fn unpaid(id: u64, now: Timestamp) -> Tea {
        Tea { status: "pending", paid: None, method: "bacs", ..Tea::paid(id, now) }
    }

    /// With a LINE user id in the cart.
    #[must_use]
    pub fn line(mut self, user: &str) -> Tea {
        self.meta.push(("line_user_id", json!(user)));
        self
    }

    /// With a page-scoped id in the cart.
    #[must_use]
    pub fn messenger(mut self, psid: &str) -> Tea {
        self.meta.push(("messenger_psid", json!(psid)));
        self
    }

    /// With a phone number, as typed.
    #[must_use]
    pub fn phone(mut self, phone: &'static str) -> Tea {
        self.phone = phone;
        self
    }

    /// To another mailbox; empty: none.
    #[must_use]
    pub fn mail(mut self, email: &'static str) -> Tea {
        self.email = email;
        self
    }

    /// A parcel with this number left at `now`.
    pub fn ship(&mut self, number: &str, now: Timestamp) {
        let item = json!({ "tracking_provider": "7-eleven", "tracking_number": number, "date_shipped": now.as_second().to_string(), "tracking_id": "a1" });
        self.meta.push(("_wc_shipment_tracking_items", json!([item])));
    }

    /// The body as it is at `now`.
    pub fn body(&self, now: Timestamp) -> Value {
        let gmt = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let meta: Vec<Value> =
            self.meta.iter().enumerate().map(|(i, (k, v))| json!({ "id": i + 1, "key": k, "value": v })).collect();
        json!({
            "id": self.id, "parent_id": 0, "status": self.status, "currency": "TWD", "version": "11.0.1",
            "date_created_gmt": gmt(self.created), "date_modified_gmt": gmt(now),
            "date_paid_gmt": self.paid.map(gmt), "date_completed_gmt": null,
            "total": self.total, "total_tax": "0", "customer_id": 7, "order_key": "wc_order_test",
            "number": self.id.to_string(), "created_via": self.via, "customer_note": "",
            "billing": { "first_name": "", "last_name": "", "country": self.country, "phone": self.phone, "email": self.email },
            "shipping": { "first_name": "", "last_name": "", "country": self.country, "phone": "" },
            "payment_method": self.method, "payment_method_title": "轉帳",
            "needs_payment": self.paid.is_none() && self.status == "pending", "needs_processing": true,
            "payment_url": "https://shop.example.com/checkout/order-pay/", "meta_data": meta,
            "line_items": [{ "id": 1, "name": "高山烏龍茶 150g", "product_id": 11, "quantity": 1, "total": self.total, "price": 1, "image": { "id": "", "src": "" } }],
            "shipping_lines": [{ "method_title": "Shipping", "method_id": "flat_rate" }],
            "refunds": [],
        })
    }

    /// `order.updated` with its state at `now`.
    pub fn webhook(&self, now: Timestamp) -> Webhook {
        woo(self.shop, "order.updated", &self.body(now))
    }

    /// The order was put into the bin.
    pub fn deleted(&self) -> Webhook {
        woo(self.shop, "order.deleted", &json!({ "id": self.id }))
    }
}

/// A signed delivery of the shop.
pub fn woo(shop: &str, topic: &str, body: &Value) -> Webhook {
    let body = body.to_string();
    let secret = "woo-test-secret-0123456789abcdef";
    let headers = woo_headers(secret, topic, "0123456789abcdef".into(), body.as_bytes());
    Webhook { path: format!("/hooks/woocommerce/{shop}"), headers, body }
}

/// An order of the Shopify shop `wood`.
#[derive(Clone)]
pub struct Wood {
    /// The shop's id, and first part of its domain.
    pub shop: &'static str,
    /// Order id.
    pub id: u64,
    /// `financial_status`.
    pub financial: &'static str,
    /// Fulfilments.
    pub fulfillments: Vec<Value>,
    /// Made at.
    pub created: Timestamp,
    /// Cancelled at.
    pub cancelled: Option<Timestamp>,
    /// E-mail address; empty: none.
    pub email: &'static str,
    /// Made for trying out.
    pub test: bool,
    /// `source_name`.
    pub source: &'static str,
    /// Cart attributes.
    pub attributes: Vec<(&'static str, String)>,
}

impl Wood {
    /// Paid, with an e-mail address, made at `now`.
    pub fn paid(id: u64, now: Timestamp) -> Wood {
        Wood {
            shop: "wood",
            id,
            financial: "paid",
            fulfillments: Vec::new(),
            created: now,
            cancelled: None,
            email: "sam@example.com",
            test: false,
            source: "web",
            attributes: Vec::new(),
        }
    }

    /// A parcel with a number left at `now`; without a number where it is empty.
    pub fn ship(&mut self, number: &str, now: Timestamp) {
        let numbers: Vec<&str> = Some(number).filter(|n| !n.is_empty()).into_iter().collect();
        let count = u64::try_from(self.fulfillments.len()).unwrap_or(0);
        self.fulfillments.push(json!({
            "id": self.id * 10 + count, "order_id": self.id, "name": format!("#{}.1", self.id), "status": "success",
            "shipment_status": null, "created_at": now.to_string(), "updated_at": now.to_string(),
            "tracking_company": "UPS", "tracking_number": numbers.first(), "tracking_numbers": numbers,
            "line_items": [{ "id": 1, "quantity": 1, "requires_shipping": true }],
        }));
    }

    /// The carrier scanned the first parcel.
    pub fn scan(&mut self, status: &str, now: Timestamp) {
        self.fulfillments[0]["shipment_status"] = json!(status);
        self.fulfillments[0]["updated_at"] = json!(now.to_string());
    }

    /// The body as it is at `now`.
    pub fn body(&self, now: Timestamp) -> Value {
        let money = json!({ "shop_money": { "amount": "48.50", "currency_code": "USD" }, "presentment_money": { "amount": "48.50", "currency_code": "USD" } });
        let attributes: Vec<Value> = self.attributes.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
        let email = Some(self.email).filter(|e| !e.is_empty());
        json!({
            "id": self.id, "admin_graphql_api_id": format!("gid://shopify/Order/{}", self.id), "name": format!("#{}", self.id),
            "order_number": self.id, "confirmed": true, "test": self.test, "source_name": self.source,
            "created_at": self.created.to_string(), "updated_at": now.to_string(), "processed_at": self.created.to_string(),
            "cancelled_at": self.cancelled.map(|t| t.to_string()), "cancel_reason": null, "closed_at": null,
            "financial_status": self.financial,
            "fulfillment_status": if self.fulfillments.is_empty() { Value::Null } else { json!("fulfilled") },
            "currency": "USD", "presentment_currency": "USD", "total_price": "48.50", "total_price_set": money,
            "current_total_price": "48.50", "current_total_price_set": money, "total_outstanding": "0.00",
            "payment_gateway_names": ["shopify_payments"], "customer_locale": "en", "email": email, "contact_email": email,
            "phone": null, "order_status_url": format!("https://{}.myshopify.com/1/orders/abc/authenticate?key=test", self.shop),
            "customer": { "id": 9_007_199_254_740_993_u64, "email": email, "first_name": null, "last_name": null },
            "shipping_address": { "country_code": "US" }, "billing_address": { "country_code": "US" },
            "line_items": [{ "id": 1, "title": "Walnut serving board", "name": "Walnut serving board", "quantity": 1, "price": "48.50", "requires_shipping": true, "gift_card": false }],
            "shipping_lines": [{ "title": "Standard" }], "fulfillments": self.fulfillments, "refunds": [], "tags": "", "note_attributes": attributes,
        })
    }

    /// `orders/updated` with its state at `now`.
    pub fn webhook(&self, now: Timestamp) -> Webhook {
        shopify(self.shop, "orders/updated", &self.body(now), now)
    }
}

/// A signed delivery of the shop, sent at `now`.
pub fn shopify(shop: &str, topic: &str, body: &Value, now: Timestamp) -> Webhook {
    let body = body.to_string();
    // Each delivery has an id of its own; the body stands for it here.
    let delivery = orderwire::domain::ids::Digest8::of(&[topic.as_bytes(), body.as_bytes()]).0;
    let sender = (shop, "shopify-test-secret-0123456789abcdef", topic);
    let headers = shopify_headers(sender, format!("{delivery:016x}"), now, body.as_bytes());
    Webhook { path: format!("/hooks/shopify/{shop}"), headers, body }
}
