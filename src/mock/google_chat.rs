//! Google Chat's incoming webhook: `spaces.messages.create` with the key and token of one.
//!
//! Vendor's documents: method `spaces.messages.create`, "Cards v2", error model of Google's APIs (state of 2026).

use super::House;
use super::book::Taken;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "google_chat", read, too_many };

const SPACES: &str = "/v1/spaces/";
/// Bytes of a message.
const MESSAGE: usize = 32_000;

/// A space with one webhook.
#[derive(Clone)]
pub struct GoogleChatOptions {
    /// Path and query of the webhook's address.
    pub path: String,
}

impl Default for GoogleChatOptions {
    fn default() -> Self {
        GoogleChatOptions { path: "/v1/spaces/MOCK/messages?key=mock-key&token=mock-chat-token".into() }
    }
}

/// Messages by the request id that made them.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, String>>);

fn no(code: u16, status: &str) -> Reply {
    Reply::json(code, &json!({ "error": { "code": code, "message": "Mock.", "status": status } }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let reply = no(429, "RESOURCE_EXHAUSTED");
    match kind {
        FaultKind::Rate429After(after) => reply.with("retry-after", after.as_str()),
        _ => reply,
    }
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if !request.path().starts_with(SPACES) {
        return None;
    }
    let outcome = match accept(house, request) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "google_chat", to: request.path().to_string(), outcome })
}

fn accept(house: &House, request: &Request) -> Result<Taken, Reply> {
    let (path, query) = house.options.google_chat.path.split_once('?').unwrap_or_default();
    if request.path() != path {
        return Err(no(404, "NOT_FOUND"));
    }
    let mut wanted = url::form_urlencoded::parse(query.as_bytes());
    if !wanted.all(|(name, value)| request.query(&name).as_deref() == Some(&*value)) {
        return Err(no(401, "UNAUTHENTICATED"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| no(400, "INVALID_ARGUMENT"))?;
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    let cards = body.get("cardsV2").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let good = (!text.is_empty() || !cards.is_empty()) && cards.iter().all(card) && request.body.len() <= MESSAGE;
    // Without the option, a thread's key is let go and a new thread begun.
    let option = request.query("messageReplyOption");
    let known = ["REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", "REPLY_MESSAGE_OR_FAIL"];
    if !good || !option.as_deref().is_none_or(|o| known.contains(&o)) {
        return Err(no(400, "INVALID_ARGUMENT"));
    }
    let thread = option.and_then(|_| body.pointer("/thread/threadKey")?.as_str().map(str::to_string));
    let mut taken = Taken { form: "card", delivered: true, body: request.body.clone(), ..Taken::default() };
    taken.key = request.query("requestId");
    taken.headers = thread.map(|t| ("thread".to_string(), t)).into_iter().collect();
    if house.book.keeps() {
        (taken.title, taken.text) = show(text, cards);
    }
    Ok(taken)
}

/// A card with something on it, its header with a title.
fn card(card: &Value) -> bool {
    let header = card.pointer("/card/header");
    let titled = header.is_none_or(|h| h.get("title").and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
    titled && (header.is_some() || card.pointer("/card/sections/0").is_some()) && widgets(card).all(widget)
}

fn widgets(card: &Value) -> impl Iterator<Item = &Value> {
    let sections = card.pointer("/card/sections").and_then(Value::as_array);
    sections.into_iter().flatten().filter_map(|s| s.get("widgets")?.as_array()).flatten()
}

fn widget(widget: &Value) -> bool {
    let paragraph = widget.pointer("/textParagraph/text").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    let button = |b: &Value| {
        let url = b.pointer("/onClick/openLink/url").and_then(Value::as_str);
        url.is_some_and(|u| u.starts_with("https://")) && b.get("text").is_some_and(Value::is_string)
    };
    let buttons = widget.pointer("/buttonList/buttons").and_then(Value::as_array);
    paragraph || buttons.is_some_and(|b| !b.is_empty() && b.iter().all(button))
}

/// Header, or else the first line; and all the words, marks as they are shown.
fn show(text: &str, cards: &[Value]) -> (String, String) {
    let mut lines = vec![text.to_string()];
    for card in cards {
        for part in ["title", "subtitle"] {
            let line = card.pointer(&format!("/card/header/{part}")).and_then(Value::as_str);
            lines.push(line.unwrap_or_default().to_string());
        }
        for widget in widgets(card) {
            lines.push(plain(widget.pointer("/textParagraph/text").and_then(Value::as_str).unwrap_or_default()));
            let buttons = widget.pointer("/buttonList/buttons").and_then(Value::as_array);
            lines.extend(buttons.into_iter().flatten().map(|b| {
                let part = |p: &str| b.pointer(p).and_then(Value::as_str).unwrap_or_default();
                format!("[{}] {}", part("/text"), part("/onClick/openLink/url"))
            }));
        }
    }
    lines.retain(|l| !l.is_empty());
    (lines.first().and_then(|l| l.lines().next()).unwrap_or_default().to_string(), lines.join("\n"))
}

fn plain(text: &str) -> String {
    let text = text.replace("<b>", "").replace("</b>", "");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let fresh = format!("spaces/MOCK/messages/m{}", taken.n);
    let mut name = fresh.clone();
    if let (Some(key), Ok(mut known)) = (&taken.key, house.google_chat.0.lock()) {
        name = known.entry(key.clone()).or_insert(fresh.clone()).clone();
    }
    taken.duplicate = name != fresh;
    taken.status = 200;
    taken.ids = vec![name.clone()];
    let thread = taken.header("thread").unwrap_or("new").to_string();
    house.book.take(taken);
    Reply::json(200, &json!({ "name": name, "thread": { "name": format!("spaces/MOCK/threads/{thread}") } }))
}
