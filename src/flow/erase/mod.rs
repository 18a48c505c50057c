//! erase: what is done about people's data: erasing a customer, an order, a whole shop; ending what a shop that
//! left still owes; remembering that somebody asked for their data; two customers that are one.
//!
//! Whatever is asked is a *duty*: one record in Redis, durable before whoever asked is answered. It is worked off
//! in the background, one page at a time, by one process of all; each page's work is safe to do twice, and then the
//! record moves on. Dies before the record is written: whoever asked got no answer and asks again. Dies after it,
//! at whatever point: the next process goes on from the last page written down. It is struck off only when the log
//! is marked to be rewritten; what is remembered then names nobody.

mod late;
mod look;
mod marks;
mod merge;
mod order;
mod page;
mod person;
pub mod through;

pub use late::Erased;
pub use look::{Data, Preview, data, person_of, preview};
pub use marks::Names;

use super::App;
use super::kept::AcceptError;
use super::live::Shop;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::Notice;
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::order::Contact;
use crate::store::duty::Duty as Kept;
use crate::store::rewrite::Log;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Who works on duties holds the right to for so long, and takes it anew with every page. ms.
const HOLD_MS: u64 = 60_000;
/// Pages worked on before the loop looks up again.
const PAGES: usize = 20;
/// Between two looks at the server's log.
const LOOK: Duration = Duration::from_secs(600);
/// Somebody's wish for their data is remembered for so long: a shop has a month to answer.
const WISH_SECS: i64 = 60 * 86_400;
/// What was done is remembered for so long, without the data.
const DONE_SECS: i64 = 400 * 86_400;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Erase the orders named.
    Orders,
    /// Erase a customer: the orders named, all others that are theirs, and what is known of them.
    Customer,
    /// Erase everything of a shop.
    Shop,
    /// End what the shop still owes.
    Silence,
    /// Somebody asked for their data: waits for an operator.
    HandOut,
    /// Two customers are one: orders move to the one who stays, and what forbids either forbids both.
    Merge,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// At this one of the orders named.
    Named(usize),
    /// Walking over all orders, from this place on.
    Walk(String),
    /// At what is known of the person outside of orders, and at unreadable webhooks.
    #[default]
    Rest,
}

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Orders erased, or whose open messages were ended.
    pub orders: u64,
    /// Messages that were still owed.
    pub messages: u64,
    /// People on channels forgotten.
    pub people: u64,
    /// Unreadable webhooks erased.
    pub unreadable: u64,
    /// Orders seen that open with none of the keys or are another shop's.
    pub closed: u64,
}

/// A duty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Duty {
    /// What.
    pub kind: Kind,
    /// Of which shop.
    pub shop: ShopId,
    /// Who asked: `shop`, or the name of an admin token.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When. What came later is not touched.
    pub asked: Timestamp,
    /// Whom it is about; empty once it is done.
    #[serde(default)]
    pub person: Contact,
    /// Orders named; empty once it is done.
    #[serde(default)]
    pub orders: Vec<OrderId>,
    /// Of a merge: the platform's id of the customer who stays; the person then is the one who is gone, with the
    /// addresses of both as far as they are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Keyed hashes of whom and what it is about, by which what comes late is known; kept when it is done.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<Digest8>,
    /// How far it is.
    #[serde(default)]
    pub stage: Stage,
    /// What was done.
    #[serde(default)]
    pub counts: Counts,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
}

impl Duty {
    /// Asked now, nothing done yet.
    pub fn new(kind: Kind, shop: &ShopId, by: &str, reason: &str, asked: Timestamp) -> Duty {
        Duty {
            kind,
            shop: shop.clone(),
            by: by.into(),
            reason: reason.into(),
            asked,
            person: Contact::default(),
            orders: Vec::new(),
            kept: None,
            marks: BTreeSet::new(),
            stage: Stage::default(),
            counts: Counts::default(),
            done: None,
        }
    }

    /// About these.
    #[must_use]
    pub fn about(self, person: Contact, orders: Vec<OrderId>) -> Duty {
        Duty { person, orders, ..self }
    }

