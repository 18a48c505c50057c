//! LINE: goldens, the requests as they go out, tokens, and what the vendor's own papers say of both.

use super::golden::{self, answer, bytes, verdict_json};
use super::openapi::Schemas;
use super::server::{Act, Seen, Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{Channel, Quota, find};
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::ids::Digest8;
use orderwire::domain::settings::Mistake;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::Verdict;
use orderwire::domain::webhook::{Admission, RawWebhook};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use unicode_segmentation::UnicodeSegmentation as _;

const PERSON: &str = "U4af49806292d4ce8b0e0a1c3d5f79b01";

fn settings() -> Value {
    json!({ "access_token": secret("token-1"), "channel_secret": secret("channel-secret") })
}

fn signature(secret: &str, body: &[u8]) -> (String, String) {
    ("x-line-signature".into(), STANDARD.encode(sign(secret.as_bytes(), body)))
}

#[test]
fn goldens() {
    golden::run("line", &settings(), Some(PERSON), signature);
}

fn mistakes(settings: Value) -> Vec<Mistake> {
    (find("line").unwrap().open)("a".into(), settings).err().unwrap_or_default()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = mistakes(json!({
        "access_token": secret("a b\nc"),
        "user_id": "Uxyz",
        "api_url": "http://api.line.me",
        "per_second": 2001,
        "timeout": "2m",
    }));
    let mut keys: Vec<&str> = found.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["access_token", "api_url", "channel_secret", "per_second", "timeout", "user_id"]);
}

#[test]
fn there_is_exactly_one_way_to_a_token() {
    let base = json!({ "channel_secret": secret("s") });
    let with = |fields: &[(&str, Value)]| {
        let mut settings = base.clone();
        for (key, value) in fields {
            settings[*key] = value.clone();
        }
        mistakes(settings).into_iter().map(|m| m.key).collect::<Vec<_>>()
    };
    assert_eq!(with(&[]), ["access_token"]);
    assert_eq!(with(&[("access_token", secret("t"))]), Vec::<String>::new());
    assert_eq!(with(&[("channel_id", "1".into())]), Vec::<String>::new());
    assert_eq!(with(&[("channel_id", "1".into()), ("access_token", secret("t"))]), ["channel_id"]);
    let only_id = json!({ "channel_id": "1", "channel_secrets": [secret("s")] });
    assert_eq!(mistakes(only_id)[0].key, "channel_secret");
}

fn account(url: &str, more: Value) -> Box<dyn Channel> {
    let mut fields = more;
    fields["channel_secret"] = secret("channel-secret");
    fields["api_url"] = url.into();
    open("line", &fields)
}

async fn send(channel: &dyn Channel, form: Form) -> Verdict {
    let parts = Parts::of(form, channel.address(PERSON));
    channel.send(&channel.shape(&message(), &parts.errand()).unwrap()).await
}

fn accepted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted { .. })
}

#[tokio::test]
async fn a_push_carries_its_key_from_the_first_time_and_a_reply_none() {
    let server = Server::start(|_| answer_json(200, json!({ "sentMessages": [{ "id": "1" }] }))).await;
    let channel = account(&server.url, json!({ "access_token": secret("token-1") }));
    for form in [Form::Free, Form::Free, Form::Reply] {
        assert!(accepted(&send(&*channel, form).await));
    }
    let seen = server.seen();
    assert!(seen[0].line.starts_with("POST /v2/bot/message/push "), "{}", seen[0].line);
    assert_eq!(seen[0].header("authorization"), Some("Bearer token-1"));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("x-line-retry-key"), Some("0f0e0d0c-0b0a-4908-8706-050403020100"));
    assert_eq!(
        (seen[1].header("x-line-retry-key"), &seen[1].body),
        (seen[0].header("x-line-retry-key"), &seen[0].body)
    );
    assert!(seen[2].line.starts_with("POST /v2/bot/message/reply "), "{}", seen[2].line);
    assert_eq!(seen[2].header("x-line-retry-key"), None, "on a reply the header is an error");
}

