//! A checker that never complains proves nothing: histories doctored by hand, one fault each.

use super::checker::{Case, Evidence, Item, Post, Told, View, check};
use super::shops;
use orderwire::domain::clock::from_millis;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn item(no: u16, milestone: &str, route: &str, state: &str) -> Item {
    let why = (state != "sent").then(|| "moved_on".to_string());
    Item {
        item: no,
        milestone: milestone.into(),
        route: route.into(),
        slot: "main".into(),
        state: state.into(),
        reason: why.clone(),
        why: why.clone(),
        remedy: why,
    }
}

fn told(n: u64, lane: &'static str, milestones: &[&str]) -> Told {
    Told { n, lane, milestones: milestones.iter().map(|m| (*m).to_string()).collect() }
}

/// An order of the shop that takes turn `turn`, told on `lane`, as it should be.
fn good(turn: u64, route: &str, lane: &'static str) -> Evidence {
    let plan = Arc::new(shops::order(turn, from_millis(1_800_000_000_000)));
    let names: Vec<&str> = plan.steps.iter().flat_map(|s| s.proves.clone()).fold(Vec::new(), |mut all, m| {
        if !all.contains(&m) {
            all.push(m);
        }
        all
    });
    let webhook = |s: &shops::Step| json!({ "what": "webhook", "topic": s.topic, "happened": s.at.to_string(), "at": s.at.to_string() });
    let items = names.iter().zip(1..).map(|(m, no)| item(no, m, route, "sent")).collect();
    let messages = names.iter().zip(1..).map(|(m, n)| told(n, lane, &[m])).collect();
    let taken = || Some((200, "taken".to_string()));
    let posts = (0..plan.steps.len())
        .map(|step| Post { order: 0, step, at: Instant::now(), took: Duration::from_millis(9), answer: taken() })
        .collect();
    let view = View { items, ledger: plan.steps.iter().map(webhook).collect() };
    let orders = vec![Case { plan, view: Some(view), told: messages }];
    Evidence { orders, posts, ..Evidence::default() }
}

fn line() -> Evidence {
    good(0, "line", "line")
}

fn mail() -> Evidence {
    good(3, "mail", "smtp")
}

fn view(evidence: &mut Evidence) -> &mut View {
    evidence.orders[0].view.as_mut().unwrap()
}

fn unsure_attempt(no: u16) -> Value {
    json!({ "what": "attempt", "item": no, "attempt": 1, "verdict": "unsure" })
}

#[track_caller]
fn complains(evidence: &Evidence, words: &str) {
    let faults = check(evidence).faults;
    assert!(faults.iter().any(|f| f.contains(words)), "no complaint with {words:?} in {faults:?}");
}