    fn first_stage(&self) -> Stage {
        match self.kind {
            Kind::Orders | Kind::Customer => Stage::Named(0),
            Kind::Shop | Kind::Silence | Kind::Merge => Stage::Walk(String::new()),
            Kind::HandOut => Stage::Rest,
        }
    }

    /// What is remembered of it: nobody's name.
    fn remembered(&self, now: Timestamp) -> Duty {
        Duty { person: Contact::default(), orders: Vec::new(), kept: None, done: Some(now), ..self.clone() }
    }

    fn bytes(&self) -> Result<Vec<u8>, AcceptError> {
        serde_json::to_vec(self).map_err(|e| AcceptError::Unreadable(e.to_string()))
    }

    fn read(kept: &Kept) -> Option<Duty> {
        // Of a newer version it is left alone.
        serde_json::from_slice(&kept.said).ok()
    }
}

/// Takes down what a shop's platform asked at `came`.
///
/// # Errors
/// Redis could not take it: the shop must not be answered 200.
pub async fn asked_by_shop(app: &App, shop: &Arc<Shop>, notice: Notice, came: Timestamp) -> Result<(), AcceptError> {
    let new = |kind| Duty::new(kind, &shop.rules.id, "shop", "asked by the shop's platform", came);
    let duty = match notice {
        Notice::EraseCustomer { person, orders } => new(Kind::Customer).about(person, orders),
        Notice::HandOut { person, orders } => new(Kind::HandOut).about(person, orders),
        Notice::EraseShop => new(Kind::Shop),
        Notice::Merged { kept, gone } => {
            let person = Contact { customer_id: Some(gone), ..Contact::default() };
            Duty { kept: Some(kept), ..new(Kind::Merge).about(person, Vec::new()) }
        }
        Notice::Left => new(Kind::Silence),
    };
    ask(app, duty).await.map(|_| ())
}

/// Takes a duty down: from here on it will be done. The same asked again begins anew. Gives its id.
///
/// # Errors
/// Redis could not take it.
pub async fn ask(app: &App, mut duty: Duty) -> Result<String, AcceptError> {
    duty.stage = duty.first_stage();
    let person = serde_json::to_vec(&(duty.kind, &duty.person, &duty.orders));
    let person = person.map_err(|e| AcceptError::Unreadable(e.to_string()))?;
    let id = app.store.duty_id(&[duty.shop.as_str().as_bytes(), &person]);
    if !matches!(duty.kind, Kind::HandOut | Kind::Merge) {
        duty.marks.extend(marks::of_person(app, &duty.person));
        duty.marks.extend(duty.orders.iter().map(|id| marks::of_order(app, id.as_str())));
        // What lay on disk may come behind the same that was asked later.
        let (open, done) = app.store.duty(&id).await?;
        for before in open.iter().chain(&done).filter_map(Duty::read) {
            duty.asked = duty.asked.max(before.asked);
            duty.marks.extend(before.marks);
        }
    }
    app.store.put_duty(&id, &duty.bytes()?).await?;
    super::crash::point("after-duty");
    match duty.kind {
        Kind::HandOut => tracing::warn!(
            shop = %duty.shop, request = id,
            "a customer asked for their data: run `orderwire export SHOP --request ID` and give it to the shop"
        ),
        kind => {
            tracing::warn!(shop = %duty.shop, ?kind, duty = id, by = duty.by, "taken down, and done in the background")
        }
    }
    Ok(id)
}

/// A duty with its id.
pub type Listed = (String, Duty);

/// What is open, and what was done.
///
/// # Errors
/// Redis away.
pub async fn list(app: &App) -> Result<(Vec<Listed>, Vec<Listed>), AcceptError> {
    let read = |kept: Vec<Kept>| -> Vec<Listed> {
        kept.iter().filter_map(|k| Duty::read(k).map(|duty| (k.id.clone(), duty))).collect()
    };
    Ok((read(app.store.duties().await?), read(app.store.duties_done().await?)))
}

/// The wish for somebody's data of this id.
///
/// # Errors
/// Redis away.
pub async fn wish(app: &App, id: &str) -> Result<Option<Duty>, AcceptError> {
    let all = app.store.duties().await?;
    Ok(all.iter().find(|k| k.id == id).and_then(Duty::read).filter(|d| d.kind == Kind::HandOut))
}

