//! Facebook Messenger: the Send API of a page, and the page's webhook.
//!
//! Policy: free words for 24 hours after the person acted, an approved utility template at any time, nothing
//! else. Message tags ended on 2026-04-27. The API knows no key against repetition: after a time-out the
//! message may have gone, and only its echo (which carries our reference) tells.
//!
//! Sources: Meta's Messenger Platform pages "Send messages", "Webhooks", "Policy" (read 2026-09-11), "Utility
//! messages" (2026-03-13), "Error codes" (2026-06-25), "Rate limiting" (2026-03-23), changelog to 2026-06-30.

mod shape;

use super::meta::{messaging, send_api};
use super::setup::Desk;
use super::{Channel, Finding, Kind, Piece, Question, Wish, account, media, meta, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::people::{Attachment, FetchFault, Fetched, PersonReply};
use crate::domain::person::{Address, Heard};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::Verdict;
use crate::domain::webhook::{Admission, RawWebhook};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Address scheme: page-scoped ids.
const SCHEME: &str = "messenger";
/// "Text must be shorter than 2,000 characters" (third-party digest of 2026-07-12).
const TEXT_LIMIT: usize = 1999;
/// "Up to 7 days after the last user message" for people (Human Agent, read 2026-09-11); five minutes early.
const PEOPLE_SECS: i64 = 7 * 24 * 3600 - 300;
/// Above 40 a second the page's inbox stops showing messages and cannot send.
const PER_SECOND: f64 = 30.0;
/// Fields of the webhook without which windows stay closed, doubts open, and receipts unheard.
const HEARD: &[&str] = &["messages", "messaging_postbacks", "message_deliveries", "message_reads", "message_echoes"];
/// And those by which links that lead here are told, and people who react.
const REFERRED: &[&str] = &["messaging_referrals", "message_reactions"];
/// What the app's webhook is about.
const PAGE: &str = "page";
/// The Graph API, where settings name no other address.
const API_URL: &str = "https://graph.facebook.com";

/// `[[channel]] kind = "messenger"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The page's id, in quotes.
    page_id: String,
    /// A token of the page with `pages_messaging` and, for templates, `pages_utility_messaging`.
    access_token: Secret,
    /// The app's secret: signs the webhook, and proves our calls.
    app_secret: Option<Secret>,
    /// Several app secrets, newest first, while one is being replaced.
    #[serde(default)]
    app_secrets: Vec<Secret>,
    /// The word given in the dashboard when the webhook was subscribed.
    verify_token: Secret,
    /// The Graph API; `https://graph.facebook.com` if left out.
    api_url: Option<String>,
    /// Version of the Graph API; `v26.0` if left out.
    api_version: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 30, which it is if left out.
    per_second: Option<f64>,
    /// Use the template inside the window too, wherever the words name one.
    #[serde(default)]
    prefer_template: bool,
    /// Meta approved the app's Human Agent feature: people may answer for seven days.
    #[serde(default)]
    human_agent: bool,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "messenger",
    example: r#"# [[channel]]
# id = "messenger-page"
# kind = "messenger"
# page_id = "102290129340398"
# access_token = { env = "MESSENGER_TOKEN" }        # of the page; needs pages_messaging and pages_utility_messaging
# app_secret = { env = "META_APP_SECRET" }          # verifies callbacks (URL: PUBLIC_URL/callbacks/messenger-page) and proves our calls
# verify_token = { env = "MESSENGER_VERIFY_TOKEN" } # a long random word; the same one in the app's dashboard
# # start_url = "https://m.me/102290129340398?ref={code}" # where a chat begins, for links that connect an order
# # app_secrets = [{ env = "META_APP_SECRET_OLD" }] # further secrets that still verify, during a rotation
# # prefer_template = true                          # approved templates inside the 24 hours too
# # human_agent = true                              # Meta approved it for the app: people may answer for seven days
# # api_url = "https://graph.facebook.com"
# # api_version = "v26.0"
# # per_second = 30                                 # above 40 the page's inbox stops working
# # timeout = "10s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, meta::TIMEOUT_SECS),
    open,
    judge: send_api::judge,
};

