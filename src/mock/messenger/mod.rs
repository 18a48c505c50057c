//! Messenger's Send API for one page.
//!
//! Vendor's documents: "Send messages" (2026-09-11), "Utility messages" (2026-03-13), "Error codes"
//! (2026-06-25), changelog (tags ended 2026-04-27). There is no idempotency key: what is sent twice arrives
//! twice. HTTP statuses of errors are hardly documented; the mock answers 400 but for tokens (401).

mod check;
mod show;

use super::House;
use super::book::Taken;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::graph;
use super::reply::Reply;
use super::request::Request;
use crate::domain::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "messenger", read, too_many };

/// People may answer for so long after the last message. Seconds.
const HUMAN_AGENT: i64 = 7 * 24 * 3600;

/// A template that Meta approved for the page: name and language code.
pub type Template = (String, String);

/// A Facebook page.
#[derive(Clone)]
pub struct MessengerOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// The page's id.
    pub page_id: String,
    /// The page's token.
    pub access_token: String,
    /// Signs callbacks; with it `appsecret_proof` is checked where it is sent.
    pub app_secret: String,
    /// Refuse calls without `appsecret_proof`, as apps can demand.
    pub require_proof: bool,
    /// Of the callback handshake.
    pub verify_token: String,
    /// Approved templates: name and language code.
    pub templates: Vec<Template>,
    /// People whose window is open at the start.
    pub open: Vec<String>,
    /// Meta approved the app's Human Agent feature.
    pub human_agent: bool,
    /// Delivery is reported at once; without it only by [`super::FaultKind::LateReceipt`].
    pub receipts: bool,
}

impl Default for MessengerOptions {
    fn default() -> Self {
        MessengerOptions {
            id: "messenger-page".into(),
            page_id: "100000000000001".into(),
            access_token: "mock-page-token".into(),
            app_secret: "mock-app-secret".into(),
            require_proof: false,
            verify_token: "mock-verify-token".into(),
            templates: Vec::new(),
            open: Vec::new(),
            human_agent: false,
            receipts: true,
        }
    }
}

/// Meta's error envelope.
fn error(status: u16, code: i64, subcode: Option<i64>, message: &str) -> Reply {
    let mut error =
        json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AmockTraceIdentifier0" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    Reply::json(status, &json!({ "error": error }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let reply = error(429, 4, None, "(#4) Application request limit reached");
    let reply = reply.with("x-app-usage", r#"{"call_count":100,"total_cputime":12,"total_time":15}"#);
    if let FaultKind::Rate429After(after) = kind { reply.with("retry-after", after.as_str()) } else { reply }
}

/// `/v26.0/{page}/messages` → the page.
fn page(path: &str) -> Option<&str> {
    let mut parts = path.strip_prefix("/v")?.split('/');
    let (version, page, edge) = (parts.next()?, parts.next()?, parts.next()?);
    let versioned = version.split_once('.').is_some_and(|(major, _)| major.parse::<u16>().is_ok());
    (versioned && edge == "messages" && parts.next().is_none()).then_some(page)
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if let Some(told) = graph::read(house, request, &account(house)) {
        return Some(told);
    }
    let page = page(request.path())?;
    let body = document(request);
    let to = body.as_ref().ok().and_then(|b| b.pointer("/recipient/id")).and_then(Value::as_str).unwrap_or_default();
    let to = to.to_string();
    let admitted = admit(house, request, page);
    let outcome = match admitted.and(body).and_then(|body| accept(house, request, &body, &to)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "messenger", to, outcome })
}

fn account(house: &House) -> graph::Account<'_> {
    let own = &house.options.messenger;
    let instagram = json!({ "id": house.options.instagram.account_id });
    let page = json!({ "id": own.page_id, "name": "Mock page", "instagram_business_account": instagram });
    let heard = ["messages", "messaging_postbacks", "message_deliveries", "message_reads", "message_echoes"];
    let text = || "About your order".to_string();
    graph::Account {
        names: ("messenger", "messenger:api"),
        token: &own.access_token,
        app_secret: &own.app_secret,
        nodes: vec![(&own.page_id, page)],
        scopes: &["pages_messaging", "pages_utility_messaging", "instagram_manage_messages"],
        app: json!({ "id": "1", "name": "orderwire", "subscribed_fields": heard }),
        templates: own.templates.iter().map(|(n, l)| (n.as_str(), l.as_str(), text())).collect(),
    }
}

