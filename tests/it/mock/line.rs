//! LINE's understudy.

use super::{LONG, Stage, USER, push};
use orderwire::domain::clock::{Clock, ManualClock, SystemClock};
use orderwire::mock::{Become, Fault, FaultKind, LineOptions, MockOptions, Say};
use serde_json::{Value, json};
use std::sync::Arc;

const KEY: &str = "123e4567-e89b-12d3-a456-426655440000";

fn flex(contents: &Value) -> Value {
    json!({ "to": USER, "messages": [{ "type": "flex", "altText": "#1001 已出貨", "contents": contents }] })
}

fn card(uri: &str, label: &str) -> Value {
    json!({
        "type": "bubble",
        "body": { "type": "box", "layout": "vertical", "contents": [
            { "type": "text", "text": "已出貨", "weight": "bold" },
            { "type": "text", "contents": [{ "type": "span", "text": "黑貓 " }, { "type": "span", "text": "905" }] },
        ] },
        "footer": { "type": "box", "layout": "vertical", "contents": [
            { "type": "button", "action": { "type": "uri", "label": label, "uri": uri } },
        ] },
    })
}

#[tokio::test]
async fn a_push_is_taken_and_read() {
    let stage = Stage::plain().await;
    let answer = stage.line("push", Some(KEY), &flex(&card("https://shop.example.com/o/1", "查看訂單"))).await.unwrap();
    assert_eq!(answer.status, 200);
    let id = answer.json()["sentMessages"][0]["id"].as_str().unwrap().to_string();
    assert!(id.parse::<u64>().unwrap() > 1 << 53);
    let taken = stage.mock.sent().remove(0);
    assert_eq!((taken.channel, taken.form, taken.to.as_str()), ("line", "push", USER));
    assert_eq!((taken.status, taken.answered, taken.delivered, taken.duplicate), (200, true, true, false));
    assert_eq!(taken.key.as_deref(), Some(KEY));
    assert_eq!(taken.ids, [id]);
    assert_eq!(taken.title, "#1001 已出貨");
    assert_eq!(taken.text, "已出貨\n黑貓 905\n[查看訂單] https://shop.example.com/o/1");
}

#[tokio::test]
async fn the_same_key_is_the_same_message_for_a_day() {
    let clock = ManualClock::new(SystemClock.now());
    let stage = Stage::new(MockOptions { clock: Arc::new(clock.clone()), ..MockOptions::default() }).await;
    let first = stage.line("push", Some(KEY), &push("paid")).await.unwrap();
    let second = stage.line("push", Some(&KEY.to_uppercase()), &push("paid")).await.unwrap();
    assert_eq!((first.status, second.status), (200, 409));
    assert_eq!(second.json()["message"], "The retry key is already accepted");
    assert_eq!(second.json()["sentMessages"], first.json()["sentMessages"]);
    assert_eq!(second.header("x-line-accepted-request-id"), first.header("x-line-request-id"));
    assert_ne!(second.header("x-line-request-id"), first.header("x-line-request-id"));
    assert_eq!(stage.line("push", Some(KEY), &push("paid twice")).await.unwrap().status, 400);
    let sent = stage.mock.sent();
    assert_eq!(sent.iter().map(|t| (t.duplicate, t.status)).collect::<Vec<_>>(), [(false, 200), (true, 409)]);
    clock.advance(24 * 3600 * 1000 - 1);
    assert_eq!(stage.line("push", Some(KEY), &push("paid")).await.unwrap().status, 409);
    clock.advance(1);
    assert_eq!(stage.line("push", Some(KEY), &push("paid")).await.unwrap().status, 200, "a new message");
}

#[tokio::test]
async fn keys_sent_at_once_are_taken_once() {
    let stage = Stage::plain().await;
    let body = push("paid");
    let answers = futures_util::future::join_all((0..20).map(|_| stage.line("push", Some(KEY), &body))).await;
    let taken = answers.iter().filter(|a| a.as_ref().unwrap().status == 200).count();
    assert_eq!(taken, 1);
    assert_eq!(stage.mock.sent().iter().filter(|t| !t.duplicate).count(), 1);
}

