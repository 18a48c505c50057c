//! The settings in force, as live parts: what a reload replaces as a whole.

use super::account::Account;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{ChannelId, OrderId, ShopId, Tag};
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

/// How long a link in a message can be used. RFC 8058 asks for long; a mailbox keeps mail for years.
const PAGE_SECS: i64 = 400 * 86_400;
/// What its tokens are for: a token of another purpose does not open it.
const PAGE: &str = "page";
/// The same of links made before there were pages (until November 2026): they know a channel and an address only.
const OFF: &str = "off";

/// Whom a link to a page was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The order; `None`: the link is older than pages, and only switches messages off.
    pub order: Option<(ShopId, OrderId)>,
    /// On which channel it was sent, or the contact was proven.
    pub channel: ChannelId,
    /// To whom.
    pub address: Address,
}

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

    /// The link to an order's page that goes to this person with a message of this channel; `None`: the relay has no
    /// public address.
    pub fn page_link(&self, holder: &Holder, now: Timestamp) -> Option<String> {
        let token = self.page_token(holder, plus_secs(now, PAGE_SECS))?;
        let public_url = self.keyed.as_ref()?.public_url.as_ref()?;
        Some(format!("{}/p/{token}", public_url.trim_end_matches('/')))
    }

    /// The token of such a link, good until then.
    pub fn page_token(&self, holder: &Holder, until: Timestamp) -> Option<String> {
        let (shop, order) = holder.order.as_ref()?;
        let who = serde_json::to_vec(&(shop, order, &holder.channel, &holder.address)).ok()?;
        Some(self.keyed.as_ref()?.seal.token(PAGE, &who, until))
    }

    /// Whom a link was made for, if it is genuine and not over. Whatever else it is, the answer is one and the same.
    pub fn holder_of(&self, token: &str, now: Timestamp) -> Option<Holder> {
        let seal = &self.keyed.as_ref()?.seal;
        if let Ok(who) = seal.untoken(PAGE, token, now) {
            let (shop, order, channel, address) = serde_json::from_slice(&who).ok()?;
            return Some(Holder { order: Some((shop, order)), channel, address });
        }
        let (channel, address) = serde_json::from_slice(&seal.untoken(OFF, token, now).ok()?).ok()?;
        Some(Holder { order: None, channel, address })
    }

    /// The route of this stored tag.
    pub fn route_by_tag(&self, tag: Tag) -> Option<&Route> {
        self.routes.iter().find(|r| r.tag == tag)
    }
}