/// The token, its proof, the page.
fn admit(house: &House, request: &Request, page: &str) -> Result<(), Reply> {
    let own = &house.options.messenger;
    if request.method() != "POST" {
        return Err(error(400, 100, None, "Unsupported request method"));
    }
    let in_query = request.query("access_token");
    let Some(token) = request.bearer().or(in_query.as_deref()) else {
        return Err(error(401, 104, None, "An access token is required to request this resource."));
    };
    if token != own.access_token {
        return Err(error(401, 190, None, "Invalid OAuth access token - Cannot parse access token"));
    }
    match request.query("appsecret_proof") {
        Some(proof) if proof == hex::encode(sign(own.app_secret.as_bytes(), token.as_bytes())) => {}
        Some(_) => return Err(error(400, 100, None, "Invalid appsecret_proof provided in the API argument")),
        None if own.require_proof => {
            return Err(error(400, 100, None, "API calls from the server require an appsecret_proof argument"));
        }
        None => {}
    }
    if page != own.page_id && page != "me" {
        let why = "Unsupported post request. Object with this id does not exist, cannot be loaded due to missing permissions, or does not support this operation.";
        return Err(error(400, 100, Some(33), why));
    }
    Ok(())
}

fn document(request: &Request) -> Result<Value, Reply> {
    let body = serde_json::from_slice::<Value>(&request.body).ok().filter(|b| b.is_object() && request.is_json());
    body.ok_or_else(|| error(400, 100, None, "(#100) The parameter recipient is required"))
}

fn accept(house: &House, request: &Request, body: &Value, to: &str) -> Result<Taken, Reply> {
    let message = body.get("message").filter(|m| m.is_object());
    let Some(message) = message else { return Err(error(400, 100, None, "(#100) The parameter message is required")) };
    if to.is_empty() || !to.bytes().all(|b| b.is_ascii_digit()) || house.people.unknown("messenger", to) {
        return Err(error(400, 100, Some(2_018_001), "(#100) No matching user found"));
    }
    let form = form(house, body, message, to)?;
    check::message(message)?;
    if house.people.blocked("messenger", to) {
        return Err(error(400, 551, Some(1_545_041), "(#551) This person isn't available right now."));
    }
    let key = message.get("metadata").and_then(Value::as_str).map(String::from);
    let mut taken = Taken { form, key, delivered: true, body: request.body.clone(), ..Taken::default() };
    if house.book.keeps() {
        (taken.title, taken.text) = show::message(message);
        let quiet = body.get("notification_type").and_then(Value::as_str);
        taken.headers.extend(quiet.map(|kind| ("notification-type".to_string(), kind.to_string())));
    }
    Ok(taken)
}

/// In which form, and whether it is allowed to this person now.
fn form(house: &House, body: &Value, message: &Value, to: &str) -> Result<&'static str, Reply> {
    // Whatever the type says: the dead tags are refused in any request.
    if let Some(tag) = body.get("tag").and_then(Value::as_str) {
        let typed = body.get("messaging_type").and_then(Value::as_str) == Some("MESSAGE_TAG");
        if house.options.messenger.human_agent && typed && tag == "HUMAN_AGENT" {
            return match house.people.wrote_within("messenger", to, house.now(), HUMAN_AGENT) {
                true => Ok("human_agent"),
                false => Err(error(400, 10, Some(2_018_278), "(#10) This message is sent outside of allowed window.")),
            };
        }
        let dead = matches!(tag, "CONFIRMED_EVENT_UPDATE" | "POST_PURCHASE_UPDATE" | "ACCOUNT_UPDATE");
        return Err(if dead {
            error(400, 100, Some(1_893_061), "Invalid parameter")
        } else {
            error(400, 10, Some(2_018_028), "(#10) This tag needs a permission that the app does not have")
        });
    }
    let open = || house.people.open("messenger", to, house.now());
    match body.get("messaging_type").and_then(Value::as_str) {
        Some("UTILITY") => {
            check::template(message.get("template"), &house.options.messenger.templates)?;
            let name = message.pointer("/template/name").and_then(Value::as_str).unwrap_or_default();
            match house.shelf.status("messenger", name, "APPROVED").as_str() {
                "APPROVED" => Ok("utility"),
                _ => Err(error(400, 100, None, "(#100) Template cannot be found.")),
            }
        }
        Some(_) | None if message.get("template").is_some() => {
            Err(error(400, 100, None, "(#100) messaging_type must be UTILITY for a utility template"))
        }
        Some("UPDATE") if open() => Ok("update"),
        Some("RESPONSE") if open() => Ok("response"),
        Some("UPDATE" | "RESPONSE") => {
            Err(error(400, 10, Some(2_018_278), "(#10) This message is sent outside of allowed window."))
        }
        Some("MESSAGE_TAG") => Err(error(400, 100, None, "(#100) Tag is required for messaging_type MESSAGE_TAG")),
        _ => Err(error(
            400,
            100,
            None,
            "(#100) Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG, UTILITY}",
        )),
    }
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    let mid = format!("m_mock-{:08x}-{}", taken.at.as_second(), taken.n);
    let reply = Reply::json(200, &json!({ "recipient_id": taken.to, "message_id": mid }));
    taken.status = 200;
    taken.ids = vec![mid];
    super::callback::after_messenger(house, &taken, late);
    house.book.take(taken);
    reply
}
