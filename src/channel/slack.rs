//! Slack, for the shop's staff: an incoming webhook, or a bot's `chat.postMessage`.
//!
//! Vendor's documents (state of 2026-08): "Sending messages using incoming webhooks", `chat.postMessage`,
//! "Rate limits", "Block Kit", "Formatting text"; the webhook's error change note of 2016-05-17.
//! What shapes the code:
//! - A webhook answers the word `ok` as plain text; the API answers HTTP 200 for most failures. So the word is
//!   judged first and the status only where there is none.
//! - The address of a webhook is its secret. It fixes the channel, so an account is one destination: what stops
//!   the destination stops the account.
//! - No key makes a repeat safe: a time-out stays unsure.
//! - `&`, `<` and `>` must be escaped in every text, or a customer named `<!channel>` calls everybody.
//! - One message a second and channel.
//! - With the app's signing secret a bot hears what people answer in its threads (`hear`).

mod found;
mod hear;

use super::hook::{self, Vendor, later, stop};
use super::text::{clean, cut, graphemes, link, one_line};
use super::wire::{Wire, bearer, retry_after};
use super::{Channel, Finding, Kind, Opened, Question, account, media};
use crate::domain::channel::{Capabilities, Envelope, Errand, Form, Message, ShapeFault, Unit};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// The kind.
pub static KIND: Kind = Kind {
    name: "slack",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    capabilities: || hook::staff(SECTION, Unit::Chars, BUTTONS, PER_SECOND, TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "staff-slack"
# kind = "slack"
# webhook_url = { env = "SLACK_WEBHOOK_URL" }      # an incoming webhook; or leave it out and set the two below
# # bot_token = { env = "SLACK_BOT_TOKEN" }        # xoxb-…, scope chat:write, the bot invited to the channel
# # channel = "C0123456789"                        # where the bot writes: the channel's id
# # signing_secrets = [{ env = "SLACK_SIGNING_SECRET" }] # hears answers in threads: event message.channels (or
# #                                                # message.groups) to PUBLIC_URL/callbacks/staff-slack
# # api_url = "https://slack.com/api"              # for a webhook: takes the place of https://hooks.slack.com
# # per_second = 1.0
# # timeout = "10s"
"##;

/// Settings of a Slack account: one destination.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Address of an incoming webhook; it fixes the channel.
    webhook_url: Option<Secret>,
    /// Token of a bot (`xoxb-…`).
    bot_token: Option<Secret>,
    /// Id (or #name) of the channel in which the bot writes.
    channel: Option<String>,
    /// Signing secrets of the app: with them, answers in the bot's threads are heard. Several while one is replaced.
    #[serde(default)]
    signing_secrets: Vec<Secret>,
    /// Address of the API, or what stands in for the webhook's host.
    api_url: Option<String>,
    /// Messages a second, at most 1.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

const API_URL: &str = "https://slack.com/api";
const HOOK_HOST: &str = "hooks.slack.com";
/// One message a second and channel; short bursts are borne, but not promised.
const PER_SECOND: f64 = 1.0;
const TIMEOUT_SECS: u32 = 10;
/// Block Kit's limits, in characters.
const HEADER: usize = 150;
const SECTION: usize = 3000;
const LABEL: usize = 75;
const BUTTON_URL: usize = 3000;
const BUTTONS: u8 = 5;
/// Order and shop under the words.
const CONTEXT: usize = 150;
/// Longest fallback text; Slack advises 4,000.
const FALLBACK: usize = 3000;

/// Where it goes.
enum Door {
    /// The webhook's address.
    Hook(Secret),
    /// The API's method and its token.
    Bot { url: String, token: Secret, channel: String },
}

struct Slack {
    id: ChannelId,
    capabilities: Capabilities,
    wire: Wire,
    door: Door,
    signing_secrets: Vec<Secret>,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let timeout = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::keep(account::per_second(set.per_second, PER_SECOND, PER_SECOND), &mut mistakes, PER_SECOND);
    let base = match set.api_url.as_deref().map(|url| account::base("api_url", url)).transpose() {
        Ok(base) => base,
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    };
    mistakes.extend(unheard(&set.signing_secrets, set.channel.as_deref()));
    let door = match (set.webhook_url, set.bot_token, set.channel) {
        (Some(hook), None, None) => hook_door(&hook, base),
        (None, Some(token), Some(channel)) => bot_door(token, channel, base),
        (None, Some(_), None) => Err(Mistake::new("channel", "is needed beside bot_token: the channel's id")),
        (None, None, _) => Err(Mistake::new("webhook_url", "is needed, or bot_token with channel")),
        (Some(_), _, _) => Err(Mistake::new("webhook_url", "fixes the channel: leave out bot_token and channel")),
    };
    let plain = door.as_ref().is_ok_and(|(_, plain)| *plain);
    let wire = Wire::new(Duration::from_secs(timeout.into()), plain).map_err(|e| Mistake::new("", e));
    match (door, wire) {
        (Ok((door, _)), Ok(wire)) if mistakes.is_empty() => Ok(Box::new(Slack {
            id,
            capabilities: hook::staff(SECTION, Unit::Chars, BUTTONS, pace, timeout),
            wire,
            door,
            signing_secrets: set.signing_secrets,
        })),
        (door, wire) => {
            mistakes.extend(door.err());
            mistakes.extend(wire.err());
            Err(mistakes)
        }
    }
}

/// Secrets that live at once, at most.
const SECRETS: usize = 4;

/// What keeps answers from being heard that are to be.
fn unheard(secrets: &[Secret], channel: Option<&str>) -> Option<Mistake> {
    let no = |why: &str| Some(Mistake::new("signing_secrets", why));
    match channel {
        _ if secrets.is_empty() => None,
        _ if secrets.len() > SECRETS || secrets.iter().any(|s| s.expose().len() < 16) => {
            no("write the app's signing secret, and up to three more while one is being replaced")
        }
        None => no("needs bot_token and channel: a webhook has no threads to answer in"),
        Some(name) if name.starts_with('#') => no("needs the channel's id: events name it by that"),
        Some(_) => None,
    }
}

const VENDOR: Vendor = Vendor {
    host: |url| (url.host_str() != Some(HOOK_HOST)).then_some("must begin with https://hooks.slack.com/"),
    path: |url| (url.path() == "/").then_some("must be the whole address of an incoming webhook"),
};

/// The webhook's address, and whether it is plain `http`.
fn hook_door(hook: &Secret, base: Option<account::Base>) -> Result<(Door, bool), Mistake> {
    hook::address(hook, base, &VENDOR).map(|(url, plain)| (Door::Hook(url), plain))
}

fn bot_door(token: Secret, channel: String, base: Option<account::Base>) -> Result<(Door, bool), Mistake> {
    if token.expose().is_empty() || bearer(token.expose()).is_none() {
        return Err(Mistake::new("bot_token", "is empty or holds characters that no token has"));
    }
    if channel.trim().is_empty() {
        return Err(Mistake::new("channel", "is empty; write the channel's id"));
    }
    let base = base.unwrap_or(account::Base { url: API_URL.into(), plain: false });
    Ok((Door::Bot { url: base.url, token, channel }, base.plain))
}

impl Channel for Slack {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, _raw: &str) -> Option<Address> {
        None
    }

    fn hears_people(&self) -> bool {
        !self.signing_secrets.is_empty()
    }

    fn shape_in(&self, thread: Option<&str>, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(message, errand)?;
        let (Some(thread), Door::Bot { .. }) = (thread, &self.door) else { return Ok(shaped) };
        media::edited(shaped, |document| document["thread_ts"] = thread.into())
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        hear::admit(raw, &self.signing_secrets)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        match &self.door {
            Door::Bot { channel, .. } => hear::hear(raw, channel),
            Door::Hook(_) => Heard::default(),
        }
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Slack takes free words only".into()));
        }
        let mut body = shape(message)?;
        if let Door::Bot { channel, .. } = &self.door {
            body["channel"] = channel.as_str().into();
            // Nothing a customer wrote is turned into a link, a mention or a preview.
            body["parse"] = "none".into();
            body["link_names"] = false.into();
            body["unfurl_links"] = false.into();
            body["unfurl_media"] = false.into();
        }
        let body = body.to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let (url, headers) = match &self.door {
                Door::Hook(hook) => (hook.expose().to_string(), HeaderMap::new()),
                Door::Bot { url, token, .. } => {
                    (format!("{url}/chat.postMessage"), bearer(token.expose()).unwrap_or_default())
                }
            };
            let limit = Duration::from_secs(self.capabilities.timeout_secs.into());
            let sent = self.wire.post_json(&url, headers, envelope.body.clone());
            judge(&timeout(limit, sent).await.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())))
        })
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            match &self.door {
                Door::Hook(_) => vec![Finding::not_asked("account", "a webhook cannot be asked without sending")],
                Door::Bot { url, token, channel } => found::of_bot(&self.wire, url, token, channel).await,
            }
        })
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// How long a text is once escaped.
fn escaped_chars(text: &str) -> usize {
    text.chars()
        .map(|c| {
            if c == '&' {
                5
            } else if matches!(c, '<' | '>') {
                4
            } else {
                1
            }
        })
        .sum()
}

