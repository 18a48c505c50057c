//! LINE's callbacks: genuine or not, and what they tell.

use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::people::Attachment;
use crate::domain::person::{
    AccountSignal, Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal, Unreachable,
};
use crate::domain::settings::Secret;
use crate::domain::signature::{decode_base64, signed_by};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A reply token is good for one minute from receipt; the rest of it is for us to get there.
const REPLY_SECS: i64 = 50;
/// A redelivered event older than this brings a token that is good for nothing.
const REDELIVERED_SECS: i64 = 20 * 60;
/// How far LINE's clock may be ahead of ours before its word is taken for a mistake.
const AHEAD_SECS: i64 = 60;

/// Whether one of `secrets` signed the raw body, and whether it is for our account.
pub(super) fn admit(raw: &RawWebhook, secrets: &[Secret], user_id: Option<&str>) -> Admission {
    const HEADER: &str = "x-line-signature";
    // LINE posts, and nothing else.
    if raw.method != "POST" || !raw.has_header(HEADER) {
        return Admission::Refuse(Refusal::Unsigned);
    }
    let signature = raw.header(HEADER).and_then(decode_base64);
    let Some(secret_index) = signature.as_ref().and_then(|s| signed_by(secrets, &raw.body, s)) else {
        return Admission::Refuse(Refusal::BadSignature);
    };
    // One secret signs for one channel, but its bot may be another's module: the body names whom it is for.
    // What is no object at all is left to `hear`, which counts it.
    if let (Some(ours), Ok(Value::Object(body))) = (user_id, serde_json::from_slice(&raw.body))
        && body.get("destination").and_then(Value::as_str) != Some(ours)
    {
        return Admission::Refuse(Refusal::WrongAccount);
    }
    let content = Digest8::of(&[signature.as_deref().unwrap_or_default()]);
    Admission::Take { dedupe: digest(&raw.body), content, secret_index }
}

/// Sixteen bytes of SHA-256: LINE gives a delivery no id of its own, only its events have one.
fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hex::encode(hash.get(..16).unwrap_or_default())
}

