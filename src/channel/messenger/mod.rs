//! Facebook Messenger: the Send API of a page, and the page's webhook.
//!
//! Policy: free words for 24 hours after the person acted, an approved utility template at any time, nothing
//! else. Message tags ended on 2026-04-27. The API knows no key against repetition: after a time-out the
//! message may have gone, and only its echo (which carries our reference) tells.
//!
//! Sources: Meta's Messenger Platform pages "Send messages", "Webhooks", "Policy" (read 2026-09-11), "Utility
//! messages" (2026-03-13), "Error codes" (2026-06-25), "Rate limiting" (2026-03-23), changelog to 2026-06-30.

mod hear;
mod judge;
mod shape;

use super::wire::{Wire, bearer, retry_after};
use super::{Channel, Kind, account, meta, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Verdict};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Address scheme: page-scoped ids.
const SCHEME: &str = "messenger";
/// "Text must be shorter than 2,000 characters" (third-party digest of 2026-07-12).
const TEXT_LIMIT: usize = 1999;
/// 24 hours, closed five minutes early: the vendor's clock decides, and a send takes time.
const WINDOW_SECS: i64 = 24 * 3600 - 300;
/// Above 40 a second the page's inbox stops showing messages and cannot send.
const PER_SECOND: f64 = 30.0;
/// The Graph API, where settings name no other address.
const API_URL: &str = "https://graph.facebook.com";
/// Newest version on 2026-11-22; an address without one falls to a version that moves.
const API_VERSION: &str = "v26.0";
/// Longest a send may take, where settings say nothing.
const TIMEOUT_SECS: u32 = 10;
/// App secrets that may live at once.
const SECRETS: usize = 4;
/// Longest page-scoped id accepted; today's have 15 to 17 digits.
const ID_CAP: usize = 32;

/// `[[channel]] kind = "messenger"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The page's id, in quotes.
    page_id: String,
    /// A token of the page with `pages_messaging` and, for templates, `pages_utility_messaging`.
    access_token: Secret,
    /// The app's secret: signs the webhook, and proves our calls.
    app_secret: Option<Secret>,
    /// Several app secrets, newest first, while one is being replaced.
    #[serde(default)]
    app_secrets: Vec<Secret>,
    /// The word given in the dashboard when the webhook was subscribed.
    verify_token: Secret,
    /// The Graph API; `https://graph.facebook.com` if left out.
    api_url: Option<String>,
    /// Version of the Graph API; `v26.0` if left out.
    api_version: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 30, which it is if left out.
    per_second: Option<f64>,
    /// Use the template inside the window too, wherever the words name one.
    #[serde(default)]
    prefer_template: bool,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "messenger",
    example: r#"# [[channel]]
# id = "messenger-page"
# kind = "messenger"
# page_id = "102290129340398"
# access_token = { env = "MESSENGER_TOKEN" }        # of the page; needs pages_messaging and pages_utility_messaging
# app_secret = { env = "META_APP_SECRET" }          # verifies callbacks (URL: PUBLIC_URL/callbacks/messenger-page) and proves our calls
# verify_token = { env = "MESSENGER_VERIFY_TOKEN" } # a long random word; the same one in the app's dashboard
# # app_secrets = [{ env = "META_APP_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # prefer_template = true                          # approved templates inside the 24 hours too
# # api_url = "https://graph.facebook.com"
# # api_version = "v26.0"
# # per_second = 30                                 # above 40 the page's inbox stops working
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    open,
    judge: judge::judge,
};

