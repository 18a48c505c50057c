//! lease, begin, settle, release, extend, tick, wake.

use super::*;
use orderwire::domain::decision::Reason;
use orderwire::store::work::{Begun, LONGEST_LEASE_MS, Settled, Ticked};

#[tokio::test]
async fn an_order_is_leased_by_one_and_settled_once() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    assert!(w.store.lease(m.partition(), 10, "other", 30_000).await.unwrap().is_empty());
    let r = w.store.read(&m).await.unwrap();
    let a = ask(&w, &leased, &r, 1);
    assert_eq!(w.store.begin(std::slice::from_ref(&a)).await.unwrap(), vec![Begun::Go]);
    assert_eq!(w.store.begin(std::slice::from_ref(&a)).await.unwrap(), vec![Begun::Go], "repeated: go");
    assert_eq!(w.store.envelopes(&m).await.unwrap(), vec![(1, b"envelope".to_vec())]);
    assert_eq!(w.store.read(&m).await.unwrap().items[0].state, State::Begun);
    let mut s = settle(&leased, &r, Dest::Done);
    s.items = vec![ended(a.items[0].clone(), State::Sent)];
    s.closed = 1;
    s.drop_envelopes = vec![1];
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Fenced, "repeated: fenced");
    assert_eq!(w.store.begin(std::slice::from_ref(&a)).await.unwrap(), vec![Begun::Fenced]);
    assert_eq!(w.store.read(&m).await.unwrap().items[0].state, State::Sent);
    assert!(w.store.envelopes(&m).await.unwrap().is_empty());
    w.audit().await;
}

#[tokio::test]
async fn begin_says_what_stands_against_it() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let begin = async |w: &World, a: &BeginAsk<'_>| w.store.begin(std::slice::from_ref(a)).await.unwrap()[0];
    let mut late = ask(&w, &leased, &r, 1);
    late.expires = w.after(-1);
    assert_eq!(begin(&w, &late).await, Begun::Expired);
    w.store.pause(Tag::of("line-main"), w.after(600), Reason::BreakerOpen).await.unwrap();
    assert_eq!(begin(&w, &ask(&w, &leased, &r, 1)).await, Begun::Paused);
    w.store.resume(Tag::of("line-main")).await.unwrap();
    let other = Leased { token: "another".into(), ..leased.clone() };
    assert_eq!(begin(&w, &ask(&w, &other, &r, 1)).await, Begun::Fenced);
    w.owe(&m, 2, 0).await;
    assert_eq!(begin(&w, &ask(&w, &leased, &r, 1)).await, Begun::Moved);
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.items.iter().map(|i| i.state).collect::<Vec<_>>(), vec![State::Open; 2], "nothing was begun");
    w.shift(31_000);
    assert_eq!(begin(&w, &ask(&w, &leased, &r, 1)).await, Begun::Fenced, "the lease is over");
    w.shift(0);
    assert_eq!(begin(&w, &ask(&w, &leased, &r, 1)).await, Begun::Go);
}

#[tokio::test]
async fn many_are_begun_in_one_flight_in_the_order_asked() {
    let w = World::new().await;
    let members: Vec<Member> = (0..60).map(|i| w.order(&format!("m{i}"))).collect();
    for m in &members {
        w.owe(m, 1, 0).await;
    }
    let mut leased = Vec::new();
    for p in 0..16 {
        leased.extend(w.store.lease(p, 100, "w", 30_000).await.unwrap());
    }
    assert_eq!(leased.len(), 60);
    let records = w.store.read_many(&leased.iter().map(|l| l.member.clone()).collect::<Vec<_>>()).await.unwrap();
    let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
    let mut asks: Vec<BeginAsk<'_>> = leased.iter().zip(&records).map(|(l, r)| ask(&w, l, r, 1)).collect();
    for (i, a) in asks.iter_mut().enumerate() {
        if i % 3 == 0 {
            a.expires = w.after(-1);
        }
    }
    let begun = w.store.begin(&asks).await.unwrap();
    for (i, b) in begun.iter().enumerate() {
        assert_eq!(*b, if i % 3 == 0 { Begun::Expired } else { Begun::Go }, "{i}");
    }
    let settles: Vec<Settle> = leased
        .iter()
        .zip(&records)
        .map(|(l, r)| Settle {
            items: vec![ended(r.items[0].clone(), State::Sent)],
            closed: 1,
            ..settle(l, r, Dest::Done)
        })
        .collect();
    assert!(w.store.settle_many(&settles).await.unwrap().iter().all(|s| *s == Settled::Ok));
    w.audit().await;
}