#[tokio::test]
async fn a_key_must_be_a_uuid_and_never_on_a_reply() {
    let stage = Stage::plain().await;
    assert_eq!(stage.line("push", Some("order-1001"), &push("x")).await.unwrap().status, 400);
    let reply = json!({ "replyToken": "t", "messages": [{ "type": "text", "text": "x" }] });
    let refused = stage.line("reply", Some(KEY), &reply).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("Retry-Key"));
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn a_reply_token_is_good_once_and_for_a_minute() {
    let clock = ManualClock::new(SystemClock.now());
    let relay = super::callbacks::Ear::start().await;
    let options =
        MockOptions { clock: Arc::new(clock.clone()), relay: Some(relay.url.clone()), ..MockOptions::default() };
    let stage = Stage::new(options).await;
    let token = async || {
        stage.mock.say("line", USER, &Say::Text("hi".into())).await.unwrap();
        relay.heard().pop().unwrap().json()["events"][0]["replyToken"].clone()
    };
    let reply = |token: &Value| json!({ "replyToken": token, "messages": [{ "type": "text", "text": "hello" }] });
    let first = token().await;
    stage.mock.fault(Fault::new("line", FaultKind::CutBefore).only_to(USER));
    assert!(stage.line("reply", None, &reply(&first)).await.is_err(), "not taken, so the token stays good");
    assert_eq!(stage.line("reply", None, &reply(&first)).await.unwrap().status, 200);
    let used = stage.line("reply", None, &reply(&first)).await.unwrap();
    assert_eq!((used.status, used.json()), (400, json!({ "message": "Invalid reply token" })));
    let old = token().await;
    clock.advance(60_001);
    assert_eq!(stage.line("reply", None, &reply(&old)).await.unwrap().status, 400);
    let taken = stage.mock.sent().remove(0);
    assert_eq!((taken.form, taken.to.as_str()), ("reply", USER));
}

#[tokio::test]
async fn what_line_refuses_is_refused() {
    let stage = Stage::plain().await;
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let cases = [
        (json!({ "to": USER, "messages": text("") }), "messages[0].text"),
        (json!({ "to": USER, "messages": text(&"😀".repeat(2501)) }), "between 0 and 5000"),
        (json!({ "to": USER, "messages": [] }), "Size must be between 1 and 5"),
        (json!({ "to": USER, "messages": vec![json!({ "type": "text", "text": "x" }); 6] }), "Size must be"),
        (json!({ "to": USER }), "messages"),
        (json!({ "messages": text("x") }), "May not be empty"),
        (json!({ "to": "U123", "messages": text("x") }), "The property, to,"),
        (json!({ "to": USER.to_uppercase(), "messages": text("x") }), "The property, to,"),
        (json!({ "to": USER, "messages": [{ "type": "hologram" }] }), "messages[0].type"),
        (
            json!({ "to": USER, "messages": [{ "type": "flex", "altText": "a".repeat(1501), "contents": card("https://a.example", "b") }] }),
            "between 0 and 1500",
        ),
        (flex(&json!({ "type": "bubble" })), "at least one block"),
        (flex(&json!({ "type": "page" })), "/type"),
        (flex(&card("https://shop.example.com/訂單", "b")), "/footer/contents/0/action/uri"),
        (flex(&card("javascript:alert(1)", "b")), "invalid uri scheme"),
        (flex(&card(&format!("https://a.example/{}", "a".repeat(1000)), "b")), "longer than 1000"),
        (flex(&card("https://a.example", &"字".repeat(41))), "longer than 40"),
        (flex(&card("https://a.example", "")), "/action/label"),
        (
            flex(
                &json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [{ "type": "text", "text": "" }] } }),
            ),
            "/body/contents/0/text",
        ),
        (flex(&json!({ "type": "bubble", "body": { "type": "box", "contents": [] } })), "/body/layout"),
        (
            flex(
                &json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [{ "type": "text", "text": "x".repeat(31 * 1024) }] } }),
            ),
            "30720 bytes",
        ),
        (flex(&json!({ "type": "carousel", "contents": [] })), "between 1 and 12"),
    ];
    for (body, words) in &cases {
        let answer = stage.line("push", None, body).await.unwrap();
        assert_eq!(answer.status, 400, "{words}: {body}");
        assert!(answer.text.contains(words), "wanted {words:?}, had {}", answer.text);
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!((stage.mock.count(), stage.mock.refused().len()), (0, cases.len()));
    // At the limit it is taken: emoji count twice.
    assert_eq!(stage.line("push", None, &push(&"😀".repeat(2500))).await.unwrap().status, 200);
}

#[tokio::test]
async fn door_and_body_are_checked_first() {
    let stage = Stage::plain().await;
    let wrong = stage.send(stage.post("/v2/bot/message/push", "other", &push("x"))).await.unwrap();
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("Authentication failed due to the following reason"));
    let raw = |kind: &str, body: String| {
        let request = stage.client.post(stage.url("/v2/bot/message/push")).bearer_auth("mock-line-token");
        stage.send(request.header("content-type", kind.to_string()).body(body))
    };
    assert!(raw("application/json", "{\"to\":".into()).await.unwrap().text.contains("could not be parsed as JSON"));
    assert_eq!(raw("text/plain", "{}".into()).await.unwrap().status, 415);
    assert_eq!(raw("application/json", " ".repeat(2_000_001)).await.unwrap().status, 413);
    assert_eq!(raw("application/json", " ".repeat(5 << 20)).await.map_or(413, |a| a.status), 413);
    assert_eq!(stage.send(stage.client.get(stage.url("/v2/bot/info"))).await.unwrap().status, 401);
}

