//! Words → LINE's messages: a card (Flex bubble), or plain text where a card would lose something.

use crate::channel::text::{actions, clean, cut, graphemes, link, one_line};
use crate::domain::channel::{Button, Errand, Form, Message, ShapeFault, Unit};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// Longest `text`, in UTF-16 code units.
pub(in crate::channel) const TEXT_UNITS: usize = 5000;
/// Buttons shown.
pub(in crate::channel) const BUTTONS: u8 = 4;
/// Longest `altText`: what notification and chat list show.
const ALT_UNITS: usize = 1500;
/// Longest label of a button in a card, in graphemes.
const LABEL: usize = 40;
/// Longest address of a button, in characters, percent-encoded.
const URI: usize = 1000;
/// Longest address of a picture.
const IMAGE_URL: usize = 2000;
/// Quick replies of one message.
const QUICK_REPLIES: usize = 13;
/// Largest bubble and carousel as JSON: documented as 30 and 50 KB, read as thousands to be safe.
const BUBBLE_BYTES: usize = 30_000;
const CAROUSEL_BYTES: usize = 50_000;
/// Longest small line of a card (shop, order): beyond it nobody reads them.
const SMALL: usize = 100;

/// A message made safe, with the links that can be shown.
struct Words {
    title: String,
    body: String,
    order: String,
    shop: String,
    buttons: Vec<(String, String)>,
    image: Option<String>,
}

/// The request body of push or reply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_token: Option<&'a str>,
    messages: Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    notification_disabled: bool,
}

/// A LINE message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Shaped<'a> {
    Text { text: String },
    Flex { alt_text: String, contents: Contents<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Contents<'a> {
    /// Our card.
    Card(Part<'a>),
    /// The shop's own.
    Own(Cow<'a, Value>),
}

/// What Flex cards are made of.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Part<'a> {
    Bubble {
        #[serde(skip_serializing_if = "Option::is_none")]
        hero: Option<Box<Part<'a>>>,
        body: Box<Part<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        footer: Option<Box<Part<'a>>>,
    },
    Box {
        layout: &'static str,
        spacing: &'static str,
        contents: Vec<Part<'a>>,
    },
    Text {
        text: String,
        size: &'static str,
        color: &'static str,
        wrap: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        weight: Option<&'static str>,
    },
    Image {
        url: &'a str,
        size: &'static str,
        aspect_ratio: &'static str,
        aspect_mode: &'static str,
    },
    Button {
        style: &'static str,
        height: &'static str,
        action: Action<'a>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Action<'a> {
    Uri { label: String, uri: &'a str },
    Postback { label: String, data: &'a str, display_text: String },
}

/// Buttons that answer, over the keyboard until the next message.
#[derive(Serialize)]
struct QuickReply<'a> {
    items: Vec<QuickItem<'a>>,
}

#[derive(Serialize)]
struct QuickItem<'a> {
    r#type: &'static str,
    action: Action<'a>,
}

/// A message with them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answerable<'a> {
    #[serde(flatten)]
    message: Shaped<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quick_reply: Option<QuickReply<'a>>,
}

fn quick_reply(message: &Message) -> Option<QuickReply<'_>> {
    let items: Vec<QuickItem<'_>> = actions(message, QUICK_REPLIES)
        .into_iter()
        .map(|(label, data)| QuickItem {
            r#type: "action",
            action: Action::Postback { display_text: label.clone(), label, data },
        })
        .collect();
    (!items.is_empty()).then_some(QuickReply { items })
}

/// The `messages` of a request: one of ours, as a card where `cards` and it holds all of the words. The shop's own card
/// is `flex` of the words' section.
///
/// # Errors
/// No words, or what fits no message.
pub(in crate::channel) fn messages(message: &Message, cards: bool) -> Result<Value, ShapeFault> {
    let words = words(message);
    if words.title.is_empty() && words.body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let shaped = match message.extra.get("flex").filter(|_| cards) {
        Some(raw) => overridden(raw, &words)?,
        // A card without a heading would be an empty box with a line in it.
        None => match card(&words).filter(|_| cards && !words.title.is_empty()) {
            Some(card) => card,
            None => plain(&words)?,
        },
    };
    let answerable = Answerable { message: shaped, quick_reply: quick_reply(message) };
    serde_json::to_value([answerable]).map_err(|e| ShapeFault::Unfit(format!("the message is no JSON: {e}")))
}

/// The request body of push or reply, as JSON.
pub(in crate::channel) fn request(message: &Message, errand: &Errand<'_>, cards: bool) -> Result<String, ShapeFault> {
    let (to, reply_token) = match errand.form {
        Form::Free => {
            let to = errand.address.ok_or_else(|| ShapeFault::Unfit("a push needs an address".into()))?;
            (Some(to.value.as_str()), None)
        }
        Form::Reply => {
            let token = errand.reply_token.ok_or_else(|| ShapeFault::Unfit("a reply needs its token".into()))?;
            (None, Some(token))
        }
        // LINE approves no templates for messages to friends.
        Form::Template | Form::Grant => {
            let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
            return Err(ShapeFault::NoTemplate { milestone, locale });
        }
    };
    json(&Request { to, reply_token, messages: messages(message, cards)?, notification_disabled: errand.quiet })
}

fn json(value: &impl Serialize) -> Result<String, ShapeFault> {
    serde_json::to_string(value).map_err(|e| ShapeFault::Unfit(format!("the message is no JSON: {e}")))
}

fn words(message: &Message) -> Words {
    let button = |b: &Button| Some((one_line(&b.label), link(&b.url)?)).filter(|(label, _)| !label.is_empty());
    Words {
        title: one_line(&message.title),
        body: clean(&message.body),
        order: one_line(&message.order_name),
        shop: message.shop_name.as_deref().map(one_line).unwrap_or_default(),
        buttons: message.buttons.iter().filter_map(button).take(BUTTONS.into()).collect(),
        image: message.image.as_deref().and_then(link).filter(|url| url.len() <= IMAGE_URL),
    }
}

fn units(text: &str) -> usize {
    Unit::Utf16.count(text)
}

/// Title and first line of the body; `None` where even the title is too long for it.
fn alt_text(words: &Words) -> Option<String> {
    if units(&words.title) > ALT_UNITS {
        return None;
    }
    let first = words.body.lines().next().unwrap_or_default();
    Some(cut(format!("{}\n{first}", words.title).trim(), ALT_UNITS, units))
}

/// The card; `None` where it would not hold all of it: the words then go as text.
fn card(words: &Words) -> Option<Shaped<'_>> {
    if words.buttons.iter().any(|(_, url)| url.len() > URI) {
        return None;
    }
    let line = |text: String, size, color| Part::Text { text, size, color, wrap: true, weight: None };
    let mut lines = Vec::new();
    if !words.shop.is_empty() {
        lines.push(line(cut(&words.shop, SMALL, graphemes), "xs", "#767676"));
    }
    if !words.title.is_empty() {
        let (text, weight) = (words.title.clone(), Some("bold"));
        lines.push(Part::Text { text, size: "lg", color: "#111111", wrap: true, weight });
    }
    if !words.order.is_empty() && !words.title.contains(&words.order) {
        lines.push(line(cut(&words.order, SMALL, graphemes), "sm", "#767676"));
    }
    if !words.body.is_empty() {
        lines.push(line(cut(&words.body, TEXT_UNITS, units), "sm", "#333333"));
    }
    let column = |spacing, contents| Box::new(Part::Box { layout: "vertical", spacing, contents });
    let hero = words
        .image
        .as_deref()
        .map(|url| Box::new(Part::Image { url, size: "full", aspect_ratio: "20:13", aspect_mode: "cover" }));
    let buttons: Vec<Part<'_>> =
        words.buttons.iter().enumerate().map(|(i, (label, url))| button(i, label, url)).collect();
    let footer = (!buttons.is_empty()).then(|| column("sm", buttons));
    let bubble = Part::Bubble { hero, body: column("md", lines), footer };
    // Quotes and backslashes double in JSON; only what could be near the limit is measured exactly.
    let texts =
        words.title.len() + words.body.len() + words.buttons.iter().map(|(l, u)| l.len() + u.len()).sum::<usize>();
    let fits = texts * 2 < BUBBLE_BYTES / 2 || json(&bubble).is_ok_and(|text| text.len() <= BUBBLE_BYTES);
    let alt_text = alt_text(words).filter(|_| fits)?;
    Some(Shaped::Flex { alt_text, contents: Contents::Card(bubble) })
}

