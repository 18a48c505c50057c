//! A provider's or shop's understudy on loopback: answers what it is told, keeps what it was sent.

use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Act = dyn Fn(&Seen) -> (u16, Value) + Send + Sync;

/// The understudy.
pub struct Provider {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Provider {
    /// Serves until the test's runtime ends.
    pub async fn start(act: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, act): (_, Arc<Act>) = (seen.clone(), Arc::new(act));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, act) = (kept.clone(), act.clone());
                tokio::spawn(async move { converse(stream, &kept, &act).await });
            }
        });
        Provider { url, seen }
    }

    /// LINE: takes every push.
    pub async fn line() -> Provider {
        Provider::start(|_| (200, serde_json::json!({ "sentMessages": [{ "id": "461230966842064897" }] }))).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Requests whose line begins so.
    pub fn seen_at(&self, line: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|s| s.line.starts_with(line)).collect()
    }
}

async fn converse(mut stream: TcpStream, kept: &Mutex<Vec<Seen>>, act: &Arc<Act>) {
    while let Some(request) = read(&mut stream).await {
        // An understudy that takes its time must not hold up a worker that others need.
        let (act, asked) = (Arc::clone(act), request.clone());
        let Ok((status, body)) = tokio::task::spawn_blocking(move || act(&asked)).await else { return };
        kept.lock().unwrap().push(request);
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = head
                .lines()
                .filter_map(|l| l.split_once(':'))
                .find(|(n, _)| n.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, v)| v.trim().parse().unwrap());
            if bytes.len() >= at + 4 + length {
                let body = String::from_utf8_lossy(&bytes[at + 4..at + 4 + length]).into_owned();
                return Some(Seen { line: head.lines().next().unwrap_or_default().into(), body });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
