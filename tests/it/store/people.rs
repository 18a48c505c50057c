//! People, receipts, joins.

use super::*;
use orderwire::domain::event::JoinKey;
use orderwire::domain::ids::OrderId;
use orderwire::domain::person::{Address, PersonChange, PersonFacts, ReceiptOf, ReceiptState};
use orderwire::store::messages::{Join, ReceiptPlace, SentMessage};

fn ann() -> Address {
    Address::new("line", "U-ann")
}

fn opt_out(yes: bool) -> PersonChange {
    PersonChange { opted_out: Some(yes), ..PersonChange::default() }
}

impl World {
    async fn facts(&self) -> PersonFacts {
        self.store.facts(&[(line(), ann())]).await.unwrap().remove(0)
    }
}

#[tokio::test]
async fn changes_are_applied_once_and_by_their_time() {
    let mut w = World::new().await;
    assert_eq!(w.facts().await, PersonFacts::default());
    let apply = async |w: &World, key: &str, secs, yes| {
        w.store.apply(&line(), &ann(), key, w.after(secs), &opt_out(yes), false).await.unwrap()
    };
    assert!(!apply(&w, "e1", 10, true).await.duplicate);
    assert!(apply(&w, "e1", 10, true).await.duplicate);
    assert_eq!(w.facts().await.opted_out, Some(w.after(10)));
    assert!(!apply(&w, "e0", 5, false).await.duplicate);
    assert_eq!(w.facts().await.opted_out, Some(w.after(10)), "older news does not overwrite newer");
    apply(&w, "e2", 20, false).await;
    assert_eq!((w.facts().await.opted_out, w.facts().await.opted_in), (None, Some(w.after(20))));
    let others = [(ChannelId::from("line-2"), ann()), (line(), Address::new("line", "U-bob")), (line(), ann())];
    let facts = w.store.facts(&others).await.unwrap();
    assert_eq!(facts[..2], vec![PersonFacts::default(); 2], "another account, another person");
    assert_eq!(facts[2].opted_in, Some(w.after(20)));
    let names: Vec<String> = w.ask(&["KEYS", &format!("{}:*", w.prefix)]);
    assert!(names.iter().all(|n| !n.contains("U-")), "{names:?}");
}

