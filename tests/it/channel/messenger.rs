//! Messenger: goldens, settings, the handshake, and what goes over the wire.

mod samples;

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, secret};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::domain::person::Address;
use orderwire::domain::settings::Mistake;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::Verdict;
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
