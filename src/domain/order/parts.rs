//! The parts of an order: states, parcels, payments, refunds, returns, holds, notes.

use super::Stamped;
use crate::domain::clock::Timestamp;
use crate::domain::history::History;
use crate::domain::money::Money;
use serde::{Deserialize, Serialize};

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
