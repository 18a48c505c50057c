//! **delivery_delayed**: later than promised. Either the carrier says so (of the parcel), or it is foreseen, where the
//! shop set `late_after`: an order paid and not shipped for so long (of the order), and a parcel with a tracking
//! number that no carrier has scanned for so long. A parcel without a number can not be scanned: nothing is
//! foreseen of it.

use super::story::{DAY, NONE, called_off, carried, foreseen, left, over, parcel_of, parcels_in};
use crate::domain::clock::plus_secs;
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ParcelState, Stage};
use crate::domain::shop::ShopRules;

/// What distinguishes "no scan" from the carrier's own word about the same parcel.
const UNSCANNED: &str = "unscanned";

/// Later than promised.
pub const KIND: Milestone = Milestone {
    id: "delivery_delayed",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 78,
    joins: NONE,
    supersedes: &["preparing", "tracking_updated", "in_transit"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let mut found = parcels_in(order, ParcelState::Delayed);
    let Some(late) = rules.late_after else {
        return found;
    };
    let paid = order.payment.first(|s| s.was_paid()).filter(|_| order.head().is_some_and(|h| h.shippable));
    found.extend(paid.map(|paid| foreseen(Subject::Order, plus_secs(paid, late))));
    found.extend(
        carried(order).filter(|p| !p.tracking.is_empty()).filter_map(|p| {
            Some(foreseen(Subject::ParcelOf(p.id.clone(), UNSCANNED.into()), plus_secs(left(p)?, late)))
        }),
    );
    found
}

fn moot(order: &Order, reached: &Reached) -> bool {
    use ParcelState::{Attempted, Delivered, Failed, OutForDelivery, PickedUp, ReadyForPickup};
    let done = order.stage.now() == Some(&Stage::Completed);
    match &reached.subject {
        Subject::Parcel(_) => {
            over(order, reached, &[OutForDelivery, Attempted, ReadyForPickup, Failed, PickedUp, Delivered])
        }
        Subject::ParcelOf(..) => {
            let scanned = |s: &ParcelState| *s > ParcelState::Shipped;
            done || over(order, reached, &[]) || parcel_of(order, reached).is_some_and(|p| p.state.ever(scanned))
        }
        _ => {
            let moved = |s: &ParcelState| *s >= ParcelState::Shipped;
            done || called_off(order) || order.parcels.iter().any(|p| p.state.ever(moved))
        }
    }
}
