//! **payment_expiring**: foreseen. The time to pay is nearly over. The deadline is the order's own (an account or
//! code that runs out), else the shop's rule counted from the order; a new deadline moves the reminder.

use super::story::{DAY, NONE, called_off, foreseen, payment_due, pays_at_the_door, reminder};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState};
use crate::domain::shop::ShopRules;

/// The time to pay is nearly over.
pub const KIND: Milestone = Milestone {
    id: "payment_expiring",
    purpose: Purpose::Attention,
    stale: Stale::After(DAY),
    rank: 36,
    joins: NONE,
    supersedes: &["payment_pending"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    let unpaid = |s: &PaymentState| matches!(s, PaymentState::Pending | PaymentState::Failed);
    if pays_at_the_door(order) || !order.payment.ever(unpaid) {
        return Vec::new();
    }
    let when = order.head().zip(payment_due(order, rules)).and_then(|(head, due)| {
        let when = reminder(head.created_at, due, rules.payment_reminder)?;
        Some(Reached { until: Some(due), ..foreseen(Subject::Order, when) })
    });
    when.into_iter().collect()
}

fn moot(order: &Order, _: &Reached) -> bool {
    let waits = |s: &PaymentState| matches!(s, PaymentState::Pending | PaymentState::Failed);
    called_off(order) || pays_at_the_door(order) || !order.payment.now().is_some_and(waits)
}
