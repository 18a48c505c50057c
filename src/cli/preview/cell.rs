//! One message of a preview: a milestone in a language on an account, with its window open or closed.

use crate::channel::Channel;
use crate::domain::channel::{Capabilities, Envelope, Errand, Form, Message, Reference, ShapeFault, WindowRule};
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use crate::flow::account::Account;
use crate::flow::live::Live;
use crate::flow::wanted;
use crate::words::sample;
use serde::Serialize;
use uuid::Uuid;

/// A message as it would be sent.
#[derive(Serialize)]
pub struct Cell {
    /// Milestone.
    pub milestone: &'static str,
    /// Language.
    pub locale: &'static str,
    /// Account.
    pub channel: String,
    /// Its kind.
    pub kind: &'static str,
    /// Whether the platform's window is `open` or `closed`; `any`: it has none.
    pub window: &'static str,
    /// The words.
    pub message: Option<Message>,
    /// Length and what else is to be known.
    pub notes: Vec<String>,
    /// Part of the words does not fit and is left out behind an ellipsis.
    pub cut: bool,
    /// Why nothing could be sent.
    pub fault: Option<String>,
    /// What the provider gets.
    pub envelope: Option<String>,
}

impl Cell {
    /// Which message this is, in a line.
    pub fn place(&self) -> String {
        let window = if self.window == "any" { String::new() } else { format!(" · window {}", self.window) };
        format!("{} · {} · {} ({}){window}", self.milestone, self.locale, self.channel, self.kind)
    }

    /// What does not fit.
    pub fn trouble(&self) -> &str {
        self.fault.as_deref().unwrap_or("is cut: shorten the words for this channel")
    }
}

/// The messages of a milestone in a language on an account: one for each state its window can be in.
pub fn of(
    live: &Live,
    milestone: &'static str,
    locale: &'static str,
    id: &str,
    rules: Option<&ShopRules>,
) -> Vec<Cell> {
    let Some(account) = live.channels.values().find(|a| a.id.as_str() == id) else { return Vec::new() };
    let mut windows: Vec<(&str, Form)> = match account.caps.window {
        WindowRule::None => vec![("any", Form::Free)],
        WindowRule::Seconds(0) => vec![("closed", Form::Template)],
        WindowRule::Seconds(_) => vec![("open", Form::Free), ("closed", Form::Template)],
    };
    let section = live.words.section(milestone, locale, account.kind.section());
    windows.extend(account.channel.granted_template(&section).map(|_| ("allowed", Form::Grant)));
    windows.iter().map(|(window, form)| one(live, account, (milestone, locale), (window, *form), rules)).collect()
}

fn one(
    live: &Live,
    account: &Account,
    (milestone, locale): (&'static str, &'static str),
    (window, form): (&'static str, Form),
    rules: Option<&ShopRules>,
) -> Cell {
    let mut cell = Cell {
        milestone,
        locale,
        channel: account.id.to_string(),
        kind: account.kind.name,
        window,
        message: None,
        notes: Vec::new(),
        cut: false,
        fault: None,
        envelope: None,
    };
    let mut sample = sample::full(locale);
    if let Some(rules) = rules {
        sample.rules = rules.clone();
    }
    let subject = sample::subject(milestone);
    let mut telling = sample.telling(milestone, &[], &subject);
    telling.section = account.kind.section();
    telling.audience = account.caps.audience;
    let now = sample.now;
    // Without a choice the first shop speaks: what carriers have on file of a shop belongs to one.
    let first = live.shops.values().map(|s| &s.rules).min_by(|a, b| a.id.cmp(&b.id));
    let speaks = rules.or(first);
    let shop_id = speaks.map(|r| r.id.to_string()).unwrap_or_default();
    let message = match live.words.render(&telling) {
        Ok(message) => read_as_sent(Message { shop_id, ..message }, &account.caps),
        Err(fault) => {
            cell.fault = Some(fault.to_string());
            return cell;
        }
    };
    if form == Form::Template && !may_use_template(live, account, milestone, locale) {
        cell.notes.push("nothing may be sent here while the window is closed; the next channel is taken".into());
        return cell;
    }
    let address = wanted::address(account, speaks.and_then(|r| r.country.as_deref()));
    cell.notes.push(length(&message, &account.caps));
    match shape(account.channel.as_ref(), &message, address.as_ref(), form, now) {
        Ok(envelope) => {
            cell.notes.extend(account.channel.measure(&envelope));
            cell.cut = is_cut(&message, &envelope);
            cell.envelope = Some(envelope.body);
        }
        Err(fault) => cell.fault = Some(fault.to_string()),
    }
    cell.message = Some(message);
    cell
}

/// The words that this channel says: a section's `text` stands for all of them, and a channel without buttons shows none.
fn read_as_sent(mut message: Message, caps: &Capabilities) -> Message {
    if let Some(text) = message.extra.get("text").and_then(serde_json::Value::as_str) {
        message.title = text.to_string();
        message.body.clear();
    }
    message.buttons.truncate(caps.buttons.into());
    message
}

fn may_use_template(live: &Live, account: &Account, milestone: &str, locale: &str) -> bool {
    account.caps.template_outside_window
        && account.channel.names_template(&live.words.section(milestone, locale, account.kind.section()))
}

fn shape(
    channel: &dyn Channel,
    message: &Message,
    address: Option<&Address>,
    form: Form,
    now: crate::domain::clock::Timestamp,
) -> Result<Envelope, ShapeFault> {
    channel.shape(
        message,
        &Errand {
            address,
            form,
            key: Uuid::nil(),
            thread: Uuid::nil(),
            reference: &Reference("preview".into()),
            reply_token: None,
            unsubscribe_url: Some("https://relay.example.com/p/preview"),
            quiet: false,
            now,
        },
    )
}

fn length(message: &Message, caps: &Capabilities) -> String {
    let whole = format!("{}\n\n{}", message.title, message.body);
    let unit = match caps.unit {
        crate::domain::channel::Unit::Utf16 => "UTF-16 units",
        crate::domain::channel::Unit::Chars => "characters",
        crate::domain::channel::Unit::Bytes => "bytes",
    };
    format!("{} of {} {unit}", caps.unit.count(whole.trim()), caps.text_limit)
}

/// Every channel cuts with an ellipsis, so one that the words do not have stands for what is missing, unless the
/// words end elsewhere in full: a notification may be shorter than the message it announces.
fn is_cut(message: &Message, envelope: &Envelope) -> bool {
    let words = serde_json::to_string(message).unwrap_or_default();
    ellipses(&envelope.body) > ellipses(&words) && !letters(&envelope.body).contains(&ending(message))
}

fn ellipses(text: &str) -> usize {
    text.matches('…').count()
}

/// Where the words end.
fn ending(message: &Message) -> String {
    let last = message.body.lines().last().unwrap_or(&message.title);
    let all: Vec<char> = letters(last).chars().collect();
    all[all.len().saturating_sub(24)..].iter().collect()
}

/// What no channel escapes.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}
