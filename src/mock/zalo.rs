//! Zalo for one official account: templates by phone and by user id, consultation texts, tokens, and its webhook.
//!
//! Vendor's documents: a compilation of Zalo's pages of 2026-08-20; the signature as Zalo's Java SDK makes it. Every
//! answer is 200 with `error`. There is no idempotency key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "zalo", read, too_many };

/// Longest consultation text, parameter and `tracking_id`, in characters.
const TEXT: usize = 2000;
const PARAM: usize = 400;
const TRACKING: usize = 48;

/// An approved template: its id, and the names of its parameters.
pub type ZaloTemplate = (String, Vec<String>);

/// An official account and its app.
#[derive(Clone)]
pub struct ZaloOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// Id of the app, which is signed with callbacks.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: String,
    /// Id of the official account.
    pub oa_id: String,
    /// OA Secret Key: signs callbacks.
    pub oa_secret_key: String,
    /// An access token that is good from the start.
    pub access_token: String,
    /// The refresh token that is good at the start; each can be used once.
    pub refresh_token: String,
    /// Approved templates.
    pub templates: Vec<ZaloTemplate>,
    /// Delivery is reported at once; without it only by [`FaultKind::LateReceipt`].
    pub receipts: bool,
}

impl Default for ZaloOptions {
    fn default() -> Self {
        ZaloOptions {
            id: "zalo-oa".into(),
            app_id: "2074138120372622546".into(),
            app_secret: "mock-zalo-app-secret".into(),
            oa_id: "388613280878808645".into(),
            oa_secret_key: "mock-zalo-oa-secret".into(),
            access_token: "mock-zalo-token".into(),
            refresh_token: "mock-zalo-refresh-0".into(),
            templates: Vec::new(),
            receipts: true,
        }
    }
}

/// Tokens given out. `None`: the account's own of the start is still the one.
#[derive(Default)]
pub(super) struct Memory(Mutex<Option<u64>>);

impl Memory {
    fn number(&self) -> Option<u64> {
        self.0.lock().ok().and_then(|n| *n)
    }
}

fn error(code: i64, message: &str) -> Reply {
    Reply::json(200, &json!({ "error": code, "message": message }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    if *kind == FaultKind::Quota429 { error(-144, "OA exceeded the daily quota") } else { error(-32, "Rate limit") }
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let form = match request.path() {
        "/message/template" | "/v3.0/oa/message/template" => "template",
        "/v3.0/oa/message/cs" => "cs",
        "/v2.0/oa/getoa" => return Some(asked(house, request, |own| json!({ "oa_id": own.oa_id, "name": "Mock OA" }))),
        "/message/quota" => {
            let sent = house.book.count_of("zalo").min(500);
            let left = json!({ "dailyQuota": "500", "remainingQuota": (500 - sent).to_string() });
            return Some(asked(house, request, |_| left));
        }
        "/template/info/v2" => {
            let id = request.query("template_id").unwrap_or_default();
            let told = shown(house, &id);
            return Some(asked(house, request, |_| told));
        }
        "/v4/oa/access_token" => {
            return Some(Errand { lane: "zalo:api", to: String::new(), outcome: Outcome::Tell(token(house, request)) });
        }
        _ => return None,
    };
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or(Value::Null);
    let by_phone = request.path() == "/message/template";
    let at = if by_phone {
        "/phone"
    } else if form == "cs" {
        "/recipient/user_id"
    } else {
        "/user_id"
    };
    let to = body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_string();
    let outcome = match accept(house, request, &body, (form, by_phone, &to)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "zalo", to, outcome })
}

/// A call that reads: its data, to whoever brings the token; `null`: there is no such thing.
fn asked(house: &House, request: &Request, data: impl FnOnce(&ZaloOptions) -> Value) -> Errand {
    let reply = match request.header("access_token") == Some(good_token(house).as_str()) {
        false => error(-216, "Access token is invalid"),
        true => match data(&house.options.zalo) {
            Value::Null => error(-109, "Template is invalid"),
            data => Reply::json(200, &json!({ "error": 0, "message": "Success", "data": data })),
        },
    };
    Errand { lane: "zalo:api", to: String::new(), outcome: Outcome::Tell(reply) }
}

fn shown(house: &House, id: &str) -> Value {
    let Some((_, names)) = house.options.zalo.templates.iter().find(|(known, _)| known == id) else {
        return Value::Null;
    };
    let shelved = house.shelf.of("zalo", id);
    let params: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "require": true, "type": "STRING", "maxLength": 200, "minLength": 0 }))
        .collect();
    json!({
        "templateId": id, "templateName": "Mock template", "listParams": params,
        "status": shelved.status.unwrap_or_else(|| "ENABLE".into()),
        "templateTag": shelved.category.unwrap_or_else(|| "TRANSACTION".into()),
        "reason": shelved.reason.unwrap_or_default(),
    })
}

