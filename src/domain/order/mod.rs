//! What is kept of an order: enough to decide and to write messages, nothing more.
//!
//! Every part merges so that the result does not depend on the order in which webhooks arrive
//! (see [`crate::domain::absorb`]): states are [`History`], single facts are [`Stamped`], lists merge by id.

mod link;
mod parts;

pub use link::{Link, OrderKey};
pub use parts::{
    Edit, Hold, Note, Parcel, ParcelState, PayHow, PaymentState, PickupStore, Refund, Return, ReturnLabel, ReturnState,
    Stage, Tracking, Transaction, TransactionKind,
};

use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::history::History;
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::money::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Version of the stored form of [`Order`]; an unknown newer one is left alone, never rewritten.
pub const ORDER_VERSION: u16 = 1;

/// A fact with the signed time at which it was true: the newer wins, at equal times the larger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped<T> {
    /// When the shop says it was true.
    pub at: Timestamp,
    /// The fact.
    pub value: T,
}

/// All that is kept of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Stored form ([`ORDER_VERSION`]).
    pub version: u16,
    /// Whose order it is.
    pub shop: ShopId,
    /// The platform's id.
    pub id: OrderId,
    /// When orderwire first heard of it.
    pub first_seen: Timestamp,
    /// Identity, people, money; `None` until a webhook carried the order itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Stamped<Head>>,
    /// Payment states seen.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub payment: History<PaymentState>,
    /// Order states seen (not the parcels').
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub stage: History<Stage>,
    /// Why it was cancelled, in the platform's word (`customer`, `fraud`, `timeout` …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// Moved to the bin or deleted, last at; a later snapshot brings it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// How to pay what is still to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<Stamped<PayHow>>,
    /// Convenience stores chosen for pickup; a change is told.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub pickup: History<PickupStore>,
    /// Parcels, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parcels: Vec<Parcel>,
    /// Payments and attempts at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<Transaction>,
    /// Refunds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// Returns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<Return>,
    /// Holds on the fulfilment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Edits the shop wants told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Notes written for the customer; private notes never get here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Who tied a messenger to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Digests of (milestone, subject) already owed or passed over: each is told once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<Digest8>,
}

/// Identity, people, money: what only a webhook with the whole order tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// As the shop writes it (`#1001`): the only name customers ever see.
    pub name: String,
    /// When the customer placed it.
    pub created_at: Timestamp,
    /// Where it came from.
    pub source: Source,
    /// Made for trying out: reaches `test_recipients` only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// What the customer owes or paid in all, after edits, in the currency the customer saw.
    pub total: Option<Money>,
    /// What is still to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<Money>,
    /// How it is paid, in words (`銀行轉帳`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Paid to the carrier at the door or the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cash_on_delivery: bool,
    /// The customer's language as the shop knows it (`zh-TW`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Country of delivery, else of billing, ISO 3166 alpha-2: decides how phone numbers are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Whom to reach.
    #[serde(default)]
    pub contact: Contact,
    /// What was bought, first lines only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Something has to be carried somewhere (not only downloads and gift cards).
    #[serde(default)]
    pub shippable: bool,
    /// Labels of the shop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The shop's own page of this order; holds a key, goes to its customer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// The key that opens it in the shop, as a digest: who shows it may tie a messenger to the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<OrderKey>,
}

/// Where an order was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Source {
    /// The kind of place.
    pub kind: SourceKind,
    /// The platform's own word (`shopify_draft_order`, `store-api`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Code of the physical store, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_code: Option<String>,
    /// Name of the physical store or marketplace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_name: Option<String>,
}

/// The kinds of places orders are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The shop's own web site or app.
    #[default]
    Web,
    /// A till.
    Pos,
    /// Another company's shop (Shopee, Amazon, Facebook).
    Marketplace,
    /// Typed in by staff or made by an interface.
    Staff,
    /// A subscription's renewal.
    Subscription,
}

impl SourceKind {
    /// The word used in routes' conditions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Pos => "pos",
            Self::Marketplace => "marketplace",
            Self::Staff => "staff",
            Self::Subscription => "subscription",
        }
    }
}

/// Ways to reach the customer, as the shop told them: raw, in order of trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Contact {
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// E-mail addresses, most trusted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Phone numbers as typed, most trusted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// Messenger identities found where `[shop.identify]` says: (address scheme, value). They come from
    /// the cart, so they count for this order only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<(String, String)>,
    /// The platform's id of the customer, for joining orders of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
}

/// A bought thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// As the shop calls it, markup removed.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Picture, `https` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Order {
    /// An order of which only the id is known.
    pub fn new(shop: ShopId, id: OrderId, first_seen: Timestamp) -> Order {
        Order {
            version: ORDER_VERSION,
            shop,
            id,
            first_seen,
            head: None,
            payment: History::default(),
            stage: History::default(),
            cancel_reason: None,
            deleted_at: None,
            pay: None,
            pickup: History::default(),
            parcels: Vec::new(),
            transactions: Vec::new(),
            refunds: Vec::new(),
            returns: Vec::new(),
            holds: Vec::new(),
            edits: Vec::new(),
            notes: Vec::new(),
            links: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// Its head's fact, once a webhook carried the order itself.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref().map(|h| &h.value)
    }

    /// Called off, and not taken up again.
    pub fn cancelled(&self) -> bool {
        self.stage.now() == Some(&Stage::Cancelled)
    }

    /// In the bin: nothing more is told about it.
    pub fn deleted(&self) -> bool {
        self.deleted_at.is_some_and(|d| self.head.as_ref().is_none_or(|h| h.at <= d))
    }

    /// First heard of more than `guard_secs` after it was made: what it had reached by then is told to
    /// nobody (first import, mass edits of old orders).
    pub fn imported(&self, guard_secs: i64) -> bool {
        self.head().is_some_and(|h| plus_secs(h.created_at, guard_secs) < self.first_seen)
    }

    /// All the money came, now or once.
    pub fn paid(&self) -> bool {
        self.payment.now().is_some_and(|s| s.was_paid())
    }

    /// Made for trying out.
    pub fn test(&self) -> bool {
        self.head().is_some_and(|h| h.test)
    }

    /// When a hold was lifted, if it was: by its name, or because the shop said later that its group has no
    /// hold left. Ids are `<group>/<hold>`; that saying is kept as a hold `<group>/@<moment>`, never placed.
    pub fn lifted(&self, hold: &Hold) -> Option<Timestamp> {
        let group = hold.id.rsplit_once('/').map(|(group, _)| group);
        let of_all = |h: &&Hold| {
            let (of, name) = h.id.rsplit_once('/').unwrap_or_default();
            h.placed_at.is_none() && Some(of) == group && name.starts_with('@') && h.released_at >= hold.placed_at
        };
        let all = group.and_then(|_| self.holds.iter().filter(of_all).filter_map(|h| h.released_at).min());
        [hold.released_at, all].into_iter().flatten().min()
    }

    /// The parcel with this id.
    pub fn parcel(&self, id: &str) -> Option<&Parcel> {
        self.parcels.iter().find(|p| p.id == id)
    }
}
