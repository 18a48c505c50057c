//! What Meta's channels have in common: the webhook's handshake and signature, the proof of a call, the
//! error envelope, the throttle's header. A helper, no channel: it is not in the list of kinds.
//!
//! Sources: "Webhooks" of the Messenger Platform (read 2026-09-11), Graph API "Handling errors" and "Rate
//! limiting" (read 2026-09).

mod app;
mod ask;
pub(super) mod messaging;
pub(super) mod send_api;
mod setup;

pub(super) use app::{App, Keys, TIMEOUT_SECS};
pub(super) use ask::{Look, filled};

use crate::domain::ids::Digest8;
use crate::domain::settings::Secret;
use crate::domain::signature::{decode_hex, sign, signed_by};
use crate::domain::verdict::Answer;
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use subtle::ConstantTimeEq;
use unicode_segmentation::UnicodeSegmentation;

/// Longest challenge given back; Meta's have ten digits.
const CHALLENGE_CAP: usize = 1024;
/// Longest part of the vendor's words kept, in characters a person sees.
const WORDS_CAP: usize = 200;
/// A wait longer than this is a mistake of the header, not a throttle: Meta's windows are 24 h at most.
const LONGEST_WAIT_SECS: i64 = 24 * 3600;

/// Answers the subscription handshake: the challenge verbatim when the token is ours, else a refusal.
pub(super) fn handshake(verify_token: &Secret, query: &str) -> Admission {
    let field = |name: &str| {
        let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(n, _)| n == name).map(|(_, v)| v);
        found.next().filter(|_| found.next().is_none())
    };
    let mode = field("hub.mode").is_some_and(|m| m == "subscribe");
    let ours = verify_token.expose().as_bytes();
    let token = field("hub.verify_token").is_some_and(|t| bool::from(t.as_bytes().ct_eq(ours))) && !ours.is_empty();
    match field("hub.challenge") {
        Some(challenge) if mode && token && challenge.len() <= CHALLENGE_CAP => {
            Admission::Reply(Reply { status: 200, content_type: "text/plain", body: challenge.into_owned() })
        }
        _ => Admission::Refuse(Refusal::BadToken),
    }
}

/// Checks `X-Hub-Signature-256` over the raw body with every app secret. The old SHA-1 header proves
/// nothing here.
///
/// Meta signs the form in which all that is not ASCII stands as `\uXXXX`. The body normally comes in that
/// very form; where something on the way has decoded it, that form is restored and checked with the same
/// secrets, which takes nothing away from the proof.
pub(super) fn signature(secrets: &[Secret], raw: &RawWebhook) -> Admission {
    const HEADER: &str = "x-hub-signature-256";
    let Some(header) = raw.header(HEADER) else {
        let repeated = raw.has_header(HEADER);
        return Admission::Refuse(if repeated { Refusal::BadSignature } else { Refusal::Unsigned });
    };
    let Some(mac) = header.strip_prefix("sha256=").and_then(decode_hex) else {
        return Admission::Refuse(Refusal::BadSignature);
    };
    let found = signed_by(secrets, &raw.body, &mac)
        .or_else(|| escaped(&raw.body).and_then(|body| signed_by(secrets, body.as_bytes(), &mac)));
    match found {
        Some(secret_index) => Admission::Take {
            dedupe: hex::encode(Sha256::digest(&raw.body)),
            content: Digest8::of(&[&mac]),
            secret_index,
        },
        None => Admission::Refuse(Refusal::BadSignature),
    }
}

/// What a person asked Meta to have erased comes as a form of one field, `signed_request`: a MAC and a document, both
/// in base64, the MAC over the document as it stands there (Meta, "Data deletion request callback", read 2026-09).
const ERASURE: &str = "signed_request";
/// A request issued longer ago than this is somebody's copy. Meta's own come at once.
const ERASURE_SECS: i64 = 7 * 86_400;

/// Whether this is such a form: it carries its signature within, and no header with one.
pub(super) fn is_erasure(raw: &RawWebhook) -> bool {
    let form = raw.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    form && !raw.has_header("x-hub-signature-256")
}

/// The two halves of a `signed_request`, if the form holds exactly one.
fn halves(raw: &RawWebhook) -> Option<(String, String)> {
    let mut found = url::form_urlencoded::parse(&raw.body).filter(|(name, _)| name == ERASURE).map(|(_, v)| v);
    let request = found.next().filter(|_| found.next().is_none())?;
    request.split_once('.').map(|(mac, document)| (mac.to_string(), document.to_string()))
}

/// Base64 of either alphabet, with its padding or without.
fn unpadded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// Checks the form's signature with every app secret.
pub(super) fn erasure(secrets: &[Secret], raw: &RawWebhook) -> Admission {
    let Some((mac, document)) = halves(raw) else { return Admission::Refuse(Refusal::Unsigned) };
    let Some(mac) = unpadded(&mac).filter(|mac| mac.len() == 32) else {
        return Admission::Refuse(Refusal::BadSignature);
    };
    match signed_by(secrets, document.as_bytes(), &mac) {
        Some(secret_index) => Admission::Take {
            dedupe: hex::encode(Sha256::digest(&raw.body)),
            content: Digest8::of(&[&mac]),
            secret_index,
        },
        None => Admission::Refuse(Refusal::BadSignature),
    }
}

