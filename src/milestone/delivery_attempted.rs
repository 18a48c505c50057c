//! **delivery_attempted**: nobody was there. Once a local day and parcel: carriers repeat the scan.

use super::story::{ARRIVED, DAY, NONE, carried, over, parcel_of, scan_time};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ParcelState};
use crate::domain::shop::ShopRules;
use std::collections::BTreeMap;

/// Nobody was there.
pub const KIND: Milestone = Milestone {
    id: "delivery_attempted",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 82,
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
    let mut found = Vec::new();
    for parcel in carried(order) {
        // The day is the carrier's: were it moved by what is known of the parcel's leaving, a late webhook
        // would make another day, and another message, of the same attempt.
        let mut days = BTreeMap::new();
        for (at, _) in parcel.state.sightings().filter(|(_, s)| **s == ParcelState::Attempted) {
            let day = at.to_zoned_datetime(rules.timezone.clone()).date();
            days.entry(day).or_insert(scan_time(parcel, at));
        }
        found.extend(
            days.into_iter().map(|(day, at)| Reached::new(Subject::ParcelOf(parcel.id.clone(), day.to_string()), at)),
        );
    }
    found
}

/// It waits in a store, arrived, failed, or the van is out again.
fn moot(order: &Order, reached: &Reached) -> bool {
    let again = parcel_of(order, reached).is_some_and(|p| {
        p.state.now() == Some(&ParcelState::OutForDelivery) && p.state.since().is_some_and(|since| since > reached.at)
    });
    again || over(order, reached, &[ParcelState::ReadyForPickup]) || over(order, reached, ARRIVED)
}
