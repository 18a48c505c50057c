//! **order_confirmed**: the shop accepts the order. Mostly the same moment as `order_placed`, and then told with it.

use super::story::{DAY, NONE, once, when_called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// The shop accepts the order.
pub const KIND: Milestone = Milestone {
    id: "order_confirmed",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 20,
    joins: &["payment_authorized", "payment_partially_received", "payment_received", "preparing"],
    supersedes: NONE,
    needs: None,
    reached,
    moot: when_called_off,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    once(order.stage.first(|s| *s == Stage::Confirmed))
}
