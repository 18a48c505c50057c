//! What a callback of Messenger or Instagram told: people's messages, buttons, links and reactions (which open the
//! 24-hour window), echoes of our own messages, delivery and reading, enforcement against the page.
//!
//! Event shapes and which of them open the window: Messenger "Webhooks" and "Send messages" (read 2026-09-11),
//! Instagram "Webhooks" (state of 2026-11-22), which has the same layout, reports reading by a message's id, and is
//! sometimes wrapped in a list. Ids and times come as numbers or strings, by age of the sending part. What is not
//! listed opens nothing.

use super::{erasure_of, id, integer, is_erasure, scrub};
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::people::Attachment;
use crate::domain::person::{AccountSignal, Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal};
use crate::domain::webhook::RawWebhook;
use serde_json::Value;

/// Below this a time is in seconds (the dashboard's test button), above it in milliseconds.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// 24 hours, closed five minutes early: the vendor's clock decides, and a send takes time.
pub(in crate::channel) const WINDOW_SECS: i64 = 24 * 3600 - 300;
/// Longest scoped id accepted; today's have 15 to 17 digits.
const ID_CAP: usize = 32;

/// A page or an Instagram account that people write to.
pub(in crate::channel) struct Inbox<'a> {
    /// `object` of its callbacks.
    pub object: &'static str,
    /// Scheme of its people's addresses.
    pub scheme: &'static str,
    /// Its id in `entry[].id`.
    pub id: &'a str,
}

/// A person's id scoped to a page or account: digits, kept as text because they pass 2^53.
pub(in crate::channel) fn person(scheme: &str, raw: &str) -> Option<Address> {
    let id = raw.trim();
    let good = (1..=ID_CAP).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) && !id.starts_with('0');
    good.then(|| Address::new(scheme, id))
}

/// What an admitted callback told of this inbox. Others of the same app share its secret: what is theirs is left
/// alone.
pub(in crate::channel) fn hear(inbox: &Inbox<'_>, raw: &RawWebhook) -> Heard {
    if is_erasure(raw) {
        return erasure(inbox.scheme, raw);
    }
    let mut heard = Heard::default();
    let Ok(document) = serde_json::from_slice::<Value>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    let documents = document.as_array().map_or(std::slice::from_ref(&document), Vec::as_slice);
    for document in documents.iter().filter(|d| d.get("object").and_then(Value::as_str) == Some(inbox.object)) {
        for entry in list(document, "entry") {
            if entry.get("id").and_then(id).as_deref() != Some(inbox.id) {
                continue;
            }
            for event in list(entry, "messaging").iter().chain(list(entry, "standby")) {
                if event.is_object() {
                    heard
                        .signals
                        .extend(Event { raw: event, received: raw.received_at, scheme: inbox.scheme }.signals());
                } else {
                    heard.unreadable += 1;
                }
            }
        }
    }
    heard
}

/// A person asked Meta to have what we know of them erased. Meta names them by its id for the app, which is the page's
/// id of them only where the two are the same; nothing tells us which belong together.
fn erasure(scheme: &str, raw: &RawWebhook) -> Heard {
    let Some(person) = erasure_of(raw).and_then(|id| person(scheme, &id)) else {
        return Heard { unreadable: 1, ..Heard::default() };
    };
    let key = format!("erase:{}:{}", person.value, raw.received_at.as_second());
    let signal = Signal { erase: true, ..Signal::new("erase", Some(person), key, raw.received_at) };
    Heard { signals: vec![signal], ..Heard::default() }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(String::from)
}

/// One event of `entry[].messaging` or `entry[].standby`.
struct Event<'a> {
    raw: &'a Value,
    received: Timestamp,
    scheme: &'static str,
}

