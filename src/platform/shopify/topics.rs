//! Which body stands under which topic. A topic that is not listed is of no interest.

use super::wire::{Gid, Gids, Notice};
use super::{Body, order, parts, work};
use crate::domain::event::{Notice as Meant, Told};
use crate::domain::ids::OrderId;
use crate::domain::order::Contact;
use crate::platform::meta::Text;

/// What is done with a topic.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// Its body is read.
    Read(fn(&Body) -> Result<Told, String>),
    /// Known, and nothing for customers; the word says why.
    None(&'static str),
}

use Meaning::{None as Skip, Read};

/// The topic as we write it, and its meaning.
pub(super) fn find(name: &str) -> Option<(&'static str, Meaning)> {
    TOPICS.iter().copied().find(|(topic, _)| *topic == name)
}

/// Topics of 2026-10 that concern orders, and those that every app gets.
static TOPICS: &[(&str, Meaning)] = &[
    ("orders/create", Read(order::snapshot)),
    ("orders/updated", Read(order::snapshot)),
    ("orders/paid", Read(order::snapshot)),
    ("orders/partially_fulfilled", Read(order::snapshot)),
    ("orders/fulfilled", Read(order::snapshot)),
    ("orders/cancelled", Read(order::snapshot)),
    ("orders/link_requested", Read(order::snapshot)),
    ("orders/edited", Read(order::edited)),
    ("orders/delete", Read(order::deleted)),
    ("orders/risk_assessment_changed", Skip("risk_assessment")),
    ("order_transactions/create", Read(parts::transaction)),
    ("refunds/create", Read(parts::refund)),
    ("fulfillments/create", Read(parts::fulfillment)),
    ("fulfillments/update", Read(parts::fulfillment)),
    ("fulfillment_events/create", Read(parts::scan)),
    ("fulfillment_events/delete", Skip("scan_deleted")),
    ("fulfillment_orders/placed_on_hold", Read(work::held)),
    ("fulfillment_holds/added", Read(work::held)),
    ("fulfillment_orders/hold_released", Read(work::all_released)),
    ("fulfillment_holds/released", Read(work::released)),
    ("fulfillment_orders/progress_reported", Read(work::progress)),
    ("fulfillment_orders/fulfillment_request_accepted", Read(work::progress)),
    ("fulfillment_orders/order_routing_complete", Read(work::progress)),
    ("fulfillment_orders/line_items_prepared_for_pickup", Read(work::prepared)),
    ("fulfillment_orders/line_items_prepared_for_local_delivery", Read(work::prepared)),
    ("fulfillment_orders/scheduled_fulfillment_order_ready", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/rescheduled", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/moved", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/split", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/merged", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/cancelled", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/fulfillment_request_submitted", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/fulfillment_request_rejected", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/cancellation_request_submitted", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/cancellation_request_accepted", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/cancellation_request_rejected", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/fulfillment_service_failed_to_complete", Skip("fulfillment_order_internal")),
    ("fulfillment_orders/manually_reported_progress_stopped", Skip("fulfillment_order_internal")),
    ("returns/request", Read(parts::returned)),
    ("returns/approve", Read(parts::returned)),
    ("returns/decline", Read(parts::returned)),
    ("returns/cancel", Read(parts::returned)),
    ("returns/close", Read(parts::returned)),
    ("returns/reopen", Read(parts::returned)),
    // Lines taken off a return: neither an order's id nor anything a customer is told.
    ("returns/update", Skip("return_lines")),
    // Listed in some API versions and missing in others; its sample is empty.
    ("returns/process", Skip("return_process")),
    ("reverse_deliveries/attach_deliverable", Read(parts::return_label)),
    ("reverse_fulfillment_orders/dispose", Skip("return_stock")),
    ("checkouts/create", Skip("checkout")),
    ("checkouts/update", Skip("checkout")),
    ("checkouts/delete", Skip("checkout")),
    ("payment_terms/create", Skip("payment_terms")),
    ("payment_terms/update", Skip("payment_terms")),
    ("payment_terms/delete", Skip("payment_terms")),
    ("payment_schedules/due", Skip("payment_terms")),
    ("customers/create", Skip("customer")),
    ("customers/update", Skip("customer")),
    ("customers/merge", Read(customers_merged)),
    ("customers/delete", Skip("customer")),
    ("customers_email_marketing_consent/update", Skip("marketing_consent")),
    ("customers_marketing_consent/update", Skip("marketing_consent")),
    ("customers_whats_app_marketing_consent/update", Skip("marketing_consent")),
    ("customers/data_request", Read(data_request)),
    ("customers/redact", Read(customer_redact)),
    ("shop/redact", Read(shop_redact)),
    ("app/uninstalled", Read(uninstalled)),
];

/// `customers/merge`: who stays, who is gone, and how far it is (`requested`, `in_progress`, `completed`, `failed`).
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Merged {
    #[serde(rename = "admin_graphql_api_id_customer_kept")]
    kept: Gid,
    #[serde(rename = "admin_graphql_api_id_customer_deleted")]
    gone: Gid,
    status: Text,
}

fn data_request(body: &Body) -> Result<Told, String> {
    let fits = |n: &Notice| n.shop_id.here && n.customer.here && n.data_request.here && !n.orders_to_redact.here;
    notice(body, fits, |n| {
        let (person, orders) = (person(n), ids(&n.orders_requested));
        (!nobody(&person) || !orders.is_empty()).then_some(Meant::HandOut { person, orders })
    })
}

fn customer_redact(body: &Body) -> Result<Told, String> {
    let fits = |n: &Notice| n.shop_id.here && n.customer.here && n.orders_to_redact.here && !n.data_request.here;
    notice(body, fits, |n| {
        let (person, orders) = (person(n), ids(&n.orders_to_redact.value));
        (!nobody(&person) || !orders.is_empty()).then_some(Meant::EraseCustomer { person, orders })
    })
}

/// Sent at each step of a merge, of which only the last is one. The body names no shop; customers' ids are Shopify's own,
/// so those of another shop are nobody's here.
fn customers_merged(body: &Body) -> Result<Told, String> {
    let merged: Merged = body.parse()?;
    let (Some(kept), Some(gone)) = (merged.kept.0.clone(), merged.gone.0.clone()) else { return Err(body.misfit()) };
    if kept == gone {
        return Err(body.misfit());
    }
    if !merged.status.as_str().eq_ignore_ascii_case("completed") {
        return Ok(Told::NoInterest("merge_not_done"));
    }
    Ok(Told::Notice(Meant::Merged { kept, gone }))
}

fn shop_redact(body: &Body) -> Result<Told, String> {
    let fits = |n: &Notice| n.shop_id.here && !n.customer.here && !n.orders_to_redact.here && !n.data_request.here;
    notice(body, fits, |_| Some(Meant::EraseShop))
}

fn uninstalled(body: &Body) -> Result<Told, String> {
    let told = notice(body, |n| !n.shop_id.here && !n.customer.here && n.myshopify_domain.here, |_| Some(Meant::Left));
    // In samples `myshopify_domain` is null: the key must be there, its value need not, and then it says nothing
    // of which shop left.
    told.or_else(|why| if why == unnamed(body) { Ok(Told::NoInterest("app_uninstalled")) } else { Err(why) })
}

/// A notice about the app itself or about people's data. Its own fields must be there, and those of no other: the
/// topic is unsigned, and these notices have the widest effects. It names its shop, and that must be this one: an
/// app's shops share one secret, so a body signed for another shop is genuine here too.
fn notice(body: &Body, fits: fn(&Notice) -> bool, meant: fn(&Notice) -> Option<Meant>) -> Result<Told, String> {
    let notice: Notice = body.parse()?;
    if !fits(&notice) {
        return Err(body.misfit());
    }
    let named = match notice.shop_id.here {
        true => notice.shop_domain.0.as_deref(),
        false => notice.myshopify_domain.value.0.as_deref(),
    };
    let (Some(named), Some(own)) = (named, body.shop.domain.as_deref()) else { return Err(unnamed(body)) };
    if !named.eq_ignore_ascii_case(own) {
        return Ok(Told::NoInterest("other_shop"));
    }
    meant(&notice).map(Told::Notice).ok_or_else(|| body.misfit())
}

fn unnamed(body: &Body) -> String {
    format!(
        "{}: the body names no shop, or [[shop]] `domain` is not set: nothing was done, because it could be meant for another shop",
        body.topic
    )
}

fn person(notice: &Notice) -> Contact {
    let Some(customer) = &notice.customer.value.0 else { return Contact::default() };
    Contact {
        emails: customer.email.0.iter().filter(|m| m.contains('@')).cloned().collect(),
        phones: customer.phone.0.iter().cloned().collect(),
        customer_id: customer.id.0.clone(),
        ..Contact::default()
    }
}

fn nobody(person: &Contact) -> bool {
    *person == Contact::default()
}

fn ids(ids: &Gids) -> Vec<OrderId> {
    ids.0.iter().map(|id| OrderId::from(id.as_str())).collect()
}
