//! What Meta's answer to a send means. Codes decide; subcodes are no longer sent, titles are to be dropped,
//! and HTTP statuses count only where no error object came. The same codes come later in a status webhook,
//! where [`of_status`] reads them. ("Error codes" of the Cloud API, state of 2026-11-22.)

use super::meta::{self, GraphError};
use super::retry_after;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::Value;

/// Pause after a limit of app or account that names no time. Seconds.
const THROTTLED: i64 = 60;
/// Too fast for the number. Seconds.
const TOO_FAST: i64 = 2;
/// Too fast to one person: the documented wait grows from 1 to 4 to 16 s; one message takes 6 s. Seconds.
const PAIR: i64 = 16;
/// The number is held for spam. Seconds.
const SPAM: i64 = 3600;
/// Being upgraded or maintained. Seconds.
const UPGRADE: i64 = 120;
/// First retry of a fault that passes. Seconds.
const PASSING: i64 = 5;
/// An unknown fault of the vendor's; retried a few times. Seconds.
const UNKNOWN: i64 = 30;

/// What an answer means.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if let Some(error) = GraphError::read(&document) {
        let transient = error.transient;
        return of_code(error.code, error.detail(), answer)
            .unwrap_or_else(|detail| judge_unknown(transient, status, detail));
    }
    if (200..300).contains(&status)
        && let Some(id) = document.pointer("/messages/0/id").and_then(meta::id)
    {
        return Verdict::Accepted { ids: vec![id], again: false };
    }
    judge_status(status, answer)
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

/// What a code means; the detail comes back where no page names the code.
fn of_code(code: i64, detail: String, answer: &Answer) -> Result<Verdict, String> {
    Ok(match code {
        // Token, permission, registration, payment, display name, lock: a person must act, the messages stay owed.
        0 | 3 | 10 | 33 | 190 | 200..=299 | 131_005 | 131_030 | 131_031 | 131_037 | 131_042 | 131_045 => {
            stop(None, detail)
        }
        133_000 | 133_005..=133_010 | 133_015 | 133_016 | 134_011 | 131_061 | 131_063 | 368 => stop(None, detail),
        131_048 => stop(Some(SPAM), detail),
        4 | 17 | 32 | 613 | 80_001..=80_008 => {
            later(Reason::RateLimited, Some(meta::regain_secs(answer).unwrap_or(THROTTLED)), Scope::Account, detail)
        }
        130_429 => later(Reason::RateLimited, Some(TOO_FAST), Scope::Account, detail),
        131_056 => later(Reason::RecipientCapped, Some(PAIR), Scope::Recipient, detail),
        131_057 | 2_494_100 => later(Reason::Retrying, Some(UPGRADE), Scope::Account, detail),
        1 | 2 | 131_016 | 133_004 => later(Reason::Retrying, Some(PASSING), Scope::Message, detail),
        // "Message failed to send due to an unknown error".
        131_000 => later(Reason::Retrying, Some(UNKNOWN), Scope::Message, detail),
        131_047 => {
            let change = PersonChange { window_closed: true, ..PersonChange::default() };
            unreachable(Reason::WindowClosed, Scope::Recipient, change, detail)
        }
        // Not on WhatsApp, an old app, terms not accepted; the number is our own; we blocked them; a country
        // that is not served; a person who must be asked again who they are.
        131_026 | 131_021 | 130_403 | 130_497 | 137_000 => gone(Unreachable::Invalid, detail),
        // An id that this kind of message may not be sent to.
        131_062 => unreachable(Reason::RecipientInvalid, Scope::Recipient, PersonChange::default(), detail),
        // Limits and stops of marketing: an order message that meets them is carried by the next channel, and
        // nothing is learnt about order updates.
        131_049 | 130_472 | 131_050 => {
            unreachable(Reason::Undelivered, Scope::Recipient, PersonChange::default(), detail)
        }
        // The template is paused, gone, against a policy, or not as the words fill it; utility templates are
        // held for a misdeclared category.
        132_000 | 132_001 | 132_005 | 132_007 | 132_012 | 132_015 | 132_016 | 132_018 | 132_068 | 132_069 | 131_064 => {
            unreachable(Reason::TemplateMissing, Scope::Template, PersonChange::default(), detail)
        }
        100 | 131_008 | 131_009 | 131_051 | 131_052 | 131_053 | 131_055 | 134_100 | 135_000 => {
            Verdict::Refused { detail }
        }
        _ => return Err(detail),
    })
}

/// A code that no page names: Meta says whether it passes, else the status says whether it may have gone.
fn judge_unknown(transient: Option<bool>, status: u16, detail: String) -> Verdict {
    match transient {
        Some(true) => later(Reason::Retrying, Some(PASSING), Scope::Message, detail),
        Some(false) => Verdict::Refused { detail },
        None if status == 401 => stop(None, detail),
        None if status >= 500 => Verdict::Unsure { detail },
        None => Verdict::Refused { detail },
    }
}

/// What the code of a status `failed` says of the person and of the account, besides that this message did not
/// arrive.
pub(super) fn of_status(code: i64) -> (PersonChange, Option<&'static str>) {
    let nothing = Answer::NotSent(String::new());
    match of_code(code, String::new(), &nothing) {
        Ok(Verdict::Unreachable { change, .. }) => (change, None),
        Ok(Verdict::TryLater { reason: Reason::ChannelPaused, .. }) => {
            (PersonChange::default(), Some("a status says that the number may not send"))
        }
        _ => (PersonChange::default(), None),
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The whole number stops; its messages stay owed.
fn stop(after_secs: Option<i64>, detail: String) -> Verdict {
    later(Reason::ChannelPaused, after_secs, Scope::Account, detail)
}

fn unreachable(reason: Reason, scope: Scope, change: PersonChange, detail: String) -> Verdict {
    Verdict::Unreachable { reason, scope, change, detail }
}

/// Nothing more to this person on this number until something comes from them.
fn gone(why: Unreachable, detail: String) -> Verdict {
    let change = PersonChange { unreachable: Some(Some(why)), ..PersonChange::default() };
    unreachable(why.reason(), Scope::Recipient, change, detail)
}
