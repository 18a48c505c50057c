//! **tracking_updated**: a tracking number that "shipped" could not tell: one that came after it was told (later
//! than its settle time after the parcel left). Numbers that were there when the parcel left stand in that
//! message. Only the number in force is worth telling.

use super::story::{DAY, NONE, carried, left, over, parcel_of};
use crate::domain::clock::plus_secs;
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, Parcel, ParcelState};
use crate::domain::shop::ShopRules;

/// A tracking number came after the parcel had left.
pub const KIND: Milestone = Milestone {
    id: "tracking_updated",
    purpose: Purpose::Status,
    stale: Stale::After(3 * DAY),
    rank: 74,
    joins: NONE,
    supersedes: &["tracking_updated"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    carried(order).flat_map(|p| later_numbers(p, rules)).collect()
}

/// A first number may come while "shipped" still waits for it; further ones once that was told.
fn later_numbers(parcel: &Parcel, rules: &ShopRules) -> Vec<Reached> {
    let Some(left) = left(parcel) else {
        return Vec::new();
    };
    let settle = |i: usize| if i == 0 { rules.settle_untracked } else { rules.settle };
    let late = parcel.tracking.iter().enumerate().filter(|(i, t)| t.at > plus_secs(left, settle(*i)));
    late.map(|(_, t)| Reached::new(Subject::ParcelOf(parcel.id.clone(), t.number.clone()), t.at)).collect()
}

/// Not in force any more, or the parcel is so near that nobody follows its number.
fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delivered, Failed, OutForDelivery, PickedUp, ReadyForPickup};
    let in_force = parcel_of(order, reached).and_then(|p| p.tracking.last()).map(|t| t.number.as_str());
    let old = matches!(&reached.subject, Subject::ParcelOf(_, number) if in_force != Some(number.as_str()));
    old || over(order, reached, &[OutForDelivery, Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
}
