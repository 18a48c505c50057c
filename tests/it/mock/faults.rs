//! Every kind of fault, as a client meets it.

use super::{LONG, PSID, Stage, USER, push, update};
use orderwire::mock::{Become, Fault, FaultKind, Wrong};
use serde_json::json;
use std::time::{Duration, Instant};

const KEY: &str = "123e4567-e89b-12d3-a456-426655440000";

#[tokio::test]
async fn too_many_in_each_providers_words() {
    let stage = Stage::plain().await;
    for channel in ["line", "messenger", "slack"] {
        stage.mock.fault(Fault::new(channel, FaultKind::Rate429));
        stage.mock.fault(Fault::new(channel, FaultKind::Rate429After("999999".into())));
    }
    stage.mock.fault(Fault::new("line", FaultKind::Quota429));
    stage.mock.person("messenger", PSID, Become::Open);
    let line = [(); 3].map(|()| push("x"));
    let mut words = Vec::new();
    for body in &line {
        let answer = stage.line("push", None, body).await.unwrap();
        words.push((answer.status, answer.header("retry-after").to_string(), answer.json()["message"].clone()));
    }
    let rate = json!("The API rate limit has been exceeded. Try again later.");
    assert_eq!(words[0], (429, String::new(), rate.clone()));
    assert_eq!(words[1], (429, "999999".into(), rate));
    assert_eq!(words[2], (429, String::new(), json!("You have reached your monthly limit.")));
    let page = [stage.page(&update("x")).await.unwrap(), stage.page(&update("x")).await.unwrap()];
    assert!(page.iter().all(|a| a.status == 429 && a.json()["error"]["code"] == 4));
    let hook = [stage.hook(&json!({ "text": "x" })).await.unwrap(), stage.hook(&json!({ "text": "x" })).await.unwrap()];
    assert_eq!(hook.each_ref().map(|a| (a.status, a.header("retry-after"))), [(429, "1"), (429, "999999")]);
    assert_eq!(stage.mock.count(), 0, "none of them was taken");
    assert_eq!(stage.line("push", None, &push("x")).await.unwrap().status, 200, "the faults are used up");
}

#[tokio::test]
async fn any_status_and_body() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("line", FaultKind::Status(503, "<h1>Bad day</h1>".into())));
    let answer = stage.line("push", None, &push("x")).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (503, "<h1>Bad day</h1>"));
    assert_eq!(answer.header("content-type"), "text/html");
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn silence_before_and_after_taking() {
    let stage = Stage::plain().await;
    for (kind, taken) in [(FaultKind::HangBefore(40), 0), (FaultKind::HangAfter(40), 1)] {
        stage.mock.fault(Fault::new("line", kind.clone()));
        let start = Instant::now();
        let lost = stage.line("push", Some(KEY), &push("x")).await;
        assert!(lost.is_err() && start.elapsed() >= Duration::from_millis(40), "{kind:?}: {lost:?}");
        assert_eq!(stage.mock.count(), taken, "{kind:?}");
    }
    assert!(!stage.mock.sent()[0].answered);
    // The sender asks again with its key: LINE has it.
    assert_eq!(stage.line("push", Some(KEY), &push("x")).await.unwrap().status, 409);
}

#[tokio::test]
async fn silence_for_ever_ends_with_the_client() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("line", FaultKind::HangAfter(0)));
    let request = stage.post("/v2/bot/message/push", "mock-line-token", &push("x")).timeout(Duration::from_millis(80));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(stage.mock.count(), 1);
}

#[tokio::test]
async fn resets_before_and_after_taking() {
    let stage = Stage::plain().await;
    for (kind, taken) in [(FaultKind::CutBefore, 0), (FaultKind::CutAfter, 1)] {
        stage.mock.fault(Fault::new("line", kind.clone()));
        let lost = stage.line("push", None, &push("x")).await.unwrap_err();
        assert!(!lost.is_connect() && !lost.is_timeout(), "{kind:?}: {lost:?}");
        assert!(format!("{lost:?}").contains("ConnectionReset"), "{kind:?}: {lost:?}");
        assert_eq!(stage.mock.count(), taken, "{kind:?}");
    }
    assert!(!stage.mock.sent()[0].answered);
}

