//! Does an owed item still stand? Rules that need no channel and no person.

use super::reach::{Reach, reach};
use super::route::Route;
use super::situation::Situation;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Reason};
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::milestone::{Milestone, Purpose, Reached, Subject};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::shop::ShopRules;
use std::collections::HashMap;

/// The situation, with what the order has reached looked up by digest.
pub(super) struct Desk<'a> {
    pub(super) s: Situation<'a>,
    reached: HashMap<Digest8, Reach>,
}

/// An open item with everything its tags stand for.
pub(super) struct Case<'a> {
    pub(super) item: &'a Owed,
    pub(super) milestone: &'static Milestone,
    pub(super) reached: &'a Reached,
    pub(super) route: &'a Route,
    pub(super) chain: &'a [ChannelId],
    pub(super) expires: Timestamp,
}

impl<'a> Desk<'a> {
    pub(super) fn new(s: &Situation<'a>) -> Desk<'a> {
        let all = reach(s.order, s.rules, s.milestones);
        Desk { s: *s, reached: all.into_iter().map(|r| (r.digest, r)).collect() }
    }

    /// Looks up what an item's tags stand for, or says why it cannot stand.
    pub(super) fn case<'d>(&'d self, item: &'d Owed) -> Result<Case<'d>, Decision> {
        let s = &self.s;
        if s.order.deleted() {
            return Err(skip(Reason::OrderDeleted));
        }
        if s.order.head().is_none() {
            return Err(unknown_order(item, s.now));
        }
        let milestone = s.milestones.iter().find(|m| m.tag() == item.milestone).copied();
        let milestone = milestone.ok_or_else(|| skip(Reason::SettingsChanged))?;
        let route = s.routes.iter().find(|r| r.tag == item.route && r.tells(milestone.id));
        let route = route.ok_or_else(|| skip(Reason::NoRoute))?;
        let chain = route.chain(item.slot).ok_or_else(|| skip(Reason::SettingsChanged))?;
        let reach = self.reached.get(&item.subject).ok_or_else(|| skip(Reason::MovedOn))?;
        let expires = reach.milestone.expires(&reach.reached, s.rules);
        let expires = if item.forced { item.expires } else { expires };
        Ok(Case { item, milestone, reached: &reach.reached, route, chain, expires })
    }

    /// The rules in turn: the first that speaks ends the item.
    pub(super) fn fate(&self, case: &Case<'_>, slot: &[&Owed]) -> Option<Decision> {
        already_told(case, slot)
            .or_else(|| expired(&self.s, case))
            .or_else(|| moved_on(&self.s, case))
            .or_else(|| unheard_of(case, slot))
            .or_else(|| self.superseded_by_told(case, slot))
    }

    /// Something of a higher rank that happened at or after it was told; or what makes it pointless was; or,
    /// for mere progress, anything newer was: nothing older is told after something newer. A milestone of
    /// rank 0 stands beside the story and parcels have a story each.
    pub(super) fn superseded_by_told(&self, case: &Case<'_>, slot: &[&Owed]) -> Option<Decision> {
        let told = slot.iter().filter(|t| t.state.is_told() && t.no != case.item.no);
        let told = told.filter_map(|t| Some((t.no, self.reached.get(&t.subject)?)));
        let says_more = told.filter(|(_, t)| {
            let at_or_after = t.reached.at >= case.reached.at;
            let newer = case.milestone.purpose == Purpose::Status && t.reached.at > case.reached.at;
            let further = t.milestone.rank > case.milestone.rank || newer;
            let ranked = case.milestone.rank > 0 && t.milestone.rank > 0;
            let story = ranked && further && same_story(&case.reached.subject, &t.reached.subject);
            at_or_after && (story || makes_pointless(t.milestone, &t.reached, case))
        });
        says_more.max_by_key(|(no, t)| (t.reached.at, t.milestone.rank, *no)).map(|(no, _)| superseded(no))
    }
}

/// Ends an item without a message.
pub(super) fn skip(reason: Reason) -> Decision {
    Decision::End { state: State::Skipped, reason, by: None }
}

/// Ends an item because another says more.
pub(super) fn superseded(by: u16) -> Decision {
    Decision::End { state: State::Superseded, reason: Reason::Superseded, by: Some(by) }
}

/// Brings the deadlines of open items in line with the order as known now: a new payment deadline or pickup
/// day moves them, and a late webhook may date a thing earlier. `decide` counts with the new ones by itself,
/// so that what is told does not depend on what arrived first; this is for the caller who stores items, and
/// whose `begin` checks the stored expiry. Gives the numbers of the items that changed.
pub fn refresh(order: &Order, rules: &ShopRules, milestones: &[&'static Milestone], items: &mut [Owed]) -> Vec<u16> {
    let all = reach(order, rules, milestones);
    let mut changed = Vec::new();
    // What a person forced has the end that was set with it.
    for item in items.iter_mut().filter(|i| i.state.is_open() && !i.forced) {
        let Some(reach) = all.iter().find(|r| r.digest == item.subject) else {
            continue;
        };
        let expires = reach.milestone.expires(&reach.reached, rules);
        if expires != item.expires {
            item.expires = expires;
            changed.push(item.no);
        }
    }
    changed
}

/// Both belong to one story: two parcels have nothing to do with each other.
pub(super) fn same_story(a: &Subject, b: &Subject) -> bool {
    match (a.parcel(), b.parcel()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

/// `by` lists the case's milestone in `supersedes`, and they are about the same thing.
pub(super) fn makes_pointless(by: &Milestone, of: &Reached, case: &Case<'_>) -> bool {
    by.supersedes.contains(&case.milestone.id) && same_thing(&of.subject, &case.reached.subject)
}

fn same_thing(a: &Subject, b: &Subject) -> bool {
    use Subject::{Hold, Return, ReturnOf};
    match (a, b) {
        (Return(a) | ReturnOf(a, _), Return(b) | ReturnOf(b, _)) | (Hold(a), Hold(b)) => a == b,
        _ => same_story(a, b),
    }
}

/// Reasons for which an item waits until the *person* does something.
pub(super) fn waits_for_person(reason: Option<Reason>) -> bool {
    use Reason::{AddressUnlinked, ConsentMissing, NoAddress, WindowClosed};
    matches!(reason, Some(AddressUnlinked | ConsentMissing | NoAddress | WindowClosed))
}

/// News of the order may let an open item go that rests: it brings an address, the order itself, or another moment. What
/// was not looked at yet is due in a moment anyway, unless it is foreseen for later than `settle` seconds from now.
pub fn roused_by_news(item: &Owed, settle: i64, now: Timestamp) -> bool {
    let rests = waits_for_person(item.reason) || matches!(item.reason, Some(Reason::OrderUnknown | Reason::NotDue));
    let foreseen = item.attempts == 0 && item.not_before > plus_secs(now, settle);
    item.state == State::Open && (rests || foreseen)
}

/// Something about the order came, the order itself not yet (or it was lost with an old store).
fn unknown_order(item: &Owed, now: Timestamp) -> Decision {
    if item.expires <= now {
        return Decision::End { state: State::Expired, reason: Reason::OrderUnknown, by: None };
    }
    Decision::Wait { until: item.expires, reason: Reason::OrderUnknown, watch: Vec::new() }
}

/// A replay of something that was told, or may have been.
pub(super) fn already_told(case: &Case<'_>, slot: &[&Owed]) -> Option<Decision> {
    let same = |o: &&&Owed| o.no != case.item.no && o.subject == case.item.subject && o.state.is_told();
    let told = slot.iter().find(same)?;
    (!case.item.forced).then_some(Decision::End {
        state: State::Skipped,
        reason: Reason::AlreadyTold,
        by: Some(told.no),
    })
}

/// Too late to be worth telling. The reason it waited for explains more than "too late", so that is given
/// where there is one: an item that waited for the customer all its life ends as skipped for that.
pub(super) fn expired(s: &Situation<'_>, case: &Case<'_>) -> Option<Decision> {
    if case.expires > s.now {
        return None;
    }
    let why = case.item.reason.filter(|r| r.may_cause().contains('e'));
    Some(match case.item.reason {
        reason if waits_for_person(reason) => skip(reason.unwrap_or(Reason::NoAddress)),
        _ => Decision::End { state: State::Expired, reason: why.unwrap_or(Reason::Stale), by: None },
    })
}

pub(super) fn moved_on(s: &Situation<'_>, case: &Case<'_>) -> Option<Decision> {
    (case.milestone.moot)(s.order, case.reached).then(|| skip(Reason::MovedOn))
}

/// It ends something that this slot never heard of.
pub(super) fn unheard_of(case: &Case<'_>, slot: &[&Owed]) -> Option<Decision> {
    let wanted = case.reached.subject.digest(case.milestone.needs?);
    let heard =
        |o: &&&Owed| o.subject == wanted && (o.state.is_told() || matches!(o.state, State::Begun | State::Again));
    slot.iter().find(heard).is_none().then(|| skip(Reason::MovedOn))
}
