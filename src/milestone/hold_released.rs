//! **hold_released**: the shop goes on. Only where the hold was told, and not while another hold remains.

use super::story::{DAY, NONE, called_off, nth};
use crate::domain::milestone::{Milestone, Purpose, Reached, Stale, Subject};
use crate::domain::order::{Order, Stage};
use crate::domain::shop::ShopRules;

/// The shop goes on.
pub const KIND: Milestone = Milestone {
    id: "hold_released",
    purpose: Purpose::Status,
    stale: Stale::After(DAY),
    rank: 54,
    joins: NONE,
    supersedes: NONE,
    needs: Some("on_hold"),
    reached,
    moot,
};

fn reached(order: &Order, _: &ShopRules) -> Vec<Reached> {
    let holds = order.holds.iter().filter(|h| !h.silent && h.placed_at.is_some());
    let mut found: Vec<Reached> =
        holds.filter_map(|h| Some(Reached::new(Subject::Hold(h.id.clone()), order.lifted(h)?))).collect();
    let mut holds = 0;
    let mut held = false;
    for run in order.stage.runs() {
        match run.state {
            Stage::OnHold if !held => (holds, held) = (holds + 1, true),
            Stage::OnHold | Stage::Cancelled | Stage::Refunded => {}
            _ if held => {
                found.push(Reached::new(Subject::Hold(nth("order", holds)), run.first));
                held = false;
            }
            _ => {}
        }
    }
    found
}

fn moot(order: &Order, _: &Reached) -> bool {
    let open = order.holds.iter().any(|h| !h.silent && h.placed_at.is_some() && order.lifted(h).is_none());
    called_off(order) || open || order.stage.now() == Some(&Stage::OnHold)
}
