//! Answers, and the many ways of not giving one.

use super::fault::{FaultKind, Wrong};
use super::request::Conn;
use serde_json::Value;
use std::io;
use std::io::Write as _;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// An answer in full.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Reply {
        Reply { status, kind: "application/json", headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub(super) fn text(status: u16, body: &str) -> Reply {
        Reply { status, kind: "text/plain; charset=utf-8", headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// What somebody told us to answer: JSON where it looks so.
    pub(super) fn told(status: u16, body: String) -> Reply {
        let kind = match body.trim_start().chars().next() {
            Some('{' | '[') => "application/json",
            Some('<') => "text/html",
            _ => "text/plain; charset=utf-8",
        };
        Reply { status, kind, headers: Vec::new(), body: body.into_bytes() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    /// After so many ms.
    Late(u64),
    /// Never; the connection closes after so many ms, 0: when the client goes away.
    Hang(u64),
    /// Never; the connection is reset.
    Cut,
    /// Body at so many bytes a second.
    Trickle(u32),
    /// The body goes on for ever.
    Endless,
    /// Unreadable.
    Wrong(Wrong),
}

impl Manner {
    pub(super) fn of(kind: &FaultKind) -> Manner {
        match kind {
            FaultKind::HangBefore(ms) | FaultKind::HangAfter(ms) => Manner::Hang(*ms),
            FaultKind::CutBefore | FaultKind::CutAfter => Manner::Cut,
            FaultKind::SlowAnswer(ms) => Manner::Late(*ms),
            FaultKind::SlowBody(rate) => Manner::Trickle(*rate),
            FaultKind::EndlessBody => Manner::Endless,
            FaultKind::WrongEncoding(wrong) => Manner::Wrong(*wrong),
            _ => Manner::Plain,
        }
    }

    /// The sender hears the answer whole, and can read it.
    pub(super) fn answers(self) -> bool {
        matches!(self, Manner::Plain | Manner::Late(_) | Manner::Trickle(_))
    }
}

const HTML: &[u8] = b"<html><head><title>Welcome</title></head><body><h1>It works</h1></body></html>";

impl Conn {
    /// Gives `reply` in this `manner`. True: the connection can be used again.
    pub(super) async fn answer(&mut self, reply: &Reply, manner: Manner) -> io::Result<bool> {
        match manner {
            Manner::Plain => self.whole(reply, &reply.body, None).await?,
            Manner::Late(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.whole(reply, &reply.body, None).await?;
            }
            Manner::Hang(ms) => {
                self.silence(ms).await;
                return Ok(false);
            }
            Manner::Cut => {
                // The close that follows is then a reset, as from a machine that died.
                self.stream.set_zero_linger()?;
                return Ok(false);
            }
            Manner::Trickle(rate) => self.trickle(reply, rate.max(1)).await?,
            Manner::Endless => return self.endless(reply).await,
            Manner::Wrong(Wrong::Gzip) => self.whole(reply, &reply.body, Some("content-encoding: gzip\r\n")).await?,
            Manner::Wrong(Wrong::Utf8) => self.whole(reply, b"{\"message\":\"\xff\xfe\xc3\x28\"}", None).await?,
            Manner::Wrong(Wrong::Html) => {
                let page = Reply { kind: "text/html", ..reply.clone() };
                self.whole(&page, HTML, None).await?;
            }
        }
        Ok(!self.last)
    }

    /// Silence for `ms`, 0: for ever; shorter where the client goes away.
    pub(super) async fn silence(&mut self, ms: u64) {
        if ms == 0 {
            self.until_gone().await;
        } else {
            // A time-out is how this ends when the client waits longer than we are silent.
            tokio::time::timeout(Duration::from_millis(ms), self.until_gone()).await.ok();
        }
    }

    fn open_reply(&mut self, reply: &Reply, length: Option<usize>, extra: Option<&str>) -> io::Result<()> {
        self.out.clear();
        write!(self.out, "HTTP/1.1 {} {}\r\ncontent-type: {}\r\n", reply.status, reason(reply.status), reply.kind)?;
        if let Some(length) = length {
            write!(self.out, "content-length: {length}\r\n")?;
        }
        if self.last || length.is_none() {
            self.out.extend_from_slice(b"connection: close\r\n");
        }
        for (name, value) in &reply.headers {
            write!(self.out, "{name}: {value}\r\n")?;
        }
        self.out.extend_from_slice(extra.unwrap_or_default().as_bytes());
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    async fn whole(&mut self, reply: &Reply, body: &[u8], extra: Option<&str>) -> io::Result<()> {
        self.open_reply(reply, Some(body.len()), extra)?;
        self.out.extend_from_slice(body);
        self.stream.write_all(&self.out).await
    }

    async fn trickle(&mut self, reply: &Reply, rate: u32) -> io::Result<()> {
        self.open_reply(reply, Some(reply.body.len()), None)?;
        self.stream.write_all(&self.out).await?;
        let pause = Duration::from_secs(1) / rate;
        for byte in &reply.body {
            tokio::time::sleep(pause).await;
            self.stream.write_all(std::slice::from_ref(byte)).await?;
        }
        Ok(())
    }

    /// Ends when the client has had enough.
    async fn endless(&mut self, reply: &Reply) -> io::Result<bool> {
        self.open_reply(reply, None, None)?;
        self.stream.write_all(&self.out).await?;
        let blanks = [b' '; 8192];
        loop {
            self.stream.write_all(&blanks).await?;
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
