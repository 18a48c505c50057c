//! accept: a shop's webhook → the order it is about → what is owed → one commit → the answer.
//!
//! Dies before the commit: nothing was stored, the shop got no answer and repeats (or, where its platform
//! never repeats, has lost the delivery, as it would with any receiver). Dies after the commit: all is
//! stored, the repeat is a duplicate. There is no middle: the commit is one script.

use super::App;
use super::kept::{AcceptError, read_order, write_order};
use super::live::Shop;
use super::pressure::{Caller, Shed};
use super::spooled::{self, Times};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::{About, JoinKey, OrderEvent, Told};
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::Order;
use crate::domain::owed::Owed;
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use crate::milestone;
use crate::plan::{owe, roused_by_news};
use crate::spool::Door;
use crate::store::keys::Unit;
use crate::store::order::{Commit, Committed, Record};
use crate::telemetry::WebhookOutcome;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;

/// Tries at a commit whose order was changed by somebody else meanwhile.
const CONFLICTS: usize = 5;
/// Longest a webhook may take behind its signature, waiting for other webhooks of its order included. With the
/// 2.5 s of its body the answer leaves within 4.5 s: Shopify waits 5 s, and what is given up is repeated or
/// known to be lost, never in doubt for minutes behind a Redis that does not answer.
const ANSWER: Duration = Duration::from_millis(1900);
/// What a shop tells of an order so soon after making it is taken for the first that it tells.
const NEWBORN_SECS: i64 = 2;
/// Digests of webhooks are kept longer than any sender repeats (Shopify: 4 h of repeats, a day late).
const SEEN_SECS: i64 = 8 * 86_400;

/// What the shop is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Stored, or recorded as duplicate or of no interest: 200.
    Taken(WebhookOutcome),
    /// The platform's own handshake.
    Reply(Reply),
    /// Not signed by this shop: 401.
    Refused(Refusal),
    /// No such shop: 404.
    UnknownShop,
    /// Could not be stored in time: 503.
    Unavailable,
    /// Our own code failed over it, and it could not be kept either: 500.
    Failed,
}

impl Answer {
    /// It says that Redis has something of it.
    fn lies_in_redis(&self) -> bool {
        use WebhookOutcome::{Duplicate, Taken, Unreadable, Waiting};
        matches!(self, Answer::Taken(Taken | Duplicate | Unreadable | Waiting))
    }
}

/// Takes a webhook in. Everything that needs Redis comes after the signature holds.
pub async fn accept(app: &App, platform: &str, shop: &str, raw: RawWebhook) -> Answer {
    let live = app.live();
    let known = live.shops.get(&ShopId::from(shop)).filter(|s| s.platform.name == platform);
    let Some(shop) = known else {
        app.metrics.webhook("unknown", WebhookOutcome::UnknownShop);
        return Answer::UnknownShop;
    };
    let started = std::time::Instant::now();
    let answer = take(app, shop, &raw).await;
    let outcome = match &answer {
        Answer::Taken(outcome) => *outcome,
        Answer::Reply(_) => WebhookOutcome::Handshake,
        Answer::Refused(why) => (*why).into(),
        Answer::UnknownShop => WebhookOutcome::UnknownShop,
        Answer::Unavailable | Answer::Failed => WebhookOutcome::Unavailable,
    };
    app.metrics.webhook(shop.rules.id.as_str(), outcome);
    app.metrics.webhook_answered(shop.rules.id.as_str(), started.elapsed().as_secs_f64());
    answer
}

async fn take(app: &App, shop: &Arc<Shop>, raw: &RawWebhook) -> Answer {
    let (dedupe, content) = match (shop.platform.admit)(&shop.access, raw) {
        Admission::Reply(reply) => return Answer::Reply(reply),
        Admission::Refuse(why) => {
            tracing::warn!(shop = %shop.rules.id, why = why.as_str(), "webhook refused");
            return Answer::Refused(why);
        }
        Admission::Take { dedupe, content, secret_index } => {
            app.metrics.webhook_signed(shop.rules.id.as_str(), secret_index, raw.received_at.as_second() as f64);
            (dedupe, content)
        }
    };
    let times = Times::of(app, ANSWER);
    let passes_by = app.passes_by(Caller::Shop);
    let _waits = app.pressure.wait();
    let stored = in_time(app, shop, raw, (&dedupe, content), (passes_by, times)).await;
    let platform = shop.platform.name.into();
    let door = Door::Hook { platform, shop: shop.rules.id.clone(), dedupe, content };
    let error = match stored {
        Ok(answer) => {
            if let Some(ring) = app.ring.as_ref().filter(|_| answer.lies_in_redis()) {
                ring.keep(door, raw.clone());
            }
            return answer;
        }
        Err(error) => error,
    };
    // What this version cannot take another one may: a shop that repeats finds it, for any other it must be kept.
    let keeps = error.may_wait() || !shop.platform.repeats;
    if keeps && spooled::keep(app, door, raw, times).await {
        tracing::warn!(shop = %shop.rules.id, %error, "webhook kept on disk: it could not be stored");
        return Answer::Taken(WebhookOutcome::Spooled);
    }
    unavailable(shop, &error)
}

