//! reconcile: a shop is asked what changed, and what no webhook told is taken in by the same steps as a webhook.
//!
//! The place reached is kept in Redis and moved on only behind a page whose orders are all committed; a lease lets one
//! process of all ask a shop. Each look begins a while before the place, since a shop may show a change later than its
//! time says. A change is left to its webhook for a grace time: only then was it lost.
//!
//! Dies before a page is taken in: it is asked for again. In the middle, or before the place is moved: those committed
//! are found to be known. After: the next look goes on behind it.

use super::App;
use super::accept::fold;
use super::kept::{AcceptError, read_order};
use super::live::Shop;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::OrderEvent;
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::keeper::Keeper as _;
use crate::domain::order::Order;
use crate::milestone;
use crate::plan::owe;
use crate::platform::api::{Changed, Row, RowState, Since};
use crate::platform::{AskFault, Question};
use crate::store::error::StoreError;
use crate::store::keys::Unit;
use crate::telemetry::{ReconcileResult, WebhookOutcome};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Each look begins so long before the place reached. Seconds.
const OVERLAP_SECS: i64 = 600;
/// Who asks a shop holds the right to for so long, and takes it anew with every page. ms.
const HOLD_MS: u64 = 60_000;
/// Pages of one look; what is left is asked for by the next.
const PAGES: usize = 50;
/// Longest pause after a shop that did not answer.
const PAUSE_MOST: Duration = Duration::from_secs(3600);
/// Orders remembered of those that came.
const SAMPLES: usize = 20;
/// Orders named one by one in a report.
const NAMED: usize = 200;

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No such shop.
    #[error("no such shop in the settings")]
    UnknownShop,
    /// It has no API.
    #[error("the shop has no [shop.api]: set url and secret there")]
    NoApi,
    /// Somebody else is asking it.
    #[error("another process is asking this shop just now; try again in a minute")]
    Taken,
    /// The shop.
    #[error(transparent)]
    Shop(#[from] AskFault),
    /// Redis.
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Accept(error.into())
    }
}

/// What is remembered of a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// All that changed before is known.
    mark: Timestamp,
    /// When it was last asked to the end.
    polled: Timestamp,
}

/// One look: where it is, and how far it goes.
#[derive(Clone, Debug, PartialEq)]
struct Turn {
    since: Since,
    /// What changed later is left to its webhook.
    until: Timestamp,
    /// What changed before was counted by an earlier look.
    counted: Timestamp,
    /// What had come is measured: only where each change is met once.
    measures: bool,
    /// Nothing is changed.
    dry: bool,
}

/// An order of which no webhook had told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The platform's id of the order.
    pub order: String,
    /// When it changed, by the shop's clock.
    pub changed: Timestamp,
    /// Milestones that are owed because of it.
    pub owes: Vec<String>,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Orders whose change a webhook had told.
    pub seen: u64,
    /// Orders whose change none had told.
    pub missed: u64,
    /// The first of them.
    pub lines: Vec<Line>,
    /// Changes met in this look: pages that go on by time show the end of the page before once more.
    #[serde(skip)]
    met: HashSet<(OrderId, Timestamp)>,
    /// Some of the orders whose change a webhook had told.
    #[serde(skip)]
    pub came: Vec<String>,
    /// All that changed before is known now; `None`: the look was dry, or there is more.
    pub mark: Option<Timestamp>,
    /// There is more to ask for.
    pub more: bool,
}

/// What became of one order of a page.
enum Found {
    Seen,
    Missed(Line),
    /// A cart, an order that was erased, or one that the shop no longer shows.
    Nothing,
}

fn name(shop: &ShopId) -> String {
    format!("reconcile/{shop}")
}

async fn load(app: &App, shop: &ShopId) -> Result<(Option<Vec<u8>>, Option<Place>), Trouble> {
    let kept = app.store.load(&name(shop)).await.map_err(AcceptError::Unreadable)?;
    let place = kept.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    Ok((kept, place))
}

/// Moves the place on, unless another process has moved it meanwhile.
async fn keep(app: &App, shop: &ShopId, old: &mut Option<Vec<u8>>, place: Place) -> Result<(), Trouble> {
    let bytes = serde_json::to_vec(&place).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
    if !app.store.swap(&name(shop), old.as_deref(), &bytes).await.map_err(AcceptError::Unreadable)? {
        return Err(Trouble::Taken);
    }
    *old = Some(bytes);
    Ok(())
}

