//! **delivery_failed**: the parcel could not be delivered and goes back. Platforms report it only where the carrier's
//! words are meant for the customer.

use super::story::{DAY, NONE, over, parcels_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// The parcel could not be delivered.
pub const KIND: Milestone = Milestone {
    id: "delivery_failed",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 90,
    joins: NONE,
    supersedes: &[
        "preparing",
        "tracking_updated",
        "in_transit",
        "delivery_delayed",
        "out_for_delivery",
        "delivery_attempted",
        "ready_for_pickup",
        "pickup_reminder",
    ],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    parcels_in(order, ParcelState::Failed)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    over(order, reached, &[ParcelState::PickedUp, ParcelState::Delivered])
}
