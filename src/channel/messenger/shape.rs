//! Words → the Send API's document.
//!
//! Inside the window: `UPDATE` with text, buttons or picture, whichever form takes all of the words. Outside:
//! `UTILITY` with an approved template. There is no third way: message tags ended on 2026-04-27, and
//! `HUMAN_AGENT` is for people who answer: only a person's reply ([`by_person`]) can carry it. (Messenger "Send messages",
//! 2026-09-11; "Utility messages", 2026-03-13.)

use super::{TEXT_LIMIT, text};
use crate::channel::media;
use crate::channel::meta::send_api;
use crate::domain::channel::{Button, Errand, Message, ShapeFault};
use crate::domain::people::PersonReply;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Buttons of one message.
pub(super) const BUTTONS: usize = 3;
/// Text of a button template, in characters.
const BUTTON_TEXT: usize = 640;
/// Longest address of a link, in bytes. Not documented; it must also fit into a text.
const URL: usize = 1000;
/// Label of a button, in characters.
const LABEL: usize = 20;
/// Title and subtitle of a generic template, in characters each.
const CARD_LINE: usize = 80;
/// `message.metadata`, in characters; it comes back in the echo.
const METADATA: usize = 1000;
/// A template's parameter, in characters. Not documented; WhatsApp's whole body ends here.
const PARAM: usize = 1024;
/// Data of a button that posts back, in characters.
const PAYLOAD: usize = 1000;

/// Whether the words' `[messenger]` section names a template.
pub(super) fn names_template(section: &BTreeMap<String, Value>) -> bool {
    section.get("utility_template").and_then(Value::as_str).is_some_and(|name| !name.trim().is_empty())
}

/// Free words: valid inside the window only.
///
/// # Errors
/// No title, or a reference longer than the vendor carries.
pub(super) fn free(psid: &str, message: &Message, errand: &Errand<'_>) -> Result<Value, ShapeFault> {
    let mut content = words(message)?;
    let reference = &errand.reference.0;
    if length(reference) >= METADATA {
        let length = length(reference);
        return Err(ShapeFault::TooLong { what: "the reference", length, limit: METADATA - 1 });
    }
    content.insert("metadata".into(), json!(reference));
    if let Some(replies) = send_api::quick_replies(message) {
        content.insert("quick_replies".into(), replies);
    }
    let mut document = json!({"recipient": {"id": psid}, "messaging_type": "UPDATE", "message": content});
    if errand.quiet {
        document["notification_type"] = json!("SILENT_PUSH");
    }
    Ok(document)
}

/// What a person answers: a picture as one, and with the tag for people when the time for everybody is over. Only a
/// [`PersonReply`] comes here.
pub(super) fn by_person(document: &mut Value, reply: &PersonReply) {
    if let (Some(url), Some(message)) =
        (media::picture(reply), document.get_mut("message").and_then(Value::as_object_mut))
    {
        message.remove("text");
        let payload = json!({"url": url, "is_reusable": false});
        message.insert("attachment".into(), json!({"type": "image", "payload": payload}));
    }
    if reply.late {
        document["messaging_type"] = "MESSAGE_TAG".into();
        document["tag"] = "HUMAN_AGENT".into();
    }
}

