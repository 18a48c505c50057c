//! Words → Zalo's documents: a consultation text, or an approved template with its data.

use super::{TEXT_LIMIT, text};
use crate::domain::channel::{Message, ShapeFault};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Longest parameter where the words' section names no limit: the longest that Zalo gives to any kind.
const PARAM: usize = 200;
/// Longest text of a whole template.
const PARAM_MAX: usize = 400;
/// Longest `tracking_id`.
const TRACKING: usize = 48;
/// Links written out under a text.
const LINKS: text::Links = text::Links { most: 2, label: 60, url: 500 };

/// Whether the words' `[zalo]` section names a template.
pub(super) fn names_template(section: &BTreeMap<String, Value>) -> bool {
    template_id(section).is_some()
}

/// Ids are numbers; in TOML they may stand with or without quotes.
fn template_id(section: &BTreeMap<String, Value>) -> Option<String> {
    let id = match section.get("template_id")? {
        Value::String(id) => id.trim().to_string(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    (!id.is_empty()).then_some(id)
}

/// A consultation text, valid inside the window only. What is cut, visibly, is the end of the words.
///
/// # Errors
/// No words.
pub(super) fn free(user: &str, message: &Message) -> Result<Value, ShapeFault> {
    let words = text::with_links(message, &LINKS, TEXT_LIMIT)?;
    Ok(json!({ "recipient": { "user_id": user }, "message": { "text": words } }))
}

/// A template to a phone number (`+84…`), which Zalo writes without the plus. `reference` comes back in the receipt.
///
/// # Errors
/// As [`template`]; a reference longer than Zalo carries.
pub(super) fn by_phone(phone: &str, message: &Message, reference: &str, test: bool) -> Result<Value, ShapeFault> {
    let long = length(reference);
    if long > TRACKING {
        return Err(ShapeFault::TooLong { what: "the reference", length: long, limit: TRACKING });
    }
    let mut document = template(message, test)?;
    document.insert("phone".into(), phone.trim_start_matches('+').into());
    document.insert("tracking_id".into(), reference.into());
    Ok(document.into())
}

/// A template to a user id of the OA. Zalo carries no reference there.
///
/// # Errors
/// As [`template`].
pub(super) fn by_user(user: &str, message: &Message, test: bool) -> Result<Value, ShapeFault> {
    let mut document = template(message, test)?;
    document.insert("user_id".into(), user.into());
    Ok(document.into())
}

/// The template with its data.
///
/// # Errors
/// [`ShapeFault::NoTemplate`] where the words name none; a parameter that is empty, of another kind, or too long and
/// no longer the same when cut.
fn template(message: &Message, test: bool) -> Result<Map<String, Value>, ShapeFault> {
    let section = &message.extra;
    let Some(id) = template_id(section) else {
        let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
        return Err(ShapeFault::NoTemplate { milestone, locale });
    };
    let data = match section.get("data") {
        None => Map::new(),
        Some(Value::Object(table)) => table
            .iter()
            .map(|(name, value)| Ok((name.clone(), parameter(name, value, limit(section, name)?)?.into())))
            .collect::<Result<_, ShapeFault>>()?,
        Some(_) => return Err(unfit("data", "a table of texts")),
    };
    let mut document = Map::from_iter([("template_id".into(), id.into()), ("template_data".into(), data.into())]);
    if test {
        document.insert("mode".into(), "development".into());
    }
    Ok(document)
}

/// How long a parameter may be, in characters: `[zalo.limits]`, as the template's own page names it (`maxLength`).
fn limit(section: &BTreeMap<String, Value>, name: &str) -> Result<usize, ShapeFault> {
    let Some(limits) = section.get("limits") else { return Ok(PARAM) };
    let Some(limits) = limits.as_object() else { return Err(unfit("limits", "a table of numbers")) };
    let Some(set) = limits.get(name) else { return Ok(PARAM) };
    let number = set.as_u64().or_else(|| set.as_str().and_then(|t| t.trim().parse().ok()));
    match number.and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=PARAM_MAX).contains(n)) {
        Some(limit) => Ok(limit),
        None => Err(unfit(&format!("limits.{name}"), "a number from 1 to 400")),
    }
}

/// A parameter's text on one line, counted as NFC: decomposed Vietnamese is up to a quarter longer. Words are cut with
/// an ellipsis; a number, a code or an address, which has no blanks, would be another one when cut.
fn parameter(name: &str, value: &Value, limit: usize) -> Result<String, ShapeFault> {
    let place = || format!("data.{name}");
    let text = match value {
        Value::String(words) => text::one_line(words),
        Value::Number(number) => number.to_string(),
        _ => return Err(unfit(&place(), "a text")),
    };
    if text.is_empty() {
        return Err(unfit(&place(), "a text that is not empty"));
    }
    let length = length(&text);
    if length > limit && !text.contains(' ') {
        return Err(ShapeFault::TooLong { what: "a number, code or address in [zalo.data]", length, limit });
    }
    Ok(text::cut(&text, limit, self::length))
}

fn unfit(place: &str, wanted: &str) -> ShapeFault {
    ShapeFault::Unfit(format!("{place} in the words' [zalo] section must be {wanted}"))
}

/// Length as Zalo counts it.
fn length(words: &str) -> usize {
    words.chars().count()
}