#[tokio::test]
async fn people_who_are_gone() {
    let stage = Stage::plain().await;
    let profile = || {
        let request = stage.client.get(stage.url(&format!("/v2/bot/profile/{USER}"))).bearer_auth("mock-line-token");
        stage.send(request)
    };
    assert_eq!(profile().await.unwrap().json()["userId"], USER);
    stage.mock.person("line", USER, Become::Blocked);
    assert_eq!(stage.line("push", None, &push("x")).await.unwrap().status, 200, "LINE does not tell");
    assert!(!stage.mock.sent()[0].delivered);
    assert_eq!(profile().await.unwrap().status, 404);
    stage.mock.person("line", USER, Become::Unblocked);
    stage.mock.person("line", USER, Become::Unknown);
    let unknown = stage.line("push", None, &push("x")).await.unwrap();
    assert_eq!((unknown.status, unknown.json()), (400, json!({ "message": "Failed to send messages" })));
}

#[tokio::test]
async fn the_months_messages_run_out() {
    let line = LineOptions { quota: Some(3), ..LineOptions::default() };
    let stage = Stage::new(MockOptions { line, ..MockOptions::default() }).await;
    let get = |path: &str| {
        stage.send(stage.client.get(stage.url(&format!("/v2/bot/message/{path}"))).bearer_auth("mock-line-token"))
    };
    let two =
        json!({ "to": [USER, "Uffffffffffffffffffffffffffffffff"], "messages": [{ "type": "text", "text": "x" }] });
    assert_eq!(stage.line("multicast", Some(KEY), &two).await.unwrap().json(), json!({}));
    assert_eq!(stage.line("push", None, &push("x")).await.unwrap().status, 200);
    let spent = stage.line("push", None, &push("x")).await.unwrap();
    assert_eq!(
        (spent.status, spent.json()["message"].as_str().unwrap()),
        (429, "You have reached your monthly limit.")
    );
    assert_eq!(get("quota").await.unwrap().json(), json!({ "type": "limited", "value": 3 }));
    assert_eq!(get("quota/consumption").await.unwrap().json(), json!({ "totalUsage": 3 }));
    assert_eq!(stage.mock.count(), 2);
}

#[tokio::test]
async fn one_bad_id_fails_a_multicast() {
    let stage = Stage::plain().await;
    let body = json!({ "to": [USER, "x"], "messages": [{ "type": "text", "text": "x" }] });
    let refused = stage.line("multicast", None, &body).await.unwrap();
    assert!(refused.status == 400 && refused.text.contains("to[1]"), "{}", refused.text);
}

#[tokio::test]
async fn messages_can_be_validated_without_sending() {
    let stage = Stage::plain().await;
    let good = json!({ "messages": [{ "type": "text", "text": "x" }] });
    let bad = json!({ "messages": [{ "type": "text" }] });
    assert_eq!(stage.line("validate/push", None, &good).await.unwrap().status, 200);
    assert_eq!(stage.line("validate/push", None, &bad).await.unwrap().status, 400);
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn short_tokens_are_given_out_and_end() {
    let clock = ManualClock::new(SystemClock.now());
    let stage = Stage::new(MockOptions { clock: Arc::new(clock.clone()), ..MockOptions::default() }).await;
    let ask = |secret: &str| {
        let body = format!("grant_type=client_credentials&client_id=1000000001&client_secret={secret}");
        let request = stage.client.post(stage.url("/oauth2/v3/token")).body(body);
        stage.send(request.header("content-type", "application/x-www-form-urlencoded"))
    };
    assert_eq!(ask("wrong").await.unwrap().json()["error"], "invalid_client");
    let issued = ask("mock-line-secret").await.unwrap().json();
    assert_eq!(issued["expires_in"], 900);
    let token = issued["access_token"].as_str().unwrap();
    let push = async || stage.send(stage.post("/v2/bot/message/push", token, &push("x"))).await.unwrap().status;
    assert_eq!(push().await, 200);
    clock.advance(900_000);
    assert_eq!(push().await, 401);
    let other = ask("mock-line-secret").await.unwrap().json();
    stage.mock.expire_line_tokens();
    let token = other["access_token"].as_str().unwrap();
    assert_eq!(stage.send(stage.post("/v2/bot/message/push", token, &super::push("x"))).await.unwrap().status, 401);
    assert!(stage.mock.wait_for(1, LONG).await);
}