/// The richest form that takes all of the words: a card with the picture, a text with buttons, a text with
/// the links written out.
fn words(message: &Message) -> Result<Map<String, Value>, ShapeFault> {
    let (title, body) = (text::one_line(&message.title), text::clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let buttons: Vec<Link> = message.buttons.iter().filter_map(link).take(BUTTONS).collect();
    let shown: Vec<Value> =
        buttons.iter().map(|b| json!({"type": "web_url", "url": b.url, "title": b.label})).collect();
    let image = message.image.as_deref().and_then(text::link);
    let fits_card = !title.is_empty() && length(&title) <= CARD_LINE && length(&body) <= CARD_LINE;
    let parts = [title.as_str(), body.as_str()];
    let whole = parts.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
    let content = if let Some(url) = image.filter(|_| fits_card) {
        let mut card = json!({"title": title, "image_url": url});
        if !body.is_empty() {
            card["subtitle"] = json!(body);
        }
        if !shown.is_empty() {
            card["buttons"] = json!(shown);
        }
        template(&json!({"template_type": "generic", "elements": [card]}))
    } else if !shown.is_empty() && length(&whole) <= BUTTON_TEXT {
        template(&json!({"template_type": "button", "text": whole, "buttons": shown}))
    } else {
        json!({"text": with_links(&whole, &buttons)})
    };
    Ok(content.as_object().cloned().unwrap_or_default())
}

fn template(payload: &Value) -> Value {
    json!({"attachment": {"type": "template", "payload": payload}})
}

/// A long text keeps its links as lines of their own; what is cut, visibly, is the end of the words.
fn with_links(whole: &str, buttons: &[Link]) -> String {
    let mut tail = String::new();
    for b in buttons {
        let line = format!("\n{}: {}", b.label, b.url);
        if length(&tail) + length(&line) <= TEXT_LIMIT / 2 {
            tail.push_str(&line);
        }
    }
    let words = cut(whole, TEXT_LIMIT - length(&tail));
    words + &tail
}

/// A button that can be shown.
struct Link {
    label: String,
    url: String,
}

/// A button without words, or whose address is none, is left out: the words say what happened without it.
fn link(button: &Button) -> Option<Link> {
    let label = cut(&text::one_line(&button.label), LABEL);
    let url = text::link(&button.url).filter(|url| url.len() <= URL && !label.is_empty())?;
    Some(Link { label, url })
}

/// An approved template, allowed at any time. It carries no `metadata`: no page says that the API takes it
/// beside a template, and a refusal would close the only way outside the window.
///
/// # Errors
/// [`ShapeFault::NoTemplate`] where the words name none; [`ShapeFault::Unfit`] where a parameter is empty or
/// of a kind the vendor does not take.
pub(super) fn utility(psid: &str, message: &Message) -> Result<Value, ShapeFault> {
    let section = &message.extra;
    if !names_template(section) {
        let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
        return Err(ShapeFault::NoTemplate { milestone, locale });
    }
    let text = |key: &str| section.get(key).and_then(Value::as_str).map(text::one_line).filter(|t| !t.is_empty());
    let name = text("utility_template").unwrap_or_default();
    // The code with which the template was made; Meta writes zh_TW where we write zh-TW.
    let language = text("language").unwrap_or_else(|| message.locale.replace('-', "_"));
    let mut components = Vec::new();
    for (kind, key) in [("header", "header_params"), ("body", "params")] {
        let params = section.get(key).map_or_else(|| Ok(Vec::new()), |value| parameters(key, value))?;
        if !params.is_empty() {
            components.push(json!({"type": kind, "parameters": params}));
        }
    }
    if let Some(value) = section.get("button_params") {
        let params = button_parameters(value)?;
        if !params.is_empty() {
            components.push(json!({"type": "buttons", "parameters": params}));
        }
    }
    let mut template = json!({"name": name, "language": {"code": language}});
    if !components.is_empty() {
        template["components"] = json!(components);
    }
    Ok(json!({"recipient": {"id": psid}, "messaging_type": "UTILITY", "message": {"template": template}}))
}

/// The same message without its picture, where it has one: for a picture that Meta could not fetch.
pub(super) fn without_picture(body: &str) -> Option<String> {
    let mut document: Value = serde_json::from_str(body).ok()?;
    let payload = document.pointer_mut("/message/attachment/payload")?;
    let card = payload.pointer_mut("/elements/0")?.as_object_mut()?;
    card.remove("image_url")?;
    // A card of a title alone is none: its words go as a text.
    if card.len() > 1 {
        return Some(document.to_string());
    }
    let title = card.remove("title")?;
    let message = document.get_mut("message")?.as_object_mut()?;
    message.remove("attachment");
    message.insert("text".into(), title);
    Some(document.to_string())
}

/// A list is by position, a table by name.
fn parameters(key: &str, value: &Value) -> Result<Vec<Value>, ShapeFault> {
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| Ok(json!({"type": "text", "text": parameter(&format!("{key}[{i}]"), v)?})))
            .collect(),
        Value::Object(table) => table
            .iter()
            .map(|(name, v)| {
                let text = parameter(&format!("{key}.{name}"), v)?;
                Ok(json!({"type": "text", "parameter_name": name, "text": text}))
            })
            .collect(),
        _ => Err(unfit(key, "a list or a table of texts")),
    }
}

/// Buttons are always by position: the end of an address, or data that comes back when pressed.
fn button_parameters(value: &Value) -> Result<Vec<Value>, ShapeFault> {
    let Value::Array(list) = value else { return Err(unfit("button_params", "a list")) };
    let each = |(i, v): (usize, &Value)| {
        let place = format!("button_params[{i}]");
        if let Some(payload) = v.get("payload") {
            let payload = parameter(&place, payload)?;
            let length = length(&payload);
            return if length <= PAYLOAD {
                Ok(json!({"type": "POSTBACK", "payload": payload}))
            } else {
                Err(ShapeFault::TooLong { what: "a button's payload", length, limit: PAYLOAD })
            };
        }
        let suffix = parameter(&place, v.get("url").unwrap_or(v))?;
        if suffix.contains(char::is_whitespace) {
            return Err(unfit(&place, "the end of an address, without blanks"));
        }
        Ok(json!({"type": "URL", "url": suffix}))
    };
    list.iter().enumerate().map(each).collect()
}

/// A parameter's text. Line ends, tabs and runs of blanks, which Meta refuses, become one blank; an empty
/// one would be refused after the fact and is named here.
fn parameter(place: &str, value: &Value) -> Result<String, ShapeFault> {
    let text = match value {
        Value::String(s) => text::one_line(s),
        Value::Number(n) => n.to_string(),
        _ => return Err(unfit(place, "a text")),
    };
    if text.is_empty() { Err(unfit(place, "a text that is not empty")) } else { Ok(cut(&text, PARAM)) }
}

fn unfit(place: &str, wanted: &str) -> ShapeFault {
    ShapeFault::Unfit(format!("{place} in the words' [messenger] section must be {wanted}"))
}

/// At most `limit` characters, with a mark where it was cut.
fn cut(words: &str, limit: usize) -> String {
    text::cut(words, limit, length)
}

/// Length as Messenger counts it.
fn length(words: &str) -> usize {
    words.chars().count()
}
