//! LINE Messaging API: push and reply to friends of an official account.
//!
//! Vendor's documents (read in the state of 2026-08; API description 2026-07-01): Messaging API reference,
//! "Retrying API requests", "Receiving messages (webhook)", "Verify webhook signature", "Channel access token".
//! What shapes the code:
//! - 200 means taken, never delivered: LINE answers 200 for people who blocked the account. There are no
//!   receipts for pushes; `unfollow` is the only sign.
//! - `X-Line-Retry-Key` from the first attempt on, push only: on a reply the header itself is an error. After
//!   24 h the same key is a new message, so its life ends an hour before.
//! - Two different 429: monthly quota and rate; only the words tell them apart. No `Retry-After`.
//! - A text may have 5,000 UTF-16 units; labels are counted in graphemes; a bubble may have 30 KB.
//! - A callback must be answered within 2 s, may hold events of several people, none at all, or none's.

use super::line_api::{self, Access, Official, shape};
use super::{Channel, Finding, Kind, Opened, Piece, Question, Quota, Wish, account, media};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Secret, Span};
use crate::domain::verdict::Verdict;
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The kind.
pub static KIND: Kind = Kind {
    name: "line",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    capabilities: || capabilities(true, PER_SECOND, line_api::TIMEOUT_SECS),
    open,
    judge: line_api::judge,
};

const EXAMPLE: &str = r#"# [[channel]]
# id = "line-main"
# kind = "line"
# access_token = { env = "LINE_TOKEN" }            # long-lived channel access token; leave it out to use channel_id
# channel_secret = { env = "LINE_SECRET" }         # verifies callbacks (Webhook URL: PUBLIC_URL/callbacks/line-main)
# # start_url = "https://line.me/R/oaMessage/%40myshop/?{code}" # where a chat begins, for links that connect an order
# # channel_id = "1234567890"                      # instead of access_token: short tokens are fetched with channel_secret
# # channel_secrets = [{ env = "LINE_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # user_id = "U0123456789abcdef0123456789abcdef"  # the account's own user id: callbacks for another one are refused
# # flex = true                                    # cards with buttons; false: plain text
# # api_url = "https://api.line.me"
# # per_second = 200
# # timeout = "10s"
"#;

/// Settings of a LINE account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Long-lived channel access token. Left out: `channel_id` is used.
    access_token: Option<Secret>,
    /// Channel id: with it and `channel_secret`, tokens of 15 minutes are fetched as needed.
    channel_id: Option<String>,
    /// Channel secret: verifies callbacks, and fetches tokens where `channel_id` is set.
    channel_secret: Option<Secret>,
    /// Further secrets that verify callbacks, during a rotation.
    #[serde(default)]
    channel_secrets: Vec<Secret>,
    /// User id of the official account itself (`destination` of callbacks).
    user_id: Option<String>,
    /// Cards with buttons (Flex); `false`: plain text.
    #[serde(default = "yes")]
    flex: bool,
    /// Address of the API.
    #[serde(default = "line_api::api_url")]
    api_url: String,
    /// Messages a second, at most 2000.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

fn yes() -> bool {
    true
}

/// LINE allows 2,000 requests a second and forbids load tests; nobody's order updates need more than this.
const PER_SECOND: f64 = 200.0;
const PER_SECOND_MAX: f64 = 2000.0;
/// A retry key lives 24 h from the first request and is a *new* message afterwards.
const RETRY_KEY_SECS: i64 = 23 * 3600;

struct Line {
    id: ChannelId,
    capabilities: Capabilities,
    official: Official,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let access = Access {
        access_token: set.access_token,
        channel_id: set.channel_id,
        channel_secret: set.channel_secret,
        channel_secrets: set.channel_secrets,
        user_id: set.user_id,
        api_url: set.api_url,
        timeout: set.timeout,
    };
    match Official::open(access, &mut mistakes) {
        Some(official) if mistakes.is_empty() => {
            let capabilities = capabilities(set.flex, pace, official.timeout_secs);
            Ok(Box::new(Line { id, capabilities, official }))
        }
        _ => Err(mistakes),
    }
}

fn capabilities(flex: bool, per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "line",
        consent: ConsentRule::Connected,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: shape::TEXT_UNITS,
        unit: Unit::Utf16,
        buttons: shape::BUTTONS,
        image: flex,
        retry_key_secs: Some(RETRY_KEY_SECS),
        receipts: "none",
        opt_out: "unfollow event (a push to somebody who blocked is answered as if taken)",
        binding: "account link",
        keeps_refusals: false,
        unsubscribe_link: false,
        reply_token: true,
        // A lowered pace lowers the burst too: whoever asks for one a second does not want fifty at once.
        pace: Pace { per_second, burst: per_second.clamp(1.0, 50.0) as u32, concurrent: 32, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

impl Channel for Line {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        line_api::hear::address(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let body = shape::request(message, errand, self.capabilities.image)?;
        // A reply refuses the header; its token can be used once and is its own protection.
        let key = (errand.form == Form::Free).then_some(errand.key);
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key, address: None })
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        let Some(url) = media::picture(reply) else { return Ok(shaped) };
        media::edited(shaped, |document| {
            let picture = json!({ "type": "image", "originalContentUrl": url, "previewImageUrl": url });
            document["messages"] = json!([picture]);
        })
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move {
            if !matches!(file.kind.as_str(), "image" | "video" | "audio" | "file") {
                return Err(FetchFault::NotOffered);
            }
            self.official.fetch(file.id.as_deref().ok_or(FetchFault::NotOffered)?).await
        })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let path = if envelope.form == Form::Reply { "v2/bot/message/reply" } else { "v2/bot/message/push" };
            let key = envelope.key.map(|key| (HeaderName::from_static("x-line-retry-key"), retry_key(&key)));
            self.official.hand_over(path, key.as_slice(), &envelope.body, line_api::judge).await
        })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.official.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        self.official.hear(raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.official.ask(question))
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(self.official.set_up(wish, install))
    }

    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        Some(Box::pin(self.official.quota()))
    }
}

fn retry_key(key: &uuid::Uuid) -> HeaderValue {
    HeaderValue::from_str(&key.to_string()).expect("a UUID is hexadecimal and hyphens")
}