fn open(id: ChannelId, settings: Value) -> Result<Box<dyn Channel>, Vec<Mistake>> {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let api_url = settings.api_url.as_deref().unwrap_or(API_URL);
    let base = account::keep(account::base("api_url", api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(settings.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(settings.per_second, PER_SECOND, PER_SECOND);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let mut must = |good: bool, key: &str, message: &str| {
        if !good {
            mistakes.push(Mistake::new(key, message));
        }
    };
    must(person(&settings.page_id).is_some(), "page_id", "the page's id is a number, written in quotes");
    let secrets: Vec<Secret> = settings.app_secret.iter().chain(&settings.app_secrets).cloned().collect();
    let listed = if settings.app_secret.is_some() { "app_secret" } else { "app_secrets" };
    must(!secrets.is_empty(), "app_secret", "set it: without the app's secret no callback can be checked");
    must(secrets.len() <= SECRETS, "app_secrets", "four at most: each is tried on every callback");
    must(secrets.iter().all(|s| !s.expose().is_empty()), listed, "an app secret is empty");
    must(!settings.verify_token.expose().is_empty(), "verify_token", "an empty word would let anybody subscribe");
    let token = settings.access_token.expose();
    let headers = bearer(token).filter(|_| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    must(headers.is_some(), "access_token", "is empty, or holds characters that no token has");
    let version = settings.api_version.as_deref().unwrap_or(API_VERSION);
    must(is_version(version), "api_version", "write it like v26.0");
    let (Some(newest), Some(headers), true) = (secrets.first(), headers, mistakes.is_empty()) else {
        return Err(mistakes);
    };
    let wire =
        Wire::new(Duration::from_secs(timeout.into()), base.plain).map_err(|e| vec![Mistake::new("api_url", e)])?;
    // The proof goes with every call; apps that do not demand it take no notice.
    let proof = meta::proof(newest, &settings.access_token);
    let url = format!("{}/{version}/{}/messages?appsecret_proof={proof}", base.url, settings.page_id);
    Ok(Box::new(Messenger {
        id,
        capabilities: capabilities(pace, timeout),
        page_id: settings.page_id,
        secrets,
        verify_token: settings.verify_token,
        prefer_template: settings.prefer_template,
        url,
        headers,
        wire,
    }))
}

fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix('v').and_then(|v| v.split_once('.'));
    numbers.is_some_and(|(a, b)| a.parse::<u8>().is_ok() && b.parse::<u8>().is_ok())
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::Connected,
        window: WindowRule::Seconds(WINDOW_SECS),
        template_outside_window: true,
        text_limit: TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 3,
        image: true,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, block",
        binding: "m.me link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

/// A page-scoped id: digits, kept as text because they pass 2^53.
fn person(raw: &str) -> Option<Address> {
    let id = raw.trim();
    let good = (1..=ID_CAP).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) && !id.starts_with('0');
    good.then(|| Address::new(SCHEME, id))
}

/// One page.
struct Messenger {
    id: ChannelId,
    capabilities: Capabilities,
    page_id: String,
    secrets: Vec<Secret>,
    verify_token: Secret,
    prefer_template: bool,
    url: String,
    headers: HeaderMap,
    wire: Wire,
}

impl Messenger {
    async fn post(&self, body: String) -> Answer {
        self.wire.post_json(&self.url, self.headers.clone(), body).await
    }
}

impl Channel for Messenger {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        shape::names_template(section)
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let psid = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("Messenger needs a page-scoped id to write to".into())),
        };
        let preferred = self.prefer_template && shape::names_template(&message.extra);
        let (form, document) = match errand.form {
            Form::Template => (Form::Template, shape::utility(psid, message)?),
            Form::Free if preferred => match shape::utility(psid, message) {
                Ok(document) => (Form::Template, document),
                // The window is open: better free words than none.
                Err(_) => (Form::Free, shape::free(psid, message, errand)?),
            },
            Form::Free => (Form::Free, shape::free(psid, message, errand)?),
            Form::Reply => return Err(ShapeFault::Unfit("Messenger has no reply tokens".into())),
        };
        Ok(Envelope { channel: self.id.clone(), form, body: document.to_string(), key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let deadline = Instant::now() + Duration::from_secs(self.capabilities.timeout_secs.into());
            let answer = self.post(envelope.body.clone()).await;
            if !judge::picture_refused(&answer) {
                return judge::judge(&answer);
            }
            let Some(bare) = shape::without_picture(&envelope.body) else { return judge::judge(&answer) };
            match tokio::time::timeout_at(deadline, self.post(bare)).await {
                Ok(answer) => judge::judge(&answer),
                Err(_) => Verdict::Unsure { detail: "timed out after a second try without the picture".into() },
            }
        })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        match raw.method.as_str() {
            "GET" => meta::handshake(&self.verify_token, &raw.query),
            "POST" => meta::signature(&self.secrets, raw),
            _ => Admission::Refuse(Refusal::Unsigned),
        }
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(&self.page_id, raw)
    }
}
