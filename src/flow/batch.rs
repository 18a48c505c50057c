//! batch: leased orders, from what Redis keeps to messages that may go, one Redis flight a step.

use super::App;
use super::account::Account;
use super::inhand::InHand;
use super::kept::read_order;
use super::sending::Sending;
use super::situation::People;
use super::spacing::{self, Held};
use crate::domain::channel::Form;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::ids::ChannelId;
use crate::domain::owed::State;
use crate::domain::person::Address;
use crate::store::error::StoreError;
use crate::store::order::Record;
use crate::store::work::{BeginAsk, Begun, Leased, Settle};
use futures_util::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Facts older than this are read again before anything is begun.
const FRESH: Duration = Duration::from_millis(50);
/// An order of whose recipients nothing can be read is looked at again after so long.
const WITHOUT_FACTS_SECS: i64 = 2;

/// What became of a leased order.
pub enum Ready {
    /// Nothing to send: write this.
    Settle(Box<Settle>),
    /// Untouched: give the lease back.
    GiveBack(Leased),
    /// A webhook that waits for its order.
    Join(Box<(Leased, Record)>),
    /// Somebody is to be answered.
    Talk(Box<(Leased, Record)>),
    /// Something is to be written to an order at its shop.
    Note(Box<(Leased, Record)>),
    /// A customer and the shop's people say something to each other.
    Conversation(Box<(Leased, Record)>),
    /// Begun: send, then settle.
    Send(Box<InHand>),
}

/// Carries leased orders up to `begin`.
pub async fn prepare(app: &App, leased: Vec<Leased>, asked: Instant) -> Vec<Ready> {
    let members: Vec<_> = leased.iter().map(|l| l.member.clone()).collect();
    let records = match app.timed("read", app.store.read_many(&members)).await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(%error, "leased orders could not be read");
            return leased.into_iter().map(Ready::GiveBack).collect();
        }
    };
    let mut out = Vec::new();
    let mut orders = Vec::new();
    for (leased, record) in leased.into_iter().zip(records) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(order = ?leased.member, %error, "a leased order could not be read");
                out.push(Ready::GiveBack(leased));
                continue;
            }
        };
        match open(app, leased, record, asked).await {
            Ok(order) => orders.push(order),
            Err(ready) => out.push(ready),
        }
    }
    let read = Instant::now();
    let (known, mut without) = people(app, &mut orders).await;
    orders.iter_mut().for_each(|o| o.facts_at = read);
    decide_all(app, &mut orders, &known).await;
    if read.elapsed() > FRESH && orders.iter().any(|o| !o.sends.is_empty()) {
        without.extend(look_again(app, &mut orders, &known).await);
    }
    orders.extend(without);
    begin_all(app, orders, &mut out).await;
    out
}

/// What is true about people is read at the last moment before anything is begun; where it is no longer what
/// was decided on, all is decided anew. Gives orders of whose recipients nothing could be read now.
async fn look_again(app: &App, orders: &mut Vec<InHand>, known: &People) -> Vec<InHand> {
    let read = Instant::now();
    let (now_known, without) = people(app, orders).await;
    orders.iter_mut().for_each(|o| o.facts_at = read);
    if now_known != *known {
        orders.iter_mut().for_each(InHand::reconsider);
        decide_all(app, orders, &now_known).await;
    }
    without
}

