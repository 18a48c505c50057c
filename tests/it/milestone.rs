//! Every milestone against its goldens: `tests/golden/milestone/<id>/<case>.json`.
//!
//! A golden tells a story (`events`, each a patch with its signed time; a `head` needs only what differs from
//! the usual one) and what of this milestone the order has then reached; `moot` marks what is no longer told.
//! Each story is also heard backwards and twice, and after the order was long known to the shop.

use orderwire::domain::clock::{Timestamp, plus_secs};
use orderwire::domain::event::{About, OrderEvent, Patch};
use orderwire::domain::ids::OrderId;
use orderwire::domain::milestone::{Milestone, Purpose, Stale, Subject};
use orderwire::domain::order::Order;
use orderwire::domain::shop::ShopRules;
use orderwire::milestone;
use orderwire::plan::{owe, reach};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    why: String,
    #[serde(default)]
    rules: Rules,
    events: Vec<Value>,
    reached: Vec<Expected>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    timezone: Option<String>,
    payment_deadline: Option<i64>,
    late_after: Option<i64>,
    pickup_days: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    subject: Subject,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settle: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    moot: bool,
}

struct Story {
    name: String,
    milestone: &'static Milestone,
    rules: ShopRules,
    events: Vec<OrderEvent>,
    reached: Vec<Expected>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/milestone")
}

/// All goldens. A folder that is no milestone or a file that is no golden fails: dead fixtures lie.
fn stories() -> Vec<Story> {
    let mut stories = Vec::new();
    let list = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    for dir in list(&folder()) {
        let id = dir.file_name().and_then(|n| n.to_str()).expect("a name").to_string();
        let milestone = milestone::find(&id).unwrap_or_else(|| panic!("goldens of {id:?}, which is no milestone"));
        for file in list(&dir) {
            let name = format!("{id}/{}", file.file_name().and_then(|n| n.to_str()).expect("a name"));
            assert!(name.ends_with(".json"), "{name} is read by no test");
            stories.push(story(name, milestone, &std::fs::read_to_string(&file).expect("text")));
        }
    }
    stories
}

fn story(name: String, milestone: &'static Milestone, text: &str) -> Story {
    let golden: Golden = serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(golden.why.ends_with('.'), "{name}: say why");
    let plain = ShopRules::plain("demo");
    let zone = golden.rules.timezone.map(|z| jiff::tz::TimeZone::get(&z).expect("a zone"));
    let rules = ShopRules {
        timezone: zone.unwrap_or(plain.timezone.clone()),
        payment_deadline: golden.rules.payment_deadline,
        late_after: golden.rules.late_after,
        pickup_days: golden.rules.pickup_days,
        ..plain
    };
    let events = golden.events.into_iter().map(|e| event(&name, e)).collect();
    let mut reached = golden.reached;
    reached.sort();
    Story { name, milestone, rules, events, reached }
}

fn event(name: &str, mut told: Value) -> OrderEvent {
    let fields = told.as_object_mut().expect("an event is an object");
    let at = fields.remove("at").and_then(|v| serde_json::from_value(v).ok()).expect("an event has a time");
    if let Some(Value::Object(own)) = fields.get_mut("head") {
        let mut head = json!({
            "name": "#1001", "created_at": "2026-11-02T02:00:00Z", "source": {"kind": "web"},
            "total": {"amount": "1200", "currency": "TWD"}, "shippable": true
        });
        head.as_object_mut().expect("an object").append(own);
        fields.insert("head".into(), head);
    }
    let known: BTreeSet<&str> = "head payment stage cancel_reason deleted pay pickup parcels transactions refunds \
                                 returns holds edits notes"
        .split_whitespace()
        .collect();
    let odd: Vec<&String> = fields.keys().filter(|k| !known.contains(k.as_str())).collect();
    assert!(odd.is_empty(), "{name}: no patch has {odd:?}");
    let patch: Patch = serde_json::from_value(told).unwrap_or_else(|e| panic!("{name}: {e}"));
    OrderEvent {
        about: About::Order(OrderId::from("1")),
        at,
        dated: true,
        patch,
        joins: Vec::new(),
        refetch: false,
        topic: "golden".into(),
    }
}

fn heard<'a>(events: impl Iterator<Item = &'a OrderEvent>, first_seen: Timestamp) -> Order {
    let mut order = Order::new("demo".into(), OrderId::from("1"), first_seen);
    events.for_each(|e| order.absorb(e));
    order
}

fn reached(story: &Story, order: &Order) -> Vec<Expected> {
    let mine = reach(order, &story.rules, &[story.milestone]).into_iter().map(|r| Expected {
        moot: (story.milestone.moot)(order, &r.reached),
        subject: r.reached.subject,
        at: r.reached.at,
        not_before: r.reached.not_before,
        until: r.reached.until,
        settle: r.reached.settle,
    });
    let mut all: Vec<Expected> = mine.collect();
    all.sort();
    all
}

