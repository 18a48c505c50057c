//! **pickup_reminder**: foreseen. The parcel goes back soon. A later day told by the carrier moves the reminder.

use super::story::{ARRIVED, DAY, NONE, foreseen, over, parcel_of, parcels_in, pickup_end, reminder};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;

/// The parcel goes back soon.
pub const KIND: Milestone = Milestone {
    id: "pickup_reminder",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 86,
    joins: NONE,
    supersedes: &["ready_for_pickup"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let waits = parcels_in(order, ParcelState::ReadyForPickup).into_iter();
    waits
        .filter_map(|ready| {
            let end = pickup_end(parcel_of(order, &ready)?, rules)?;
            let when = reminder(ready.at, end, rules.pickup_reminder)?;
            Some(Reached { until: Some(end), ..foreseen(ready.subject, when) })
        })
        .collect()
}

/// Dated by the reminder, so a pickup *before* it counts too.
fn moot(order: &Order, reached: &Reached) -> bool {
    let fetched = parcel_of(order, reached).is_some_and(|p| p.state.ever(|s| ARRIVED.contains(s)));
    fetched || over(order, reached, &[])
}
