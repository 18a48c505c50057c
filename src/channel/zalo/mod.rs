//! Zalo: one official account (OA) in Vietnam, its approved templates (ZBS, once ZNS) and its consultation texts.
//!
//! Policy: an approved transaction template may go to the phone number of an order at any time (without a sound
//! from 22:00 to 06:00), or to a person known by the OA's own user id; free words only to such a person, for seven
//! days after they did something. Every answer is HTTP 200 with `error` in it; delivery is reported with our
//! reference, reading by the message's id. No key makes a repeat safe.
//!
//! - An account writes to phone numbers (`to = "phone"`) or to user ids found in the cart (`to = "user"`): two
//!   schemes of address, so two accounts where both are wanted. They share one chain of tokens.
//! - Access tokens live about 25 hours; the refresh token can be used once and gives the next pair ([`token`]).
//!
//! Sources: a compilation of Zalo's documentation of 2026-08-20 (not Zalo's own pages, which the tables of codes
//! and windows must be held against), Zalo's Java SDK for the signature; state of 2026-11-22.

mod ask;
mod hear;
mod judge;
mod shape;
mod token;

use super::wire::Wire;
use super::{Channel, Finding, Kind, Opened, Question, Quota, account, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::keeper::Keeper;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use token::Tokens;
use tokio::time::{Instant, timeout_at};

/// Scheme of phone numbers, and of the OA's user ids.
const PHONE: &str = "phone";
const USER: &str = "zalo";
/// Consultation text: "at most 2,000 characters".
const TEXT_LIMIT: usize = 2000;
/// Seven days, closed five minutes early: the vendor's clock decides, and a send takes time.
const WINDOW_SECS: i64 = 7 * 86_400 - 300;
/// 4,000 requests a minute for an app; half of it, for two accounts of one app.
const PER_SECOND: f64 = 30.0;
const MOST_PER_SECOND: f64 = 66.0;
const TIMEOUT_SECS: u32 = 10;
/// Keys that may sign at once.
const KEYS: usize = 4;

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "zalo",
    example: EXAMPLE,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(To::Phone, true, PER_SECOND, TIMEOUT_SECS),
    open,
    judge: judge::judge,
};

const EXAMPLE: &str = r#"# [[channel]]
# id = "zalo-oa"
# kind = "zalo"
# app_id = "2074138120372622546"
# app_secret = { env = "ZALO_APP_SECRET" }          # of the app: fetches tokens
# oa_id = "388613280878808645"
# oa_secret_key = { env = "ZALO_OA_SECRET" }        # OA Secret Key beside the webhook (URL: PUBLIC_URL/callbacks/zalo-oa)
# refresh_token = { env = "ZALO_REFRESH_TOKEN" }    # of the OA's consent: where the chain of tokens begins; it goes on in Redis
# # start_url = "https://zalo.me/388613280878808645" # where a chat begins, for links that connect an order
# # to = "phone"                                    # "phone": templates to the order's number; "user": to OA user ids, also in free words
# # template_ways = ["phone", "user"]               # templates approved before 2025-12-10 go to phone numbers only
# # transaction_templates = true                    # they may go with the order; false: a yes on record is needed
# # development = false                             # true: templates reach the app's own administrators only
# # access_token = { env = "ZALO_TOKEN" }           # instead of refresh_token, for tests: it lives a day
# # old_oa_secret_keys = [{ env = "ZALO_OA_SECRET_OLD" }] # still sign, while one is being replaced
# # api_url = "https://openapi.zalo.me"
# # business_url = "https://business.openapi.zalo.me"
# # oauth_url = "https://oauth.zaloapp.com"
# # per_second = 30
# # timeout = "10s"
"#;

/// Whom an account writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum To {
    /// Phone numbers of orders.
    #[default]
    Phone,
    /// The OA's user ids.
    User,
}

/// `[[channel]] kind = "zalo"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Id of the app, in quotes.
    app_id: String,
    /// The app's secret: fetches tokens.
    app_secret: Secret,
    /// Id of the official account, in quotes.
    oa_id: String,
    /// The OA Secret Key shown where the webhook is set: signs callbacks. It is not the app's secret.
    oa_secret_key: Secret,
    /// Keys that still sign while one is being replaced.
    #[serde(default)]
    old_oa_secret_keys: Vec<Secret>,
    /// The refresh token of the OA's consent, where the chain of tokens begins; what follows is kept in Redis. A new
    /// one here begins a new chain.
    refresh_token: Option<Secret>,
    /// A fixed access token instead of `refresh_token`, for tests: it lives about a day.
    access_token: Option<Secret>,
    /// Whom it writes to; phone numbers if left out.
    #[serde(default)]
    to: To,
    /// Which ways templates may go; both if left out.
    #[serde(default = "both")]
    template_ways: Vec<To>,
    /// The templates are transaction templates, which may go with the order; `false`: a yes on record is needed.
    #[serde(default = "yes")]
    transaction_templates: bool,
    /// Templates reach the administrators of app and OA only, and need no approval.
    #[serde(default)]
    development: bool,
    /// The OA's API; `https://openapi.zalo.me` if left out.
    api_url: Option<String>,
    /// The API of templates by phone; `https://business.openapi.zalo.me` if left out, or `api_url` where that is set.
    business_url: Option<String>,
    /// Where tokens come from; `https://oauth.zaloapp.com` if left out, or `api_url` where that is set.
    oauth_url: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 66; 30 if left out.
    per_second: Option<f64>,
}

