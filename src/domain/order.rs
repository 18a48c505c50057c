//! What is kept of an order: enough to decide and to write messages, nothing more.
//!
//! Every part merges so that the result does not depend on the order in which webhooks arrive
//! (see [`super::absorb`]): states are [`History`], single facts are [`Stamped`], lists merge by id.

use super::clock::{Timestamp, plus_secs};
use super::history::History;
use super::ids::{Digest8, OrderId, ShopId};
use super::money::Money;
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

/// States of payment; their order decides at equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Waiting for the customer.
    Pending,
    /// Refused by the payment service; the customer may try again.
    Failed,
    /// The deadline passed.
    Expired,
    /// Promised, not taken.
    Authorized,
    /// Part of it came.
    PartiallyPaid,
    /// All of it came.
    Paid,
    /// Part of it went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
    /// Given up without money moving.
    Voided,
}

impl PaymentState {
    /// Money came, wholly: also true of what was refunded afterwards.
    pub fn was_paid(self) -> bool {
        matches!(self, Self::Paid | Self::PartiallyRefunded | Self::Refunded)
    }
}

/// States of an order as such; their order decides at equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Made.
    Placed,
    /// Accepted by the shop.
    Confirmed,
    /// Stopped for now.
    OnHold,
    /// Being picked and packed.
    Preparing,
    /// Done.
    Completed,
    /// Called off.
    Cancelled,
    /// All money returned.
    Refunded,
}

/// How and until when to pay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct PayHow {
    /// Last moment to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Page to pay on; holds a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Bank code of a virtual account (Taiwan ATM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_code: Option<String>,
    /// Virtual account number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Payment code for a convenience store's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_code: Option<String>,
    /// Three-part barcode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barcodes: Vec<String>,
}

/// A store where a parcel waits (7-ELEVEN, FamilyMart …).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct PickupStore {
    /// The chain's number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name without address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Street address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The chain, in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

/// States of a parcel; their order is the rank: nothing lower is told after something higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParcelState {
    /// A label exists; nothing has left.
    Labelled,
    /// The shop says it left.
    Shipped,
    /// The carrier moves it.
    InTransit,
    /// The carrier says it comes later.
    Delayed,
    /// On the last van.
    OutForDelivery,
    /// Nobody was there.
    Attempted,
    /// Waits in a store or locker.
    ReadyForPickup,
    /// Could not be delivered; goes back.
    Failed,
    /// Fetched by the customer.
    PickedUp,
    /// Arrived.
    Delivered,
    /// The shop took it back before it left.
    Cancelled,
}

/// A tracking number, with the moment the shop first told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tracking {
    /// Signed time of the first webhook that carried it.
    pub at: Timestamp,
    /// The carrier's number.
    pub number: String,
    /// Carrier in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Page to follow it on, `https` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a carrier carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The platform's id (a Shopify fulfilment's; `1`, `2` … by position on WooCommerce).
    pub id: String,
    /// States seen.
    #[serde(default)]
    pub state: History<ParcelState>,
    /// Tracking numbers, oldest first; the last is the one in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<Tracking>,
    /// Expected arrival, as the carrier says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Stamped<Timestamp>>,
    /// Last day for pickup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_until: Option<Stamped<Timestamp>>,
    /// Only part of the order is in it, as far as the shop said when it was first told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Stamped<bool>>,
    /// Somebody ever said so, whenever: unlike `partial` it never turns back, so what is *reached* may be
    /// read from it whatever the order of arrival.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
    /// Nothing to carry: a download, a gift card.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digital: bool,
}

impl Parcel {
    /// A parcel of which nothing is known yet.
    pub fn new(id: impl Into<String>) -> Parcel {
        Parcel {
            id: id.into(),
            state: History::default(),
            tracking: Vec::new(),
            eta: None,
            pickup_until: None,
            partial: None,
            partly: false,
            digital: false,
        }
    }
}

/// What kind of money movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    /// A promise.
    Authorization,
    /// Money taken (`sale`, `capture`).
    Capture,
    /// Money returned.
    Refund,
    /// A promise given back.
    Void,
}

/// A payment or an attempt at one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The platform's id.
    pub id: String,
    /// What it does.
    pub kind: TransactionKind,
    /// Whether it worked; the last word wins.
    pub ok: bool,
    /// When.
    pub at: Timestamp,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The platform's id.
    pub id: String,
    /// When it was made, as far as known.
    pub at: Timestamp,
    /// Sum of what really went back; `None` or zero: only stock moved, nothing is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// States of a return; their order decides at equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// The customer asked.
    Requested,
    /// The shop said yes.
    Open,
    /// The shop said no.
    Declined,
    /// Taken back by customer or shop.
    Cancelled,
    /// Finished.
    Closed,
    /// Taken up again after it was finished.
    Reopened,
}

/// A return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// The platform's id.
    pub id: String,
    /// As the shop writes it (`#1001-R1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// States seen.
    #[serde(default)]
    pub state: History<ReturnState>,
    /// The shop's words for the customer when it declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_note: Option<String>,
    /// Label to print, with its tracking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Stamped<ReturnLabel>>,
}

/// How to send a thing back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct ReturnLabel {
    /// File to print, `https` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Carrier in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// A stop put on the fulfilment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The platform's id.
    pub id: String,
    /// When it was put on, if that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    /// When it was lifted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Why, in the platform's word; never shown as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A hold that is none of the customer's business (fraud check, upsell page).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// A change of the order's contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The platform's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The shop ticked "notify the customer".
    pub notify: bool,
}

/// A note of the shop to the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Digest of its text: the same note is told once.
    pub id: String,
    /// Plain text, markup removed.
    pub text: String,
    /// When it was heard.
    pub at: Timestamp,
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
