//! Words → WeChat's documents: a text inside the window, a template outside, a subscription notification where the
//! person allowed one ("Subscription notifications", state of 2026-11-22).
//!
//! A text knows one markup, `<a href="…">…</a>`, and no way to escape it: where what a buyer wrote would be a tag, the
//! sign before it is written in its full-width form. Links are written out; WeChat makes them touchable itself.
//! A template's values are typed by their key (`thing1`, `phrase5`): each type has its own letters and length
//! ("Template messages", "Parameter types of keywords", state of 2026-11-22).

use crate::channel::text;
use crate::domain::channel::{Message, ShapeFault};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Longest text, in bytes. Not on a page of today's; what is longer is answered 45002.
pub(super) const TEXT_BYTES: usize = 2048;
/// Links written out under a text at most.
pub(super) const LINKS: u8 = 2;
/// Longest label of one, and longest address, in bytes: half of a text is left for words.
const LABEL: usize = 60;
const URL: usize = 440;
/// Values of a template at most; the console allows fewer.
const VALUES: usize = 20;
/// Keywords of a subscription notification at most; the console asks for two.
const KEYWORDS: usize = 5;
/// A value of the old, untyped templates, in characters: WeChat shows less.
const UNTYPED: usize = 200;

/// The template that the words' `[wechat]` section names.
pub(super) fn template_id(section: &BTreeMap<String, Value>) -> Option<&str> {
    section.get("template_id").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty())
}

/// Free words: valid inside the window only.
///
/// # Errors
/// No words.
pub(super) fn free(to: &str, message: &Message) -> Result<Value, ShapeFault> {
    let whole = literal(&text::whole(message)?);
    let mut tail = String::new();
    for button in message.buttons.iter().take(LINKS.into()) {
        let label = text::cut(&literal(&text::one_line(&button.label)), LABEL, str::len);
        let Some(url) = text::link(&button.url).filter(|url| url.len() <= URL && !label.is_empty()) else { continue };
        tail.push_str(&format!("\n\n{label}: {url}"));
    }
    let content = text::cut(&whole, TEXT_BYTES - tail.len(), str::len) + &tail;
    Ok(json!({ "touser": to, "msgtype": "text", "text": { "content": content } }))
}

/// A text in which no tag is one.
fn literal(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        let tag = c == '<' && chars.peek().is_some_and(|next| next.is_ascii_alphabetic() || *next == '/');
        out.push(if tag { '＜' } else { c });
    }
    out
}

/// The approved template, filled; `key` marks it for WeChat, so that a repeat within ten minutes is no second message.
///
/// # Errors
/// The words name no template, or a value that its type does not take: WeChat would refuse the whole message.
pub(super) fn template(to: &str, message: &Message, key: &Uuid) -> Result<Value, ShapeFault> {
    let none = || ShapeFault::NoTemplate { milestone: message.milestone.clone(), locale: message.locale.clone() };
    let id = template_id(&message.extra).ok_or_else(none)?;
    let data = values("data", message.extra.get("data"), VALUES)?;
    let mut document =
        json!({ "touser": to, "template_id": id, "client_msg_id": key.simple().to_string(), "data": data });
    if let Some(url) = link(message) {
        document["url"] = url.into();
    }
    Ok(document)
}

/// The table of the words' `subscription`, where it names a template.
fn subscription(section: &BTreeMap<String, Value>) -> Option<(&str, &Map<String, Value>)> {
    let table = section.get("subscription")?.as_object()?;
    let id = table.get("template_id")?.as_str()?.trim();
    (!id.is_empty()).then_some((id, table))
}

/// The template of subscription notifications that the words' `[wechat] subscription` names.
pub(super) fn subscription_id(section: &BTreeMap<String, Value>) -> Option<&str> {
    subscription(section).map(|(id, _)| id)
}

/// A subscription notification: for one tap of the person's on "allow".
///
/// # Errors
/// As of [`template`].
pub(super) fn notification(to: &str, message: &Message) -> Result<Value, ShapeFault> {
    let none = || ShapeFault::NoTemplate { milestone: message.milestone.clone(), locale: message.locale.clone() };
    let (id, table) = subscription(&message.extra).ok_or_else(none)?;
    let data = values("subscription.data", table.get("data"), KEYWORDS)?;
    let mut document = json!({ "touser": to, "template_id": id, "data": data });
    let page = match table.get("page").and_then(Value::as_str) {
        Some(own) => text::link(own),
        None => message.buttons.iter().find_map(|b| text::link(&b.url)),
    };
    if let Some(page) = page.filter(|url| url.len() <= URL * 2) {
        document["page"] = page.into();
    }
    Ok(document)
}

/// A template's values, each as its type takes it.
fn values(place: &str, table: Option<&Value>, most: usize) -> Result<Map<String, Value>, ShapeFault> {
    let table = match table {
        Some(Value::Object(table)) if (1..=most).contains(&table.len()) => table,
        _ => return Err(ShapeFault::Unfit(format!("[wechat] {place} must be a table of 1 to {most} values"))),
    };
    let mut data = Map::new();
    for (name, value) in table {
        let words = match value {
            Value::String(words) => text::one_line(words),
            Value::Number(number) => number.to_string(),
            _ => return Err(ShapeFault::Unfit(format!("[wechat] {place}.{name} must be a text"))),
        };
        let value = typed(name, &words).map_err(|wants| {
            ShapeFault::Unfit(format!("[wechat] {place}.{name} takes {wants}; what the words say is something else"))
        })?;
        data.insert(name.clone(), json!({ "value": value }));
    }
    Ok(data)
}

