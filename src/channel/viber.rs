//! Viber: a bot that writes to people who subscribed to it.
//!
//! Policy: a subscribed person may be written to at any time (billed outside the 24 hours after they wrote);
//! opening the conversation alone subscribes nobody. A bot cannot send before its webhook is set. Every answer
//! is HTTP 200 with a status in it; delivery and reading are reported. No key makes a repeat safe.
//!
//! Sources: developers.viber.com "Viber REST API" and creators.viber.com as stored on 2026-11-22; Viber's
//! SDKs for statuses 5 to 15.

mod setup;

use super::ask::{self, Finding, Question};
use super::wire::{Wire, retry_after};
use super::{Channel, Kind, Opened, Piece, Wish, account, media, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal, Unreachable};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::signature::{decode_hex, signed_by};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Address scheme: ids of people, each bot's own.
const SCHEME: &str = "viber";
/// "Max length 7,000 characters" (as clients have it; the page in store does not say).
const TEXT_LIMIT: usize = 7000;
/// "Sender's name: at most 28 characters".
const NAME: usize = 28;
/// Broadcasts may make 500 requests in 10 s; single messages name no limit.
const PER_SECOND: f64 = 40.0;
const API_URL: &str = "https://chatapi.viber.com";
const TIMEOUT_SECS: u32 = 10;
/// Keys of one keyboard that we use.
const ANSWERS: usize = 4;
/// Links written out under the words.
const LINKS: text::Links = text::Links { most: 3, label: 60, url: 1000 };
/// Tokens that may sign at once.
const SECRETS: usize = 4;
/// "100 messages an hour to one person who does not answer". Seconds.
const CAPPED: i64 = 3600;
/// Pause after a throttle that names no time, and first retry of a fault that passes. Seconds.
const THROTTLED: i64 = 60;
const PASSING: i64 = 5;

/// `[[channel]] kind = "viber"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The bot's token: sends, and signs the callbacks.
    auth_token: Secret,
    /// Tokens that still sign callbacks while one is being replaced.
    #[serde(default)]
    old_auth_tokens: Vec<Secret>,
    /// Name above the messages, at most 28 characters.
    sender_name: String,
    /// Picture beside them: an `https` address.
    sender_avatar: Option<String>,
    /// The REST API, where it is not Viber's own.
    api_url: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 50; 40 if left out.
    per_second: Option<f64>,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "viber",
    example: r#"# [[channel]]
# id = "viber-bot"
# kind = "viber"
# auth_token = { env = "VIBER_TOKEN" }              # sends, and signs callbacks (set_webhook to PUBLIC_URL/callbacks/viber-bot)
# sender_name = "My Shop"                           # at most 28 characters
# # start_url = "viber://pa?chatURI=myshop&context={code}" # where a chat begins, for links that connect an order
# # sender_avatar = "https://shop.example.com/face.png"
# # old_auth_tokens = [{ env = "VIBER_TOKEN_OLD" }] # still sign, while one is being replaced
# # api_url = "https://chatapi.viber.com"
# # per_second = 40
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, TIMEOUT_SECS),
    open,
    judge,
};

