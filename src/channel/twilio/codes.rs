//! What Twilio's error codes mean: in the answer to a send, and later in a callback. The code decides, never the
//! words, which Twilio says may change. (Error catalogue of 2023 and the error pages of 2026.)

use super::retry_after;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::Value;

const MINUTES: i64 = 120;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * 3600;
/// Number blocked for pumping: lifted after 15 to 30 minutes.
const PUMPING: i64 = 1800;
/// Whoever is not on WhatsApp is tried again after so long: people join.
const NOT_THERE: i64 = 3 * DAY;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The account, sender or credentials: nothing goes until somebody acts.
    Stop,
    /// Too fast, or a queue is full: the account goes on after so long.
    Pace(i64),
    /// The account's allowance of the day is used up.
    Spent,
    /// This message goes again after so long.
    Later(i64),
    /// It may have been taken.
    Perhaps,
    /// The message as it is will never go.
    Content,
    /// The template is missing, paused, or takes other parameters.
    Template,
    /// Free words outside the 24 hours.
    Window,
    /// The recipient said STOP.
    OptedOut,
    /// The recipient blocked us.
    Blocked,
    /// The number is none, or can take no such message.
    Invalid,
    /// The number is not on WhatsApp, now.
    NotThere,
    /// It cannot go this way now; nothing is learnt about the person.
    Elsewhere,
    /// Not in the list.
    Unknown,
}

/// The list.
pub(super) fn meaning(code: u64) -> Meaning {
    use Meaning::*;
    match code {
        20003
        | 20005
        | 20404
        | 21212
        | 21603
        | 21606
        | 21608
        | 21609
        | 21657
        | 21659..=21661
        | 21703..=21705
        | 14107
        | 30002
        | 63001
        | 63007
        | 63015
        | 63051 => Stop,
        20429 => Pace(1),
        21611 | 30001 => Pace(MINUTES),
        30022 => Pace(60),
        63018 => Pace(HOUR),
        30023 | 63038 => Spent,
        30017 => Later(MINUTES),
        30036 => Later(60),
        30450 => Later(PUMPING),
        63009 | 63010 | 63012 => Later(30),
        20500 | 20503 | 30410 => Perhaps,
        21602
        | 21617..=21620
        | 21623
        | 21654..=21656
        | 21658
        | 21910
        | 30007
        | 30019
        | 63005
        | 63006
        | 63013
        | 63021 => Content,
        63027 | 63028 | 63040..=63042 => Template,
        63016 => Window,
        21610 | 63033 => OptedOut,
        63014 => Blocked,
        21211 | 21614 | 30005 | 30006 | 63024 => Invalid,
        63003 => NotThere,
        // A country that is switched off or needs a registered sender stops that country and nobody else; the rest
        // are moods of networks and phones, of which a later message may find another.
        21408 | 21612 | 30003 | 30004 | 30008 | 30010 | 30018 | 30024 | 30027 | 30032 | 30034 | 30035 | 63032
        | 63049 => Elsewhere,
        _ => Unknown,
    }
}

/// What a code teaches about the person, told at `at`.
pub(super) fn teaches(meaning: Meaning, at: Option<Timestamp>) -> PersonChange {
    let mut change = PersonChange::default();
    match meaning {
        Meaning::OptedOut => change.opted_out = Some(true),
        Meaning::Blocked => change.unreachable = Some(Some(Unreachable::Blocked)),
        Meaning::Invalid => change.unreachable = Some(Some(Unreachable::Invalid)),
        Meaning::Window => change.window_closed = true,
        Meaning::NotThere => change.capped_until = at.map(|at| plus_secs(at, NOT_THERE)),
        _ => {}
    }
    change
}

/// The verdict on the answer to a send.
pub(in crate::channel) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let sid = document.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    if let (200..=299, Some(sid)) = (status, sid) {
        // What was created and failed at once says so in its own fields.
        let failed = document.get("error_code").and_then(Value::as_u64).filter(|_| is_over(&document));
        return match failed {
            Some(code) => by_code(code, status, answer),
            None => Verdict::Accepted { ids: vec![sid.to_string()], again: false },
        };
    }
    match document.get("code").and_then(Value::as_u64) {
        Some(code) if status >= 300 => by_code(code, status, answer),
        _ => by_status(status, answer),
    }
}

fn is_over(document: &Value) -> bool {
    document.get("status").and_then(Value::as_str).is_some_and(|s| matches!(s, "failed" | "undelivered"))
}

fn by_code(code: u64, status: u16, answer: &Answer) -> Verdict {
    let detail = format!("{code} (HTTP {status})");
    let meaning = meaning(code);
    let unreachable =
        |reason, scope, detail| Verdict::Unreachable { reason, scope, change: teaches(meaning, None), detail };
    match meaning {
        Meaning::Stop => later(Reason::ChannelPaused, None, Scope::Account, detail),
        Meaning::Pace(secs) => {
            later(Reason::RateLimited, Some(retry_after(answer).unwrap_or(secs)), Scope::Account, detail)
        }
        Meaning::Spent => later(Reason::QuotaSpent, Some(DAY), Scope::Account, detail),
        Meaning::Later(secs) => later(Reason::Retrying, Some(secs), Scope::Message, detail),
        Meaning::Perhaps => Verdict::Unsure { detail },
        Meaning::Content => Verdict::Refused { detail },
        Meaning::Template => unreachable(Reason::TemplateMissing, Scope::Template, detail),
        Meaning::Window => unreachable(Reason::WindowClosed, Scope::Recipient, detail),
        Meaning::OptedOut => unreachable(Reason::OptedOut, Scope::Recipient, detail),
        Meaning::Blocked => unreachable(Reason::RecipientBlocked, Scope::Recipient, detail),
        Meaning::Invalid | Meaning::NotThere => unreachable(Reason::RecipientInvalid, Scope::Recipient, detail),
        Meaning::Elsewhere => unreachable(Reason::RecipientInvalid, Scope::Message, detail),
        Meaning::Unknown if status >= 500 => Verdict::Unsure { detail },
        Meaning::Unknown if matches!(status, 401 | 403) => later(Reason::ChannelPaused, None, Scope::Account, detail),
        Meaning::Unknown if status == 429 => by_status(status, answer),
        Meaning::Unknown => Verdict::Refused { detail },
    }
}

/// No code of Twilio's: a proxy answered, or it is another address altogether.
fn by_status(status: u16, answer: &Answer) -> Verdict {
    let detail = format!("HTTP {status} without a message or a code");
    match status {
        429 => later(Reason::RateLimited, Some(retry_after(answer).unwrap_or(1)), Scope::Account, detail),
        300..=399 | 401 | 403 | 404 | 407 => later(Reason::ChannelPaused, None, Scope::Account, detail),
        400 | 413 | 415 | 422 => Verdict::Refused { detail },
        _ => Verdict::Unsure { detail },
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}
