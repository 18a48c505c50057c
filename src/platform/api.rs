//! What is asked of, and said to, a shop's own API: the same words for every shop system.

use super::AskFault;
use crate::domain::clock::Timestamp;
use crate::domain::event::OrderEvent;
use crate::domain::ids::OrderId;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer under way.
pub type Answering<T> = BoxFuture<'static, Result<T, AskFault>>;

/// How the shop's people see what became of an order's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteBack {
    /// Not at all.
    #[default]
    Off,
    /// WooCommerce: a private note of the order.
    Note,
    /// Shopify: tags of the order, by which its list can be filtered.
    Tag,
    /// Shopify: a metafield of the order, with the whole story.
    Metafield,
}

impl WriteBack {
    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            WriteBack::Off => "off",
            WriteBack::Note => "note",
            WriteBack::Tag => "tag",
            WriteBack::Metafield => "metafield",
        }
    }
}

/// What is written to an order at the shop. The same twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Which order.
    pub order: OrderId,
    /// How.
    pub how: WriteBack,
    /// Stands in a note, and in no other: by it a note is found that may have been written before.
    pub key: String,
    /// It may have been written before: look first.
    pub again: bool,
    /// The words of a note (what is new) or of a metafield (all of it), in the shop's language.
    pub text: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// From where on changes are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Changed at or after, by the shop's clock.
    pub from: Timestamp,
    /// The place behind the last page, in the shop system's own words; `None`: at the beginning.
    pub place: Option<String>,
}

/// A page of orders that changed, the earliest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// The orders.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None`: that was the last.
    pub next: Option<Since>,
}

/// An order that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub order: OrderId,
    /// When it changed last, by the shop's clock.
    pub at: Timestamp,
    /// How it is now.
    pub now: RowState,
}

/// What a list says of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum RowState {
    /// The order itself, as a webhook would tell it.
    Told(Box<OrderEvent>),
    /// Only that it changed: it is to be asked for.
    Ask,
    /// None of our business (a cart), or not to be read.
    Nothing,
}

/// What is looked after at a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Where the shop's webhooks must lead; `None`: the relay has no public address.
    pub hook: Option<String>,
    /// Put right what can be put right.
    pub fix: bool,
    /// Most webhooks of late were signed with another secret than ours.
    pub wrong_secret: bool,
    /// Genuine webhooks have come from the shop.
    pub heard: bool,
    /// The present moment.
    pub now: Timestamp,
}

/// How something stands at a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it must be.
    Good,
    /// It was wrong, and was put right just now.
    Fixed,
    /// Wrong; the remedy says what to do.
    Wrong,
    /// It cannot be seen from here; the remedy says where it can.
    Unseen,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word (`subscriptions`, `scopes`, `clock`).
    pub check: &'static str,
    /// Where: a place at the shop, or a key of the settings.
    pub place: String,
    /// How it stands.
    pub health: Health,
    /// What was seen, in a sentence.
    pub what: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// As it must be.
    pub fn good(check: &'static str, place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { check, place: place.into(), health: Health::Good, what: what.into(), remedy: String::new() }
    }

    /// Not as it must be.
    pub fn wrong(
        check: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { check, place: place.into(), health: Health::Wrong, what: what.into(), remedy: remedy.into() }
    }

    /// Not to be seen from here.
    pub fn unseen(
        check: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { check, place: place.into(), health: Health::Unseen, what: what.into(), remedy: remedy.into() }
    }

    /// It was put right; a fault in doing so is its remedy.
    #[must_use]
    pub fn put_right(self, done: Result<(), AskFault>) -> Finding {
        match done {
            Ok(()) => Finding { health: Health::Fixed, remedy: String::new(), ..self },
            Err(fault) => Finding { remedy: format!("{} (tried: {fault})", self.remedy), ..self },
        }
    }
}

/// The shop's clock, as an answer's `Date` says it, against ours: off by more than a minute is wrong, since windows
/// of time are compared.
pub(super) fn clock(date: Option<Timestamp>, now: Timestamp) -> Vec<Finding> {
    const MOST: i64 = 60;
    let Some(date) = date else { return Vec::new() };
    let off = date.as_second() - now.as_second();
    if off.abs() <= MOST {
        return vec![Finding::good("clock", "the shop's Date header", format!("within {MOST} s of ours"))];
    }
    let what = format!("the shop's clock is {} s {} ours", off.abs(), if off > 0 { "ahead of" } else { "behind" });
    vec![Finding::wrong("clock", "the shop's Date header", what, "set both machines' clocks by NTP")]
}

/// The moment in an HTTP date.
pub(super) fn http_date(headers: &reqwest::header::HeaderMap) -> Option<Timestamp> {
    let text = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{DATE, HeaderMap, HeaderValue};

    #[test]
    fn a_clock_that_is_off_is_told_and_how_far() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Wed, 25 Nov 2026 10:00:00 GMT"));
        let date = http_date(&headers);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(date, Some(at("2026-11-25T10:00:00Z")));
        assert_eq!(clock(date, at("2026-11-25T10:00:40Z"))[0].health, Health::Good);
        let off = &clock(date, at("2026-11-25T09:50:00Z"))[0];
        assert_eq!(off.health, Health::Wrong);
        assert!(off.what.contains("600 s ahead"), "{}", off.what);
        assert!(clock(None, at("2026-11-25T09:50:00Z")).is_empty());
    }
}
