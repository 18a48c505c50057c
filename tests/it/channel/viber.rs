//! Viber: words, statuses, events, and what goes over the wire.

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use orderwire::channel::find;
use orderwire::domain::channel::Form;
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, Unreachable};
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use serde_json::{Value, json};

const PERSON: &str = "01234567890A=";
const TOKEN: &str = "44dafb7e0f40021e-61a47a1e6778d187-f2c5a676a07050b3";

fn settings() -> Value {
    json!({ "auth_token": secret(TOKEN), "sender_name": "小樹選物" })
}

fn signature(key: &str, body: &[u8]) -> (String, String) {
    ("x-viber-content-signature".into(), hex::encode(sign(key.as_bytes(), body)))
}

#[test]
fn goldens() {
    golden::run("viber", &settings(), Some(PERSON), signature);
}

#[test]
fn an_address_is_an_id_of_the_bots_own() {
    let bot = open("viber", &settings());
    assert_eq!(bot.address(PERSON), Some(Address::new("viber", PERSON)));
    for bad in ["", "0912345678", "lin@shop.example", "a b c d e f", "===="] {
        assert_eq!(bot.address(bad), None, "{bad}");
    }
}

#[test]
fn mistakes_in_settings_are_named() {
    let long = "a".repeat(29);
    let bad = json!({ "auth_token": secret("x"), "sender_name": long, "sender_avatar": "http://a.example/b.png" });
    let mistakes = (find("viber").unwrap().open)("v".into(), bad).err().unwrap();
    let mut keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["auth_token", "sender_avatar", "sender_name"]);
}

#[tokio::test]
async fn the_token_is_a_header_and_a_number_beyond_2_53_keeps_its_digits() {
    let server =
        Server::start(|_| answer_json(200, json!({ "status": 0, "message_token": 5_741_311_803_571_721_087_u64 })))
            .await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    let bot = open("viber", &own);
    let envelope = bot.shape(&message(), &Parts::of(Form::Free, bot.address(PERSON)).errand()).unwrap();
    let ids = vec!["5741311803571721087".to_string()];
    assert_eq!(bot.send(&envelope).await, Verdict::Accepted { ids, again: false });
    let seen = server.seen().remove(0);
    assert!(seen.line.starts_with("POST /pa/send_message "));
    assert_eq!(seen.header("x-viber-auth-token"), Some(TOKEN));
}

/// The rows of the reference's table.
#[test]
fn every_documented_status_has_its_verdict() {
    let judged = |status: i64| {
        let body = json!({ "status": status, "status_message": "words", "message_token": "1" }).to_string();
        (find("viber").unwrap().judge)(&Answer::Reply { status: 200, headers: Vec::new(), body: body.into_bytes() })
    };
    assert!(matches!(judged(0), Verdict::Accepted { .. }));
    for stop in [1, 2, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20] {
        let fits =
            matches!(judged(stop), Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. });
        assert!(fits, "{stop}");
    }
    for defect in [3, 4, 13, 14, 99] {
        assert!(matches!(judged(defect), Verdict::Refused { .. }), "{defect}");
    }
    for (code, why) in [(5, Some(Some(Unreachable::Invalid))), (6, Some(Some(Unreachable::Blocked))), (11, None)] {
        let fits = matches!(judged(code), Verdict::Unreachable { change, .. } if change.unreachable == why);
        assert!(fits, "{code}");
    }
    let capped = judged(12);
    let Verdict::TryLater { reason: Reason::RecipientCapped, after_secs: Some(3600), scope: Scope::Recipient, .. } =
        capped
    else {
        panic!("{capped:?}")
    };
}

#[test]
fn published_signatures_and_events_are_heard_as_documented() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let text = std::fs::read_to_string(folder.join("chat/viber.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for item in document["signature_vectors"].as_array().unwrap() {
        let mut own = settings();
        own["auth_token"] = secret(item["auth_token"].as_str().unwrap());
        let header = (item["header"].as_str().unwrap(), item["signature"].as_str().unwrap());
        let body = item["body_utf8"].as_str().unwrap().to_string();
        let raw = RawWebhook::post(&[header], body, at("2026-11-25T08:00:00Z"));
        let taken = matches!(open("viber", &own).admit(&raw), Admission::Take { .. });
        assert_eq!(taken, item["expect_valid"] == true, "{}", item["name"]);
    }
    for item in document["payloads"].as_array().unwrap() {
        let raw = RawWebhook::post(&[], item["payload"].to_string(), at("2026-11-25T08:00:00Z"));
        let heard = open("viber", &settings()).hear(&raw);
        let name = item["name"].as_str().unwrap();
        assert_eq!((heard.unreadable, heard.signals.len()), (0, 1), "{name}: {heard:?}");
        let signal = &heard.signals[0];
        assert_eq!(signal.person, Some(Address::new("viber", PERSON)), "{name}");
        assert_eq!(signal.what, item["payload"]["event"].as_str().unwrap(), "{name}");
        let token = &item["payload"]["message_token"];
        let token = token.as_str().map_or_else(|| token.to_string(), String::from);
        assert!(token == "null" || signal.dedupe.contains(&token), "{name}: {}", signal.dedupe);
    }
}
