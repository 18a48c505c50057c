//! **out_for_delivery**: on the last van. Worth something on that day only.

use super::story::{NONE, over, parcels_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// On the last van.
pub const KIND: Milestone = Milestone {
    id: "out_for_delivery",
    purpose: Purpose::Status,
    stale: Stale::SameDay,
    rank: 80,
    joins: NONE,
    supersedes: &["preparing", "tracking_updated", "in_transit", "delivery_delayed"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    parcels_in(order, ParcelState::OutForDelivery)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delivered, Failed, PickedUp, ReadyForPickup};
    over(order, reached, &[Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
}