impl Event<'_> {
    fn signals(&self) -> Vec<Signal> {
        let part = |key: &str| self.raw.get(key).filter(|v| v.is_object());
        if let Some(message) = part("message") {
            return Vec::from_iter(self.message(message));
        }
        if let Some(postback) = part("postback") {
            return vec![self.postback(postback)];
        }
        if let Some(referral) = part("referral") {
            return vec![self.referral(referral)];
        }
        if let Some(optin) = part("optin") {
            return Vec::from_iter(self.optin(optin));
        }
        if let Some(reaction) = part("reaction") {
            return Vec::from_iter(self.reaction(reaction));
        }
        if let Some(delivery) = part("delivery") {
            return self.delivery(delivery);
        }
        if let Some(read) = part("read") {
            return Vec::from_iter(self.up_to(read, "read", ReceiptState::Read));
        }
        if let Some(enforcement) = part("policy-enforcement") {
            return Vec::from_iter(self.enforcement(enforcement));
        }
        // Edits, account linking, hand-over between apps and what Meta may invent: nothing for us in them.
        Vec::new()
    }

    fn message(&self, message: &Value) -> Option<Signal> {
        let mid = text(message, "mid");
        let flag = |key: &str| message.get(key).and_then(Value::as_bool) == Some(true);
        if flag("is_echo") {
            return self.echo(message, mid?);
        }
        if flag("is_deleted") {
            return None;
        }
        let mut signal = self.acted("message", mid);
        signal.text = text(message, "text");
        signal.attachments = list(message, "attachments").iter().filter_map(attachment).collect();
        let of = |key: &str, inner: &str| message.get(key).and_then(|v| text(v, inner));
        // A checkbox on the order page gave its own reference before the person was known; the first
        // message joins the two.
        let prior = || self.raw.get("prior_message").and_then(|p| text(p, "identifier"));
        signal.payload = of("quick_reply", "payload").or_else(|| of("referral", "ref")).or_else(prior);
        Some(signal)
    }

    /// Our own message, seen from the other side: it exists. Without our reference it is another app's or
    /// the staff's.
    fn echo(&self, message: &Value, mid: String) -> Option<Signal> {
        let reference = text(message, "metadata")?;
        let mut signal = self.signal("echo", self.person("recipient"), format!("echo:{mid}"));
        signal.receipt = Some(Receipt { of: ReceiptOf::Ours(reference), state: ReceiptState::Accepted });
        Some(signal)
    }

    fn postback(&self, postback: &Value) -> Signal {
        let mut signal = self.acted("postback", text(postback, "mid"));
        // Get Started carries both: its own constant, and the reference of the link that led to it.
        let reference = postback.get("referral").and_then(|r| text(r, "ref"));
        signal.payload = reference.or_else(|| text(postback, "payload"));
        signal
    }

    fn referral(&self, referral: &Value) -> Signal {
        let is = |key: &str, word: &str| referral.get(key).and_then(Value::as_str) == Some(word);
        // A click on an advertisement opens nothing until the person writes.
        let opens = is("source", "SHORTLINK") && is("type", "OPEN_THREAD");
        let mut signal = if opens { self.acted("referral", None) } else { self.passive("referral") };
        signal.payload = text(referral, "ref");
        signal
    }

    fn optin(&self, optin: &Value) -> Option<Signal> {
        // Of type `notification_messages` and the like: marketing, which neither opens the window nor says
        // anything about order updates, stopped or not.
        if optin.get("type").is_some_and(|t| !t.is_null()) {
            return None;
        }
        // A checkbox knows no person yet, whatever stands beside it.
        let mut signal = if optin.get("user_ref").is_some_and(|r| !r.is_null()) {
            self.signal("optin", None, self.key("optin"))
        } else {
            self.acted("optin", None)
        };
        signal.payload = text(optin, "ref");
        Some(signal)
    }

    fn reaction(&self, reaction: &Value) -> Option<Signal> {
        // Taking a reaction back is not listed as opening the window.
        (reaction.get("action").and_then(Value::as_str) == Some("react")).then(|| self.acted("reaction", None))
    }

    fn delivery(&self, delivery: &Value) -> Vec<Signal> {
        let mids = list(delivery, "mids").iter().filter_map(id);
        let mut signals: Vec<Signal> = mids
            .map(|mid| {
                let mut signal = self.signal("delivered", self.person("sender"), format!("delivered:{mid}"));
                signal.receipt = Some(Receipt { of: ReceiptOf::ProviderId(mid), state: ReceiptState::Delivered });
                signal
            })
            .collect();
        // The list is optional; the watermark always holds for everything before it.
        signals.extend(self.up_to(delivery, "delivered", ReceiptState::Delivered));
        signals
    }

    fn up_to(&self, event: &Value, what: &'static str, state: ReceiptState) -> Option<Signal> {
        let person = self.person("sender")?;
        let Some(watermark) = event.get("watermark").and_then(integer) else {
            // Instagram names the message.
            let mid = text(event, "mid")?;
            let mut signal = self.signal(what, Some(person), format!("{what}:{mid}"));
            signal.receipt = Some(Receipt { of: ReceiptOf::ProviderId(mid), state });
            return Some(signal);
        };
        let key = format!("{what}:{}:{watermark}", person.value);
        let mut signal = self.signal(what, Some(person), key);
        signal.receipt = Some(Receipt { of: ReceiptOf::UpTo(moment(watermark)), state });
        Some(signal)
    }

    fn enforcement(&self, enforcement: &Value) -> Option<Signal> {
        let account = match enforcement.get("action").and_then(Value::as_str)? {
            "block" => {
                let reason = enforcement.get("reason").and_then(Value::as_str).unwrap_or("no reason given");
                AccountSignal::Stopped(scrub(reason))
            }
            "unblock" => AccountSignal::Resumed,
            _ => return None,
        };
        let mut signal =
            self.signal("policy", None, self.key(if account == AccountSignal::Resumed { "unblock" } else { "block" }));
        signal.account = Some(account);
        Some(signal)
    }

    /// The person did something that opens the window; it counts from then, not from when we heard of it.
    fn acted(&self, what: &'static str, mid: Option<String>) -> Signal {
        let key = mid.unwrap_or_else(|| self.key(what));
        let mut signal = self.signal(what, self.person("sender"), key);
        if signal.person.is_some() {
            signal.change = PersonChange {
                window_until: Some(plus_secs(signal.at, WINDOW_SECS)),
                unreachable: Some(None),
                ..PersonChange::default()
            };
            signal.wakes = true;
        }
        signal
    }

    fn passive(&self, what: &'static str) -> Signal {
        self.signal(what, self.person("sender"), self.key(what))
    }

    fn signal(&self, what: &'static str, person: Option<Address>, key: String) -> Signal {
        Signal::new(what, person, key, self.at())
    }

    fn person(&self, side: &str) -> Option<Address> {
        self.raw.get(side)?.get("id").and_then(id).and_then(|id| person(self.scheme, &id))
    }

    /// Events without an id of their own: who, when and what is all there is.
    fn key(&self, what: &str) -> String {
        let who = self.person("sender").map_or_else(|| self.scheme.to_string(), |p| p.value);
        let when = self.raw.get("timestamp").and_then(integer).unwrap_or_default();
        format!("{what}:{who}:{when}")
    }

    /// Delivery events have a watermark and no time of their own. Nothing happened later than we heard of it:
    /// a time in the future would hold the window open.
    fn at(&self) -> Timestamp {
        let watermark = || ["delivery", "read"].iter().find_map(|k| self.raw.get(k)?.get("watermark"));
        let time = self.raw.get("timestamp").or_else(watermark).and_then(integer);
        time.map_or(self.received, |t| moment(t).min(self.received))
    }
}

/// What was sent besides words, at Meta's own address.
fn attachment(part: &Value) -> Option<Attachment> {
    let at = |key: &str| part.pointer(&format!("/payload/{key}")).and_then(Value::as_str).map(String::from);
    let (name, url) = (at("title"), at("url"));
    Some(Attachment { name, url, ..Attachment::new(text(part, "type")?) })
}

fn moment(time: i64) -> Timestamp {
    from_millis(if (0..SECONDS_BELOW).contains(&time) { time.saturating_mul(1000) } else { time })
}
