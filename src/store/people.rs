//! People on channel accounts: what is known of them, and whose orders wait for their next word.

use super::Store;
use super::error::StoreError;
use super::keys::Member;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, PersonChange, PersonFacts};

/// What applying a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The event had been applied before; `wake` then holds what is left to be woken of it.
    pub duplicate: bool,
    /// Orders to be woken now, then struck off.
    pub wake: Vec<Member>,
}

impl Store {
    /// What is known of each person, in one flight, in the order asked.
    pub async fn facts(&self, people: &[(ChannelId, Address)]) -> Result<Vec<PersonFacts>, StoreError> {
        todo!("{people:?}")
    }
    /// Applies a change once per `dedupe`; with `wakes`, orders that watch the person come back to be woken.
    pub async fn apply(
        &self,
        channel: &ChannelId,
        person: &Address,
        dedupe: &str,
        at: Timestamp,
        change: &PersonChange,
        wakes: bool,
    ) -> Result<Applied, StoreError> {
        todo!("{channel}{person:?}{dedupe}{at}{change:?}{wakes}")
    }
    /// The orders have been woken.
    pub async fn struck(&self, channel: &ChannelId, person: &Address, members: &[Member]) -> Result<(), StoreError> {
        todo!("{channel}{person:?}{members:?}")
    }
    /// The order waits for this person's next word. Gives the facts as they are now: where they differ from
    /// those decided on, the word came meanwhile; decide again instead of waiting.
    pub async fn watch(
        &self,
        channel: &ChannelId,
        person: &Address,
        member: &Member,
        until: Timestamp,
    ) -> Result<PersonFacts, StoreError> {
        todo!("{channel}{person:?}{member:?}{until}")
    }
    /// Takes the person's reply token, if one is good now; the first to ask gets it.
    pub async fn take_reply_token(&self, channel: &ChannelId, person: &Address) -> Result<Option<String>, StoreError> {
        todo!("{channel}{person:?}")
    }
    /// Wakes what a crash between apply and wake left behind; how many orders were woken.
    pub async fn sweep_wakes(&self, max: usize) -> Result<usize, StoreError> {
        todo!("{max}")
    }
}
