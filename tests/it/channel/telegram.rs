//! Telegram: words, answers, updates, and what goes over the wire.

use super::golden::{self, bytes};
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use orderwire::channel::find;
use orderwire::domain::channel::Form;
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, Unreachable};
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use serde_json::{Value, json};

const PERSON: &str = "218485655";
const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

fn settings() -> Value {
    json!({ "bot_token": secret(TOKEN), "webhook_secrets": [secret("a-secret-of-the-webhook")] })
}

/// The secret itself is the header.
fn signature(key: &str, _body: &[u8]) -> (String, String) {
    ("x-telegram-bot-api-secret-token".into(), key.into())
}

#[test]
fn goldens() {
    golden::run("telegram", &settings(), Some(PERSON), signature);
}

#[test]
fn an_address_is_a_private_chat() {
    let bot = open("telegram", &settings());
    assert_eq!(bot.address(" 6962620676 "), Some(Address::new("telegram", "6962620676")));
    for bad in ["", "0", "-1001293752024", "1e5", "+5", "4503599627370496", "@shop"] {
        assert_eq!(bot.address(bad), None, "{bad}");
    }
}

#[test]
fn mistakes_in_settings_are_named() {
    let bad = json!({ "bot_token": secret("nonsense"), "webhook_secrets": [secret("short")], "per_second": 31 });
    let mistakes = (find("telegram").unwrap().open)("t".into(), bad).err().unwrap();
    let mut keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["bot_token", "per_second", "webhook_secrets"]);
}

#[tokio::test]
async fn the_token_is_in_the_address_and_in_no_verdict() {
    let server = Server::start(|_| answer_json(200, json!({ "ok": true, "result": { "message_id": 7 } }))).await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    let bot = open("telegram", &own);
    let envelope = bot.shape(&message(), &Parts::of(Form::Free, bot.address(PERSON)).errand()).unwrap();
    assert_eq!(bot.send(&envelope).await, Verdict::Accepted { ids: vec!["7".into()], again: false });
    assert!(server.seen()[0].line.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")));
    own["api_url"] = "http://127.0.0.1:1".into();
    let verdict = open("telegram", &own).send(&envelope).await;
    assert!(!format!("{verdict:?}").contains("AAHdqTcv"), "{verdict:?}");
}

fn judged(code: i64, description: &str, parameters: Value) -> Verdict {
    let body = json!({ "ok": false, "error_code": code, "description": description, "parameters": parameters });
    let status = code.try_into().unwrap();
    let answer = Answer::Reply { status, headers: Vec::new(), body: body.to_string().into_bytes() };
    (find("telegram").unwrap().judge)(&answer)
}

/// The rows of the reference's table.
#[test]
fn every_documented_error_has_its_verdict() {
    let throttled = judged(429, "Too Many Requests: retry after 14", json!({ "retry_after": 14 }));
    let Verdict::TryLater { reason: Reason::RateLimited, after_secs: Some(14), scope: Scope::Account, .. } = throttled
    else {
        panic!("{throttled:?}")
    };
    for (code, words, why) in [
        (403, "Forbidden: bot was blocked by the user", Unreachable::Blocked),
        (403, "Forbidden: user is deactivated", Unreachable::Invalid),
        (403, "Forbidden: bot can't initiate conversation with a user", Unreachable::Blocked),
        (403, "Forbidden: bot was kicked from the group chat", Unreachable::Blocked),
        (403, "Forbidden: bot is not a member of the channel chat", Unreachable::Blocked),
        (403, "Forbidden: the group chat was deleted", Unreachable::Blocked),
        (400, "Bad Request: chat not found", Unreachable::Invalid),
        (400, "Bad Request: group chat was upgraded to a supergroup chat", Unreachable::Invalid),
    ] {
        let verdict = judged(code, words, json!({ "migrate_to_chat_id": -100 }));
        let fits = matches!(&verdict, Verdict::Unreachable { change, .. } if change.unreachable == Some(Some(why)));
        assert!(fits, "{words}: {verdict:?}");
    }
    for words in [
        "Bad Request: can't parse entities",
        "Bad Request: message is too long",
        "Bad Request: message text is empty",
        "Bad Request: BUTTON_URL_INVALID",
        "Bad Request: reply markup is too long",
        "Bad Request: SOME_NEW_SERVER_CODE",
    ] {
        assert!(matches!(judged(400, words, Value::Null), Verdict::Refused { .. }), "{words}");
    }
    for (code, words) in [
        (401, "Unauthorized"),
        (404, "Not Found"),
        (409, "Conflict: terminated by other getUpdates request"),
        (406, "Not Acceptable: FROZEN_METHOD_INVALID"),
        (400, "Bad Request: FROZEN_METHOD_INVALID"),
    ] {
        let verdict = judged(code, words, Value::Null);
        let fits = matches!(verdict, Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. });
        assert!(fits, "{words}: {verdict:?}");
    }
    let passing = judged(502, "Bad Gateway", Value::Null);
    assert!(matches!(passing, Verdict::TryLater { reason: Reason::Retrying, .. }), "{passing:?}");
}

