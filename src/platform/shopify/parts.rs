//! Parts of an order that have webhooks of their own: fulfilments, carriers' scans, payments, refunds,
//! returns. An order's snapshot carries most of them too and reads them with the same functions.

use super::wire::{self, kind_of};
use super::{Body, join};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, ParcelPatch, Patch, ReturnPatch, Told};
use crate::domain::money::Money;
use crate::domain::order::{
    ParcelState, PaymentState, Refund, ReturnLabel, ReturnState, Tracking, Transaction, TransactionKind,
};
use crate::platform::meta::{Text, https};

/// Longest tracking number; longer ones are notes.
const MAX_NUMBER: usize = 128;
/// Tracking numbers of one fulfilment.
const MAX_NUMBERS: usize = 64;

/// The body's own name of its kind agrees; where it has none, `marks` decide.
fn is(gid: &Text, kind: &str, marks: bool) -> bool {
    kind_of(gid).map_or(marks, |k| k == kind)
}

/// `fulfillments/create` and `update`.
pub(super) fn fulfillment(body: &Body) -> Result<Told, String> {
    let f: wire::Fulfillment = body.parse()?;
    let marks = f.shipment_status.here || f.tracking_number.here || f.tracking_numbers.here;
    if !is(&f.admin_graphql_api_id, "Fulfillment", marks) || f.fulfillment_id.here || f.id.0.is_none() {
        return Err(body.misfit());
    }
    let about = body.about(&f.order_id, "fulfillment", &f.id)?;
    let mut event = body.event(about, f.updated_at.0.or(f.created_at.0), Patch::default());
    event.patch.parcels.extend(parcel(&f, event.at, None));
    event.joins.extend(join("fulfillment", &f.id));
    Ok(Told::Events(vec![event]))
}

/// What a fulfilment says of its parcel. `at`: for what it does not date itself; `partial`: whether the order
/// is shipped in part only, where the body says that.
pub(super) fn parcel(f: &wire::Fulfillment, at: Timestamp, partial: Option<bool>) -> Option<ParcelPatch> {
    let mut parcel = ParcelPatch { id: f.id.0.clone()?, ..ParcelPatch::default() };
    let updated = f.updated_at.0.or(f.created_at.0);
    match f.status.as_str().to_ascii_lowercase().as_str() {
        "success" => {
            parcel.state.push((ParcelState::Shipped, f.created_at.0.or(updated)));
            parcel.partial = partial;
            // A label lies behind what has been shipped.
            let scanned = carrier_state(f.shipment_status.value.as_str(), "").filter(|s| *s > ParcelState::Shipped);
            parcel.state.extend(scanned.map(|state| (state, updated)));
        }
        "cancelled" | "canceled" => parcel.state.push((ParcelState::Cancelled, updated)),
        // `pending`, `open`, `error`, `failure`: a request to the warehouse that nothing has come of.
        _ => {}
    }
    parcel.tracking = tracking(f, updated.unwrap_or(at));
    let lines = &f.line_items.0;
    parcel.digital = f.requires_shipping.0.map_or_else(
        || !lines.is_empty() && lines.iter().all(|l| l.requires_shipping.0 == Some(false)),
        |carried| !carried,
    );
    Some(parcel)
}

fn tracking(f: &wire::Fulfillment, at: Timestamp) -> Vec<Tracking> {
    let urls = f.tracking_urls.0.iter().map(Some).chain(std::iter::repeat(None));
    let listed = f.tracking_numbers.value.0.iter().zip(urls).map(|(number, url)| (number, &f.tracking_company, url));
    let asked = f.tracking_info.0.iter().map(|t| (&t.number, &t.company, Some(&t.url)));
    // The lists are the truth; the single fields repeat their first and stand alone in trimmed payloads.
    let alone = (&f.tracking_number.value, &f.tracking_company, Some(&f.tracking_url));
    let alone = f.tracking_numbers.value.told().next().is_none().then_some(alone);
    let mut found: Vec<Tracking> = Vec::new();
    for (number, carrier, url) in listed.chain(asked).chain(alone).take(MAX_NUMBERS) {
        let Some(number) = number.0.as_ref().filter(|n| n.len() <= MAX_NUMBER) else { continue };
        if !found.iter().any(|t| t.number == *number) {
            let url = url.and_then(|u| https(u.as_str()));
            found.push(Tracking { at, number: number.clone(), carrier: carrier.0.clone(), url });
        }
    }
    found
}

