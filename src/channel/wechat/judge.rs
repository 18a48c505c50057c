//! What WeChat's answers mean: the `errcode` in the body decides, whatever the HTTP status ("Global return codes",
//! pages of the customer-service, template and token calls; state of 2026-11-22).

use crate::channel::text;
use crate::channel::wire::retry_after;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde_json::Value;

/// Longest quotation of WeChat's words, in graphemes.
const QUOTED: usize = 120;
/// "Busy, please try again later" and a gateway's 429. Seconds.
const PASSING: i64 = 5;
/// The minute's calls are used up. Seconds.
const MINUTE: i64 = 60;
/// Days of the quota are those of Shanghai, which knows no summer time. Seconds.
const SHANGHAI: i64 = 8 * 3600;
const DAY: i64 = 86_400;

/// The token is not, or no longer, good: certainly nothing was taken.
pub(super) fn worn(answer: &Answer) -> bool {
    let Answer::Reply { body, .. } = answer else { return false };
    matches!(code(&serde_json::from_slice(body).unwrap_or_default()), Some(40_001 | 40_014 | 42_001))
}

/// The person's taps are used up, or taken back.
pub(super) fn taken_back(answer: &Answer) -> bool {
    let Answer::Reply { body, .. } = answer else { return false };
    code(&serde_json::from_slice(body).unwrap_or_default()) == Some(43_101)
}

fn code(document: &Value) -> Option<i64> {
    document.get("errcode").and_then(Value::as_i64)
}

/// The verdict on an answer.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, Some(PASSING), Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(code) = code(&document).filter(|_| (200..300).contains(&status)) else {
        return without_code(status, answer);
    };
    let words = document.get("errmsg").and_then(Value::as_str).unwrap_or_default();
    of_code(code, ids(&document), detail(code, words), answer)
}

/// No answer of WeChat's: a gateway stands between, and what is behind it is not known.
fn without_code(status: u16, answer: &Answer) -> Verdict {
    let detail = format!("HTTP {status} without an errcode");
    match status {
        429 => later(Reason::RateLimited, retry_after(answer).or(Some(MINUTE)), Scope::Account, detail),
        300..=399 | 401 | 403 | 404 | 407 => stop(detail),
        _ => Verdict::Unsure { detail },
    }
}

fn of_code(code: i64, ids: Vec<String>, detail: String, answer: &Answer) -> Verdict {
    match code {
        0 => Verdict::Accepted { ids, again: false },
        // The mark of a message that was taken before.
        45_065 => Verdict::Accepted { ids, again: true },
        -1 => later(Reason::Retrying, Some(PASSING), Scope::Message, detail),
        45_066 => later(Reason::Retrying, Some(MINUTE), Scope::Message, detail),
        45_009 => later(Reason::QuotaSpent, to_midnight(answer), Scope::Account, detail),
        45_011 => later(Reason::RateLimited, Some(MINUTE), Scope::Account, detail),
        // The token, though it was just renewed; a call of a form that is none; appid or secret; the address of the
        // caller; an ability that the account lacks or lost.
        40_001 | 40_014 | 42_001 | 41_001 | 43_002 | 43_003 | 44_002 | 40_013 | 40_125 | 40_164 | 45_035 | 61_004
        | 45_109 | 48_001 | 48_004 | 48_008 | 50_001 | 50_002 => stop(detail),
        40_003 => gone(Unreachable::Invalid, detail),
        // No follower, on our black list, messages of ours switched off: until something comes from them.
        43_004 | 50_005 | 43_019 | 48_002 => gone(Unreachable::Blocked, detail),
        // One template refused, or the last grant used up: says nothing of the person.
        43_101 => unreachable(Reason::RecipientBlocked, Scope::Recipient, PersonChange::default(), detail),
        45_015 | 45_047 => {
            let change = PersonChange { window_closed: true, ..PersonChange::default() };
            unreachable(Reason::WindowClosed, Scope::Recipient, change, detail)
        }
        // The template is not ours, or not as the words fill it, or its page is none: the next channel carries it.
        40_037 | 47_003 | 41_030 => {
            unreachable(Reason::TemplateMissing, Scope::Template, PersonChange::default(), detail)
        }
        // 47001, 45002, 45067, and what no page names: the message's fault, and nobody is suppressed for it.
        _ => Verdict::Refused { detail },
    }
}

/// The template's message id: a number, beyond 2^53 in our days.
fn ids(document: &Value) -> Vec<String> {
    let id = match document.get("msgid") {
        Some(Value::Number(n)) if n.is_u64() => Some(n.to_string()),
        Some(Value::String(s)) if !s.is_empty() => Some(s.clone()),
        _ => None,
    };
    id.into_iter().collect()
}

/// Seconds until the next day in Shanghai, by the answer's own clock.
fn to_midnight(answer: &Answer) -> Option<i64> {
    let date = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?;
    Some(DAY - (date.timestamp().as_second() + SHANGHAI).rem_euclid(DAY))
}

/// Code and words, in a line. WeChat's words hold a request id, and may hold an openid.
fn detail(code: i64, words: &str) -> String {
    let words = text::one_line(words);
    let masked: Vec<&str> = words
        .split(' ')
        .map(|word| {
            let bare = word.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
            if super::is_openid(bare) { "o…" } else { word }
        })
        .collect();
    text::cut(format!("{code} {}", masked.join(" ")).trim_end(), QUOTED, text::graphemes)
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