fn open(id: ChannelId, settings: Value) -> Opened {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let api_url = settings.api_url.as_deref().unwrap_or(API_URL);
    let base = account::keep(account::base("api_url", api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(settings.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::keep(account::per_second(settings.per_second, PER_SECOND, 50.0), &mut mistakes, PER_SECOND);
    let name = text::one_line(&settings.sender_name);
    if name.is_empty() || length(&name) > NAME {
        mistakes.push(Mistake::new("sender_name", format!("write a name of at most {NAME} characters")));
    }
    let avatar = settings.sender_avatar.as_deref().map(text::link);
    if avatar == Some(None) {
        mistakes.push(Mistake::new("sender_avatar", "is not an https address"));
    }
    let token = settings.auth_token.expose();
    let header = HeaderValue::from_str(token).ok().filter(|_| token.len() >= 16 && token.is_ascii());
    if header.is_none() {
        mistakes.push(Mistake::new("auth_token", "is too short, or holds characters that no token has"));
    }
    let secrets: Vec<Secret> =
        std::iter::once(&settings.auth_token).chain(&settings.old_auth_tokens).cloned().collect();
    if secrets.len() > SECRETS || secrets[1..].iter().any(|s| s.expose().is_empty()) {
        mistakes.push(Mistake::new("old_auth_tokens", "three at most, and none of them empty"));
    }
    let (Some(mut header), true) = (header, mistakes.is_empty()) else { return Err(mistakes) };
    header.set_sensitive(true);
    let headers = HeaderMap::from_iter([(reqwest::header::HeaderName::from_static("x-viber-auth-token"), header)]);
    let wire =
        Wire::new(Duration::from_secs(timeout.into()), base.plain).map_err(|e| vec![Mistake::new("api_url", e)])?;
    let mut sender = json!({ "name": name });
    if let Some(Some(avatar)) = avatar {
        sender["avatar"] = avatar.into();
    }
    Ok(Box::new(Viber {
        id,
        capabilities: capabilities(pace, timeout),
        url: format!("{}/pa", base.url),
        sender,
        secrets,
        headers,
        wire,
    }))
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::Connected,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 3,
        image: false,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, unsubscribed",
        keeps_refusals: false,
        binding: "viber:// link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

/// An id as Viber writes it: base64, scoped to the bot.
fn person(raw: &str) -> Option<Address> {
    let id = raw.trim();
    let core = id.trim_end_matches('=');
    let good = (8..=64).contains(&id.len()) && id.len() - core.len() <= 2;
    let letters = core.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    // A run of digits is a phone number or another messenger's id.
    (good && letters && !core.bytes().all(|b| b.is_ascii_digit())).then(|| Address::new(SCHEME, id))
}

/// One bot.
struct Viber {
    id: ChannelId,
    capabilities: Capabilities,
    url: String,
    sender: Value,
    secrets: Vec<Secret>,
    headers: HeaderMap,
    wire: Wire,
}

impl Channel for Viber {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let to = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("Viber needs the id of a subscriber to write to".into())),
        };
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Viber takes free words only".into()));
        }
        let mut document = json!({ "receiver": to, "type": "text", "sender": self.sender, "text": text::with_links(message, &LINKS, TEXT_LIMIT)? });
        let answers: Vec<Value> = text::actions(message, ANSWERS).into_iter().map(answer).collect();
        if !answers.is_empty() {
            document["keyboard"] = json!({ "Type": "keyboard", "DefaultHeight": false, "Buttons": answers });
        }
        let body = document.to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        let Some(url) = media::picture(reply) else { return Ok(shaped) };
        media::edited(shaped, |document| {
            (document["type"], document["text"], document["media"]) = ("picture".into(), "".into(), url.into());
        })
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move {
            let url = media::at_vendor(file.url.as_deref().ok_or(FetchFault::NotOffered)?, &["viber.com"], &self.url)?;
            self.wire.fetch(&url, HeaderMap::new()).await
        })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { judge(&self.call("send_message", envelope.body.clone()).await) })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        const HEADER: &str = "x-viber-content-signature";
        let Some(header) = raw.header(HEADER) else {
            return Admission::Refuse(if raw.has_header(HEADER) { Refusal::BadSignature } else { Refusal::Unsigned });
        };
        let Some(mac) = decode_hex(header) else { return Admission::Refuse(Refusal::BadSignature) };
        match signed_by(&self.secrets, &raw.body, &mac) {
            Some(secret_index) => Admission::Take {
                dedupe: hex::encode(Sha256::digest(&raw.body)),
                content: Digest8::of(&[&mac]),
                secret_index,
            },
            None => Admission::Refuse(Refusal::BadSignature),
        }
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear(raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let refused = |body: &Value| body.get("status").and_then(Value::as_i64) != Some(0);
            match ask::document(&self.call("get_account_info", "{}".into()).await, refused) {
                Err(no) => vec![no.trouble("account", "check auth_token; Viber's admin panel shows it")],
                Ok(info) => {
                    vec![Finding::fine("account", ask::text(&info, "/name")), webhook(&info, question)]
                }
            }
        })
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(self.set_up_all(wish, install))
    }
}

impl Viber {
    /// Calls a method of the REST API, once.
    async fn call(&self, method: &str, body: String) -> Answer {
        self.wire.post_json(&format!("{}/{method}", self.url), self.headers.clone(), body).await
    }
}

/// The webhook as the account's details tell it. Without a list of kinds, all are told.
fn webhook(info: &Value, question: &Question) -> Finding {
    let found = ask::callback(ask::text(info, "/webhook"), question, "by set_webhook: before that nothing is sent");
    let listed = info.get("event_types").and_then(Value::as_array).filter(|all| !all.is_empty());
    let lacks = |kind: &&str| listed.is_some_and(|all| !all.iter().any(|k| k == kind));
    match ["delivered", "failed", "unsubscribed"].iter().find(|kind| lacks(kind)) {
        Some(kind) if found.state == ask::State::Fine => {
            Finding::trouble("callback", format!("{kind} is not told"), "leave event_types out of set_webhook")
        }
        _ => found,
    }
}

fn length(words: &str) -> usize {
    words.chars().count()
}

/// A key that answers: its data comes back as if the subscriber had written it, and is not shown.
fn answer((label, data): (String, &str)) -> Value {
    json!({ "Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": data, "Text": label, "Silent": true })
}

