//! Items that may have been told: a worker died between begin and settle, or the provider's answer was lost.
//!
//! They go before everything in their slot, keep channel and address (the retry key belongs to both), are
//! never superseded, and end as sent or unsure. Whatever forbids the repetition ends them as unsure: they
//! cannot be called skipped when they may have arrived.

use super::fate::{Case, Desk};
use super::quiet::quiet_until;
use super::retry::{AfterUnsure, after_unsure};
use super::walk::{look, standing, wait_for};
use crate::domain::channel::{Audience, Capabilities, Form};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::milestone::Purpose;
use crate::domain::owed::State;

/// Ends as "may have been told".
pub(super) fn unsure() -> Decision {
    Decision::End { state: State::Unsure, reason: Reason::MaybeTold, by: None }
}

/// What to do about an item in state `Begun` (left by a dead worker) or `Again`.
pub(super) fn repeat(desk: &Desk<'_>, case: &Case<'_>) -> Decision {
    let s = &desk.s;
    let Some(place) = case.chain.iter().position(|c| c.tag() == case.item.channel) else {
        return unsure();
    };
    let channel = &case.chain[place];
    let Ok((reachable, view)) = look(s, case, channel) else {
        return unsure();
    };
    let moved = reachable.address.as_ref().is_some_and(|a| (s.digest)(a) != case.item.address);
    if moved || case.expires <= s.now || !allowed(desk, case, view.caps) || unkeyed(case, view.caps, reachable.form) {
        return unsure();
    }
    if case.item.not_before > s.now {
        return Decision::Wait {
            until: case.item.not_before.min(case.expires),
            reason: Reason::Retrying,
            watch: Vec::new(),
        };
    }
    if let Some(block) = standing(s, case, &reachable, &view) {
        return wait_for(channel, &block, case.expires).unwrap_or_else(unsure);
    }
    if case.route.audience == Audience::Customer
        && let Some(until) = quiet_until(s.order, s.rules, case.milestone, s.now)
    {
        return Decision::Wait { until: until.min(case.expires), reason: Reason::QuietHours, watch: Vec::new() };
    }
    Decision::Go(Go {
        channel: channel.clone(),
        place: u8::try_from(place).unwrap_or(u8::MAX),
        address: reachable.address,
        form: reachable.form,
        joined: Vec::new(),
        passed: Vec::new(),
    })
}

/// `Again` was allowed when it was set; a key may have run out since.
fn allowed(desk: &Desk<'_>, case: &Case<'_>, caps: &Capabilities) -> bool {
    let item = case.item;
    if item.state == State::Again && caps.retry_key_secs.is_none() {
        return true;
    }
    // In which form a dead worker sent it is not known.
    let key = item.state == State::Again || caps.keyed(Form::Free);
    let first = item.first_attempt.unwrap_or(item.at);
    after_unsure(case.milestone.purpose, item.attempts, key, first, desk.s.now, caps) == AfterUnsure::Again
}

/// Progress that is repeated because the template had a key would now go as free words, which have none: the window
/// opened meanwhile.
fn unkeyed(case: &Case<'_>, caps: &Capabilities, form: Form) -> bool {
    case.milestone.purpose == Purpose::Status
        && caps.retry_key_secs.is_some()
        && matches!(form, Form::Free | Form::Grant)
        && !caps.keyed(form)
}
