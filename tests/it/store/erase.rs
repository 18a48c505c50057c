//! Erasing an order, a person, an unreadable webhook; duties; the walk.

use super::*;
use orderwire::domain::decision::Reason;
use orderwire::domain::event::JoinKey;
use orderwire::domain::ids::OrderId;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::person::{Address, PersonChange, PersonFacts, ReceiptOf, ReceiptState};
use orderwire::domain::webhook::RawWebhook;
use orderwire::store::erase::Remains;
use orderwire::store::messages::{Join, ReceiptPlace, SentMessage};
use orderwire::store::operators::Changed;
use orderwire::store::rewrite::Log;
use orderwire::store::work::{Begun, Settled};

/// An entry of a stream: its id and its fields.
type Streamed = (String, Vec<(String, Vec<u8>)>);

fn gone(r: &Record) -> Vec<(Owed, Owed)> {
    let end =
        |i: &Owed| (i.clone(), Owed { reason: Some(Reason::Redacted), address: 0, ..ended(i.clone(), State::Skipped) });
    r.items.iter().map(end).collect()
}

impl World {
    async fn erase(&self, m: &Member, r: &Record) -> Changed {
        self.store.erase(m, r, &gone(r), self.now, Remains::Tombstone).await.unwrap()
    }

    /// Keys of one order that are there.
    fn there(&mut self, m: &Member) -> Vec<&'static str> {
        let mut found = Vec::new();
        for what in ["ord", "snp", "led", "env"] {
            let key = self.key(m, what);
            if self.ask::<bool>(&["EXISTS", &key]) {
                found.push(what);
            }
        }
        found
    }
}

#[tokio::test]
async fn an_erased_order_is_a_tombstone_and_its_holder_has_lost_it() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let note = LedgerEntry { at: w.now, what: Entry::Operator { action: "x".into(), note: "y".into() } };
    w.store.append_ledger(&m, std::slice::from_ref(&note)).await.unwrap();
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.begin(&[ask(&w, &leased, &r, 1)]).await.unwrap(), [Begun::Go]);
    let begun = w.store.read(&m).await.unwrap();
    assert_eq!(w.there(&m), ["ord", "snp", "led", "env"]);
    assert_eq!(w.erase(&m, &r).await, Changed::Conflict, "the item was begun since");
    assert_eq!(w.there(&m).len(), 4, "and nothing was written");

    assert_eq!(w.erase(&m, &begun).await, Changed::Ok);
    assert_eq!(w.there(&m), ["ord"]);
    let t = w.store.read(&m).await.unwrap();
    assert_eq!((t.erased, t.snapshot.is_none(), t.revision), (Some(w.now), true, begun.revision + 1));
    assert_eq!((t.items[0].state, t.items[0].reason), (State::Skipped, Some(Reason::Redacted)));
    assert!(t.seen.is_empty() && t.receipts.is_empty() && t.muted.is_empty());
    let left: i64 = w.ask(&["PTTL", &w.key(&m, "ord")]);
    assert!(left > 399 * 86_400_000, "{left}");
    assert_eq!(w.store.begin(&[ask(&w, &leased, &begun, 1)]).await.unwrap(), [Begun::Fenced]);
    assert_eq!(w.store.settle(&settle(&leased, &begun, Dest::Ready)).await.unwrap(), Settled::Fenced);
    assert_eq!(w.store.commit(&m, w.news(&begun, 9, 0)).await.unwrap(), Committed::Conflict);
    assert_eq!(w.store.commit(&m, w.news(&Record::default(), 9, 0)).await.unwrap(), Committed::Conflict, "unread");
    w.store.append_ledger(&m, &[note]).await.unwrap();
    w.store.wake(std::slice::from_ref(&m)).await.unwrap();
    assert_eq!(w.there(&m), ["ord"]);
    assert_eq!(w.erase(&m, &begun).await, Changed::Conflict, "a second time it is read as erased");
    assert!(w.store.lease(m.partition(), 10, "w", 1000).await.unwrap().is_empty());
    w.audit().await;
}

