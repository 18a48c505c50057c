//! queue: the operator's view of what is owed, and the levers: discard, pause, resume.

use super::App;
use super::explain::Fault;
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::owed::{Owed, State};
use crate::milestone;
use crate::store::keys::Unit;
use crate::store::operators::Changed;
use serde::Serialize;

/// Figures of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Orders with something to do now.
    pub ready: u64,
    /// Orders that wait for their time.
    pub wait: u64,
    /// Orders being worked on.
    pub leased: u64,
    /// Messages that died or were not delivered, still kept.
    pub dead: u64,
    /// Orders that wait for a channel that stands still.
    pub parked: Vec<(String, u64)>,
    /// Seconds since the oldest order became due that is not yet worked on.
    pub oldest_secs: i64,
    /// Requests that wait on disk in the process asked.
    pub spooled: u64,
}

/// A page of dead messages.
#[derive(Clone, Debug, Serialize)]
pub struct DeadPage {
    /// The messages.
    pub items: Vec<DeadView>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// A message that died.
#[derive(Clone, Debug, Serialize)]
pub struct DeadView {
    /// Shop.
    pub shop: String,
    /// The platform's id of the order.
    pub order: String,
    /// As the shop writes it.
    pub name: String,
    /// Item.
    pub item: u16,
    /// Milestone.
    pub milestone: String,
    /// Where it ended.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// What would help.
    pub remedy: Option<String>,
    /// Channel it was last tried on.
    pub channel: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// A channel as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelState {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Why it stands still, if it does.
    pub paused: Option<String>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// Figures of the queue.
///
/// # Errors
/// Redis away.
pub async fn stats(app: &App) -> Result<Stats, Fault> {
    let live = app.live();
    let stats = app.store.stats().await?;
    let now = app.clock.now().as_millisecond();
    let name = |tag: Tag| live.channel_by_tag(tag).map_or_else(|| "unknown".into(), |a| a.id.to_string());
    Ok(Stats {
        ready: stats.ready,
        wait: stats.wait,
        leased: stats.leased,
        dead: stats.dead,
        parked: stats.parked.iter().map(|(tag, count)| (name(*tag), *count)).collect(),
        oldest_secs: stats.oldest_due.map_or(0, |at| (now - at.as_millisecond()).max(0) / 1000),
        spooled: app.spool.as_ref().map_or(0, |spool| spool.standing().records),
    })
}

/// A page of what died or was not delivered.
///
/// # Errors
/// Redis away.
pub async fn dead(app: &App, cursor: Option<&str>, limit: usize) -> Result<DeadPage, Fault> {
    let live = app.live();
    let (found, cursor) = app.store.dead(cursor, limit).await?;
    let mut items = Vec::with_capacity(found.len());
    for dead in found {
        let record = app.store.read(&dead.member).await?;
        let order = record.snapshot.as_deref().and_then(|s| super::kept::read_order(s).ok());
        let (Some(order), Some(item)) = (order, record.items.iter().find(|i| i.no == dead.item)) else { continue };
        items.push(DeadView {
            shop: order.shop.to_string(),
            order: order.id.to_string(),
            name: order.head().map(|h| h.name.clone()).unwrap_or_default(),
            item: dead.item,
            milestone: milestone::by_tag(item.milestone).map_or("unknown", |m| m.id).into(),
            state: item.state.as_str().into(),
            reason: item.reason.map(|r| r.as_str().into()),
            remedy: item.reason.map(|r| r.remedy().into()),
            channel: live.channel_by_tag(item.channel).map(|a| a.id.to_string()),
            at: dead.at,
        });
    }
    Ok(DeadPage { items, cursor })
}

/// Ends an open or dead item for good.
///
/// # Errors
/// Unknown order, Redis away.
pub async fn discard(app: &App, shop: &str, order: &str, item: u16, note: &str) -> Result<(), Fault> {
    let live = app.live();
    let shop = live.shops.get(&ShopId::from(shop)).ok_or(Fault::UnknownShop)?;
    let member = app.store.member(&Unit::order(&shop.rules.id, order));
    let record = app.store.read(&member).await?;
    let Some(read) = record.items.iter().find(|i| i.no == item) else { return Err(Fault::Unknown) };
    let what = Entry::Operator { action: format!("discard item {item}"), note: note.into() };
    let ledger = [LedgerEntry { at: app.clock.now(), what }];
    if read.state.is_open() {
        let ended = Owed { state: State::Skipped, reason: Some(Reason::Discarded), ..read.clone() };
        if app.store.discard(&member, &[(read.clone(), ended)], &ledger).await? == Changed::Conflict {
            return Err(Fault::Kept(super::kept::AcceptError::Contended));
        }
    } else {
        app.store.append_ledger(&member, &ledger).await?;
    }
    app.store.undead(&member, item).await?;
    Ok(())
}

/// Every channel as it stands.
pub fn channels(app: &App) -> Vec<ChannelState> {
    let now = app.clock.now();
    app.live()
        .channels
        .values()
        .map(|account| {
            let paused = account.paused(now);
            ChannelState {
                id: account.id.to_string(),
                kind: account.kind.name.into(),
                paused: paused.map(|(_, why)| why.as_str().into()),
                until: paused.map(|(until, _)| until),
            }
        })
        .collect()
}

/// Pauses or resumes a channel for all pods.
///
/// # Errors
/// Unknown channel, Redis away.
pub async fn pause(app: &App, channel: &str, pause: Option<(Timestamp, Reason)>) -> Result<(), Fault> {
    let live = app.live();
    let account = live.channels.get(&ChannelId::from(channel)).ok_or(Fault::Unknown)?;
    match pause {
        Some((until, reason)) => app.store.pause(account.tag, until, reason).await?,
        None => app.store.resume(account.tag).await?,
    }
    account.set_pause(pause);
    app.nudge.notify_one();
    Ok(())
}

/// What Redis is like, for readiness.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `redis 7.0.15`.
    pub server: String,
    /// What an acknowledged write survives.
    pub durability: String,
    /// Bytes in use.
    pub used_memory: u64,
    /// Bytes allowed; 0: no limit set.
    pub max_memory: u64,
    /// The server's clock minus ours.
    pub skew_ms: i64,
    /// How it is no longer as it must be: what it acknowledges may be lost.
    pub complaint: Option<String>,
    /// Why what lies on one primary of a cluster waits, while the others serve.
    pub away: Option<String>,
}

/// Asks Redis.
///
/// # Errors
/// It does not answer.
pub async fn health(app: &App) -> Result<Health, Fault> {
    app.ping().await?;
    let info = app.store.info().await?;
    Ok(Health {
        server: info.server,
        durability: format!("{:?}", info.durability).to_lowercase(),
        used_memory: info.used_memory,
        max_memory: info.max_memory,
        skew_ms: info.skew_ms,
        complaint: info.complaint.map(|e| e.to_string()),
        away: info.away.map(|error| error.to_string()),
    })
}
