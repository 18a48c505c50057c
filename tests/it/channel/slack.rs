//! Slack: goldens, its two doors, and Block Kit's limits.

use super::golden;
use super::server::{Act, Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use orderwire::channel::{Channel, Question, State, find};
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::people::ReplyTo;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::Verdict;
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use serde_json::{Value, json};

const HOOK: &str = "https://hooks.slack.com/services/T000/B000/abc";

fn settings() -> Value {
    json!({ "webhook_url": secret(HOOK) })
}

#[test]
fn goldens() {
    golden::run("slack", &settings(), None, |secret, _| ("x-slack-signature".into(), secret.into()));
}

fn mistake(settings: Value) -> Option<String> {
    let found = (find("slack").unwrap().open)("a".into(), settings).err()?;
    assert!(!format!("{found:?}").contains("abc"), "a mistake shows the secret: {found:?}");
    Some(found.into_iter().map(|m| m.key).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_webhook_is_slacks_own_or_on_loopback() {
    for good in [HOOK, "http://127.0.0.1:4000/services/abc", "http://localhost:4000/services/abc"] {
        assert_eq!(mistake(json!({ "webhook_url": secret(good) })), None, "{good}");
    }
    for bad in [
        "abc",
        "http://hooks.slack.com/services/abc",
        "https://hooks.slack.com/",
        "https://hooks.slack.com:8443/services/abc",
        "https://hooks.slack.com.evil.example/services/abc",
        "https://hooks.slack.com@evil.example/services/abc",
        "https://10.0.0.1/services/abc",
    ] {
        assert_eq!(mistake(json!({ "webhook_url": secret(bad) })).as_deref(), Some("webhook_url"), "{bad}");
    }
}

#[test]
fn there_is_exactly_one_door() {
    let bot = json!({ "bot_token": secret("xoxb-abc"), "channel": "C1" });
    assert_eq!(mistake(bot.clone()), None);
    assert_eq!(mistake(json!({})).as_deref(), Some("webhook_url"));
    assert_eq!(mistake(json!({ "bot_token": secret("xoxb-abc") })).as_deref(), Some("channel"));
    let mut both = bot;
    both["webhook_url"] = secret(HOOK);
    assert_eq!(mistake(both).as_deref(), Some("webhook_url"));
    let many =
        json!({ "bot_token": secret(""), "channel": "C1", "timeout": "0s", "per_second": 5, "api_url": "ftp://x" });
    assert_eq!(mistake(many).as_deref(), Some("timeout per_second api_url bot_token"));
}

async fn send(channel: &dyn Channel) -> Verdict {
    let parts = Parts::of(Form::Free, None);
    channel.send(&channel.shape(&message(), &parts.errand()).unwrap()).await
}

#[tokio::test]
async fn each_door_has_its_own_path_and_credentials() {
    let server = Server::start(|request| {
        let hook = request.line.starts_with("POST /services/");
        if hook {
            Act::Answer(200, Vec::new(), "ok".into())
        } else {
            answer_json(200, json!({ "ok": true, "ts": "1.2" }))
        }
    })
    .await;
    let hook = open("slack", &json!({ "webhook_url": secret(HOOK), "api_url": server.url }));
    assert_eq!(send(&*hook).await, Verdict::Accepted { ids: Vec::new(), again: false });
    let local = format!("{}/services/T/B/x", server.url);
    let local = open("slack", &json!({ "webhook_url": secret(&local) }));
    assert!(matches!(send(&*local).await, Verdict::Accepted { .. }));
    let api = format!("{}/api", server.url);
    let bot = open("slack", &json!({ "bot_token": secret("xoxb-1"), "channel": "C1", "api_url": api }));
    assert_eq!(send(&*bot).await, Verdict::Accepted { ids: vec!["1.2".into()], again: false });

    let seen = server.seen();
    assert!(seen[0].line.starts_with("POST /services/T000/B000/abc "), "{}", seen[0].line);
    assert_eq!(seen[0].header("authorization"), None);
    assert!(seen[2].line.starts_with("POST /api/chat.postMessage "), "{}", seen[2].line);
    assert_eq!(seen[2].header("authorization"), Some("Bearer xoxb-1"));
    let body: Value = serde_json::from_str(&seen[2].body).unwrap();
    assert_eq!((&body["channel"], &body["parse"], &body["link_names"]), (&json!("C1"), &json!("none"), &json!(false)));
}

/// No text of the document, read as Slack reads it, calls or links anybody.
fn harmless(value: &Value, markup: bool) {
    match value {
        Value::String(text) if markup => assert!(!text.contains(['<', '>']), "{text}"),
        Value::Array(items) => items.iter().for_each(|v| harmless(v, markup)),
        Value::Object(fields) => {
            let plain = fields.get("type").is_some_and(|t| t == "plain_text");
            for (key, field) in fields {
                // The fallback text and `mrkdwn` are read for markup; `plain_text` and addresses are not.
                harmless(field, !plain && key != "url");
            }
        }
        _ => {}
    }
}

#[test]
fn nobody_is_called_and_every_limit_is_kept() {
    let evil = "<!channel> <@U1> <https://evil.example|x> & @here *b* `c`\n";
    let evil_buttons = vec![Button { label: evil.into(), url: "https://shop.example/?a=<!channel>".into() }; 30];
    for (title, body) in [(1, 1), (3, 1), (10, 400), (0, 9)] {
        let words = Message {
            title: evil.repeat(title),
            body: evil.repeat(body),
            order_name: evil.repeat(9),
            shop_name: Some(evil.into()),
            buttons: evil_buttons.clone(),
            ..message()
        };
        for settings in [settings(), json!({ "bot_token": secret("xoxb-1"), "channel": "C1" })] {
            let channel = open("slack", &settings);
            let envelope = channel.shape(&words, &Parts::of(Form::Free, None).errand()).unwrap();
            let document: Value = serde_json::from_str(&envelope.body).unwrap();
            harmless(&document, true);
            let blocks = document["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50 && document["text"].as_str().unwrap().chars().count() <= 4000);
            for block in blocks {
                let length = block["text"]["text"].as_str().map_or(0, |t| t.chars().count());
                let most = if block["type"] == "header" { 150 } else { 3000 };
                assert!(length <= most, "{} of {length}", block["type"]);
            }
            let actions = blocks.iter().find(|b| b["type"] == "actions").unwrap();
            assert_eq!(actions["elements"].as_array().unwrap().len(), 5);
        }
    }
}

#[test]
fn every_argument_is_one_of_the_published_method() {
    let Some(folder) = outside("ORDERWIRE_SPECS") else { return };
    let text = std::fs::read_to_string(folder.join("slack/chat.openapi2.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let method = &description["paths"]["/chat.postMessage"]["post"];
    let known: Vec<&str> =
        method["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let channel = open("slack", &json!({ "bot_token": secret("xoxb-1"), "channel": "C1" }));
    let envelope = channel.shape(&message(), &Parts::of(Form::Free, None).errand()).unwrap();
    let body: Value = serde_json::from_str(&envelope.body).unwrap();
    for key in body.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    let words = &method["responses"]["default"]["schema"]["properties"]["error"]["enum"];
    for word in words.as_array().expect("the error words") {
        let answer = golden::answer(&json!({ "status": 200, "body": { "ok": false, "error": word } }));
        let verdict = golden::verdict_json(&(find("slack").unwrap().judge)(&answer));
        let refused = [
            "too_long",
            "no_text",
            "too_many",
            "invalid_arg",
            "invalid_array",
            "invalid_charset",
            "form_data",
            "post_type",
        ];
        let word = word.as_str().unwrap();
        let expected = match word {
            "rate_limited" => "rate_limited",
            w if refused.iter().any(|r| w.contains(r)) => "",
            _ => "channel_paused",
        };
        assert_eq!(verdict["reason"].as_str().unwrap_or_default(), expected, "{word}");
    }
}

const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const BOT: &str = "C0123456789";

fn bot() -> Box<dyn Channel> {
    open("slack", &json!({ "bot_token": secret("xoxb-abc"), "channel": BOT, "signing_secrets": [secret(SIGNING)] }))
}

/// A request of Slack's at this time, received so many seconds later.
fn request(body: &str, signing: &str, late: i64) -> RawWebhook {
    let now = at("2026-11-25T08:00:00Z");
    let time = now.as_second().to_string();
    let signature = format!("v0={}", hex::encode(sign(signing.as_bytes(), format!("v0:{time}:{body}").as_bytes())));
    let headers = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", time.as_str())];
    RawWebhook::post(&headers, body.to_string(), plus_secs(now, late))
}

#[test]
fn slacks_own_vector_of_a_signature() {
    // From "Verifying requests from Slack": the secret, the time and the body that it shows.
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let headers = [("x-slack-signature", signature), ("x-slack-request-timestamp", "1531420618")];
    let raw = RawWebhook::post(&headers, body, orderwire::domain::clock::from_millis(1_531_420_618_000));
    assert!(matches!(bot().admit(&raw), Admission::Take { secret_index: 0, .. }));
}

#[test]
fn only_slack_lately_is_believed_and_its_handshake_answered() {
    let event = r#"{"type":"event_callback","event":{"type":"message"}}"#;
    assert!(matches!(bot().admit(&request(event, SIGNING, 4)), Admission::Take { .. }));
    for (raw, why) in [
        (request(event, "another-signing-secret", 0), Refusal::BadSignature),
        (request(event, SIGNING, 301), Refusal::BadSignature),
        (request(event, SIGNING, -301), Refusal::BadSignature),
        (RawWebhook::post(&[], event, at("2026-11-25T08:00:00Z")), Refusal::Unsigned),
    ] {
        assert_eq!(bot().admit(&raw), Admission::Refuse(why));
    }
    let hook = open("slack", &settings());
    assert_eq!(
        hook.admit(&request(event, SIGNING, 0)),
        Admission::Refuse(Refusal::Unsigned),
        "a webhook hears nothing"
    );
    let hello = r#"{"token":"x","challenge":"3eZbrw1aB","type":"url_verification"}"#;
    let Admission::Reply(reply) = bot().admit(&request(hello, SIGNING, 0)) else { panic!("a handshake") };
    assert_eq!((reply.status, reply.body.as_str()), (200, "3eZbrw1aB"));
    assert_eq!(bot().admit(&request(hello, "another-signing-secret", 0)), Admission::Refuse(Refusal::BadSignature));
}

#[test]
fn an_answer_in_a_thread_is_heard_and_nothing_else() {
    let hear = |change: &dyn Fn(&mut Value)| {
        let mut event = json!({ "type": "message", "channel": BOT, "user": "U1", "text": "a &lt;b&gt; <https://x.example|x.example>",
            "ts": "1795593600.000200", "thread_ts": "1795593500.000100" });
        change(&mut event);
        let body = json!({ "type": "event_callback", "event_id": "Ev1", "event": event }).to_string();
        let heard = bot().hear(&request(&body, SIGNING, 0));
        assert!(heard.signals.is_empty());
        heard.replies
    };
    let all = hear(&|_| {});
    assert_eq!(all.len(), 1);
    let reply = &all[0];
    assert_eq!(reply.to, ReplyTo::Thread(String::new(), "1795593500.000100".into()));
    assert_eq!((reply.id.as_str(), reply.by.as_str()), ("C0123456789:1795593600.000200", "U1"));
    assert_eq!((reply.text.as_str(), reply.files), ("a <b> https://x.example", false));
    assert!(hear(&|e| e["files"] = json!([{ "id": "F1" }]))[0].files);
    assert_eq!(hear(&|e| e["subtype"] = "file_share".into()).len(), 1);
    for (what, change) in [
        ("our own", &(|e: &mut Value| e["bot_id"] = "B1".into()) as &dyn Fn(&mut Value)),
        ("an edit", &|e| e["subtype"] = "message_changed".into()),
        ("what begins a thread", &|e| e["thread_ts"] = e["ts"].clone()),
        ("no thread", &|e| drop(e.as_object_mut().unwrap().remove("thread_ts"))),
        ("another channel", &|e| e["channel"] = "C9".into()),
        ("a reaction", &|e| e["type"] = "reaction_added".into()),
    ] {
        assert_eq!(hear(change).len(), 0, "{what}");
    }
    assert_eq!(bot().hear(&request("no json", SIGNING, 0)).unreadable, 1);
}

#[test]
fn threads_need_a_bot_and_its_channels_id() {
    let secrets = json!([secret(SIGNING)]);
    let with =
        |channel: &str| json!({ "bot_token": secret("xoxb-abc"), "channel": channel, "signing_secrets": secrets });
    assert_eq!(mistake(with(BOT)), None);
    assert_eq!(mistake(with("#orders")).as_deref(), Some("signing_secrets"));
    assert_eq!(
        mistake(json!({ "webhook_url": secret(HOOK), "signing_secrets": secrets })).as_deref(),
        Some("signing_secrets")
    );
    let short = json!({ "bot_token": secret("xoxb-abc"), "channel": BOT, "signing_secrets": [secret("short")] });
    assert_eq!(mistake(short).as_deref(), Some("signing_secrets"));
}

/// Whether the bot is in its channel, by an id: what the check says of each answer of Slack's.
#[tokio::test]
async fn the_check_says_whether_the_bot_is_in_its_channel() {
    let place = |more: Value| {
        let mut channel = json!({ "id": "C0123456789", "name": "orders", "is_member": true });
        channel.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!({ "ok": true, "channel": channel })
    };
    let no = |word: &str| json!({ "ok": false, "error": word });
    let cases = [
        (place(json!({})), "chat:write", State::Fine, "#orders"),
        (place(json!({ "is_member": false })), "chat:write", State::Trouble, "the bot is not in"),
        (place(json!({ "is_member": false })), "chat:write, chat:write.public", State::Fine, "#orders"),
        (
            place(json!({ "is_member": false, "is_private": true })),
            "chat:write,chat:write.public",
            State::Trouble,
            "the bot is not in",
        ),
        (place(json!({ "is_archived": true })), "chat:write", State::Trouble, "is archived"),
        (no("missing_scope"), "chat:write", State::NotAsked, "channels:read"),
        (no("channel_not_found"), "chat:write", State::Trouble, "is no channel that this bot sees"),
        (no("fatal_error"), "chat:write", State::Trouble, "fatal_error"),
    ];
    for (info, scopes, state, said) in cases {
        let server = Server::start(move |seen| match seen.line.contains("/api/auth.test") {
            true => {
                let body = json!({ "ok": true, "user": "relay", "team": "Tea" }).to_string();
                Act::Answer(200, vec![("x-oauth-scopes", scopes.into())], body)
            }
            false => answer_json(200, info.clone()),
        })
        .await;
        let api = format!("{}/api", server.url);
        let bot = json!({ "bot_token": secret("xoxb-1"), "channel": "C0123456789", "api_url": api });
        let found = open("slack", &bot).ask(&Question::default()).await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[1].about.as_str(), found[1].state), ("channel", state), "{found:?}");
        assert!(found[1].said.contains(said), "{found:?}");
        let asked = &server.seen()[1];
        assert!(asked.line.starts_with("POST /api/conversations.info ") && asked.body == "channel=C0123456789");
    }
    let server = Server::start(|_| answer_json(200, json!({ "ok": true, "user": "relay", "team": "Tea" }))).await;
    let bot = json!({ "bot_token": secret("xoxb-1"), "channel": "#orders", "api_url": format!("{}/api", server.url) });
    let found = open("slack", &bot).ask(&Question::default()).await;
    assert_eq!((found[1].state, server.seen().len()), (State::NotAsked, 1), "a name is not asked about: {found:?}");
}
