//! Reasons that no settings of today lead to: what is stored is changed as an operator's command or an older version
//! would have left it, or the rules are asked alone.

use super::{MAIL, World, slow, tea, world};
use orderwire::domain::channel::ConsentRule;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::{Decision, Reason};
use orderwire::domain::ids::{ShopId, Tag};
use orderwire::domain::order::Order;
use orderwire::domain::owed::Owed;
use orderwire::domain::person::PersonFacts;
use orderwire::flow::kept::{read_order, write_order};
use orderwire::milestone;
use orderwire::plan::{ChannelView, Situation, decide};
use orderwire::store::keys::{Member, Unit};
use orderwire::store::order::{Commit, Record};

fn member(w: &World) -> Member {
    w.relay.app.store.member(&Unit::order(&ShopId::from("tea"), "1"))
}

async fn record(w: &World) -> Record {
    w.relay.app.store.read(&member(w)).await.expect("a record")
}

pub async fn scene(wanted: Reason) -> (World, String) {
    match wanted {
        Reason::Held => held().await,
        Reason::OrderUnknown => unknown().await,
        _ => consent().await,
    }
}

/// A person holds the item back.
async fn held() -> (World, String) {
    let w = slow(MAIL).await;
    w.post(&tea(&w).webhook(w.now())).await;
    let item = record(&w).await.items.remove(0);
    let kept = Owed { reason: Some(Reason::Held), ..item.clone() };
    w.relay.app.store.discard(&member(&w), &[(item, kept)], &[]).await.expect("changed");
    w.pass(25).await;
    assert!(w.mock.sent().is_empty());
    let found = super::reason(&w, "order_placed").await;
    (w, found)
}

/// The order itself is lost; something about it is still owed.
async fn unknown() -> (World, String) {
    let w = slow(MAIL).await;
    w.post(&tea(&w).webhook(w.now())).await;
    let read = record(&w).await;
    let mut order: Order = read_order(read.snapshot.as_deref().expect("an order")).expect("an order");
    order.head = None;
    let commit = Commit {
        expected: read.revision,
        parked: read.parked,
        seen: Vec::new(),
        seen_until: plus_secs(w.now(), 60),
        drop_seen: Vec::new(),
        snapshot: write_order(&order).expect("bytes"),
        due: Some(w.now()),
        ledger: Vec::new(),
        owed: Vec::new(),
    };
    w.relay.app.store.commit(&member(&w), commit).await.expect("stored");
    w.pass(25).await;
    assert!(w.mock.sent().is_empty());
    let items = w.view("tea", 1).await.items;
    (w, items[0].reason.clone().unwrap_or_default())
}

/// A channel on which people must have said yes, and an address that they only gave with the order.
async fn consent() -> (World, String) {
    let w = world(MAIL).await;
    w.post(&tea(&w).webhook(w.now())).await;
    w.rest().await;
    let read = record(&w).await;
    let order = read_order(read.snapshot.as_deref().expect("an order")).expect("an order");
    let mut open = read.items[0].clone();
    (open.state, open.attempts) = (orderwire::domain::owed::State::Open, 0);
    let live = w.relay.app.live();
    let mail = &live.channels[&"mail".into()];
    let mut caps = mail.caps.clone();
    caps.consent = ConsentRule::Connected;
    let decisions = decide(&Situation {
        now: w.now(),
        rules: &live.shops[&ShopId::from("tea")].rules,
        order: &order,
        items: &[open],
        routes: &live.routes,
        milestones: milestone::ALL,
        channels: &|_| Some(ChannelView::open(&caps)),
        people: &|_, _| PersonFacts::default(),
        address: &|_, raw| mail.channel.address(raw),
        linked: &|_| Vec::new(),
        digest: &|a| Tag::of(&a.value).0,
        condition: &|_, _, _| Ok(true),
        templates: &|_, _| false,
        stopped: &|_, _| false,
        granted: &|_, _| None,
        muted: &|_| false,
    });
    let found = decisions.into_iter().find_map(|(_, d)| match d {
        Decision::Wait { reason, .. } => Some(reason.as_str().to_string()),
        _ => None,
    });
    (w, found.unwrap_or_default())
}
