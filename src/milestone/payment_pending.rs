//! **payment_pending**: the customer is to pay. Where the order carries a code or an account to pay with, that is
//! told at once; otherwise after a while, because a customer who was sent on to a payment page is usually back,
//! and paid, within a minute. Never for cash on delivery. Once in the life of an order.

use super::story::{DAY, NONE, called_off, once, payment_due, pays_at_the_door};
use crate::domain::clock::plus_secs;
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, PayHow, PaymentState};
use crate::domain::shop::ShopRules;

/// How long a customer who was sent on to a payment page is left alone. Seconds.
const REDIRECT: i64 = 300;

/// The customer is to pay.
pub const KIND: Milestone = Milestone {
    id: "payment_pending",
    purpose: Purpose::Attention,
    stale: Stale::After(DAY),
    rank: 30,
    joins: NONE,
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, rules: &ShopRules) -> Vec<Reached> {
    if pays_at_the_door(order) {
        return Vec::new();
    }
    let mut found = once(order.payment.first(|s| *s == PaymentState::Pending));
    for reached in &mut found {
        reached.until = payment_due(order, rules).filter(|due| *due > reached.at);
        if !order.pay.as_ref().is_some_and(|p| has_code(&p.value)) {
            reached.not_before = Some(plus_secs(reached.at, REDIRECT));
        }
    }
    found
}

/// Something that the customer must write down or carry to a machine.
fn has_code(how: &PayHow) -> bool {
    how.account.is_some() || how.store_code.is_some() || !how.barcodes.is_empty()
}

fn moot(order: &Order, _: &Reached) -> bool {
    called_off(order) || pays_at_the_door(order) || order.payment.now() != Some(&PaymentState::Pending)
}
