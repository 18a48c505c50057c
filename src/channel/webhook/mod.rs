//! Outgoing webhook: what staff are told, to a program of the shop's own, as signed JSON.
//!
//! Documents (read 2026-11): Standard Webhooks 1.0.0; CloudEvents 1.0.2 with its JSON format, HTTP binding and web
//! hook profile. What shapes the code:
//! - `webhook-id` is the item's retry key: the same at every attempt, and receivers drop what they have. So a lost
//!   answer is asked again without a second effect. `webhook-timestamp` and the signature are the attempt's own.
//! - Any 2xx is success, whatever the body says. 410 ends the subscription: nothing goes there until a person
//!   resumes the channel. Redirects are failures and are not followed.
//! - The address is written by people: `https` by name at the usual port; numbers and, once looked up, every
//!   address that is not on the public internet are refused ([`super::Guarded`]). Loopback only where the settings
//!   say so.
//! - The body's form is a promise: `data.version` changes when a field goes or gets another meaning; fields may
//!   be added.

mod hear;
mod sign;

use super::hook::{gone, later, reply, staff, stop, too_fast};
use super::text::{clean, cut, graphemes, link, one_line};
use super::wire::{Wire, retry_after};
use super::{Channel, Kind, Opened, account};
use crate::domain::channel::{Capabilities, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit};
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::outgoing;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sign::Key;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The kind.
pub static KIND: Kind = Kind {
    name: "webhook",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    capabilities: || capabilities(PER_SECOND.0, TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "erp"
# kind = "webhook"                                 # signed JSON to a program of yours (Standard Webhooks)
# url = { env = "ERP_WEBHOOK_URL" }                # https://erp.example.com/hooks/orders
# secrets = [{ env = "ERP_WEBHOOK_SECRET" }]       # whsec_… (shared) or whsk_… (Ed25519); every one of them signs
# # cloudevents = true                             # as CloudEvents 1.0, structured mode
# # loopback = true                                # url lies on this machine
# # per_second = 10.0
# # timeout = "15s"
"##;

/// Settings of an outgoing webhook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where it goes: https, a host by name, the usual port.
    url: Secret,
    /// Keys that sign, one signature each, at most four: put the new one beside the old, and take the old one away
    /// once the receiver knows the new one. `whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64 of an
    /// Ed25519 seed.
    secrets: Vec<Secret>,
    /// The body is a CloudEvent in structured mode.
    #[serde(default)]
    cloudevents: bool,
    /// `url` lies on this machine (`http://127.0.0.1:9000/hook`): allowed only where this says so.
    #[serde(default)]
    loopback: bool,
    /// Messages a second, at most 50.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

/// The form of `data`; see the module's promise.
const VERSION: u8 = 1;
const PER_SECOND: (f64, f64) = (10.0, 50.0);
const TIMEOUT_SECS: u32 = 15;
const KEYS: usize = 4;
/// Receivers keep ids for some time; the standard names none. Within a day one that keeps them at all knows ours.
const KEY_SECS: i64 = 86_400;
/// The standard advises to stay below 20 KB.
const BODY: usize = 20_000;
/// Bytes of the parts, as written in JSON.
const TEXT: usize = 12_000;
const TITLE: usize = 1_000;
const LABEL: usize = 300;
const URL: usize = 2_000;
const LINKS: u8 = 3;

struct Webhook {
    id: ChannelId,
    capabilities: Capabilities,
    wire: Wire,
    url: Secret,
    keys: Vec<Key>,
    cloudevents: bool,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let limit = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND.0, PER_SECOND.1);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND.0);
    let plain = account::keep(place(&set.url, set.loopback), &mut mistakes, false);
    let keys = keys(&set.secrets, &mut mistakes);
    let wire = Wire::new(Duration::from_secs(limit.into()), plain).map_err(|e| vec![Mistake::new("", e)])?;
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let capabilities = capabilities(pace, limit);
    Ok(Box::new(Webhook { id, capabilities, wire, url: set.url, keys, cloudevents: set.cloudevents }))
}

/// Whether the address is plain `http`.
fn place(url: &Secret, loopback: bool) -> Result<bool, Mistake> {
    let no = |why: &str| Err(Mistake::new("url", why));
    // `url` reads every spelling of a number (0x7f.1, 2130706433) as the address it is.
    let Ok(url) = Url::parse(url.expose()) else { return no("is not an address; write https://host/path") };
    if let Some(why) = outgoing::fault(&url, false) {
        return no(why);
    }
    if url.fragment().is_some() {
        return no("must end before any #");
    }
    match (account::loopback(&url), loopback) {
        (true, false) => no("lies on this machine; set loopback = true beside it if that is meant"),
        (false, true) => no("does not lie on this machine; leave loopback out"),
        _ => Ok(url.scheme() == "http"),
    }
}

fn keys(secrets: &[Secret], mistakes: &mut Vec<Mistake>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    if !(1..=KEYS).contains(&secrets.len()) {
        mistakes.push(Mistake::new("secrets", format!("must be one to {KEYS} keys, new and old while they change")));
    }
    for (i, secret) in secrets.iter().enumerate() {
        match Key::read(secret) {
            Ok(key) if keys.iter().any(|known| known.same(&key)) => {
                mistakes.push(Mistake::new(format!("secrets[{i}]"), "is there already"));
            }
            Ok(key) => keys.push(key),
            Err(why) => mistakes.push(Mistake::new(format!("secrets[{i}]"), why)),
        }
    }
    keys
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        image: true,
        retry_key_secs: Some(KEY_SECS),
        opt_out: "410",
        keeps_refusals: false,
        pace: Pace { per_second, burst: 5, concurrent: 4, person_gap_secs: 0.0 },
        ..staff(TEXT, Unit::Bytes, LINKS, per_second, timeout_secs)
    }
}

