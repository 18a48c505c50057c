//! Every rule that is asked about an item, with what it was given and what it says: the same functions that `decide`
//! asks, each for itself and none left out because an earlier one spoke.

use super::fate::{Case, Desk, already_told, expired, moved_on, unheard_of};
use super::queue::gate;
use super::quiet::quiet_until;
use super::retry::MAX_ATTEMPTS;
use super::situation::Situation;
use super::walk::{addresses, look, standing};
use crate::domain::channel::{Audience, WindowRule};
use crate::domain::clock::Timestamp;
use crate::domain::decision::{Decision, Reason};
use crate::domain::ids::ChannelId;
use crate::domain::owed::Owed;
use crate::domain::person::PersonFacts;
use crate::domain::shop::ChannelUse;
use serde::Serialize;

/// A rule that was asked. Names nobody: addresses are counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Which.
    pub rule: &'static str,
    /// About which channel of the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// What it was given.
    pub given: String,
    /// Why not now; `None`: nothing against it.
    pub verdict: Option<Reason>,
}

/// Every rule about an item as it would be asked now. One that has ended is asked about as if it were owed anew.
pub fn asked(s: &Situation<'_>, no: u16) -> Vec<Asked> {
    let Some(item) = s.items.iter().find(|i| i.no == no) else { return Vec::new() };
    let desk = Desk::new(s);
    let anew = Owed { not_before: s.now, ..item.anew(u16::MAX) };
    let item = if item.state.is_open() { item } else { &anew };
    let slot: Vec<&Owed> = s.items.iter().filter(|o| (o.route, o.slot) == (item.route, item.slot)).collect();
    let case = match desk.case(item) {
        Ok(case) => case,
        Err(decision) => {
            return vec![Asked::of("stands", "order, route and milestone as they are now", reason(&decision))];
        }
    };
    let mut out = vec![Asked::of("stands", &format!("route {} tells {}", case.route.id, case.milestone.id), None)];
    out.extend(of_the_story(&desk, &case, &slot));
    out.extend(of_the_moment(s, &case));
    out.extend(case.chain.iter().enumerate().map(|(place, channel)| of_channel(s, &case, place, channel)));
    if case.route.audience == Audience::Customer {
        let night = quiet_until(s.order, s.rules, case.milestone, s.now);
        let given = match (&s.rules.quiet, night) {
            (None, _) => "the shop has no quiet hours".to_string(),
            (Some(_), None) => "not now, or not for this milestone".to_string(),
            (Some(_), Some(until)) => format!("night there; morning at {until}"),
        };
        out.push(Asked::of("quiet_hours", &given, night.map(|_| Reason::QuietHours)));
    }
    out
}

impl Asked {
    fn of(rule: &'static str, given: &str, verdict: Option<Reason>) -> Asked {
        Asked { rule, channel: None, given: given.into(), verdict }
    }
}

fn reason(decision: &Decision) -> Option<Reason> {
    match decision {
        Decision::Go(_) => None,
        Decision::Wait { reason, .. } | Decision::Park { reason, .. } | Decision::End { reason, .. } => Some(*reason),
    }
}

/// Does it still stand in its order's story?
fn of_the_story(desk: &Desk<'_>, case: &Case<'_>, slot: &[&Owed]) -> Vec<Asked> {
    let by = |decision: &Option<Decision>| match decision {
        Some(Decision::End { by: Some(no), .. }) => format!("item {no}"),
        _ => "none".into(),
    };
    let told = already_told(case, slot);
    let newer = desk.superseded_by_told(case, slot);
    let old = expired(&desk.s, case);
    let moved = moved_on(&desk.s, case);
    let unheard = unheard_of(case, slot);
    let why = |decision: &Option<Decision>| decision.as_ref().and_then(reason);
    vec![
        Asked::of("told_before", &format!("told of it: {}", by(&told)), why(&told)),
        Asked::of("too_late", &format!("worth telling until {}", case.expires), why(&old)),
        Asked::of("still_true", &format!("happened {}", case.reached.at), why(&moved)),
        Asked::of(
            "beginning_told",
            &format!("ends what began with: {}", case.milestone.needs.unwrap_or("nothing")),
            why(&unheard),
        ),
        Asked::of("newer_told", &format!("says more: {}", by(&newer)), why(&newer)),
    ]
}

