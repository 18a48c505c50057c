//! **return_reopened**: taken up again after it was finished; each time.

use super::story::{DAY, NONE, return_now_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// The return was taken up again.
pub const KIND: Milestone = Milestone {
    id: "return_reopened",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: NONE,
    supersedes: &["return_closed"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let mut found = Vec::new();
    for part in &order.returns {
        let turns = part.state.turns(|s| *s == ReturnState::Reopened);
        let subject = |i: usize| Subject::ReturnOf(part.id.clone(), (i + 1).to_string());
        found.extend(turns.into_iter().enumerate().map(|(i, at)| Reached::new(subject(i), at)));
    }
    found
}

fn moot(order: &Order, reached: &Reached) -> bool {
    return_now_in(order, reached, &[ReturnState::Declined, ReturnState::Cancelled, ReturnState::Closed])
}
