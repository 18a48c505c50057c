//! What Meta's Graph API tells of an account when it is asked: its node, its token, its subscription, its templates.
//!
//! Vendor's documents: "Debug token", "Page, subscribed_apps", "Template management" (read 2026-11).

mod setup;

use super::House;
use super::door::{Errand, Outcome};
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};

/// An account as it is asked about.
pub(super) struct Account<'a> {
    /// The provider, by its name in lists, and the lane of its calls.
    pub(super) names: (&'static str, &'static str),
    /// Its token.
    pub(super) token: &'a str,
    /// Its app's secret.
    pub(super) app_secret: &'a str,
    /// Its nodes by id, with their fields.
    pub(super) nodes: Vec<(&'a str, Value)>,
    /// What the token may do.
    pub(super) scopes: &'static [&'static str],
    /// An entry of `subscribed_apps`.
    pub(super) app: Value,
    /// Templates: name, language, text of the body.
    pub(super) templates: Vec<(&'a str, &'a str, String)>,
}

/// Answers a GET that is about `account`, and a POST that sets something up for it.
pub(super) fn read(house: &House, request: &Request, account: &Account<'_>) -> Option<Errand> {
    let (version, rest) = request.path().strip_prefix("/v")?.split_once('/')?;
    if !version.contains('.') {
        return None;
    }
    let told = |reply| Some(Errand { lane: account.names.1, to: String::new(), outcome: Outcome::Tell(reply) });
    if let Some(reply) = setup::answer(house, request, account, rest) {
        return told(reply);
    }
    if request.method() != "GET" {
        return None;
    }
    let ours = request.bearer() == Some(account.token);
    let reply = if rest == "debug_token" {
        if !ours {
            return None;
        }
        let data = json!({ "is_valid": true, "type": "PAGE", "app_id": setup::APP, "expires_at": 0, "scopes": account.scopes });
        Reply::json(200, &json!({ "data": data }))
    } else {
        let (id, edge) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, fields) = account.nodes.iter().find(|(node, _)| *node == id)?;
        match edge {
            _ if !ours => refused(),
            "" => Reply::json(200, fields),
            "message_templates" => templates(house, request, account),
            _ => return None,
        }
    };
    told(reply)
}

fn refused() -> Reply {
    let error = json!({ "message": "Invalid OAuth access token - Cannot parse access token", "type": "OAuthException",
        "code": 190, "fbtrace_id": "AmockTraceIdentifier0" });
    Reply::json(401, &json!({ "error": error }))
}

/// `name=` finds part of a name, as Meta's does.
fn templates(house: &House, request: &Request, account: &Account<'_>) -> Reply {
    let wanted = request.query("name").unwrap_or_default();
    let found = account.templates.iter().filter(|(name, _, _)| name.contains(&wanted));
    let data: Vec<Value> = found
        .map(|(name, language, body)| {
            let shelved = house.shelf.of(account.names.0, name);
            let body = shelved.body.unwrap_or_else(|| body.clone());
            json!({
                "name": name, "language": language,
                "status": shelved.status.unwrap_or_else(|| "APPROVED".into()),
                "category": shelved.category.unwrap_or_else(|| "UTILITY".into()),
                "rejected_reason": shelved.reason.unwrap_or_else(|| "NONE".into()),
                "components": [{ "type": "BODY", "text": body }],
            })
        })
        .collect();
    Reply::json(200, &json!({ "data": data }))
}
