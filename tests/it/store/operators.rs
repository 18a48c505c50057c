//! Pauses, pace, the dead, the unreadable, runs, discard, mute.

use super::*;
use orderwire::domain::consent::Source;
use orderwire::domain::decision::Reason;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::webhook::RawWebhook;
use orderwire::store::operators::Changed;
use orderwire::store::work::{Begun, Settled};

#[tokio::test]
async fn a_breaker_does_not_shorten_an_operators_pause() {
    let mut w = World::new().await;
    let (line, sms) = (Tag::of("line-main"), Tag::of("sms"));
    w.store.pause(line, w.after(600), Reason::ChannelPaused).await.unwrap();
    w.store.pause(line, w.after(60), Reason::BreakerOpen).await.unwrap();
    w.store.pause(sms, w.after(30), Reason::RateLimited).await.unwrap();
    let states = w.store.channel_states().await.unwrap();
    assert!(states.contains(&(line, from_millis(w.after(600).as_millisecond()), Reason::ChannelPaused)));
    assert_eq!(states.len(), 2);
    w.shift(40_000);
    assert_eq!(w.store.channel_states().await.unwrap().len(), 1, "a pause ends by itself");
    w.store.resume(line).await.unwrap();
    assert!(w.store.channel_states().await.unwrap().is_empty());
    for tag in TAGS {
        let key = format!("{}:{{{tag}}}:ctl", w.prefix);
        let there: bool = w.ask(&["HEXISTS", &key, &format!("p:{:08x}", line.0)]);
        assert!(!there, "{tag}");
    }
}

#[tokio::test]
async fn a_pace_is_shared_out_and_never_exceeded() {
    let w = World::new().await;
    let line = Tag::of("line-main");
    let started = std::time::Instant::now();
    let mut granted = 0;
    for _ in 0..40 {
        granted += w.store.pace_slice(line, 5, 50.0).await.unwrap();
    }
    let most = 50.0 * (1.0 + started.elapsed().as_secs_f64()) + 1.0;
    assert!((50..=most as u32).contains(&granted), "{granted} of {most}");
    assert_eq!(w.store.pace_slice(Tag::of("slow"), 5, 0.2).await.unwrap(), 1, "slower than one a second: one");
    assert_eq!(w.store.pace_slice(Tag::of("slow"), 5, 0.2).await.unwrap(), 0);
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(w.store.pace_slice(line, 5, nonsense).await.unwrap(), 0);
    }
}

/// The clock is the caller's: nobody waits for a test's six seconds.
#[tokio::test]
async fn one_message_at_a_time_to_one_person() {
    use orderwire::domain::person::Address;
    use orderwire::store::channels::Turn;
    use std::time::Duration;
    let mut w = World::new().await;
    let (here, there) = (ChannelId::from("whatsapp"), ChannelId::from("telegram"));
    let (mei, lan) = (Address::new("phone", "+886912345678"), Address::new("phone", "+84912345678"));
    let (one, two) = (w.order("1"), w.order("2"));
    let gap = Duration::from_secs(6);
    let turn = Turn { channel: &here, person: &mei, member: &one, item: 1, gap, at_once: false };
    let other = Turn { member: &two, ..turn };
    let at = |ms: i64| from_millis(1_800_000_000_000 + ms);
    // In one flight: the first of them goes, the others come back when it is six seconds old.
    let asked =
        [turn, other, Turn { item: 2, ..turn }, Turn { person: &lan, ..other }, Turn { channel: &there, ..other }];
    let said = w.store.turns(&asked, at(0)).await.unwrap();
    assert_eq!(said, [None, Some(at(6_000)), Some(at(6_000)), None, None]);
    assert_eq!(w.store.turns(&[other], at(5_999)).await.unwrap(), [Some(at(6_000))]);
    assert_eq!(w.store.turns(&[turn], at(5_999)).await.unwrap(), [None], "whoever had the turn has it still");
    assert_eq!(w.store.turns(&[other], at(11_998)).await.unwrap(), [Some(at(11_999))], "and counts anew");
    assert_eq!(w.store.turns(&[other], at(11_999)).await.unwrap(), [None]);
    // An answer waits for nobody; what follows waits for it.
    let answer = Turn { item: 9, at_once: true, ..turn };
    assert_eq!(w.store.turns(&[answer, turn], at(12_000)).await.unwrap(), [None, Some(at(18_000))]);
    // The clock is set back by an hour: nobody waits for an hour.
    assert_eq!(w.store.turns(&[turn], at(-3_600_000)).await.unwrap(), [None]);
    let left: Vec<String> = w.ask(&["KEYS", &format!("{}:{{gap:*", w.prefix)]);
    assert_eq!(left.len(), 3, "{left:?}");
    for key in left {
        let ttl: i64 = w.ask(&["PTTL", &key]);
        assert!((1..=7_000).contains(&ttl), "{key}: {ttl}");
    }
}

