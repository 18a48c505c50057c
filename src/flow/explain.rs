//! explain: what was told, what was not, why, and what would change it. Reads only.

use super::App;
use super::consent::desk::Standing;
use super::inhand::InHand;
use super::live::Live;
use super::situation::{self, People};
use super::wording::about;
use crate::domain::clock::Timestamp;
use crate::domain::consent::{ConsentRecord, Word};
use crate::domain::decision::{Decision, Reason};
use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::milestone;
use crate::plan::{Asked, Change, Situation, asked, decide, otherwise};
use crate::store::keys::{Member, Unit};
use crate::store::order::Record;
use crate::store::work::Leased;
use serde::Serialize;
use std::collections::BTreeSet;

/// An order as an operator sees it. No addresses, no message texts.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    /// Shop.
    pub shop: String,
    /// The platform's id.
    pub id: String,
    /// As the shop writes it.
    pub name: Option<String>,
    /// When orderwire first heard of it.
    pub first_seen: Timestamp,
    /// Payment state now.
    pub payment: Option<String>,
    /// Order state now.
    pub stage: Option<String>,
    /// Parcels and their states.
    pub parcels: Vec<(String, Option<String>)>,
    /// Where it came from.
    pub source: Option<String>,
    /// When its contents were erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<Timestamp>,
    /// How the customer stands on each channel that the order leads to: what they said, and until when free words are
    /// allowed.
    pub people: Vec<Standing>,
    /// Items.
    pub items: Vec<ItemView>,
    /// Ledger, oldest first.
    pub ledger: Vec<LedgerEntry>,
}

/// An owed item as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ItemView {
    /// Number within the order.
    pub item: u16,
    /// Milestone.
    pub milestone: String,
    /// Of what.
    pub subject: String,
    /// Route.
    pub route: String,
    /// `main` or `also:<channel>`.
    pub slot: String,
    /// Where it stands.
    pub state: String,
    /// Channel it went by.
    pub channel: Option<String>,
    /// Sends begun.
    pub attempts: u8,
    /// When the thing happened.
    pub happened: Timestamp,
    /// Not before.
    pub not_before: Timestamp,
    /// Not after.
    pub expires: Timestamp,
    /// The item whose message told it too.
    pub told_with: Option<u16>,
    /// Why it stands there, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub why: Option<String>,
    /// What would change it.
    pub remedy: Option<String>,
    /// What would be done now, for open items.
    pub now: Option<String>,
    /// The records of consent that forbid it, by channel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Of one that is not told: every rule with what it was given and what it says now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Asked>,
    /// Of one that is not told: the fewest changes after which it would go; all of them are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Unless>,
    /// What is decided after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

/// A change that would let an item go.
#[derive(Clone, Debug, Serialize)]
pub struct Unless {
    /// As data.
    #[serde(flatten)]
    pub change: Change,
    /// In words, as the end of "it would be told if …".
    pub words: String,
}

/// What could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing is known of it.
    #[error("nothing is known of this order: no webhook of it was taken, or its time of keeping is over")]
    Unknown,
    /// The shop is not configured.
    #[error("no such shop in the settings")]
    UnknownShop,
    /// Redis.
    #[error(transparent)]
    Store(#[from] crate::store::error::StoreError),
    /// Redis' memory is too full for more than one order at a time.
    #[error(
        "Redis' memory is over 90 % full, and making many messages owed again fills it further; replay single orders \
         (--shop and --order), or raise maxmemory and go on when it is below 85 %"
    )]
    Tight,
    /// What is kept cannot be read.
    #[error(transparent)]
    Kept(#[from] super::kept::AcceptError),
}

