//! Twilio's Programmable Messaging: SMS and WhatsApp of one account.
//!
//! Vendor's documents: the API's description of 2026-04-14, error pages, "Webhooks security" (read 2026-11). Creating
//! a message knows no key: what is sent twice arrives twice.

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "twilio", read, too_many };

/// Longest body and variable, in characters.
const TEXT: usize = 1600;
const WHATSAPP: &str = "whatsapp:";

/// An account at Twilio.
#[derive(Clone)]
pub struct TwilioOptions {
    /// Its SID.
    pub account_sid: String,
    /// Its auth token.
    pub auth_token: String,
    /// Senders that belong to it (`+…`, letters, `whatsapp:+…`); empty: any.
    pub senders: Vec<String>,
    /// Content templates that WhatsApp approved, by SID.
    pub contents: Vec<String>,
    /// Id of the relay's SMS channel, for inbound messages.
    pub sms_id: String,
    /// Id of the relay's WhatsApp channel, for inbound messages.
    pub whatsapp_id: String,
    /// The relay's public address as Twilio was told it: it is signed with inbound messages.
    pub public_url: String,
    /// What became of messages is told without being asked to.
    pub receipts: bool,
}

impl Default for TwilioOptions {
    fn default() -> Self {
        TwilioOptions {
            account_sid: "AC00000000000000000000000000000000".into(),
            auth_token: "mock-twilio-token".into(),
            senders: Vec::new(),
            contents: Vec::new(),
            sms_id: "sms".into(),
            whatsapp_id: "whatsapp".into(),
            public_url: "https://notify.example.com".into(),
            receipts: true,
        }
    }
}

fn no(status: u16, code: u32, message: &str) -> Reply {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    Reply::json(status, &json!({ "code": code, "message": message, "more_info": more, "status": status }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let reply = no(429, 20429, "Too Many Requests");
    if let FaultKind::Rate429After(after) = kind { reply.with("retry-after", after.as_str()) } else { reply }
}

type Form = BTreeMap<String, String>;

fn read(house: &House, request: &Request) -> Option<Errand> {
    if let Some(told) = asked(house, request) {
        return Some(Errand { lane: "twilio:api", to: String::new(), outcome: Outcome::Tell(told) });
    }
    let account = request.path().strip_prefix("/2010-04-01/Accounts/")?.strip_suffix("/Messages.json")?;
    let own = &house.options.twilio;
    let form: Form = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let to = form.get("To").cloned().unwrap_or_default();
    let outcome = if request.method() != "POST" {
        Err(no(405, 20004, "Method not allowed"))
    } else if request.header("authorization") != Some(due(own).as_str()) {
        Err(no(401, 20003, "Authenticate"))
    } else if account != own.account_sid {
        Err(no(404, 20404, "The requested resource was not found"))
    } else {
        accept(house, request, &form)
    };
    let outcome = match outcome {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "twilio", to, outcome })
}

fn due(own: &TwilioOptions) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", own.account_sid, own.auth_token)))
}

/// Calls that read: numbers, Messaging Services, Content templates and what WhatsApp says of them.
fn asked(house: &House, request: &Request) -> Option<Reply> {
    let own = &house.options.twilio;
    if request.method() != "GET" {
        return None;
    }
    let parts: Vec<&str> = request.path().trim_matches('/').split('/').collect();
    let reply = match parts.as_slice() {
        ["2010-04-01", "Accounts", account, "IncomingPhoneNumbers.json"] if *account == own.account_sid => {
            let wanted = request.query("PhoneNumber").unwrap_or_default();
            let has = own.senders.iter().filter(|s| s.starts_with('+') && (wanted.is_empty() || **s == wanted));
            let url = house.relay.url(&own.sms_id).unwrap_or_default();
            let shown = has.map(|number| json!({ "phone_number": number, "sms_url": url })).collect::<Vec<_>>();
            Reply::json(200, &json!({ "incoming_phone_numbers": shown }))
        }
        ["v1", "Services", sid] => Reply::json(
            200,
            &json!({ "sid": sid, "friendly_name": "Mock service", "use_inbound_webhook_on_number": true }),
        ),
        ["v1", "Content", sid, rest @ ..] if own.contents.iter().any(|known| known == sid) => content(house, sid, rest),
        ["2010-04-01", ..] | ["v1", "Content", ..] => no(404, 20404, "The requested resource was not found"),
        _ => return None,
    };
    Some(if request.header("authorization") == Some(due(own).as_str()) {
        reply
    } else {
        no(401, 20003, "Authenticate")
    })
}