/// Issues `token-N` and takes only those of `good`.
async fn issuing(life: u64, good: fn(&str) -> bool) -> Server {
    let issued = AtomicU32::new(0);
    Server::start(move |request: &Seen| {
        if request.line.starts_with("POST /oauth2/v3/token ") {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let token = format!("token-{number}");
            return answer_json(200, json!({ "access_token": token, "expires_in": life, "token_type": "Bearer" }));
        }
        if good(request.header("authorization").unwrap_or_default()) {
            answer_json(200, json!({ "sentMessages": [{ "id": "1" }] }))
        } else {
            answer_json(401, json!({ "message": "Authentication failed due to the following reason: x" }))
        }
    })
    .await
}

fn of(seen: &[Seen], path: &str) -> usize {
    seen.iter().filter(|s| s.line.contains(path)).count()
}

#[tokio::test]
async fn a_stateless_token_is_fetched_once_for_many() {
    let server = issuing(900, |token| token == "Bearer token-1").await;
    let channel = account(&server.url, json!({ "channel_id": "12345" }));
    let sends = (0..8).map(|_| send(&*channel, Form::Free));
    assert!(futures_util::future::join_all(sends).await.iter().all(accepted));
    let seen = server.seen();
    assert_eq!((of(&seen, "/oauth2/v3/token"), of(&seen, "/message/push")), (1, 8));
    assert_eq!(seen[0].body, "grant_type=client_credentials&client_id=12345&client_secret=channel-secret");
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn a_token_near_its_end_is_not_used_again() {
    let server = issuing(180, |_| true).await;
    let channel = account(&server.url, json!({ "channel_id": "12345" }));
    assert!(accepted(&send(&*channel, Form::Free).await) && accepted(&send(&*channel, Form::Free).await));
    assert_eq!(of(&server.seen(), "/oauth2/v3/token"), 2);
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_then_the_account_stops() {
    let server = issuing(900, |token| token == "Bearer token-2").await;
    let channel = account(&server.url, json!({ "channel_id": "12345" }));
    assert!(accepted(&send(&*channel, Form::Free).await));
    let seen = server.seen();
    assert_eq!((of(&seen, "/oauth2/v3/token"), of(&seen, "/message/push")), (2, 2));
    let keys: Vec<_> = seen.iter().filter_map(|s| s.header("x-line-retry-key")).collect();
    assert_eq!(keys[0], keys[1], "the same message under the same key");

    let server = issuing(900, |_| false).await;
    let channel = account(&server.url, json!({ "channel_id": "12345" }));
    let verdict = verdict_json(&send(&*channel, Form::Free).await);
    assert_eq!((&verdict["reason"], &verdict["scope"]), (&json!("channel_paused"), &json!("account")));
    assert_eq!(of(&server.seen(), "/message/push"), 2, "no third time");

    let server = issuing(900, |_| false).await;
    let channel = account(&server.url, json!({ "access_token": secret("token-1") }));
    assert!(!accepted(&send(&*channel, Form::Free).await));
    assert_eq!(server.seen().len(), 1, "a long-lived token has no successor");
}

#[tokio::test]
async fn no_token_means_that_nothing_was_sent() {
    let cases = [
        (
            400,
            json!({ "error": "invalid_request", "error_description": "no such client" }),
            "channel_paused",
            "account",
        ),
        (500, json!({ "message": "x" }), "retrying", "message"),
        (200, json!({ "expires_in": 900 }), "retrying", "message"),
    ];
    for (status, body, reason, scope) in cases {
        let server = Server::start(move |_| answer_json(status, body.clone())).await;
        let channel = account(&server.url, json!({ "channel_id": "12345" }));
        let verdict = verdict_json(&send(&*channel, Form::Free).await);
        assert_eq!((&verdict["reason"], &verdict["scope"]), (&json!(reason), &json!(scope)), "{verdict}");
        assert_eq!(of(&server.seen(), "/message/"), 0);
    }
    let server = Server::start(|_| Act::Hang).await;
    let channel = account(&server.url, json!({ "channel_id": "12345", "timeout": "1s" }));
    let verdict = send(&*channel, Form::Free).await;
    assert!(matches!(verdict, Verdict::TryLater { .. }), "not a word of the message was written: {verdict:?}");
}

#[tokio::test]
async fn the_quota_is_asked_for() {
    for (limit, expected) in
        [(json!({ "type": "limited", "value": 200 }), Some(200)), (json!({ "type": "none" }), None)]
    {
        let server = Server::start(move |request| {
            assert!(request.line.starts_with("GET "), "{}", request.line);
            let used = request.line.contains("/quota/consumption ");
            answer_json(200, if used { json!({ "totalUsage": 150 }) } else { limit.clone() })
        })
        .await;
        let channel = account(&server.url, json!({ "access_token": secret("token-1") }));
        let quota = channel.quota().expect("LINE can be asked").await;
        assert_eq!(quota, Some(Quota { limit: expected, used: 150 }));
    }
    let server = Server::start(|_| answer_json(500, json!({}))).await;
    let channel = account(&server.url, json!({ "access_token": secret("token-1") }));
    assert_eq!(channel.quota().expect("LINE can be asked").await, None);
}

fn shaped(message: &Message, flex: bool) -> Value {
    let mut settings = settings();
    settings["flex"] = flex.into();
    let channel = open("line", &settings);
    let parts = Parts::of(Form::Free, channel.address(PERSON));
    serde_json::from_str(&channel.shape(message, &parts.errand()).unwrap().body).unwrap()
}

fn units(text: &Value) -> usize {
    text.as_str().unwrap().encode_utf16().count()
}

#[test]
fn only_the_body_is_cut_and_links_stand_in_full() {
    let long = Message { body: "👨‍👩‍👧訂單".repeat(2000), ..message() };
    let text = shaped(&long, false)["messages"][0]["text"].clone();
    assert!((4980..=5000).contains(&units(&text)), "{}", units(&text));
    let text = text.as_str().unwrap();
    assert!(text.starts_with("訂單#1001已出貨\n\n") && text.ends_with("追蹤包裹\nhttps://shop.example/t/903388120011"));
    let cut = text.split("…").next().unwrap();
    assert!(cut.ends_with("👨‍👩‍👧") || cut.ends_with('訂') || cut.ends_with('單'), "cut within a character");

    let card = shaped(&long, true)["messages"][0].clone();
    assert_eq!(card["type"], "flex");
    assert!(card["contents"].to_string().len() <= 30_000);
    assert!(units(&card["altText"]) <= 1500 && card["altText"].as_str().unwrap().starts_with("訂單#1001已出貨\n"));
}

#[test]
fn a_title_of_1500_makes_a_card_and_a_longer_one_a_text() {
    for (length, kind) in [(1500, "flex"), (1501, "text")] {
        let words = Message { title: "單".repeat(length), body: "內容".into(), ..message() };
        assert_eq!(shaped(&words, true)["messages"][0]["type"], kind, "{length}");
    }
}

#[test]
fn a_label_of_twenty_thousand_marks_is_a_fault_and_no_oversized_card() {
    // One grapheme, so the label's own limit lets it pass.
    let zalgo = Button { label: format!("e{}", "\u{335}".repeat(20_000)), url: "https://shop.example/".into() };
    let words = Message { buttons: vec![zalgo], ..message() };
    let channel = open("line", &settings());
    let parts = Parts::of(Form::Free, channel.address(PERSON));
    let fault = channel.shape(&words, &parts.errand()).unwrap_err();
    assert!(fault.to_string().contains("the title with its links"), "{fault}");
}

#[test]
fn a_card_of_the_shops_own_is_held_to_its_size() {
    let channel = open("line", &settings());
    let parts = Parts::of(Form::Free, channel.address(PERSON));
    for (kind, bytes, fits) in [
        ("bubble", 30_000, true),
        ("bubble", 30_001, false),
        ("carousel", 30_001, true),
        ("carousel", 50_000, true),
        ("carousel", 50_001, false),
    ] {
        let mut card = json!({ "type": kind, "x": "" });
        card["x"] = "a".repeat(bytes - card.to_string().len()).into();
        let words = Message { extra: BTreeMap::from([("flex".to_string(), card)]), ..message() };
        assert_eq!(channel.shape(&words, &parts.errand()).is_ok(), fits, "{kind} of {bytes}");
    }
}

/// Messages of many forms, as bodies of push and reply.
fn bodies() -> Vec<(&'static str, Value)> {
    let bubble = json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [{ "type": "text", "text": "x" }] } });
    let carousel = json!({ "type": "carousel", "contents": [bubble, bubble] });
    let own = |flex: Value| Message { extra: BTreeMap::from([("flex".to_string(), flex)]), ..message() };
    let two = vec![Button { label: "追蹤".repeat(30), url: "https://例.tw/訂 單?a=1&b=\"".into() }; 2];
    let words = [
        message(),
        Message { body: String::new(), buttons: Vec::new(), shop_name: None, ..message() },
        Message { image: Some("https://cdn.shop.example/圖.jpg".into()), buttons: two, ..message() },
        Message { title: "👩‍🚀\"\\\u{202e}<b>".into(), body: "x\n".repeat(9000), ..message() },
        own(bubble),
        own(carousel),
    ];
    let mut bodies = Vec::new();
    for flex in [true, false] {
        let mut settings = settings();
        settings["flex"] = flex.into();
        let channel = open("line", &settings);
        for (i, words) in words.iter().enumerate() {
            for (form, schema) in [(Form::Free, "PushMessageRequest"), (Form::Reply, "ReplyMessageRequest")] {
                let mut parts = Parts::of(form, channel.address(PERSON));
                parts.quiet = i % 2 == 1;
                let envelope = channel.shape(words, &parts.errand()).unwrap();
                bodies.push((schema, serde_json::from_str(&envelope.body).unwrap()));
            }
        }
    }
    bodies
}