/// An order, its items, its ledger.
///
/// # Errors
/// Unknown order or shop, or Redis away.
pub async fn order(app: &App, shop: &str, id: &str) -> Result<OrderView, Fault> {
    let live = app.live();
    let shop = live.shops.get(&ShopId::from(shop)).ok_or(Fault::UnknownShop)?;
    let member = app.store.member(&Unit::order(&shop.rules.id, id));
    let record = app.store.read(&member).await?;
    let order = match (record.snapshot.as_deref(), record.erased) {
        (Some(snapshot), _) => super::kept::read_order(snapshot)?,
        // Its contents are gone; what became of each message is not.
        (None, Some(erased)) => Order::new(shop.rules.id.clone(), id.into(), erased),
        (None, None) => return Err(Fault::Unknown),
    };
    let ledger = app.store.ledger(&member).await?;
    let now = app.clock.now();
    let mut people = Vec::new();
    let mut items: Vec<ItemView> = record.items.iter().map(|i| view(app, &order, i, &ledger)).collect();
    if record.erased.is_none() {
        let hand = unheld(app, &member, &record, &order)?;
        // Also of those whom only ended items concern: what would let one of these go is asked as well.
        let mut anew = unheld(app, &member, &record, &order)?;
        anew.items.iter_mut().for_each(|item| item.state = State::Open);
        let facts = facts(app, &anew).await?;
        people = standing(app, &hand, now).await?;
        situation::with(&hand, &facts, now, |s| today(s, &mut items));
        items.iter_mut().for_each(|item| item.because = forbidding(item, &people));
    }
    Ok(OrderView {
        shop: shop.rules.id.to_string(),
        id: id.into(),
        name: order.head().map(|h| h.name.clone()),
        first_seen: order.first_seen,
        payment: order.payment.now().map(word),
        stage: order.stage.now().map(word),
        parcels: order.parcels.iter().map(|p| (p.id.clone(), p.state.now().map(word))).collect(),
        source: order.head().map(|h| h.source.kind.as_str().to_string()),
        erased: record.erased,
        people,
        items,
        ledger,
    })
}

fn word<T: Serialize>(state: &T) -> String {
    serde_json::to_value(state).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}

/// What `decide` would do about the open items of an order now; nothing is written, nothing is sent.
///
/// # Errors
/// Redis away.
pub async fn would(
    app: &App,
    member: &Member,
    record: &Record,
    order: &Order,
    now: Timestamp,
) -> Result<Vec<(u16, Decision)>, Fault> {
    let hand = unheld(app, member, record, order)?;
    Ok(situation::decide(&hand, &facts(app, &hand).await?, now))
}

async fn facts(app: &App, hand: &InHand) -> Result<People, Fault> {
    let (people, fault) = super::batch::facts(app, std::slice::from_ref(hand)).await;
    match fault {
        Some(error) => Err(error.into()),
        None => Ok(people),
    }
}

/// What the rules say of each item now, and of what is not told what would have to be otherwise.
fn today(s: &Situation<'_>, items: &mut [ItemView]) {
    let decisions = decide(s);
    for item in items {
        let decision = decisions.iter().find(|(no, _)| *no == item.item).map(|(_, d)| d);
        if let Some(reason) = decision.and_then(reason_of) {
            item.because_of(Some(reason));
        }
        item.now = decision.map(sentence);
        let goes = matches!(decision, Some(Decision::Go(_))) || item.told_with.is_some();
        let told = matches!(item.state.as_str(), "sent" | "delivered" | "read" | "superseded");
        if goes || told {
            continue;
        }
        item.rules = asked(s, item.item);
        if let Some(found) = otherwise(s, item.item) {
            let unless = |change: Change| Unless { words: change.to_string(), change };
            item.unless = found.changes.into_iter().map(unless).collect();
            item.then = Some(sentence(&Decision::Go(found.go)));
        }
    }
}

impl ItemView {
    fn because_of(&mut self, reason: Option<Reason>) {
        self.reason = reason.map(|r| r.as_str().into());
        self.why = reason.map(|r| r.sentence().into());
        self.remedy = reason.map(|r| r.remedy().into());
    }
}

/// The order as a worker would have it. Nobody holds it: what is decided here is only shown.
fn unheld(app: &App, member: &Member, record: &Record, order: &Order) -> Result<InHand, Fault> {
    let live = app.live();
    let Some(shop) = live.shops.get(&order.shop).cloned() else { return Err(Fault::UnknownShop) };
    let leased = Leased { member: member.clone(), token: "".into(), redeliveries: 0 };
    Ok(InHand::new(leased, record.clone(), order.clone(), shop, live, std::time::Instant::now()))
}

/// How the customer stands on each channel that the routes of the order's items lead to.
async fn standing(app: &App, hand: &InHand, now: Timestamp) -> Result<Vec<Standing>, Fault> {
    let routes = hand.items.iter().filter_map(|item| hand.live.route_by_tag(item.route));
    let channels: BTreeSet<&ChannelId> = routes.flat_map(|r| r.channels.iter().chain(&r.also)).collect();
    let places: Vec<_> = channels.into_iter().flat_map(|channel| super::batch::carried(hand, channel)).collect();
    let said = app.store.said(&places).await?;
    let shop = Some(&hand.order.shop);
    Ok(places.iter().zip(said).map(|((channel, _), said)| Standing::of(channel, shop, said, now)).collect())
}

