//! Promises 2 and 3, over invented lives of orders: whatever the order and number of the webhooks, the order
//! ends the same, the same is owed, and nothing older is told after something newer.

mod life;
pub mod teller;

use life::{birth, life, shuffled};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::event::OrderEvent;
use orderwire::domain::ids::{Digest8, Tag};
use orderwire::domain::milestone::Purpose;
use orderwire::domain::order::Order;
use orderwire::domain::owed::State;
use orderwire::milestone;
use orderwire::plan::reach;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use teller::{Message, Teller, long_after, rules};

/// Lives whose owed sets are compared.
const LIVES: u64 = 10_000;
/// Lives that are also told to the end.
const TOLD: u64 = 1_500;

/// A tracking number is news only if it came *after* the parcel was told, and a late webhook may show that it
/// did not: owed on what was then known, and dropped before it is told.
const REVOCABLE: &[&str] = &["tracking_updated"];

fn absorbed(events: &[OrderEvent]) -> Teller {
    let mut teller = Teller::new();
    for event in events {
        teller.accept(event, long_after());
    }
    teller
}

fn plain(mut order: Order) -> Order {
    order.told.clear();
    order
}

/// (milestone, subject, route, slot) of all items that a later webhook did not show to be wrong.
fn owed(teller: &Teller) -> BTreeSet<(Tag, Digest8, Tag, Tag)> {
    let still: BTreeSet<Digest8> =
        reach(&teller.order, &rules(), milestone::ALL).into_iter().map(|r| r.digest).collect();
    let revoked = |tag: Tag| REVOCABLE.iter().any(|id| Tag::of(id) == tag);
    let counts = teller.items.iter().filter(|i| still.contains(&i.subject) || !revoked(i.milestone));
    counts.map(|i| (i.milestone, i.subject, i.route, i.slot)).collect()
}

#[test]
fn any_order_and_number_of_webhooks_owes_the_same() {
    let (mut items, mut kinds) = (0, BTreeSet::new());
    for seed in 0..LIVES {
        let events = life(seed, true);
        let (straight, bent) = (absorbed(&events), absorbed(&shuffled(&events, seed ^ 0xA5A5)));
        assert_eq!(plain(straight.order.clone()), plain(bent.order.clone()), "seed {seed}: another order");
        let (a, b) = (owed(&straight), owed(&bent));
        let name = |t: &(Tag, Digest8, Tag, Tag)| milestone::by_tag(t.0).map(|m| m.id);
        let differ: Vec<_> = a.symmetric_difference(&b).map(name).collect();
        assert!(differ.is_empty(), "seed {seed}: only one of the two owes {differ:?}");
        items += a.len();
        kinds.extend(a.iter().map(|t| t.0));
    }
    // The generator must not have become tame.
    assert!(items > 60_000, "only {items} items");
    let missing: Vec<_> = milestone::ALL.iter().filter(|m| !kinds.contains(&m.tag())).map(|m| m.id).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

fn messages(events: &[OrderEvent]) -> Vec<Message> {
    let mut teller = Teller::new();
    let end = events.iter().map(|e| e.at).max().unwrap_or_else(birth);
    for event in events {
        teller.accept(event, end);
    }
    teller.run_out(end);
    teller.messages.into_iter().map(|(_, m)| m).collect()
}

#[test]
fn webhooks_that_come_together_give_the_same_messages_in_any_order() {
    let mut told = 0;
    for seed in 0..TOLD {
        let events = life(seed, false);
        let (straight, bent) = (messages(&events), messages(&shuffled(&events, seed ^ 0x5A5A)));
        assert_eq!(straight, bent, "seed {seed}");
        told += straight.len();
    }
    assert!(told > 2 * usize::try_from(TOLD).expect("small"), "only {told} messages");
}

/// Arrival: each webhook up to a day late, some of them again, told as they come.
#[test]
fn nothing_older_is_told_after_something_newer_and_nothing_twice() {
    let (mut told, mut superseded) = (0, 0);
    for seed in 0..TOLD {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x1234);
        let late = [0, 0, 2, 30, 700, 9_000, 80_000];
        let mut arrivals: Vec<_> = shuffled(&life(seed, false), seed)
            .into_iter()
            .map(|e| (plus_secs(e.at, late[rng.random_range(0..late.len())]), e))
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let mut teller = Teller::new();
        let mut now = birth();
        for (at, event) in arrivals {
            teller.run_until(now, at);
            teller.accept(&event, at);
            now = at;
        }
        teller.run_out(now);
        let subjects: BTreeSet<Digest8> = teller.told.iter().copied().collect();
        assert_eq!(subjects.len(), teller.told.len(), "seed {seed}: something was told twice");
        assert!(teller.items.iter().all(|i| !i.state.is_open()), "seed {seed}: something never ends");
        told += teller.told.len();
        superseded += teller.items.iter().filter(|i| i.state == State::Superseded).count();
    }
    assert!(told > 5_000 && superseded > 300, "told {told}, superseded {superseded}");
}

/// Told in order, with nothing late: all that was owed is told, but for what the story itself overtook.
#[test]
fn on_a_good_day_every_record_is_told() {
    for seed in 0..TOLD {
        let mut teller = Teller::new();
        let mut now = birth();
        for event in life(seed, true) {
            teller.run_until(now, event.at);
            teller.accept(&event, event.at);
            now = event.at;
        }
        teller.run_out(now);
        for item in &teller.items {
            let kind = milestone::by_tag(item.milestone).expect("known");
            let formal = kind.purpose == Purpose::Formal;
            // Said days later of a parcel long gone ("it was only a part"): too old when it was first heard.
            let stillborn = item.not_before >= item.expires;
            let expired = formal && item.state == State::Expired && !stillborn;
            let lost = expired || matches!(item.state, State::Dead | State::Unsure);
            assert!(!lost, "seed {seed}: {} of {} ended as {:?}", kind.id, item.at, item.state);
            if item.state == State::Superseded {
                let says_less = ["partially_shipped", "payment_authorized", "payment_partially_received"];
                let pointless = !formal || kind.rank == 0 || says_less.contains(&kind.id);
                assert!(pointless, "seed {seed}: the record {} of {} was dropped", kind.id, item.at);
            }
        }
    }
}
