//! Faults on demand: what a provider does on its bad days.

use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bad moment of a provider. "Takes" means that the person gets the message, whatever the sender hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Too fast, in the provider's own words; not taken. SMTP: 450 4.2.1 at RCPT.
    Rate429,
    /// Too fast, with this `Retry-After`, sensible or not; not taken.
    Rate429After(String),
    /// The month's messages are used up (LINE; elsewhere as [`FaultKind::Rate429`]); not taken.
    Quota429,
    /// This status and body; not taken. SMTP: reply code and text at the end of DATA.
    Status(u16, String),
    /// Reads the request, is silent for so many ms (0: for ever), closes; not taken.
    HangBefore(u64),
    /// Takes it, is silent for so many ms (0: for ever), closes.
    HangAfter(u64),
    /// Reads the request and resets the connection; not taken.
    CutBefore,
    /// Takes it and resets the connection.
    CutAfter,
    /// Takes it and answers after so many ms.
    SlowAnswer(u64),
    /// Takes it, answers the head at once and the body at so many bytes a second.
    SlowBody(u32),
    /// Takes it and answers with a body that never ends.
    EndlessBody,
    /// Takes it and answers what nobody can read.
    WrongEncoding(Wrong),
    /// Takes it; delivery and reading are reported so many ms later (Messenger).
    LateReceipt(u64),
    /// SMTP: this code and text as greeting; then it closes.
    SmtpGreeting(u16, String),
    /// SMTP: this code and text at RCPT.
    SmtpRcpt(u16, String),
    /// SMTP: this code and text at the end of DATA; not taken.
    SmtpData(u16, String),
}

/// How an answer can be unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Says that it is gzip, and is not.
    Gzip,
    /// Bytes that are no UTF-8.
    Utf8,
    /// A page of HTML under status 200, as gateways send it.
    Html,
}

/// A fault, for whom, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The provider, by its name in `GET /sent`: sends on it. `line:api`, `mitake:api`: other calls, tokens included.
    pub channel: String,
    /// What happens.
    pub kind: FaultKind,
    /// How often; 0: until the faults are cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// Only sends to this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_to: Option<String>,
    /// So many fitting sends pass unharmed first.
    #[serde(default)]
    pub after: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// `kind`, once, on the next send of `channel`.
    pub fn new(channel: &str, kind: FaultKind) -> Fault {
        Fault { channel: channel.into(), kind, times: 1, only_to: None, after: 0 }
    }

    /// So often; 0: until cleared.
    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    /// Only for sends to `person`.
    #[must_use]
    pub fn only_to(mut self, person: &str) -> Fault {
        self.only_to = Some(person.into());
        self
    }

    /// After `count` fitting sends went well.
    #[must_use]
    pub fn after(mut self, count: u32) -> Fault {
        self.after = count;
        self
    }
}

/// The faults that are still to come.
#[derive(Default)]
pub(super) struct Faults {
    list: Mutex<Vec<Fault>>,
    /// Length of `list`: the plain path does not touch the lock.
    count: AtomicUsize,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        if let Ok(mut list) = self.list.lock() {
            list.push(fault);
            self.count.store(list.len(), Ordering::Release);
        }
    }

    pub(super) fn clear(&self) {
        if let Ok(mut list) = self.list.lock() {
            list.clear();
            self.count.store(0, Ordering::Release);
        }
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.list.lock().map(|list| list.clone()).unwrap_or_default()
    }

    /// The first fault that fits this send, used up by one. Fitting sends that a fault lets pass are counted
    /// down on the way.
    pub(super) fn pick(&self, lane: &str, to: &str, fits: impl Fn(&FaultKind) -> bool) -> Option<FaultKind> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut list = self.list.lock().ok()?;
        let at = list.iter_mut().position(|fault| {
            let fitting =
                fault.channel == lane && fault.only_to.as_deref().is_none_or(|only| only == to) && fits(&fault.kind);
            let passing = fitting && fault.after > 0;
            if passing {
                fault.after -= 1;
            }
            fitting && !passing
        })?;
        let fault = list.get_mut(at)?;
        let kind = fault.kind.clone();
        match fault.times {
            0 => {}
            1 => drop(list.remove(at)),
            _ => fault.times -= 1,
        }
        self.count.store(list.len(), Ordering::Release);
        Some(kind)
    }
}

impl FaultKind {
    /// Whether it can strike an HTTP provider.
    pub(super) fn over_http(&self) -> bool {
        !matches!(self, FaultKind::SmtpGreeting(..) | FaultKind::SmtpRcpt(..) | FaultKind::SmtpData(..))
    }
}