fn good_token(house: &House) -> String {
    let own = &house.options.zalo;
    house.zalo.number().map_or_else(|| own.access_token.clone(), |n| format!("mock-zalo-token-{n}"))
}

/// The token call: a refresh token gives the next pair, once.
fn token(house: &House, request: &Request) -> Reply {
    let own = &house.options.zalo;
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let refused = |code: i64, words: &str| Reply::json(200, &json!({ "error": code, "error_name": words }));
    if request.header("secret_key") != Some(own.app_secret.as_str()) || field("app_id") != own.app_id {
        return refused(-14_004, "Invalid secret key");
    }
    let Ok(mut number) = house.zalo.0.lock() else { return refused(-14_001, "System error") };
    let good = number.map_or_else(|| own.refresh_token.clone(), |n| format!("mock-zalo-refresh-{n}"));
    if field("grant_type") != "refresh_token" || field("refresh_token") != good {
        return refused(-14_014, "Invalid refresh token");
    }
    let next = number.map_or(1, |n| n + 1);
    *number = Some(next);
    let (access, refresh) = (format!("mock-zalo-token-{next}"), format!("mock-zalo-refresh-{next}"));
    Reply::json(200, &json!({ "access_token": access, "refresh_token": refresh, "expires_in": "90000" }))
}

