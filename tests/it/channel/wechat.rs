//! WeChat: words, codes, pushes, and what goes over the wire.

use super::golden;
use super::server::{Act, Seen, Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Envelope, Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, Grant, ReceiptOf, ReceiptState, Unreachable};
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const PERSON: &str = "oia2TjuEGTNoeX76QEjQNrcURxG8";

fn settings() -> Value {
    json!({ "app_id": "wx0123456789abcdef", "app_secret": secret("app-secret"), "token": secret("callbacktoken"),
        "encoding_aes_key": secret("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG") })
}

/// Pushes are signed in the query: every case brings its own.
fn nowhere(_: &str, _: &[u8]) -> (String, String) {
    ("x-none".into(), String::new())
}

#[test]
fn goldens() {
    golden::run("wechat", &settings(), Some(PERSON), nowhere);
}

#[test]
fn an_address_is_an_openid() {
    let account = open("wechat", &settings());
    assert_eq!(account.address(PERSON), Some(Address::new("wechat", PERSON)));
    for bad in
        ["", "o", "0912345678", "lin@shop.example", "Uabcdef0123456789abcdef0123456789", "oia2Tju GTNoeX76QEjQNrcURxG8"]
    {
        assert_eq!(account.address(bad), None, "{bad}");
    }
}

#[test]
fn mistakes_in_settings_are_named() {
    let bad = json!({ "app_id": "1", "app_secret": secret(""), "token": secret("a b"), "encoding_aes_key": secret("short"),
        "per_second": 0.0, "timeout": "2m", "api_url": "http://a.example" });
    let mistakes = (find("wechat").unwrap().open)("w".into(), bad).err().unwrap();
    let mut keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["api_url", "app_id", "app_secret", "encoding_aes_key", "per_second", "timeout", "token"]);
}

fn judged(code: i64) -> Verdict {
    let body = json!({ "errcode": code, "errmsg": "words rid: 1" }).to_string();
    (find("wechat").unwrap().judge)(&Answer::Reply { status: 200, headers: Vec::new(), body: body.into_bytes() })
}

/// The rows of the reference's table.
#[test]
fn every_documented_code_has_its_verdict() {
    assert!(matches!(judged(0), Verdict::Accepted { again: false, .. }));
    assert!(matches!(judged(45_065), Verdict::Accepted { again: true, .. }));
    let stops = [
        40_001, 40_014, 42_001, 41_001, 43_002, 43_003, 44_002, 40_013, 40_125, 40_164, 45_035, 61_004, 45_109, 48_001,
        48_004, 48_008, 50_001, 50_002,
    ];
    for code in stops {
        let fits =
            matches!(judged(code), Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. });
        assert!(fits, "{code}: {:?}", judged(code));
    }
    let waits = [
        (-1, Reason::Retrying, Scope::Message, Some(5)),
        (45_066, Reason::Retrying, Scope::Message, Some(60)),
        (45_011, Reason::RateLimited, Scope::Account, Some(60)),
        (45_009, Reason::QuotaSpent, Scope::Account, None),
    ];
    for (code, why, how_far, wait) in waits {
        let fits = matches!(judged(code), Verdict::TryLater { reason, scope, after_secs, .. }
            if (reason, scope, after_secs) == (why, how_far, wait));
        assert!(fits, "{code}: {:?}", judged(code));
    }
    let gone = [
        (40_003, Some(Some(Unreachable::Invalid))),
        (43_004, Some(Some(Unreachable::Blocked))),
        (50_005, Some(Some(Unreachable::Blocked))),
        (43_019, Some(Some(Unreachable::Blocked))),
        (48_002, Some(Some(Unreachable::Blocked))),
        (43_101, None),
    ];
    for (code, what) in gone {
        let fits = matches!(judged(code), Verdict::Unreachable { scope: Scope::Recipient, change, .. }
            if change.unreachable == what && !change.window_closed);
        assert!(fits, "{code}: {:?}", judged(code));
    }
    for code in [45_015, 45_047] {
        let fits = matches!(judged(code), Verdict::Unreachable { reason: Reason::WindowClosed, change, .. } if change.window_closed);
        assert!(fits, "{code}: {:?}", judged(code));
    }
    for code in [40_037, 47_003, 41_030] {
        let fits = matches!(
            judged(code),
            Verdict::Unreachable { reason: Reason::TemplateMissing, scope: Scope::Template, .. }
        );
        assert!(fits, "{code}: {:?}", judged(code));
    }
    for code in [47_001, 45_002, 45_067, 99_999] {
        assert!(matches!(judged(code), Verdict::Refused { .. }), "{code}: {:?}", judged(code));
    }
}