#[tokio::test]
async fn news_during_work_brings_the_order_back() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    w.owe(&m, 2, 3600).await;
    let mut s = settle(&leased, &r, Dest::Wait(w.after(7200)));
    s.items = vec![ended(r.items[0].clone(), State::Sent)];
    s.closed = 1;
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
    w.audit().await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    w.store.wake(std::slice::from_ref(&m)).await.unwrap();
    assert_eq!(w.store.settle(&settle(&leased, &r, Dest::Wait(w.after(7200)))).await.unwrap(), Settled::Ok);
    w.take(&m).await;
    w.audit().await;
}

#[tokio::test]
async fn a_settle_may_add_what_is_owed_now_and_never_overwrites() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Ready);
    s.items = vec![ended(r.items[0].clone(), State::Sent)];
    s.closed = 1;
    s.added = vec![w.item(2)];
    let early = w.store.read(&m).await.unwrap();
    w.owe(&m, 2, 0).await;
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Moved, "number 2 is taken");
    assert_eq!(w.store.read(&m).await.unwrap().items[0].state, State::Open, "nothing was written");
    s.added = vec![w.item(3)];
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
    let conflict = w.store.commit(&m, w.news(&Record { last_item: 2, ..early }, 9, 0)).await.unwrap();
    assert_eq!(conflict, Committed::Conflict);
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(r.items.len(), 3);
    let mut clash = w.news(&r, 10, 0);
    clash.owed = vec![w.item(3)];
    assert_eq!(w.store.commit(&m, clash).await.unwrap(), Committed::Conflict, "an added item is not overwritten");
    w.audit().await;
}

#[tokio::test]
async fn dead_workers_are_found_and_counted() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let p = m.partition();
    w.store.tick(p, 100).await.unwrap();
    let first = w.take(&m).await;
    assert_eq!(first.redeliveries, 0);
    let mut at = 0;
    for redeliveries in 1..=2 {
        for _ in 0..8 {
            at += 4_000;
            w.shift(at);
            w.store.tick(p, 100).await.unwrap();
        }
        w.audit().await;
        let next = w.take(&m).await;
        assert_eq!(next.redeliveries, redeliveries);
        assert_ne!(next.token, first.token);
    }
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.settle(&settle(&first, &r, Dest::Done)).await.unwrap(), Settled::Fenced);
    w.audit().await;
}

#[tokio::test]
async fn after_an_outage_workers_get_time_to_settle() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let p = m.partition();
    w.store.tick(p, 100).await.unwrap();
    let leased = w.take(&m).await;
    w.shift(60_000);
    assert_eq!(w.store.tick(p, 100).await.unwrap().reaped, 0, "the server was away; the lease only looks ended");
    w.shift(64_000);
    assert_eq!(w.store.tick(p, 100).await.unwrap().reaped, 0);
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Done);
    s.items = vec![ended(r.items[0].clone(), State::Sent)];
    s.closed = 1;
    assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok, "the settle of a send in flight counts");
    w.owe(&m, 2, 0).await;
    w.take(&m).await;
    for ms in [68_000, 71_000, 75_000, 79_000, 83_000, 87_000, 91_000, 95_000] {
        w.shift(ms);
        w.store.tick(p, 100).await.unwrap();
    }
    w.take(&m).await;
    w.audit().await;
}

#[tokio::test]
async fn leases_are_extended_and_released_by_their_holder_only() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let stranger = Leased { token: "x".into(), ..leased.clone() };
    w.shift(20_000);
    let kept = w.store.extend(&[stranger.clone(), leased.clone()], 30_000).await.unwrap();
    assert_eq!(kept, vec![false, true]);
    w.shift(45_000);
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.begin(&[ask(&w, &leased, &r, 1)]).await.unwrap(), vec![Begun::Go], "the lease was prolonged");
    w.store.release(&[stranger]).await.unwrap();
    assert!(w.store.lease(m.partition(), 1, "o", 1000).await.unwrap().is_empty());
    w.store.release(std::slice::from_ref(&leased)).await.unwrap();
    w.store.release(std::slice::from_ref(&leased)).await.unwrap();
    w.audit().await;
    assert_eq!(w.take(&m).await.redeliveries, 0, "giving back is no failure");
    w.shift(200_000);
    assert_eq!(w.store.extend(&[leased], 30_000).await.unwrap(), vec![false]);
}

