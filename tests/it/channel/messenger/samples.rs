//! The vendor's published samples, where the folder `ORDERWIRE_SAMPLES` is at hand.

use super::{callback, handshake, settings, shaped};
use crate::channel::golden::bytes;
use crate::channel::stand_in::{at, message, open, outside, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::find;
use orderwire::domain::channel::{Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, ReceiptOf, ReceiptState, Signal, Unreachable};
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use serde_json::{Value, json};

fn samples(file: &str) -> Option<Value> {
    let path = outside("ORDERWIRE_SAMPLES")?.join("meta").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn items(document: &Value, key: &str) -> Vec<Value> {
    let list = document[key].as_array().cloned().unwrap_or_default();
    assert!(!list.is_empty(), "no samples under {key}");
    list
}

#[test]
fn published_signatures_verify_and_forged_ones_do_not() {
    let Some(document) = samples("signatures.json") else { return };
    for item in items(&document, "webhook_signatures") {
        let name = item["name"].as_str().unwrap();
        let mut settings = settings();
        settings["app_secret"] = secret(item["app_secret"].as_str().unwrap());
        let body = STANDARD.decode(item["body_base64"].as_str().unwrap()).unwrap();
        let header = (item["header_name"].as_str().unwrap(), item["header_value"].as_str().unwrap());
        let raw = RawWebhook::post(&[header], body, at("2026-11-25T08:00:00Z"));
        let taken = matches!(open("messenger", &settings).admit(&raw), Admission::Take { secret_index: 0, .. });
        // The one body that something decoded on the way is taken by restoring the form that was signed.
        let due = item["valid"] == true || name == "escaped_unicode_body_decoded_first";
        assert_eq!(taken, due, "{name}");
    }
}

#[test]
fn published_requests_to_be_erased_verify_and_forged_ones_do_not() {
    let Some(document) = samples("signatures.json") else { return };
    for item in items(&document, "signed_requests") {
        let name = item["name"].as_str().unwrap();
        let mut settings = settings();
        settings["app_secret"] = secret(item["app_secret"].as_str().unwrap());
        let form = [("signed_request", item["signed_request"].as_str().unwrap())];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let head = [("Content-Type", "application/x-www-form-urlencoded")];
        // Of the year of the samples: an old one is somebody's copy.
        let raw = RawWebhook::post(&head, body, at("2010-12-08T20:00:00Z"));
        let page = open("messenger", &settings);
        let taken = matches!(page.admit(&raw), Admission::Take { secret_index: 0, .. });
        assert_eq!(taken, item["valid"] == true, "{name}");
        if taken {
            let heard = page.hear(&raw).signals;
            assert!(heard.len() == 1 && heard[0].erase, "{name}: {heard:?}");
            assert_eq!(heard[0].person, Some(Address::new("messenger", item["decoded"]["user_id"].as_str().unwrap())));
            let late = RawWebhook { received_at: at("2026-11-25T08:00:00Z"), ..raw };
            assert!(page.hear(&late).signals.is_empty(), "{name}: years later");
        }
    }
}

#[test]
fn published_handshakes_are_answered() {
    let Some(document) = samples("webhook_verification.json") else { return };
    for item in items(&document, "items") {
        let name = item["name"].as_str().unwrap();
        let token = item["verify_token"].as_str().unwrap();
        let mut settings = settings();
        settings["verify_token"] = secret(token);
        if token.is_empty() {
            assert!((find("messenger").unwrap().open)("a".into(), settings).is_err(), "{name}");
            continue;
        }
        let admission = open("messenger", &settings).admit(&handshake(item["query"].as_str().unwrap()));
        match item["expect_body"].as_str() {
            Some(body) => {
                let reply = Reply { status: 200, content_type: "text/plain", body: body.into() };
                assert_eq!(admission, Admission::Reply(reply), "{name}");
            }
            None => assert_eq!(admission, Admission::Refuse(Refusal::BadToken), "{name}"),
        }
    }
}

/// A published payload for a page of ours: its placeholders as ids, and the page it was for.
fn fitted(payload: &Value) -> (Value, String) {
    let text = payload.to_string().replace("PAGE_ID", "111").replace("USER_ID", "222").replace("<PSID>", "222");
    let payload: Value = serde_json::from_str(&text).unwrap();
    let id = &payload["entry"][0]["id"];
    let page = id.as_str().map(String::from).or_else(|| id.as_i64().map(|n| n.to_string()));
    (payload, page.unwrap_or_else(|| "111".into()))
}

#[test]
fn published_webhooks_are_heard_as_documented() {
    let Some(document) = samples("messenger_webhooks.json") else { return };
    for item in items(&document, "items") {
        let name = item["name"].as_str().unwrap();
        let expect = &item["expect"];
        let (payload, page_id) = fitted(&item["payload"]);
        let mut settings = settings();
        settings["page_id"] = page_id.into();
        let heard = open("messenger", &settings).hear(&callback(payload.to_string().as_bytes()));
        assert_eq!(heard.unreadable, 0, "{name}");
        let opens = heard.signals.iter().any(|s| s.change.window_until.is_some());
        assert_eq!(opens, heard.signals.iter().any(|s| s.wakes), "{name}: what opens the window wakes");
        assert_eq!(opens, expect["opens_24h_window"] == true, "{name}: {:?}", heard.signals);
        let user = expect["user"].as_str().map(|u| u.replace("USER_ID", "222"));
        if let (Some(user), false) = (user, heard.signals.is_empty()) {
            assert!(heard.signals.iter().all(|s| s.person == Some(Address::new("messenger", user.as_str()))), "{name}");
        }
        if let (Some(key), true) = (expect["dedupe_key"].as_str(), opens) {
            assert_eq!(heard.signals[0].dedupe, key, "{name}");
        }
        for key in ["ref", "quick_reply", "prior_user_ref"] {
            if let Some(payload) = expect[key].as_str() {
                assert_eq!(heard.signals[0].payload.as_deref(), Some(payload), "{name}");
            }
        }
        by_kind(name, expect, &heard.signals);
    }
}

fn by_kind(name: &str, expect: &Value, signals: &[Signal]) {
    let receipts =
        |state: ReceiptState| signals.iter().filter(|s| s.receipt.as_ref().is_some_and(|r| r.state == state)).count();
    match expect["kind"].as_str().unwrap() {
        "echo" | "standby_echo" => {
            assert_eq!(receipts(ReceiptState::Accepted), 1, "{name}");
            assert!(signals.iter().all(|s| s.change.is_empty()), "{name}: an echo says nothing of the person");
        }
        "delivery" => {
            let mids = expect["mids"].as_array().unwrap().len();
            assert_eq!(receipts(ReceiptState::Delivered), mids + 1, "{name}");
        }
        "read" => {
            let up_to = signals[0].receipt.as_ref().map(|r| &r.of);
            let watermark = expect["watermark"].as_i64().unwrap();
            assert!(matches!(up_to, Some(ReceiptOf::UpTo(t)) if t.as_millisecond() == watermark), "{name}");
        }
        "policy_enforcement" => assert!(signals[0].account.is_some(), "{name}"),
        "ignore"
        | "ignore_or_postback"
        | "handover"
        | "account_linking"
        | "optin_marketing"
        | "optin_marketing_stop"
        | "message_edit"
        | "message_deleted" => assert_eq!(signals, [], "{name}"),
        "message" | "standby_message" | "postback" | "referral" | "optin" | "reaction" => {
            assert!(receipts(ReceiptState::Accepted) == 0, "{name}");
        }
        other => panic!("{name}: no check for {other}"),
    }
}

#[test]
fn published_errors_mean_what_is_documented() {
    let Some(document) = samples("error_responses.json") else { return };
    let mut checked = 0;
    for item in items(&document, "items") {
        if !["messenger", "any"].iter().any(|c| item["channel"] == *c) {
            continue;
        }
        let (name, action) = (item["name"].as_str().unwrap(), item["expect_action"].as_str().unwrap());
        let status = item["http_status"].as_u64().unwrap().try_into().unwrap();
        let answer = Answer::Reply { status, headers: Vec::new(), body: bytes(&item["body"]) };
        let verdict = (find("messenger").unwrap().judge)(&answer);
        assert!(is(action, &verdict), "{name}: {action} is not {verdict:?}");
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} samples");
}

fn is(action: &str, verdict: &Verdict) -> bool {
    let account = matches!(verdict, Verdict::TryLater { scope: Scope::Account, .. });
    let later = |reason: Reason| matches!(verdict, Verdict::TryLater { reason: r, .. } if *r == reason);
    match action {
        "stop_and_alert" | "code_bug_stop_and_alert" => account && later(Reason::ChannelPaused),
        "fallback" => matches!(verdict, Verdict::Unreachable { change, .. } if change.window_closed),
        "suppress_recipient" => {
            matches!(verdict, Verdict::Unreachable { change, .. } if matches!(change.unreachable, Some(Some(Unreachable::Blocked | Unreachable::Invalid))))
        }
        "suppress_marketing_topic" => matches!(verdict, Verdict::Unreachable { change, .. } if change.is_empty()),
        "retry_later" => later(Reason::Retrying) || (account && later(Reason::RateLimited)),
        "retry_later_slow" => later(Reason::RecipientCapped),
        "retry_later_or_fallback" => later(Reason::Retrying),
        "ambiguous_do_not_blindly_resend" | "retry_later_ambiguous" => matches!(verdict, Verdict::Unsure { .. }),
        "stop_template_and_alert" => matches!(verdict, Verdict::Unreachable { scope: Scope::Template, .. }),
        other => panic!("no check for {other}"),
    }
}

#[test]
fn published_usage_header_gives_the_wait() {
    let Some(document) = samples("error_responses.json") else { return };
    let usage = &items(&document, "usage_headers")[0];
    let headers = vec![(usage["header"].as_str().unwrap().to_string(), usage["value"].as_str().unwrap().to_string())];
    let body = json!({"error": {"code": 80006, "message": "too many"}}).to_string().into_bytes();
    let wait = usage["expect"]["wait_minutes"].as_i64().unwrap() * 60;
    match (find("messenger").unwrap().judge)(&Answer::Reply { status: 400, headers, body }) {
        Verdict::TryLater { after_secs, .. } => assert_eq!(after_secs, Some(wait)),
        other => panic!("{other:?}"),
    }
}

/// The shape of a value: keys and kinds, without its contents.
fn outline(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), outline(v))).collect(),
        Value::Array(list) => list.iter().map(outline).collect(),
        Value::String(_) => "text".into(),
        other => other.clone(),
    }
}

