//! Codes that tie a messenger to an order, and which orders a person is tied to.

use super::Store;
use super::error::StoreError;
use super::keys::person;
use super::link::Repeat;
use super::order::SEALED;
use super::script::{Call, OFFER, REDEEM};
use super::value;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::person::Address;
use serde::{Deserialize, Serialize};

/// Orders remembered of one person at most, the newest: what is beyond goes when the list is next read.
const MAX_TIES: usize = 24;
/// And for how long after the last of them.
const TIE_MS: i64 = 400 * 86_400 * 1000;

/// An order that a person is tied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// Since when.
    pub at: Timestamp,
    /// Whose order.
    pub shop: ShopId,
    /// Which.
    pub order: OrderId,
}

/// What a code that was shown leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// To this, and whoever showed it is the first who did.
    Theirs(Vec<u8>),
    /// Somebody else was the first.
    Used,
    /// There is no such code, or not any more.
    Unknown,
}

impl Store {
    fn code_key(&self, code: &str) -> String {
        self.keys.own("invite", &self.seal.hash16("invite", &[code.as_bytes()]))
    }

    /// A code lies ready until then; what it leads to is sealed.
    ///
    /// # Errors
    /// The store's; the code must then not be given out.
    pub async fn offer_code(&self, code: &str, leads: &[u8], until: Timestamp) -> Result<(), StoreError> {
        let key = self.code_key(code);
        let sealed = self.seal.seal(&[key.as_bytes(), b"p", SEALED], leads);
        self.lasting_one(Call::script(&OFFER, &[key]).arg(sealed).arg(until.as_millisecond())).await.map(|_| ())
    }

    /// A person shows a code: the first who does has it.
    ///
    /// # Errors
    /// The store's; showing it again is safe.
    pub async fn redeem_code(&self, code: &str, channel: &ChannelId, at: &Address) -> Result<Redeemed, StoreError> {
        let key = self.code_key(code);
        let who = hex::encode(person(&self.seal, channel, at));
        let answer = self.lasting_one(Call::script(&REDEEM, std::slice::from_ref(&key)).arg(who)).await?;
        let mut parts = value::list(answer)?.into_iter();
        let Some(sealed) = parts.next() else { return Ok(Redeemed::Unknown) };
        if value::text(parts.next().unwrap_or_default())? != "mine" {
            return Ok(Redeemed::Used);
        }
        let sealed = value::bytes(sealed)?.unwrap_or_default();
        // Sealed by a key that is gone: to whoever shows it, it is over.
        let opened = self.seal.open(&[key.as_bytes(), b"p", SEALED], &sealed).ok();
        Ok(opened.map_or(Redeemed::Unknown, Redeemed::Theirs))
    }

    fn ties_key(&self, channel: &ChannelId, at: &Address) -> String {
        self.keys.own("tie", &person(&self.seal, channel, at))
    }

    /// The name under which an order stands in people's lists: says nothing about it to whoever reads it.
    pub fn tie_name(&self, shop: &ShopId, order: &OrderId) -> String {
        hex::encode(self.seal.hash16("tie", &[shop.as_str().as_bytes(), order.as_str().as_bytes()]))
    }

    /// Orders a person is tied to, the newest first.
    ///
    /// # Errors
    /// The store's, and that one does not open.
    pub async fn ties(&self, channel: &ChannelId, at: &Address) -> Result<Vec<Tie>, StoreError> {
        let key = self.ties_key(channel, at);
        let mut found = Vec::new();
        for (field, sealed) in value::pairs(self.work.one(Call::new("HGETALL").arg(&key)).await?)? {
            let opened = self.seal.open(&[key.as_bytes(), &field, SEALED], &sealed);
            let json = opened.map_err(|e| StoreError::bug(format!("an order somebody is tied to: {e}")))?;
            // Of a newer version: left alone.
            found.extend(serde_json::from_slice::<Tie>(&json));
        }
        found.sort_by(|a, b| (b.at, &b.order).cmp(&(a.at, &a.order)));
        if found.len() > MAX_TIES {
            let mut surplus = Call::new("HDEL").arg(&key);
            found.split_off(MAX_TIES).iter().for_each(|t| surplus.push(self.tie_name(&t.shop, &t.order)));
            self.work.one(surplus).await?;
        }
        Ok(found)
    }

    /// The person is tied to the order. A list to look things up by: what ties them is in the order itself.
    ///
    /// # Errors
    /// The store's; saying it again is safe.
    pub async fn tie(&self, channel: &ChannelId, at: &Address, tie: &Tie) -> Result<(), StoreError> {
        let (key, field) = (self.ties_key(channel, at), self.tie_name(&tie.shop, &tie.order));
        let json = serde_json::to_vec(tie).map_err(|e| StoreError::bug(format!("a tie: {e}")))?;
        let sealed = self.seal.seal(&[key.as_bytes(), field.as_bytes(), SEALED], &json);
        let calls = [Call::new("HSET").arg(&key).arg(&field).arg(sealed), Call::new("PEXPIRE").arg(&key).arg(TIE_MS)];
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
    }

    /// The person is tied to the order no longer.
    ///
    /// # Errors
    /// The store's; saying it again is safe.
    pub async fn untie(
        &self,
        channel: &ChannelId,
        at: &Address,
        shop: &ShopId,
        order: &OrderId,
    ) -> Result<(), StoreError> {
        let (key, field) = (self.ties_key(channel, at), self.tie_name(shop, order));
        self.work.one(Call::new("HDEL").arg(key).arg(field)).await.map(|_| ())
    }

    /// Forgets which orders a person is tied to. `true`: there were some.
    pub(super) async fn forget_ties(&self, channel: &ChannelId, at: &Address) -> Result<bool, StoreError> {
        let key = self.ties_key(channel, at);
        Ok(value::int(self.work.one(Call::new("DEL").arg(key)).await?)? > 0)
    }
}
