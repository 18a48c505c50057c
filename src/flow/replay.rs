//! replay: makes owed again what was not delivered. Dry by default.
//!
//! A replayed message is a new item that names the old one, added by a commit like any other, so it passes
//! every rule again when its time comes. Neighbours of one order on a page share one commit, so that no worker
//! sees some of them without the others. A run has an id and a cursor in Redis: it can be interrupted and
//! resumed. Dies before the commit: nothing happened. Dies between it and the strike-off: the dead item is met
//! again, has a follower, and is passed over.

use super::App;
use super::explain::{self, Fault};
use super::kept::{read_order, write_order};
use super::pressure::Level;
use super::wording::about;
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::decision::{Decision, Reason};
use crate::domain::ids::{Digest8, ShopId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::milestone;
use crate::store::keys::{Member, Unit};
use crate::store::order::{Commit, Committed, Record};
use serde::{Deserialize, Serialize};

/// Items looked at in one call.
const PAGE: usize = 100;
/// What is told by force is worth telling for so long at least.
const FORCED_SECS: i64 = 86_400;

/// Which items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Shop.
    pub shop: Option<String>,
    /// The platform's id of one order of that shop.
    pub order: Option<String>,
    /// Channel it was last tried on.
    pub channel: Option<String>,
    /// Milestone.
    pub milestone: Option<String>,
    /// `dead`, `unsure`, `undelivered`, `expired`, `skipped`.
    pub outcome: Option<String>,
    /// Reason it ended for (`attempts_spent`).
    pub error: Option<String>,
    /// Happened at or after.
    pub since: Option<Timestamp>,
    /// Happened before.
    pub until: Option<Timestamp>,
}

/// A run, or one page of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// Which items.
    pub filter: Filter,
    /// Do it; otherwise only say what would be done.
    pub execute: bool,
    /// Why, for the record; needed to execute.
    pub reason: Option<String>,
    /// Send although it was told, or is stale.
    pub force: bool,
    /// Messages a second at most; 0: ten.
    pub rate: f64,
    /// Items at most; 0: no limit.
    pub limit: u64,
    /// Go on with this run.
    pub run: Option<String>,
    /// Where the last page of a dry run ended.
    pub cursor: Option<String>,
}

/// What a run knows of itself, kept in Redis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Who started it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Which items.
    pub filter: Filter,
    /// Forced.
    pub force: bool,
    /// Messages a second.
    pub rate: f64,
    /// Items at most; 0: no limit.
    pub limit: u64,
    /// When it began.
    pub started: Timestamp,
    /// Where it is.
    pub cursor: String,
    /// Items made owed again.
    pub replayed: u64,
    /// Items passed over.
    pub skipped: u64,
    /// It is over.
    pub done: bool,
}

/// What is, or would be, done about one item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Shop.
    pub shop: String,
    /// The platform's id of the order.
    pub order: String,
    /// As the shop writes it.
    pub name: String,
    /// The item.
    pub item: u16,
    /// Milestone.
    pub milestone: String,
    /// `send`, `again` (told a second time), `wait` or `skip`.
    pub action: String,
    /// In words.
    pub what: String,
    /// Reason in a word, if it is not sent.
    pub reason: Option<String>,
}

/// A page of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// The run, when it executes.
    pub run: Option<Run>,
    /// Item by item.
    pub lines: Vec<Line>,
    /// Where to go on; `None`: it is over.
    pub cursor: Option<String>,
}

/// One page of a replay.
///
/// # Errors
/// Redis away, an unknown run, order or shop.
pub async fn page(app: &App, request: &Request, who: &str) -> Result<Page, Fault> {
    let now = app.clock.now();
    let mut run = match (&request.run, request.execute) {
        (Some(id), _) => Some(load(app, id).await?),
        (None, true) => Some(begin(request, who, now)),
        (None, false) => None,
    };
    if run.as_ref().is_some_and(|r| r.done) {
        // Begun anew it would meet what died since, its own messages included.
        return Ok(Page { run, lines: Vec::new(), cursor: None });
    }
    let filter = run.as_ref().map_or(&request.filter, |r| &r.filter).clone();
    // A run that is refused in its middle goes on by its id when there is room.
    if run.is_some() && filter.order.is_none() && app.pressure.level() >= Level::Tight {
        return Err(Fault::Tight);
    }
    let cursor = run.as_ref().map(|r| r.cursor.clone()).or_else(|| request.cursor.clone());
    let (found, next) = candidates(app, &filter, cursor.as_deref()).await?;
    let limit = run.as_ref().map_or(request.limit, |r| r.limit);
    let mut lines = Vec::new();
    let mut reached_limit = false;
    let mut together: Option<Together> = None;
    for (member, no) in found {
        let done_so_far = run.as_ref().map_or(lines.len() as u64, |r| r.replayed + r.skipped);
        if limit > 0 && done_so_far >= limit {
            reached_limit = true;
            break;
        }
        let force = run.as_ref().map_or(request.force, |r| r.force);
        // What was one message goes together again: items of one order are made owed by one commit.
        if together.as_ref().is_none_or(|t| t.member != member) {
            make_owed(app, together.take(), run.as_ref(), now).await?;
            together = Together::read(app, member, due(run.as_ref(), now)).await?;
        }
        let Some(order) = &mut together else { continue };
        lines.extend(one(app, order, &Meant { no, filter: &filter, force }, run.as_mut(), now).await?);
    }
    make_owed(app, together, run.as_ref(), now).await?;
    let cursor = next.filter(|_| !reached_limit);
    if let Some(run) = &mut run {
        run.cursor = cursor.clone().unwrap_or_default();
        run.done = cursor.is_none();
        app.store.put_run(&run.id, &serde_json::to_string(run).unwrap_or_default()).await?;
    }
    Ok(Page { run, lines, cursor })
}