/// Everything behind the signature, within the time that Redis has for it; not tried where what it tells would be kept
/// and `passes_by` says why Redis is not to be asked.
async fn in_time(
    app: &App,
    shop: &Arc<Shop>,
    raw: &RawWebhook,
    marks: (&str, Digest8),
    (passes_by, times): (Option<Shed>, Times),
) -> Result<Answer, AcceptError> {
    let storing = async {
        let told = (shop.platform.normalise)(&shop.access, raw);
        match passes_by.filter(|_| told.is_kept()) {
            Some(why) => Err(why.into()),
            None => store(app, shop, raw, marks, told).await,
        }
    };
    // What brings our code down is genuine all the same: it is kept, not lost with the connection. Given up in the
    // middle, a commit may have happened or not: the repeat is a duplicate or new, both right.
    match timeout_at(times.store, AssertUnwindSafe(storing).catch_unwind()).await {
        Ok(stored) => stored.unwrap_or(Err(AcceptError::Panicked)),
        Err(_) => Err(AcceptError::TooLate),
    }
}

/// Nobody has it.
fn unavailable(shop: &Shop, error: &AcceptError) -> Answer {
    let lost = if shop.platform.repeats {
        "the shop will repeat it"
    } else {
        "this platform never repeats: the delivery is lost unless the order changes again"
    };
    let (status, answer) = match error {
        AcceptError::Panicked => (500, Answer::Failed),
        _ => (503, Answer::Unavailable),
    };
    tracing::error!(shop = %shop.rules.id, %error, "webhook answered {status}: {lost}");
    answer
}

/// A webhook whose signature held before, with its marks: the same as at the door.
///
/// # Errors
/// It could not be stored.
pub async fn put(app: &App, shop: &Arc<Shop>, raw: &RawWebhook, marks: (&str, Digest8)) -> Result<Answer, AcceptError> {
    store(app, shop, raw, marks, (shop.platform.normalise)(&shop.access, raw)).await
}

async fn store(
    app: &App,
    shop: &Arc<Shop>,
    raw: &RawWebhook,
    marks: (&str, Digest8),
    told: Told,
) -> Result<Answer, AcceptError> {
    match told {
        Told::Notice(notice) => {
            super::erase::asked_by_shop(app, shop, notice, raw.received_at).await?;
            Ok(Answer::Taken(WebhookOutcome::Taken))
        }
        Told::NoInterest(_) => Ok(Answer::Taken(WebhookOutcome::Ignored)),
        Told::Check(what) => {
            tracing::info!(shop = %shop.rules.id, what, "connectivity check received: the webhook works");
            Ok(Answer::Taken(WebhookOutcome::Check))
        }
        Told::ShopFault(code) => {
            tracing::error!(shop = %shop.rules.id, code, "the shop sends errors instead of orders: check the webhook's owner and API version in the shop");
            Ok(Answer::Taken(WebhookOutcome::ShopFault))
        }
        Told::Unreadable(why) => keep_unreadable(app, shop, raw, &why).await,
        Told::Events(events) => take_events(app, shop, marks, events, raw.received_at).await,
    }
}

async fn keep_unreadable(app: &App, shop: &Shop, raw: &RawWebhook, why: &str) -> Result<Answer, AcceptError> {
    app.store.keep_odd(&shop.rules.id, raw, why).await?;
    tracing::error!(shop = %shop.rules.id, why, "signed webhook could not be read; kept for a person");
    Ok(Answer::Taken(WebhookOutcome::Unreadable))
}

async fn take_events(
    app: &App,
    shop: &Arc<Shop>,
    marks: (&str, Digest8),
    events: Vec<OrderEvent>,
    came: Timestamp,
) -> Result<Answer, AcceptError> {
    let mut word = WebhookOutcome::Duplicate;
    for (i, event) in events.iter().enumerate() {
        let seen = seen_digests(&shop.rules.id, marks, i, event.dated);
        let outcome = match &event.about {
            About::Order(id) if !event.refetch => fold(app, shop, id, (event, came), &seen).await?,
            _ => super::join::point(app, shop, (event, came), &seen).await?,
        };
        if outcome != WebhookOutcome::Duplicate {
            word = outcome;
        }
    }
    Ok(Answer::Taken(word))
}

/// The sender's own mark, and, where the body carries a signed time, the content itself: delivery ids are
/// outside the signature and can be changed at will. An undated body (`{"id":25}` deleted, restored,
/// deleted) can not be told from its replay, so there only the order's state decides.
pub(super) fn seen_digests(
    shop: &ShopId,
    (delivery, content): (&str, Digest8),
    index: usize,
    dated: bool,
) -> Vec<Digest8> {
    let index = (index as u64).to_be_bytes();
    let mut seen = vec![Digest8::of(&[b"delivery", shop.as_str().as_bytes(), delivery.as_bytes(), &index])];
    if dated {
        seen.push(Digest8::of(&[b"content", shop.as_str().as_bytes(), &content.0.to_be_bytes(), &index]));
    }
    seen
}

