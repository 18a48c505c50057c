//! Statuses → what they mean → states of payment and order.

use super::Shop;
use super::snapshot::{Snapshot, status_word};
use crate::domain::clock::Timestamp;
use crate::domain::event::ReturnPatch;
use crate::domain::order::{ParcelState, PaymentState, ReturnState, Stage};

/// Meanings of statuses, as milestone ids. The first block is WooCommerce's own; then Advanced Shipment
/// Tracking (`shipped` …), RY Tools (`ry-…`: at the store, sent back), and words that speak for themselves.
/// `completed` without a shop's word is just that: shops use it for "sent" and for "arrived".
const STATUSES: &[(&str, &str)] = &[
    ("pending", "payment_pending"),
    ("failed", "payment_failed"),
    ("processing", "order_confirmed"),
    ("completed", "completed"),
    ("cancelled", "cancelled"),
    ("refunded", "refunded"),
    ("shipped", "shipped"),
    ("partial-shipped", "partially_shipped"),
    ("delivered", "delivered"),
    ("updated-tracking", "tracking_updated"),
    ("ry-transporting", "in_transit"),
    ("ry-at-cvs", "ready_for_pickup"),
    ("ry-out-cvs", "delivery_failed"),
    ("wmp-shipped", "shipped"),
    ("wmp-in-transit", "in_transit"),
    ("in-transit", "in_transit"),
    ("out-for-delivery", "out_for_delivery"),
    ("ready-for-pickup", "ready_for_pickup"),
    ("picked-up", "picked_up"),
    ("packing", "preparing"),
    ("preparing", "preparing"),
    ("return-requested", "return_requested"),
];

/// What `status` means at this shop: its own word first, then ours; `None`: nothing is said about it.
///
/// `on-hold` has two meanings. A body cannot tell where it came from, so what decides is whether there is
/// anything to wait for: paid already, or to be paid at the door, it is a stop; else the shop waits for money.
pub(super) fn meaning(shop: &Shop, status: &str, settled: bool) -> Option<String> {
    let own = shop.statuses.iter().find(|(key, _)| status_word(key) == status).map(|(_, meaning)| meaning.clone());
    own.or_else(|| match status {
        "on-hold" => Some(if settled { "on_hold" } else { "payment_pending" }.to_string()),
        _ => STATUSES.iter().find(|(s, _)| *s == status).map(|(_, m)| (*m).to_string()),
    })
}

/// What a meaning says about the parts of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) payment: Option<PaymentState>,
    pub(super) stage: Option<Stage>,
    pub(super) parcel: Option<ParcelState>,
    /// Only a part of the order was sent.
    pub(super) partial: bool,
    pub(super) back: Option<ReturnState>,
}

/// The effect of a meaning; meanings that are no state (a note, a reminder) have none.
pub(super) fn effect(meaning: &str) -> Effect {
    let none = Effect::default();
    let payment = |p| Effect { payment: Some(p), ..none };
    let stage = |s| Effect { stage: Some(s), ..none };
    let parcel = |p| Effect { parcel: Some(p), ..none };
    let back = |r| Effect { back: Some(r), ..none };
    match meaning {
        "payment_pending" => payment(PaymentState::Pending),
        "payment_failed" => payment(PaymentState::Failed),
        "payment_authorized" => payment(PaymentState::Authorized),
        "payment_partially_received" => payment(PaymentState::PartiallyPaid),
        "payment_received" => payment(PaymentState::Paid),
        "order_confirmed" => stage(Stage::Confirmed),
        "on_hold" => stage(Stage::OnHold),
        "preparing" => stage(Stage::Preparing),
        "completed" => stage(Stage::Completed),
        "cancelled" => Effect { payment: Some(PaymentState::Voided), ..stage(Stage::Cancelled) },
        "refunded" => Effect { payment: Some(PaymentState::Refunded), ..stage(Stage::Refunded) },
        "shipped" => parcel(ParcelState::Shipped),
        "partially_shipped" => Effect { partial: true, ..parcel(ParcelState::Shipped) },
        "in_transit" => parcel(ParcelState::InTransit),
        "delivery_delayed" => parcel(ParcelState::Delayed),
        "out_for_delivery" => parcel(ParcelState::OutForDelivery),
        "delivery_attempted" => parcel(ParcelState::Attempted),
        "ready_for_pickup" => parcel(ParcelState::ReadyForPickup),
        "delivery_failed" => parcel(ParcelState::Failed),
        "picked_up" => parcel(ParcelState::PickedUp),
        "delivered" => parcel(ParcelState::Delivered),
        "return_requested" => back(ReturnState::Requested),
        "return_approved" | "return_label_ready" => back(ReturnState::Open),
        "return_declined" => back(ReturnState::Declined),
        "return_cancelled" => back(ReturnState::Cancelled),
        "return_closed" => back(ReturnState::Closed),
        "return_reopened" => back(ReturnState::Reopened),
        _ => none,
    }
}

/// Payment states. Paid is what `date_paid_gmt` says and nothing else: a cash-on-delivery order is
/// `processing` long before any money came.
pub(super) fn payment(order: &Snapshot<'_>, effect: &Effect) -> Vec<(PaymentState, Option<Timestamp>)> {
    let mut seen = Vec::new();
    if let Some(paid) = order.paid {
        seen.push((PaymentState::Paid, Some(paid)));
    }
    let money_back = order.refunds.iter().any(|r| r.amount.as_ref().is_some_and(|m| !m.is_zero()));
    if money_back && effect.payment != Some(PaymentState::Refunded) {
        seen.push((PaymentState::PartiallyRefunded, None));
    }
    let by_status = match effect.payment {
        Some(PaymentState::Pending) if !order.awaits_payment() => None,
        Some(PaymentState::Pending) if reserved(order) => Some(PaymentState::Authorized),
        // Called off after money moved, the payment's own states tell what became of it.
        Some(PaymentState::Voided) if order.paid.is_some() || money_back => None,
        Some(PaymentState::Paid) if order.paid.is_some() => None,
        other => other,
    };
    seen.extend(by_status.map(|state| (state, None)));
    seen
}

/// A card was charged "authorise only" and the shop has not captured yet: the order waits `on-hold`, but the
/// customer has done everything. Marks of WooCommerce Stripe and of WooPayments (read November 2026).
pub(super) fn reserved(order: &Snapshot<'_>) -> bool {
    let is = |key: &str, value: &str| order.metas.text(key).as_deref() == Some(value);
    is("_stripe_charge_captured", "no") || is("_intention_status", "requires_capture")
}

/// Order states. Placed is dated by the order itself, whatever webhook came first.
pub(super) fn stage(order: &Snapshot<'_>, effect: &Effect, own: Option<Timestamp>) -> Vec<(Stage, Option<Timestamp>)> {
    let mut seen = vec![(Stage::Placed, Some(order.created))];
    seen.extend(effect.stage.map(|stage| (stage, own)));
    seen
}

/// WooCommerce has no returns of its own; a plugin's status is one return of the whole order.
pub(super) fn returns(effect: &Effect) -> Vec<ReturnPatch> {
    let part = |state| ReturnPatch { id: "1".into(), state: vec![(state, None)], ..ReturnPatch::default() };
    effect.back.map(part).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_in_the_table_says_something() {
        for (status, meaning) in STATUSES {
            // The number itself is the news; it is read from the meta data.
            let silent = *meaning == "tracking_updated";
            assert_eq!(effect(meaning) == Effect::default(), silent, "{status}");
        }
    }
}
