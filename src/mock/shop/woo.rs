//! WooCommerce's REST API v3.

use super::{ShopHook, date, gmt, id_of, shown};
use crate::mock::House;
use crate::mock::book::Taken;
use crate::mock::door::{Errand, Outcome, Understudy};
use crate::mock::fault::FaultKind;
use crate::mock::reply::Reply;
use crate::mock::request::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::Arc;

pub(in crate::mock) static UNDERSTUDY: Understudy = Understudy { name: "woocommerce", read, too_many };

const BASE: &str = "/wp-json/wc/v3/";
/// Lane of faults.
const LANE: &str = "woocommerce:api";

fn too_many(kind: &FaultKind, _: &str) -> Reply {
    let after = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "1" };
    no(429, "rate_limit").with("retry-after", after)
}

/// An error as WordPress writes it.
fn no(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "code": code, "message": "As the shop says.", "data": { "status": status } }))
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let path = request.path().strip_prefix(BASE)?.to_string();
    let errand = |outcome| Some(Errand { lane: LANE, to: format!("{} {path}", request.method()), outcome });
    let (key, secret) = &house.options.shop.woo_key;
    let wanted = format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
    if request.header("authorization") != Some(&wanted) {
        return errand(Outcome::Refuse(no(401, "woocommerce_rest_cannot_view")));
    }
    if request.method() == "GET" {
        return errand(Outcome::Tell(told(house, request, &path).with("date", date(house))));
    }
    if !house.options.shop.woo_writes {
        return errand(Outcome::Refuse(no(401, "woocommerce_rest_cannot_create")));
    }
    let taken = Taken { form: "shop", body: request.body.clone(), ..Taken::default() };
    errand(Outcome::Take(change, Box::new(taken)))
}

fn told(house: &House, request: &Request, path: &str) -> Reply {
    let inner = house.shop.open();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["orders"] => Reply::json(200, &orders(request, inner.woo.values())),
        ["orders", id] => match id.parse().ok().and_then(|id: u64| inner.woo.get(&id)) {
            Some(order) => Reply::json(200, order),
            None => no(404, "woocommerce_rest_shop_order_invalid_id"),
        },
        ["orders", id, "notes"] => {
            let id: u64 = id.parse().unwrap_or_default();
            Reply::json(200, &json!(inner.notes.get(&id).cloned().unwrap_or_default()))
        }
        ["webhooks"] => {
            let list: Vec<Value> = inner.hooks.values().map(hook).collect();
            Reply::json(200, &json!(list))
        }
        ["system_status"] => {
            Reply::json(200, &json!({ "environment": { "wp_cron": house.options.shop.wp_cron, "version": "11.0.1" } }))
        }
        _ => no(404, "rest_no_route"),
    }
}

/// The list, as its parameters say; their defaults are WooCommerce's.
fn orders<'a>(request: &Request, all: impl Iterator<Item = &'a Value>) -> Value {
    let number = |name: &str, or: usize| request.query(name).and_then(|v| v.parse().ok()).unwrap_or(or);
    let modified = |order: &Value| order["date_modified_gmt"].as_str().unwrap_or_default().to_string();
    // Its own second is not after it.
    let after = request.query("modified_after").unwrap_or_default();
    let mut list: Vec<&Value> = all.filter(|o| after.is_empty() || modified(o) > after).collect();
    list.sort_by_key(|o| (modified(o), id_of(o)));
    if request.query("order").as_deref() != Some("asc") {
        list.reverse();
    }
    let (page, each) = (number("page", 1).max(1), number("per_page", 10).clamp(1, 100));
    json!(list.into_iter().skip((page - 1) * each).take(each).collect::<Vec<_>>())
}

/// A webhook as it is shown: never its secret.
fn hook(hook: &ShopHook) -> Value {
    let status = if hook.active { "active" } else { "disabled" };
    json!({ "id": hook.id, "name": hook.topic, "status": status, "topic": hook.topic, "delivery_url": hook.url })
}

fn change(house: &Arc<House>, taken: Taken, _: Option<u64>) -> Reply {
    let body: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
    let (method, path) = taken.to.split_once(' ').unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(String::from);
    let mut inner = house.shop.open();
    let id = |text: &str| text.parse::<u64>().unwrap_or_default();
    match (method, parts.as_slice()) {
        ("POST", ["orders", order, "notes"]) => {
            let order = id(order);
            if !inner.woo.contains_key(&order) {
                return no(404, "woocommerce_rest_order_invalid_id");
            }
            let Some(note) = text("note").filter(|n| !n.is_empty()) else {
                return no(400, "rest_missing_callback_param");
            };
            let number = inner.number();
            let customer = body.get("customer_note").and_then(Value::as_bool).unwrap_or(false);
            let note = json!({ "id": number, "author": "system", "note": note, "customer_note": customer,
                "date_created_gmt": gmt(house.now()) });
            inner.notes.entry(order).or_default().push(note.clone());
            Reply::json(201, &note)
        }
        ("POST", ["webhooks"]) => {
            let (Some(topic), Some(url)) = (text("topic"), text("delivery_url")) else {
                return no(400, "woocommerce_rest_invalid_webhook_topic");
            };
            let number = inner.number();
            let active = text("status").is_none_or(|s| s == "active");
            let new = ShopHook { id: number, topic, url, active, secret: text("secret").unwrap_or_default() };
            inner.hooks.insert(number, new.clone());
            Reply::json(201, &hook(&new))
        }
        ("PUT", ["webhooks", number]) => {
            let Some(known) = inner.hooks.get_mut(&id(number)) else {
                return no(404, "woocommerce_rest_shop_webhook_invalid_id");
            };
            known.active = text("status").map_or(known.active, |s| s == "active");
            known.url = text("delivery_url").unwrap_or_else(|| known.url.clone());
            known.secret = text("secret").unwrap_or_else(|| known.secret.clone());
            Reply::json(200, &hook(known))
        }
        ("DELETE", ["webhooks", number]) => match inner.hooks.remove(&id(number)) {
            Some(gone) => Reply::json(200, &shown(&gone)),
            None => no(404, "woocommerce_rest_shop_webhook_invalid_id"),
        },
        _ => no(404, "rest_no_route"),
    }
}
