//! Whose turn is it? One slot of one route, oldest first.
//!
//! An item that goes, settles, retries or waits for its resting channel holds the later ones back: "paid" must
//! not come after "shipped". An item that is not due yet, waits for the morning, for the quota or for the
//! customer lets later ones pass; if one of those is told, it is superseded where the story says so.

use super::begun::{repeat, unsure};
use super::fate::{Case, Desk, makes_pointless, same_story, skip, superseded, waits_for_person};
use super::quiet::quiet_until;
use super::retry::MAX_ATTEMPTS;
use super::walk::walk;
use crate::domain::channel::{Audience, Form};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::milestone::Purpose;
use crate::domain::owed::{Owed, State};

/// A case with what would be decided about it, were it alone.
struct Turn<'a> {
    case: Case<'a>,
    alone: Decision,
    /// It would go, were its time there.
    willing: bool,
}

/// Decides every open item of a slot.
pub(super) fn decide_slot<'d>(desk: &'d Desk<'_>, slot: &[&'d Owed], out: &mut Vec<(u16, Decision)>) {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for item in slot.iter().filter(|i| i.state.is_open() && !carried(i, slot)) {
        let begun = item.state != State::Open;
        match desk.case(item) {
            Err(_) if begun => end_with_carried(item, slot, out),
            Err(decision) => out.push((item.no, decision)),
            Ok(case) if begun => {
                let alone = repeat(desk, &case);
                turns.push(Turn { willing: matches!(alone, Decision::Go(_)), case, alone });
            }
            Ok(case) => match desk.fate(&case, slot) {
                Some(decision) => out.push((item.no, decision)),
                None => {
                    let (alone, willing) = alone(desk, &case);
                    turns.push(Turn { case, alone, willing });
                }
            },
        }
    }
    // At one moment the story's order decides, then the subject: not the number, which depends on arrival.
    turns.sort_by_key(|t| {
        let item = t.case.item;
        (item.state == State::Open, t.case.reached.at, t.case.milestone.rank, item.subject, item.no)
    });
    take_turns(desk, slot, turns, out);
}

/// Told within the message of another item that is still under way.
fn carried(item: &Owed, slot: &[&Owed]) -> bool {
    let leads = |o: &&&Owed| o.no == item.within && matches!(o.state, State::Begun | State::Again);
    item.within != 0 && slot.iter().any(|o| leads(&o))
}

fn carried_by<'a>(no: u16, slot: &'a [&Owed]) -> impl Iterator<Item = u16> + 'a {
    slot.iter().filter(move |o| o.within == no && o.state.is_open()).map(|o| o.no)
}

fn end_with_carried(item: &Owed, slot: &[&Owed], out: &mut Vec<(u16, Decision)>) {
    out.push((item.no, unsure()));
    out.extend(carried_by(item.no, slot).map(|no| (no, unsure())));
}

/// The rules for one item, its slot aside: its time, a person's hold, spent attempts, the route's condition,
/// the chain, the night.
fn alone(desk: &Desk<'_>, case: &Case<'_>) -> (Decision, bool) {
    let s = &desk.s;
    if case.item.reason == Some(Reason::Held) {
        return (wait(case.expires, Reason::Held), false);
    }
    let gate = gate(case, s.now, case.reached.settle.unwrap_or(s.rules.settle));
    if let Some((until, Reason::NotDue)) = gate {
        return (wait(until.min(case.expires), Reason::NotDue), false);
    }
    if case.item.attempts >= MAX_ATTEMPTS {
        return (Decision::End { state: State::Dead, reason: Reason::AttemptsSpent, by: None }, false);
    }
    if !(s.condition)(case.route, case.milestone, case.reached).unwrap_or(false) {
        return (skip(Reason::ConditionFalse), false);
    }
    let walked = walk(desk, case);
    let willing = matches!(walked, Decision::Go(_));
    if let Some((until, reason)) = gate {
        return (wait(until.min(case.expires), reason), willing);
    }
    let night = || quiet_until(s.order, s.rules, case.milestone, s.now);
    if willing
        && case.route.audience == Audience::Customer
        && let Some(until) = night()
    {
        return (wait(until.min(case.expires), Reason::QuietHours), true);
    }
    (walked, willing)
}

