//! Microsoft Teams, for the shop's staff: a workflow (Power Automate) with the trigger "When a Teams webhook request
//! is received".
//!
//! Vendor's documents (state of 2026-10): "Create incoming webhooks with Workflows", "Retirement of Office 365
//! connectors", Adaptive Cards 1.4. What shapes the code:
//! - Connectors (`*.webhook.office.com`) ended in 2026, addresses at `logic.azure.com` on 2025-11-30: both are
//!   refused with what to do instead.
//! - The query's `sig` is the credential: the address is kept and used whole.
//! - Success is 202 and says that the flow was started, not that the card arrived; a flow may be built to answer
//!   another 2xx. Whoever took 202 for a failure told everything three times.
//! - A message holds about 28 KB; what is larger is started and then lost. The card stays below 20 KB, however its
//!   characters are counted.
//! - Words are `TextRun`s, which read no Markdown. Only `{{DATE(…)}}` and `{{TIME(…)}}` would be read in them.
//! - No key makes a repeat safe: a time-out stays unsure. At most one message a second.

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
    name: "teams",
    example: EXAMPLE,
    schema: |generator| hook::Settings::json_schema(generator),
    capabilities: || capabilities(hook::PER_SECOND, hook::TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "staff-teams"
# kind = "teams"
# webhook_url = { env = "TEAMS_WORKFLOW_URL" }     # of a workflow "Send webhook alerts to a channel", whole
# # api_url = "https://gateway.example.com"        # takes the place of the address's host
# # per_second = 1.0
# # timeout = "10s"
"##;

const VENDOR: Vendor = Vendor { host, path };
/// Where workflows are called.
const HOST: &str = ".environment.api.powerplatform.com";
/// Weight of the whole document, see [`weight`].
const CARD: usize = 20_000;
/// Weight of the words.
const TEXT: usize = 12_000;
const TITLE: usize = 1_000;
/// A card of more lines is not read; what is left stands in the last one.
const LINES: usize = 40;
const ABOUT: usize = 400;
const LABEL: usize = 200;
const BUTTON_URL: usize = 1_000;
/// Teams shows no more than six.
const BUTTONS: u8 = 4;

struct Teams {
    hook: Hook,
    capabilities: Capabilities,
}

fn host(url: &Url) -> Option<&'static str> {
    let host = url.host_str().unwrap_or_default();
    let old = |suffix: &str| host.ends_with(suffix) || Some(host) == suffix.strip_prefix('.');
    if old(".webhook.office.com") || old(".outlook.office.com") || old(".outlook.office365.com") {
        return Some(
            "is that of a connector, which Microsoft ended: make a workflow \"Send webhook alerts to a channel\" in Teams and copy its address",
        );
    }
    if old(".logic.azure.com") {
        return Some(
            "is a workflow's old one, which ended on 2025-11-30: open the workflow and copy the address it shows now",
        );
    }
    let theirs = host.strip_suffix(HOST).is_some_and(|name| !name.is_empty());
    (!theirs).then_some("must lie at …environment.api.powerplatform.com, as the workflow's trigger shows it")
}

fn path(url: &Url) -> Option<&'static str> {
    let signed = url.query_pairs().any(|(name, value)| name == "sig" && !value.is_empty());
    (!signed || url.path() == "/").then_some("must be the workflow's whole address, with its &sig=…")
}

/// The address that a workflow shows names its port, 443: `url` has dropped it as the usual one.
fn open(id: ChannelId, settings: Value) -> Opened {
    let hook = hook::open(id, settings, &VENDOR)?;
    let capabilities = capabilities(hook.per_second, hook.timeout_secs);
    Ok(Box::new(Teams { hook, capabilities }))
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    hook::staff(TEXT, Unit::Bytes, BUTTONS, per_second, timeout_secs)
}

impl Channel for Teams {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, _raw: &str) -> Option<Address> {
        None
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Teams takes free words only".into()));
        }
        let body = shape(message)?;
        Ok(Envelope { channel: self.hook.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { judge(&self.hook.post("", envelope.body.clone()).await) })
    }
}

