//! Words → the Cloud API's document.
//!
//! Inside the window: a text, or an interactive message with one link as a button; outside: a template. There
//! is nothing to escape WhatsApp's marks with (`*bold*`, `_italic_`, `~struck~`, `` `code` ``), so where what a
//! buyer wrote would be read as one, the mark is written in its full-width form, which means nothing.
//! ("Send messages", "Interactive call-to-action URL buttons", "Templates", state of 2026-11-22.)

use super::{TEXT_LIMIT, text};
use crate::domain::channel::{Button, Message, ShapeFault};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Text of an interactive message, in characters.
const INTERACTIVE: usize = 1024;
/// Label of its button, in characters.
const LABEL: usize = 20;
/// Longest address of a link, in bytes. Not documented; it must also fit into a text.
const URL: usize = 1000;
/// Links written out under a text at most.
const LINKS: usize = 3;
/// `biz_opaque_callback_data`, in characters.
const CALLBACK_DATA: usize = 512;
/// A template's parameter: its whole text ends at 1,024 characters once filled.
const PARAM: usize = 1024;
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
    let long = length(reference);
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
    let (title, body) = (literal(&text::one_line(&message.title)), literal(&text::clean(&message.body)));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    // Bold by WhatsApp's own mark, where the title holds none.
    let title = if title.is_empty() || title.contains('*') { title } else { format!("*{title}*") };
    let whole = [title.as_str(), body.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n\n");
    let links: Vec<Link> = message.buttons.iter().filter_map(link).take(LINKS).collect();
    if let Some((first, others)) = links.split_first() {
        let words = with_links(&whole, others, usize::MAX);
        if length(&words) <= INTERACTIVE {
            return Ok(json!({ "type": "interactive", "interactive": {
                "type": "cta_url",
                "body": { "text": words },
                "action": { "name": "cta_url", "parameters": { "display_text": cut(&first.label, LABEL), "url": first.url } },
            }}));
        }
    }
    let words = with_links(&whole, &links, TEXT_LIMIT);
    Ok(json!({ "type": "text", "text": { "preview_url": false, "body": words } }))
}

/// Links as lines of their own; what is cut, visibly, is the end of the words.
fn with_links(whole: &str, links: &[Link], limit: usize) -> String {
    let mut tail = String::new();
    for l in links {
        let line = format!("\n\n{}: {}", l.label, l.url);
        if length(&tail) + length(&line) <= limit / 2 {
            tail.push_str(&line);
        }
    }
    cut(whole, limit - length(&tail)) + &tail
}

struct Link {
    label: String,
    url: String,
}

fn link(button: &Button) -> Option<Link> {
    let label = literal(&text::one_line(&button.label));
    let url = text::link(&button.url).filter(|url| url.len() <= URL && !label.is_empty())?;
    Some(Link { label: cut(&label, 60), url })
}

/// A text in which no mark of WhatsApp's is one.
fn literal(words: &str) -> String {
    const MARKS: [(char, char); 4] = [('*', '＊'), ('_', '＿'), ('~', '～'), ('`', '｀')];
    let mut out: Vec<String> = Vec::new();
    for line in words.split('\n') {
        let mut line = line.to_string();
        for (mark, full) in MARKS {
            if pairs(&line, mark) {
                line = line.replace(mark, full.encode_utf8(&mut [0; 4]));
            }
        }
        // Lists and quotes begin a line.
        for (start, full) in [("> ", '＞'), ("* ", '＊')] {
            if let Some(rest) = line.strip_prefix(start) {
                line = format!("{full} {rest}");
            }
        }
        out.push(line);
    }
    out.join("\n")
}

/// Whether `mark` would open and close something in this line: an opening one stands after no letter and before
/// no blank, a closing one the other way round.
fn pairs(line: &str, mark: char) -> bool {
    let chars: Vec<char> = line.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let marks: Vec<usize> = (0..chars.len()).filter(|i| chars[*i] == mark).collect();
    let opens = |i: usize| {
        let before = i.checked_sub(1).and_then(at);
        before.is_none_or(|c| !c.is_alphanumeric()) && at(i + 1).is_some_and(|c| !c.is_whitespace())
    };
    let closes = |i: usize| {
        let before = i.checked_sub(1).and_then(at);
        before.is_some_and(|c| !c.is_whitespace()) && at(i + 1).is_none_or(|c| !c.is_alphanumeric())
    };
    marks.iter().any(|open| opens(*open) && marks.iter().any(|close| close > open && closes(*close)))
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
            .map(|(i, v)| Ok(json!({ "type": "text", "text": parameter(&format!("{key}[{i}]"), v)? })))
            .collect(),
        Value::Object(table) => table
            .iter()
            .map(|(name, v)| {
                let text = parameter(&format!("{key}.{name}"), v)?;
                Ok(json!({ "type": "text", "parameter_name": name, "text": text }))
            })
            .collect(),
        _ => Err(unfit(key, "a list or a table of texts")),
    }
}

/// One component a button, by its place: the end of an address, or data that comes back when pressed.
fn button_parameters(value: &Value) -> Result<Vec<Value>, ShapeFault> {
    let Value::Array(list) = value else { return Err(unfit("button_params", "a list")) };
    let each = |(i, v): (usize, &Value)| {
        let place = format!("button_params[{i}]");
        let (kind, parameter) = if let Some(payload) = v.get("payload") {
            let payload = parameter(&place, payload)?;
            let length = length(&payload);
            if length > PAYLOAD {
                return Err(ShapeFault::TooLong { what: "a button's payload", length, limit: PAYLOAD });
            }
            ("quick_reply", json!({ "type": "payload", "payload": payload }))
        } else {
            let suffix = parameter(&place, v.get("url").unwrap_or(v))?;
            if suffix.contains(char::is_whitespace) {
                return Err(unfit(&place, "the end of an address, without blanks"));
            }
            ("url", json!({ "type": "text", "text": suffix }))
        };
        Ok(json!({ "type": "button", "sub_type": kind, "index": i.to_string(), "parameters": [parameter] }))
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
    ShapeFault::Unfit(format!("{place} in the words' [whatsapp] section must be {wanted}"))
}

/// At most `limit` characters, with a mark where it was cut.
fn cut(words: &str, limit: usize) -> String {
    text::cut(words, limit, length)
}

/// Length as WhatsApp counts it.
fn length(words: &str) -> usize {
    words.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_mark_is_none_and_everything_else_stands() {
        for plain in ["2 * 3 = 6 * 1", "wc_order_abc", "a~b", "5* hotel", "tracking A_B_C1", "it's `fine"] {
            assert_eq!(literal(plain), plain);
        }
        assert_eq!(literal("*sale* _now_ ~old~ `x`"), "＊sale＊ ＿now＿ ～old～ ｀x｀");
        assert_eq!(literal("a\n> quoted\n* listed"), "a\n＞ quoted\n＊ listed");
    }
}