fn yes() -> bool {
    true
}

fn both() -> Vec<To> {
    vec![To::Phone, To::User]
}

/// The three addresses.
struct Bases {
    api: account::Base,
    business: account::Base,
    oauth: account::Base,
}

impl Bases {
    fn read(set: &Settings, mistakes: &mut Vec<Mistake>) -> Bases {
        let mut base = |key: &str, own: &Option<String>, usual: &str| {
            let url = own.as_deref().or(set.api_url.as_deref()).unwrap_or(usual);
            account::keep(account::base(key, url), mistakes, account::Base::default())
        };
        Bases {
            api: base("api_url", &None, "https://openapi.zalo.me"),
            business: base("business_url", &set.business_url, "https://business.openapi.zalo.me"),
            oauth: base("oauth_url", &set.oauth_url, "https://oauth.zaloapp.com"),
        }
    }

    fn plain(&self) -> bool {
        self.api.plain || self.business.plain || self.oauth.plain
    }
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let bases = Bases::read(&set, &mut mistakes);
    let timeout = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND, MOST_PER_SECOND);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    for (key, value) in [("app_id", &set.app_id), ("oa_id", &set.oa_id)] {
        if value.is_empty() || value.len() > 24 || !value.bytes().all(|b| b.is_ascii_digit()) {
            mistakes.push(Mistake::new(key, "is a number of at most 24 digits; copy it from developers.zalo.me"));
        }
    }
    if set.oa_secret_key.expose().is_empty() {
        mistakes.push(Mistake::new("oa_secret_key", "is empty"));
    }
    if set.app_secret.expose().is_empty() || HeaderValue::from_str(set.app_secret.expose()).is_err() {
        mistakes.push(Mistake::new("app_secret", "is empty, or holds characters that no header can carry"));
    }
    let keys: Vec<Secret> = std::iter::once(&set.oa_secret_key).chain(&set.old_oa_secret_keys).cloned().collect();
    if keys.len() > KEYS || keys[1..].iter().any(|k| k.expose().is_empty()) {
        mistakes.push(Mistake::new("old_oa_secret_keys", "three at most, and none of them empty"));
    }
    let wire = Wire::new(Duration::from_secs(timeout.into()), bases.plain()).map_err(|e| Mistake::new("", e));
    let wire = account::keep(wire.map(Some), &mut mistakes, None);
    let oauth = token::App {
        id: set.app_id.clone(),
        oa_id: set.oa_id.clone(),
        secret: set.app_secret.clone(),
        url: bases.oauth.url.clone(),
    };
    let way = (set.access_token, set.refresh_token);
    let tokens = wire.as_ref().map(|wire| Tokens::open(oauth, way, wire.clone()));
    match (tokens, wire) {
        (Some(Ok(tokens)), Some(wire)) if mistakes.is_empty() => Ok(Box::new(Zalo {
            id,
            capabilities: capabilities(set.to, set.transaction_templates, pace, timeout),
            signers: hear::Signers { app_id: set.app_id, oa_id: set.oa_id, keys, app_secret: set.app_secret },
            template_ways: set.template_ways,
            transaction_templates: set.transaction_templates,
            development: set.development,
            api: bases.api.url,
            business: bases.business.url,
            tokens,
            wire,
        })),
        (tokens, _) => {
            mistakes.extend(tokens.and_then(Result::err));
            Err(mistakes)
        }
    }
}

