//! Where an order stands, for its customer's page: what was reached and when, parcels, pickup, payment. Everything from
//! shops is cleaned as in messages; no name, no address, no way to reach anybody.

use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::milestone::Reached;
use crate::domain::order::{Order, Parcel, ParcelState};
use crate::domain::shop::ShopRules;
use crate::milestone;
use crate::words::Words;
use crate::words::shown::{Reader, line, link, store_name};
use serde::Serialize;

/// Milestones that are no step of an order: reminders, and a note whose text is not shown.
const NO_STEPS: [&str; 3] = ["payment_expiring", "pickup_reminder", "customer_note"];
/// Steps and items shown at most.
const STEPS: usize = 40;
const ITEMS: usize = 20;

/// Where an order stands.
#[derive(Clone, Debug, Serialize)]
pub struct OrderPart {
    /// As the shop writes it.
    pub name: String,
    /// What was reached, newest first.
    pub steps: Vec<Step>,
    /// What was bought.
    pub items: Vec<Bought>,
    /// What is under way.
    pub parcels: Vec<ParcelPart>,
    /// The store where it waits or will wait.
    pub store: Option<StorePart>,
    /// What is still to pay.
    pub pay: Option<PayPart>,
    /// The shop's own page of it.
    pub status_url: Option<String>,
}

/// Something that was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// In a few words.
    pub what: String,
    /// Of which parcel, where there are several.
    pub parcel: Option<usize>,
    /// When, as the customer's language writes it.
    pub when: String,
    /// The same for programs.
    pub at: String,
}

/// A bought thing.
#[derive(Clone, Debug, Serialize)]
pub struct Bought {
    /// As the shop calls it.
    pub title: String,
    /// How many.
    pub quantity: u32,
}

/// A parcel.
#[derive(Clone, Debug, Serialize)]
pub struct ParcelPart {
    /// Which of them, from 1; `None`: there is only one.
    pub index: Option<usize>,
    /// Where it is, in a few words.
    pub state: Option<String>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub number: Option<String>,
    /// Page to follow it on.
    pub url: Option<String>,
    /// Expected on that day.
    pub eta: Option<String>,
    /// To be fetched by that day.
    pub pickup_until: Option<String>,
}

/// A pickup store: which one, not where.
#[derive(Clone, Debug, Serialize)]
pub struct StorePart {
    /// The chain.
    pub chain: Option<String>,
    /// Its name.
    pub name: String,
}

/// What is still to pay.
#[derive(Clone, Debug, Serialize)]
pub struct PayPart {
    /// How much.
    pub amount: Option<String>,
    /// By when.
    pub due: Option<String>,
    /// Page to pay on.
    pub url: Option<String>,
}

impl OrderPart {
    /// What the customer's page shows of it at `now`.
    pub(super) fn of(order: &Order, rules: &ShopRules, words: &Words, reader: &Reader, now: Timestamp) -> OrderPart {
        let head = order.head();
        let parcels = counted(order);
        let bought = |i: &crate::domain::order::Item| Some(Bought { title: line(&i.title, 80)?, quantity: i.quantity });
        OrderPart {
            name: head.and_then(|h| line(&h.name, 40)).unwrap_or_else(|| order.id.to_string()),
            steps: steps(order, rules, &parcels, (words, reader), now),
            items: head.into_iter().flat_map(|h| h.items.iter().filter_map(bought)).take(ITEMS).collect(),
            parcels: parcels
                .iter()
                .enumerate()
                .map(|(i, p)| parcel((parcels.len() > 1).then_some(i + 1), p, rules, words, reader))
                .collect(),
            store: store(order),
            pay: pay(order, rules, reader, now),
            status_url: head.and_then(|h| h.status_url.as_deref()).and_then(link),
        }
    }
}

/// Parcels that a customer counts: none that was taken back before it left, and no download.
fn counted(order: &Order) -> Vec<&Parcel> {
    order.parcels.iter().filter(|p| !p.digital && p.state.now() != Some(&ParcelState::Cancelled)).collect()
}