#[tokio::test]
async fn the_dead_are_paged_without_gaps_while_some_go() {
    let w = World::new().await;
    for i in 0..30 {
        let m = w.order(&format!("d{i}"));
        w.owe(&m, 1, 0).await;
        let leased = w.take(&m).await;
        let r = w.store.read(&m).await.unwrap();
        let mut s = settle(&leased, &r, Dest::Done);
        s.items = vec![ended(r.items[0].clone(), State::Dead)];
        (s.closed, s.to_dead) = (1, vec![1]);
        w.store.settle(&s).await.unwrap();
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0_usize);
    loop {
        let (page, next) = w.store.dead(cursor.as_deref(), 7).await.unwrap();
        assert!(page.len() <= 7);
        if let Some(last) = page.last().filter(|_| pages % 2 == 0) {
            w.store.undead(&last.member, last.item).await.unwrap();
        }
        seen.extend(page.into_iter().map(|d| d.member));
        pages += 1;
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!((seen.len(), all), (30, 30));
    assert_eq!(w.store.dead(Some("nonsense"), 100).await.unwrap().0.len(), 30 - pages.div_ceil(2));
    assert_eq!(w.store.trim_dead(w.after(399 * 86_400)).await.unwrap(), 0);
    assert!(w.store.trim_dead(w.after(401 * 86_400)).await.unwrap() > 20);
}

fn discarded(w: &World) -> LedgerEntry {
    LedgerEntry { at: w.now, what: Entry::Operator { action: "discard".into(), note: "run 1".into() } }
}

#[tokio::test]
async fn a_discard_fences_the_holder_and_leaves_nothing_open() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let old = r.items[0].clone();
    let new = ended(old.clone(), State::Skipped);
    let change = [(old.clone(), new.clone())];
    assert_eq!(w.store.discard(&m, &change, &[discarded(&w)]).await.unwrap(), Changed::Ok);
    assert_eq!(w.store.discard(&m, &change, &[]).await.unwrap(), Changed::Conflict, "it is no longer as read");
    assert_eq!(w.store.begin(&[ask(&w, &leased, &r, 1)]).await.unwrap(), vec![Begun::Fenced]);
    assert_eq!(w.store.settle(&settle(&leased, &r, Dest::Ready)).await.unwrap(), Settled::Fenced);
    w.audit().await;
    // It is leased empty, so that taking it out of the queue never upsets the shop's place.
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.items, vec![new]);
    assert_eq!(w.store.settle(&settle(&leased, &r, Dest::Done)).await.unwrap(), Settled::Ok);
    assert_eq!(w.store.stats().await.unwrap().open, 0);
    assert_eq!(w.store.ledger(&m).await.unwrap(), vec![discarded(&w)]);
    w.audit().await;
}

