//! Instagram: messages of a professional account, and its webhook.
//!
//! Policy: free words for 24 hours after the person wrote, and nothing outside: there are no templates for order
//! updates here, so a closed window means the next channel. The API knows no key against repetition and its
//! echoes carry no reference of ours: a doubt stays one.
//!
//! Two ways in, by the app's login: with `page_id` the account is linked to a page and speaks through it
//! (`graph.facebook.com`, the page's token); without it the account logged in by itself (`graph.instagram.com`, a
//! token of 60 days that must be renewed before).
//!
//! Sources: "Instagram Messaging API" and "Instagram API with Instagram Login: Messaging", "Webhooks", "Error codes"
//! (state of 2026-11-22).

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
use serde_json::{Value, json};

/// Address scheme: ids scoped to the account.
const SCHEME: &str = "instagram";
/// "Text: UTF-8, at most 1,000 bytes" ("Send messages").
const TEXT_LIMIT: usize = 1000;
/// Pages of the vendor say 300 and 100 a second; half of the lower.
const PER_SECOND: f64 = 50.0;
/// Links written out under a text, and the longest of them, in bytes.
const LINKS: usize = 2;
const URL: usize = 400;
/// Fields of the webhook that are heard.
const HEARD: &[&str] =
    &["messages", "messaging_postbacks", "messaging_referral", "messaging_seen", "message_reactions"];
/// Where an account linked to a page, and one logged in by itself, are called.
const PAGE_URL: &str = "https://graph.facebook.com";
const LOGIN_URL: &str = "https://graph.instagram.com";

/// `[[channel]] kind = "instagram"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The professional account's id (it stands in callbacks), in quotes.
    account_id: String,
    /// The page it is linked to, in quotes; left out: the account logged in by itself.
    page_id: Option<String>,
    /// The page's token with `instagram_manage_messages`, or the account's with
    /// `instagram_business_manage_messages`.
    access_token: Secret,
    /// The app's secret: signs the webhook, and proves our calls.
    app_secret: Option<Secret>,
    /// Several app secrets, newest first, while one is being replaced.
    #[serde(default)]
    app_secrets: Vec<Secret>,
    /// The word given in the dashboard when the webhook was subscribed.
    verify_token: Secret,
    /// The Graph API, where it is not Meta's own.
    api_url: Option<String>,
    /// Version of the Graph API; `v26.0` if left out.
    api_version: Option<String>,
    /// Longest a send may take; `10s` if left out.
    timeout: Option<Span>,
    /// Messages a second, at most 50, which it is if left out.
    per_second: Option<f64>,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "instagram",
    example: r#"# [[channel]]
