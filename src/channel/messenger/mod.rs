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

use super::meta;
use super::wire::Wire;
use super::{Channel, Kind};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::Verdict;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Address scheme: page-scoped ids.
const SCHEME: &str = "messenger";
/// "Text must be shorter than 2,000 characters" (third-party digest of 2026-07-12).
const TEXT_LIMIT: usize = 1999;
/// 24 hours, closed five minutes early: the vendor's clock decides, and a send takes time.
const WINDOW_SECS: i64 = 24 * 3600 - 300;
/// Above 40 a second the page's inbox stops showing messages and cannot send.
const PER_SECOND: f64 = 30.0;
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
    /// The Graph API.
    #[serde(default = "graph")]
    api_url: String,
    /// Version of the Graph API.
    #[serde(default = "version")]
    api_version: String,
    /// Longest a send may take.
    #[serde(default = "ten_seconds")]
    timeout: Span,
    /// Messages a second, at most 30.
    #[serde(default = "per_second")]
    per_second: f64,
    /// Use the template inside the window too, wherever the words name one.
    #[serde(default)]
    prefer_template: bool,
}

fn graph() -> String {
    "https://graph.facebook.com".into()
}

fn version() -> String {
    "v26.0".into()
}

fn ten_seconds() -> Span {
    Span(10)
}

fn per_second() -> f64 {
    PER_SECOND
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "messenger",
    example: r#"[[channel]]
id = "messenger-page"
kind = "messenger"
page_id = "102290129340398"
access_token = { env = "MESSENGER_TOKEN" }        # of the page; needs pages_messaging and pages_utility_messaging
app_secret = { env = "META_APP_SECRET" }          # or app_secrets = [new, old] while it is being replaced
verify_token = { env = "MESSENGER_VERIFY_TOKEN" } # any long random word; the same in the app's dashboard
prefer_template = false                           # true: approved templates inside the 24 hours too
per_second = 30                                   # above 40 the page's inbox stops working
timeout = "10s"
api_version = "v26.0"
api_url = "https://graph.facebook.com"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    open,
    judge: judge::judge,
};

fn open(id: ChannelId, settings: Value) -> Result<Box<dyn Channel>, Vec<Mistake>> {
    let settings: Settings = serde_path_to_error::deserialize(settings)
        .map_err(|e| vec![Mistake::new(e.path().to_string(), e.inner().to_string())])?;
    let mut mistakes = Vec::new();
    let mut must = |good: bool, key: &str, message: &str| {
        if !good {
            mistakes.push(Mistake::new(key, message));
        }
    };
    let secrets: Vec<Secret> = settings.app_secret.iter().chain(&settings.app_secrets).cloned().collect();
    must(person(&settings.page_id).is_some(), "page_id", "the page's id is a number, written in quotes");
    let listed = if settings.app_secret.is_some() { "app_secret" } else { "app_secrets" };
    must(!secrets.is_empty(), listed, "set app_secret: without it no callback can be checked");
    must(secrets.iter().all(|s| !s.expose().is_empty()), listed, "an app secret is empty");
    must(!settings.verify_token.expose().is_empty(), "verify_token", "an empty word would let anybody subscribe");
    let authorization = HeaderValue::from_str(&format!("Bearer {}", settings.access_token.expose())).ok();
    let token = authorization.filter(|_| !settings.access_token.expose().trim().is_empty());
    must(token.is_some(), "access_token", "the token is empty or holds characters that no token has");
    let plain = plain_http(&settings.api_url);
    must(plain.is_some(), "api_url", "write https://HOST (http only for this machine), without path or user");
    let numbered = settings.api_version.strip_prefix('v').is_some_and(|v| v.parse::<f32>().is_ok());
    must(numbered, "api_version", "write it like v26.0");
    must((1..=60).contains(&settings.timeout.0), "timeout", "between 1s and 60s");
    must(settings.per_second > 0.0 && settings.per_second <= PER_SECOND, "per_second", "more than 0, at most 30");
    let (Some(mut authorization), Some(plain), Some(newest), true) =
        (token, plain, secrets.first(), mistakes.is_empty())
    else {
        return Err(mistakes);
    };
    authorization.set_sensitive(true);
    let timeout = Duration::from_secs(settings.timeout.0.unsigned_abs());
    let wire = Wire::new(timeout, plain).map_err(|e| vec![Mistake::new("api_url", e)])?;
    // The proof goes with every call; apps that do not demand it take no notice.
    let url = format!(
        "{}/{}/{}/messages?appsecret_proof={}",
        settings.api_url.trim_end_matches('/'),
        settings.api_version,
        settings.page_id,
        meta::proof(newest, &settings.access_token),
    );
    Ok(Box::new(Messenger {
        id,
        capabilities: capabilities(&settings),
        page_id: settings.page_id,
        secrets,
        verify_token: settings.verify_token,
        prefer_template: settings.prefer_template,
        url,
        authorization,
        wire,
    }))
}

/// Whether `api_url` is plain http, which stays on this machine; `None`: no address to send a token to.
fn plain_http(api_url: &str) -> Option<bool> {
    let url = url::Url::parse(api_url).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
    let here = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(ip) => ip.is_loopback(),
        url::Host::Ipv6(ip) => ip.is_loopback(),
    };
    match url.scheme() {
        "https" if bare => Some(false),
        "http" if bare && here => Some(true),
        _ => None,
    }
}

fn capabilities(settings: &Settings) -> Capabilities {
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
        reply_token: false,
        pace: Pace { per_second: settings.per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs: u32::try_from(settings.timeout.0).unwrap_or(u32::MAX),
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
    authorization: HeaderValue,
    wire: Wire,
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
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, self.authorization.clone());
            judge::judge(&self.wire.post_json(&self.url, headers, envelope.body.clone()).await)
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
