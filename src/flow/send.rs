//! send: hands begun messages over, each once, and reads what the provider's answer means.

use super::App;
use super::consent;
use super::inhand::InHand;
use super::last_look::{Held, Watch};
use super::outcome::{self, Sent};
use super::sending::Sending;
use crate::channel::{LastLook, watched};
use crate::domain::channel::Form;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::ChannelId;
use crate::domain::ledger::Entry;
use crate::domain::order::Order;
use crate::domain::owed::Owed;
use crate::domain::person::{Address, Grant, PersonChange};
use crate::domain::verdict::{Scope, Verdict};
use crate::milestone;
use crate::store::keys::Member;
use crate::store::links::Tie;
use crate::store::messages::SentMessage;
use crate::store::work::Settle;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Left of the lease, beside the channel's own time-out, for a send to be worth beginning.
const MARGIN: Duration = Duration::from_secs(2);
/// So long after the others a message that failed as the probe of a channel comes back.
const AFTER_PROBE_SECS: i64 = 5;
/// Characters of a provider's words kept in the ledger.
const DETAIL: usize = 200;

/// Sends all of an order's begun messages side by side, and settles.
pub async fn send_all(app: &Arc<App>, mut order: InHand) -> Settle {
    let sends = std::mem::take(&mut order.sends);
    let lease = Duration::from_millis(app.lease_ms);
    let deadline = order.asked + lease;
    let watches = sends.iter().map(|sending| Watch::over(app, &order, sending).map(Arc::new));
    let watches: Vec<Option<Arc<Watch>>> = watches.collect();
    let out = sends.iter().zip(&watches).map(|(sending, watch)| hand_over(sending, watch.as_ref(), deadline));
    let verdicts = join_all(out).await;
    super::crash::point("after-send");
    let now = app.clock.now();
    for ((sending, ended), watch) in sends.iter().zip(verdicts).zip(&watches) {
        match ended {
            Ended::Judged(verdict, took) => {
                judged(app, &mut order, (sending, watch.as_ref()), (*verdict, took), now).await
            }
            Ended::Held(held) => {
                order.not_begun(sending, None, now);
                match held {
                    Held::For(reason) => order.switched_off(sending, reason, true, now),
                    Held::Slow => {
                        tracing::warn!(channel = %sending.account.id, "a message waits: Redis was too slow to say whether it may still go")
                    }
                }
            }
        }
    }
    drop(sends);
    order.settle(now)
}

/// Moves a message's items to where the provider's answer leaves them, and keeps what it teaches.
async fn judged(
    app: &Arc<App>,
    order: &mut InHand,
    (sending, watch): (&Sending, Option<&Arc<Watch>>),
    (verdict, took): (Verdict, Duration),
    now: Timestamp,
) {
    let account = &sending.account;
    app.metrics.attempt(account.id.as_str(), &verdict, took.as_secs_f64());
    if order.item(sending.lead).is_some_and(|i| i.attempts > 1) {
        app.metrics.retry(account.id.as_str());
    }
    if matches!(verdict, Verdict::Accepted { .. })
        && let Some(item) = order.item(sending.lead)
    {
        let after = now.as_millisecond() - item.at.as_millisecond();
        app.metrics.accepted_after(account.id.as_str(), after as f64 / 1000.0);
    }
    let sent = Sent {
        account,
        place: sending.go.place,
        form: sending.go.form,
        purpose: sending.purpose,
        again: sending.again,
        probe: sending.permit.probes(),
        now,
    };
    let mut consequence = outcome::Consequence::default();
    let entry = entry(order, sending, &verdict);
    let moved = std::cell::RefCell::new(&mut consequence);
    order.judged(sending, entry, now, |item| {
        let one = outcome::apply(item, &verdict, &sent);
        let mut all = moved.borrow_mut();
        all.again_now |= one.again_now;
        all.pause = all.pause.or(one.pause);
    });
    order.again_now |= consequence.again_now;
    let stands = outcome::teach(app, account, &verdict, consequence.pause, took).await;
    if let Some(until) = stands.filter(|_| sending.permit.probes()) {
        // The next probe is somebody else, if there is anybody: one bad message must not keep a channel shut.
        order.not_before(sending, plus_secs(until, AFTER_PROBE_SECS));
    }
    let told = matches!(verdict, Verdict::Accepted { .. } | Verdict::Unsure { .. });
    let behind = async {
        match watch.filter(|_| told) {
            Some(watch) => watch.behind().await,
            None => None,
        }
    };
    let member = order.leased.member.clone();
    let ((), behind) = futures_util::future::join(learn(app, sending, &verdict, &member), behind).await;
    if matches!(verdict, Verdict::Accepted { .. }) {
        use_up(app, order, sending, now).await;
        remember(app, order, sending, now).await;
    }
    if let Some(reason) = behind {
        order.switched_off(sending, reason, false, now);
    }
}

