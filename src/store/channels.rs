//! Channel accounts: pauses that all pods see, and the account's pace shared between them.
//!
//! A pause stands in the `ctl` of every partition, so that a worker's script finds it in its own slot.
//! Partition 0 is written last, for pausing as for resuming: what stands there stands everywhere, and a
//! call that broke off in the middle still shows as not done.

use super::Store;
use super::error::StoreError;
use super::keys::PARTITIONS;
use super::link::Repeat;
use super::order::{hex_tag, tag};
use super::script::{Call, PACE, PAUSE, STAND};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::decision::Reason;
use crate::domain::ids::Tag;

/// Partitions, the first one last.
fn all() -> impl Iterator<Item = u8> {
    (1..PARTITIONS).chain([0]).map(|p| u8::try_from(p).unwrap_or_default())
}

impl Store {
    /// Stops a channel until then, in all partitions. A longer pause that is already in force stays.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn pause(&self, channel: Tag, until: Timestamp, reason: Reason) -> Result<(), StoreError> {
        let calls: Vec<Call> = all()
            .map(|p| {
                let call = Call::script(&PAUSE, &[&self.keys.part(p).ctl]);
                call.arg(hex_tag(channel)).arg(until.as_millisecond()).arg(reason as u8)
            })
            .collect();
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
    }

    /// Lets it go again; what is parked comes back at the next ticks.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn resume(&self, channel: Tag) -> Result<(), StoreError> {
        let field = format!("p:{}", hex_tag(channel));
        let calls: Vec<Call> = all().map(|p| Call::new("HDEL").arg(&self.keys.part(p).ctl).arg(&field)).collect();
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
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
        let call = |p| {
            let call = Call::script(&STAND, &[&self.keys.part(p).ctl]).arg(hex_tag(channel));
            call.arg(said.as_millisecond()).arg(&until).arg(reason)
        };
        let calls: Vec<Call> = all().map(call).collect();
        let answers = self.work.flight(&calls, Repeat::Once).await?;
        let words: Vec<String> = answers.into_iter().map(value::text).collect::<Result<_, _>>()?;
        // By partition 0, which is written last.
        Ok(words.last().is_some_and(|word| word == "set"))
    }

    /// Channels that stand now: (channel, until, why).
    ///
    /// # Errors
    /// The store's.
    pub async fn channel_states(&self) -> Result<Vec<(Tag, Timestamp, Reason)>, StoreError> {
        let now = self.server_ms(true).await?;
        let answer = self.work.one(Call::new("HGETALL").arg(&self.keys.part(0).ctl)).await?;
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
}