fn steps(
    order: &Order,
    rules: &ShopRules,
    parcels: &[&Parcel],
    (words, reader): (&Words, &Reader),
    now: Timestamp,
) -> Vec<Step> {
    // What only time would reach is a guess, and no step.
    let real = |r: &Reached| r.not_before.is_none() && r.at <= now;
    let told = milestone::ALL.iter().filter(|m| !NO_STEPS.contains(&m.id));
    let mut all: Vec<_> = told
        .flat_map(|m| (m.reached)(order, rules).into_iter().filter(real).map(move |r| (r.at, m.rank, m.id, r.subject)))
        .collect();
    all.sort_by(|a, b| (b.0, b.1, b.2).cmp(&(a.0, a.1, a.2)));
    let step = |(at, _, id, subject): (Timestamp, u16, &str, crate::domain::milestone::Subject)| {
        let place = subject.parcel().and_then(|id| parcels.iter().position(|p| p.id == id));
        Some(Step {
            what: words.name(id, reader.locale)?.to_string(),
            parcel: place.filter(|_| parcels.len() > 1).map(|place| place + 1),
            when: reader.moment(at),
            at: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })
    };
    all.into_iter().filter_map(step).take(STEPS).collect()
}

fn parcel(index: Option<usize>, p: &Parcel, rules: &ShopRules, words: &Words, reader: &Reader) -> ParcelPart {
    let track = p.tracking.last();
    let arrived = p.state.ever(|s| matches!(s, ParcelState::PickedUp | ParcelState::Delivered | ParcelState::Failed));
    let waits = p.state.first(|s| *s == ParcelState::ReadyForPickup);
    let until = p.pickup_until.as_ref().map(|u| u.value).or_else(|| Some(plus_secs(waits?, rules.pickup_days?)));
    let ahead = |at: Option<Timestamp>| at.filter(|_| !arrived).and_then(|at| reader.day_ahead(at));
    ParcelPart {
        index,
        state: p.state.now().and_then(|s| words.name(milestone_of(*s)?, reader.locale)).map(str::to_string),
        carrier: track.and_then(|t| line(t.carrier.as_deref()?, 40)),
        number: track.and_then(|t| line(&t.number, 60)),
        url: track.and_then(|t| link(t.url.as_deref()?)),
        eta: ahead(p.eta.as_ref().map(|e| e.value)),
        pickup_until: ahead(until.filter(|_| waits.is_some())),
    }
}

/// The milestone whose name says where a parcel is.
fn milestone_of(state: ParcelState) -> Option<&'static str> {
    Some(match state {
        ParcelState::Labelled => "preparing",
        ParcelState::Shipped => "shipped",
        ParcelState::InTransit => "in_transit",
        ParcelState::Delayed => "delivery_delayed",
        ParcelState::OutForDelivery => "out_for_delivery",
        ParcelState::Attempted => "delivery_attempted",
        ParcelState::ReadyForPickup => "ready_for_pickup",
        ParcelState::Failed => "delivery_failed",
        ParcelState::PickedUp => "picked_up",
        ParcelState::Delivered => "delivered",
        ParcelState::Cancelled => return None,
    })
}

fn store(order: &Order) -> Option<StorePart> {
    let store = order.pickup.now()?;
    let chain = store.chain.as_deref().and_then(|c| line(c, 40));
    Some(StorePart { chain, name: store_name(store)? })
}

fn pay(order: &Order, rules: &ShopRules, reader: &Reader, now: Timestamp) -> Option<PayPart> {
    let head = order.head()?;
    if order.paid() || order.cancelled() || head.cash_on_delivery {
        return None;
    }
    let how = order.pay.as_ref().map(|p| &p.value);
    let told = how.and_then(|p| p.due_at);
    let due = told.or_else(|| Some(plus_secs(head.created_at, rules.payment_deadline?)));
    if due.is_some_and(|at| at <= now) {
        // Too late: no page to pay on any more.
        return None;
    }
    let url = how.and_then(|p| link(p.url.as_deref()?));
    let amount = head.outstanding.as_ref().filter(|m| !m.is_zero()).or(head.total.as_ref());
    (url.is_some() || due.is_some()).then(|| PayPart {
        amount: amount.map(|m| reader.money(m)),
        due: due.map(|at| reader.moment(at)),
        url,
    })
}
