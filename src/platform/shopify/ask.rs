//! Asks the Admin GraphQL API for an order: by its id, or by the id of a thing that belongs to it.
//!
//! Version 2026-10 (read November 2026). Fields are aliased to the webhooks' names, so that the answer is read
//! by the same code as a snapshot. What needs a scope beyond `read_orders` is asked for only where the
//! question itself shows that the app has it: a field without its scope makes the whole answer fail. The
//! customer (`read_customers`) is left out for that reason; order and addresses carry contact data.

use super::order;
use super::wire::{self, is_number};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, JoinKey, OrderEvent, Patch};
use crate::domain::outgoing;
use crate::domain::settings::Secret;
use crate::platform::meta::{self, Many, Part, Text};
use crate::platform::{Api, AskFault, Question, Shop};
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/admin/api/2026-10/graphql.json";
/// Longest answer read; an order with all its lists stays far below.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(15);

/// What is asked of an order. `%extra%` takes what a question's scope adds.
const FACTS: &str = "fragment facts on Order {
  id admin_graphql_api_id: id name test confirmed tags email phone
  created_at: createdAt updated_at: updatedAt cancelled_at: cancelledAt cancel_reason: cancelReason
  financial_status: displayFinancialStatus fulfillment_status: displayFulfillmentStatus
  currency: currencyCode presentment_currency: presentmentCurrencyCode
  current_total_price_set: currentTotalPriceSet { ...money }
  total_outstanding_set: totalOutstandingSet { ...money }
  payment_gateway_names: paymentGatewayNames customer_locale: customerLocale source_name: sourceName
  order_status_url: statusPageUrl(audience: CUSTOMERVIEW)
  shipping_address: shippingAddress { ...address } billing_address: billingAddress { ...address }
  note_attributes: customAttributes { name: key value }
  line_items: lineItems(first: 20) { nodes {
    name quantity current_quantity: currentQuantity requires_shipping: requiresShipping image { url } } }
  fulfillments(first: 50) {
    id status created_at: createdAt updated_at: updatedAt shipment_status: displayStatus
    requires_shipping: requiresShipping tracking_info: trackingInfo(first: 10) { company number url } }
  refunds(first: 50) { id created_at: createdAt
    transactions(first: 20) { nodes { kind status amount_set: amountSet { ...money } } } }
  %extra%
}
fragment money on MoneyBag {
  presentment_money: presentmentMoney { amount currency_code: currencyCode }
  shop_money: shopMoney { amount currency_code: currencyCode }
}
fragment address on MailingAddress {
  first_name: firstName last_name: lastName phone country_code: countryCodeV2
}";

const RETURNS: &str = "returns(first: 20) { nodes { id name status } }";
const FULFILLMENT_ORDERS: &str = "fulfillment_orders: fulfillmentOrders(first: 50) { nodes { id } }";

/// Things whose order can be asked for: our kind, Shopify's type, the way from it to its order, what the
/// scope of its webhooks lets us ask besides.
const THINGS: &[(&str, &str, &str, &str)] = &[
    ("fulfillment_order", "FulfillmentOrder", "order { ...facts }", FULFILLMENT_ORDERS),
    ("fulfillment", "Fulfillment", "order { ...facts }", ""),
    ("return", "Return", "order { ...facts }", RETURNS),
    ("reverse_delivery", "ReverseDelivery", "owner: reverseFulfillmentOrder { order { ...facts } }", RETURNS),
    ("refund", "Refund", "order { ...facts }", ""),
    ("order_transaction", "OrderTransaction", "order { ...facts }", ""),
];

/// Asks; `Ok(None)`: the shop knows no such thing.
pub(super) fn ask(
    shop: &Shop,
    client: &reqwest::Client,
    question: Question,
) -> BoxFuture<'static, Result<Option<OrderEvent>, AskFault>> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let api = shop.api.as_ref().ok_or_else(|| {
            AskFault::Refused(format!("shop {} has no [shop.api]: set url and secret there", shop.id))
        })?;
        let query = query(&question)?;
        let answer = send(api, &client, query.to_string()).await?;
        Ok(event(&shop, question, answer.into_order()?))
    })
}

/// The request's body.
fn query(question: &Question) -> Result<Value, AskFault> {
    let (kind, id, selection, extra) = match question {
        Question::Order(id) => ("Order", id.as_str(), "order(id: $id) { ...facts }".to_string(), ""),
        Question::OrderOf(JoinKey { kind, id }) => {
            let thing = THINGS.iter().find(|(ours, ..)| ours == kind);
            let (_, theirs, way, extra) =
                thing.ok_or_else(|| AskFault::Refused(format!("no order can be asked for by a {kind:?}")))?;
            (*theirs, id.as_str(), format!("thing: node(id: $id) {{ ... on {theirs} {{ {way} }} }}"), *extra)
        }
    };
    if !is_number(id) {
        return Err(AskFault::Refused("an id that is no number is none of Shopify's".into()));
    }
    let query = format!("query($id: ID!) {{ {selection} }} {}", FACTS.replace("%extra%", extra));
    Ok(json!({ "query": query, "variables": { "id": format!("gid://shopify/{kind}/{id}") } }))
}

