//! WeChat's Official Account API: `stable_token`, customer-service messages, template messages; and encrypted pushes.
//!
//! Vendor's documents (state of 2026-11-22): "Customer service messages", "Template messages", "Message encryption".
//! Errors come inside HTTP 200; a template's fate is told later. A repeated `client_msg_id` is one message for ten
//! minutes; what is answered to it is not documented, so the mock answers as it did first.

mod setup;

use super::House;
use super::book::Taken;
use super::callback::Say;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use crate::domain::clock::{Timestamp, plus_secs};
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use base64::{Engine as _, alphabet};
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "wechat", read, too_many };

/// Longest text. Bytes.
const TEXT: usize = 2048;
/// A message opens two days and five messages; a tap, a scan or a follow a minute and three.
const WROTE: (i64, u8) = (48 * 3600, 5);
const TAPPED: (i64, u8) = (60, 3);
/// How long a `client_msg_id` is remembered. Seconds.
const KEY_LIFE: i64 = 600;

/// An account.
#[derive(Clone)]
pub struct WeChatOptions {
    /// The channel's id on the relay, for `/callbacks/{id}`.
    pub id: String,
    /// Developer id.
    pub app_id: String,
    /// Developer secret.
    pub app_secret: String,
    /// Signs pushes.
    pub token: String,
    /// Seals pushes: 43 characters.
    pub encoding_aes_key: String,
    /// Approved templates.
    pub templates: Vec<String>,
    /// Approved templates of subscription notifications.
    pub subscriptions: Vec<String>,
    /// What became of templates is told at once; without it only by [`FaultKind::LateReceipt`].
    pub receipts: bool,
}

impl Default for WeChatOptions {
    fn default() -> Self {
        WeChatOptions {
            id: "wechat-main".into(),
            app_id: "wx0123456789abcdef".into(),
            app_secret: "mock-wechat-secret".into(),
            token: "mockwechattoken".into(),
            encoding_aes_key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".into(),
            templates: vec!["TM00001".into()],
            subscriptions: vec!["SN00001".into()],
            receipts: true,
        }
    }
}

/// What WeChat remembers.
#[derive(Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Until when free words are taken, and how many more.
    windows: HashMap<String, (Timestamp, u8)>,
    /// Who unfollowed.
    gone: HashSet<String>,
    /// Messages that people allowed by a tap, by openid and template.
    grants: HashMap<(String, String), u32>,
    /// Message ids by openid and `client_msg_id`.
    keys: HashMap<(String, String), (Timestamp, String)>,
}

/// The token that the mock gives out.
fn access_token(house: &House) -> String {
    format!("mock-access-token-of-{}", house.options.wechat.app_id)
}

