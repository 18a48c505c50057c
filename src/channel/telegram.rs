//! Telegram: a bot that writes to people who started it.
//!
//! Policy: whoever started the bot and has not blocked it may be written to at any time, in any words; nobody
//! else can be. The API knows no key against repetition and reports neither delivery nor reading. A 429 stops
//! the whole bot for the seconds it names.
//!
//! - Words go without a parse mode, so nothing in them is markup; the title is bold by an entity.
//! - The token is part of the address: no address is ever logged.
//! - A callback is proved by a secret header alone, which is compared in constant time. A 2xx answer whose body
//!   is a JSON object with `method` would be executed, so the door answers nothing.
//! - Vietnam's providers were told to block Telegram on 2025-05-21, and it is not reachable in mainland China:
//!   the API says `ok` all the same. Never the only channel there.
//!
//! Sources: Bot API 10.3 (2026-08-24), its FAQ on limits, Telegram's own Bot API server (10.0) for errors and
//! retries of webhooks.

mod hear;
mod setup;

use super::ask::{self, Finding, Question};
use super::wire::{self, Wire, retry_after};
use super::{Channel, Kind, Opened, Piece, Wish, account, media, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard, PersonChange, Unreachable};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Address scheme: ids of private chats, which are the people's own.
const SCHEME: &str = "telegram";
/// "1-4096 characters after entities parsing"; counted in UTF-16, as entities are.
const TEXT_LIMIT: usize = 4096;
/// "About 30 messages a second"; a margin, because the limit moves.
const PER_SECOND: f64 = 25.0;
const MOST_PER_SECOND: f64 = 30.0;
const API_URL: &str = "https://api.telegram.org";
const TIMEOUT_SECS: u32 = 10;
/// Buttons of a message, one a row; the longest label and address. Not documented; a phone shows no more.
const BUTTONS: usize = 3;
const LABEL: usize = 60;
const URL: usize = 1000;
/// Secrets that may live at once.
const SECRETS: usize = 4;
/// Pause after a 429 that names no time. Seconds.
const THROTTLED: i64 = 30;
/// First retry of a fault that passes. Seconds.
const PASSING: i64 = 5;
/// Characters of the vendor's words kept.
const DETAIL: usize = 160;

/// `[[channel]] kind = "telegram"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The bot's token, as @BotFather gave it.
    bot_token: Secret,
    /// `secret_token` given to `setWebhook`: 16 to 256 letters, digits, `_` and `-`. Several while one is being
    /// replaced.
    webhook_secrets: Vec<Secret>,
    /// The Bot API, where it is not Telegram's own.
    api_url: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 30; 25 if left out.
    per_second: Option<f64>,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "telegram",
    example: r#"# [[channel]]
# id = "telegram-bot"
# kind = "telegram"
# bot_token = { env = "TELEGRAM_TOKEN" }
# webhook_secrets = [{ env = "TELEGRAM_WEBHOOK_SECRET" }] # secret_token of setWebhook (URL: PUBLIC_URL/callbacks/telegram-bot)
# # start_url = "https://t.me/my_shop_bot?start={code}" # where a chat begins, for links that connect an order
# # api_url = "https://api.telegram.org"
# # per_second = 25
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, TIMEOUT_SECS),
    open,
    judge,
};

