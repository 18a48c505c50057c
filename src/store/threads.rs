//! Which message where the shop's people read belongs to which conversation, and in which thread the next one goes.
//! Keyed hashes and a vendor's number: nothing of the person.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, person};
use super::link::Repeat;
use super::script::Call;
use super::value;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;

/// Kept for as long as a conversation after its last message. ms.
const KEEP_MS: i64 = 90 * 86_400 * 1000;

impl Store {
    fn place(&self, desk: &ChannelId, at: Option<&Address>) -> [u8; 16] {
        let nowhere = Address::new("", "");
        person(&self.seal, desk, at.unwrap_or(&nowhere))
    }

    fn message_of_desk(&self, place: &[u8; 16], id: &str) -> String {
        self.keys.own("thread", &self.seal.hash16("desk-message", &[place, id.as_bytes()]))
    }

    fn thread_of(&self, place: &[u8; 16], member: &Member) -> String {
        self.keys.own("thread", &self.seal.hash16("desk-thread", &[place, member.as_str().as_bytes()]))
    }

    /// A message of these ids told the shop's people something of the conversation: answers to it are found by each,
    /// and the first ever begins the thread.
    ///
    /// # Errors
    /// The store's; saying it again is safe.
    pub async fn put_thread(
        &self,
        desk: &ChannelId,
        at: Option<&Address>,
        ids: &[String],
        member: &Member,
    ) -> Result<(), StoreError> {
        let place = self.place(desk, at);
        let leads = |id: &String| {
            Call::new("SET").arg(self.message_of_desk(&place, id)).arg(member.as_str()).arg("PX").arg(KEEP_MS)
        };
        let mut calls: Vec<Call> = ids.iter().map(leads).collect();
        if let Some(first) = ids.first() {
            let key = self.thread_of(&place, member);
            calls.push(Call::new("SET").arg(&key).arg(first).arg("NX").arg("PX").arg(KEEP_MS));
            calls.push(Call::new("PEXPIRE").arg(&key).arg(KEEP_MS));
        }
        // The message that began the thread is what answers name: it lives as long as the thread.
        if let Some(root) = self.thread(desk, at, member).await? {
            calls.push(leads(&root));
        }
        self.work.flight(&calls, Repeat::Once).await.map(drop)
    }

    /// The message that began the conversation's thread there.
    ///
    /// # Errors
    /// The store's.
    pub async fn thread(
        &self,
        desk: &ChannelId,
        at: Option<&Address>,
        member: &Member,
    ) -> Result<Option<String>, StoreError> {
        let key = self.thread_of(&self.place(desk, at), member);
        let stored = value::bytes(self.work.one(Call::new("GET").arg(key)).await?)?;
        Ok(stored.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// The conversation that a message there told of.
    ///
    /// # Errors
    /// The store's.
    pub async fn told_in(
        &self,
        desk: &ChannelId,
        at: Option<&Address>,
        id: &str,
    ) -> Result<Option<Member>, StoreError> {
        let key = self.message_of_desk(&self.place(desk, at), id);
        let stored = value::bytes(self.accept.one(Call::new("GET").arg(key)).await?)?;
        Ok(stored.and_then(|bytes| Member::parse(std::str::from_utf8(&bytes).ok()?)))
    }
}
