//! **pickup_store_changed**: another convenience store than before. Told of each store that followed a different one;
//! the order's first store is no change. Two sightings are different stores only where what both tell differs:
//! a body that knows the number and one that knows the name too mean the same store.

use super::story::{ARRIVED, DAY, NONE, called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ParcelState, PickupStore};
use crate::domain::shop::ShopRules;
use std::collections::BTreeMap;

/// The parcel of the subject: stores are told of the order as a whole.
const PLACE: &str = "pickup";

/// Another convenience store than before.
pub const KIND: Milestone = Milestone {
    id: "pickup_store_changed",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: &["pickup_store_changed"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let mut changes = BTreeMap::new();
    let mut before: Vec<&PickupStore> = Vec::new();
    for (at, store) in order.pickup.sightings() {
        if let Some(name) = name(store).filter(|_| before.iter().any(|b| differ(b, store))) {
            changes.entry(name).or_insert(at);
        }
        before.push(store);
    }
    let subject = |name: &str| Subject::ParcelOf(PLACE.into(), name.to_string());
    changes.into_iter().map(|(name, at)| Reached::new(subject(name), at)).collect()
}

/// What tells a store from others.
fn name(store: &PickupStore) -> Option<&str> {
    store.id.as_deref().or(store.name.as_deref()).or(store.address.as_deref())
}

fn differ(a: &PickupStore, b: &PickupStore) -> bool {
    let both = |a: &Option<String>, b: &Option<String>| a.as_ref().zip(b.as_ref()).map(|(a, b)| a != b);
    both(&a.id, &b.id).or_else(|| both(&a.name, &b.name)).or_else(|| both(&a.address, &b.address)).unwrap_or(false)
}

/// Changed again, or the parcel is there already: "ready for pickup" names the store.
fn moot(order: &Order, reached: &Reached) -> bool {
    let Subject::ParcelOf(_, told) = &reached.subject else {
        return false;
    };
    let waits = |s: &ParcelState| *s == ParcelState::ReadyForPickup || ARRIVED.contains(s);
    let there = order.parcels.iter().any(|p| p.state.sightings().any(|(at, s)| waits(s) && at >= reached.at));
    called_off(order) || there || order.pickup.now().and_then(name) != Some(told.as_str())
}
