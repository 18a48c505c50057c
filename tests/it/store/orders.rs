//! Reading and committing.

use super::*;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::seal::Seal;
use std::sync::Arc;

fn webhook(w: &World, topic: &str) -> LedgerEntry {
    LedgerEntry { at: w.now, what: Entry::Webhook { topic: topic.into(), happened: w.now } }
}

#[tokio::test]
async fn what_is_committed_is_read_back() {
    let w = World::new().await;
    let m = w.order("1001");
    assert_eq!(w.store.read(&m).await.unwrap(), Record::default());
    let mut commit = w.news(&Record::default(), 7, 60);
    commit.ledger = vec![webhook(&w, "orders/create")];
    let Committed::Stored { revision } = w.store.commit(&m, commit).await.unwrap() else { panic!() };
    assert!(revision.abs_diff(w.now.as_millisecond().unsigned_abs()) < 10_000, "the first revision is the time");
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.revision, revision);
    assert_eq!(r.items, vec![w.item(1)]);
    assert_eq!(r.last_item, 1);
    assert_eq!(r.seen, vec![(Digest8(7), w.after(8 * 86_400).as_second() * 1000)]);
    assert_eq!(r.snapshot.as_deref(), Some(&b"snapshot 7"[..]));
    assert_eq!((r.wakes, r.parked, r.unknown_items, r.muted.len(), r.receipts.len()), (0, None, 0, 0, 0));
    assert_eq!(w.store.ledger(&m).await.unwrap(), vec![webhook(&w, "orders/create")]);
    let many = w.store.read_many(&[w.order("none"), m]).await.unwrap();
    assert_eq!(many, vec![Ok(Record::default()), Ok(r)]);
    w.audit().await;
}

#[tokio::test]
async fn a_repeat_is_a_duplicate_and_a_moved_order_a_conflict() {
    let w = World::new().await;
    let m = w.order("1");
    let first = w.news(&Record::default(), 1, 0);
    assert!(matches!(w.store.commit(&m, first.clone()).await.unwrap(), Committed::Stored { .. }));
    assert_eq!(w.store.commit(&m, first).await.unwrap(), Committed::Duplicate);
    let stale = w.news(&Record::default(), 2, 0);
    assert_eq!(w.store.commit(&m, stale).await.unwrap(), Committed::Conflict);
    let mut silent = w.news(&Record::default(), 3, 0);
    (silent.owed, silent.due) = (Vec::new(), None);
    assert_eq!(w.store.commit(&m, silent).await.unwrap(), Committed::Conflict, "also one that owes nothing");
    let r = w.store.read(&m).await.unwrap();
    assert_eq!((r.items.len(), r.seen.len()), (1, 1), "none left anything");
    assert_eq!(r.snapshot.as_deref(), Some(&b"snapshot 1"[..]));
    let mut elsewhere = w.news(&r, 3, 0);
    elsewhere.parked = Some(Tag::of("line-main"));
    assert_eq!(w.store.commit(&m, elsewhere).await.unwrap(), Committed::Conflict, "parked elsewhere than read");
    let mut taken = w.news(&r, 4, 0);
    taken.owed = vec![w.item(1)];
    assert_eq!(w.store.commit(&m, taken).await.unwrap(), Committed::Conflict, "an item is never overwritten");
    w.audit().await;
}

#[tokio::test]
async fn digests_are_dropped_and_then_count_no_more() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 60).await;
    let r = w.store.read(&m).await.unwrap();
    let mut next = w.news(&r, 2, 60);
    next.drop_seen = r.stale_seen(w.after(9 * 86_400));
    assert_eq!(next.drop_seen, vec![Digest8(1)]);
    w.store.commit(&m, next).await.unwrap();
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.seen.iter().map(|s| s.0).collect::<Vec<_>>(), vec![Digest8(2)]);
    assert!(matches!(w.store.commit(&m, w.news(&r, 1, 60)).await.unwrap(), Committed::Stored { .. }));
}

#[tokio::test]
async fn due_orders_are_ready_and_others_wait_for_the_earliest() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 500).await;
    w.owe(&m, 2, 900).await;
    let wait = w.fixed(&m, "wait");
    let score: i64 = w.ask(&["ZSCORE", &wait, m.as_str()]);
    assert_eq!(score, w.after(500).as_millisecond(), "a later item does not put off an earlier one");
    w.owe(&m, 3, 100).await;
    let score: i64 = w.ask(&["ZSCORE", &wait, m.as_str()]);
    assert_eq!(score, w.after(100).as_millisecond());
    assert!(w.store.lease(m.partition(), 10, "w", 30_000).await.unwrap().is_empty());
    w.owe(&m, 4, -1).await;
    w.audit().await;
    w.take(&m).await;
    w.audit().await;
}

