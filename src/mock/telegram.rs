//! Telegram's Bot API for one bot: `sendMessage`, and updates to its webhook.
//!
//! Vendor's documents: Bot API 10.3 (2026-08-24) and the errors of its own server. Whoever never started the bot
//! cannot be written to. There is no idempotency key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "telegram", read, too_many };

/// Longest data of a button. Bytes.
const CALLBACK_DATA: usize = 64;
/// Longest text, in UTF-16.
const TEXT: usize = 4096;

/// A bot.
#[derive(Clone)]
pub struct TelegramOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// The bot's token.
    pub token: String,
    /// `secret_token` of its webhook.
    pub webhook_secret: String,
}

impl Default for TelegramOptions {
    fn default() -> Self {
        TelegramOptions {
            id: "telegram-bot".into(),
            token: "110201543:mock-telegram-token".into(),
            webhook_secret: "mock-telegram-secret".into(),
        }
    }
}

fn error(code: u16, description: &str) -> Reply {
    Reply::json(code, &json!({ "ok": false, "error_code": code, "description": description }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let wait = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "3" };
    let body = json!({ "ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {wait}"),
        "parameters": { "retry_after": wait.parse::<i64>().unwrap_or(3) } });
    Reply::json(429, &body).with("retry-after", wait)
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if request.path() == format!("/file/bot{}/photos/file_1.jpg", house.options.telegram.token) {
        let told = Outcome::Tell(Reply::text(200, "photo"));
        return Some(Errand { lane: "telegram:api", to: String::new(), outcome: told });
    }
    let (token, method) = request.path().strip_prefix("/bot")?.split_once('/')?;
    let body = document(request);
    let chat = body.get("chat_id").map(|c| c.as_str().map_or_else(|| c.to_string(), String::from));
    let to = chat.unwrap_or_default();
    let outcome = if token != house.options.telegram.token {
        Outcome::Refuse(error(401, "Unauthorized"))
    } else if let Some(result) = asked(house, method, &body) {
        let told = Outcome::Tell(Reply::json(200, &json!({ "ok": true, "result": result })));
        return Some(Errand { lane: "telegram:api", to, outcome: told });
    } else if let Some(done) = set(house, method, &body) {
        let told = match done {
            Ok(()) => Outcome::Tell(Reply::json(200, &json!({ "ok": true, "result": true }))),
            Err(why) => Outcome::Refuse(error(400, why)),
        };
        return Some(Errand { lane: "telegram:api", to, outcome: told });
    } else if method == "getFile" || method.starts_with("getFile?") {
        let path = json!({ "file_id": "f", "file_path": "photos/file_1.jpg", "file_size": 5 });
        let told = Outcome::Tell(Reply::json(200, &json!({ "ok": true, "result": path })));
        return Some(Errand { lane: "telegram:api", to, outcome: told });
    } else if !matches!(method, "sendMessage" | "sendPhoto") || request.method() != "POST" {
        Outcome::Refuse(error(404, "Not Found"))
    } else {
        match accept(house, request, &body, &to) {
            Ok(taken) => Outcome::Take(settle, Box::new(taken)),
            Err(refusal) => Outcome::Refuse(refusal),
        }
    };
    Some(Errand { lane: "telegram", to, outcome })
}

/// The parameters: as JSON, or as a form whose values are texts, and JSON where they have parts.
fn document(request: &Request) -> Value {
    if request.is_json() {
        return serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    }
    let value = |text: String| match text.starts_with(['{', '[']) {
        true => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        false => Value::String(text),
    };
    url::form_urlencoded::parse(&request.body).into_owned().map(|(name, text)| (name, value(text))).collect()
}