/// How a send ended.
enum Ended {
    /// The provider was asked, or could not be; and how long it took.
    Judged(Box<Verdict>, Duration),
    /// It was held back at the last look: nothing went.
    Held(Held),
}

/// One send. A panic inside a channel is caught: it may have been told, and harms nobody else.
async fn hand_over(sending: &Sending, watch: Option<&Arc<Watch>>, deadline: Instant) -> Ended {
    let started = Instant::now();
    let timeout = Duration::from_secs(u64::from(sending.account.caps.timeout_secs));
    if deadline.saturating_duration_since(started) < timeout + MARGIN {
        // Too little of the lease is left: another worker may hold the order before an answer comes.
        let detail = "the lease was nearly over before the send".to_string();
        let verdict = Verdict::TryLater {
            reason: crate::domain::decision::Reason::RateLimited,
            after_secs: Some(1),
            scope: crate::domain::verdict::Scope::Message,
            detail,
        };
        return Ended::Judged(Box::new(verdict), Duration::ZERO);
    }
    // Here for channels that begin at once, and once more where the request begins.
    if let Some(watch) = watch
        && !watch.may_go().await
    {
        return Ended::Held(watch.held().unwrap_or(Held::Slow));
    }
    let look = watch.map(|watch| -> Arc<dyn LastLook> { Arc::<Watch>::clone(watch) });
    let send = watched(look, AssertUnwindSafe(sending.account.channel.send(&sending.envelope)).catch_unwind());
    let verdict = match tokio::time::timeout(timeout + Duration::from_secs(1), send).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Verdict::Unsure { detail: "the channel's code panicked".into() },
        Err(_) => Verdict::Unsure { detail: "the send outlived its time-out".into() },
    };
    match watch.and_then(|watch| watch.held()) {
        Some(held) if !matches!(verdict, Verdict::Accepted { .. }) => Ended::Held(held),
        _ => Ended::Judged(Box::new(verdict), started.elapsed()),
    }
}

fn entry(order: &InHand, sending: &Sending, verdict: &Verdict) -> Entry {
    let detail = match verdict {
        Verdict::Accepted { ids, again } => {
            format!("{}{}", if *again { "taken before; " } else { "" }, ids.join(" "))
        }
        Verdict::TryLater { detail, reason, .. } | Verdict::Unreachable { detail, reason, .. } => {
            format!("{}: {detail}", reason.as_str())
        }
        Verdict::Refused { detail } | Verdict::Unsure { detail } => detail.clone(),
    };
    Entry::Attempt {
        item: sending.lead,
        attempt: order.item(sending.lead).map_or(1, |i| i.attempts),
        channel: sending.account.id.to_string(),
        form: sending.go.form.as_str().into(),
        locale: sending.locale.clone(),
        verdict: verdict.as_str().into(),
        detail: unnamed(&order.order, sending.go.address.as_ref(), detail)
            .chars()
            .filter(|c| !c.is_control())
            .take(DETAIL)
            .collect(),
        passed: sending.go.passed.iter().map(|(c, r)| (c.to_string(), r.as_str().to_string())).collect(),
        joined: sending.go.joined.clone(),
    }
}

/// A provider's words without what it may repeat of the order: the ledger is read by people, and the
/// channels take out only the addresses of their own kind.
fn unnamed(order: &Order, address: Option<&Address>, mut words: String) -> String {
    let contact = order.head().map(|h| &h.contact);
    let names = contact.iter().flat_map(|c| c.first_name.iter().chain(&c.last_name).chain(&c.emails).chain(&c.phones));
    let ids = contact.iter().flat_map(|c| c.identities.iter().map(|(_, value)| value));
    let titles = order.head().into_iter().flat_map(|h| h.items.iter().map(|i| &i.title));
    for known in names.chain(ids).chain(titles).chain(address.map(|a| &a.value)) {
        // A name of one letter would take words apart.
        if known.chars().count() > 1 && words.contains(known.as_str()) {
            words = words.replace(known.as_str(), "…");
        }
    }
    words
}

