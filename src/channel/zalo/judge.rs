//! What Zalo's answer to a send means: `error` in the body, and the HTTP status only where there is none.
//!
//! Two rules go by the hour in Vietnam; what time it is there is read from the answer's own `Date`, so that the
//! verdict hangs on the answer alone. (Compiled error tables, state of 2026-08-20.)

use crate::channel::text;
use crate::channel::wire::retry_after;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::Value;

/// Pause after a limit that names no time, and first retry of a fault that passes. Seconds.
const THROTTLED: i64 = 60;
const PASSING: i64 = 5;
/// Vietnam is seven hours ahead, all year. Seconds.
const ICT: i64 = 7 * 3600;
const DAY: i64 = 86_400;
/// When the night's rules are over (06:00) and when quotas begin anew (00:00), each with five minutes for clocks that
/// differ. Seconds of the day.
const MORNING: i64 = 6 * 3600 + 300;
const NEW_DAY: i64 = 300;
/// Asked again after, where the answer does not say what time it is. Seconds.
const HOUR: i64 = 3600;
/// Characters of the vendor's words kept.
const DETAIL: usize = 160;

/// What an answer means.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, Some(PASSING), Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match error(&document) {
        Some(0) if (200..300).contains(&status) => match message_id(&document) {
            Some(id) => Verdict::Accepted { ids: vec![id], again: false },
            None => Verdict::Unsure { detail: "0 without a message id".into() },
        },
        Some(code) if code != 0 => of_code(code, answer, detail(code, &document)),
        _ => judge_status(status, answer),
    }
}

/// Zalo no longer takes the access token.
pub(super) fn worn(answer: &Answer) -> bool {
    let Answer::Reply { body, .. } = answer else { return false };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    matches!(error(&document), Some(-216 | -220 | -124))
}

/// A number, or a number in quotes.
fn error(document: &Value) -> Option<i64> {
    let code = document.get("error")?;
    code.as_i64().or_else(|| code.as_str().and_then(|t| t.parse().ok()))
}

/// `msg_id` of a template, `message_id` of a consultation text.
fn message_id(document: &Value) -> Option<String> {
    let data = document.get("data")?;
    match data.get("msg_id").or_else(|| data.get("message_id"))? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Code and words, without what could be a phone number or a user id.
pub(super) fn detail(code: i64, document: &Value) -> String {
    let words = ["message", "error_description", "error_name"].iter().find_map(|k| document.get(k)?.as_str());
    let words: Vec<String> = text::one_line(words.unwrap_or_default())
        .split(' ')
        .map(|w| if w.bytes().filter(u8::is_ascii_digit).count() >= 8 { "…".into() } else { w.to_string() })
        .collect();
    text::cut(&format!("{code} {}", words.join(" ")), DETAIL, text::graphemes)
}

/// Not an answer of Zalo's API: what stands behind the front is not known.
fn judge_status(status: u16, answer: &Answer) -> Verdict {
    let detail = format!("HTTP {status} without a code of Zalo");
    match status {
        429 => later(Reason::RateLimited, retry_after(answer).or(Some(THROTTLED)), Scope::Account, detail),
        300..=399 | 401 | 403 | 404 | 407 => stop(detail),
        _ => Verdict::Unsure { detail },
    }
}

fn of_code(code: i64, answer: &Answer, detail: String) -> Verdict {
    match code {
        -32 | -211 => later(Reason::RateLimited, retry_after(answer).or(Some(THROTTLED)), Scope::Account, detail),
        -100 | -200 => later(Reason::Retrying, Some(PASSING), Scope::Message, detail),
        -144 | -1441 => later(Reason::QuotaSpent, Some(until(NEW_DAY, answer)), Scope::Account, detail),
        // The quota of this template alone.
        -147 => later(Reason::QuotaSpent, Some(until(NEW_DAY, answer)), Scope::Template, detail),
        -133 | -234 => later(Reason::QuietHours, Some(until(MORNING, answer)), Scope::Message, detail),
        -108 => gone(Unreachable::Invalid, detail),
        // No Zalo account, one that is not used, an old app: the next channel carries it. Nothing is kept, because
        // nothing would tell us when the person takes Zalo up again.
        -118 | -119 | -114 | -110 => {
            unreachable(Reason::RecipientInvalid, Scope::Recipient, PersonChange::default(), detail)
        }
        // The person refused messages of this kind, or of this account.
        -139 | -140 | -141 | -244 => {
            let change = PersonChange { opted_out: Some(true), ..PersonChange::default() };
            unreachable(Reason::OptedOut, Scope::Recipient, change, detail)
        }
        -213 => gone(Unreachable::Blocked, detail),
        -201 => gone(Unreachable::Invalid, detail),
        -217 | -227 => unreachable(Reason::RecipientInvalid, Scope::Recipient, PersonChange::default(), detail),
        -230 | -232 => {
            let change = PersonChange { window_closed: true, ..PersonChange::default() };
            unreachable(Reason::WindowClosed, Scope::Recipient, change, detail)
        }
        // The template is unknown, not approved, not this account's, or switched off.
        -109 | -117 | -131 | -145 | -146 => {
            unreachable(Reason::TemplateMissing, Scope::Template, PersonChange::default(), detail)
        }
        // Token, balance, app, permissions, package: a person must act, the messages stay owed.
        -216 | -220 | -124 | -115 | -105..=-101 | -138..=-135 | -1351 | -209 | -212 | -219 | -221 | -223 | -224 => {
            stop(detail)
        }
        -320 | -321 | -240 | -242 | -1241 => stop(detail),
        // Data that does not fit the template (-111, -112, -1121 …), and whatever is not known: this message's own
        // fault, for which nobody is suppressed.
        _ => Verdict::Refused { detail },
    }
}

/// Seconds until this second of the day comes next in Vietnam, by the answer's own clock.
fn until(second_of_day: i64, answer: &Answer) -> i64 {
    let date = answer.header("date").and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
    let Some(now) = date.map(|d| d.timestamp().as_second()) else { return HOUR };
    let wait = (second_of_day - (now + ICT)).rem_euclid(DAY);
    if wait == 0 { DAY } else { wait }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The whole account stops; its messages stay owed.
fn stop(detail: String) -> Verdict {
    later(Reason::ChannelPaused, None, Scope::Account, detail)
}

fn unreachable(reason: Reason, scope: Scope, change: PersonChange, detail: String) -> Verdict {
    Verdict::Unreachable { reason, scope, change, detail }
}

/// Nothing more to this person until something comes from them.
fn gone(why: Unreachable, detail: String) -> Verdict {
    let change = PersonChange { unreachable: Some(Some(why)), ..PersonChange::default() };
    unreachable(why.reason(), Scope::Recipient, change, detail)
}
