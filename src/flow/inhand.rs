//! An order under lease: its working copy, and what is to be written when it comes to rest.

use super::live::{Live, Shop};
use super::outcome::{self, Sent};
use super::sending::Sending;
use crate::domain::channel::{Envelope, Form};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Tag};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::person::Address;
use crate::domain::person::ReceiptState;
use crate::milestone;
use crate::store::order::Record;
use crate::store::work::{Begun, Dest, Leased, Settle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// An order that cannot be read by this version is looked at again after so long.
const LEFT_ALONE_SECS: i64 = 3600;

/// Leases that ended without a settle, after which what is begun counts as the cause.
const POISON: u32 = 5;
/// The same where nothing was begun.
const POISON_UNBEGUN: u32 = 25;

/// An order under lease.
pub struct InHand {
    /// The lease.
    pub leased: Leased,
    /// Revision decided on.
    pub revision: u64,
    /// Wakes read after the lease.
    pub wakes: u64,
    /// Its items, working copy.
    pub items: Vec<Owed>,
    /// Items as they were when the lease was taken.
    before: BTreeMap<u16, Owed>,
    /// The order.
    pub order: Order,
    /// Its shop.
    pub shop: Arc<Shop>,
    /// Settings it is decided by.
    pub live: Arc<Live>,
    /// Counted from before the lease was asked for.
    pub asked: Instant,
    /// When the facts that it is decided by were asked for.
    pub facts_at: Instant,
    /// What may go.
    pub sends: Vec<Sending>,
    /// People to tie it to.
    pub watches: Vec<(ChannelId, Address, Timestamp)>,
    /// It must be looked at again at once.
    pub again_now: bool,
    waits: BTreeMap<u16, Timestamp>,
    parks: BTreeMap<u16, (Tag, Timestamp)>,
    /// Slots of routes whose first message waits for its turn, and until when: what comes after it waits as long.
    turns: BTreeMap<(Tag, Tag), Timestamp>,
    ledger: Vec<LedgerEntry>,
    receipts: Vec<(u16, ReceiptState, Timestamp)>,
    /// Channels switched off for this order.
    pub muted: Vec<Tag>,
    added: Vec<Owed>,
    last_item: u16,
    drop_envelopes: Vec<u16>,
    kept: BTreeMap<u16, Envelope>,
    /// Items to be written although nothing changed here: Redis may hold them otherwise.
    rewrite: BTreeSet<u16>,
}

impl InHand {
    /// A leased record, opened.
    pub fn new(
        leased: Leased,
        record: Record,
        order: Order,
        shop: Arc<Shop>,
        live: Arc<Live>,
        asked: Instant,
    ) -> InHand {
        InHand {
            leased,
            revision: record.revision,
            wakes: record.wakes,
            before: record.items.iter().map(|i| (i.no, i.clone())).collect(),
            items: record.items,
            order,
            shop,
            live,
            asked,
            facts_at: asked,
            sends: Vec::new(),
            watches: Vec::new(),
            again_now: false,
            waits: BTreeMap::new(),
            parks: BTreeMap::new(),
            turns: BTreeMap::new(),
            ledger: Vec::new(),
            receipts: record.receipts,
            muted: record.muted,
            added: Vec::new(),
            last_item: record.last_item,
            drop_envelopes: Vec::new(),
            kept: BTreeMap::new(),
            rewrite: BTreeSet::new(),
        }
    }

    /// Takes in the envelopes of what may have been told.
    pub fn keep_envelopes(&mut self, kept: Vec<(u16, Vec<u8>)>) {
        self.kept =
            kept.into_iter().filter_map(|(no, bytes)| Some((no, serde_json::from_slice(&bytes).ok()?))).collect();
    }

    /// The very envelope an item may have been told by, if it can go again as it is: a reply token cannot.
    pub fn kept_envelope(&self, no: u16) -> Option<&Envelope> {
        self.kept.get(&no).filter(|e| e.form != Form::Reply)
    }

    /// What is written for a unit this version cannot read: nothing but a later look.
    pub fn left_alone(leased: Leased, record: &Record, now: Timestamp) -> Settle {
        Settle::unchanged(leased, record.revision, record.wakes, Dest::Wait(plus_secs(now, LEFT_ALONE_SECS)))
    }

    /// Worked on again and again, and never to an end: what was about to be sent ends, or all that is open dies, so
    /// that a person looks and nobody else suffers. What was about to be sent may have been told, and is said to be
    /// `unsure`: whoever replays it must know. `false`: it has not come to that.
    pub fn poisoned(&mut self, now: Timestamp) -> bool {
        let begun = |i: &Owed| matches!(i.state, State::Begun | State::Again);
        let any_begun = self.items.iter().any(begun);
        // Without a send begun, a process that kept dying may have had the order only by chance.
        let limit = if any_begun { POISON } else { POISON_UNBEGUN };
        if self.leased.redeliveries < limit {
            return false;
        }
        let fits = |i: &&Owed| if any_begun { begun(i) } else { i.state.is_open() };
        let doomed: Vec<Owed> = self.items.iter().filter(fits).cloned().collect();
        for item in &doomed {
            if item.state == State::Begun && !doomed.iter().any(|other| other.no == item.within) {
                let joined: Vec<u16> = doomed.iter().filter(|i| i.within == item.no).map(|i| i.no).collect();
                let entries = self.taken_over(item, &joined, State::Again);
                entries.into_iter().for_each(|what| self.note(now, what));
            }
            let state = if any_begun { State::Unsure } else { State::Dead };
            self.end(item.no, state, Reason::Poison, None, now);
        }
        tracing::error!(order = ?self.leased.member, leases = self.leased.redeliveries, "working on an order failed again and again");
        true
    }

    /// The item of this number.
    pub fn item(&self, no: u16) -> Option<&Owed> {
        self.items.iter().find(|i| i.no == no)
    }

    fn item_mut(&mut self, no: u16) -> Option<&mut Owed> {
        self.items.iter_mut().find(|i| i.no == no)
    }

    fn note(&mut self, at: Timestamp, what: Entry) {
        self.ledger.push(LedgerEntry { at, what });
    }

    /// What providers said of messages sent before; a receipt only moves its own message forward, and what is
    /// seen a second time does no harm.
    pub fn take_receipts(&mut self, now: Timestamp) {
        for (no, receipt, _) in self.receipts.clone() {
            // A receipt is of a message: what was told within it moves with the item that led it.
            let told: Vec<u16> = self.items.iter().filter(|i| i.no == no || i.within == no).map(|i| i.no).collect();
            for no in told {
                self.take_receipt(no, &receipt, now);
            }
        }
    }

    fn take_receipt(&mut self, no: u16, receipt: &ReceiptState, now: Timestamp) {
        let (next, code) = match receipt {
            ReceiptState::Accepted => (State::Sent, None),
            ReceiptState::Delivered => (State::Delivered, None),
            ReceiptState::Read => (State::Read, None),
            ReceiptState::Undelivered(code) => (State::Undelivered, Some(code.clone())),
        };
        let Some(item) = self.item_mut(no) else { return };
        // A receipt for what is still begun settles what a dead worker could not.
        let doubted = matches!(item.state, State::Begun | State::Again);
        if doubted {
            item.state = State::Sent;
        }
        let settled = doubted && next == State::Sent;
        if !settled && (item.state == next || !item.state.may_become(next)) {
            return;
        }
        (item.state, item.reason) = (next, (next == State::Undelivered).then_some(Reason::Undelivered));
        let rest = item.clone();
        let state = next.as_str().into();
        self.note(now, Entry::Ended { item: no, state, reason: code, by: None, passed: Vec::new() });
        if next == State::Undelivered {
            self.go_on_after(&rest, now);
        }
    }

    /// The rest of a chain after a message that did not arrive is owed as a new item, at most once.
    fn go_on_after(&mut self, undelivered: &Owed, now: Timestamp) {
        let main = undelivered.slot == Tag::NONE;
        if !main || undelivered.expires <= now || self.items.iter().any(|i| i.follows == undelivered.no) {
            return;
        }
        let place = self
            .live
            .route_by_tag(undelivered.route)
            .and_then(|r| r.channels.iter().position(|c| c.tag() == undelivered.channel));
        let Some(place) = place else { return };
        self.last_item += 1;
        let passed = undelivered.passed | (1 << place.min(15));
        let forced = undelivered.forced;
        self.added.push(Owed { passed, not_before: now, forced, ..undelivered.anew(self.last_item) });
    }

    /// Messages that a dead worker had begun: they may have been told. Items told in one message share what
    /// becomes of it, by the purpose of the one that leads. Gives what the ledger must hold before anything of
    /// this is sent again: whoever repeats a message may die of it too, and its settle with it.
    ///
    /// Dies before the settle: they still stand as begun, and the next holder does the same.
    pub fn take_over(&mut self, now: Timestamp) -> Vec<LedgerEntry> {
        let mut notes = Vec::new();
        let begun: Vec<Owed> = self.items.iter().filter(|i| i.state == State::Begun).cloned().collect();
        for lead in begun.iter().filter(|i| !begun.iter().any(|other| other.no == i.within)) {
            let joined: Vec<u16> = begun.iter().filter(|i| i.within == lead.no).map(|i| i.no).collect();
            let fate = self.fate_of_begun(lead, now);
            for no in std::iter::once(lead.no).chain(joined.iter().copied()) {
                if let Some(item) = self.item_mut(no) {
                    (item.state, item.reason) = (fate, Some(Reason::MaybeTold));
                    item.not_before = item.not_before.min(now);
                }
            }
            notes.extend(self.taken_over(lead, &joined, fate).into_iter().map(|what| LedgerEntry { at: now, what }));
        }
        notes
    }

    fn fate_of_begun(&self, lead: &Owed, now: Timestamp) -> State {
        let Some(account) = self.live.channel_by_tag(lead.channel) else { return State::Unsure };
        let purpose =
            milestone::by_tag(lead.milestone).map_or(crate::domain::milestone::Purpose::Status, |m| m.purpose);
        let form = self.kept.get(&lead.no).map_or(Form::Free, |e| e.form);
        let mut item = lead.clone();
        outcome::unsure(
            &mut item,
            &Sent { account, place: 0, form, purpose, again: lead.attempts > 1, probe: false, now },
        );
        item.state
    }

    fn taken_over(&self, lead: &Owed, joined: &[u16], fate: State) -> Vec<Entry> {
        let kept = self.kept.get(&lead.no);
        let attempt = Entry::Attempt {
            item: lead.no,
            attempt: lead.attempts,
            channel: self.live.channel_by_tag(lead.channel).map_or_else(String::new, |a| a.id.to_string()),
            form: kept.map_or(Form::Free, |e| e.form).as_str().into(),
            locale: String::new(),
            verdict: "unsure".into(),
            detail: "its worker was gone before the answer was written down".into(),
            passed: Vec::new(),
            joined: joined.to_vec(),
        };
        let mut entries = vec![attempt];
        if fate == State::Unsure {
            let reason = Some(Reason::MaybeTold.as_str().to_string());
            entries.extend(std::iter::once(lead.no).chain(joined.iter().copied()).map(|item| Entry::Ended {
                item,
                state: fate.as_str().into(),
                reason: reason.clone(),
                by: None,
                passed: Vec::new(),
            }));
        }
        entries
    }

    /// Deadlines move with the order: a new payment deadline, another pickup day.
    pub fn refresh(&mut self) {
        crate::plan::refresh(&self.order, &self.shop.rules, milestone::ALL, &mut self.items);
    }

    /// Forgets decisions taken on facts that are no longer fresh; permits go back.
    pub fn reconsider(&mut self) {
        self.sends.clear();
        self.watches.clear();
        self.waits.clear();
        self.parks.clear();
        self.turns.clear();
    }

    /// An item ends.
    pub fn end(&mut self, no: u16, state: State, reason: Reason, by: Option<u16>, now: Timestamp) {
        let Some(item) = self.item_mut(no).filter(|i| i.state.may_become(state)) else { return };
        (item.state, item.reason) = (state, Some(reason));
        let what = Entry::Ended {
            item: no,
            state: state.as_str().into(),
            reason: Some(reason.as_str().into()),
            by,
            passed: Vec::new(),
        };
        self.note(now, what);
    }

    /// An item waits.
    pub fn wait(
        &mut self,
        no: u16,
        until: Timestamp,
        reason: Reason,
        watch: Vec<(ChannelId, Address)>,
        now: Timestamp,
    ) {
        let turn = self.item(no).and_then(|i| self.turns.get(&(i.route, i.slot))).copied();
        let until = turn.filter(|_| reason == Reason::EarlierFirst).map_or(until, |turn| until.max(turn));
        self.waits.insert(no, until);
        self.watches.extend(watch.into_iter().map(|(c, a)| (c, a, until)));
        self.because(no, reason, until, now);
    }

    /// What is open waits a moment, for no reason of its own.
    pub fn put_off(&mut self, until: Timestamp) {
        self.waits.extend(self.items.iter().filter(|i| i.state.is_open()).map(|i| (i.no, until)));
    }

    /// An item waits for a channel that stands still.
    pub fn park(&mut self, no: u16, channel: &ChannelId, reason: Reason, until: Timestamp, now: Timestamp) {
        self.parks.insert(no, (channel.tag(), until));
        self.because(no, reason, until, now);
    }

    /// Items wait for a slot of their channel's pace: not before, and once.
    pub fn wait_for_slot(&mut self, lead: u16, joined: &[u16], slot: Timestamp, now: Timestamp) {
        let of = self.item(lead).map(|i| (i.route, i.slot));
        self.turns.extend(of.map(|of| (of, slot)));
        for no in std::iter::once(lead).chain(joined.iter().copied()) {
            self.waits.insert(no, slot);
            self.because(no, Reason::RateLimited, slot, now);
        }
    }

    /// Remembers why an item waits; the ledger gets a line only when the reason changes, and never for the
    /// short waits everything goes through.
    fn because(&mut self, no: u16, reason: Reason, until: Timestamp, now: Timestamp) {
        let passing = matches!(reason, Reason::Settling | Reason::NotDue | Reason::EarlierFirst | Reason::RateLimited);
        let Some(item) = self.item_mut(no) else { return };
        if passing || item.reason == Some(reason) {
            return;
        }
        item.reason = Some(reason);
        self.note(now, Entry::Waits { item: no, reason: reason.as_str().into(), until });
    }

    /// Items of a send, as `begin` writes them.
    pub fn begun_items(&self, sending: &Sending) -> Vec<Owed> {
        let mut nos = vec![sending.lead];
        nos.extend(&sending.go.joined);
        nos.iter().filter_map(|no| self.item(*no)).cloned().collect()
    }

    /// Marks what is about to be handed over.
    pub fn mark_begun(&mut self, now: Timestamp) {
        for i in 0..self.sends.len() {
            let (lead, tag) = (self.sends[i].lead, self.sends[i].account.tag);
            let address = self.sends[i].go.address.as_ref().map_or(0, |a| self.live.digest(a));
            let joined = self.sends[i].go.joined.clone();
            for no in std::iter::once(lead).chain(joined) {
                let Some(item) = self.item_mut(no) else { continue };
                item.state = State::Begun;
                item.channel = tag;
                item.address = address;
                item.attempts = item.attempts.saturating_add(1);
                item.first_attempt = item.first_attempt.or(Some(now));
                item.within = if no == lead { 0 } else { lead };
            }
        }
    }

    /// The items of a send that are still open do not go again before.
    pub fn not_before(&mut self, sending: &Sending, at: Timestamp) {
        for no in std::iter::once(sending.lead).chain(sending.go.joined.iter().copied()) {
            if let Some(item) = self.item_mut(no).filter(|i| i.state.is_open()) {
                item.not_before = item.not_before.max(at);
            }
        }
    }

    /// `begin` said no: the items are again what they were. Where it gave no answer (`None`) it may have been
    /// executed, so they are written back as they were: left as begun, the next holder would take them for
    /// told.
    pub fn not_begun(&mut self, sending: &Sending, answer: Option<Begun>, now: Timestamp) {
        for no in std::iter::once(sending.lead).chain(sending.go.joined.iter().copied()) {
            if let (Some(old), Some(item)) = (self.before.get(&no).cloned(), self.items.iter_mut().find(|i| i.no == no))
            {
                *item = old;
                if item.state == State::Begun {
                    item.state = State::Again;
                }
                if answer.is_none() {
                    self.rewrite.insert(no);
                    if item.state == State::Open {
                        self.drop_envelopes.push(no);
                    }
                }
            }
        }
        match answer {
            Some(Begun::Expired) => self.end(sending.lead, State::Expired, Reason::Stale, None, now),
            Some(Begun::Paused) => {
                let until = sending.account.paused(now).map_or_else(|| plus_secs(now, 5), |(until, _)| until);
                for no in std::iter::once(sending.lead).chain(sending.go.joined.iter().copied()) {
                    self.park(no, &sending.account.id, Reason::ChannelPaused, until, now);
                }
            }
            _ => self.again_now = true,
        }
    }

    /// A no was heard at the last look (nothing went, all is decided anew), or behind it.
    pub fn switched_off(&mut self, sending: &Sending, reason: Reason, held: bool, now: Timestamp) {
        let (channel, reason) = (sending.account.id.to_string(), reason.as_str().into());
        self.note(now, Entry::SwitchedOff { item: sending.lead, channel, reason, held });
    }

    /// Moves the items of a send to where its verdict leaves them, with a line in the ledger.
    pub fn judged(&mut self, sending: &Sending, entry: Entry, now: Timestamp, judge: impl Fn(&mut Owed)) {
        for no in std::iter::once(sending.lead).chain(sending.go.joined.iter().copied()) {
            if let Some(item) = self.item_mut(no) {
                judge(item);
                if item.state != State::Again {
                    self.drop_envelopes.push(no);
                }
            }
        }
        self.note(now, entry);
    }

    /// All that is to be written.
    pub fn settle(mut self, now: Timestamp) -> Settle {
        let changed = |i: &&Owed| self.before.get(&i.no) != Some(i) || self.rewrite.contains(&i.no);
        let items: Vec<Owed> = self.items.iter().filter(changed).cloned().collect();
        let was_open = |no: &u16| self.before.get(no).is_some_and(|i| i.state.is_open());
        let closed = items.iter().filter(|i| !i.state.is_open() && was_open(&i.no)).count();
        let lost = |s: State| matches!(s, State::Dead | State::Unsure | State::Undelivered | State::Expired);
        let to_dead = items.iter().filter(|i| lost(i.state)).map(|i| i.no).collect();
        let drop_receipts = self.receipts.iter().map(|(no, ..)| *no).collect();
        let dest = self.dest(now);
        Settle {
            items,
            added: std::mem::take(&mut self.added),
            ledger: std::mem::take(&mut self.ledger),
            closed: u16::try_from(closed).unwrap_or(u16::MAX),
            revision: self.revision,
            wakes: self.wakes,
            drop_envelopes: std::mem::take(&mut self.drop_envelopes),
            drop_receipts,
            to_dead,
            dest,
            leased: self.leased,
        }
    }

    /// Where the order rests: with nobody when nothing is open; with a channel that stands still, until that
    /// moves or anything else falls due; else until the earliest moment something may go.
    fn dest(&self, now: Timestamp) -> Dest {
        let open: Vec<&Owed> = self.items.iter().filter(|i| i.state.is_open()).collect();
        if open.is_empty() && self.added.is_empty() {
            return Dest::Done;
        }
        if self.again_now || !self.added.is_empty() {
            return Dest::Ready;
        }
        let parked: Vec<_> = open.iter().filter_map(|i| self.parks.get(&i.no)).collect();
        let channel = parked.first().map(|(channel, _)| *channel);
        let one = parked.iter().all(|(tag, _)| Some(*tag) == channel);
        let at = outcome::earliest(open.iter().map(|item| {
            let waits = self.waits.get(&item.no).copied();
            // Two channels that stand still: look again soon, whichever moves first.
            let soon = |until: Timestamp| if one { until } else { until.min(plus_secs(now, 30)) };
            let parks = self.parks.get(&item.no).map(|(_, until)| soon(*until));
            waits.or(parks).unwrap_or(item.not_before)
        }));
        match channel.filter(|_| one) {
            _ if at <= now => Dest::Ready,
            Some(channel) => Dest::Park(channel, at),
            None => Dest::Wait(at),
        }
    }
}
