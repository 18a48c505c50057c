//! The one judge of every fault run: the promises, held against what the shops posted, what the providers
//! took, what the relay says of each order, and how the store looks. It runs when all is at rest, offline.
//!
//! | invariant | what is held |
//! |---|---|
//! | kept | a webhook answered 2xx stands in its order's ledger (or was a duplicate), what its body proves is owed, and every item has ended |
//! | once | a provider took a message once; LINE never twice; elsewhere twice or never only where the ledger holds an unsure attempt, and twice only where its purpose is repeated |
//! | order | per order and channel, first acceptances follow the order's story |
//! | answered | every request was answered or cut off within 4.5 s |
//! | structure | the store's own audit has nothing to say |
//! | explained | whatever was not sent says why, and what would change it |
//!
//! In these runs each milestone has one subject an order, and each channel one slot an order, so (order,
//! milestone, channel) names an item.

use super::shops::{Order, Step};
use orderwire::domain::milestone::Purpose;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time until a shop has its answer.
const ANSWERED: Duration = Duration::from_millis(4500);

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Post {
    /// Place in [`Evidence::orders`].
    pub order: usize,
    pub step: usize,
    /// When it was answered or cut off.
    pub at: Instant,
    pub took: Duration,
    /// Status and the relay's word; `None`: cut off.
    pub answer: Option<(u16, String)>,
}

impl Post {
    /// Redis could not take it: sent away, or kept on disk.
    pub fn without_redis(&self) -> bool {
        self.answer.as_ref().is_some_and(|(status, word)| *status == 503 || word.contains("spooled"))
    }
}

/// A message that reached a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Running number over all providers.
    pub n: u64,
    /// `line`, `messenger`, `slack`, `smtp`.
    pub lane: &'static str,
    /// The milestones it tells.
    pub milestones: Vec<String>,
}

/// What the relay says of an order.
#[derive(Clone, Debug, Deserialize)]
pub struct View {
    pub items: Vec<Item>,
    pub ledger: Vec<serde_json::Value>,
}

/// What the relay says of an item.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    pub item: u16,
    pub milestone: String,
    pub route: String,
    pub slot: String,
    pub state: String,
    pub reason: Option<String>,
    pub why: Option<String>,
    pub remedy: Option<String>,
}

impl Item {
    /// Of the same milestone, to the same people, the same way.
    fn same(&self, other: &Item) -> bool {
        (&self.milestone, &self.route, &self.slot) == (&other.milestone, &other.route, &other.slot)
    }
}

/// All of one order.
#[derive(Clone)]
pub struct Case {
    pub plan: Arc<Order>,
    /// `None`: the relay knows nothing of it.
    pub view: Option<View>,
    pub told: Vec<Told>,
}

/// All of one run.
#[derive(Clone, Default)]
pub struct Evidence {
    pub orders: Vec<Case>,
    pub posts: Vec<Post>,
    /// Messages of no order of ours, and what providers refused by their own rules.
    pub stray: Vec<String>,
    /// What the store's audit found.
    pub audit: Vec<String>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    pub acknowledged: usize,
    pub items: usize,
    pub messages: usize,
    pub repeats: BTreeMap<&'static str, usize>,
    pub unsure: usize,
    pub faults: Vec<String>,
}

impl Report {
    /// Webhooks, milestones and messages that were lost.
    pub fn lost(&self) -> usize {
        self.faults.iter().filter(|f| f.contains(": kept:") || f.contains("was told 0 times")).count()
    }

    /// Messages told again without a doubt in the ledger, or never owed.
    pub fn repeated(&self) -> usize {
        self.faults.iter().filter(|f| f.contains(": once:") && !f.contains("was told 0 times")).count()
    }

    /// Messages older than one told before.
    pub fn older(&self) -> usize {
        self.faults.iter().filter(|f| f.contains(": order:")).count()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} webhooks acknowledged, {} items, {} messages, repeats {:?}, {} unsure, {} faults",
            self.acknowledged,
            self.items,
            self.messages,
            self.repeats,
            self.unsure,
            self.faults.len()
        )
    }
}

