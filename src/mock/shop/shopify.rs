//! Shopify's Admin GraphQL API.

use super::query::{Document, Pick};
use super::{Inner, ShopHook, date, graph, id_of};
use crate::mock::House;
use crate::mock::book::Taken;
use crate::mock::door::{Errand, Outcome, Understudy};
use crate::mock::fault::FaultKind;
use crate::mock::reply::Reply;
use crate::mock::request::Request;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(in crate::mock) static UNDERSTUDY: Understudy = Understudy { name: "shopify", read, too_many };

const PATH: &str = "/admin/api/2026-10/graphql.json";
/// Lane of faults.
const LANE: &str = "shopify:api";
/// What one question may cost, whatever the shop's plan.
const MOST: u64 = 1000;

fn too_many(_: &FaultKind, _: &str) -> Reply {
    // The budget of questions, not the status, says that they were too many.
    let cost = json!({ "requestedQueryCost": 60, "throttleStatus": { "maximumAvailable": 2000.0,
        "currentlyAvailable": 10, "restoreRate": 100.0 } });
    let error = json!({ "message": "Throttled", "extensions": { "code": "THROTTLED" } });
    Reply::json(200, &json!({ "errors": [error], "extensions": { "cost": cost } }))
}

fn error(code: &str, message: String) -> Value {
    json!({ "errors": [{ "message": message, "extensions": { "code": code } }] })
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if request.path() != PATH {
        return None;
    }
    let errand = |outcome| Some(Errand { lane: LANE, to: "graphql".into(), outcome });
    if request.header("x-shopify-access-token") != Some(house.options.shop.token.as_str()) {
        let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return errand(Outcome::Refuse(Reply::json(401, &json!({ "errors": text }))));
    }
    let taken = Taken { form: "shop", body: request.body.clone(), ..Taken::default() };
    errand(Outcome::Take(answer, Box::new(taken)))
}

/// What is asked, answered; a mutation is done here, so that a fault before this point has done nothing.
fn answer(house: &Arc<House>, taken: Taken, _: Option<u64>) -> Reply {
    let body: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let variables = body.get("variables").cloned().unwrap_or_default();
    let reply =
        |value: &Value| Reply::json(200, value).with("date", date(house)).with("x-shopify-api-version", "2026-10");
    let Some(document) = Document::read(text, &variables) else {
        return reply(&error("BAD_REQUEST", "this is no document".into()));
    };
    let cost = document.cost(&document.picks);
    if cost > MOST {
        return reply(&error(
            "MAX_COST_EXCEEDED",
            format!("Query cost is {cost}, which exceeds the single query max cost limit ({MOST})"),
        ));
    }
    let mut data = Map::new();
    for pick in &document.picks {
        let Pick::Field { key, name, args, picks } = pick else { continue };
        let Some(whole) = root(house, name, args) else {
            return reply(&error("undefinedField", format!("Field '{name}' doesn't exist")));
        };
        match document.project(&whole, picks) {
            Ok(part) => drop(data.insert(key.clone(), part)),
            Err(field) => return reply(&error("undefinedField", format!("Field '{field}' doesn't exist"))),
        }
    }
    reply(&json!({ "data": data, "extensions": { "cost": { "requestedQueryCost": cost } } }))
}

fn number(gid: &Value) -> u64 {
    gid.as_str().and_then(|g| g.rsplit('/').next()).and_then(|n| n.parse().ok()).unwrap_or_default()
}

