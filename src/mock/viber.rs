//! Viber's REST API for one bot: `send_message`, and events to its webhook.
//!
//! Vendor's documents: "Viber REST API" (state of 2026-11-22). Every answer is 200 with a status; delivery is
//! reported. There is no idempotency key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use crate::domain::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "viber", read, too_many };

const TEXT: usize = 7000;
const NAME: usize = 28;
/// Longest document. Bytes.
const DOCUMENT: usize = 30 * 1024;

/// A bot.
#[derive(Clone)]
pub struct ViberOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// The bot's token: it sends, and signs callbacks.
    pub token: String,
    /// Delivery is reported at once; without it only by [`FaultKind::LateReceipt`].
    pub receipts: bool,
}

impl Default for ViberOptions {
    fn default() -> Self {
        ViberOptions { id: "viber-bot".into(), token: "mock-viber-token-0123456789".into(), receipts: true }
    }
}

fn status(code: i64, message: &str) -> Reply {
    Reply::json(200, &json!({ "status": code, "status_message": message, "chat_hostname": "mock" }))
}

fn too_many(_kind: &FaultKind, _to: &str) -> Reply {
    status(12, "tooManyRequests")
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if request.path() == "/pa/get_account_info" {
        let known = request.header("x-viber-auth-token") == Some(house.options.viber.token.as_str());
        let reply = if known { account(house) } else { status(2, "invalidAuthToken") };
        return Some(Errand { lane: "viber:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if request.path() == "/pa/set_webhook" {
        let outcome = set_webhook(house, request);
        return Some(Errand { lane: "viber:api", to: String::new(), outcome });
    }
    if request.path() != "/pa/send_message" {
        return None;
    }
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or(Value::Null);
    let to = body.get("receiver").and_then(Value::as_str).unwrap_or_default().to_string();
    let outcome = match accept(house, request, &body, &to) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "viber", to, outcome })
}

fn account(house: &House) -> Reply {
    let webhook = house.relay.url(&house.options.viber.id).unwrap_or_default();
    let kinds = ["delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started", "message"];
    let mut told = json!({ "status": 0, "status_message": "ok", "id": "pa:1", "name": "Mock bot", "webhook": webhook,
        "event_types": kinds });
    if let Some(set) = house.desk.get("viber:webhook") {
        told["webhook"] = set["url"].clone();
        told["event_types"] = set["event_types"].clone();
    }
    Reply::json(200, &told)
}

/// The address is called before it is taken; here that it is one must do.
fn set_webhook(house: &House, request: &Request) -> Outcome {
    if request.header("x-viber-auth-token") != Some(house.options.viber.token.as_str()) {
        return Outcome::Refuse(status(2, "invalidAuthToken"));
    }
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    if !body["url"].as_str().is_some_and(|url| url.starts_with("https://")) || !body["event_types"].is_array() {
        return Outcome::Refuse(status(1, "invalidUrl"));
    }
    house.desk.put("viber:webhook", body);
    Outcome::Tell(status(0, "ok"))
}

fn accept(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    if request.header("x-viber-auth-token") != Some(house.options.viber.token.as_str()) {
        return Err(status(2, "invalidAuthToken"));
    }
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    let name = body.pointer("/sender/name").and_then(Value::as_str).unwrap_or_default();
    let whole = body.get("type").and_then(Value::as_str) == Some("text") && !text.trim().is_empty() && !to.is_empty();
    if !whole || name.is_empty() {
        return Err(status(4, "missingData"));
    }
    if text.chars().count() > TEXT || name.chars().count() > NAME || request.body.len() > DOCUMENT {
        return Err(status(3, "badData"));
    }
    if house.people.unknown("viber", to) {
        return Err(status(5, "receiverNotRegistered"));
    }
    if house.people.blocked("viber", to) {
        return Err(status(6, "receiverNotSubscribed"));
    }
    let title = text.lines().next().unwrap_or_default().to_string();
    Ok(Taken {
        form: "text",
        delivered: true,
        body: request.body.clone(),
        title,
        text: text.into(),
        ..Taken::default()
    })
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    // Beyond 2^53, as the real ones are.
    let token = 5_741_311_803_570_000_000_u64 + taken.n;
    taken.status = 200;
    taken.ids = vec![token.to_string()];
    if house.relay.knows(&house.options.viber.id) && (house.options.viber.receipts || late.is_some()) {
        let (house, to) = (house.clone(), taken.to.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let event = json!({ "event": "delivered", "message_token": token, "user_id": to });
            if let Err(why) = tell(&house, event).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    house.book.take(taken);
    Reply::json(200, &json!({ "status": 0, "status_message": "ok", "message_token": token }))
}

async fn tell(house: &House, mut event: Value) -> Result<u16, String> {
    let own = &house.options.viber;
    event["timestamp"] = house.now().as_millisecond().into();
    let body = event.to_string();
    let signature = hex::encode(sign(own.token.as_bytes(), body.as_bytes()));
    house.relay.post(&own.id, ("x-viber-content-signature", signature), body).await
}

/// A person's doing, played.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    let token = 4_912_661_846_650_000_000_u64 + house.relay.event();
    let user = json!({ "id": person, "name": "Somebody" });
    let event = match what {
        Say::Text(text) | Say::Postback(text) => {
            json!({ "event": "message", "message_token": token, "sender": user, "message": { "type": "text", "text": text } })
        }
        Say::Link(code) => {
            json!({ "event": "conversation_started", "message_token": token, "type": "open", "context": code, "subscribed": false, "user": user })
        }
        Say::Follow => json!({ "event": "subscribed", "user": user }),
        Say::Unfollow => json!({ "event": "unsubscribed", "user_id": person }),
        Say::Read => return Err("say what was seen by a late receipt".into()),
    };
    let state = if *what == Say::Unfollow { Become::Blocked } else { Become::Unblocked };
    house.people.change("viber", person, state, house.now());
    tell(house, event).await
}
