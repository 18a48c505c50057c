//! **channel** — floor 1: one file per messenger.
//!
//! Knows: a messenger's settings, message → its wire shape, send call, what each answer means, its
//! callbacks' signature and content, its platform's policy as data.
//! Must not know: Redis, the web framework, where orders come from, routes, other channels.
//! May use: domain
//! How to add one: `src/channel/acme.rs` (module doc with the vendor's documents and the date read,
//! `Settings`, `capabilities`, `shape`, `send`, `judge`, `admit`, `hear`, `KIND`), then `mod acme;` and
//! `&acme::KIND,` below, then `tests/golden/channel/acme/<case>/`. Everything else is free of charge.

mod account;
mod ask;
mod discord;
mod email;
mod google_chat;
mod hook;
mod instagram;
mod line;
mod line_api;
mod line_pnp;
mod media;
mod messenger;
mod meta;
mod setup;
mod slack;
mod sms;
mod sms_mitake;
mod sms_twilio;
mod teams;
mod telegram;
mod text;
mod twilio;
mod viber;
mod webhook;
mod wechat;
mod whatsapp;
mod whatsapp_rules;
mod whatsapp_twilio;
mod wire;
mod zalo;

pub use ask::{Finding, Goes, Question, State, Wanted};
pub use setup::{Item, Menu, Piece, Stands, Wish};
pub use wire::{Guarded, LastLook, Lookup, install_tls, outgoing, watched};

use crate::domain::channel::{Capabilities, Envelope, Errand, Message, ShapeFault};
use crate::domain::ids::ChannelId;
use crate::domain::keeper::Keeper;
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard};
use crate::domain::settings::Mistake;
use crate::domain::verdict::{Answer, Verdict};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A live account, or every mistake in its settings.
pub type Opened = Result<Box<dyn Channel>, Vec<Mistake>>;

/// A kind of channel. Plain data and functions; the list is [`ALL`].
pub struct Kind {
    /// The word in `[[channel]] kind`.
    pub name: &'static str,
    /// A documented `[[channel]]` table for `orderwire example`, commented out.
    pub example: &'static str,
    /// JSON Schema of its settings.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// What an account can do where no setting lowers it: the table of `orderwire channels`.
    pub capabilities: fn() -> Capabilities,
    /// Settings (secrets resolved) → a live account, or every mistake in them.
    pub open: fn(ChannelId, Value) -> Opened,
    /// What an answer of the vendor means: pure, so that every documented answer is a golden test.
    pub judge: fn(&Answer) -> Verdict,
}

/// Kinds whose words stand in a section that they share with others; the rest have one of their own name.
const SHARED_SECTIONS: &[(&str, &str)] =
    &[("sms_twilio", "sms"), ("sms_mitake", "sms"), ("whatsapp_twilio", "whatsapp")];

impl Kind {
    /// The section of its words in template files.
    pub fn section(&self) -> &'static str {
        SHARED_SECTIONS.iter().find(|(kind, _)| *kind == self.name).map_or(self.name, |(_, section)| section)
    }
}

/// Every section that template files may have.
pub fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = ALL.iter().map(|k| k.section()).collect();
    sections.dedup();
    sections
}

/// A configured account of a kind.
pub trait Channel: Send + Sync {
    /// What it can and may do, lowered by its settings where they say so.
    fn capabilities(&self) -> &Capabilities;

