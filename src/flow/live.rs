//! The settings in force, as live parts: what a reload replaces as a whole.

use super::account::Account;
use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::shop::ShopRules;
use crate::plan::route::Route;
use crate::platform;
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
    /// The shop of this stored tag.
    pub fn shop_by_tag(&self, tag: Tag) -> Option<&Arc<Shop>> {
        self.shops.values().find(|s| s.rules.id.tag() == tag)
    }

    /// The channel account of this stored tag.
    pub fn channel_by_tag(&self, tag: Tag) -> Option<&Arc<Account>> {
        self.channels.values().find(|a| a.id.tag() == tag)
    }

    /// The route of this stored tag.
    pub fn route_by_tag(&self, tag: Tag) -> Option<&Route> {
        self.routes.iter().find(|r| r.tag == tag)
    }
}