fn root(house: &House, name: &str, args: &Map<String, Value>) -> Option<Value> {
    let own = &house.options.shop;
    let mut inner = house.shop.open();
    let arg = |name: &str| args.get(name).cloned().unwrap_or_default();
    let order = |o: &Value| graph::order(o, own.sees_customers);
    Some(match name {
        "order" => inner.shopify.get(&number(&arg("id"))).map_or(Value::Null, order),
        "node" => Value::Null,
        "orders" => orders(&inner, args, own.sees_customers),
        "publicApiVersions" => json!([
            { "handle": "2026-10", "supported": !own.version_retired }, { "handle": "2025-01", "supported": false },
        ]),
        "currentAppInstallation" => {
            json!({ "accessScopes": own.scopes.iter().map(|s| json!({ "handle": s })).collect::<Vec<_>>() })
        }
        "webhookSubscriptions" => {
            json!({ "nodes": inner.subscriptions.values().map(subscription).collect::<Vec<_>>() })
        }
        "tagsAdd" if may_write(house) => tags(&mut inner, &arg("id"), &arg("tags"), &own.now(house)),
        "metafieldsSet" if may_write(house) => {
            let field = arg("metafields").get(0).cloned().unwrap_or_default();
            let value = field["value"].as_str().unwrap_or_default().to_string();
            inner.metafields.insert(number(&field["ownerId"]), value);
            json!({ "userErrors": [] })
        }
        "tagsAdd" | "metafieldsSet" => json!({ "userErrors": [{ "field": ["id"], "message": "Access denied" }] }),
        "webhookSubscriptionCreate" => {
            let id = inner.number();
            let topic = arg("topic").as_str().unwrap_or_default().to_string();
            inner.subscriptions.insert(id, subscribed(id, topic, &arg("webhookSubscription")));
            json!({ "userErrors": [] })
        }
        "webhookSubscriptionUpdate" => {
            let id = number(&arg("id"));
            let topic = inner.subscriptions.get(&id).map(|s| s.topic.clone());
            topic.map(|topic| inner.subscriptions.insert(id, subscribed(id, topic, &arg("webhookSubscription"))));
            json!({ "userErrors": [] })
        }
        "webhookSubscriptionDelete" => {
            inner.subscriptions.remove(&number(&arg("id")));
            json!({ "userErrors": [] })
        }
        _ => return None,
    })
}

fn may_write(house: &House) -> bool {
    house.options.shop.scopes.iter().any(|s| s == "write_orders")
}

impl super::ShopOptions {
    fn now(&self, house: &House) -> String {
        house.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

fn subscribed(id: u64, topic: String, input: &Value) -> ShopHook {
    let url = input["uri"].as_str().unwrap_or_default().to_string();
    ShopHook { id, topic, url, active: true, secret: String::new() }
}

fn subscription(hook: &ShopHook) -> Value {
    json!({
        "id": format!("gid://shopify/WebhookSubscription/{}", hook.id), "topic": hook.topic, "format": "JSON",
        "uri": hook.url, "apiVersion": { "handle": "2026-10", "supported": true },
    })
}

/// Adds what is not there; the order has changed then.
fn tags(inner: &mut Inner, id: &Value, new: &Value, now: &str) -> Value {
    let Some(order) = inner.shopify.get_mut(&number(id)) else {
        return json!({ "userErrors": [{ "field": ["id"], "message": "does not exist" }] });
    };
    let mut tags: Vec<String> = order["tags"].as_str().unwrap_or_default().split(", ").map(String::from).collect();
    tags.extend(new.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(String::from)));
    tags.retain(|t| !t.is_empty());
    tags.sort();
    tags.dedup();
    order["tags"] = json!(tags.join(", "));
    order["updated_at"] = json!(now);
    json!({ "userErrors": [] })
}

/// The list by its last change, behind a cursor.
fn orders(inner: &Inner, args: &Map<String, Value>, sees_customers: bool) -> Value {
    let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let from = text("query").strip_prefix("updated_at:>='").map(|t| t.trim_end_matches('\'').to_string());
    let moment = |t: &str| t.parse::<crate::domain::clock::Timestamp>().ok();
    let since = from.as_deref().and_then(moment);
    let changed = |o: &Value| o["updated_at"].as_str().and_then(moment);
    let mut list: Vec<&Value> = inner.shopify.values().filter(|o| since.is_none() || changed(o) >= since).collect();
    list.sort_by_key(|o| (changed(o), id_of(o)));
    if args.get("reverse") == Some(&json!(true)) {
        list.reverse();
    }
    let cursor = |o: &Value| format!("{}/{}", o["updated_at"].as_str().unwrap_or_default(), id_of(o));
    let after = text("after");
    let skipped = list.iter().position(|o| cursor(o) == after).map_or(0, |i| i + 1);
    let first = args.get("first").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(10);
    let page: Vec<&Value> = list.iter().skip(skipped).take(first).copied().collect();
    let more = skipped + page.len() < list.len();
    json!({
        "pageInfo": { "hasNextPage": more, "endCursor": page.last().map(|o| cursor(o)) },
        "nodes": page.iter().map(|o| graph::order(o, sees_customers)).collect::<Vec<_>>(),
    })
}
