//! writeback: the shop's people see in the order, at the shop, what was sent, delivered or withheld, and why.
//!
//! What is to be written of one order is a unit of its own: committed before the settle that changes something, worked
//! on under a lease like an order, at the shop's pace and not in the way of messages. It holds no words and nothing of
//! the customer: it names the order, and what of it has been written; what is new is seen when its time comes, so that
//! what happened within a moment is one note.
//!
//! Dies before the commit: the order's lease ends, and the next holder's settle owes it. Between it and the settle: the
//! unit looks, sees nothing new, and ends; the settle that follows owes anew. Before the shop was asked: the lease ends,
//! the next holder writes. After it was asked and before the settle: what was to be written stands in the unit under a
//! key, and the next holder looks for it at the shop before it writes again.

use super::App;
use super::kept::{AcceptError, NOTES, read_order};
use super::live::{Live, Shop};
use super::settle::Finished;
use crate::domain::channel::Audience;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::ids::Digest8;
use crate::domain::owed::{Owed, State};
use crate::milestone;
use crate::platform::AskFault;
use crate::platform::api::{WriteBack, Writing};
use crate::store::error::StoreError;
use crate::store::keys::{Member, Unit, UnitKind};
use crate::store::order::{Commit, Committed, Record};
use crate::store::work::{Dest, Leased, Settle};
use crate::telemetry::WriteBackOutcome;
use crate::words::note::{self, NoteText};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What happens within so long is one note. Seconds.
const GATHER_SECS: i64 = 30;
/// A look that is this near may miss what is being settled now. Seconds.
const NEAR_SECS: i64 = 5;
/// Longest that a note is worth writing. Seconds.
const FRESH_SECS: i64 = 2 * 86_400;
/// First pause after a shop that did not answer, doubled up to [`PAUSE_MOST`]. Seconds.
const PAUSE_SECS: i64 = 30;
/// Longest such pause, and that after a refusal: a right that is missing can be given. Seconds.
const PAUSE_MOST: i64 = 3600;
/// The tag under which writing is owed.
const WRITING: &str = "write_back";
/// Lines of one text, the newest: a metafield holds 64 KB, and nobody reads more.
const LINES: usize = 60;
/// Leases that ended without a settle, after which it is given up.
const POISON: u32 = 10;
/// Tries at a commit against others.
const TRIES: usize = 5;

/// The unit as it is kept.
#[derive(Serialize, Deserialize)]
struct Paper {
    version: u16,
    /// The order's stored name.
    order: String,
    /// What has been written: an item of the order, and how it stood then.
    #[serde(default)]
    told: BTreeMap<u16, String>,
    /// What is being written.
    #[serde(default)]
    under: Option<Under>,
}

/// What is being written: it may stand at the shop already.
#[derive(Serialize, Deserialize)]
struct Under {
    /// The item of this unit that is done when it is written.
    item: u16,
    /// What it says.
    says: BTreeMap<u16, String>,
}

impl Paper {
    fn read(bytes: &[u8]) -> Option<Paper> {
        serde_json::from_slice(bytes.strip_prefix(&[NOTES])?).ok()
    }

    fn bytes(&self) -> Result<Vec<u8>, AcceptError> {
        let mut bytes = vec![NOTES];
        serde_json::to_writer(&mut bytes, self).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
        Ok(bytes)
    }

    /// Takes in what was being written, where it has been written since.
    fn take_in(&mut self, record: &Record) {
        let Some(under) = &self.under else { return };
        let Some(item) = record.item(under.item).filter(|i| !i.state.is_open()) else { return };
        if item.state == State::Sent {
            self.told.extend(under.says.clone());
        }
        self.under = None;
    }
}

/// How the shop is written to, where it is.
fn way(shop: &Shop) -> WriteBack {
    shop.access.api.as_ref().map_or(WriteBack::Off, |api| api.write_back)
}

/// Whether the shop's people are told of this item as it stands: customers' messages that came to an end, and not what
/// was never meant to be told.
fn speaks(live: &Live, item: &Owed) -> bool {
    let never = matches!(
        item.reason,
        Some(
            Reason::ImportGuard
                | Reason::AlreadyTold
                | Reason::NoRoute
                | Reason::ConditionFalse
                | Reason::Redacted
                | Reason::ShopLeft
                | Reason::OrderDeleted
        )
    );
    let customer = live.route_by_tag(item.route).is_some_and(|r| r.audience == Audience::Customer);
    customer && !item.state.is_open() && !(never && item.state == State::Skipped)
}

