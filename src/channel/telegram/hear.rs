//! What Telegram's updates tell.

use super::person;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::people::{Attachment, ReplyTo, StaffReply};
use crate::domain::person::{Address, Heard, PersonChange, Signal, Unreachable};
use crate::domain::webhook::RawWebhook;
use serde_json::Value;

/// What one update told: a person's words or button in their private chat with the bot, a block or its end.
/// Groups and channels are nobody's address.
pub(super) fn hear(raw: &RawWebhook) -> Heard {
    let mut heard = Heard::default();
    let Ok(update) = serde_json::from_slice::<Value>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    let Some(id) = update.get("update_id").and_then(Value::as_i64) else { return heard };
    let part = |key: &str| update.get(key).filter(|v| v.is_object());
    heard.replies.extend(part("message").and_then(|message| answered(message, raw.received_at)));
    let signal = if let Some(message) = part("message") {
        said(message, raw.received_at, id)
    } else if let Some(query) = part("callback_query") {
        pressed(query, raw.received_at, id)
    } else {
        part("my_chat_member").and_then(|member| stands(member, raw.received_at, id))
    };
    heard.signals.extend(signal);
    heard
}

/// Whose private chat it is.
fn private(chat: Option<&Value>) -> Option<Address> {
    let chat = chat.filter(|c| c.get("type").and_then(Value::as_str) == Some("private"))?;
    person(&chat.get("id")?.as_i64()?.to_string())
}

/// Nothing happened later than we heard of it.
fn moment(of: &Value, received: Timestamp) -> Timestamp {
    let secs = of.get("date").and_then(Value::as_i64);
    secs.map_or(received, |s| from_millis(s.saturating_mul(1000)).min(received))
}

fn said(message: &Value, received: Timestamp, id: i64) -> Option<Signal> {
    let who = private(message.get("chat"))?;
    let mut signal = Signal::new("message", Some(who), format!("update:{id}"), moment(message, received));
    signal.change = PersonChange { unreachable: Some(None), ..PersonChange::default() };
    signal.wakes = true;
    let words = ["text", "caption"].iter().find_map(|key| message.get(key)?.as_str()).unwrap_or_default();
    signal.attachments.extend(attachment(message));
    let (command, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    // A command may name the bot: `/stop@shop_bot`.
    match command.split('@').next().unwrap_or_default() {
        "/start" => {
            signal.change.opted_out = Some(false);
            signal.payload = Some(rest.trim().to_string()).filter(|p| !p.is_empty());
        }
        "/stop" => signal.change.opted_out = Some(true),
        _ if !words.is_empty() => signal.text = Some(words.to_string()),
        _ => {}
    }
    let locale = message.pointer("/from/language_code").and_then(Value::as_str).filter(|l| l.len() <= 35);
    signal.change.locale = locale.map(String::from);
    Some(signal)
}

/// What somebody of a group answered to a message there: the shop's people, where the group is theirs.
fn answered(message: &Value, received: Timestamp) -> Option<StaffReply> {
    let number = |pointer: &str| message.pointer(pointer).and_then(Value::as_i64);
    let group = matches!(message.pointer("/chat/type").and_then(Value::as_str), Some("group" | "supergroup"));
    if !group || message.pointer("/from/is_bot").and_then(Value::as_bool) != Some(false) {
        return None;
    }
    let (chat, id, to) = (number("/chat/id")?, number("/message_id")?, number("/reply_to_message/message_id")?);
    let words = ["text", "caption"].iter().find_map(|key| message.get(key)?.as_str()).unwrap_or_default();
    Some(StaffReply {
        id: format!("{chat}:{id}"),
        to: ReplyTo::Thread(chat.to_string(), to.to_string()),
        by: number("/from/id")?.to_string(),
        text: words.trim().to_string(),
        picture: None,
        files: attachment(message).is_some(),
        at: moment(message, received),
    })
}

/// Kinds of a message that hold something besides words.
const FILES: [&str; 11] = [
    "photo",
    "animation",
    "document",
    "video",
    "audio",
    "voice",
    "video_note",
    "sticker",
    "location",
    "contact",
    "venue",
];

fn attachment(message: &Value) -> Option<Attachment> {
    let (kind, part) = FILES.iter().find_map(|kind| Some((*kind, message.get(kind)?)))?;
    // A picture comes in several sizes, the largest last.
    let part = part.as_array().and_then(|sizes| sizes.last()).unwrap_or(part);
    let text = |key: &str| part.get(key).and_then(Value::as_str).map(String::from);
    let (name, id) = (text("file_name"), text("file_id"));
    Some(Attachment { name, id, ..Attachment::new(if kind == "photo" { "image" } else { kind }) })
}

fn pressed(query: &Value, received: Timestamp, id: i64) -> Option<Signal> {
    let who = private(query.pointer("/message/chat"))?;
    let mut signal = Signal::new("button", Some(who), format!("update:{id}"), received);
    signal.change = PersonChange { unreachable: Some(None), ..PersonChange::default() };
    signal.wakes = true;
    signal.payload = query.get("data").and_then(Value::as_str).map(String::from);
    Some(signal)
}

/// Sent in private chats when the person blocks the bot or takes the block back.
fn stands(member: &Value, received: Timestamp, id: i64) -> Option<Signal> {
    let who = private(member.get("chat"))?;
    let status = member.pointer("/new_chat_member/status").and_then(Value::as_str)?;
    let (what, unreachable) = match status {
        "kicked" => ("block", Some(Unreachable::Blocked)),
        "member" => ("unblock", None),
        _ => return None,
    };
    let mut signal = Signal::new(what, Some(who), format!("update:{id}"), moment(member, received));
    signal.change = PersonChange { unreachable: Some(unreachable), ..PersonChange::default() };
    signal.wakes = unreachable.is_none();
    Some(signal)
}
