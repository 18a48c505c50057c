//! A program of the shop's that receives outgoing webhooks, as strict as the standard's own libraries.
//!
//! Documents: Standard Webhooks 1.0.0 (what is signed, five minutes' tolerance, ids are remembered), CloudEvents
//! 1.0.2 (required attributes of the structured mode).

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::signature::sign;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use subtle::ConstantTimeEq as _;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "webhook", read, too_many };

/// Seconds by which a timestamp may be off.
const TOLERANCE: i64 = 300;
/// Longest body.
const BODY: usize = 20 * 1024;

/// The receiver.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Path of its address.
    pub path: String,
    /// `whsec_…`: one of them must have signed.
    pub secrets: Vec<String>,
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        let secret = "whsec_bW9jay13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5";
        WebhookOptions { path: "/webhook-receiver".into(), secrets: vec![secret.into()], id: "erp".into() }
    }
}

/// Ids that were taken.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashSet<String>>);

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let after = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "1" };
    Reply::json(429, &json!({ "error": "too many" })).with("retry-after", after)
}

fn no(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "error": why }))
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let options = &house.options.webhook;
    if request.path() != options.path {
        return None;
    }
    let outcome = match genuine(options, request).and_then(|id| event(request, id)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "webhook", to: options.path.clone(), outcome })
}

/// The id of a request that one of the secrets signed, lately.
fn genuine(options: &WebhookOptions, request: &Request) -> Result<String, Reply> {
    if request.method() != "POST" {
        return Err(no(405, "POST only"));
    }
    let header = |name: &str| request.header(name).filter(|v| !v.is_empty()).ok_or_else(|| no(401, name));
    let (id, at, signatures) = (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let seconds: i64 = at.parse().map_err(|_| no(401, "webhook-timestamp"))?;
    // Of signatures the true time counts, whatever time the messengers here are made to believe in.
    if (SystemClock.now().as_second() - seconds).abs() > TOLERANCE {
        return Err(no(401, "the timestamp is too far off"));
    }
    let content = [format!("{id}.{at}.").as_bytes(), &request.body].concat();
    let known = |signature: &str| {
        options.secrets.iter().filter_map(|s| STANDARD.decode(s.strip_prefix("whsec_")?).ok()).any(|key| {
            let good = STANDARD.encode(sign(&key, &content));
            !key.is_empty() && bool::from(good.as_bytes().ct_eq(signature.as_bytes()))
        })
    };
    match signatures.split(' ').filter_map(|s| s.strip_prefix("v1,")).any(known) {
        true => Ok(id.to_string()),
        false => Err(no(401, "no signature matches")),
    }
}

fn event(request: &Request, id: String) -> Result<Taken, Reply> {
    if request.body.len() > BODY {
        return Err(no(413, "too large"));
    }
    let kind = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_string();
    let document: Value = serde_json::from_slice(&request.body).map_err(|_| no(400, "not JSON"))?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (form, whole) = match kind.as_str() {
        "application/json" => ("event", !text("/timestamp").is_empty()),
        "application/cloudevents+json" => {
            let own = text("/specversion") == "1.0" && text("/id") == id && !text("/source").is_empty();
            ("cloudevent", own)
        }
        _ => return Err(no(415, "unknown content type")),
    };
    let words =
        text("/type").split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    if !whole || !words || !document.get("data").is_some_and(Value::is_object) {
        return Err(no(422, "type, time or data is missing"));
    }
    let links = document.pointer("/data/links").and_then(Value::as_array);
    let links = links.into_iter().flatten().map(|l| {
        let part = |key: &str| l.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("\n[{}] {}", part("label"), part("url"))
    });
    let title = text("/data/title").to_string();
    let shown = format!("{title}\n{}{}", text("/data/text"), links.collect::<String>());
    let headers = ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name.to_string(), request.header(name).unwrap_or_default().to_string()));
    Ok(Taken {
        form,
        key: Some(id),
        delivered: true,
        title,
        text: shown,
        headers: headers.to_vec(),
        body: request.body.clone(),
        ..Taken::default()
    })
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let id = taken.key.clone().unwrap_or_default();
    taken.duplicate = house.webhook.0.lock().is_ok_and(|mut known| !known.insert(id));
    taken.status = 204;
    house.book.take(taken);
    Reply::text(204, "")
}

/// The program answers in the conversation of this name.
pub(super) async fn say(house: &House, conversation: &str, what: &Say) -> Result<u16, String> {
    let Say::Text(words) = what else { return Err("a program answers in words, and nothing else".into()) };
    let own = &house.options.webhook;
    let (id, time) = (format!("msg_{}", house.relay.event()), house.now().as_second());
    let data = json!({ "conversation": conversation, "text": words, "by": "program" });
    let body = json!({ "type": "conversation.reply", "data": data }).to_string();
    let secret = own.secrets.first().and_then(|s| STANDARD.decode(s.trim_start_matches("whsec_")).ok());
    let signed = sign(&secret.ok_or("no secret to sign with")?, format!("{id}.{time}.{body}").as_bytes());
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", time.to_string()),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(signed))),
    ];
    house.relay.post_with(&own.id, &headers, body).await
}
