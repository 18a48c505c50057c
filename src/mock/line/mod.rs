//! LINE's Messaging API, as far as a relay uses it.
//!
//! Vendor's documents (state of 2026-08): Messaging API reference, "Retrying API requests", "Channel access
//! token". What is not written there and had to be chosen: the words for a key that is no UUID, and what happens
//! to a known retry key with another body: the documents demand that a retry be identical, so the mock answers
//! 400, which shows the mistake, where LINE may well answer 409.

mod check;
pub(super) mod pnp;
mod setup;
mod show;

use super::House;
use super::book::{Refused, Taken};
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::People;
use super::reply::Reply;
use super::request::Request;
use crate::domain::clock::{Timestamp, plus_secs};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "line", read, too_many };

/// Largest request; beyond it 413.
const REQUEST: usize = 2_000_000;
/// A retry key is known for so long after its first request. Seconds.
const KEY_LIFE: i64 = 24 * 3600;
/// Keys kept before the old ones are swept out.
const KEYS: usize = 1_000_000;
/// A reply token is good for so long. Seconds.
const REPLY_LIFE: i64 = 60;
/// A stateless channel access token is good for so long. Seconds.
const TOKEN_LIFE: i64 = 900;
/// Name under which a reply's token is kept.
const REPLY_TOKEN: &str = "reply-token";
/// Message ids count from here: they look like LINE's, and pass 2^53.
const FIRST_ID: u64 = 461_230_966_842_000_000;

/// A LINE official account.
#[derive(Clone)]
pub struct LineOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// Long-lived channel access token.
    pub token: String,
    /// Signs callbacks; `client_secret` of the token call.
    pub channel_secret: String,
    /// `client_id` of the token call.
    pub channel_id: String,
    /// The account's own user id: `destination` of callbacks.
    pub user_id: String,
    /// Messages a month, by recipients; `None`: no limit.
    pub quota: Option<u64>,
}

impl Default for LineOptions {
    fn default() -> Self {
        LineOptions {
            id: "line-main".into(),
            token: "mock-line-token".into(),
            channel_secret: "mock-line-secret".into(),
            channel_id: "1000000001".into(),
            user_id: "U00000000000000000000000000000001".into(),
            quota: None,
        }
    }
}

/// What was accepted under a retry key.
#[derive(Clone, Copy)]
struct Accepted {
    body: u64,
    at: Timestamp,
    n: u64,
    messages: usize,
}

/// What LINE remembers.
#[derive(Default)]
pub(super) struct Memory {
    keys: Mutex<HashMap<u128, Accepted>>,
    hasher: RandomState,
    tokens: Mutex<HashMap<String, Timestamp>>,
    /// Reply tokens: whose, and until when.
    replies: Mutex<HashMap<String, (String, Timestamp)>>,
    used: AtomicU64,
    requests: AtomicU64,
}

impl Memory {
    /// A reply token for `user`.
    pub(super) fn reply_token(&self, user: &str, now: Timestamp) -> String {
        let token = format!("{:032x}", self.requests.fetch_add(1, Ordering::Relaxed));
        if let Ok(mut replies) = self.replies.lock() {
            replies.retain(|_, (_, until)| *until > now);
            replies.insert(token.clone(), (user.to_string(), plus_secs(now, REPLY_LIFE)));
        }
        token
    }

    pub(super) fn expire_tokens(&self) {
        if let Ok(mut tokens) = self.tokens.lock() {
            tokens.clear();
        }
    }

