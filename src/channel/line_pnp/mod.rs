//! LINE notification messages: to a telephone number, without friendship.
//!
//! Vendor's documents: Messaging API description (2026-07-01) `POST /bot/pnp/push`, partner documents "LINE notification
//! messages" (state of 2026-08). What shapes the code:
//! - Accounts that LINE admitted only, and numbers of Japan, Taiwan and Thailand only. Words were reviewed beforehand, hold
//!   nothing that advertises, and no picture.
//! - The number goes as the SHA-256 of its E.164 form *with* `+`, in hexadecimal.
//! - 200 says that it was taken. Whoever blocked the account is answered 200 too. Whether it arrived is told within 24 hours
//!   or never, by an event that carries the tag we gave (`X-Line-Delivery-Tag`, 16 to 100 characters).
//! - 422: nobody at LINE has this number, or they refuse such messages: the next channel, at once.
//! - Where the words name one of LINE's own templates (`[line_pnp] template_key`), the message goes by that, through a call
//!   of its own that answers 202 ([`template`]).
//! - There is no retry key: an answer that is lost stays a doubt until the event comes.

mod template;

use super::line_api::hear::TAG;
use super::line_api::{self, Access, Official, shape};
use super::{Channel, Finding, Kind, Opened, Question, account, sms};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard, PersonChange};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The kind.
pub static KIND: Kind = Kind {
    name: "line_pnp",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    capabilities: || capabilities(PER_SECOND, line_api::TIMEOUT_SECS),
    open,
    judge,
};

const EXAMPLE: &str = r#"# [[channel]]
# id = "line-phone"
# kind = "line_pnp"                                # an account that LINE admitted to notification messages
# access_token = { env = "LINE_TOKEN" }            # long-lived channel access token; leave it out to use channel_id
# channel_secret = { env = "LINE_SECRET" }         # verifies callbacks (Webhook URL: PUBLIC_URL/callbacks/line-phone, or that of the kind line)
# # channel_id = "1234567890"                      # instead of access_token: short tokens are fetched with channel_secret
# # channel_secrets = [{ env = "LINE_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # user_id = "U0123456789abcdef0123456789abcdef"  # the account's own user id: callbacks for another one are refused
# # flex = true                                    # cards with buttons; false: plain text. As LINE reviewed them
# # api_url = "https://api.line.me"
# # per_second = 10
# # timeout = "10s"
"#;

/// `[[channel]] kind = "line_pnp"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Long-lived channel access token, without a list of allowed addresses. Left out: `channel_id` is used.
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
    /// Messages a second, at most 100.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

fn yes() -> bool {
    true
}

/// LINE publishes no limit for this call.
const PER_SECOND: f64 = 10.0;
const PER_SECOND_MAX: f64 = 100.0;
/// Where LINE delivers to numbers: Japan, Taiwan, Thailand.
const COUNTRIES: [&str; 3] = ["+81", "+886", "+66"];
/// Characters of `X-Line-Delivery-Tag`.
const TAG_LENGTH: std::ops::RangeInclusive<usize> = 16..=100;
/// Longest id of an account of this kind: it stands in the tag.
const ID: usize = 32;

struct LinePnp {
    id: ChannelId,
    capabilities: Capabilities,
    official: Official,
    flex: bool,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    if id.as_str().len() > ID {
        mistakes.push(Mistake::new("id", format!("must have at most {ID} characters: LINE carries it in a tag")));
    }
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
            let capabilities = capabilities(pace, official.timeout_secs);
            Ok(Box::new(LinePnp { id, capabilities, official, flex: set.flex }))
        }
        _ => Err(mistakes),
    }
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "phone",
        consent: ConsentRule::WithOrder,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: shape::TEXT_UNITS,
        unit: Unit::Utf16,
        buttons: shape::BUTTONS,
        image: false,
        retry_key_secs: None,
        receipts: "delivered",
        opt_out: "422 where such messages are refused (a block is answered as if taken)",
        binding: "phone number of the order, Japan, Taiwan, Thailand",
        keeps_refusals: false,
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: per_second.clamp(1.0, 10.0) as u32, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