#[test]
fn every_request_fits_the_published_description() {
    let Some(folder) = outside("ORDERWIRE_SPECS") else { return };
    let yaml = std::fs::read_to_string(folder.join("line/messaging-api.yml")).unwrap();
    let schemas = Schemas::read(&yaml);
    let bodies = bodies();
    assert_eq!(bodies.len(), 24);
    for (schema, body) in bodies {
        assert_eq!(schemas.faults(schema, &body), Vec::<String>::new(), "{body}");
        limits(&body);
    }
    let wrong = json!({ "to": PERSON, "messages": [{ "type": "flex", "altText": "a", "contents": { "type": "bubble", "hero": { "type": "image" } } }] });
    assert!(!schemas.faults("PushMessageRequest", &wrong).is_empty(), "the check can say no");
}

/// Limits that stand in prose only.
fn limits(value: &Value) {
    if let Some(label) = value["label"].as_str() {
        assert!((1..=40).contains(&label.graphemes(true).count()), "{label}");
    }
    if let Some(uri) = value["uri"].as_str() {
        assert!(uri.len() <= 1000 && uri.is_ascii(), "{uri}");
    }
    match value {
        Value::Array(items) => items.iter().for_each(limits),
        Value::Object(fields) => fields.values().for_each(limits),
        _ => {}
    }
}