async fn load(app: &App, id: &str) -> Result<Run, Fault> {
    let record = app.store.get_run(id).await?.ok_or(Fault::Unknown)?;
    serde_json::from_str(&record).map_err(|_| Fault::Unknown)
}

fn begin(request: &Request, who: &str, now: Timestamp) -> Run {
    Run {
        id: format!("r{:x}", now.as_millisecond()),
        who: who.into(),
        reason: request.reason.clone().unwrap_or_default(),
        filter: request.filter.clone(),
        force: request.force,
        rate: if request.rate > 0.0 { request.rate } else { 10.0 },
        limit: request.limit,
        started: now,
        cursor: String::new(),
        replayed: 0,
        skipped: 0,
        done: false,
    }
}

/// Items that may be meant: of one order, or of the list of what was not delivered.
async fn candidates(
    app: &App,
    filter: &Filter,
    cursor: Option<&str>,
) -> Result<(Vec<(Member, u16)>, Option<String>), Fault> {
    if let (Some(shop), Some(order)) = (&filter.shop, &filter.order) {
        let member = app.store.member(&Unit::order(&ShopId::from(shop.as_str()), order));
        let record = app.store.read(&member).await?;
        if record.snapshot.is_none() {
            return Err(Fault::Unknown);
        }
        let nos = record.items.iter().filter(|i| ended(i)).map(|i| (member.clone(), i.no)).collect();
        return Ok((nos, None));
    }
    let (dead, next) = app.store.dead(cursor.filter(|c| !c.is_empty()), PAGE).await?;
    Ok((dead.into_iter().map(|d| (d.member, d.item)).collect(), next))
}

/// Ended without having been told for certain.
fn ended(item: &Owed) -> bool {
    matches!(item.state, State::Dead | State::Unsure | State::Undelivered | State::Expired | State::Skipped)
}

/// An item that may be meant.
struct Meant<'a> {
    no: u16,
    filter: &'a Filter,
    force: bool,
}

/// Items of one order that are made owed in one step: a worker never sees some of them without the others.
struct Together {
    member: Member,
    /// The order as read, with the items to be added.
    record: Record,
    order: Order,
    /// When they are due.
    at: Timestamp,
    /// The items to be added.
    owed: Vec<Owed>,
}

impl Together {
    /// None of this order's items yet; `None`: there is no such order, or not one that this binary reads.
    async fn read(app: &App, member: Member, at: Timestamp) -> Result<Option<Together>, Fault> {
        let record = app.store.read(&member).await?;
        let order = record.snapshot.as_deref().and_then(|s| read_order(s).ok());
        Ok(order.map(|order| Together { member, record, order, at, owed: Vec::new() }))
    }
}

async fn one(
    app: &App,
    together: &mut Together,
    meant: &Meant<'_>,
    run: Option<&mut Run>,
    now: Timestamp,
) -> Result<Option<Line>, Fault> {
    let Meant { no, filter, force } = *meant;
    let Together { record, order, .. } = &*together;
    let Some(item) = record.items.iter().find(|i| i.no == no) else { return Ok(None) };
    if !matches(app, filter, order, item) {
        return Ok(None);
    }
    let follower = again(app, together, item, force, now);
    let (action, what, reason) = judge(app, together, &follower, force, now).await?;
    let line = Line {
        shop: order.shop.to_string(),
        order: order.id.to_string(),
        name: order.head().map(|h| h.name.clone()).unwrap_or_default(),
        item: no,
        milestone: milestone::by_tag(item.milestone).map_or("unknown", |m| m.id).into(),
        action: action.into(),
        what,
        reason: reason.map(|r| r.as_str().into()),
    };
    let Some(run) = run else { return Ok(Some(line)) };
    if action == "skip" {
        run.skipped += 1;
        return Ok(Some(line));
    }
    run.replayed += 1;
    together.record.last_item = follower.no;
    together.record.items.push(follower.clone());
    together.owed.push(follower);
    Ok(Some(line))
}

