//! **payment_partially_received**: part of the money came. An order that was paid and then grew is partly paid too,
//! but no money came: moot.

use super::story::{DAY, NONE, called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState};
use crate::domain::shop::ShopRules;

/// Part of the money came.
pub const KIND: Milestone = Milestone {
    id: "payment_partially_received",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 38,
    joins: &["order_confirmed", "preparing"],
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let first = order.payment.first(|s| *s == PaymentState::PartiallyPaid);
    first.map(|at| Reached::new(Subject::Transaction("partial".into()), at)).into_iter().collect()
}

fn moot(order: &Order, reached: &Reached) -> bool {
    let paid_before = order.payment.first(|s| s.was_paid()).is_some_and(|paid| paid <= reached.at);
    called_off(order) || paid_before || order.payment.now() != Some(&PaymentState::PartiallyPaid)
}
