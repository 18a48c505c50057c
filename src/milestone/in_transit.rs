//! **in_transit**: the carrier moves the parcel. Once a parcel, however many scans there are.

use super::story::{DAY, NONE, over, parcels_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// The carrier moves the parcel.
pub const KIND: Milestone = Milestone {
    id: "in_transit",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 76,
    joins: NONE,
    supersedes: &["preparing", "tracking_updated"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    parcels_in(order, ParcelState::InTransit)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delayed, Delivered, Failed, OutForDelivery, PickedUp, ReadyForPickup};
    over(order, reached, &[Delayed, OutForDelivery, Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
}
