//! Messenger: goldens, the handshake, what goes over the wire, and the vendor's published samples.

use super::golden::{self, bytes};
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, ReceiptOf, ReceiptState, Signal, Unreachable};
use orderwire::domain::settings::Mistake;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PAGE: &str = "102290129340398";
const PERSON: &str = "9990001112223334";

fn settings() -> Value {
    json!({
        "page_id": PAGE,
        "access_token": secret("page-token"),
        "app_secret": secret("app-secret"),
        "app_secrets": [secret("old-secret")],
        "verify_token": secret("a word"),
    })
}

fn page() -> Box<dyn Channel> {
    open("messenger", &settings())
}

fn signature(key: &str, body: &[u8]) -> (String, String) {
    ("x-hub-signature-256".into(), format!("sha256={}", hex::encode(sign(key.as_bytes(), body))))
}

fn callback(body: &[u8]) -> RawWebhook {
    RawWebhook::post(&[], body.to_vec(), at("2026-11-25T08:00:05Z"))
}

fn handshake(query: &str) -> RawWebhook {
    RawWebhook { method: "GET".into(), query: query.into(), ..callback(b"") }
}

#[test]
fn goldens() {
    golden::run("messenger", &settings(), Some(PERSON), signature);
}

#[test]
fn the_handshake_gives_the_challenge_back_and_nothing_else() {
    let page = page();
    let good = "hub.mode=subscribe&hub.challenge=%3Cb%3E1158&hub.verify_token=a%20word";
    let reply = Reply { status: 200, content_type: "text/plain", body: "<b>1158".into() };
    assert_eq!(page.admit(&handshake(good)), Admission::Reply(reply));
    for bad in [
        "",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=a%20word",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=a%20word",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=a%20wor",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=a%20word&hub.verify_token=b",
        "hub_mode=subscribe&hub_challenge=1&hub_verify_token=a%20word",
    ] {
        assert_eq!(page.admit(&handshake(bad)), Admission::Refuse(Refusal::BadToken), "{bad}");
    }
    let long = format!("{good}{}", "9".repeat(5000).replace('9', "%39"));
    assert_eq!(page.admit(&handshake(&long.replace("1158", &"1".repeat(2000)))), Admission::Refuse(Refusal::BadToken));
    let put = RawWebhook { method: "PUT".into(), ..handshake(good) };
    assert_eq!(page.admit(&put), Admission::Refuse(Refusal::Unsigned));
}

