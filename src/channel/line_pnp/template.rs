//! Words → a message by one of LINE's own templates: its head, labels and buttons are LINE's, the values ours.
//!
//! Source: "LINE notification messages (template)" and its reference (LINE Developers, read 2026-11-25): an emphasized value
//! of 15 characters, up to 15 more of 300, two buttons with addresses of 1,000; no key twice. Which keys there are depends
//! on the account's country and is in LINE's document. A length is counted here in UTF-16, which is never too lenient.

use crate::channel::text;
use crate::domain::channel::{Message, ShapeFault, Unit};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const EMPHASIZED: usize = 15;
const CONTENT: usize = 300;
const ITEMS: usize = 15;
const BUTTONS: usize = 2;
const URL: usize = 1000;

/// The template that the words' `[line_pnp]` section names.
pub(super) fn key(section: &BTreeMap<String, Value>) -> Option<&str> {
    section.get("template_key").and_then(Value::as_str).map(str::trim).filter(|key| !key.is_empty())
}

fn length(text: &str) -> usize {
    Unit::Utf16.count(text)
}

/// The request's document, without to whom.
///
/// # Errors
/// What is not as LINE takes it, by name. The end of a value may be cut; the emphasized one is a day or a number, of
/// which none may.
pub(super) fn document(message: &Message, key: &str) -> Result<Map<String, Value>, ShapeFault> {
    let mut body = Map::new();
    let mut seen = BTreeSet::new();
    if let Some(part) = message.extra.get("emphasized") {
        let (key, content) = item(part, "emphasized", &mut seen)?;
        let length = length(&content);
        if length > EMPHASIZED {
            return Err(ShapeFault::TooLong { what: "[line_pnp] emphasized", length, limit: EMPHASIZED });
        }
        if !content.is_empty() {
            body.insert("emphasizedItem".into(), json!({ "itemKey": key, "content": content }));
        }
    }
    let mut items = Vec::new();
    for part in list(message, "items", ITEMS)? {
        let (key, content) = item(part, "items", &mut seen)?;
        if !content.is_empty() {
            items.push(json!({ "itemKey": key, "content": text::cut(&content, CONTENT, length) }));
        }
    }
    let mut buttons = Vec::new();
    let mut taken = BTreeSet::new();
    for part in list(message, "buttons", BUTTONS)? {
        let key = named(part, "buttons", &mut taken)?;
        let url = part.get("url").and_then(Value::as_str).and_then(text::link);
        if let Some(url) = url.filter(|url| url.len() <= URL) {
            buttons.push(json!({ "buttonKey": key, "url": url }));
        }
    }
    for (name, parts) in [("items", items), ("buttons", buttons)] {
        if !parts.is_empty() {
            body.insert(name.into(), parts.into());
        }
    }
    let mut document = Map::from_iter([("templateKey".to_string(), Value::from(key))]);
    if !body.is_empty() {
        document.insert("body".into(), body.into());
    }
    Ok(document)
}

fn list<'m>(message: &'m Message, name: &str, most: usize) -> Result<&'m [Value], ShapeFault> {
    match message.extra.get(name) {
        None => Ok(&[]),
        Some(Value::Array(parts)) if parts.len() <= most => Ok(parts),
        Some(_) => Err(ShapeFault::Unfit(format!("[line_pnp] {name} must be a list of at most {most} tables"))),
    }
}

fn named<'m>(part: &'m Value, name: &str, seen: &mut BTreeSet<&'m str>) -> Result<&'m str, ShapeFault> {
    let key = part.get("key").and_then(Value::as_str).map(str::trim).filter(|key| !key.is_empty());
    let key =
        key.ok_or_else(|| ShapeFault::Unfit(format!("[line_pnp] {name} needs a key, as LINE's document lists it")))?;
    match seen.insert(key) {
        true => Ok(key),
        false => Err(ShapeFault::Unfit(format!("[line_pnp] {name} has the key {key} twice"))),
    }
}

/// Its key and its words, on one line; no words: the item is left out.
fn item<'m>(part: &'m Value, name: &str, seen: &mut BTreeSet<&'m str>) -> Result<(&'m str, String), ShapeFault> {
    let key = named(part, name, seen)?;
    match part.get("content") {
        Some(Value::String(words)) => Ok((key, text::one_line(words))),
        Some(Value::Number(number)) => Ok((key, number.to_string())),
        _ => Err(ShapeFault::Unfit(format!("[line_pnp] {name} {key} needs content, a text"))),
    }
}
