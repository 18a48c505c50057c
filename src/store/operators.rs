//! What operators ask and do.

use super::Store;
use super::error::StoreError;
use super::keys::Member;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ShopId, Tag};
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use crate::domain::webhook::RawWebhook;

/// How much lies where, over all partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Orders with something to do now.
    pub ready: u64,
    /// Orders whose time comes later.
    pub wait: u64,
    /// Orders being worked on.
    pub leased: u64,
    /// Orders waiting for a channel, by channel.
    pub parked: Vec<(Tag, u64)>,
    /// Dead items.
    pub dead: u64,
    /// Unreadable webhooks kept.
    pub odd: u64,
    /// Orders with anything open: ready, waiting, leased or parked.
    pub open: u64,
    /// The earliest moment anything in `wait` is due (in the past: workers are behind).
    pub oldest_due: Option<Timestamp>,
}

/// A dead item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadItem {
    /// Its order.
    pub member: Member,
    /// Its number.
    pub item: u16,
    /// When it died.
    pub at: Timestamp,
}

/// A signed and unreadable webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Odd {
    /// Its place, for [`Store::drop_odd`].
    pub id: String,
    /// Whose.
    pub shop: ShopId,
    /// What could not be read.
    pub why: String,
    /// The webhook.
    pub raw: RawWebhook,
}

/// How a change by an operator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// Recorded; whoever worked on the order has lost the lease.
    Ok,
    /// An item is no longer as it was read: read and decide again.
    Conflict,
}

impl Store {
    /// How much lies where.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        todo!()
    }
    /// Dead items, by partition and time of death, at most `limit`, and the cursor of the next page.
    pub async fn dead(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<DeadItem>, Option<String>), StoreError> {
        todo!("{cursor:?}{limit}")
    }
    /// Takes an item off the list of the dead (it was replayed or given up).
    pub async fn undead(&self, member: &Member, item: u16) -> Result<(), StoreError> {
        todo!("{member:?}{item}")
    }
    /// Drops dead items older than the retention; how many.
    pub async fn trim_dead(&self, now: Timestamp) -> Result<u64, StoreError> {
        todo!("{now}")
    }
    /// Ends open items by an operator's hand, each given as (read, to be). Fences whoever works on the order.
    pub async fn discard(
        &self,
        member: &Member,
        items: &[(Owed, Owed)],
        ledger: &[LedgerEntry],
    ) -> Result<Changed, StoreError> {
        todo!("{member:?}{items:?}{ledger:?}")
    }
    /// Switches a channel off or on for one order; `false`: there is no such order, or it has 16 already.
    pub async fn mute(&self, member: &Member, channel: Tag, on: bool) -> Result<bool, StoreError> {
        todo!("{member:?}{channel:?}{on}")
    }
    /// Keeps a signed and unreadable webhook for a person; `true`: an older one had to go for it.
    pub async fn keep_odd(&self, shop: &ShopId, raw: &RawWebhook, why: &str) -> Result<bool, StoreError> {
        todo!("{shop}{raw:?}{why}")
    }
    /// Unreadable webhooks, at most `limit`, and the cursor of the next page.
    pub async fn odd(&self, cursor: Option<&str>, limit: usize) -> Result<(Vec<Odd>, Option<String>), StoreError> {
        todo!("{cursor:?}{limit}")
    }
    /// Removes one that was put through again.
    pub async fn drop_odd(&self, id: &str) -> Result<(), StoreError> {
        todo!("{id}")
    }
    /// Takes or keeps the right to go on with a run, for `ms`; `false`: another holder has it.
    pub async fn claim_run(&self, run: &str, holder: &str, ms: u64) -> Result<bool, StoreError> {
        todo!("{run}{holder}{ms}")
    }
    /// Stores a run's record (JSON, with its cursor).
    pub async fn put_run(&self, run: &str, record: &str) -> Result<(), StoreError> {
        todo!("{run}{record}")
    }
    /// A run's record.
    pub async fn get_run(&self, run: &str) -> Result<Option<String>, StoreError> {
        todo!("{run}")
    }
    /// Runs, newest first, at most `limit`.
    pub async fn runs(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        todo!("{limit}")
    }
}
