//! **return_approved**: the shop takes it back. Also the first word of a return that the shop itself made.

use super::story::{DAY, return_now_in, returns_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// The shop takes it back.
pub const KIND: Milestone = Milestone {
    id: "return_approved",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: &["return_label_ready"],
    supersedes: &["return_requested"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    returns_in(order, ReturnState::Open)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    return_now_in(order, reached, &[ReturnState::Cancelled, ReturnState::Closed])
}
