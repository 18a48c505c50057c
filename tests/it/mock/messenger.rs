//! Messenger's understudy.

use super::{PSID, Stage, update};
use orderwire::domain::clock::{Clock, ManualClock, SystemClock};
use orderwire::domain::signature::sign;
use orderwire::mock::{Become, MessengerOptions, MockOptions};
use serde_json::{Value, json};
use std::sync::Arc;

async fn stage() -> Stage {
    let messenger = MessengerOptions {
        templates: vec![("order_shipped".into(), "zh_TW".into())],
        open: vec![PSID.into()],
        ..MessengerOptions::default()
    };
    Stage::new(MockOptions { messenger, ..MockOptions::default() }).await
}

fn utility(name: &str, language: &str, parameters: &Value) -> Value {
    json!({ "recipient": { "id": PSID }, "messaging_type": "UTILITY", "message": { "template": {
        "name": name, "language": { "code": language }, "components": [{ "type": "body", "parameters": parameters }] } } })
}

/// Code and subcode of a refusal.
async fn refusal(stage: &Stage, body: &Value) -> (i64, Option<i64>) {
    let answer = stage.page(body).await.unwrap();
    assert!(answer.status >= 400, "{body} was taken");
    let error = answer.json()["error"].clone();
    assert!(error["message"].is_string() && error["fbtrace_id"].is_string(), "{error}");
    (error["code"].as_i64().unwrap(), error["error_subcode"].as_i64())
}

#[tokio::test]
async fn words_inside_the_window_and_templates_outside() {
    let clock = ManualClock::new(SystemClock.now());
    let mut options = MockOptions { clock: Arc::new(clock.clone()), ..MockOptions::default() };
    options.messenger.open = vec![PSID.into()];
    options.messenger.templates = vec![("order_shipped".into(), "zh_TW".into())];
    let stage = Stage::new(options).await;
    let answer = stage.page(&update("Your order\nis on its way")).await.unwrap();
    assert_eq!((answer.status, &answer.json()["recipient_id"]), (200, &json!(PSID)));
    clock.advance(24 * 3600 * 1000);
    assert_eq!(refusal(&stage, &update("x")).await, (10, Some(2018278)));
    let named = json!([{ "type": "text", "parameter_name": "order", "text": "#1001" }]);
    assert_eq!(stage.page(&utility("order_shipped", "zh_TW", &named)).await.unwrap().status, 200);
    let sent = stage.mock.sent();
    assert_eq!(sent.iter().map(|t| t.form).collect::<Vec<_>>(), ["update", "utility"]);
    assert_eq!((sent[0].title.as_str(), sent[0].text.as_str()), ("Your order", "Your order\nis on its way"));
    assert_eq!(sent[1].text, "order_shipped (zh_TW)\norder: #1001");
    assert_eq!(sent[0].ids[0], answer.json()["message_id"].as_str().unwrap());
}

#[tokio::test]
async fn what_meta_refuses_is_refused() {
    let stage = stage().await;
    let good = json!([{ "type": "text", "text": "#1001" }]);
    let with = |key: &str, value: Value| {
        let mut body = update("x");
        body[key] = value;
        body
    };
    let message = |message: Value| with("message", message);
    let buttons = |count: usize, title: &str, text: &str| {
        let button = json!({ "type": "web_url", "title": title, "url": "https://a.example" });
        message(
            json!({ "attachment": { "type": "template", "payload": { "template_type": "button", "text": text, "buttons": vec![button; count] } } }),
        )
    };
    let card = |title: &str| {
        message(
            json!({ "attachment": { "type": "template", "payload": { "template_type": "generic", "elements": [{ "title": title, "subtitle": "s" }] } } }),
        )
    };
    let cases = [
        (utility("order_shipped", "en", &good), (100, None)),
        (utility("order_lost", "zh_TW", &good), (100, None)),
        (utility("order_shipped", "zh_TW", &json!([])), (100, None)),
        (utility("order_shipped", "zh_TW", &json!([{ "type": "text", "text": "a\nb" }])), (100, None)),
        (with("tag", json!("POST_PURCHASE_UPDATE")), (100, Some(1893061))),
        (with("tag", json!("HUMAN_AGENT")), (10, Some(2018028))),
        (with("messaging_type", json!("MESSAGE_TAG")), (100, None)),
        (with("messaging_type", json!("SHOUT")), (100, None)),
        (with("recipient", json!({ "id": "someone" })), (100, Some(2018001))),
        (message(json!({ "text": "字".repeat(2000) })), (100, None)),
        (message(json!({ "text": "" })), (100, None)),
        (message(json!({ "text": "x", "metadata": "m".repeat(1000) })), (100, None)),
        (message(json!({ "text": "x", "attachment": {} })), (100, None)),
        (message(json!({ "attachment": { "type": "template", "payload": { "template_type": "list" } } })), (100, None)),
        (buttons(4, "t", "x"), (100, None)),
        (buttons(0, "t", "x"), (100, None)),
        (buttons(1, &"t".repeat(21), "x"), (100, None)),
        (buttons(1, "t", &"x".repeat(641)), (100, None)),
        (card(&"t".repeat(81)), (100, None)),
        (json!({ "recipient": { "id": PSID }, "messaging_type": "UPDATE" }), (100, None)),
    ];
    for (body, wanted) in &cases {
        assert_eq!(refusal(&stage, body).await, *wanted, "{body}");
    }
    assert_eq!(stage.mock.count(), 0);
    for body in [
        buttons(3, &"t".repeat(20), &"x".repeat(640)),
        card(&"t".repeat(80)),
        message(json!({ "text": "字".repeat(1999) })),
    ] {
        assert_eq!(stage.page(&body).await.unwrap().status, 200, "{body}");
    }
    assert!(stage.mock.sent()[0].text.contains("[tttttttttttttttttttt] https://a.example"));
}

#[tokio::test]
async fn people_who_cannot_be_reached() {
    let stage = stage().await;
    stage.mock.person("messenger", PSID, Become::Blocked);
    assert_eq!(refusal(&stage, &update("x")).await, (551, Some(1545041)));
    stage.mock.person("messenger", PSID, Become::Unknown);
    assert_eq!(refusal(&stage, &update("x")).await, (100, Some(2018001)));
}

#[tokio::test]
async fn the_token_its_proof_and_the_page() {
    let mut options = MockOptions::default();
    options.messenger.open = vec![PSID.into()];
    options.messenger.require_proof = true;
    let stage = Stage::new(options).await;
    let code = async |query: &str, token: Option<&str>| {
        let request = stage.client.post(stage.url(&format!("/v26.0/{query}"))).json(&update("x"));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let answer = stage.send(request).await.unwrap();
        (answer.status, answer.json()["error"]["code"].as_i64())
    };
    let proof = hex::encode(sign(b"mock-app-secret", b"mock-page-token"));
    let page = "100000000000001/messages";
    assert_eq!(code(page, None).await, (401, Some(104)));
    assert_eq!(code(page, Some("other")).await, (401, Some(190)));
    assert_eq!(code(page, Some("mock-page-token")).await, (400, Some(100)));
    assert_eq!(code(&format!("{page}?appsecret_proof=00"), Some("mock-page-token")).await, (400, Some(100)));
    let proven = format!("appsecret_proof={proof}");
    assert_eq!(code(&format!("42/messages?{proven}"), Some("mock-page-token")).await, (400, Some(100)));
    assert_eq!(code(&format!("{page}?{proven}"), Some("mock-page-token")).await, (200, None));
    assert_eq!(code(&format!("me/messages?{proven}&access_token=mock-page-token"), None).await, (200, None));
}
