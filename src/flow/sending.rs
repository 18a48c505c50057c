//! sending: a message that may go, with all that its send needs.

use super::account::{Account, Permit};
use crate::domain::channel::{Envelope, Form};
use crate::domain::clock::Timestamp;
use crate::domain::decision::{Go, Reason};
use crate::domain::ids::Tag;
use crate::domain::milestone::Purpose;
use std::sync::Arc;

/// A message that may go.
pub struct Sending {
    /// The leading item.
    pub lead: u16,
    /// The decision.
    pub go: Go,
    /// On which account.
    pub account: Arc<Account>,
    /// What the vendor gets.
    pub envelope: Envelope,
    /// Our reference of it.
    pub reference: String,
    /// Language of the words.
    pub locale: String,
    /// Purpose of the leading milestone.
    pub purpose: Purpose,
    /// It may have been told before.
    pub again: bool,
    /// Not after.
    pub expires: Timestamp,
    /// A person says it to a customer: what forbids that is looked at once more right before it goes.
    pub by_person: bool,
    /// The shop's people may answer it where it goes: its ids lead back to the unit.
    pub answerable: bool,
    /// Place to send; given back when the send is over.
    pub permit: Permit,
}

impl Sending {
    /// The channel whose standstill forbids this send: none for an answer on a reply token, which needs no
    /// quota, while only the quota is spent.
    pub fn stands_with(&self, now: Timestamp) -> Tag {
        let spent = self.account.paused(now).is_some_and(|(_, why)| why == Reason::QuotaSpent);
        if spent && self.go.form == Form::Reply { Tag::NONE } else { self.account.tag }
    }
}