fn open(id: ChannelId, settings: Value) -> Result<Box<dyn Channel>, Vec<Mistake>> {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let pace = account::per_second(settings.per_second, PER_SECOND, PER_SECOND);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    if person(&settings.page_id).is_none() {
        mistakes.push(Mistake::new("page_id", "the page's id is a number, written in quotes"));
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
        Ok(app) if mistakes.is_empty() => Ok(Box::new(Messenger {
            id,
            capabilities: capabilities(pace, app.timeout_secs),
            edge: format!("{}/messages", settings.page_id),
            page_id: settings.page_id,
            prefer_template: settings.prefer_template,
            human_agent: settings.human_agent,
            app,
        })),
        Ok(_) => Err(mistakes),
        Err(more) => Err([mistakes, more].concat()),
    }
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::Connected,
        window: WindowRule::Seconds(messaging::WINDOW_SECS),
        template_outside_window: true,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 3,
        image: true,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, block",
        keeps_refusals: false,
        binding: "m.me link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

fn person(raw: &str) -> Option<Address> {
    messaging::person(SCHEME, raw)
}

/// One page.
struct Messenger {
    id: ChannelId,
    capabilities: Capabilities,
    page_id: String,
    edge: String,
    prefer_template: bool,
    human_agent: bool,
    app: meta::App,
}

impl Channel for Messenger {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn names_template(&self, section: &BTreeMap<String, Value>) -> bool {
        shape::names_template(section)
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let psid = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("Messenger needs a page-scoped id to write to".into())),
        };
        let preferred = self.prefer_template && shape::names_template(&message.extra);
        let (form, document) = match errand.form {
            Form::Template => (Form::Template, shape::utility(psid, message)?),
            Form::Free if preferred => match shape::utility(psid, message) {
                Ok(document) => (Form::Template, document),
                // The window is open: better free words than none.
                Err(_) => (Form::Free, shape::free(psid, message, errand)?),
            },
            Form::Free => (Form::Free, shape::free(psid, message, errand)?),
            Form::Reply | Form::Grant => {
                return Err(ShapeFault::Unfit(
                    "Messenger has neither reply tokens nor messages allowed by a tap".into(),
                ));
            }
        };
        Ok(Envelope { channel: self.id.clone(), form, body: document.to_string(), key: None, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let deadline = Instant::now() + Duration::from_secs(self.capabilities.timeout_secs.into());
            let answer = self.app.post(&self.edge, envelope.body.clone()).await;
            if !send_api::picture_refused(&answer) {
                return send_api::judge(&answer);
            }
            let Some(bare) = shape::without_picture(&envelope.body) else { return send_api::judge(&answer) };
            match tokio::time::timeout_at(deadline, self.app.post(&self.edge, bare)).await {
                Ok(answer) => send_api::judge(&answer),
                Err(_) => Verdict::Unsure { detail: "timed out after a second try without the picture".into() },
            }
        })
    }

    fn people_secs(&self) -> Option<i64> {
        self.human_agent.then_some(PEOPLE_SECS)
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        media::edited(shaped, |document| shape::by_person(document, reply))
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move { self.app.fetch(file.url.as_deref().ok_or(FetchFault::NotOffered)?).await })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.app.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        messaging::hear(&messaging::Inbox { object: "page", scheme: SCHEME, id: &self.page_id }, raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        let templates = !question.templates.is_empty();
        Box::pin(async move {
            let look = meta::Look {
                node: (&self.page_id, "name"),
                check: &|_| None,
                scopes: if templates { &["pages_messaging", "pages_utility_messaging"] } else { &["pages_messaging"] },
                subscribed: Some((&self.page_id, HEARD)),
                templates: Ok(&self.page_id),
                needs: |document| document.pointer("/message/template").and_then(meta::filled),
            };
            self.app.ask(&look, question).await
        })
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(async move {
            let mut desk = Desk::new(install);
            let heard = [HEARD, REFERRED].concat();
            self.app.set_up_callback(&mut desk, wish, (PAGE, &heard), Some((&self.page_id, &heard))).await;
            self.app.set_up_profile(&mut desk, &self.page_id, None, &wish.menus).await;
            desk.done()
        })
    }
}
