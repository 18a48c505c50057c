//! Which event opens which window, on every channel, and nothing else does.
//!
//! By the platforms' own pages: Messenger and Instagram 24 hours from a message, postback, reaction or link; WhatsApp 24
//! hours from a message or call; WeChat 48 hours from a message and one minute from a tap, scan or follow; Zalo seven
//! days from what a person does; LINE, Telegram, Viber, SMS and mail know none, and LINE gives a token for one free
//! answer. Windows close five minutes early (WeChat's minute ten seconds): a send takes time.

use super::stand_in::{at, open, secret};
use orderwire::domain::person::Signal;
use orderwire::domain::webhook::RawWebhook;
use serde_json::{Value, json};

const DAY: i64 = 24 * 3600 - 300;
const MADE: i64 = 1_795_593_600;
const CAME: &str = "2026-11-25T08:00:02Z";

/// What the callback tells.
fn hear(kind: &str, settings: &Value, body: &str) -> Vec<Signal> {
    open(kind, settings).hear(&RawWebhook::post(&[], body.as_bytes().to_vec(), at(CAME))).signals
}

/// Seconds from the event for which a window opens; `None`: for none.
fn opens(signals: &[Signal]) -> Option<i64> {
    signals.iter().filter_map(|s| Some(s.change.window_until?.as_second() - s.at.as_second())).max()
}

fn check(kind: &str, settings: &Value, what: &str, body: &str, wanted: Option<i64>) {
    let heard = hear(kind, settings, body);
    assert_eq!(opens(&heard), wanted, "{kind}: {what}");
    if wanted.is_some() {
        assert!(heard.iter().any(|s| s.wakes && s.person.is_some()), "{kind}: {what} wakes whoever waits");
        assert!(heard.iter().all(|s| s.change.unreachable == Some(None)), "{kind}: {what} says that they are there");
    }
}

fn meta(object: &str, side: &str, event: Value) -> String {
    let mut event = event;
    event["timestamp"] = (MADE * 1000).into();
    if event["sender"].is_null() {
        (event["sender"], event["recipient"]) = (json!({ "id": "720000001" }), json!({ "id": "111" }));
    }
    json!({ "object": object, "entry": [{ "id": "111", "time": MADE * 1000, side: [event] }] }).to_string()
}

#[test]
fn messengers_day_is_opened_by_what_the_person_does() {
    let page = json!({ "page_id": "111", "access_token": secret("t"), "app_secret": secret("s"), "verify_token": secret("v") });
    let ours = || (json!({ "id": "111" }), json!({ "id": "720000001" }));
    let echo = json!({ "sender": ours().0, "recipient": ours().1, "message": { "mid": "m", "is_echo": true, "metadata": "r", "text": "x" } });
    let rows: Vec<(&str, &str, Value, Option<i64>)> = vec![
        ("a message", "messaging", json!({ "message": { "mid": "m1", "text": "hi" } }), Some(DAY)),
        ("a sticker", "messaging", json!({ "message": { "mid": "m2", "sticker_id": 1 } }), Some(DAY)),
        (
            "a quick reply",
            "messaging",
            json!({ "message": { "mid": "m3", "text": "x", "quick_reply": { "payload": "p" } } }),
            Some(DAY),
        ),
        ("a message to another app", "standby", json!({ "message": { "mid": "m4", "text": "hi" } }), Some(DAY)),
        ("a button", "messaging", json!({ "postback": { "mid": "m5", "payload": "p" } }), Some(DAY)),
        ("a reaction", "messaging", json!({ "reaction": { "mid": "m6", "action": "react" } }), Some(DAY)),
        (
            "a link into the thread",
            "messaging",
            json!({ "referral": { "ref": "r", "source": "SHORTLINK", "type": "OPEN_THREAD" } }),
            Some(DAY),
        ),
        ("a plugin's yes", "messaging", json!({ "optin": { "ref": "r" } }), Some(DAY)),
        ("a reaction taken back", "messaging", json!({ "reaction": { "mid": "m6", "action": "unreact" } }), None),
        (
            "a click on an advertisement",
            "messaging",
            json!({ "referral": { "source": "ADS", "type": "OPEN_THREAD" } }),
            None,
        ),
        (
            "a checkbox before the person is known",
            "messaging",
            json!({ "optin": { "ref": "r", "user_ref": "u" } }),
            None,
        ),
        ("a yes to marketing", "messaging", json!({ "optin": { "type": "notification_messages", "ref": "r" } }), None),
        ("a message deleted", "messaging", json!({ "message": { "mid": "m7", "is_deleted": true } }), None),
        ("a message corrected", "messaging", json!({ "message_edit": { "mid": "m1", "text": "x" } }), None),
        ("our own message", "messaging", echo, None),
        ("delivery", "messaging", json!({ "delivery": { "watermark": MADE * 1000, "mids": ["m"] } }), None),
        ("reading", "messaging", json!({ "read": { "watermark": MADE * 1000 } }), None),
        ("a linked account", "messaging", json!({ "account_linking": { "status": "linked" } }), None),
        ("a thread handed over", "messaging", json!({ "pass_thread_control": { "new_owner_app_id": "1" } }), None),
    ];
    for (what, side, event, wanted) in rows {
        check("messenger", &page, what, &meta("page", side, event), wanted);
    }
    let account = json!({ "account_id": "111", "page_id": "112", "access_token": secret("t"), "app_secret": secret("s"), "verify_token": secret("v") });
    for (what, event, wanted) in [
        ("a message", json!({ "message": { "mid": "m1", "text": "hi" } }), Some(DAY)),
        ("a reaction", json!({ "reaction": { "mid": "m", "action": "react" } }), Some(DAY)),
        (
            "our own message",
            json!({ "sender": ours().0, "recipient": ours().1, "message": { "mid": "m", "is_echo": true, "text": "x" } }),
            None,
        ),
        ("reading", json!({ "read": { "mid": "m" } }), None),
    ] {
        check("instagram", &account, what, &meta("instagram", "messaging", event), wanted);
    }
}