#[test]
fn what_we_send_has_the_outline_of_the_published_requests() {
    let Some(document) = samples("outgoing_requests.json") else { return };
    let all = items(&document, "items");
    let sample = |name: &str| all.iter().find(|i| i["name"] == name).map(|i| i["body"].clone()).expect("the sample");
    let words = |extra: Value| Message { extra: serde_json::from_value(extra).unwrap(), ..message() };
    let template = |extra: Value| shaped(Form::Template, &words(extra));
    let name = "utility_template";
    for (theirs, ours) in [
        ("messenger_utility_positional", json!({name: "a", "header_params": ["Order"], "params": ["566701"]})),
        (
            "messenger_utility_named",
            json!({name: "a", "header_params": {"order_type": "Order"}, "params": {"customer_name": "John", "order_id": "1"}}),
        ),
        ("messenger_utility_postback_button", json!({name: "a", "params": ["c"], "button_params": [{"payload": "1"}]})),
        ("messenger_utility_url_button", json!({name: "a", "params": ["c"], "button_params": ["1"]})),
    ] {
        // Some published requests leave the type out; we never do.
        let mut due = outline(&sample(theirs));
        due["messaging_type"] = "text".into();
        assert_eq!(outline(&template(ours)), due, "{theirs}");
    }
    let mut text = outline(&shaped(Form::Free, &Message { buttons: Vec::new(), ..message() }));
    text["message"].as_object_mut().unwrap().remove("metadata");
    assert_eq!(text, outline(&sample("messenger_text_response")));
}
