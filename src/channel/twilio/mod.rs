//! What both ways through Twilio share: the account, the call that creates a message, its answers and the callbacks.
//! A helper, no channel.
//!
//! Vendor's documents: API description of Programmable Messaging (2026-04-14), "Track outbound message status",
//! "Webhooks security", "Connection overrides", error pages (read 2026-11). What shapes the code:
//! - Creating a message knows no key against repetition. 429 was surely not processed; a time-out or a 5xx may have
//!   been, and only a callback that carries our reference settles it.
//! - Callbacks are signed over the address as Twilio requested it. We take that address from settings and never from
//!   `Host`: behind a proxy that header is anybody's.
//! - A callback that is not answered 2xx is lost, unless the address asks for repeats in its fragment.

mod ask;
mod codes;
mod hear;
mod sign;

pub(super) use codes::judge;

use super::wire::Wire;
use super::{account, wire};
use crate::domain::channel::Envelope;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use std::time::Duration;
use url::Url;

/// The API, where settings name no other address.
const API_URL: &str = "https://api.twilio.com";
pub(super) const TIMEOUT_SECS: u32 = 10;
/// Twilio queues behind the sender by itself; this is what one account's API bears with room for others.
pub(super) const PER_SECOND: f64 = 10.0;
const PER_SECOND_MAX: f64 = 100.0;
/// Auth tokens that may live at once: each is tried on every callback.
const TOKENS_MAX: usize = 4;
/// Repeats of a callback that we could not take: up to five, after failures of connection, time and server.
const REPEATS: &str = "#rc=5&rp=5xx,ct,rt";
/// Longest text or parameter, in characters.
pub(super) const TEXT: usize = 1600;

/// What the settings of both kinds say of the account.
pub(super) struct Access {
    pub account_sid: String,
    pub auth_token: Secret,
    pub auth_tokens: Vec<Secret>,
    pub api_key: Option<String>,
    pub api_secret: Option<Secret>,
    pub api_url: Option<String>,
    pub per_second: Option<f64>,
    pub timeout: Option<Span>,
}

/// Where each part of the API lies: on hosts of their own, or all where settings say.
struct Bases {
    api: String,
    messaging: String,
    content: String,
}

/// An account, ready to send and to be called back.
pub(super) struct Twilio {
    account_sid: String,
    tokens: Vec<Secret>,
    url: String,
    bases: Bases,
    headers: HeaderMap,
    wire: Wire,
    /// Where Twilio calls back.
    callback: Option<String>,
    /// Messages a second.
    pub per_second: f64,
    /// Longest a send may take.
    pub timeout_secs: u32,
}

impl Twilio {
    /// Opens the account, or puts every mistake to the others.
    pub(super) fn open(access: Access, mistakes: &mut Vec<Mistake>) -> Option<Twilio> {
        let own = access.api_url.is_none();
        let base = access.api_url.as_deref().unwrap_or(API_URL);
        let base = account::keep(account::base("api_url", base), mistakes, account::Base::default());
        let timeout_secs = account::keep(account::timeout(access.timeout, TIMEOUT_SECS), mistakes, TIMEOUT_SECS);
        let pace = account::per_second(access.per_second, PER_SECOND, PER_SECOND_MAX);
        let per_second = account::keep(pace, mistakes, PER_SECOND);
        let mut must = |good: bool, key: &str, message: &str| {
            if !good {
                mistakes.push(Mistake::new(key, message));
            }
        };
        must(is_sid("AC", &access.account_sid), "account_sid", "must be AC and 32 characters of 0-9 and a-f");
        let tokens: Vec<Secret> = std::iter::once(access.auth_token).chain(access.auth_tokens).collect();
        must(tokens.iter().all(|t| !t.expose().is_empty()), "auth_token", "is empty");
        must(tokens.len() <= TOKENS_MAX, "auth_tokens", "four at most: each is tried on every callback");
        let (user, password) = match (&access.api_key, &access.api_secret) {
            (Some(key), Some(secret)) => {
                must(is_sid("SK", key), "api_key", "must be SK and 32 characters of 0-9 and a-f");
                must(!secret.expose().is_empty(), "api_secret", "is empty");
                (key.as_str(), Some(secret))
            }
            (None, None) => (access.account_sid.as_str(), tokens.first()),
            (Some(_), None) => {
                must(false, "api_secret", "is needed beside api_key");
                ("", None)
            }
            (None, Some(_)) => {
                must(false, "api_key", "is needed beside api_secret");
                ("", None)
            }
        };
        let headers = basic(user, password.map_or("", Secret::expose));
        let wire = Wire::new(Duration::from_secs(timeout_secs.into()), base.plain)
            .map_err(|e| mistakes.push(Mistake::new("api_url", e)));
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", base.url, access.account_sid);
        let at = |host: &str| if own { format!("https://{host}.twilio.com") } else { base.url.clone() };
        let bases = Bases { messaging: at("messaging"), content: at("content"), api: base.url.clone() };
        let (account_sid, wire) = (access.account_sid, wire.ok()?);
        Some(Twilio { account_sid, tokens, url, bases, headers, wire, callback: None, per_second, timeout_secs })
    }

