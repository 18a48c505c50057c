//! A workflow of Microsoft Teams: "When a Teams webhook request is received", then a card in a channel.
//!
//! Vendor's documents: "Create incoming webhooks with Workflows", Adaptive Cards 1.4 (state of 2026).

use super::House;
use super::book::Taken;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "teams", read, too_many };

const FLOWS: &str = "/powerautomate/automations/direct/";
const SIGNATURE: &str = "mock-teams-sig";
/// What a message in a channel holds. A larger card is started with 202 and lost: here nobody learns of it either.
const MESSAGE: usize = 28 * 1024;
const CARD: &str = "application/vnd.microsoft.card.adaptive";

/// A workflow.
#[derive(Clone)]
pub struct TeamsOptions {
    /// Path and query of its address, with its `sig`.
    pub path: String,
}

impl Default for TeamsOptions {
    fn default() -> Self {
        let path = format!("{FLOWS}workflows/mock/triggers/manual/paths/invoke?api-version=1&sig={SIGNATURE}");
        TeamsOptions { path }
    }
}

fn no(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": "Mock." } }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let after = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "1" };
    no(429, "TooManyRequests").with("retry-after", after)
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let path = request.path();
    if !path.starts_with(FLOWS) {
        return None;
    }
    let outcome = match accept(house, request) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "teams", to: path.to_string(), outcome })
}

fn accept(house: &House, request: &Request) -> Result<Taken, Reply> {
    let (path, query) = house.options.teams.path.split_once('?').unwrap_or_default();
    if request.path() != path {
        return Err(no(404, "WorkflowNotFound"));
    }
    let sig =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sig").map(|(_, v)| v.into_owned());
    if request.query("sig") != sig {
        return Err(no(401, "DirectApiAuthorizationRequired"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| no(400, "InvalidRequestContent"))?;
    let cards = body.get("attachments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let card = |a: &Value| {
        let content = a.get("content").unwrap_or(&Value::Null);
        a.get("contentType").and_then(Value::as_str) == Some(CARD)
            && content.get("type").and_then(Value::as_str) == Some("AdaptiveCard")
            && content.get("body").and_then(Value::as_array).is_some_and(|b| !b.is_empty() && b.iter().all(block))
    };
    if body.get("type").and_then(Value::as_str) != Some("message") || cards.is_empty() || !cards.iter().all(card) {
        return Err(no(400, "TriggerInputSchemaMismatch"));
    }
    let small =
        request.body.len() <= MESSAGE && String::from_utf8_lossy(&request.body).encode_utf16().count() * 2 <= MESSAGE;
    let mut taken = Taken { form: "card", delivered: small, body: request.body.clone(), ..Taken::default() };
    if house.book.keeps() {
        (taken.title, taken.text) = show(cards);
    }
    Ok(taken)
}

fn block(block: &Value) -> bool {
    let runs = block.get("inlines").and_then(Value::as_array);
    match block.get("type").and_then(Value::as_str) {
        Some("TextBlock") => block.get("text").is_some_and(Value::is_string),
        Some("RichTextBlock") => runs.is_some_and(|runs| {
            let run = |r: &Value| r.is_string() || r.get("text").is_some_and(Value::is_string);
            !runs.is_empty() && runs.iter().all(run)
        }),
        Some(_) => true,
        None => false,
    }
}

/// The first line, and all that is read.
fn show(cards: &[Value]) -> (String, String) {
    let mut lines = Vec::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    for content in cards.iter().filter_map(|a| a.get("content")) {
        let list = |key: &str| content.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        for block in list("body") {
            let runs = block.get("inlines").and_then(Value::as_array).cloned().unwrap_or_default();
            let runs: String =
                runs.iter().map(|r| r.as_str().map_or_else(|| text(r, "text"), str::to_string)).collect();
            lines.push(if runs.is_empty() { text(&block, "text") } else { runs });
        }
        lines.extend(list("actions").iter().map(|a| format!("[{}] {}", text(a, "title"), text(a, "url"))));
    }
    (lines.first().cloned().unwrap_or_default(), lines.join("\n"))
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    taken.status = 202;
    house.book.take(taken);
    Reply::text(202, "")
}
