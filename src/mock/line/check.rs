//! What LINE refuses, in LINE's words ("Messaging API reference: error messages, message objects, Flex
//! elements", state of 2026-08).

use crate::mock::reply::Reply;
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

const TEXT: usize = 5000;
const ALT_TEXT: usize = 1500;
const MULTICAST: usize = 500;
const MESSAGES: usize = 5;
const QUICK_REPLIES: usize = 13;
const QUICK_LABEL: usize = 20;
const FLEX_LABEL: usize = 40;
const URI: usize = 1000;
const IMAGE_URL: usize = 2000;
const DATA: usize = 300;
const BUBBLE: usize = 30 * 1024;
const CAROUSEL: usize = 50 * 1024;
const BUBBLES: usize = 12;
const SIZES: &[&str] = &["nano", "micro", "deca", "hecto", "kilo", "mega", "giga"];
/// Message types that are taken without a look inside: no order message is made of them.
const UNREAD: &[&str] = &["sticker", "image", "video", "audio", "location", "imagemap", "template", "textV2", "coupon"];
/// Deeper boxes than this are nobody's card.
const DEPTH: usize = 20;

/// Complaints about the body's fields, gathered.
#[derive(Default)]
struct Complaints(Vec<Value>);

impl Complaints {
    fn add(&mut self, property: impl Into<String>, message: impl Into<String>) {
        self.0.push(json!({ "message": message.into(), "property": property.into() }));
    }

    fn length(&mut self, property: String, what: Option<&Value>, least: usize, most: usize) {
        match what.and_then(Value::as_str) {
            Some(text) if text.is_empty() && least > 0 => self.add(property, "May not be empty"),
            Some(text) if text.encode_utf16().count() > most => {
                self.add(property, format!("Length must be between 0 and {most}"));
            }
            Some(_) => {}
            None => self.add(property, "May not be empty"),
        }
    }
}

fn refused(message: &str, details: &[Value]) -> Reply {
    Reply::json(400, &json!({ "message": message, "details": details }))
}

fn bad_property(property: &str) -> Reply {
    let message = format!("The property, {property}, in the request body is invalid (line: -, column: -)");
    Reply::json(400, &json!({ "message": message }))
}

fn empty(property: &str) -> Reply {
    refused("The request body has 1 error(s)", &[json!({ "message": "May not be empty", "property": property })])
}

