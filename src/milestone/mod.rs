//! **milestone** — floor 1: one file per thing that can be told.
//!
//! Knows: when an order has *reached* something → of what, when; its purpose, when it goes stale, what it
//! supersedes and joins.
//! Must not know: platforms, channels, consent, Redis.
//! May use: domain
//! How to add one: `src/milestone/acme.rs` with `KIND`, its words in `config/templates/<locale>/acme.toml`,
//! then `mod acme;` and `&acme::KIND,` below, then `tests/golden/milestone/acme/<case>.json`. `story` is no
//! milestone: it holds the questions that several of them ask.
//!
//! Ranks (the order's story, what is told never goes back in it): made and paid 10–40 · edited, held, prepared
//! 50–60 · a parcel's way 70–94 · done 96 · called off 100. Refunds, returns, notes and a change of store stand
//! beside the story, at 0.

mod cancelled;
mod completed;
mod customer_note;
mod delivered;
mod delivery_attempted;
mod delivery_delayed;
mod delivery_failed;
mod hold_released;
mod in_transit;
mod on_hold;
mod order_confirmed;
mod order_edited;
mod order_placed;
mod out_for_delivery;
mod partially_refunded;
mod partially_shipped;
mod payment_authorized;
mod payment_expiring;
mod payment_failed;
mod payment_partially_received;
mod payment_pending;
mod payment_received;
mod picked_up;
mod pickup_reminder;
mod pickup_store_changed;
mod preparing;
mod ready_for_pickup;
mod refunded;
mod return_approved;
mod return_cancelled;
mod return_closed;
mod return_declined;
mod return_label_ready;
mod return_reopened;
mod return_requested;
mod shipped;
mod story;
mod tracking_updated;

use crate::domain::ids::Tag;
use crate::domain::milestone::Milestone;

/// Every milestone, in the order of the story.
pub static ALL: &[&Milestone] = &[
    &order_placed::KIND,
    &order_confirmed::KIND,
    &payment_pending::KIND,
    &payment_authorized::KIND,
    &payment_failed::KIND,
    &payment_expiring::KIND,
    &payment_partially_received::KIND,
    &payment_received::KIND,
    &order_edited::KIND,
    &on_hold::KIND,
    &hold_released::KIND,
    &preparing::KIND,
    &customer_note::KIND,
    &partially_shipped::KIND,
    &shipped::KIND,
    &tracking_updated::KIND,
    &in_transit::KIND,
    &delivery_delayed::KIND,
    &out_for_delivery::KIND,
    &delivery_attempted::KIND,
    &pickup_store_changed::KIND,
    &ready_for_pickup::KIND,
    &pickup_reminder::KIND,
    &delivery_failed::KIND,
    &picked_up::KIND,
    &delivered::KIND,
    &completed::KIND,
    &cancelled::KIND,
    &partially_refunded::KIND,
    &refunded::KIND,
    &return_requested::KIND,
    &return_approved::KIND,
    &return_label_ready::KIND,
    &return_declined::KIND,
    &return_cancelled::KIND,
    &return_closed::KIND,
    &return_reopened::KIND,
];

/// The milestone of this name.
pub fn find(id: &str) -> Option<&'static Milestone> {
    ALL.iter().copied().find(|m| m.id == id)
}

/// The milestone with this stored tag.
pub fn by_tag(tag: Tag) -> Option<&'static Milestone> {
    ALL.iter().copied().find(|m| m.tag() == tag)
}
