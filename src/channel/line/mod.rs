//! LINE Messaging API: push and reply to friends of an official account.
//!
//! Vendor's documents (read in the state of 2026-08; API description 2026-07-01): Messaging API reference,
//! "Retrying API requests", "Receiving messages (webhook)", "Verify webhook signature", "Channel access token".
//! What shapes the code:
//! - 200 means taken, never delivered: LINE answers 200 for people who blocked the account. There are no
//!   receipts for pushes; `unfollow` is the only sign.
//! - `X-Line-Retry-Key` from the first attempt on, push only: on a reply the header itself is an error. After
//!   24 h the same key is a new message, so its life ends an hour before.
//! - Two different 429: monthly quota and rate; only the words tell them apart. No `Retry-After`.
//! - A text may have 5,000 UTF-16 units; labels are counted in graphemes; a bubble may have 30 KB.
//! - A callback must be answered within 2 s, may hold events of several people, none at all, or none's.

mod ask;
mod hear;
mod judge;
mod shape;
mod token;

use super::wire::Wire;
use super::{Channel, Finding, Kind, Opened, Question, Quota, account};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use token::Tokens;
use tokio::time::{Instant, timeout_at};

/// The kind.
pub static KIND: Kind = Kind {
    name: "line",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    capabilities: || capabilities(true, PER_SECOND, TIMEOUT_SECS),
    open,
    judge: judge::judge,
};

const EXAMPLE: &str = r#"# [[channel]]
# id = "line-main"
# kind = "line"
# access_token = { env = "LINE_TOKEN" }            # long-lived channel access token; leave it out to use channel_id
# channel_secret = { env = "LINE_SECRET" }         # verifies callbacks (Webhook URL: PUBLIC_URL/callbacks/line-main)
# # channel_id = "1234567890"                      # instead of access_token: short tokens are fetched with channel_secret
# # channel_secrets = [{ env = "LINE_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # user_id = "U0123456789abcdef0123456789abcdef"  # the account's own user id: callbacks for another one are refused
# # flex = true                                    # cards with buttons; false: plain text
# # api_url = "https://api.line.me"
# # per_second = 200
# # timeout = "10s"
"#;

/// Settings of a LINE account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Long-lived channel access token. Left out: `channel_id` is used.
    access_token: Option<Secret>,
    /// Channel id: with it and `channel_secret`, tokens of 15 minutes are fetched as needed.
    channel_id: Option<String>,
    /// Channel secret: verifies callbacks, and fetches tokens where `channel_id` is set.
    channel_secret: Option<Secret>,
    /// Further secrets that verify callbacks, during a rotation.
    #[serde(default)]
    channel_secrets: Vec<Secret>,
    /// User id of the official account itself (`destination` of callbacks).
    user_id: Option<String>,
    /// Cards with buttons (Flex); `false`: plain text.
    #[serde(default = "yes")]
    flex: bool,
    /// Address of the API.
    #[serde(default = "api_url")]
    api_url: String,
    /// Messages a second, at most 2000.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

fn yes() -> bool {
    true
}

fn api_url() -> String {
    "https://api.line.me".into()
}

/// LINE allows 2,000 requests a second and forbids load tests; nobody's order updates need more than this.
const PER_SECOND: f64 = 200.0;
const PER_SECOND_MAX: f64 = 2000.0;
const TIMEOUT_SECS: u32 = 10;
/// A retry key lives 24 h from the first request and is a *new* message afterwards.
const RETRY_KEY_SECS: i64 = 23 * 3600;
/// Secrets tried per callback: bounded, so that a forged one costs little.
const SECRETS_MAX: usize = 4;

