//! **completed**: the shop is done with the order. What it means beyond that (sent? arrived?) only the shop knows.

use super::story::{DAY, NONE, once, when_called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// The shop is done with the order.
pub const KIND: Milestone = Milestone {
    id: "completed",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 96,
    joins: NONE,
    supersedes: &["preparing"],
    needs: None,
    reached,
    moot: when_called_off,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    once(order.stage.first(|s| *s == Stage::Completed))
}