#[test]
fn the_same_delivery_has_the_same_mark() {
    let take = |body: &[u8]| {
        let (name, value) = signature("app-secret", body);
        match page().admit(&RawWebhook::post(
            &[(name.as_str(), value.as_str())],
            body.to_vec(),
            at("2026-11-25T08:00:00Z"),
        )) {
            Admission::Take { dedupe, .. } => dedupe,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(take(b"{\"a\":1}"), take(b"{\"a\":1}"));
    assert_ne!(take(b"{\"a\":1}"), take(b"{\"a\":2}"));
}

fn mistakes(change: impl FnOnce(&mut Value)) -> Vec<Mistake> {
    let mut settings = settings();
    change(&mut settings);
    (find("messenger").unwrap().open)("page".into(), settings).err().unwrap_or_default()
}

#[test]
fn mistakes_in_settings_are_named_and_all_at_once() {
    let all = mistakes(|s| {
        s["page_id"] = "shop-page".into();
        s["verify_token"] = secret("");
        s["access_token"] = secret("two words");
        s["app_secret"] = secret("");
        s["api_url"] = "http://graph.facebook.com".into();
        s["api_version"] = "26".into();
        s["per_second"] = 41.into();
        s["timeout"] = "5m".into();
    });
    let mut keys: Vec<&str> = all.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    let due =
        ["access_token", "api_url", "api_version", "app_secret", "page_id", "per_second", "timeout", "verify_token"];
    assert_eq!(keys, due);
    assert!(!format!("{all:?}").contains("two words"), "a secret is repeated");
    let none = mistakes(|s| {
        s.as_object_mut().unwrap().retain(|k, _| !k.starts_with("app_secret"));
    });
    assert_eq!(none.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["app_secret"]);
    let many = mistakes(|s| s["app_secrets"] = json!([secret("1"), secret("2"), secret("3"), secret("4")]));
    assert_eq!(many.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["app_secrets"]);
    assert_eq!(mistakes(|s| s["page_id"] = 7.into())[0].key, "page_id");
}

#[test]
fn an_address_is_a_page_scoped_id() {
    let page = page();
    assert_eq!(page.address(" 9990001112223334 "), Some(Address::new("messenger", PERSON)));
    for bad in ["", "0", "-1", "1e9", "12 34", "USER_ID", "９９９", &"1".repeat(33)] {
        assert_eq!(page.address(bad), None, "{bad}");
    }
}

#[test]
fn a_template_is_named_by_its_own_key() {
    let section = |key: &str, value: Value| BTreeMap::from([(key.to_string(), value)]);
    assert!(page().names_template(&section("utility_template", "order_shipped".into())));
    assert!(!page().names_template(&section("utility_template", " ".into())));
    assert!(!page().names_template(&section("utility_template", 7.into())));
    assert!(!page().names_template(&section("template", "order_shipped".into())));
}

fn shaped(form: Form, words: &Message) -> Value {
    let parts = Parts::of(form, page().address(PERSON));
    let envelope = page().shape(words, &parts.errand()).expect("it fits");
    serde_json::from_str(&envelope.body).expect("JSON")
}

#[test]
fn neither_a_tag_nor_a_human_agent_can_be_expressed() {
    let evil = json!("HUMAN_AGENT");
    let keys = ["tag", "messaging_type", "utility_template", "language", "params", "button_params"];
    let extra: BTreeMap<String, Value> = keys.iter().map(|k| (k.to_string(), evil.clone())).collect();
    let words =
        Message { extra: BTreeMap::from_iter(extra.into_iter().filter(|(k, _)| !k.ends_with("params"))), ..message() };
    let free = shaped(Form::Free, &words);
    assert_eq!(free["messaging_type"], "UPDATE");
    let template = shaped(Form::Template, &words);
    assert_eq!(template["messaging_type"], "UTILITY");
    for document in [free, template] {
        assert!(document.get("tag").is_none() && document["message"].get("tag").is_none());
    }
}

#[test]
fn staff_addresses_and_other_schemes_do_not_fit() {
    for address in [None, Some(Address::new("line", "U0123456789abcdef0123456789abcdef"))] {
        let fault = page().shape(&message(), &Parts::of(Form::Free, address).errand()).unwrap_err();
        assert!(fault.to_string().contains("page-scoped id"), "{fault}");
    }
}

#[tokio::test]
async fn a_send_carries_token_and_proof_and_the_token_only_in_its_header() {
    let server = Server::start(|_| answer_json(200, json!({"recipient_id": PERSON, "message_id": "m_1"}))).await;
    let mut settings = settings();
    settings["api_url"] = server.url.clone().into();
    settings["api_version"] = "v25.0".into();
    let page = open("messenger", &settings);
    let envelope = page.shape(&message(), &Parts::of(Form::Free, page.address(PERSON)).errand()).unwrap();
    let verdict = page.send(&envelope).await;
    assert_eq!(verdict, Verdict::Accepted { ids: vec!["m_1".into()], again: false });
    let seen = server.seen();
    let request = &seen[0];
    let proof = hex::encode(sign(b"app-secret", b"page-token"));
    assert_eq!(request.line, format!("POST /v25.0/{PAGE}/messages?appsecret_proof={proof} HTTP/1.1"));
    assert_eq!(request.header("authorization"), Some("Bearer page-token"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, envelope.body);
    assert!(!request.body.contains("page-token") && seen.len() == 1);
}

#[tokio::test]
async fn an_error_object_decides_whatever_the_status_is() {
    for status in [200, 400, 403, 500] {
        let server = Server::start(move |_| {
            answer_json(status, json!({"error": {"code": 10, "error_subcode": 2018278, "message": "outside"}}))
        })
        .await;
        let mut settings = settings();
        settings["api_url"] = server.url.clone().into();
        let page = open("messenger", &settings);
        let envelope = page.shape(&message(), &Parts::of(Form::Free, page.address(PERSON)).errand()).unwrap();
        match page.send(&envelope).await {
            Verdict::Unreachable { reason: Reason::WindowClosed, change, .. } => assert!(change.window_closed),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_fetched_is_left_out_once() {
    for (body, buttons, wanted) in
        [("words", 1, "/message/attachment/payload/elements/0/title"), ("", 0, "/message/text")]
    {
        let server = Server::start(|request| {
            if request.body.contains("image_url") {
                return answer_json(400, json!({"error": {"code": 100, "error_subcode": 2018008, "message": "fetch"}}));
            }
            answer_json(200, json!({"recipient_id": PERSON, "message_id": "m_2"}))
        })
        .await;
        let mut settings = settings();
        settings["api_url"] = server.url.clone().into();
        let page = open("messenger", &settings);
        let image = Some("https://cdn.example/i.jpg".to_string());
        let mut words = Message { body: body.into(), image, ..message() };
        words.buttons.truncate(buttons);
        let envelope = page.shape(&words, &Parts::of(Form::Free, page.address(PERSON)).errand()).unwrap();
        assert!(matches!(page.send(&envelope).await, Verdict::Accepted { ids, .. } if ids == ["m_2"]));
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        let second: Value = serde_json::from_str(&seen[1].body).unwrap();
        assert_eq!(second.pointer(wanted), Some(&json!("訂單#1001已出貨")), "{second}");
        assert_eq!(second.pointer("/message/metadata"), Some(&json!("r-1")), "{second}");
    }
}

fn any_words() -> impl Strategy<Value = Message> {
    let text = || prop_oneof!["\\PC{0,40}", "(字|a\u{301}|👨‍👩‍👧|\n| ){0,900}", ".{0,3000}"];
    let button = (text(), prop_oneof![Just("https://shop.example/o/1".to_string()), text()]);
    (
        text(),
        text(),
        prop::collection::vec(button, 0..5),
        prop::option::of(Just("https://cdn.example/i.jpg".to_string())),
    )
        .prop_map(|(title, body, buttons, image)| Message {
            title,
            body,
            buttons: buttons.into_iter().map(|(label, url)| Button { label, url }).collect(),
            image,
            ..message()
        })
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |t| t.chars().count())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_words_are_shaped_within_the_documented_limits(words in any_words()) {
        let page = page();
        let parts = Parts::of(Form::Free, page.address(PERSON));
        let Ok(envelope) = page.shape(&words, &parts.errand()) else { return Ok(()) };
        let document: Value = serde_json::from_str(&envelope.body).unwrap();
        let message = &document["message"];
        prop_assert_eq!(&message["metadata"], "r-1");
        prop_assert!(length(&message["text"]) < 2000);
        let payload = &message["attachment"]["payload"];
        prop_assert!(length(&payload["text"]) <= 640);
        let elements = payload["elements"].as_array().cloned().unwrap_or_default();
        for element in &elements {
            prop_assert!((1..=80).contains(&length(&element["title"])) && length(&element["subtitle"]) <= 80);
        }
        for buttons in elements.iter().map(|e| &e["buttons"]).chain([&payload["buttons"]]) {
            let buttons = buttons.as_array().cloned().unwrap_or_default();
            prop_assert!(buttons.len() <= 3);
            for b in buttons {
                prop_assert!((1..=20).contains(&length(&b["title"])));
                prop_assert!(b["url"].as_str().unwrap().starts_with("https://"));
            }
        }
    }

    #[test]
    fn any_event_shape_is_heard_without_a_panic(
        kind in prop::sample::select(vec![
            "message", "postback", "referral", "optin", "reaction", "delivery", "read", "policy-enforcement",
        ]),
        field in prop::sample::select(vec!["mid", "mids", "watermark", "action", "ref", "type", "is_echo", "metadata"]),
        odd in prop_oneof![
            Just(Value::Null), any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from),
            "\\PC{0,9}".prop_map(Value::from), Just(json!([[1], {"a": "b"}])),
        ],
        time in any::<i64>(),
    ) {
        let event = json!({"sender": {"id": odd}, "recipient": odd, "timestamp": time, kind: {field: odd, "mid": "m"}});
        let bare = json!({"sender": odd, "timestamp": odd, kind: odd});
        let body = json!({"object": "page", "entry": [{"id": PAGE, "messaging": [event, bare], "standby": odd}]});
        for signal in page().hear(&callback(body.to_string().as_bytes())).signals {
            let latest = plus_secs(at("2026-11-25T08:00:05Z"), 24 * 3600 - 300);
            prop_assert!(signal.change.window_until.is_none_or(|t| t <= latest));
        }
    }
}

// ---- Published samples, where the folder is at hand.

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
