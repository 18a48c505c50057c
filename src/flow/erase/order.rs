//! One order: erased, or silenced.

use super::person;
use super::{Counts, Duty, Kind};
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::event::JoinKey;
use crate::domain::ids::Tag;
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::flow::App;
use crate::flow::kept::{AcceptError, is_waiting, read_order};
use crate::flow::live::Shop;
use crate::milestone;
use crate::store::erase::Remains;
use crate::store::keys::{Member, Unit, UnitKind};
use crate::store::operators::Changed;
use crate::store::order::Record;

/// Tries against workers and webhooks on the same order.
const TRIES: usize = 8;

/// Why a message that was being sent when its order was erased or silenced is not said to be skipped.
const RATHER_UNSURE: Reason = Reason::MaybeTold;

/// Erases an order and whatever leads to it or waits for it.
///
/// The order itself goes last: it is what the rest is found by. Dies before: the duty stands, and all of it is done
/// again. Whoever sends one of its messages right now finds its lease gone, at `begin` or at `settle`.
pub(super) async fn erase(app: &App, shop: &Shop, member: &Member, duty: &mut Duty) -> Result<(), AcceptError> {
    for _ in 0..TRIES {
        let record = app.store.read_to_erase(member).await?;
        if record.erased.is_some() {
            return Ok(());
        }
        let snapshot = record.snapshot.as_deref();
        if snapshot.is_some_and(is_waiting) {
            if erased(app, member, &record, &[], Remains::Nothing).await? {
                duty.counts.orders += 1;
                return Ok(());
            }
            continue;
        }
        // What only a newer version reads is erased like all else; what it leads to is not found.
        let order = snapshot.and_then(|s| read_order(s).ok());
        if let Some(order) = &order {
            around(app, shop, (member, order), duty).await?;
        }
        let items = ends(&record, Reason::Redacted);
        crate::flow::crash::point("before-erase");
        if erased(app, member, &record, &items, Remains::Tombstone).await? {
            count(app, &items, &mut duty.counts);
            duty.counts.orders += u64::from(record.revision > 0);
            return Ok(());
        }
    }
    Err(AcceptError::Contended)
}

async fn erased(
    app: &App,
    member: &Member,
    record: &Record,
    items: &[(Owed, Owed)],
    remains: Remains,
) -> Result<bool, AcceptError> {
    Ok(app.store.erase(member, record, items, app.clock.now(), remains).await? == Changed::Ok)
}

/// What leads to the order, waits for it, or is known of its people.
async fn around(
    app: &App,
    shop: &Shop,
    (member, order): (&Member, &Order),
    duty: &mut Duty,
) -> Result<(), AcceptError> {
    let joins = JoinKey::all_of(order);
    app.store.erase_joins(&shop.rules.id, &joins).await?;
    let waiting = joins.iter().map(|key| format!("{}:{}", key.kind, key.id));
    for id in waiting.chain([format!("order:{}", order.id)]) {
        let unit = app.store.member(&Unit { shop: shop.rules.id.clone(), kind: UnitKind::Join, id });
        for _ in 0..TRIES {
            let record = app.store.read(&unit).await?;
            if record.revision == 0 || erased(app, &unit, &record, &[], Remains::Nothing).await? {
                break;
            }
        }
    }
    crate::flow::writeback::forget(app, shop, member).await?;
    for link in &order.links {
        app.store.untie(&link.channel, &link.address, &shop.rules.id, &order.id).await?;
    }
    if duty.kind != Kind::Orders
        && let Some(head) = order.head()
    {
        let country = head.country.as_deref();
        person::forget(app, shop, (&head.contact, country), &order.links, duty).await?;
    }
    Ok(())
}

/// Every item as read, and as it is to stay: what is open ends, and none keeps the digest of an address.
fn ends(record: &Record, reason: Reason) -> Vec<(Owed, Owed)> {
    let end = |item: &Owed| {
        let (state, reason) = match item.state {
            State::Open => (State::Skipped, Some(reason)),
            // On its way right now, or left by a worker that died: nobody will know.
            State::Begun | State::Again => (State::Unsure, Some(RATHER_UNSURE)),
            other => (other, item.reason),
        };
        (item.clone(), Owed { state, reason, address: 0, ..item.clone() })
    };
    record.items.iter().map(end).collect()
}

fn count(app: &App, items: &[(Owed, Owed)], counts: &mut Counts) {
    for (_, new) in items.iter().filter(|(old, _)| old.state.is_open()) {
        counts.messages += 1;
        let milestone = milestone::by_tag(new.milestone).map_or("unknown", |m| m.id);
        app.metrics.outcome(milestone, new.state, new.reason);
    }
}

/// Ends what an order, or what waits for one, still owes, as far as it was owed at `asked`.
///
/// Dies before: the duty stands. The change itself is one step, and meets no open item when it is repeated.
pub(super) async fn silence(
    app: &App,
    member: &Member,
    mut record: Record,
    asked: Timestamp,
    counts: &mut Counts,
) -> Result<(), AcceptError> {
    for _ in 0..TRIES {
        let mut items = ends(&record, Reason::ShopLeft);
        items.retain(|(old, _)| old.state.is_open() && (old.at <= asked || old.route == Tag::NONE));
        if items.is_empty() {
            return Ok(());
        }
        items.iter_mut().for_each(|(old, new)| new.address = old.address);
        let now = app.clock.now();
        let line = |new: &Owed| Entry::Ended {
            item: new.no,
            state: new.state.as_str().into(),
            reason: new.reason.map(|r| r.as_str().into()),
            by: None,
            passed: Vec::new(),
        };
        let ledger: Vec<LedgerEntry> = items.iter().map(|(_, new)| LedgerEntry { at: now, what: line(new) }).collect();
        if app.store.discard(member, &items, &ledger).await? == Changed::Ok {
            count(app, &items, counts);
            counts.orders += 1;
            return Ok(());
        }
        record = app.store.read(member).await?;
    }
    Err(AcceptError::Contended)
}