#[tokio::test]
async fn slow_answers_and_bodies() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("slack", FaultKind::SlowAnswer(50)));
    stage.mock.fault(Fault::new("slack", FaultKind::SlowBody(20)));
    for least in [50, 100] {
        let start = Instant::now();
        assert_eq!(stage.hook(&json!({ "text": "x" })).await.unwrap().text, "ok");
        assert!(start.elapsed() >= Duration::from_millis(least), "{:?}", start.elapsed());
    }
    assert!(stage.mock.sent().iter().all(|t| t.answered));
}

#[tokio::test]
async fn a_body_without_end() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("line", FaultKind::EndlessBody));
    let request = stage.post("/v2/bot/message/push", "mock-line-token", &push("x"));
    let mut answer = request.send().await.unwrap();
    let mut length = 0;
    while length < 1 << 20 {
        length += answer.chunk().await.unwrap().expect("it goes on").len();
    }
    assert!(!stage.mock.sent()[0].answered);
}

#[tokio::test]
async fn unreadable_answers() {
    let stage = Stage::plain().await;
    for wrong in [Wrong::Gzip, Wrong::Utf8, Wrong::Html] {
        stage.mock.fault(Fault::new("line", FaultKind::WrongEncoding(wrong)));
        let request = stage.post("/v2/bot/message/push", "mock-line-token", &push("x"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let encoding = answer.headers().get("content-encoding").map(|v| v.to_str().unwrap().to_string());
        let bytes = answer.bytes().await.unwrap();
        match wrong {
            Wrong::Gzip => assert_eq!(encoding.as_deref(), Some("gzip")),
            Wrong::Utf8 => assert!(std::str::from_utf8(&bytes).is_err()),
            Wrong::Html => assert!(bytes.starts_with(b"<html>")),
        }
    }
    assert_eq!(stage.mock.count(), 3, "all were taken");
    assert!(stage.mock.sent().iter().all(|t| !t.answered));
}

#[tokio::test]
async fn a_fault_strikes_whom_and_when_it_is_told() {
    let stage = Stage::plain().await;
    let other = json!({ "to": "Uffffffffffffffffffffffffffffffff", "messages": [{ "type": "text", "text": "x" }] });
    stage.mock.fault(Fault::new("line", FaultKind::Status(500, String::new())).only_to(USER).after(1).times(2));
    let status = async |body: &serde_json::Value| stage.line("push", None, body).await.unwrap().status;
    let mut mine = Vec::new();
    for _ in 0..4 {
        assert_eq!(status(&other).await, 200);
        mine.push(status(&push("x")).await);
    }
    assert_eq!(mine, [200, 500, 500, 200]);
    stage.mock.fault(Fault::new("line", FaultKind::Status(500, String::new())).times(0));
    for _ in 0..3 {
        assert_eq!(status(&other).await, 500);
    }
    assert_eq!(stage.hook(&json!({ "text": "x" })).await.unwrap().status, 200, "another channel");
    stage.mock.clear_faults();
    assert_eq!(status(&other).await, 200);
}

#[tokio::test]
async fn faults_over_http() {
    let stage = Stage::plain().await;
    let set = |body: serde_json::Value| stage.send(stage.client.post(stage.url("/faults")).json(&body));
    let kinds = json!([
        { "channel": "line", "kind": { "status": [502, "no"] } },
        { "channel": "slack", "kind": "cut_after", "times": 2, "only_to": "x", "after": 3 },
        { "channel": "slack", "kind": { "wrong_encoding": "gzip" } },
    ]);
    assert_eq!(set(kinds).await.unwrap().status, 200);
    let listed = stage.send(stage.client.get(stage.url("/faults"))).await.unwrap().json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[1]["after"]), (3, &json!(3)));
    assert_eq!(stage.line("push", None, &push("x")).await.unwrap().status, 502);
    let bad = set(json!({ "channel": "line", "kind": "earthquake" })).await.unwrap();
    assert!(bad.status == 400 && bad.text.contains("earthquake"), "{}", bad.text);
    assert_eq!(stage.send(stage.client.delete(stage.url("/faults"))).await.unwrap().status, 200);
    assert!(stage.mock.faults().is_empty());
    assert!(!stage.mock.wait_for(1, Duration::from_millis(10)).await);
}

#[tokio::test]
async fn a_waiter_hears_of_what_comes_while_it_waits() {
    let stage = Stage::plain().await;
    let body = push("x");
    let (waited, sent) = tokio::join!(stage.mock.wait_for(1, LONG), stage.line("push", None, &body));
    assert!(waited && sent.unwrap().status == 200);
}
