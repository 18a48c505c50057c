//! **order_placed**: the order exists. Reached by the order itself, whatever webhook told of it first, and
//! dated by the order: platforms send "updated" before "created", and states that lie between are missing.

use super::story::{DAY, NONE, once, when_called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;

/// The order exists.
pub const KIND: Milestone = Milestone {
    id: "order_placed",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 10,
    joins: &[
        "order_confirmed",
        "payment_pending",
        "payment_authorized",
        "payment_partially_received",
        "payment_received",
        "preparing",
    ],
    supersedes: NONE,
    needs: None,
    reached,
    moot: when_called_off,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    once(order.head().map(|h| h.created_at))
}
