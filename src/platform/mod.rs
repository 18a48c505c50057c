//! **platform** — floor 1: one file per shop system.
//!
//! Knows: a shop system's signature, ping, dedupe key, topics, order JSON → `OrderEvent`; its API client.
//! Must not know: the web framework, Redis, milestones, channels, rules.
//! May use: domain
//! How to add one: `src/platform/acme.rs` (`admit`, `normalise`, its API, `KIND`), then `mod acme;` and
//! `&acme::KIND,` below, then `tests/golden/platform/acme/<case>/`.

pub mod api;
mod meta;
pub mod settings;
mod shopify;
mod woocommerce;

use crate::domain::event::{JoinKey, OrderEvent, Told};
use crate::domain::ids::{OrderId, ShopId};
use crate::domain::settings::Secret;
use crate::domain::webhook::{Admission, RawWebhook};
use api::{Answering, Changed, Finding, Inspection, Since, WriteBack, Writing};
use std::collections::BTreeMap;

/// A question under way; `None`: the shop knows no such thing.
pub type Asking = Answering<Option<OrderEvent>>;

/// A kind of shop system. Plain data and functions; the list is [`ALL`].
pub struct Kind {
    /// The word in `[[shop]] platform` and in the webhook's address.
    pub name: &'static str,
    /// Longest body taken, in bytes.
    pub max_body: usize,
    /// A 503 makes the sender repeat the delivery; where not, an undelivered webhook is lost to it.
    pub repeats: bool,
    /// A documented `[[shop]]` table for `orderwire example`.
    pub example: &'static str,
    /// Is it genuine? Over the raw bytes; nothing is parsed before the signature holds.
    pub admit: fn(&Shop, &RawWebhook) -> Admission,
    /// What a genuine webhook told. Total: any bytes give an answer, none a panic.
    pub normalise: fn(&Shop, &RawWebhook) -> Told,
    /// Asks the shop for what a webhook only pointed at.
    pub ask: fn(&Shop, &reqwest::Client, Question) -> Asking,
    /// Tells the shop's people what became of an order's messages.
    pub write: fn(&Shop, &reqwest::Client, Writing) -> Answering<()>,
    /// The ways in which it can be told.
    pub writes: &'static [WriteBack],
    /// A page of the orders that changed.
    pub changed: fn(&Shop, &reqwest::Client, Since) -> Answering<Changed>,
    /// Looks after the shop's side of the relay: subscriptions, rights, clocks.
    pub inspect: fn(&Shop, &reqwest::Client, Inspection) -> Answering<Vec<Finding>>,
    /// Milestones of which the shop system itself mails the customer, unless the shop switched that off.
    pub mails_itself: &'static [&'static str],
}

/// A configured shop, as its platform needs it.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Its id.
    pub id: ShopId,
    /// Live secrets, the newest first; at most four.
    pub secrets: Vec<Secret>,
    /// Domain of the shop at its platform (`demo.myshopify.com`, `shop.example.com`), where configured:
    /// headers and links in bodies must agree with it.
    pub domain: Option<String>,
    /// Custom statuses → what they mean here (a milestone's id), lower case.
    pub statuses: BTreeMap<String, String>,
    /// Address scheme → names of order attributes or meta keys that carry such an address.
    pub identify: BTreeMap<String, Vec<String>>,
    /// Its API, where configured.
    pub api: Option<Api>,
    /// Time to pay after the order was made, where the order carries no deadline. Seconds.
    pub payment_deadline: Option<i64>,
}

/// Access to a shop's API.
#[derive(Clone, Debug)]
pub struct Api {
    /// Base address (`https://shop.example.com`).
    pub url: String,
    /// WooCommerce: consumer key. Shopify: unused.
    pub key: Option<Secret>,
    /// WooCommerce: consumer secret. Shopify: Admin API access token.
    pub secret: Secret,
    /// It lies on a network of our own.
    pub private: bool,
    /// Whether and how the shop's people see what became of messages.
    pub write_back: WriteBack,
    /// How often it is asked what changed, seconds; `None`: never.
    pub poll: Option<i64>,
    /// A change is left to its webhook for so long, seconds.
    pub grace: i64,
}

impl Api {
    /// At this address with this secret; everything else as settings have it where they say nothing.
    pub fn new(url: impl Into<String>, key: Option<Secret>, secret: Secret) -> Api {
        let url = url.into();
        Api { url, key, secret, private: false, write_back: WriteBack::Off, poll: None, grace: GRACE_SECS }
    }
}

/// Left out in settings: Shopify's first repeats and a WordPress cron that runs every minute are over by then.
const GRACE_SECS: i64 = 300;

/// What is asked of a shop's API.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// The order as it is now.
    Order(OrderId),
    /// The order a thing belongs to, as it is now; the event that pointed at it is folded in after it.
    OrderOf(JoinKey),
}

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// Try again later (network, 5xx, 429 with seconds).
    #[error("the shop's API did not answer: {0}")]
    Later(String, Option<u64>),
    /// It will not answer (credentials, permissions, no such thing).
    #[error("the shop's API refused: {0}")]
    Refused(String),
}

/// Every kind.
pub static ALL: &[&Kind] = &[&shopify::KIND, &woocommerce::KIND];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|k| k.name == name)
}