/// What an answer means: the status in the body, and the HTTP status only where there is none.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let Some(code) = document.get("status").and_then(Value::as_i64).filter(|_| (200..300).contains(&status)) else {
        let detail = format!("HTTP {status} without a status of Viber");
        return match status {
            429 => later(Reason::RateLimited, retry_after(answer).or(Some(THROTTLED)), Scope::Account, detail),
            300..=399 | 401 | 403 | 404 | 407 => stop(detail),
            _ => Verdict::Unsure { detail },
        };
    };
    let words = document.get("status_message").and_then(Value::as_str).unwrap_or_default();
    let detail = text::cut(&format!("{code} {}", text::one_line(words)), 120, text::graphemes);
    match code {
        0 => match document.get("message_token").and_then(token) {
            Some(id) => Verdict::Accepted { ids: vec![id], again: false },
            None => Verdict::Unsure { detail: "0 without a message token".into() },
        },
        // No webhook, a token that is none, a bot blocked, gone, suspended, not allowed; the wrong kind of account.
        1 | 2 | 7..=10 | 15..=20 => stop(detail),
        3 | 4 | 13 | 14 => Verdict::Refused { detail },
        5 => gone(Unreachable::Invalid, detail),
        6 => gone(Unreachable::Blocked, detail),
        11 => Verdict::Unreachable {
            reason: Reason::RecipientInvalid,
            scope: Scope::Recipient,
            change: PersonChange::default(),
            detail,
        },
        12 => later(Reason::RecipientCapped, Some(CAPPED), Scope::Recipient, detail),
        _ => Verdict::Refused { detail },
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater {
        reason,
        after_secs: after_secs.or((reason == Reason::Retrying).then_some(PASSING)),
        scope,
        detail,
    }
}

/// The whole bot stops; its messages stay owed.
fn stop(detail: String) -> Verdict {
    later(Reason::ChannelPaused, None, Scope::Account, detail)
}

/// Nothing more to this person until something comes from them.
fn gone(why: Unreachable, detail: String) -> Verdict {
    let change = PersonChange { unreachable: Some(Some(why)), ..PersonChange::default() };
    Verdict::Unreachable { reason: why.reason(), scope: Scope::Recipient, change, detail }
}

/// A message's token: a string, or a number beyond 2^53.
fn token(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    }
}

/// What one event told.
fn hear(raw: &RawWebhook) -> Heard {
    let mut heard = Heard::default();
    let Ok(event) = serde_json::from_slice::<Value>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    heard.signals.extend(signal(&event, raw.received_at));
    heard
}

fn signal(event: &Value, received: Timestamp) -> Option<Signal> {
    let what = match event.get("event").and_then(Value::as_str)? {
        "subscribed" => "subscribed",
        "unsubscribed" => "unsubscribed",
        "conversation_started" => "conversation_started",
        "message" => "message",
        "delivered" => "delivered",
        "seen" => "seen",
        "failed" => "failed",
        // The check when a webhook is set, news of the client, and what Viber may invent.
        _ => return None,
    };
    let id = ["/user_id", "/user/id", "/sender/id"].iter().find_map(|p| event.pointer(p).and_then(Value::as_str));
    let who = person(id?)?;
    // Nothing happened later than we heard of it.
    let time = event.get("timestamp").and_then(Value::as_i64);
    let at = time.map_or(received, |ms| from_millis(ms).min(received));
    let mark = event.get("message_token").and_then(token).unwrap_or_else(|| at.as_millisecond().to_string());
    let mut signal = Signal::new(what, Some(who.clone()), format!("{what}:{mark}:{}", who.value), at);
    let receipt = |state| Some(Receipt { of: ReceiptOf::ProviderId(mark.clone()), state });
    match what {
        "subscribed" => (signal.change.unreachable, signal.wakes) = (Some(None), true),
        "unsubscribed" => signal.change.unreachable = Some(Some(Unreachable::Blocked)),
        // They opened the conversation and are no subscriber yet.
        "conversation_started" => signal.payload = event.get("context").and_then(Value::as_str).map(String::from),
        "message" => {
            (signal.change.unreachable, signal.wakes) = (Some(None), true);
            let part = |key: &str| event.pointer(&format!("/message/{key}")).and_then(Value::as_str).map(String::from);
            signal.text = part("text");
            let kind = part("type").filter(|kind| kind != "text");
            let file = |kind| Attachment { name: part("file_name"), url: part("media"), ..Attachment::new(kind) };
            signal.attachments.extend(kind.map(file));
        }
        "delivered" => signal.receipt = receipt(ReceiptState::Delivered),
        "seen" => signal.receipt = receipt(ReceiptState::Read),
        _ => {
            let why = event.get("desc").and_then(Value::as_str).unwrap_or("failed");
            signal.receipt = receipt(ReceiptState::Undelivered(text::cut(&text::one_line(why), 60, text::graphemes)));
        }
    }
    Some(signal)
}