#[tokio::test]
async fn wherever_an_order_waits_it_is_taken_out() {
    let mut w = World::new().await;
    let channel = Tag::of("line-main");
    let (ready, waiting, parked) = (w.order("ready"), w.order("waiting"), w.order("parked"));
    w.owe(&parked, 1, 0).await;
    let leased = w.take(&parked).await;
    let r = w.store.read(&parked).await.unwrap();
    w.store.pause(channel, w.after(600), Reason::ChannelPaused).await.unwrap();
    let park = settle(&leased, &r, Dest::Park(channel, w.after(600)));
    assert_eq!(w.store.settle(&park).await.unwrap(), Settled::Ok);
    w.owe(&ready, 1, 0).await;
    w.owe(&waiting, 1, 60).await;
    let stats = w.store.stats().await.unwrap();
    assert_eq!((stats.ready, stats.wait, stats.parked.len()), (1, 1, 1));
    for m in [&ready, &waiting, &parked] {
        let r = w.store.read(m).await.unwrap();
        assert_eq!(w.erase(m, &r).await, Changed::Ok);
    }
    let stats = w.store.stats().await.unwrap();
    assert_eq!((stats.open, stats.dead), (0, 0), "{stats:?}");
    w.audit().await;
    w.shift(700_000);
    for p in 0..16 {
        w.store.tick(p, 100).await.unwrap();
    }
    w.audit().await;
}

#[tokio::test]
async fn an_item_that_a_settle_added_is_seen_and_a_dead_one_leaves_its_list() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Ready);
    s.items = vec![ended(r.items[0].clone(), State::Dead)];
    (s.closed, s.to_dead, s.added) = (1, vec![1], vec![w.item(2)]);
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
    let mut stale = r.clone();
    stale.items = s.items.clone();
    assert_eq!(w.erase(&m, &stale).await, Changed::Conflict, "the settle did not move the revision");
    assert_eq!(w.store.dead(None, 10).await.unwrap().0.len(), 1);
    assert_eq!(w.erase(&m, &w.store.read(&m).await.unwrap()).await, Changed::Ok);
    assert!(w.store.dead(None, 10).await.unwrap().0.is_empty());
    w.audit().await;
}

#[tokio::test]
async fn an_order_never_heard_of_is_erased_beforehand() {
    let mut w = World::new().await;
    let m = w.order("unheard");
    assert_eq!(w.erase(&m, &Record::default()).await, Changed::Ok);
    assert!(w.store.read(&m).await.unwrap().erased.is_some());
    assert_eq!(w.store.commit(&m, w.news(&Record::default(), 1, 0)).await.unwrap(), Committed::Conflict);
    let waits = w.order("waits");
    w.owe(&waits, 1, 60).await;
    let r = w.store.read(&waits).await.unwrap();
    assert_eq!(w.store.erase(&waits, &r, &[], w.now, Remains::Nothing).await.unwrap(), Changed::Ok);
    assert_eq!(w.there(&waits), Vec::<&str>::new());
    w.audit().await;
}

#[tokio::test]
async fn a_receipt_does_not_wake_a_tombstone_and_things_lead_nowhere() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let (channel, ids) = (line(), ["p1".to_string()]);
    let sent =
        SentMessage { channel: &channel, ids: &ids, reference: "", person: None, member: &m, item: 1, at: w.now };
    w.store.note_sent(sent).await.unwrap();
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.erase(&m, &r).await, Changed::Ok);
    let of = ReceiptOf::ProviderId("p1".into());
    let place = w.store.receipt(&channel, &of, None, &ReceiptState::Delivered, w.now).await.unwrap();
    assert_eq!(place, ReceiptPlace::Unknown);
    w.audit().await;
    let (shop, key) = (ShopId::from("demo"), [JoinKey { kind: "return".into(), id: "5".into() }]);
    w.store.put_joins(&shop, &key, &OrderId::from("1")).await.unwrap();
    w.store.erase_joins(&shop, &key).await.unwrap();
    assert_eq!(w.store.find_join(&shop, &key[0]).await.unwrap(), Join::Erased);
}