fn is_id(id: &str, kinds: &[char]) -> bool {
    let mut chars = id.chars();
    chars.next().is_some_and(|kind| kinds.contains(&kind))
        && id.len() == 33
        && chars.all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// A user's id: `U` and 32 lower-case hexadecimal digits.
pub(super) fn is_user(id: &str) -> bool {
    is_id(id, &['U'])
}

/// The recipient of a push: a user, a group or a room.
pub(super) fn to(to: Option<&Value>) -> Result<(), Reply> {
    match to {
        None | Some(Value::Null) => Err(empty("to")),
        Some(Value::String(id)) if is_id(id, &['U', 'C', 'R']) => Ok(()),
        Some(_) => Err(bad_property("to")),
    }
}

/// The recipients of a multicast: one wrong id fails all.
pub(super) fn many(to: Option<&Value>) -> Result<(), Reply> {
    let Some(Value::Array(list)) = to else { return Err(empty("to")) };
    if list.is_empty() || list.len() > MULTICAST {
        let size = json!({ "message": format!("Size must be between 1 and {MULTICAST}"), "property": "to" });
        return Err(refused("The request body has 1 error(s)", &[size]));
    }
    match list.iter().position(|id| !id.as_str().is_some_and(is_user)) {
        Some(at) => Err(bad_property(&format!("to[{at}]"))),
        None => Ok(()),
    }
}

/// A reply's token is a text.
pub(super) fn reply_token(token: Option<&Value>) -> Result<(), Reply> {
    if token.and_then(Value::as_str).is_some_and(|t| !t.is_empty()) { Ok(()) } else { Err(empty("replyToken")) }
}

/// What stands beside the messages.
pub(super) fn frame(body: &Value) -> Result<(), Reply> {
    if body.get("notificationDisabled").is_some_and(|flag| !flag.is_boolean()) {
        return Err(bad_property("notificationDisabled"));
    }
    let unit = |u: &Value| {
        u.as_str()
            .is_some_and(|u| (1..=30).contains(&u.len()) && u.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    };
    match body.get("customAggregationUnits") {
        None => Ok(()),
        Some(Value::Array(units)) if units.len() <= 1 && units.iter().all(unit) => Ok(()),
        Some(_) => Err(bad_property("customAggregationUnits")),
    }
}

/// The list of messages.
pub(super) fn messages(messages: Option<&Value>) -> Result<(), Reply> {
    let Some(Value::Array(list)) = messages else { return Err(empty("messages")) };
    let mut fields = Complaints::default();
    if list.is_empty() || list.len() > MESSAGES {
        fields.add("messages", format!("Size must be between 1 and {MESSAGES}"));
    }
    for (i, message) in list.iter().enumerate().take(MESSAGES) {
        self::message(i, message, &mut fields)?;
    }
    if fields.0.is_empty() {
        return Ok(());
    }
    Err(refused(&format!("The request body has {} error(s)", fields.0.len()), &fields.0))
}

fn message(i: usize, message: &Value, fields: &mut Complaints) -> Result<(), Reply> {
    let place = |key: &str| format!("messages[{i}].{key}");
    match message.get("type").and_then(Value::as_str) {
        Some("text") => fields.length(place("text"), message.get("text"), 1, TEXT),
        Some("flex") => {
            fields.length(place("altText"), message.get("altText"), 1, ALT_TEXT);
            let mut card = Complaints::default();
            container(message.get("contents"), &mut card);
            if !card.0.is_empty() {
                return Err(refused(&format!("A message (messages[{i}]) in the request body is invalid"), &card.0));
            }
        }
        Some(known) if UNREAD.contains(&known) => {}
        Some(_) => return Err(bad_property(&place("type"))),
        None => fields.add(place("type"), "May not be empty"),
    }
    quick_reply(&place("quickReply"), message.get("quickReply"), fields);
    let sender = message.pointer("/sender/name").and_then(Value::as_str).unwrap_or_default();
    if sender.graphemes(true).count() > 20 || sender.contains("LINE") {
        fields.add(place("sender.name"), "Must be at most 20 characters and not contain LINE");
    }
    Ok(())
}

fn quick_reply(place: &str, quick: Option<&Value>, fields: &mut Complaints) {
    let Some(quick) = quick else { return };
    let Some(items) = quick.get("items").and_then(Value::as_array) else {
        return fields.add(format!("{place}.items"), "May not be empty");
    };
    if items.len() > QUICK_REPLIES {
        fields.add(format!("{place}.items"), format!("Size must be between 1 and {QUICK_REPLIES}"));
    }
    for (i, item) in items.iter().enumerate() {
        let label = item.pointer("/action/label").and_then(Value::as_str).unwrap_or_default();
        if label.is_empty() || label.graphemes(true).count() > QUICK_LABEL {
            let message = format!("Length must be between 1 and {QUICK_LABEL}");
            fields.add(format!("{place}.items[{i}].action.label"), message);
        }
    }
}

fn container(contents: Option<&Value>, card: &mut Complaints) {
    let Some(contents) = contents.filter(|c| c.is_object()) else { return card.add("/contents", "must be specified") };
    let bytes = contents.to_string().len();
    match contents.get("type").and_then(Value::as_str) {
        Some("bubble") => bubble("", contents, card),
        Some("carousel") => {
            let list = contents.get("contents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if list.is_empty() || list.len() > BUBBLES {
                card.add("/contents", format!("must have between 1 and {BUBBLES} items"));
            }
            if bytes > CAROUSEL {
                card.add("/", format!("must be at most {CAROUSEL} bytes"));
            }
            for (i, part) in list.iter().enumerate() {
                bubble(&format!("/contents/{i}"), part, card);
            }
            if list.windows(2).any(|pair| matches!(pair, [a, b] if a.get("size") != b.get("size"))) {
                card.add("/contents", "all bubbles must have the same size");
            }
        }
        _ => card.add("/type", "invalid property"),
    }
}

fn bubble(place: &str, bubble: &Value, card: &mut Complaints) {
    if bubble.get("type").and_then(Value::as_str) != Some("bubble") {
        return card.add(format!("{place}/type"), "invalid property");
    }
    if bubble.to_string().len() > BUBBLE {
        card.add(format!("{place}/"), format!("must be at most {BUBBLE} bytes"));
    }
    if bubble.get("size").is_some_and(|size| !size.as_str().is_some_and(|s| SIZES.contains(&s))) {
        card.add(format!("{place}/size"), "invalid property");
    }
    let blocks = ["header", "hero", "body", "footer"];
    if !blocks.iter().any(|block| bubble.get(*block).is_some()) {
        card.add(format!("{place}/"), "at least one block must be specified");
    }
    for block in blocks {
        let Some(part) = bubble.get(block) else { continue };
        let place = format!("{place}/{block}");
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        let fits = if block == "hero" { ["box", "image", "video"].contains(&kind) } else { kind == "box" };
        if fits { component(&place, part, card, 0) } else { card.add(format!("{place}/type"), "invalid property") }
    }
    if let Some(action) = bubble.get("action") {
        self::action(&format!("{place}/action"), action, false, card);
    }
}

fn component(place: &str, part: &Value, card: &mut Complaints, depth: usize) {
    if depth > DEPTH {
        return card.add(place, "is nested too deeply");
    }
    if let Some(action) = part.get("action") {
        let labelled = part.get("type").and_then(Value::as_str) == Some("button");
        self::action(&format!("{place}/action"), action, labelled, card);
    }
    match part.get("type").and_then(Value::as_str) {
        Some("box") => container_box(place, part, card, depth),
        Some("text") => {
            let spans = part.get("contents").and_then(Value::as_array).is_some_and(|c| !c.is_empty());
            let words = part.get("text").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
            if !spans && !words {
                card.add(format!("{place}/text"), "must be specified");
            }
        }
        Some("button") if part.get("action").is_none() => card.add(format!("{place}/action"), "must be specified"),
        Some("image" | "icon") => address(&format!("{place}/url"), part.get("url"), IMAGE_URL, &["https"], card),
        Some("video") => address(&format!("{place}/url"), part.get("url"), IMAGE_URL, &["https"], card),
        Some("button" | "separator" | "filler" | "span") => {}
        _ => card.add(format!("{place}/type"), "invalid property"),
    }
}

fn container_box(place: &str, part: &Value, card: &mut Complaints, depth: usize) {
    if !part.get("layout").and_then(Value::as_str).is_some_and(|l| ["horizontal", "vertical", "baseline"].contains(&l))
    {
        card.add(format!("{place}/layout"), "invalid property");
    }
    match part.get("contents").and_then(Value::as_array) {
        None => card.add(format!("{place}/contents"), "must be specified"),
        Some(list) => {
            for (i, inner) in list.iter().enumerate() {
                component(&format!("{place}/contents/{i}"), inner, card, depth + 1);
            }
        }
    }
}

fn action(place: &str, action: &Value, labelled: bool, card: &mut Complaints) {
    let label = action.get("label").and_then(Value::as_str).unwrap_or_default();
    if labelled && label.is_empty() {
        card.add(format!("{place}/label"), "must be specified");
    }
    if label.graphemes(true).count() > FLEX_LABEL {
        card.add(format!("{place}/label"), format!("must not be longer than {FLEX_LABEL} characters"));
    }
    match action.get("type").and_then(Value::as_str) {
        Some("uri") => {
            address(&format!("{place}/uri"), action.get("uri"), URI, &["https", "http", "line", "tel"], card);
        }
        Some("postback") => {
            let data = action.get("data").and_then(Value::as_str).unwrap_or_default();
            if data.is_empty() || data.chars().count() > DATA {
                card.add(format!("{place}/data"), format!("must have between 1 and {DATA} characters"));
            }
        }
        Some("message") => {
            if action.get("text").and_then(Value::as_str).is_none_or(str::is_empty) {
                card.add(format!("{place}/text"), "must be specified");
            }
        }
        Some("datetimepicker" | "camera" | "cameraRoll" | "location" | "richmenuswitch" | "clipboard") => {}
        _ => card.add(format!("{place}/type"), "invalid property"),
    }
}

/// An address: percent-encoded, not too long, of a known scheme.
fn address(place: &str, url: Option<&Value>, longest: usize, schemes: &[&str], card: &mut Complaints) {
    let Some(url) = url.and_then(Value::as_str).filter(|u| !u.is_empty()) else {
        return card.add(place, "must be specified");
    };
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if url.chars().count() > longest {
        card.add(place, format!("must not be longer than {longest} characters"));
    } else if !scheme.is_some_and(|scheme| schemes.contains(&scheme.as_str())) {
        card.add(place, "invalid uri scheme");
    } else if !url
        .chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
    {
        card.add(place, "invalid uri");
    }
}
