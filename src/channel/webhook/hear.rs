//! A program's answer to what a customer wrote: a request signed as ours are, under a key that both know.

use super::sign::{self, Key};
use crate::domain::ids::Digest8;
use crate::domain::people::{ReplyTo, StaffReply};
use crate::domain::person::Heard;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use serde_json::Value;

/// How far the time that is signed may be off, by the standard. Seconds.
const SKEW: i64 = 300;
/// Longest id.
const ID: usize = 200;

/// Genuine, and of now.
pub(super) fn admit(raw: &RawWebhook, keys: &[Key]) -> Admission {
    let header = |name: &str| raw.header(name).filter(|v| !v.is_empty());
    let (Some(id), Some(time), Some(signature)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return Admission::Refuse(Refusal::Unsigned);
    };
    let seconds = time.parse::<i64>().ok();
    let signed = seconds.and_then(|s| sign::signed_by(keys, id, s, &raw.body, signature).map(|index| (s, index)));
    match signed.filter(|(s, _)| raw.received_at.as_second().saturating_sub(*s).abs() <= SKEW && id.len() <= ID) {
        Some((_, secret_index)) => {
            Admission::Take { dedupe: id.to_string(), content: Digest8::of(&[id.as_bytes(), &raw.body]), secret_index }
        }
        None => Admission::Refuse(Refusal::BadSignature),
    }
}

/// `{"type": "conversation.reply", "data": {"conversation": "…", "text": "…", "picture": "…", "by": "…"}}`.
pub(super) fn hear(raw: &RawWebhook) -> Heard {
    let mut heard = Heard::default();
    match serde_json::from_slice::<Value>(&raw.body) {
        Ok(document) if document.get("type").and_then(Value::as_str) == Some("conversation.reply") => {
            match reply(&document, raw) {
                Some(reply) => heard.replies.push(reply),
                None => heard.unreadable = 1,
            }
        }
        Ok(_) => {}
        Err(_) => heard.unreadable = 1,
    }
    heard
}

fn reply(document: &Value, raw: &RawWebhook) -> Option<StaffReply> {
    let text = |key: &str| document.pointer(&format!("/data/{key}")).and_then(Value::as_str).map(str::trim);
    let by = text("by").filter(|by| !by.is_empty()).unwrap_or("webhook");
    Some(StaffReply {
        id: raw.header("webhook-id")?.to_string(),
        to: ReplyTo::Conversation(text("conversation")?.to_string()),
        by: by.chars().take(100).collect(),
        text: text("text").unwrap_or_default().to_string(),
        picture: text("picture").map(String::from),
        files: false,
        at: raw.received_at,
    })
}
