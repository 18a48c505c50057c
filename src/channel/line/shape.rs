//! Words → LINE's messages: a card (Flex bubble), or plain text where a card would lose something.

use crate::channel::text::{clean, cut, graphemes, link, one_line};
use crate::domain::channel::{Button, Errand, Form, Message, ShapeFault, Unit};
use serde_json::{Value, json};

/// Longest `text`, in UTF-16 code units.
pub(super) const TEXT_UNITS: usize = 5000;
/// Buttons shown.
pub(super) const BUTTONS: u8 = 4;
/// Longest `altText`: what notification and chat list show.
const ALT_UNITS: usize = 1500;
/// Longest label of a button in a card, in graphemes.
const LABEL: usize = 40;
/// Longest address of a button, in characters, percent-encoded.
const URI: usize = 1000;
/// Longest address of a picture.
const IMAGE_URL: usize = 2000;
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
pub(super) fn request(message: &Message, errand: &Errand<'_>, cards: bool) -> Result<Value, ShapeFault> {
    let words = words(message);
    if words.title.is_empty() && words.body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let shaped = match message.extra.get("flex").filter(|_| cards) {
        Some(raw) => overridden(raw, &words)?,
        None => match card(&words).filter(|_| cards) {
            Some(card) => card,
            None => plain(&words)?,
        },
    };
    let mut body = match errand.form {
        Form::Free => {
            let to = errand.address.ok_or_else(|| ShapeFault::Unfit("a push needs an address".into()))?;
            json!({ "to": to.value, "messages": [shaped] })
        }
        Form::Reply => {
            let token = errand.reply_token.ok_or_else(|| ShapeFault::Unfit("a reply needs its token".into()))?;
            json!({ "replyToken": token, "messages": [shaped] })
        }
        // LINE approves no templates for messages to friends.
        Form::Template => {
            let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
            return Err(ShapeFault::NoTemplate { milestone, locale });
        }
    };
    if errand.quiet {
        body["notificationDisabled"] = Value::Bool(true);
    }
    Ok(body)
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
fn card(words: &Words) -> Option<Value> {
    if words.buttons.iter().any(|(_, url)| url.len() > URI) {
        return None;
    }
    let line = |text: &str, size: &str, color: &str| json!({ "type": "text", "text": text, "size": size, "color": color, "wrap": true });
    let mut lines = Vec::new();
    if !words.shop.is_empty() {
        lines.push(line(&cut(&words.shop, SMALL, graphemes), "xs", "#767676"));
    }
    if !words.title.is_empty() {
        let mut title = line(&words.title, "lg", "#111111");
        title["weight"] = "bold".into();
        lines.push(title);
    }
    if !words.order.is_empty() && !words.title.contains(&words.order) {
        lines.push(line(&cut(&words.order, SMALL, graphemes), "sm", "#767676"));
    }
    if !words.body.is_empty() {
        lines.push(line(&cut(&words.body, TEXT_UNITS, units), "sm", "#333333"));
    }
    let mut bubble = json!({
        "type": "bubble",
        "body": { "type": "box", "layout": "vertical", "spacing": "md", "contents": lines },
    });
    if let Some(url) = &words.image {
        let hero =
            json!({ "type": "image", "url": url, "size": "full", "aspectRatio": "20:13", "aspectMode": "cover" });
        bubble["hero"] = hero;
    }
    let buttons: Vec<Value> = words.buttons.iter().enumerate().map(|(i, (label, url))| button(i, label, url)).collect();
    if !buttons.is_empty() {
        bubble["footer"] = json!({ "type": "box", "layout": "vertical", "spacing": "sm", "contents": buttons });
    }
    // Quotes and backslashes double in JSON; only what could be near the limit is measured exactly.
    let texts =
        words.title.len() + words.body.len() + words.buttons.iter().map(|(l, u)| l.len() + u.len()).sum::<usize>();
    let fits = texts * 2 < BUBBLE_BYTES / 2 || bubble.to_string().len() <= BUBBLE_BYTES;
    let alt = alt_text(words).filter(|_| fits)?;
    Some(json!({ "type": "flex", "altText": alt, "contents": bubble }))
}

/// The first button is the one that matters.
fn button(place: usize, label: &str, url: &str) -> Value {
    let style = if place == 0 { "primary" } else { "secondary" };
    json!({
        "type": "button",
        "style": style,
        "height": "sm",
        "action": { "type": "uri", "label": cut(label, LABEL, graphemes), "uri": url },
    })
}

/// Title, body and links as one text; only the body is ever cut.
fn plain(words: &Words) -> Result<Value, ShapeFault> {
    let links: Vec<String> = words.buttons.iter().map(|(label, url)| format!("{label}\n{url}")).collect();
    let joined = |body: &str| {
        let parts = [words.title.as_str(), body].into_iter().chain(links.iter().map(String::as_str));
        parts.filter(|p| !p.is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    let whole = joined(&words.body);
    if units(&whole) <= TEXT_UNITS {
        return Ok(json!({ "type": "text", "text": whole }));
    }
    // What must stand, with the two line ends before the body.
    let fixed = units(&joined("")) + 2;
    match TEXT_UNITS.checked_sub(fixed).filter(|room| *room > 0) {
        Some(room) => Ok(json!({ "type": "text", "text": joined(&cut(&words.body, room, units)) })),
        None => Err(ShapeFault::TooLong { what: "the title with its links", length: fixed, limit: TEXT_UNITS }),
    }
}

/// A card of the shop's own, from `[line] flex` of its words: a bubble or a carousel, as JSON text or table.
fn overridden(raw: &Value, words: &Words) -> Result<Value, ShapeFault> {
    let contents = match raw {
        Value::String(text) => serde_json::from_str(text).map_err(|e| {
            // The words around the fault may be a customer's; the place is enough.
            let (line, column) = (e.line(), e.column());
            ShapeFault::Unfit(format!(
                "[line] flex is not JSON at line {line}, column {column}; put values in with the filter tojson"
            ))
        })?,
        other => other.clone(),
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
    let alt = alt_text(words).ok_or(ShapeFault::TooLong {
        what: "the title",
        length: units(&words.title),
        limit: ALT_UNITS,
    })?;
    Ok(json!({ "type": "flex", "altText": alt, "contents": contents }))
}
