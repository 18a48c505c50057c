//! **return_closed**: the return is finished; each time anew where it was taken up again.

use super::story::{DAY, return_now_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// The return is finished.
pub const KIND: Milestone = Milestone {
    id: "return_closed",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: &["refunded", "partially_refunded"],
    supersedes: &["return_requested", "return_approved", "return_label_ready", "return_reopened"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let mut found = Vec::new();
    for part in &order.returns {
        let turns = part.state.turns(|s| *s == ReturnState::Closed);
        found.extend(turns.into_iter().enumerate().map(|(i, at)| {
            let subject = match i {
                0 => Subject::Return(part.id.clone()),
                _ => Subject::ReturnOf(part.id.clone(), (i + 1).to_string()),
            };
            Reached::new(subject, at)
        }));
    }
    found
}

fn moot(order: &Order, reached: &Reached) -> bool {
    !return_now_in(order, reached, &[ReturnState::Closed])
}
