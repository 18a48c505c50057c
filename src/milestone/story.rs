//! Questions that several milestones ask of an order.
//!
//! The rule behind all of them: `reached` must only grow. What a later webhook could take back (the parcel
//! was cancelled, the payment came after all) is asked in `moot`, which is put again before every send.

use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::history::History;
use crate::domain::milestone::{Reached, Subject};
use crate::domain::order::{Order, Parcel, ParcelState, PaymentState, Return, ReturnState, Stage};
use crate::domain::shop::ShopRules;

/// No milestone besides.
pub(super) const NONE: &[&str] = &[];
pub(super) const DAY: i64 = 86_400;

/// A reminder this close to the beginning of what it reminds of would only repeat it. Seconds.
const SHORTEST: i64 = 30 * 60;

/// Reached once, of the order, if it was reached at all.
pub(super) fn once(at: Option<Timestamp>) -> Vec<Reached> {
    at.map(|at| Reached::new(Subject::Order, at)).into_iter().collect()
}

/// Reached each time, of `subject` of `name`, `name/2`, `name/3` …
pub(super) fn each(times: Vec<Timestamp>, name: &str, subject: fn(String) -> Subject) -> Vec<Reached> {
    times.into_iter().enumerate().map(|(i, at)| Reached::new(subject(nth(name, i + 1)), at)).collect()
}

/// `name`, `name/2`, `name/3` …
pub(super) fn nth(name: &str, n: usize) -> String {
    if n == 1 { name.to_string() } else { format!("{name}/{n}") }
}

/// Never moot.
pub(super) fn never(_: &Order, _: &Reached) -> bool {
    false
}

/// Cancelled, or all money returned: nothing more will be carried or is to be paid.
pub(super) fn called_off(order: &Order) -> bool {
    order.cancelled()
        || order.stage.now() == Some(&Stage::Refunded)
        || order.payment.now() == Some(&PaymentState::Refunded)
}

/// [`called_off`], where only that makes a milestone moot.
pub(super) fn when_called_off(order: &Order, _: &Reached) -> bool {
    called_off(order)
}

/// Whether the customer pays at the door or the store: nobody asks them for money before.
pub(super) fn pays_at_the_door(order: &Order) -> bool {
    order.head().is_some_and(|h| h.cash_on_delivery)
}

/// The last moment to pay: the order's own, else the shop's rule counted from when it was made.
pub(super) fn payment_due(order: &Order, rules: &ShopRules) -> Option<Timestamp> {
    let own = order.pay.as_ref().and_then(|p| p.value.due_at);
    own.or_else(|| Some(plus_secs(order.head()?.created_at, rules.payment_deadline?)))
}

/// When to remind of `end`: `ahead` seconds before, but not before half of the time is over; `None` where the
/// whole time is so short that the reminder would come with the thing itself.
pub(super) fn reminder(start: Timestamp, end: Timestamp, ahead: i64) -> Option<Timestamp> {
    let whole = end.as_second().saturating_sub(start.as_second());
    (whole >= SHORTEST).then(|| plus_secs(end, -ahead.clamp(0, whole / 2)))
}

/// A thing that only time reaches: it happens, and may be told, at `when`.
pub(super) fn foreseen(subject: Subject, when: Timestamp) -> Reached {
    Reached { not_before: Some(when), ..Reached::new(subject, when) }
}

/// When the shop first said that it left.
pub(super) fn left(parcel: &Parcel) -> Option<Timestamp> {
    parcel.state.first(|s| *s == ParcelState::Shipped)
}

/// The time of a scan. Carriers' clocks run before the shop's: nothing happens to a parcel before it left,
/// else "in transit" would count as older than "shipped".
pub(super) fn scan_time(parcel: &Parcel, at: Timestamp) -> Timestamp {
    left(parcel).map_or(at, |left| left.max(at))
}

/// Parcels that carry something: a download is never shipped, however the platform calls it.
pub(super) fn carried(order: &Order) -> impl Iterator<Item = &Parcel> {
    order.parcels.iter().filter(|p| !p.digital)
}

/// Reached by each parcel that was ever in `state`.
pub(super) fn parcels_in(order: &Order, state: ParcelState) -> Vec<Reached> {
    let first = |p: &Parcel| Some(scan_time(p, p.state.first(|s| *s == state)?));
    carried(order).filter_map(|p| Some(Reached::new(Subject::Parcel(p.id.clone()), first(p)?))).collect()
}

/// The parcel that `reached` is about.
pub(super) fn parcel_of<'a>(order: &'a Order, reached: &Reached) -> Option<&'a Parcel> {
    order.parcel(reached.subject.parcel()?)
}

/// The shop took the parcel back, or it holds nothing to carry after all.
pub(super) fn taken_back(order: &Order, reached: &Reached) -> bool {
    parcel_of(order, reached).is_some_and(|p| p.digital || p.state.now() == Some(&ParcelState::Cancelled))
}

/// The parcel has been in one of `later` since: telling where it was before helps nobody.
pub(super) fn overtaken(order: &Order, reached: &Reached, later: &[ParcelState]) -> bool {
    parcel_of(order, reached)
        .is_some_and(|p| p.state.sightings().any(|(at, s)| later.contains(s) && scan_time(p, at) >= reached.at))
}

/// The whole of what ends a message about a parcel on its way.
pub(super) fn over(order: &Order, reached: &Reached, later: &[ParcelState]) -> bool {
    called_off(order) || taken_back(order, reached) || overtaken(order, reached, later)
}

/// States in which a parcel has arrived, or never will.
pub(super) const ARRIVED: &[ParcelState] = &[ParcelState::Failed, ParcelState::PickedUp, ParcelState::Delivered];

/// Reached by each return that was ever in `state`.
pub(super) fn returns_in(order: &Order, state: ReturnState) -> Vec<Reached> {
    let first = |r: &Return| r.state.first(|s| *s == state);
    order.returns.iter().filter_map(|r| Some(Reached::new(Subject::Return(r.id.clone()), first(r)?))).collect()
}

/// The newest state of the return that `reached` is about is one of these.
pub(super) fn return_now_in(order: &Order, reached: &Reached, states: &[ReturnState]) -> bool {
    let id = match &reached.subject {
        Subject::Return(id) | Subject::ReturnOf(id, _) => id,
        _ => return false,
    };
    let now = |h: &History<ReturnState>| h.now().is_some_and(|s| states.contains(s));
    order.returns.iter().any(|r| r.id == *id && now(&r.state))
}

/// The last moment to fetch a parcel: the carrier's own word, else the shop's rule counted from its arrival.
pub(super) fn pickup_end(parcel: &Parcel, rules: &ShopRules) -> Option<Timestamp> {
    let told = parcel.pickup_until.as_ref().map(|u| u.value);
    let waits = parcel.state.first(|s| *s == ParcelState::ReadyForPickup);
    told.or_else(|| Some(plus_secs(scan_time(parcel, waits?), rules.pickup_days?)))
}