/// Whom a genuine form is about; `None`: it names nobody, or is too old.
pub(super) fn erasure_of(raw: &RawWebhook) -> Option<String> {
    let document: Value = serde_json::from_slice(&unpadded(&halves(raw)?.1)?).ok()?;
    let known =
        document.get("algorithm").and_then(Value::as_str).is_some_and(|a| a.eq_ignore_ascii_case("HMAC-SHA256"));
    let fresh = match document.get("issued_at").and_then(integer) {
        Some(issued) => raw.received_at.as_second().saturating_sub(issued) <= ERASURE_SECS,
        None => true,
    };
    document.get("user_id").and_then(id).filter(|_| known && fresh)
}

/// The body with everything outside ASCII as lower-case `\uXXXX`, surrogate pairs included; `None` where
/// that changes nothing.
fn escaped(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok().filter(|t| !t.is_ascii())?;
    let mut out = String::with_capacity(body.len() * 2);
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String never fails.
            write!(out, "\\u{unit:04x}").ok()?;
        }
    }
    Some(out)
}

/// `appsecret_proof` of a call: HMAC-SHA256 of the access token under the app secret. A stolen token alone
/// is then worth nothing.
pub(super) fn proof(app_secret: &Secret, access_token: &Secret) -> String {
    hex::encode(sign(app_secret.expose().as_bytes(), access_token.expose().as_bytes()))
}

/// The Graph API's error object, as far as it decides anything.
#[derive(Debug)]
pub(super) struct GraphError {
    pub(super) code: i64,
    pub(super) subcode: Option<i64>,
    /// `Some(false)` outweighs a code that would be worth a retry.
    pub(super) transient: Option<bool>,
    /// In lower case: only where no code tells two cases apart.
    pub(super) words: String,
    detail: String,
}

impl GraphError {
    /// Reads `{"error": {…}}`; `None`: it is not one.
    pub(super) fn read(body: &Value) -> Option<GraphError> {
        let error = body.get("error")?;
        let code = integer(error.get("code")?)?;
        let subcode = error.get("error_subcode").and_then(integer);
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let mut detail = match subcode {
            Some(subcode) => format!("{code}/{subcode}: {}", scrub(message)),
            None => format!("{code}: {}", scrub(message)),
        };
        if let Some(trace) = error.get("fbtrace_id").and_then(Value::as_str) {
            // Meta's support asks for it, and it soon expires.
            detail.push_str(&format!(" (trace {})", trace.graphemes(true).take(40).collect::<String>()));
        }
        let transient = error.get("is_transient").and_then(Value::as_bool);
        Some(GraphError { code, subcode, transient, words: message.to_lowercase(), detail })
    }

    /// Codes, words and trace, without people or tokens.
    pub(super) fn detail(self) -> String {
        self.detail
    }
}

/// The vendor's words with everything masked that may be an id or a token (an "invalid token" answer
/// repeats it), cut.
pub(super) fn scrub(words: &str) -> String {
    let masked = words.split_whitespace().map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits >= 8 || word.contains('@') || word.graphemes(true).count() > 32 { "…" } else { word }
    });
    let line = masked.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).collect::<String>().graphemes(true).take(WORDS_CAP).collect()
}

/// How long Meta says to stay away: the longest of the minutes in `x-business-use-case-usage`, in seconds.
/// Calls made meanwhile count and prolong it.
pub(super) fn regain_secs(answer: &Answer) -> Option<i64> {
    let usage: Value = serde_json::from_str(answer.header("x-business-use-case-usage")?).ok()?;
    let uses = usage.as_object()?.values().filter_map(Value::as_array).flatten();
    let minutes = uses.filter_map(|u| u.get("estimated_time_to_regain_access").and_then(integer)).max()?;
    (minutes > 0).then(|| minutes.saturating_mul(60).min(LONGEST_WAIT_SECS))
}

/// An id: Meta writes them as strings, its older parts as numbers.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// A whole number, or one in a string.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_not_ascii_is_escaped() {
        assert_eq!(escaped("{\"a\":\"ä\\/🚀\"}".as_bytes()).as_deref(), Some("{\"a\":\"\\u00e4\\/\\ud83d\\ude80\"}"));
        assert_eq!(escaped(b"plain"), None);
        assert_eq!(escaped(&[0xff, 0xfe]), None);
    }

    #[test]
    fn the_vendors_words_lose_tokens_and_people() {
        let words = "Malformed access token EAABsbCS1iHgBO0123456789abcdefghijklmnop for a@b.example";
        assert_eq!(scrub(words), "Malformed access token … for …");
    }

    #[test]
    fn the_longest_wait_of_all_objects_counts() {
        let usage = json!({"1": [{"estimated_time_to_regain_access": 3}], "2": [{"estimated_time_to_regain_access": "7"}], "3": 4});
        let answer = Answer::Reply {
            status: 400,
            headers: vec![("x-business-use-case-usage".into(), usage.to_string())],
            body: Vec::new(),
        };
        assert_eq!(regain_secs(&answer), Some(420));
    }
}