/// Keeps what the answer teaches about the person, and where receipts will find the item.
async fn learn(app: &App, sending: &Sending, verdict: &Verdict, member: &Member) {
    let now = app.clock.now();
    let channel: &ChannelId = &sending.account.id;
    let address: Option<&Address> = sending.go.address.as_ref();
    if let (true, Verdict::Accepted { ids, .. }) = (sending.answerable, verdict)
        && let Err(error) = app.store.put_thread(channel, address, ids, member).await
    {
        tracing::warn!(%error, "answers to a customer's message will not find their way");
    }
    match (verdict, address) {
        (Verdict::Accepted { .. } | Verdict::Unsure { .. }, _) if sending.account.caps.receipts != "none" => {
            // Of an unsure one only our own reference is known: an echo that carries it settles the doubt. "All
            // up to here arrived" says nothing of a message of which nobody knows whether it was ever taken, so
            // such a receipt must not find it.
            let (ids, person): (&[String], _) =
                if let Verdict::Accepted { ids, .. } = verdict { (ids, address) } else { (&[], None) };
            let message = SentMessage {
                channel,
                ids,
                reference: &sending.reference,
                person,
                member,
                item: sending.lead,
                at: now,
            };
            if let Err(error) = app.store.note_sent(message).await {
                tracing::warn!(%error, "receipts of a message will not find it");
            }
        }
        (Verdict::TryLater { scope: Scope::Recipient, after_secs: Some(secs), .. }, Some(person)) => {
            let change = PersonChange { capped_until: Some(plus_secs(now, *secs)), ..PersonChange::default() };
            let dedupe = format!("capped:{member:?}:{}", now.as_millisecond());
            if let Err(error) = app.store.apply(channel, person, &dedupe, now, &change, false).await {
                tracing::warn!(%error, "a recipient's limit could not be kept");
            }
        }
        (Verdict::Unreachable { change, .. }, Some(person)) if *change != PersonChange::default() => {
            let event = format!("verdict:{member:?}:{}", now.as_millisecond());
            let change = consent::of_verdict(&sending.account, change, &sending.reference, now);
            if let Err(error) = consent::apply(app, channel, person, &event, now, &change, false).await {
                tracing::warn!(%error, "what the provider said of a recipient could not be kept");
            }
        }
        _ => {}
    }
}

/// A message that the person allowed by a tap is used up by being taken. Dies before: one too many is counted, and the
/// provider says so when it is tried.
async fn use_up(app: &App, order: &InHand, sending: &Sending, now: Timestamp) {
    let (Some(person), Form::Grant) = (&sending.go.address, sending.envelope.form) else { return };
    let account = &sending.account;
    let milestone = order.item(sending.lead).map_or("unknown", milestone_word);
    let section = order.live.words.section(milestone, &sending.locale, account.kind.section());
    let Some(template) = account.channel.granted_template(&section) else { return };
    let change = PersonChange { grants: [(template, Grant::Used)].into(), ..PersonChange::default() };
    let event = format!("used:{}:{}", sending.reference, order.item(sending.lead).map_or(0, |i| i.attempts));
    if let Err(error) = app.store.apply(&account.id, person, &event, now, &change, false).await {
        tracing::warn!(%error, "that an allowed message was used up could not be kept");
    }
}

/// Whoever is told of an order in a chat may ask there where it stands: the first message of it puts it on their list.
/// Dies before: the next message of the order finds that an earlier one did, and they ask by its link instead.
async fn remember(app: &App, order: &InHand, sending: &Sending, now: Timestamp) {
    let Some(person) = sending.go.address.as_ref().filter(|_| super::chat::converses(&sending.account)) else { return };
    let (account, nos) = (&sending.account, &sending.go.joined);
    let before =
        |i: &Owed| i.no != sending.lead && !nos.contains(&i.no) && i.channel == account.tag && i.state.is_told();
    if order.order.head().is_none() || order.items.iter().any(before) {
        return;
    }
    let tie = Tie { at: now, shop: order.order.shop.clone(), order: order.order.id.clone() };
    if let Err(error) = app.store.tie(&account.id, person, &tie).await {
        tracing::warn!(%error, "an order could not be put on its customer's list");
    }
}

/// The milestone's name behind an item, for logs.
pub fn milestone_word(item: &crate::domain::owed::Owed) -> &'static str {
    milestone::by_tag(item.milestone).map_or("unknown", |m| m.id)
}
