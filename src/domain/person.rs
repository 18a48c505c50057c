//! People on a channel: addresses, consent, windows, and what a callback tells about them.

use super::clock::Timestamp;
use super::consent::ConsentRecord;
use super::decision::Reason;
use super::ids::{ChannelId, ShopId};
use super::people::{Attachment, StaffReply};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where somebody is reached. `Debug` shows the scheme only: addresses stay out of logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// Kind of address (`email`, `phone`, `line`, `messenger`).
    pub scheme: String,
    /// The address, in the scheme's one normal form (E.164 for phones, lower-case domain for e-mail).
    pub value: String,
}

impl Address {
    /// An address whose value is already in normal form.
    pub fn new(scheme: &str, value: impl Into<String>) -> Address {
        Address { scheme: scheme.into(), value: value.into() }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}:…)", self.scheme)
    }
}

/// What is known of a person on one channel account. Advice: read again right before each send.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonFacts {
    /// Switched off at, and not on again since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<Timestamp>,
    /// Said yes at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opted_in: Option<Timestamp>,
    /// Switched off for these shops alone, at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shops_off: BTreeMap<ShopId, Timestamp>,
    /// The shop's people forbid every message on this account, since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barred: Option<Timestamp>,
    /// They forbid it for these shops, since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shops_barred: BTreeMap<ShopId, Timestamp>,
    /// Cannot be reached since, and why (blocked, unknown address); an inbound event clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<(Timestamp, Unreachable)>,
    /// Free words are allowed until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_until: Option<Timestamp>,
    /// A reply token lies ready until (the token itself is taken by `Store::take_reply_token`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_until: Option<Timestamp>,
    /// No further message before (a provider's answer about this person).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped_until: Option<Timestamp>,
    /// Language the messenger told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Messages that they allowed by a tap and that were not sent yet, by the template they named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, usize>,
}

impl PersonFacts {
    /// Who forbids this shop to write to the person: its own people, or the person. `None`: nobody does.
    pub fn forbids(&self, shop: &ShopId) -> Option<Reason> {
        if self.barred.is_some() || self.shops_barred.contains_key(shop) {
            return Some(Reason::OperatorBlocked);
        }
        let off = self.opted_out.is_some() || self.shops_off.contains_key(shop);
        off.then_some(Reason::OptedOut)
    }

    /// They blocked us, or left.
    pub fn blocked(&self) -> bool {
        matches!(self.unreachable, Some((_, Unreachable::Blocked)))
    }
}

/// Why a person cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreachable {
    /// Blocked, unfollowed, left.
    Blocked,
    /// The provider does not know the address.
    Invalid,
}

impl Unreachable {
    /// The reason it gives.
    pub fn reason(self) -> Reason {
        match self {
            Unreachable::Blocked => Reason::RecipientBlocked,
            Unreachable::Invalid => Reason::RecipientInvalid,
        }
    }
}

/// What became of the messages that a person allowed by a tap ([`super::channel::Form::Grant`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// They allowed one more.
    Given,
    /// One was sent.
    Used,
    /// They take all of them back, or the provider says that none is left.
    Gone,
}

/// A change of what is known of a person, dated: older news never overwrites newer.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonChange {
    /// Order updates switched off (`true`) or on (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<bool>,
    /// Unreachable (`Some(Some)`), or reachable again (`Some(None)`).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
    pub unreachable: Option<Option<Unreachable>>,
    /// Window open until; only ever moves forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_until: Option<Timestamp>,
    /// The provider says the window is closed now, whatever we thought.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub window_closed: bool,
    /// A token for one free answer, and until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_token: Option<(String, Timestamp)>,
    /// No further message before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped_until: Option<Timestamp>,
    /// Language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Of messages that the person allowed, by template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, Grant>,
    /// What was said of consent, with its proof. Channels leave it empty: `flow::consent` writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent: Vec<ConsentRecord>,
}

impl PersonChange {
    /// Changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == PersonChange::default()
    }
}

mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    pub(super) fn serialize<T: Serialize, S: Serializer>(v: &Option<Option<T>>, s: S) -> Result<S::Ok, S::Error> {
        v.as_ref().and_then(Option::as_ref).serialize(s)
    }
    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(d).map(Some)
    }
}

/// What one event of a callback told us.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Who, if the event names somebody.
    pub person: Option<Address>,
    /// Unique per event on this channel account: the same event delivered twice has the same key.
    pub dedupe: String,
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
    /// What it was, in one word for the log (`message`, `follow`, `delivered`).
    pub what: &'static str,
    /// What it changes about the person, by the platform's own policy.
    pub change: PersonChange,
    /// It releases messages that wait for this person.
    pub wakes: bool,
    /// What it says about messages sent before.
    pub receipt: Option<Receipt>,
    /// Words the person wrote: opt-out keywords, questions, and what people answer; never logged.
    pub text: Option<String>,
    /// What they sent besides.
    pub attachments: Vec<Attachment>,
    /// Data of a button or of a link's reference (`ref`).
    pub payload: Option<String>,
    /// What it says of the whole account.
    pub account: Option<AccountSignal>,
    /// The person asked the provider to be erased.
    pub erase: bool,
}

impl Signal {
    /// An event of which only this is known yet.
    pub fn new(what: &'static str, person: Option<Address>, dedupe: impl Into<String>, at: Timestamp) -> Signal {
        Signal {
            person,
            dedupe: dedupe.into(),
            at,
            what,
            change: PersonChange::default(),
            wakes: false,
            receipt: None,
            text: None,
            attachments: Vec::new(),
            payload: None,
            account: None,
            erase: false,
        }
    }
}

/// What a callback says of the channel account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSignal {
    /// It may not send any more until somebody acts.
    Stopped(String),
    /// It may send again.
    Resumed,
    /// Nothing stops, but a person must know (a template was paused, the quality falls).
    Notice(String),
}

/// What a provider says of a message it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which message.
    pub of: ReceiptOf,
    /// What became of it.
    pub state: ReceiptState,
}

/// How a receipt names its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptOf {
    /// The provider's id of it.
    ProviderId(String),
    /// Our own reference, carried by the vendor ([`super::channel::Reference`]).
    Ours(String),
    /// The same, of a message that another account of ours sent: where a vendor tells both at one address.
    OursAt(ChannelId, String),
    /// All messages to the signal's person up to this moment.
    UpTo(Timestamp),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// It exists at the provider: settles an `unsure`.
    Accepted,
    /// It arrived.
    Delivered,
    /// It was opened.
    Read,
    /// It did not arrive; the provider's code.
    Undelivered(String),
}

/// What hearing a callback resulted in.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Heard {
    /// Events, each to be applied before the callback is answered.
    pub signals: Vec<Signal>,
    /// What the shop's people said there, each to be accepted before the callback is answered.
    pub replies: Vec<StaffReply>,
    /// Words that must stand in the HTTP answer itself; `None`: a plain 200.
    pub answer: Option<String>,
    /// Parts that could not be read, for the count; the rest counts all the same.
    pub unreadable: u32,
}
