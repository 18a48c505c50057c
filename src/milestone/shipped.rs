//! **shipped**: a parcel left. A parcel without a tracking number is told later than usual, because the number
//! mostly follows within a minute. A record to keep: a mere scan by the carrier does not make it pointless,
//! but once it waits for pickup or arrived nobody wants to hear that it is on its way. A download never ships.

use super::story::{DAY, carried, left, over, parcel_of};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// A parcel left.
pub const KIND: Milestone = Milestone {
    id: "shipped",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 72,
    joins: &["in_transit", "completed"],
    supersedes: &["partially_shipped", "preparing"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    carried(order)
        .filter_map(|p| {
            let settle = p.tracking.is_empty().then_some(rules.settle_untracked);
            Some(Reached { settle, ..Reached::new(Subject::Parcel(p.id.clone()), left(p)?) })
        })
        .collect()
}

/// Only a part: `partially_shipped` says so. Nothing to carry at all and no number: the shop "shipped" a
/// download.
fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delivered, Failed, PickedUp, ReadyForPickup};
    let parcel = parcel_of(order, reached);
    let part = parcel.is_some_and(|p| p.partial.as_ref().is_some_and(|p| p.value));
    let download = order.head().is_some_and(|h| !h.shippable) && parcel.is_some_and(|p| p.tracking.is_empty());
    part || download || over(order, reached, &[Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
}