/// Slack's three control characters; everything else a person may write stands for itself.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Words → blocks, with a text for notifications.
fn shape(message: &Message) -> Result<Value, ShapeFault> {
    let (title, body) = (one_line(&message.title), clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let long = escaped_chars(&title);
    if long > SECTION {
        return Err(ShapeFault::TooLong { what: "the title", length: long, limit: SECTION });
    }
    let mut blocks = Vec::new();
    if !title.is_empty() && chars(&title) <= HEADER {
        blocks.push(json!({ "type": "header", "text": plain(&title) }));
    } else if !title.is_empty() {
        blocks.push(section(&title));
    }
    if !body.is_empty() {
        blocks.push(section(&cut(&body, SECTION, escaped_chars)));
    }
    let about = [Some(message.order_name.as_str()), message.shop_name.as_deref()];
    let about: Vec<String> = about.into_iter().flatten().map(one_line).filter(|t| !t.is_empty()).collect();
    if !about.is_empty() {
        let elements: Vec<Value> = about.iter().map(|t| plain(&cut(t, CONTEXT, chars))).collect();
        blocks.push(json!({ "type": "context", "elements": elements }));
    }
    let buttons: Vec<Value> =
        message.buttons.iter().filter_map(|b| button(&b.label, &b.url)).take(BUTTONS.into()).collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    let whole = format!("{title}\n{body}");
    Ok(json!({ "text": escape(&cut(whole.trim(), FALLBACK, escaped_chars)), "blocks": blocks }))
}

/// `plain_text` reads neither mentions nor markup, so its characters stand as they are.
fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// `verbatim`: Slack does not look for links and channel names in it by itself.
fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": escape(text), "verbatim": true } })
}