#[tokio::test]
async fn an_order_without_anything_open_is_in_no_queue_and_has_an_end() {
    let mut w = World::new().await;
    let m = w.order("1");
    let mut quiet = w.news(&Record::default(), 1, 0);
    quiet.owed = vec![ended(w.item(1), State::Skipped)];
    quiet.due = None;
    quiet.ledger = vec![webhook(&w, "orders/updated")];
    w.store.commit(&m, quiet).await.unwrap();
    w.audit().await;
    let ttl = |w: &mut World, what: &str| -> i64 {
        let key = w.key(&m, what);
        w.ask(&["TTL", &key])
    };
    for (what, days) in [("ord", 90), ("snp", 90), ("led", 400)] {
        assert!((ttl(&mut w, what) - days * 86_400).abs() < 60, "{what}");
    }
    w.owe(&m, 2, 60).await;
    for what in ["ord", "snp", "led"] {
        assert_eq!(ttl(&mut w, what), -1, "{what}: with something open nothing ends by time");
    }
}

#[tokio::test]
async fn nothing_readable_lies_in_redis_and_nothing_opens_elsewhere() {
    let mut w = World::new().await;
    let (a, b) = (w.order("a-secret-order"), w.order("b"));
    let mut commit = w.news(&Record::default(), 1, 0);
    commit.snapshot = b"Canary Chen, +886912345678".to_vec();
    commit.ledger = vec![webhook(&w, "canary/topic")];
    w.store.commit(&a, commit).await.unwrap();
    w.owe(&b, 1, 0).await;
    let (snp_a, snp_b, led_a) = (w.key(&a, "snp"), w.key(&b, "snp"), w.key(&a, "led"));
    for dump in [redis::cmd("GET").arg(&snp_a), redis::cmd("LINDEX").arg(&led_a).arg(0)] {
        let sealed: Vec<u8> = dump.query(&mut w.raw).unwrap();
        assert!(!sealed.windows(6).any(|x| x.eq_ignore_ascii_case(b"canary")));
    }
    let names: Vec<String> = w.ask(&["KEYS", &format!("{}:*", w.prefix)]);
    assert!(names.iter().all(|n| !n.contains("secret")), "{names:?}");
    let () = redis::cmd("COPY").arg(&snp_a).arg(&snp_b).arg("REPLACE").query(&mut w.raw).unwrap();
    assert!(w.store.read(&b).await.is_err(), "another order's snapshot does not open");
    let many = w.store.read_many(&[a.clone(), b]).await.unwrap();
    assert!(many[0].is_ok() && many[1].is_err(), "one bad order does not stop its neighbours");
}

#[tokio::test]
async fn rotated_keys_find_and_open_what_the_old_one_wrote() {
    let o = support::options();
    let key = |seed: u8| -> [u8; 32] { std::array::from_fn(|i| (i as u8).wrapping_mul(97) ^ seed) };
    let open = async |keys: &[[u8; 32]]| Store::open(&o, Arc::new(Seal::new(keys).unwrap())).await;
    let old = open(&[key(1)]).await.unwrap();
    let unit = Unit::order(&ShopId::from("demo"), "1");
    let w = World::new().await;
    old.commit(&old.member(&unit), w.news(&Record::default(), 1, 60)).await.unwrap();
    let new = open(&[key(2), key(1)]).await.unwrap();
    assert_eq!(new.read(&new.member(&unit)).await.unwrap().snapshot.unwrap(), b"snapshot 1");
    let wrong = open(&[key(2)]).await.err().unwrap();
    assert!(wrong.to_string().contains("oldest key"), "{wrong}");
}

#[tokio::test]
async fn an_order_is_stored_densely() {
    let mut w = World::new().await;
    let m = w.order("1");
    let usage = |w: &mut World, what: &str| -> i64 {
        let key = w.key(&m, what);
        w.ask::<Option<i64>>(&["MEMORY", "USAGE", &key]).unwrap_or(0)
    };
    let mut sizes = Vec::new();
    for i in 1..=12 {
        let r = w.store.read(&m).await.unwrap();
        let mut commit = w.news(&r, i, 0);
        commit.seen = vec![Digest8(i << 32 | 0x1234_5678), Digest8(i << 40 | 0xabcd)];
        commit.ledger = vec![webhook(&w, "orders/updated")];
        commit.snapshot = vec![b'x'; 400];
        w.store.commit(&m, commit).await.unwrap();
        sizes.push(["ord", "snp", "led"].map(|what| usage(&mut w, what)));
    }
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.begin(&[ask(&w, &leased, &r, 12)]).await.unwrap(), vec![orderwire::store::work::Begun::Go]);
    let ord = w.key(&m, "ord");
    let encoding: String = w.ask(&["OBJECT", "ENCODING", &ord]);
    assert_eq!(encoding, "listpack", "one value above 64 bytes triples the bytes of an order");
    let five: i64 = sizes[4].iter().sum();
    assert!(five <= 2_500, "an order with five webhooks and a ledger takes {five} bytes");
    // Of twelve commits each adds an item, two digests and a ledger line; the item's own part is its field.
    let (with, without) = (usage(&mut w, "ord"), {
        let () = redis::cmd("HDEL").arg(&ord).arg("i1").arg("i2").arg("i3").arg("i4").query(&mut w.raw).unwrap();
        usage(&mut w, "ord")
    });
    let item = (with - without) / 4;
    assert!(item <= 120, "an owed item takes {item} bytes");
    println!("bytes: an order after five webhooks {five} {:?}, an owed item {item}", sizes[4]);
}
