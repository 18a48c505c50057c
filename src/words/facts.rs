//! What words may say: the order's facts under the names that templates and conditions use.
//!
//! Everything from shops and customers is cleaned here, once; it is data and is never read as a template.

use super::Telling;
use super::clean;
use super::date::{Local, zone};
use super::value::{Facts, Use, cash, moment};
use crate::domain::channel::Audience;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::milestone::Subject;
use crate::domain::money::Money;
use crate::domain::order::{
    Head, Parcel, ParcelState, PaymentState, PickupStore, Refund, Return, Tracking, TransactionKind,
};
use jiff::tz::TimeZone;
use minijinja::Value;

/// The root of all names. `None`: the order itself is not known yet, only something about it.
pub(super) fn facts(t: &Telling<'_>, used: Use) -> Option<Facts> {
    let head = t.order.head()?;
    let place = Place { zone: zone(head.country.as_deref(), &t.rules.timezone), now: t.now, used };
    let parcel = t.subject.parcel().and_then(|id| t.order.parcel(id));
    let part = the_return(t);
    let amount = amount(t, head);
    let joined = t.joined.iter().filter(|m| **m != t.milestone).map(|m| Value::from(*m)).collect::<Vec<_>>();
    Some(Facts(vec![
        ("milestone", Value::from(t.milestone)),
        ("joined", Value::from(joined)),
        ("locale", Value::from(t.locale)),
        ("now", place.moment(Some(t.now))),
        ("order", order(t, head, &place)),
        ("shop", Facts(vec![("name", text(t.rules.name.as_deref(), 60))]).value()),
        ("parcel", the_parcel(t, parcel, &place)),
        ("store", store(t.order.pickup.now())),
        ("pay", pay(t, head, &place)),
        ("amount", cash(amount.as_ref(), used)),
        ("reason", reason(t).into()),
        ("return", return_facts(part)),
        ("note", Facts(vec![("text", note(t))]).value()),
        ("links", links(t, head, parcel, part)),
        ("page_url", link(t.links.page.as_deref().filter(|_| t.audience == Audience::Customer))),
        ("connect_url", link(t.links.connect.as_deref().filter(|_| t.audience == Audience::Customer))),
        ("old", old(t, parcel)),
    ]))
}

/// Where and when the recipient reads.
struct Place {
    zone: TimeZone,
    now: Timestamp,
    used: Use,
}

impl Place {
    fn moment(&self, at: Option<Timestamp>) -> Value {
        moment(at.map(|at| Local::new(at, &self.zone, self.now)), self.used)
    }

    /// A day that lies before today is no promise any more: "arrives by yesterday" is not said.
    fn ahead(&self, at: Option<Timestamp>) -> Value {
        let day = |at: Timestamp| at.to_zoned_datetime(self.zone.clone()).date();
        self.moment(at.filter(|at| day(*at) >= day(self.now)))
    }
}

fn text(text: Option<&str>, limit: usize) -> Value {
    Value::from(text.and_then(|t| clean::line(t, limit)))
}

fn link(url: Option<&str>) -> Value {
    Value::from(url.and_then(clean::https))
}

