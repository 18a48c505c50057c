//! What is kept of an order: reading it, and the commit.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, Unit};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{Digest8, Tag};
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use crate::domain::person::ReceiptState;

/// An order (or other unit) as stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Compared by `commit` and `begin`; 0: nothing is stored. Changed by commit and mute, never by settle.
    pub revision: u64,
    /// Counts what should make a worker look again (an inbound message, a receipt); `settle` compares it.
    pub wakes: u64,
    /// Items owed, by number. Items written by a newer binary are left out and left alone.
    pub items: Vec<Owed>,
    /// How many were left out.
    pub unknown_items: u32,
    /// The highest item number in use, those left out included: new ones count from here.
    pub last_item: u16,
    /// Digests of webhooks already folded in, and until when they are remembered (ms).
    pub seen: Vec<(Digest8, i64)>,
    /// Receipts not yet taken into the items: (item, what, when).
    pub receipts: Vec<(u16, ReceiptState, Timestamp)>,
    /// The channel it may be parked at. To be given back to [`Store::commit`] as it is.
    pub parked: Option<Tag>,
    /// Channels switched off for this order.
    pub muted: Vec<Tag>,
    /// What is kept of the order, opened.
    pub snapshot: Option<Vec<u8>>,
}

/// What an accept stores.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The revision read.
    pub expected: u64,
    /// [`Record::parked`] as read.
    pub parked: Option<Tag>,
    /// Digests of the webhook: if any is known already, it is a duplicate.
    pub seen: Vec<Digest8>,
    /// How long they are remembered.
    pub seen_until: Timestamp,
    /// Digests to forget, see [`Record::stale_seen`].
    pub drop_seen: Vec<Digest8>,
    /// What is kept of the order now.
    pub snapshot: Vec<u8>,
    /// New items, numbered from `last_item + 1`.
    pub owed: Vec<Owed>,
    /// When the first of the new items is due; `None`: nothing new is open.
    pub due: Option<Timestamp>,
    /// What happened.
    pub ledger: Vec<LedgerEntry>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Stored.
    Stored {
        /// The new revision.
        revision: u64,
    },
    /// The webhook had been folded in before; nothing changed.
    Duplicate,
    /// The order changed since it was read: read and absorb again.
    Conflict,
}

impl Record {
    /// Digests that may be forgotten at `now`: their time is over, or there are more than an order needs.
    pub fn stale_seen(&self, now: Timestamp) -> Vec<Digest8> {
        todo!("{now}")
    }
}

impl Store {
    /// The stored name of a unit.
    pub fn member(&self, unit: &Unit) -> Member {
        Member::of(&self.seal, unit)
    }
    /// Reads an order.
    pub async fn read(&self, member: &Member) -> Result<Record, StoreError> {
        todo!("{member:?}")
    }
    /// Reads many orders in one flight, in the order asked.
    pub async fn read_many(&self, members: &[Member]) -> Result<Vec<Record>, StoreError> {
        todo!("{members:?}")
    }
    /// Stores what a webhook told: the order, what is owed now, when it is due.
    pub async fn commit(&self, member: &Member, commit: Commit) -> Result<Committed, StoreError> {
        todo!("{member:?}{commit:?}")
    }
    /// The order's ledger, oldest first.
    pub async fn ledger(&self, member: &Member) -> Result<Vec<LedgerEntry>, StoreError> {
        todo!("{member:?}")
    }
    /// Adds to the ledger.
    pub async fn append_ledger(&self, member: &Member, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        todo!("{member:?}{entries:?}")
    }
}
