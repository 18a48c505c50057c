//! The vendor's published samples, where the folder `ORDERWIRE_SAMPLES` is at hand.

use super::{Is, callback, is, settings, shaped};
use crate::channel::golden::bytes;
use crate::channel::stand_in::{message, open, outside};
use orderwire::channel::find;
use orderwire::domain::channel::Form;
use orderwire::domain::person::{Address, ReceiptState};
use orderwire::domain::verdict::{Answer, Verdict};
use serde_json::Value;

fn samples(file: &str) -> Option<Vec<Value>> {
    let path = outside("ORDERWIRE_SAMPLES")?.join("meta").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    Some(document["items"].as_array().cloned().expect("items"))
}

#[test]
fn published_webhooks_are_heard_as_documented() {
    let Some(items) = samples("whatsapp_webhooks.json") else { return };
    for item in items {
        let (name, expect, payload) = (item["name"].as_str().unwrap(), &item["expect"], &item["payload"]);
        let mut own = settings();
        let number = payload.pointer("/entry/0/changes/0/value/metadata/phone_number_id").and_then(Value::as_str);
        // A few fixtures stand placeholders where Meta writes digits.
        let number = number.filter(|n| n.bytes().all(|b| b.is_ascii_digit())).unwrap_or("1");
        own["phone_number_id"] = number.into();
        let mut payload = payload.clone();
        if let Some(id) = payload.pointer_mut("/entry/0/changes/0/value/metadata/phone_number_id") {
            *id = number.into();
        }
        let heard = open("whatsapp", &own).hear(&callback(&payload));
        assert_eq!(heard.unreadable, 0, "{name}");
        let opens = heard.signals.iter().any(|s| s.change.window_until.is_some());
        if let Some(due) = expect["opens_24h_window"].as_bool() {
            let known = expect["phone"].is_string() || expect["bsuid"].is_string();
            assert_eq!(opens, due && known, "{name}: {:?}", heard.signals);
        }
        if let (Some(key), true) = (expect["dedupe_key"].as_str(), opens) {
            assert_eq!(heard.signals[0].dedupe, key, "{name}");
        }
        if let (Some(phone), true) = (expect["phone"].as_str(), opens) {
            assert_eq!(heard.signals[0].person, Some(Address::new("phone", format!("+{phone}"))), "{name}");
        } else if let (Some(id), true) = (expect["bsuid"].as_str(), opens) {
            assert_eq!(heard.signals[0].person, Some(Address::new("whatsapp", id)), "{name}");
        }
        if expect["kind"] == "status" {
            let state = &heard.signals[0].receipt.as_ref().expect("a receipt").state;
            let word = match state {
                ReceiptState::Accepted => "sent",
                ReceiptState::Delivered => "delivered",
                ReceiptState::Read => "read",
                ReceiptState::Undelivered(_) => "failed",
            };
            let due = expect["status"].as_str().unwrap();
            assert_eq!(word, if due == "played" { "read" } else { due }, "{name}");
            if let (ReceiptState::Undelivered(code), Some(due)) = (state, expect["error_code"].as_i64()) {
                assert_eq!(*code, due.to_string(), "{name}");
            }
        }
    }
}

#[test]
fn published_errors_mean_what_is_documented() {
    let Some(items) = samples("error_responses.json") else { return };
    let mut checked = 0;
    for item in items.iter().filter(|i| i["channel"] == "whatsapp" || i["channel"] == "any") {
        let (name, action) = (item["name"].as_str().unwrap(), item["expect_action"].as_str().unwrap());
        let status = item["http_status"].as_u64().unwrap().try_into().unwrap();
        let answer = Answer::Reply { status, headers: Vec::new(), body: bytes(&item["body"]) };
        let verdict = (find("whatsapp").unwrap().judge)(&answer);
        let fits = match action {
            "stop_and_alert" | "pause_number_and_alert" => is(&verdict) == Is::Stop,
            "retry_later" | "retry_later_bounded" => [Is::Throttled, Is::Again].contains(&is(&verdict)),
            "retry_later_pair" => is(&verdict) == Is::Person,
            "pause_utility_and_alert" | "fix_parameters" => is(&verdict) == Is::Template,
            "stop_template_and_alert" => [Is::Template, Is::Stop].contains(&is(&verdict)),
            "send_template_instead" => is(&verdict) == Is::Window,
            "fallback"
            | "use_phone_or_fallback"
            | "retry_after_24h_or_fallback"
            | "suppress_marketing"
            | "suppress_recipient" => [Is::Gone, Is::Next].contains(&is(&verdict)),
            "code_bug_stop_and_alert" | "resend_without_media_or_fix" => is(&verdict) == Is::Refused,
            "retry_later_ambiguous" => matches!(verdict, Verdict::Unsure { .. }),
            other => panic!("{name}: no check for {other}"),
        };
        assert!(fits, "{name}: {action} is not {verdict:?}");
        checked += 1;
    }
    assert!(checked >= 40, "only {checked} samples");
}

#[test]
fn what_we_send_has_the_keys_of_the_published_requests() {
    let Some(items) = samples("outgoing_requests.json") else { return };
    let text = items.iter().find(|i| i["name"] == "whatsapp_text").expect("the sample");
    let mut words = message();
    words.buttons.clear();
    let mut ours = shaped(Form::Free, &words);
    assert!(ours["biz_opaque_callback_data"].is_string());
    ours.as_object_mut().unwrap().remove("biz_opaque_callback_data");
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&text["body"]));
    assert_eq!(keys(&ours["text"]), keys(&text["body"]["text"]));
}