struct Line {
    id: ChannelId,
    capabilities: Capabilities,
    wire: Wire,
    api_url: String,
    tokens: Tokens,
    secrets: Vec<Secret>,
    user_id: Option<String>,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let base = account::keep(account::base("api_url", &set.api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let secrets: Vec<Secret> = set.channel_secret.iter().chain(&set.channel_secrets).cloned().collect();
    if secrets.is_empty() {
        mistakes.push(Mistake::new(
            "channel_secret",
            "is needed: without it no callback is believed, and who blocked the account is never known",
        ));
    }
    if secrets.iter().any(|s| s.expose().is_empty()) {
        mistakes.push(Mistake::new("channel_secret", "is empty"));
    }
    if secrets.len() > SECRETS_MAX {
        mistakes.push(Mistake::new("channel_secrets", format!("at most {SECRETS_MAX} secrets may live at once")));
    }
    if set.user_id.as_deref().is_some_and(|u| !is_user_id(u)) {
        mistakes.push(Mistake::new("user_id", "must be U and 32 characters of 0-9 and a-f"));
    }
    let tokens = Tokens::open(set.access_token, set.channel_id, set.channel_secret, &base.url);
    let wire = Wire::new(Duration::from_secs(timeout.into()), base.plain).map_err(|e| Mistake::new("", e));
    match (tokens, wire) {
        (Ok(tokens), Ok(wire)) if mistakes.is_empty() => Ok(Box::new(Line {
            id,
            capabilities: capabilities(set.flex, pace, timeout),
            wire,
            api_url: base.url,
            tokens,
            secrets,
            user_id: set.user_id,
        })),
        (tokens, wire) => {
            mistakes.extend(tokens.err());
            mistakes.extend(wire.err());
            Err(mistakes)
        }
    }
}

fn capabilities(flex: bool, per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "line",
        consent: ConsentRule::Connected,
        window: WindowRule::None,
        template_outside_window: false,
        text_limit: shape::TEXT_UNITS,
        unit: Unit::Utf16,
        buttons: shape::BUTTONS,
        image: flex,
        retry_key_secs: Some(RETRY_KEY_SECS),
        receipts: "none",
        opt_out: "unfollow event (a push to somebody who blocked is answered as if taken)",
        binding: "account link",
        unsubscribe_link: false,
        reply_token: true,
        // A lowered pace lowers the burst too: whoever asks for one a second does not want fifty at once.
        pace: Pace { per_second, burst: per_second.clamp(1.0, 50.0) as u32, concurrent: 32, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

/// `U` and 32 lower-case hexadecimal characters. Scoped to the provider: another provider's id looks the same.
fn is_user_id(raw: &str) -> bool {
    raw.strip_prefix('U')
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A person's address from an id as LINE writes it.
fn address(raw: &str) -> Option<Address> {
    is_user_id(raw).then(|| Address::new("line", raw))
}

impl Channel for Line {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        address(raw.trim())
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let body = shape::request(message, errand, self.capabilities.image)?;
        // A reply refuses the header; its token can be used once and is its own protection.
        let key = (errand.form == Form::Free).then_some(errand.key);
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(self.deliver(envelope))
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.secrets, self.user_id.as_deref())
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.look(question))
    }

    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        Some(Box::pin(self.ask_quota()))
    }
}

impl Line {
    /// One hand-over. A token that LINE no longer takes (401: certainly nothing was taken) is fetched anew once.
    async fn deliver(&self, envelope: &Envelope) -> Verdict {
        let deadline = Instant::now() + Duration::from_secs(self.capabilities.timeout_secs.into());
        let (answer, token) = match self.attempt(envelope, deadline).await {
            Ok(seen) => seen,
            Err(verdict) => return verdict,
        };
        let worn = matches!(answer, Answer::Reply { status: 401, .. });
        if !(worn && self.tokens.forget(&token).await) {
            return judge::judge(&answer);
        }
        match self.attempt(envelope, deadline).await {
            Ok((answer, _)) => judge::judge(&answer),
            Err(verdict) => verdict,
        }
    }

    async fn attempt(&self, envelope: &Envelope, deadline: Instant) -> Result<(Answer, Secret), Verdict> {
        let token = match timeout_at(deadline, self.tokens.get(&self.wire)).await {
            Ok(token) => token?,
            Err(_) => return Err(not_yet("no access token within the time-out")),
        };
        let Some(mut headers) = super::wire::bearer(token.expose()) else {
            return Err(not_yet("LINE issued an access token that no header can carry"));
        };
        let path = if envelope.form == Form::Reply { "reply" } else { "push" };
        if let Some(key) = envelope.key {
            headers.insert("x-line-retry-key", retry_key(&key));
        }
        let url = format!("{}/v2/bot/message/{path}", self.api_url);
        let sent = self.wire.post_json(&url, headers, envelope.body.clone());
        let answer = timeout_at(deadline, sent).await;
        Ok((answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())), token))
    }

    /// Quota of the month and its approximate use, the manager's own sends included.
    async fn ask_quota(&self) -> Option<Quota> {
        let token = self.tokens.get(&self.wire).await.ok()?;
        let headers = super::wire::bearer(token.expose())?;
        let limit = self.ask("quota", headers.clone()).await?;
        let used = self.ask("quota/consumption", headers).await?;
        let limit = match limit.get("type")?.as_str()? {
            "limited" => Some(limit.get("value")?.as_u64()?),
            _ => None,
        };
        Some(Quota { limit, used: used.get("totalUsage")?.as_u64()? })
    }

    async fn ask(&self, what: &str, headers: HeaderMap) -> Option<Value> {
        let url = format!("{}/v2/bot/message/{what}", self.api_url);
        match self.wire.get(&url, headers).await {
            Answer::Reply { status: 200, body, .. } => serde_json::from_slice(&body).ok(),
            _ => None,
        }
    }
}

fn retry_key(key: &uuid::Uuid) -> HeaderValue {
    HeaderValue::from_str(&key.to_string()).expect("a UUID is hexadecimal and hyphens")
}

/// Nothing reached the messaging endpoint.
fn not_yet(detail: &str) -> Verdict {
    Verdict::TryLater { reason: Reason::Retrying, after_secs: None, scope: Scope::Message, detail: detail.into() }
}