impl Channel for Webhook {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, _raw: &str) -> Option<Address> {
        None
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("a webhook takes free words only".into()));
        }
        let body = shape(message, errand, self.cloudevents)?;
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: Some(errand.key), address: None })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.keys)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw)
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            // Receivers compare with the true time, and refuse what is five minutes off: it is the attempt's own.
            let Some(headers) = self.headers(envelope, SystemClock.now().as_second()) else {
                return Verdict::Refused { detail: "this message has no id".into() };
            };
            let kind =
                if self.cloudevents { "application/cloudevents+json; charset=UTF-8" } else { "application/json" };
            let limit = Duration::from_secs(self.capabilities.timeout_secs.into());
            let sent = self.wire.post(self.url.expose(), headers, kind, envelope.body.clone());
            judge(&timeout(limit, sent).await.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())))
        })
    }
}

impl Webhook {
    fn headers(&self, envelope: &Envelope, seconds: i64) -> Option<HeaderMap> {
        let id = event_id(envelope.key?);
        let signature = sign::header(&self.keys, &id, seconds, &envelope.body);
        let all = [("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)];
        all.into_iter().map(|(n, v)| Some((HeaderName::from_static(n), HeaderValue::from_str(&v).ok()?))).collect()
    }
}

/// No `.` in it: it parts id from time where both are signed.
fn event_id(key: uuid::Uuid) -> String {
    format!("msg_{}", key.simple())
}

/// How long a text is in a JSON document.
fn written(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' => 2,
            c => c.len_utf8(),
        })
        .sum()
}

/// Words → the document.
fn shape(message: &Message, errand: &Errand<'_>, cloudevents: bool) -> Result<String, ShapeFault> {
    let (title, text) = (one_line(&message.title), clean(&message.body));
    if title.is_empty() && text.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    if written(&title) > TITLE {
        return Err(ShapeFault::TooLong { what: "the title", length: written(&title), limit: TITLE });
    }
    let label = |text: &str| cut(&one_line(text), LABEL, written);
    let links = message.buttons.iter().filter_map(|b| {
        let url = link(&b.url).filter(|u| u.len() <= URL)?;
        Some(json!({ "label": label(&b.label), "url": url }))
    });
    let fields: Map<String, Value> = message.extra.iter().map(|(k, v)| (k.clone(), cleaned(v))).collect();
    let data = json!({
        "version": VERSION,
        "milestone": message.milestone,
        "shop": { "id": message.shop_id, "name": message.shop_name.as_deref().map(label) },
        "order": { "id": one_line(&message.order_id), "name": label(&message.order_name), "thread": errand.thread },
        "locale": message.locale,
        "title": title,
        "text": cut(&text, TEXT, written),
        "links": links.take(LINKS.into()).collect::<Vec<_>>(),
        "image": message.image.as_deref().and_then(link).filter(|u| u.len() <= URL),
        "fields": fields,
    });
    let whole = document(message, errand, data, cloudevents).to_string();
    match whole.len() {
        0..=BODY => Ok(whole),
        length => Err(ShapeFault::TooLong { what: "the document, with the fields of [webhook]", length, limit: BODY }),
    }
}

fn document(message: &Message, errand: &Errand<'_>, data: Value, cloudevents: bool) -> Value {
    // What is no milestone of an order has its kind in its name.
    let own = message.milestone.contains('.');
    let kind = if own { message.milestone.clone() } else { format!("order.{}", message.milestone) };
    let time = errand.now.to_string();
    if !cloudevents {
        return json!({ "type": kind, "timestamp": time, "data": data });
    }
    let shop: String = url::form_urlencoded::byte_serialize(message.shop_id.as_bytes()).collect();
    let shop = shop.replace('+', "%20");
    json!({
        "specversion": "1.0",
        "id": event_id(errand.key),
        "source": format!("urn:orderwire:shop:{shop}"),
        "type": kind,
        "subject": one_line(&message.order_id),
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// What the words' own section added, with every text made safe.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(&clean(text), TEXT, written).into(),
        Value::Array(items) => items.iter().map(cleaned).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(|(k, v)| (k.clone(), cleaned(v))).collect()),
        other => other.clone(),
    }
}

/// The verdict on a receiver's answer: its status alone. Nothing of its body is repeated.
fn judge(answer: &Answer) -> Verdict {
    let status = match reply(answer) {
        Ok((status, _)) => status,
        Err(verdict) => return *verdict,
    };
    let detail = cut(&format!("the receiver answered {status}"), 120, graphemes);
    match status {
        200..=299 => Verdict::Accepted { ids: Vec::new(), again: false },
        410 => gone(detail),
        429 => too_fast(answer, detail),
        // Somebody must correct the address or the receiver's keys; its messages stay owed.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 421 | 451 => stop(detail),
        400 | 413..=415 | 422 | 431 => Verdict::Refused { detail },
        // It failed, and by the standard that is asked again, under the same id.
        400..=599 => later(Reason::Retrying, retry_after(answer), Scope::Message, detail),
        _ => Verdict::Unsure { detail },
    }
}