    fn request_id(&self) -> String {
        request_id(self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

fn request_id(number: u64) -> String {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 | u128::from(number)).to_string()
}

fn fault(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    match kind {
        FaultKind::Quota429 => fault(429, SPENT),
        FaultKind::Rate429After(after) => fault(429, RATE).with("retry-after", after.as_str()),
        _ => fault(429, RATE),
    }
}

const SPENT: &str = "You have reached your monthly limit.";
const RATE: &str = "The API rate limit has been exceeded. Try again later.";

fn read(house: &House, request: &Request) -> Option<Errand> {
    let path = request.path();
    if path == "/oauth2/v3/token" {
        return Some(api(token(house, request)));
    }
    let path = path.strip_prefix("/v2/bot/").filter(|_| path != pnp::TEMPLATED)?;
    if let Some(refusal) = unauthorised(house, request) {
        return Some(Errand { lane: lane(path), to: String::new(), outcome: Outcome::Refuse(refusal) });
    }
    if let Some(reply) = setup::answer(house, request, path) {
        return Some(api(reply));
    }
    Some(match (request.method(), path) {
        ("POST", "message/push") => message(house, request, Form::Push),
        ("POST", "message/reply") => message(house, request, Form::Reply),
        ("POST", "message/multicast") => message(house, request, Form::Multicast),
        ("POST", "message/validate/push" | "message/validate/reply" | "message/validate/multicast") => {
            api(validate(request))
        }
        ("GET", "message/quota") => api(Reply::json(200, &quota(house))),
        ("GET", "message/quota/consumption") => {
            api(Reply::json(200, &json!({ "totalUsage": house.line.used.load(Ordering::Relaxed) })))
        }
        ("GET", "info") => api(info(house)),
        ("GET", path) if path.starts_with("message/") && path.ends_with("/content") => api(content(path)),
        ("GET", path) => api(path.strip_prefix("profile/").map_or_else(not_found, |id| profile(&house.people, id))),
        _ => api(not_found()),
    })
}

/// What somebody sent in the message of this id; one that begins with a nine is larger than anybody passes on.
fn content(path: &str) -> Reply {
    let large = path.strip_prefix("message/").is_some_and(|rest| rest.starts_with('9'));
    let body = if large { vec![0; 26 * 1024 * 1024] } else { b"a picture".to_vec() };
    Reply { status: 200, kind: "image/jpeg", headers: Vec::new(), body }
}

fn api(reply: Reply) -> Errand {
    Errand { lane: "line:api", to: String::new(), outcome: Outcome::Tell(reply) }
}

fn lane(path: &str) -> &'static str {
    let sends = matches!(path, "message/push" | "message/reply" | "message/multicast");
    if sends { "line" } else { "line:api" }
}

fn not_found() -> Reply {
    fault(404, "Not found")
}

fn unauthorised(house: &House, request: &Request) -> Option<Reply> {
    const WHY: &str = "Authentication failed due to the following reason: ";
    let Some(token) = request.bearer() else {
        return Some(fault(401, &format!("{WHY}missing token. Confirm that the header Authorization: Bearer is set.")));
    };
    if token == house.options.line.token {
        return None;
    }
    let now = house.now();
    let issued = house.line.tokens.lock().is_ok_and(|tokens| tokens.get(token).is_some_and(|until| now < *until));
    (!issued).then(|| fault(401, &format!("{WHY}invalid token. Confirm that the access token is valid.")))
}

/// Stateless channel access token, by client id and secret.
fn token(house: &House, request: &Request) -> Reply {
    let field =
        |name: &str| url::form_urlencoded::parse(&request.body).find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
    let no = |error: &str, why: &str| Reply::json(400, &json!({ "error": error, "error_description": why }));
    if request.method() != "POST" {
        return not_found();
    }
    if field("grant_type").as_deref() != Some("client_credentials") {
        return no("unsupported_grant_type", "grant_type must be client_credentials");
    }
    let line = &house.options.line;
    let known = field("client_id").as_deref() == Some(&line.channel_id);
    if !known || field("client_secret").as_deref() != Some(&line.channel_secret) {
        return no("invalid_client", "invalid client_id or client_secret");
    }
    let token = format!("mock-line-token-{}", house.line.requests.fetch_add(1, Ordering::Relaxed));
    let now = house.now();
    if let Ok(mut tokens) = house.line.tokens.lock() {
        tokens.retain(|_, until| *until > now);
        tokens.insert(token.clone(), plus_secs(now, TOKEN_LIFE));
    }
    Reply::json(200, &json!({ "token_type": "Bearer", "access_token": token, "expires_in": TOKEN_LIFE }))
}

fn quota(house: &House) -> Value {
    match house.options.line.quota {
        None => json!({ "type": "none" }),
        Some(value) => json!({ "type": "limited", "value": value }),
    }
}

fn info(house: &House) -> Reply {
    let user_id = &house.options.line.user_id;
    let info = json!({ "userId": user_id, "basicId": "@mock", "displayName": "Mock shop", "chatMode": "bot", "markAsReadMode": "auto" });
    Reply::json(200, &info)
}

fn profile(people: &People, id: &str) -> Reply {
    if !check::is_user(id) || people.unknown("line", id) || people.blocked("line", id) {
        return not_found();
    }
    Reply::json(200, &json!({ "userId": id, "displayName": "Mock person", "language": "zh-TW" }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Push,
    Reply,
    Multicast,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Push => "push",
            Form::Reply => "reply",
            Form::Multicast => "multicast",
        }
    }
}

fn validate(request: &Request) -> Reply {
    match document(request).and_then(|body| check::messages(body.get("messages"))) {
        Ok(()) => Reply::json(200, &json!({})),
        Err(refusal) => refusal,
    }
}

/// The body as JSON.
fn document(request: &Request) -> Result<Value, Reply> {
    if !request.is_json() {
        let kind = request.header("content-type").unwrap_or("null");
        return Err(fault(415, &format!("The content type, {kind}, is not supported")));
    }
    if request.body.len() > REQUEST {
        return Err(fault(413, "Request body is too large"));
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) if body.is_object() => Ok(body),
        Ok(_) => Err(unparsed(1, 1)),
        Err(e) => Err(unparsed(e.line(), e.column())),
    }
}

