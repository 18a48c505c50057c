//! An account at Meta as our calls and its callbacks need it: address and version of the Graph API, the token,
//! the app's secrets. Messenger, Instagram and WhatsApp are set up alike.

use super::{erasure, handshake, is_erasure, proof, signature};
use crate::channel::wire::{self, Wire, bearer};
use crate::channel::{account, media};
use crate::domain::people::{FetchFault, Fetched};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::Answer;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// Newest version on 2026-11-22; an address without one falls to a version that moves.
const API_VERSION: &str = "v26.0";
/// Longest a send may take, where settings say nothing.
pub(in crate::channel) const TIMEOUT_SECS: u32 = 10;
/// App secrets that may live at once.
const SECRETS: usize = 4;

/// What the settings of each of Meta's channels say of the app and its API.
pub(in crate::channel) struct Keys<'a> {
    /// Token of the account.
    pub access_token: &'a Secret,
    /// The app's secret.
    pub app_secret: Option<&'a Secret>,
    /// Further ones, newest first.
    pub app_secrets: &'a [Secret],
    /// Word of the webhook's handshake.
    pub verify_token: &'a Secret,
    /// The API, and what it is where settings name none.
    pub api_url: (Option<&'a str>, &'static str),
    /// Its version.
    pub api_version: Option<&'a str>,
    /// Longest a send may take.
    pub timeout: Option<Span>,
}

/// The app, ready to call and to be called back.
pub(in crate::channel) struct App {
    /// Longest a send may take. Seconds.
    pub timeout_secs: u32,
    pub(super) secrets: Vec<Secret>,
    pub(super) verify_token: Secret,
    pub(super) base: String,
    proof: String,
    pub(super) token: Secret,
    headers: HeaderMap,
    pub(super) wire: Wire,
}

impl App {
    /// Checks the keys and sets the app up.
    ///
    /// # Errors
    /// Every mistake in them, by key.
    pub(in crate::channel) fn open(keys: &Keys<'_>) -> Result<App, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let api_url = keys.api_url.0.unwrap_or(keys.api_url.1);
        let base = account::keep(account::base("api_url", api_url), &mut mistakes, account::Base::default());
        let timeout_secs = account::keep(account::timeout(keys.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
        let secrets: Vec<Secret> = keys.app_secret.into_iter().chain(keys.app_secrets).cloned().collect();
        let mut must = |good: bool, key: &str, message: &str| {
            if !good {
                mistakes.push(Mistake::new(key, message));
            }
        };
        let listed = if keys.app_secret.is_some() { "app_secret" } else { "app_secrets" };
        must(!secrets.is_empty(), "app_secret", "set it: without the app's secret no callback can be checked");
        must(secrets.len() <= SECRETS, "app_secrets", "four at most: each is tried on every callback");
        must(secrets.iter().all(|s| !s.expose().is_empty()), listed, "an app secret is empty");
        must(!keys.verify_token.expose().is_empty(), "verify_token", "an empty word would let anybody subscribe");
        let token = keys.access_token.expose();
        let headers = bearer(token).filter(|_| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
        must(headers.is_some(), "access_token", "is empty, or holds characters that no token has");
        let version = keys.api_version.unwrap_or(API_VERSION);
        must(is_version(version), "api_version", "write it like v26.0");
        let (Some(newest), Some(headers), true) = (secrets.first(), headers, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let wire = Wire::new(Duration::from_secs(timeout_secs.into()), base.plain)
            .map_err(|e| vec![Mistake::new("api_url", e)])?;
        Ok(App {
            timeout_secs,
            // The proof goes with every call; apps that do not demand it take no notice.
            proof: proof(newest, keys.access_token),
            base: format!("{}/{version}", base.url),
            verify_token: keys.verify_token.clone(),
            token: keys.access_token.clone(),
            secrets,
            headers,
            wire,
        })
    }

    /// Posts a document to an edge of the account (`ID/messages`), once.
    pub(in crate::channel) async fn post(&self, edge: &str, body: String) -> Answer {
        self.post_with(edge, "", body).await
    }

    /// The same with further parameters in the address.
    pub(super) async fn post_with(&self, edge: &str, query: &str, body: String) -> Answer {
        let and = if query.is_empty() { "" } else { "&" };
        let url = format!("{}/{edge}?appsecret_proof={}{and}{query}", self.base, self.proof);
        self.wire.post_json(&url, self.headers.clone(), body).await
    }

    /// Gets a file from Meta's own addresses: they are good for whoever has them, for some days.
    pub(in crate::channel) async fn fetch(&self, url: &str) -> Result<Fetched, FetchFault> {
        let url = media::at_vendor(url, &["fbcdn.net", "fbsbx.com", "cdninstagram.com"], &self.base)?;
        self.wire.fetch(&url, HeaderMap::new()).await
    }

    /// Gets a file by its id: asked for its address first, which only the token opens.
    pub(in crate::channel) async fn fetch_by_id(&self, id: &str) -> Result<Fetched, FetchFault> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(FetchFault::NotOffered);
        }
        let url = match self.get(id, &[]).await {
            Answer::Reply { status: 200, body, .. } => {
                let told: Value = serde_json::from_slice(&body).unwrap_or_default();
                told.get("url").and_then(Value::as_str).map(String::from).ok_or(FetchFault::Gone)?
            }
            Answer::Reply { .. } => return Err(FetchFault::Gone),
            Answer::NotSent(why) | Answer::NoAnswer(why) => return Err(FetchFault::Failed(why)),
        };
        let url = media::at_vendor(&url, &["fbsbx.com", "fbcdn.net", "whatsapp.net"], &self.base)?;
        self.wire.fetch(&url, self.headers.clone()).await
    }

    /// Gets a node or an edge of it.
    pub(super) async fn get(&self, edge: &str, query: &[(&str, &str)]) -> Answer {
        let query = [query, &[("appsecret_proof", self.proof.as_str())]].concat();
        let url = format!("{}/{edge}?{}", self.base, wire::query(&query));
        self.wire.get(&url, self.headers.clone()).await
    }

    /// Is this callback Meta's, or the handshake of a subscription?
    pub(in crate::channel) fn admit(&self, raw: &RawWebhook) -> Admission {
        match raw.method.as_str() {
            "GET" => handshake(&self.verify_token, &raw.query),
            "POST" if is_erasure(raw) => erasure(&self.secrets, raw),
            "POST" => signature(&self.secrets, raw),
            _ => Admission::Refuse(Refusal::Unsigned),
        }
    }
}

fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix('v').and_then(|v| v.split_once('.'));
    numbers.is_some_and(|(a, b)| a.parse::<u8>().is_ok() && b.parse::<u8>().is_ok())
}