fn content(house: &House, sid: &str, rest: &[&str]) -> Reply {
    let shelved = house.shelf.of("twilio", sid);
    if rest.is_empty() {
        let body = shelved.body.unwrap_or_else(|| "About your order".into());
        let types = json!({ "twilio/text": { "body": body } });
        return Reply::json(200, &json!({ "sid": sid, "friendly_name": "mock", "language": "en", "types": types }));
    }
    let whatsapp = json!({ "name": "mock", "category": shelved.category.unwrap_or_else(|| "UTILITY".into()),
        "status": shelved.status.unwrap_or_else(|| "approved".into()),
        "rejection_reason": shelved.reason.unwrap_or_default(), "allow_category_change": false });
    Reply::json(200, &json!({ "sid": sid, "whatsapp": whatsapp }))
}

fn number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

fn accept(house: &House, request: &Request, form: &Form) -> Result<Taken, Reply> {
    let own = &house.options.twilio;
    let field = |name: &str| form.get(name).map(String::as_str).filter(|v| !v.is_empty());
    let Some(to) = field("To") else { return Err(no(400, 21604, "A 'To' phone number is required.")) };
    let over_whatsapp = to.starts_with(WHATSAPP);
    if !number(to.strip_prefix(WHATSAPP).unwrap_or(to)) || house.people.unknown("twilio", to) && !over_whatsapp {
        return Err(no(400, 21211, "The 'To' number is not a valid phone number."));
    }
    match field("From") {
        Some(from) if from.starts_with(WHATSAPP) != over_whatsapp => {
            return Err(no(400, 21910, "Invalid From and To pair."));
        }
        Some(from) if !own.senders.is_empty() && !own.senders.iter().any(|s| s == from) => {
            return Err(no(400, 21606, "The 'From' phone number provided is not a valid message-capable number."));
        }
        None if field("MessagingServiceSid").is_none() => return Err(no(400, 21603, "A 'From' number is required.")),
        _ => {}
    }
    if field("StatusCallback").is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        return Err(no(400, 21609, "The 'StatusCallback' URL is not a valid URL."));
    }
    let text = words(own, form)?;
    if house.people.blocked("twilio", to) && !over_whatsapp {
        return Err(no(400, 21610, "Attempt to send to unsubscribed recipient"));
    }
    let form_word = match (over_whatsapp, field("ContentSid").is_some()) {
        (true, true) => "content",
        (true, false) => "whatsapp",
        (false, _) => "sms",
    };
    let mut taken = Taken { form: form_word, delivered: true, body: request.body.clone(), ..Taken::default() };
    taken.title = text.lines().next().unwrap_or_default().to_string();
    taken.text = text;
    taken.key = form.get("StatusCallback").cloned();
    Ok(taken)
}

