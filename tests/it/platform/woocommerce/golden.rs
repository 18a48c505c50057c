//! Golden deliveries, and what holds of all of them.
//!
//! A case is a folder of `tests/golden/platform/woocommerce/`: `request.json`, `body` (the very bytes, one
//! final line end not counted), sometimes `shop.json`, and `expected.json`. The body is signed by the test
//! with the shop's first secret unless the request says `"sign": false`. `ORDERWIRE_BLESS=1` writes
//! `expected.json` anew, to be read by a person before it is committed.

use super::{SECRET, base64_of, golden, kind, moment, shop};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::event::{OrderEvent, Told};
use orderwire::domain::ids::OrderId;
use orderwire::domain::order::{Order, PaymentState, Stage};
use orderwire::domain::settings::Secret;
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::platform::Shop;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default = "post")]
    method: String,
    /// In order; a repeated name appears repeatedly.
    headers: Vec<(String, String)>,
    received_at: Timestamp,
    #[serde(default = "yes")]
    sign: bool,
}

fn post() -> String {
    "POST".into()
}
fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ShopFile {
    secrets: Vec<String>,
    domain: Option<String>,
    statuses: BTreeMap<String, String>,
    identify: BTreeMap<String, Vec<String>>,
    payment_deadline: Option<i64>,
}

impl Default for ShopFile {
    fn default() -> Self {
        let plain = shop();
        ShopFile {
            secrets: vec![SECRET.into()],
            domain: plain.domain,
            statuses: plain.statuses,
            identify: plain.identify,
            payment_deadline: plain.payment_deadline,
        }
    }
}

fn files_under(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("golden folder") {
        let path = entry.expect("entry").path();
        let found = if path.is_dir() { files_under(&path) } else { BTreeSet::from([path]) };
        all.extend(found);
    }
    all
}

struct Case {
    name: String,
    shop: Shop,
    raw: RawWebhook,
    expected: PathBuf,
}

/// Every case, and the files that belong to one.
fn cases() -> (Vec<Case>, BTreeSet<PathBuf>) {
    let (mut all, mut read) = (Vec::new(), BTreeSet::new());
    let mut folders: Vec<PathBuf> = fs::read_dir(golden()).expect("golden").map(|e| e.expect("entry").path()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().expect("name").to_string_lossy().into_owned();
        let mut text = |file: &str| {
            let path = folder.join(file);
            let bytes = fs::read(&path).ok();
            if bytes.is_some() {
                read.insert(path);
            }
            bytes
        };
        let request: Request = serde_json::from_slice(&text("request.json").expect("request.json")).expect(&name);
        let body = text("body").expect("body");
        let body = body.strip_suffix(b"\n").unwrap_or(&body).to_vec();
        let file: ShopFile = text("shop.json").map(|b| serde_json::from_slice(&b).expect(&name)).unwrap_or_default();
        let shop = Shop {
            secrets: file.secrets.iter().map(Secret::new).collect(),
            domain: file.domain,
            statuses: file.statuses,
            identify: file.identify,
            payment_deadline: file.payment_deadline,
            ..shop()
        };
        let mut headers: Vec<(String, String)> = request.headers;
        if request.sign {
            headers.push(("X-WC-Webhook-Signature".into(), base64_of(shop.secrets[0].expose(), &body)));
        }
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let raw = RawWebhook { method: request.method, ..RawWebhook::post(&pairs, body, request.received_at) };
        let expected = folder.join("expected.json");
        read.insert(expected.clone());
        all.push(Case { name, shop, raw, expected });
    }
    (all, read)
}

fn admission(answer: &Admission) -> Value {
    match answer {
        Admission::Take { dedupe, secret_index, .. } => json!({ "take": dedupe, "secret": secret_index }),
        Admission::Reply(reply) => json!({ "reply": reply.status, "type": reply.content_type, "body": reply.body }),
        Admission::Refuse(why) => json!({ "refuse": why.as_str() }),
    }
}

fn told(told: &Told) -> Value {
    match told {
        Told::Events(events) => json!({ "events": events }),
        Told::Notice(notice) => json!({ "notice": notice }),
        Told::NoInterest(why) => json!({ "no_interest": why }),
        Told::Check(why) => json!({ "check": why }),
        Told::ShopFault(code) => json!({ "shop_fault": code }),
        Told::Unreadable(why) => json!({ "unreadable": why }),
    }
}