/// A change of WhatsApp's business number.
fn business(field: &str, mut value: Value) -> String {
    value["metadata"] = json!({ "phone_number_id": "222" });
    let change = json!({ "field": field, "value": value });
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [change] }] }).to_string()
}

#[test]
fn whatsapps_day_is_opened_by_a_message_or_a_call() {
    let number = json!({ "phone_number_id": "222", "access_token": secret("t"), "app_secret": secret("s"), "verify_token": secret("v") });
    let body = business;
    let made = MADE.to_string();
    let said = |mut message: Value| {
        (message["from"], message["id"], message["timestamp"]) =
            ("886912345678".into(), "wamid.1".into(), made.clone().into());
        body("messages", json!({ "messages": [message] }))
    };
    let status = |word: &str| {
        body(
            "messages",
            json!({ "statuses": [{ "id": "wamid.2", "status": word, "timestamp": made, "recipient_id": "886912345678" }] }),
        )
    };
    let call = |event: &str, direction: &str| {
        body(
            "calls",
            json!({ "calls": [{ "id": "wacid.1", "from": "886912345678", "to": "222", "event": event, "direction": direction, "timestamp": made }] }),
        )
    };
    for (what, body, wanted) in [
        ("words", said(json!({ "type": "text", "text": { "body": "hi" } })), Some(DAY)),
        ("a picture", said(json!({ "type": "image", "image": { "id": "1" } })), Some(DAY)),
        (
            "a template's button",
            said(json!({ "type": "button", "button": { "text": "x", "payload": "p" } })),
            Some(DAY),
        ),
        (
            "a list",
            said(json!({ "type": "interactive", "interactive": { "list_reply": { "id": "1", "title": "x" } } })),
            Some(DAY),
        ),
        (
            "a reaction",
            said(json!({ "type": "reaction", "reaction": { "message_id": "1", "emoji": "👍" } })),
            Some(DAY),
        ),
        ("a call", call("connect", "USER_INITIATED"), Some(DAY)),
        ("a call that we made", call("connect", "BUSINESS_INITIATED"), None),
        ("the end of a call", call("terminate", "USER_INITIATED"), None),
        ("a new number", said(json!({ "type": "system", "system": { "type": "user_changed_number" } })), None),
        ("a correction", said(json!({ "type": "edit" })), None),
        ("a withdrawal", said(json!({ "type": "revoke" })), None),
        ("a chat opened without a word", said(json!({ "type": "request_welcome" })), None),
        ("sent", status("sent"), None),
        ("delivered", status("delivered"), None),
        ("read", status("read"), None),
        (
            "a no to marketing",
            body(
                "user_preferences",
                json!({ "user_preferences": [{ "wa_id": "886912345678", "category": "marketing_messages", "value": "stop", "timestamp": MADE }] }),
            ),
            None,
        ),
    ] {
        check("whatsapp", &number, what, &body, wanted);
    }
}

#[test]
fn by_twilio_a_message_opens_whatsapps_day() {
    let mut twilio = super::twilio::settings();
    twilio["from"] = "whatsapp:+15005550006".into();
    let form = "MessageSid=SM1&From=whatsapp%3A%2B886912345678&To=whatsapp%3A%2B15005550006";
    check("whatsapp_twilio", &twilio, "words", &format!("{form}&Body=hi"), Some(DAY));
    let told = "MessageSid=SM1&To=whatsapp%3A%2B886912345678&MessageStatus=delivered";
    check("whatsapp_twilio", &twilio, "delivery", told, None);
}

