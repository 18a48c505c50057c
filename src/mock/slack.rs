//! Slack's incoming webhook and `chat.postMessage`.
//!
//! Vendor's documents: "Sending messages using incoming webhooks", method `chat.postMessage`, Block Kit's
//! limits (state of 2026). Webhooks answer words as plain text; the API answers 200 with `ok` for almost
//! everything.

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use crate::domain::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "slack", read, too_many };

/// Where the addresses of webhooks begin.
const HOOKS: &str = "/services/";
const TEXT: usize = 40_000;
const BLOCKS: usize = 50;
const SECTION: usize = 3000;
const HEADER: usize = 150;
const LABEL: usize = 75;
const BUTTON_URL: usize = 3000;
const ELEMENTS: usize = 25;
const CONTEXT: usize = 10;
const ATTACHMENTS: usize = 100;

/// A Slack workspace with one webhook and one bot.
#[derive(Clone)]
pub struct SlackOptions {
    /// Path of the incoming webhook's address.
    pub webhook_path: String,
    /// The bot's token.
    pub bot_token: String,
    /// Channels in which the bot is, by id or `#name`; empty: any.
    pub channels: Vec<String>,
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// Signs events.
    pub signing_secret: String,
    /// Channel in which people answer.
    pub channel: String,
}

impl Default for SlackOptions {
    fn default() -> Self {
        SlackOptions {
            webhook_path: "/services/T00000000/B00000000/mock".into(),
            bot_token: "xoxb-mock".into(),
            channels: Vec::new(),
            id: "staff-slack".into(),
            signing_secret: "mock-slack-signing-secret".into(),
            channel: "C0123456789".into(),
        }
    }
}

/// The two doors speak differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Hook,
    Api,
}

impl Door {
    fn no(self, status: u16, word: &str) -> Reply {
        match self {
            Door::Hook => Reply::text(status, word),
            Door::Api => Reply::json(200, &json!({ "ok": false, "error": word })),
        }
    }
}

fn too_many(kind: &FaultKind, to: &str) -> Reply {
    let after = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "1" };
    // A webhook's messages go to its path, the bot's to a channel.
    let reply = if to.starts_with(HOOKS) {
        Reply::text(429, "rate_limited")
    } else {
        Reply::json(429, &json!({ "ok": false, "error": "ratelimited" }))
    };
    reply.with("retry-after", after)
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let path = request.path();
    let slack = &house.options.slack;
    if path == "/api/auth.test" {
        return Some(Errand { lane: "slack:api", to: String::new(), outcome: Outcome::Tell(tested(house, request)) });
    }
    if path == "/api/conversations.info" {
        return Some(Errand { lane: "slack:api", to: String::new(), outcome: Outcome::Tell(place(house, request)) });
    }
    let door = match path {
        "/api/chat.postMessage" => Door::Api,
        _ if path.starts_with(HOOKS) => Door::Hook,
        _ => return None,
    };
    let hook = || if path == slack.webhook_path { Ok(()) } else { Err(door.no(404, "no_service")) };
    let bot = || match request.bearer() {
        Some(token) if token == slack.bot_token => Ok(()),
        Some(_) => Err(door.no(401, "invalid_auth")),
        None => Err(door.no(401, "not_authed")),
    };
    let body = if request.method() == "POST" { document(door, request) } else { Err(door.no(405, "invalid_method")) };
    let to = match door {
        Door::Hook => path.to_string(),
        Door::Api => body.as_ref().map(|b| text(b, "channel").to_string()).unwrap_or_default(),
    };
    let known = if door == Door::Hook { hook() } else { bot() };
    let outcome = match known.and(body).and_then(|body| accept(house, door, request, &body)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "slack", to, outcome })
}

fn tested(house: &House, request: &Request) -> Reply {
    match request.bearer() == Some(house.options.slack.bot_token.as_str()) {
        true => Reply::json(200, &json!({ "ok": true, "team": "Mock team", "user": "orderwire", "bot_id": "B1" }))
            .with("x-oauth-scopes", "chat:write"),
        false => Door::Api.no(200, "invalid_auth"),
    }
}

/// A channel, and whether the bot is in it.
fn place(house: &House, request: &Request) -> Reply {
    let own = &house.options.slack;
    if request.bearer() != Some(own.bot_token.as_str()) {
        return Door::Api.no(200, "invalid_auth");
    }
    let mut fields = url::form_urlencoded::parse(&request.body);
    let Some((_, id)) = fields.find(|(name, _)| name == "channel") else {
        return Door::Api.no(200, "channel_not_found");
    };
    let member = own.channels.is_empty() || own.channels.iter().any(|c| *c == id);
    let channel = json!({ "id": id, "name": "orders", "is_channel": true, "is_member": member, "is_archived": false });
    Reply::json(200, &json!({ "ok": true, "channel": channel }))
}