fn account(server: &Server) -> Box<dyn Channel> {
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    open("wechat", &own)
}

fn shaped(channel: &dyn Channel, form: Form) -> Envelope {
    let extra = json!({ "template_id": "TM00001", "data": { "character_string1": "1001", "phrase2": "已发货" } });
    let words = Message { extra: serde_json::from_value(extra).unwrap(), ..message() };
    channel.shape(&words, &Parts::of(form, channel.address(PERSON)).errand()).unwrap()
}

fn is_token_call(seen: &Seen) -> bool {
    seen.line.starts_with("POST /cgi-bin/stable_token ")
}

fn token(value: &str) -> Act {
    answer_json(200, json!({ "access_token": value, "expires_in": 7200 }))
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_and_each_form_has_its_address() {
    let server = Server::start(|seen| match is_token_call(seen) {
        true => token("a+b/c="),
        false => Act::Answer(200, Vec::new(), r#"{"errcode":0,"errmsg":"ok","msgid":3557254367693750277}"#.into()),
    })
    .await;
    let channel = account(&server);
    let (free, template) = (shaped(&*channel, Form::Free), shaped(&*channel, Form::Template));
    let all = [&free, &template, &template].map(|envelope| channel.send(envelope));
    let ids = vec!["3557254367693750277".to_string()];
    for verdict in futures_util::future::join_all(all).await {
        assert_eq!(verdict, Verdict::Accepted { ids: ids.clone(), again: false });
    }
    let seen = server.seen();
    let asked: Vec<&Seen> = seen.iter().filter(|s| is_token_call(s)).collect();
    assert_eq!(asked.len(), 1, "three sends at once, one call for a token");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    let wanted = json!({ "grant_type": "client_credential", "appid": "wx0123456789abcdef", "secret": "app-secret" });
    assert_eq!(body, wanted, "never with force_refresh");
    let mut lines: Vec<&str> = seen.iter().filter(|s| !is_token_call(s)).map(|s| s.line.as_str()).collect();
    lines.sort_unstable();
    let to = |path: &str| format!("POST /cgi-bin/message/{path}/send?access_token=a%2Bb%2Fc%3D HTTP/1.1");
    assert_eq!(lines, [to("custom"), to("template"), to("template")]);
    let text = &seen.iter().find(|s| s.line.contains("custom")).unwrap().body;
    assert!(text.contains("訂單#1001已出貨"), "not as \\u, which WeChat would show: {text}");
    assert_eq!(
        (free.key.is_some(), template.key.is_some()),
        (false, true),
        "free words have no mark against repetition"
    );
}

#[tokio::test]
async fn a_worn_token_is_fetched_anew_once_and_then_the_account_stops() {
    for code in [40_001, 40_014, 42_001] {
        let calls = AtomicUsize::new(0);
        let server = Server::start(move |seen| match is_token_call(seen) {
            true => token(&format!("t{}", calls.fetch_add(1, Ordering::SeqCst))),
            false if seen.line.contains("access_token=t0 ") => {
                answer_json(200, json!({ "errcode": code, "errmsg": "old" }))
            }
            false => answer_json(200, json!({ "errcode": 0, "errmsg": "ok" })),
        })
        .await;
        let channel = account(&server);
        let envelope = shaped(&*channel, Form::Free);
        for _ in 0..2 {
            assert!(matches!(channel.send(&envelope).await, Verdict::Accepted { .. }), "{code}");
        }
        assert_eq!(server.seen().iter().filter(|s| is_token_call(s)).count(), 2, "{code}: the fresh one is kept");
    }
    let server = Server::start(|seen| match is_token_call(seen) {
        true => token("t"),
        false => answer_json(200, json!({ "errcode": 40_001, "errmsg": "invalid credential" })),
    })
    .await;
    let channel = account(&server);
    let verdict = channel.send(&shaped(&*channel, Form::Free)).await;
    assert!(
        matches!(verdict, Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. }),
        "{verdict:?}"
    );
    assert_eq!(server.seen().len(), 4, "two calls for a token, two sends, no more");
}

#[tokio::test]
async fn without_a_token_nothing_was_sent() {
    let cases = [
        (json!({ "errcode": 40_125, "errmsg": "invalid appsecret" }), Reason::ChannelPaused, Scope::Account),
        (json!({ "errcode": 40_164, "errmsg": "invalid ip 203.0.113.7" }), Reason::ChannelPaused, Scope::Account),
        (json!({ "errcode": 89_503, "errmsg": "unknown" }), Reason::ChannelPaused, Scope::Account),
        (json!({ "errcode": -1, "errmsg": "busy" }), Reason::Retrying, Scope::Message),
        (json!({ "errcode": 0 }), Reason::Retrying, Scope::Message),
        (json!("<html>"), Reason::Retrying, Scope::Message),
        (json!({ "access_token": "a\nb", "expires_in": 7200 }), Reason::Retrying, Scope::Message),
    ];
    for (body, why, how_far) in cases {
        let answer = body.clone();
        let server = Server::start(move |_| answer_json(200, answer.clone())).await;
        let channel = account(&server);
        let verdict = channel.send(&shaped(&*channel, Form::Free)).await;
        let fits = matches!(&verdict, Verdict::TryLater { reason, scope, .. } if (*reason, *scope) == (why, how_far));
        assert!(fits && !format!("{verdict:?}").contains("app-secret"), "{body}: {verdict:?}");
        assert_eq!(server.seen().len(), 1, "{body}");
    }
}

fn push(query: &Value, body: &str, sent_at: i64) -> RawWebhook {
    let mut raw = RawWebhook::post(&[], body.to_string(), at("2026-11-25T08:00:00Z"));
    raw.received_at = orderwire::domain::clock::from_millis(sent_at * 1000);
    let pairs = query.as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap()));
    raw.query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    raw
}

