//! WhatsApp's Cloud API for one business number.
//!
//! Vendor's documents: "Send messages", "Error codes", "Webhooks" (state of 2026-11-22). 200 is an acceptance; what
//! becomes of a message is told by a status. There is no idempotency key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::{Say, escaped};
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::graph;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use crate::domain::clock::Timestamp;
use crate::domain::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "whatsapp", read, too_many };

/// Longest text, and text of an interactive message. Characters.
const TEXT: usize = 4096;
const INTERACTIVE: usize = 1024;
const LABEL: usize = 20;

/// A template that Meta approved for the account: name, language code, and how many parameters its body has.
pub type WhatsAppTemplate = (String, String, usize);

/// A business number.
#[derive(Clone)]
pub struct WhatsAppOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// Id of the number.
    pub phone_number_id: String,
    /// Id of the business account, which has the templates.
    pub business_account_id: String,
    /// The system user's token.
    pub access_token: String,
    /// Signs callbacks.
    pub app_secret: String,
    /// Approved templates.
    pub templates: Vec<WhatsAppTemplate>,
    /// Statuses are reported at once; without it only by [`FaultKind::LateReceipt`].
    pub receipts: bool,
}

impl Default for WhatsAppOptions {
    fn default() -> Self {
        WhatsAppOptions {
            id: "whatsapp-main".into(),
            phone_number_id: "200000000000002".into(),
            business_account_id: "300000000000003".into(),
            access_token: "mock-whatsapp-token".into(),
            app_secret: "mock-app-secret".into(),
            templates: Vec::new(),
            receipts: true,
        }
    }
}

fn error(status: u16, code: i64, message: &str) -> Reply {
    let data = json!({ "messaging_product": "whatsapp", "details": message });
    let error = json!({ "message": format!("(#{code}) {message}"), "type": "OAuthException", "code": code, "error_data": data, "fbtrace_id": "AmockTraceIdentifier0" });
    Reply::json(status, &json!({ "error": error }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let reply = error(400, 130_429, "Rate limit hit");
    if let FaultKind::Rate429After(after) = kind { reply.with("retry-after", after.as_str()) } else { reply }
}

/// `/v26.0/{number}/messages`, where the number is ours: Messenger's pages have addresses of the same form.
fn ours(house: &House, path: &str) -> bool {
    let mut parts = path.strip_prefix("/v").unwrap_or_default().split('/');
    let (version, number, edge) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    version.split_once('.').is_some_and(|(major, _)| major.parse::<u16>().is_ok())
        && number == Some(house.options.whatsapp.phone_number_id.as_str())
        && edge == Some("messages")
        && parts.next().is_none()
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if let Some(told) = graph::read(house, request, &account(&house.options.whatsapp)) {
        return Some(told);
    }
    if !ours(house, request.path()) {
        return None;
    }
    let body = serde_json::from_slice::<Value>(&request.body).ok().filter(|b| b.is_object() && request.is_json());
    let to = body.as_ref().map(|b| [text(b, "to"), text(b, "recipient")]).into_iter().flatten();
    let to = to.into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_string();
    let outcome = match admit(house, request).and_then(|()| accept(house, request, body.as_ref(), &to)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "whatsapp", to, outcome })
}

fn account(own: &WhatsAppOptions) -> graph::Account<'_> {
    let places = |count: usize| (1..=count).map(|n| format!("{{{{{n}}}}}")).collect::<Vec<_>>().join(", ");
    let number = json!({ "id": own.phone_number_id, "display_phone_number": "+1 555-0100", "verified_name": "Mock shop",
        "quality_rating": "GREEN", "status": "CONNECTED" });
    graph::Account {
        names: ("whatsapp", "whatsapp:api"),
        token: &own.access_token,
        app_secret: &own.app_secret,
        nodes: vec![
            (&own.phone_number_id, number),
            (&own.business_account_id, json!({ "id": own.business_account_id, "name": "Mock business" })),
        ],
        scopes: &["whatsapp_business_messaging", "whatsapp_business_management"],
        app: json!({ "whatsapp_business_api_data": { "id": "1", "name": "orderwire" } }),
        templates: own.templates.iter().map(|(n, l, count)| (n.as_str(), l.as_str(), places(*count))).collect(),
    }
}

