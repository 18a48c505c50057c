//! What LINE says of an account: itself, its quota, its webhook. Every call but the one for a token is a GET.
//!
//! Source: Messaging API description (2026-07-01): bot info, quota, webhook endpoint.

use super::Official;
use crate::channel::ask::{self, Finding, No, Question};
use crate::channel::wire::bearer;
use crate::domain::verdict::Verdict;
use reqwest::header::HeaderMap;
use serde_json::Value;

const ACCOUNT: &str = "account";
const REMEDY: &str = "issue a new access_token in LINE's console, or check channel_id with channel_secret";
const WEBHOOK: &str = "in LINE's console, Messaging API, Webhook URL";

impl Official {
    /// All there is to ask. Where the token is refused, nothing else is asked.
    pub(super) async fn look(&self, question: &Question) -> Vec<Finding> {
        let headers = match self.tokens.get(&self.wire).await {
            Ok(token) => bearer(token.expose()).unwrap_or_default(),
            Err(no) => return vec![Finding::trouble(ACCOUNT, told(no.into()), REMEDY)],
        };
        let info = match self.read("info", &headers).await {
            Ok(info) => info,
            Err(no) => return vec![no.trouble(ACCOUNT, REMEDY)],
        };
        vec![self.account(&info), self.webhook(&headers, question).await, self.rest().await]
    }

    fn account(&self, info: &Value) -> Finding {
        let of = format!("{} {}", ask::text(info, "/basicId"), ask::text(info, "/displayName"));
        match &self.user_id {
            Some(ours) if ask::text(info, "/userId") != ours => {
                let said = format!("{of} has another user id than user_id says");
                Finding::trouble(ACCOUNT, said, "correct user_id: callbacks are refused as another account's")
            }
            _ => Finding::fine(ACCOUNT, of.trim()),
        }
    }

    async fn webhook(&self, headers: &HeaderMap, question: &Question) -> Finding {
        match self.read("channel/webhook/endpoint", headers).await {
            Err(No { status: Some(404), .. }) => ask::callback("", question, WEBHOOK),
            Err(no) => no.trouble("callback", REMEDY),
            Ok(body) if body.get("active").and_then(Value::as_bool) == Some(false) => {
                Finding::trouble("callback", "the webhook is switched off", format!("switch it on {WEBHOOK}"))
            }
            Ok(body) => ask::callback(ask::text(&body, "/endpoint"), question, WEBHOOK),
        }
    }

    async fn rest(&self) -> Finding {
        const ABOUT: &str = "quota";
        match self.quota().await {
            None => Finding::not_asked(ABOUT, "LINE did not say"),
            Some(quota) => match quota.limit {
                Some(limit) if quota.used >= limit => {
                    let said = format!("{} of {limit} messages of this month are used", quota.used);
                    Finding::trouble(ABOUT, said, "buy more, or let the routes fall back to another channel")
                }
                Some(limit) => Finding::fine(ABOUT, format!("{} of {limit} used this month", quota.used)),
                None => Finding::fine(ABOUT, format!("{} used this month, no limit", quota.used)),
            },
        }
    }

    pub(super) async fn read(&self, what: &str, headers: &HeaderMap) -> Result<Value, No> {
        ask::document(&self.wire.get(&format!("{}/v2/bot/{what}", self.api_url), headers.clone()).await, ask::never)
    }
}

/// Why there is no token.
pub(super) fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::TryLater { detail, .. } => detail,
        _ => "no access token".into(),
    }
}
