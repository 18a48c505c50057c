//! talk: what the relay itself answers to somebody who wrote, or tapped, in a chat.
//!
//! Answers of one person on one channel account are a unit of their own, committed before the callback is answered
//! and worked on under a lease like an order: none is lost, none is given twice, and what a person asked three times
//! while nothing could be said is answered once, with what is true then.
//!
//! Dies before the commit: the provider repeats its callback. After it: the answer is owed. After `begin`: it may
//! have been given, and is not repeated (a customer asks again; the relay does not say things twice).

use super::account::Account;
use super::batch::{self, Ready};
use super::inhand::InHand;
use super::kept::{AcceptError, TALKS};
use super::live::{Live, Shop};
use super::sending::Sending;
use super::settle::Finished;
use super::spacing;
use super::{App, answer, number};
use crate::domain::channel::{Errand, Form, Reference, WindowRule};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Go, Reason};
use crate::domain::ids::{ChannelId, Digest8, OrderId, ShopId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::milestone::Purpose;
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::person::{Address, PersonFacts};
use crate::store::erase::Remains;
use crate::store::keys::{Member, Unit, UnitKind};
use crate::store::operators::Changed;
use crate::store::order::{Commit, Committed, Record};
use crate::store::work::{Dest, Leased, Settle};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// Longest an answer is worth giving. Seconds.
const FRESH_SECS: i64 = 3600;
/// Answers owed to one person at one time; the newest stay.
const MAX_ASKED: usize = 16;
/// The tag under which an answer is owed.
const ANSWER: &str = "answer";
/// Events of a person are known again for so long.
const SEEN_SECS: i64 = 8 * 86_400;
/// Tries at a commit against others.
const TRIES: usize = 5;

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// They are tied to this order now.
    Linked(ShopId, OrderId),
    /// They will be, once the shop confirms it.
    Noted,
    /// Somebody else used their code.
    Used,
    /// Their code is none, or over.
    Over,
    /// They let this order go.
    LetGo(ShopId, OrderId),
    /// Where their orders stand.
    Status,
    /// Order updates are off.
    Off,
    /// They are on.
    On,
    /// Whether to switch them off.
    AskOff,
    /// They stay on.
    Kept,
    /// How they are switched.
    Settings,
    /// They want to talk to the shop.
    Talk,
    /// They named an order: a code goes to its contact, if it is one.
    Number(String),
}

/// A unit of answers as it is kept.
#[derive(Serialize, Deserialize)]
struct Talk {
    version: u16,
    channel: ChannelId,
    person: Address,
    /// By item number.
    asked: Vec<(u16, Ask)>,
}

/// The unit of a person's answers.
fn unit(app: &App, channel: &ChannelId, person: &Address) -> Member {
    let id = format!("{}:{}", person.scheme, person.value);
    app.store.member(&Unit { shop: ShopId::from(channel.as_str()), kind: UnitKind::Talk, id })
}

/// An answer is owed to a person for what they did; `dedupe` names that event, so that its repeat owes nothing.
///
/// # Errors
/// Redis could not take it; the same again is safe.
pub async fn owe(
    app: &App,
    (channel, person): (&ChannelId, &Address),
    (dedupe, at): (&str, Timestamp),
    ask: Ask,
) -> Result<(), AcceptError> {
    let member = unit(app, channel, person);
    let seen = Digest8::of(&[ANSWER.as_bytes(), channel.as_str().as_bytes(), dedupe.as_bytes()]);
    for _ in 0..TRIES {
        let now = app.clock.now();
        let record = app.store.read(&member).await?;
        if record.seen.iter().any(|(d, _)| *d == seen) || plus_secs(at, FRESH_SECS) <= now {
            return Ok(());
        }
        let commit = next(channel, person, (seen, at), &ask, record, now)?;
        match app.store.commit(&member, commit).await? {
            Committed::Stored { .. } => {
                app.nudge.at(member.partition(), now, now);
                return Ok(());
            }
            Committed::Duplicate => return Ok(()),
            Committed::Conflict => app.metrics.conflict(),
        }
    }
    Err(AcceptError::Contended)
}