#[test]
fn wechats_two_days_and_its_minute() {
    let account =
        json!({ "app_id": "wx0123456789abcdef", "app_secret": secret("s"), "token": secret("callbacktoken") });
    let push = |kind: &str, more: Value| {
        let mut told = json!({ "ToUserName": "gh_1", "FromUserName": "oia2TjuEGTNoeX76QEjQNrcURxG8", "CreateTime": MADE, "MsgType": kind });
        more.as_object().unwrap().iter().for_each(|(k, v)| told[k] = v.clone());
        told.to_string()
    };
    let event = |name: &str, key: &str| push("event", json!({ "Event": name, "EventKey": key }));
    for (what, body, wanted) in [
        ("words", push("text", json!({ "Content": "hi", "MsgId": 1 })), Some(48 * 3600 - 300)),
        ("a picture", push("image", json!({ "MsgId": 2 })), Some(48 * 3600 - 300)),
        ("a tap in the menu", event("CLICK", "ORDERS"), Some(50)),
        ("a follow", event("subscribe", ""), Some(50)),
        ("a scan", event("SCAN", "scene"), Some(50)),
        ("a link in the menu", event("VIEW", "https://shop.example"), None),
        ("an unfollow", event("unsubscribe", ""), None),
        ("where they are", event("LOCATION", ""), None),
        (
            "a template's end",
            push("event", json!({ "Event": "TEMPLATESENDJOBFINISH", "MsgID": 1, "Status": "success" })),
            None,
        ),
    ] {
        check("wechat", &account, what, &body, wanted);
    }
}

#[test]
fn zalos_week() {
    let oa = json!({ "app_id": "2074138120372622546", "app_secret": secret("a"), "oa_id": "388613280878808645", "oa_secret_key": secret("k"), "access_token": secret("t") });
    let week = 7 * 86_400 - 300;
    let body = |name: &str, more: Value| {
        let mut told = json!({ "app_id": "2074138120372622546", "timestamp": (MADE * 1000).to_string(), "event_name": name,
            "sender": { "id": "246845883529197922" }, "recipient": { "id": "388613280878808645" }, "message": { "msg_id": "1", "text": "x" } });
        more.as_object().unwrap().iter().for_each(|(k, v)| told[k] = v.clone());
        told.to_string()
    };
    let ours = json!({ "sender": { "id": "388613280878808645" }, "recipient": { "id": "246845883529197922" } });
    let of = json!({ "oa_id": "388613280878808645", "follower": { "id": "246845883529197922" } });
    for (what, body, wanted) in [
        ("words", body("user_send_text", json!({})), Some(week)),
        ("a picture", body("user_send_image", json!({})), Some(week)),
        ("what they know of themselves", body("user_submit_info", json!({})), Some(week)),
        ("a follow", body("follow", of.clone()), Some(week)),
        ("an unfollow", body("unfollow", of), None),
        ("our own words", body("oa_send_text", ours.clone()), None),
        ("delivery", body("user_received_message", ours.clone()), None),
        ("reading", body("user_seen_message", ours), None),
    ] {
        check("zalo", &oa, what, &body, wanted);
    }
}

#[test]
fn where_there_is_no_window_nothing_opens_one_and_line_gives_a_token() {
    let line = json!({ "access_token": secret("t"), "channel_secret": secret("s") });
    let event = |mut event: Value| {
        (event["timestamp"], event["source"]) =
            ((MADE * 1000).into(), json!({ "type": "user", "userId": "U4af4980629b0e1f2d3c4b5a697887766" }));
        if event["mode"].is_null() {
            event["mode"] = "active".into();
        }
        json!({ "destination": "U1", "events": [event] }).to_string()
    };
    for (what, body, token) in [
        (
            "words",
            event(
                json!({ "type": "message", "replyToken": "r", "message": { "type": "text", "id": "1", "text": "x" } }),
            ),
            true,
        ),
        (
            "a sticker",
            event(json!({ "type": "message", "replyToken": "r", "message": { "type": "sticker", "id": "1" } })),
            true,
        ),
        ("a button", event(json!({ "type": "postback", "replyToken": "r", "postback": { "data": "x" } })), true),
        ("a follow", event(json!({ "type": "follow", "replyToken": "r" })), true),
        (
            "words to another module",
            event(
                json!({ "type": "message", "mode": "standby", "message": { "type": "text", "id": "1", "text": "x" } }),
            ),
            false,
        ),
        ("an unfollow", event(json!({ "type": "unfollow" })), false),
        ("a message taken back", event(json!({ "type": "unsend", "unsend": { "messageId": "1" } })), false),
    ] {
        let heard = hear("line", &line, &body);
        assert_eq!(opens(&heard), None, "line: {what}");
        assert_eq!(heard.iter().any(|s| s.change.reply_token.is_some()), token, "line: {what}");
    }
    let bot = json!({ "bot_token": secret("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"), "webhook_secrets": [secret("a-secret-of-the-webhook")] });
    let said = json!({ "update_id": 1, "message": { "date": MADE, "text": "hi", "chat": { "id": 218485655, "type": "private" } } });
    check("telegram", &bot, "words", &said.to_string(), None);
    let viber =
        json!({ "auth_token": secret("44dafb7e0f40021e-61a47a1e6778d187-f2c5a676a07050b3"), "sender_name": "Shop" });
    let said = json!({ "event": "message", "timestamp": MADE * 1000, "message_token": 1, "sender": { "id": "01234567890A=" }, "message": { "type": "text", "text": "hi" } });
    check("viber", &viber, "words", &said.to_string(), None);
    let sms = super::twilio::settings();
    check("sms_twilio", &sms, "words", "MessageSid=SM1&From=%2B886912345678&To=%2B15005550006&Body=hi", None);
}
