//! WhatsApp through Twilio.
//!
//! Vendor's documents: see `twilio`; "WhatsApp" and "Content templates" of Programmable Messaging (read 2026-11).
//! What shapes the code:
//! - Free words for 24 hours after the person wrote; at any other time a template of the Content API, by its SID and
//!   variables, and nothing beside it. A template's text as `Body` is refused since 2025-04-01.
//! - 201 says nothing: that the window is closed (63016), or that somebody has no WhatsApp (63003), comes in the
//!   callback.
//! - Both sides carry `whatsapp:` in front of the number.

use super::twilio::{self, Access, Twilio};
use super::{Channel, Finding, Kind, Opened, Question, account, whatsapp_rules as rules};
use crate::domain::channel::{
    Audience, Capabilities, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::Verdict;
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The kind.
pub static KIND: Kind = Kind {
    name: "whatsapp_twilio",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    open,
    judge: twilio::judge,
    capabilities: || capabilities(twilio::PER_SECOND, twilio::TIMEOUT_SECS, false),
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "whatsapp"
# kind = "whatsapp_twilio"                         # needs server.public_url
# account_sid = "AC00000000000000000000000000000000"
# auth_token = { env = "TWILIO_AUTH_TOKEN" }       # signs callbacks, and sends where no api_key is set
# from = "whatsapp:+15005550006"                   # the sender; inbound messages: PUBLIC_URL/callbacks/whatsapp
# # start_url = "https://wa.me/886912345678?text={code}" # where a chat begins, for links that connect an order
# # messaging_service = "MG00000000000000000000000000000000" # instead of from, or beside it
# # api_key = "SK00000000000000000000000000000000" # sends instead of the auth token
# # api_secret = { env = "TWILIO_API_SECRET" }
# # auth_tokens = [{ env = "TWILIO_OLD_TOKEN" }]   # further tokens that still verify, during a rotation
# # opt_in_at_checkout = true                      # the shop asks for the yes to WhatsApp at checkout
# # prefer_template = true                         # approved templates inside the 24 hours too
# # api_url = "https://api.twilio.com"
# # per_second = 10
# # timeout = "10s"
"##;

/// Settings of a WhatsApp sender at Twilio. Templates stand in the words: `[whatsapp] content_sid, params`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Account SID (`AC…`).
    account_sid: String,
    /// The account's auth token: signs callbacks, and sends where no `api_key` is set.
    auth_token: Secret,
    /// Further auth tokens that verify callbacks, during a rotation.
    #[serde(default)]
    auth_tokens: Vec<Secret>,
    /// API key (`SK…`) that sends instead of the auth token.
    api_key: Option<String>,
    /// Its secret.
    api_secret: Option<Secret>,
    /// Messaging Service (`MG…`) with the WhatsApp sender in it.
    messaging_service: Option<String>,
    /// Sender: `whatsapp:` and its number.
    from: Option<String>,
    /// The shop asks for the customer's yes to WhatsApp messages at checkout, so that everybody who orders has
    /// given it. Left out: a yes on record is needed, which writing to the number with such a word gives.
    #[serde(default)]
    opt_in_at_checkout: bool,
    /// Use the template inside the 24 hours too, wherever the words name one.
    #[serde(default)]
    prefer_template: bool,
    /// Address of the API.
    api_url: Option<String>,
    /// Messages a second, at most 100.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

/// In front of every number.
const PREFIX: &str = "whatsapp:";

struct WhatsApp {
    id: ChannelId,
    capabilities: Capabilities,
    twilio: Twilio,
    sender: Vec<(&'static str, String)>,
    prefer_template: bool,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let is_sender =
        |from: &str| from.strip_prefix(PREFIX).is_some_and(|n| rules::person(n).is_some_and(|a| a.value == n));
    let sender = twilio::sender(set.messaging_service.as_deref(), set.from.as_deref(), is_sender, &mut mistakes);
    let access = Access {
        account_sid: set.account_sid,
        auth_token: set.auth_token,
        auth_tokens: set.auth_tokens,
        api_key: set.api_key,
        api_secret: set.api_secret,
        api_url: set.api_url,
        per_second: set.per_second,
        timeout: set.timeout,
    };
    match Twilio::open(access, &mut mistakes) {
        Some(twilio) if mistakes.is_empty() => {
            let capabilities = capabilities(twilio.per_second, twilio.timeout_secs, set.opt_in_at_checkout);
            Ok(Box::new(WhatsApp { id, capabilities, twilio, sender, prefer_template: set.prefer_template }))
        }
        _ => Err(mistakes),
    }
}

fn capabilities(per_second: f64, timeout_secs: u32, opt_in_at_checkout: bool) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "phone",
        consent: rules::consent(opt_in_at_checkout),
        window: WindowRule::Seconds(rules::WINDOW_SECS),
        template_outside_window: true,
        grants: false,
        text_limit: twilio::TEXT,
        unit: Unit::Chars,
        buttons: rules::LINKS,
        image: false,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, block (63014, 63033)",
        keeps_refusals: true,
        binding: "phone number of the order, or an inbound message",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: per_second.clamp(1.0, 10.0) as u32, concurrent: 8, person_gap_secs: 6.0 },
        timeout_secs,
    }
}

