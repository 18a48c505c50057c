//! How many messages a person gets on one channel account within a day: a place for each, taken before it goes, shared
//! by all processes and gone by itself.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, person};
use super::script::{Call, DAY};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;

/// A day, milliseconds.
const SPAN_MS: i64 = 86_400_000;

/// A message that is about to go.
#[derive(Clone, Debug)]
pub struct DayAsk {
    /// On which account.
    pub channel: ChannelId,
    /// To whom.
    pub person: Address,
    /// Of which order.
    pub member: Member,
    /// Its leading item: the same message keeps its place however often it is tried.
    pub item: u16,
    /// Places that there are for it.
    pub places: u32,
}

impl Store {
    /// Takes a place for each message; `Some`: there is none, and the next is free then. In one flight; what one server
    /// does not answer spoils nothing of the others'. Taken is taken: what then does not go keeps its place, so more
    /// than the places never go, whoever dies in between.
    pub async fn day_places(&self, asks: &[DayAsk], now: Timestamp) -> Vec<Result<Option<Timestamp>, StoreError>> {
        let call = |ask: &DayAsk| {
            let key = self.keys.own("day", &person(&self.seal, &ask.channel, &ask.person));
            let message = format!("{}#{}", ask.member.as_str(), ask.item);
            Call::script(&DAY, &[key]).arg(message).arg(ask.places).arg(now.as_millisecond()).arg(SPAN_MS)
        };
        let answers = self.work.each(asks.iter().map(call).collect()).await;
        let read = |answer: Result<redis::Value, StoreError>| {
            let free: i64 = value::text(answer?)?.parse().map_err(|_| StoreError::bug("a place that is no time"))?;
            Ok((free > 0).then(|| from_millis(free)))
        };
        answers.into_iter().map(read).collect()
    }
}
