//! Instagram: words, answers, callbacks, and what goes over the wire.

use super::golden::{self, bytes};
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use orderwire::channel::find;
use orderwire::domain::channel::Form;
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, ReceiptOf, Unreachable};
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::RawWebhook;
use serde_json::{Value, json};

const ACCOUNT: &str = "17841400008460056";
const PAGE: &str = "102290129340398";
const PERSON: &str = "9990001112223334";

fn settings() -> Value {
    json!({
        "account_id": ACCOUNT,
        "page_id": PAGE,
        "access_token": secret("page-token"),
        "app_secret": secret("app-secret"),
        "verify_token": secret("a word"),
    })
}

fn signature(key: &str, body: &[u8]) -> (String, String) {
    ("x-hub-signature-256".into(), format!("sha256={}", hex::encode(sign(key.as_bytes(), body))))
}

#[test]
fn goldens() {
    golden::run("instagram", &settings(), Some(PERSON), signature);
}

#[tokio::test]
async fn the_call_goes_through_the_page_or_the_account_itself() {
    let server = Server::start(|_| answer_json(200, json!({ "recipient_id": "1", "message_id": "m_1" }))).await;
    for (page, edge) in [(Some(PAGE), PAGE), (None, ACCOUNT)] {
        let mut own = settings();
        own["page_id"] = page.into();
        own["api_url"] = server.url.clone().into();
        let account = open("instagram", &own);
        let envelope = account.shape(&message(), &Parts::of(Form::Free, account.address(PERSON)).errand()).unwrap();
        assert_eq!(account.send(&envelope).await, Verdict::Accepted { ids: vec!["m_1".into()], again: false });
        let seen = server.seen().pop().unwrap();
        assert!(seen.line.starts_with(&format!("POST /v26.0/{edge}/messages?appsecret_proof=")), "{}", seen.line);
        assert_eq!(seen.header("authorization"), Some("Bearer page-token"));
    }
}

/// The rows of the reference's table.
#[test]
fn every_documented_error_has_its_verdict() {
    let verdict = |code: i64, subcode: Option<i64>| {
        let mut error = json!({ "message": "words of the vendor", "code": code });
        if let Some(subcode) = subcode {
            error["error_subcode"] = subcode.into();
        }
        let body = json!({ "error": error }).to_string().into_bytes();
        (find("instagram").unwrap().judge)(&Answer::Reply { status: 400, headers: Vec::new(), body })
    };
    let closed = verdict(10, Some(2_534_022));
    assert!(matches!(closed, Verdict::Unreachable { ref change, .. } if change.window_closed), "{closed:?}");
    for (code, subcode, why) in [
        (100, Some(2_534_014), Unreachable::Invalid),
        (551, None, Unreachable::Blocked),
        (10, Some(2_018_108), Unreachable::Blocked),
        (200, Some(1_545_041), Unreachable::Blocked),
    ] {
        let found = verdict(code, subcode);
        let fits = matches!(&found, Verdict::Unreachable { change, .. } if change.unreachable == Some(Some(why)));
        assert!(fits, "{code}/{subcode:?}: {found:?}");
    }
    for (code, subcode) in [
        (100, Some(2_534_013)),
        (10, Some(2_534_077)),
        (200, Some(2_534_041)),
        (190, None),
        (36_103, None),
        (100, Some(2_534_029)),
        (10, Some(1_893_063)),
        (368, None),
    ] {
        let found = verdict(code, subcode);
        let fits = matches!(found, Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. });
        assert!(fits, "{code}/{subcode:?}: {found:?}");
    }
    for subcode in [2_534_015, 2_534_068] {
        assert!(matches!(verdict(100, Some(subcode)), Verdict::Refused { .. }));
    }
    let taken = verdict(100, Some(2_534_037));
    assert!(matches!(taken, Verdict::TryLater { scope: Scope::Recipient, after_secs: Some(900), .. }), "{taken:?}");
    for (code, subcode) in [(613, Some(2_534_040)), (4, None), (17, None), (80_002, None)] {
        let found = verdict(code, subcode);
        let fits = matches!(found, Verdict::TryLater { reason: Reason::RateLimited, scope: Scope::Account, .. });
        assert!(fits, "{code}: {found:?}");
    }
}

