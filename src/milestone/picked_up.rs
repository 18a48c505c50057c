//! **picked_up**: the customer fetched the parcel. True of a cancelled order too.

use super::story::{DAY, parcels_in, taken_back};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// The customer fetched the parcel.
pub const KIND: Milestone = Milestone {
    id: "picked_up",
    purpose: Purpose::Status,
    stale: Stale::After(3 * DAY),
    rank: 92,
    joins: &["completed"],
    supersedes: &[
        "preparing",
        "tracking_updated",
        "in_transit",
        "delivery_delayed",
        "out_for_delivery",
        "delivery_attempted",
        "ready_for_pickup",
        "pickup_reminder",
        "delivery_failed",
    ],
    needs: None,
    reached,
    moot: taken_back,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    parcels_in(order, ParcelState::PickedUp)
}
