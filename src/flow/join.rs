//! join: webhooks that name a thing but not its order wait in a unit of their own until the order is known.
//!
//! The waiting unit is committed like an order before the shop is answered, so nothing is lost; it is worked
//! on under a lease like an order, so nothing is asked twice at once. Dies before the commit: the shop repeats.
//! Dies after folding and before settle: the fold is repeated and meets its own digest, a duplicate.

use super::App;
use super::accept::fold;
use super::kept::{AcceptError, WAITS};
use super::live::Shop;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::event::{About, JoinKey, OrderEvent};
use crate::domain::ids::{Digest8, OrderId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::owed::{Owed, State};
use crate::platform::{AskFault, Question};
use crate::store::erase::Remains;
use crate::store::keys::{Unit, UnitKind};
use crate::store::messages::Join;
use crate::store::operators::Changed;
use crate::store::order::{Commit, Committed, Record};
use crate::store::work::{Dest, Leased, Settle};
use crate::telemetry::WebhookOutcome;
use serde::{Deserialize, Serialize};

/// How long a webhook waits for its order to become known. Shopify's deliveries are up to a day late.
const WAIT_SECS: i64 = 2 * 86_400;
/// A shop that refused an answer is asked again after so long.
const REFUSED_SECS: i64 = 3600;
/// The tag under which the waiting itself is owed.
const WAITING: &str = "join";
/// Waiting events kept for one thing.
const MAX_WAITING: usize = 32;

/// What waits, as it is kept.
#[derive(Serialize, Deserialize)]
struct Waiting {
    version: u16,
    shop: String,
    about: About,
    events: Vec<(OrderEvent, Vec<Digest8>)>,
}

/// Takes an event that names no order, or an order whose state it does not carry.
///
/// # Errors
/// Redis could not take it.
pub async fn point(
    app: &App,
    shop: &Shop,
    (event, came): (&OrderEvent, Timestamp),
    seen: &[Digest8],
) -> Result<WebhookOutcome, AcceptError> {
    if let About::Join(key) = &event.about
        && !event.refetch
    {
        match app.store.find_join(&shop.rules.id, key).await? {
            Join::Order(order) => return fold(app, shop, &order, (event, came), seen).await,
            Join::Erased => return Ok(WebhookOutcome::Erased),
            Join::Unknown => {}
        }
    }
    if event.refetch && shop.access.api.is_none() {
        // It says that something changed, not what; the snapshot that tells it is a webhook of its own.
        return Ok(WebhookOutcome::Ignored);
    }
    let unit = Unit { shop: shop.rules.id.clone(), kind: UnitKind::Join, id: waiting_id(&event.about) };
    let member = app.store.member(&unit);
    let _one_at_a_time = app.stripe(&unit.id).lock().await;
    for _ in 0..5 {
        let now = app.clock.now();
        let record = app.store.read(&member).await?;
        if record.seen.iter().any(|(d, _)| seen.contains(d)) {
            return Ok(WebhookOutcome::Duplicate);
        }
        let commit = wait_for(shop, event, seen, record, now)?;
        match app.store.commit(&member, commit).await? {
            Committed::Stored { .. } => {
                app.nudge.notify_one();
                return Ok(WebhookOutcome::Waiting);
            }
            Committed::Duplicate => return Ok(WebhookOutcome::Duplicate),
            Committed::Conflict => app.metrics.conflict(),
        }
    }
    Err(AcceptError::Contended)
}

fn waiting_id(about: &About) -> String {
    match about {
        About::Order(id) => format!("order:{id}"),
        About::Join(key) => format!("{}:{}", key.kind, key.id),
    }
}

fn wait_for(
    shop: &Shop,
    event: &OrderEvent,
    seen: &[Digest8],
    record: Record,
    now: Timestamp,
) -> Result<Commit, AcceptError> {
    let mut waiting = match &record.snapshot {
        Some(bytes) => read(bytes)?,
        None => Waiting { version: 1, shop: shop.rules.id.to_string(), about: event.about.clone(), events: Vec::new() },
    };
    waiting.events.push((event.clone(), seen.to_vec()));
    let excess = waiting.events.len().saturating_sub(MAX_WAITING);
    waiting.events.drain(..excess);
    // Asked at once where the shop can be asked; otherwise it waits for the webhook that tells the order.
    let due = if shop.access.api.is_some() { now } else { plus_secs(now, WAIT_SECS) };
    let no = record.last_item + 1;
    let subject = Digest8::of(&[waiting_id(&event.about).as_bytes()]);
    let item = Owed::by_itself(no, WAITING, subject, now, (due, plus_secs(now, WAIT_SECS)));
    Ok(Commit {
        expected: record.revision,
        parked: record.parked,
        seen: seen.to_vec(),
        seen_until: plus_secs(now, 8 * 86_400),
        drop_seen: record.stale_seen(now),
        snapshot: write(&waiting)?,
        owed: vec![item],
        due: Some(due),
        ledger: vec![LedgerEntry { at: now, what: Entry::Webhook { topic: event.topic.clone(), happened: event.at } }],
    })
}

fn read(bytes: &[u8]) -> Result<Waiting, AcceptError> {
    let json = bytes.strip_prefix(&[WAITS]).unwrap_or_default();
    serde_json::from_slice(json).map_err(|e| AcceptError::Unreadable(e.to_string()))
}

fn write(waiting: &Waiting) -> Result<Vec<u8>, AcceptError> {
    let mut bytes = vec![WAITS];
    serde_json::to_writer(&mut bytes, waiting).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
    Ok(bytes)
}

/// The orders of these things are known now: whoever waits for them is looked at again.
///
/// # Errors
/// Redis could not be asked.
pub async fn wake(app: &App, shop: &Shop, keys: &[JoinKey]) -> Result<(), AcceptError> {
    let members: Vec<_> = keys
        .iter()
        .map(|key| {
            let id = waiting_id(&About::Join(key.clone()));
            app.store.member(&Unit { shop: shop.rules.id.clone(), kind: UnitKind::Join, id })
        })
        .collect();
    Ok(app.store.wake(&members).await?)
}

/// What came of working on a waiting unit.
enum Joined {
    /// All its events are in their order.
    Done,
    /// Look again at.
    Later(Timestamp),
    /// Its order was erased, and so must it be.
    Erased,
    /// The shop will not say.
    Never(String),
}

/// Works on a leased waiting unit: finds the order, folds the events in, settles.
pub async fn work(app: &App, leased: Leased, record: Record) -> Option<Settle> {
    let now = app.clock.now();
    let Some(waiting) = record.snapshot.as_deref().and_then(|b| read(b).ok()) else {
        // Of a newer version: left alone. Given back at once it would come again at once.
        return Some(Settle::unchanged(leased, record.revision, record.wakes, Dest::Wait(plus_secs(now, 60))));
    };
    let live = app.live();
    let shop = live.shops.get(&waiting.shop.as_str().into()).cloned();
    let joined = match &shop {
        None => Joined::Never("the shop is no longer configured".into()),
        Some(shop) => resolve(app, shop, &waiting, &record, now).await,
    };
    if matches!(joined, Joined::Erased) {
        return erase(app, leased, &record, now).await;
    }
    Some(settle(leased, record, joined, now))
}

/// What waited for an order that was erased goes too. Dies before: the lease ends and the next holder does it.
async fn erase(app: &App, leased: Leased, record: &Record, now: Timestamp) -> Option<Settle> {
    match app.store.erase(&leased.member, record, &[], now, Remains::Nothing).await {
        Ok(Changed::Ok) => None,
        // More came for it meanwhile.
        Ok(Changed::Conflict) => Some(Settle::unchanged(leased, record.revision, record.wakes, Dest::Ready)),
        Err(error) => {
            tracing::warn!(%error, "what waited for an erased order could not be erased yet");
            Some(Settle::unchanged(leased, record.revision, record.wakes, Dest::Wait(plus_secs(now, 5))))
        }
    }
}

async fn resolve(app: &App, shop: &Shop, waiting: &Waiting, record: &Record, now: Timestamp) -> Joined {
    let known = match &waiting.about {
        About::Order(id) => Some(id.clone()),
        About::Join(key) => match app.store.find_join(&shop.rules.id, key).await {
            Ok(Join::Order(order)) => Some(order),
            Ok(Join::Erased) => return Joined::Erased,
            Ok(Join::Unknown) | Err(_) => None,
        },
    };
    let refetch = waiting.events.iter().any(|(e, _)| e.refetch);
    let order = match (known, refetch) {
        (Some(order), false) => order,
        (known, _) => match ask(app, shop, waiting, known).await {
            Ok(Some(order)) => order,
            Ok(None) => return Joined::Later(record.items.iter().map(|i| i.expires).max().unwrap_or(now)),
            Err(AskFault::Later(why, after)) => {
                tracing::warn!(shop = %shop.rules.id, why, "the shop's API could not be asked; trying again");
                return Joined::Later(plus_secs(now, i64::try_from(after.unwrap_or(60)).unwrap_or(60)));
            }
            Err(AskFault::Refused(why)) => {
                // A right that is missing can be given, and the order's own webhook may still tell it.
                tracing::error!(shop = %shop.rules.id, why, "the shop would not say which order it is; asking again later");
                return Joined::Later(plus_secs(now, REFUSED_SECS));
            }
        },
    };
    for (event, seen) in waiting.events.iter().filter(|(e, _)| !e.refetch) {
        match fold(app, shop, &order, (event, now), seen).await {
            Ok(WebhookOutcome::Erased) => return Joined::Erased,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(shop = %shop.rules.id, %error, "a joined webhook could not be folded in yet");
                return Joined::Later(plus_secs(now, 5));
            }
        }
    }
    Joined::Done
}