fn vector_account(vector: &Value) -> Box<dyn Channel> {
    let text = |key: &str| vector[key].as_str().unwrap();
    let key = vector.get("encoding_aes_key").map(|k| secret(k.as_str().unwrap()));
    let mut own = json!({ "app_id": vector.get("app_id").map_or("wx1", |a| a.as_str().unwrap()),
        "app_secret": secret("x"), "token": secret(text("token")) });
    if let Some(key) = key {
        own["encoding_aes_key"] = key;
    }
    open("wechat", &own)
}

fn samples(name: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(outside("ORDERWIRE_SAMPLES")?.join("chat").join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn published_vectors_are_taken_and_their_opposites_refused() {
    let Some(vectors) = samples("wechat_signature_vectors.json") else { return };
    let of = |kind: &str| vectors.iter().filter(|v| v["kind"] == kind).cloned().collect::<Vec<_>>();
    let time = |v: &Value| v["query"]["timestamp"].as_str().unwrap().parse::<i64>().unwrap();
    let pushes = of("encrypted_push");
    assert_eq!(pushes.len(), 2);
    for vector in &pushes {
        let raw = push(&vector["query"], vector["body_xml"].as_str().unwrap(), time(vector));
        let account = vector_account(vector);
        assert!(matches!(account.admit(&raw), Admission::Take { .. }), "{}", vector["name"]);
        assert_eq!(account.hear(&raw).unreadable, 0, "{}", vector["name"]);
        let mut other = vector.clone();
        other["app_id"] = "wxinvalid".into();
        assert!(matches!(vector_account(&other).admit(&raw), Admission::Refuse(_)), "{}", vector["name"]);
    }
    let checks = of("plain_signature");
    assert_eq!(checks.len(), 1);
    let mut raw = push(&checks[0]["query"], "", time(&checks[0]));
    raw.method = "GET".into();
    let Admission::Reply(reply) = vector_account(&checks[0]).admit(&raw) else { panic!("{raw:?}") };
    assert_eq!(reply.body, checks[0]["expected_body"].as_str().unwrap());
}

#[test]
fn published_pushes_are_heard_as_documented() {
    let Some(pushes) = samples("wechat_webhook_payloads.json") else { return };
    let mut own = settings();
    own.as_object_mut().unwrap().remove("encoding_aes_key");
    let account = open("wechat", &own);
    let mut finished = 0;
    for item in pushes {
        let body = item["body_xml"].as_str().map_or_else(|| item["body_json"].to_string(), String::from);
        let heard = account.hear(&RawWebhook::post(&[], body.clone(), at("2026-11-25T08:00:00Z")));
        assert_eq!((heard.unreadable, heard.answer.as_deref()), (0, Some("success")), "{}", item["name"]);
        if body.contains("oia2TjuEGTNoeX76QEjQNrcURxG8") || body.contains("oTD8i6Wz6jQZPSNJlzQv43ApodvI") {
            let receipt = heard.signals[0].receipt.clone().unwrap();
            assert!(matches!(receipt.of, ReceiptOf::ProviderId(id) if body.contains(&id)), "{}", item["name"]);
            assert_eq!(receipt.state == ReceiptState::Delivered, body.contains("success"), "{}", item["name"]);
            finished += 1;
        }
    }
    assert_eq!(finished, 3);
}

fn allowed(channel: &dyn Channel) -> Envelope {
    let extra = json!({ "subscription": { "template_id": "SN00001", "data": { "thing1": "已发货" } } });
    let words = Message { extra: serde_json::from_value(extra).unwrap(), ..message() };
    assert_eq!(channel.granted_template(&words.extra).as_deref(), Some("SN00001"));
    channel.shape(&words, &Parts::of(Form::Grant, channel.address(PERSON)).errand()).unwrap()
}

/// A notification has an address of its own and no mark; where WeChat knows of no tap, ours are forgotten and all is
/// decided anew.
#[tokio::test]
async fn a_notification_that_nobody_allowed_takes_back_the_taps() {
    let server = Server::start(|seen| match (is_token_call(seen), seen.line.contains("/subscribe/bizsend?")) {
        (true, _) => token("t"),
        (_, true) => answer_json(200, json!({ "errcode": 43101, "errmsg": "user refuse to accept the msg" })),
        _ => answer_json(200, json!({ "errcode": 45002, "errmsg": "not asked for" })),
    })
    .await;
    let channel = account(&server);
    let envelope = allowed(&*channel);
    assert_eq!((envelope.form, envelope.key), (Form::Grant, None));
    assert!(!channel.capabilities().keyed(Form::Grant) && channel.capabilities().grants);
    let verdict = channel.send(&envelope).await;
    let Verdict::Unreachable { reason, scope, change, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!((*reason, *scope), (Reason::WindowClosed, Scope::Recipient));
    assert_eq!(change.grants, [("SN00001".to_string(), Grant::Gone)].into());
    let body: Value = serde_json::from_str(&server.seen().last().unwrap().body).unwrap();
    assert_eq!(body["touser"], PERSON);
    assert!(body.get("client_msg_id").is_none() && body.get("url").is_none(), "{body}");
}
