//! **payment_authorized**: money is promised and not yet taken. Few shops tell it; it is moot once money moved.

use super::story::{DAY, NONE, called_off};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState};
use crate::domain::shop::ShopRules;

/// Money is promised.
pub const KIND: Milestone = Milestone {
    id: "payment_authorized",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 32,
    joins: &["order_confirmed", "payment_received", "preparing"],
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let first = order.payment.first(|s| *s == PaymentState::Authorized);
    first.map(|at| Reached::new(Subject::Transaction("authorized".into()), at)).into_iter().collect()
}

fn moot(order: &Order, _: &Reached) -> bool {
    called_off(order) || order.payment.now() != Some(&PaymentState::Authorized)
}
