//! What Zalo says of an account: itself and its templates. Every call is a GET; no token is renewed for it, since a
//! refresh token works once and is the relay's.
//!
//! Sources: "OA information", "Template details" and "Quota" (a compilation of 2026-08-20; resellers' pages of the same
//! answers, read 2026-11-25).

use super::{Zalo, header};
use crate::channel::Quota;
use crate::channel::ask::{self, Finding, Held, Needs, Question};
use crate::domain::settings::Secret;
use crate::domain::verdict::Verdict;
use serde_json::Value;

const ACCOUNT: &str = "account";

impl Zalo {
    /// All there is to ask.
    pub(super) async fn look(&self, question: &Question) -> Vec<Finding> {
        let token = match self.tokens.get(None).await {
            Ok(token) => token,
            Err(no) => return vec![Finding::not_asked(ACCOUNT, told(no.into()))],
        };
        let oa = match self.read(&format!("{}/v2.0/oa/getoa", self.api), &token).await {
            Err(no) => {
                return vec![no.trouble(ACCOUNT, "the OA's administrator must consent again for a new refresh_token")];
            }
            Ok(oa) => oa,
        };
        let mut findings = vec![self.account(&oa)];
        for (needs, places) in &ask::needs(question, filled) {
            let url = format!("{}/template/info/v2?template_id={}", self.business, needs.name);
            findings.push(match self.read(&url, &token).await {
                Ok(template) => ask::compare(needs, places, Some(&self.held(&template))),
                // Zalo's word for one that it does not know, or that is another OA's.
                Err(no) if matches!(no.body.get("error").and_then(Value::as_i64), Some(-109 | -117)) => {
                    ask::compare(needs, places, None)
                }
                Err(no) => no.trouble(&format!("template {}", needs.name), "give the app the right to read templates"),
            });
        }
        findings
    }

    /// Templates by telephone number of this day. Numbers come as texts or as numbers.
    pub(super) async fn left(&self) -> Option<Quota> {
        let token = self.tokens.get(None).await.ok()?;
        let body = self.read(&format!("{}/message/quota", self.business), &token).await.ok()?;
        let number = |at: &str| match body.pointer(at)? {
            Value::String(text) => text.trim().parse::<u64>().ok(),
            other => other.as_u64(),
        };
        let (limit, left) = (number("/data/dailyQuota")?, number("/data/remainingQuota")?);
        Some(Quota { limit: Some(limit), used: limit.saturating_sub(left) })
    }

    fn account(&self, oa: &Value) -> Finding {
        let id = oa.pointer("/data/oa_id").map(|id| id.as_str().map_or_else(|| id.to_string(), String::from));
        if id.is_some_and(|id| id != self.signers.oa_id) {
            return Finding::trouble(
                ACCOUNT,
                "the token is of another official account",
                "correct oa_id, or consent anew",
            );
        }
        Finding::fine(ACCOUNT, ask::text(oa, "/data/name"))
    }

    async fn read(&self, url: &str, token: &Secret) -> Result<Value, ask::No> {
        let headers = header("access_token", token.expose()).unwrap_or_default();
        let refused = |body: &Value| body.get("error").and_then(Value::as_i64).is_none_or(|code| code != 0);
        ask::document(&self.wire.get(url, headers).await, refused)
    }

    fn held(&self, template: &Value) -> Held {
        let status = ask::text(template, "/data/status").to_string();
        let tag = ask::text(template, "/data/templateTag");
        // Care and promotion need a yes of their own, which `transaction_templates` says that nobody asks for.
        let transaction = !matches!(tag, "2" | "3" | "CUSTOMER_CARE" | "PROMOTION" | "POST_TRANSACTION" | "FOLLOW_UP");
        let fits = transaction || !self.transaction_templates || self.capabilities.scheme != super::PHONE;
        let params = template.pointer("/data/listParams").and_then(Value::as_array).into_iter().flatten();
        let (must, may): (Vec<&Value>, Vec<&Value>) =
            params.partition(|p| p.get("require").and_then(Value::as_bool).unwrap_or(true));
        let names = |list: Vec<&Value>| list.into_iter().map(|p| ask::text(p, "/name").to_string()).collect();
        Held {
            // To the app's own administrators, any goes.
            sendable: status == "ENABLE" || self.development,
            status,
            reason: ask::text(template, "/data/reason").to_string(),
            category: (!tag.is_empty()).then(|| (tag.to_string(), fits)),
            slots: names(must),
            optional: names(may),
        }
    }
}

/// What a message fills.
fn filled(document: &Value) -> Option<Needs> {
    let name = document.get("template_id")?.as_str()?.to_string();
    let slots = document.get("template_data")?.as_object()?.keys().cloned().collect();
    Some(Needs { name, language: String::new(), slots })
}

/// Why there is no token.
fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::TryLater { detail, .. } => detail,
        _ => "no access token".into(),
    }
}
