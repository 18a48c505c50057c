//! SMS through Twilio: Programmable Messaging, from a Messaging Service or a sender of its own.
//!
//! Vendor's documents: see `twilio`; country pages for Taiwan, Vietnam, mainland China and Hong Kong (read 2026-11).
//! What shapes the code:
//! - A text is at most 1,600 characters; it is paid by the segment, so an account sets how many one may have.
//! - In Taiwan, Vietnam and mainland China nobody can answer: there is no STOP to hear there, and words must not
//!   promise one. Elsewhere 21610 and people's own messages tell.
//! - `sent` may be the last that is ever heard (Taiwan and Vietnam confirm no arrival at the phone).
//! - A sender of letters is one-way, and carries a `#` in front to Hong Kong once it is registered.

use super::sms::{self, Frame, Register, SEGMENTS_MAX, Segments};
use super::twilio::{self, Access, Twilio};
use super::{Channel, Finding, Kind, Opened, Question, account};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
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

/// The kind.
pub static KIND: Kind = Kind {
    name: "sms_twilio",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    open,
    judge: twilio::judge,
    capabilities: || capabilities(twilio::PER_SECOND, twilio::TIMEOUT_SECS),
};

const EXAMPLE: &str = r##"# [[channel]]
# id = "sms"
# kind = "sms_twilio"                              # needs server.public_url
# account_sid = "AC00000000000000000000000000000000"
# auth_token = { env = "TWILIO_AUTH_TOKEN" }       # signs callbacks, and sends where no api_key is set
# messaging_service = "MG00000000000000000000000000000000" # or from; inbound messages: PUBLIC_URL/callbacks/sms
# # from = "+15005550006"                          # a number, a short code, or letters ("MyShop"; to Hong Kong "#MyShop")
# # api_key = "SK00000000000000000000000000000000" # sends instead of the auth token
# # api_secret = { env = "TWILIO_API_SECRET" }
# # auth_tokens = [{ env = "TWILIO_OLD_TOKEN" }]   # further tokens that still verify, during a rotation
# # max_segments = 4                               # a longer text is cut, visibly
# registered = { my-shop = { brand = "小樹選物", domains = ["shop.example.com"], phones = ["02-1234-5678"] } } # what carriers have on file, by shop ("*": the others); Taiwan needs a brand
# # api_url = "https://api.twilio.com"
# # per_second = 10
# # timeout = "10s"
"##;

/// Settings of an SMS sender at Twilio.
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
    /// Messaging Service (`MG…`).
    messaging_service: Option<String>,
    /// Sender: a number, a short code, or letters.
    from: Option<String>,
    /// Segments of a text at most, 1 to 10; 4 if left out.
    max_segments: Option<u8>,
    /// What carriers have on file, by shop id; `*` stands for shops without an entry.
    #[serde(default)]
    registered: Register,
    /// Address of the API.
    api_url: Option<String>,
    /// Messages a second, at most 100.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

const SEGMENTS: u8 = 4;

struct Sms {
    id: ChannelId,
    capabilities: Capabilities,
    twilio: Twilio,
    sender: Vec<(&'static str, String)>,
    segments: u8,
    register: Register,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = sms::mistakes(&set.registered);
    let sender = twilio::sender(set.messaging_service.as_deref(), set.from.as_deref(), is_sender, &mut mistakes);
    let segments = set.max_segments.unwrap_or(SEGMENTS);
    if !(1..=SEGMENTS_MAX).contains(&segments) {
        mistakes.push(Mistake::new("max_segments", format!("must lie between 1 and {SEGMENTS_MAX}")));
    }
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
            let capabilities = capabilities(twilio.per_second, twilio.timeout_secs);
            Ok(Box::new(Sms { id, capabilities, twilio, sender, segments, register: set.registered }))
        }
        _ => Err(mistakes),
    }
}

/// A number, a short code, or up to eleven letters and digits with a letter among them, perhaps behind a `#`.
fn is_sender(text: &str) -> bool {
    let short = (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let name = text.strip_prefix('#').unwrap_or(text);
    let letters = (1..=11).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b" -_&+".contains(&b))
        && name.bytes().any(|b| b.is_ascii_alphabetic());
    short || letters || sms::e164(text) == Some(text)
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "phone",
        consent: ConsentRule::WithOrder,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: twilio::TEXT,
        unit: Unit::Utf16,
        buttons: 0,
        image: false,
        retry_key_secs: None,
        receipts: "delivered",
        opt_out: "21610; keyword (nobody can answer in Taiwan, Vietnam and mainland China)",
        keeps_refusals: true,
        binding: "phone number of the order",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: per_second.clamp(1.0, 10.0) as u32, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

fn person(raw: &str) -> Option<Address> {
    sms::e164(raw).map(|number| Address::new("phone", number))
}

impl Channel for Sms {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("SMS takes free words only".into()));
        }
        let Some(to) = errand.address.filter(|a| a.scheme == "phone").map(|a| a.value.as_str()) else {
            return Err(ShapeFault::Unfit("SMS needs a phone number to go to".into()));
        };
        let frame = Frame { shop: &message.shop_id, to, register: &self.register, segments: self.segments, cuts: true };
        let text = sms::compose(message, &frame)?;
        let length = text.encode_utf16().count();
        if length > twilio::TEXT {
            return Err(ShapeFault::TooLong { what: "the text", length, limit: twilio::TEXT });
        }
        let mut fields = Map::from_iter([("To".to_string(), to.into()), ("Body".to_string(), text.into())]);
        fields.extend(self.sender.iter().map(|(name, value)| ((*name).to_string(), value.as_str().into())));
        fields
            .extend(self.twilio.status_callback(&errand.reference.0).map(|url| ("StatusCallback".into(), url.into())));
        let body = Value::Object(fields).to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(self.twilio.send(envelope))
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.twilio.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        self.twilio.hear(raw, person, None)
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

    fn measure(&self, envelope: &Envelope) -> Option<String> {
        let document: Value = serde_json::from_str(&envelope.body).ok()?;
        Some(Segments::of(document.get("Body")?.as_str()?).to_string())
    }
}