fn samples(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("chat").join(name)).unwrap()).unwrap()
}

#[test]
fn published_signatures_are_judged_alike() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let vectors = samples(&folder, "line_signature_vectors.json");
    let vectors = vectors.as_array().unwrap();
    assert!(vectors.len() >= 13);
    for vector in vectors {
        let text = |key: &str| vector[key].as_str().unwrap();
        let channel =
            open("line", &json!({ "access_token": secret("t"), "channel_secret": secret(text("channel_secret")) }));
        let body = STANDARD.decode(text("body_base64")).unwrap();
        let raw = RawWebhook::post(&[(text("header"), text("signature"))], body, at("2026-11-25T08:00:00Z"));
        let taken = matches!(channel.admit(&raw), Admission::Take { .. });
        assert_eq!(Some(taken), vector["expect_valid"].as_bool(), "{}", text("name"));
        channel.hear(&raw);
    }
}

/// The vendor's fixtures write people's ids in short; each becomes an id of the right form.
fn lengthen(value: &mut Value) {
    if let Some(id) = value.pointer("/source/userId").and_then(Value::as_str) {
        let (a, b) = (Digest8::of(&[id.as_bytes()]).0, Digest8::of(&[id.as_bytes(), b"2"]).0);
        value["source"]["userId"] = format!("U{a:016x}{b:016x}").into();
    }
}