/// How much a text takes of a limit of which nobody says whether it counts bytes of UTF-8 or of UTF-16: the larger.
fn weight(text: &str) -> usize {
    text.chars().map(|c| c.len_utf8().max(c.len_utf16() * 2)).sum()
}

/// Words → a card, as the document that a workflow takes.
fn shape(message: &Message) -> Result<String, ShapeFault> {
    let (title, body) = (literal(&one_line(&message.title)), literal(&clean(&message.body)));
    if title.is_empty() && body.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    if weight(&title) > TITLE {
        return Err(ShapeFault::TooLong { what: "the title", length: weight(&title), limit: TITLE });
    }
    // Quotes and backslashes grow when they are written as JSON, and each line brings its block: the words give way.
    let mut room = TEXT;
    loop {
        let card = card(message, &title, &cut(&body, room, weight)).to_string();
        match weight(&card) {
            fits if fits <= CARD => return Ok(card),
            _ if room > 0 => room /= 2,
            length => return Err(ShapeFault::TooLong { what: "the card", length, limit: CARD }),
        }
    }
}

fn card(message: &Message, title: &str, body: &str) -> Value {
    let mut blocks = Vec::new();
    if !title.is_empty() {
        blocks.push(block(title, json!({ "size": "Medium", "weight": "Bolder" }), "Default"));
    }
    let mut spacing = "Default";
    for line in lines(body) {
        if line.is_empty() {
            spacing = "Medium";
            continue;
        }
        blocks.push(block(&line, json!({}), spacing));
        spacing = "None";
    }
    let about = hook::about(message);
    if !about.is_empty() {
        let about = cut(&literal(&about), ABOUT, weight);
        blocks.push(block(&about, json!({ "size": "Small", "isSubtle": true }), "Medium"));
    }
    let buttons = message.buttons.iter().filter_map(|b| {
        let url = link(&b.url).filter(|u| u.len() <= BUTTON_URL)?;
        let label = Some(cut(&literal(&one_line(&b.label)), LABEL, weight)).filter(|l| !l.is_empty())?;
        Some(json!({ "type": "Action.OpenUrl", "title": label, "url": url }))
    });
    let buttons: Vec<Value> = buttons.take(BUTTONS.into()).collect();
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    });
    if !buttons.is_empty() {
        content["actions"] = buttons.into();
    }
    let kind = "application/vnd.microsoft.card.adaptive";
    json!({ "type": "message", "attachments": [{ "contentType": kind, "contentUrl": null, "content": content }] })
}

/// The text's lines; those that are too many stand together in the last.
fn lines(text: &str) -> Vec<String> {
    let mut all: Vec<String> = text.lines().map(|l| l.trim_end().to_string()).collect();
    if all.len() > LINES {
        let rest = all.split_off(LINES - 1);
        all.push(rest.join(" "));
    }
    all
}

/// A paragraph that looks like `run`.
fn block(text: &str, mut run: Value, spacing: &str) -> Value {
    run["type"] = "TextRun".into();
    run["text"] = text.into();
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": [run] })
}

/// Cards read two functions in any text. A word joiner, which nobody sees, keeps a buyer from calling them.
fn literal(text: &str) -> String {
    text.replace("{{DATE(", "{\u{2060}{DATE(").replace("{{TIME(", "{\u{2060}{TIME(")
}

/// The verdict on an answer: by its status, for a workflow has no words of its own.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match reply(answer) {
        Ok(reply) => reply,
        Err(verdict) => return *verdict,
    };
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = document.pointer("/error/code").and_then(Value::as_str).map(one_line).unwrap_or_default();
    let detail = cut(format!("{status} {code}").trim(), 120, graphemes);
    match status {
        // 202: started. A flow with an answer of its own says another of these, and whatever it likes.
        200..=204 => Verdict::Accepted { ids: Vec::new(), again: false },
        429 => too_fast(answer, detail),
        // The flow was deleted.
        404 | 410 => gone(detail),
        // Switched off, its signature changed, or its owner left.
        300..=399 | 401 | 403 | 405 => stop(detail),
        503 => later(Reason::Retrying, retry_after(answer), Scope::Message, detail),
        408 => Verdict::Unsure { detail },
        400..=499 => Verdict::Refused { detail },
        _ => Verdict::Unsure { detail },
    }
}