fn matches(app: &App, filter: &Filter, order: &Order, item: &Owed) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
    let channel = app.live().channel_by_tag(item.channel).map(|a| a.id.to_string()).unwrap_or_default();
    is(&filter.shop, order.shop.as_str())
        && is(&filter.order, order.id.as_str())
        && is(&filter.channel, &channel)
        && is(&filter.milestone, milestone::by_tag(item.milestone).map_or("unknown", |m| m.id))
        && is(&filter.outcome, item.state.as_str())
        && is(&filter.error, item.reason.map_or("", Reason::as_str))
        && filter.since.is_none_or(|t| item.at >= t)
        && filter.until.is_none_or(|t| item.at < t)
}

fn due(run: Option<&Run>, now: Timestamp) -> Timestamp {
    // Spaced through waiting instead of flooding what is live.
    let ahead = run.map_or(0.0, |r| r.replayed as f64 / r.rate.max(0.01) * 1000.0);
    from_millis(now.as_millisecond() + ahead as i64)
}

/// The new item that stands for an old one.
fn again(app: &App, together: &Together, item: &Owed, force: bool, now: Timestamp) -> Owed {
    let Together { record, order, at, .. } = together;
    let live = app.live();
    let fresh = live.shops.get(&order.shop).and_then(|shop| {
        let (milestone, mut reached) = about(order, &shop.rules, item)?;
        (reached.at, reached.not_before, reached.until) = (now, None, None);
        Some(milestone.expires(&reached, &shop.rules))
    });
    let forced = || fresh.unwrap_or(item.expires).max(plus_secs(*at, FORCED_SECS));
    let expires = if force { forced() } else { item.expires };
    Owed { expires, not_before: *at, forced: force, ..item.anew(record.last_item + 1) }
}

async fn judge(
    app: &App,
    together: &Together,
    follower: &Owed,
    force: bool,
    now: Timestamp,
) -> Result<(&'static str, String, Option<Reason>), Fault> {
    let Together { member, record, order, .. } = together;
    let same = |i: &&Owed| {
        (i.milestone, i.subject, i.route, i.slot)
            == (follower.milestone, follower.subject, follower.route, follower.slot)
    };
    if let Some(other) = record.items.iter().filter(same).find(|i| i.follows == follower.follows && i.no != follower.no)
    {
        return Ok(("skip", format!("was replayed before, as item {}", other.no), Some(Reason::AlreadyTold)));
    }
    let told = record.items.iter().filter(same).any(|i| i.state.is_told());
    if told && !force {
        return Ok((
            "skip",
            "was told, or may have been; --force tells it a second time".into(),
            Some(Reason::AlreadyTold),
        ));
    }
    let mut with = record.clone();
    with.items.push(Owed { not_before: now, ..follower.clone() });
    let decisions = explain::would(app, member, &with, order, now).await?;
    let decision = decisions.into_iter().find(|(no, _)| *no == follower.no).map(|(_, d)| d);
    Ok(match decision {
        Some(decision @ Decision::Go(_)) => (if told { "again" } else { "send" }, explain::sentence(&decision), None),
        Some(decision @ Decision::End { .. }) => ("skip", explain::sentence(&decision), explain::reason_of(&decision)),
        Some(decision) => ("wait", explain::sentence(&decision), explain::reason_of(&decision)),
        None => ("send", "goes together with another message of the order".into(), None),
    })
}

async fn make_owed(app: &App, together: Option<Together>, run: Option<&Run>, now: Timestamp) -> Result<(), Fault> {
    let (Some(Together { member, record, order, at, owed }), Some(run)) = (together, run) else { return Ok(()) };
    if owed.is_empty() {
        return Ok(());
    }
    let dead: Vec<u16> = owed.iter().map(|o| o.follows).collect();
    let mark = |no: &u16| Digest8::of(&[b"replay", run.id.as_bytes(), &no.to_be_bytes()]);
    let note = format!("{} by {}: {}", run.id, run.who, run.reason);
    let entry = || LedgerEntry { at: now, what: Entry::Operator { action: "replay".into(), note: note.clone() } };
    let commit = Commit {
        expected: record.revision,
        parked: record.parked,
        seen: dead.iter().map(mark).collect(),
        seen_until: plus_secs(now, 86_400),
        drop_seen: record.stale_seen(now),
        snapshot: write_order(&order)?,
        due: Some(at),
        ledger: owed.iter().map(|_| entry()).collect(),
        owed,
    };
    match app.store.commit(&member, commit).await? {
        Committed::Stored { .. } | Committed::Duplicate => app.nudge.notify_one(),
        Committed::Conflict => return Err(Fault::Kept(super::kept::AcceptError::Contended)),
    }
    for no in dead {
        app.store.undead(&member, no).await?;
    }
    Ok(())
}