/// The address of the API: the access token goes over `https`, or over loopback (mock, tests).
fn endpoint(api: &Api) -> Result<url::Url, AskFault> {
    let wrong = |what: &str| AskFault::Refused(format!("[shop.api] url {what}, as in https://demo.myshopify.com"));
    let url = url::Url::parse(api.url.trim_end_matches('/')).map_err(|_| wrong("is no address: write it"))?;
    if let Some(why) = outgoing::fault(&url, api.private) {
        return Err(wrong(why));
    }
    url.join(PATH).map_err(|_| wrong("cannot carry a path: write it"))
}

fn headers(token: &Secret) -> Result<HeaderMap, AskFault> {
    let mut token = HeaderValue::from_str(token.expose())
        .map_err(|_| AskFault::Refused("[shop.api] secret has characters that no access token has".into()))?;
    token.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("x-shopify-access-token", token);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

async fn send(api: &Api, client: &reqwest::Client, body: String) -> Result<Answer, AskFault> {
    let request = client.post(endpoint(api)?).headers(headers(&api.secret)?).timeout(TIMEOUT).body(body);
    let later = |e: reqwest::Error| AskFault::Later(e.without_url().to_string(), None);
    let response = request.send().await.map_err(later)?;
    check_status(response.status(), response.headers())?;
    let bytes = meta::body_within(response, MAX_ANSWER).await.map_err(later)?;
    let bytes = bytes.ok_or_else(|| AskFault::Refused("the answer is larger than any order".into()))?;
    // A gateway's page instead of JSON passes.
    serde_json::from_slice(&bytes).map_err(|_| AskFault::Later("the answer is not JSON".into(), None))
}

fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), AskFault> {
    let what = |text: &str| format!("status {}: {text}", status.as_u16());
    match status.as_u16() {
        200 => Ok(()),
        401 | 403 => Err(AskFault::Refused(what("check the access token and its scopes ([shop.api] secret)"))),
        402 | 423 => Err(AskFault::Refused(what("the shop is frozen or locked at Shopify"))),
        404 => Err(AskFault::Refused(what("no such shop; check [shop.api] url"))),
        429 => Err(AskFault::Later(what("too many questions"), retry_after(headers))),
        500.. => Err(AskFault::Later(what("Shopify is unwell"), retry_after(headers))),
        _ => Err(AskFault::Refused(what("not an answer to a GraphQL question"))),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    // Shopify writes `2.0`.
    whole_secs(headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?)
}

fn whole_secs(secs: f64) -> Option<u64> {
    (secs.is_finite() && secs >= 0.0).then(|| secs.ceil().clamp(1.0, 3600.0) as u64)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Part<Data>,
    errors: Many<Fault>,
    extensions: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    order: Part<wire::Order>,
    thing: Part<Thing>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Thing {
    order: Part<wire::Order>,
    owner: Part<Owner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    order: Part<wire::Order>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    extensions: Part<FaultCode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FaultCode {
    code: Text,
}

impl Answer {
    /// The order; a partial answer with an order in it is one.
    fn into_order(self) -> Result<Option<wire::Order>, AskFault> {
        let data = self.data.0.unwrap_or_default();
        let thing = data.thing.0.unwrap_or_default();
        let owner = thing.owner.0.unwrap_or_default();
        let order = data.order.0.or(thing.order.0).or(owner.order.0);
        let fault = self.errors.0.first().filter(|_| order.is_none());
        let Some(fault) = fault else { return Ok(order) };
        // Only the code: a message may repeat what was asked.
        let code = fault.extensions.0.as_ref().map_or("", |e| e.code.as_str());
        Err(match code {
            "THROTTLED" => {
                AskFault::Later("the shop's budget of questions is spent".into(), throttled(&self.extensions))
            }
            "INTERNAL_SERVER_ERROR" | "TIMEOUT" => AskFault::Later(format!("GraphQL error {code}"), None),
            "ACCESS_DENIED" => AskFault::Refused(
                "GraphQL error ACCESS_DENIED: give the access token the scopes \
                read_orders, read_fulfillments, read_returns and read_merchant_managed_fulfillment_orders"
                    .into(),
            ),
            _ => AskFault::Refused(format!("GraphQL error {code}")),
        })
    }
}

/// Seconds until the budget has filled up to what the question costs.
fn throttled(extensions: &Value) -> Option<u64> {
    let number = |path: &str| extensions.pointer(path).and_then(Value::as_f64);
    let asked = number("/cost/requestedQueryCost")?;
    let there = number("/cost/throttleStatus/currentlyAvailable")?;
    whole_secs((asked - there) / number("/cost/throttleStatus/restoreRate").filter(|rate| *rate > 0.0)?)
}

/// The answer as an event; an order without id or time says nothing.
fn event(shop: &Shop, question: Question, order: Option<wire::Order>) -> Option<OrderEvent> {
    let order = order?;
    let id = order::id_of(&order)?;
    let at: Timestamp = order::time_of(&order)?;
    let mut event = OrderEvent {
        about: About::Order(id.into()),
        at,
        dated: true,
        patch: Patch::default(),
        joins: Vec::new(),
        refetch: false,
        topic: "graphql/order".into(),
    };
    order::fill(&mut event, shop, &order);
    if let Question::OrderOf(key) = question
        && !event.joins.contains(&key)
    {
        event.joins.push(key);
    }
    Some(event)
}