fn document(door: Door, request: &Request) -> Result<Value, Reply> {
    let body = serde_json::from_slice::<Value>(&request.body).ok().filter(Value::is_object);
    body.ok_or_else(|| door.no(400, if door == Door::Hook { "invalid_payload" } else { "invalid_json" }))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn accept(house: &House, door: Door, request: &Request, body: &Value) -> Result<Taken, Reply> {
    let channels = &house.options.slack.channels;
    if door == Door::Api {
        let channel = text(body, "channel");
        if channel.is_empty() || !(channels.is_empty() || channels.iter().any(|c| c == channel)) {
            return Err(door.no(404, "channel_not_found"));
        }
    }
    let list = |key: &str| body.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (blocks, attachments) = (list("blocks"), list("attachments"));
    if text(body, "text").trim().is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(door.no(400, "no_text"));
    }
    if attachments.len() > ATTACHMENTS {
        return Err(door.no(400, "too_many_attachments"));
    }
    if door == Door::Api && text(body, "text").chars().count() > TEXT {
        return Err(door.no(400, "msg_too_long"));
    }
    if body.get("blocks").is_some_and(|b| !b.is_array()) {
        return Err(door.no(400, "invalid_blocks_format"));
    }
    if blocks.len() > BLOCKS || !blocks.iter().all(block) {
        return Err(door.no(400, "invalid_blocks"));
    }
    let form = if door == Door::Hook { "webhook" } else { "post" };
    let mut taken = Taken { form, delivered: true, body: request.body.clone(), ..Taken::default() };
    if house.book.keeps() {
        (taken.title, taken.text) = show(body, blocks);
    }
    Ok(taken)
}

fn block(block: &Value) -> bool {
    let words = |key: &str, most: usize| block.get(key).is_some_and(|t| composition(t, most));
    let elements = block.get("elements").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match text(block, "type") {
        "header" => words("text", HEADER) && block.pointer("/text/type") == Some(&json!("plain_text")),
        "section" => {
            let fields = block.get("fields").and_then(Value::as_array);
            let fields = fields.is_some_and(|f| (1..=10).contains(&f.len()) && f.iter().all(|t| composition(t, 2000)));
            words("text", SECTION) || (block.get("text").is_none() && fields)
        }
        "context" => {
            let part = |e: &Value| text(e, "type") == "image" || composition(e, SECTION);
            (1..=CONTEXT).contains(&elements.len()) && elements.iter().all(part)
        }
        "actions" => (1..=ELEMENTS).contains(&elements.len()) && elements.iter().all(element),
        "image" => !text(block, "image_url").is_empty() && !text(block, "alt_text").is_empty(),
        "divider" | "rich_text" | "video" | "markdown" | "file" | "input" | "table" => true,
        _ => false,
    }
}

/// A text object: its kind, and between one and `most` characters.
fn composition(object: &Value, most: usize) -> bool {
    let kind = matches!(text(object, "type"), "plain_text" | "mrkdwn");
    kind && (1..=most).contains(&text(object, "text").chars().count())
}

fn element(element: &Value) -> bool {
    if text(element, "type") != "button" {
        return !text(element, "type").is_empty();
    }
    let label = element.get("text").is_some_and(|t| text(t, "type") == "plain_text" && composition(t, LABEL));
    let url = text(element, "url");
    let good = url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
    label && good && url.chars().count() <= BUTTON_URL
}

/// Header, or else the first line; and all the words, as Slack shows them.
fn show(body: &Value, blocks: &[Value]) -> (String, String) {
    let mut lines = Vec::new();
    for block in blocks {
        let words = block.pointer("/text/text").and_then(Value::as_str);
        lines.extend(words.map(unescape));
        for part in ["fields", "elements"].into_iter().filter_map(|key| block.get(key)?.as_array()).flatten() {
            match part.get("text") {
                Some(Value::String(words)) => lines.push(unescape(words)),
                Some(label) => lines.push(format!("[{}] {}", text(label, "text"), text(part, "url"))),
                None => {}
            }
        }
    }
    if lines.is_empty() {
        lines.push(unescape(text(body, "text")));
    }
    let title = lines.first().and_then(|l| l.lines().next()).unwrap_or_default().to_string();
    (title, lines.join("\n"))
}

fn unescape(words: &str) -> String {
    words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    taken.status = 200;
    if taken.form == "webhook" {
        house.book.take(taken);
        return Reply::text(200, "ok");
    }
    let ts = format!("{}.{:06}", taken.at.as_second(), taken.n % 1_000_000);
    let reply = Reply::json(200, &json!({ "ok": true, "channel": taken.to, "ts": ts }));
    taken.ids = vec![ts];
    house.book.take(taken);
    reply
}

/// One of the shop's people answers in the thread of this `ts`, or begins one (`-`).
pub(super) async fn say(house: &House, thread: &str, what: &Say) -> Result<u16, String> {
    let Say::Text(words) = what else { return Err("in Slack people write, and nothing else".into()) };
    let own = &house.options.slack;
    let (now, n) = (house.now().as_second(), house.relay.event());
    let ts = format!("{now}.{n:06}");
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut event = json!({ "type": "message", "channel": own.channel, "user": "U0MOCK", "text": escaped, "ts": ts, "event_ts": ts });
    if thread != "-" {
        event["thread_ts"] = thread.into();
    }
    let body = json!({ "type": "event_callback", "event_id": format!("Ev{n:09}"), "event_time": now, "event": event });
    tell(house, &body).await
}

/// A signed request to the relay; Slack signs by the true time.
async fn tell(house: &House, body: &Value) -> Result<u16, String> {
    let own = &house.options.slack;
    let (time, body) = (house.now().as_second().to_string(), body.to_string());
    let signed = sign(own.signing_secret.as_bytes(), format!("v0:{time}:{body}").as_bytes());
    let headers = [("x-slack-signature", format!("v0={}", hex::encode(signed))), ("x-slack-request-timestamp", time)];
    house.relay.post_with(&own.id, &headers, body).await
}
