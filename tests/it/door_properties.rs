//! Promises 2 and 3 through the real door: invented lives of orders, told in order to one shop, and permuted and
//! repeated to another. Both owe the same; the second tells nothing that the first did not, nothing twice, nothing
//! older after something newer, and where it tells less, something newer was told.

mod lives;

use crate::deliver::shops::Webhook;
use crate::deliver::world::{Setup, World};
use futures_util::stream::{self, StreamExt as _};
use lives::{Life, life};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::ledger::Entry;
use orderwire::domain::milestone::{Milestone, Purpose};
use orderwire::flow::explain::{ItemView, OrderView};
use orderwire::milestone;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;

/// Lives told.
const LIVES: u64 = 300;
/// Orders whose webhooks are on their way at one time.
const AT_ONCE: usize = 16;

const SETTINGS: &str = r#"
[[shop]]
id = "tea-again"
platform = "woocommerce"
secrets = [{ value = "woo-test-secret-0123456789abcdef" }]
country = "TW"
timezone = "Asia/Taipei"
locale = "zh-TW"
settle = "0s"
settle_untracked = "0s"
statuses = { completed = "delivered" }
identify = { line = ["line_user_id"] }

[[shop]]
id = "wood-again"
platform = "shopify"
domain = "wood-again.myshopify.com"
secrets = [{ value = "shopify-test-secret-0123456789abcdef" }]
country = "US"
timezone = "America/New_York"
locale = "en"
settle = "0s"
settle_untracked = "0s"
identify = { line = ["line_user_id"] }

[[route]]
id = "customers"
milestones = ["*"]
audience = "customer"
channels = ["line-main"]
"#;

/// All of them in another order, some of them more than once.
fn shuffled(webhooks: &[Webhook], seed: u64) -> Vec<Webhook> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = webhooks.to_vec();
    for webhook in webhooks {
        if rng.random_ratio(1, 3) {
            all.push(webhook.clone());
        }
    }
    all.shuffle(&mut rng);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_and_number_of_webhooks_tells_the_same_story() {
    let w = World::start(Setup {
        routes: SETTINGS,
        channels: &[("line-main", "per_second = 2000")],
        // Afternoon in one shop, morning in the other: no life crosses a midnight.
        at: Some("2026-11-25T14:00:00Z"),
        ..Setup::default()
    })
    .await;
    let lives: Vec<Life> = (0..LIVES).map(|seed| life(seed, w.now())).collect();
    // To the first shop step by step, each told before the next comes.
    let steps = lives.iter().map(|l| l.straight.len()).max().unwrap_or(0);
    for step in 0..steps {
        let due = lives.iter().filter_map(|l| l.straight.get(step));
        stream::iter(due).for_each_concurrent(AT_ONCE, async |webhook| drop(w.post(webhook).await)).await;
        w.rest().await;
    }
    stream::iter(&lives)
        .for_each_concurrent(AT_ONCE, async |life| {
            for webhook in shuffled(&life.bent, life.seed ^ 0x5a5a) {
                w.post(&webhook).await;
            }
        })
        .await;
    w.rest().await;
    let mut seen = Tally::default();
    for life in &lives {
        let straight = w.view(life.shops[0], life.id).await;
        let bent = w.view(life.shops[1], life.id).await;
        compare(life, &straight, &bent, &mut seen);
        let shown = w.mock.sent().iter().filter(|t| t.to == life.second && !t.duplicate).count();
        assert_eq!(
            shown,
            told(&bent).len(),
            "seed {}: the provider took other messages than the ledger says",
            life.seed
        );
    }
    // The generator must not have become tame.
    assert!(seen.items > 1_500 && seen.messages > 500 && seen.overtaken > 300, "{seen:?}");
    assert!(seen.milestones.len() > 12, "{:?}", seen.milestones);
    w.end().await;
}

#[derive(Debug, Default)]
struct Tally {
    items: usize,
    messages: usize,
    overtaken: usize,
    milestones: BTreeSet<String>,
}

/// What is owed, but for what a later webhook showed to be wrong: a number is news only if it came after the
/// parcel was told.
fn owed(view: &OrderView) -> BTreeSet<(String, String)> {
    let still = view.items.iter().filter(|i| !i.subject.is_empty());
    still.map(|i| (i.milestone.clone(), i.subject.clone())).collect()
}

