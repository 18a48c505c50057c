//! **return_cancelled**: customer or shop took the return back.

use super::story::{DAY, NONE, return_now_in, returns_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// Customer or shop took the return back.
pub const KIND: Milestone = Milestone {
    id: "return_cancelled",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: &["return_requested", "return_approved", "return_label_ready", "return_reopened"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    returns_in(order, ReturnState::Cancelled)
}

fn moot(order: &Order, reached: &Reached) -> bool {
    !return_now_in(order, reached, &[ReturnState::Cancelled])
}
