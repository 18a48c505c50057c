//! Understudies of the places where staff and programs are told: what they take and what they refuse.

use super::Stage;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::clock::{Clock as _, SystemClock};
use orderwire::domain::signature::sign;
use orderwire::mock::{DiscordOptions, MockOptions};
use serde_json::{Value, json};

async fn post(stage: &Stage, path: &str, body: &Value) -> (u16, Value) {
    let answer = stage.send(stage.post(path, "unused", body)).await.unwrap();
    (answer.status, serde_json::from_str(&answer.text).unwrap_or_default())
}

#[tokio::test]
async fn discord_waits_only_where_it_is_asked_and_counts_its_limits() {
    let stage = Stage::plain().await;
    let path = DiscordOptions::default().path;
    let hello = json!({ "content": "hello" });
    assert_eq!(post(&stage, &path, &hello).await.0, 204, "nobody waits");
    let wait = format!("{path}?wait=true");
    let (status, message) = post(&stage, &wait, &hello).await;
    assert!(status == 200 && message["id"].is_string());
    let embed = |title: usize, text: usize| json!({ "embeds": [{ "title": "t".repeat(title), "description": "d".repeat(text) }] });
    for (body, code) in [
        (json!({}), 50_006),
        (json!({ "content": "x".repeat(2001) }), 50_035),
        (json!({ "content": "x", "embeds": vec![json!({ "title": "t" }); 11] }), 50_035),
        (json!({ "embeds": [{}] }), 50_035),
        (embed(257, 1), 50_035),
        (embed(1, 4097), 50_035),
        (json!({ "content": "x", "flags": 1 }), 50_035),
        (json!({ "embeds": vec![json!({ "description": "d".repeat(3001) }); 2] }), 50_035),
    ] {
        let (status, said) = post(&stage, &wait, &body).await;
        assert_eq!((status, &said["code"]), (400, &json!(code)), "{body}");
    }
    assert_eq!(post(&stage, &wait, &embed(256, 4096)).await.0, 200);
    let said = async |path: &str| post(&stage, path, &hello).await.1["code"].clone();
    assert_eq!(said("/api/webhooks/100000000000000001/other?wait=true").await, 50_027);
    assert_eq!(said("/api/webhooks/9/other?wait=true").await, 10_015);
    assert_eq!(stage.mock.count(), 3);
}

#[tokio::test]
async fn a_workflow_starts_with_its_signature_and_loses_what_is_too_large() {
    let stage = Stage::plain().await;
    let path = MockOptions::default().teams.path;
    let card = |text: &str| {
        let body = json!([{ "type": "TextBlock", "text": text }]);
        let content = json!({ "type": "AdaptiveCard", "version": "1.4", "body": body });
        json!({ "type": "message", "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": content }] })
    };
    assert_eq!(post(&stage, &path, &card("hello")).await.0, 202);
    assert_eq!(post(&stage, &path, &card(&"x".repeat(15_000))).await.0, 202, "started");
    let delivered: Vec<bool> = stage.mock.sent().iter().map(|t| t.delivered).collect();
    assert_eq!(delivered, [true, false], "and nobody learns that it was too large");
    for body in [json!({}), json!({ "type": "message", "attachments": [] }), json!({ "text": "a MessageCard" })] {
        assert_eq!(post(&stage, &path, &body).await.0, 400, "{body}");
    }
    assert_eq!(post(&stage, path.split('?').next().unwrap(), &card("x")).await.0, 401);
    assert_eq!(post(&stage, "/powerautomate/automations/direct/workflows/other?sig=x", &card("x")).await.0, 404);
}