/// Judges a run.
pub fn check(evidence: &Evidence) -> Report {
    let mut report = Report::default();
    for post in &evidence.posts {
        answered(evidence, post, &mut report);
    }
    for case in &evidence.orders {
        let mut faults = Vec::new();
        if let Some(view) = &case.view {
            for item in &view.items {
                report.items += 1;
                report.unsure += usize::from(item.state == "unsure");
                ended(item, &mut faults);
                // What was replayed is judged by the item that took its place.
                let replayed = |other: &Item| other.item > item.item && other.same(item);
                if !view.items.iter().any(replayed) {
                    once(case, view, item, &mut report.repeats, &mut faults);
                }
            }
            whole(case, view, &mut faults);
            never_owed(case, view, &mut faults);
        }
        in_order(case, &mut faults);
        report.messages += case.told.len();
        report.faults.extend(faults.into_iter().map(|f| format!("{} {}: {f}", case.plan.shop, case.plan.name)));
    }
    report.faults.extend(evidence.stray.iter().map(|s| format!("stray: {s}")));
    report.faults.extend(evidence.audit.iter().map(|s| format!("structure: {s}")));
    report
}

/// Answered in time; and what was acknowledged is kept.
fn answered(evidence: &Evidence, post: &Post, report: &mut Report) {
    let case = &evidence.orders[post.order];
    let mut fault = |what: String| {
        report.faults.push(format!("{} {} webhook {}: {what}", case.plan.shop, case.plan.name, post.step));
    };
    if post.took > ANSWERED {
        fault(format!("answered: after {:?}", post.took));
    }
    let Some((status, word)) = &post.answer else { return };
    if !(200..300).contains(status) {
        if *status != 503 {
            fault(format!("answered: {status} {word}"));
        }
        return;
    }
    let Some(view) = &case.view else { return fault("kept: acknowledged, and the order is unknown".into()) };
    let step = &case.plan.steps[post.step];
    if !noted(view, step) {
        fault(format!("kept: acknowledged ({word}), and the ledger does not hold it"));
    }
    report.acknowledged += 1;
}

/// Whether the ledger holds a webhook.
fn noted(view: &View, step: &Step) -> bool {
    view.ledger.iter().any(|entry| {
        let happened = entry["happened"].as_str().and_then(|t| t.parse().ok());
        entry["what"] == "webhook" && entry["topic"] == step.topic && happened == Some(step.at)
    })
}

/// Whatever was taken was taken whole, answered or not: what it proves is owed, or passed over in words.
fn whole(case: &Case, view: &View, faults: &mut Vec<String>) {
    for step in case.plan.steps.iter().filter(|step| noted(view, step)) {
        for milestone in &step.proves {
            let owed = view.items.iter().any(|i| i.milestone == *milestone);
            let unowed = view.ledger.iter().any(|e| e["what"] == "unowed" && e["milestone"] == *milestone);
            if !owed && !unowed {
                faults.push(format!("kept: {milestone} was proved, and is neither owed nor passed over"));
            }
        }
    }
}

/// It came to an end, and says why where it was not sent.
fn ended(item: &Item, faults: &mut Vec<String>) {
    let (no, milestone, state) = (item.item, &item.milestone, item.state.as_str());
    match state {
        "sent" | "delivered" | "read" => {}
        "skipped" | "superseded" | "expired" | "unsure" | "undelivered" | "dead" => {
            let said = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
            if !(said(&item.reason) && said(&item.why) && said(&item.remedy)) {
                faults.push(format!("explained: item {no} ({milestone}) is {state} and does not say why"));
            }
        }
        _ => faults.push(format!("kept: item {no} ({milestone}) is still {state} ({:?})", item.reason)),
    }
}