/// The first button is the one that matters.
fn button<'a>(place: usize, label: &str, uri: &'a str) -> Part<'a> {
    let style = if place == 0 { "primary" } else { "secondary" };
    Part::Button { style, height: "sm", action: Action::Uri { label: cut(label, LABEL, graphemes), uri } }
}

/// Title, body and links as one text; only the body is ever cut.
fn plain(words: &Words) -> Result<Shaped<'static>, ShapeFault> {
    let links: Vec<String> = words.buttons.iter().map(|(label, url)| format!("{label}\n{url}")).collect();
    let joined = |body: &str| {
        let parts = [words.title.as_str(), body].into_iter().chain(links.iter().map(String::as_str));
        parts.filter(|p| !p.is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    let whole = joined(&words.body);
    if units(&whole) <= TEXT_UNITS {
        return Ok(Shaped::Text { text: whole });
    }
    // What must stand, with the two line ends before the body.
    let fixed = units(&joined("")) + 2;
    match TEXT_UNITS.checked_sub(fixed).filter(|room| *room > 0) {
        Some(room) => Ok(Shaped::Text { text: joined(&cut(&words.body, room, units)) }),
        None => Err(ShapeFault::TooLong { what: "the title with its links", length: fixed, limit: TEXT_UNITS }),
    }
}

/// A card of the shop's own, from `[line] flex` of its words: a bubble or a carousel, as JSON text or table.
fn overridden<'a>(raw: &'a Value, words: &Words) -> Result<Shaped<'a>, ShapeFault> {
    let contents = match raw {
        Value::String(text) => Cow::Owned(serde_json::from_str(text).map_err(|e| {
            // The words around the fault may be a customer's; the place is enough.
            let (line, column) = (e.line(), e.column());
            ShapeFault::Unfit(format!(
                "[line] flex is not JSON at line {line}, column {column}; put values in with the filter tojson"
            ))
        })?),
        other => Cow::Borrowed(other),
    };
    let limit = match contents.get("type").and_then(Value::as_str) {
        Some("bubble") => BUBBLE_BYTES,
        Some("carousel") => CAROUSEL_BYTES,
        _ => return Err(ShapeFault::Unfit("[line] flex must be a bubble or a carousel".into())),
    };
    let length = contents.to_string().len();
    if length > limit {
        return Err(ShapeFault::TooLong { what: "[line] flex", length, limit });
    }
    let alt_text = alt_text(words).ok_or(ShapeFault::TooLong {
        what: "the title",
        length: units(&words.title),
        limit: ALT_UNITS,
    })?;
    Ok(Shaped::Flex { alt_text, contents: Contents::Own(contents) })
}