fn open(id: ChannelId, settings: Value) -> Opened {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let api_url = settings.api_url.as_deref().unwrap_or(API_URL);
    let base = account::keep(account::base("api_url", api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(settings.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(settings.per_second, PER_SECOND, MOST_PER_SECOND);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let token = settings.bot_token.expose();
    if !is_token(token) {
        let message = "a bot's token is digits, a colon, and letters, digits, _ and -; copy it from @BotFather";
        mistakes.push(Mistake::new("bot_token", message));
    }
    let good = |s: &Secret| (16..=256).contains(&s.expose().len()) && s.expose().bytes().all(word_byte);
    if settings.webhook_secrets.is_empty() || settings.webhook_secrets.len() > SECRETS {
        mistakes.push(Mistake::new("webhook_secrets", "name one, or up to four while one is being replaced"));
    } else if !settings.webhook_secrets.iter().all(good) {
        let message = "a secret is 16 to 256 letters, digits, _ and -: make one with openssl rand -hex 32";
        mistakes.push(Mistake::new("webhook_secrets", message));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let wire =
        Wire::new(Duration::from_secs(timeout.into()), base.plain).map_err(|e| vec![Mistake::new("api_url", e)])?;
    let url = Secret::new(format!("{}/bot{token}", base.url));
    let capabilities = capabilities(pace, timeout);
    Ok(Box::new(Telegram { id, capabilities, url, secrets: settings.webhook_secrets, wire }))
}

fn word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

fn is_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, key)| {
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && key.len() >= 10 && key.bytes().all(word_byte)
    })
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::Connected,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Utf16,
        buttons: 3,
        image: false,
        retry_key_secs: None,
        receipts: "none",
        opt_out: "keyword, /stop, block",
        keeps_refusals: false,
        binding: "t.me link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

/// A private chat's id: a positive number of at most 52 bits. Groups are negative and are nobody's own.
fn person(raw: &str) -> Option<Address> {
    let id: u64 = raw.trim().parse().ok()?;
    (id > 0 && id < 1 << 52 && raw.trim().bytes().all(|b| b.is_ascii_digit()))
        .then(|| Address::new(SCHEME, id.to_string()))
}

/// One bot.
struct Telegram {
    id: ChannelId,
    capabilities: Capabilities,
    /// Methods lie below it.
    url: Secret,
    secrets: Vec<Secret>,
    wire: Wire,
}

impl Channel for Telegram {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn desk(&self, raw: &str) -> Option<Address> {
        let id: i64 = raw.trim().parse().ok()?;
        (id < 0).then(|| Address::new(SCHEME, id.to_string()))
    }

    fn hears_people(&self) -> bool {
        true
    }

    fn shape_in(&self, thread: Option<&str>, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(message, errand)?;
        let Some(id) = thread.and_then(|t| t.parse::<i64>().ok()) else { return Ok(shaped) };
        let to = json!({ "message_id": id, "allow_sending_without_reply": true });
        media::edited(shaped, |document| document["reply_parameters"] = to)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let chat = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("Telegram needs the id of a private chat to write to".into())),
        };
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Telegram takes free words only".into()));
        }
        let body = shape(chat, message, errand.quiet)?.to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        let Some(url) = media::picture(reply) else { return Ok(shaped) };
        media::edited(shaped, |document| *document = json!({ "chat_id": document["chat_id"], "photo": url }))
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move {
            let id = file.id.as_deref().ok_or(FetchFault::NotOffered)?;
            let found = self.read(&format!("getFile?{}", wire::query(&[("file_id", id)]))).await;
            // Of files over 20 MB the Bot API tells no path.
            let found = found.map_err(|_| FetchFault::Gone)?;
            let path = ask::text(&found, "/result/file_path");
            if path.is_empty() || path.contains("..") || path.starts_with('/') {
                return Err(FetchFault::Gone);
            }
            // `…/botTOKEN` → `…/file/botTOKEN`.
            let (host, bot) = self.url.expose().rsplit_once("/bot").unwrap_or_default();
            self.wire.fetch(&format!("{host}/file/bot{bot}/{path}"), HeaderMap::new()).await
        })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let photo = serde_json::from_str::<Value>(&envelope.body).is_ok_and(|body| body.get("photo").is_some());
            let method = if photo { "sendPhoto" } else { "sendMessage" };
            let url = format!("{}/{method}", self.url.expose());
            let sent = self.wire.post_json(&url, HeaderMap::new(), envelope.body.clone());
            judge(&sent.await)
        })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        let Some(header) = raw.header("x-telegram-bot-api-secret-token") else {
            return Admission::Refuse(Refusal::Unsigned);
        };
        // All of them, whichever fits: the time says nothing.
        let fits: Vec<bool> =
            self.secrets.iter().map(|s| bool::from(s.expose().as_bytes().ct_eq(header.as_bytes()))).collect();
        match fits.iter().position(|fit| *fit) {
            Some(secret_index) => Admission::Take {
                dedupe: hex::encode(Sha256::digest(&raw.body)),
                content: Digest8::of(&[&raw.body]),
                secret_index,
            },
            None => Admission::Refuse(Refusal::BadSignature),
        }
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            match self.read("getMe").await {
                Err(no) => vec![no.trouble("account", "check bot_token; @BotFather shows it")],
                Ok(me) => vec![
                    Finding::fine("account", format!("@{}", ask::text(&me, "/result/username"))),
                    match self.read("getWebhookInfo").await {
                        Err(no) => no.trouble("callback", "ask again later"),
                        Ok(info) => webhook(&info["result"], question),
                    },
                ],
            }
        })
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(self.set_up_all(wish, install))
    }
}

impl Telegram {
    /// A method that reads.
    async fn read(&self, method: &str) -> Result<Value, ask::No> {
        let asked = self.wire.get(&format!("{}/{method}", self.url.expose()), HeaderMap::new()).await;
        ask::document(&asked, |body| body.get("ok").and_then(Value::as_bool) != Some(true))
    }
}

/// The webhook as `getWebhookInfo` tells it. Without a list of kinds, those that we hear are among what comes.
fn webhook(info: &Value, question: &Question) -> Finding {
    const SET: &str = "by setWebhook, with secret_token";
    let found = ask::callback(ask::text(info, "/url"), question, SET);
    if found.state != ask::State::Fine {
        return found;
    }
    let listed = info.get("allowed_updates").and_then(Value::as_array).filter(|all| !all.is_empty());
    let lacks = |kind: &&str| listed.is_some_and(|all| !all.iter().any(|k| k == kind));
    if let Some(kind) = ["message", "my_chat_member"].iter().find(|kind| lacks(kind)) {
        return Finding::trouble("callback", format!("{kind} is not told"), "leave allowed_updates out of setWebhook");
    }
    let waits = info.get("pending_update_count").and_then(Value::as_i64).unwrap_or_default();
    match ask::text(info, "/last_error_message") {
        why if !why.is_empty() && waits > 0 => {
            let said = format!("{waits} updates wait: {}", text::cut(&text::one_line(why), DETAIL, text::graphemes));
            Finding::trouble("callback", said, "see that the public door answers there, with one of webhook_secrets")
        }
        _ => found,
    }
}