/// Forgets what is to be answered to a person, and what was.
///
/// # Errors
/// Redis could not be asked; the same again is safe.
pub async fn forget(app: &App, channel: &ChannelId, person: &Address) -> Result<(), AcceptError> {
    let member = unit(app, channel, person);
    for _ in 0..TRIES {
        let record = app.store.read_to_erase(&member).await?;
        let now = app.clock.now();
        if record.revision == 0 || app.store.erase(&member, &record, &[], now, Remains::Nothing).await? == Changed::Ok {
            return Ok(());
        }
    }
    Err(AcceptError::Contended)
}

fn next(
    channel: &ChannelId,
    person: &Address,
    (seen, at): (Digest8, Timestamp),
    ask: &Ask,
    record: Record,
    now: Timestamp,
) -> Result<Commit, AcceptError> {
    let mut talk = match &record.snapshot {
        Some(bytes) => read(bytes)?,
        None => Talk { version: 1, channel: channel.clone(), person: person.clone(), asked: Vec::new() },
    };
    let no = record.last_item + 1;
    let open = |no: u16| record.item(no).is_some_and(|i| i.state.is_open());
    talk.asked.retain(|(no, _)| open(*no));
    talk.asked.push((no, ask.clone()));
    let surplus = talk.asked.len().saturating_sub(MAX_ASKED);
    talk.asked.drain(..surplus);
    let mut snapshot = vec![TALKS];
    serde_json::to_writer(&mut snapshot, &talk).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
    let topic = format!("chat {}", ask.word());
    Ok(Commit {
        expected: record.revision,
        parked: record.parked,
        seen: vec![seen],
        seen_until: plus_secs(now, SEEN_SECS),
        drop_seen: record.stale_seen(now),
        snapshot,
        owed: vec![Owed::by_itself(no, ANSWER, seen, at, (now, plus_secs(at, FRESH_SECS)))],
        due: Some(now),
        ledger: vec![LedgerEntry { at: now, what: Entry::Webhook { topic, happened: at } }],
    })
}

impl Ask {
    fn word(&self) -> &'static str {
        match self {
            Ask::Linked(..) => "linked",
            Ask::Noted => "noted",
            Ask::Used => "used",
            Ask::Over => "over",
            Ask::LetGo(..) => "let_go",
            Ask::Status => "status",
            Ask::Off => "off",
            Ask::On => "on",
            Ask::AskOff => "ask_off",
            Ask::Kept => "kept",
            Ask::Settings => "settings",
            Ask::Talk => "talk",
            Ask::Number(_) => "number",
        }
    }

    /// What the newer of two makes pointless to say.
    fn outdoes(&self, older: &Ask) -> bool {
        let switch = |ask: &Ask| matches!(ask, Ask::Off | Ask::On | Ask::AskOff | Ask::Kept | Ask::Settings);
        self == older || (switch(self) && switch(older))
    }
}

fn read(bytes: &[u8]) -> Result<Talk, AcceptError> {
    let json = bytes.strip_prefix(&[TALKS]).unwrap_or_default();
    serde_json::from_slice(json).map_err(|e| AcceptError::Unreadable(e.to_string()))
}

