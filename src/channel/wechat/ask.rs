//! What WeChat says of an account: the token, and its templates. The token call gives the token that is in use anyway;
//! nothing else is asked for, and nothing is changed.
//!
//! Source: "Get the template list" of template messages (state of 2026-11-22). A template on the list is approved.

use super::WeChat;
use crate::channel::ask::{self, Finding, Held, Needs, Question};
use crate::domain::verdict::Verdict;
use reqwest::header::HeaderMap;
use serde_json::Value;

const ACCOUNT: &str = "account";

impl WeChat {
    /// All there is to ask.
    pub(super) async fn look(&self, question: &Question) -> Vec<Finding> {
        let token = match self.tokens.get(&self.wire).await {
            Ok(token) => token,
            Err(no) => {
                let remedy = "check app_id and app_secret, and put this machine's address on the account's allow-list";
                return vec![Finding::trouble(ACCOUNT, told(no.into()), remedy)];
            }
        };
        let unknown = Finding::not_asked("callback", "WeChat tells nobody where it calls back");
        let mut findings = vec![Finding::fine(ACCOUNT, "the credentials work"), unknown];
        let needs = ask::needs(question, filled);
        if needs.is_empty() {
            return findings;
        }
        let query: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
        let url = format!("{}/cgi-bin/template/get_all_private_template?access_token={query}", self.api_url);
        let refused = |body: &Value| body.get("errcode").and_then(Value::as_i64).is_some_and(|code| code != 0);
        match ask::document(&self.wire.get(&url, HeaderMap::new()).await, refused) {
            Err(no) => findings.push(no.trouble("templates", "the account needs template messages switched on")),
            Ok(list) => {
                let all = list.get("template_list").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                for (needs, places) in &needs {
                    let found = all.iter().find(|t| ask::text(t, "/template_id") == needs.name);
                    findings.push(ask::compare(needs, places, found.map(held).as_ref()));
                }
            }
        }
        findings
    }
}

fn filled(document: &Value) -> Option<Needs> {
    let name = document.get("template_id")?.as_str()?.to_string();
    let slots = document.get("data")?.as_object()?.keys().cloned().collect();
    Some(Needs { name, language: String::new(), slots })
}

/// `{{thing1.DATA}}` is the place of `thing1`.
fn held(template: &Value) -> Held {
    let marks = ask::marks(ask::text(template, "/content"));
    let slots = marks.into_iter().map(|m| m.trim_end_matches(".DATA").to_string()).collect();
    Held { status: "on the list".into(), sendable: true, slots, ..Held::default() }
}

/// Why there is no token.
fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::TryLater { detail, .. } => detail,
        _ => "no access token".into(),
    }
}
