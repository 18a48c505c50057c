//! Discord, for the shop's staff: an incoming webhook.
//!
//! Vendor's documents (state of 2026-08): "Webhook Resource" (execute webhook), "Message Resource" (embed limits,
//! allowed mentions, flags), "Rate Limits", "Opcodes and Status Codes". What shapes the code:
//! - Without `wait=true` a message that was not kept is answered like one that was. With it the answer is the
//!   message, and its `id` is the proof.
//! - Limits are a webhook's own, change, and must be read from the headers: a used-up budget is not overdrawn, and
//!   10,000 answers of 401, 403 or 429 in ten minutes shut a whole address out.
//! - 404 is a webhook that somebody deleted; calling it again and again is held against the caller. So it rests
//!   until a person resumes the channel.
//! - `allowed_mentions` is empty, and every character with a meaning is escaped: nobody is called by a name, and a
//!   name makes no link. Links stand under labels of ours.
//! - No key makes a repeat safe: a time-out stays unsure.

use super::hook::{self, Hook, Vendor, gone, later, reply, stop};
use super::text::{clean, cut, graphemes, link, one_line};
use super::wire::retry_after;
use super::{Channel, Finding, Kind, Opened, Question, ask};
use crate::domain::channel::{Capabilities, Envelope, Errand, Form, Message, ShapeFault, Unit};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use crate::domain::settings::Secret;
use crate::domain::verdict::{Answer, Scope, Verdict};
use futures_util::future::BoxFuture;
use schemars::JsonSchema as _;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// The kind.
pub static KIND: Kind = Kind {
    name: "discord",
    example: EXAMPLE,
    schema: |generator| hook::Settings::json_schema(generator),
    capabilities: || capabilities(hook::PER_SECOND, hook::TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "staff-discord"
# kind = "discord"
# webhook_url = { env = "DISCORD_WEBHOOK_URL" }    # https://discord.com/api/webhooks/…; ?thread_id=… for a thread
# # api_url = "https://discord.com"                # takes the place of the address's host
# # per_second = 1.0
# # timeout = "10s"
"##;

const VENDOR: Vendor = Vendor { host, path };
/// Their names for one service; the last two show new features first.
const HOSTS: [&str; 4] = ["discord.com", "discordapp.com", "canary.discord.com", "ptb.discord.com"];
/// An embed's limits. Discord counts characters; the units of UTF-16 are never fewer.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
/// Order and shop under the words, of 2048; all texts of a message together may have 6000.
const FOOTER: usize = 300;
const LABEL: usize = 80;
const LINKS: u8 = 5;
const LINK_URL: usize = 1000;
/// Phones show no sound for it.
const SILENT: u32 = 1 << 12;
/// Rest after a 429 that says no time: a whole address is shut out, by a page that is not Discord's JSON.
const SHUT_OUT_SECS: i64 = 600;

struct Discord {
    hook: Hook,
    capabilities: Capabilities,
    /// The budget is used up until.
    used_up: Mutex<Option<Instant>>,
}

fn host(url: &Url) -> Option<&'static str> {
    let theirs = url.host_str().is_some_and(|host| HOSTS.contains(&host));
    (!theirs).then_some("must begin with https://discord.com/api/webhooks/")
}

/// `/api/webhooks/ID/TOKEN`, with or without a version; `/slack` and `/github` behind it take other documents.
fn path(url: &Url) -> Option<&'static str> {
    let mut parts: Vec<&str> = url.path().split('/').filter(|p| !p.is_empty()).collect();
    let version = |p: &str| p.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if parts.get(1).copied().is_some_and(version) {
        parts.remove(1);
    }
    match parts.as_slice() {
        ["api", "webhooks", id, _] if id.bytes().all(|b| b.is_ascii_digit()) => None,
        _ => Some("must have the form /api/webhooks/ID/TOKEN; copy it from the channel's settings, Integrations"),
    }
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let mut hook = hook::open(id, settings, &VENDOR)?;
    if let Ok(mut url) = Url::parse(hook.url.expose()) {
        let kept: Vec<(String, String)> =
            url.query_pairs().filter(|(name, _)| name != "wait").map(|(n, v)| (n.into(), v.into())).collect();
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair("wait", "true");
        hook.url = Secret::new(url.as_str());
    }
    let capabilities = capabilities(hook.per_second, hook.timeout_secs);
    Ok(Box::new(Discord { hook, capabilities, used_up: Mutex::new(None) }))
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    hook::staff(DESCRIPTION, Unit::Utf16, LINKS, per_second, timeout_secs)
}

impl Channel for Discord {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, _raw: &str) -> Option<Address> {
        None
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Discord takes free words only".into()));
        }
        let body = shape(message, errand.quiet)?.to_string();
        Ok(Envelope { channel: self.hook.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            if let Some(rest) = self.rest() {
                let detail = "the webhook's budget is used up".to_string();
                return later(Reason::RateLimited, Some(rest), Scope::Account, detail);
            }
            let answer = self.hook.post("", envelope.body.clone()).await;
            self.learn(&answer);
            judge(&answer)
        })
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            vec![match ask::document(&self.hook.get().await, ask::never) {
                Ok(webhook) => Finding::fine("account", ask::text(&webhook, "/name")),
                Err(no) => no.trouble("account", "make the webhook anew in the channel's settings, Integrations"),
            }]
        })
    }
}

impl Discord {
    /// Seconds until there is budget again, where there is none now.
    fn rest(&self) -> Option<i64> {
        let until = self.used_up.lock().ok()?.filter(|until| *until > Instant::now())?;
        let rest = until - Instant::now();
        Some(seconds(rest.as_secs_f64()))
    }

