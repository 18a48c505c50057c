//! **ready_for_pickup**: the parcel waits in a store or locker, until a day that the carrier or the shop's rule names.

use super::story::{ARRIVED, DAY, NONE, over, parcel_of, parcels_in, pickup_end};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// The parcel waits in a store or locker.
pub const KIND: Milestone = Milestone {
    id: "ready_for_pickup",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 84,
    joins: NONE,
    supersedes: &[
        "preparing",
        "tracking_updated",
        "in_transit",
        "delivery_delayed",
        "out_for_delivery",
        "delivery_attempted",
    ],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let mut found = parcels_in(order, ParcelState::ReadyForPickup);
    for reached in &mut found {
        let end = parcel_of(order, reached).and_then(|p| pickup_end(p, rules));
        reached.until = end.filter(|end| *end > reached.at);
    }
    found
}

fn moot(order: &Order, reached: &Reached) -> bool {
    over(order, reached, ARRIVED)
}