#[tokio::test]
async fn google_chat_knows_a_request_again_and_refuses_what_is_no_card() {
    let stage = Stage::plain().await;
    let path = MockOptions::default().google_chat.path;
    let hello = json!({ "text": "hello" });
    let again = format!("{path}&requestId=r-1");
    let (first, second) = (post(&stage, &again, &hello).await, post(&stage, &again, &hello).await);
    assert!(first.0 == 200 && first.1["name"] == second.1["name"]);
    assert_ne!(post(&stage, &path, &hello).await.1["name"], first.1["name"]);
    assert_eq!(stage.mock.sent().iter().map(|t| t.duplicate).collect::<Vec<_>>(), [false, true, false]);
    let card = |card: Value| json!({ "cardsV2": [{ "cardId": "a", "card": card }] });
    for body in [
        json!({}),
        json!({ "text": "字".repeat(11_000) }),
        card(json!({})),
        card(json!({ "header": { "subtitle": "no title" } })),
        card(json!({ "sections": [{ "widgets": [{ "textParagraph": { "text": "" } }] }] })),
        card(json!({ "sections": [{ "widgets": [{ "hologram": {} }] }] })),
    ] {
        let (status, said) = post(&stage, &path, &body).await;
        assert_eq!((status, &said["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{body}");
    }
    assert_eq!(post(&stage, "/v1/spaces/MOCK/messages?key=mock-key&token=other", &hello).await.0, 401);
    assert_eq!(post(&stage, "/v1/spaces/OTHER/messages?key=mock-key&token=mock-chat-token", &hello).await.0, 404);
}

#[tokio::test]
async fn a_receiver_believes_only_what_is_signed_lately_and_whole() {
    let stage = Stage::plain().await;
    let key = STANDARD.decode("bW9jay13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5").unwrap();
    let body = json!({ "type": "order.shipped", "timestamp": "2026-11-25T08:00:00Z", "data": {} }).to_string();
    let now = SystemClock.now().as_second();
    let send = async |id: &str, at: i64, signed: &str, body: &str, kind: &str| {
        let signature = format!("v1,AAAA v1,{}", STANDARD.encode(sign(&key, signed.as_bytes())));
        let request = stage
            .client
            .post(stage.url("/webhook-receiver"))
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .header("content-type", kind)
            .body(body.to_string());
        stage.send(request).await.unwrap().status
    };
    let signed = |id: &str, at: i64, body: &str| format!("{id}.{at}.{body}");
    let json = "application/json";
    assert_eq!(send("msg_1", now, &signed("msg_1", now, &body), &body, json).await, 204);
    assert_eq!(send("msg_1", now, &signed("msg_1", now, &body), &body, json).await, 204);
    assert_eq!(stage.mock.sent().iter().map(|t| t.duplicate).collect::<Vec<_>>(), [false, true]);
    assert_eq!(send("msg_2", now, &signed("msg_1", now, &body), &body, json).await, 401, "another id");
    assert_eq!(send("msg_2", now, &signed("msg_2", now, &body), &format!("{body} "), json).await, 401, "another body");
    for at in [now - 400, now + 400] {
        assert_eq!(send("msg_2", at, &signed("msg_2", at, &body), &body, json).await, 401, "{at}");
    }
    assert_eq!(send("msg_2", now, &signed("msg_2", now, &body), &body, "text/plain").await, 415);
    let odd = r#"{"type":"order shipped","timestamp":"x","data":{}}"#;
    assert_eq!(send("msg_2", now, &signed("msg_2", now, odd), odd, json).await, 422);
    let cloud = json!({ "specversion": "1.0", "id": "msg_3", "source": "urn:a", "type": "order.shipped", "data": {} })
        .to_string();
    assert_eq!(
        send("msg_3", now, &signed("msg_3", now, &cloud), &cloud, "application/cloudevents+json; charset=UTF-8").await,
        204
    );
    assert_eq!(
        send("msg_4", now, &signed("msg_4", now, &cloud), &cloud, "application/cloudevents+json").await,
        422,
        "ids differ"
    );
    let unsigned = stage.send(stage.post("/webhook-receiver", "", &json!({}))).await.unwrap();
    assert_eq!(unsigned.status, 401);
}