fn length(words: &str) -> usize {
    words.encode_utf16().count()
}

/// Words → `sendMessage`.
fn shape(chat: &str, message: &Message, quiet: bool) -> Result<Value, ShapeFault> {
    let (title, body) = (text::one_line(&message.title), text::clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let title = text::cut(&title, TEXT_LIMIT / 2, length);
    let whole = [title.as_str(), body.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n\n");
    let mut document = json!({
        "chat_id": chat.parse::<i64>().unwrap_or_default(),
        "text": text::cut(&whole, TEXT_LIMIT, length),
        "link_preview_options": { "is_disabled": true },
    });
    if !title.is_empty() {
        document["entities"] = json!([{ "type": "bold", "offset": 0, "length": length(&title) }]);
    }
    if quiet {
        document["disable_notification"] = true.into();
    }
    let links = message.buttons.iter().filter_map(|b| button(&b.label, &b.url)).take(BUTTONS);
    let answers: Vec<Value> = text::actions(message, BUTTONS)
        .into_iter()
        .map(|(label, data)| json!({ "text": label, "callback_data": data }))
        .collect();
    let rows: Vec<Value> = links.chain((!answers.is_empty()).then(|| json!(answers))).collect();
    if !rows.is_empty() {
        document["reply_markup"] = json!({ "inline_keyboard": rows });
    }
    Ok(document)
}

/// A row of one button.
fn button(label: &str, url: &str) -> Option<Value> {
    let label = text::cut(&text::one_line(label), LABEL, length);
    let url = text::link(url).filter(|u| u.len() <= URL && !label.is_empty())?;
    Some(json!([{ "text": label, "url": url }]))
}

/// What an answer means: the code and, because texts change, a few words of the description in lower case.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match document.get("ok").and_then(Value::as_bool) {
        Some(true) if (200..300).contains(&status) => {
            match document.pointer("/result/message_id").and_then(Value::as_i64) {
                Some(id) => Verdict::Accepted { ids: vec![id.to_string()], again: false },
                None => Verdict::Unsure { detail: format!("{status} without a message id") },
            }
        }
        Some(false) => judge_error(&document, status, answer),
        _ => judge_status(status, answer),
    }
}

/// Not an answer of the Bot API: what stands behind the front is not known.
fn judge_status(status: u16, answer: &Answer) -> Verdict {
    let detail = format!("HTTP {status} without an answer of the Bot API");
    match status {
        429 => later(Reason::RateLimited, retry_after(answer).or(Some(THROTTLED)), Scope::Account, detail),
        300..=399 | 401 | 403 | 404 | 407 => stop(detail),
        _ => Verdict::Unsure { detail },
    }
}

fn judge_error(document: &Value, status: u16, answer: &Answer) -> Verdict {
    let code = document.get("error_code").and_then(Value::as_i64).unwrap_or(status.into());
    let words = document.get("description").and_then(Value::as_str).unwrap_or_default();
    let detail = text::cut(&format!("{code} {}", text::one_line(words)), DETAIL, text::graphemes);
    let words = words.to_lowercase();
    let says = |part: &str| words.contains(part);
    let wait = document.pointer("/parameters/retry_after").and_then(Value::as_i64).filter(|s| *s >= 0);
    match code {
        429 => {
            let after = wait.or_else(|| retry_after(answer)).unwrap_or(THROTTLED).min(86_400);
            later(Reason::RateLimited, Some(after), Scope::Account, detail)
        }
        _ if says("frozen_method_invalid") => stop(detail),
        403 if says("user is deactivated") => gone(Unreachable::Invalid, detail),
        403 if ["blocked", "can't initiate", "kicked", "not a member", "deleted"].iter().any(|w| says(w)) => {
            gone(Unreachable::Blocked, detail)
        }
        400 if says("chat not found") || says("upgraded to a supergroup") => gone(Unreachable::Invalid, detail),
        // A token that is none any more, a bot that somebody else polls.
        401 | 404 | 406 | 409 => stop(detail),
        500.. => later(Reason::Retrying, Some(PASSING), Scope::Message, detail),
        _ => Verdict::Refused { detail },
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The whole bot stops; its messages stay owed.
fn stop(detail: String) -> Verdict {
    later(Reason::ChannelPaused, None, Scope::Account, detail)
}

/// Nothing more to this person until something comes from them.
fn gone(why: Unreachable, detail: String) -> Verdict {
    let change = PersonChange { unreachable: Some(Some(why)), ..PersonChange::default() };
    Verdict::Unreachable { reason: why.reason(), scope: Scope::Recipient, change, detail }
}