/// `shipment_status`, a scan's `status`, and GraphQL's `displayStatus`. A `failure` may merely mean that the
/// tracking page could not be read: it counts only where the carrier's message says that the parcel failed.
fn carrier_state(word: &str, message: &str) -> Option<ParcelState> {
    const FAILED: &[&str] = &[
        "return to sender",
        "returned to sender",
        "returning to sender",
        "undeliverable",
        "could not be delivered",
        "unable to deliver",
        "delivery failed",
        "failed delivery",
    ];
    Some(match word.to_ascii_lowercase().as_str() {
        "label_printed" | "label_purchased" => ParcelState::Labelled,
        "carrier_picked_up" | "in_transit" => ParcelState::InTransit,
        "delayed" => ParcelState::Delayed,
        "out_for_delivery" => ParcelState::OutForDelivery,
        "attempted_delivery" => ParcelState::Attempted,
        "ready_for_pickup" | "ready_for_recipient_pickup" => ParcelState::ReadyForPickup,
        "returning_to_sender" => ParcelState::Failed,
        "picked_up" => ParcelState::PickedUp,
        "delivered" => ParcelState::Delivered,
        "failure" => {
            let message = message.to_lowercase();
            return FAILED.iter().any(|f| message.contains(f)).then_some(ParcelState::Failed);
        }
        // `confirmed` is the default ("the carrier knows of it") and says less than "shipped".
        _ => return None,
    })
}

/// `fulfillment_events/create`: a carrier's scan.
pub(super) fn scan(body: &Body) -> Result<Told, String> {
    let scan: wire::Scan = body.parse()?;
    let Some(id) = scan.fulfillment_id.0.clone().filter(|_| is(&scan.admin_graphql_api_id, "FulfillmentEvent", true))
    else {
        return Err(body.misfit());
    };
    let about = body.about(&scan.order_id, "fulfillment", &scan.fulfillment_id)?;
    let state = carrier_state(scan.status.as_str(), scan.message.as_str());
    if state.is_none() && scan.estimated_delivery_at.0.is_none() {
        return Ok(Told::NoInterest("scan_without_news"));
    }
    let mut event = body.event(about, scan.happened_at.0.or(scan.created_at.0), Patch::default());
    event.patch.parcels.push(ParcelPatch {
        id,
        state: state.map(|s| (s, None)).into_iter().collect(),
        eta: scan.estimated_delivery_at.0,
        ..ParcelPatch::default()
    });
    event.joins.extend(join("fulfillment", &scan.fulfillment_id));
    Ok(Told::Events(vec![event]))
}

/// `order_transactions/create`: an attempt to move money, and the only sign of a payment that failed.
pub(super) fn transaction(body: &Body) -> Result<Told, String> {
    let t: wire::Transaction = body.parse()?;
    let Some(id) = t.id.0.clone().filter(|_| is(&t.admin_graphql_api_id, "OrderTransaction", t.kind.0.is_some()))
    else {
        return Err(body.misfit());
    };
    let about = body.about(&t.order_id, "order_transaction", &t.id)?;
    let kind = match t.kind.as_str().to_ascii_lowercase().as_str() {
        "authorization" | "emv_authorization" => TransactionKind::Authorization,
        "sale" | "capture" => TransactionKind::Capture,
        "refund" => TransactionKind::Refund,
        "void" => TransactionKind::Void,
        _ => return Ok(Told::NoInterest("transaction_kind")),
    };
    let ok = match t.status.as_str().to_ascii_lowercase().as_str() {
        "success" => true,
        "failure" | "error" => false,
        _ => return Ok(Told::NoInterest("transaction_open")),
    };
    // Money that did not go back is the shop's business.
    if !ok && matches!(kind, TransactionKind::Refund | TransactionKind::Void) {
        return Ok(Told::NoInterest("refund_failed"));
    }
    let mut event = body.event(about, t.at(), Patch::default());
    // Only a promise: whether all of it is paid, the order's snapshot says.
    if ok && kind == TransactionKind::Authorization {
        event.patch.payment.push((PaymentState::Authorized, None));
    }
    event.patch.transactions.push(Transaction { id, kind, ok, at: event.at, amount: t.money(None) });
    Ok(Told::Events(vec![event]))
}

/// `refunds/create`.
pub(super) fn refund(body: &Body) -> Result<Told, String> {
    let refund: wire::Refund = body.parse()?;
    let marks = refund.transactions.here && refund.refund_line_items.here;
    if !is(&refund.admin_graphql_api_id, "Refund", marks) || refund.id.0.is_none() {
        return Err(body.misfit());
    }
    let about = body.about(&refund.order_id, "refund", &refund.id)?;
    let mut event = body.event(about, made_at(&refund), Patch::default());
    event.patch.refunds.extend(refund_of(&refund, event.at, None));
    event.joins.extend(refund.return_.0.as_ref().and_then(|r| join("return", &r.id)));
    Ok(Told::Events(vec![event]))
}

