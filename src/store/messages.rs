//! What became of messages: finding the item of a receipt. And joins: finding the order of a thing.
//!
//! A message's id leads to `i<order>#<item>`, or holds receipts that came before it was known
//! (`e` and a line `<code>:<ms>:<detail>` each).

use super::Store;
use super::error::StoreError;
use super::keys::{Member, person};
use super::link::Repeat;
use super::order::{receipt_code, receipt_state};
use super::script::{Call, FIND, NOTE, RECEIPT};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::event::JoinKey;
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::person::{Address, ReceiptOf, ReceiptState};

/// Receipts come as late as this. ms.
const INDEX_MS: i64 = 35 * 86_400 * 1000;
/// A receipt that comes before its message is known is kept for so long. ms.
const EARLY_MS: i64 = 600_000;
/// Messages remembered for a person whose receipts say "all up to".
const MAX_SENT: i64 = 50;
/// What is kept of a provider's code: a longer value would triple the order's memory.
const MAX_DETAIL: usize = 40;

/// What happened to a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptPlace {
    /// It lies with its order, which is looked at again.
    Noted,
    /// The message is not known yet: kept for ten minutes.
    Early,
    /// It belongs to nothing we keep.
    Unknown,
}

/// Where a thing leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// Nowhere yet.
    Unknown,
    /// To this order.
    Order(OrderId),
    /// To an order that was erased.
    Erased,
}