fn wait(until: Timestamp, reason: Reason) -> Decision {
    Decision::Wait { until, reason, watch: Vec::new() }
}

/// Is it too early, and until when? A stored not-before binds where a verdict or a replay set it. Else it was
/// the foreseen moment, which is computed anew, or the end of the settle time: further away than that it
/// comes from a moment foreseen earlier that has moved since.
pub(super) fn gate(case: &Case<'_>, now: Timestamp, settle: i64) -> Option<(Timestamp, Reason)> {
    let item = case.item;
    let stored = Some(item.not_before).filter(|t| *t > now);
    if item.attempts > 0 {
        return stored.map(|t| (t, Reason::Retrying));
    }
    if item.follows != 0 {
        return stored.map(|t| (t, Reason::NotDue));
    }
    if let Some(moment) = case.reached.not_before.filter(|t| *t > now) {
        return Some((moment, Reason::NotDue));
    }
    stored.filter(|t| *t <= plus_secs(now, settle)).map(|t| (t, Reason::Settling))
}

/// Waiting that later items of the slot must not overtake.
fn holds_back(decision: &Decision) -> Option<Timestamp> {
    use Reason::{BreakerOpen, ChannelPaused, Held, RateLimited, RecipientCapped, Retrying, Settling};
    let holds = |r: &Reason| {
        matches!(r, BreakerOpen | ChannelPaused | Held | RateLimited | RecipientCapped | Retrying | Settling)
    };
    match decision {
        Decision::Wait { until, reason, .. } | Decision::Park { until, reason, .. } if holds(reason) => Some(*until),
        _ => None,
    }
}

fn take_turns(desk: &Desk<'_>, slot: &[&Owed], turns: Vec<Turn<'_>>, out: &mut Vec<(u16, Decision)>) {
    let mut holder: Option<Timestamp> = None;
    let mut joined: Vec<u16> = Vec::new();
    for (i, turn) in turns.iter().enumerate() {
        let item = turn.case.item;
        if joined.contains(&item.no) {
            continue;
        }
        let open = item.state == State::Open;
        if let Some(by) = pointless(&turns, i).filter(|_| open) {
            out.push((item.no, superseded(by)));
            continue;
        }
        let mut decision = turn.alone.clone();
        if let Decision::Go(go) = &mut decision {
            if let Some(until) = holder {
                decision = wait(until.min(turn.case.expires), Reason::EarlierFirst);
            } else if let Some(by) = caught_up(&turns, i).filter(|_| open) {
                out.push((item.no, superseded(by)));
                continue;
            } else {
                let with = if open { join(&turns, i, go) } else { carried_by(item.no, slot).collect() };
                joined.extend(&with);
                go.joined = with;
                holder = Some(desk.s.now);
            }
        }
        let held = if open { holds_back(&decision) } else { waiting(&decision) };
        holder = holder.max(held);
        push(item.no, decision, open, slot, out);
    }
}

/// A begun item that waits, for whatever reason, goes before everything.
fn waiting(decision: &Decision) -> Option<Timestamp> {
    match decision {
        Decision::Wait { until, .. } | Decision::Park { until, .. } => Some(*until),
        _ => None,
    }
}

/// Items carried by a begun one share what becomes of it.
fn push(no: u16, decision: Decision, open: bool, slot: &[&Owed], out: &mut Vec<(u16, Decision)>) {
    if !open && let Decision::End { .. } | Decision::Wait { .. } | Decision::Park { .. } = &decision {
        out.extend(carried_by(no, slot).map(|no| (no, decision.clone())));
    }
    out.push((no, decision));
}

/// A newer open item says all that this one would, and is no worse off.
fn pointless(turns: &[Turn<'_>], i: usize) -> Option<u16> {
    let mine = &turns[i];
    let says_more = |t: &&Turn<'_>| {
        let alive = !matches!(t.alone, Decision::End { .. } | Decision::Wait { reason: Reason::NotDue, .. });
        newer(&t.case, &mine.case)
            && alive
            && (t.willing || !mine.willing)
            && makes_pointless(t.case.milestone, t.case.reached, &mine.case)
    };
    let mut others = turns.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, t)| t);
    others.rfind(says_more).map(|t| t.case.item.no)
}

