//! Reached and not told → owed.

use super::reach::{Reach, reach};
use super::route::Route;
use crate::domain::channel::Audience;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::ids::{Digest8, Tag};
use crate::domain::ledger::Entry;
use crate::domain::milestone::Milestone;
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::shop::ShopRules;

/// What a commit adds to an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owing {
    /// New items, numbered on from the number given.
    pub items: Vec<Owed>,
    /// New members of `Order::told`: owed, or passed over for good.
    pub told: Vec<Digest8>,
    /// A line each.
    pub ledger: Vec<Entry>,
}

/// What `order` now owes and did not before. The caller writes `told` into the order and the items beside
/// it, in one commit. `next_no` is the number of the first new item.
///
/// Customers are told by the first route that matches, staff by every one. What no route wants counts as
/// told, so that a route added later tells nothing old. What an order had reached before it was first heard
/// of (`import_guard`), or what is older than `max_event_age`, is told to nobody. A deleted order owes
/// nothing, and nothing is struck off either: where the shop takes it back out of the bin, the story goes on.
pub fn owe(
    order: &Order,
    rules: &ShopRules,
    routes: &[Route],
    milestones: &[&'static Milestone],
    now: Timestamp,
    next_no: u16,
) -> Owing {
    let mut owing = Owing::default();
    for reach in reach(order, rules, milestones).iter().filter(|r| !order.told.contains(&r.digest)) {
        if order.deleted() {
            owing.ledger.push(unowed(reach, Reason::OrderDeleted));
            continue;
        }
        owing.told.push(reach.digest);
        match wanted(order, rules, routes, reach, now) {
            Ok(routes) => add(&mut owing, reach, rules, &routes, now, next_no),
            Err(reason) => owing.ledger.push(unowed(reach, reason)),
        }
    }
    owing
}

/// The routes that want it told, or why nobody is.
fn wanted<'a>(
    order: &Order,
    rules: &ShopRules,
    routes: &'a [Route],
    reach: &Reach,
    now: Timestamp,
) -> Result<Vec<&'a Route>, Reason> {
    if order.imported(rules.import_guard) && reach.reached.at <= order.first_seen {
        return Err(Reason::ImportGuard);
    }
    if plus_secs(reach.reached.at, rules.max_event_age) < now {
        return Err(Reason::Stale);
    }
    let matching = || routes.iter().filter(|r| r.matches(reach.milestone.id, order));
    let customers = matching().find(|r| r.audience == Audience::Customer);
    let staff = matching().filter(|r| r.audience == Audience::Staff);
    let all: Vec<&Route> = customers.into_iter().chain(staff).collect();
    if all.is_empty() { Err(Reason::NoRoute) } else { Ok(all) }
}

fn add(owing: &mut Owing, reach: &Reach, rules: &ShopRules, routes: &[&Route], now: Timestamp, next_no: u16) {
    let settled = plus_secs(now, reach.reached.settle.unwrap_or(rules.settle));
    for route in routes {
        for (slot, slot_name) in route.slots() {
            // An order with 65,535 items is a machine's; the last of them stay untold.
            let Some(no) = u16::try_from(owing.items.len()).ok().and_then(|n| next_no.checked_add(n)) else {
                return;
            };
            owing.ledger.push(Entry::Owed {
                item: no,
                milestone: reach.milestone.id.into(),
                subject: reach.reached.subject.label(),
                route: route.id.as_str().into(),
                slot: slot_name,
            });
            owing.items.push(Owed {
                no,
                milestone: reach.milestone.tag(),
                subject: reach.digest,
                route: route.tag,
                slot,
                state: State::Open,
                reason: None,
                attempts: 0,
                at: reach.reached.at,
                not_before: reach.reached.not_before.map_or(settled, |n| n.max(settled)),
                expires: reach.milestone.expires(&reach.reached, rules),
                channel: Tag::NONE,
                passed: 0,
                first_attempt: None,
                address: 0,
                follows: 0,
                within: 0,
                forced: false,
            });
        }
    }
}

fn unowed(reach: &Reach, reason: Reason) -> Entry {
    Entry::Unowed {
        milestone: reach.milestone.id.into(),
        subject: reach.reached.subject.label(),
        reason: reason.as_str().into(),
    }
}