    /// Takes the public address of callbacks.
    pub(super) fn called_back_at(&mut self, url: Option<&str>) -> Vec<Mistake> {
        let Some(url) = url else {
            let message = "needs server.public_url: Twilio tells there what became of messages, and signs that address";
            return vec![Mistake::new("", message)];
        };
        let host = Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_string)).unwrap_or_default();
        self.callback = Some(url.to_string());
        if host.contains('_') {
            let message = "Twilio calls no host whose name has an underscore: give server.public_url another name";
            return vec![Mistake::new("", message)];
        }
        Vec::new()
    }

    /// The address at which Twilio tells what became of the message `reference`.
    pub(super) fn status_callback(&self, reference: &str) -> Option<String> {
        let reference: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
        Some(format!("{}?ref={reference}{REPEATS}", self.callback.as_ref()?))
    }

    /// Creates the message whose parameters are the envelope's body, once.
    pub(super) async fn send(&self, envelope: &Envelope) -> Verdict {
        let fields: Map<String, Value> = serde_json::from_str(&envelope.body).unwrap_or_default();
        let fields: Vec<(&str, &str)> =
            fields.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
        let limit = Duration::from_secs(self.timeout_secs.into());
        let sent = self.wire.post_form(&self.url, self.headers.clone(), &fields);
        let answer = tokio::time::timeout(limit, sent).await;
        judge(&answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())))
    }

    /// Is this callback Twilio's, for this account?
    pub(super) fn admit(&self, raw: &RawWebhook) -> Admission {
        match &self.callback {
            Some(url) => sign::admit(raw, url, REPEATS, &self.tokens, &self.account_sid),
            None => Admission::Refuse(crate::domain::webhook::Refusal::Unsigned),
        }
    }

    /// What a callback told. `person` reads an address as the kind writes it.
    pub(super) fn hear(
        &self,
        raw: &RawWebhook,
        person: fn(&str) -> Option<Address>,
        window_secs: Option<i64>,
    ) -> Heard {
        hear::hear(raw, person, window_secs)
    }
}

/// A sender's or service's setting: which of the two there is.
pub(super) fn sender(
    service: Option<&str>,
    from: Option<&str>,
    good_from: fn(&str) -> bool,
    mistakes: &mut Vec<Mistake>,
) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(service) = service {
        if !is_sid("MG", service) {
            mistakes.push(Mistake::new("messaging_service", "must be MG and 32 characters of 0-9 and a-f"));
        }
        fields.push(("MessagingServiceSid", service.to_string()));
    }
    if let Some(from) = from {
        if !good_from(from) {
            mistakes.push(Mistake::new("from", "is no sender of this kind; see the example"));
        }
        fields.push(("From", from.to_string()));
    }
    if fields.is_empty() {
        mistakes.push(Mistake::new("from", "is needed, or messaging_service: who the message comes from"));
    }
    fields
}

/// Two letters and 32 hexadecimal characters.
pub(super) fn is_sid(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn basic(user: &str, password: &str) -> HeaderMap {
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        .expect("base64 is fit for a header");
    value.set_sensitive(true);
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// Seconds to wait after a 429.
fn retry_after(answer: &Answer) -> Option<i64> {
    wire::retry_after(answer)
}