fn made_at(refund: &wire::Refund) -> Option<Timestamp> {
    refund.created_at.0.or(refund.processed_at.0)
}

/// A refund with what really went back: it is made "independent from the movement of money", so only
/// transactions that succeeded count, and one that only moved stock has no amount.
pub(super) fn refund_of(refund: &wire::Refund, at: Timestamp, currency: Option<&str>) -> Option<Refund> {
    let back = refund.transactions.value.0.iter().filter(|t| {
        t.kind.as_str().eq_ignore_ascii_case("refund") && t.status.as_str().eq_ignore_ascii_case("success")
    });
    let mut amount: Option<Money> = None;
    for money in back.filter_map(|t| t.money(currency)) {
        match &mut amount {
            None => amount = Some(money),
            Some(sum) if sum.currency == money.currency => {
                sum.amount = sum.amount.checked_add(money.amount).unwrap_or(sum.amount);
            }
            Some(_) => {}
        }
    }
    let id = refund.id.0.clone()?;
    Some(Refund { id, at: made_at(refund).unwrap_or(at), amount: amount.filter(|m| !m.is_zero()) })
}

/// `returns/request`, `approve`, `decline`, `cancel`, `close`, `reopen`: the state stands in the body.
pub(super) fn returned(body: &Body) -> Result<Told, String> {
    let part: wire::Return = body.parse()?;
    let marks = part.decline.here || part.return_line_items.here || part.total_return_line_items.here;
    let order = part.order.0.as_ref().map_or(&part.order_id, |o| &o.id);
    if !is(&part.admin_graphql_api_id, "Return", marks) || part.status.0.is_none() {
        return Err(body.misfit());
    }
    // Approval and reopening both say `open`; they differ in how they name the order.
    let reopened = body.topic == "returns/reopen" && part.order_id.0.is_some();
    let patch = return_of(&part, reopened).ok_or_else(|| body.misfit())?;
    if patch.state.is_empty() {
        return Ok(Told::NoInterest("return_status"));
    }
    let about = body.about(order, "return", &part.id)?;
    let mut event = body.event(about, None, Patch { returns: vec![patch], ..Patch::default() });
    event.joins.extend(join("return", &part.id));
    Ok(Told::Events(vec![event]))
}

/// What a return says of itself.
pub(super) fn return_of(part: &wire::Return, reopened: bool) -> Option<ReturnPatch> {
    let state = match part.status.as_str().to_ascii_lowercase().as_str() {
        "requested" => Some(ReturnState::Requested),
        "open" if reopened => Some(ReturnState::Reopened),
        "open" => Some(ReturnState::Open),
        "declined" => Some(ReturnState::Declined),
        // One l, unlike orders and fulfilments.
        "canceled" => Some(ReturnState::Cancelled),
        "closed" => Some(ReturnState::Closed),
        _ => None,
    };
    Some(ReturnPatch {
        id: part.id.0.clone()?,
        name: part.name.0.clone(),
        state: state.map(|s| (s, None)).into_iter().collect(),
        decline_note: part.decline.value.0.as_ref().and_then(|d| d.note.0.clone()),
        label: None,
    })
}

/// `reverse_deliveries/attach_deliverable`: a label for a return. It names the return, not the order.
pub(super) fn return_label(body: &Body) -> Result<Told, String> {
    let delivery: wire::ReverseDelivery = body.parse()?;
    let key = delivery.return_.0.as_ref().and_then(|r| join("return", &r.id)).ok_or_else(|| body.misfit())?;
    let deliverable = delivery.shipping_deliverable.0.ok_or_else(|| body.misfit())?;
    let file = deliverable.label.0.as_ref();
    let tracking = deliverable.tracking.0.as_ref();
    let label = ReturnLabel {
        url: file.and_then(|l| https(l.public_file_url.as_str())),
        carrier: tracking.and_then(|t| t.carrier_name.0.clone()),
        number: tracking.and_then(|t| t.tracking_number.0.clone()).filter(|n| n.len() <= MAX_NUMBER),
    };
    if label.url.is_none() && label.number.is_none() {
        return Ok(Told::NoInterest("return_label_empty"));
    }
    let part = ReturnPatch { id: key.id.clone(), label: Some(label), ..ReturnPatch::default() };
    let patch = Patch { returns: vec![part], ..Patch::default() };
    let at = file.and_then(|l| l.created_at.0);
    Ok(Told::Events(vec![body.event(About::Join(key), at, patch)]))
}