/// What the person reads; a template's name and its variables stand for its words.
fn words(own: &TwilioOptions, form: &Form) -> Result<String, Reply> {
    let field = |name: &str| form.get(name).map(String::as_str).filter(|v| !v.is_empty());
    let variables = field("ContentVariables");
    let Some(sid) = field("ContentSid") else {
        if variables.is_some() {
            return Err(no(400, 21654, "ContentSid Required"));
        }
        let Some(body) = field("Body") else { return Err(no(400, 21602, "Message body is required.")) };
        if body.chars().count() > TEXT {
            return Err(no(400, 21617, "The concatenated message body exceeds the 1600 character limit."));
        }
        return Ok(body.to_string());
    };
    if !own.contents.iter().any(|known| known == sid) {
        return Err(no(400, 21655, "The ContentSid is Invalid"));
    }
    let variables: BTreeMap<String, Value> = serde_json::from_str(variables.unwrap_or("{}"))
        .map_err(|_| no(400, 21656, "The ContentVariables Parameter is invalid"))?;
    let mut lines = vec![format!("template {sid}")];
    for (name, value) in &variables {
        let Some(value) = value.as_str() else {
            return Err(no(400, 21656, "The ContentVariables Parameter is invalid"));
        };
        if value.chars().count() > TEXT {
            return Err(no(400, 21658, "Parameter exceeds character limit"));
        }
        if value.is_empty() || value.contains(['\n', '\t']) || value.contains("     ") {
            return Err(no(400, 63013, "Channel policy violation"));
        }
        lines.push(format!("{name}: {value}"));
    }
    Ok(lines.join("\n"))
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    taken.status = 201;
    let sid = format!("SM{:032x}", taken.n);
    taken.ids = vec![sid.clone()];
    let fate = fate(house, &taken);
    taken.delivered = fate.is_none();
    let reply = Reply::json(
        201,
        &json!({
            "sid": sid, "status": "queued", "to": taken.to, "error_code": null, "error_message": null,
            "num_segments": "1", "direction": "outbound-api", "account_sid": house.options.twilio.account_sid,
        }),
    );
    let callback = taken.key.clone();
    let (house, to) = (house.clone(), taken.to.clone());
    let tells = callback.is_some() && (house.options.twilio.receipts || late.is_some() || fate.is_some());
    house.book.take(taken);
    if let (true, Some(callback)) = (tells, callback) {
        tokio::spawn(async move {
            let mut told = became(&house, &callback, (&sid, &to), "sent", None).await;
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let (status, code) = fate.map_or(("delivered", None), |code| ("undelivered", Some(code)));
            told = told.and(became(&house, &callback, (&sid, &to), status, code).await);
            if late.is_some() && fate.is_none() && to.starts_with(WHATSAPP) {
                told = told.and(became(&house, &callback, (&sid, &to), "read", None).await);
            }
            if let Err(why) = told {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    reply
}

/// What WhatsApp says only afterwards.
fn fate(house: &House, taken: &Taken) -> Option<u32> {
    if !taken.to.starts_with(WHATSAPP) {
        return None;
    }
    if house.people.unknown("twilio", &taken.to) {
        return Some(63003);
    }
    if house.people.blocked("twilio", &taken.to) {
        return Some(63014);
    }
    let open = house.people.open("twilio", &taken.to, house.now());
    (taken.form == "whatsapp" && !open).then_some(63016)
}

async fn became(
    house: &House,
    callback: &str,
    (sid, to): (&str, &str),
    status: &str,
    code: Option<u32>,
) -> Result<u16, String> {
    let mut fields = vec![
        ("MessageSid", sid.to_string()),
        ("SmsSid", sid.to_string()),
        ("AccountSid", house.options.twilio.account_sid.clone()),
        ("MessageStatus", status.to_string()),
        ("SmsStatus", status.to_string()),
        ("To", to.to_string()),
        ("ApiVersion", "2010-04-01".to_string()),
    ];
    fields.extend(code.map(|code| ("ErrorCode", code.to_string())));
    post(house, callback, &fields).await
}

/// A person writes: the relay is told, and the window of WhatsApp opens. `Follow` and `Unfollow` are the words START
/// and STOP, which Twilio obeys by itself.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    let own = &house.options.twilio;
    let (text, change) = match what {
        Say::Text(text) => (text.as_str(), None),
        Say::Follow => ("START", Some(Become::Unblocked)),
        Say::Unfollow => ("STOP", Some(Become::Blocked)),
        _ => return Err("people write on Twilio's channels: text, follow, unfollow".into()),
    };
    if let Some(change) = change {
        house.people.change("twilio", person, change, house.now());
    }
    house.people.change("twilio", person, Become::Open, house.now());
    let over_whatsapp = person.starts_with(WHATSAPP);
    let id = if over_whatsapp { &own.whatsapp_id } else { &own.sms_id };
    let sid = format!("SMin{:030x}", house.relay.event());
    let to = if over_whatsapp { "whatsapp:+15005550006" } else { "+15005550006" };
    let fields = [
        ("MessageSid", sid.clone()),
        ("SmsMessageSid", sid),
        ("AccountSid", own.account_sid.clone()),
        ("SmsStatus", "received".to_string()),
        ("From", person.to_string()),
        ("To", to.to_string()),
        ("Body", text.to_string()),
        ("NumMedia", "0".to_string()),
        ("ApiVersion", "2010-04-01".to_string()),
    ];
    let url = format!("{}/callbacks/{id}", own.public_url.trim_end_matches('/'));
    post(house, &url, &fields).await
}

/// Posts a signed form to the address that Twilio was told; it is delivered where the relay really is.
async fn post(house: &House, url: &str, fields: &[(&str, String)]) -> Result<u16, String> {
    let url = url.split('#').next().unwrap_or_default();
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    let mut signed = url.to_string();
    sorted.iter().for_each(|(name, value)| {
        signed.push_str(name);
        signed.push_str(value);
    });
    let mut mac =
        Hmac::<Sha1>::new_from_slice(house.options.twilio.auth_token.as_bytes()).map_err(|e| e.to_string())?;
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let path = url.find("/callbacks/").and_then(|at| url.get(at..)).ok_or("the callback leads to no channel")?;
    house.relay.form(path, ("x-twilio-signature", signature), body).await
}
