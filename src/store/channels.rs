//! Channel accounts: pauses that all pods see, and the account's pace shared between them.

use super::Store;
use super::error::StoreError;
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::ids::Tag;

impl Store {
    /// Stops a channel until then, in all partitions. A longer pause that is already in force stays.
    pub async fn pause(&self, channel: Tag, until: Timestamp, reason: Reason) -> Result<(), StoreError> {
        todo!("{channel:?}{until}{reason:?}")
    }
    /// Lets it go again; what is parked comes back at the next ticks.
    pub async fn resume(&self, channel: Tag) -> Result<(), StoreError> {
        todo!("{channel:?}")
    }
    /// Channels that stand now: (channel, until, why).
    pub async fn channel_states(&self) -> Result<Vec<(Tag, Timestamp, Reason)>, StoreError> {
        todo!()
    }
    /// How many of `want` messages this process may send in the next second, out of the account's
    /// `per_second` over all processes. By the server's clock.
    pub async fn pace_slice(&self, channel: Tag, want: u32, per_second: f64) -> Result<u32, StoreError> {
        todo!("{channel:?}{want}{per_second}")
    }
}
