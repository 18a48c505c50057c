//! What providers send to the relay: people's doings, echoes, receipts. Signed as the provider signs.

use super::House;
use super::book::Taken;
use super::people::Become;
use crate::domain::clock::Timestamp;
use crate::domain::signature::sign;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Meta waits 5 s for an answer, LINE 2 s; a slow test machine is given more.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// Writes this.
    Text(String),
    /// Presses a button with this data.
    Postback(String),
    /// LINE: adds the account as a friend, or takes a block back. Messenger: Get Started. Twilio: START.
    Follow,
    /// LINE: blocks the account. Messenger and WhatsApp tell nobody; later sends fail. Twilio: STOP.
    Unfollow,
    /// Messenger: comes by a link with this reference. LINE: finished linking with this nonce. WhatsApp: sends
    /// the words that a link held.
    Link(String),
    /// Messenger: has read everything so far.
    Read,
}

impl Say {
    /// By its JSON: `{"text": "…"}`, `{"postback": "…"}`, `{"link": "…"}`, `{"follow": true}`,
    /// `{"unfollow": true}`, `{"read": true}`.
    pub(super) fn read(body: &Value) -> Option<Say> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(String::from);
        let flag = |key: &str| body.get(key).is_some().then_some(());
        text("text")
            .map(Say::Text)
            .or_else(|| text("postback").map(Say::Postback))
            .or_else(|| text("link").map(Say::Link))
            .or_else(|| flag("follow").map(|()| Say::Follow))
            .or_else(|| flag("unfollow").map(|()| Say::Unfollow))
            .or_else(|| flag("read").map(|()| Say::Read))
    }
}

/// The way to the relay.
pub(super) struct Relay {
    base: Mutex<Option<String>>,
    client: reqwest::Client,
    /// Events told so far: ids that differ.
    events: AtomicU64,
}

