//! What WeChat says of an account: the token, and its templates. The token call gives the token that is in use anyway;
//! nothing else is asked for, and nothing is changed.
//!
//! Source: "Get the template list" of template messages (state of 2026-11-22) and "Get the private template list" of
//! subscription notifications (read 2026-11-25). A template on a list is approved.

use super::WeChat;
use crate::channel::Quota;
use crate::channel::ask::{self, Finding, Held, Needs, No, Question};
use crate::domain::settings::Secret;
use crate::domain::verdict::Verdict;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
        let (taps, templates): (BTreeMap<_, _>, _) = needs.into_iter().partition(|(needs, _)| needs.language == TAPPED);
        for (list, needs, remedy) in [
            (&TEMPLATES, templates, "the account needs template messages switched on"),
            (&SUBSCRIPTIONS, taps, "the account needs subscription notifications switched on"),
        ] {
            if needs.is_empty() {
                continue;
            }
            match self.list(&token, list).await {
                Err(no) => findings.push(no.trouble(list.what, remedy)),
                Ok(all) => findings.extend(needs.iter().map(|(needs, places)| {
                    let found = all.iter().find(|t| ask::text(t, list.id) == needs.name);
                    ask::compare(needs, places, found.map(held).as_ref())
                })),
            }
        }
        findings
    }

    /// Template messages of the day: the call that has a quota worth watching. "Query API call quota": a limit of 0 is
    /// none that WeChat tells (read 2026-11-25).
    pub(super) async fn left(&self) -> Option<Quota> {
        let token = self.tokens.get(&self.wire).await.ok()?;
        let query: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
        let url = format!("{}/cgi-bin/openapi/quota/get?access_token={query}", self.api_url);
        let body = json!({ "cgi_path": "/cgi-bin/message/template/send" }).to_string();
        let answer = self.wire.post_json(&url, HeaderMap::new(), body).await;
        let quota = ask::document(&answer, refused).ok()?.get("quota")?.clone();
        let number = |key: &str| quota.get(key).and_then(Value::as_u64);
        Some(Quota { limit: number("daily_limit").filter(|limit| *limit > 0), used: number("used")? })
    }

    async fn list(&self, token: &Secret, list: &List) -> Result<Vec<Value>, No> {
        let query: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
        let url = format!("{}/{}?access_token={query}", self.api_url, list.path);
        let body = ask::document(&self.wire.get(&url, HeaderMap::new()).await, refused)?;
        Ok(body.pointer(list.at).and_then(Value::as_array).cloned().unwrap_or_default())
    }
}

fn refused(body: &Value) -> bool {
    body.get("errcode").and_then(Value::as_i64).is_some_and(|code| code != 0)
}

/// A list of the account's templates.
struct List {
    what: &'static str,
    path: &'static str,
    at: &'static str,
    id: &'static str,
}

const TEMPLATES: List = List {
    what: "templates",
    path: "cgi-bin/template/get_all_private_template",
    at: "/template_list",
    id: "/template_id",
};
const SUBSCRIPTIONS: List =
    List { what: "subscription notifications", path: "wxaapi/newtmpl/gettemplate", at: "/data", id: "/priTmplId" };
/// Stands in the place of a language, which neither of the two has: the person's tap lets it go.
const TAPPED: &str = "by a tap";

fn filled(document: &Value) -> Option<Needs> {
    let name = document.get("template_id")?.as_str()?.to_string();
    let slots = document.get("data")?.as_object()?.keys().cloned().collect();
    // Only a template message is marked against repeats.
    let tapped = document.get("client_msg_id").is_none();
    let language = if tapped { TAPPED.to_string() } else { String::new() };
    Some(Needs { name, language, slots })
}

/// `{{thing1.DATA}}` is the place of `thing1`.
fn held(template: &Value) -> Held {
    let marks = ask::marks(ask::text(template, "/content"));
    let slots = marks.into_iter().map(|m| m.trim_end_matches(".DATA").to_string()).collect();
    Held { status: "on the list".into(), sendable: true, slots, ..Held::default() }
}

/// Why there is no token.
pub(super) fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::TryLater { detail, .. } => detail,
        _ => "no access token".into(),
    }
}