#[tokio::test]
async fn orders_of_a_standing_channel_are_parked_and_come_back() {
    let mut w = World::new().await;
    let (m, line) = (w.order("1"), Tag::of("line-main"));
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let park = |leased, r: &Record| settle(leased, r, Dest::Park(line, w.after(3600)));
    assert_eq!(w.store.settle(&park(&leased, &r)).await.unwrap(), Settled::Ok);
    let leased = w.take(&m).await;
    w.store.pause(line, w.after(600), Reason::BreakerOpen).await.unwrap();
    assert_eq!(w.store.settle(&park(&leased, &r)).await.unwrap(), Settled::Ok);
    w.audit().await;
    let parked = w.store.read(&m).await.unwrap();
    assert_eq!(parked.parked, Some(line), "before, the channel was not paused: it stayed ready");
    assert_eq!(w.store.stats().await.unwrap().parked, vec![(line, 1)]);
    let idle = w.store.tick(m.partition(), 100).await.unwrap();
    assert_eq!((idle.unparked, idle.promoted), (0, 0));
    // A new item due later keeps it parked, and does not put off the channel's return.
    w.owe(&m, 2, 1800).await;
    w.audit().await;
    w.store.resume(line).await.unwrap();
    assert_eq!(w.store.tick(m.partition(), 100).await.unwrap().unparked, 1);
    w.audit().await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.settle(&settle(&leased, &r, Dest::Wait(w.after(60)))).await.unwrap(), Settled::Ok);
    assert_eq!(w.store.read(&m).await.unwrap().parked, None);
    w.shift(1_000);
    assert_eq!(w.store.tick(m.partition(), 100).await.unwrap(), Ticked::default());
}

#[tokio::test]
async fn a_parked_order_comes_out_for_news_for_a_wake_and_when_its_time_is_over() {
    let mut w = World::new().await;
    let (m, line) = (w.order("1"), Tag::of("line-main"));
    w.store.pause(line, w.after(6000), Reason::BreakerOpen).await.unwrap();
    w.owe(&m, 1, 0).await;
    for round in 0..3 {
        let leased = w.take(&m).await;
        let r = w.store.read(&m).await.unwrap();
        let s = settle(&leased, &r, Dest::Park(line, w.after(3600)));
        assert_eq!(w.store.settle(&s).await.unwrap(), Settled::Ok);
        assert!(w.store.lease(m.partition(), 9, "w", 1000).await.unwrap().is_empty());
        match round {
            0 => drop(w.owe(&m, 5, 0).await),
            1 => w.store.wake(std::slice::from_ref(&m)).await.unwrap(),
            _ => {
                w.shift(3_601_000);
                assert_eq!(w.store.tick(m.partition(), 100).await.unwrap().unparked, 1);
            }
        }
        w.audit().await;
    }
    w.take(&m).await;
}

#[tokio::test]
async fn a_tick_moves_what_is_due_and_says_when_there_is_more() {
    let mut w = World::new().await;
    for i in 0..200 {
        w.owe(&w.order(&format!("t{i}")), 1, 60).await;
    }
    let (mut all, mut calls) = (0, 0);
    w.shift(61_000);
    for p in 0..16 {
        loop {
            calls += 1;
            let t = w.store.tick(p, 4).await.unwrap();
            all += t.promoted;
            assert!(t.promoted <= 4);
            if !t.more {
                break;
            }
        }
    }
    assert_eq!(all, 200);
    assert!(calls >= 200 / 4);
    assert_eq!(w.store.stats().await.unwrap().ready, 200);
    w.audit().await;
}

#[tokio::test]
async fn a_flood_of_one_shop_does_not_stand_before_another() {
    let mut w = World::new().await;
    let mut from = 0;
    let mut flood = |w: &World, shop: &str| {
        let m = w.in_zero(shop, from);
        from += 100;
        m
    };
    for i in 0..150 {
        let m = flood(&w, "big");
        w.owe(&m, i, if i % 2 == 0 { 0 } else { 60 }).await;
    }
    let small = flood(&w, "small");
    w.owe(&small, 1, 60).await;
    w.shift(61_000);
    let first = w.store.lease(0, 80, "w", 30_000).await.unwrap();
    assert_eq!(first.len(), 80);
    assert!(first.iter().any(|l| l.member == small), "due orders reach ready by lease itself, and fairly");
    let small2 = w.in_zero("small2", 0);
    w.owe(&small2, 1, 0).await;
    let next = w.store.lease(0, 2, "w2", 30_000).await.unwrap();
    assert!(next.iter().any(|l| l.member == small2), "seventy of the big shop have waited longer");
    w.audit().await;
}

