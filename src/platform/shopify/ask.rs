//! Asks the Admin GraphQL API for an order: by its id, or by the id of a thing that belongs to it.
//!
//! Version 2026-10 (read November 2026). Fields are aliased to the webhooks' names, so that the answer is read
//! by the same code as a snapshot. What needs a scope beyond `read_orders` is asked for only where the
//! question itself shows that the app has it: a field without its scope makes the whole answer fail. The
//! customer (`read_customers`) is left out for that reason; order and addresses carry contact data.

use super::gql::{self, Answer};
use super::order;
use super::wire::{self, is_number};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, JoinKey, OrderEvent, Patch};
use crate::platform::meta::Part;
use crate::platform::{AskFault, Question, Shop};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is asked of an order. `%extra%` takes what a question's scope adds. A question may cost 1,000 points, counted by
/// what it could return (an object 1, a list its `first` times what stands in it): so lists are short.
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
  fulfillments(first: 20) {
    id status created_at: createdAt updated_at: updatedAt shipment_status: displayStatus
    requires_shipping: requiresShipping tracking_info: trackingInfo(first: 3) { company number url } }
  refunds(first: 20) { id created_at: createdAt
    transactions(first: 4) { nodes { kind status amount_set: amountSet { ...money } } } }
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
const FULFILLMENT_ORDERS: &str = "fulfillment_orders: fulfillmentOrders(first: 20) { nodes { id } }";

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
        let (query, variables) = query(&question)?;
        let answer = gql::send::<Data>(&shop, &client, &query, variables).await?;
        Ok(event(&shop, question, order_in(answer)?))
    })
}

/// The query and its variables.
fn query(question: &Question) -> Result<(String, Value), AskFault> {
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
    Ok((query, json!({ "id": format!("gid://shopify/{kind}/{id}") })))
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

/// The order in an answer; a partial answer with an order in it is one.
fn order_in(answer: Answer<Data>) -> Result<Option<wire::Order>, AskFault> {
    let fault = answer.fault();
    let data = answer.data.unwrap_or_default();
    let thing = data.thing.0.unwrap_or_default();
    let owner = thing.owner.0.unwrap_or_default();
    let order = data.order.0.or(thing.order.0).or(owner.order.0);
    match fault.filter(|_| order.is_none()) {
        Some(fault) => Err(fault),
        None => Ok(order),
    }
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
