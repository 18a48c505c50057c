//! HTTP/1.1 as a provider's server reads it: keep-alive, `Content-Length` and chunked bodies, everything capped.

use bytes::{Buf, Bytes, BytesMut};
use std::ops::Range;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest body.
const BODY: usize = 4 * 1024 * 1024;
/// Longest head.
const HEAD: usize = 32 * 1024;
/// Headers of one request.
const HEADERS: usize = 64;

/// One request. Texts are spans of the head as it was read.
pub(super) struct Request {
    head: Bytes,
    method: Range<usize>,
    target: Range<usize>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    pub(super) body: Bytes,
}

impl Request {
    fn text(&self, span: &Range<usize>) -> &str {
        self.head.get(span.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        self.text(&self.method)
    }

    pub(super) fn path(&self) -> &str {
        let target = self.text(&self.target);
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// A parameter of the query, decoded.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.text(&self.target).split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }

    /// A header's value, the first where it is repeated.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| self.text(n).eq_ignore_ascii_case(name))?;
        Some(self.text(&found.1))
    }

    /// The token of `Authorization: Bearer …`.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the body says that it is JSON.
    pub(super) fn is_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    }

    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"))
    }

    fn chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|t| t.to_ascii_lowercase().contains("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map_or(Some(0), |l| l.trim().parse().ok())
    }
}

/// Why no request could be read.
pub(super) enum NoRequest {
    /// The client went away, or spoke no HTTP at all.
    Gone,
    /// It is to be told so, and the connection closed.
    Bad(u16),
}

/// A client's connection.
pub(super) struct Conn {
    pub(super) stream: TcpStream,
    read: BytesMut,
    /// Answers are put together here.
    pub(super) out: Vec<u8>,
    /// The client wants no further request on this connection.
    pub(super) last: bool,
}

impl Conn {
    pub(super) fn new(stream: TcpStream) -> Conn {
        Conn { stream, read: BytesMut::with_capacity(8 * 1024), out: Vec::new(), last: false }
    }

    async fn more(&mut self) -> Result<(), NoRequest> {
        self.read.reserve(8 * 1024);
        match self.stream.read_buf(&mut self.read).await {
            Ok(0) | Err(_) => Err(NoRequest::Gone),
            Ok(_) => Ok(()),
        }
    }

    /// The next request, whole.
    pub(super) async fn next(&mut self) -> Result<Request, NoRequest> {
        let mut request = loop {
            if let Some(request) = self.head()? {
                break request;
            }
            if self.read.len() > HEAD {
                return Err(NoRequest::Bad(431));
            }
            self.more().await?;
        };
        self.last = request.closes();
        if request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
            let go_on = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            go_on.map_err(|_| NoRequest::Gone)?;
        }
        request.body = if request.chunked() {
            self.chunks().await?
        } else {
            let length = request.length().ok_or(NoRequest::Bad(400))?;
            self.bytes(length).await?
        };
        Ok(request)
    }

    fn head(&mut self) -> Result<Option<Request>, NoRequest> {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut slots);
        let length = match parsed.parse(&self.read) {
            Ok(httparse::Status::Complete(length)) if length > HEAD => return Err(NoRequest::Bad(431)),
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(NoRequest::Bad(431)),
            Err(_) => return Err(NoRequest::Bad(400)),
        };
        let base = self.read.as_ptr() as usize;
        let span = |part: &[u8]| {
            let start = (part.as_ptr() as usize).saturating_sub(base);
            start..start + part.len()
        };
        let method = span(parsed.method.unwrap_or_default().as_bytes());
        let target = span(parsed.path.unwrap_or_default().as_bytes());
        let headers = parsed.headers.iter().map(|h| (span(h.name.as_bytes()), span(h.value))).collect();
        let head = self.read.split_to(length).freeze();
        Ok(Some(Request { head, method, target, headers, body: Bytes::new() }))
    }

    async fn bytes(&mut self, length: usize) -> Result<Bytes, NoRequest> {
        if length > BODY {
            return Err(NoRequest::Bad(413));
        }
        while self.read.len() < length {
            self.more().await?;
        }
        Ok(self.read.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> Result<Bytes, NoRequest> {
        let mut body = BytesMut::new();
        loop {
            let (start, size) = match httparse::parse_chunk_size(&self.read) {
                Ok(httparse::Status::Complete((start, size))) => (start, usize::try_from(size).unwrap_or(usize::MAX)),
                Ok(httparse::Status::Partial) => {
                    self.more().await?;
                    continue;
                }
                Err(_) => return Err(NoRequest::Bad(400)),
            };
            if body.len().saturating_add(size) > BODY {
                return Err(NoRequest::Bad(413));
            }
            self.read.advance(start);
            if size == 0 {
                self.trailers().await?;
                return Ok(body.freeze());
            }
            while self.read.len() < size + 2 {
                self.more().await?;
            }
            body.extend_from_slice(&self.read.split_to(size));
            self.read.advance(2);
        }
    }

    /// Lines up to an empty one; nobody here reads them.
    async fn trailers(&mut self) -> Result<(), NoRequest> {
        loop {
            match self.read.windows(2).position(|pair| pair == b"\r\n") {
                Some(0) => {
                    self.read.advance(2);
                    return Ok(());
                }
                Some(end) => self.read.advance(end + 2),
                None if self.read.len() > HEAD => return Err(NoRequest::Bad(431)),
                None => self.more().await?,
            }
        }
    }

    /// A line without its end (SMTP); `None`: the client is gone, or the line is longer than `most`.
    pub(super) async fn line(&mut self, most: usize) -> Option<Bytes> {
        let mut looked = 0;
        loop {
            let fresh = self.read.get(looked..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|b| *b == b'\n') {
                let mut line = self.read.split_to(looked + at + 1);
                line.truncate(line.len() - 1);
                if line.ends_with(b"\r") {
                    line.truncate(line.len() - 1);
                }
                return Some(line.freeze());
            }
            looked = self.read.len();
            if looked > most || self.more().await.is_err() {
                return None;
            }
        }
    }

    /// Reads and drops until the client goes away.
    pub(super) async fn until_gone(&mut self) {
        loop {
            self.read.clear();
            if self.more().await.is_err() {
                return;
            }
        }
    }
}