fn order(t: &Telling<'_>, head: &Head, place: &Place) -> Value {
    let source = Facts(vec![
        ("kind", Value::from(head.source.kind.as_str())),
        ("name", text(Some(&head.source.name), 60)),
        ("store_code", text(head.source.store_code.as_deref(), 60)),
        ("store_name", text(head.source.store_name.as_deref(), 60)),
    ]);
    let item = |i: &crate::domain::order::Item| {
        Some(Facts(vec![("title", clean::line(&i.title, 80)?.into()), ("quantity", i.quantity.into())]).value())
    };
    let items: Vec<Value> = head.items.iter().filter_map(item).collect();
    let count: u64 = head.items.iter().map(|i| u64::from(i.quantity)).sum();
    let person = |name: &Option<String>| Value::from(name.as_deref().and_then(clean::person));
    let customer =
        Facts(vec![("first_name", person(&head.contact.first_name)), ("last_name", person(&head.contact.last_name))]);
    Facts(vec![
        ("name", clean::line(&head.name, 40).unwrap_or_else(|| t.order.id.to_string()).into()),
        ("total", cash(head.total.as_ref(), place.used)),
        ("outstanding", cash(head.outstanding.as_ref(), place.used)),
        ("payment", payment_word(t.order.payment.now().copied()).into()),
        ("source", source.value()),
        ("tags", head.tags.iter().filter_map(|tag| clean::line(tag, 60)).collect::<Vec<_>>().into()),
        ("payment_method", text(head.payment_method.as_deref(), 40)),
        ("cash_on_delivery", head.cash_on_delivery.into()),
        ("first_item", head.items.iter().find_map(|i| clean::line(&i.title, 80)).into()),
        ("items", items.into()),
        ("item_count", count.into()),
        ("placed_at", place.moment(Some(head.created_at))),
        ("test", head.test.into()),
        ("country", text(head.country.as_deref(), 2)),
        ("customer", customer.value()),
    ])
    .value()
}

fn payment_word(state: Option<PaymentState>) -> Option<&'static str> {
    Some(match state? {
        PaymentState::Pending => "pending",
        PaymentState::Failed => "failed",
        PaymentState::Expired => "expired",
        PaymentState::Authorized => "authorized",
        PaymentState::PartiallyPaid => "partially_paid",
        PaymentState::Paid => "paid",
        PaymentState::PartiallyRefunded => "partially_refunded",
        PaymentState::Refunded => "refunded",
        PaymentState::Voided => "voided",
    })
}

/// The tracking this message is about: the one the subject names, else the one in force.
fn tracking<'a>(t: &Telling<'a>, parcel: Option<&'a Parcel>) -> Option<&'a Tracking> {
    let all = &parcel?.tracking;
    let named = match t.subject {
        Subject::ParcelOf(_, what) => all.iter().find(|x| x.number == *what),
        _ => None,
    };
    named.or(all.last())
}

fn the_parcel(t: &Telling<'_>, parcel: Option<&Parcel>, place: &Place) -> Value {
    // A parcel taken back before it left, or a download, is none that the customer counts.
    let counted = |p: &&Parcel| !p.digital && p.state.now() != Some(&ParcelState::Cancelled);
    let all: Vec<&Parcel> = t.order.parcels.iter().filter(counted).collect();
    let index = parcel.and_then(|p| all.iter().position(|other| other.id == p.id));
    let track = tracking(t, parcel);
    let waits = |p: &Parcel| p.state.first(|s| *s == ParcelState::ReadyForPickup);
    let until = parcel.and_then(|p| {
        let told = p.pickup_until.as_ref().map(|u| u.value);
        told.or_else(|| Some(plus_secs(waits(p)?, t.rules.pickup_days?)))
    });
    Facts(vec![
        ("number", text(track.map(|x| x.number.as_str()), 60)),
        ("carrier", text(track.and_then(|x| x.carrier.as_deref()), 40)),
        ("url", link(track.and_then(|x| x.url.as_deref()))),
        ("index", index.map(|i| i + 1).into()),
        ("count", index.map(|_| all.len()).into()),
        ("partial", parcel.and_then(|p| p.partial.as_ref()).is_some_and(|p| p.value).into()),
        ("digital", parcel.is_some_and(|p| p.digital).into()),
        ("eta", place.ahead(parcel.and_then(|p| p.eta.as_ref()).map(|e| e.value))),
        ("pickup_until", place.ahead(until)),
        ("state", parcel.and_then(|p| p.state.now()).map(|s| state_word(*s)).into()),
    ])
    .value()
}

fn state_word(state: ParcelState) -> &'static str {
    match state {
        ParcelState::Labelled => "labelled",
        ParcelState::Shipped => "shipped",
        ParcelState::InTransit => "in_transit",
        ParcelState::Delayed => "delayed",
        ParcelState::OutForDelivery => "out_for_delivery",
        ParcelState::Attempted => "attempted",
        ParcelState::ReadyForPickup => "ready_for_pickup",
        ParcelState::Failed => "failed",
        ParcelState::PickedUp => "picked_up",
        ParcelState::Delivered => "delivered",
        ParcelState::Cancelled => "cancelled",
    }
}

