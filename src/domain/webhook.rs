//! Raw bytes from outside, and what is to be done with them before anybody trusts them.

use super::clock::Timestamp;
use super::ids::Digest8;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A request as it came: webhook or callback, kept unreadable webhook, fixture.
/// It has its own headers because actix-web and reqwest use different `http` crates.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RawWebhook {
    /// `POST` or `GET`.
    pub method: String,
    /// Query string without the question mark, as sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Header names in lower case, values as received, in order; a repeated header appears repeatedly.
    pub headers: Vec<(String, String)>,
    /// The very bytes: signatures are over these.
    #[serde(with = "base64_body")]
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
}

impl RawWebhook {
    /// A `POST` with these headers and this body.
    pub fn post(headers: &[(&str, &str)], body: impl Into<Bytes>, received_at: Timestamp) -> RawWebhook {
        RawWebhook {
            method: "POST".into(),
            query: String::new(),
            headers: headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), (*v).to_string())).collect(),
            body: body.into(),
            received_at,
        }
    }

    /// The header's value if it appears exactly once; a repeated signature header is no signature.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let first = found.next()?;
        found.next().is_none().then_some(first.1.as_str())
    }

    /// Whether the header appears at all.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n == name)
    }
}

impl fmt::Debug for RawWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawWebhook({}, {} headers, {} bytes)", self.method, self.headers.len(), self.body.len())
    }
}

mod base64_body {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(body))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        STANDARD.decode(String::deserialize(d)?).map(Bytes::from).map_err(D::Error::custom)
    }
}

/// What the door does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Genuine: go on.
    Take {
        /// The sender's own mark of this delivery: the cheap first filter against repeats.
        dedupe: String,
        /// The content's own mark, made of the signature that verified it: the same body is known again whatever
        /// its unsigned delivery id says, and need not be hashed once more.
        content: Digest8,
        /// Which of the configured secrets verified, from 0: an old one in use means a rotation is unfinished.
        secret_index: usize,
    },
    /// Answer this and do nothing else: a ping, a verification handshake.
    Reply(Reply),
    /// Not to be trusted.
    Refuse(Refusal),
}

/// An answer in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

/// Why a request is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No signature where one is due.
    Unsigned,
    /// The signature is not of this sender's secrets.
    BadSignature,
    /// Signed, but another shop or account than this address belongs to.
    WrongAccount,
    /// A handshake with the wrong token.
    BadToken,
}

impl Refusal {
    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Unsigned => "unsigned",
            Refusal::BadSignature => "bad_signature",
            Refusal::WrongAccount => "wrong_account",
            Refusal::BadToken => "bad_token",
        }
    }
}
