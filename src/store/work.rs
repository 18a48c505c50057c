//! Leases: taking orders, beginning sends, settling.

use super::Store;
use super::error::StoreError;
use super::keys::Member;
use crate::domain::clock::Timestamp;
use crate::domain::ids::Tag;
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use std::sync::Arc;

/// An order this worker may work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Which.
    pub member: Member,
    /// Proves it; compared for equality.
    pub token: Arc<str>,
    /// Leases of it that ended without a settle.
    pub redeliveries: u32,
}

/// What is about to be sent.
#[derive(Clone, Debug)]
pub struct BeginAsk<'a> {
    /// The lease.
    pub leased: &'a Leased,
    /// The items told by this send, whole, as begun.
    pub items: Vec<Owed>,
    /// The revision decided on.
    pub revision: u64,
    /// Not after.
    pub expires: Timestamp,
    /// On which channel.
    pub channel: Tag,
    /// What the vendor gets, kept until settled so that the same bytes can go again: (leading item, bytes).
    pub envelope: Option<(u16, Vec<u8>)>,
}

/// Whether it may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begun {
    /// Recorded; send.
    Go,
    /// The order changed since it was decided on: decide again.
    Moved,
    /// Too late.
    Expired,
    /// The lease is lost.
    Fenced,
    /// The channel is paused.
    Paused,
}

/// Where an order goes after work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dest {
    /// Nothing is open.
    Done,
    /// Look again at once.
    Ready,
    /// Look again then.
    Wait(Timestamp),
    /// All that is open waits for this channel: until it moves, or until then.
    Park(Tag, Timestamp),
}

/// The end of work on an order.
#[derive(Clone, Debug)]
pub struct Settle<'a> {
    /// The lease.
    pub leased: &'a Leased,
    /// Items that changed, whole.
    pub items: Vec<Owed>,
    /// New items (the rest of a chain after an undelivered message), numbered from `last_item + 1`.
    pub added: Vec<Owed>,
    /// What happened.
    pub ledger: Vec<LedgerEntry>,
    /// How many of `items` went from open to not open.
    pub closed: u16,
    /// The revision read after the lease.
    pub revision: u64,
    /// The wakes read after the lease.
    pub wakes: u64,
    /// Envelopes no longer needed.
    pub drop_envelopes: Vec<u16>,
    /// Items whose receipts have been taken in. Kept when a further one came since `wakes` was read: they
    /// are then seen again, which must do no harm.
    pub drop_receipts: Vec<u16>,
    /// Items that died: they appear in the list of the dead.
    pub to_dead: Vec<u16>,
    /// Where the order goes. Whatever it says, an order that changed meanwhile is looked at again.
    pub dest: Dest,
}

/// How a settle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Recorded.
    Ok,
    /// The lease is lost, or it had been settled before: finished either way.
    Fenced,
    /// Nothing was recorded: an added item's number is taken. Read, number anew, settle again.
    Moved,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// There was more than it takes at once: tick again.
    pub more: bool,
    /// Orders whose time came.
    pub promoted: u32,
    /// Leases that ended without a settle.
    pub reaped: u32,
    /// Parked orders given back.
    pub unparked: u32,
}

impl Store {
    /// Takes up to `n` orders of a partition that have something to do now, fairly between shops.
    pub async fn lease(&self, partition: u8, n: usize, worker: &str, lease_ms: u64) -> Result<Vec<Leased>, StoreError> {
        todo!("{partition}{n}{worker}{lease_ms}")
    }
    /// Records sends as about to happen, in one flight; answers in the order asked.
    pub async fn begin(&self, asks: &[BeginAsk<'_>]) -> Result<Vec<Begun>, StoreError> {
        todo!("{asks:?}")
    }
    /// Envelopes kept of an order: (leading item, bytes).
    pub async fn envelopes(&self, member: &Member) -> Result<Vec<(u16, Vec<u8>)>, StoreError> {
        todo!("{member:?}")
    }
    /// Ends work on an order.
    pub async fn settle(&self, settle: &Settle<'_>) -> Result<Settled, StoreError> {
        todo!("{settle:?}")
    }
    /// Ends work on many, in one flight; answers in the order asked.
    pub async fn settle_many(&self, settles: &[Settle<'_>]) -> Result<Vec<Settled>, StoreError> {
        todo!("{settles:?}")
    }
    /// Gives orders back untouched, without a penalty.
    pub async fn release(&self, leased: &[Leased]) -> Result<(), StoreError> {
        todo!("{leased:?}")
    }
    /// Prolongs leases; `true` at the place of each that is still ours.
    pub async fn extend(&self, leased: &[Leased], lease_ms: u64) -> Result<Vec<bool>, StoreError> {
        todo!("{leased:?}{lease_ms}")
    }
    /// Moves what is due, lets go of leases that ended, gives back what is parked for a channel that moves.
    pub async fn tick(&self, partition: u8, max: usize) -> Result<Ticked, StoreError> {
        todo!("{partition}{max}")
    }
    /// Makes orders be looked at again now.
    pub async fn wake(&self, members: &[Member]) -> Result<(), StoreError> {
        todo!("{members:?}")
    }
}