fn admit(house: &House, request: &Request) -> Result<(), Reply> {
    let own = &house.options.whatsapp;
    if request.method() != "POST" {
        return Err(error(400, 100, "Unsupported request method"));
    }
    match request.bearer() {
        Some(token) if token == own.access_token => {}
        _ => return Err(error(401, 190, "Invalid OAuth access token")),
    }
    match request.query("appsecret_proof") {
        Some(proof) if proof != hex::encode(sign(own.app_secret.as_bytes(), own.access_token.as_bytes())) => {
            Err(error(400, 100, "Invalid appsecret_proof provided in the API argument"))
        }
        _ => Ok(()),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn accept(house: &House, request: &Request, body: Option<&Value>, to: &str) -> Result<Taken, Reply> {
    let body = body.ok_or_else(|| error(400, 100, "The parameter messaging_product is required."))?;
    if text(body, "messaging_product") != "whatsapp" {
        return Err(error(400, 100, "The parameter messaging_product is required."));
    }
    // Without its plus a number would be read as one of the business's own country.
    let number = to.strip_prefix('+').is_some_and(|d| d.len() >= 7 && d.bytes().all(|b| b.is_ascii_digit()));
    if !number && !to.contains('.') {
        return Err(error(400, 131_009, "Parameter value is not valid: to"));
    }
    if house.people.unknown("whatsapp", to) {
        return Err(error(400, 131_026, "Message undeliverable"));
    }
    let form = content(house, body, to)?;
    let key = body.get("biz_opaque_callback_data").and_then(Value::as_str).map(String::from);
    if key.as_deref().is_some_and(|k| k.chars().count() > 512) {
        return Err(error(400, 131_009, "Parameter value is not valid: biz_opaque_callback_data"));
    }
    let mut taken = Taken { form, key, delivered: true, body: request.body.clone(), ..Taken::default() };
    if house.book.keeps() {
        (taken.title, taken.text) = shown(body);
    }
    Ok(taken)
}

/// The form, when the content is right and allowed to this person now.
fn content(house: &House, body: &Value, to: &str) -> Result<&'static str, Reply> {
    let within = |words: &str, most: usize| (1..=most).contains(&words.chars().count());
    let form = match text(body, "type") {
        "template" => return template(house, &body["template"]).map(|()| "template"),
        "text" if within(text(&body["text"], "body"), TEXT) => "text",
        "image" if text(&body["image"], "link").starts_with("https://") => "image",
        "interactive" => {
            let parts = &body["interactive"];
            let action = &parts["action"]["parameters"];
            let replies = parts["action"]["buttons"].as_array().map(Vec::as_slice).unwrap_or_default();
            let reply = |b: &Value| {
                let (id, title) = (text(&b["reply"], "id"), text(&b["reply"], "title"));
                text(b, "type") == "reply" && within(id, 256) && within(title, LABEL)
            };
            let answers = text(parts, "type") == "button"
                && (1..=3).contains(&replies.len())
                && replies.iter().all(reply)
                && within(text(&parts["body"], "text"), INTERACTIVE);
            let right = answers
                || text(parts, "type") == "cta_url"
                    && text(&parts["action"], "name") == "cta_url"
                    && within(text(&parts["body"], "text"), INTERACTIVE)
                    && within(text(action, "display_text"), LABEL)
                    && text(action, "url").starts_with("http");
            right.then_some("interactive").ok_or_else(|| error(400, 131_009, "Parameter value is not valid"))?
        }
        _ => return Err(error(400, 131_008, "Required parameter is missing")),
    };
    if house.people.open("whatsapp", to, house.now()) {
        return Ok(form);
    }
    Err(error(400, 131_047, "Re-engagement message"))
}

fn template(house: &House, template: &Value) -> Result<(), Reply> {
    let approved = &house.options.whatsapp.templates;
    let (name, language) = (text(template, "name"), text(&template["language"], "code"));
    let known = approved.iter().find(|(n, l, _)| n == name && l == language);
    let Some((_, _, count)) = known else {
        return Err(error(404, 132_001, "Template name does not exist in the translation"));
    };
    match house.shelf.status("whatsapp", name, "APPROVED").as_str() {
        "APPROVED" => {}
        "PAUSED" => return Err(error(400, 132_015, "Template is paused")),
        "DISABLED" => return Err(error(400, 132_016, "Template is disabled")),
        _ => return Err(error(404, 132_001, "Template name does not exist in the translation")),
    }
    let components = template["components"].as_array().map_or(&[][..], Vec::as_slice);
    let parameters = |kind: &'static str| {
        let of_kind = components.iter().filter(move |c| text(c, "type") == kind);
        of_kind.flat_map(|c| c["parameters"].as_array().into_iter().flatten())
    };
    if parameters("body").count() != *count {
        return Err(error(400, 132_000, "Number of parameters does not match the expected number of params"));
    }
    let odd = |p: &Value| {
        let words = text(p, "text");
        words.trim().is_empty() || words.contains(['\n', '\t']) || words.contains("    ")
    };
    if parameters("body").chain(parameters("header")).any(odd) {
        return Err(error(400, 132_018, "There was an issue with the parameters in your template"));
    }
    Ok(())
}

