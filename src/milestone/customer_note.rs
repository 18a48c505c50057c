//! **customer_note**: the shop wrote to the customer. The same words are told once.

use super::story::{DAY, NONE, never};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;

/// The shop wrote to the customer.
pub const KIND: Milestone = Milestone {
    id: "customer_note",
    purpose: Purpose::Attention,
    stale: Stale::After(3 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: NONE,
    needs: None,
    reached,
    moot: never,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    order.notes.iter().map(|n| Reached::new(Subject::Note(n.id.clone()), n.at)).collect()
}
