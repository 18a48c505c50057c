//! LINE notification messages: to a hashed telephone number.
//!
//! Vendor's documents: Messaging API description (2026-07-01), partner documents (state of 2026-08). People are known by
//! the hash of their number: unknown is nobody at LINE, or somebody who refuses such messages; blocked is answered as if
//! taken, and no delivery is told.

use super::{House, Outcome, Reply, Request, Taken, Understudy, check, fault, show};
use crate::domain::signature::sign;
use crate::mock::door::Errand;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(in crate::mock) static UNDERSTUDY: Understudy = Understudy { name: "line_pnp", read, too_many: super::too_many };

/// The call for messages by a template of LINE's own.
pub(super) const TEMPLATED: &str = "/v2/bot/message/pnp/templated/push";
/// Media that are not admitted.
const REFUSED: [&str; 4] = ["image", "video", "audio", "imagemap"];

fn read(house: &House, request: &Request) -> Option<Errand> {
    let accept = match request.path() {
        "/bot/pnp/push" => flexible,
        TEMPLATED => templated,
        _ => return None,
    };
    let body = super::document(request);
    let to = body.as_ref().ok().and_then(|b| b.get("to")).and_then(Value::as_str).unwrap_or_default().to_string();
    let outcome =
        match super::unauthorised(house, request).map_or(body, Err).and_then(|b| accept(house, request, &b, &to)) {
            Ok(taken) => Outcome::Take(settle, Box::new(taken)),
            Err(refusal) => Outcome::Refuse(refusal),
        };
    Some(Errand { lane: "line_pnp", to, outcome })
}

/// What both calls refuse, and the tag.
fn admit(house: &House, request: &Request, body: &Value, to: &str) -> Result<Option<String>, Reply> {
    if request.method() != "POST" {
        return Err(super::not_found());
    }
    if request.header("x-line-retry-key").is_some() {
        return Err(fault(400, "The X-Line-Retry-Key header is not supported by this API"));
    }
    let tag = request.header("x-line-delivery-tag");
    if tag.is_some_and(|tag| !(16..=100).contains(&tag.chars().count())) {
        return Err(fault(400, "The value of the X-Line-Delivery-Tag header is invalid"));
    }
    let hash = to.len() == 64 && to.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !hash {
        return Err(fault(400, "The property, to, in the request body is invalid (line: -, column: -)"));
    }
    check::frame(body)?;
    if house.people.unknown("line_pnp", to) {
        return Err(fault(422, "Failed to send messages"));
    }
    Ok(tag.map(String::from))
}

fn taken(house: &House, request: &Request, to: &str, form: &'static str, key: Option<String>) -> Taken {
    let delivered = !house.people.blocked("line_pnp", to);
    Taken { form, key, delivered, body: request.body.clone(), ..Taken::default() }
}

fn flexible(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    let tag = admit(house, request, body, to)?;
    check::messages(body.get("messages"))?;
    let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let media = |m: &Value| REFUSED.contains(&m.get("type").and_then(Value::as_str).unwrap_or_default());
    if messages.iter().any(media) || body.to_string().contains("\"type\":\"image\"") {
        return Err(fault(400, "The messages hold a type that is not supported by this API"));
    }
    let mut taken = taken(house, request, to, "pnp", tag);
    if house.book.keeps() {
        (taken.title, taken.text) = show::messages(messages);
    }
    Ok(taken)
}

/// By one of LINE's own templates: keys are believed, lengths and repeats are not.
fn templated(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    let tag = admit(house, request, body, to)?;
    let wrong = |what: &str| fault(400, &format!("The request body has 1 error(s): {what}"));
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let template = text(body, "templateKey");
    if template.is_empty() || body.get("messages").is_some() || body.get("notificationDisabled").is_some() {
        return Err(wrong("templateKey"));
    }
    let inner = body.get("body").unwrap_or(&Value::Null);
    let list = |key: &str| inner.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (items, buttons) = (list("items"), list("buttons"));
    let emphasized = inner.get("emphasizedItem").cloned();
    let mut lines = Vec::new();
    let mut keys = std::collections::HashSet::new();
    let all = emphasized.iter().map(|item| (item, 15)).chain(items.iter().map(|item| (item, 300)));
    for (item, most) in all {
        let content = text(item, "content");
        if !keys.insert(text(item, "itemKey")) || content.is_empty() || content.encode_utf16().count() > most {
            return Err(wrong("items"));
        }
        lines.push(content);
    }
    let urls: Vec<String> = buttons.iter().map(|b| text(b, "url")).collect();
    if items.len() > 15 || buttons.len() > 2 || urls.iter().any(|url| url.is_empty() || url.len() > 1000) {
        return Err(wrong("buttons"));
    }
    lines.extend(urls);
    Ok(Taken { title: template, text: lines.join("\n"), ..taken(house, request, to, "pnp_template", tag) })
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    taken.status = if taken.form == "pnp_template" { 202 } else { 200 };
    let status = taken.status;
    let own = &house.options.line;
    if taken.delivered && house.relay.knows(&own.id) {
        let data = taken.key.clone().unwrap_or_else(|| taken.to.clone());
        let house = house.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            if let Err(why) = tell(&house, &data).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    let reply = Reply::json(status, &json!({})).with("x-line-request-id", super::accepted_id(taken.n));
    house.book.take(taken);
    reply
}

/// It arrived: told to the one webhook of the official account.
async fn tell(house: &House, data: &str) -> Result<u16, String> {
    let line = &house.options.line;
    let event = json!({
        "type": "delivery", "delivery": { "data": data }, "mode": "active",
        "timestamp": house.now().as_millisecond(), "webhookEventId": format!("01MOCK{:020}", house.relay.event()),
        "deliveryContext": { "isRedelivery": false },
    });
    let body = json!({ "destination": line.user_id, "events": [event] }).to_string();
    let signature = STANDARD.encode(sign(line.channel_secret.as_bytes(), body.as_bytes()));
    house.relay.post(&line.id, ("x-line-signature", signature), body).await
}