/// One look at a shop: from the place reached, or from `since`.
///
/// # Errors
/// The shop does not answer or will not, Redis, or another process has the shop.
pub async fn look(app: &App, id: &ShopId, since: Option<Timestamp>, dry: bool) -> Result<Report, Trouble> {
    let shop = app.live().shops.get(id).cloned().ok_or(Trouble::UnknownShop)?;
    let api = shop.access.api.clone().ok_or(Trouble::NoApi)?;
    let (mut kept, place) = load(app, id).await?;
    let now = app.clock.now();
    // Of a shop that was never asked, what happened before is not news.
    let mark = place.map_or_else(|| plus_secs(now, -api.grace), |p| p.mark);
    let from = since.unwrap_or_else(|| plus_secs(mark, -OVERLAP_SECS));
    let counted = since.unwrap_or(mark);
    let until = plus_secs(now, -api.grace);
    let measures = since.is_none() && !dry;
    let mut turn = Turn { since: Since { from, place: None }, until, counted, measures, dry };
    let (mut report, mut mark) = (Report::default(), mark);
    for page in 0..PAGES {
        if !app.store.claim_run(&name(id), &app.worker, HOLD_MS).await? {
            return Err(Trouble::Taken);
        }
        let changed = (shop.platform.changed)(&shop.access, app.asking.of(&api), turn.since.clone()).await?;
        let (last, over) = take_in(app, &shop, &turn, &changed, &mut report).await?;
        let next = changed.next.filter(|_| !over);
        report.more = next.is_some();
        if !dry && since.is_none() {
            // Behind the last page all that changed until then is known, also where nothing did.
            mark = mark.max(if report.more { last.unwrap_or(mark) } else { until });
            let polled = if report.more { place.map_or(mark, |p| p.polled) } else { now };
            keep(app, id, &mut kept, Place { mark, polled }).await?;
            report.mark = Some(mark);
        }
        match next {
            Some(next) if page + 1 < PAGES => turn.since = next,
            _ => break,
        }
    }
    if !dry && !report.more {
        app.metrics.polled(id.as_str(), now.as_second() as f64);
    }
    if report.missed > 0 && !dry {
        let Report { seen, missed, .. } = report;
        tracing::warn!(shop = %id, missed, seen, "webhooks were lost: what they would have told was asked for");
    }
    Ok(report)
}

/// Takes a page in; gives the time of its last order that counts, and whether the rest is left to webhooks.
async fn take_in(
    app: &App,
    shop: &Arc<Shop>,
    turn: &Turn,
    page: &Changed,
    report: &mut Report,
) -> Result<(Option<Timestamp>, bool), Trouble> {
    let mut last = None;
    for row in &page.rows {
        if row.at > turn.until {
            return Ok((last, true));
        }
        last = Some(row.at);
        if !report.met.insert((row.order.clone(), row.at)) {
            continue;
        }
        match one(app, shop, row, turn.dry).await? {
            // Of what an earlier look has counted only a loss is news.
            Found::Seen if row.at > turn.counted => {
                report.seen += 1;
                if report.came.len() < SAMPLES {
                    report.came.push(row.order.to_string());
                }
                if turn.measures {
                    app.metrics.reconciled(shop.rules.id.as_str(), ReconcileResult::Seen);
                }
            }
            Found::Missed(line) => {
                report.missed += 1;
                if !turn.dry {
                    app.metrics.reconciled(shop.rules.id.as_str(), ReconcileResult::Missed);
                }
                if report.lines.len() < NAMED {
                    report.lines.push(line);
                }
            }
            Found::Seen | Found::Nothing => {}
        }
    }
    Ok((last, false))
}

/// One order that changed: known already, or taken in like a webhook.
async fn one(app: &App, shop: &Arc<Shop>, row: &Row, dry: bool) -> Result<Found, Trouble> {
    let member = app.store.member(&Unit::order(&shop.rules.id, row.order.as_str()));
    let record = app.store.read(&member).await?;
    if record.erased.is_some() || row.now == RowState::Nothing {
        return Ok(Found::Nothing);
    }
    let order = record.snapshot.as_deref().map(read_order).transpose()?;
    if known(order.as_ref(), row) {
        return Ok(Found::Seen);
    }
    let Some(event) = event(app, shop, row).await? else { return Ok(Found::Nothing) };
    let now = app.clock.now();
    let line = |owes| Line { order: row.order.to_string(), changed: row.at, owes };
    let owes = owed_by(app, shop, (order, row), &event, now);
    if dry {
        return Ok(Found::Missed(line(owes)));
    }
    let content = serde_json::to_vec(&event).unwrap_or_default();
    let seen = [Digest8::of(&[b"reconciled", shop.rules.id.as_str().as_bytes(), &content])];
    Ok(match fold(app, shop, &row.order, (&event, now), &seen).await? {
        WebhookOutcome::Taken => Found::Missed(line(owes)),
        WebhookOutcome::Duplicate => Found::Seen,
        _ => Found::Nothing,
    })
}

/// Whether a webhook has told this state of the order, or a later one. Times are whole seconds at both shop systems, so
/// of two states of one second the order itself decides, where it is there.
fn known(order: Option<&Order>, row: &Row) -> bool {
    let Some(order) = order else { return false };
    let Some(told) = order.head.as_ref().map(|head| head.at) else { return false };
    if told != row.at {
        return told > row.at;
    }
    let RowState::Told(event) = &row.now else { return true };
    let mut after = order.clone();
    after.absorb(event);
    after == *order
}

