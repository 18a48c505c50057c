//! **payment_received**: all the money came. Platforms tell it by the order's state, by a transaction, or by both,
//! so it is read from the state alone and told once; a second time only where more was to pay in between
//! (`paid/2`: the order grew and the rest came).

use super::story::{DAY, each};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState};
use crate::domain::shop::ShopRules;

/// All the money came.
pub const KIND: Milestone = Milestone {
    id: "payment_received",
    purpose: Purpose::Formal,
    stale: Stale::After(3 * DAY),
    rank: 40,
    joins: &["order_confirmed", "preparing"],
    supersedes: &[
        "payment_pending",
        "payment_authorized",
        "payment_failed",
        "payment_expiring",
        "payment_partially_received",
    ],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let mut times = Vec::new();
    let mut complete = false;
    for run in order.payment.runs() {
        if run.state.was_paid() && !complete {
            times.push(run.first);
            complete = true;
        } else if run.state == PaymentState::PartiallyPaid {
            complete = false;
        }
    }
    each(times, "paid", Subject::Transaction)
}

/// Given back meanwhile, or there was nothing to pay.
fn moot(order: &Order, _: &Reached) -> bool {
    let returned = |s: &PaymentState| matches!(s, PaymentState::Refunded | PaymentState::Voided);
    let free = order.head().and_then(|h| h.total.as_ref()).is_some_and(|t| t.is_zero());
    free || order.payment.now().is_some_and(returned)
}
