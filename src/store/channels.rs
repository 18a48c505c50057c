//! Channel accounts: pauses that all pods see, and the account's pace shared between them.
//!
//! A pause stands in the `ctl` of every partition, so that a worker's script finds it in its own slot.
//! Partition 0 is written last, for pausing as for resuming: what stands there stands everywhere, and a
//! call that broke off in the middle still shows as not done.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, person};
use super::link::Repeat;
use super::operators::partitions;
use super::order::{hex_tag, tag};
use super::script::{Call, GAP, PACE, PAUSE, STAND};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Tag};
use crate::domain::person::Address;
use std::time::Duration;

/// A message that wants its turn with a person.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// On which account.
    pub channel: &'a ChannelId,
    /// To whom.
    pub person: &'a Address,
    /// Of which order.
    pub member: &'a Member,
    /// Its leading item: whoever had the turn for it has it still.
    pub item: u16,
    /// Between two messages to them.
    pub gap: Duration,
    /// It waits for nobody, and the next one waits for it: an answer.
    pub at_once: bool,
}

impl Store {
    /// Stops a channel until then, in all partitions. A longer pause that is already in force stays.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn pause(&self, channel: Tag, until: Timestamp, reason: Reason) -> Result<(), StoreError> {
        self.first_one_last(|ctl| {
            let call = Call::script(&PAUSE, &[ctl]);
            call.arg(hex_tag(channel)).arg(until.as_millisecond()).arg(reason as u8)
        })
        .await
        .map(|_| ())
    }

    /// Calls for the `ctl` of every partition; what is on several servers is there before the first one's, whose
    /// answer it gives.
    async fn first_one_last(&self, call: impl Fn(&str) -> Call) -> Result<redis::Value, StoreError> {
        let others: Vec<Call> = partitions().skip(1).map(|p| call(&self.keys.part(p).ctl)).collect();
        self.work.flight(&others, Repeat::Once).await?;
        self.work.one(call(&self.keys.part(0).ctl)).await
    }

    /// Lets it go again; what is parked comes back at the next ticks.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn resume(&self, channel: Tag) -> Result<(), StoreError> {
        let field = format!("p:{}", hex_tag(channel));
        self.first_one_last(|ctl| Call::new("HDEL").arg(ctl).arg(&field)).await.map(|_| ())
    }

    /// What the provider said at `said` of its account: it stands still until then and why, or moves again
    /// (`None`). `false`: something newer was said before, and nothing changed.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn stand(
        &self,
        channel: Tag,
        said: Timestamp,
        still: Option<(Timestamp, Reason)>,
    ) -> Result<bool, StoreError> {
        let until = still.map(|(until, _)| until.as_millisecond().to_string()).unwrap_or_default();
        let reason = still.map_or(0, |(_, reason)| reason as u8);
        let call = |ctl: &str| {
            let call = Call::script(&STAND, &[ctl]).arg(hex_tag(channel));
            call.arg(said.as_millisecond()).arg(&until).arg(reason)
        };
        Ok(value::text(self.first_one_last(call).await?)? == "set")
    }

    /// Channels that stand now: (channel, until, why).
    ///
    /// # Errors
    /// The store's.
    pub async fn channel_states(&self) -> Result<Vec<(Tag, Timestamp, Reason)>, StoreError> {
        let ctl = &self.keys.part(0).ctl;
        let now = self.server_ms(true, ctl).await?;
        let answer = self.work.one(Call::new("HGETALL").arg(ctl)).await?;
        let mut out = Vec::new();
        for (field, stored) in value::pairs(answer)? {
            let Some(channel) = field.strip_prefix(b"p:").and_then(tag) else { continue };
            let text = String::from_utf8_lossy(&stored);
            let Some((ms, reason)) = text.split_once(':') else { continue };
            let (Ok(ms), Ok(code)) = (ms.parse::<i64>(), reason.parse()) else { continue };
            if ms > now {
                // A newer binary's reason still stops the channel here.
                let reason = Reason::from_code(code).unwrap_or(Reason::ChannelPaused);
                out.push((channel, from_millis(ms), reason));
            }
        }
        out.sort();
        Ok(out)
    }

    /// How many of `want` messages this process may send in the next second, out of the account's
    /// `per_second` over all processes. By the server's clock.
    ///
    /// # Errors
    /// The store's; the slice is then lost, never granted twice.
    pub async fn pace_slice(&self, channel: Tag, want: u32, per_second: f64) -> Result<u32, StoreError> {
        if want == 0 || !per_second.is_finite() || per_second <= 0.0 {
            return Ok(0);
        }
        // One message a day is the slowest pace anybody means.
        let gap = (1_000_000.0 / per_second).clamp(1.0, 86_400e6).round();
        let call = Call::script(&PACE, &[self.keys.own_hex("rl", &hex_tag(channel))]).arg(want).arg(gap);
        let mut answers = self.work.flight(&[call], Repeat::Never).await?;
        let granted = value::int(answers.pop().unwrap_or_default())?;
        Ok(u32::try_from(granted).unwrap_or(0))
    }

    /// Takes each message's turn with its person at `now`; `None` where it may go, else the moment of the next turn.
    ///
    /// # Errors
    /// The store's; asked again, whoever had a turn has it still.
    pub async fn turns(&self, turns: &[Turn<'_>], now: Timestamp) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let ask = |turn: &Turn<'_>| {
            let call = Call::script(&GAP, &[self.keys.own("gap", &person(&self.seal, turn.channel, turn.person))]);
            let ms = u64::try_from(turn.gap.as_millis()).unwrap_or(u64::MAX).clamp(1, 86_400_000);
            call.arg(format!("{}#{}", turn.member.as_str(), turn.item))
                .arg(now.as_millisecond())
                .arg(ms)
                .arg(u8::from(turn.at_once))
        };
        let calls: Vec<Call> = turns.iter().map(ask).collect();
        let read = |answer| Ok(Some(value::int(answer)?).filter(|ms| *ms > 0).map(from_millis));
        self.work.flight(&calls, Repeat::Once).await?.into_iter().map(read).collect()
    }
}