/// Messages in the order in which they were taken: the leading item first.
fn told(view: &OrderView) -> Vec<Vec<&ItemView>> {
    let item = |no: u16| view.items.iter().find(|i| i.item == no).expect("an item of the ledger");
    let taken = view.ledger.iter().filter_map(|e| match &e.what {
        Entry::Attempt { item: lead, verdict, joined, .. } if verdict == "accepted" => {
            Some(std::iter::once(*lead).chain(joined.iter().copied()).map(item).collect())
        }
        _ => None,
    });
    taken.collect()
}

fn kind(item: &ItemView) -> &'static Milestone {
    milestone::find(&item.milestone).expect("a milestone")
}

fn compare(life: &Life, straight: &OrderView, bent: &OrderView, seen: &mut Tally) {
    let context = || {
        let line = |v: &OrderView| {
            let told: Vec<Vec<&str>> =
                told(v).iter().map(|m| m.iter().map(|i| i.milestone.as_str()).collect()).collect();
            let ends: Vec<_> = v.items.iter().map(|i| (&i.milestone, &i.subject, &i.state, &i.reason)).collect();
            let ledger: Vec<_> = v.ledger.iter().map(|e| serde_json::to_string(e).expect("JSON")).collect();
            format!("told {told:?}\nitems {ends:?}\n{}", ledger.join("\n"))
        };
        format!("seed {}\n── in order\n{}\n── bent\n{}", life.seed, line(straight), line(bent))
    };
    let (a, b) = (owed(straight), owed(bent));
    assert_eq!(a, b, "another set is owed: {}", context());
    let name = |i: &&ItemView| (i.milestone.clone(), i.subject.clone());
    let (first, second) = (told(straight), told(bent));
    let told_first: BTreeSet<_> = first.iter().flatten().map(name).collect();
    let told_second: BTreeSet<_> = second.iter().flatten().map(name).collect();
    assert_eq!(second.iter().flatten().count(), told_second.len(), "something was told twice: {}", context());
    let more: Vec<_> = told_second.difference(&told_first).collect();
    assert!(more.is_empty(), "only the bent one told {more:?}: {}", context());
    for item in bent.items.iter().filter(|i| !told_second.contains(&name(i))) {
        let overtaken =
            item.state == "superseded" || (item.state == "skipped" && item.reason.as_deref() == Some("moved_on"));
        assert!(overtaken, "{} ended as {} ({:?}): {}", item.milestone, item.state, item.reason, context());
        seen.overtaken += 1;
    }
    let newest = first.last().and_then(|m| m.first());
    assert!(newest.is_none_or(|i| told_second.contains(&name(i))), "the newest is missing: {}", context());
    // A webhook that comes out of turn may date a thing too late; in order, each is dated as it happened. A
    // message is out of turn where it is older both ways: as it happened, and as it was known.
    let happened =
        |i: &ItemView| straight.items.iter().find(|s| name(s) == name(&i)).map_or(i.happened, |s| s.happened);
    no_older_story(&second, &happened, &context);
    no_older_story(&first, &happened, &context);
    seen.items += b.len();
    seen.messages += second.len();
    seen.milestones.extend(told_second.into_iter().map(|(m, _)| m));
}

fn no_older_story(
    messages: &[Vec<&ItemView>],
    happened: &dyn Fn(&ItemView) -> Timestamp,
    context: &dyn Fn() -> String,
) {
    for (i, later) in messages.iter().enumerate() {
        for (was, is) in messages[..i].iter().flatten().flat_map(|was| later.iter().map(move |is| (was, is))) {
            let (was_kind, is_kind) = (kind(was), kind(is));
            let parcels = (was.subject.strip_prefix("parcel "), is.subject.strip_prefix("parcel "));
            let parcel = |s: &str| s.split(' ').next().unwrap_or_default().to_string();
            let same = !matches!(parcels, (Some(a), Some(b)) if parcel(a) != parcel(b));
            let older = happened(was) > happened(is)
                && was.happened > is.happened
                && was_kind.rank > 0
                && is_kind.rank > 0
                && same;
            let worse = was_kind.rank > is_kind.rank || is_kind.purpose == Purpose::Status;
            assert!(!(older && worse), "{} after {}: {}", is.milestone, was.milestone, context());
        }
    }
}