/// What of the order's messages has come to another end than was written.
fn news(live: &Live, items: &[Owed], told: &BTreeMap<u16, String>) -> BTreeMap<u16, String> {
    // That it was read says nothing more to the shop than that it arrived.
    let word = |item: &Owed| if item.state == State::Read { State::Delivered } else { item.state }.as_str().to_string();
    let speaking = items.iter().filter(|i| milestone::by_tag(i.milestone).is_some() && speaks(live, i));
    speaking.map(|i| (i.no, word(i))).filter(|(no, state)| told.get(no) != Some(state)).collect()
}

fn unit(app: &App, shop: &Shop, order: &Member) -> Member {
    app.store.member(&Unit { shop: shop.rules.id.clone(), kind: UnitKind::Note, id: order.as_str().into() })
}

/// Owes a look at the orders whose messages these settles bring to an end. Called before they are written; gives the
/// places of those for which Redis could not take it, and which must not be written yet.
pub(super) async fn owe(app: &App, settles: &[Settle]) -> BTreeSet<usize> {
    let live = app.live();
    let speaking = settles.iter().enumerate().filter_map(|(i, settle)| {
        let shop = live.shop_by_tag(settle.leased.member.shop_tag()).filter(|s| way(s) != WriteBack::Off)?;
        (!news(&live, &settle.items, &BTreeMap::new()).is_empty()).then_some((i, shop, &settle.leased.member))
    });
    let owing = speaking.map(|(i, shop, member)| async move {
        let owed = owe_one(app, shop, member).await;
        owed.err().map(|error| {
            tracing::warn!(shop = %shop.rules.id, %error, "that an order is to be written to could not be kept yet");
            i
        })
    });
    join_all(owing).await.into_iter().flatten().collect()
}

async fn owe_one(app: &App, shop: &Shop, order: &Member) -> Result<(), StoreError> {
    let member = unit(app, shop, order);
    for _ in 0..TRIES {
        let now = app.clock.now();
        let record = app.store.read(&member).await?;
        let Some(commit) = next(order, record, now) else { return Ok(()) };
        match app.store.commit(&member, commit).await? {
            Committed::Conflict => app.metrics.conflict(),
            Committed::Stored { .. } | Committed::Duplicate => {
                app.nudge.at(member.partition(), plus_secs(now, GATHER_SECS), now);
                return Ok(());
            }
        }
    }
    // Whoever changed it at every try owes a look too.
    Ok(())
}

/// One more look; `None`: one is ahead that will see what is settled now, or the unit is of a newer version, which must
/// look itself. What is being written already says nothing of what comes now, however late it is written.
fn next(order: &Member, record: Record, now: Timestamp) -> Option<Commit> {
    let mut paper = match &record.snapshot {
        Some(bytes) => Paper::read(bytes)?,
        None => Paper { version: 1, order: order.as_str().into(), told: BTreeMap::new(), under: None },
    };
    paper.take_in(&record);
    let under = paper.under.as_ref().map(|under| under.item);
    let ahead = |i: &Owed| i.state.is_open() && Some(i.no) != under && i.not_before > plus_secs(now, NEAR_SECS);
    if record.items.iter().any(ahead) {
        return None;
    }
    let due = plus_secs(now, GATHER_SECS);
    let subject = Digest8::of(&[WRITING.as_bytes(), order.as_str().as_bytes()]);
    let item = Owed::by_itself(record.last_item + 1, WRITING, subject, now, (due, plus_secs(now, FRESH_SECS)));
    let snapshot = paper.bytes().ok()?;
    Some(Commit { owed: vec![item], due: Some(due), ..plain(&record, snapshot, now) })
}

/// A commit that changes the paper alone.
fn plain(record: &Record, snapshot: Vec<u8>, now: Timestamp) -> Commit {
    Commit {
        expected: record.revision,
        parked: record.parked,
        seen: Vec::new(),
        seen_until: now,
        drop_seen: record.stale_seen(now),
        snapshot,
        owed: Vec::new(),
        due: None,
        ledger: Vec::new(),
    }
}

/// Forgets what was written, or is to be, to an order that is erased.
///
/// # Errors
/// Redis could not be asked; the same again is safe.
pub(super) async fn forget(app: &App, shop: &Shop, order: &Member) -> Result<(), AcceptError> {
    use crate::store::erase::Remains;
    use crate::store::operators::Changed;
    let member = unit(app, shop, order);
    for _ in 0..TRIES {
        let record = app.store.read_to_erase(&member).await?;
        let now = app.clock.now();
        if record.revision == 0 || app.store.erase(&member, &record, &[], now, Remains::Nothing).await? == Changed::Ok {
            return Ok(());
        }
    }
    Err(AcceptError::Contended)
}

