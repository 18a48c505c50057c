//! What the understudies took, and what they refused.

use crate::domain::clock::Timestamp;
use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Refusals kept.
const REFUSALS: usize = 1000;

/// A message that a provider took.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Running number over all channels, from 1; not reset by clearing.
    pub n: u64,
    /// The provider: `line`, `messenger`, `whatsapp`, `twilio`, `slack`, `smtp` …
    pub channel: &'static str,
    /// When.
    pub at: Timestamp,
    /// To whom: user id, PSID, mailbox, Slack channel, Google Chat thread or webhook path. Several are joined with commas.
    pub to: String,
    /// `push`, `reply`, `multicast`; `text`, `template`; `update`, `response`, `utility`; `webhook`, `post`; `card`; `embed`;
    /// `event`, `cloudevent`; `mail`; `sms`, `whatsapp`, `content`.
    pub form: &'static str,
    /// What the sender marked it with: LINE's retry key, Messenger's metadata, Google Chat's
    /// request id, `webhook-id`, a mail's Message-ID.
    pub key: Option<String>,
    /// It was taken before under that key. LINE shows it to nobody again; mail arrives twice.
    pub duplicate: bool,
    /// False where the provider says "taken" and the person gets nothing: LINE, once the account is blocked.
    pub delivered: bool,
    /// Status answered; SMTP: reply code.
    pub status: u16,
    /// False where the sender never heard the answer whole.
    pub answered: bool,
    /// The provider's ids of it.
    pub ids: Vec<String>,
    /// What is shown first: alternative text, subject, header, template name, first line.
    pub title: String,
    /// All that a person reads, buttons as `[label] address`.
    pub text: String,
    /// HTML part of a mail.
    pub html: Option<String>,
    /// Headers that matter to the channel (mail: all of them), decoded, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The very bytes.
    pub body: Bytes,
}

impl Taken {
    /// The body as JSON, where it is.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A kept header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Serialize for Taken {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("channel", self.channel)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("to", &self.to)?;
        map.serialize_entry("form", self.form)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("duplicate", &self.duplicate)?;
        map.serialize_entry("delivered", &self.delivered)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("answered", &self.answered)?;
        map.serialize_entry("ids", &self.ids)?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("text", &self.text)?;
        if let Some(html) = &self.html {
            map.serialize_entry("html", html)?;
        }
        let headers: serde_json::Map<String, Value> =
            self.headers.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
        map.serialize_entry("headers", &headers)?;
        match self.json() {
            Some(json) => map.serialize_entry("json", &json)?,
            None => map.serialize_entry("raw", &String::from_utf8_lossy(&self.body))?,
        }
        map.end()
    }
}

/// A send that a provider refused by its own rules: no fault on demand.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Refused {
    /// Channel.
    pub channel: &'static str,
    /// When.
    pub at: Timestamp,
    /// To whom, where it could be read.
    pub to: String,
    /// Status or reply code.
    pub status: u16,
    /// What was answered.
    pub why: String,
}

/// The list of both.
pub(super) struct Book {
    taken: Mutex<VecDeque<Taken>>,
    refused: Mutex<VecDeque<Refused>>,
    /// Taken since the last clearing.
    count: AtomicU64,
    /// Taken ever.
    last: AtomicU64,
    news: Notify,
    keep: usize,
}

impl Book {
    pub(super) fn new(keep: usize) -> Book {
        Book {
            taken: Mutex::default(),
            refused: Mutex::default(),
            count: AtomicU64::new(0),
            last: AtomicU64::new(0),
            news: Notify::new(),
            keep,
        }
    }

    /// Whether anybody will read what is written down.
    pub(super) fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// A number of its own for the next message.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn take(&self, taken: Taken) {
        if self.keeps()
            && let Ok(mut list) = self.taken.lock()
        {
            if list.len() >= self.keep {
                list.pop_front();
            }
            list.push_back(taken);
        }
        self.count.fetch_add(1, Ordering::Release);
        self.news.notify_waiters();
    }

    /// The sender did not hear the answer to message `n`.
    pub(super) fn unanswered(&self, n: u64) {
        if let Ok(mut list) = self.taken.lock()
            && let Some(taken) = list.iter_mut().rev().find(|t| t.n == n)
        {
            taken.answered = false;
        }
    }

    pub(super) fn refuse(&self, refused: Refused) {
        if let Ok(mut list) = self.refused.lock() {
            if list.len() >= REFUSALS {
                list.pop_front();
            }
            list.push_back(refused);
        }
    }

    pub(super) fn sent(&self) -> Vec<Taken> {
        self.taken.lock().map(|list| list.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn refused(&self) -> Vec<Refused> {
        self.refused.lock().map(|list| list.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Messages that one provider took and the book still holds.
    pub(super) fn count_of(&self, channel: &str) -> u64 {
        self.sent().iter().filter(|taken| taken.channel == channel).count() as u64
    }

    pub(super) fn clear(&self) {
        if let (Ok(mut taken), Ok(mut refused)) = (self.taken.lock(), self.refused.lock()) {
            taken.clear();
            refused.clear();
            self.count.store(0, Ordering::Release);
        }
    }

    /// Waits until `n` were taken since the last clearing, or the time is over.
    pub(super) async fn wait_for(&self, n: u64, timeout: Duration) -> bool {
        let enough = async {
            loop {
                // Registered before looking: what comes in between is not lost.
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.count() >= n {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(timeout, enough).await.is_ok()
    }
}
