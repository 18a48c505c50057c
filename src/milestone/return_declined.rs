//! **return_declined**: the shop does not take it back.

use super::story::{DAY, NONE, return_now_in, returns_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// The shop does not take it back.
pub const KIND: Milestone = Milestone {
    id: "return_declined",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: &["return_requested"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    returns_in(order, ReturnState::Declined)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    !return_now_in(order, reached, &[ReturnState::Declined])
}