# id = "instagram-main"
# kind = "instagram"
# account_id = "17841400008460056"                  # of the professional account
# page_id = "102290129340398"                       # the page it is linked to; leave it out with Instagram Login
# access_token = { env = "INSTAGRAM_TOKEN" }        # the page's, or the account's own (renew it within 60 days)
# app_secret = { env = "META_APP_SECRET" }          # verifies callbacks (URL: PUBLIC_URL/callbacks/instagram-main) and proves our calls
# verify_token = { env = "INSTAGRAM_VERIFY_TOKEN" } # a long random word; the same one in the app's dashboard
# # start_url = "https://ig.me/m/myshop?ref={code}" # where a chat begins, for links that connect an order
# # app_secrets = [{ env = "META_APP_SECRET_OLD" }] # further secrets that still verify
# # api_url = "https://graph.facebook.com"
# # api_version = "v26.0"
# # per_second = 50
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
    for (key, value) in [("account_id", Some(&settings.account_id)), ("page_id", settings.page_id.as_ref())] {
        if value.is_some_and(|v| person(v).is_none()) {
            mistakes.push(Mistake::new(key, "is a number, written in quotes"));
        }
    }
    let sender = settings.page_id.as_ref().unwrap_or(&settings.account_id);
    let app = meta::App::open(&meta::Keys {
        access_token: &settings.access_token,
        app_secret: settings.app_secret.as_ref(),
        app_secrets: &settings.app_secrets,
        verify_token: &settings.verify_token,
        api_url: (settings.api_url.as_deref(), if settings.page_id.is_some() { PAGE_URL } else { LOGIN_URL }),
        api_version: settings.api_version.as_deref(),
        timeout: settings.timeout,
    });
    match app {
        Ok(app) if mistakes.is_empty() => Ok(Box::new(Instagram {
            id,
            capabilities: capabilities(pace, app.timeout_secs),
            edge: format!("{sender}/messages"),
            account_id: settings.account_id,
            page_id: settings.page_id,
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
        template_outside_window: false,
        grants: false,
        text_limit: TEXT_LIMIT,
        unit: Unit::Bytes,
        buttons: 2,
        image: false,
        retry_key_secs: None,
        receipts: "read",
        opt_out: "keyword, block",
        keeps_refusals: false,
        binding: "ig.me link",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 10, concurrent: 8, person_gap_secs: 1.0 },
        timeout_secs,
    }
}

fn person(raw: &str) -> Option<Address> {
    messaging::person(SCHEME, raw)
}

/// One professional account.
struct Instagram {
    id: ChannelId,
    capabilities: Capabilities,
    account_id: String,
    page_id: Option<String>,
    edge: String,
    app: meta::App,
}

impl Channel for Instagram {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let to = match errand.address {
            Some(address) if address.scheme == SCHEME => address.value.as_str(),
            _ => return Err(ShapeFault::Unfit("Instagram needs an id scoped to the account to write to".into())),
        };
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("Instagram takes free words inside its window only".into()));
        }
        let mut document = json!({ "recipient": { "id": to }, "message": { "text": words(message)? } });
        if let Some(replies) = send_api::quick_replies(message) {
            document["message"]["quick_replies"] = replies;
        }
        let body = document.to_string();
        Ok(Envelope { channel: self.id.clone(), form: errand.form, body, key: None, address: None })
    }

    fn shape_reply(&self, reply: &PersonReply, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let shaped = self.shape(&media::in_words(reply), errand)?;
        let Some(url) = media::picture(reply) else { return Ok(shaped) };
        media::edited(shaped, |document| {
            document["message"] = json!({ "attachment": { "type": "image", "payload": { "url": url } } });
        })
    }

    fn fetch<'a>(&'a self, file: &'a Attachment) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(async move { self.app.fetch(file.url.as_deref().ok_or(FetchFault::NotOffered)?).await })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { send_api::judge(&self.app.post(&self.edge, envelope.body.clone()).await) })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.app.admit(raw)
    }

    fn hear(&self, raw: &RawWebhook) -> Heard {
        messaging::hear(&messaging::Inbox { object: "instagram", scheme: SCHEME, id: &self.account_id }, raw)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            // Through a page, the account is the page's; by itself, the token's.
            let (at, key) = match &self.page_id {
                Some(_) => ("/instagram_business_account/id", "page_id"),
                None => ("/user_id", "access_token"),
            };
            let ours = |body: &Value| {
                let id = body.pointer(at).and_then(meta::id);
                let why = || (format!("{key} belongs to another account than account_id"), format!("correct {key}"));
                (id.as_ref() != Some(&self.account_id)).then(why)
            };
            let node = self.page_id.as_deref().unwrap_or("me");
            let look = meta::Look {
                node: (
                    node,
                    if self.page_id.is_some() { "name,instagram_business_account" } else { "username,user_id" },
                ),
                check: &ours,
                scopes: match self.page_id {
                    Some(_) => &["instagram_manage_messages"],
                    None => &["instagram_business_manage_messages"],
                },
                subscribed: Some((node, &["messages"])),
                templates: Err("Instagram has none"),
                needs: |_| None,
            };
            self.app.ask(&look, question).await
        })
    }

    fn set_up<'a>(&'a self, wish: &'a Wish, install: bool) -> BoxFuture<'a, Vec<Piece>> {
        Box::pin(async move {
            let mut desk = Desk::new(install);
            // A page's subscription is told in the page's own fields.
            let (node, fields) = match &self.page_id {
                Some(page) => (page.as_str(), &["messages"][..]),
                None => ("me", HEARD),
            };
            self.app.set_up_callback(&mut desk, wish, ("instagram", HEARD), Some((node, fields))).await;
            self.app.set_up_profile(&mut desk, node, Some("instagram"), &wish.menus).await;
            desk.done()
        })
    }
}

/// One text with its links as lines; what is cut, visibly, is the end of the words.
fn words(message: &Message) -> Result<String, ShapeFault> {
    let whole = text::whole(message)?;
    let mut tail = String::new();
    for button in message.buttons.iter().take(LINKS) {
        let label = text::cut(&text::one_line(&button.label), 100, str::len);
        let Some(url) = text::link(&button.url).filter(|url| url.len() <= URL && !label.is_empty()) else { continue };
        let line = format!("\n\n{label}: {url}");
        if tail.len() + line.len() <= TEXT_LIMIT / 2 {
            tail.push_str(&line);
        }
    }
    Ok(text::cut(&whole, TEXT_LIMIT - tail.len(), str::len) + &tail)
}
