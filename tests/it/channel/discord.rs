//! Discord: goldens, its address, its budget, and that nobody is called.

use super::golden;
use super::server::{Act, Server};
use super::stand_in::{Parts, message, open, secret};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::verdict::{Scope, Verdict};
use serde_json::{Value, json};

const HOOK: &str = "https://discord.com/api/webhooks/100000000000000001/abc";

#[test]
fn goldens() {
    let settings = json!({ "webhook_url": secret(HOOK) });
    golden::run("discord", &settings, None, |secret, _| ("x-signature-ed25519".into(), secret.into()));
}

fn refused(url: &str) -> bool {
    let found = (find("discord").unwrap().open)("a".into(), json!({ "webhook_url": secret(url) })).err();
    if let Some(found) = &found {
        assert!(!format!("{found:?}").contains("abc"), "a mistake shows the secret: {found:?}");
        assert_eq!(found[0].key, "webhook_url");
    }
    found.is_some()
}

#[test]
fn a_webhook_is_discords_own_or_on_loopback() {
    for good in [
        HOOK,
        "https://discordapp.com/api/webhooks/1/abc",
        "https://canary.discord.com/api/v10/webhooks/1/abc?thread_id=7",
        "http://127.0.0.1:4000/api/webhooks/1/abc",
    ] {
        assert!(!refused(good), "{good}");
    }
    for bad in [
        "abc",
        "http://discord.com/api/webhooks/1/abc",
        "https://discord.com:8443/api/webhooks/1/abc",
        "https://discord.com/api/webhooks/1/abc/slack",
        "https://discord.com/api/webhooks/1",
        "https://discord.com/api/webhooks/x/abc",
        "https://discord.com.evil.example/api/webhooks/1/abc",
        "https://discord.com@evil.example/api/webhooks/1/abc",
        "https://evil.example/api/webhooks/1/abc",
        "http://127.0.0.1:4000/abc",
    ] {
        assert!(refused(bad), "{bad}");
    }
}

fn at(server: &Server, query: &str) -> Box<dyn Channel> {
    open("discord", &json!({ "webhook_url": secret(&format!("{HOOK}{query}")), "api_url": server.url }))
}

async fn send(channel: &dyn Channel) -> Verdict {
    channel.send(&channel.shape(&message(), &Parts::of(Form::Free, None).errand()).unwrap()).await
}

#[tokio::test]
async fn it_waits_for_the_message_and_keeps_the_thread() {
    let server = Server::start(|_| super::server::json(200, json!({ "id": "7" }))).await;
    for query in ["", "?thread_id=9", "?wait=false&thread_id=9"] {
        assert_eq!(send(&*at(&server, query)).await, Verdict::Accepted { ids: vec!["7".into()], again: false });
    }
    let lines: Vec<String> = server.seen().iter().map(|s| s.line.split(' ').nth(1).unwrap().to_string()).collect();
    let path = "/api/webhooks/100000000000000001/abc";
    let expected =
        [format!("{path}?wait=true"), format!("{path}?thread_id=9&wait=true"), format!("{path}?thread_id=9&wait=true")];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_used_up_budget_is_not_overdrawn() {
    let server = Server::start(|_| {
        let headers =
            vec![("x-ratelimit-remaining", "0".to_string()), ("x-ratelimit-reset-after", "3600.5".to_string())];
        Act::Answer(200, headers, json!({ "id": "7" }).to_string())
    })
    .await;
    let channel = at(&server, "");
    assert!(matches!(send(&*channel).await, Verdict::Accepted { .. }));
    match send(&*channel).await {
        Verdict::TryLater { reason: Reason::RateLimited, after_secs: Some(after), scope: Scope::Account, .. } => {
            assert!((3500..=3601).contains(&after), "{after}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1, "nothing was asked");
}

/// A backslash before every sign with a meaning: what is left when escaped signs are taken away.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn nobody_is_called_and_every_limit_is_kept() {
    let evil =
        "@everyone <@1> <@&2> <#3> <:a:4> [x](https://evil.example) **b** __c__ `d` ||e|| ~~f~~ \\ \n# g\n> h\n- i\n";
    let channel = open("discord", &json!({ "webhook_url": secret(HOOK) }));
    for times in [1, 5, 900] {
        let words = Message {
            title: evil.repeat(times),
            body: evil.repeat(times),
            order_name: evil.repeat(times),
            buttons: vec![Button { label: evil.into(), url: "https://shop.example/a_(b)?c=)".into() }; 30],
            ..message()
        };
        let envelope = channel.shape(&words, &Parts::of(Form::Free, None).errand()).unwrap();
        let document: Value = serde_json::from_str(&envelope.body).unwrap();
        assert_eq!(document["allowed_mentions"], json!({ "parse": [] }));
        let embed = &document["embeds"][0];
        let length = |part: &str| embed.pointer(part).and_then(Value::as_str).map_or(0, |t| t.encode_utf16().count());
        assert!(length("/title") <= 256 && length("/description") <= 4096 && length("/footer/text") <= 2048);
        assert!(length("/title") + length("/description") + length("/footer/text") <= 6000);
        let title = embed["title"].as_str().unwrap_or_default();
        assert!(!unescaped(title).contains(['@', '<', '*', '_', '`', '[', '|', '~', '#', '>']), "{title}");
        let (words, links) = embed["description"].as_str().unwrap().rsplit_once("\n\n").unwrap();
        assert!(!unescaped(words).contains(['@', '<', '*', '_', '`', '[', '|', '~', '#', '>', '-', ':']), "{words}");
        assert_eq!(links.lines().count(), 5);
        for link in links.lines() {
            assert!(link.ends_with("](https://shop.example/a_%28b%29?c=%29)"), "{link}");
        }
    }
}
