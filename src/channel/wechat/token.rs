//! The access token, by `stable_token`: whoever asks gets the same one until shortly before its end, so that several
//! processes of one account do not take it from each other, as the plain token call would have them do.

use super::judge;
use crate::channel::wire::Wire;
use crate::domain::decision::Reason;
use crate::domain::settings::Secret;
use crate::domain::verdict::{Answer, Scope, Verdict};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token is left alone this long before its end: a send may be waiting for its turn with it.
const MARGIN_SECS: u64 = 60;
/// Longest life believed, whatever the answer says.
const LIFE_SECS: u64 = 7200;

/// Why a message could not be sent for want of a token: nothing reached the messaging calls.
pub(super) struct NoToken {
    reason: Reason,
    after_secs: Option<i64>,
    scope: Scope,
    detail: String,
}

impl NoToken {
    fn new(reason: Reason, after_secs: Option<i64>, scope: Scope, why: &str) -> NoToken {
        NoToken { reason, after_secs, scope, detail: format!("no access token: {why}") }
    }
}

impl From<NoToken> for Verdict {
    fn from(no: NoToken) -> Verdict {
        Verdict::TryLater { reason: no.reason, after_secs: no.after_secs, scope: no.scope, detail: no.detail }
    }
}

/// The account's token.
pub(super) struct Tokens {
    app_id: String,
    secret: Secret,
    url: String,
    /// The one in use and when it is to be asked for anew. Held while asking: one call at a time.
    kept: Mutex<Option<(Secret, Instant)>>,
}

impl Tokens {
    pub(super) fn new(app_id: String, secret: Secret, api_url: &str) -> Tokens {
        Tokens { app_id, secret, url: format!("{api_url}/cgi-bin/stable_token"), kept: Mutex::new(None) }
    }

    /// A token that is good for a minute more.
    ///
    /// # Errors
    /// Why there is none: nothing was sent.
    pub(super) async fn get(&self, wire: &Wire) -> Result<Secret, NoToken> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        // Never `force_refresh`: it is counted, and takes the token from the other processes.
        let body = json!({ "grant_type": "client_credential", "appid": self.app_id, "secret": self.secret.expose() });
        let (token, life) = issued(&wire.post_json(&self.url, HeaderMap::new(), body.to_string()).await)?;
        *kept = Some((token.clone(), Instant::now() + life));
        Ok(token)
    }

    /// Drops `worn`, which WeChat refused, unless somebody else has asked for a fresh one meanwhile.
    pub(super) async fn forget(&self, worn: &Secret) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|(token, _)| token.expose() == worn.expose()) {
            *kept = None;
        }
    }
}

/// What the token call answered: a token and how long to use it.
fn issued(answer: &Answer) -> Result<(Secret, Duration), NoToken> {
    let body = match answer {
        Answer::Reply { body, .. } => serde_json::from_slice::<Value>(body).unwrap_or_default(),
        Answer::NotSent(why) | Answer::NoAnswer(why) => {
            return Err(NoToken::new(Reason::Retrying, None, Scope::Message, why));
        }
    };
    let token = body.get("access_token").and_then(Value::as_str);
    if let Some(token) = token.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic())) {
        let life = body.get("expires_in").and_then(Value::as_u64).unwrap_or_default().min(LIFE_SECS);
        return Ok((Secret::new(token), Duration::from_secs(life.saturating_sub(MARGIN_SECS))));
    }
    // Whatever it says, nothing was sent: only the reason, the wait and the words are taken over.
    Err(match judge::judge(answer) {
        Verdict::TryLater { reason, after_secs, scope, detail } => NoToken::new(reason, after_secs, scope, &detail),
        Verdict::Accepted { .. } => NoToken::new(Reason::Retrying, None, Scope::Message, "an answer without one"),
        Verdict::Unsure { detail } => NoToken::new(Reason::Retrying, None, Scope::Message, &detail),
        Verdict::Refused { detail } | Verdict::Unreachable { detail, .. } => {
            NoToken::new(Reason::ChannelPaused, None, Scope::Account, &detail)
        }
    })
}
