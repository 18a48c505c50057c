//! HTTP by hand, so that a test can say what no client library would.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No answer takes longer than this, whatever is done to the relay.
const PATIENCE: Duration = Duration::from_secs(12);

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub version: &'static str,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub pace: Pace,
}

/// How the body goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// With its length, all at once.
    Whole,
    /// In chunks of 64 KiB, without a length.
    Chunked,
    /// One byte at once and one more every so many milliseconds.
    Drip(u64),
    /// Only the first half, then the end of the stream.
    CutOff,
    /// Only the first half, then nothing more.
    HalfOpen,
    /// Its length is said, nothing of it is sent.
    OnlyLength(usize),
    /// Not even the head comes to its end.
    HalfHead,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 0: the connection was closed without an answer.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub took: Duration,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Request {
    pub fn new(method: &str, target: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            target: target.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: Vec::new(),
            pace: Pace::Whole,
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Instead of whatever value the header had.
    pub fn instead(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.retain(|(n, _)| n != name);
        self.header(name, value)
    }

    pub fn without(mut self, name: &str) -> Request {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    pub fn pace(mut self, pace: Pace) -> Request {
        self.pace = pace;
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        let mut line = |name: &str, value: &str| head.extend(format!("{name}: {value}\r\n").chars().map(|c| c as u8));
        if !self.headers.iter().any(|(n, _)| n == "host") {
            line("host", "localhost");
        }
        line("connection", "close");
        for (name, value) in &self.headers {
            line(name, value);
        }
        match self.pace {
            Pace::Chunked => line("transfer-encoding", "chunked"),
            Pace::OnlyLength(length) => line("content-length", &length.to_string()),
            _ if self.method == "GET" && self.body.is_empty() => {}
            _ => line("content-length", &self.body.len().to_string()),
        }
        head.extend(b"\r\n");
        head
    }

    /// Sends it and reads until the relay hangs up.
    pub async fn send(&self, to: SocketAddr) -> Answer {
        let started = Instant::now();
        let exchanged = async {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut input, mut output) = stream.split();
            // The relay may answer and hang up in the middle of a body: that is what limits are for.
            let writing = async {
                if self.write(&mut output).await.is_ok() && !matches!(self.pace, Pace::CutOff) {
                    std::future::pending::<()>().await;
                }
                if self.pace == Pace::CutOff {
                    drop(output.shutdown().await);
                }
                std::future::pending::<()>().await;
            };
            let mut bytes = Vec::new();
            let reading = async {
                let mut chunk = [0; 16 * 1024];
                loop {
                    match input.read(&mut chunk).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                    }
                    if complete(&bytes) {
                        return;
                    }
                }
            };
            tokio::select! { () = writing => {}, () = reading => {} }
            bytes
        };
        let bytes = tokio::time::timeout(PATIENCE, exchanged).await;
        let bytes =
            bytes.unwrap_or_else(|_| panic!("no answer to {} {} within {PATIENCE:?}", self.method, self.target));
        parse(&bytes, started.elapsed())
    }

    async fn write(&self, to: &mut (impl tokio::io::AsyncWrite + Unpin)) -> std::io::Result<()> {
        let head = self.head();
        if self.pace == Pace::HalfHead {
            return to.write_all(&head[..head.len() / 2]).await;
        }
        to.write_all(&head).await?;
        match self.pace {
            Pace::Whole => to.write_all(&self.body).await?,
            Pace::Chunked => {
                for part in self.body.chunks(64 * 1024) {
                    to.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
                    to.write_all(part).await?;
                    to.write_all(b"\r\n").await?;
                }
                to.write_all(b"0\r\n\r\n").await?;
            }
            Pace::Drip(millis) => {
                for byte in &self.body {
                    to.write_all(std::slice::from_ref(byte)).await?;
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
            }
            Pace::CutOff | Pace::HalfOpen => to.write_all(&self.body[..self.body.len() / 2]).await?,
            Pace::OnlyLength(_) | Pace::HalfHead => {}
        }
        to.flush().await
    }
}

/// Whether the answer is all there: a relay that keeps the connection open would have us wait.
fn complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| bytes.len() >= head.len() + 4 + length)
}

fn parse(bytes: &[u8], took: Duration) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let headers =
        lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_string())).collect();
    Answer { status, headers, body: body.into(), took }
}

/// `GET`.
pub async fn get(at: SocketAddr, target: &str) -> Answer {
    Request::new("GET", target).send(at).await
}
