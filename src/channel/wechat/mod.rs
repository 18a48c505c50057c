//! WeChat: an Official Account (service account) that writes to its followers.
//!
//! Vendor's documents (state of 2026-11-22): "Customer service messages" (windows of 2023-06-12), "Template messages"
//! (rules of 2023-05-04), "Receive messages and events", "Message encryption", "Get stable access token", "Subscription
//! notifications", "Global return codes".
//!
//! Policy: free words for 48 hours and five messages after the customer wrote, for a minute and three messages after a
//! tap, a scan or a follow; an approved template to any follower at any time, about the order and nothing else. The
//! count is WeChat's: when it is used up the answer says so, and the window counts as closed.
//!
//! - Errors come inside HTTP 200; a template's fate comes later, by `TEMPLATESENDJOBFINISH`.
//! - `client_msg_id` makes a repeated template one message for ten minutes. Free words know no such mark.
//! - A template's values are short and typed: what is too long or of another kind refuses the whole message.
//! - Outside the window, and where the words name no template, a subscription notification goes to whoever allowed one
//!   by a tap (on the shop's page or in an article, beside a follow or without): each tap is one message. WeChat counts
//!   too, and its count holds (43101).
//! - The call that sends one answers no id, so what `subscribe_msg_sent_event` tells finds its message only where the
//!   answer held one ("Send a subscription notification", read 2026-11-25).
//! - A push must be answered within 5 s, or the customer reads that the account is out of order.

mod ask;
mod hear;
mod judge;
mod push;
mod scene;
mod seal;
mod setup;
mod shape;
mod token;

use super::wire::Wire;
use super::{Channel, Finding, Kind, Opened, Piece, Question, Quota, Wish, account};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Grant, Heard, PersonChange};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use seal::Seal;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use token::Tokens;
use tokio::time::{Instant, timeout_at};

/// Address scheme: an openid, which means a follower of this very account.
const SCHEME: &str = "wechat";
/// 48 hours, closed five minutes early: the vendor's clock decides, and a send takes time.
const WINDOW_SECS: i64 = 48 * 3600 - 300;
/// "Valid for ten minutes; beyond that nothing is promised."
const RETRY_KEY_SECS: i64 = 600;
/// No rate a second is published; 100,000 calls a day and a quota a minute are.
const PER_SECOND: f64 = 20.0;
const PER_SECOND_MAX: f64 = 500.0;
const TIMEOUT_SECS: u32 = 10;

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "wechat",
    example: r#"# [[channel]]
# id = "wechat-main"
# kind = "wechat"
# app_id = "wx0123456789abcdef"                     # of a verified service account
# app_secret = { env = "WECHAT_SECRET" }            # fetches access tokens; put the relay's address on the account's IP list
# token = { env = "WECHAT_TOKEN" }                  # signs callbacks (URL: PUBLIC_URL/callbacks/wechat-main); 3 to 32 letters and digits
# encoding_aes_key = { env = "WECHAT_AES_KEY" }     # for "security mode"; without it callbacks come plain, and are signed less well
# # api_url = "https://api.weixin.qq.com"
# # per_second = 20
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, TIMEOUT_SECS),
    open,
    judge: judge::judge,
};

/// `[[channel]] kind = "wechat"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The account's developer id (`wx…`).
    app_id: String,
    /// The developer secret (AppSecret).
    app_secret: Secret,
    /// The callback's token, as set in the console: 3 to 32 letters and digits.
    token: Secret,
    /// The callback's EncodingAESKey, 43 characters: callbacks must come encrypted.
    encoding_aes_key: Option<Secret>,
    /// Address of the API; `https://api.weixin.qq.com` if left out.
    #[serde(default = "api_url")]
    api_url: String,
    /// Messages a second; 20 if left out, at most 500.
    per_second: Option<f64>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
}

