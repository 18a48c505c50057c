//! Google Chat, for the shop's staff: an incoming webhook of a space.
//!
//! Vendor's documents (state of 2026-09): "Build a Google Chat app as a webhook", method `spaces.messages.create`,
//! "Format messages", "Cards v2", "Usage limits". What shapes the code:
//! - `requestId` makes a repeat safe: it is answered with the message there already is. It is documented for the
//!   method, which a webhook calls, without a life: we lean on it for an hour.
//! - All news of an order stands in one thread: its key is the order's, and a thread that cannot be found is begun.
//! - A message holds 32,000 bytes. Words go in a card, where `<`, `>` and `&` are escaped: in plain text
//!   `<users/all>` calls everybody, and nothing escapes it.
//! - One message a second and space, shared by everything that writes there.

use super::hook::{self, Hook, Vendor, gone, later, reply, stop, too_fast};
use super::text::{clean, cut, graphemes, link, one_line};
use super::wire::retry_after;
use super::{Channel, Kind, Opened};
use crate::domain::channel::{Capabilities, Envelope, Errand, Form, Message, ShapeFault, Unit};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use crate::domain::verdict::{Answer, Scope, Verdict};
use futures_util::future::BoxFuture;
use schemars::JsonSchema as _;
use serde_json::{Value, json};
use url::Url;

/// The kind.
pub static KIND: Kind = Kind {
    name: "google_chat",
    example: EXAMPLE,
    schema: |generator| hook::Settings::json_schema(generator),
    capabilities: || capabilities(hook::PER_SECOND, hook::TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "staff-chat"
# kind = "google_chat"
# webhook_url = { env = "GOOGLE_CHAT_WEBHOOK_URL" } # of a space: Apps & integrations › Webhooks, whole
# # api_url = "https://chat.googleapis.com"        # takes the place of the address's host
# # per_second = 1.0
# # timeout = "10s"
"##;

const VENDOR: Vendor = Vendor { host, path };
const HOST: &str = "chat.googleapis.com";
/// Bytes of the whole message.
const MESSAGE: usize = 32_000;
/// Bytes of the words, as written.
const TEXT: usize = 20_000;
/// A header shows one line.
const HEADER: usize = 200;
const TITLE: usize = 2_000;
const ABOUT: usize = 300;
const LABEL: usize = 200;
const BUTTON_URL: usize = 1_000;
const BUTTONS: u8 = 5;
const KEY_SECS: i64 = 3600;

struct GoogleChat {
    hook: Hook,
    capabilities: Capabilities,
}

fn host(url: &Url) -> Option<&'static str> {
    (url.host_str() != Some(HOST)).then_some("must begin with https://chat.googleapis.com/v1/spaces/")
}

fn path(url: &Url) -> Option<&'static str> {
    let parts: Vec<&str> = url.path().split('/').filter(|p| !p.is_empty()).collect();
    let whole = matches!(parts.as_slice(), ["v1", "spaces", _, "messages"]);
    let has = |name: &str| url.query_pairs().any(|(n, v)| n == name && !v.is_empty());
    let ours = ["requestId", "messageReplyOption", "threadKey"].iter().any(|name| has(name));
    if !whole || !has("key") || !has("token") {
        return Some("must be the webhook's whole address: /v1/spaces/SPACE/messages?key=…&token=…");
    }
    ours.then_some("must end after key and token: thread and request id are orderwire's to say")
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let hook = hook::open(id, settings, &VENDOR)?;
    let capabilities = capabilities(hook.per_second, hook.timeout_secs);
    Ok(Box::new(GoogleChat { hook, capabilities }))
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    let usual = hook::staff(TEXT, Unit::Bytes, BUTTONS, per_second, timeout_secs);
    Capabilities { retry_key_secs: Some(KEY_SECS), ..usual }
}

impl Channel for GoogleChat {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, _raw: &str) -> Option<Address> {
        None
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Google Chat takes free words only".into()));
        }
        let body = shape(message, errand)?;
        Ok(Envelope { channel: self.hook.id.clone(), form: errand.form, body, key: Some(errand.key), address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let id = envelope.key.map(|key| format!("&requestId={key}")).unwrap_or_default();
            let more = format!("&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD{id}");
            judge(&self.hook.post(&more, envelope.body.clone()).await)
        })
    }
}

