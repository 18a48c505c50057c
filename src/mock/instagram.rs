//! Instagram's messages for one professional account.
//!
//! Vendor's documents: "Instagram Messaging API", "Error codes" (state of 2026-11-22). Nothing goes outside the 24
//! hours. There is no idempotency key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::{Say, escaped};
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::graph;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use crate::domain::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "instagram", read, too_many };

/// Longest text. Bytes.
const TEXT: usize = 1000;

/// A professional account that logged in by itself.
#[derive(Clone)]
pub struct InstagramOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// The account's id.
    pub account_id: String,
    /// Its token.
    pub access_token: String,
    /// Signs callbacks.
    pub app_secret: String,
}

impl Default for InstagramOptions {
    fn default() -> Self {
        InstagramOptions {
            id: "instagram-main".into(),
            account_id: "400000000000004".into(),
            access_token: "mock-instagram-token".into(),
            app_secret: "mock-app-secret".into(),
        }
    }
}

fn error(status: u16, code: i64, subcode: i64, message: &str) -> Reply {
    let mut error =
        json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AmockTraceIdentifier0" });
    if subcode != 0 {
        error["error_subcode"] = subcode.into();
    }
    Reply::json(status, &json!({ "error": error }))
}

fn too_many(_kind: &FaultKind, _to: &str) -> Reply {
    error(400, 613, 2_534_040, "Calls to this api have exceeded the rate limit.")
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let own = &house.options.instagram;
    if let Some(told) = graph::read(house, request, &account(own)) {
        return Some(told);
    }
    let (version, rest) = request.path().strip_prefix("/v")?.split_once('/')?;
    if !version.contains('.') || rest != format!("{}/messages", own.account_id) {
        return None;
    }
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or(Value::Null);
    let to = body.pointer("/recipient/id").and_then(Value::as_str).unwrap_or_default().to_string();
    let outcome = match accept(house, request, &body, &to) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "instagram", to, outcome })
}

fn account(own: &InstagramOptions) -> graph::Account<'_> {
    graph::Account {
        names: ("instagram", "instagram:api"),
        token: &own.access_token,
        app_secret: &own.app_secret,
        nodes: vec![("me", json!({ "id": "1", "user_id": own.account_id, "username": "mock.shop" }))],
        scopes: &["instagram_business_basic", "instagram_business_manage_messages"],
        app: json!({ "id": "1", "subscribed_fields": ["messages", "messaging_postbacks", "messaging_seen"] }),
        templates: Vec::new(),
    }
}

fn accept(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    if request.bearer() != Some(house.options.instagram.access_token.as_str()) {
        return Err(error(401, 190, 0, "Invalid OAuth access token"));
    }
    if to.is_empty() || house.people.unknown("instagram", to) {
        return Err(error(400, 100, 2_534_014, "No matching Instagram user"));
    }
    let text = body.pointer("/message/text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() || text.len() > TEXT {
        return Err(error(400, 100, 0, "Length of param message[text] must be less than or equal to 1000"));
    }
    if house.people.blocked("instagram", to) {
        return Err(error(400, 551, 1_545_041, "This person isn't available right now."));
    }
    if !house.people.open("instagram", to, house.now()) {
        return Err(error(400, 10, 2_534_022, "This message is sent outside of allowed window."));
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

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let mid = format!("ig_mock-{:08x}-{}", taken.at.as_second(), taken.n);
    let reply = Reply::json(200, &json!({ "recipient_id": taken.to, "message_id": mid }));
    taken.status = 200;
    taken.ids = vec![mid];
    house.book.take(taken);
    reply
}

/// A person's doing, played.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    let (now, own) = (house.now(), &house.options.instagram);
    let mid = format!("ig_mock-in-{}", house.relay.event());
    let mut event = match what {
        Say::Text(text) => json!({ "message": { "mid": mid, "text": text } }),
        Say::Postback(data) => json!({ "postback": { "mid": mid, "payload": data } }),
        Say::Link(code) => json!({ "referral": { "ref": code, "source": "IGME-SOURCE-LINK", "type": "OPEN_THREAD" } }),
        Say::Unfollow => {
            house.people.change("instagram", person, Become::Blocked, now);
            return Ok(200);
        }
        Say::Follow | Say::Read => return Err("Instagram tells of no following".into()),
    };
    event["sender"] = json!({ "id": person });
    event["recipient"] = json!({ "id": own.account_id });
    event["timestamp"] = now.as_millisecond().into();
    house.people.change("instagram", person, Become::Unblocked, now);
    // A link alone opens nothing.
    if !matches!(what, Say::Link(_)) {
        house.people.change("instagram", person, Become::Open, now);
    }
    let entry = json!({ "id": own.account_id, "time": now.as_millisecond(), "messaging": [event] });
    let body = escaped(&json!({ "object": "instagram", "entry": [entry] }).to_string());
    let signature = format!("sha256={}", hex::encode(sign(own.app_secret.as_bytes(), body.as_bytes())));
    house.relay.post(&own.id, ("x-hub-signature-256", signature), body).await
}