#[tokio::test]
async fn concurrent_changes_are_all_kept() {
    let w = World::new().await;
    let (a, b, c) = tokio::join!(
        async {
            let change = PersonChange { window_until: Some(w.after(100)), ..PersonChange::default() };
            w.store.apply(&line(), &ann(), "a", w.now, &change, false).await
        },
        async { w.store.apply(&line(), &ann(), "b", w.now, &opt_out(true), false).await },
        async {
            let change = PersonChange { locale: Some("vi".into()), ..PersonChange::default() };
            w.store.apply(&line(), &ann(), "c", w.now, &change, false).await
        },
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let f = w.facts().await;
    assert_eq!((f.window_until, f.opted_out, f.locale.as_deref()), (Some(w.after(100)), Some(w.now), Some("vi")));
}

#[tokio::test]
async fn a_reply_token_is_given_once_while_it_is_good() {
    let mut w = World::new().await;
    let token = |t: &str, until| PersonChange { reply_token: Some((t.into(), until)), ..PersonChange::default() };
    w.store.apply(&line(), &ann(), "1", w.now, &token("canary-token", w.after(60)), false).await.unwrap();
    w.store.apply(&line(), &ann(), "2", w.now, &token("shorter", w.after(30)), false).await.unwrap();
    assert_eq!(w.facts().await.reply_until, Some(w.after(60)));
    let keys: Vec<String> = w.ask(&["KEYS", &format!("{}:{{who:*", w.prefix)]);
    let dump: Vec<u8> = redis::cmd("DUMP").arg(&keys[0]).query(&mut w.raw).unwrap();
    assert!(!dump.windows(6).any(|x| x == b"canary"));
    assert_eq!(w.store.take_reply_token(&line(), &ann()).await.unwrap().as_deref(), Some("canary-token"));
    assert_eq!(w.store.take_reply_token(&line(), &ann()).await.unwrap(), None);
    assert_eq!(w.facts().await.reply_until, None);
    w.store.apply(&line(), &ann(), "3", w.now, &token("old", w.after(-60)), false).await.unwrap();
    assert_eq!(w.store.take_reply_token(&line(), &ann()).await.unwrap(), None, "its time is over");
}

#[tokio::test]
async fn a_word_of_the_person_wakes_the_orders_that_wait_for_it() {
    let mut w = World::new().await;
    let (a, b) = (w.order("a"), w.order("b"));
    for m in [&a, &b] {
        w.owe(m, 1, 3600).await;
        assert_eq!(w.store.watch(&line(), &ann(), m, w.after(3600)).await.unwrap(), PersonFacts::default());
    }
    let change = PersonChange { window_until: Some(w.after(86_400)), ..PersonChange::default() };
    let silent = w.store.apply(&line(), &ann(), "s", w.now, &change, false).await.unwrap();
    assert!(silent.wake.is_empty());
    let mut applied = w.store.apply(&line(), &ann(), "m", w.now, &change, true).await.unwrap();
    applied.wake.sort();
    let mut both = vec![a.clone(), b.clone()];
    both.sort();
    assert_eq!(applied.wake, both);
    // The process dies here. The same callback again finds what is left; so does the sweep.
    let again = w.store.apply(&line(), &ann(), "m", w.now, &change, true).await.unwrap();
    assert!(again.duplicate && again.wake.len() == 2);
    w.store.wake(std::slice::from_ref(&a)).await.unwrap();
    w.store.struck(&line(), &ann(), std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(w.store.sweep_wakes(10).await.unwrap(), 0, "it is not old enough");
    let list = format!("{}:{{wake}}", w.prefix);
    let names: Vec<String> = w.ask(&["ZRANGE", &list, "0", "-1"]);
    let _: i64 = w.ask(&["ZADD", &list, "5", &names[0]]);
    assert_eq!(w.store.sweep_wakes(10).await.unwrap(), 1);
    assert_eq!(w.store.sweep_wakes(10).await.unwrap(), 0);
    assert_eq!(w.store.stats().await.unwrap().ready, 2);
    let facts = w.store.watch(&line(), &ann(), &a, w.after(10)).await.unwrap();
    assert_eq!(facts.window_until, change.window_until, "who begins to watch sees what came before");
    w.audit().await;
}

impl World {
    /// An order whose item 1 was sent.
    async fn sent(&self, id: &str) -> Member {
        let m = self.order(id);
        self.owe(&m, 1, 0).await;
        let leased = self.take(&m).await;
        let r = self.store.read(&m).await.unwrap();
        let mut s = settle(&leased, &r, Dest::Done);
        s.items = vec![ended(r.items[0].clone(), State::Sent)];
        s.closed = 1;
        self.store.settle(&s).await.unwrap();
        m
    }

    async fn note(&self, member: &Member, ids: &[&str], reference: &str, person: Option<&Address>) {
        let ids: Vec<String> = ids.iter().map(|i| (*i).to_string()).collect();
        let channel = line();
        let sent = SentMessage { channel: &channel, ids: &ids, reference, person, member, item: 1, at: self.now };
        self.store.note_sent(sent).await.unwrap();
    }

    async fn hear(&self, of: ReceiptOf, state: ReceiptState) -> ReceiptPlace {
        self.store.receipt(&line(), &of, Some(&ann()), &state, self.after(5)).await.unwrap()
    }
}

#[tokio::test]
async fn a_receipt_finds_its_order_and_brings_it_back() {
    let w = World::new().await;
    let m = w.sent("1").await;
    w.note(&m, &["mid-1", "mid-2"], "ref-1", None).await;
    let id = |s: &str| ReceiptOf::ProviderId(s.into());
    assert_eq!(w.hear(id("mid-2"), ReceiptState::Delivered).await, ReceiptPlace::Noted);
    assert_eq!(w.hear(id("mid-2"), ReceiptState::Delivered).await, ReceiptPlace::Noted, "twice is once");
    assert_eq!(w.hear(ReceiptOf::Ours("ref-1".into()), ReceiptState::Read).await, ReceiptPlace::Noted);
    w.audit().await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let at = from_millis(w.after(5).as_millisecond());
    assert_eq!(r.receipts, vec![(1, ReceiptState::Delivered, at), (1, ReceiptState::Read, at)]);
    // A further receipt comes while the worker takes these in: they are seen once more, none is lost.
    assert_eq!(w.hear(id("mid-1"), ReceiptState::Undelivered("131026".into())).await, ReceiptPlace::Noted);
    let mut s = settle(&leased, &r, Dest::Done);
    s.items = vec![ended(r.items[0].clone(), State::Read)];
    s.drop_receipts = vec![1];
    w.store.settle(&s).await.unwrap();
    w.audit().await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.receipts.len(), 3);
    assert!(r.receipts.contains(&(1, ReceiptState::Undelivered("131026".into()), at)));
    let mut s = settle(&leased, &r, Dest::Done);
    s.drop_receipts = vec![1];
    w.store.settle(&s).await.unwrap();
    assert!(w.store.read(&m).await.unwrap().receipts.is_empty());
    assert_eq!(w.store.stats().await.unwrap().open, 0);
    w.audit().await;
}

#[tokio::test]
async fn a_receipt_that_comes_first_is_kept_until_the_message_is_noted() {
    let w = World::new().await;
    let id = || ReceiptOf::ProviderId("mid-9".into());
    assert_eq!(w.hear(id(), ReceiptState::Delivered).await, ReceiptPlace::Early);
    assert_eq!(w.hear(id(), ReceiptState::Delivered).await, ReceiptPlace::Early);
    assert_eq!(w.hear(id(), ReceiptState::Read).await, ReceiptPlace::Early);
    let m = w.sent("1").await;
    w.note(&m, &["mid-9"], "", None).await;
    w.note(&m, &["mid-9"], "", None).await;
    assert_eq!(w.store.read(&m).await.unwrap().receipts.len(), 2);
    assert_eq!(w.hear(id(), ReceiptState::Read).await, ReceiptPlace::Noted);
    w.take(&m).await;
    w.audit().await;
}

#[tokio::test]
async fn all_up_to_a_moment_reaches_each_message_to_the_person() {
    let w = World::new().await;
    let (a, b) = (w.sent("a").await, w.sent("b").await);
    w.note(&a, &[], "", Some(&ann())).await;
    w.note(&b, &[], "", Some(&ann())).await;
    assert_eq!(w.hear(ReceiptOf::UpTo(w.after(-1)), ReceiptState::Read).await, ReceiptPlace::Unknown);
    assert_eq!(w.hear(ReceiptOf::UpTo(w.after(1)), ReceiptState::Read).await, ReceiptPlace::Noted);
    for m in [&a, &b] {
        assert_eq!(w.store.read(m).await.unwrap().receipts.len(), 1);
    }
    assert_eq!(w.hear(ReceiptOf::UpTo(w.after(1)), ReceiptState::Read).await, ReceiptPlace::Unknown, "all is said");
    let nobody = w.store.receipt(&line(), &ReceiptOf::UpTo(w.now), None, &ReceiptState::Read, w.now).await.unwrap();
    assert_eq!(nobody, ReceiptPlace::Unknown);
    w.audit().await;
}

#[tokio::test]
async fn things_lead_to_their_order() {
    let w = World::new().await;
    let shop = ShopId::from("demo");
    let key = |kind: &str, id: &str| JoinKey { kind: kind.into(), id: id.into() };
    w.store
        .put_joins(&shop, &[key("return", "5"), key("fulfillment", "6")], &OrderId::from("900719925474099312"))
        .await
        .unwrap();
    let found = w.store.find_join(&shop, &key("return", "5")).await.unwrap();
    assert_eq!(found, Join::Order(OrderId::from("900719925474099312")));
    assert_eq!(w.store.find_join(&shop, &key("fulfillment", "5")).await.unwrap(), Join::Unknown);
    assert_eq!(w.store.find_join(&ShopId::from("other"), &key("return", "5")).await.unwrap(), Join::Unknown);
    w.store.put_joins(&shop, &[], &OrderId::from("1")).await.unwrap();
}
