//! What the relay hears, and that it is signed as the provider signs.

use super::{LONG, PSID, Stage, USER, update};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::signature::{decode_hex, sign};
use orderwire::mock::{Become, Fault, FaultKind, MockOptions, Say};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A callback as the relay's door sees it.
#[derive(Clone, Debug)]
pub struct Heard {
    line: String,
    head: String,
    body: String,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Headers and body, as our own door would hand them on.
    pub fn parts(&self) -> (Vec<(String, String)>, String) {
        let headers = self.head.lines().filter_map(|l| l.split_once(": "));
        (headers.map(|(n, v)| (n.to_string(), v.to_string())).collect(), self.body.clone())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// The one event of a page's callback.
    fn event(&self) -> Value {
        self.json()["entry"][0]["messaging"][0].clone()
    }
}

/// A stand-in for the relay: keeps what it is told, answers 200, and the challenge where there is one.
pub struct Ear {
    pub url: String,
    heard: Arc<(Mutex<Vec<Heard>>, Notify)>,
}

impl Ear {
    pub async fn start() -> Ear {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let heard: Arc<(Mutex<Vec<Heard>>, Notify)> = Arc::default();
        let kept = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(listen(stream, kept.clone()));
            }
        });
        Ear { url, heard }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.0.lock().unwrap().clone()
    }

    /// Once `n` callbacks came.
    async fn wait(&self, n: usize) -> Vec<Heard> {
        let enough = async {
            loop {
                let news = self.heard.1.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.heard().len() >= n {
                    return self.heard();
                }
                news.await;
            }
        };
        tokio::time::timeout(LONG, enough).await.expect("the callbacks come")
    }
}

async fn listen(mut stream: TcpStream, heard: Arc<(Mutex<Vec<Heard>>, Notify)>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
        if body.len() == length {
            break (head.to_string(), body.to_string());
        }
    };
    let line = head.lines().next().unwrap().to_string();
    let good = line.contains("hub.verify_token=mock-verify-token");
    let challenge = line.split(['&', ' ']).find_map(|p| p.strip_prefix("hub.challenge=")).filter(|_| good);
    let answer = challenge.unwrap_or_default().to_string();
    heard.0.lock().unwrap().push(Heard { line, head, body });
    heard.1.notify_waiters();
    let text = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn with_ear() -> (Stage, Ear) {
    let ear = Ear::start().await;
    let stage = Stage::new(MockOptions { relay: Some(ear.url.clone()), ..MockOptions::default() }).await;
    (stage, ear)
}

/// The page's signature is over the bytes as they came.
fn signed_by_meta(heard: &Heard) -> bool {
    let signature = heard.header("x-hub-signature-256").and_then(|h| h.strip_prefix("sha256=")).and_then(decode_hex);
    signature.unwrap() == sign(b"mock-app-secret", heard.body.as_bytes())
}