fn samples(file: &str) -> Option<Vec<Value>> {
    let path = outside("ORDERWIRE_SAMPLES")?.join("meta").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    Some(document["items"].as_array().cloned().expect("items"))
}

#[test]
fn published_webhooks_are_heard_as_documented() {
    let Some(items) = samples("instagram_webhooks.json") else { return };
    for item in items {
        let (name, expect) = (item["name"].as_str().unwrap(), &item["expect"]);
        // A few samples stand placeholders where Meta writes digits.
        let text = item["payload"].to_string();
        let mut payload: Value = serde_json::from_str(&text).unwrap();
        let outer = if payload.is_array() { &mut payload[0] } else { &mut payload };
        let entry = &mut outer["entry"][0];
        entry["id"] = ACCOUNT.into();
        let mut person = None;
        for event in entry["messaging"].as_array_mut().into_iter().flatten() {
            for side in ["sender", "recipient"] {
                let id = event[side]["id"].as_str().map(String::from);
                if let Some(id) = id.filter(|id| !id.bytes().all(|b| b.is_ascii_digit())) {
                    event[side]["id"] = if side == "sender" { "222".into() } else { ACCOUNT.into() };
                    person = person.or((side == "sender").then_some((id, "222")));
                }
            }
        }
        let raw = RawWebhook::post(&[], payload.to_string().into_bytes(), at("2026-11-25T08:00:05Z"));
        let heard = open("instagram", &settings()).hear(&raw);
        assert_eq!(heard.unreadable, 0, "{name}");
        let opens = heard.signals.iter().any(|s| s.change.window_until.is_some());
        if let Some(due) = expect["opens_24h_window"].as_bool() {
            assert_eq!(opens, due, "{name}: {:?}", heard.signals);
        }
        if let (Some(key), true) = (expect["dedupe_key"].as_str(), opens) {
            assert_eq!(heard.signals[0].dedupe, key, "{name}");
        }
        if expect["kind"] == "read" {
            let of = heard.signals[0].receipt.as_ref().map(|r| r.of.clone());
            assert!(matches!(of, Some(ReceiptOf::ProviderId(_))), "{name}: {:?}", heard.signals);
        }
        if opens {
            let who = heard.signals[0].person.as_ref().map(|p: &Address| p.scheme.clone());
            assert_eq!(who.as_deref(), Some("instagram"), "{name}");
        }
    }
}

#[test]
fn published_errors_mean_what_is_documented() {
    let Some(items) = samples("error_responses.json") else { return };
    let mut checked = 0;
    for item in items.iter().filter(|i| i["channel"] == "instagram" || i["channel"] == "any") {
        let (name, action) = (item["name"].as_str().unwrap(), item["expect_action"].as_str().unwrap());
        let status = item["http_status"].as_u64().unwrap().try_into().unwrap();
        let answer = Answer::Reply { status, headers: Vec::new(), body: bytes(&item["body"]) };
        let verdict = (find("instagram").unwrap().judge)(&answer);
        let account = matches!(verdict, Verdict::TryLater { scope: Scope::Account, .. });
        let fits = match action {
            "stop_and_alert" | "code_bug_stop_and_alert" | "retry_later" => account,
            "fallback" => matches!(&verdict, Verdict::Unreachable { change, .. } if change.window_closed),
            "suppress_recipient" => {
                matches!(&verdict, Verdict::Unreachable { change, .. } if change.unreachable.is_some())
            }
            "retry_later_ambiguous" => matches!(verdict, Verdict::Unsure { .. }),
            other => panic!("{name}: no check for {other}"),
        };
        assert!(fits, "{name}: {action} is not {verdict:?}");
        checked += 1;
    }
    assert!(checked >= 6, "only {checked} samples");
}
