//! An order's body, with the questions that several parts of its reading ask.
//!
//! A body is the newest state at the moment the delivery was *built*, not a change: `order.created` may carry
//! any status, and updated comes before created (seen on WooCommerce 11.0.1, November 2026). So everything here
//! is read from this one body, and dated by the body's own times.

use super::body::{self, LineItem, List, Metas, Order, Person, RefundLine, ShippingLine};
use super::times::utc;
use super::{Shop, head, parcels, pay, state};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, OrderEvent, Patch};
use crate::domain::ids::OrderId;
use crate::domain::money::Money;
use crate::domain::order::Refund;

/// Why an order's body gives no event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// None of our business; the word says why.
    NoInterest(&'static str),
    /// A field is missing without which nothing can be said.
    Unreadable(&'static str),
}

/// An order's body, read.
pub(super) struct Snapshot<'a> {
    pub(super) id: String,
    /// Without `wc-`, lower case.
    pub(super) status: String,
    /// What the status means here: a milestone's id, where it is known.
    pub(super) meaning: Option<String>,
    /// When this was true.
    pub(super) at: Timestamp,
    pub(super) created: Timestamp,
    pub(super) paid: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
    pub(super) currency: String,
    pub(super) total: Option<Money>,
    /// Paid to the carrier at the door or the store.
    pub(super) cod: bool,
    /// All of it came back or will never come: `cancelled`, `refunded`.
    pub(super) over: bool,
    pub(super) metas: Metas<'a>,
    pub(super) lines: Vec<LineItem<'a>>,
    pub(super) shipping_methods: Vec<String>,
    pub(super) refunds: Vec<Refund>,
    pub(super) billing: Person,
    pub(super) shipping: Person,
    pub(super) body: Order<'a>,
}

impl<'a> Snapshot<'a> {
    /// Reads what several parts need.
    ///
    /// # Errors
    /// Carts that are no orders yet, the bin, and bodies without the `*_gmt` times of API v2 and v3.
    pub(super) fn of(shop: &Shop, body: Order<'a>) -> Result<Snapshot<'a>, Passed> {
        let status = status_word(body.status.text());
        match status.as_str() {
            // A block checkout's open cart sends the shopper's phone although nothing was bought.
            "checkout-draft" => return Err(Passed::NoInterest("draft_cart")),
            "auto-draft" | "draft" | "new" => return Err(Passed::NoInterest("draft_order")),
            // `order.deleted` says the same, and says it to orders that are known.
            "trash" => return Err(Passed::NoInterest("trashed")),
            _ => {}
        }
        let id = body::id(&body.id).ok_or(Passed::Unreadable("an order without an id"))?;
        let created = utc(body.date_created_gmt.text()).ok_or(Passed::Unreadable(
            "an order without date_created_gmt: set the webhook's API version to \"WP REST API Integration v3\"",
        ))?;
        let paid = utc(body.date_paid_gmt.text());
        let completed = utc(body.date_completed_gmt.text());
        let last_known = [Some(created), paid, completed].into_iter().flatten().max().unwrap_or(created);
        let metas = Metas::of(&body.meta_data);
        let currency = body.currency.text().to_string();
        let cod = body.payment_method.text().eq_ignore_ascii_case("cod") || parcels::collects(&metas);
        let meaning = state::meaning(shop, &status, paid.is_some() || cod);
        Ok(Snapshot {
            at: utc(body.date_modified_gmt.text()).unwrap_or(last_known),
            over: matches!(meaning.as_deref(), Some("cancelled" | "refunded")),
            total: Money::parse(body.total.text(), &currency),
            refunds: Vec::new(),
            lines: body.line_items.as_ref().map(|l| l.read().collect()).unwrap_or_default(),
            shipping_methods: methods(&body.shipping_lines),
            billing: body::part(body.billing),
            shipping: body::part(body.shipping),
            id,
            status,
            meaning,
            created,
            paid,
            completed,
            currency,
            cod,
            metas,
            body,
        }
        .with_refunds())
    }

    /// Refunds carry no date: the first webhook that tells of one dates it.
    fn with_refunds(mut self) -> Snapshot<'a> {
        let refunds = self.body.refunds.read::<RefundLine>().filter_map(|line| {
            let amount = Money::parse(line.total.text(), &self.currency).map(|m| m.abs());
            Some(Refund { id: body::id(&line.id)?, at: self.at, amount })
        });
        self.refunds = refunds.collect();
        self
    }

    /// Nothing was paid, something is to be paid, and not to the carrier.
    pub(super) fn awaits_payment(&self) -> bool {
        self.paid.is_none() && !self.cod && !self.over && self.total.as_ref().is_none_or(|t| !t.is_zero())
    }

    /// The whole of what this body tells.
    pub(super) fn event(&self, shop: &Shop, topic: &str) -> OrderEvent {
        let effect = state::effect(self.meaning.as_deref().unwrap_or_default());
        let own = self.own_time();
        let patch = Patch {
            head: Some(Box::new(head::head(self, shop))),
            payment: state::payment(self, &effect),
            stage: state::stage(self, &effect, own),
            pay: pay::how(self, shop),
            pickup: pay::pickup(self),
            parcels: parcels::parcels(self, &effect, own),
            refunds: self.refunds.clone(),
            returns: state::returns(&effect),
            ..Patch::default()
        };
        OrderEvent {
            about: About::Order(OrderId::from(self.id.as_str())),
            at: self.at,
            dated: true,
            patch,
            joins: Vec::new(),
            refetch: false,
            topic: topic.to_string(),
        }
    }

    /// The status's own time where the body has one; else the body's time counts.
    fn own_time(&self) -> Option<Timestamp> {
        self.completed.filter(|_| self.status == "completed")
    }
}

/// A status as plugins register it (`wc-ry-at-cvs`) or as bodies carry it (`ry-at-cvs`).
pub(super) fn status_word(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    lower.strip_prefix("wc-").unwrap_or(&lower).to_string()
}

fn methods(lines: &List<'_>) -> Vec<String> {
    lines.read::<ShippingLine>().map(|l| l.method_id.text().to_ascii_lowercase()).collect()
}
