//! What a shop's settings say about its orders.

use super::ids::{ChannelId, ShopId};
use super::people::People;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a shop uses a channel. Who is linked, and what they said, stays whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelUse {
    /// As routes say.
    #[default]
    Active,
    /// Nobody new: only who is linked or said yes is told.
    NoNewOptins,
    /// Nothing goes; messages take the rest of the chain, or wait.
    Paused,
    /// Orders that it tells of already are told to their end; no other begins there.
    Draining,
}

/// A shop's rules, as the pure parts need them.
#[derive(Clone, Debug)]
pub struct ShopRules {
    /// Its id.
    pub id: ShopId,
    /// Its zone: dates in words, quiet hours of people whose zone is unknown.
    pub timezone: TimeZone,
    /// Country for phone numbers of orders that name none, ISO 3166 alpha-2.
    pub country: Option<String>,
    /// Language of last resort.
    pub locale: String,
    /// The shop's own name in words, where it should be said.
    pub name: Option<String>,
    /// Time to pay after the order was made, where the order itself carries no deadline. Seconds.
    pub payment_deadline: Option<i64>,
    /// How long before the payment deadline the reminder goes. Seconds.
    pub payment_reminder: i64,
    /// Paid and not shipped, or shipped and not scanned, for so long counts as late. Seconds.
    pub late_after: Option<i64>,
    /// How long a parcel waits for pickup where the shop tells no date. Seconds.
    pub pickup_days: Option<i64>,
    /// How long before the end of pickup the reminder goes. Seconds.
    pub pickup_reminder: i64,
    /// Only these are told of test orders.
    pub test_recipients: Vec<String>,
    /// Address schemes of identities in orders that the shop itself puts there: the buyer cannot write them.
    pub vouched: Vec<String>,
    /// Channels that this shop uses otherwise than routes say.
    pub channels: BTreeMap<ChannelId, ChannelUse>,
    /// No `status` message in these hours.
    pub quiet: Option<QuietHours>,
    /// Time in which what happens together is gathered. Seconds.
    pub settle: i64,
    /// The same for `shipped` without a tracking number. Seconds.
    pub settle_untracked: i64,
    /// An order first heard of later than this after it was made tells nothing of its past. Seconds.
    pub import_guard: i64,
    /// Signed times older than this plan nothing. Seconds.
    pub max_event_age: i64,
    /// The form by which customers find an order of theirs; `None`: there is none.
    pub track: Option<Track>,
    /// Who reads what the relay does not answer itself; `None`: nobody does.
    pub people: Option<People>,
}

/// The track-your-order form of a shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Sites that may show it in a frame (`https://shop.example.com`).
    pub embed_origins: Vec<String>,
}

/// Hours in which messages of purpose `status` wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// First quiet minute of the day.
    pub from_minute: u16,
    /// First minute that is no longer quiet.
    pub to_minute: u16,
    /// Milestones that wait although their purpose would let them pass.
    pub also: Vec<String>,
    /// Spread of departures after the end. Seconds.
    pub spread: u32,
}

impl ShopRules {
    /// How the shop uses a channel.
    pub fn uses(&self, channel: &ChannelId) -> ChannelUse {
        self.channels.get(channel).copied().unwrap_or_default()
    }

    /// Rules with the documented defaults.
    pub fn plain(id: impl Into<ShopId>) -> ShopRules {
        const DAY: i64 = 86_400;
        ShopRules {
            id: id.into(),
            timezone: TimeZone::UTC,
            country: None,
            locale: "en".into(),
            name: None,
            payment_deadline: None,
            payment_reminder: 6 * 3600,
            late_after: None,
            pickup_days: None,
            pickup_reminder: DAY,
            test_recipients: Vec::new(),
            vouched: Vec::new(),
            channels: BTreeMap::new(),
            quiet: None,
            settle: 20,
            settle_untracked: 90,
            import_guard: 2 * DAY,
            max_event_age: 7 * DAY,
            track: None,
            people: None,
        }
    }
}