/// What was said that forbids an item.
fn forbidding(item: &ItemView, people: &[Standing]) -> Vec<String> {
    let Some(reason) = item.reason.as_deref().and_then(Reason::from_word) else { return Vec::new() };
    let says = |record: &ConsentRecord| match reason {
        Reason::OptedOut => record.word == Word::Off,
        Reason::OperatorBlocked => record.word == Word::Block,
        Reason::RecipientBlocked | Reason::RecipientInvalid => record.word == Word::Gone,
        _ => false,
    };
    let last = |one: &Standing| {
        let record = one.records.iter().rev().find(|r| says(r))?;
        Some(format!("{}: {}", one.channel, record.line()))
    };
    people.iter().filter(|one| one.forbidden.is_some() || one.unreachable.is_some()).filter_map(last).collect()
}

fn view(app: &App, order: &Order, item: &Owed, ledger: &[LedgerEntry]) -> ItemView {
    let live = app.live();
    let rules = live.shops.get(&order.shop).map(|s| s.rules.clone());
    let subject = rules.as_ref().and_then(|rules| about(order, rules, item)).map(|(_, r)| r.subject.label());
    let (known, route, slot) = owed_words(&live, item, ledger);
    let channel = live.channel_by_tag(item.channel).map(|a| a.id.to_string());
    let mut view = ItemView {
        item: item.no,
        milestone: milestone::by_tag(item.milestone).map_or(known, |m| m.id.into()),
        subject: subject.unwrap_or_default(),
        route,
        slot,
        state: item.state.as_str().into(),
        channel: channel.filter(|_| item.channel != Tag::NONE),
        attempts: item.attempts,
        happened: item.at,
        not_before: item.not_before,
        expires: item.expires,
        told_with: (item.within != 0).then_some(item.within),
        reason: None,
        why: None,
        remedy: None,
        now: None,
        because: Vec::new(),
        rules: Vec::new(),
        unless: Vec::new(),
        then: None,
    };
    view.because_of(item.reason);
    view
}

/// Names of an item: the settings', else what the ledger kept when it was owed.
fn owed_words(live: &Live, item: &Owed, ledger: &[LedgerEntry]) -> (String, String, String) {
    if let (Some(milestone), Some(route)) = (milestone::by_tag(item.milestone), live.route_by_tag(item.route)) {
        let also = route.slots().into_iter().find(|(tag, _)| *tag == item.slot).map(|(_, name)| name);
        return (milestone.id.into(), route.id.to_string(), also.unwrap_or_else(|| "main".into()));
    }
    ledger
        .iter()
        .find_map(|entry| match &entry.what {
            Entry::Owed { item: no, milestone, route, slot, .. } if *no == item.no => {
                Some((milestone.clone(), route.clone(), slot.clone()))
            }
            _ => None,
        })
        .unwrap_or_else(|| ("unknown".into(), "unknown".into(), "main".into()))
}

/// A decision in a sentence.
pub fn sentence(decision: &Decision) -> String {
    match decision {
        Decision::Go(go) => {
            let passed: Vec<String> = go.passed.iter().map(|(c, r)| format!("{c}: {}", r.as_str())).collect();
            let joined = if go.joined.is_empty() { String::new() } else { format!(", together with {:?}", go.joined) };
            let after = if passed.is_empty() { String::new() } else { format!(" (passed over {})", passed.join(", ")) };
            format!("would go by {}{after}{joined}", go.channel)
        }
        Decision::Wait { until, reason, .. } => format!("waits until {until} ({})", reason.as_str()),
        Decision::Park { channel, reason, until } => {
            format!("waits for {channel}, at most until {until} ({})", reason.as_str())
        }
        Decision::End { state, reason, by } => {
            let by = by.map(|no| format!(" by item {no}")).unwrap_or_default();
            format!("would end as {}{by} ({})", state.as_str(), reason.as_str())
        }
    }
}

/// The reason a decision gives, if it gives one.
pub fn reason_of(decision: &Decision) -> Option<Reason> {
    match decision {
        Decision::Go(_) => None,
        Decision::Wait { reason, .. } | Decision::Park { reason, .. } | Decision::End { reason, .. } => Some(*reason),
    }
}
