//! `action.*` webhooks: `{"action":"<hook>","arg":<first argument>}`. All but one only point at an order.

use super::body::{self, Loose};
use super::text;
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, OrderEvent, Patch, Told};
use crate::domain::ids::{Digest8, OrderId};
use crate::domain::order::Note;
use serde_json::value::RawValue;

/// Hooks whose argument is the id of an order that changed; the transition hooks begin with [`STATUS_PREFIX`].
const POINTERS: &[&str] = &[
    "woocommerce_order_status_changed",
    "woocommerce_payment_complete",
    "woocommerce_order_refunded",
    "woocommerce_order_fully_refunded",
    "woocommerce_order_partially_refunded",
    "woocommerce_fulfillment_created_notification",
    "woocommerce_fulfillment_updated_notification",
    "woocommerce_fulfillment_deleted_notification",
];
/// `woocommerce_order_status_<to>` and `woocommerce_order_status_<from>_to_<to>`.
const STATUS_PREFIX: &str = "woocommerce_order_status_";

/// Whether the hook is one that is understood.
pub(super) fn known(hook: &str) -> bool {
    POINTERS.contains(&hook)
        || hook.starts_with(STATUS_PREFIX)
        || matches!(hook, "woocommerce_new_customer_note" | "woocommerce_order_note_added")
}

/// What the hook told. These bodies carry no time: they are dated by their arrival.
pub(super) fn told(hook: &str, arg: Option<&RawValue>, received_at: Timestamp, topic: &str) -> Told {
    if !known(hook) {
        return Told::NoInterest("unknown_action");
    }
    match hook {
        "woocommerce_new_customer_note" => note(arg, received_at, topic),
        // Private and customer notes alike, by a note's id that leads nowhere without the order's.
        "woocommerce_order_note_added" => Told::NoInterest("note_without_order"),
        _ => match body::id(&body::part::<Loose>(arg)) {
            Some(id) => Told::Events(vec![event(&id, received_at, Patch::default(), true, topic)]),
            None => Told::Unreadable(format!("{}: its argument is no order id", body::word(hook))),
        },
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct CustomerNote {
    order_id: Loose,
    customer_note: Loose,
}

/// A note written *to the customer*: the only hook that carries a note's text. WooCommerce fires it for
/// customer notes alone, so a private note can never come this way.
fn note(arg: Option<&RawValue>, at: Timestamp, topic: &str) -> Told {
    let note: CustomerNote = body::part(arg);
    let Some(id) = body::id(&note.order_id) else {
        return Told::Unreadable("woocommerce_new_customer_note: no order id".into());
    };
    let Some(text) = text::paragraphs(note.customer_note.text()) else {
        return Told::NoInterest("empty_note");
    };
    let digest = format!("{:016x}", Digest8::of(&[text.as_bytes()]).0);
    let patch = Patch { notes: vec![Note { id: digest, text, at }], ..Patch::default() };
    Told::Events(vec![event(&id, at, patch, false, topic)])
}

/// An event of a body without a time of its own.
pub(super) fn event(id: &str, at: Timestamp, patch: Patch, refetch: bool, topic: &str) -> OrderEvent {
    OrderEvent {
        about: About::Order(OrderId::from(id)),
        at,
        dated: false,
        patch,
        joins: Vec::new(),
        refetch,
        topic: topic.to_string(),
    }
}