#[test]
fn published_callbacks_are_heard() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let known = ["message", "postback", "follow", "unfollow", "unsend", "accountLink", "botSuspended", "botResumed"];
    let channel = open("line", &settings());
    let mut heard_in_all = 0;
    let payloads = samples(&folder, "line_webhook_payloads.json");
    for sample in payloads.as_array().unwrap() {
        let mut payload = sample["payload"].clone();
        let events = payload["events"].as_array_mut().unwrap();
        events.iter_mut().for_each(lengthen);
        let expected = events.iter().filter(|e| {
            let kind = e["type"].as_str().unwrap();
            let account = kind.starts_with("bot");
            known.contains(&kind) && (account || e["source"]["type"] == "user")
        });
        let expected = expected.count();
        let body = payload.to_string();
        let (name, value) = signature("channel-secret", body.as_bytes());
        let raw = RawWebhook::post(&[(&name, &value)], body, at("2026-11-25T08:00:00Z"));
        assert!(matches!(channel.admit(&raw), Admission::Take { secret_index: 0, .. }), "{}", sample["name"]);
        let heard = channel.hear(&raw);
        assert_eq!((heard.signals.len(), heard.unreadable), (expected, 0), "{}", sample["name"]);
        heard_in_all += expected;
    }
    assert!(heard_in_all > 40, "{heard_in_all}");
}

#[test]
fn published_answers_are_judged_by_their_meaning() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let answers = samples(&folder, "api_error_samples.json");
    let mut judged = 0;
    for sample in answers["samples"].as_array().unwrap().iter().filter(|s| s["channel"] == "line") {
        let mut given = json!({ "status": sample["http_status"], "headers": sample["headers"] });
        given["body"] = String::from_utf8(bytes(&sample["body"])).unwrap().into();
        let verdict = verdict_json(&(find("line").unwrap().judge)(&answer(&given)));
        let short =
            ["verdict", "reason", "scope", "again"].map(|key| verdict[key].to_string().replace('"', "")).join(" ");
        let expected = match sample["expect_class"].as_str().unwrap() {
            "accepted" => "accepted null null false",
            "accepted_duplicate" => "accepted null null true",
            "retry_backoff" => "try_later rate_limited account null",
            "quota_exhausted" => "try_later quota_spent account null",
            "suppress_recipient" | "split_and_resend_without_index" => "unreachable recipient_invalid recipient null",
            "fallback_channel" => "unreachable recipient_invalid recipient null",
            "message_defect" | "config" => "refused null null null",
            "reply_expired_use_push" => "try_later retrying message null",
            "refresh_or_stop_channel_alert" | "stop_channel_alert" => "try_later channel_paused account null",
            // Said of profiles only; where we push, it means that the address of the API is wrong.
            "not_friend_or_blocked" => "try_later channel_paused account null",
            "retry_backoff_same_key" => "unsure null null null",
            other => panic!("a class nobody has thought of: {other}"),
        };
        assert_eq!(short, expected, "{}", sample["name"]);
        judged += 1;
    }
    assert!(judged >= 18, "{judged}");
}