/// The order as it is at the shop; `None`: the shop no longer shows it.
async fn event(app: &App, shop: &Shop, row: &Row) -> Result<Option<OrderEvent>, Trouble> {
    if let RowState::Told(event) = &row.now {
        return Ok(Some((**event).clone()));
    }
    let Some(api) = &shop.access.api else { return Ok(None) };
    Ok((shop.platform.ask)(&shop.access, app.asking.of(api), Question::Order(row.order.clone())).await?)
}

/// Milestones that the event makes owed: for the report; what is owed is decided again at the commit.
fn owed_by(
    app: &App,
    shop: &Shop,
    (order, row): (Option<Order>, &Row),
    event: &OrderEvent,
    now: Timestamp,
) -> Vec<String> {
    let mut order = order.unwrap_or_else(|| Order::new(shop.rules.id.clone(), row.order.clone(), now));
    order.absorb(event);
    let owing = owe(&order, &shop.rules, &app.live().routes, milestone::ALL, now, 1);
    let mut owes: Vec<String> =
        owing.items.iter().filter_map(|i| milestone::by_tag(i.milestone).map(|m| m.id.to_string())).collect();
    owes.dedup();
    owes
}

/// Asks every shop whose time has come; gives how long a shop that did not answer is left alone.
pub async fn round(app: &App, rests: &mut HashMap<ShopId, (Instant, Duration)>) {
    let live = app.live();
    for shop in live.shops.values() {
        let Some(poll) = shop.access.api.as_ref().and_then(|api| api.poll) else { continue };
        let id = &shop.rules.id;
        if rests.get(id).is_some_and(|(until, _)| Instant::now() < *until) {
            continue;
        }
        let due = async {
            let (_, place) = load(app, id).await?;
            // A clock that was set back must not stop it for long.
            let age = place.map(|p| app.clock.now().as_second() - p.polled.as_second());
            Ok::<bool, Trouble>(age.is_none_or(|age| age >= poll || age < -60))
        };
        let looked = match due.await {
            Ok(false) => continue,
            Ok(true) => look(app, id, None, false).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(_) => drop(rests.remove(id)),
            Err(Trouble::Taken) => {}
            Err(error) => {
                let before = rests.get(id).map_or(Duration::from_secs(15), |(_, pause)| *pause);
                let asked = if let Trouble::Shop(AskFault::Later(_, Some(s))) = &error { *s } else { 0 };
                let pause = (before * 2).max(Duration::from_secs(asked)).min(PAUSE_MOST);
                rests.insert(id.clone(), (Instant::now() + pause, pause));
                tracing::error!(shop = %id, %error, again_in = ?pause, "the shop could not be asked what changed");
            }
        }
    }
}

/// The loop of this process, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut rests = HashMap::new();
    while !*stop.borrow() {
        let work = round(&app, &mut rests);
        // A shop that answers slowly does not hold up the end.
        tokio::select! { () = work => {}, _ = stop.changed() => return }
        // 3 to 6 s, so that pods do not ask in step.
        let rest = Duration::from_millis(3000 + rand::random_range(0..3000));
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{About, Patch};
    use crate::domain::order::Stamped;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).expect("a time")
    }

    /// An order that a webhook told at this second; `None`: only something about it.
    fn order(told: Option<i64>) -> Order {
        let mut order = Order::new("tea".into(), "7".into(), at(0));
        let head = crate::words::sample::full("en").order.head.expect("a head").value;
        order.head = told.map(|t| Stamped { at: at(t), value: head });
        order
    }

    fn row(secs: i64, now: RowState) -> Row {
        Row { order: "7".into(), at: at(secs), now }
    }

    #[test]
    fn what_a_webhook_told_of_this_time_or_later_is_known() {
        assert!(!known(None, &row(5, RowState::Ask)));
        assert!(!known(Some(&order(None)), &row(5, RowState::Ask)), "only something about it");
        assert!(!known(Some(&order(Some(4))), &row(5, RowState::Ask)));
        assert!(known(Some(&order(Some(5))), &row(5, RowState::Ask)));
        assert!(known(Some(&order(Some(6))), &row(5, RowState::Ask)));
    }

    #[test]
    fn of_two_states_of_one_second_the_order_decides() {
        let order = order(Some(5));
        let event = |stage| OrderEvent {
            about: About::Order("7".into()),
            at: at(5),
            dated: true,
            patch: Patch { stage, ..Patch::default() },
            joins: Vec::new(),
            refetch: false,
            topic: "rest.order".into(),
        };
        assert!(known(Some(&order), &row(5, RowState::Told(Box::new(event(Vec::new()))))));
        let cancelled = event(vec![(crate::domain::order::Stage::Cancelled, None)]);
        assert!(!known(Some(&order), &row(5, RowState::Told(Box::new(cancelled)))));
    }
}