/// What came of writing.
enum Written {
    /// It stands at the shop, or there was nothing to write.
    Done(Option<Reason>),
    /// Again after so many seconds.
    Later(i64),
    /// It will not be.
    GivenUp(Reason),
}

/// Works on a leased unit: writes what is new to the order at its shop, and settles.
pub async fn work(app: &Arc<App>, leased: Leased, record: Record) -> Finished {
    let now = app.clock.now();
    let Some(mut paper) = record.snapshot.as_deref().and_then(Paper::read) else {
        // Of a newer version: left alone.
        let later = Dest::Wait(plus_secs(now, PAUSE_MOST));
        return Finished::Settle(Box::new(Settle::unchanged(leased, record.revision, record.wakes, later)));
    };
    paper.take_in(&record);
    let live = app.live();
    let shop = live.shop_by_tag(leased.member.shop_tag()).filter(|s| way(s) != WriteBack::Off).cloned();
    let Some(item) = record.items.iter().find(|i| i.state.is_open()).cloned() else {
        return Finished::Settle(Box::new(Settle::unchanged(leased, record.revision, record.wakes, Dest::Done)));
    };
    if item.not_before > now && item.attempts > 0 {
        // More was owed meanwhile; the shop is not asked the sooner for it, and what came first is written first.
        let later = Dest::Wait(item.not_before);
        return Finished::Settle(Box::new(Settle::unchanged(leased, record.revision, record.wakes, later)));
    }
    let mut revision = record.revision;
    let written = match shop {
        None => Written::GivenUp(Reason::SettingsChanged),
        Some(_) if leased.redeliveries >= POISON => Written::GivenUp(Reason::Poison),
        Some(_) if item.expires <= now => Written::GivenUp(Reason::Stale),
        Some(shop) => match write(app, &leased.member, &shop, (&record, &mut paper, &item), &mut revision).await {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(%error, "what became of messages could not be looked up; trying again");
                return Finished::GiveBack(leased);
            }
        },
    };
    Finished::Settle(Box::new(settle(leased, (&record, revision), item, written, now)))
}

/// Looks what is new, says durably that it is about to be written, and writes it.
async fn write(
    app: &App,
    member: &Member,
    shop: &Arc<Shop>,
    (record, paper, item): (&Record, &mut Paper, &Owed),
    revision: &mut u64,
) -> Result<Written, AcceptError> {
    let Some(order_member) = Member::parse(&paper.order) else { return Ok(Written::GivenUp(Reason::Redacted)) };
    let kept = app.store.read(&order_member).await?;
    let Some(order) = kept.snapshot.as_deref().filter(|_| kept.erased.is_none()).map(read_order).transpose()? else {
        return Ok(Written::GivenUp(Reason::Redacted));
    };
    let live = app.live();
    let again = paper.under.is_some();
    if !again {
        let says = news(&live, &kept.items, &paper.told);
        if says.is_empty() {
            return Ok(Written::Done(Some(Reason::AlreadyTold)));
        }
        paper.under = Some(Under { item: item.no, says });
        match app.store.commit(member, plain(record, paper.bytes()?, app.clock.now())).await? {
            Committed::Stored { revision: new } => *revision = new,
            // More came meanwhile: it is all looked at together.
            Committed::Conflict | Committed::Duplicate => return Ok(Written::Later(0)),
        }
    }
    let Some(under) = &paper.under else { return Ok(Written::Later(PAUSE_SECS)) };
    let (Some(api), how) = (&shop.access.api, way(shop)) else { return Ok(Written::GivenUp(Reason::SettingsChanged)) };
    let text = Text { app, live: &live, shop, items: &kept.items };
    let key = format!("{}-{}", member.as_str().get(9..17).unwrap_or_default(), under.item);
    let writing =
        Writing { order: order.id, how, again, text: text.of(how, &under.says, &key), tags: text.tags(), key };
    let asked = (shop.platform.write)(&shop.access, app.asking.of(api), writing).await;
    let id = shop.rules.id.as_str();
    Ok(match asked {
        Ok(()) => {
            app.metrics.write_back(id, WriteBackOutcome::Written);
            Written::Done(None)
        }
        Err(AskFault::Later(why, after)) => {
            app.metrics.write_back(id, WriteBackOutcome::Later);
            tracing::warn!(shop = id, why, "the shop's order could not be written to; trying again");
            let pause = PAUSE_SECS << item.attempts.min(7);
            Written::Later(after.map_or(pause, |s| i64::try_from(s).unwrap_or(pause)).clamp(1, PAUSE_MOST))
        }
        Err(AskFault::Refused(why)) => {
            app.metrics.write_back(id, WriteBackOutcome::Refused);
            tracing::error!(shop = id, why, "the shop would not let its order be written to; asking again in an hour");
            Written::Later(PAUSE_MOST)
        }
    })
}