/// The marks of a card's text; everything else a person may write stands for itself.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Bytes of a text once it is escaped and written as JSON.
fn written(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '&' => 5,
            '<' | '>' => 4,
            '"' | '\\' | '\n' => 2,
            c => c.len_utf8(),
        })
        .sum()
}

/// Words → a card in the order's thread.
fn shape(message: &Message, errand: &Errand<'_>) -> Result<String, ShapeFault> {
    let (title, body) = (one_line(&message.title), clean(&message.body));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    if written(&title) > TITLE {
        return Err(ShapeFault::TooLong { what: "the title", length: written(&title), limit: TITLE });
    }
    let about = cut(&hook::about(message), ABOUT, str::len);
    // A card of a header alone says nothing below it.
    let in_header = !title.is_empty() && title.len() <= HEADER && !body.is_empty();
    let mut widgets = Vec::new();
    if !title.is_empty() && !in_header {
        widgets.push(paragraph(&format!("<b>{}</b>", escape(&title))));
    }
    if !body.is_empty() {
        widgets.push(paragraph(&escape(&cut(&body, TEXT, written))));
    }
    let buttons: Vec<Value> =
        message.buttons.iter().filter_map(|b| button(&b.label, &b.url)).take(BUTTONS.into()).collect();
    if !buttons.is_empty() {
        widgets.push(json!({ "buttonList": { "buttons": buttons } }));
    }
    let mut card = json!({});
    // A header without a title is refused; nothing in it is read for markup.
    if in_header {
        card["header"] = json!({ "title": title });
        if !about.is_empty() {
            card["header"]["subtitle"] = about.into();
        }
    } else if !about.is_empty() {
        widgets.push(paragraph(&escape(&about)));
    }
    if !widgets.is_empty() {
        card["sections"] = json!([{ "widgets": widgets }]);
    }
    let whole = json!({
        "cardsV2": [{ "cardId": "news", "card": card }],
        "fallbackText": if title.is_empty() { cut(&one_line(&body), HEADER, written) } else { cut(&title, HEADER, written) },
        "thread": { "threadKey": errand.thread },
    });
    match whole.to_string() {
        whole if whole.len() <= MESSAGE => Ok(whole),
        whole => Err(ShapeFault::TooLong { what: "the message", length: whole.len(), limit: MESSAGE }),
    }
}

fn paragraph(text: &str) -> Value {
    json!({ "textParagraph": { "text": text } })
}

fn button(label: &str, url: &str) -> Option<Value> {
    let url = link(url).filter(|u| u.len() <= BUTTON_URL)?;
    let label = Some(cut(&one_line(label), LABEL, str::len)).filter(|l| !l.is_empty())?;
    Some(json!({ "text": label, "onClick": { "openLink": { "url": url } } }))
}

/// The verdict on an answer: by its status, with Google's word for it beside.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match reply(answer) {
        Ok(reply) => reply,
        Err(verdict) => return *verdict,
    };
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = document.pointer("/error/status").and_then(Value::as_str).map(one_line).unwrap_or_default();
    let detail = cut(format!("{status} {word}").trim(), 120, graphemes);
    match status {
        200 => match document.get("name").and_then(Value::as_str).filter(|name| name.starts_with("spaces/")) {
            Some(name) => Verdict::Accepted { ids: vec![name.to_string()], again: false },
            None => Verdict::Unsure { detail: "200 (not a message of Google Chat)".into() },
        },
        429 => too_fast(answer, detail),
        // The webhook or its space was deleted.
        404 | 410 => gone(detail),
        300..=399 | 401 | 403 | 405 => stop(detail),
        // A key is at work: asked again, it is the same message.
        408 | 409 => Verdict::Unsure { detail },
        400..=499 => Verdict::Refused { detail },
        503 => later(Reason::Retrying, retry_after(answer), Scope::Message, detail),
        _ => Verdict::Unsure { detail },
    }
}