/// Which provider carries an item.
fn lane(item: &Item) -> &'static str {
    match (item.route.as_str(), item.slot.as_str()) {
        ("line", _) => "line",
        ("page", "main") => "messenger",
        ("staff", _) => "slack",
        _ => "smtp",
    }
}

/// Told as often as its state and its ledger allow.
fn once(case: &Case, view: &View, item: &Item, repeats: &mut BTreeMap<&'static str, usize>, faults: &mut Vec<String>) {
    let lane = lane(item);
    let told = case.told.iter().filter(|t| t.lane == lane && t.milestones.contains(&item.milestone)).count();
    if told > 1 {
        *repeats.entry(lane).or_default() += told - 1;
    }
    let sent = matches!(item.state.as_str(), "sent" | "delivered" | "read");
    let (doubt, may_repeat) = doubt(view, item.item);
    let (least, most) = match (sent, item.state.as_str()) {
        (true, _) if lane == "line" => (1, 1),
        (true, _) => (1, if doubt && may_repeat { 2 } else { 1 }),
        (false, "unsure" | "undelivered") if !doubt => {
            faults.push(format!("once: item {} is {} and its ledger knows of no doubt", item.item, item.state));
            (0, 1)
        }
        (false, "unsure" | "undelivered") => (0, if may_repeat && lane != "line" { 2 } else { 1 }),
        (false, _) => (0, 0),
    };
    if told < least || told > most {
        faults.push(format!(
            "once: item {} ({} on {lane}) is {} and was told {told} times, allowed {least} to {most}",
            item.item, item.milestone, item.state
        ));
    }
}

/// Whether the ledger holds an unsure attempt at the item, and whether its purpose is one that is repeated.
fn doubt(view: &View, no: u16) -> (bool, bool) {
    let of_item = |entry: &&serde_json::Value| {
        let joined = entry["joined"].as_array().is_some_and(|j| j.iter().any(|n| n == no));
        entry["what"] == "attempt" && entry["verdict"] == "unsure" && (entry["item"] == no || joined)
    };
    let mut unsure = view.ledger.iter().filter(of_item).peekable();
    let doubt = unsure.peek().is_some();
    let repeated = unsure.any(|entry| {
        let lead = view.items.iter().find(|i| entry["item"] == i.item);
        let purpose = lead.and_then(|i| orderwire::milestone::find(&i.milestone)).map(|m| m.purpose);
        purpose.is_some_and(|p| p != Purpose::Status)
    });
    (doubt, repeated)
}

/// Nothing was told that was not owed.
fn never_owed(case: &Case, view: &View, faults: &mut Vec<String>) {
    for told in &case.told {
        for milestone in &told.milestones {
            if !view.items.iter().any(|i| lane(i) == told.lane && i.milestone == *milestone) {
                faults.push(format!("once: {milestone} was told on {} and never owed there", told.lane));
            }
        }
    }
}

/// Nothing older is told after something newer: by the story that the shop told, not by the relay's times.
fn in_order(case: &Case, faults: &mut Vec<String>) {
    let place = |m: &String| case.plan.steps.iter().position(|s| s.proves.contains(&m.as_str()));
    let mut furthest: BTreeMap<&str, (usize, &String)> = BTreeMap::new();
    let mut heard: Vec<(&str, &String)> = Vec::new();
    let mut told: Vec<&Told> = case.told.iter().collect();
    told.sort_by_key(|t| t.n);
    for message in told {
        let news: Vec<&String> = message.milestones.iter().filter(|m| !heard.contains(&(message.lane, *m))).collect();
        for milestone in &news {
            let (Some(at), Some((far, by))) = (place(milestone), furthest.get(message.lane)) else { continue };
            if at < *far {
                faults.push(format!("order: {milestone} was told on {} after {by}", message.lane));
            }
        }
        for milestone in news {
            heard.push((message.lane, milestone));
            let Some(at) = place(milestone) else { continue };
            let far = furthest.entry(message.lane).or_insert((at, milestone));
            if at > far.0 {
                *far = (at, milestone);
            }
        }
    }
}