/// A leased unit as an order in hand, or what else is to be done with it.
async fn open(app: &App, leased: Leased, record: Record, asked: Instant) -> Result<InHand, Ready> {
    let live = app.live();
    if record.snapshot.as_deref().is_some_and(super::kept::is_waiting) {
        return Err(Ready::Join(Box::new((leased, record))));
    }
    if record.snapshot.as_deref().is_some_and(super::kept::is_talk) {
        return Err(Ready::Talk(Box::new((leased, record))));
    }
    if record.snapshot.as_deref().is_some_and(super::kept::is_note) {
        return Err(Ready::Note(Box::new((leased, record))));
    }
    if record.snapshot.as_deref().is_some_and(super::kept::is_conversation) {
        return Err(Ready::Conversation(Box::new((leased, record))));
    }
    let now = app.clock.now();
    let order = match record.snapshot.as_deref().map(read_order) {
        Some(Ok(order)) => order,
        // Erased, or written by a newer version: left alone, looked at again later, never dropped.
        Some(Err(error)) => {
            tracing::warn!(order = ?leased.member, %error, "an order is left alone");
            return Err(Ready::Settle(Box::new(InHand::left_alone(leased, &record, now))));
        }
        None => return Err(Ready::Settle(Box::new(InHand::left_alone(leased, &record, now)))),
    };
    let Some(shop) = live.shops.get(&order.shop).cloned() else {
        tracing::warn!(shop = %order.shop, "an order's shop is no longer configured; it is left alone");
        return Err(Ready::Settle(Box::new(InHand::left_alone(leased, &record, now))));
    };
    let mut order = InHand::new(leased, record, order, shop, live, asked);
    if order.poisoned(now) {
        return Err(Ready::Settle(Box::new(order.settle(now))));
    }
    order.take_receipts(now);
    if order.items.iter().any(|i| matches!(i.state, State::Begun | State::Again)) {
        // What may have been told goes again as the very same envelope.
        match app.store.envelopes(&order.leased.member).await {
            Ok(kept) => order.keep_envelopes(kept),
            Err(error) => {
                tracing::warn!(%error, "envelopes of an order could not be read");
                return Err(Ready::GiveBack(order.leased));
            }
        }
    }
    let doubts = order.take_over(now);
    if !doubts.is_empty()
        && let Err(error) = app.store.append_ledger(&order.leased.member, &doubts).await
    {
        tracing::warn!(%error, "what a dead worker left could not be written down");
        return Err(Ready::GiveBack(order.leased));
    }
    order.refresh();
    Ok(order)
}

