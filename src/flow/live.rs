//! The settings in force, as live parts: what a reload replaces as a whole.

use super::account::Account;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use crate::plan::Route;
use crate::platform;
use crate::seal::Seal;
use crate::words::{Condition, Words};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Shops, routes, words and channel accounts.
pub struct Live {
    /// Shops by id.
    pub shops: HashMap<ShopId, Arc<Shop>>,
    /// Routes in file order.
    pub routes: Vec<Route>,
    /// Their conditions, by route tag.
    pub conditions: HashMap<Tag, Condition>,
    /// Words.
    pub words: Arc<Words>,
    /// Channel accounts by id.
    pub channels: BTreeMap<ChannelId, Arc<Account>>,
    /// Makes links by which a recipient switches messages off; `None`: the relay has no public address.
    pub off_links: Option<OffLinks>,
}

/// Makes and reads the links of RFC 8058.
#[derive(Clone)]
pub struct OffLinks {
    /// Public address of this relay.
    pub base: String,
    /// Seals who and where.
    pub seal: Arc<Seal>,
}

/// How long a link in a mail can be used. RFC 8058 asks for long; a mailbox keeps mail for years.
const OFF_SECS: i64 = 400 * 86_400;
/// What its tokens are for: a token of another purpose does not open it.
const OFF: &str = "off";

/// A shop: its rules, and what its platform needs.
pub struct Shop {
    /// Its rules.
    pub rules: ShopRules,
    /// Its platform.
    pub platform: &'static platform::Kind,
    /// What its platform needs.
    pub access: platform::Shop,
}

impl Live {
    /// The shop of this stored tag.
    pub fn shop_by_tag(&self, tag: Tag) -> Option<&Arc<Shop>> {
        self.shops.values().find(|s| s.rules.id.tag() == tag)
    }

    /// The channel account of this stored tag.
    pub fn channel_by_tag(&self, tag: Tag) -> Option<&Arc<Account>> {
        self.channels.values().find(|a| a.id.tag() == tag)
    }

    /// A link by which this person switches messages of this channel off.
    pub fn off_link(&self, channel: &ChannelId, address: &Address, now: Timestamp) -> Option<String> {
        let links = self.off_links.as_ref()?;
        let who = serde_json::to_vec(&(channel, address)).ok()?;
        let token = links.seal.token(OFF, &who, plus_secs(now, OFF_SECS));
        Some(format!("{}/p/{token}", links.base.trim_end_matches('/')))
    }

    /// Who a link belongs to, if it is genuine and not over.
    pub fn off_of(&self, token: &str, now: Timestamp) -> Option<(ChannelId, Address)> {
        let who = self.off_links.as_ref()?.seal.untoken(OFF, token, now).ok()?;
        serde_json::from_slice(&who).ok()
    }

    /// The route of this stored tag.
    pub fn route_by_tag(&self, tag: Tag) -> Option<&Route> {
        self.routes.iter().find(|r| r.tag == tag)
    }
}