#[tokio::test]
async fn a_wake_counts_and_pulls_a_waiting_order_forward() {
    let w = World::new().await;
    let m = w.order("1");
    w.store.wake(&[w.order("unknown")]).await.unwrap();
    w.owe(&m, 1, 3600).await;
    w.store.wake(&[m.clone(), m.clone()]).await.unwrap();
    assert_eq!(w.store.read(&m).await.unwrap().wakes, 2);
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Done);
    s.items = vec![ended(r.items[0].clone(), State::Sent)];
    s.closed = 1;
    w.store.settle(&s).await.unwrap();
    w.store.wake(std::slice::from_ref(&m)).await.unwrap();
    w.audit().await;
    assert_eq!(w.store.read(&w.order("unknown")).await.unwrap(), Record::default(), "a wake makes no order");
}

#[tokio::test]
async fn a_miscount_never_leaves_an_open_item_alone() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    assert_eq!(w.store.settle(&settle(&leased, &r, Dest::Done)).await.unwrap(), Settled::Ok);
    let stats = w.store.stats().await.unwrap();
    assert_eq!((stats.wait, stats.open), (1, 1), "something is open, whatever the worker says; no spinning");
    w.audit().await;
}

#[tokio::test]
async fn the_dead_are_listed_and_the_others_go_on() {
    let w = World::new().await;
    let m = w.order("1");
    w.owe(&m, 1, 0).await;
    w.owe(&m, 2, 0).await;
    let leased = w.take(&m).await;
    let r = w.store.read(&m).await.unwrap();
    let mut s = settle(&leased, &r, Dest::Ready);
    s.items = vec![ended(r.items[0].clone(), State::Dead)];
    s.closed = 1;
    s.to_dead = vec![1];
    w.store.settle(&s).await.unwrap();
    let (dead, cursor) = w.store.dead(None, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].item, &dead[0].member, cursor), (1, 1, &m, None));
    w.take(&m).await;
    w.audit().await;
}

#[tokio::test]
async fn two_calls_of_one_worker_at_once_never_get_the_same_order() {
    let w = World::new().await;
    for i in 0..40 {
        let m = w.in_zero("demo", i * 100);
        w.owe(&m, 1, 0).await;
    }
    let calls = (0..8).map(|_| w.store.lease(0, 5, "w", 30_000));
    let mut got: Vec<Member> = Vec::new();
    for answer in futures_util::future::join_all(calls).await {
        got.extend(answer.unwrap().into_iter().map(|l| l.member));
    }
    got.sort();
    let all = got.len();
    got.dedup();
    assert_eq!((got.len(), all), (40, 40));
}

/// A worker that died while the server's clock was an hour ahead is not waited for until that hour has come.
#[tokio::test]
async fn leases_taken_before_the_clock_was_set_back_end() {
    let mut w = World::new().await;
    let m = w.order("1");
    w.shift(3_600_000);
    w.owe(&m, 1, 0).await;
    w.take(&m).await;
    w.store.tick(m.partition(), 10).await.unwrap();
    w.shift(0);
    let ended = async |w: &World| w.store.tick(m.partition(), 10).await.unwrap().reaped;
    assert_eq!(ended(&w).await, 0, "it may be at work: it has the longest time there is");
    let longest = i64::try_from(LONGEST_LEASE_MS).unwrap();
    // Step by step: nobody was away.
    for minute in 1..=longest / 60_000 {
        w.shift(minute * 60_000 - 30_000);
        assert_eq!(ended(&w).await, 0, "minute {minute}");
    }
    // A minute without a tick looks like an outage, after which there is grace.
    let mut reaped = Vec::new();
    for secs in [5, 9, 13, 17] {
        w.shift(longest + secs * 1000);
        reaped.push(ended(&w).await);
    }
    assert_eq!(reaped, [0, 0, 0, 1]);
    assert_eq!(w.take(&m).await.redeliveries, 1);
    w.audit().await;
}