fn api_url() -> String {
    "https://api.weixin.qq.com".into()
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let base = account::keep(account::base("api_url", &set.api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let app_id = set.app_id.trim().to_string();
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !app_id.starts_with("wx") || app_id.len() > 32 || !plain(&app_id) {
        mistakes.push(Mistake::new("app_id", "begins with wx and has letters and digits alone"));
    }
    if set.app_secret.expose().is_empty() {
        mistakes.push(Mistake::new("app_secret", "is empty"));
    }
    if !(3..=32).contains(&set.token.expose().len()) || !plain(set.token.expose()) {
        mistakes.push(Mistake::new("token", "must be 3 to 32 letters and digits, the same as in WeChat's console"));
    }
    let key = set.encoding_aes_key.as_ref().map(|k| seal::key(k.expose()));
    if matches!(key, Some(None)) {
        mistakes.push(Mistake::new("encoding_aes_key", "must be the 43 characters that WeChat's console shows"));
    }
    let wire = Wire::new(Duration::from_secs(timeout.into()), base.plain).map_err(|e| Mistake::new("", e));
    match wire {
        Ok(wire) if mistakes.is_empty() => Ok(Box::new(WeChat {
            id,
            capabilities: capabilities(pace, timeout),
            tokens: Tokens::new(app_id.clone(), set.app_secret, &base.url),
            seal: Seal::new(set.token, key.flatten(), app_id),
            api_url: base.url,
            wire,
        })),
        wire => Err(mistakes.into_iter().chain(wire.err()).collect()),
    }
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::Connected,
        window: WindowRule::Seconds(WINDOW_SECS),
        template_outside_window: true,
        grants: true,
        text_limit: shape::TEXT_BYTES,
        unit: Unit::Bytes,
        buttons: shape::LINKS,
        image: false,
        retry_key_secs: Some(RETRY_KEY_SECS),
        receipts: "delivered",
        opt_out: "keyword, unsubscribe",
        keeps_refusals: false,
        binding: "scene QR code",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: per_second.clamp(1.0, 20.0) as u32, concurrent: 8, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

/// As WeChat writes them today: `o` and 27 more; the length is not promised.
fn is_openid(raw: &str) -> bool {
    let letters = raw.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    raw.starts_with('o') && (20..=64).contains(&raw.len()) && letters
}

/// A follower of this account.
fn address(raw: &str) -> Option<Address> {
    is_openid(raw).then(|| Address::new(SCHEME, raw))
}

/// One account.
struct WeChat {
    id: ChannelId,
    capabilities: Capabilities,
    api_url: String,
    tokens: Tokens,
    seal: Seal,
    wire: Wire,
}

impl Channel for WeChat {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        shape::template_id(section).is_some()
    }

    fn granted_template(&self, section: &BTreeMap<String, Value>) -> Option<String> {
        shape::subscription_id(section).map(str::to_string)
    }

    fn address(&self, raw: &str) -> Option<Address> {
        address(raw.trim())
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let to = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("WeChat needs the openid of a follower to write to".into())),
        };
        let (body, key) = match errand.form {
            Form::Free => (shape::free(to, message)?, None),
            Form::Template => (shape::template(to, message, &errand.key)?, Some(errand.key)),
            Form::Grant => (shape::notification(to, message)?, None),
            Form::Reply => return Err(ShapeFault::Unfit("WeChat has no reply tokens".into())),
        };
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body: body.to_string(), key, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(self.deliver(envelope))
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.seal)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw, &self.seal)
    }

    fn answers_as(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.look(question))
    }

    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        Some(Box::pin(self.left()))
    }

    fn begins<'a>(&'a self, code: &'a str, secs: i64) -> Option<BoxFuture<'a, Option<String>>> {
        Some(Box::pin(self.scene(code, secs)))
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(self.set_up_all(wish, install))
    }
}

impl WeChat {
    /// One hand-over. A token that WeChat no longer takes (certainly nothing was taken) is fetched anew once.
    async fn deliver(&self, envelope: &Envelope) -> Verdict {
        let deadline = Instant::now() + Duration::from_secs(self.capabilities.timeout_secs.into());
        let (answer, token) = match self.attempt(envelope, deadline).await {
            Ok(seen) => seen,
            Err(verdict) => return verdict,
        };
        if !judge::worn(&answer) {
            return judged(&answer, envelope);
        }
        self.tokens.forget(&token).await;
        match self.attempt(envelope, deadline).await {
            Ok((answer, _)) => judged(&answer, envelope),
            Err(verdict) => verdict,
        }
    }

    async fn attempt(&self, envelope: &Envelope, deadline: Instant) -> Result<(Answer, Secret), Verdict> {
        let token = match timeout_at(deadline, self.tokens.get(&self.wire)).await {
            Ok(token) => token?,
            Err(_) => {
                let detail = "no access token within the time-out".to_string();
                let (reason, scope) = (Reason::Retrying, Scope::Message);
                return Err(Verdict::TryLater { reason, after_secs: None, scope, detail });
            }
        };
        let url = self.url(envelope.form, &token);
        let sent = self.wire.post_json(&url, HeaderMap::new(), envelope.body.clone());
        let answer = timeout_at(deadline, sent).await;
        Ok((answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())), token))
    }

    /// Where a message of this form goes. The token is part of it: no error shows an address.
    fn url(&self, form: Form, token: &Secret) -> String {
        let path = match form {
            Form::Template => "template/send",
            Form::Grant => "subscribe/bizsend",
            Form::Free | Form::Reply => "custom/send",
        };
        let token = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect::<String>();
        format!("{}/cgi-bin/message/{path}?access_token={token}", self.api_url)
    }
}

/// The verdict on one message. Where it was one that the person allowed and WeChat knows of no tap, ours are forgotten,
/// and all is decided anew: a tap that comes later releases what waits.
fn judged(answer: &Answer, envelope: &Envelope) -> Verdict {
    let verdict = judge::judge(answer);
    match verdict {
        Verdict::Unreachable { scope, detail, .. } if envelope.form == Form::Grant && judge::taken_back(answer) => {
            let document: Value = serde_json::from_str(&envelope.body).unwrap_or_default();
            let template = document.get("template_id").and_then(Value::as_str).unwrap_or_default().to_string();
            let change = PersonChange { grants: [(template, Grant::Gone)].into(), ..PersonChange::default() };
            Verdict::Unreachable { reason: Reason::WindowClosed, scope, change, detail }
        }
        other => other,
    }
}
