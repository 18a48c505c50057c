//! All that an order has reached, by every milestone.

use crate::domain::ids::Digest8;
use crate::domain::milestone::{Milestone, Reached};
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;

/// One thing reached.
#[derive(Clone)]
pub struct Reach {
    /// Which milestone.
    pub milestone: &'static Milestone,
    /// Of what, when.
    pub reached: Reached,
    /// The stored form of "this milestone of this subject".
    pub digest: Digest8,
}

/// Everything reached, in the story's order.
///
/// Nothing is reached while the order itself is unknown: without it there is nobody to tell and nothing to
/// call it by, and what the parts told is kept until then. Nothing can have happened before the order was
/// made, whatever a payment service's clock says: earlier times count as that moment, so that "paid" never
/// looks older than "received".
pub fn reach(order: &Order, rules: &ShopRules, milestones: &[&'static Milestone]) -> Vec<Reach> {
    let Some(head) = order.head() else {
        return Vec::new();
    };
    let made = head.created_at;
    let of = |milestone: &'static Milestone| {
        (milestone.reached)(order, rules).into_iter().map(move |mut reached| {
            reached.at = reached.at.max(made);
            Reach { milestone, digest: reached.subject.digest(milestone.id), reached }
        })
    };
    milestones.iter().flat_map(|m| of(m)).collect()
}