/// What is known of everybody whom these orders may be told to, in one flight; and why it is not known of all.
pub async fn facts(app: &App, orders: &[InHand]) -> (People, Option<StoreError>) {
    let wanted: HashSet<(ChannelId, Address)> = orders.iter().flat_map(candidates).collect();
    if wanted.is_empty() {
        return (People::new(), None);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let read = async { Ok(app.store.facts_of_each(&wanted).await) };
    let read = app.timed("facts", read).await.unwrap_or_default();
    let (mut known, mut fault) = (People::new(), None);
    for (person, facts) in wanted.into_iter().zip(read) {
        match facts {
            Ok(facts) => {
                let facts = app.noted.over(&person.0, &person.1, facts);
                known.insert(person, facts);
            }
            Err(error) => fault = Some(error),
        }
    }
    (known, fault)
}

/// The same; orders of whose recipients something cannot be read are taken out and given beside it: without facts
/// nothing may be sent, so they wait a moment.
async fn people(app: &App, orders: &mut Vec<InHand>) -> (People, Vec<InHand>) {
    let (known, fault) = facts(app, orders).await;
    let Some(error) = fault else { return (known, Vec::new()) };
    app.metrics.redis_error(error.kind.as_str());
    let all_known = |order: &InHand| candidates(order).iter().all(|person| known.contains_key(person));
    let (with, mut without): (Vec<InHand>, Vec<InHand>) = orders.drain(..).partition(all_known);
    *orders = with;
    tracing::warn!(%error, orders = without.len(), "facts about recipients could not be read");
    let until = plus_secs(app.clock.now(), WITHOUT_FACTS_SECS);
    for order in &mut without {
        order.reconsider();
        order.put_off(until);
    }
    (known, without)
}

/// Decides and shapes.
async fn decide_all(app: &App, orders: &mut [InHand], people: &People) {
    let now = app.clock.now();
    let mut decided: Vec<_> = orders.iter().map(|o| super::situation::decide(o, people, now)).collect();
    // Both are a message's own once taken, so that it matters little if the other says no.
    let unread = super::daily::places(app, orders, &mut decided, now).await;
    let held = spacing::turns(app, orders, &decided, now).await;
    refill(app, orders, &decided, &held, now).await;
    for (((order, decisions), unread), held) in orders.iter_mut().zip(decided).zip(unread).zip(held) {
        follow(app, order, decisions, &held, now).await;
        unread.into_iter().for_each(|until| order.put_off(until));
        match watch(app, order, people).await {
            Ok(changed) => order.again_now |= changed,
            Err(error) => {
                tracing::warn!(%error, "the order could not be tied to its people");
                order.again_now = true;
            }
        }
    }
}

/// Everybody the open items of an order may be told to: (channel, address in normal form).
fn candidates(order: &InHand) -> Vec<(ChannelId, Address)> {
    let mut found = Vec::new();
    let mut channels: HashSet<&ChannelId> = HashSet::new();
    for item in order.items.iter().filter(|i| i.state.is_open()) {
        if let Some(route) = order.live.route_by_tag(item.route) {
            channels.extend(route.channels.iter().chain(&route.also));
        }
    }
    for id in channels {
        found.extend(carried(order, id));
    }
    found
}

/// Everybody whom the order names on this channel, in normal form.
pub(super) fn carried(order: &InHand, id: &ChannelId) -> Vec<(ChannelId, Address)> {
    let Some(account) = order.live.channels.get(id) else { return Vec::new() };
    account.named(&order.order, &order.shop.rules).into_iter().map(|address| (id.clone(), address)).collect()
}

/// Asks the budget shared over pods for what this batch sends on each account in this second. What merely
/// waits asks for nothing: a slice that is not used is lost to everybody.
async fn refill(app: &App, orders: &[InHand], decided: &[Vec<(u16, Decision)>], held: &[Held], now: Timestamp) {
    let mut want: HashMap<ChannelId, (Arc<Account>, u32)> = HashMap::new();
    for ((order, decisions), held) in orders.iter().zip(decided).zip(held) {
        for (_, decision) in decisions.iter().filter(|(no, _)| !held.contains_key(no)) {
            let Decision::Go(go) = decision else { continue };
            if let Some(account) = order.live.channels.get(&go.channel) {
                want.entry(go.channel.clone()).or_insert_with(|| (Arc::clone(account), 0)).1 += 1;
            }
        }
    }
    join_all(want.values().map(|(account, count)| budget(app, account, *count, now))).await;
}

/// Asks the shared budget for what an account lacks to send `count` messages in this second.
pub(super) async fn budget(app: &App, account: &Account, count: u32, now: Timestamp) {
    let missing = account.slice_missing(now, count);
    if missing == 0 {
        return;
    }
    match app.store.pace_slice(account.tag, missing, account.caps.pace.per_second).await {
        Ok(granted) => account.add_slice(now, granted),
        Err(error) => tracing::warn!(%error, channel = %account.id, "the shared budget could not be asked"),
    }
}

/// Does as was decided about each item, and shapes what may go.
async fn follow(app: &App, order: &mut InHand, decisions: Vec<(u16, Decision)>, held: &Held, now: Timestamp) {
    for (no, decision) in decisions {
        match decision {
            Decision::End { state, reason, by } => order.end(no, state, reason, by, now),
            Decision::Wait { until, reason, watch } => {
                app.metrics.wait(reason);
                order.wait(no, until, reason, watch, now);
            }
            Decision::Park { channel, reason, until } => {
                app.metrics.wait(reason);
                order.park(no, &channel, reason, until, now);
                if reason == Reason::QuotaSpent {
                    // A word of the customer brings a free answer, which needs no quota.
                    let free = order.live.channels.get(&channel).is_some_and(|a| a.caps.reply_token);
                    let people = if free { carried(order, &channel) } else { Vec::new() };
                    order.watches.extend(people.into_iter().map(|(c, a)| (c, a, until)));
                }
            }
            Decision::Go(go) => match held.get(&no) {
                Some(turn) => wait_for_slot(app, order, (no, &go), *turn, now),
                None => shape(app, order, no, go, now).await,
            },
        }
    }
}

fn wait_for_slot(app: &App, order: &mut InHand, (lead, go): (u16, &Go), slot: Timestamp, now: Timestamp) {
    let held = slot.as_millisecond() - now.as_millisecond();
    app.metrics.rate_limited(go.channel.as_str(), held as f64 / 1000.0);
    order.wait_for_slot(lead, &go.joined, slot, now);
}

async fn shape(app: &App, order: &mut InHand, lead: u16, go: Go, now: Timestamp) {
    let Some(account) = order.live.channels.get(&go.channel).cloned() else { return };
    let permit = match account.take(now) {
        Ok(permit) => permit,
        Err(slot) => return wait_for_slot(app, order, (lead, &go), slot, now),
    };
    let mut token = None;
    if go.form == Form::Reply
        && let Some(person) = &go.address
    {
        // One GETDEL: the first taker answers free, the rest push or wait.
        token = app.store.take_reply_token(&account.id, person).await.ok().flatten();
        if token.is_none() {
            order.again_now = true;
            return;
        }
    }
    match super::wording::envelope(order, lead, &go, &account, token.as_deref(), now) {
        Ok(worded) => order.sends.push(Sending {
            lead,
            envelope: worded.envelope,
            reference: worded.reference,
            locale: worded.locale,
            purpose: worded.purpose,
            again: order.item(lead).is_some_and(|i| i.state == State::Again),
            expires: order.item(lead).map_or(now, |i| i.expires),
            by_person: false,
            answerable: false,
            go,
            account,
            permit,
        }),
        Err(fault) => {
            tracing::error!(order = ?order.leased.member, item = lead, channel = %account.id, %fault, "the words do not fit the channel");
            order.end(lead, State::Dead, fault.reason(), None, now);
        }
    }
}

/// Ties waiting orders to the people whose next word may release them; before the settle, so that a word
/// that comes in between finds the tie. `true`: a word came meanwhile, decide again.
pub(super) async fn watch(app: &App, order: &InHand, people: &People) -> Result<bool, StoreError> {
    let mut changed = false;
    for (channel, address, until) in &order.watches {
        let facts = app.store.watch(channel, address, &order.leased.member, *until).await?;
        let facts = app.noted.over(channel, address, facts);
        changed |= people.get(&(channel.clone(), address.clone())).is_some_and(|known| *known != facts);
    }
    Ok(changed)
}

/// Records, durably and in one flight, that these sends are about to be handed over.
pub(super) async fn begin_all(app: &App, mut orders: Vec<InHand>, out: &mut Vec<Ready>) {
    let now = app.clock.now();
    orders.iter_mut().for_each(|o| o.mark_begun(now));
    let mut asks = Vec::new();
    let mut places = Vec::new();
    for (o, order) in orders.iter().enumerate() {
        for (s, sending) in order.sends.iter().enumerate() {
            places.push((o, s));
            asks.push(BeginAsk {
                leased: &order.leased,
                items: order.begun_items(sending),
                revision: order.revision,
                expires: sending.expires,
                channel: sending.stands_with(now),
                envelope: serde_json::to_vec(&sending.envelope).ok().map(|bytes| (sending.lead, bytes)),
            });
        }
    }
    let answers = match asks.is_empty() {
        true => Ok(Vec::new()),
        false => app.timed("begin", app.store.begin(&asks)).await,
    };
    drop(asks);
    let mut refused: HashMap<usize, Vec<(usize, Option<Begun>)>> = HashMap::new();
    match answers {
        Ok(answers) => {
            if answers.contains(&Begun::Go) {
                super::crash::point("after-begin");
            }
            for ((o, s), answer) in places.into_iter().zip(answers) {
                match answer {
                    Begun::Go => {}
                    // As below.
                    Begun::Unanswered => refused.entry(o).or_default().push((s, None)),
                    no => refused.entry(o).or_default().push((s, Some(no))),
                }
            }
        }
        Err(error) => {
            // It may have been executed: the items stand as begun, and are settled back to what they were.
            tracing::warn!(%error, "sends could not be begun");
            for (o, s) in places {
                refused.entry(o).or_default().push((s, None));
            }
        }
    }
    for (o, mut order) in orders.into_iter().enumerate() {
        for (s, answer) in refused.remove(&o).unwrap_or_default().into_iter().rev() {
            let sending = order.sends.remove(s);
            order.not_begun(&sending, answer, now);
        }
        out.push(if order.sends.is_empty() {
            Ready::Settle(Box::new(order.settle(now)))
        } else {
            Ready::Send(Box::new(order))
        });
    }
}
