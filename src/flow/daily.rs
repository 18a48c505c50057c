//! daily: one person gets so many messages on one account within a day, whatever shops and orders they are of.
//!
//! Who puts a stranger's address into a hundred orders floods that stranger with the shop's own messages. News waits
//! from the setting on; records and what needs the customer pass it up to twice as many. What waits is told when a
//! place is free, or goes to the next channel of its chain where that would be too late, or expires, for this reason.
//!
//! Dies after a place was taken: it is that message's own at the next try, and nobody else's for a day.

use super::App;
use super::inhand::InHand;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::ids::Tag;
use crate::domain::milestone::Purpose;
use crate::domain::owed::State;
use crate::milestone;
use crate::store::day::DayAsk;

/// Times as many for what is not mere news.
const PASS: u32 = 2;
/// A message of whose person it cannot be read is looked at again after so long.
const UNREAD_SECS: i64 = 2;

/// Takes a place for each message that may go; what has none waits. Gives for each order whether Redis left one of its
/// messages without an answer: those wait a moment, for no reason of their own.
pub async fn places(
    app: &App,
    orders: &mut [InHand],
    decided: &mut [Vec<(u16, Decision)>],
    now: Timestamp,
) -> Vec<Option<Timestamp>> {
    let mut unread = vec![None; orders.len()];
    let (mut at, mut asks) = (Vec::new(), Vec::new());
    if app.person_a_day > 0 {
        for (o, (order, decisions)) in orders.iter().zip(&*decided).enumerate() {
            for (d, (no, decision)) in decisions.iter().enumerate() {
                if let Decision::Go(go) = decision
                    && let Some(ask) = ask(app, order, *no, go)
                {
                    at.push((o, d));
                    asks.push(ask);
                }
            }
        }
    }
    if asks.is_empty() {
        return unread;
    }
    let answers = app.timed("day", async { Ok(app.store.day_places(&asks, now).await) }).await.unwrap_or_default();
    for ((o, d), answer) in at.into_iter().zip(answers) {
        match answer {
            Ok(None) => {}
            Ok(Some(free)) => hold(&mut orders[o], &mut decided[o], d, free),
            Err(error) => {
                tracing::warn!(%error, "how many messages a person had today could not be read");
                decided[o][d].1 = hold_for(plus_secs(now, UNREAD_SECS), Reason::EarlierFirst);
                unread[o] = Some(plus_secs(now, UNREAD_SECS));
            }
        }
    }
    unread
}

/// `None`: it goes to the shop's people, who asked for it.
fn ask(app: &App, order: &InHand, no: u16, go: &Go) -> Option<DayAsk> {
    let person = go.address.clone()?;
    let of = |no: &u16| order.item(*no).and_then(|i| milestone::by_tag(i.milestone)).map(|m| m.purpose);
    let news = std::iter::once(&no).chain(&go.joined).all(|no| of(no) == Some(Purpose::Status));
    let places = app.person_a_day.saturating_mul(if news { 1 } else { PASS });
    Some(DayAsk { channel: go.channel.clone(), person, member: order.leased.member.clone(), item: no, places })
}

fn hold_for(until: Timestamp, reason: Reason) -> Decision {
    Decision::Wait { until, reason, watch: Vec::new() }
}

/// The message, all that was to be told within it, and what comes after it in its slot wait until a place is free. Where
/// that is too late and its chain goes on, it goes on there.
fn hold(order: &mut InHand, decisions: &mut Vec<(u16, Decision)>, at: usize, free: Timestamp) {
    let Some((lead, Decision::Go(go))) = decisions.get(at).cloned() else { return };
    let Some(item) = order.item(lead).cloned() else { return };
    let chain = order.live.route_by_tag(item.route).map_or(0, |r| r.channels.len());
    let further = (usize::from(go.place) + 1..chain.min(16)).any(|place| item.passed >> place & 1 == 0);
    let goes_on = free >= item.expires && item.slot == Tag::NONE && item.state == State::Open && further;
    let until = free.min(item.expires);
    for (no, decision) in decisions.iter_mut() {
        let after = matches!(decision, Decision::Wait { reason: Reason::EarlierFirst, .. });
        let same = order.item(*no).is_some_and(|i| (i.route, i.slot) == (item.route, item.slot));
        if after && same {
            *decision = hold_for(until, Reason::EarlierFirst);
        }
    }
    decisions[at].1 = hold_for(until, Reason::RecipientCapped);
    decisions.extend(go.joined.iter().map(|no| (*no, hold_for(until, Reason::RecipientCapped))));
    if goes_on {
        let within = |no: u16| no == lead || go.joined.contains(&no);
        for item in order.items.iter_mut().filter(|i| within(i.no)) {
            item.passed |= 1 << go.place;
        }
        order.again_now = true;
    }
}