/// A message that was handed over, and where receipts for it lead.
#[derive(Clone, Copy, Debug)]
pub struct SentMessage<'a> {
    /// On which channel account.
    pub channel: &'a ChannelId,
    /// The provider's ids of it.
    pub ids: &'a [String],
    /// Our own reference; empty where the vendor carries none.
    pub reference: &'a str,
    /// To whom, only for channels whose receipts say "all up to".
    pub person: Option<&'a Address>,
    /// The order.
    pub member: &'a Member,
    /// The leading item.
    pub item: u16,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Remembers which item a message's ids belong to, and takes in receipts that came first.
    ///
    /// # Errors
    /// The store's; receipts of this message are then not found.
    pub async fn note_sent(&self, sent: SentMessage<'_>) -> Result<(), StoreError> {
        let target = format!("{}#{}", sent.member.as_str(), sent.item);
        let mut keys: Vec<String> = sent.ids.iter().map(|id| self.message_key(sent.channel, "id", id)).collect();
        if !sent.reference.is_empty() {
            keys.push(self.message_key(sent.channel, "ref", sent.reference));
        }
        let note = |key: &String, laid: &[u8]| {
            let leads = format!("i{target}");
            Call::script(&NOTE, std::slice::from_ref(key)).arg(leads).arg(INDEX_MS).arg(laid)
        };
        let mut calls: Vec<Call> = keys.iter().map(|k| note(k, b"")).collect();
        if let Some(at) = sent.person {
            let key = self.sent_key(sent.channel, at);
            calls.push(Call::new("ZADD").arg(&key).arg(sent.at.as_millisecond()).arg(&target));
            calls.push(Call::new("ZREMRANGEBYRANK").arg(&key).arg(0).arg(-MAX_SENT - 1));
            calls.push(Call::new("PEXPIRE").arg(&key).arg(INDEX_MS));
        }
        let answers = self.work.flight(&calls, Repeat::Once).await?;
        for (key, answer) in keys.iter().zip(answers) {
            let mut early = value::bytes(answer)?.unwrap_or_default();
            // Another receipt may come between laying these down and saying so: once more, then as it is.
            for _ in 0..3 {
                if early.is_empty() {
                    break;
                }
                self.lay(&early_receipts(&early, &target)).await?;
                early = value::bytes(self.work.one(note(key, &early)).await?)?.unwrap_or_default();
            }
        }
        Ok(())
    }

    fn message_key(&self, channel: &ChannelId, kind: &str, id: &str) -> String {
        let hash = self.seal.hash16("message", &[channel.as_str().as_bytes(), kind.as_bytes(), id.as_bytes()]);
        self.keys.own("msg", &hash)
    }

    fn sent_key(&self, channel: &ChannelId, at: &Address) -> String {
        self.keys.own("snt", &person(&self.seal, channel, at))
    }

    /// Lays a receipt with its order and wakes it.
    ///
    /// # Errors
    /// The store's; the callback must then not be answered 200.
    pub async fn receipt(
        &self,
        channel: &ChannelId,
        of: &ReceiptOf,
        person: Option<&Address>,
        state: &ReceiptState,
        at: Timestamp,
    ) -> Result<ReceiptPlace, StoreError> {
        let key = match of {
            ReceiptOf::ProviderId(id) => self.message_key(channel, "id", id),
            ReceiptOf::Ours(reference) => self.message_key(channel, "ref", reference),
            ReceiptOf::OursAt(sender, reference) => self.message_key(sender, "ref", reference),
            ReceiptOf::UpTo(moment) => {
                let Some(person) = person else { return Ok(ReceiptPlace::Unknown) };
                return self.receipts_up_to(&self.sent_key(channel, person), *moment, state, at).await;
            }
        };
        let line = format!("{}:{}", receipt_code(state), stored(state, at));
        let call = Call::script(&FIND, &[key]).arg(line).arg(EARLY_MS);
        let there = value::text(self.lasting_one(call).await?)?;
        let Some(target) = there.strip_prefix('i') else { return Ok(ReceiptPlace::Early) };
        let Some((member, item)) = parse_target(target) else { return Ok(ReceiptPlace::Unknown) };
        self.lay(&[(member, item, state.clone(), at)]).await
    }

    /// Lays down that these items of an order were told after all: whoever learned it wrote it too late.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn told_after_all(&self, member: &Member, items: &[u16], at: Timestamp) -> Result<(), StoreError> {
        let told: Vec<_> = items.iter().map(|no| (member.clone(), *no, ReceiptState::Accepted, at)).collect();
        self.lay(&told).await.map(|_| ())
    }

    async fn receipts_up_to(
        &self,
        key: &str,
        moment: Timestamp,
        state: &ReceiptState,
        at: Timestamp,
    ) -> Result<ReceiptPlace, StoreError> {
        let until = moment.as_millisecond();
        let call = Call::new("ZRANGEBYSCORE").arg(key).arg("-inf").arg(until);
        let mut laid = Vec::new();
        for target in value::list(self.accept.one(call).await?)? {
            if let Some((member, item)) = parse_target(&value::text(target)?) {
                laid.push((member, item, state.clone(), at));
            }
        }
        let place = self.lay(&laid).await?;
        if *state == ReceiptState::Read {
            // Nothing more can be said of those.
            self.accept.one(Call::new("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(until)).await?;
        }
        Ok(place)
    }

    /// Puts receipts into their orders; `Noted` if any found its item.
    async fn lay(&self, receipts: &[(Member, u16, ReceiptState, Timestamp)]) -> Result<ReceiptPlace, StoreError> {
        let asks = receipts.iter().map(|r| (&r.0, r)).collect();
        let words = self
            .where_parked(asks, |member, k, parked, (_, item, state, at)| {
                let part = self.keys.part(member.partition());
                let own = ["ord", "snp", "led"].map(|what| self.keys.of(member, what));
                let mut keys: Vec<&str> = own.iter().map(String::as_str).collect();
                keys.extend([part.ready.as_str(), &part.wait, &part.vt]);
                keys.extend(parked);
                let call = Call::script(&RECEIPT, &keys).arg(member.as_str()).arg(k).arg(*item);
                call.arg(receipt_code(state)).arg(stored(state, *at))
            })
            .await?;
        Ok(if words.iter().any(|w| w == "ok") { ReceiptPlace::Noted } else { ReceiptPlace::Unknown })
    }

    /// Remembers that these things belong to the order, for as long as an order is kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_joins(&self, shop: &ShopId, keys: &[JoinKey], order: &OrderId) -> Result<(), StoreError> {
        self.accept.flight(&self.join_calls(shop, keys, order), Repeat::Once).await.map(|_| ())
    }

    pub(super) fn join_calls(&self, shop: &ShopId, keys: &[JoinKey], order: &OrderId) -> Vec<Call> {
        let call = |k| {
            let call = Call::new("SET").arg(self.join_key(shop, k)).arg(order.as_str());
            call.arg("EX").arg(self.retention.order_secs)
        };
        keys.iter().map(call).collect()
    }

    /// These things belonged to an order that was erased: they lead to nothing any more, and what is told of
    /// them is let go instead of waiting for an order. Kept as long as the order's tombstone.
    ///
    /// # Errors
    /// The store's.
    pub async fn erase_joins(&self, shop: &ShopId, keys: &[JoinKey]) -> Result<(), StoreError> {
        let set = |k| Call::new("SET").arg(self.join_key(shop, k)).arg("").arg("EX").arg(self.retention.ledger_secs);
        let calls: Vec<Call> = keys.iter().map(set).collect();
        self.accept.flight(&calls, Repeat::Once).await.map(|_| ())
    }

    /// The order a thing belongs to.
    ///
    /// # Errors
    /// The store's.
    pub async fn find_join(&self, shop: &ShopId, key: &JoinKey) -> Result<Join, StoreError> {
        let found = value::bytes(self.accept.one(Call::new("GET").arg(self.join_key(shop, key))).await?)?;
        Ok(match found.and_then(|b| String::from_utf8(b).ok()) {
            None => Join::Unknown,
            Some(id) if id.is_empty() => Join::Erased,
            Some(id) => Join::Order(OrderId::from(id)),
        })
    }

    fn join_key(&self, shop: &ShopId, key: &JoinKey) -> String {
        let parts = [shop.as_str().as_bytes(), key.kind.as_bytes(), key.id.as_bytes()];
        self.keys.own("join", &self.seal.hash16("join", &parts))
    }
}

/// The value of a receipt's field: `<ms>:<provider's code>`.
fn stored(state: &ReceiptState, at: Timestamp) -> String {
    let detail: String = match state {
        ReceiptState::Undelivered(code) => code.chars().filter(|c| c.is_ascii_graphic()).take(MAX_DETAIL).collect(),
        _ => String::new(),
    };
    format!("{}:{detail}", at.as_millisecond())
}

fn parse_target(target: &str) -> Option<(Member, u16)> {
    let (name, item) = target.split_once('#')?;
    Some((Member::from_name(name)?, item.parse().ok()?))
}

fn early_receipts(stored: &[u8], target: &str) -> Vec<(Member, u16, ReceiptState, Timestamp)> {
    let Some((member, item)) = parse_target(target) else { return Vec::new() };
    let text = String::from_utf8_lossy(stored);
    let read = |line: &str| {
        let (code, rest) = line.split_once(':')?;
        let (ms, detail) = rest.split_once(':')?;
        let state = receipt_state(code.parse().ok()?, detail)?;
        Some((member.clone(), item, state, from_millis(ms.parse().ok()?)))
    };
    text.lines().skip(1).filter_map(read).collect()
}