fn accept(house: &House, request: &Request, body: &Value, way: (&'static str, bool, &str)) -> Result<Taken, Reply> {
    let (form, by_phone, to) = way;
    if request.header("access_token") != Some(good_token(house).as_str()) {
        return Err(error(-216, "Access token is invalid"));
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let number = to.starts_with("84") && to.len() == 11 && to.bytes().all(|b| b.is_ascii_digit());
    if by_phone && !number {
        return Err(error(-108, "Phone number is invalid"));
    }
    if to.is_empty() || house.people.unknown("zalo", to) {
        return Err(if by_phone { error(-118, "Zalo account not existed") } else { error(-201, "user_id is invalid") });
    }
    if house.people.blocked("zalo", to) {
        return Err(if by_phone { error(-141, "User refused") } else { error(-213, "User has not followed OA") });
    }
    let tracking = text("/tracking_id");
    if by_phone && (tracking.is_empty() || tracking.chars().count() > TRACKING) {
        return Err(error(-132, "Invalid tracking_id"));
    }
    let (title, words) =
        if form == "template" { template(house, body)? } else { said(house, text("/message/text"), to)? };
    let key = Some(tracking.to_string()).filter(|k| !k.is_empty());
    Ok(Taken { form, key, delivered: true, body: request.body.clone(), title, text: words, ..Taken::default() })
}

/// The template with exactly its parameters: its id, and all that is filled in.
fn template(house: &House, body: &Value) -> Result<(String, String), Reply> {
    let own = &house.options.zalo;
    let id = body.get("template_id").and_then(Value::as_str).unwrap_or_default();
    let Some((_, names)) = own.templates.iter().find(|(known, _)| known == id) else {
        return Err(error(-109, "Template is invalid"));
    };
    if house.shelf.status("zalo", id, "ENABLE") != "ENABLE" {
        return Err(error(-131, "Template is not approved"));
    }
    let data = body.get("template_data").and_then(Value::as_object).ok_or_else(|| error(-111, "Data is empty"))?;
    if names.iter().any(|name| !data.contains_key(name)) || data.len() != names.len() {
        return Err(error(-1121, "Parameters do not fit the template"));
    }
    let mut lines = vec![id.to_string()];
    for (name, value) in data {
        match value.as_str().filter(|v| (1..=PARAM).contains(&v.chars().count())) {
            Some(words) => lines.push(format!("{name}: {words}")),
            None => return Err(error(-112, "Parameter is invalid")),
        }
    }
    Ok((id.to_string(), lines.join("\n")))
}

/// A consultation text, while the person's window is open.
fn said(house: &House, words: &str, to: &str) -> Result<(String, String), Reply> {
    if words.trim().is_empty() || words.chars().count() > TEXT {
        return Err(error(-210, "Text is empty or too long"));
    }
    if !house.people.open("zalo", to, house.now()) {
        return Err(error(-230, "User has not interacted with the OA in the past 7 days"));
    }
    Ok((words.lines().next().unwrap_or_default().to_string(), words.to_string()))
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    let id = format!("{:012x}{:08x}", taken.at.as_millisecond(), taken.n);
    taken.status = 200;
    taken.ids = vec![id.clone()];
    let own = &house.options.zalo;
    if house.relay.knows(&own.id) && (own.receipts || late.is_some()) {
        let mut message = json!({ "msg_id": id });
        if let Some(key) = &taken.key {
            message["tracking_id"] = key.as_str().into();
            message["delivery_time"] = taken.at.as_millisecond().to_string().into();
        }
        let (house, to) = (house.clone(), taken.to.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let own = json!({ "id": house.options.zalo.oa_id });
            let event = json!({ "event_name": "user_received_message", "sender": own, "recipient": { "id": to }, "message": message });
            if let Err(why) = tell(&house, event).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    let data = match taken.form {
        "cs" => json!({ "message_id": id, "user_id": taken.to }),
        _ => {
            json!({ "msg_id": id, "sent_time": taken.at.as_millisecond().to_string(), "quota": { "dailyQuota": "500", "remainingQuota": "499" } })
        }
    };
    house.book.take(taken);
    Reply::json(200, &json!({ "error": 0, "message": "Success", "data": data }))
}

async fn tell(house: &House, mut event: Value) -> Result<u16, String> {
    let own = &house.options.zalo;
    let at = house.now().as_millisecond().to_string();
    event["app_id"] = own.app_id.as_str().into();
    event["timestamp"] = at.as_str().into();
    let body = event.to_string();
    let signed = Sha256::new().chain_update(&own.app_id).chain_update(&body).chain_update(&at);
    let mac = hex::encode(signed.chain_update(&own.oa_secret_key).finalize());
    house.relay.post(&own.id, ("x-zevent-signature", format!("mac={mac}")), body).await
}

/// A person's doing, played.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    let own = house.options.zalo.oa_id.as_str();
    let event = match what {
        Say::Text(text) | Say::Link(text) => {
            let message = json!({ "text": text, "msg_id": format!("mock-in-{}", house.relay.event()) });
            json!({ "event_name": "user_send_text", "sender": { "id": person }, "recipient": { "id": own }, "message": message })
        }
        Say::Follow => json!({ "event_name": "follow", "oa_id": own, "follower": { "id": person } }),
        Say::Unfollow => json!({ "event_name": "unfollow", "oa_id": own, "follower": { "id": person } }),
        Say::Postback(_) | Say::Read => return Err("Zalo's buttons open links, and reading names a message".into()),
    };
    let now = house.now();
    if *what == Say::Unfollow {
        house.people.change("zalo", person, Become::Blocked, now);
    } else {
        house.people.change("zalo", person, Become::Unblocked, now);
        house.people.change("zalo", person, Become::Open, now);
    }
    tell(house, event).await
}
