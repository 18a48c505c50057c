//! **return_label_ready**: a label to print, or a tracking number to send it back with.

use super::story::{DAY, NONE, return_now_in};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, ReturnState};
use crate::domain::shop::ShopRules;

/// A label to print is there.
pub const KIND: Milestone = Milestone {
    id: "return_label_ready",
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
    let labelled = order.returns.iter().filter_map(|r| Some((r, r.label.as_ref()?.at)));
    labelled.map(|(r, at)| Reached::new(Subject::Return(r.id.clone()), at)).collect()
}

fn moot(order: &Order, reached: &Reached) -> bool {
    return_now_in(order, reached, &[ReturnState::Declined, ReturnState::Cancelled, ReturnState::Closed])
}