/// A number as Twilio writes it, with the prefix or without.
fn person(raw: &str) -> Option<Address> {
    let raw = raw.trim();
    rules::person(raw.strip_prefix(PREFIX).unwrap_or(raw))
}

impl WhatsApp {
    fn free(message: &Message) -> Result<Vec<(&'static str, String)>, ShapeFault> {
        Ok(vec![("Body", rules::with_links(&rules::words(message)?, &rules::links(message), twilio::TEXT))])
    }

    fn template(message: &Message) -> Result<Vec<(&'static str, String)>, ShapeFault> {
        let Some(sid) = rules::name(&message.extra, "content_sid") else {
            let (milestone, locale) = (message.milestone.clone(), message.locale.clone());
            return Err(ShapeFault::NoTemplate { milestone, locale });
        };
        if !twilio::is_sid("HX", &sid) {
            return Err(rules::unfit("content_sid", "HX and 32 characters of 0-9 and a-f"));
        }
        let parameters = rules::parameters(&message.extra)?;
        let mut fields = vec![("ContentSid", sid)];
        if !parameters.is_empty() {
            let variables: Map<String, Value> = parameters.into_iter().map(|(n, v)| (n, v.into())).collect();
            fields.push(("ContentVariables", Value::Object(variables).to_string()));
        }
        Ok(fields)
    }
}

impl Channel for WhatsApp {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        rules::name(section, "content_sid").is_some()
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let Some(to) = errand.address.filter(|a| a.scheme == "phone") else {
            return Err(ShapeFault::Unfit("WhatsApp needs a phone number to go to".into()));
        };
        let preferred = self.prefer_template && self.names_template(&message.extra);
        let (form, words) = match errand.form {
            Form::Template => (Form::Template, Self::template(message)?),
            Form::Free if preferred => match Self::template(message) {
                Ok(words) => (Form::Template, words),
                // The window is open: better free words than none.
                Err(_) => (Form::Free, Self::free(message)?),
            },
            Form::Free => (Form::Free, Self::free(message)?),
            Form::Reply | Form::Grant => {
                return Err(ShapeFault::Unfit(
                    "WhatsApp has neither reply tokens nor messages allowed by a tap".into(),
                ));
            }
        };
        let callback = self.twilio.status_callback(&errand.reference.0).map(|url| ("StatusCallback", url));
        let fields = std::iter::once(("To", format!("{PREFIX}{}", to.value)))
            .chain(self.sender.iter().cloned())
            .chain(words)
            .chain(callback);
        let body: Map<String, Value> = fields.map(|(name, value)| (name.to_string(), value.into())).collect();
        let body = Value::Object(body).to_string();
        Ok(Envelope { channel: self.id.clone(), form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(self.twilio.send(envelope))
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.twilio.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        self.twilio.hear(raw, person, Some(rules::WINDOW_SECS))
    }

    fn called_back_at(&mut self, url: Option<&str>) -> Vec<Mistake> {
        self.twilio.called_back_at(url)
    }

    fn answers_as(&self) -> &'static str {
        "text/xml"
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.twilio.ask(&self.sender, question))
    }
}
