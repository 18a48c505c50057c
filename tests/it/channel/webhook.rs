//! Outgoing webhooks: goldens, where they may go, and what a receiver verifies.

use super::golden;
use super::server::{Act, Seen, Server};
use super::stand_in::{Parts, message, open, secret};
use crate::guard::outgoing::REFUSED;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Envelope, Form};
use orderwire::domain::clock::{Clock as _, SystemClock};
use orderwire::domain::decision::Reason;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Scope, Verdict};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const OLD: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn settings() -> Value {
    json!({ "url": secret("https://erp.example.com/hooks"), "secrets": [secret(NEW)] })
}

#[test]
fn goldens() {
    golden::run("webhook", &settings(), None, |secret, _| ("webhook-signature".into(), secret.into()));
}

fn mistake(settings: Value) -> Option<String> {
    let found = (find("webhook").unwrap().open)("a".into(), settings).err()?;
    Some(found.into_iter().map(|m| m.key).collect::<Vec<_>>().join(" "))
}

#[test]
fn no_spelling_leads_inwards_and_loopback_only_where_it_is_said() {
    let at = |url: &str, loopback: bool| {
        let mut settings = settings();
        settings["url"] = secret(url);
        settings["loopback"] = loopback.into();
        mistake(settings)
    };
    for url in REFUSED {
        for loopback in [false, true] {
            assert_eq!(at(url, loopback).as_deref(), Some("url"), "{url} {loopback}");
        }
    }
    for url in [
        "http://127.0.0.1:9000/hook",
        "http://localhost:9000/hook",
        "https://[::1]/hook",
        "http://127.1/",
        "http://2130706433/",
    ] {
        assert_eq!(at(url, false).as_deref(), Some("url"), "{url}");
        assert_eq!(at(url, true), None, "{url}");
    }
    assert_eq!(at("https://erp.example.com/hooks?tenant=1", false), None);
    assert_eq!(at("https://erp.example.com/hooks", true).as_deref(), Some("url"), "what is said must be so");
    assert_eq!(at("https://erp.example.com/#a", false).as_deref(), Some("url"));
}

#[test]
fn every_mistake_is_named_and_no_secret_repeated() {
    let two = json!({ "url": secret("https://a.example/"), "secrets": [secret(NEW), secret(NEW)] });
    assert_eq!(mistake(two).as_deref(), Some("secrets[1]"));
    let none = json!({ "url": secret("https://a.example/"), "secrets": [] });
    assert_eq!(mistake(none).as_deref(), Some("secrets"));
    let many = json!({ "url": secret("http://a.example/canary"), "secrets": [secret("whsec_canary"), secret("canary")],
        "timeout": "0s", "per_second": 51 });
    let found = (find("webhook").unwrap().open)("a".into(), many.clone()).err().unwrap();
    assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    assert_eq!(mistake(many).as_deref(), Some("timeout per_second url secrets[0] secrets[1]"));
}

/// What a receiver with this secret knows: by the standard's words, not by our code.
fn believes(secret: &str, seen: &Seen) -> bool {
    let (id, at) = (seen.header("webhook-id").unwrap(), seen.header("webhook-timestamp").unwrap());
    let lately = (SystemClock.now().as_second() - at.parse::<i64>().unwrap()).abs() <= 300;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let good = format!("v1,{}", STANDARD.encode(sign(&key, format!("{id}.{at}.{}", seen.body).as_bytes())));
    lately && !id.contains('.') && seen.header("webhook-signature").unwrap().split(' ').any(|s| s == good)
}

fn local(server: &Server, more: Value) -> Box<dyn Channel> {
    let mut settings = json!({ "url": secret(&format!("{}/hook?tenant=1", server.url)), "loopback": true,
        "secrets": [secret(NEW), secret(OLD)] });
    settings.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    open("webhook", &settings)
}

fn envelope(channel: &dyn Channel) -> Envelope {
    channel.shape(&message(), &Parts::of(Form::Free, None).errand()).unwrap()
}

