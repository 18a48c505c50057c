//! **refunded**: all the money went back, as the order's own state says. Sums of refunds are no proof: a shop's total
//! falls with each refund (Shopify's `current_total_price`), so half of the money would look like all of it.
//! Once an order (`order`), because which refund completed the sum depends on which webhook came last.

use super::story::DAY;
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, PaymentState, Stage};
use crate::domain::shop::ShopRules;

/// All the money went back.
pub const KIND: Milestone = Milestone {
    id: "refunded",
    purpose: Purpose::Formal,
    stale: Stale::After(7 * DAY),
    rank: 0,
    joins: &["cancelled", "return_closed"],
    supersedes: &["partially_refunded"],
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let paid = order.payment.first(|s| *s == PaymentState::Refunded);
    let staged = order.stage.first(|s| *s == Stage::Refunded);
    let first = paid.into_iter().chain(staged).min();
    first.map(|at| Reached::new(Subject::Refund("order".into()), at)).into_iter().collect()
}

/// Corrected meanwhile.
fn moot(order: &Order, _: &Reached) -> bool {
    order.payment.now() != Some(&PaymentState::Refunded) && order.stage.now() != Some(&Stage::Refunded)
}