#[derive(Deserialize)]
struct Callback {
    /// May be empty: the console's "Verify".
    #[serde(default)]
    events: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    mode: Option<String>,
    timestamp: Option<i64>,
    source: Option<Source>,
    webhook_event_id: Option<String>,
    delivery_context: Option<DeliveryContext>,
    reply_token: Option<String>,
    message: Option<Message>,
    postback: Option<Postback>,
    link: Option<Link>,
    delivery: Option<Delivery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    user_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DeliveryContext {
    is_redelivery: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    text: Option<String>,
    /// Of a file.
    file_name: Option<String>,
    /// Of a place.
    title: Option<String>,
}

#[derive(Deserialize)]
struct Postback {
    data: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    data: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    result: Option<String>,
    nonce: Option<String>,
}

/// What an admitted callback told. Types that are not ours are passed over; an event that cannot be read is
/// counted and costs its neighbours nothing.
pub(super) fn hear(raw: &RawWebhook) -> Heard {
    let mut heard = Heard::default();
    let Ok(callback) = serde_json::from_slice::<Callback>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    for value in callback.events {
        let mark = digest(value.to_string().as_bytes());
        match serde_json::from_value::<Event>(value) {
            Ok(event) => heard.signals.extend(signal(&event, mark, raw.received_at)),
            Err(_) => heard.unreadable += 1,
        }
    }
    heard
}

fn signal(event: &Event, mark: String, received_at: Timestamp) -> Option<Signal> {
    // Only a chat of two is a person's: in a group the reply token would show one member's order to all.
    let person = event.source.as_ref().filter(|s| s.kind == "user").and_then(|s| s.user_id.as_deref());
    let person = person.and_then(address);
    let at = event.timestamp.map_or(received_at, from_millis).min(plus_secs(received_at, AHEAD_SECS));
    if event.kind == "delivery" {
        return delivered(event, mark, at);
    }
    let account = match event.kind.as_str() {
        "botSuspended" => Some(AccountSignal::Stopped("LINE suspended the official account".into())),
        "botResumed" => Some(AccountSignal::Resumed),
        _ => None,
    };
    if person.is_none() && account.is_none() {
        return None;
    }
    let what = match event.kind.as_str() {
        "message" => "message",
        "postback" => "postback",
        "follow" => "follow",
        "unfollow" => "unfollow",
        "unsend" => "unsend",
        "accountLink" => "account_link",
        "botSuspended" => "bot_suspended",
        "botResumed" => "bot_resumed",
        _ => return None,
    };
    let dedupe = event.webhook_event_id.clone().filter(|id| !id.is_empty()).unwrap_or(mark);
    let mut signal = Signal::new(what, person, dedupe, at);
    signal.account = account;
    match what {
        "unfollow" => signal.change.unreachable = Some(Some(Unreachable::Blocked)),
        "message" | "postback" | "follow" | "account_link" => {
            signal.change = wrote(event, at, received_at);
            signal.wakes = active(event);
        }
        _ => {}
    }
    signal.text = event.message.as_ref().filter(|m| m.kind == "text").and_then(|m| m.text.clone());
    signal.attachments.extend(event.message.as_ref().filter(|m| m.kind != "text").map(attachment));
    signal.payload = payload(event);
    Some(signal)
}

/// The tag of a message to a telephone number: this, the account that sent it, a colon, its reference. LINE tells
/// deliveries to the one webhook of the official account, which may be the address of another account of ours.
pub(in crate::channel) const TAG: &str = "orderwire:";

/// A message to a telephone number arrived. Others' tags, and the hashed number that stands there where a message had
/// none, are nothing of ours.
fn delivered(event: &Event, mark: String, at: Timestamp) -> Option<Signal> {
    let tag = event.delivery.as_ref()?.data.as_deref()?.strip_prefix(TAG)?;
    let (account, reference) = tag.split_once(':').filter(|(a, r)| !a.is_empty() && !r.is_empty())?;
    let dedupe = event.webhook_event_id.clone().filter(|id| !id.is_empty()).unwrap_or(mark);
    let of = ReceiptOf::OursAt(ChannelId::from(account), reference.to_string());
    let receipt = Some(Receipt { of, state: ReceiptState::Delivered });
    Some(Signal { receipt, ..Signal::new("delivered", None, dedupe, at) })
}

/// What was sent instead of words: LINE keeps it for a while under the message's id.
fn attachment(message: &Message) -> Attachment {
    let name = message.file_name.clone().or_else(|| message.title.clone());
    Attachment { name, id: message.id.clone(), ..Attachment::new(message.kind.as_str()) }
}

/// A person's address from an id as LINE writes it.
pub(in crate::channel) fn address(raw: &str) -> Option<Address> {
    let id = raw.trim();
    super::is_user_id(id).then(|| Address::new("line", id))
}

/// A person who writes, presses or follows can be reached, and can be answered for free.
fn wrote(event: &Event, at: Timestamp, received_at: Timestamp) -> PersonChange {
    let redelivered = event.delivery_context.as_ref().is_some_and(|d| d.is_redelivery);
    let late = redelivered && at < plus_secs(received_at, -REDELIVERED_SECS);
    let token = event.reply_token.clone().filter(|t| !t.is_empty() && active(event) && !late);
    PersonChange {
        unreachable: Some(None),
        reply_token: token.map(|t| (t, plus_secs(received_at, REPLY_SECS))),
        ..PersonChange::default()
    }
}

/// In `standby` another module owns the chat and we must not speak.
fn active(event: &Event) -> bool {
    event.mode.as_deref() != Some("standby")
}

/// Data of a button, or the nonce of an account link that succeeded.
fn payload(event: &Event) -> Option<String> {
    match event.kind.as_str() {
        "postback" => event.postback.as_ref()?.data.clone(),
        "accountLink" => {
            event.link.as_ref().filter(|l| l.result.as_deref() == Some("ok")).and_then(|l| l.nonce.clone())
        }
        _ => None,
    }
}
