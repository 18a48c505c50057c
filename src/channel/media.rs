//! Pictures that people send, and files that customers sent: the part that all channels share.

use super::text;
use crate::domain::channel::{Envelope, Message, ShapeFault};
use crate::domain::people::{FetchFault, Fetched, PersonReply};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use std::io;
use url::Url;

/// Largest file that is passed on.
pub(super) const CAP: u64 = 25 * 1024 * 1024;

/// The address of a person's picture, where the message is one.
pub(super) fn picture(reply: &PersonReply) -> Option<String> {
    reply.message.image.as_deref().filter(|_| reply.message.body.is_empty()).and_then(text::link)
}

/// The same message with its picture as an address in words: for a channel that takes none, and as the frame that one
/// that does puts it into.
pub(super) fn in_words(reply: &PersonReply) -> Message {
    let body = picture(reply).unwrap_or_else(|| reply.message.body.clone());
    Message { body, image: None, ..reply.message.clone() }
}

/// A shaped message with something changed in its document.
///
/// # Errors
/// It is no JSON document.
pub(super) fn edited(shaped: Envelope, edit: impl FnOnce(&mut Value)) -> Result<Envelope, ShapeFault> {
    let mut body: Value = serde_json::from_str(&shaped.body).map_err(|e| ShapeFault::Unfit(e.to_string()))?;
    edit(&mut body);
    Ok(Envelope { body: body.to_string(), ..shaped })
}

/// The address, if it lies with the vendor: below one of these names by `https`, or at the account's own `api_url`. A
/// callback is the vendor's word, and still leads nowhere else.
///
/// # Errors
/// It leads somewhere else.
pub(super) fn at_vendor(raw: &str, names: &[&str], base: &str) -> Result<String, FetchFault> {
    let elsewhere = || FetchFault::Failed("its address is not the messenger's".into());
    let url = Url::parse(raw).map_err(|_| elsewhere())?;
    let below = |name: &&str| url.host_str().is_some_and(|h| h == *name || h.ends_with(&format!(".{name}")));
    let plain = url.username().is_empty() && url.password().is_none();
    let theirs = url.scheme() == "https" && url.port().is_none() && names.iter().any(below);
    let own = Url::parse(base).is_ok_and(|base| base.origin() == url.origin());
    if plain && (theirs || own) { Ok(url.to_string()) } else { Err(elsewhere()) }
}

/// An answer that holds a file.
///
/// # Errors
/// It holds none, or one that is too large.
pub(super) fn file(answer: reqwest::Response) -> Result<Fetched, FetchFault> {
    let status = answer.status().as_u16();
    match status {
        200 => {}
        404 | 410 => return Err(FetchFault::Gone),
        _ => return Err(FetchFault::Failed(format!("the messenger answered {status}"))),
    }
    let length = answer.content_length();
    if length.is_some_and(|length| length > CAP) {
        return Err(FetchFault::TooLarge(CAP));
    }
    let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let content_type = harmless(kind).to_string();
    let mut left = CAP;
    let bytes = answer.bytes_stream().map(move |chunk| {
        let chunk: Bytes = chunk.map_err(|e| io::Error::other(e.without_url().to_string()))?;
        // Cut off in the middle, whoever reads it sees that it broke: never a file that looks whole.
        left = left.checked_sub(chunk.len() as u64).ok_or_else(|| io::Error::other("the file is too large"))?;
        Ok(chunk)
    });
    Ok(Fetched { content_type, length, bytes: bytes.boxed() })
}

/// A kind that a browser shows without running anything; all else is just a file.
fn harmless(kind: &str) -> &'static str {
    const KINDS: [&str; 12] = [
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/heic",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
        "audio/aac",
        "video/mp4",
        "video/quicktime",
        "application/pdf",
    ];
    let bare = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    KINDS.into_iter().find(|known| *known == bare).unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_from_the_messenger_and_from_nowhere_else() {
        let names = ["fbcdn.net", "fbsbx.com"];
        for good in ["https://scontent.xx.fbcdn.net/v/t1.jpg?x=1", "https://fbsbx.com/a", "http://127.0.0.1:9/media/1"]
        {
            assert!(at_vendor(good, &names, "http://127.0.0.1:9").is_ok(), "{good}");
        }
        for bad in [
            "http://scontent.xx.fbcdn.net/a",
            "https://evilfbcdn.net/a",
            "https://fbcdn.net.evil.example/a",
            "https://fbcdn.net:8443/a",
            "https://user@fbcdn.net/a",
            "https://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:10/media/1",
            "file:///etc/passwd",
            "no address",
        ] {
            assert!(at_vendor(bad, &names, "http://127.0.0.1:9").is_err(), "{bad}");
        }
        assert_eq!((harmless("image/PNG; x=y"), harmless("text/html")), ("image/png", "application/octet-stream"));
        assert_eq!(harmless("image/svg+xml"), "application/octet-stream");
    }
}
