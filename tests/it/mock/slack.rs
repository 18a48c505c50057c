//! Slack's understudy.

use super::Stage;
use orderwire::mock::{MockOptions, SlackOptions};
use serde_json::{Value, json};

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text } })
}

fn button(url: &str) -> Value {
    let button = json!({ "type": "button", "text": { "type": "plain_text", "text": "Open" }, "url": url });
    json!({ "type": "actions", "elements": [button] })
}

#[tokio::test]
async fn a_webhook_takes_and_shows() {
    let stage = Stage::plain().await;
    let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "Tea &lt;green&gt; &amp; cake" } });
    let blocks = json!([header("Paid: #1001"), section, button("https://a.example/o")]);
    let answer = stage.hook(&json!({ "text": "fallback", "blocks": blocks })).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    let taken = stage.mock.sent().remove(0);
    assert_eq!((taken.form, taken.title.as_str()), ("webhook", "Paid: #1001"));
    assert_eq!(taken.text, "Paid: #1001\nTea <green> & cake\n[Open] https://a.example/o");
}

#[tokio::test]
async fn what_slack_refuses_is_refused() {
    let stage = Stage::plain().await;
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let cases = [
        (json!({}), "no_text"),
        (json!({ "text": "  " }), "no_text"),
        (json!({ "text": "x", "blocks": {} }), "invalid_blocks_format"),
        (json!({ "blocks": [header(&"x".repeat(151))] }), "invalid_blocks"),
        (json!({ "blocks": [section("x".repeat(3001))] }), "invalid_blocks"),
        (json!({ "blocks": [section(String::new())] }), "invalid_blocks"),
        (json!({ "blocks": vec![section("x".into()); 51] }), "invalid_blocks"),
        (json!({ "blocks": [{ "type": "hologram" }] }), "invalid_blocks"),
        (json!({ "blocks": [button("shop.example.com")] }), "invalid_blocks"),
        (json!({ "text": "x", "attachments": vec![json!({}); 101] }), "too_many_attachments"),
        (json!([]), "invalid_payload"),
    ];
    for (body, word) in &cases {
        let answer = stage.hook(body).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (400, *word), "{body}");
    }
    let nobody =
        stage.send(stage.post("/services/T00000000/B00000000/other", "", &json!({ "text": "x" }))).await.unwrap();
    assert_eq!((nobody.status, nobody.text.as_str()), (404, "no_service"));
    assert_eq!(stage.mock.count(), 0);
    for body in [json!({ "blocks": [section("x".repeat(3000))] }), json!({ "blocks": [header(&"字".repeat(150))] })] {
        assert_eq!(stage.hook(&body).await.unwrap().text, "ok");
    }
}

#[tokio::test]
async fn a_bot_is_always_answered_200() {
    let slack = SlackOptions { channels: vec!["C01".into()], ..SlackOptions::default() };
    let stage = Stage::new(MockOptions { slack, ..MockOptions::default() }).await;
    let post = async |token: &str, body: Value| {
        let answer = stage.send(stage.post("/api/chat.postMessage", token, &body)).await.unwrap();
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let taken = post("xoxb-mock", json!({ "channel": "C01", "text": "hi" })).await;
    assert_eq!((&taken["ok"], &taken["channel"]), (&json!(true), &json!("C01")));
    assert_eq!(stage.mock.sent()[0].ids[0], taken["ts"].as_str().unwrap());
    let error = |said: Value| said["error"].as_str().unwrap().to_string();
    assert_eq!(error(post("xoxb-other", json!({ "channel": "C01", "text": "hi" })).await), "invalid_auth");
    assert_eq!(error(post("xoxb-mock", json!({ "channel": "C02", "text": "hi" })).await), "channel_not_found");
    assert_eq!(error(post("xoxb-mock", json!({ "channel": "C01" })).await), "no_text");
    assert_eq!(error(post("xoxb-mock", json!({ "channel": "C01", "text": "x".repeat(40_001) })).await), "msg_too_long");
    assert_eq!(stage.mock.count(), 1);
}