    /// Whether the words' section for this kind names what a [`crate::domain::channel::Form::Template`]
    /// needs.
    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        let _ = section;
        false
    }

    /// The vendor's id of the template that the section names for a message that the person allowed by a tap
    /// ([`crate::domain::channel::Form::Grant`]): their taps are counted by it.
    fn granted_template(&self, section: &BTreeMap<String, Value>) -> Option<String> {
        let _ = section;
        None
    }

    /// A raw address of its scheme in normal form; `None`: it cannot be one.
    fn address(&self, raw: &str) -> Option<Address>;

    /// Words → the vendor's shape.
    ///
    /// # Errors
    /// What does not fit, by name; never cut silently where meaning would be lost.
    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault>;

    /// Hands the envelope over, once. Never longer than the capabilities' time-out.
    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict>;

    /// Where the shop's people read, as settings name it, in normal form: where an account reaches customers too.
    fn desk(&self, raw: &str) -> Option<Address> {
        self.address(raw)
    }

    /// Whether the shop's people can answer there, and the account hears it.
    fn hears_people(&self) -> bool {
        false
    }

    /// Words for the shop's people → the vendor's shape, in the thread that an earlier message of the same
    /// conversation began, where the vendor has threads.
    ///
    /// # Errors
    /// As [`Channel::shape`].
    fn shape_in(&self, thread: Option<&str>, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let _ = thread;
        self.shape(message, errand)
    }

    /// How long after a customer's last message the platform lets people, and nobody else, answer. Seconds; `None`:
    /// no longer than anybody.
    fn people_secs(&self) -> Option<i64> {
        None
    }

    /// A person's words → the vendor's shape.
    ///
    /// # Errors
    /// As [`Channel::shape`].
    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        self.shape(&media::in_words(reply), errand)
    }

    /// Something a customer sent besides words, from the vendor: asked for by a person, never kept.
    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        let _ = file;
        Box::pin(async { Err(FetchFault::NotOffered) })
    }

    /// Is this callback genuine? Over the raw bytes, before any of them is read.
    fn admit(&self, raw: &RawWebhook) -> Admission {
        let _ = raw;
        Admission::Refuse(Refusal::Unsigned)
    }

    /// What an admitted callback told.
    fn hear(&self, raw: &RawWebhook) -> Heard {
        let _ = raw;
        Heard::default()
    }

    /// Told once, before anything is sent or heard: the public address of this account's callbacks, where settings
    /// name one. For vendors that are told it with each message, or sign it; what is wrong with it is a mistake.
    fn called_back_at(&mut self, url: Option<&str>) -> Vec<Mistake> {
        let _ = url;
        Vec::new()
    }

    /// Told before anything is sent, and again whenever settings are read anew: where it keeps what must outlive this
    /// process and be the same in all of them.
    fn kept_by(&self, keeper: &Arc<dyn Keeper>) {
        let _ = keeper;
    }

    /// Content type of the words in a callback's answer ([`Heard::answer`]).
    fn answers_as(&self) -> &'static str {
        "application/json"
    }

    /// How long a shaped message is in the vendor's own measure, for people; `None`: the capabilities' unit says it.
    fn measure(&self, envelope: &Envelope) -> Option<String> {
        let _ = envelope;
        None
    }

    /// What the vendor says of credentials, callback and templates, by calls that read: nothing is sent and nothing is
    /// changed. What it offers no such call for is [`State::NotAsked`].
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        let _ = question;
        Box::pin(async { vec![Finding::not_asked("account", "cannot be asked without sending")] })
    }

    /// Makes an address by which a chat begins that brings this code, where the vendor makes one for each; it is good for
    /// so many seconds. `None` of the outer: addresses are plain, and settings have one; of the inner: none was made.
    fn begins<'a>(&'a self, code: &'a str, secs: i64) -> Option<BoxFuture<'a, Option<String>>> {
        let (_, _) = (code, secs);
        None
    }

    /// Compares what is set up at the vendor (callback, what it tells, the menu of its chats) with the wish, and with
    /// `install` changes what differs, and only that.
    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        let (_, _) = (wish, install);
        Box::pin(async { vec![Piece::not_asked("account", "nothing is set up here by a call")] })
    }

    /// What is left of the account's quota, where the vendor can be asked.
    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        None
    }
}

/// A vendor's quota, of a month or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages allowed; `None`: no limit.
    pub limit: Option<u64>,
    /// Messages used.
    pub used: u64,
}

/// Every kind, in the order in which they are documented.
pub static ALL: &[&Kind] = &[
    &line::KIND,
    &line_pnp::KIND,
    &messenger::KIND,
    &instagram::KIND,
    &whatsapp::KIND,
    &whatsapp_twilio::KIND,
    &telegram::KIND,
    &viber::KIND,
    &zalo::KIND,
    &wechat::KIND,
    &sms_twilio::KIND,
    &sms_mitake::KIND,
    &email::KIND,
    &slack::KIND,
    &teams::KIND,
    &discord::KIND,
    &google_chat::KIND,
    &webhook::KIND,
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|k| k.name == name)
}