impl Relay {
    pub(super) fn new(base: Option<String>) -> Result<Relay, String> {
        use rustls::crypto::{CryptoProvider, ring};
        if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
            tracing::debug!("another thread installed the TLS provider first");
        }
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(|e| e.to_string())?;
        Ok(Relay { base: Mutex::new(base), client, events: AtomicU64::new(0) })
    }

    pub(super) fn set(&self, base: Option<String>) {
        if let Ok(mut kept) = self.base.lock() {
            *kept = base;
        }
    }

    /// Where a channel's callbacks go.
    pub(super) fn url(&self, channel: &str) -> Option<String> {
        let base = self.base.lock().ok()?.clone()?;
        Some(format!("{}/callbacks/{channel}", base.trim_end_matches('/')))
    }

    /// A signed form to a path of the relay's, query included.
    pub(super) async fn form(&self, path: &str, header: (&str, String), body: String) -> Result<u16, String> {
        let request = self.client.post(self.at(path)?).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header(header.0, header.1).body(body).send().await;
        Ok(answer.map_err(|e| format!("the relay did not answer: {e}"))?.status().as_u16())
    }

    /// An XML document to a path of the relay's, whose query signs it.
    pub(super) async fn xml(&self, path: &str, body: String) -> Result<u16, String> {
        let answer = self.client.post(self.at(path)?).header("content-type", "text/xml").body(body).send().await;
        Ok(answer.map_err(|e| format!("the relay did not answer: {e}"))?.status().as_u16())
    }

    /// A plain GET of a path of the relay's: status and body.
    pub(super) async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let answer = self.client.get(self.at(path)?).send().await;
        let answer = answer.map_err(|e| format!("the relay did not answer: {e}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|e| e.to_string())?))
    }

    /// A delivery to a path of the relay's; the status it was answered.
    pub(super) async fn send(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<u16, String> {
        let mut request = self.client.post(self.at(path)?).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.map_err(|e| format!("the relay did not answer: {e}"))?;
        Ok(answer.status().as_u16())
    }

    fn at(&self, path: &str) -> Result<String, String> {
        let base = self.base.lock().ok().and_then(|base| base.clone());
        let base = base.ok_or("no relay is known; give its address at the start or with PUT /relay")?;
        Ok(format!("{}{path}", base.trim_end_matches('/')))
    }

    /// Whether anybody can be called back.
    pub(super) fn knows(&self, channel: &str) -> bool {
        self.url(channel).is_some()
    }

    /// A number no other event has.
    pub(super) fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One callback that is signed by several headers.
    pub(super) async fn post_with(
        &self,
        channel: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Result<u16, String> {
        let url = self.url(channel).ok_or("no relay is known; give its address at the start or with PUT /relay")?;
        let mut request = self.client.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.body(body).send().await.map_err(|e| format!("the relay did not answer: {e}"))?;
        Ok(answer.status().as_u16())
    }

    /// One signed callback; the status it was answered.
    pub(super) async fn post(&self, channel: &str, header: (&str, String), body: String) -> Result<u16, String> {
        self.post_with(channel, &[header], body).await
    }
}

/// A person's doing, played: the person's state changes, and the relay is told where the provider would tell.
pub(super) async fn say(house: &Arc<House>, channel: &str, person: &str, what: &Say) -> Result<u16, String> {
    match channel {
        "line" => line(house, person, what).await,
        "messenger" => messenger(house, person, what).await,
        "instagram" => super::instagram::say(house, person, what).await,
        "whatsapp" => super::whatsapp::say(house, person, what).await,
        "telegram" => super::telegram::say(house, person, what).await,
        "viber" => super::viber::say(house, person, what).await,
        "zalo" => super::zalo::say(house, person, what).await,
        "wechat" => super::wechat::say(house, person, what).await,
        "twilio" => super::twilio::say(house, person, what).await,
        "slack" => super::slack::say(house, person, what).await,
        "webhook" => super::webhook::say(house, person, what).await,
        _ => Err(format!("nobody writes on {channel}; there is {}", super::control::PEOPLE.join(", "))),
    }
}

async fn line(house: &House, user: &str, what: &Say) -> Result<u16, String> {
    let now = house.now();
    let mut event = match what {
        Say::Text(text) => {
            let id = format!("{}", 500_000_000_000_000_000 + house.relay.event());
            json!({ "type": "message", "message": { "type": "text", "id": id, "quoteToken": format!("q{id}"), "text": text } })
        }
        Say::Postback(data) => json!({ "type": "postback", "postback": { "data": data } }),
        Say::Follow => json!({ "type": "follow", "follow": { "isUnblocked": house.people.blocked("line", user) } }),
        Say::Unfollow => json!({ "type": "unfollow" }),
        Say::Link(nonce) => json!({ "type": "accountLink", "link": { "result": "ok", "nonce": nonce } }),
        Say::Read => return Err("LINE reports no reading".into()),
    };
    match what {
        Say::Unfollow => house.people.change("line", user, Become::Blocked, now),
        _ => {
            house.people.change("line", user, Become::Unblocked, now);
            event["replyToken"] = house.line.reply_token(user, now).into();
        }
    }
    event["mode"] = "active".into();
    event["timestamp"] = now.as_millisecond().into();
    event["source"] = json!({ "type": "user", "userId": user });
    event["webhookEventId"] = format!("01MOCK{:020}", house.relay.event()).into();
    event["deliveryContext"] = json!({ "isRedelivery": false });
    let line = &house.options.line;
    let body = json!({ "destination": line.user_id, "events": [event] }).to_string();
    let signature = STANDARD.encode(sign(line.channel_secret.as_bytes(), body.as_bytes()));
    house.relay.post(&line.id, ("x-line-signature", signature), body).await
}

async fn messenger(house: &House, psid: &str, what: &Say) -> Result<u16, String> {
    let now = house.now();
    let event = house.relay.event();
    let mid = format!("m_mock-in-{event}");
    let (part, opens) = match what {
        Say::Text(text) => (json!({ "message": { "mid": mid, "text": text } }), true),
        Say::Postback(data) => (json!({ "postback": { "mid": mid, "title": "Button", "payload": data } }), true),
        Say::Follow => (json!({ "postback": { "mid": mid, "title": "Get Started", "payload": "GET_STARTED" } }), true),
        Say::Link(code) => (json!({ "referral": { "ref": code, "source": "SHORTLINK", "type": "OPEN_THREAD" } }), true),
        Say::Read => (json!({ "read": { "watermark": now.as_millisecond() } }), false),
        Say::Unfollow => {
            house.people.change("messenger", psid, Become::Blocked, now);
            return Ok(200);
        }
    };
    if opens {
        house.people.change("messenger", psid, Become::Unblocked, now);
        house.people.change("messenger", psid, Become::Open, now);
    }
    let page = &house.options.messenger.page_id;
    tell_page(house, (psid, page), now, part).await
}

/// One event of the page: who, to whom, when, what.
async fn tell_page(house: &House, who: (&str, &str), at: Timestamp, mut part: Value) -> Result<u16, String> {
    let own = &house.options.messenger;
    part["sender"] = json!({ "id": who.0 });
    part["recipient"] = json!({ "id": who.1 });
    part["timestamp"] = at.as_millisecond().into();
    let entry = json!({ "id": own.page_id, "time": at.as_millisecond(), "messaging": [part] });
    let body = escaped(&json!({ "object": "page", "entry": [entry] }).to_string());
    let signature = format!("sha256={}", hex::encode(sign(own.app_secret.as_bytes(), body.as_bytes())));
    house.relay.post(&own.id, ("x-hub-signature-256", signature), body).await
}

/// As Meta writes and signs it: everything beyond ASCII as `\uXXXX`.
pub(super) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// What the page's app hears after a send: the echo, and what became of the message.
pub(super) fn after_messenger(house: &Arc<House>, taken: &Taken, late: Option<u64>) {
    let own = &house.options.messenger;
    let (Some(mid), Some(_)) = (taken.ids.first().cloned(), house.relay.url(&own.id)) else { return };
    let mut echo = json!({ "mid": mid, "is_echo": true, "app_id": 1_000_000_000_001_u64 });
    if let Some(reference) = &taken.key {
        echo["metadata"] = reference.as_str().into();
    }
    let (house, to, at) = (house.clone(), taken.to.clone(), taken.at);
    tokio::spawn(async move {
        let own = &house.options.messenger;
        let page = own.page_id.as_str();
        let mut heard = tell_page(&house, (page, &to), at, json!({ "message": echo })).await;
        if late.is_some() || own.receipts {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let delivery = json!({ "mids": [mid], "watermark": at.as_millisecond() });
            heard = heard.and(tell_page(&house, (&to, page), house.now(), json!({ "delivery": delivery })).await);
        }
        if late.is_some() {
            let read = json!({ "watermark": at.as_millisecond() });
            heard = heard.and(tell_page(&house, (&to, page), house.now(), json!({ "read": read })).await);
        }
        if let Err(why) = heard {
            tracing::debug!(%why, "the mock's callback was not heard");
        }
    });
}

/// Messenger's handshake, from the platform's side.
pub(super) async fn verify(house: &House) -> Result<(), String> {
    let own = &house.options.messenger;
    let url = house.relay.url(&own.id).ok_or("no relay is known; give its address at the start or with PUT /relay")?;
    let challenge = format!("{}", 1_158_201_444 + house.relay.event());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.verify_token", &own.verify_token)
        .append_pair("hub.challenge", &challenge)
        .finish();
    let answer = house.relay.client.get(format!("{url}?{query}")).send().await.map_err(|e| e.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|e| e.to_string())?;
    if status == 200 && body == challenge { Ok(()) } else { Err(format!("status {status}, and not the challenge")) }
}
