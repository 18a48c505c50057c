//! The providers' understudies: they take what the vendor takes, refuse what it refuses, and break on demand.

#![expect(clippy::unwrap_used, reason = "a helper of tests that finds nothing has failed the test")]

mod actors;
mod callbacks;
mod faults;
mod http;
mod line;
mod messenger;
mod phone;
mod slack;
mod smtp;
mod staff;

use orderwire::mock::{Mock, MockOptions};
use serde_json::{Value, json};
use std::time::Duration;

/// Nothing here takes as long; a test that waits for it has failed.
const LONG: Duration = Duration::from_secs(20);
const USER: &str = "U0123456789abcdef0123456789abcdef";
const PSID: &str = "7300000000000001";

/// An answer as a client sees it.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// A mock and a client for it.
struct Stage {
    mock: Mock,
    client: reqwest::Client,
}

impl Stage {
    async fn new(options: MockOptions) -> Stage {
        // The mock installs the TLS provider, so it comes first.
        let mock = Mock::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(LONG).retry(reqwest::retry::never());
        Stage { mock, client: client.build().unwrap() }
    }

    async fn plain() -> Stage {
        Stage::new(MockOptions::default()).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.mock.http_url())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Seen, reqwest::Error> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Seen { status, headers, text: answer.text().await? })
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(token).json(body)
    }

    async fn line(&self, path: &str, key: Option<&str>, body: &Value) -> Result<Seen, reqwest::Error> {
        let mut request = self.post(&format!("/v2/bot/message/{path}"), "mock-line-token", body);
        if let Some(key) = key {
            request = request.header("x-line-retry-key", key);
        }
        self.send(request).await
    }

    async fn page(&self, body: &Value) -> Result<Seen, reqwest::Error> {
        self.send(self.post("/v26.0/100000000000001/messages", "mock-page-token", body)).await
    }

    async fn hook(&self, body: &Value) -> Result<Seen, reqwest::Error> {
        self.send(self.post("/services/T00000000/B00000000/mock", "unused", body)).await
    }
}

fn push(text: &str) -> Value {
    json!({ "to": USER, "messages": [{ "type": "text", "text": text }] })
}

fn update(text: &str) -> Value {
    json!({ "recipient": { "id": PSID }, "messaging_type": "UPDATE", "message": { "text": text } })
}

#[tokio::test]
async fn people_can_ask_and_clear() {
    let stage = Stage::plain().await;
    stage.line("push", None, &push("訂單已成立")).await.unwrap();
    stage.hook(&json!({ "text": "new order" })).await.unwrap();
    stage.hook(&json!({})).await.unwrap();
    assert!(stage.mock.wait_for(2, LONG).await);
    let get = |path: &str| stage.send(stage.client.get(stage.url(path)));
    let sent = get("/sent").await.unwrap().json();
    assert_eq!(sent.as_array().unwrap().len(), 2);
    let line = get(&format!("/sent?channel=line&to={USER}")).await.unwrap().json();
    assert_eq!(line[0]["text"], "訂單已成立");
    assert_eq!(line[0]["json"]["messages"][0]["type"], "text");
    assert_eq!(line.as_array().unwrap().len(), 1);
    assert_eq!(get("/sent?channel=smtp").await.unwrap().json(), json!([]));
    assert_eq!(get("/refused").await.unwrap().json()[0]["why"], "no_text");
    assert!(get("/").await.unwrap().text.contains("DELETE /sent"));
    assert_eq!(get("/nowhere").await.unwrap().status, 404);
    assert_eq!(stage.send(stage.client.delete(stage.url("/sent"))).await.unwrap().status, 200);
    assert_eq!(stage.mock.sent().len() + stage.mock.refused().len(), 0);
    assert!(!stage.mock.wait_for(1, Duration::from_millis(20)).await, "nothing came since");
}

#[tokio::test]
async fn a_benchmark_counts_only() {
    let stage = Stage::new(MockOptions { keep: 0, ..MockOptions::default() }).await;
    for _ in 0..3 {
        assert_eq!(stage.line("push", None, &push("hello")).await.unwrap().status, 200);
    }
    assert_eq!((stage.mock.count(), stage.mock.sent().len()), (3, 0));
}

#[tokio::test]
async fn a_stopped_mock_is_gone() {
    let stage = Stage::plain().await;
    assert_eq!(stage.line("push", None, &push("hello")).await.unwrap().status, 200);
    stage.mock.stop();
    // The kept connection closes, and a new one is refused.
    let ended = async {
        while stage.line("push", None, &push("hello")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, ended).await.expect("the door is closed");
}
