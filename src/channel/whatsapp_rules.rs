//! What every way to WhatsApp shares: the 24 hours, who is reached, free words with their links, and the parameters of
//! an approved template as the words' `[whatsapp]` section names them. A helper, no channel.
//!
//! Sources: WhatsApp Business Platform "Send messages", "Templates", policy (read 2026-11); Twilio's error 63013. A
//! business may write first only to people who agreed to it: the shop's checkout must say so where it asks for the
//! telephone number.

use super::{sms, text};
use crate::domain::channel::{Button, ConsentRule, Message, ShapeFault};
use crate::domain::person::Address;
use serde_json::Value;
use std::collections::BTreeMap;

/// 24 hours after the person's last word, closed five minutes early: the vendor's clock decides.
pub(super) const WINDOW_SECS: i64 = 24 * 3600 - 300;
/// Links shown under free words.
pub(super) const LINKS: u8 = 3;
/// Longest parameter, in characters: a template's whole body ends here.
const PARAM: usize = 1024;
/// Label of a link, and longest address: it must also fit into a text.
const LABEL: usize = 60;
const URL: usize = 1000;

/// Whoever has this telephone number, E.164.
pub(super) fn person(raw: &str) -> Option<Address> {
    sms::e164(raw).map(|number| Address::new("phone", number))
}

/// What a person must have done: ordered, where the checkout asked for the yes, else given it to us.
pub(super) fn consent(opt_in_at_checkout: bool) -> ConsentRule {
    if opt_in_at_checkout { ConsentRule::WithOrder } else { ConsentRule::Connected }
}

/// Title and body; the title in WhatsApp's own bold, where it holds no star.
///
/// # Errors
/// Nothing to say.
pub(super) fn words(message: &Message) -> Result<String, ShapeFault> {
    let (title, body) = (literal(&text::one_line(&message.title)), literal(&text::clean(&message.body)));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let title = if title.is_empty() || title.contains('*') { title } else { format!("*{title}*") };
    Ok([title, body].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n\n"))
}

/// A link under the words: label and address.
pub(super) fn links(message: &Message) -> Vec<(String, String)> {
    let link = |b: &Button| {
        let label = text::cut(&literal(&text::one_line(&b.label)), LABEL, text::graphemes);
        let url = text::link(&b.url).filter(|url| url.len() <= URL && !label.is_empty())?;
        Some((label, url))
    };
    message.buttons.iter().filter_map(link).take(LINKS.into()).collect()
}

/// Links as lines of their own, all at most `limit` characters; what is cut, visibly, is the end of the words.
pub(super) fn with_links(whole: &str, links: &[(String, String)], limit: usize) -> String {
    let mut tail = String::new();
    for (label, url) in links {
        let line = format!("\n\n{label}: {url}");
        if length(&tail) + length(&line) <= limit / 2 {
            tail.push_str(&line);
        }
    }
    text::cut(whole, limit - length(&tail), length) + &tail
}

/// A text in which no mark of WhatsApp's is one. There is nothing to escape them with (`*bold*`, `_italic_`,
/// `~struck~`, `` `code` ``), so where what a buyer wrote would be read as one, it is written in its full-width form,
/// which means nothing.
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

pub(super) fn length(text: &str) -> usize {
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

fn parameter(name: String, value: &Value) -> Result<(String, String), ShapeFault> {
    let words = self::value(&format!("params, {name}"), value)?;
    Ok((name, words))
}

/// A parameter's text. Line ends, tabs and runs of blanks, which are refused, become one blank; an empty one would be
/// refused after the fact and is named here.
pub(super) fn value(place: &str, value: &Value) -> Result<String, ShapeFault> {
    let words = match value {
        Value::String(s) => text::one_line(s),
        Value::Number(n) => n.to_string(),
        _ => String::new(),
    };
    if words.is_empty() { Err(unfit(place, "a text that is not empty")) } else { Ok(text::cut(&words, PARAM, length)) }
}

pub(super) fn unfit(place: &str, wanted: &str) -> ShapeFault {
    ShapeFault::Unfit(format!("{place} in the words' [whatsapp] section must be {wanted}"))
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
