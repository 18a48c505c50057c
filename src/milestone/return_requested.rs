//! **return_requested**: the customer asked to send something back. Answered meanwhile, only the answer is told.

use super::story::{DAY, NONE, return_now_in, returns_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// The customer asked to send something back.
pub const KIND: Milestone = Milestone {
    id: "return_requested",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    returns_in(order, ReturnState::Requested)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    return_now_in(order, reached, &[ReturnState::Declined, ReturnState::Cancelled, ReturnState::Closed])
}