#[tokio::test]
async fn a_discard_reaches_waiting_and_parked_orders() {
    let w = World::new().await;
    let line = Tag::of("line-main");
    w.store.pause(line, w.after(600), Reason::ChannelPaused).await.unwrap();
    let (waiting, parked) = (w.order("w"), w.order("p"));
    w.owe(&waiting, 1, 3600).await;
    w.owe(&parked, 1, 0).await;
    let leased = w.take(&parked).await;
    let r = w.store.read(&parked).await.unwrap();
    w.store.settle(&settle(&leased, &r, Dest::Park(line, w.after(3600)))).await.unwrap();
    for m in [&waiting, &parked] {
        let old = w.store.read(m).await.unwrap().items[0].clone();
        let change = [(old.clone(), ended(old, State::Skipped))];
        assert_eq!(w.store.discard(m, &change, &[]).await.unwrap(), Changed::Ok);
        w.audit().await;
    }
    assert_eq!(w.store.stats().await.unwrap().open, 0);
    assert_eq!(w.store.discard(&w.order("none"), &[], &[]).await.unwrap(), Changed::Conflict);
}

#[tokio::test]
async fn muting_an_order_moves_it_so_that_nothing_decided_before_begins() {
    let w = World::new().await;
    let (m, line) = (w.order("1"), Tag::of("line-main"));
    assert!(!w.store.mute(&m, line, true, Source::Operator).await.unwrap(), "no such order");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert!(w.store.mute(&m, line, true, Source::Operator).await.unwrap());
    assert!(w.store.mute(&m, line, true, Source::Operator).await.unwrap());
    let muted = w.store.read(&m).await.unwrap();
    assert_eq!((muted.muted.clone(), muted.revision), (vec![line], r.revision + 1));
    assert_eq!(w.store.begin(&[ask(&w, &leased, &r, 1)]).await.unwrap(), vec![Begun::Moved]);
    for i in 0..15 {
        assert!(w.store.mute(&m, Tag(i + 1), true, Source::Operator).await.unwrap());
    }
    assert!(!w.store.mute(&m, Tag(999), true, Source::Operator).await.unwrap(), "sixteen is enough");
    assert!(w.store.mute(&m, line, false, Source::Operator).await.unwrap());
    assert_eq!(w.store.read(&m).await.unwrap().muted.len(), 15);
    w.store.release(&[leased]).await.unwrap();
    w.audit().await;
}

#[tokio::test]
async fn what_the_shops_people_muted_the_customer_does_not_unmute() {
    let w = World::new().await;
    let (m, line, mail) = (w.order("1"), Tag::of("line-main"), Tag::of("mail"));
    w.owe(&m, 1, 0).await;
    let mute = |tag, on, by| w.store.mute(&m, tag, on, by);
    let now = || async { w.store.read(&m).await.map(|r| (r.muted, r.held)).unwrap() };
    // The customer's own: theirs to take back, and the shop's too.
    assert!(mute(line, true, Source::Page).await.unwrap());
    assert_eq!(now().await, (vec![line], vec![]));
    assert!(mute(line, false, Source::Page).await.unwrap());
    assert!(mute(line, true, Source::Page).await.unwrap() && mute(line, false, Source::Operator).await.unwrap());
    assert_eq!(now().await, (vec![], vec![]));
    // The shop's, first or on top of the customer's: nobody else's.
    for first in [Source::Operator, Source::Page] {
        assert!(mute(line, true, first).await.unwrap() && mute(line, true, Source::Operator).await.unwrap());
        assert!(mute(mail, true, Source::Page).await.unwrap());
        let before = w.store.read(&m).await.unwrap().revision;
        assert!(!mute(line, false, Source::Page).await.unwrap(), "{first:?}");
        assert_eq!(w.store.read(&m).await.unwrap().revision, before, "nothing moved");
        assert!(mute(mail, false, Source::Page).await.unwrap());
        assert_eq!(now().await, (vec![line], vec![line]));
        assert!(mute(line, false, Source::Operator).await.unwrap());
        assert_eq!(now().await, (vec![], vec![]));
    }
    w.audit().await;
}

