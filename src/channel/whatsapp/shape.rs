//! Words → the Cloud API's document.
//!
//! Inside the window: a text, or an interactive message with one link as a button; outside: a template.
//! ("Send messages", "Interactive call-to-action URL buttons", "Templates", state of 2026-11-22.)

use super::{TEXT_LIMIT, rules, text};
use crate::domain::channel::{Message, ShapeFault};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Reply buttons of one message.
const REPLIES: usize = 3;
/// Text of an interactive message, in characters.
const INTERACTIVE: usize = 1024;
/// Label of its button, in characters.
const LABEL: usize = 20;
/// `biz_opaque_callback_data`, in characters.
const CALLBACK_DATA: usize = 512;
/// Data of a quick reply's button, in characters.
const PAYLOAD: usize = 128;

/// Whether the words' `[whatsapp]` section names a template.
pub(super) fn names_template(section: &BTreeMap<String, Value>) -> bool {
    section.get("template").and_then(Value::as_str).is_some_and(|name| !name.trim().is_empty())
}

/// The whole document, to a number (`to`) or to an id (`recipient`).
///
/// # Errors
/// A reference longer than the vendor carries.
pub(super) fn document((key, to): (&str, &str), content: Value, reference: &str) -> Result<String, ShapeFault> {
    let long = rules::length(reference);
    if long > CALLBACK_DATA {
        return Err(ShapeFault::TooLong { what: "the reference", length: long, limit: CALLBACK_DATA });
    }
    let mut document = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "biz_opaque_callback_data": reference,
    });
    document[key] = to.into();
    if let (Some(document), Value::Object(content)) = (document.as_object_mut(), content) {
        document.extend(content);
    }
    Ok(document.to_string())
}

/// Free words: valid inside the window only.
///
/// # Errors
/// No words.
pub(super) fn free(message: &Message) -> Result<Value, ShapeFault> {
    let (whole, links) = (rules::words(message)?, rules::links(message));
    let answers: Vec<Value> = text::actions(message, REPLIES)
        .into_iter()
        .map(|(title, id)| json!({ "type": "reply", "reply": { "id": id, "title": title } }))
        .collect();
    let words = rules::with_links(&whole, &links, usize::MAX);
    if !answers.is_empty() && rules::length(&words) <= INTERACTIVE {
        return Ok(json!({ "type": "interactive", "interactive": {
            "type": "button",
            "body": { "text": words },
            "action": { "buttons": answers },
        }}));
    }
    if let Some(((label, url), others)) = links.split_first() {
        let words = rules::with_links(&whole, others, usize::MAX);
        if rules::length(&words) <= INTERACTIVE {
            let parameters = json!({ "display_text": text::cut(label, LABEL, rules::length), "url": url });
            return Ok(json!({ "type": "interactive", "interactive": {
                "type": "cta_url",
                "body": { "text": words },
                "action": { "name": "cta_url", "parameters": parameters },
            }}));
        }
    }
    let words = rules::with_links(&whole, &links, TEXT_LIMIT);
    Ok(json!({ "type": "text", "text": { "preview_url": false, "body": words } }))
}

/// An approved template.
///
/// # Errors
/// [`ShapeFault::NoTemplate`] where the words name none; [`ShapeFault::Unfit`] where a parameter is empty or
/// of a kind the vendor does not take.
pub(super) fn template(message: &Message) -> Result<Value, ShapeFault> {
    let section = &message.extra;
    if !names_template(section) {
        let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
        return Err(ShapeFault::NoTemplate { milestone, locale });
    }
    let text = |key: &str| section.get(key).and_then(Value::as_str).map(text::one_line).filter(|t| !t.is_empty());
    let name = text("template").unwrap_or_default();
    // The code with which the template was made; Meta writes zh_TW where we write zh-TW.
    let language = text("language").unwrap_or_else(|| message.locale.replace('-', "_"));
    let mut components = Vec::new();
    for (kind, key) in [("header", "header_params"), ("body", "params")] {
        let params = section.get(key).map_or_else(|| Ok(Vec::new()), |value| parameters(key, value))?;
        if !params.is_empty() {
            components.push(json!({ "type": kind, "parameters": params }));
        }
    }
    if let Some(value) = section.get("button_params") {
        components.extend(button_parameters(value)?);
    }
    let mut template = json!({ "name": name, "language": { "code": language } });
    if !components.is_empty() {
        template["components"] = json!(components);
    }
    Ok(json!({ "type": "template", "template": template }))
}

/// A list is by position, a table by name.
fn parameters(key: &str, value: &Value) -> Result<Vec<Value>, ShapeFault> {
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| Ok(json!({ "type": "text", "text": rules::value(&format!("{key}[{i}]"), v)? })))
            .collect(),
        Value::Object(table) => table
            .iter()
            .map(|(name, v)| {
                let text = rules::value(&format!("{key}.{name}"), v)?;
                Ok(json!({ "type": "text", "parameter_name": name, "text": text }))
            })
            .collect(),
        _ => Err(rules::unfit(key, "a list or a table of texts")),
    }
}

/// One component a button, by its place: the end of an address, or data that comes back when pressed.
fn button_parameters(value: &Value) -> Result<Vec<Value>, ShapeFault> {
    let Value::Array(list) = value else { return Err(rules::unfit("button_params", "a list")) };
    let each = |(i, v): (usize, &Value)| {
        let place = format!("button_params[{i}]");
        let (kind, parameter) = if let Some(payload) = v.get("payload") {
            let payload = rules::value(&place, payload)?;
            let length = rules::length(&payload);
            if length > PAYLOAD {
                return Err(ShapeFault::TooLong { what: "a button's payload", length, limit: PAYLOAD });
            }
            ("quick_reply", json!({ "type": "payload", "payload": payload }))
        } else {
            let suffix = rules::value(&place, v.get("url").unwrap_or(v))?;
            if suffix.contains(char::is_whitespace) {
                return Err(rules::unfit(&place, "the end of an address, without blanks"));
            }
            ("url", json!({ "type": "text", "text": suffix }))
        };
        Ok(json!({ "type": "button", "sub_type": kind, "index": i.to_string(), "parameters": [parameter] }))
    };
    list.iter().enumerate().map(each).collect()
}