#[track_caller]
fn content(evidence: &Evidence) {
    let faults = check(evidence).faults;
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn a_good_history_passes_and_is_counted() {
    content(&mail());
    let report = check(&line());
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!((report.acknowledged, report.items, report.messages, report.unsure), (4, 5, 5, 0));
}

#[test]
fn a_lost_message_is_found() {
    let mut evidence = line();
    evidence.orders[0].told.remove(2);
    complains(&evidence, "was told 0 times");
}

#[test]
fn a_lost_webhook_a_lost_milestone_and_a_lost_order_are_found() {
    let mut evidence = line();
    view(&mut evidence).ledger.remove(1);
    complains(&evidence, "the ledger does not hold it");
    let mut evidence = line();
    view(&mut evidence).items.pop();
    evidence.orders[0].told.pop();
    complains(&evidence, "neither owed nor passed over");
    let mut evidence = line();
    (evidence.orders[0].view, evidence.orders[0].told) = (None, Vec::new());
    complains(&evidence, "the order is unknown");
}

#[test]
fn a_doubled_message_is_found_on_line_whatever_the_ledger_says() {
    let mut evidence = line();
    evidence.orders[0].told.push(told(9, "line", &["delivered"]));
    complains(&evidence, "was told 2 times");
    view(&mut evidence).ledger.push(unsure_attempt(5));
    complains(&evidence, "was told 2 times");
}

#[test]
fn elsewhere_a_repeat_needs_a_doubt_in_the_ledger_and_a_purpose_that_is_repeated() {
    let mut evidence = mail();
    evidence.orders[0].told.push(told(9, "smtp", &["shipped"]));
    complains(&evidence, "was told 2 times");
    let shipped = view(&mut evidence).items.iter().find(|i| i.milestone == "shipped").unwrap().item;
    view(&mut evidence).ledger.push(unsure_attempt(shipped));
    content(&evidence);
    evidence.orders[0].told.push(told(10, "smtp", &["shipped"]));
    complains(&evidence, "was told 3 times");
    // Progress is never repeated.
    let mut evidence = mail();
    evidence.orders[0].told.push(told(9, "smtp", &["delivered"]));
    let delivered = view(&mut evidence).items.iter().find(|i| i.milestone == "delivered").unwrap().item;
    view(&mut evidence).ledger.push(unsure_attempt(delivered));
    complains(&evidence, "was told 2 times");
}

#[test]
fn what_was_replayed_is_judged_by_the_item_that_took_its_place() {
    let mut evidence = line();
    view(&mut evidence).items[4] = item(5, "delivered", "line", "dead");
    complains(&evidence, "is dead and was told 1 times");
    view(&mut evidence).items.push(item(6, "delivered", "line", "sent"));
    content(&evidence);
    evidence.orders[0].told.push(told(9, "line", &["delivered"]));
    complains(&evidence, "was told 2 times");
}

#[test]
fn a_webhook_taken_by_halves_is_found_though_nobody_was_answered() {
    let mut evidence = line();
    evidence.posts.clear();
    content(&evidence);
    view(&mut evidence).items.pop();
    evidence.orders[0].told.pop();
    complains(&evidence, "neither owed nor passed over");
}

#[test]
fn what_a_run_came_to_is_summed_up() {
    let report = check(&line());
    assert_eq!((report.lost(), report.repeated(), report.older()), (0, 0, 0));
    let mut evidence = line();
    evidence.orders[0].told.remove(2);
    assert_eq!(check(&evidence).lost(), 1);
    let mut evidence = line();
    view(&mut evidence).ledger.remove(1);
    assert_eq!(check(&evidence).lost(), 1);
    let mut evidence = line();
    evidence.orders[0].told.push(told(9, "line", &["delivered"]));
    assert_eq!(check(&evidence).repeated(), 1);
    let mut evidence = line();
    evidence.orders[0].told[4].n = 0;
    assert!(check(&evidence).older() > 0);
}

#[test]
fn an_unsure_item_needs_a_doubt_in_the_ledger() {
    let mut evidence = mail();
    view(&mut evidence).items[0].state = "unsure".into();
    view(&mut evidence).items[0].reason = Some("maybe_told".into());
    (view(&mut evidence).items[0].why, view(&mut evidence).items[0].remedy) = (Some("x".into()), Some("y".into()));
    complains(&evidence, "knows of no doubt");
    view(&mut evidence).ledger.push(unsure_attempt(1));
    content(&evidence);
}

#[test]
fn what_was_skipped_and_told_and_what_was_never_owed_are_found() {
    let mut evidence = mail();
    view(&mut evidence).items[1] = item(2, "payment_received", "mail", "skipped");
    complains(&evidence, "is skipped and was told 1 times");
    let mut evidence = mail();
    evidence.orders[0].told.push(told(9, "slack", &["order_placed"]));
    complains(&evidence, "never owed there");
}

#[test]
fn an_older_story_after_a_newer_is_found() {
    let mut evidence = line();
    let last = evidence.orders[0].told.len() - 1;
    evidence.orders[0].told[last].n = 0;
    complains(&evidence, "order: order_placed was told on line after delivered");
    // Joined in one message, or repeated later, it is not older.
    let mut evidence = mail();
    evidence.orders[0].told[0].milestones.push("payment_received".into());
    evidence.orders[0].told.remove(1);
    content(&evidence);
}

#[test]
fn an_item_open_for_ever_and_one_without_a_reason_are_found() {
    for state in ["open", "begun", "again"] {
        let mut evidence = line();
        view(&mut evidence).items[4].state = state.into();
        complains(&evidence, &format!("is still {state}"));
    }
    let mut evidence = line();
    view(&mut evidence).items[1] = item(2, "payment_pending", "line", "superseded");
    evidence.orders[0].told.remove(1);
    content(&evidence);
    view(&mut evidence).items[1].why = None;
    complains(&evidence, "does not say why");
}

#[test]
fn a_late_answer_a_wrong_one_a_stray_message_and_a_broken_structure_are_found() {
    let mut evidence = line();
    evidence.posts[1].took = Duration::from_secs(5);
    complains(&evidence, "answered: after 5s");
    let mut evidence = line();
    evidence.posts.push(Post {
        order: 0,
        step: 1,
        at: Instant::now(),
        took: Duration::ZERO,
        answer: Some((500, String::new())),
    });
    complains(&evidence, "answered: 500");
    evidence.posts[4].answer = Some((503, String::new()));
    content(&evidence);
    evidence.posts[4].answer = None;
    content(&evidence);
    evidence.stray.push("line took \"?\"".into());
    complains(&evidence, "stray");
    evidence.audit.push("abc: has 1 open and is in []".into());
    complains(&evidence, "structure");
}