/// Asks the shop; what it answers is folded in like a webhook.
async fn ask(app: &App, shop: &Shop, waiting: &Waiting, known: Option<OrderId>) -> Result<Option<OrderId>, AskFault> {
    let Some(api) = &shop.access.api else { return Ok(known) };
    let question = match (&waiting.about, known) {
        (_, Some(order)) => Question::Order(order),
        (About::Join(key), None) => Question::OrderOf(key.clone()),
        (About::Order(id), None) => Question::Order(id.clone()),
    };
    let Some(event) = (shop.platform.ask)(&shop.access, app.asking.of(api), question).await? else {
        return Err(AskFault::Refused("the shop does not know it".into()));
    };
    let About::Order(order) = event.about.clone() else {
        return Err(AskFault::Refused("the shop's answer names no order".into()));
    };
    let content = serde_json::to_vec(&event).unwrap_or_default();
    let seen = [Digest8::of(&[b"asked", shop.rules.id.as_str().as_bytes(), &content])];
    fold(app, shop, &order, (&event, app.clock.now()), &seen)
        .await
        .map_err(|e| AskFault::Later(e.to_string(), Some(5)))?;
    Ok(Some(order))
}

fn settle(leased: Leased, record: Record, joined: Joined, now: Timestamp) -> Settle {
    let mut items: Vec<Owed> = record.items.into_iter().filter(|i| i.state.is_open()).collect();
    let mut ledger = Vec::new();
    let mut dest = Dest::Done;
    let expired = items.iter().all(|i| i.expires <= now);
    let end = |items: &mut Vec<Owed>, state: State, reason: Option<Reason>, ledger: &mut Vec<LedgerEntry>| {
        for item in items {
            (item.state, item.reason) = (state, reason);
            let word = reason.map(|r| r.as_str().to_string());
            let what =
                Entry::Ended { item: item.no, state: state.as_str().into(), reason: word, by: None, passed: vec![] };
            ledger.push(LedgerEntry { at: now, what });
        }
    };
    match joined {
        // Erased by the caller, before it comes here.
        Joined::Erased => {}
        Joined::Done => end(&mut items, State::Sent, None, &mut ledger),
        Joined::Never(why) => {
            tracing::error!(why, "a webhook that names no order could not be joined: {}", Reason::Unjoinable.remedy());
            end(&mut items, State::Skipped, Some(Reason::Unjoinable), &mut ledger);
        }
        Joined::Later(_) if expired => {
            tracing::error!("a webhook that names no order was never joined: {}", Reason::Unjoinable.remedy());
            end(&mut items, State::Skipped, Some(Reason::Unjoinable), &mut ledger);
        }
        Joined::Later(at) => dest = Dest::Wait(at),
    }
    let closed = if matches!(dest, Dest::Done) { items.len() } else { 0 };
    let base = Settle::unchanged(leased, record.revision, record.wakes, dest);
    Settle { items, ledger, closed: u16::try_from(closed).unwrap_or(u16::MAX), ..base }
}
