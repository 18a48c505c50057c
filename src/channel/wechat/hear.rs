//! WeChat's pushes: genuine or not, and what they tell ("Receive messages and events", state of 2026-11-22).

use super::seal::{Opened, Seal};
use super::{WINDOW_SECS, address, push};
use crate::channel::text;
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::ids::Digest8;
use crate::domain::people::Attachment;
use crate::domain::person::{
    Address, Grant, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal, Unreachable,
};
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A push older or newer than this, by its signed time, is a repeat of somebody's. Seconds.
const FRESH_SECS: u64 = 300;
/// A tap, a scan or a follow opens one minute; the rest of it is for us to get there. Seconds.
const TAP_SECS: i64 = 50;
/// Longest id of a template that is believed.
const TEMPLATE: usize = 128;
/// Longest word of the handshake.
const ECHO: usize = 256;

/// Whether the push is WeChat's, and for us.
pub(super) fn admit(raw: &RawWebhook, seal: &Seal) -> Admission {
    let asked = raw.method == "GET";
    let refusal = if asked { Refusal::BadToken } else { Refusal::BadSignature };
    let query = |name: &str| once(&raw.query, name);
    let name = if asked || !seal.encrypted() { "signature" } else { "msg_signature" };
    let (Some(signature), Some(time), Some(nonce)) = (query(name), query("timestamp"), query("nonce")) else {
        return Admission::Refuse(if asked { Refusal::BadToken } else { Refusal::Unsigned });
    };
    let fresh = time.parse::<i64>().is_ok_and(|t| t.abs_diff(raw.received_at.as_second()) <= FRESH_SECS);
    // In encrypted mode the envelope is signed; whatever stands beside it (compatible mode) is not.
    let envelope = if asked || !seal.encrypted() { None } else { envelope(&raw.body) };
    if !asked && seal.encrypted() && envelope.is_none() {
        return Admission::Refuse(refusal);
    }
    let parts: Vec<&str> =
        [Some(time.as_str()), Some(nonce.as_str()), envelope.as_deref()].into_iter().flatten().collect();
    if !seal.signed(&parts, &signature) || !fresh {
        return Admission::Refuse(refusal);
    }
    if asked {
        let echo = query("echostr").filter(|e| e.len() <= ECHO);
        return echo.map_or(Admission::Refuse(refusal), |body| {
            Admission::Reply(Reply { status: 200, content_type: "text/plain; charset=utf-8", body })
        });
    }
    match envelope.map(|e| seal.open(&e)) {
        Some(Opened::NotOurs) => Admission::Refuse(Refusal::WrongAccount),
        Some(Opened::Broken) => Admission::Refuse(refusal),
        // In plain mode the signature covers no word of the push, so the content's mark is made of both.
        _ => Admission::Take {
            dedupe: hex::encode(Sha256::digest(&raw.body)),
            content: Digest8::of(&[signature.as_bytes(), &raw.body]),
            secret_index: 0,
        },
    }
}

/// A parameter that is there exactly once.
fn once(query: &str, name: &str) -> Option<String> {
    let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(n, _)| n == name);
    let first = found.next()?.1.into_owned();
    found.next().is_none().then_some(first)
}

fn envelope(body: &[u8]) -> Option<String> {
    push::read(body)?.get("Encrypt").and_then(Value::as_str).map(String::from)
}

/// What an admitted push told; always answered with one word, lest the customer read that the account is out of order.
pub(super) fn hear(raw: &RawWebhook, seal: &Seal) -> Heard {
    let mut heard = Heard { answer: Some("success".into()), ..Heard::default() };
    match read(raw, seal) {
        Some(told) => heard.signals.extend(signals(&told, raw.received_at)),
        None => heard.unreadable = 1,
    }
    heard
}

fn read(raw: &RawWebhook, seal: &Seal) -> Option<Value> {
    let told = if seal.encrypted() {
        let Opened::Push(inner) = seal.open(&envelope(&raw.body)?) else { return None };
        push::read(&inner)?
    } else {
        push::read(&raw.body)?
    };
    // An envelope in plain mode: the key is missing in our settings.
    told.get("MsgType").and_then(Value::as_str).is_some().then_some(told)
}

