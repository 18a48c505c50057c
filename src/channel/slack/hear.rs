//! Slack's Events API: genuine or not, and what the shop's people answered in a thread.
//!
//! Vendor's documents (read 2026-11): "Verifying requests from Slack", "Events API", event `message`, "Formatting
//! text". What shapes the code:
//! - The signature is over `v0:TIME:BODY`; a time more than five minutes off is a replay.
//! - An event is repeated three times until it is answered 2xx within three seconds, and each subscription that fits
//!   tells it under an id of its own: so a message is known by its channel and `ts`, which no other has.
//! - Our own messages come back with `bot_id`; edits, deletions and joins with a `subtype`: none is an answer.

use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::ids::Digest8;
use crate::domain::people::{ReplyTo, StaffReply};
use crate::domain::person::Heard;
use crate::domain::settings::Secret;
use crate::domain::signature::{decode_hex, signed_by};
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How far the time that is signed may be off. Seconds.
const SKEW: i64 = 300;

/// Whether one of `secrets` signed the raw body, lately. A handshake is answered, once it is known to be genuine.
pub(super) fn admit(raw: &RawWebhook, secrets: &[Secret]) -> Admission {
    const SIGNATURE: &str = "x-slack-signature";
    const TIME: &str = "x-slack-request-timestamp";
    if raw.method != "POST" || secrets.is_empty() || !raw.has_header(SIGNATURE) {
        return Admission::Refuse(Refusal::Unsigned);
    }
    let signature = raw.header(SIGNATURE).and_then(|v| decode_hex(v.strip_prefix("v0=")?));
    let time = raw.header(TIME).and_then(|t| t.parse::<i64>().ok());
    let (Some(signature), Some(time)) = (signature, time) else { return Admission::Refuse(Refusal::BadSignature) };
    let mut signed = format!("v0:{time}:").into_bytes();
    signed.extend_from_slice(&raw.body);
    let Some(secret_index) = signed_by(secrets, &signed, &signature) else {
        return Admission::Refuse(Refusal::BadSignature);
    };
    if raw.received_at.as_second().saturating_sub(time).abs() > SKEW {
        return Admission::Refuse(Refusal::BadSignature);
    }
    if let Some(body) = challenge(&raw.body) {
        return Admission::Reply(Reply { status: 200, content_type: "text/plain; charset=utf-8", body });
    }
    let dedupe = hex::encode(Sha256::digest(&raw.body));
    Admission::Take { dedupe, content: Digest8::of(&[&signature]), secret_index }
}

/// The word that Slack wants back when the address is entered.
fn challenge(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    (document.get("type")? == "url_verification").then(|| document.get("challenge")?.as_str().map(String::from))?
}

/// What the shop's people answered in a thread of this channel.
pub(super) fn hear(raw: &RawWebhook, channel: &str) -> Heard {
    let mut heard = Heard::default();
    match serde_json::from_slice::<Value>(&raw.body) {
        Ok(document) => heard.replies.extend(document.get("event").and_then(|e| reply(e, channel, raw.received_at))),
        Err(_) => heard.unreadable = 1,
    }
    heard
}

fn reply(event: &Value, channel: &str, received: Timestamp) -> Option<StaffReply> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    let plain = matches!(text("subtype"), None | Some("file_share")) && event.get("bot_id").is_none();
    if text("type") != Some("message") || text("channel") != Some(channel) || !plain {
        return None;
    }
    let (ts, thread, user) = (text("ts")?, text("thread_ts")?, text("user")?);
    // What begins a thread is no answer.
    (ts != thread).then(|| StaffReply {
        id: format!("{channel}:{ts}"),
        to: ReplyTo::Thread(String::new(), thread.to_string()),
        by: user.to_string(),
        text: words(text("text").unwrap_or_default()),
        picture: None,
        files: event.get("files").and_then(Value::as_array).is_some_and(|files| !files.is_empty()),
        at: moment(ts).map_or(received, |at| at.min(received)),
    })
}

/// `1732521600.000200`: seconds, and what makes it unlike any other.
fn moment(ts: &str) -> Option<Timestamp> {
    let secs: i64 = ts.split('.').next()?.parse().ok()?;
    Some(from_millis(secs.saturating_mul(1000)))
}

/// Slack's marks → words: links by their address, people and channels by what is shown, the three escapes.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once('<') {
        out.push_str(before);
        let Some((inner, after)) = marked.split_once('>') else {
            out.push_str(marked);
            rest = "";
            break;
        };
        let (target, label) = inner.split_once('|').map_or((inner, None), |(t, l)| (t, Some(l)));
        match target.chars().next() {
            Some('@' | '!') => out.push_str(&format!("@{}", label.unwrap_or_default().trim_start_matches('@'))),
            Some('#') => out.push_str(&format!("#{}", label.unwrap_or_default())),
            _ => match (target.strip_prefix("mailto:").or_else(|| target.strip_prefix("tel:")), label) {
                (Some(bare), _) => out.push_str(bare),
                (None, Some(label)) if !target.ends_with(label) => out.push_str(&format!("{label} ({target})")),
                (None, _) => out.push_str(target),
            },
        }
        rest = after;
    }
    out.push_str(rest);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn slacks_marks_become_words() {
        for (marked, plain) in [
            ("plain &lt;b&gt; &amp; more", "plain <b> & more"),
            ("see <https://a.example/x?y=1|a.example/x?y=1>", "see https://a.example/x?y=1"),
            ("see <https://a.example|our page>!", "see our page (https://a.example)!"),
            ("<https://a.example>", "https://a.example"),
            ("write <mailto:a@b.example|a@b.example>", "write a@b.example"),
            ("<@U123> <#C1|general> <!here|@here>", "@ #general @here"),
            ("1 < 2", "1  2"),
        ] {
            assert_eq!(words(marked), plain);
        }
    }
}
