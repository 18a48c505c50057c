//! What every kind does when its provider hangs, hangs up, is away, leads elsewhere or never ends.

use super::{message, parts, properties};
use crate::channel::examples::example;
use crate::channel::server::{Act, Seen, Server, json as answer_json};
use crate::channel::stand_in::{open_kind, secret};
use orderwire::channel::{ALL, Channel, Kind};
use orderwire::domain::channel::Form;
use orderwire::domain::decision::Reason;
use orderwire::domain::verdict::{Answer, Verdict};
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An account of each kind that can be pointed at loopback, with a short time-out.
fn local(url: &str) -> Vec<(&'static Kind, Box<dyn Channel>)> {
    let ways = |kind: &&Kind| ["api_url", "loopback"].iter().any(|key| properties(kind).contains(*key));
    ALL.iter()
        .copied()
        .filter(ways)
        .map(|kind| {
            let mut settings = example(kind);
            if properties(kind).contains("loopback") {
                settings["url"] = secret(&format!("{url}/hook/canary4f1d9c"));
                settings["loopback"] = true.into();
            } else {
                settings["api_url"] = url.into();
            }
            if properties(kind).contains("refresh_token") {
                // The message alone is what is watched here; where tokens come from has tests of its own.
                let fields = settings.as_object_mut().expect("a table");
                fields.remove("refresh_token");
                fields.insert("access_token".into(), secret("canary4f1d9c_0123456789abcdef"));
            }
            settings["timeout"] = "1s".into();
            (kind, open_kind(kind, &settings))
        })
        .collect()
}

async fn send(channel: &dyn Channel) -> Verdict {
    let envelope = channel.shape(&message(), &parts(channel, Form::Free).errand()).unwrap();
    let started = Instant::now();
    let verdict = channel.send(&envelope).await;
    assert!(started.elapsed() < Duration::from_millis(1900), "a send took {:?}", started.elapsed());
    assert!(!format!("{verdict:?}").contains("canary"), "a verdict shows a secret: {verdict:?}");
    verdict
}

/// A kind that must ask for a token before it can send is given one.
fn behind_a_token(seen: &Seen, act: Act) -> Act {
    let path = seen.line.split([' ', '?']).nth(1).unwrap_or_default();
    let token = json!({ "access_token": "canary4f1d9c", "expires_in": 7200 });
    if path.ends_with("_token") { answer_json(200, token) } else { act }
}

#[tokio::test]
async fn a_provider_that_hangs_costs_no_more_than_the_time_out() {
    let server = Server::start(|seen| behind_a_token(seen, Act::Hang)).await;
    for (kind, channel) in local(&server.url) {
        let verdict = send(&*channel).await;
        assert!(matches!(verdict, Verdict::Unsure { .. }), "{}: {verdict:?}", kind.name);
    }
    assert!(!server.seen().is_empty());
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_unsure() {
    let server = Server::start(|seen| behind_a_token(seen, Act::Close)).await;
    for (kind, channel) in local(&server.url) {
        let verdict = send(&*channel).await;
        assert!(matches!(verdict, Verdict::Unsure { .. }), "{}: {verdict:?}", kind.name);
    }
}

#[tokio::test]
async fn a_refused_connection_goes_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for (kind, channel) in local(&url) {
        let verdict = send(&*channel).await;
        let reason = Reason::Retrying;
        assert!(matches!(verdict, Verdict::TryLater { reason: r, .. } if r == reason), "{}: {verdict:?}", kind.name);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| answer_json(200, json!({ "ok": true, "sentMessages": [{ "id": "1" }] }))).await;
    let to = elsewhere.url.clone();
    let turn = Mutex::new([301u16, 302, 303, 307, 308].into_iter().cycle());
    let server = Server::start(move |seen| {
        let status = turn.lock().unwrap().next().unwrap();
        behind_a_token(seen, Act::Answer(status, vec![("location", format!("{to}/stolen"))], String::new()))
    })
    .await;
    for (kind, channel) in local(&server.url) {
        for _ in 0..5 {
            let verdict = send(&*channel).await;
            assert!(!matches!(verdict, Verdict::Accepted { .. }), "{}: {verdict:?}", kind.name);
        }
    }
    assert!(elsewhere.seen().is_empty(), "a token was carried elsewhere");
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_a_cap() {
    let server = Server::start(|seen| behind_a_token(seen, Act::Answer(200, Vec::new(), "a".repeat(20_000_000)))).await;
    for (kind, channel) in local(&server.url) {
        // Some ask for the status alone.
        let headers = Vec::new();
        let expected = (kind.judge)(&Answer::Reply { status: 200, headers, body: b"aaaa".to_vec() });
        assert_eq!(send(&*channel).await, expected, "{}", kind.name);
    }
}
