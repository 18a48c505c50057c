//! A vendor's understudy on loopback: answers what it is told, keeps what it was sent.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What to do with a request.
pub enum Act {
    /// Answer: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Read it and say nothing, for ever.
    Hang,
    /// Close the connection after reading.
    Close,
}

/// A JSON answer.
pub fn json(status: u16, body: serde_json::Value) -> Act {
    Act::Answer(status, Vec::new(), body.to_string())
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Serves until the test's runtime ends.
    pub async fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, act) = (seen.clone(), Arc::new(act));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, act) = (kept.clone(), act.clone());
                tokio::spawn(async move { converse(stream, &kept, &*act).await });
            }
        });
        Server { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn converse(mut stream: TcpStream, kept: &Mutex<Vec<Seen>>, act: &(dyn Fn(&Seen) -> Act + Send + Sync)) {
    let Some(request) = read(&mut stream).await else { return };
    let act = act(&request);
    kept.lock().unwrap().push(request);
    match act {
        Act::Answer(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            // A client that has read enough hangs up: that is its right.
            stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.ok();
        }
        Act::Hang => std::future::pending().await,
        Act::Close => {}
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let line = lines.next().unwrap_or_default().to_string();
            let headers: Vec<(String, String)> = lines
                .filter_map(|l| l.split_once(": "))
                .map(|(n, v)| (n.to_ascii_lowercase(), v.to_string()))
                .collect();
            let length = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
            if body.len() >= length {
                return Some(Seen { line, headers, body: body.to_string() });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
