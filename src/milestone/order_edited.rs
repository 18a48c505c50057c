//! **order_edited**: the contents changed and the shop ticked "tell the customer". Other edits are the shop's business.

use super::story::{DAY, NONE, when_called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;

/// The contents changed.
pub const KIND: Milestone = Milestone {
    id: "order_edited",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 50,
    joins: NONE,
    supersedes: &["order_edited"],
    needs: None,
    reached,
    moot: when_called_off,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let told = order.edits.iter().filter(|e| e.notify);
    told.map(|e| Reached::new(Subject::Edit(e.id.clone()), e.at)).collect()
}
