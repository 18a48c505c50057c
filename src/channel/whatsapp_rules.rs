//! What every way to WhatsApp shares: the 24 hours, who is reached, free words with their links, and the parameters of
//! an approved template as the words' `[whatsapp]` section names them. A helper, no channel.
//!
//! Sources: WhatsApp Business Platform "Send messages", "Templates", policy (read 2026-11); Twilio's error 63013. A
//! business may write first only to people who agreed to it: the shop's checkout must say so where it asks for the
//! telephone number.

use super::{sms, text};
use crate::domain::channel::{Message, ShapeFault};
use crate::domain::person::Address;
use serde_json::Value;
use std::collections::BTreeMap;

/// 24 hours after the person's last word, closed five minutes early: the vendor's clock decides.
pub(super) const WINDOW_SECS: i64 = 24 * 3600 - 300;
/// Links shown under free words.
pub(super) const LINKS: u8 = 2;
/// Longest parameter, in characters: a template's whole body ends here.
const PARAM: usize = 1024;
/// Label of a link.
const LABEL: usize = 40;

/// Whoever has this telephone number, E.164.
pub(super) fn person(raw: &str) -> Option<Address> {
    sms::e164(raw).map(|number| Address::new("phone", number))
}

/// Title, body and links, at most `limit` characters; what is cut, visibly, is the end of the body.
///
/// # Errors
/// Nothing to say.
pub(super) fn free(message: &Message, limit: usize) -> Result<String, ShapeFault> {
    let (title, body) = (text::one_line(&message.title), text::clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let mut tail = String::new();
    let links = message.buttons.iter().filter_map(|b| {
        let label = text::cut(&text::one_line(&b.label), LABEL, text::graphemes);
        text::link(&b.url).map(|url| if label.is_empty() { url } else { format!("{label}: {url}") })
    });
    for line in links.take(LINKS.into()) {
        if length(&tail) + length(&line) < limit / 2 {
            tail.push('\n');
            tail.push_str(&line);
        }
    }
    let words = [title.as_str(), body.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n\n");
    let tail = if tail.is_empty() { tail } else { format!("\n{tail}") };
    Ok(text::cut(&words, limit.saturating_sub(length(&tail)), length) + &tail)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text under `key` of the section, on one line; `None`: it is not there, or empty.
pub(super) fn name(section: &BTreeMap<String, Value>, key: &str) -> Option<String> {
    section.get(key).and_then(Value::as_str).map(text::one_line).filter(|t| !t.is_empty())
}

/// The template's parameters: `params = […]` by position, from 1, or `[whatsapp.params]` by name.
///
/// # Errors
/// A parameter that is empty or no text: the vendor would refuse it after it took the message.
pub(super) fn parameters(section: &BTreeMap<String, Value>) -> Result<Vec<(String, String)>, ShapeFault> {
    match section.get("params") {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().enumerate().map(|(i, v)| parameter(format!("{}", i + 1), v)).collect(),
        Some(Value::Object(table)) => table.iter().map(|(name, v)| parameter(name.clone(), v)).collect(),
        Some(_) => Err(unfit("params", "a list or a table of texts")),
    }
}

/// Line ends, tabs and runs of blanks, which are refused, become one blank.
fn parameter(name: String, value: &Value) -> Result<(String, String), ShapeFault> {
    let words = match value {
        Value::String(s) => text::one_line(s),
        Value::Number(n) => n.to_string(),
        _ => String::new(),
    };
    if words.is_empty() {
        return Err(unfit(&format!("params, {name}"), "a text that is not empty"));
    }
    Ok((name, text::cut(&words, PARAM, length)))
}

pub(super) fn unfit(place: &str, wanted: &str) -> ShapeFault {
    ShapeFault::Unfit(format!("{place} in the words' [whatsapp] section must be {wanted}"))
}
