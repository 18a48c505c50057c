//! What the answer to an attempt means.

use super::decision::Reason;
use super::person::PersonChange;
use serde::Serialize;

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This message.
    Message,
    /// This person.
    Recipient,
    /// This approved template.
    Template,
    /// The whole channel account: it stops, its messages stay owed.
    Account,
}

/// The closed set of verdicts.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The provider took it.
    Accepted {
        /// Its ids of the message, for receipts.
        ids: Vec<String>,
        /// It says that it had taken this key before.
        again: bool,
    },
    /// Certainly not taken; may be tried again later.
    TryLater {
        /// Why.
        reason: Reason,
        /// Not before so many seconds, where the provider says so.
        after_secs: Option<i64>,
        /// How far it reaches.
        scope: Scope,
        /// The provider's words, without addresses or secrets.
        detail: String,
    },
    /// Cannot go on this channel; another may carry it.
    Unreachable {
        /// Why.
        reason: Reason,
        /// How far it reaches.
        scope: Scope,
        /// What it teaches about the person.
        change: PersonChange,
        /// The provider's words, without addresses or secrets.
        detail: String,
    },
    /// The message as it is will never be taken: a person must correct it.
    Refused {
        /// The provider's words, without addresses or secrets.
        detail: String,
    },
    /// It may have been taken.
    Unsure {
        /// What was seen.
        detail: String,
    },
}

impl Verdict {
    /// The word used in metrics and ledgers.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Accepted { .. } => "accepted",
            Verdict::TryLater { .. } => "try_later",
            Verdict::Unreachable { .. } => "unreachable",
            Verdict::Refused { .. } => "refused",
            Verdict::Unsure { .. } => "unsure",
        }
    }
}

/// What a channel saw of one attempt, before it is judged: the input of every `judge`.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An HTTP answer (or an SMTP reply: code and text), body capped and as received.
    Reply {
        /// Status code.
        status: u16,
        /// Header names in lower case.
        headers: Vec<(String, String)>,
        /// Body, cut at the cap.
        body: Vec<u8>,
    },
    /// Nothing was written to the provider: name not found, connection refused, TLS failed.
    NotSent(String),
    /// It was written, wholly or in part, and no answer came.
    NoAnswer(String),
}

impl Answer {
    /// A header's value, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Answer::Reply { headers, .. } => headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()),
            _ => None,
        }
    }
}
