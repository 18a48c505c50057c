//! What every way to LINE shares: the official account with its tokens and secrets, the call that hands a message over,
//! cards, callbacks. A helper, no channel.
//!
//! Vendor's documents: see `line`. One official account has one webhook, whatever its messages are: what is told there of
//! another kind's message names that kind's account in its tag.

mod ask;
pub(super) mod hear;
mod judge;
mod setup;
pub(super) mod shape;
mod token;

pub(super) use judge::judge;

use super::ask::{Finding, Question};
use super::wire::Wire;
use super::{Quota, account};
use crate::domain::decision::Reason;
use crate::domain::people::{FetchFault, Fetched};
use crate::domain::person::Heard;
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::time::Duration;
use token::Tokens;
use tokio::time::{Instant, timeout_at};

/// The API, where settings name no other address.
pub(super) fn api_url() -> String {
    "https://api.line.me".into()
}

pub(super) const TIMEOUT_SECS: u32 = 10;
/// Secrets tried per callback: bounded, so that a forged one costs little.
const SECRETS_MAX: usize = 4;

/// What the settings of every kind say of the official account.
pub(super) struct Access {
    pub access_token: Option<Secret>,
    pub channel_id: Option<String>,
    pub channel_secret: Option<Secret>,
    pub channel_secrets: Vec<Secret>,
    pub user_id: Option<String>,
    pub api_url: String,
    pub timeout: Option<Span>,
}

/// An official account, ready to send and to be called back.
pub(super) struct Official {
    wire: Wire,
    api_url: String,
    tokens: Tokens,
    secrets: Vec<Secret>,
    user_id: Option<String>,
    /// Longest a send may take.
    pub timeout_secs: u32,
}

impl Official {
    /// Opens it, or puts every mistake to the others.
    pub(super) fn open(set: Access, mistakes: &mut Vec<Mistake>) -> Option<Official> {
        let base = account::keep(account::base("api_url", &set.api_url), mistakes, account::Base::default());
        let timeout_secs = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), mistakes, TIMEOUT_SECS);
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
        let wire = Wire::new(Duration::from_secs(timeout_secs.into()), base.plain).map_err(|e| Mistake::new("", e));
        match (tokens, wire) {
            (Ok(tokens), Ok(wire)) => {
                Some(Official { wire, api_url: base.url, tokens, secrets, user_id: set.user_id, timeout_secs })
            }
            (tokens, wire) => {
                mistakes.extend(tokens.err());
                mistakes.extend(wire.err());
                None
            }
        }
    }

    /// Posts one message to `path`, once, with these headers besides the token. A token that LINE no longer takes (401:
    /// certainly nothing was taken) is fetched anew once. `judge` reads the answer.
    pub(super) async fn hand_over(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: &str,
        judge: fn(&Answer) -> Verdict,
    ) -> Verdict {
        let deadline = Instant::now() + Duration::from_secs(self.timeout_secs.into());
        let (answer, token) = match self.attempt(path, headers, body, deadline).await {
            Ok(seen) => seen,
            Err(verdict) => return verdict,
        };
        let worn = matches!(answer, Answer::Reply { status: 401, .. });
        if !(worn && self.tokens.forget(&token).await) {
            return judge(&answer);
        }
        match self.attempt(path, headers, body, deadline).await {
            Ok((answer, _)) => judge(&answer),
            Err(verdict) => verdict,
        }
    }

    async fn attempt(
        &self,
        path: &str,
        more: &[(HeaderName, HeaderValue)],
        body: &str,
        deadline: Instant,
    ) -> Result<(Answer, Secret), Verdict> {
        let token = match timeout_at(deadline, self.tokens.get(&self.wire)).await {
            Ok(token) => token?,
            Err(_) => return Err(not_yet("no access token within the time-out")),
        };
        let Some(mut headers) = super::wire::bearer(token.expose()) else {
            return Err(not_yet("LINE issued an access token that no header can carry"));
        };
        headers.extend(more.iter().cloned());
        let url = format!("{}/{path}", self.api_url);
        let sent = self.wire.post_json(&url, headers, body.to_string());
        let answer = timeout_at(deadline, sent).await;
        Ok((answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())), token))
    }

    /// Gets what somebody sent, by its message's id: LINE keeps it for a while, at a host of its own.
    pub(super) async fn fetch(&self, id: &str) -> Result<Fetched, FetchFault> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FetchFault::NotOffered);
        }
        let failed = |why: &str| FetchFault::Failed(why.into());
        let token = self.tokens.get(&self.wire).await.map_err(|_| failed("LINE gave no access token"))?;
        let headers = super::wire::bearer(token.expose()).ok_or_else(|| failed("LINE gave no access token"))?;
        let host = self.api_url.replace("https://api.line.me", "https://api-data.line.me");
        self.wire.fetch(&format!("{host}/v2/bot/message/{id}/content"), headers).await
    }

    /// Is this callback LINE's, for this account?
    pub(super) fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.secrets, self.user_id.as_deref())
    }

    /// What an admitted callback told of people and of the account.
    pub(super) fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw)
    }

    /// What LINE says of it.
    pub(super) async fn ask(&self, question: &Question) -> Vec<Finding> {
        self.look(question).await
    }

    /// Quota of the month and its approximate use, the manager's own sends included.
    pub(super) async fn quota(&self) -> Option<Quota> {
        let token = self.tokens.get(&self.wire).await.ok()?;
        let headers = super::wire::bearer(token.expose())?;
        let limit = self.told("quota", headers.clone()).await?;
        let used = self.told("quota/consumption", headers).await?;
        let limit = match limit.get("type")?.as_str()? {
            "limited" => Some(limit.get("value")?.as_u64()?),
            _ => None,
        };
        Some(Quota { limit, used: used.get("totalUsage")?.as_u64()? })
    }

    async fn told(&self, what: &str, headers: HeaderMap) -> Option<Value> {
        let url = format!("{}/v2/bot/message/{what}", self.api_url);
        match self.wire.get(&url, headers).await {
            Answer::Reply { status: 200, body, .. } => serde_json::from_slice(&body).ok(),
            _ => None,
        }
    }
}

/// `U` and 32 lower-case hexadecimal characters. Scoped to the provider: another provider's id looks the same.
pub(super) fn is_user_id(raw: &str) -> bool {
    raw.strip_prefix('U')
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Nothing reached the messaging endpoint.
fn not_yet(detail: &str) -> Verdict {
    Verdict::TryLater { reason: Reason::Retrying, after_secs: None, scope: Scope::Message, detail: detail.into() }
}