/// The words of a note.
struct Text<'a> {
    app: &'a App,
    live: &'a Live,
    shop: &'a Shop,
    items: &'a [Owed],
}

impl Text<'_> {
    /// A note says what is new; a metafield, which is written over, all there is.
    fn of(&self, how: WriteBack, says: &BTreeMap<u16, String>, key: &str) -> String {
        let all = news(self.live, self.items, &BTreeMap::new());
        let says = if how == WriteBack::Metafield { &all } else { says };
        let mut lines: Vec<String> = says.keys().filter_map(|no| self.line(*no)).collect();
        let surplus = lines.len().saturating_sub(LINES);
        lines.drain(..surplus);
        let title = self.say(NoteText::Title, ("", "", ""));
        let end = if how == WriteBack::Note { format!("\n(orderwire {key})") } else { String::new() };
        format!("{title}\n{}{end}", lines.join("\n"))
    }

    fn line(&self, no: u16) -> Option<String> {
        let item = self.items.iter().find(|i| i.no == no)?;
        let text = note::of_state(item.state)?;
        let milestone = milestone::by_tag(item.milestone)?.id;
        let what = self.live.words.name(milestone, &self.shop.rules.locale).unwrap_or(milestone);
        let channel = self.live.channel_by_tag(item.channel).map_or("-", |a| a.id.as_str());
        let why = item.reason.map_or_else(String::new, |r| self.say(note::why(r), ("", "", "")));
        Some(self.say(text, (what, channel, &why)))
    }

    fn say(&self, text: NoteText, names: (&str, &str, &str)) -> String {
        self.live.words.note(text, &self.shop.rules.locale, names).unwrap_or_else(|fault| {
            tracing::error!(shop = %self.shop.rules.id, %fault, "words for the shop's people failed");
            self.app.metrics.write_back(self.shop.rules.id.as_str(), WriteBackOutcome::Wordless);
            String::new()
        })
    }

    /// One for each way in which messages ended.
    fn tags(&self) -> Vec<String> {
        let word = |state: State| match state {
            State::Delivered | State::Read => "orderwire-delivered",
            State::Sent | State::Unsure => "orderwire-sent",
            State::Skipped | State::Superseded | State::Expired => "orderwire-withheld",
            _ => "orderwire-failed",
        };
        let speaking = news(self.live, self.items, &BTreeMap::new());
        let mut tags: Vec<String> =
            self.items.iter().filter(|i| speaking.contains_key(&i.no)).map(|i| word(i.state).to_string()).collect();
        tags.sort();
        tags.dedup();
        tags
    }
}

fn settle(leased: Leased, (record, revision): (&Record, u64), item: Owed, written: Written, now: Timestamp) -> Settle {
    let mut item = item;
    let dest = match written {
        Written::Done(reason) => {
            (item.state, item.reason) = (if reason.is_none() { State::Sent } else { State::Skipped }, reason);
            Dest::Ready
        }
        Written::GivenUp(reason) => {
            tracing::error!(
                reason = reason.as_str(),
                "what became of messages was not written to an order at its shop"
            );
            (item.state, item.reason) = (State::Expired, Some(reason));
            Dest::Ready
        }
        Written::Later(secs) => {
            item.attempts = item.attempts.saturating_add(1);
            item.not_before = plus_secs(now, secs);
            Dest::Wait(item.not_before)
        }
    };
    let open = record.items.iter().filter(|i| i.state.is_open()).count();
    let closed = u16::from(!item.state.is_open());
    // What else is open was owed while this was being written, and is looked at next.
    let dest = if closed == 1 && open <= 1 { Dest::Done } else { dest };
    Settle { items: vec![item], closed, ..Settle::unchanged(leased, revision, record.wakes, dest) }
}
