//! What Meta refuses in a message: lengths, buttons, templates.

use super::{Template, error};
use crate::mock::reply::Reply;
use serde_json::Value;

const TEXT: usize = 2000;
const METADATA: usize = 1000;
const BUTTON_TEXT: usize = 640;
const BUTTONS: usize = 3;
const LABEL: usize = 20;
const PAYLOAD: usize = 1000;
const LINE: usize = 80;
const ELEMENTS: usize = 10;
const QUICK_REPLIES: usize = 13;

fn no(message: &str) -> Reply {
    error(400, 100, None, &format!("(#100) {message}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn within(words: &str, what: &str, least: usize, most: usize) -> Result<(), Reply> {
    let length = words.chars().count();
    if (least..=most).contains(&length) {
        return Ok(());
    }
    Err(no(&format!("Length of param {what} must be between {least} and {most}")))
}

/// The content of a message: words, or an attachment, or a template.
pub(super) fn message(message: &Value) -> Result<(), Reply> {
    if message.get("metadata").is_some() {
        within(text(message, "metadata"), "message[metadata]", 0, METADATA - 1)?;
    }
    let quick = list(message, "quick_replies");
    if quick.len() > QUICK_REPLIES {
        return Err(no("Too many quick replies"));
    }
    for reply in quick.iter().filter(|q| text(q, "content_type") == "text") {
        within(text(reply, "title"), "quick_replies[title]", 1, LABEL)?;
        within(text(reply, "payload"), "quick_replies[payload]", 0, PAYLOAD)?;
    }
    let (words, attachment) = (message.get("text"), message.get("attachment"));
    match (words, attachment, message.get("template")) {
        (Some(Value::String(words)), None, None) => within(words, "message[text]", 1, TEXT - 1),
        (None, Some(attachment), None) => self::attachment(attachment),
        // Checked with the form.
        (None, None, Some(_)) => Ok(()),
        _ => Err(no("Message must have exactly one of text, attachment and template")),
    }
}

fn attachment(attachment: &Value) -> Result<(), Reply> {
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    match (text(attachment, "type"), text(payload, "template_type")) {
        ("template", "button") => {
            within(text(payload, "text"), "message[attachment][payload][text]", 1, BUTTON_TEXT)?;
            buttons(list(payload, "buttons"), 1)
        }
        ("template", "generic") => {
            let elements = list(payload, "elements");
            if elements.is_empty() || elements.len() > ELEMENTS {
                return Err(no("elements must have between 1 and 10 items"));
            }
            elements.iter().try_for_each(element)
        }
        ("template", "receipt" | "media") => Ok(()),
        ("image" | "audio" | "video" | "file", _) if !text(payload, "url").is_empty() => Ok(()),
        _ => Err(no("Invalid attachment or template type")),
    }
}

fn element(element: &Value) -> Result<(), Reply> {
    within(text(element, "title"), "elements[title]", 1, LINE)?;
    within(text(element, "subtitle"), "elements[subtitle]", 0, LINE)?;
    let shown = ["subtitle", "image_url", "buttons", "default_action"].iter().any(|key| element.get(*key).is_some());
    if !shown {
        return Err(no("An element needs more than a title"));
    }
    address(text(element, "image_url"), true)?;
    buttons(list(element, "buttons"), 0)
}

fn buttons(buttons: &[Value], least: usize) -> Result<(), Reply> {
    if !(least..=BUTTONS).contains(&buttons.len()) {
        return Err(no(&format!("buttons must have between {least} and {BUTTONS} items")));
    }
    for button in buttons {
        within(text(button, "title"), "buttons[title]", 1, LABEL)?;
        match text(button, "type") {
            "web_url" => address(text(button, "url"), false)?,
            "postback" => within(text(button, "payload"), "buttons[payload]", 1, PAYLOAD)?,
            "phone_number" | "account_link" | "account_unlink" => {}
            _ => return Err(no("Invalid button type")),
        }
    }
    Ok(())
}

fn address(url: &str, may_lack: bool) -> Result<(), Reply> {
    let good = url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
    if good || (may_lack && url.is_empty()) { Ok(()) } else { Err(no("Url is not a valid url")) }
}

/// A utility template: approved in that very language, every parameter with words in it.
pub(super) fn template(template: Option<&Value>, approved: &[Template]) -> Result<(), Reply> {
    let Some(template) = template else { return Err(no("UTILITY messages need message[template]")) };
    let language = template.pointer("/language/code").and_then(Value::as_str).unwrap_or_default();
    let name = text(template, "name");
    if !approved.iter().any(|(n, l)| n == name && l == language) {
        return Err(no("Template cannot be found."));
    }
    for component in list(template, "components") {
        let kind = text(component, "type");
        let parameters = list(component, "parameters");
        let good = match kind {
            "header" | "body" => parameters.iter().all(words),
            "buttons" => parameters.len() <= BUTTONS && parameters.iter().all(button),
            _ => return Err(no("Invalid template component type")),
        };
        if !good || parameters.is_empty() {
            return Err(no("Template parameters are missing or invalid"));
        }
    }
    Ok(())
}

/// Without line ends, tabs or runs of blanks, which Meta refuses.
fn words(parameter: &Value) -> bool {
    if text(parameter, "type") != "text" {
        return text(parameter, "type") == "image";
    }
    let words = text(parameter, "text");
    !words.trim().is_empty() && !words.contains(['\n', '\r', '\t']) && !words.contains("    ")
}

fn button(parameter: &Value) -> bool {
    match text(parameter, "type") {
        "URL" => !text(parameter, "url").is_empty() && !text(parameter, "url").contains(char::is_whitespace),
        "POSTBACK" => (1..=PAYLOAD).contains(&text(parameter, "payload").chars().count()),
        _ => false,
    }
}