#[tokio::test]
async fn of_a_person_only_a_refusal_stays() {
    let w = World::new().await;
    let (ann, bob) = (Address::new("line", "U-ann"), Address::new("line", "U-bob"));
    let change = |off: bool| PersonChange {
        opted_out: off.then_some(true),
        window_until: Some(w.after(600)),
        locale: Some("vi".into()),
        reply_token: Some(("token".into(), w.after(60))),
        ..PersonChange::default()
    };
    for (who, off) in [(&ann, true), (&bob, false)] {
        w.store.apply(&line(), who, "e1", w.now, &change(off), false).await.unwrap();
        w.store.watch(&line(), who, &w.order("1"), w.after(60)).await.unwrap();
        for _ in 0..2 {
            let kept = w.store.forget_person(&line(), who).await.unwrap();
            assert!(kept || !off, "a refusal is there to be met again");
        }
    }
    let facts = w.store.facts(&[(line(), ann.clone()), (line(), bob.clone())]).await.unwrap();
    let refusal = PersonFacts { opted_out: Some(w.now), ..PersonFacts::default() };
    assert_eq!(facts, [refusal, PersonFacts::default()]);
    assert_eq!(w.store.take_reply_token(&line(), &ann).await.unwrap(), None);
    let mut w = w;
    let names: Vec<String> = w.ask(&["KEYS", &format!("{}:{{who:*", w.prefix)]);
    assert_eq!(names.len(), 1, "of who refused nothing a name is left");
    let fields: Vec<String> = w.ask(&["HKEYS", &names[0]]);
    assert_eq!(fields.len(), 2, "{fields:?}");
}

#[tokio::test]
async fn unreadable_webhooks_go_to_the_last_byte() {
    let mut w = World::new().await;
    let (tea, wood) = (ShopId::from("tea"), ShopId::from("wood"));
    let raw = |body: &str| RawWebhook::post(&[], body.as_bytes().to_vec(), w.now);
    // Two in one partition, so that they share the stream's node.
    let body = |i: u32| format!("{{\"body\": {i}");
    for i in 0..40 {
        w.store.keep_odd(if i % 2 == 0 { &tea } else { &wood }, &raw(&body(i)), "cut").await.unwrap();
    }
    let (all, _) = w.store.odd(None, 100).await.unwrap();
    let prefix = w.prefix.clone();
    let sealed = |w: &mut World| -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for tag in TAGS {
            let entries: Vec<Streamed> = w.ask(&["XRANGE", &format!("{prefix}:{{{tag}}}:odd"), "-", "+"]);
            found.extend(entries.into_iter().map(|(_, mut fields)| fields.remove(0).1));
        }
        found
    };
    let before = sealed(&mut w);
    let doomed: Vec<String> = all.iter().filter(|o| o.shop == tea).map(|o| o.id.clone()).collect();
    assert_eq!(w.store.purge_odd(&doomed).await.unwrap(), 20);
    assert_eq!(w.store.purge_odd(&doomed).await.unwrap(), 0);
    let (left, _) = w.store.odd(None, 100).await.unwrap();
    assert!(left.len() == 20 && left.iter().all(|o| o.shop == wood), "{left:?}");
    let ids = |odd: &[orderwire::store::operators::Odd]| odd.iter().map(|o| o.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&left), ids(&all.into_iter().filter(|o| o.shop == wood).collect::<Vec<_>>()), "under their own ids");
    let after = sealed(&mut w);
    let mut dumps = Vec::new();
    for tag in TAGS {
        let key = format!("{prefix}:{{{tag}}}:odd");
        let ttl: i64 = w.ask(&["PTTL", &key]);
        assert!(ttl == -2 || ttl > 0, "{ttl}");
        dumps.extend(w.ask::<Option<Vec<u8>>>(&["DUMP", &key]).unwrap_or_default());
    }
    for record in before {
        // The nonce and what follows are never compressed: random bytes.
        let there = dumps.windows(40).any(|part| part == &record[8..48]);
        assert_eq!(there, after.contains(&record));
    }
}