fn store(store: Option<&PickupStore>) -> Value {
    Facts(vec![
        ("name", store_name(store).into()),
        ("chain", text(store.and_then(|s| s.chain.as_deref()), 40)),
        ("address", text(store.and_then(|s| s.address.as_deref()), 120)),
        ("id", text(store.and_then(|s| s.id.as_deref()), 20)),
    ])
    .value()
}

/// A store's name without what stands beside it anyway: some plugins write the chain before it and the
/// address behind it.
pub(super) fn store_name(store: Option<&PickupStore>) -> Option<String> {
    let store = store?;
    let mut name = store.name.as_deref()?.trim();
    if let Some(address) = store.address.as_deref().map(str::trim).filter(|a| !a.is_empty()) {
        name = name.strip_suffix(address).unwrap_or(name);
    }
    if let Some(chain) = store.chain.as_deref().map(str::trim).filter(|c| !c.is_empty()) {
        name = name.strip_prefix(chain).unwrap_or(name);
    }
    clean::line(name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '(' | '（' | '/' | ',')), 40)
}

fn pay(t: &Telling<'_>, head: &Head, place: &Place) -> Value {
    let how = t.order.pay.as_ref().map(|p| &p.value);
    let due = how
        .and_then(|p| p.due_at)
        .or_else(|| t.rules.payment_deadline.map(|secs| plus_secs(head.created_at, secs)))
        .filter(|at| *at > t.now && !t.order.paid() && !head.cash_on_delivery);
    let barcodes = how.map(|p| p.barcodes.iter().filter_map(|b| clean::line(b, 40)).collect::<Vec<_>>());
    Facts(vec![
        ("due_at", place.moment(due)),
        ("bank_code", text(how.and_then(|p| p.bank_code.as_deref()), 20)),
        ("account", text(how.and_then(|p| p.account.as_deref()), 40)),
        ("store_code", text(how.and_then(|p| p.store_code.as_deref()), 40)),
        ("barcodes", barcodes.unwrap_or_default().into()),
        ("url", link(how.and_then(|p| p.url.as_deref()))),
        ("method", text(head.payment_method.as_deref(), 40)),
    ])
    .value()
}

/// The money this message is about: that of its refund or payment. Where the subject names none that is
/// kept, or several things are told in one message, it is the money of the refund or payment among them.
fn amount(t: &Telling<'_>, head: &Head) -> Option<Money> {
    let tells = |m: &str| t.milestone == m || t.joined.contains(&m);
    let last = |kind| {
        let done = t.order.transactions.iter().rev().find(|x| x.ok && x.kind == kind);
        done.and_then(|x| x.amount.as_ref()).map(Money::abs)
    };
    let named = match t.subject {
        Subject::Refund(id) => t.order.refunds.iter().find(|r| r.id == *id).and_then(|r| r.amount.as_ref()),
        Subject::Transaction(id) => t.order.transactions.iter().find(|x| x.id == *id).and_then(|x| x.amount.as_ref()),
        _ => None,
    };
    if let Some(money) = named {
        return Some(money.abs());
    }
    if tells("refunded") {
        return sum(&t.order.refunds);
    }
    if tells("partially_refunded") {
        return t.order.refunds.last().and_then(|r| r.amount.as_ref()).map(Money::abs);
    }
    if tells("payment_received") {
        // Paid in one go means paid as a whole, in however many pieces the payment service took it.
        let at_once = !t.order.payment.ever(|s| *s == PaymentState::PartiallyPaid);
        return head.total.clone().filter(|_| at_once).or_else(|| last(TransactionKind::Capture));
    }
    if tells("payment_partially_received") {
        return last(TransactionKind::Capture);
    }
    if tells("payment_authorized") { last(TransactionKind::Authorization) } else { None }
}