fn unparsed(line: usize, column: usize) -> Reply {
    fault(400, &format!("The request body could not be parsed as JSON (line: {line}, column: {column})"))
}

fn message(house: &House, request: &Request, form: Form) -> Errand {
    let body = document(request);
    let to = body.as_ref().map(|body| recipient(house, body, form)).unwrap_or_default();
    let outcome = match body.and_then(|body| accept(house, request, &body, form, &to)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Errand { lane: "line", to, outcome }
}

/// Whom a request is for. A reply names only its token.
fn recipient(house: &House, body: &Value, form: Form) -> String {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    match form {
        Form::Push => text("to").to_string(),
        Form::Reply => {
            let replies = house.line.replies.lock();
            replies.ok().and_then(|r| r.get(text("replyToken")).map(|(user, _)| user.clone())).unwrap_or_default()
        }
        Form::Multicast => {
            let list = body.get("to").and_then(Value::as_array);
            list.map(|l| l.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")).unwrap_or_default()
        }
    }
}

fn accept(house: &House, request: &Request, body: &Value, form: Form, to: &str) -> Result<Taken, Reply> {
    let key = retry_key(request, form)?;
    match form {
        Form::Push => check::to(body.get("to"))?,
        Form::Multicast => check::many(body.get("to"))?,
        Form::Reply => check::reply_token(body.get("replyToken"))?,
    }
    check::frame(body)?;
    check::messages(body.get("messages"))?;
    if form == Form::Push && house.people.unknown("line", to) {
        return Err(fault(400, "Failed to send messages"));
    }
    let mut taken = Taken { form: form.name(), key: key.map(|k| k.to_string()), ..Taken::default() };
    if let Some(token) = body.get("replyToken").and_then(Value::as_str) {
        // It is used up when the message is settled, not before: a fault may come between.
        taken.headers.push((REPLY_TOKEN.into(), token.into()));
    }
    taken.delivered = !to.split(',').all(|id| house.people.blocked("line", id));
    taken.body = request.body.clone();
    let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // As many as there are messages; the ids themselves are known when it is settled.
    taken.ids = vec![String::new(); messages.len()];
    if house.book.keeps() {
        (taken.title, taken.text) = show::messages(messages);
        if body.get("notificationDisabled") == Some(&Value::Bool(true)) {
            taken.headers.push(("notification-disabled".into(), "true".into()));
        }
    }
    Ok(taken)
}

/// A UUID, on push and multicast only: on a reply the header itself is a mistake.
fn retry_key(request: &Request, form: Form) -> Result<Option<Uuid>, Reply> {
    let Some(key) = request.header("x-line-retry-key") else { return Ok(None) };
    if form == Form::Reply {
        return Err(fault(400, "The X-Line-Retry-Key header is not supported by this API"));
    }
    Uuid::try_parse(key).map(Some).map_err(|_| fault(400, "The value of the X-Line-Retry-Key header is invalid"))
}

impl Memory {
    /// Uses a reply token up. False: it is unknown, used or too old.
    fn take_reply(&self, token: Option<&str>, now: Timestamp) -> bool {
        let taken = self.replies.lock().ok().and_then(|mut replies| replies.remove(token?));
        taken.is_some_and(|(_, until)| now <= until)
    }
}

/// A message that cannot be settled after all.
fn refused(house: &House, taken: Taken, status: u16, why: &str) -> Reply {
    let (channel, at, to) = (taken.channel, taken.at, taken.to);
    house.book.refuse(Refused { channel, at, to, status, why: why.into() });
    fault(status, why).with("x-line-request-id", house.line.request_id())
}

/// Reply token, retry key, quota, ids, list: in this order.
fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let memory = &house.line;
    let key = taken.key.as_deref().and_then(|key| Uuid::try_parse(key).ok());
    let body = memory.hasher.hash_one(&taken.body);
    let mut keys = memory.keys.lock().ok().filter(|_| key.is_some());
    let now = taken.at;
    if taken.form == "reply" && !memory.take_reply(taken.header(REPLY_TOKEN), now) {
        return refused(house, taken, 400, "Invalid reply token");
    }
    let known = keys.as_ref().zip(key).and_then(|(keys, key)| keys.get(&key.as_u128()).copied());
    if let Some(first) = known.filter(|first| now < plus_secs(first.at, KEY_LIFE)) {
        drop(keys);
        return again(house, taken, first, body);
    }
    let units = if taken.form == "reply" || !taken.delivered { 0 } else { recipients(&taken.to) };
    if let Some(limit) = house.options.line.quota
        && memory.used.load(Ordering::Relaxed) + units > limit
    {
        return refused(house, taken, 429, SPENT);
    }
    memory.used.fetch_add(units, Ordering::Relaxed);
    let messages = taken.ids.len();
    taken.ids = ids(taken.n, messages);
    taken.status = 200;
    if let (Some(keys), Some(key)) = (keys.as_mut(), key) {
        if keys.len() >= KEYS {
            keys.retain(|_, accepted| now < plus_secs(accepted.at, KEY_LIFE));
        }
        keys.insert(key.as_u128(), Accepted { body, at: now, n: taken.n, messages });
    }
    drop(keys);
    let reply = Reply::json(200, &sent(&taken)).with("x-line-request-id", accepted_id(taken.n));
    house.book.take(taken);
    reply
}

fn recipients(to: &str) -> u64 {
    u64::try_from(to.split(',').count()).unwrap_or(u64::MAX)
}

/// The request id of the accepted request `n`; those of other requests are counted apart.
fn accepted_id(n: u64) -> String {
    request_id(n | 1 << 62)
}

fn ids(n: u64, messages: usize) -> Vec<String> {
    (0..messages).zip(0u64..).map(|(_, i)| (FIRST_ID + n * 10 + i).to_string()).collect()
}

/// Multicast tells no ids.
fn sent(taken: &Taken) -> Value {
    if taken.form == "multicast" {
        return json!({});
    }
    let list: Vec<Value> = taken.ids.iter().map(|id| json!({ "id": id, "quoteToken": format!("q{id}") })).collect();
    json!({ "sentMessages": list })
}

/// A retry key that is known: the first request's result, under 409.
fn again(house: &Arc<House>, mut taken: Taken, first: Accepted, body: u64) -> Reply {
    if first.body != body {
        return refused(house, taken, 400, "The retry key was used with another request body");
    }
    taken.ids = ids(first.n, first.messages);
    taken.duplicate = true;
    taken.delivered = false;
    taken.status = 409;
    let mut said = sent(&taken);
    said["message"] = "The retry key is already accepted".into();
    house.book.take(taken);
    Reply::json(409, &said)
        .with("x-line-request-id", house.line.request_id())
        .with("x-line-accepted-request-id", accepted_id(first.n))
}