#[test]
fn every_golden_holds_in_any_order_of_arrival() {
    for story in stories() {
        let start = story.events[0].at;
        let forward = heard(story.events.iter(), start);
        let found = reached(&story, &forward);
        let shown = serde_json::to_string_pretty(&found).expect("json");
        assert_eq!(found, story.reached, "{} reaches {shown}", story.name);
        let backward = heard(story.events.iter().rev().chain(&story.events), start);
        assert_eq!(backward, forward, "{}: another order when heard backwards", story.name);
    }
}

#[test]
fn every_milestone_is_shown_reached_and_not_reached() {
    let mut seen: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for story in stories() {
        let count = seen.entry(story.milestone.id).or_default();
        count.0 += usize::from(story.reached.iter().any(|r| !r.moot));
        count.1 += usize::from(story.reached.is_empty());
    }
    for milestone in milestone::ALL {
        let (reached, not) = seen.get(milestone.id).copied().unwrap_or_default();
        assert!(reached > 0 && not > 0, "{}: {reached} goldens reach it, {not} do not", milestone.id);
    }
}

/// First sight of an order that is old already.
#[test]
fn an_import_tells_nothing_of_the_past() {
    for story in stories() {
        let last = story.events.iter().map(|e| e.at).max().expect("events");
        let import = plus_secs(last, 30 * 86_400);
        let order = heard(story.events.iter(), import);
        let rules = ShopRules { max_event_age: 400 * 86_400, ..story.rules.clone() };
        let owing = owe(&order, &rules, &[crate::properties::teller::everything()], milestone::ALL, import, 1);
        assert!(owing.items.is_empty(), "{}: {:?}", story.name, owing.ledger);
        assert_eq!(owing.told.len(), owing.ledger.len(), "each is struck off with its reason");
    }
}

#[test]
fn nothing_is_reached_while_the_order_is_unknown() {
    for mut story in stories() {
        for event in &mut story.events {
            event.patch.head = None;
        }
        let order = heard(story.events.iter(), story.events[0].at);
        assert!(reach(&order, &story.rules, milestone::ALL).is_empty(), "{}", story.name);
    }
}

/// The table of the product's promises: purpose and staleness.
#[test]
fn purposes_and_staleness_are_as_promised() {
    const DAY: i64 = 86_400;
    let rows: &[(&str, Purpose, Stale)] = &[
        ("order_placed order_confirmed cancelled completed", Purpose::Formal, Stale::After(3 * DAY)),
        ("payment_authorized payment_received payment_partially_received", Purpose::Formal, Stale::After(3 * DAY)),
        ("refunded partially_refunded", Purpose::Formal, Stale::After(7 * DAY)),
        ("payment_pending payment_failed payment_expiring", Purpose::Attention, Stale::After(DAY)),
        ("order_edited on_hold hold_released preparing", Purpose::Status, Stale::After(DAY)),
        ("customer_note", Purpose::Attention, Stale::After(3 * DAY)),
        ("partially_shipped shipped", Purpose::Formal, Stale::After(3 * DAY)),
        ("tracking_updated", Purpose::Status, Stale::After(3 * DAY)),
        ("in_transit delivery_delayed", Purpose::Status, Stale::After(DAY)),
        ("out_for_delivery", Purpose::Status, Stale::SameDay),
        (
            "delivery_attempted ready_for_pickup pickup_reminder pickup_store_changed delivery_failed",
            Purpose::Attention,
            Stale::After(3 * DAY),
        ),
        ("picked_up delivered", Purpose::Status, Stale::After(3 * DAY)),
        (
            "return_requested return_approved return_label_ready return_declined return_cancelled return_closed \
             return_reopened",
            Purpose::Formal,
            Stale::After(7 * DAY),
        ),
    ];
    let mut named = BTreeSet::new();
    for (ids, purpose, stale) in rows {
        for id in ids.split_whitespace() {
            let milestone = milestone::find(id).unwrap_or_else(|| panic!("there is no {id}"));
            assert_eq!((milestone.purpose, milestone.stale), (*purpose, *stale), "{id}");
            named.insert(id);
        }
    }
    let all: BTreeSet<&str> = milestone::ALL.iter().map(|m| m.id).collect();
    assert_eq!(named, all);
}

#[test]
fn milestones_name_only_milestones() {
    for milestone in milestone::ALL {
        assert_eq!(milestone::by_tag(milestone.tag()).map(|m| m.id), Some(milestone.id), "two are stored alike");
        let others = milestone.joins.iter().chain(milestone.supersedes).copied().chain(milestone.needs);
        for other in others {
            assert!(milestone::find(other).is_some(), "{} names {other}, which is no milestone", milestone.id);
        }
        let both = milestone.joins.iter().find(|j| milestone.supersedes.contains(j));
        assert!(both.is_none(), "{} both joins and supersedes {both:?}", milestone.id);
    }
}

/// A record is made pointless only by one that says the same and more.
#[test]
fn no_record_is_superseded_by_mere_progress() {
    for milestone in milestone::ALL.iter().filter(|m| m.purpose != Purpose::Formal) {
        for other in milestone.supersedes {
            let purpose = milestone::find(other).expect("known").purpose;
            assert!(purpose != Purpose::Formal, "{} would swallow the record {other}", milestone.id);
        }
    }
}