/// A number of a country in which LINE delivers to numbers, E.164.
fn person(raw: &str) -> Option<Address> {
    let number = sms::e164(raw)?;
    COUNTRIES.iter().any(|code| number.starts_with(code)).then(|| Address::new("phone", number))
}

impl Channel for LinePnp {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("LINE reviews these words beforehand: they have no other form".into()));
        }
        let Some(to) = errand.address.and_then(|a| person(&a.value)) else {
            return Err(ShapeFault::Unfit("this needs a number of Japan, Taiwan or Thailand to go to".into()));
        };
        let tag = format!("{TAG}{}:{}", self.id, errand.reference.0);
        if !TAG_LENGTH.contains(&tag.len()) {
            return Err(ShapeFault::TooLong { what: "the delivery tag", length: tag.len(), limit: *TAG_LENGTH.end() });
        }
        if let Some(key) = template::key(&message.extra) {
            let mut push = template::document(message, key)?;
            push.insert("to".into(), hashed(&to.value).into());
            let body = json!({ "tag": tag, "templated": push }).to_string();
            return Ok(Envelope { channel: self.id.clone(), form: Form::Template, body, key: None, address: None });
        }
        // Pictures are not admitted.
        let message = Message { image: None, ..message.clone() };
        let mut push = json!({ "to": hashed(&to.value), "messages": shape::messages(&message, self.flex)? });
        if errand.quiet {
            push["notificationDisabled"] = true.into();
        }
        let body = json!({ "tag": tag, "push": push }).to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let document: Value = serde_json::from_str(&envelope.body).unwrap_or_default();
            let tag = document.get("tag").and_then(Value::as_str).and_then(|tag| HeaderValue::from_str(tag).ok());
            let calls = [("push", "bot/pnp/push"), ("templated", "v2/bot/message/pnp/templated/push")];
            let call = calls.into_iter().find_map(|(part, path)| Some((document.get(part)?, path)));
            let (Some(tag), Some((push, path))) = (tag, call) else {
                return Verdict::Refused { detail: "this message has no tag".into() };
            };
            let headers = [(HeaderName::from_static("x-line-delivery-tag"), tag)];
            self.official.hand_over(path, &headers, &push.to_string(), judge).await
        })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.official.admit(raw)
    }

    /// Whoever writes to the official account is a user of the kind `line`, known by another address.
    fn hear(&self, raw: &RawWebhook) -> Heard {
        let mut heard = self.official.hear(raw);
        heard.signals.retain(|signal| signal.receipt.is_some() || signal.account.is_some());
        heard
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let mut findings = self.official.ask(question).await;
            // Nothing here is counted against the quota, and deliveries are heard at the address of the kind `line` too.
            findings.retain(|found| found.about != "quota");
            let ours = question.callback.as_deref().and_then(|url| url.rsplit_once('/'));
            let elsewhere = ours.map(|(callbacks, _)| format!("goes to {callbacks}/"));
            for found in &mut findings {
                if found.about == "callback" && elsewhere.as_ref().is_some_and(|e| found.said.starts_with(e)) {
                    *found = Finding::fine("callback", &found.said);
                }
            }
            let unknown = "whether LINE admitted it to notification messages shows with the first one";
            findings.push(Finding::not_asked("permission", unknown));
            findings
        })
    }
}

/// As LINE knows a number: with its plus.
fn hashed(number: &str) -> String {
    hex::encode(Sha256::digest(number))
}

/// What an answer means.
fn judge(answer: &Answer) -> Verdict {
    if let Answer::Reply { status: 200 | 202, body, .. } = answer
        && body.trim_ascii().is_empty()
    {
        // The description knows no body.
        return Verdict::Accepted { ids: Vec::new(), again: false };
    }
    let refused = matches!(answer, Answer::Reply { status: 400, .. });
    match line_api::judge(answer) {
        // A hash that LINE cannot read is our mistake, and teaches nothing of the number.
        Verdict::Unreachable { detail, .. } if refused => Verdict::Refused { detail },
        Verdict::Unreachable { detail, .. } => Verdict::Unreachable {
            reason: Reason::RecipientInvalid,
            scope: Scope::Recipient,
            change: PersonChange::default(),
            detail,
        },
        verdict => verdict,
    }
}
