//! What a milestone is; the milestones themselves live in `src/milestone/`, one file each.

use super::clock::{Timestamp, plus_secs};
use super::ids::{Digest8, Tag};
use super::order::Order;
use super::shop::ShopRules;
use serde::{Deserialize, Serialize};

/// What a milestone is told once of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The order as a whole.
    Order,
    /// A payment or an attempt at one (`paid` where the platform names none).
    Transaction(String),
    /// A refund.
    Refund(String),
    /// A parcel.
    Parcel(String),
    /// A parcel and what distinguishes this telling (a tracking number, a day, a store).
    ParcelOf(String, String),
    /// A return.
    Return(String),
    /// A return taken up or closed again: the return and how often.
    ReturnOf(String, String),
    /// A hold.
    Hold(String),
    /// An edit.
    Edit(String),
    /// A note, by the digest of its text.
    Note(String),
}

impl Subject {
    /// The stored digest of "this milestone of this subject".
    pub fn digest(&self, milestone: &str) -> Digest8 {
        let (kind, a, b) = match self {
            Subject::Order => ("order", "", ""),
            Subject::Transaction(id) => ("transaction", id.as_str(), ""),
            Subject::Refund(id) => ("refund", id.as_str(), ""),
            Subject::Parcel(id) => ("parcel", id.as_str(), ""),
            Subject::ParcelOf(id, what) => ("parcel", id.as_str(), what.as_str()),
            Subject::Return(id) => ("return", id.as_str(), ""),
            Subject::ReturnOf(id, what) => ("return", id.as_str(), what.as_str()),
            Subject::Hold(id) => ("hold", id.as_str(), ""),
            Subject::Edit(id) => ("edit", id.as_str(), ""),
            Subject::Note(id) => ("note", id.as_str(), ""),
        };
        Digest8::of(&[milestone.as_bytes(), kind.as_bytes(), a.as_bytes(), b.as_bytes()])
    }

    /// The parcel it is about, if it is about one.
    pub fn parcel(&self) -> Option<&str> {
        match self {
            Subject::Parcel(id) | Subject::ParcelOf(id, _) => Some(id),
            _ => None,
        }
    }

    /// How people read it in ledgers (`parcel 4711`).
    pub fn label(&self) -> String {
        match self {
            Subject::Order => "order".into(),
            Subject::Transaction(id) => format!("transaction {id}"),
            Subject::Refund(id) => format!("refund {id}"),
            Subject::Parcel(id) => format!("parcel {id}"),
            Subject::ParcelOf(id, what) => format!("parcel {id} ({what})"),
            Subject::Return(id) => format!("return {id}"),
            Subject::ReturnOf(id, what) => format!("return {id} ({what})"),
            Subject::Hold(id) => format!("hold {id}"),
            Subject::Edit(id) => format!("edit {id}"),
            Subject::Note(_) => "note".into(),
        }
    }
}

/// Why a message is sent; decides quiet hours, quotas in reserve and what follows an `unsure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A record to keep.
    Formal,
    /// The customer must act.
    Attention,
    /// Progress.
    Status,
}

/// When a message is no longer worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// So many seconds after it happened.
    After(i64),
    /// At the end of that day in the shop's zone.
    SameDay,
}

/// A milestone that an order has reached (or, with `not_before`, can be foreseen to reach).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Of what.
    pub subject: Subject,
    /// When it happened, by the shop's own clock.
    pub at: Timestamp,
    /// Not to be told before: what only time reaches, what should first settle.
    pub not_before: Option<Timestamp>,
    /// A deadline that ends its worth earlier or later than [`Milestone::stale`] would.
    pub until: Option<Timestamp>,
    /// Seconds to gather further news before it is told, where the shop's usual time does not fit.
    pub settle: Option<i64>,
}

impl Reached {
    /// Reached at `at`, told as soon as it has settled.
    pub fn new(subject: Subject, at: Timestamp) -> Reached {
        Reached { subject, at, not_before: None, until: None, settle: None }
    }
}

/// One thing that can be told. Plain data and functions; the list is `milestone::ALL`.
pub struct Milestone {
    /// The name shared by routes, templates, metrics and docs.
    pub id: &'static str,
    /// Purpose.
    pub purpose: Purpose,
    /// When it goes stale.
    pub stale: Stale,
    /// Place in the order's story: once something with a higher place was told, nothing lower that
    /// happened earlier is. Zero stands beside the story (refunds, notes, returns).
    pub rank: u16,
    /// Milestones that may be told in one message with this one, this one leading.
    pub joins: &'static [&'static str],
    /// Milestones that this one makes pointless when both wait.
    pub supersedes: &'static [&'static str],
    /// Told only to those who were told that one of the same subject: a hold that nobody heard of is not
    /// lifted in words either.
    pub needs: Option<&'static str>,
    /// All subjects of which the order, as kept, has reached it. Told or not is not asked here: the
    /// caller compares with `Order::told`. It must grow only: what an order has reached stays reached,
    /// so that any order of arrival owes the same.
    pub reached: fn(&Order, &ShopRules) -> Vec<Reached>,
    /// The state has moved on and nobody should hear of it any more (paid meanwhile, parcel taken back).
    pub moot: fn(&Order, &Reached) -> bool,
}

impl Milestone {
    /// Its stored tag.
    pub fn tag(&self) -> Tag {
        Tag::of(self.id)
    }

    /// The moment after which `reached` is not told any more.
    pub fn expires(&self, reached: &Reached, rules: &ShopRules) -> Timestamp {
        if let Some(until) = reached.until {
            return until;
        }
        let from = reached.not_before.map_or(reached.at, |n| n.max(reached.at));
        match self.stale {
            Stale::After(secs) => plus_secs(from, secs),
            Stale::SameDay => {
                let local = from.to_zoned_datetime(rules.timezone.clone());
                local
                    .tomorrow()
                    .and_then(|t| t.start_of_day())
                    .map_or_else(|_| plus_secs(from, 86_400), |z| z.timestamp())
            }
        }
    }
}