fn capabilities(to: To, transaction_templates: bool, per_second: f64, timeout_secs: u32) -> Capabilities {
    let user = to == To::User;
    Capabilities {
        audience: Audience::Customer,
        scheme: if user { USER } else { PHONE },
        consent: if transaction_templates && !user { ConsentRule::WithOrder } else { ConsentRule::Connected },
        // A phone number opens none: whoever acts is known by the user id alone.
        window: WindowRule::Seconds(if user { WINDOW_SECS } else { 0 }),
        template_outside_window: true,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 2,
        image: false,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, unfollow, refusal in Zalo",
        keeps_refusals: true,
        binding: "the order's phone number, or following the OA",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: per_second.clamp(1.0, 20.0) as u32, concurrent: 16, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

/// A Vietnamese number in E.164: `+84` and nine digits.
fn phone(raw: &str) -> Option<Address> {
    let rest = raw.trim().strip_prefix("+84")?;
    let good = rest.len() == 9 && rest.bytes().all(|b| b.is_ascii_digit()) && !rest.starts_with('0');
    good.then(|| Address::new(PHONE, format!("+84{rest}")))
}

/// A user id of the OA: a number beyond 2^53, longer than any phone number. Another OA's id looks the same.
fn user(raw: &str) -> Option<Address> {
    let id = raw.trim();
    let good = (14..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) && !id.starts_with('0');
    good.then(|| Address::new(USER, id))
}

/// One official account.
struct Zalo {
    id: ChannelId,
    capabilities: Capabilities,
    signers: hear::Signers,
    template_ways: Vec<To>,
    transaction_templates: bool,
    development: bool,
    api: String,
    business: String,
    tokens: Tokens,
    wire: Wire,
}

impl Channel for Zalo {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        shape::names_template(section)
    }

    fn address(&self, raw: &str) -> Option<Address> {
        let number = phone(raw).filter(|_| self.capabilities.scheme == PHONE);
        number.or_else(|| user(raw))
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let unfit = |why: &str| Err(ShapeFault::Unfit(why.into()));
        let Some(to) = errand.address else { return unfit("Zalo needs a phone number or a user id to write to") };
        let way = match to.scheme.as_str() {
            PHONE => To::Phone,
            USER => To::User,
            _ => return unfit("Zalo needs a phone number or a user id to write to"),
        };
        let document = match (errand.form, way) {
            (Form::Free, To::User) => shape::free(&to.value, message)?,
            (Form::Free, To::Phone) => {
                return unfit("free words need the OA's user id; a phone number takes a template");
            }
            (Form::Template, way) if !self.template_ways.contains(&way) => {
                return unfit("template_ways of this account leaves this way out");
            }
            (Form::Template, To::Phone) => shape::by_phone(&to.value, message, &errand.reference.0, self.development)?,
            (Form::Template, To::User) => shape::by_user(&to.value, message, self.development)?,
            (Form::Reply | Form::Grant, _) => {
                return unfit("Zalo has neither reply tokens nor messages allowed by a tap");
            }
        };
        let body = document.to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(self.deliver(envelope))
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.signers)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw, &self.signers.oa_id)
    }

    fn kept_by(&self, keeper: &Arc<dyn Keeper>) {
        self.tokens.kept_by(keeper);
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.look(question))
    }

    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        (self.capabilities.scheme == PHONE).then(|| -> BoxFuture<'_, Option<Quota>> { Box::pin(self.left()) })
    }
}

impl Zalo {
    /// One hand-over. A token that Zalo no longer takes (certainly nothing was taken) is replaced once.
    async fn deliver(&self, envelope: &Envelope) -> Verdict {
        let deadline = Instant::now() + Duration::from_secs(self.capabilities.timeout_secs.into());
        let (answer, token) = match self.attempt(envelope, None, deadline).await {
            Ok(seen) => seen,
            Err(verdict) => return verdict,
        };
        if !(judge::worn(&answer) && self.tokens.renews()) {
            return judge::judge(&answer);
        }
        match self.attempt(envelope, Some(&token), deadline).await {
            Ok((answer, _)) => judge::judge(&answer),
            Err(verdict) => verdict,
        }
    }

    async fn attempt(
        &self,
        envelope: &Envelope,
        worn: Option<&Secret>,
        deadline: Instant,
    ) -> Result<(Answer, Secret), Verdict> {
        let token = match timeout_at(deadline, self.tokens.get(worn)).await {
            Ok(token) => token?,
            Err(_) => return Err(not_yet("no access token within the time-out")),
        };
        let Some(headers) = header("access_token", token.expose()) else {
            return Err(not_yet("Zalo issued an access token that no header can carry"));
        };
        let url = self.url(envelope);
        let sent = self.wire.post_json(&url, headers, envelope.body.clone());
        let answer = timeout_at(deadline, sent).await;
        Ok((answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())), token))
    }

    /// Where an envelope goes: told by its form, and by how it names the person.
    fn url(&self, envelope: &Envelope) -> String {
        let named = |key: &str| serde_json::from_str::<Value>(&envelope.body).is_ok_and(|body| body.get(key).is_some());
        match envelope.form {
            Form::Template if named("phone") => format!("{}/message/template", self.business),
            Form::Template => format!("{}/v3.0/oa/message/template", self.api),
            _ => format!("{}/v3.0/oa/message/cs", self.api),
        }
    }
}

/// One header that no log of headers shows; `None`: its value holds characters that no header can carry.
fn header(name: &'static str, value: &str) -> Option<HeaderMap> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
}

/// Nothing reached the messaging endpoint.
fn not_yet(detail: &str) -> Verdict {
    Verdict::TryLater { reason: Reason::Retrying, after_secs: None, scope: Scope::Message, detail: detail.into() }
}
