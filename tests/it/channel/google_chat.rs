//! Google Chat: goldens, its address, its request id and thread, and that nobody is called.

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, message, open, secret};
use orderwire::channel::find;
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::verdict::Verdict;
use serde_json::{Value, json};

const HOOK: &str = "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=AIza&token=abc%3D";

#[test]
fn goldens() {
    let settings = json!({ "webhook_url": secret(HOOK) });
    golden::run("google_chat", &settings, None, |secret, _| ("authorization".into(), secret.into()));
}

fn refused(url: &str) -> bool {
    let found = (find("google_chat").unwrap().open)("a".into(), json!({ "webhook_url": secret(url) })).err();
    if let Some(found) = &found {
        assert!(!format!("{found:?}").contains("abc"), "a mistake shows the secret: {found:?}");
        assert_eq!(found[0].key, "webhook_url");
    }
    found.is_some()
}

#[test]
fn a_webhook_is_googles_own_or_on_loopback() {
    for good in [HOOK, "http://localhost:4000/v1/spaces/A/messages?key=k&token=abc"] {
        assert!(!refused(good), "{good}");
    }
    for bad in [
        "abc",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=",
        "https://chat.googleapis.com/v1/spaces/A/members?key=k&token=abc",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=abc&threadKey=t",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=abc&requestId=r",
        "https://chat.googleapis.com.evil.example/v1/spaces/A/messages?key=k&token=abc",
        "http://chat.googleapis.com/v1/spaces/A/messages?key=k&token=abc",
        "https://chat.googleapis.com:444/v1/spaces/A/messages?key=k&token=abc",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=abc#x",
    ] {
        assert!(refused(bad), "{bad}");
    }
}

#[tokio::test]
async fn a_repeat_carries_the_same_request_id_in_the_orders_thread() {
    let server = Server::start(|_| answer_json(200, json!({ "name": "spaces/AAAA/messages/1" }))).await;
    let channel = open("google_chat", &json!({ "webhook_url": secret(HOOK), "api_url": server.url }));
    let parts = Parts::of(Form::Free, None);
    let envelope = channel.shape(&message(), &parts.errand()).unwrap();
    for _ in 0..2 {
        let ids = vec!["spaces/AAAA/messages/1".to_string()];
        assert_eq!(channel.send(&envelope).await, Verdict::Accepted { ids, again: false });
    }
    let seen = server.seen();
    let errand = parts.errand();
    let expected = format!(
        "POST /v1/spaces/AAAA/messages?key=AIza&token=abc%3D&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&requestId={} HTTP/1.1",
        errand.key
    );
    assert!(seen.iter().all(|s| s.line == expected), "{}", seen[0].line);
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(body["thread"]["threadKey"], errand.thread.to_string());
}

#[test]
fn nobody_is_called_and_the_message_is_never_too_large() {
    let evil = "<users/all> <b>b</b> <a href=\"https://evil.example\">x</a> &amp; \\ \"\n";
    let channel = open("google_chat", &json!({ "webhook_url": secret(HOOK) }));
    for (title, body) in [("短", 1), ("短", 3000), (evil, 3000)] {
        let words = Message {
            title: title.into(),
            body: evil.repeat(body),
            order_name: evil.repeat(body),
            buttons: vec![Button { label: evil.into(), url: format!("https://a.example/{}", "a".repeat(900)) }; 30],
            ..message()
        };
        let envelope = channel.shape(&words, &Parts::of(Form::Free, None).errand()).unwrap();
        assert!(envelope.body.len() <= 32_000, "{}", envelope.body.len());
        let document: Value = serde_json::from_str(&envelope.body).unwrap();
        assert!(document.get("text").is_none(), "plain text calls people");
        let widgets = document["cardsV2"][0]["card"]["sections"][0]["widgets"].as_array().unwrap();
        for text in widgets.iter().filter_map(|w| w["textParagraph"]["text"].as_str()) {
            assert!(!text.contains(['<', '>']), "{text}");
        }
        let buttons = widgets.last().unwrap()["buttonList"]["buttons"].as_array();
        assert_eq!(buttons.map_or(5, Vec::len), 5);
    }
}
