//! The settings in force, as live parts: what a reload replaces as a whole.

use super::account::Account;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::keeper::Keeper;
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use crate::plan::Route;
use crate::platform;
use crate::seal::Seal;
use crate::store::Store;
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
    /// What hangs on the relay's keys; set once they are open, kept over reloads.
    pub keyed: Option<Keyed>,
}

/// What hangs on the relay's keys.
#[derive(Clone)]
pub struct Keyed {
    /// Seals links, digests addresses.
    pub seal: Arc<Seal>,
    /// Public address of this relay; `None`: it makes no links.
    pub public_url: Option<String>,
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
    /// Tells every channel account where it keeps what must outlive this process.
    pub fn keep_in(&self, store: &Arc<Store>) {
        let keeper: Arc<dyn Keeper> = Arc::<Store>::clone(store);
        self.channels.values().for_each(|account| account.channel.kept_by(&keeper));
    }

    /// The shop of this stored tag.
    pub fn shop_by_tag(&self, tag: Tag) -> Option<&Arc<Shop>> {
        self.shops.values().find(|s| s.rules.id.tag() == tag)
    }

    /// The channel account of this stored tag.
    pub fn channel_by_tag(&self, tag: Tag) -> Option<&Arc<Account>> {
        self.channels.values().find(|a| a.id.tag() == tag)
    }

    /// An address as it stands in an owed item: keyed, because a phone number's plain hash is soon guessed.
    pub fn digest(&self, address: &Address) -> u32 {
        let parts = [address.scheme.as_bytes(), address.value.as_bytes()];
        let hash = self.keyed.as_ref().map(|k| k.seal.hash16("address", &parts)).unwrap_or_default();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// A link by which this person switches messages of this channel off.
    pub fn off_link(&self, channel: &ChannelId, address: &Address, now: Timestamp) -> Option<String> {
        let Keyed { seal, public_url } = self.keyed.as_ref()?;
        let who = serde_json::to_vec(&(channel, address)).ok()?;
        let token = seal.token(OFF, &who, plus_secs(now, OFF_SECS));
        Some(format!("{}/p/{token}", public_url.as_ref()?.trim_end_matches('/')))
    }

    /// Who a link belongs to, if it is genuine and not over.
    pub fn off_of(&self, token: &str, now: Timestamp) -> Option<(ChannelId, Address)> {
        let who = self.keyed.as_ref()?.seal.untoken(OFF, token, now).ok()?;
        serde_json::from_slice(&who).ok()
    }

    /// The route of this stored tag.
    pub fn route_by_tag(&self, tag: Tag) -> Option<&Route> {
        self.routes.iter().find(|r| r.tag == tag)
    }
}