fn button(label: &str, url: &str) -> Option<Value> {
    let url = link(url).filter(|u| u.len() <= BUTTON_URL)?;
    let label = Some(cut(&one_line(label), LABEL, chars)).filter(|l| !l.is_empty())?;
    Some(json!({ "type": "button", "text": plain(&label), "url": url }))
}

/// The verdict on an answer of either door: by its word, and where it says none, by its status.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match hook::reply(answer) {
        Ok(reply) => reply,
        Err(verdict) => return *verdict,
    };
    let after = retry_after(answer);
    let said = word(status, body);
    let detail = match &said {
        Said::Taken(ids) => return Verdict::Accepted { ids: ids.clone(), again: false },
        Said::Fault(word) => cut(&format!("{status} {word}"), 120, graphemes),
        Said::Nothing => format!("{status} (not an answer of Slack)"),
    };
    match said {
        Said::Fault(word) => match meaning(&word) {
            Meaning::Content => Verdict::Refused { detail },
            Meaning::Stop => stop(detail),
            Meaning::Pace => later(Reason::RateLimited, after, Scope::Account, detail),
            Meaning::Again => later(Reason::Retrying, after, Scope::Message, detail),
            Meaning::Perhaps => Verdict::Unsure { detail },
            // An unknown word: the message's fault where Slack blames us, nobody's where it blames itself.
            Meaning::Unknown if status >= 500 => Verdict::Unsure { detail },
            Meaning::Unknown if status == 429 => later(Reason::RateLimited, after, Scope::Account, detail),
            Meaning::Unknown => Verdict::Refused { detail },
        },
        _ => match status {
            429 => later(Reason::RateLimited, after, Scope::Account, detail),
            300..=399 | 401 | 403 | 404 | 410 => stop(detail),
            413 => Verdict::Refused { detail },
            400..=499 if status != 408 => later(Reason::Retrying, after, Scope::Message, detail),
            _ => Verdict::Unsure { detail },
        },
    }
}

enum Said {
    Taken(Vec<String>),
    Fault(String),
    Nothing,
}

/// The word of an answer: `ok`, an error word as plain text, or the `ok` and `error` of a JSON object.
fn word(status: u16, body: &[u8]) -> Said {
    let success = (200..=299).contains(&status);
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_string);
        return match object.get("ok").and_then(Value::as_bool) {
            Some(true) if success => Said::Taken(text("ts").into_iter().collect()),
            Some(false) => text("error").map_or(Said::Nothing, Said::Fault),
            _ => Said::Nothing,
        };
    }
    match std::str::from_utf8(body).map(str::trim) {
        Ok("ok") if success => Said::Taken(Vec::new()),
        // A success that says another word is not Slack's: somebody between us answers so to everything.
        Ok(word) if !success && word != "ok" && is_word(word) => Said::Fault(word.to_string()),
        _ => Said::Nothing,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

enum Meaning {
    /// The message is wrong as it is.
    Content,
    /// The destination or the token is: nothing goes until somebody acts.
    Stop,
    /// Too fast.
    Pace,
    /// Not taken, by a fault of Slack's.
    Again,
    /// It may have been taken.
    Perhaps,
    Unknown,
}

fn meaning(word: &str) -> Meaning {
    match word {
        "invalid_payload"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "no_text"
        | "too_many_attachments"
        | "missing_text_or_fallback_or_attachments"
        | "msg_too_long"
        | "msg_blocks_too_long"
        | "invalid_arg_name"
        | "invalid_array_arg"
        | "invalid_charset"
        | "invalid_form_data"
        | "invalid_post_type"
        | "missing_post_type" => Meaning::Content,
        "user_not_found"
        | "posting_to_general_channel_denied"
        | "action_prohibited"
        | "invalid_token"
        | "team_disabled"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "channel_not_found"
        | "channel_is_archived"
        | "not_in_channel"
        | "is_archived"
        | "ekm_access_denied"
        | "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "org_login_required" => Meaning::Stop,
        "ratelimited" | "rate_limited" => Meaning::Pace,
        "rollup_error" | "internal_error" | "service_unavailable" | "request_timeout" => Meaning::Again,
        // Slack's own words: some part of it may have succeeded.
        "fatal_error" => Meaning::Perhaps,
        other if other.starts_with("restricted_action") => Meaning::Stop,
        _ => Meaning::Unknown,
    }
}
