//! WhatsApp by Meta's Cloud API: messages of one business number, and its webhook.
//!
//! Policy: free words for 24 hours after the person wrote or called, an approved template at any time to people
//! who agreed. 200 means *accepted*: whether a message arrives is told by a status later, and a failure then
//! sends the rest of the chain on its way. The API knows no key against repetition; our reference comes back
//! in every status, which is how a doubt is settled.
//!
//! - The address is a phone number with `+`: without it Meta puts the business number's own country in front.
//! - People with a user name may show no number; they are known by a business-scoped id (`US.1349…`).
//! - One message in six seconds to one person; beyond it 131056.
//!
//! Sources: Meta's WhatsApp Business Platform pages "Send messages", "Utility templates", "Error codes",
//! "Webhooks: messages, statuses", "Business-scoped user ids", "Throughput", "Messaging limits" (state of
//! 2026-11-22), changelog to 2026-10-01.

mod hear;
mod judge;
mod shape;

use super::setup::Desk;
use super::whatsapp_rules as rules;
use super::wire::retry_after;
use super::{Channel, Finding, Kind, Piece, Question, Wish, account, media, meta, text};
use crate::domain::channel::{
    Audience, Capabilities, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::Verdict;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Address scheme: phone numbers, as orders carry them.
const SCHEME: &str = "phone";
/// Scheme of ids within the business, for people who show no number.
const BSUID: &str = "whatsapp";
/// "Text body: 4,096 characters" ("Text messages").
const TEXT_LIMIT: usize = 4096;
/// A number sends and receives 80 a second in all; the default leaves half to what comes in.
const PER_SECOND: f64 = 40.0;
/// Numbers that Meta raised take 1,000.
const MOST_PER_SECOND: f64 = 1000.0;
/// Fields of the webhook that are heard.
const HEARD: &[&str] = &[
    "account_alerts",
    "account_update",
    "message_template_status_update",
    "messages",
    "phone_number_quality_update",
    "template_category_update",
];
/// The Graph API, where settings name no other address.
const API_URL: &str = "https://graph.facebook.com";

/// `[[channel]] kind = "whatsapp"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Id of the business number (not the number itself), in quotes.
    phone_number_id: String,
    /// Id of the WhatsApp Business Account, in quotes: `check --online` asks for its templates and its subscription.
    business_account_id: Option<String>,
    /// A system user's token with `whatsapp_business_messaging`.
    access_token: Secret,
    /// The app's secret: signs the webhook, and proves our calls.
    app_secret: Option<Secret>,
    /// Several app secrets, newest first, while one is being replaced.
    #[serde(default)]
    app_secrets: Vec<Secret>,
    /// The word given in the dashboard when the webhook was subscribed.
    verify_token: Secret,
    /// The shop asks for the customer's yes to WhatsApp messages at checkout, so that everybody who orders has
    /// given it. Left out: a yes on record is needed, which writing to the number with such a word gives.
    #[serde(default)]
    opt_in_at_checkout: bool,
    /// The Graph API; `https://graph.facebook.com` if left out.
    api_url: Option<String>,
    /// Version of the Graph API; `v26.0` if left out.
    api_version: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second; 40 if left out, up to 1000 where Meta raised the number.
    per_second: Option<f64>,
    /// Use the template inside the window too, wherever the words name one.
    #[serde(default)]
    prefer_template: bool,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "whatsapp",
    example: r#"# [[channel]]
# id = "whatsapp-main"
# kind = "whatsapp"
# phone_number_id = "106540352242922"               # of the business number; not the number itself
# access_token = { env = "WHATSAPP_TOKEN" }         # a system user's, with whatsapp_business_messaging
# app_secret = { env = "META_APP_SECRET" }          # verifies callbacks (URL: PUBLIC_URL/callbacks/whatsapp-main) and proves our calls
# verify_token = { env = "WHATSAPP_VERIFY_TOKEN" }  # a long random word; the same one in the app's dashboard
# # business_account_id = "102290129340398"          # of the WhatsApp Business Account: check --online asks for its templates
# # start_url = "https://wa.me/886912345678?text={code}" # where a chat begins, for links that connect an order
# # opt_in_at_checkout = true                       # the shop asks for the yes to WhatsApp at checkout
# # app_secrets = [{ env = "META_APP_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # prefer_template = true                          # approved templates inside the 24 hours too
# # api_url = "https://graph.facebook.com"
# # api_version = "v26.0"
# # per_second = 40
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, meta::TIMEOUT_SECS, false),
    open,
    judge: judge::judge,
};