fn word(told: &Value, key: &str) -> Option<String> {
    match told.get(key)? {
        Value::String(s) => Some(s.trim().to_string()).filter(|s| !s.is_empty()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn signals(told: &Value, received: Timestamp) -> Vec<Signal> {
    let Some(from) = word(told, "FromUserName") else { return Vec::new() };
    let Some(person) = address(&from) else { return Vec::new() };
    let secs = word(told, "CreateTime").and_then(|t| t.parse::<i64>().ok());
    // Nothing happened later than we heard of it: a time in the future would hold the window open.
    let at = secs.map_or(received, |s| from_millis(s.saturating_mul(1000)).min(received));
    let made = word(told, "CreateTime").unwrap_or_default();
    let kind = word(told, "MsgType").unwrap_or_default();
    if kind != "event" {
        let mark = word(told, "MsgId").unwrap_or_else(|| format!("{from}:{made}"));
        let mut signal = Signal::new("message", Some(person), format!("message:{mark}"), at);
        signal.change = acted(Some(plus_secs(at, WINDOW_SECS)));
        signal.wakes = true;
        signal.text = word(told, "Content").filter(|_| kind == "text");
        if kind != "text" {
            let (name, url, id) = (word(told, "Title"), word(told, "PicUrl"), word(told, "MediaId"));
            signal.attachments.push(Attachment { name, url, id, ..Attachment::new(kind) });
        }
        return vec![signal];
    }
    let event = word(told, "Event").unwrap_or_default();
    let key = word(told, "EventKey");
    let dedupe = format!("{event}:{from}:{made}:{}", key.as_deref().unwrap_or_default());
    let minute = Some(plus_secs(at, TAP_SECS));
    let (what, window, payload) = match event.as_str() {
        "TEMPLATESENDJOBFINISH" => return finished(told, person, at).into_iter().collect(),
        "subscribe_msg_popup_event" | "subscribe_msg_change_event" => {
            return taps(told, &event, person, at).into_iter().collect();
        }
        "subscribe_msg_sent_event" => return sent(told, &person, at),
        "unsubscribe" => {
            let mut signal = Signal::new("unsubscribe", Some(person), dedupe, at);
            signal.change.unreachable = Some(Some(Unreachable::Blocked));
            return vec![signal];
        }
        "subscribe" => ("subscribe", minute, key.and_then(|k| k.strip_prefix("qrscene_").map(String::from))),
        "SCAN" => ("scan", minute, key),
        "CLICK" | "scancode_push" | "scancode_waitmsg" => ("click", minute, key),
        // A link of the menu opens no window, and its key is the link.
        "VIEW" => ("view", None, None),
        _ => return Vec::new(),
    };
    let mut signal = Signal::new(what, Some(person), dedupe, at);
    signal.change = acted(window);
    signal.wakes = true;
    signal.payload = payload;
    vec![signal]
}

/// The parts of a push about subscription notifications. XML wraps them in an element named by the event (or by another
/// one: WeChat's own page shows the popup's around a change); JSON has one as an object and several as a list.
fn parts(told: &Value) -> Vec<&Value> {
    const WRAPPED: [&str; 3] = ["SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent"];
    let inside = WRAPPED.iter().find_map(|name| told.get(*name)).and_then(|w| w.get("List").or(Some(w)));
    match inside.or_else(|| told.get("List")) {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// Taps on "allow", each one message more; and what a person switched off in WeChat's settings. A tap on "cancel" takes
/// back nothing that was allowed before.
fn taps(told: &Value, event: &str, person: Address, at: Timestamp) -> Option<Signal> {
    let given = event == "subscribe_msg_popup_event";
    let (wanted, grant) = if given { ("accept", Grant::Given) } else { ("reject", Grant::Gone) };
    let of = |part: &Value| {
        let template = word(part, "TemplateId").filter(|id| id.len() <= TEMPLATE)?;
        (word(part, "SubscribeStatusString")? == wanted).then_some((template, grant))
    };
    let grants: BTreeMap<String, Grant> = parts(told).into_iter().filter_map(of).collect();
    if grants.is_empty() {
        return None;
    }
    let named: Vec<&str> = grants.keys().map(String::as_str).collect();
    let made = word(told, "CreateTime").unwrap_or_default();
    let dedupe = format!("{event}:{}:{made}:{}", person.value, named.join(","));
    let mut signal = Signal::new(if given { "granted" } else { "refused" }, Some(person), dedupe, at);
    if given {
        signal.change = acted(None);
        signal.wakes = true;
    }
    signal.change.grants = grants;
    Some(signal)
}

/// What became of subscription notifications, by an id that only some answers held.
fn sent(told: &Value, person: &Address, at: Timestamp) -> Vec<Signal> {
    let of = |part: &Value| {
        let (id, code) = (word(part, "MsgID")?, word(part, "ErrorCode")?);
        let delivered = code == "0";
        let what = if delivered { "delivered" } else { "failed" };
        let mut signal = Signal::new(what, Some(person.clone()), format!("{what}:{id}"), at);
        let why = || text::one_line(&format!("{code} {}", word(part, "ErrorStatus").unwrap_or_default()));
        let state = match delivered {
            true => ReceiptState::Delivered,
            false => ReceiptState::Undelivered(text::cut(why().trim_end(), 60, text::graphemes)),
        };
        signal.receipt = Some(Receipt { of: ReceiptOf::ProviderId(id), state });
        if let Some(template) = word(part, "TemplateId").filter(|id| code == "43101" && id.len() <= TEMPLATE) {
            signal.change.grants = [(template, Grant::Gone)].into();
        }
        Some(signal)
    };
    parts(told).into_iter().filter_map(of).collect()
}

/// Who acts follows the account and can be reached.
fn acted(window_until: Option<Timestamp>) -> PersonChange {
    PersonChange { unreachable: Some(None), window_until, ..PersonChange::default() }
}

/// What became of a template: `success`, `failed:user block`, `failed: system failed` and whatever else may follow the
/// colon.
fn finished(told: &Value, person: Address, at: Timestamp) -> Option<Signal> {
    let (id, status) = (word(told, "MsgID")?, word(told, "Status")?);
    let why = status.split_once(':').map_or(status.as_str(), |(_, why)| why).trim();
    let delivered = status == "success";
    let what = if delivered { "delivered" } else { "failed" };
    let mut signal = Signal::new(what, Some(person), format!("{what}:{id}"), at);
    let state = match delivered {
        true => ReceiptState::Delivered,
        false => ReceiptState::Undelivered(text::cut(&text::one_line(why), 60, text::graphemes)),
    };
    signal.receipt = Some(Receipt { of: ReceiptOf::ProviderId(id), state });
    if why == "user block" {
        signal.change.unreachable = Some(Some(Unreachable::Blocked));
    }
    Some(signal)
}
