//! What LINE's answers mean ("Messaging API reference: error messages", "Retrying API requests"; read 2026-08).

use crate::channel::text;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::Value;

/// Longest quotation of LINE's words, in graphemes.
const QUOTED: usize = 240;

/// The verdict on an answer to push or reply.
///
/// An answer without LINE's JSON is not LINE's: a gateway stands between. Below 500 it did not pass our request
/// on; at 500 and above, and on success, nobody knows, and the same key goes again.
pub(in crate::channel) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::Reply { status, body, .. } => (*status, body),
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
    };
    let json = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    let message = json.as_ref().and_then(|j| j.get("message")).and_then(Value::as_str).unwrap_or_default();
    let detail = detail(answer, status, json.as_ref(), message);
    match (status, json.is_some()) {
        (200..=299, true) => Verdict::Accepted { ids: ids(json.as_ref()), again: false },
        (409, _) if taken_before(answer, message) => Verdict::Accepted { ids: ids(json.as_ref()), again: true },
        (300..=399, _) => later(Reason::ChannelPaused, None, Scope::Account, detail),
        (401 | 403 | 404, true) => later(Reason::ChannelPaused, None, Scope::Account, detail),
        (429, is_line) => too_many(is_line, message, detail),
        (408 | 409, _) | (..=299 | 500.., _) => Verdict::Unsure { detail },
        (400 | 422, true) => bad_request(status, message, detail),
        // An unknown fault is the message's: it is not sent again as it is, and nobody is suppressed for it.
        (_, true) => Verdict::Refused { detail },
        (_, false) => later(Reason::Retrying, None, Scope::Message, detail),
    }
}

fn bad_request(status: u16, message: &str, detail: String) -> Verdict {
    // The token was used or is older than a minute. Nothing failed: the next decision pushes instead, at once.
    if message.starts_with("Invalid reply token") {
        return later(Reason::Retrying, Some(0), Scope::Message, detail);
    }
    let unknown = message.starts_with("Failed to send messages") || message.starts_with("The property, to");
    if !unknown {
        return Verdict::Refused { detail };
    }
    // 400: the id does not exist in this channel; LINE forbids to go on writing to it. 422 is said of phone
    // numbers only and teaches nothing about the id.
    let unreachable = (status == 400).then_some(Some(Unreachable::Invalid));
    Verdict::Unreachable {
        reason: Reason::RecipientInvalid,
        scope: Scope::Recipient,
        change: PersonChange { unreachable, ..PersonChange::default() },
        detail,
    }
}

/// Three different reasons under one status; only the words tell them apart.
fn too_many(is_line: bool, message: &str, detail: String) -> Verdict {
    if message.contains("monthly limit") {
        later(Reason::QuotaSpent, None, Scope::Account, detail)
    } else if message.contains("rate limit") || !is_line {
        later(Reason::RateLimited, None, Scope::Account, detail)
    } else {
        // "Too many messages to one user": its text is not published.
        later(Reason::RecipientCapped, None, Scope::Recipient, detail)
    }
}

fn taken_before(answer: &Answer, message: &str) -> bool {
    answer.header("x-line-accepted-request-id").is_some() || message.contains("retry key is already accepted")
}

fn ids(json: Option<&Value>) -> Vec<String> {
    let sent = json.and_then(|j| j.get("sentMessages")).and_then(Value::as_array);
    let id = |m: &Value| m.get("id").and_then(Value::as_str).map(str::to_string);
    sent.map(|list| list.iter().filter_map(id).collect()).unwrap_or_default()
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// Status, LINE's words, the first complaint in detail, and the request id: LINE keeps no log for developers,
/// so the id is all that its support can go by.
fn detail(answer: &Answer, status: u16, json: Option<&Value>, message: &str) -> String {
    let first = json.and_then(|j| j.pointer("/details/0"));
    let part = |key: &str| first.and_then(|d| d.get(key)).and_then(Value::as_str).unwrap_or_default();
    let said = if json.is_some() { message } else { "(not an answer of LINE)" };
    let mut line = format!("{status} {said}");
    if first.is_some() {
        line = format!("{line}: {} {}", part("property"), part("message"));
    }
    if let Some(id) = answer.header("x-line-request-id") {
        line = format!("{line} [request {id}]");
    }
    words(&line)
}

/// A vendor's words for ledger and log: one line, cut, without user ids.
pub(super) fn words(said: &str) -> String {
    let masked: Vec<&str> = said
        .split(' ')
        .map(|word| {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if super::is_user_id(bare) { "U…" } else { word }
        })
        .collect();
    text::cut(&text::one_line(&masked.join(" ")), QUOTED, text::graphemes)
}