fn error(code: i64, words: &str) -> Reply {
    Reply::json(200, &json!({ "errcode": code, "errmsg": format!("{words} rid: 6a1b2c3d-mock") }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    match kind {
        FaultKind::Quota429 => error(45_009, "reach max api daily quota limit"),
        _ => error(45_011, "api minute-quota reach limit mustslower retry next minute"),
    }
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    if request.path() == "/wxaapi/newtmpl/gettemplate" {
        let reply = subscriptions(house, request);
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    let call = request.path().strip_prefix("/cgi-bin/")?;
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or(Value::Null);
    if call == "stable_token" {
        let reply = token(house, &body);
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if call == "template/get_all_private_template" {
        let reply = templates(house, request);
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if call == "openapi/quota/get" {
        let reply = match request.query("access_token") == Some(access_token(house)) {
            true => {
                let used = house.book.count_of("wechat");
                let quota = json!({ "daily_limit": 100_000, "used": used, "remain": 100_000_u64.saturating_sub(used) });
                Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok", "quota": quota }))
            }
            false => error(40_001, "invalid credential, access_token is invalid or not latest"),
        };
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if let Some(menu) = call.strip_prefix("menu/") {
        let reply = setup::menus(house, request, menu, body);
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if call == "qrcode/create" {
        let reply = setup::scene(house, request, &body);
        return Some(Errand { lane: "wechat:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    let take = match call {
        "message/custom/send" => free,
        "message/template/send" => template,
        "message/subscribe/bizsend" => notification,
        _ => return None,
    };
    let to = text(&body, "touser").to_string();
    let outcome = match admit(house, request, &body, &to).and_then(|()| take(house, &body, &to)) {
        Ok(taken) => {
            let taken = Taken { delivered: true, body: request.body.clone(), ..taken };
            Outcome::Take(settle, Box::new(taken))
        }
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "wechat", to, outcome })
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn token(house: &House, body: &Value) -> Reply {
    let own = &house.options.wechat;
    if text(body, "grant_type") != "client_credential" {
        return error(40_002, "invalid grant_type");
    }
    if text(body, "appid") != own.app_id {
        return error(40_013, "invalid appid");
    }
    if text(body, "secret") != own.app_secret {
        return error(40_125, "invalid appsecret");
    }
    Reply::json(200, &json!({ "access_token": access_token(house), "expires_in": 7200 }))
}

/// The templates of the account, as they were added to it.
fn templates(house: &House, request: &Request) -> Reply {
    if request.query("access_token") != Some(access_token(house)) {
        return error(40_001, "invalid credential, access_token is invalid or not latest");
    }
    let own = &house.options.wechat.templates;
    let shown = own.iter().map(|id| {
        let content = house.shelf.of("wechat", id).body.unwrap_or_else(|| "{{thing1.DATA}}".into());
        json!({ "template_id": id, "title": "Mock template", "primary_industry": "IT", "content": content })
    });
    Reply::json(200, &json!({ "template_list": shown.collect::<Vec<_>>() }))
}

/// The templates of subscription notifications.
fn subscriptions(house: &House, request: &Request) -> Reply {
    if request.query("access_token") != Some(access_token(house)) {
        return error(40_001, "invalid credential, access_token is invalid or not latest");
    }
    let shown = house.options.wechat.subscriptions.iter().map(|id| {
        let content = house.shelf.of("wechat", id).body.unwrap_or_else(|| "{{thing1.DATA}}".into());
        json!({ "priTmplId": id, "title": "Mock notification", "content": content, "example": "", "type": 2 })
    });
    Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok", "data": shown.collect::<Vec<_>>() }))
}

fn admit(house: &House, request: &Request, body: &Value, to: &str) -> Result<(), Reply> {
    if request.query("access_token") != Some(access_token(house)) {
        return Err(error(40_001, "invalid credential, access_token is invalid or not latest"));
    }
    if request.method() != "POST" {
        return Err(error(43_002, "require POST method"));
    }
    if !body.is_object() {
        return Err(error(47_001, "data format error"));
    }
    if to.is_empty() || house.people.unknown("wechat", to) {
        return Err(error(40_003, "invalid openid"));
    }
    // Who allowed a notification gets it, following or not.
    let allowed = request.path().ends_with("/bizsend");
    let gone = house.wechat.0.lock().is_ok_and(|known| known.gone.contains(to));
    if gone && !allowed { Err(error(43_004, "require subscribe")) } else { Ok(()) }
}

/// Free words: inside a window, while its count lasts.
fn free(house: &House, body: &Value, to: &str) -> Result<Taken, Reply> {
    let words = text(&body["text"], "content");
    if text(body, "msgtype") != "text" || words.trim().is_empty() {
        return Err(error(44_004, "empty content"));
    }
    if words.len() > TEXT {
        return Err(error(45_002, "content size out of limit"));
    }
    let now = house.now();
    let Ok(mut known) = house.wechat.0.lock() else { return Err(error(-1, "system error")) };
    let window = known.windows.get_mut(to).filter(|(until, _)| now < *until);
    match window {
        Some((_, 0)) => return Err(error(45_047, "out of response count limit")),
        Some((_, left)) => *left -= 1,
        None if house.people.open("wechat", to, now) => {}
        None => return Err(error(45_015, "response out of time limit or subscription is canceled")),
    }
    let title = words.lines().next().unwrap_or_default().to_string();
    Ok(Taken { form: "text", title, text: words.into(), ..Taken::default() })
}

/// A template: approved, with values of their types.
fn template(house: &House, body: &Value, to: &str) -> Result<Taken, Reply> {
    let id = text(body, "template_id");
    if !house.options.wechat.templates.iter().any(|known| known == id) {
        return Err(error(40_037, "invalid template_id"));
    }
    let mut lines = values(body, 20)?;
    lines.extend(Some(text(body, "url").to_string()).filter(|u| !u.is_empty()));
    let key = Some(text(body, "client_msg_id").to_string()).filter(|k| !k.is_empty());
    let now = house.now();
    let mut taken = Taken { form: "template", title: id.into(), text: lines.join("\n"), key, ..Taken::default() };
    if let (Some(key), Ok(known)) = (&taken.key, house.wechat.0.lock())
        && let Some((_, first)) = known.keys.get(&(to.to_string(), key.clone())).filter(|(until, _)| now < *until)
    {
        taken.duplicate = true;
        taken.ids = vec![first.clone()];
    }
    Ok(taken)
}

/// A notification: one of those that the person allowed by a tap on this template.
fn notification(house: &House, body: &Value, to: &str) -> Result<Taken, Reply> {
    let id = text(body, "template_id");
    if !house.options.wechat.subscriptions.iter().any(|known| known == id) {
        return Err(error(40_037, "invalid template_id"));
    }
    if body.get("client_msg_id").is_some() || body.get("url").is_some() {
        return Err(error(47_001, "data format error"));
    }
    let mut lines = values(body, 5)?;
    lines.extend(Some(text(body, "page").to_string()).filter(|u| !u.is_empty()));
    let Ok(mut known) = house.wechat.0.lock() else { return Err(error(-1, "system error")) };
    match known.grants.get_mut(&(to.to_string(), id.to_string())) {
        Some(left) if *left > 0 => *left -= 1,
        _ => return Err(error(43_101, "user refuse to accept the msg")),
    }
    Ok(Taken { form: "subscription", title: id.into(), text: lines.join("\n"), ..Taken::default() })
}

/// The values of a template, each held against the type that its key begins with.
fn values(body: &Value, most: usize) -> Result<Vec<String>, Reply> {
    let mut lines = Vec::new();
    for (name, value) in body["data"].as_object().into_iter().flatten() {
        let words = text(value, "value");
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let chars = words.chars().count();
        let fits = match kind {
            "thing" => chars <= 20,
            "phrase" => chars <= 5 && !words.chars().any(|c| c.is_ascii() || c == '…'),
            "character_string" => chars <= 32 && words.is_ascii(),
            "amount" => words.chars().filter(char::is_ascii_digit).count() <= 12 && !words.contains(','),
            _ => chars <= 200,
        };
        if words.is_empty() || !fits {
            return Err(error(47_003, &format!("argument invalid! data.{name}.value invalid")));
        }
        lines.push(words.to_string());
    }
    if lines.is_empty() {
        return Err(error(47_003, "argument invalid! data is empty"));
    }
    if lines.len() > most {
        return Err(error(47_003, "argument invalid! too many keywords"));
    }
    Ok(lines)
}

fn settle(house: &Arc<House>, mut taken: Taken, late: Option<u64>) -> Reply {
    taken.status = 200;
    if taken.form == "subscription" {
        return allowed(house, taken, late);
    }
    if taken.form != "template" {
        house.book.take(taken);
        return error(0, "ok");
    }
    // Beyond 2^53, as the real ones are.
    let fresh = (3_557_254_367_693_750_000_u64 + taken.n).to_string();
    let id = taken.ids.first().cloned().unwrap_or_else(|| fresh.clone());
    taken.ids = vec![id.clone()];
    if let (Some(key), false, Ok(mut known)) = (&taken.key, taken.duplicate, house.wechat.0.lock()) {
        let until = plus_secs(taken.at, KEY_LIFE);
        known.keys.insert((taken.to.clone(), key.clone()), (until, id.clone()));
    }
    // Somebody who switched the account's templates off is told of later.
    taken.delivered = !house.people.blocked("wechat", &taken.to);
    let told = house.options.wechat.receipts || late.is_some();
    if told && !taken.duplicate && house.relay.knows(&house.options.wechat.id) {
        let status = if taken.delivered { "success" } else { "failed:user block" };
        let (house, to, id) = (house.clone(), taken.to.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let fields =
                format!("<Event>TEMPLATESENDJOBFINISH</Event><MsgID>{id}</MsgID><Status><![CDATA[{status}]]></Status>");
            if let Err(why) = push(&house, &to, "event", &fields).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    house.book.take(taken);
    let id = id.parse::<u64>().unwrap_or_default();
    Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok", "msgid": id }))
}

/// A notification is taken: the answer holds no id, the event does.
fn allowed(house: &Arc<House>, taken: Taken, late: Option<u64>) -> Reply {
    if (house.options.wechat.receipts || late.is_some()) && house.relay.knows(&house.options.wechat.id) {
        let (house, to, template) = (house.clone(), taken.to.clone(), taken.title.clone());
        let id = 1_700_827_132_819_554_304_u64 + taken.n;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late.unwrap_or_default())).await;
            let fields = format!(
                "<Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent><List><TemplateId>{template}</TemplateId>\
                 <MsgID>{id}</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List>\
                 </SubscribeMsgSentEvent>"
            );
            if let Err(why) = push(&house, &to, "event", &fields).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    house.book.take(taken);
    error(0, "ok")
}

/// A tap on "allow" or, in WeChat's settings, on "refuse" of a notification's template.
async fn tapped(house: &House, person: &str, template: &str, allows: bool) -> Result<u16, String> {
    if let Ok(mut known) = house.wechat.0.lock() {
        let left = known.grants.entry((person.to_string(), template.to_string())).or_default();
        *left = if allows { *left + 1 } else { 0 };
    }
    let (event, status) = if allows { ("popup", "accept") } else { ("change", "reject") };
    let scene = if allows { "<PopupScene>1</PopupScene>" } else { "" };
    let fields = format!(
        "<Event>subscribe_msg_{event}_event</Event><SubscribeMsgPopupEvent><List><TemplateId>{template}</TemplateId>\
         <SubscribeStatusString>{status}</SubscribeStatusString>{scene}</List></SubscribeMsgPopupEvent>"
    );
    push(house, person, "event", &fields).await
}

/// A push, sealed and signed.
async fn push(house: &House, person: &str, kind: &str, fields: &str) -> Result<u16, String> {
    let own = &house.options.wechat;
    let now = house.now().as_second();
    let xml = format!(
        "<xml><ToUserName>gh_mock</ToUserName><FromUserName><![CDATA[{person}]]></FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType>{kind}</MsgType>{fields}</xml>"
    );
    let envelope = seal(own, &xml).ok_or("the mock's encoding_aes_key is none")?;
    let (time, nonce) = (now.to_string(), format!("{:010}", house.relay.event()));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("signature", &signature(&[&own.token, &time, &nonce]))
        .append_pair("timestamp", &time)
        .append_pair("nonce", &nonce)
        .append_pair("encrypt_type", "aes")
        .append_pair("msg_signature", &signature(&[&own.token, &time, &nonce, &envelope]))
        .finish();
    let body = format!("<xml><ToUserName>gh_mock</ToUserName><Encrypt><![CDATA[{envelope}]]></Encrypt></xml>");
    house.relay.xml(&format!("/callbacks/{}?{query}", own.id), body).await
}

fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat()))
}

/// AES-256-CBC over random bytes, length, push and account, padded to 32.
fn seal(own: &WeChatOptions, xml: &str) -> Option<String> {
    // The last character of a key has two bits that mean nothing, and are rarely zero.
    let lenient = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));
    let key = <[u8; 32]>::try_from(lenient.decode(format!("{}=", own.encoding_aes_key)).ok()?).ok()?;
    let mut bytes = b"mock-random-16-b".to_vec();
    bytes.extend(u32::try_from(xml.len()).ok()?.to_be_bytes());
    bytes.extend(xml.as_bytes());
    bytes.extend(own.app_id.as_bytes());
    let pad = 32 - bytes.len() % 32;
    bytes.extend(std::iter::repeat_n(u8::try_from(pad).ok()?, pad));
    let iv = <[u8; 16]>::try_from(key.get(..16)?).ok()?;
    let mut mode = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
    for chunk in bytes.chunks_mut(16) {
        let mut block = <[u8; 16]>::try_from(&*chunk).ok()?.into();
        mode.encrypt_block(&mut block);
        chunk.copy_from_slice(&block);
    }
    Some(STANDARD.encode(bytes))
}

/// A person's doing, played. `allow:TEMPLATE` and `refuse:TEMPLATE` are taps about a notification, not on the menu.
pub(super) async fn say(house: &House, person: &str, what: &Say) -> Result<u16, String> {
    if let Say::Postback(tap) = what
        && let Some((word @ ("allow" | "refuse"), template)) = tap.split_once(':')
    {
        return tapped(house, person, template, word == "allow").await;
    }
    let now = house.now();
    let cdata = |text: &str| format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"));
    let event = |event: &str, key: &str| format!("<Event>{event}</Event><EventKey>{}</EventKey>", cdata(key));
    let was_gone = house.wechat.0.lock().is_ok_and(|known| known.gone.contains(person));
    let (kind, fields, window) = match what {
        Say::Text(words) => {
            let id = 7_000_000_000_000_000_000_u64 + house.relay.event();
            ("text", format!("<Content>{}</Content><MsgId>{id}</MsgId>", cdata(words)), Some(WROTE))
        }
        Say::Postback(key) => ("event", event("CLICK", key), Some(TAPPED)),
        Say::Link(scene) if was_gone => ("event", event("subscribe", &format!("qrscene_{scene}")), Some(TAPPED)),
        Say::Link(scene) => ("event", event("SCAN", scene), Some(TAPPED)),
        Say::Follow => ("event", event("subscribe", ""), Some(TAPPED)),
        Say::Unfollow => ("event", event("unsubscribe", ""), None),
        Say::Read => return Err("WeChat reports no reading".into()),
    };
    if let Ok(mut known) = house.wechat.0.lock() {
        match window {
            Some((secs, count)) => {
                known.gone.remove(person);
                known.windows.insert(person.to_string(), (plus_secs(now, secs), count));
            }
            None => drop(known.gone.insert(person.to_string())),
        }
    }
    if window.is_some() {
        house.people.change("wechat", person, Become::Unblocked, now);
    }
    push(house, person, kind, &fields).await
}