    /// What the headers say of the budget.
    fn learn(&self, answer: &Answer) {
        let until = spent(answer).and_then(|secs| Instant::now().checked_add(Duration::from_secs_f64(secs)));
        if let Ok(mut used_up) = self.used_up.lock() {
            *used_up = until;
        }
    }
}

/// Seconds until the budget is whole again, where the last of it was just used.
fn spent(answer: &Answer) -> Option<f64> {
    let none_left = answer.header("x-ratelimit-remaining")?.trim() == "0";
    let after: f64 = answer.header("x-ratelimit-reset-after")?.trim().parse().ok()?;
    (none_left && (0.0..=86_400.0).contains(&after)).then_some(after)
}

/// Whole seconds, never too few; held within a day.
fn seconds(secs: f64) -> i64 {
    if secs.is_finite() { (secs.ceil() as i64).clamp(1, 86_400) } else { 1 }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Characters with which Discord formats, calls or links. A backslash before any sign stands for the sign.
fn speaks(c: char) -> bool {
    matches!(
        c,
        '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '-' | '+' | '[' | ']' | '(' | ')' | '@' | ':' | '.'
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if speaks(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// How long a text is once escaped.
fn escaped(text: &str) -> usize {
    utf16(text) + text.chars().filter(|c| speaks(*c)).count()
}

/// Words → one embed.
fn shape(message: &Message, quiet: bool) -> Result<Value, ShapeFault> {
    let (title, body) = (one_line(&message.title), clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let links: Vec<String> =
        message.buttons.iter().filter_map(|b| masked(&b.label, &b.url)).take(LINKS.into()).collect();
    let links = links.join("\n");
    // A title too long for its place opens the text; a cut then falls into the body.
    let (head, words) = match escaped(&title) <= TITLE {
        true => (title, body),
        false => (String::new(), format!("{title}\n{body}")),
    };
    let room = DESCRIPTION.saturating_sub(utf16(&links) + 2);
    let words = escape(&cut(words.trim(), room, escaped));
    let parts: Vec<&str> = [words.as_str(), links.as_str()].into_iter().filter(|p| !p.is_empty()).collect();
    let mut embed = json!({});
    if !head.is_empty() {
        embed["title"] = escape(&head).into();
    }
    if !parts.is_empty() {
        embed["description"] = parts.join("\n\n").into();
    }
    let about = hook::about(message);
    if !about.is_empty() {
        // No markup is read there.
        embed["footer"] = json!({ "text": cut(&about, FOOTER, utf16) });
    }
    let mut document = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
    if quiet {
        document["flags"] = SILENT.into();
    }
    Ok(document)
}

/// A link under a label. Its address holds no `)`, which would end it.
fn masked(label: &str, url: &str) -> Option<String> {
    let url = link(url)?.replace('(', "%28").replace(')', "%29");
    let label = Some(cut(&one_line(label), LABEL, escaped)).filter(|l| !l.is_empty() && url.len() <= LINK_URL)?;
    Some(format!("[{}]({url})", escape(&label)))
}

/// The verdict on an answer, by Discord's own code where it gives one.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match reply(answer) {
        Ok(reply) => reply,
        Err(verdict) => return *verdict,
    };
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = document.get("message").and_then(Value::as_str).map(one_line).unwrap_or_default();
    let code = document.get("code").and_then(Value::as_i64).unwrap_or_default();
    let detail = cut(format!("{status} {code} {said}").trim(), 120, graphemes);
    match (status, code) {
        (200, _) => match document.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            Some(id) => Verdict::Accepted { ids: vec![id.to_string()], again: false },
            None => Verdict::Unsure { detail: "200 (not a message of Discord)".into() },
        },
        // Answered as if nobody waited: whether it was kept is not said.
        (204, _) => Verdict::Unsure { detail: "204 (not said whether it was kept)".into() },
        (429, _) => {
            let said = document.get("retry_after").and_then(Value::as_f64).map(seconds);
            let after = said.or(retry_after(answer)).or(Some(SHUT_OUT_SECS));
            later(Reason::RateLimited, after, Scope::Account, detail)
        }
        // Unknown webhook; a token that is no longer its own.
        (404, _) | (_, 10_015 | 50_027) => gone(detail),
        // The destination wants or has a thread otherwise than the address says; it is locked or archived.
        (_, 220_001..=220_004 | 160_005 | 50_083 | 10_003) => stop(detail),
        (300..=399 | 401 | 403 | 405 | 410, _) => stop(detail),
        // By its documents no gateway took it.
        (502, _) => later(Reason::Retrying, retry_after(answer), Scope::Message, detail),
        (408 | 425, _) => Verdict::Unsure { detail },
        (400..=499, _) => Verdict::Refused { detail },
        _ => Verdict::Unsure { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_budget_is_read_from_the_headers() {
        let with = |remaining: &str, after: &str| Answer::Reply {
            status: 200,
            headers: vec![
                ("x-ratelimit-remaining".into(), remaining.into()),
                ("x-ratelimit-reset-after".into(), after.into()),
            ],
            body: Vec::new(),
        };
        assert_eq!(spent(&with("0", "1.5")), Some(1.5));
        for (remaining, after) in [("1", "1.5"), ("0", "x"), ("0", "-1"), ("0", "NaN"), ("0", "1e300")] {
            assert_eq!(spent(&with(remaining, after)), None, "{remaining} {after}");
        }
        assert_eq!([0.2, 1.0, 1.01, 1e12, f64::NAN].map(seconds), [1, 1, 2, 86_400, 1]);
    }
}