#[tokio::test]
async fn a_duty_moves_on_only_as_it_was_read() {
    let w = World::new().await;
    let id = w.store.duty_id(&[b"a"]);
    w.store.put_duty(&id, b"one").await.unwrap();
    let read = w.store.duties().await.unwrap().remove(0);
    assert_eq!((read.id.as_str(), read.said.as_slice()), (id.as_str(), &b"one"[..]));
    let next = w.store.move_duty(&read, Some(b"two"), None).await.unwrap().expect("moved");
    assert!(w.store.move_duty(&read, Some(b"three"), None).await.unwrap().is_none(), "it is no longer so");
    w.store.put_duty(&id, b"anew").await.unwrap();
    assert!(w.store.move_duty(&next, None, Some(b"done")).await.unwrap().is_none(), "asked anew meanwhile");
    assert!(w.store.duties_done().await.unwrap().is_empty());
    let anew = w.store.duties().await.unwrap().remove(0);
    assert!(w.store.move_duty(&anew, None, Some(b"done")).await.unwrap().is_some());
    assert!(w.store.duties().await.unwrap().is_empty());
    assert_eq!(w.store.duties_done().await.unwrap()[0].said, b"done");
    w.store.forget_duties_done(&[id]).await.unwrap();
    assert!(w.store.duties_done().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_place_in_a_walk_is_good_for_one_start_of_the_server() {
    let w = World::new().await;
    for i in 0..900 {
        w.owe(&w.order(&i.to_string()), 1, 60).await;
    }
    let demo = [ShopId::from("demo").tag()];
    let walk = async |from: Option<&str>| w.store.walk(&demo, from).await.unwrap();
    let members = |page: &orderwire::store::walk::Page| page.units.iter().map(|(m, _)| m.clone()).collect::<Vec<_>>();
    let first = walk(None).await;
    let place = first.cursor.clone().expect("there is more");
    let parts: Vec<&str> = place.split('.').collect();
    let [lay, "0", start, rest] = parts[..] else { panic!("whose place it is: {place}") };
    assert!(start.len() == 40 && rest.parse::<u64>().is_ok(), "{place}");
    assert_ne!(members(&walk(Some(&place)).await), members(&first), "it goes on");
    for other in [format!("{lay}.0.{}.{rest}", "0".repeat(40)), rest.to_string(), String::new()] {
        assert_eq!(members(&walk(Some(&other)).await), members(&first), "{other}: from the beginning");
    }
}

#[tokio::test]
async fn a_walk_finds_a_shops_orders_and_no_others() {
    let w = World::new().await;
    let other = ShopId::from("other");
    for i in 0..150 {
        w.owe(&w.order(&i.to_string()), 1, 60).await;
        w.owe(&w.store.member(&Unit::order(&other, &i.to_string())), 1, 60).await;
    }
    let erased = w.order("7");
    let r = w.store.read(&erased).await.unwrap();
    w.erase(&erased, &r).await;
    let mut found = std::collections::BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = w.store.walk(&[ShopId::from("demo").tag()], cursor.as_deref()).await.unwrap();
        assert_eq!(page.closed, 0, "others' orders are not ours to open");
        found.extend(page.units.into_iter().map(|(m, r)| {
            assert!(r.snapshot.is_some() && r.items.len() == 1);
            m
        }));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let wanted = (0..150).map(|i| w.order(&i.to_string())).filter(|m| *m != erased);
    assert_eq!(found, wanted.collect());
}

#[tokio::test]
async fn the_log_is_rewritten_after_an_erasure_and_not_again() {
    let own = support::Redis::start(&[]);
    let mut w = World::on(&own).await;
    assert_eq!(w.store.tidy_log().await.unwrap(), Log::Clean);
    w.store.mark_erased().await.unwrap();
    let time = |w: &mut World| -> i64 {
        let (secs, micros): (i64, i64) = w.ask(&["TIME"]);
        secs * 1000 + micros / 1000
    };
    // What is asked for within the erasure's own millisecond does not count as after it.
    let then = time(&mut w);
    while time(&mut w) <= then {}
    let asked = w.store.tidy_log().await.unwrap();
    assert!(matches!(asked, Log::Asked | Log::Rewriting), "{asked:?}");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match w.store.tidy_log().await.unwrap() {
            Log::Clean => break,
            other => assert!(std::time::Instant::now() < end, "{other:?}"),
        }
    }
    w.store.mark_erased().await.unwrap();
    let next = w.store.tidy_log().await.unwrap();
    assert!(matches!(next, Log::Waiting | Log::Rewriting), "one an hour: {next:?}");
}
