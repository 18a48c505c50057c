//! **partially_refunded**: money went back, per refund. Whether it was all of it only the order's state knows, and that
//! may be told later or earlier than the refund; so each refund reaches this, and it is moot once all is back
//! (`refunded` says so). A refund without money (stock only) is nothing to tell.

use super::story::{DAY, NONE};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState, Refund, Stage};
use crate::domain::shop::ShopRules;

/// Money went back.
pub const KIND: Milestone = Milestone {
    id: "partially_refunded",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: &["cancelled", "return_closed"],
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let money = |r: &&Refund| r.amount.as_ref().is_some_and(|m| !m.is_zero());
    order.refunds.iter().filter(money).map(|r| Reached::new(Subject::Refund(r.id.clone()), r.at)).collect()
}

fn moot(order: &Order, _: &Reached) -> bool {
    order.payment.now() == Some(&PaymentState::Refunded) || order.stage.now() == Some(&Stage::Refunded)
}
