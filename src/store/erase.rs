//! Erasing what is kept of an order, and of unreadable webhooks. People: [`Store::forget_person`]; things that
//! belonged to the order: [`Store::erase_joins`].
//!
//! Not looked for: where message ids lead (`msg`). They hold a keyed name and an item's number, nothing of the
//! person, end by themselves after 35 days, and lead to a tombstone.

use super::Store;
use super::error::StoreError;
use super::keys::Member;
use super::operators::{Changed, changed, push_changes};
use super::order::Record;
use super::script::{Call, ERASE, PURGE};
use super::value;
use crate::domain::clock::Timestamp;
use crate::domain::owed::Owed;
use std::collections::BTreeMap;

/// What is left where an order was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// A tombstone with its items, kept as long as a ledger: what comes again finds it erased.
    Tombstone,
    /// Nothing (a webhook that waited for its order).
    Nothing,
}

impl Store {
    /// Erases what is kept of an order, in one step: snapshot, ledger, envelopes, receipts, digests; its lease is
    /// lost, and it is in no queue any more. `items`: each readable item as read and as it is to stay.
    ///
    /// # Errors
    /// The store's. After a time-out: read again; it may be done.
    pub async fn erase(
        &self,
        member: &Member,
        read: &Record,
        items: &[(Owed, Owed)],
        at: Timestamp,
        remains: Remains,
    ) -> Result<Changed, StoreError> {
        let keep = match remains {
            Remains::Tombstone => self.retention.ledger_secs.saturating_mul(1000),
            Remains::Nothing => 0,
        };
        let words = self
            .where_parked(vec![(member, ())], |member, k, parked, ()| {
                let part = self.keys.part(member.partition());
                let own = ["ord", "snp", "led", "env"].map(|what| self.keys.of(member, what));
                let mut keys: Vec<&str> = own.iter().map(String::as_str).collect();
                keys.extend([part.ready.as_str(), &part.wait, &part.lease, &part.tok, &part.red, &part.dead]);
                keys.push(&part.ctl);
                keys.extend(parked);
                let there = read.items.len() + read.unknown_items as usize;
                let mut call = Call::script(&ERASE, &keys).arg(member.as_str()).arg(k).arg(read.revision);
                call = call.arg(at.as_millisecond()).arg(keep).arg(there);
                push_changes(&mut call, items);
                call
            })
            .await?;
        changed("erase", &words)
    }

    /// Erases unreadable webhooks by their places; how many there were.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn purge_odd(&self, ids: &[String]) -> Result<u64, StoreError> {
        let mut by_partition: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
        for (partition, id) in ids.iter().filter_map(|id| id.split_once('/')) {
            by_partition.entry(partition.parse().unwrap_or(0)).or_default().push(id);
        }
        let mut gone = 0;
        for (partition, ids) in by_partition {
            let mut call = Call::script(&PURGE, &[&self.keys.part(partition).odd]);
            for id in ids {
                call.push(id);
                call.push("");
            }
            gone += value::int(self.work.one(call).await?)?.unsigned_abs();
        }
        Ok(gone)
    }
}