/// Works on a leased unit of answers: says what is to be said, and settles.
pub async fn work(app: &Arc<App>, leased: Leased, record: Record, asked: Instant) -> Finished {
    let now = app.clock.now();
    let talk = record.snapshot.as_deref().and_then(|b| read(b).ok());
    let live = app.live();
    let known = talk.as_ref().and_then(|t| Some((live.channels.get(&t.channel)?, some_shop(&live, &t.channel)?)));
    let (Some(talk), Some((account, shop))) = (&talk, known) else {
        // Of a newer version, or of a channel that is no longer configured: left alone.
        let later = Dest::Wait(plus_secs(now, FRESH_SECS));
        return Finished::Settle(Box::new(Settle::unchanged(leased, record.revision, record.wakes, later)));
    };
    let facts = match app.store.facts(&[(talk.channel.clone(), talk.person.clone())]).await {
        Ok(facts) => facts.into_iter().next().unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "facts about somebody who is to be answered could not be read");
            return Finished::GiveBack(leased);
        }
    };
    let order = Order::new(shop.rules.id.clone(), OrderId::from("-"), now);
    let mut hand = InHand::new(leased, record, order, Arc::clone(shop), Arc::clone(&live), asked);
    if !hand.poisoned(now) {
        hand.take_receipts(now);
        give_up(&mut hand, talk, now);
        if let Err(error) = say(app, &mut hand, talk, account, &facts, now).await {
            tracing::warn!(%error, "an answer could not be made yet");
            return Finished::GiveBack(hand.leased);
        }
        // Who has just written, after all, need not write again.
        let known = [((talk.channel.clone(), talk.person.clone()), facts)].into();
        match batch::watch(app, &hand, &known).await {
            Ok(changed) => hand.again_now |= changed,
            Err(error) => {
                tracing::warn!(%error, "an answer could not be tied to its person");
                hand.again_now = true;
            }
        }
    }
    let mut ready = Vec::new();
    batch::begin_all(app, vec![hand], &mut ready).await;
    match ready.pop() {
        Some(Ready::Send(hand)) => Finished::Settle(Box::new(super::send::send_all(app, *hand).await)),
        Some(Ready::Settle(settle)) => Finished::Settle(settle),
        _ => Finished::LeftBehind,
    }
}

/// A shop that speaks on this channel: its words are used where no order says otherwise.
pub(super) fn some_shop<'l>(live: &'l Live, channel: &ChannelId) -> Option<&'l Arc<Shop>> {
    let mut shops: Vec<_> = live.shops.values().collect();
    shops.sort_by_key(|s| s.rules.id.clone());
    let speaks = |shop: &Shop| {
        let leads = |r: &&crate::plan::Route| r.channels.iter().chain(&r.also).any(|c| c == channel);
        let mut routes = live.routes.iter().filter(leads);
        routes.any(|r| r.shops.as_ref().is_none_or(|s| s.contains(&shop.rules.id)))
    };
    shops.iter().find(|s| speaks(s)).or(shops.first()).copied()
}

/// What is over, what a newer answer says as well, and what a worker that died may have said.
fn give_up(hand: &mut InHand, talk: &Talk, now: Timestamp) {
    let open: Vec<Owed> = hand.items.iter().filter(|i| i.state.is_open()).cloned().collect();
    let ask = |no: u16| talk.asked.iter().find(|(n, _)| *n == no).map(|(_, ask)| ask);
    for item in &open {
        let newer = talk.asked.iter().filter(|(no, _)| *no > item.no).find(|(no, newer)| {
            hand.item(*no).is_some_and(|i| i.state.is_open()) && ask(item.no).is_some_and(|old| newer.outdoes(old))
        });
        match item.state {
            State::Begun | State::Again => hand.end(item.no, State::Unsure, Reason::MaybeTold, None, now),
            _ if item.expires <= now || ask(item.no).is_none() => {
                hand.end(item.no, State::Expired, item.reason.unwrap_or(Reason::Stale), None, now);
            }
            _ => {
                if let Some((by, _)) = newer {
                    hand.end(item.no, State::Superseded, Reason::Superseded, Some(*by), now);
                }
            }
        }
    }
}