/// What a method that reads tells.
fn asked(house: &House, method: &str, body: &Value) -> Option<Value> {
    let commands = || format!("telegram:commands:{}", body["language_code"].as_str().unwrap_or_default());
    match method {
        "getMyCommands" => Some(house.desk.get(&commands()).unwrap_or_else(|| json!([]))),
        "getMe" => Some(json!({ "id": 1, "is_bot": true, "first_name": "Mock", "username": "mock_shop_bot" })),
        "getWebhookInfo" => {
            let url = house.relay.url(&house.options.telegram.id).unwrap_or_default();
            let mut told = json!({ "url": url, "has_custom_certificate": false, "pending_update_count": 0 });
            for (key, value) in house.desk.get("telegram:webhook").iter().filter_map(Value::as_object).flatten() {
                if key != "secret_token" {
                    told[key] = value.clone();
                }
            }
            Some(told)
        }
        _ => None,
    }
}

/// A method that sets something up; what is wrong with its parameters.
fn set(house: &House, method: &str, body: &Value) -> Option<Result<(), &'static str>> {
    match method {
        "setWebhook" => {
            let url = body["url"].as_str().unwrap_or_default();
            let secret = body["secret_token"].as_str().unwrap_or_default();
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if !url.starts_with("https://") {
                return Some(Err("Bad Request: bad webhook: An HTTPS URL must be provided for webhook"));
            }
            if !(1..=256).contains(&secret.len()) || !secret.chars().all(fits) {
                return Some(Err("Bad Request: secret token contains unallowed characters"));
            }
            house.desk.put("telegram:webhook", body.clone());
            Some(Ok(()))
        }
        "setMyCommands" => {
            let all = body["commands"].as_array().map_or(&[][..], Vec::as_slice);
            let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let name =
                |c: &Value| c["command"].as_str().is_some_and(|n| (1..=32).contains(&n.len()) && n.chars().all(lower));
            let said = |c: &Value| c["description"].as_str().is_some_and(|d| (1..=256).contains(&d.chars().count()));
            if all.is_empty() || all.len() > 100 || !all.iter().all(|c| name(c) && said(c)) {
                return Some(Err("Bad Request: BOT_COMMAND_INVALID"));
            }
            let language = body["language_code"].as_str().unwrap_or_default();
            if !language.is_empty() && language.len() != 2 {
                return Some(Err("Bad Request: invalid language code specified"));
            }
            house.desk.put(&format!("telegram:commands:{language}"), body["commands"].clone());
            Some(Ok(()))
        }
        _ => None,
    }
}

fn accept(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    // A group's number is negative.
    let id = to.strip_prefix('-').unwrap_or(to);
    if !id.bytes().all(|b| b.is_ascii_digit()) || id.is_empty() || house.people.unknown("telegram", to) {
        return Err(error(400, "Bad Request: chat not found"));
    }
    if house.people.blocked("telegram", to) {
        return Err(error(403, "Forbidden: bot was blocked by the user"));
    }
    let photo = body.get("photo").and_then(Value::as_str).filter(|url| url.starts_with("https://"));
    if let Some(photo) = photo.filter(|_| request.path().ends_with("/sendPhoto")) {
        let (title, body) = ("photo".to_string(), request.body.clone());
        return Ok(Taken { form: "photo", delivered: true, body, title, text: photo.into(), ..Taken::default() });
    }
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(error(400, "Bad Request: message text is empty"));
    }
    let length = text.encode_utf16().count();
    if length > TEXT {
        return Err(error(400, "Bad Request: message is too long"));
    }
    let entities = body.get("entities").and_then(Value::as_array).into_iter().flatten();
    let number = |e: &Value, key: &str| e.get(key).and_then(Value::as_u64).unwrap_or(u64::MAX);
    if entities.into_iter().any(|e| number(e, "offset").saturating_add(number(e, "length")) > length as u64) {
        return Err(error(400, "Bad Request: entity beyond the end of the text"));
    }
    let mut lines = vec![text.to_string()];
    let keyboard = body.pointer("/reply_markup/inline_keyboard").and_then(Value::as_array).into_iter().flatten();
    for button in keyboard.filter_map(Value::as_array).flatten() {
        let part = |key: &str| button[key].as_str().unwrap_or_default();
        let (label, url, data) = (part("text"), part("url"), part("callback_data"));
        if !label.is_empty() && url.is_empty() && !data.is_empty() {
            if data.len() > CALLBACK_DATA {
                return Err(error(400, "Bad Request: BUTTON_DATA_INVALID"));
            }
            lines.push(format!("[{label}]"));
            continue;
        }
        if label.is_empty() || !url.starts_with("http") {
            return Err(error(400, "Bad Request: BUTTON_URL_INVALID"));
        }
        lines.push(format!("[{label}] {url}"));
    }
    let title = text.lines().next().unwrap_or_default().to_string();
    let (form, body) = ("message", request.body.clone());
    Ok(Taken { form, delivered: true, body, title, text: lines.join("\n"), ..Taken::default() })
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let id = taken.n;
    let chat = json!({ "id": taken.to.parse::<i64>().unwrap_or_default(), "type": "private" });
    let reply = json!({ "ok": true, "result": { "message_id": id, "date": taken.at.as_second(), "chat": chat } });
    taken.status = 200;
    taken.ids = vec![id.to_string()];
    house.book.take(taken);
    Reply::json(200, &reply)
}

