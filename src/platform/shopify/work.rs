//! Fulfilment orders: the warehouse's work on an order. Their bodies carry neither the order's id nor a
//! time, so each is about the fulfilment order, at the moment it came.
//!
//! A hold is kept as `<fulfilment order>/<hold>`. `fulfillment_holds/released` names the hold it lifts;
//! `fulfillment_orders/hold_released` says only that the last one is gone and is kept as a lifted hold
//! `<fulfilment order>/@<moment>`, which was never placed (see `Order::lifted`).

use super::wire::{self, FulfillmentOrder, Work};
use super::{Body, join};
use crate::domain::event::{About, ParcelPatch, Patch, Told};
use crate::domain::order::{Hold, ParcelState, Stage};

/// Reasons that are none of the customer's business: a suspicion, and the seconds after every checkout in
/// which an upsell page is shown.
const SILENT: &[&str] = &["high_risk_of_fraud", "online_store_post_purchase_cross_sell"];

/// The fulfilment order and its number.
fn work(body: &Body) -> Result<(Work, FulfillmentOrder, String), String> {
    let mut work: Work = body.parse()?;
    let order = work.fulfillment_order.0.take().ok_or_else(|| body.misfit())?;
    let id = order.id.0.clone().ok_or_else(|| body.misfit())?;
    Ok((work, order, id))
}

fn told(body: &Body, order: &FulfillmentOrder, patch: Patch) -> Result<Told, String> {
    let key = join("fulfillment_order", &order.id).ok_or_else(|| body.misfit())?;
    Ok(Told::Events(vec![body.event(About::Join(key), None, patch)]))
}

fn hold(order: &str, hold: &wire::Hold) -> Hold {
    let reason = hold.reason.0.as_ref().map(|r| r.to_ascii_lowercase());
    let silent = reason.as_deref().is_some_and(|r| SILENT.contains(&r));
    let id = format!("{order}/{}", hold.id.0.as_deref().unwrap_or("?"));
    Hold { id, placed_at: None, released_at: None, reason, silent }
}

/// `fulfillment_orders/placed_on_hold` (the first hold) and `fulfillment_holds/added` (each).
pub(super) fn held(body: &Body) -> Result<Told, String> {
    let (work, order, id) = work(body)?;
    let named = work.created_fulfillment_hold.0.or(work.fulfillment_hold.0).ok_or_else(|| body.misfit())?;
    let hold = Hold { placed_at: Some(body.received_at), ..hold(&id, &named) };
    told(body, &order, Patch { holds: vec![hold], ..Patch::default() })
}

/// `fulfillment_holds/released`: this hold.
pub(super) fn released(body: &Body) -> Result<Told, String> {
    let (work, order, id) = work(body)?;
    let named = work.fulfillment_hold.0.ok_or_else(|| body.misfit())?;
    let hold = Hold { released_at: Some(body.received_at), ..hold(&id, &named) };
    told(body, &order, Patch { holds: vec![hold], ..Patch::default() })
}

/// `fulfillment_orders/hold_released`: the last hold of this fulfilment order, without its name.
pub(super) fn all_released(body: &Body) -> Result<Told, String> {
    let (work, order, id) = work(body)?;
    let status = order.status.as_str().to_ascii_lowercase();
    let free = matches!(status.as_str(), "open" | "scheduled" | "in_progress");
    if !free || work.created_fulfillment_hold.0.is_some() || work.fulfillment_hold.0.is_some() {
        return Err(body.misfit());
    }
    let at = body.received_at;
    let id = format!("{id}/@{}", at.as_millisecond());
    let hold = Hold { id, placed_at: None, released_at: Some(at), reason: None, silent: false };
    told(body, &order, Patch { holds: vec![hold], ..Patch::default() })
}

/// `progress_reported`, `fulfillment_request_accepted`, `order_routing_complete`: preparing, where the
/// fulfilment order itself says that it is in progress. Routing is complete for every order at once, most of
/// them still open.
pub(super) fn progress(body: &Body) -> Result<Told, String> {
    let (work, order, _) = work(body)?;
    let busy = order.status.as_str().eq_ignore_ascii_case("in_progress");
    let reported = work.progress_report.here && order.status.0.is_none();
    if !busy && !reported {
        return Ok(Told::NoInterest("not_in_progress"));
    }
    told(body, &order, Patch { stage: vec![(Stage::Preparing, None)], ..Patch::default() })
}

/// `line_items_prepared_for_pickup` and `…_for_local_delivery`: the body says which of the two.
/// What the shop itself will bring is packed, not to be fetched.
pub(super) fn prepared(body: &Body) -> Result<Told, String> {
    let (_, order, id) = work(body)?;
    let method = order.delivery_method.0.as_ref().map(|m| m.method_type.as_str().to_ascii_lowercase());
    let patch = match method.as_deref() {
        Some("pickup" | "pick_up") => {
            // No fulfilment exists yet: the parcel goes by its fulfilment order.
            let state = vec![(ParcelState::ReadyForPickup, None)];
            Patch {
                parcels: vec![ParcelPatch { id: format!("fo-{id}"), state, ..Default::default() }],
                ..Default::default()
            }
        }
        Some("local") => Patch { stage: vec![(Stage::Preparing, None)], ..Patch::default() },
        _ => return Err(body.misfit()),
    };
    told(body, &order, patch)
}
