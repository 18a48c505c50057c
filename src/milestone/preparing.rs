//! **preparing**: the order is being picked and packed. Moot once something left.

use super::story::{DAY, NONE, called_off, carried, left, once};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// The order is being picked and packed.
pub const KIND: Milestone = Milestone {
    id: "preparing",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 60,
    joins: NONE,
    supersedes: NONE,
    needs: None,
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    once(order.stage.first(|s| *s == Stage::Preparing))
}

fn moot(order: &Order, _: &Reached) -> bool {
    let halted = matches!(order.stage.now(), Some(Stage::OnHold | Stage::Completed));
    called_off(order) || halted || carried(order).any(|p| left(p).is_some())
}
