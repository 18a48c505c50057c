//! Channel access tokens: the long-lived one from settings, or stateless ones fetched as needed.
//!
//! A stateless token lives 15 minutes, there is no limit to how many exist, and none can be revoked: so each
//! process keeps its own, and a restart leaks nothing (unlike v2.1 tokens, whose 31st is refused).

use super::judge;
use crate::channel::wire::{Wire, bearer};
use crate::domain::decision::Reason;
use crate::domain::settings::{Mistake, Secret};
use crate::domain::verdict::{Answer, Scope, Verdict};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token is left alone this long before its end: a send may be waiting for its turn with it.
const MARGIN_SECS: u64 = 180;
/// Longest life believed, whatever the answer says.
const LIFE_SECS: u64 = 900;

/// Why a message could not be sent for want of a token: nothing reached the messaging endpoint.
pub(super) struct NoToken {
    reason: Reason,
    scope: Scope,
    detail: String,
}

impl From<NoToken> for Verdict {
    fn from(no: NoToken) -> Verdict {
        Verdict::TryLater { reason: no.reason, after_secs: None, scope: no.scope, detail: no.detail }
    }
}

/// Where tokens come from.
pub(super) enum Tokens {
    /// From settings.
    Fixed(Secret),
    /// Fetched with the channel's id and secret.
    Stateless {
        /// Channel id.
        id: String,
        /// Channel secret.
        secret: Secret,
        /// Where tokens are issued.
        url: String,
        /// The one in use and when it is to be replaced. Held while fetching: one fetch at a time.
        kept: Mutex<Option<(Secret, Instant)>>,
    },
}

impl Tokens {
    /// Exactly one of the two ways must be configured.
    pub(super) fn open(
        access_token: Option<Secret>,
        channel_id: Option<String>,
        channel_secret: Option<Secret>,
        api_url: &str,
    ) -> Result<Tokens, Mistake> {
        match (access_token, channel_id, channel_secret) {
            (Some(_), Some(_), _) => Err(Mistake::new("channel_id", "leave out either access_token or channel_id")),
            (Some(token), None, _) if token.expose().is_empty() || bearer(token.expose()).is_none() => {
                Err(Mistake::new("access_token", "is empty or holds characters that no token has"))
            }
            (Some(token), None, _) => Ok(Tokens::Fixed(token)),
            (None, Some(id), Some(secret)) => {
                let url = format!("{api_url}/oauth2/v3/token");
                Ok(Tokens::Stateless { id, secret, url, kept: Mutex::new(None) })
            }
            (None, Some(_), None) => Err(Mistake::new("channel_secret", "is needed to fetch tokens for channel_id")),
            (None, None, _) => Err(Mistake::new("access_token", "is needed, or channel_id with channel_secret")),
        }
    }

    /// A token that is good for some minutes more.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn get(&self, wire: &Wire) -> Result<Secret, NoToken> {
        let (id, secret, url, kept) = match self {
            Tokens::Fixed(token) => return Ok(token.clone()),
            Tokens::Stateless { id, secret, url, kept } => (id, secret, url, kept),
        };
        let mut kept = kept.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let fields =
            [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", secret.expose())];
        let (token, life) = issued(&wire.post_form(url, HeaderMap::new(), &fields).await)?;
        *kept = Some((token.clone(), Instant::now() + life));
        Ok(token)
    }

    /// Drops `worn`, which LINE refused. `false`: there is no other to be had.
    pub(super) async fn forget(&self, worn: &Secret) -> bool {
        let Tokens::Stateless { kept, .. } = self else { return false };
        let mut kept = kept.lock().await;
        // Somebody else may have fetched a fresh one meanwhile.
        if kept.as_ref().is_some_and(|(token, _)| token.expose() == worn.expose()) {
            *kept = None;
        }
        true
    }
}

/// What the token endpoint answered: a token and how long to use it.
fn issued(answer: &Answer) -> Result<(Secret, Duration), NoToken> {
    let no = |reason, scope, why: String| NoToken { reason, scope, detail: format!("no access token: {why}") };
    let (status, body) = match answer {
        Answer::Reply { status, body, .. } => (*status, serde_json::from_slice::<Value>(body).unwrap_or_default()),
        Answer::NotSent(why) | Answer::NoAnswer(why) => {
            return Err(no(Reason::Retrying, Scope::Message, why.clone()));
        }
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if status == 200
        && let Some(token) = text("access_token").filter(|t| bearer(t).is_some())
    {
        let life = body.get("expires_in").and_then(Value::as_u64).unwrap_or_default().min(LIFE_SECS);
        return Ok((Secret::new(token), Duration::from_secs(life.saturating_sub(MARGIN_SECS))));
    }
    let said = text("error_description").or_else(|| text("message")).or_else(|| text("error")).unwrap_or_default();
    // Wrong id or secret: nothing will go until somebody corrects it.
    let (reason, scope) = match status {
        400..=403 => (Reason::ChannelPaused, Scope::Account),
        _ => (Reason::Retrying, Scope::Message),
    };
    Err(no(reason, scope, judge::words(&format!("{status} {said}"))))
}
