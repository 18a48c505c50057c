//! What flow, plan and words need to know of any channel, and what a channel needs to know of a message.

use super::clock::Timestamp;
use super::ids::ChannelId;
use super::person::Address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// Who can be told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The person who ordered.
    Customer,
    /// The shop's people.
    Staff,
}

/// The unit in which a channel counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// UTF-16 code units (LINE).
    Utf16,
    /// Unicode scalar values (Messenger, Slack).
    Chars,
    /// Bytes of UTF-8 (Instagram, Google Chat).
    Bytes,
}

impl Unit {
    /// How long `text` is.
    pub fn count(self, text: &str) -> usize {
        match self {
            Unit::Utf16 => text.encode_utf16().count(),
            Unit::Chars => text.chars().count(),
            Unit::Bytes => text.len(),
        }
    }
}

/// When free words are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowRule {
    /// Always.
    None,
    /// For so many seconds after the person acted; outside it an approved template or nothing.
    Seconds(i64),
}

/// What a person must have done before we may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentRule {
    /// Giving the address with the order is enough: the message is part of the contract.
    WithOrder,
    /// The address itself exists only because the person connected (a messenger's user id): enough for
    /// that order, and for others once the person confirmed.
    Connected,
    /// None is needed: our own staff.
    Staff,
}

/// How fast an account may send.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    /// Messages a second, for the account as a whole, over all pods.
    pub per_second: f64,
    /// How many may go at once after a rest.
    pub burst: u32,
    /// Requests under way at one time in one process.
    pub concurrent: u16,
    /// Least seconds between two messages to one person; 0: no rule.
    pub person_gap_secs: f64,
}

/// What a channel kind can and may do: its platform's policy as data. An account's settings may lower it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capabilities {
    /// Whom it reaches.
    pub audience: Audience,
    /// Scheme of its addresses (`line`, `messenger`, `email`, `phone`); empty for staff channels.
    pub scheme: &'static str,
    /// What consent it needs.
    pub consent: ConsentRule,
    /// When free words are allowed.
    pub window: WindowRule,
    /// Outside the window an approved template may be sent.
    pub template_outside_window: bool,
    /// A person may allow, by a tap, one message by a template they name ([`Form::Grant`]), window or not.
    pub grants: bool,
    /// Longest free text, in `unit`.
    pub text_limit: usize,
    /// Unit of `text_limit`.
    pub unit: Unit,
    /// Buttons with a link, at most.
    pub buttons: u8,
    /// It can show a picture beside the words.
    pub image: bool,
    /// The provider recognises a repeated request by its key for so many seconds after the first: of the forms
    /// that [`Capabilities::keyed`] names.
    pub retry_key_secs: Option<i64>,
    /// It tells what became of a message: `none`, `delivered`, `read`.
    pub receipts: &'static str,
    /// How it shows that somebody wants no more messages.
    pub opt_out: &'static str,
    /// The provider keeps refusals itself and would refuse the next message: only the person lifts one, over there.
    #[serde(skip)]
    pub keeps_refusals: bool,
    /// How somebody gets connected.
    pub binding: &'static str,
    /// Its messages carry a link by which the customer switches them off.
    pub unsubscribe_link: bool,
    /// An inbound event carries a token for a free answer.
    pub reply_token: bool,
    /// Pace.
    pub pace: Pace,
    /// Longest a send may take, connect and answer together. Seconds.
    pub timeout_secs: u32,
}

impl Capabilities {
    /// Whether a message of this form carries the retry key. No reply does; and where free words need a window, the
    /// key is the template's alone (WeChat's `client_msg_id`).
    pub fn keyed(&self, form: Form) -> bool {
        self.retry_key_secs.is_some()
            && match form {
                Form::Reply | Form::Grant => false,
                Form::Template => true,
                Form::Free => self.window == WindowRule::None,
            }
    }
}

/// In which form a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Free words.
    Free,
    /// A template the platform approved.
    Template,
    /// Free words on a reply token.
    Reply,
    /// A template that the person allowed by a tap: each tap one message, used up by it.
    Grant,
}

impl Form {
    /// The word used in ledgers.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Free => "free",
            Form::Template => "template",
            Form::Reply => "reply",
            Form::Grant => "grant",
        }
    }
}

/// A button with a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it does, in words.
    pub label: String,
    /// `https` address.
    pub url: String,
}

/// A button that tells us something when it is tapped: a quick reply, a postback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What it says, in words; at most 20 characters.
    pub label: String,
    /// What comes back as the signal's payload: at most 64 bytes of ASCII (Telegram's `callback_data`).
    pub data: String,
}

/// Words before a channel shapes them. Escaping is the channel's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Which milestone it tells (the leading one).
    pub milestone: String,
    /// Language of the words (`zh-TW`).
    pub locale: String,
    /// First line: what happened to which order.
    pub title: String,
    /// The rest; may be empty.
    pub body: String,
    /// At most as many as the channel takes are shown.
    pub buttons: Vec<Button>,
    /// Buttons that answer: shown where the channel has them. The words must do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// Picture of the first item, `https`.
    pub image: Option<String>,
    /// The shop's id in our settings: for programs that read the message, never for people.
    pub shop_id: String,
    /// The platform's id of the order: for programs, like `shop_id`.
    pub order_id: String,
    /// The order's name as the shop writes it.
    pub order_name: String,
    /// The shop's name in words, where settings give one.
    pub shop_name: Option<String>,
    /// The channel's own section of the words, rendered (`[messenger] utility_template, params`): text,
    /// list or table by key.
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// Our own reference of a message, carried by vendors that give it back in receipts: opaque, without
/// anything about order or person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference(pub String);

/// What a channel is told besides the words.
#[derive(Clone, Debug)]
pub struct Errand<'a> {
    /// To whom; `None` for staff channels.
    pub address: Option<&'a Address>,
    /// In which form.
    pub form: Form,
    /// Fixed for item and address: the retry key, and the seed of a stable Message-ID.
    pub key: Uuid,
    /// Fixed for the order: threads its mails.
    pub thread: Uuid,
    /// Our reference for receipts.
    pub reference: &'a Reference,
    /// The token for a free answer, when `form` is [`Form::Reply`].
    pub reply_token: Option<&'a str>,
    /// Page where the customer switches messages off, where there is one.
    pub unsubscribe_url: Option<&'a str>,
    /// A message of progress only: some platforms can deliver it without a sound.
    pub quiet: bool,
    /// When it is shaped: the `Date` of a mail.
    pub now: Timestamp,
}

/// The vendor's shape of one message, ready to go; the same bytes go again under the same key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// On which channel account.
    pub channel: ChannelId,
    /// In which form.
    pub form: Form,
    /// What the vendor gets: a JSON document, or a whole MIME message.
    pub body: String,
    /// Retry key, for vendors that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// To whom, where the body does not say it (SMTP's envelope).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({}, {:?}, {} bytes)", self.channel, self.form, self.body.len())
    }
}

/// Why words could not be given the vendor's shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeFault {
    /// The form needs a template and the words name none.
    #[error("the words of {milestone} ({locale}) name no template for this channel")]
    NoTemplate {
        /// Milestone.
        milestone: String,
        /// Locale.
        locale: String,
    },
    /// Too long even when cut where it may be cut.
    #[error("{what} has {length}, the channel takes {limit}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Its length in the channel's unit.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A part the channel cannot carry.
    #[error("{0}")]
    Unfit(String),
}