#[tokio::test]
async fn line_people_write_block_and_come_back() {
    let (stage, ear) = with_ear().await;
    let all = [
        Say::Follow,
        Say::Text("我的訂單呢".into()),
        Say::Postback("off".into()),
        Say::Link("nonce-1".into()),
        Say::Unfollow,
    ];
    for what in &all {
        assert_eq!(stage.mock.say("line", USER, what).await, Ok(200));
    }
    let heard = ear.heard();
    for callback in &heard {
        assert_eq!(callback.path(), "/callbacks/line-main");
        let signature = STANDARD.decode(callback.header("x-line-signature").unwrap()).unwrap();
        assert_eq!(signature, sign(b"mock-line-secret", callback.body.as_bytes()));
        assert_eq!(callback.json()["destination"], "U00000000000000000000000000000001");
        assert_eq!(callback.json()["events"][0]["source"]["userId"], USER);
    }
    let events: Vec<Value> = heard.iter().map(|h| h.json()["events"][0].clone()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["follow", "message", "postback", "accountLink", "unfollow"]);
    assert_eq!(events[1]["message"]["text"], "我的訂單呢");
    assert!(events[4].get("replyToken").is_none(), "who blocks cannot be answered");
    let ids: std::collections::BTreeSet<&str> = events.iter().map(|e| e["webhookEventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
    stage.line("push", None, &super::push("x")).await.unwrap();
    assert!(!stage.mock.sent()[0].delivered, "after the unfollow");
}

#[tokio::test]
async fn a_message_to_the_page_opens_the_window() {
    let (stage, ear) = with_ear().await;
    assert_eq!(stage.page(&update("x")).await.unwrap().status, 400);
    assert_eq!(stage.mock.say("messenger", PSID, &Say::Text("在嗎".into())).await, Ok(200));
    let heard = ear.heard().remove(0);
    assert!(signed_by_meta(&heard));
    assert_eq!(heard.path(), "/callbacks/messenger-page");
    assert!(heard.body.is_ascii(), "as Meta writes it: {}", heard.body);
    assert_eq!(heard.event()["message"]["text"], "在嗎");
    assert_eq!((heard.event()["sender"]["id"].as_str(), heard.json()["object"].as_str()), (Some(PSID), Some("page")));
    assert_eq!(stage.page(&update("x")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_send_is_echoed_and_delivered() {
    let (stage, ear) = with_ear().await;
    stage.mock.person("messenger", PSID, Become::Open);
    let mut body = update("x");
    body["message"]["metadata"] = json!("ref-1");
    // The sender never hears that it was taken; the echo is how it finds out.
    stage.mock.fault(Fault::new("messenger", FaultKind::CutAfter));
    assert!(stage.page(&body).await.is_err());
    let heard = ear.wait(2).await;
    assert!(heard.iter().all(signed_by_meta));
    let (echo, delivery) = (heard[0].event(), heard[1].event());
    assert_eq!((&echo["message"]["is_echo"], &echo["message"]["metadata"]), (&json!(true), &json!("ref-1")));
    assert_eq!((&echo["sender"]["id"], &echo["recipient"]["id"]), (&json!("100000000000001"), &json!(PSID)));
    assert_eq!(delivery["delivery"]["mids"][0], echo["message"]["mid"]);
    assert_eq!(stage.mock.sent()[0].ids[0], echo["message"]["mid"].as_str().unwrap());
}

#[tokio::test]
async fn receipts_can_come_late() {
    let (stage, ear) = with_ear().await;
    stage.mock.person("messenger", PSID, Become::Open);
    stage.mock.fault(Fault::new("messenger", FaultKind::LateReceipt(30)));
    assert_eq!(stage.page(&update("x")).await.unwrap().status, 200);
    let heard = ear.wait(3).await;
    assert!(heard.iter().all(signed_by_meta));
    assert!(heard[1].event()["delivery"].is_object() && heard[2].event()["read"]["watermark"].is_i64());
}

#[tokio::test]
async fn the_handshake_is_played() {
    let (stage, ear) = with_ear().await;
    assert_eq!(stage.mock.verify_messenger().await, Ok(()));
    assert!(ear.heard()[0].path().starts_with("/callbacks/messenger-page?hub.mode=subscribe"));
}

#[tokio::test]
async fn over_http_and_without_a_relay() {
    let stage = Stage::plain().await;
    let say = |body: Value| stage.send(stage.client.post(stage.url(&format!("/say/line/{USER}"))).json(&body));
    let lost = say(json!({ "text": "hi" })).await.unwrap();
    assert!(lost.status == 502 && lost.text.contains("PUT /relay"), "{}", lost.text);
    let ear = Ear::start().await;
    stage.send(stage.client.put(stage.url("/relay")).body(ear.url.clone())).await.unwrap();
    assert_eq!(say(json!({ "follow": true })).await.unwrap().json(), json!({ "relay": 200 }));
    assert_eq!(ear.heard()[0].json()["events"][0]["type"], "follow");
    assert_eq!(say(json!({ "sing": true })).await.unwrap().status, 400);
    let post = |path: String| stage.send(stage.client.post(stage.url(&path)));
    assert_eq!(post("/say/slack/x".into()).await.unwrap().status, 400);
    assert_eq!(post(format!("/people/messenger/{PSID}/open")).await.unwrap().status, 200);
    assert_eq!(stage.page(&update("x")).await.unwrap().status, 200);
    assert_eq!(post(format!("/people/messenger/{PSID}/close")).await.unwrap().status, 200);
    assert_eq!(stage.page(&update("x")).await.unwrap().status, 400);
    assert_eq!(post(format!("/people/slack/{PSID}/open")).await.unwrap().status, 404);
}
