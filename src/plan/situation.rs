//! Everything `decide` is told: today's facts, as values and look-ups without I/O.

use super::route::Route;
use crate::domain::channel::Capabilities;
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::milestone::{Milestone, Reached};
use crate::domain::order::Order;
use crate::domain::owed::Owed;
use crate::domain::person::{Address, PersonFacts};
use crate::domain::shop::ShopRules;

/// A look-up by channel.
type OfChannel<'a, T> = &'a dyn Fn(&ChannelId) -> T;

/// Today's facts about one order and everybody it concerns.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// When.
    pub now: Timestamp,
    /// The shop's rules.
    pub rules: &'a ShopRules,
    /// The order as kept now.
    pub order: &'a Order,
    /// All its items, in any state.
    pub items: &'a [Owed],
    /// Routes as set now.
    pub routes: &'a [Route],
    /// Milestones there are.
    pub milestones: &'a [&'static Milestone],
    /// A channel account as it stands; `None`: no longer configured.
    pub channels: OfChannel<'a, Option<ChannelView<'a>>>,
    /// What is known of a person on a channel.
    pub people: &'a dyn Fn(&ChannelId, &Address) -> PersonFacts,
    /// A raw address of the channel's scheme in normal form; `None`: it cannot be one.
    pub address: &'a dyn Fn(&ChannelId, &str) -> Option<Address>,
    /// People who linked this order (or, confirmed, all their orders) to the channel, in normal form, the
    /// newest first. They come before what the order itself carries.
    pub linked: OfChannel<'a, Vec<Address>>,
    /// The digest of an address as stored in `Owed::address`.
    pub digest: &'a dyn Fn(&Address) -> u32,
    /// The route's condition for this message. An error counts as "no": what cannot be read is not sent.
    pub condition: &'a dyn Fn(&Route, &Milestone, &Reached) -> Result<bool, String>,
    /// Whether the words name an approved template of this milestone for the channel.
    pub templates: &'a dyn Fn(&ChannelId, &str) -> bool,
    /// The provider stopped that template (paused, rejected, of another category) until it says otherwise.
    pub stopped: &'a dyn Fn(&ChannelId, &str) -> bool,
    /// The template that the words of this milestone name for a message that a person allowed by a tap.
    pub granted: &'a dyn Fn(&ChannelId, &str) -> Option<String>,
    /// The order is muted on the channel.
    pub muted: OfChannel<'a, bool>,
}

/// A channel account as it stands.
#[derive(Clone, Copy, Debug)]
pub struct ChannelView<'a> {
    /// What it can and may do.
    pub caps: &'a Capabilities,
    /// It stands still until then, and why: `ChannelPaused`, `BreakerOpen`, or `QuotaSpent` (until the quota
    /// is new; replies on a token still go).
    pub paused: Option<(Timestamp, Reason)>,
    /// The quota is down to its reserve: only formal and attention are pushed.
    pub reserve: bool,
    /// The account's (or this person's) pace is at its limit: the next free slot.
    pub slot_at: Option<Timestamp>,
}

impl<'a> ChannelView<'a> {
    /// An account in good order.
    pub fn open(caps: &'a Capabilities) -> ChannelView<'a> {
        ChannelView { caps, paused: None, reserve: false, slot_at: None }
    }
}