/// Makes the next answer, if one may go now.
async fn say(
    app: &Arc<App>,
    hand: &mut InHand,
    talk: &Talk,
    account: &Arc<Account>,
    facts: &PersonFacts,
    now: Timestamp,
) -> Result<(), AcceptError> {
    let due = |hand: &InHand, no: u16| hand.item(no).is_some_and(|i| i.state.is_open() && i.not_before <= now);
    let Some((no, ask)) = talk.asked.iter().find(|(no, _)| due(hand, *no)) else { return Ok(()) };
    let Some(form) = allowed(hand, talk, account, facts, *no, now) else { return Ok(()) };
    batch::budget(app, account, 1, now).await;
    let permit = match account.take(now) {
        Ok(permit) => permit,
        Err(slot) => {
            hand.wait_for_slot(*no, &[], slot, now);
            return Ok(());
        }
    };
    if let Ask::Number(typed) = ask {
        number::look(app, (&talk.channel, &talk.person), (*no, typed)).await?;
    }
    spacing::answered(app, account, hand, (&talk.person, *no), now).await;
    let message = answer::words(app, (&talk.channel, &talk.person), ask, facts, &hand.shop).await?;
    let mut token = None;
    let mut form = form;
    if form == Form::Reply {
        token = app.store.take_reply_token(&talk.channel, &talk.person).await?;
        if token.is_none() {
            form = Form::Free;
        }
    }
    let reference = Reference(format!("{}.{no}", hand.leased.member.as_str()));
    let errand = errand(talk, form, &reference, token.as_deref(), now);
    match account.channel.shape(&message, &errand) {
        Ok(envelope) => hand.sends.push(Sending {
            lead: *no,
            go: Go {
                channel: talk.channel.clone(),
                place: 0,
                address: Some(talk.person.clone()),
                form,
                joined: Vec::new(),
                passed: Vec::new(),
            },
            account: Arc::clone(account),
            envelope,
            reference: reference.0.clone(),
            locale: message.locale,
            purpose: Purpose::Status,
            again: false,
            expires: hand.item(*no).map_or(now, |i| i.expires),
            by_person: false,
            answerable: false,
            permit,
        }),
        Err(fault) => {
            tracing::error!(channel = %account.id, ask = ask.word(), %fault, "an answer does not fit the channel");
            hand.end(*no, State::Dead, Reason::Refused, None, now);
        }
    }
    Ok(())
}

/// The form in which an answer may go now; `None`: it waits, or ended.
fn allowed(
    hand: &mut InHand,
    talk: &Talk,
    account: &Account,
    facts: &PersonFacts,
    no: u16,
    now: Timestamp,
) -> Option<Form> {
    if facts.barred.is_some() {
        // The shop's people do not want to hear from them: nothing is answered either.
        hand.end(no, State::Skipped, Reason::OperatorBlocked, None, now);
        return None;
    }
    let expires = hand.item(no).map_or(now, |i| i.expires);
    let Some(form) = form(account, facts, now) else {
        let watch = vec![(talk.channel.clone(), talk.person.clone())];
        hand.wait(no, expires, Reason::WindowClosed, watch, now);
        return None;
    };
    if let Some((until, reason)) = account.paused(now).filter(|(until, _)| *until > now) {
        hand.wait(no, until.min(expires), reason, Vec::new(), now);
        return None;
    }
    Some(form)
}

/// In which form an answer may go: a token costs nothing, an open window lets words through; nothing else does. That
/// somebody switched order updates off forbids no answer to what they ask themselves.
fn form(account: &Account, facts: &PersonFacts, now: Timestamp) -> Option<Form> {
    let open = |until: Option<Timestamp>| until.is_some_and(|u| u > now);
    if account.caps.reply_token && open(facts.reply_until) {
        return Some(Form::Reply);
    }
    let free = account.caps.window == WindowRule::None || open(facts.window_until);
    (free && facts.unreachable.is_none()).then_some(Form::Free)
}

fn errand<'a>(
    talk: &'a Talk,
    form: Form,
    reference: &'a Reference,
    reply_token: Option<&'a str>,
    now: Timestamp,
) -> Errand<'a> {
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("answer/{}", reference.0).as_bytes());
    Errand {
        address: Some(&talk.person),
        form,
        key,
        thread: key,
        reference,
        reply_token,
        unsubscribe_url: None,
        quiet: false,
        now,
    }
}
