//! **payment_failed**: the payment service refused, or the time to pay ran out. Once each time the payment *becomes*
//! failed: snapshots that repeat the state are one failure.

use super::story::{DAY, NONE, called_off, each, payment_due};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState};
use crate::domain::shop::ShopRules;

/// The payment did not go through.
pub const KIND: Milestone = Milestone {
    id: "payment_failed",
    purpose: Purpose::Attention,
    stale: Stale::After(DAY),
    rank: 34,
    joins: NONE,
    supersedes: &["payment_pending", "payment_failed"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let turns = order.payment.turns(|s| matches!(s, PaymentState::Failed | PaymentState::Expired));
    let mut found = each(turns, "failed", Subject::Transaction);
    for reached in &mut found {
        reached.until = payment_due(order, rules).filter(|due| *due > reached.at);
    }
    found
}

/// Paid or promised meanwhile, or nothing is to be paid any more.
fn moot(order: &Order, _: &Reached) -> bool {
    let over = |s: &PaymentState| s.was_paid() || matches!(s, PaymentState::Authorized | PaymentState::Voided);
    called_off(order) || order.payment.now().is_some_and(over)
}