#[tokio::test]
async fn the_unreadable_are_kept_sealed_paged_and_dropped() {
    let mut w = World::new().await;
    let shop = ShopId::from("demo");
    for i in 0..12 {
        let raw = RawWebhook::post(&[("x-topic", "orders/x")], format!("canary body {i}"), w.now);
        assert!(!w.store.keep_odd(&shop, &raw, "missing field `id`").await.unwrap());
    }
    assert_eq!(w.store.stats().await.unwrap().odd, 12);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (page, next) = w.store.odd(cursor.as_deref(), 5).await.unwrap();
        seen.extend(page);
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.iter().all(|o| o.shop == shop && o.why.contains("id") && o.raw.body.starts_with(b"canary")));
    for tag in TAGS {
        let key = format!("{}:{{{tag}}}:odd", w.prefix);
        let dump: Option<Vec<u8>> = redis::cmd("DUMP").arg(key).query(&mut w.raw).unwrap();
        assert!(!dump.unwrap_or_default().windows(6).any(|x| x == b"canary"));
    }
    for o in &seen {
        w.store.drop_odd(&o.id).await.unwrap();
    }
    w.store.drop_odd("nonsense").await.unwrap();
    assert!(w.store.odd(None, 5).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_run_has_one_holder_and_its_record_survives() {
    let w = World::new().await;
    assert_eq!(w.store.get_run("r1").await.unwrap(), None);
    assert!(w.store.claim_run("r1", "me", 60_000).await.unwrap());
    assert!(w.store.claim_run("r1", "me", 60_000).await.unwrap());
    assert!(!w.store.claim_run("r1", "you", 60_000).await.unwrap());
    assert!(w.store.claim_run("r2", "you", 60_000).await.unwrap());
    w.store.put_run("r1", "{\"cursor\":1}").await.unwrap();
    w.store.put_run("r2", "{}").await.unwrap();
    w.store.put_run("r1", "{\"cursor\":2}").await.unwrap();
    assert_eq!(w.store.get_run("r1").await.unwrap().as_deref(), Some("{\"cursor\":2}"));
    let mut runs = w.store.runs(10).await.unwrap();
    runs.sort();
    assert_eq!(runs, vec!["r1", "r2"]);
    assert_eq!(w.store.runs(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_ledger_grows_by_hand_and_is_bounded() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 60).await;
    for _ in 0..205 {
        w.store.append_ledger(&m, &[discarded(&w)]).await.unwrap();
    }
    w.store.append_ledger(&m, &[]).await.unwrap();
    assert_eq!(w.store.ledger(&m).await.unwrap().len(), 200);
    let led = w.key(&m, "led");
    let lines: i64 = w.ask(&["LLEN", &led]);
    assert_eq!(lines, 200);
}

/// Tokens that can be used once: whoever changes them says what they were, and of several one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_keeps_is_changed_from_what_it_was_only_and_lies_sealed() {
    use orderwire::domain::keeper::Keeper as _;
    let mut w = World::new().await;
    let store = &w.store;
    assert_eq!(store.load("a").await, Ok(None));
    assert_eq!(store.swap("a", Some(b"x"), b"one").await, Ok(false));
    let first =
        futures_util::future::join_all((0..8_u8).map(|i| async move { store.swap("a", None, &[i]).await })).await;
    assert_eq!(first.iter().filter(|won| **won == Ok(true)).count(), 1, "{first:?}");
    let one = store.load("a").await.unwrap().unwrap();
    assert_eq!(store.swap("a", Some(&one), b"canary-two").await, Ok(true));
    assert_eq!(store.swap("a", Some(&one), b"three").await, Ok(false));
    assert_eq!(store.swap("b", None, b"another").await, Ok(true));
    assert_eq!(store.load("a").await, Ok(Some(b"canary-two".to_vec())));
    let key = format!("{}:{{kept}}:open", w.prefix);
    let stored: Vec<Vec<u8>> = w.ask(&["HVALS", &key]);
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|v| !v.windows(6).any(|part| part == b"canary")), "it lies open");
}