#[test]
fn every_golden_delivery_means_what_is_written() {
    let (cases, read) = cases();
    let unread: Vec<PathBuf> = files_under(&golden()).difference(&read).cloned().collect();
    assert!(unread.is_empty(), "no test reads {unread:?}");
    let bless = std::env::var_os("ORDERWIRE_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let answer = (kind().admit)(&case.shop, &case.raw);
        let mut seen = json!({ "admission": admission(&answer) });
        if matches!(answer, Admission::Take { .. }) {
            seen["told"] = told(&(kind().normalise)(&case.shop, &case.raw));
        }
        if bless {
            let text = serde_json::to_string_pretty(&seen).expect("json") + "\n";
            fs::write(&case.expected, text).expect("expected.json");
        }
        let expected = fs::read(&case.expected).unwrap_or_default();
        let expected: Value = serde_json::from_slice(&expected).unwrap_or_default();
        if expected != seen {
            wrong.push(format!("{}: {seen:#}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The topic is not signed: a genuine body under any other topic has no effect beyond what it says itself.
#[test]
fn another_topic_adds_no_meaning() {
    let topics = [
        "order.created",
        "order.updated",
        "order.deleted",
        "order.restored",
        "product.deleted",
        "customer.updated",
        "customers/redact",
        "action.woocommerce_new_customer_note",
        "action.woocommerce_payment_complete",
        "",
    ];
    for case in cases().0 {
        if !matches!((kind().admit)(&case.shop, &case.raw), Admission::Take { .. }) {
            continue;
        }
        let Told::Events(own) = (kind().normalise)(&case.shop, &case.raw) else { continue };
        let of_order = own[0].patch.head.is_some();
        for topic in topics {
            let mut raw = case.raw.clone();
            raw.headers.retain(|(name, _)| name != "x-wc-webhook-topic");
            raw.headers.push(("x-wc-webhook-topic".into(), topic.into()));
            match (kind().normalise)(&case.shop, &raw) {
                Told::Events(other) => {
                    assert_eq!(other[0].about, own[0].about, "{} as {topic}", case.name);
                    assert_eq!(other[0].patch, own[0].patch, "{} as {topic}", case.name);
                    assert!(!of_order || topic.starts_with("order."), "{} as {topic}", case.name);
                }
                Told::NoInterest(_) | Told::Unreadable(_) => {}
                other => panic!("{} as {topic}: {other:?}", case.name),
            }
        }
    }
}

/// Whatever the order of arrival, and however often: the same order.
#[test]
fn arrival_does_not_matter() {
    let (cases, _) = cases();
    let story =
        ["order_pending", "order_paid_by_card", "tracking_two_parcels", "order_partially_refunded", "order_completed"];
    let events: Vec<OrderEvent> = story
        .iter()
        .map(|name| {
            let case = cases.iter().find(|c| c.name == *name).expect(name);
            match (kind().normalise)(&case.shop, &case.raw) {
                Told::Events(mut events) => events.remove(0),
                other => panic!("{name}: {other:?}"),
            }
        })
        .collect();
    let fold = |order: &[usize]| {
        let mut kept = Order::new("tea".into(), OrderId::from("501"), moment("2026-11-22T05:00:00Z"));
        for i in order {
            kept.absorb(&events[*i]);
        }
        kept
    };
    let all: Vec<usize> = (0..events.len()).collect();
    let want = fold(&all);
    assert!(want.payment.ever(|p| *p == PaymentState::Paid));
    assert_eq!(want.stage.now(), Some(&Stage::Completed));
    assert_eq!(want.parcels.len(), 2);
    for order in permutations(&all) {
        assert_eq!(fold(&order), want, "{order:?}");
        assert_eq!(fold(&[order.clone(), order.clone()].concat()), want, "twice {order:?}");
    }
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.len() <= 1 {
        return vec![of.to_vec()];
    }
    let mut all = Vec::new();
    for (i, first) in of.iter().enumerate() {
        let rest: Vec<usize> = of.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, v)| *v).collect();
        all.extend(permutations(&rest).into_iter().map(|tail| [vec![*first], tail].concat()));
    }
    all
}