fn samples() -> Option<Value> {
    let path = outside("ORDERWIRE_SAMPLES")?.join("chat/telegram.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn list(document: &Value, key: &str) -> Vec<Value> {
    let list = document[key].as_array().cloned().unwrap_or_default();
    assert!(!list.is_empty(), "no samples under {key}");
    list
}

#[test]
fn published_headers_and_updates_are_heard_as_documented() {
    let Some(document) = samples() else { return };
    for item in list(&document, "secret_token_header") {
        let name = item["name"].as_str().unwrap();
        let configured = item["configured_secret_token"].as_str().unwrap();
        let pad = |text: &str| format!("{text}-and-so-on-0123");
        let mut own = settings();
        own["webhook_secrets"] = json!([secret(&pad(configured))]);
        let header = item["header_value"].as_str().map(|h| if h == configured { pad(h) } else { h.to_string() });
        let headers: Vec<(&str, &str)> =
            header.iter().map(|h| ("x-telegram-bot-api-secret-token", h.as_str())).collect();
        let raw = RawWebhook::post(&headers, "{}", at("2026-11-25T08:00:00Z"));
        let taken = matches!(open("telegram", &own).admit(&raw), Admission::Take { .. });
        assert_eq!(taken, item["expect_valid"] == true, "{name}");
    }
    for item in list(&document, "payloads") {
        let name = item["name"].as_str().unwrap();
        // The fixtures' people without a number are given one.
        let mut payload = item["payload"].clone();
        for part in ["message", "my_chat_member"] {
            if payload[part]["chat"]["id"] == 0 {
                payload[part]["chat"]["id"] = 218_485_655.into();
            }
        }
        let raw = RawWebhook::post(&[], payload.to_string(), at("2026-11-25T08:00:00Z"));
        let heard = open("telegram", &settings()).hear(&raw);
        assert_eq!(heard.unreadable, 0, "{name}");
        let private = name.starts_with("private");
        assert_eq!(!heard.signals.is_empty(), private, "{name}: {:?}", heard.signals);
        if item["expect"]["class"] == "opt_out" {
            assert_eq!(heard.signals[0].change.unreachable, Some(Some(Unreachable::Blocked)), "{name}");
        }
    }
}

#[test]
fn published_answers_mean_what_is_documented() {
    let Some(document) = samples() else { return };
    for item in list(&document, "ok_responses").iter().chain(&list(&document, "error_responses")) {
        let name = item["name"].as_str().unwrap_or_default();
        let status = item["http_status"].as_u64().unwrap_or(200).try_into().unwrap();
        let answer = Answer::Reply { status, headers: Vec::new(), body: bytes(&item["body"]) };
        let verdict = (find("telegram").unwrap().judge)(&answer);
        let Some(class) = item["expect_class"].as_str().or(item["expect"]["class"].as_str()) else { continue };
        let fits = match class {
            "accepted" => matches!(verdict, Verdict::Accepted { .. }),
            "retry_after" => matches!(verdict, Verdict::TryLater { .. }),
            // A page of some front tells nothing of what stands behind it.
            "retry_backoff" => matches!(verdict, Verdict::TryLater { .. } | Verdict::Unsure { .. }),
            "suppress_recipient" | "suppress_recipient_until_start" | "rewrite_chat_id" => {
                matches!(verdict, Verdict::Unreachable { .. })
            }
            "message_defect" | "message_defect_fall_back_plain_text" => matches!(verdict, Verdict::Refused { .. }),
            "stop_channel_alert" | "config" => {
                matches!(verdict, Verdict::TryLater { scope: Scope::Account, .. })
            }
            other => panic!("{name}: no check for {other}"),
        };
        assert!(fits, "{name}: {class} is not {verdict:?}");
    }
}