/// Happened later; or in the same moment, and is not itself made pointless by the other.
fn newer(a: &Case<'_>, b: &Case<'_>) -> bool {
    let mutual = b.milestone.supersedes.contains(&a.milestone.id) && b.milestone.rank >= a.milestone.rank;
    a.reached.at > b.reached.at || (a.reached.at == b.reached.at && !mutual)
}

/// After the customer came within reach (linked, wrote, agreed) only the newest of what waited for that is
/// told: a reader of today does not want the story from the start. So it is with what waited for a quota, once they
/// wrote and one answer is free.
fn caught_up(turns: &[Turn<'_>], i: usize) -> Option<u16> {
    let mine = &turns[i].case;
    let answers = matches!(&turns[i].alone, Decision::Go(go) if go.form == Form::Reply);
    let came = waits_for_person(mine.item.reason) || (answers && mine.item.reason == Some(Reason::QuotaSpent));
    if !came || mine.milestone.rank == 0 {
        return None;
    }
    let later = turns.iter().skip(i + 1).filter(|t| {
        t.case.milestone.rank > mine.milestone.rank
            && matches!(t.alone, Decision::Go(_))
            && !mine.milestone.joins.contains(&t.case.milestone.id)
            && same_story(&mine.reached.subject, &t.case.reached.subject)
    });
    later.max_by_key(|t| t.case.milestone.rank).map(|t| t.case.item.no)
}

/// Later items of the slot that fit into this one's message: settled or about to, or waiting to be tried again,
/// and willing to go the same way.
/// A template says only what it was approved for, so nothing joins one. None jumps over an item of its story
/// that must wait (another parcel that still settles): told first, it would supersede that.
fn join(turns: &[Turn<'_>], i: usize, go: &Go) -> Vec<u16> {
    if matches!(go.form, Form::Template | Form::Grant) {
        return Vec::new();
    }
    let mut with = Vec::new();
    let mut waiting: Vec<&Case<'_>> = Vec::new();
    for (j, turn) in turns.iter().enumerate().skip(i + 1) {
        let jumps = waiting.iter().any(|w| would_supersede(&turn.case, w));
        if pointless(turns, j).is_some() {
            continue;
        }
        if !jumps && fits(&turns[i].case, go, turn) {
            with.push(turn.case.item.no);
        } else if turn.case.milestone.rank > 0 && (holds_back(&turn.alone).is_some() || turn.willing) {
            waiting.push(&turn.case);
        }
    }
    with
}

/// Told now, `case` would end what waits, by the rules of `fate`: it goes further, or that is mere progress and
/// older. Whatever else waits is only told after it, as the story goes.
fn would_supersede(case: &Case<'_>, waiting: &Case<'_>) -> bool {
    let further = case.milestone.rank > waiting.milestone.rank;
    let newer = waiting.milestone.purpose == Purpose::Status && case.reached.at > waiting.reached.at;
    (further || newer) && same_story(&waiting.reached.subject, &case.reached.subject)
}

fn fits(lead: &Case<'_>, go: &Go, turn: &Turn<'_>) -> bool {
    let case = &turn.case;
    // What is replayed joins only what is replayed with it.
    let alike = (case.item.follows == 0) == (lead.item.follows == 0);
    // Sent before and open means: known not to have been taken. What was to be told together then still is, on
    // the next channel as on the next try.
    let fresh = case.item.state == State::Open && alike;
    let ready = match &turn.alone {
        Decision::Go(other) => other.channel == go.channel && other.address == go.address,
        Decision::Wait { reason: Reason::Settling | Reason::QuietHours | Reason::Retrying, .. } => {
            turn.willing && case.item.passed == lead.item.passed
        }
        _ => false,
    };
    fresh
        && ready
        && lead.milestone.joins.contains(&case.milestone.id)
        && same_story(&lead.reached.subject, &case.reached.subject)
}