/// Its time, a person's hold, its attempts, the route's condition.
fn of_the_moment(s: &Situation<'_>, case: &Case<'_>) -> Vec<Asked> {
    let held = case.item.reason.filter(|r| *r == Reason::Held);
    let early = gate(case, s.now, case.reached.settle.unwrap_or(s.rules.settle));
    let given = early.map_or_else(|| "its time has come".to_string(), |(until, _)| format!("not before {until}"));
    let spent = (case.item.attempts >= MAX_ATTEMPTS).then_some(Reason::AttemptsSpent);
    let holds = (s.condition)(case.route, case.milestone, case.reached);
    let when = case.route.when.as_deref().unwrap_or("always");
    let found = match &holds {
        Ok(holds) => holds.to_string(),
        Err(fault) => fault.clone(),
    };
    vec![
        Asked::of("held", "a person's word about it", held),
        Asked::of("time", &given, early.map(|(_, reason)| reason)),
        Asked::of("attempts", &format!("{} of {MAX_ATTEMPTS}", case.item.attempts), spent),
        Asked::of(
            "condition",
            &format!("{when}: {found}"),
            (!holds.unwrap_or(false)).then_some(Reason::ConditionFalse),
        ),
    ]
}

/// May and can a channel of the chain carry it?
fn of_channel(s: &Situation<'_>, case: &Case<'_>, place: usize, channel: &ChannelId) -> Asked {
    let asked = |given: String, verdict| Asked { rule: "channel", channel: Some(channel.clone()), given, verdict };
    if case.item.passed.checked_shr(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(0) & 1 == 1 {
        let reason = case.item.reason.unwrap_or(Reason::Undelivered);
        return asked("an earlier send found it impossible".into(), Some(reason));
    }
    let verdict = match look(s, case, channel) {
        Ok((reachable, view)) => standing(s, case, &reachable, &view).map(|block| block.reason),
        Err(block) => Some(block.reason),
    };
    asked(given(s, case, channel), verdict)
}

/// What is known of the account and of the customer on it.
fn given(s: &Situation<'_>, case: &Case<'_>, channel: &ChannelId) -> String {
    let Some(view) = (s.channels)(channel) else { return "not in the settings".into() };
    let mut parts: Vec<String> = Vec::new();
    if case.route.audience == Audience::Customer {
        let known = addresses(s, channel, view.caps);
        let linked = known.iter().filter(|(_, connected)| *connected).count();
        parts.push(format!("addresses {}, of these connected {linked}", known.len()));
        parts.extend(known.first().into_iter().flat_map(|(address, _)| of_person(s, &(s.people)(channel, address))));
        match view.caps.window {
            WindowRule::None => {}
            WindowRule::Seconds(_) => {
                let named = if (s.templates)(channel, case.milestone.id) { "named" } else { "none" };
                parts.push(format!("template {named}"));
            }
        }
        parts.extend((s.muted)(channel).then(|| "order muted".to_string()));
    }
    if s.order.test() {
        parts.push("a test order".into());
    }
    if s.rules.uses(channel) != ChannelUse::Active {
        parts.push("restricted by [shop.channels]".into());
    }
    match view.paused.filter(|(until, _)| *until > s.now) {
        Some((until, why)) => parts.push(format!("account stands until {until} ({})", why.as_str())),
        None => parts.push("account moves".into()),
    }
    parts.extend(view.reserve.then(|| "quota down to its reserve".to_string()));
    parts.join("; ")
}

fn of_person(s: &Situation<'_>, facts: &PersonFacts) -> Vec<String> {
    let until = |what: &str, t: Option<Timestamp>| t.filter(|t| *t > s.now).map(|t| format!("{what} until {t}"));
    let said = facts.forbids(&s.rules.id).map(|why| format!("a no stands ({})", why.as_str()));
    let gone = facts.unreachable.map(|(since, why)| format!("{} since {since}", why.reason().as_str()));
    let window = until("window open", facts.window_until);
    let agreed = facts.opted_in.map(|since| format!("agreed {since}"));
    [said, gone, agreed, window, until("free answer", facts.reply_until), until("capped", facts.capped_until)]
        .into_iter()
        .flatten()
        .collect()
}