/// Somebody of a group answers a message there: `GROUP:MESSAGE`.
async fn answers(house: &House, (group, message): (&str, &str), what: &Say) -> Result<u16, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| "write GROUP:MESSAGE, both numbers".to_string());
    let Say::Text(words) = what else { return Err("in a group people write, and nothing else".into()) };
    let (group, to, event) = (number(group)?, number(message)?, house.relay.event());
    let update = json!({ "update_id": 1_000_000 + event, "message": {
        "message_id": 500_000 + event, "date": house.now().as_second(), "text": words,
        "from": { "id": 77, "is_bot": false, "first_name": "Staff" }, "chat": { "id": group, "type": "supergroup" },
        "reply_to_message": { "message_id": to, "date": 1, "chat": { "id": group, "type": "supergroup" } },
    } });
    let own = &house.options.telegram;
    let header = ("x-telegram-bot-api-secret-token", own.webhook_secret.clone());
    house.relay.post(&own.id, header, update.to_string()).await
}

/// A person's doing, played.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    if let Some(answered) = person.split_once(':') {
        return answers(house, answered, what).await;
    }
    let now = house.now();
    let id: i64 = person.parse().map_err(|_| "a chat's id is a number".to_string())?;
    let chat = json!({ "id": id, "type": "private", "first_name": "Somebody" });
    let from = json!({ "id": id, "is_bot": false, "first_name": "Somebody" });
    let message = |text: &str| json!({ "message": { "message_id": 1, "from": from, "chat": chat, "date": now.as_second(), "text": text } });
    let member = |status: &str| json!({ "my_chat_member": { "chat": chat, "from": from, "date": now.as_second(), "new_chat_member": { "status": status } } });
    let mut update = match what {
        Say::Text(text) => message(text),
        Say::Link(code) => message(&format!("/start {code}")),
        Say::Follow => message("/start"),
        Say::Unfollow => member("kicked"),
        Say::Postback(data) => {
            json!({ "callback_query": { "id": "1", "from": from, "data": data, "message": { "message_id": 1, "chat": chat, "date": now.as_second() } } })
        }
        Say::Read => return Err("Telegram reports no reading".into()),
    };
    let state = if *what == Say::Unfollow { Become::Blocked } else { Become::Unblocked };
    house.people.change("telegram", person, state, now);
    update["update_id"] = (1_000_000 + house.relay.event()).into();
    let own = &house.options.telegram;
    let header = ("x-telegram-bot-api-secret-token", own.webhook_secret.clone());
    house.relay.post(&own.id, header, update.to_string()).await
}