fn sum(refunds: &[Refund]) -> Option<Money> {
    let mut amounts = refunds.iter().filter_map(|r| r.amount.as_ref()).map(Money::abs);
    let first = amounts.next()?;
    amounts.try_fold(first, |mut total, next| {
        total.amount = total.amount.checked_add(next.amount)?;
        (total.currency == next.currency).then_some(total)
    })
}

/// Why, in a closed set of words that are the customer's business: `customer`, `inventory`, `timeout`,
/// `address`, `payment`. Everything else (fraud, declined, staff) is none.
fn reason(t: &Telling<'_>) -> Option<&'static str> {
    let word = match t.subject {
        Subject::Hold(id) => t.order.holds.iter().find(|h| h.id == *id)?.reason.as_deref()?,
        _ if t.milestone == "payment_failed" => {
            return (t.order.payment.now() == Some(&PaymentState::Expired)).then_some("timeout");
        }
        _ => t.order.cancel_reason.as_deref()?,
    };
    match word.to_ascii_lowercase().as_str() {
        "customer" => Some("customer"),
        "inventory" | "inventory_out_of_stock" | "out_of_stock" => Some("inventory"),
        "timeout" | "expired" | "unpaid" => Some("timeout"),
        "incorrect_address" => Some("address"),
        "awaiting_payment" => Some("payment"),
        _ => None,
    }
}

fn the_return<'a>(t: &Telling<'a>) -> Option<&'a Return> {
    match t.subject {
        Subject::Return(id) | Subject::ReturnOf(id, _) => t.order.returns.iter().find(|r| r.id == *id),
        _ => None,
    }
}

fn return_facts(part: Option<&Return>) -> Value {
    let label = part.and_then(|r| r.label.as_ref()).map(|l| &l.value);
    Facts(vec![
        ("name", text(part.and_then(|r| r.name.as_deref()), 40)),
        ("note", part.and_then(|r| r.decline_note.as_deref()).and_then(|n| clean::lines(n, 500)).into()),
        ("label_url", link(label.and_then(|l| l.url.as_deref()))),
        ("label_carrier", text(label.and_then(|l| l.carrier.as_deref()), 40)),
        ("label_number", text(label.and_then(|l| l.number.as_deref()), 60)),
    ])
    .value()
}

fn note(t: &Telling<'_>) -> Value {
    let found = match t.subject {
        Subject::Note(id) => t.order.notes.iter().find(|n| n.id == *id),
        _ => None,
    };
    found.and_then(|n| clean::lines(&n.text, 1500)).into()
}

/// Links of the customer open the customer's own pages without a password: staff do not get them.
fn links(t: &Telling<'_>, head: &Head, parcel: Option<&Parcel>, part: Option<&Return>) -> Value {
    let own = t.audience == Audience::Customer;
    let status = t.links.status.as_deref().or_else(|| head.status_url.as_deref().filter(|_| own));
    let pay = t.order.pay.as_ref().and_then(|p| p.value.url.as_deref()).filter(|_| own && !t.order.paid());
    let label = part.and_then(|r| r.label.as_ref()).and_then(|l| l.value.url.as_deref()).filter(|_| own);
    Facts(vec![
        ("status", link(status)),
        ("pay", link(pay)),
        ("track", link(tracking(t, parcel).and_then(|x| x.url.as_deref()))),
        ("label", link(label)),
    ])
    .value()
}

/// What held before a change: the tracking number before this one, the store before this one.
fn old(t: &Telling<'_>, parcel: Option<&Parcel>) -> Value {
    let number = parcel.zip(tracking(t, parcel)).and_then(|(p, now)| {
        let place = p.tracking.iter().position(|x| x.number == now.number)?;
        p.tracking.get(place.checked_sub(1)?)
    });
    let runs = t.order.pickup.runs();
    let before = runs.len().checked_sub(2).and_then(|i| runs.get(i)).map(|r| &r.state);
    Facts(vec![("number", text(number.map(|x| x.number.as_str()), 60)), ("store", store_name(before).into())]).value()
}
