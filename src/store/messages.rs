//! What became of messages: finding the item of a receipt. And joins: finding the order of a thing.

use super::Store;
use super::error::StoreError;
use super::keys::Member;
use crate::domain::clock::Timestamp;
use crate::domain::event::JoinKey;
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::person::{Address, ReceiptOf, ReceiptState};

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

impl Store {
    /// Remembers which item the provider's `ids` and our `reference` (empty: the vendor carries none) belong
    /// to, and takes in receipts that came first. `person` only for channels whose receipts say "all up to".
    pub async fn note_sent(
        &self,
        channel: &ChannelId,
        ids: &[String],
        reference: &str,
        person: Option<&Address>,
        member: &Member,
        item: u16,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        todo!("{channel}{ids:?}{reference}{person:?}{member:?}{item}{at}")
    }
    /// Lays a receipt with its order and wakes it.
    pub async fn receipt(
        &self,
        channel: &ChannelId,
        of: &ReceiptOf,
        person: Option<&Address>,
        state: &ReceiptState,
        at: Timestamp,
    ) -> Result<ReceiptPlace, StoreError> {
        todo!("{channel}{of:?}{person:?}{state:?}{at}")
    }
    /// Remembers that these things belong to the order.
    pub async fn put_joins(&self, shop: &ShopId, keys: &[JoinKey], order: &OrderId) -> Result<(), StoreError> {
        todo!("{shop}{keys:?}{order}")
    }
    /// The order a thing belongs to.
    pub async fn find_join(&self, shop: &ShopId, key: &JoinKey) -> Result<Option<OrderId>, StoreError> {
        todo!("{shop}{key:?}")
    }
}