#[tokio::test]
async fn every_live_key_signs_and_the_id_stays_over_attempts() {
    let server = Server::start(|_| Act::Answer(200, Vec::new(), "thank you".into())).await;
    let channel = local(&server, json!({}));
    let envelope = envelope(&*channel);
    for _ in 0..2 {
        assert_eq!(channel.send(&envelope).await, Verdict::Accepted { ids: Vec::new(), again: false });
    }
    let seen = server.seen();
    for request in &seen {
        assert!(request.line.starts_with("POST /hook?tenant=1 "), "{}", request.line);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert!(believes(NEW, request) && believes(OLD, request));
        assert!(!believes("whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=", request), "a stranger's key proves nothing");
    }
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[0].body, envelope.body);
}

#[tokio::test]
async fn a_cloudevent_carries_the_same_id_and_signature() {
    let server = Server::start(|_| Act::Answer(202, Vec::new(), String::new())).await;
    let channel = local(&server, json!({ "cloudevents": true }));
    assert!(matches!(channel.send(&envelope(&*channel)).await, Verdict::Accepted { .. }));
    let seen = server.seen().remove(0);
    assert_eq!(seen.header("content-type"), Some("application/cloudevents+json; charset=UTF-8"));
    assert!(believes(NEW, &seen));
    let event: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(event["id"], seen.header("webhook-id").unwrap());
    for attribute in ["specversion", "source", "type", "time"] {
        assert!(event[attribute].as_str().is_some_and(|v| !v.is_empty()), "{attribute}");
    }
}

#[tokio::test]
async fn gone_stays_gone_and_a_redirect_inwards_is_not_followed() {
    let server = Server::start(|request| {
        let inwards = vec![("location", "http://169.254.169.254/latest/meta-data/".to_string())];
        let here = vec![("location", "/elsewhere".to_string())];
        match request.header("webhook-id") {
            _ if request.line.contains("/elsewhere") => Act::Answer(200, Vec::new(), String::new()),
            _ if request.line.contains("gone") => Act::Answer(410, Vec::new(), "private words".into()),
            _ if request.line.contains("inwards") => Act::Answer(307, inwards, String::new()),
            _ => Act::Answer(308, here, String::new()),
        }
    })
    .await;
    for (path, least) in [("gone", Some(86_400)), ("inwards", None), ("here", None)] {
        let url = secret(&format!("{}/{path}", server.url));
        let channel = local(&server, json!({ "url": url }));
        match channel.send(&envelope(&*channel)).await {
            Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, after_secs, detail } => {
                assert!(after_secs >= least, "{path}: {after_secs:?}");
                assert!(!detail.contains("private"), "{detail}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    assert_eq!(server.seen().len(), 3, "nothing was followed");
}

/// The standard's own library for Python, where it is installed.
const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook
given = json.load(sys.stdin)
Webhook(given['secret']).verify(given['body'], given['headers'])
";

#[tokio::test]
async fn the_standards_own_library_believes_us() {
    let python = |code: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let there = python("import standardwebhooks").status().is_ok_and(|s| s.success());
    if !there {
        eprintln!("skipped: python3 has no package standardwebhooks");
        return;
    }
    let server = Server::start(|_| Act::Answer(200, Vec::new(), String::new())).await;
    for more in [json!({}), json!({ "cloudevents": true })] {
        let channel = local(&server, more);
        assert!(matches!(channel.send(&envelope(&*channel)).await, Verdict::Accepted { .. }));
        let seen = server.seen().pop().unwrap();
        let headers: Value = seen.headers.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
        for (secret, good) in [(NEW, true), (OLD, true), ("whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=", false)] {
            let mut child = python(VERIFY).spawn().unwrap();
            let given = json!({ "secret": secret, "body": seen.body, "headers": headers });
            child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
            assert_eq!(child.wait().unwrap().success(), good, "{secret}");
        }
    }
}
