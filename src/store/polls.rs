//! What providers said of channel accounts when they were asked last, and who asks next: one pod at a time.

use super::Store;
use super::error::StoreError;
use super::link::Repeat;
use super::order::{hex_tag, tag};
use super::script::Call;
use super::value;
use crate::domain::ids::Tag;
use redis::Value;
use std::time::Duration;

impl Store {
    /// Whether this caller is to ask the provider now; nobody else is for `lease`.
    ///
    /// # Errors
    /// The store's. After a time-out it may be taken all the same: it is free again when the lease is over.
    pub async fn take_poll(&self, channel: Tag, lease: Duration) -> Result<bool, StoreError> {
        let call = Call::new("SET").arg(self.keys.poll(&hex_tag(channel))).arg("1").arg("NX");
        let call = call.arg("PX").arg(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
        let mut answers = self.work.flight(&[call], Repeat::Never).await?;
        Ok(answers.pop().is_some_and(|answer| answer != Value::Nil))
    }

    /// Keeps what the provider said; nobody asks again before `rest` is over.
    ///
    /// # Errors
    /// The store's; it is asked again when the lease is over.
    pub async fn polled(&self, channel: Tag, said: &[u8], rest: Duration) -> Result<(), StoreError> {
        let keep = Call::new("HSET").arg(self.keys.polled()).arg(hex_tag(channel)).arg(said);
        let next = Call::new("SET").arg(self.keys.poll(&hex_tag(channel))).arg("1");
        let next = next.arg("PX").arg(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX));
        self.work.flight(&[keep, next], Repeat::Once).await.map(drop)
    }

    /// The provider is asked as soon as anybody looks.
    ///
    /// # Errors
    /// The store's; it is asked when its time comes.
    pub async fn poll_soon(&self, channels: &[Tag]) -> Result<(), StoreError> {
        let call = |c: &Tag| Call::new("DEL").arg(self.keys.poll(&hex_tag(*c)));
        self.work.flight(&channels.iter().map(call).collect::<Vec<_>>(), Repeat::Once).await.map(drop)
    }

    /// What was said of each.
    ///
    /// # Errors
    /// The store's.
    pub async fn polls(&self) -> Result<Vec<(Tag, Vec<u8>)>, StoreError> {
        let answer = self.work.one(Call::new("HGETALL").arg(self.keys.polled())).await?;
        Ok(value::pairs(answer)?.into_iter().filter_map(|(field, said)| Some((tag(&field)?, said))).collect())
    }
}