fn open(id: ChannelId, settings: Value) -> Result<Box<dyn Channel>, Vec<Mistake>> {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let pace = account::per_second(settings.per_second, PER_SECOND, MOST_PER_SECOND);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let number = settings.phone_number_id.trim().to_string();
    if !is_id(&number) {
        let message = "the number's id in the dashboard is digits alone, written in quotes; it is not the phone number";
        mistakes.push(Mistake::new("phone_number_id", message));
    }
    if settings.business_account_id.as_deref().is_some_and(|id| !is_id(id)) {
        mistakes.push(Mistake::new("business_account_id", "is a number of the dashboard, written in quotes"));
    }
    let app = meta::App::open(&meta::Keys {
        access_token: &settings.access_token,
        app_secret: settings.app_secret.as_ref(),
        app_secrets: &settings.app_secrets,
        verify_token: &settings.verify_token,
        api_url: (settings.api_url.as_deref(), API_URL),
        api_version: settings.api_version.as_deref(),
        timeout: settings.timeout,
    });
    match app {
        Ok(app) if mistakes.is_empty() => Ok(Box::new(WhatsApp {
            id,
            capabilities: capabilities(pace, app.timeout_secs, settings.opt_in_at_checkout),
            edge: format!("{number}/messages"),
            number,
            business: settings.business_account_id,
            prefer_template: settings.prefer_template,
            app,
        })),
        Ok(_) => Err(mistakes),
        Err(more) => Err([mistakes, more].concat()),
    }
}

/// An id of Meta's: digits alone.
fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn capabilities(per_second: f64, timeout_secs: u32, opt_in_at_checkout: bool) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: rules::consent(opt_in_at_checkout),
        window: WindowRule::Seconds(rules::WINDOW_SECS),
        template_outside_window: true,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 1,
        image: false,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword",
        keeps_refusals: false,
        binding: "phone number, wa.me link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 20, concurrent: 16, person_gap_secs: 6.0 },
        timeout_secs,
    }
}

/// An id within the business: a country, a dot, up to 128 letters and digits (`US.ENT.…` for the parent's).
fn bsuid(raw: &str) -> Option<Address> {
    let (country, rest) = raw.split_once('.')?;
    let good = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) && (8..=132).contains(&rest.len());
    let good = good && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    good.then(|| Address::new(BSUID, raw))
}

/// A phone number in E.164, the only form in which Meta reads it as written.
fn person(raw: &str) -> Option<Address> {
    let digits = raw.trim().strip_prefix('+')?;
    let good = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (good && !digits.starts_with('0')).then(|| Address::new(SCHEME, format!("+{digits}")))
}

/// One business number.
struct WhatsApp {
    id: ChannelId,
    capabilities: Capabilities,
    number: String,
    business: Option<String>,
    edge: String,
    prefer_template: bool,
    app: meta::App,
}

impl Channel for WhatsApp {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        shape::names_template(section)
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw).or_else(|| bsuid(raw.trim()))
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let to = match errand.address {
            Some(address) if address.scheme == SCHEME => ("to", address.value.as_str()),
            Some(address) if address.scheme == BSUID => ("recipient", address.value.as_str()),
            _ => return Err(ShapeFault::Unfit("WhatsApp needs a phone number to write to".into())),
        };
        let preferred = self.prefer_template && shape::names_template(&message.extra);
        let (form, content) = match errand.form {
            Form::Template => (Form::Template, shape::template(message)?),
            Form::Free if preferred => match shape::template(message) {
                Ok(content) => (Form::Template, content),
                // The window is open: better free words than none.
                Err(_) => (Form::Free, shape::free(message)?),
            },
            Form::Free => (Form::Free, shape::free(message)?),
            Form::Reply | Form::Grant => {
                return Err(ShapeFault::Unfit(
                    "WhatsApp has neither reply tokens nor messages allowed by a tap".into(),
                ));
            }
        };
        let body = shape::document(to, content, &errand.reference.0)?;
        Ok(Envelope { channel: self.id.clone(), form, body, key: None, address: None })
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        let Some(url) = media::picture(reply) else { return Ok(shaped) };
        media::edited(shaped, |document| {
            if let Some(parts) = document.as_object_mut() {
                parts.retain(|key, _| !matches!(key.as_str(), "text" | "interactive"));
            }
            document["type"] = "image".into();
            document["image"] = serde_json::json!({ "link": url });
        })
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move { self.app.fetch_by_id(file.id.as_deref().ok_or(FetchFault::NotOffered)?).await })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { judge::judge(&self.app.post(&self.edge, envelope.body.clone()).await) })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        // Meta asks for erasures by an id of the app's, which no number here knows anybody by.
        if meta::is_erasure(raw) {
            return Admission::Refuse(Refusal::Unsigned);
        }
        self.app.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        hear::hear(&self.number, raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let business = self.business.as_deref();
            let look = meta::Look {
                node: (&self.number, "display_phone_number,verified_name,quality_rating,status"),
                check: &|body| {
                    let state = body.get("status").and_then(Value::as_str).filter(|s| *s != "CONNECTED")?;
                    Some((
                        format!("the number is {}", meta::scrub(state)),
                        "see WhatsApp Manager, phone numbers".into(),
                    ))
                },
                scopes: &["whatsapp_business_messaging"],
                subscribed: business.map(|node| (node, &[][..])),
                templates: business.ok_or("business_account_id is not set, so nobody knows whose templates to ask for"),
                needs: |document| document.get("template").and_then(meta::filled),
            };
            self.app.ask(&look, question).await
        })
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(async move {
            let mut desk = Desk::new(install);
            let node = self.business.as_deref().map(|node| (node, &[][..]));
            self.app.set_up_callback(&mut desk, wish, ("whatsapp_business_account", HEARD), node).await;
            self.app.set_up_commands(&mut desk, &self.number, &wish.menus).await;
            desk.done()
        })
    }
}