/// Folds one event, and when it was received, into its order and commits what is now owed.
pub async fn fold(
    app: &App,
    shop: &Shop,
    id: &OrderId,
    (event, came): (&OrderEvent, Timestamp),
    seen: &[Digest8],
) -> Result<WebhookOutcome, AcceptError> {
    let unit = Unit::order(&shop.rules.id, id.as_str());
    let member = app.store.member(&unit);
    if !event.joins.is_empty() {
        // Before the commit: a join that points at an order not yet stored is harmless, the other way
        // round a crash would leave things that cannot be joined.
        app.store.put_joins(&shop.rules.id, &event.joins, id).await?;
        super::join::wake(app, shop, &event.joins).await?;
    }
    // Only where somebody may ask for it, and only where the id is not the number.
    let head = event.patch.head.as_ref().filter(|_| shop.rules.track.is_some());
    let names: Vec<_> = head.and_then(|h| JoinKey::number(&h.name, id)).into_iter().collect();
    let _one_at_a_time = app.stripe(&unit.id).lock().await;
    for attempt in 0..CONFLICTS {
        let now = app.clock.now();
        // News of an order being made is mostly the first we hear of it. So it is taken for new without a look,
        // which spares a round trip; where it is not, the commit says so and nothing is lost.
        let unread = attempt == 0 && newborn(event);
        let record = if unread { Record::default() } else { app.store.read(&member).await? };
        if record.erased.is_some() {
            return let_go(app, shop, event).await;
        }
        if record.seen.iter().any(|(digest, _)| seen.contains(digest)) {
            return Ok(WebhookOutcome::Duplicate);
        }
        let commit = next_state(app, shop, id, (event, came), seen, record, now)?;
        let due = commit.due;
        let named = app.store.commit_named(&member, commit, (&shop.rules.id, &names, id));
        match app.timed("commit", named).await? {
            Committed::Stored { .. } => {
                super::crash::point("after-commit");
                if let Some(due) = due {
                    app.nudge.at(member.partition(), due, now);
                }
                return Ok(WebhookOutcome::Taken);
            }
            Committed::Duplicate => return Ok(WebhookOutcome::Duplicate),
            Committed::Conflict if unread => {}
            Committed::Conflict => app.metrics.conflict(),
        }
    }
    Err(AcceptError::Contended)
}

/// News of an order that was erased: it must not come back by a webhook that is repeated or late, nor by one that
/// a person found and sends again.
async fn let_go(app: &App, shop: &Shop, event: &OrderEvent) -> Result<WebhookOutcome, AcceptError> {
    app.store.erase_joins(&shop.rules.id, &event.joins).await?;
    tracing::info!(shop = %shop.rules.id, topic = event.topic, "a webhook about an erased order was let go");
    Ok(WebhookOutcome::Erased)
}

/// The order as it is after the event, and all that must be written for it.
pub(super) fn next_state(
    app: &App,
    shop: &Shop,
    id: &OrderId,
    (event, came): (&OrderEvent, Timestamp),
    seen: &[Digest8],
    record: Record,
    now: Timestamp,
) -> Result<Commit, AcceptError> {
    let live = app.live();
    let mut order = match &record.snapshot {
        Some(bytes) => read_order(bytes)?,
        None => Order::new(shop.rules.id.clone(), id.clone(), came),
    };
    // What lay on disk was heard of before what overtook it.
    order.first_seen = order.first_seen.min(came);
    order.absorb(event);
    let next_no = record.last_item + 1;
    let owing = owe(&order, &shop.rules, &live.routes, milestone::ALL, now, next_no);
    order.told.extend(owing.told.iter().copied());
    let mut ledger =
        vec![LedgerEntry { at: now, what: Entry::Webhook { topic: event.topic.clone(), happened: event.at } }];
    ledger.extend(owing.ledger.into_iter().map(|what| LedgerEntry { at: now, what }));
    let settle = shop.rules.settle.max(shop.rules.settle_untracked);
    let roused = record.items.iter().any(|item| roused_by_news(item, settle, now)).then_some(now);
    Ok(Commit {
        expected: record.revision,
        parked: record.parked,
        seen: seen.to_vec(),
        seen_until: plus_secs(now, SEEN_SECS),
        drop_seen: record.stale_seen(now),
        snapshot: write_order(&order)?,
        due: owing.items.iter().map(|i: &Owed| i.not_before).chain(roused).min(),
        ledger,
        owed: owing.items,
    })
}

/// The event dates from the moment its order was made.
fn newborn(event: &OrderEvent) -> bool {
    let made = event.patch.head.as_ref().map(|head| head.created_at);
    made.is_some_and(|made| event.dated && event.at <= plus_secs(made, NEWBORN_SECS))
}