/// Somebody's wish for their data was answered; `false`: there is none of this id.
///
/// # Errors
/// Redis away.
pub async fn answered(app: &App, id: &str) -> Result<bool, AcceptError> {
    let all = app.store.duties().await?;
    let found = all.iter().find(|k| k.id == id).and_then(|k| Duty::read(k).map(|d| (k, d)));
    let Some((kept, duty)) = found.filter(|(_, d)| d.kind == Kind::HandOut) else { return Ok(false) };
    let done = duty.remembered(app.clock.now()).bytes()?;
    Ok(app.store.move_duty(kept, None, Some(&done)).await?.is_some())
}

/// The loop of this process, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut looked: Option<Instant> = None;
    while !*stop.borrow() {
        let more = match work(&app).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "what is to be done about people's data could not go on; trying again");
                false
            }
        };
        if looked.is_none_or(|at| at.elapsed() >= LOOK) {
            looked = Some(Instant::now());
            tidy_log(&app).await;
        }
        // 0.5 to 1 s, so that pods do not look in step.
        let rest = if more { Duration::ZERO } else { Duration::from_millis(500 + rand::random_range(0..500)) };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Has the server's log rewritten where something erased may still be in it.
pub async fn tidy_log(app: &App) -> Option<Log> {
    match app.store.tidy_log().await {
        Ok(Log::Asked) => {
            tracing::info!("the server rewrites its log, so that what was erased can no longer be read in it");
            Some(Log::Asked)
        }
        Ok(log) => Some(log),
        Err(error) => {
            tracing::error!(%error, "what was erased is still in the server's append-only file: allow the command BGREWRITEAOF, or run it yourself");
            None
        }
    }
}

/// Works on duties for some pages; `true`: there is more to do at once.
///
/// # Errors
/// Redis could not be asked what there is to do.
pub async fn work(app: &App) -> Result<bool, AcceptError> {
    for _ in 0..PAGES {
        let now = app.clock.now();
        let open = app.store.duties().await?;
        let due = |d: &Duty| d.kind != Kind::HandOut || plus_secs(d.asked, WISH_SECS) <= now;
        let all: Vec<_> = open.iter().filter_map(|k| Duty::read(k).filter(due).map(|d| (k, d))).collect();
        let mut moved = false;
        for (kept, duty) in all {
            if !app.store.claim_run("people", &app.worker, HOLD_MS).await? {
                return Ok(false);
            }
            // One that cannot go on holds up no other.
            match step(app, kept, duty).await {
                Ok(()) => moved = true,
                Err(error) => tracing::warn!(duty = kept.id, %error, "a duty could not go on; it is tried again"),
            }
        }
        if !moved {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One page of a duty, and where it is after that. Asked anew meanwhile, the newer one stands and is begun.
async fn step(app: &App, kept: &Kept, mut duty: Duty) -> Result<(), AcceptError> {
    let over = page::page(app, &mut duty).await?;
    super::crash::point("after-page");
    if !over {
        app.store.move_duty(kept, Some(&duty.bytes()?), None).await?;
        return Ok(());
    }
    if matches!(duty.kind, Kind::Orders | Kind::Customer | Kind::Shop) {
        // Before it is struck off: who dies in between has it done once more, and nothing is forgotten.
        app.store.mark_erased().await?;
    }
    let now = app.clock.now();
    let done = duty.remembered(now).bytes()?;
    if app.store.move_duty(kept, None, Some(&done)).await?.is_some() {
        let Counts { orders, messages, people, unreadable, closed } = duty.counts;
        tracing::info!(shop = %duty.shop, kind = ?duty.kind, duty = kept.id, orders, messages, people, unreadable, closed, "done");
    }
    let old = |d: &Duty| d.done.is_some_and(|at| plus_secs(at, DONE_SECS) <= now);
    let remembered = app.store.duties_done().await?;
    let ids: Vec<String> =
        remembered.iter().filter(|k| Duty::read(k).is_some_and(|d| old(&d))).map(|k| k.id.clone()).collect();
    Ok(app.store.forget_duties_done(&ids).await?)
}