/// The first line, and all the words.
fn shown(body: &Value) -> (String, String) {
    let mut lines = Vec::new();
    match text(body, "type") {
        "template" => {
            let template = &body["template"];
            lines.push(format!("{} ({})", text(template, "name"), text(&template["language"], "code")));
            for parameter in
                template["components"].as_array().into_iter().flatten().flat_map(|c| c["parameters"].as_array())
            {
                lines.extend(parameter.iter().map(|p| text(p, "text").to_string()));
            }
        }
        "interactive" => {
            let (parts, action) = (&body["interactive"], &body["interactive"]["action"]["parameters"]);
            lines.push(text(&parts["body"], "text").to_string());
            if action.is_object() {
                lines.push(format!("[{}] {}", text(action, "display_text"), text(action, "url")));
            }
            let replies = parts["action"]["buttons"].as_array().map(Vec::as_slice).unwrap_or_default();
            lines.extend(replies.iter().map(|b| format!("[{}]", text(&b["reply"], "title"))));
        }
        _ => lines.push(text(&body["text"], "body").to_string()),
    }
    let title = lines.first().and_then(|l| l.lines().next()).unwrap_or_default().to_string();
    (title, lines.join("\n"))
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    let id = format!("wamid.mock-{:08x}-{}", taken.at.as_second(), taken.n);
    let contact = json!({ "input": taken.to, "wa_id": taken.to.trim_start_matches('+') });
    let reply = json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [{ "id": id }] });
    taken.status = 200;
    taken.ids = vec![id];
    report(house, &taken, late);
    house.book.take(taken);
    Reply::json(200, &reply)
}

/// What became of the message: sent and delivered, or that a person who blocked the number never saw it.
fn report(house: &Arc<House>, taken: &Taken, late: Option<u64>) {
    if !house.relay.knows(&house.options.whatsapp.id) || !(house.options.whatsapp.receipts || late.is_some()) {
        return;
    }
    let (house, to, key) = (house.clone(), taken.to.clone(), taken.key.clone());
    let id = taken.ids.first().cloned().unwrap_or_default();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
        let blocked = house.people.blocked("whatsapp", &to);
        let states: &[&str] = if blocked { &["sent", "failed"] } else { &["sent", "delivered"] };
        for state in states {
            let mut status = json!({ "id": id, "status": state, "recipient_id": to.trim_start_matches('+') });
            status["timestamp"] = house.now().as_second().to_string().into();
            if let Some(key) = &key {
                status["biz_opaque_callback_data"] = key.as_str().into();
            }
            if *state == "failed" {
                status["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
            }
            if let Err(why) = tell(&house, json!({ "statuses": [status] })).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        }
    });
}

async fn tell(house: &House, part: Value) -> Result<u16, String> {
    let own = &house.options.whatsapp;
    let metadata = json!({ "display_phone_number": "15550783881", "phone_number_id": own.phone_number_id });
    let mut value = json!({ "messaging_product": "whatsapp", "metadata": metadata });
    if let (Some(value), Value::Object(part)) = (value.as_object_mut(), part) {
        value.extend(part);
    }
    let entry = json!({ "id": "300000000000003", "changes": [{ "field": "messages", "value": value }] });
    let body = escaped(&json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string());
    let signature = format!("sha256={}", hex::encode(sign(own.app_secret.as_bytes(), body.as_bytes())));
    house.relay.post(&own.id, ("x-hub-signature-256", signature), body).await
}

/// A person's doing, played.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    let now: Timestamp = house.now();
    let mut message =
        json!({ "from": person.trim_start_matches('+'), "id": format!("wamid.mock-in-{}", house.relay.event()) });
    message["timestamp"] = now.as_second().to_string().into();
    let (kind, part) = match what {
        Say::Text(text) => ("text", json!({ "body": text })),
        Say::Link(code) => ("text", json!({ "body": code })),
        Say::Postback(data) => ("button", json!({ "text": "Button", "payload": data })),
        Say::Unfollow => {
            house.people.change("whatsapp", person, Become::Blocked, now);
            return Ok(200);
        }
        Say::Follow | Say::Read => return Err("WhatsApp tells of reading by a status, and of no following".into()),
    };
    message["type"] = kind.into();
    message[kind] = part;
    house.people.change("whatsapp", person, Become::Unblocked, now);
    house.people.change("whatsapp", person, Become::Open, now);
    tell(house, json!({ "messages": [message] })).await
}