/// Where a touch leads: `url` of the section, else the first button; an empty `url` leads nowhere (accounts that are
/// registered abroad may have no links).
fn link(message: &Message) -> Option<String> {
    let first = message.buttons.iter().find_map(|b| text::link(&b.url));
    match message.extra.get("url").and_then(Value::as_str) {
        Some(own) => text::link(own),
        None => first,
    }
    .filter(|url| url.len() <= URL * 2)
}

/// A value as its type takes it: cut where only the end of a phrase is lost, refused (what it takes) where a number, a
/// time or a state would become another.
fn typed(name: &str, words: &str) -> Result<String, &'static str> {
    if words.is_empty() {
        return Err("some words, never none");
    }
    let chars = words.chars().count();
    let ascii = |most: usize, letters: fn(char) -> bool| chars <= most && words.chars().all(letters);
    let keep = |good: bool, wants| if good { Ok(words.to_string()) } else { Err(wants) };
    match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "thing" => Ok(cut(words, 20)),
        "name" if words.is_ascii() => Ok(cut(words, 20)),
        "name" => Ok(cut(words, 10)),
        "character_string" => keep(
            ascii(32, |c| c.is_ascii_graphic() || c == ' '),
            "at most 32 letters, digits and signs, none of them Chinese",
        ),
        "number" => keep(ascii(32, |c| c.is_ascii_digit() || c == '.'), "at most 32 digits"),
        "letter" => keep(ascii(32, |c| c.is_ascii_alphabetic()), "at most 32 letters"),
        "symbol" => keep(ascii(5, |c| c.is_ascii_punctuation()), "at most 5 signs"),
        "phrase" => keep(ascii(5, is_han), "at most 5 Chinese characters"),
        "const" | "enum" => keep(chars <= 20, "one of the values approved with the template, at most 20 characters"),
        "phone_number" => {
            keep(ascii(17, |c| c.is_ascii_digit() || "+-() ".contains(c)), "a telephone number of at most 17")
        }
        "car_number" => keep(chars <= 8, "at most 8 characters"),
        "time" | "date" => keep(is_time(words), "a time such as 2026年11月22日 15:01 or 2026-11-22 15:01"),
        "amount" => amount(words).ok_or("one sign of a currency and at most 10 digits, such as ¥1200.00"),
        _ => Ok(cut(words, UNTYPED)),
    }
}

fn cut(words: &str, most: usize) -> String {
    text::cut(words, most, |part| part.chars().count())
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// A date, a time of day, or both: of 24 hours, in digits.
fn is_time(words: &str) -> bool {
    let signs = |c: char| c.is_ascii_digit() || "年月日-/.: ~".contains(c);
    let digits = words.chars().take_while(char::is_ascii_digit).count();
    ((1..=2).contains(&digits) || digits == 4) && words.chars().count() <= 40 && words.chars().all(signs)
}

/// A sum without the marks between its thousands, which count as another letter.
fn amount(words: &str) -> Option<String> {
    let bare: String = words.chars().filter(|c| !matches!(c, ',' | ' ' | '\u{a0}')).collect();
    let sum = bare.strip_suffix('元').unwrap_or(&bare);
    let sum = sum.strip_prefix(['¥', '￥', '$', '€', '£', '₫', '-']).unwrap_or(sum);
    let (whole, part) = sum.split_once('.').unwrap_or((sum, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(part) && whole.len() <= 10).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_against_their_types() {
        let long = "字".repeat(21);
        let thing = format!("{}…", "字".repeat(19));
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("thing1", "订单已发货", Some("订单已发货")),
            ("thing12", &long, Some(&thing)),
            ("thing1", "", None),
            ("character_string2", "#1001 SF-903388", Some("#1001 SF-903388")),
            ("character_string2", "订单1001", None),
            ("character_string2", &"9".repeat(33), None),
            ("phrase3", "已发货", Some("已发货")),
            ("phrase3", "已经全部发货", None),
            ("phrase3", "shipped", None),
            ("number4", "12.5", Some("12.5")),
            ("number4", "12a", None),
            ("letter1", "abc", Some("abc")),
            ("letter1", "ab1", None),
            ("symbol1", "#!", Some("#!")),
            ("symbol1", "######", None),
            ("const1", "顺丰速运", Some("顺丰速运")),
            ("const1", &long, None),
            ("name1", "王小明", Some("王小明")),
            ("name1", "abcdefghijklmnopqrstu", Some("abcdefghijklmnopqrs…")),
            ("phone_number1", "+86 138-0013-8000", Some("+86 138-0013-8000")),
            ("phone_number1", "+86 138-0013-80000", None),
            ("car_number1", "粤A12345", Some("粤A12345")),
            ("time1", "2026年11月22日 15:01", Some("2026年11月22日 15:01")),
            ("time1", "15:01", Some("15:01")),
            ("date1", "2026-11-22", Some("2026-11-22")),
            ("time1", "明天", None),
            ("time1", "3 pm", None),
            ("amount1", "¥1,200.00", Some("¥1200.00")),
            ("amount1", "1200元", Some("1200元")),
            ("amount1", "NT$1,200", None),
            ("amount1", "¥12345678901", None),
            ("keyword1", "whatever 是", Some("whatever 是")),
        ];
        for (name, words, wanted) in cases {
            assert_eq!(typed(name, words).ok().as_deref(), *wanted, "{name} {words}");
        }
    }

    #[test]
    fn what_would_be_a_tag_is_written_out() {
        assert_eq!(literal("<a href=\"x\">1</a> a<b 1 < 2 <3"), "＜a href=\"x\">1＜/a> a＜b 1 < 2 <3");
    }
}
