//! What messages by Messenger and Instagram share: buttons that answer, and what Meta's answer to a send means. The pair of code and subcode decides: code 10 alone is "window
//! closed", "page restricted", "permission missing" and more. HTTP statuses are hardly documented and count
//! only where no error object came. (Messenger "Error codes", read 2026-06-25.)

use super::{GraphError, id, regain_secs};
use crate::channel::text;
use crate::channel::wire::retry_after;
use crate::domain::channel::Message;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::{Value, json};

/// Pause after a throttle that names no time. Seconds.
const THROTTLED: i64 = 60;
/// A restricted page is tried again with one message after so long. Seconds.
const RESTRICTED: i64 = 30 * 60;
/// Another app holds the conversation: once more after so long. Seconds.
const THREAD_TAKEN: i64 = 15 * 60;
/// "May be considered bothersome": nothing more to this person for so long. Seconds.
const BOTHERSOME: i64 = 24 * 3600;
/// First retry of a fault that passes. Seconds.
const PASSING: i64 = 5;

/// What an answer means.
pub(in crate::channel) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if let Some(error) = GraphError::read(&document) {
        return judge_error(error, status, answer);
    }
    if (200..300).contains(&status)
        && let Some(id) = document.get("message_id").and_then(id)
    {
        return Verdict::Accepted { ids: vec![id], again: false };
    }
    judge_status(status, answer)
}

/// Meta could not use the picture, and took nothing.
pub(in crate::channel) fn picture_refused(answer: &Answer) -> bool {
    let Answer::Reply { body, .. } = answer else { return false };
    let error = serde_json::from_slice(body).ok().and_then(|document: Value| GraphError::read(&document));
    error.is_some_and(|e| e.code == 100 && matches!(e.subcode, Some(2018109 | 2018008 | 2018047 | 2018294)))
}

/// No error object: a proxy or a half-dead front answered, and what stands behind it is not known.
fn judge_status(status: u16, answer: &Answer) -> Verdict {
    let detail = format!("HTTP {status} without a message id or an error object");
    match status {
        429 => later(Reason::RateLimited, retry_after(answer).or(Some(THROTTLED)), Scope::Account, detail),
        // Not Meta's API at all, or not with this address and token.
        300..=399 | 401 | 403 | 404 | 407 => stop(None, detail),
        _ => Verdict::Unsure { detail },
    }
}

fn judge_error(error: GraphError, status: u16, answer: &Answer) -> Verdict {
    match (error.code, error.subcode) {
        (1, Some(1_357_046)) => Verdict::Unsure { detail: error.detail() },
        (2018300 | 2018321 | 2018171, _) | (_, Some(2018300 | 2018321 | 2018171 | 2534037)) => {
            later(Reason::Retrying, Some(THREAD_TAKEN), Scope::Recipient, error.detail())
        }
        (10, Some(2018278 | 2018065 | 2534022)) => {
            let change = PersonChange { window_closed: true, ..PersonChange::default() };
            unreachable(Reason::WindowClosed, Scope::Recipient, change, error)
        }
        (10, Some(2018108)) | (551, _) | (200, Some(1545041)) => gone(Unreachable::Blocked, error),
        // Marketing topics, which are never sent: nothing is learnt about order updates.
        (10, Some(1893015)) => unreachable(Reason::OptedOut, Scope::Recipient, PersonChange::default(), error),
        (613, Some(2018338 | 1893016)) | (4, Some(2018354)) | (9, Some(2018352)) => {
            later(Reason::RecipientCapped, Some(BOTHERSOME), Scope::Recipient, error.detail())
        }
        (10, Some(1893063)) | (368 | 2022, _) => stop(Some(RESTRICTED), error.detail()),
        // Instagram: no right to the account, messages switched off in the app, the business blocked.
        (_, Some(2534013 | 2534077 | 2534041 | 2534029)) | (36103, _) => stop(None, error.detail()),
        (100, _) => judge_parameter(error),
        (2, Some(2018344)) => stop(None, error.detail()),
        // A token, a permission, a review, an address of the API: a person must act, the messages stay owed.
        (3 | 10 | 102 | 190 | 200..=299 | 803 | 2500, _) => stop(None, error.detail()),
        (4 | 17 | 32 | 613 | 80001..=80008, _) => {
            let wait = regain_secs(answer).unwrap_or(THROTTLED);
            later(Reason::RateLimited, Some(wait), Scope::Account, error.detail())
        }
        (1 | 2, _) if error.transient != Some(false) => {
            later(Reason::Retrying, Some(PASSING), Scope::Message, error.detail())
        }
        _ => judge_unknown(error, status),
    }
}

/// Code 100, "invalid parameter": what most mistakes come as. Where it has no subcode only the words tell
/// an unknown person, a missing template and a wrong proof apart.
fn judge_parameter(error: GraphError) -> Verdict {
    let says = |words: &str| error.subcode.is_none() && error.words.contains(words);
    match error.subcode {
        Some(2018001 | 2534014) => gone(Unreachable::Invalid, error),
        None if says("no matching user") => gone(Unreachable::Invalid, error),
        // A message tag, which no code of ours can write; or a page id that is no page of this token.
        Some(1893061 | 33) => stop(None, error.detail()),
        None if says("appsecret_proof") => stop(None, error.detail()),
        None if says("template") => {
            unreachable(Reason::TemplateMissing, Scope::Template, PersonChange::default(), error)
        }
        _ => Verdict::Refused { detail: error.detail() },
    }
}

/// A code that no page names: Meta says whether it passes, else the status says whether it may have gone.
fn judge_unknown(error: GraphError, status: u16) -> Verdict {
    match error.transient {
        Some(true) => later(Reason::Retrying, Some(PASSING), Scope::Message, error.detail()),
        Some(false) => Verdict::Refused { detail: error.detail() },
        None if status == 401 => stop(None, error.detail()),
        None if status >= 500 => Verdict::Unsure { detail: error.detail() },
        None => Verdict::Refused { detail: error.detail() },
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The whole page stops; its messages stay owed.
fn stop(after_secs: Option<i64>, detail: String) -> Verdict {
    later(Reason::ChannelPaused, after_secs, Scope::Account, detail)
}

fn unreachable(reason: Reason, scope: Scope, change: PersonChange, error: GraphError) -> Verdict {
    Verdict::Unreachable { reason, scope, change, detail: error.detail() }
}

/// Nothing more to this person on this page until something comes from them.
fn gone(why: Unreachable, error: GraphError) -> Verdict {
    let change = PersonChange { unreachable: Some(Some(why)), ..PersonChange::default() };
    unreachable(why.reason(), Scope::Recipient, change, error)
}
/// Quick replies that one message takes (Meta, Send API, read November 2026).
const QUICK_REPLIES: usize = 13;

/// Buttons that answer, as quick replies; `None`: the message has none.
pub(in crate::channel) fn quick_replies(message: &Message) -> Option<Value> {
    let replies: Vec<Value> = text::actions(message, QUICK_REPLIES)
        .into_iter()
        .map(|(title, payload)| json!({ "content_type": "text", "title": title, "payload": payload }))
        .collect();
    (!replies.is_empty()).then(|| json!(replies))
}
