//! The ledger: all attempts, decisions and receipts of an order, in words.

use super::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of an order's ledger. No addresses, no message texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When it was written.
    pub at: Timestamp,
    /// What it records.
    #[serde(flatten)]
    pub what: Entry,
}

/// What a ledger line records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// A webhook was folded in.
    Webhook {
        /// Its topic, in the platform's word.
        topic: String,
        /// The shop's time of it.
        happened: Timestamp,
    },
    /// A milestone was reached and is owed.
    Owed {
        /// Item number.
        item: u16,
        /// Milestone.
        milestone: String,
        /// Of what (`parcel 4711`).
        subject: String,
        /// Route.
        route: String,
        /// `main` or `also:<channel>`.
        slot: String,
    },
    /// A milestone was reached and is owed to nobody.
    Unowed {
        /// Milestone.
        milestone: String,
        /// Of what.
        subject: String,
        /// Why.
        reason: String,
    },
    /// An item waits; written when the reason changes.
    Waits {
        /// Item number.
        item: u16,
        /// Why.
        reason: String,
        /// Until.
        until: Timestamp,
    },
    /// A send was tried.
    Attempt {
        /// Item number.
        item: u16,
        /// Which attempt, from 1.
        attempt: u8,
        /// Channel.
        channel: String,
        /// Form.
        form: String,
        /// Language of the words.
        locale: String,
        /// Verdict.
        verdict: String,
        /// The provider's words and ids, cut and without people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Channels of the chain passed over before, each with its reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed: Vec<(String, String)>,
        /// Other items told in the same message.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        joined: Vec<u16>,
    },
    /// An item ended (or moved on, by a receipt).
    Ended {
        /// Item number.
        item: u16,
        /// As what.
        state: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The item told instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<u16>,
        /// Channels of the chain passed over, each with its reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed: Vec<(String, String)>,
    },
    /// The customer's no was heard at the last moment before a message went (`held`), or while it was going.
    SwitchedOff {
        /// Item number.
        item: u16,
        /// Channel.
        channel: String,
        /// Why it may not go any more.
        reason: String,
        /// It was not sent. Otherwise it was: the no came after the last look.
        held: bool,
    },
    /// A person or command did something.
    Operator {
        /// What (`replay`, `discard`).
        action: String,
        /// Run id and reason given.
        note: String,
    },
}
