//! **on_hold**: the shop stopped working on the order. Told by a hold of its own (Shopify) or by the order's state
//! (WooCommerce, for orders that are paid: unpaid ones wait for money, see `payment_pending`). A silent hold
//! (fraud check) is none of the customer's business.

use super::story::{DAY, NONE, called_off, each};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// The shop stopped working on the order.
pub const KIND: Milestone = Milestone {
    id: "on_hold",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 52,
    joins: NONE,
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let mut found = each(order.stage.turns(|s| *s == Stage::OnHold), "order", Subject::Hold);
    let told = order.holds.iter().filter(|h| !h.silent);
    found.extend(told.filter_map(|h| Some(Reached::new(Subject::Hold(h.id.clone()), h.placed_at?))));
    found
}

fn moot(order: &Order, reached: &Reached) -> bool {
    let Subject::Hold(id) = &reached.subject else {
        return false;
    };
    let lifted = match order.holds.iter().find(|h| h.id == *id) {
        Some(hold) => hold.silent || order.lifted(hold).is_some(),
        None => order.stage.now() != Some(&Stage::OnHold),
    };
    lifted || called_off(order)
}
