//! **partially_shipped**: a parcel left that holds only part of the order. `shipped` is reached by the same parcel;
//! which of the two is told is decided before the send (`moot`), because the shop may say only later, or take
//! back, that it was a part.

use super::story::{DAY, carried, left, over, parcel_of};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// A parcel left that holds only part of the order.
pub const KIND: Milestone = Milestone {
    id: "partially_shipped",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 70,
    joins: &["in_transit"],
    supersedes: &["shipped", "preparing"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let parts = carried(order).filter(|p| p.partly);
    parts
        .filter_map(|p| {
            let settle = p.tracking.is_empty().then_some(rules.settle_untracked);
            Some(Reached { settle, ..Reached::new(Subject::Parcel(p.id.clone()), left(p)?) })
        })
        .collect()
}

/// "On its way" helps nobody once the parcel waits, arrived or failed.
fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delivered, Failed, PickedUp, ReadyForPickup};
    let whole = !parcel_of(order, reached).is_some_and(|p| p.partial.as_ref().is_some_and(|p| p.value));
    whole || over(order, reached, &[Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
}
