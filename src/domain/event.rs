//! What a webhook told us about an order.

use super::clock::Timestamp;
use super::ids::OrderId;
use super::order::{
    Contact, Edit, Head, Hold, Link, Note, Order, ParcelState, PayHow, PaymentState, PickupStore, Refund, ReturnLabel,
    ReturnState, Stage, Tracking, Transaction,
};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Which order an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// The webhook carried the order's id.
    Order(OrderId),
    /// It carried only another thing's id (a fulfilment order, a return): to be joined.
    Join(JoinKey),
}

/// The id of a thing that belongs to an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JoinKey {
    /// What kind of thing (`fulfillment_order`, `return`, `fulfillment`).
    pub kind: String,
    /// The platform's id of it, without decoration (the number of a `gid://`).
    pub id: String,
}

impl JoinKey {
    /// The things that are known to belong to this order, of every kind they may be: a hold's group is what the
    /// warehouse works on.
    pub fn all_of(order: &Order) -> Vec<JoinKey> {
        let parcels = order.parcels.iter().map(|p| ("fulfillment", p.id.as_str()));
        let returns = order.returns.iter().map(|r| ("return", r.id.as_str()));
        let groups = order.holds.iter().filter_map(|h| h.id.rsplit_once('/'));
        let works = groups.map(|(group, _)| ("fulfillment_order", group));
        let mut keys: Vec<_> = parcels.chain(returns).chain(works).collect();
        keys.sort_unstable();
        keys.dedup();
        let keys = keys.into_iter().map(|(kind, id)| JoinKey { kind: kind.into(), id: id.into() });
        let number = order.head().and_then(|h| JoinKey::number(&h.name, &order.id));
        keys.chain(number).collect()
    }

    /// The number by which a customer calls the order, as they may type it; `None`: it is the platform's id itself, by
    /// which the order is found anyway.
    pub fn number(name: &str, order: &OrderId) -> Option<JoinKey> {
        let id = number(name);
        (!id.is_empty() && id != number(order.as_str())).then(|| JoinKey { kind: "number".into(), id })
    }
}

/// An order's number without what people leave out or add: `#1001`, `＃1001` and `1001` are one.
pub fn number(typed: &str) -> String {
    typed.nfkc().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
}

/// What a shop's platform asks about people's data, or tells of the relay's own place in the shop. The widest
/// effects a webhook can have: each must be plain from the signed body itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Erase what is kept of a customer.
    EraseCustomer {
        /// Who: id, e-mail, phone, as far as told.
        person: Contact,
        /// Orders that the platform names; whatever else is theirs goes too.
        orders: Vec<OrderId>,
    },
    /// Erase everything of the shop.
    EraseShop,
    /// Hand out what is kept of a customer.
    HandOut {
        /// Who.
        person: Contact,
        /// Orders that the platform names.
        orders: Vec<OrderId>,
    },
    /// Two of the shop's customers are one from now on.
    Merged {
        /// The platform's id of the customer who stays.
        kept: String,
        /// Of the one who is gone.
        gone: String,
    },
    /// The app was removed from the shop: nothing more is told.
    Left,
}

/// One webhook's meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// The order.
    pub about: About,
    /// When the shop says this was true: the body's own time where it has one, else when it was received.
    pub at: Timestamp,
    /// The time stands in the signed body. An event without one can not be told from its own replay, so
    /// its content is not used as a dedupe key.
    pub dated: bool,
    /// What it told.
    pub patch: Patch,
    /// Ids of things that belong to this order, for later joins.
    #[serde(default)]
    pub joins: Vec<JoinKey>,
    /// The event says that something changed but not what (`order_status_changed` with an id): the order
    /// must be asked for where the shop's API is configured.
    #[serde(default)]
    pub refetch: bool,
    /// What it was, in the platform's word, for the ledger (`orders/paid`).
    pub topic: String,
}

/// What is to be done with a webhook that was genuine.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It told something about orders.
    Events(Vec<OrderEvent>),
    /// It asks about people's data, or tells that the shop left.
    Notice(Notice),
    /// Genuine and none of our business (a draft cart, a product, an unknown topic); the word says which.
    NoInterest(&'static str),
    /// A connectivity check (Shopify's sample notification): recorded, never told to anybody.
    Check(&'static str),
    /// The shop reports its own fault in a signed body (WooCommerce's error objects): counted, alerted.
    ShopFault(String),
    /// Genuine, of a topic we know, and not readable: kept for a person.
    Unreadable(String),
}

impl Told {
    /// There is something in it that must be kept before the shop is answered.
    pub fn is_kept(&self) -> bool {
        matches!(self, Told::Events(_) | Told::Notice(_) | Told::Unreadable(_))
    }
}

/// A partial order: what one webhook knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct Patch {
    /// The order itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Box<Head>>,
    /// Payment states, each with its own time where the body dates it (else the event's).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payment: Vec<(PaymentState, Option<Timestamp>)>,
    /// Order states, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<(Stage, Option<Timestamp>)>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// It was deleted or moved to the bin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// How to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<PayHow>,
    /// Where it waits for pickup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup: Option<PickupStore>,
    /// Parcels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parcels: Vec<ParcelPatch>,
    /// Payments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<Transaction>,
    /// Refunds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// Returns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<ReturnPatch>,
    /// Holds put on or lifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Edits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Notes for the customer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Messengers tied to it, or let go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// What one webhook knows of a parcel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct ParcelPatch {
    /// Its id.
    pub id: String,
    /// States, each with its own time where the body dates it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<(ParcelState, Option<Timestamp>)>,
    /// Tracking numbers carried (their `at` is the event's time).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<Tracking>,
    /// Expected arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Timestamp>,
    /// Last day for pickup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_until: Option<Timestamp>,
    /// Holds only a part of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// Nothing to carry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digital: bool,
}

/// What one webhook knows of a return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct ReturnPatch {
    /// Its id.
    pub id: String,
    /// As the shop writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// States, each with its own time where the body dates it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<(ReturnState, Option<Timestamp>)>,
    /// The shop's words when it declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_note: Option<String>,
    /// A label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<ReturnLabel>,
}
