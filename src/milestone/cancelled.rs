//! **cancelled**: called off. Told with the refund where both come together; moot where the order was taken up again.

use super::story::{DAY, NONE, once};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// Called off.
pub const KIND: Milestone = Milestone {
    id: "cancelled",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 100,
    joins: &["refunded", "partially_refunded"],
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    once(order.stage.first(|s| *s == Stage::Cancelled))
}

fn moot(order: &Order, _: &Reached) -> bool {
    !matches!(order.stage.now(), Some(Stage::Cancelled | Stage::Refunded))
}
