//! A cluster: the whole life of orders and people on three primaries, every script on its own keys, and what is
//! demanded of each node.

use super::rekey::{keys, pass};
use super::*;
use crate::support::cluster::{Cluster, Node};
use crate::support::seal;
use orderwire::domain::consent::Source;
use orderwire::domain::decision::Reason;
use orderwire::domain::event::JoinKey;
use orderwire::domain::ids::OrderId;
use orderwire::domain::keeper::Keeper as _;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::person::{Address, PersonChange, ReceiptOf, ReceiptState};
use orderwire::domain::webhook::RawWebhook;
use orderwire::seal::Seal;
use orderwire::store::channels::Turn;
use orderwire::store::day::DayAsk;
use orderwire::store::erase::Remains;
use orderwire::store::error::ErrorKind;
use orderwire::store::links::{Redeemed, Tie};
use orderwire::store::messages::{Join, ReceiptPlace, SentMessage};
use orderwire::store::operators::Changed;
use orderwire::store::rewrite::Log;
use orderwire::store::work::{Begun, Settled};
use orderwire::store::{Durability, StoreOptions};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

pub(super) fn options(cluster: &Cluster, durability: Durability) -> StoreOptions {
    StoreOptions { url: Some(cluster.url()), prefix: support::prefix(), durability, ..StoreOptions::default() }
}

/// A store on a cluster; what looks behind its back sees the first node.
pub(super) async fn world_on(cluster: &Cluster, durability: Durability) -> World {
    let o = options(cluster, durability);
    let store = Store::open(&o, seal()).await.unwrap();
    let mut raw = support::raw(&cluster.primaries[0].redis.path());
    let (secs, _): (i64, i64) = redis::cmd("TIME").query(&mut raw).unwrap();
    World { store, raw, prefix: o.prefix, now: Timestamp::from_second(secs).unwrap() }
}

/// One order in every partition.
pub(super) fn everywhere(w: &World) -> Vec<Member> {
    let mut found: Vec<Option<Member>> = vec![None; 16];
    for i in 0.. {
        let m = w.order(&format!("e{i}"));
        let place = usize::from(m.partition());
        found[place].get_or_insert(m);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.into_iter().flatten().collect()
}

/// What a server did, as it tells it.
struct Watcher {
    lines: std::thread::JoinHandle<Vec<String>>,
}

impl Watcher {
    fn of(node: &Node) -> Watcher {
        let mut stream = UnixStream::connect(node.redis.path()).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        Watcher {
            lines: std::thread::spawn(move || {
                lines.map_while(Result::ok).take_while(|l| !l.contains("it is over")).collect()
            }),
        }
    }

    /// Everything up to now.
    fn seen(self, node: &Node) -> Vec<String> {
        node.redis.ask(&["ECHO", "it is over"]);
        self.lines.join().unwrap()
    }
}

/// The words of a line that a server tells.
fn words(line: &str) -> Vec<&str> {
    let said = line.split_once('"').map_or("", |(_, said)| said.trim_end_matches('"'));
    said.split("\" \"").collect()
}

/// Names of scripts (their hash) that ran, after holding every command of theirs against the keys declared.
fn lint(lines: &[String]) -> BTreeSet<String> {
    let (mut ran, mut declared) = (BTreeSet::new(), Vec::new());
    for line in lines {
        let said = words(line);
        if !line.contains(" lua] ") {
            if said[0].eq_ignore_ascii_case("EVALSHA") {
                let count: usize = said[2].parse().unwrap();
                declared = said[3..3 + count].iter().map(|k| (*k).to_string()).collect();
                ran.insert(said[1].to_string());
            } else if said[0].eq_ignore_ascii_case("EVAL") {
                let count: usize = said[2].parse().unwrap();
                declared = said[3..3 + count].iter().map(|k| (*k).to_string()).collect();
            }
            continue;
        }
        if said.len() > 1 {
            assert!(declared.iter().any(|k| k == said[1]), "{line} is none of {declared:?}");
        }
    }
    ran
}

fn scripts() -> usize {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/lua");
    std::fs::read_dir(dir).unwrap().count() - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_on_a_cluster_touches_declared_keys_only() {
    let cluster = Cluster::start(3);
    let watchers: Vec<Watcher> = cluster.primaries.iter().map(Watcher::of).collect();
    let w = world_on(&cluster, Durability::Local).await;
    let all = everywhere(&w);
    orders(&w, &all).await;
    people(&w, &all[3], &cluster).await;
    operators(&w, &all).await;
    erasing(&w, &all).await;
    another_key(&w, &cluster).await;
    w.audit().await;
    let info = w.store.info().await.unwrap();
    assert!(info.server.contains("a cluster of 3 primaries"), "{}", info.server);
    assert!(info.complaint.is_none() && info.away.is_none() && info.skew_ms.abs() < 2000);
    let mut ran = BTreeSet::new();
    for (watcher, node) in watchers.into_iter().zip(&cluster.primaries) {
        let lines = watcher.seen(node);
        assert!(lines.iter().any(|l| l.contains(" lua] ")), "a node of which nobody wanted anything");
        ran.extend(lint(&lines));
    }
    assert_eq!(ran.len(), scripts(), "every script was called");
    // What the lint would find, a cluster refuses as soon as the key is of another slot.
    let there = cluster.primaries.iter().map(|n| n.redis.ask(&["CLUSTER", "COUNTKEYSINSLOT", "0"]));
    assert_eq!(there.count(), 3);
    let script = "#!lua\nreturn redis.call('GET', 'ow:{60}:x')";
    let said = cluster.primaries.iter().map(|n| n.redis.ask(&["EVAL", script, "1", "ow:{029}:x"]));
    let said: Vec<String> = said.map(|r| format!("{r:?}")).collect();
    assert!(said.iter().all(|s| s.contains("Error")) && said.iter().any(|s| !s.contains("MOVED")), "{said:?}");
}

/// From the webhook to the receipt, in all partitions at once.
async fn orders(w: &World, all: &[Member]) {
    for (m, seen) in all.iter().zip(1..) {
        w.owe(m, seen, 0).await;
        let again = w.store.commit(m, w.news(&Record::default(), seen, 0)).await.unwrap();
        assert_eq!(again, Committed::Duplicate);
    }
    let mut leased = Vec::new();
    for p in 0..16 {
        w.store.tick(p, 100).await.unwrap();
        leased.extend(w.store.lease(p, 10, "w", 30_000).await.unwrap());
    }
    assert_eq!(leased.len(), 16);
    assert!(w.store.extend(&leased, 40_000).await.unwrap().into_iter().all(|ours| ours));
    w.store.release(&leased).await.unwrap();
    leased.clear();
    for p in 0..16 {
        leased.extend(w.store.lease(p, 10, "w", 30_000).await.unwrap());
    }
    let members: Vec<Member> = leased.iter().map(|l| l.member.clone()).collect();
    let records: Vec<Record> = w.store.read_many(&members).await.unwrap().into_iter().map(Result::unwrap).collect();
    assert!(records.iter().all(|r| r.items.len() == 1 && r.snapshot.is_some()));
    let asks: Vec<BeginAsk<'_>> = leased.iter().zip(&records).map(|(l, r)| ask(w, l, r, 1)).collect();
    assert_eq!(w.store.begin(&asks).await.unwrap(), [Begun::Go; 16]);
    assert_eq!(w.store.envelopes(&members[7]).await.unwrap(), [(1, b"envelope".to_vec())]);
    let settles: Vec<Settle> = leased
        .iter()
        .zip(&records)
        .map(|(l, r)| Settle {
            items: vec![ended(r.items[0].clone(), State::Sent)],
            closed: 1,
            drop_envelopes: vec![1],
            ..settle(l, r, Dest::Done)
        })
        .collect();
    assert_eq!(w.store.settle_many(&settles).await.unwrap(), [Settled::Ok; 16]);
    for m in all {
        let id = format!("id-{}", m.as_str());
        let early = ReceiptOf::ProviderId(id.clone());
        let heard =
            async || w.store.receipt(&line(), &early, None, &ReceiptState::Delivered, w.after(3)).await.unwrap();
        assert_eq!(heard().await, ReceiptPlace::Early);
        let person = Address::new("line", m.as_str());
        let (channel, ids) = (line(), [id]);
        let sent = SentMessage {
            channel: &channel,
            ids: &ids,
            reference: "ref",
            person: Some(&person),
            member: m,
            item: 1,
            at: w.now,
        };
        w.store.note_sent(sent).await.unwrap();
        assert_eq!(w.store.read(m).await.unwrap().receipts.len(), 1, "the one that came first");
        assert_eq!(heard().await, ReceiptPlace::Noted);
    }
    let stats = w.store.stats().await.unwrap();
    assert_eq!((stats.leased, stats.open), (0, 16), "orders with receipts are looked at again: {stats:?}");
    w.audit().await;
}

/// A place in a person's day, and their turn.
async fn places(w: &World, m: &Member, person: &Address) {
    let channel = line();
    let ask = DayAsk { channel: channel.clone(), person: person.clone(), member: m.clone(), item: 1, places: 5 };
    assert!(w.store.day_places(&[ask], w.now).await.iter().all(|place| matches!(place, Ok(None))));
    let gap = std::time::Duration::from_secs(1);
    let turn = Turn { channel: &channel, person, member: m, item: 1, gap, at_once: false };
    assert_eq!(w.store.turns(&[turn], w.now).await.unwrap(), [None]);
}

async fn people(w: &World, m: &Member, cluster: &Cluster) {
    let ann = Address::new("line", "U-ann");
    w.owe(m, 700, 3600).await;
    w.store.watch(&line(), &ann, m, w.after(3600)).await.unwrap();
    let token = Some(("token".into(), w.after(60)));
    let change = PersonChange { reply_token: token, ..PersonChange::default() };
    let applied = w.store.apply(&line(), &ann, "e1", w.now, &change, true).await.unwrap();
    assert_eq!(applied.wake, std::slice::from_ref(m));
    w.store.wake(&applied.wake).await.unwrap();
    w.store.struck(&line(), &ann, &applied.wake).await.unwrap();
    assert_eq!(w.store.take_reply_token(&line(), &ann).await.unwrap().as_deref(), Some("token"));
    let others: Vec<(ChannelId, Address)> = (0..20).map(|i| (line(), Address::new("line", format!("U-{i}")))).collect();
    for (channel, person) in &others {
        let off = PersonChange { opted_out: Some(true), ..PersonChange::default() };
        w.store.apply(channel, person, "e", w.now, &off, false).await.unwrap();
    }
    let facts = w.store.facts(&others).await.unwrap();
    assert!(facts.iter().all(|f| f.opted_out == Some(w.now)), "twenty people, wherever they lie");
    w.store.offer_code("ow-a", b"leads", w.after(3600)).await.unwrap();
    assert_eq!(w.store.redeem_code("ow-a", &line(), &ann).await.unwrap(), Redeemed::Theirs(b"leads".to_vec()));
    w.store.put_code(&[b"a place"], "123456", 60_000).await.unwrap();
    assert!(w.store.try_code(&[b"a place"], "123456", 5).await.unwrap());
    places(w, m, &ann).await;
    let tie = Tie { at: w.now, shop: "shop".into(), order: "1".into() };
    w.store.tie(&line(), &ann, &tie).await.unwrap();
    assert_eq!(w.store.ties(&line(), &ann).await.unwrap(), [tie]);
    w.store.untie(&line(), &ann, &"shop".into(), &"1".into()).await.unwrap();
    assert!(w.store.forget_person(&line(), &ann).await.unwrap());
    // As if a process had died long ago between a word and what it wakes.
    let list = format!("{}:{{wake}}", w.prefix);
    let is_there = |n: &&Node| !matches!(n.redis.ask(&["TYPE", &list]), support::redis::Reply::Error(_));
    let node = cluster.nodes().find(is_there).unwrap();
    node.must(&["ZADD", &list, "5", "00112233445566778899aabbccddeeff"]);
    assert_eq!(w.store.sweep_wakes(10).await.unwrap(), 0);
    assert_eq!(node.must(&["ZSCORE", &list, "00112233445566778899aabbccddeeff"]), support::redis::Reply::Nil);
}

async fn operators(w: &World, all: &[Member]) {
    let (channel, m) = (Tag::of("line-main"), &all[5]);
    let still = Some((w.after(600), Reason::ChannelPaused));
    assert!(w.store.stand(channel, w.after(2), still).await.unwrap());
    assert!(!w.store.stand(channel, w.after(1), None).await.unwrap(), "an older word");
    assert_eq!(w.store.channel_states().await.unwrap().len(), 1);
    assert!(w.store.stand(channel, w.after(3), None).await.unwrap());
    assert!(w.store.channel_states().await.unwrap().is_empty());
    w.store.pause(channel, w.after(600), Reason::ChannelPaused).await.unwrap();
    assert_eq!(w.store.channel_states().await.unwrap().len(), 1);
    w.store.resume(channel).await.unwrap();
    assert!(w.store.channel_states().await.unwrap().is_empty());
    assert_eq!(w.store.pace_slice(channel, 1, 1.0).await.unwrap(), 1);
    assert!(w.store.mute(m, channel, true, Source::Operator).await.unwrap());
    w.owe(m, 900, 3600).await;
    let open = w.store.read(m).await.unwrap().items.pop().unwrap();
    let change = [(open.clone(), ended(open, State::Skipped))];
    let note = LedgerEntry { at: w.now, what: Entry::Operator { action: "discard".into(), note: "run".into() } };
    assert_eq!(w.store.discard(m, &change, std::slice::from_ref(&note)).await.unwrap(), Changed::Ok);
    w.store.append_ledger(m, std::slice::from_ref(&note)).await.unwrap();
    assert_eq!(w.store.ledger(m).await.unwrap(), [note.clone(), note]);
    for i in 0..30 {
        let raw = RawWebhook::post(&[], format!("body {i}"), w.now);
        w.store.keep_odd(&ShopId::from("demo"), &raw, "why").await.unwrap();
    }
    let (odd, _) = w.store.odd(None, 100).await.unwrap();
    assert_eq!(odd.len(), 30);
    let ids: Vec<String> = odd.into_iter().map(|o| o.id).collect();
    assert_eq!(w.store.purge_odd(&ids).await.unwrap(), 30);
    assert!(w.store.claim_run("r", "me", 60_000).await.unwrap());
    w.store.put_run("r", "{}").await.unwrap();
    assert_eq!(
        (w.store.runs(9).await.unwrap(), w.store.get_run("r").await.unwrap()),
        (vec!["r".into()], Some("{}".into()))
    );
    assert_eq!(w.store.dead(None, 10).await.unwrap().0.len(), 0);
    assert_eq!(w.store.trim_dead(w.now).await.unwrap(), 0);
}

async fn erasing(w: &World, all: &[Member]) {
    let shop = ShopId::from("demo");
    let keys: Vec<JoinKey> = (0..9).map(|i| JoinKey { kind: "return".into(), id: i.to_string() }).collect();
    w.store.put_joins(&shop, &keys, &OrderId::from("1")).await.unwrap();
    assert_eq!(w.store.find_join(&shop, &keys[4]).await.unwrap(), Join::Order(OrderId::from("1")));
    let id = w.store.duty_id(&[b"x"]);
    w.store.put_duty(&id, b"said").await.unwrap();
    let duty = w.store.duties().await.unwrap().remove(0);
    assert!(w.store.move_duty(&duty, None, Some(b"done")).await.unwrap().is_some());
    assert_eq!(w.store.duties_done().await.unwrap().len(), 1);
    let (mut found, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let page = w.store.walk(&[shop.tag()], cursor.as_deref()).await.unwrap();
        found.extend(page.units.into_iter().map(|(m, _)| m));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, all.iter().cloned().collect::<BTreeSet<_>>(), "a walk finds the orders of all nodes");
    let r = w.store.read(&all[0]).await.unwrap();
    let gone: Vec<(Owed, Owed)> = r.items.iter().map(|i| (i.clone(), ended(i.clone(), State::Skipped))).collect();
    assert_eq!(w.store.erase(&all[0], &r, &gone, w.now, Remains::Tombstone).await.unwrap(), Changed::Ok);
    w.store.mark_erased().await.unwrap();
    assert_eq!(w.store.tidy_log().await.unwrap(), Log::Asked);
    support::until("every node has rewritten its log", async || {
        (w.store.tidy_log().await.unwrap() == Log::Clean).then_some(())
    })
    .await;
}

/// What channels keep, and another key for everything, wherever it lies.
async fn another_key(w: &World, cluster: &Cluster) {
    assert_eq!(w.store.swap("a token", None, b"1").await, Ok(true));
    assert_eq!(w.store.swap("a token", Some(b"1"), b"2").await, Ok(true));
    for i in 0..30 {
        let raw = RawWebhook::post(&[], format!("broken {i}"), w.now);
        w.store.keep_odd(&ShopId::from("demo"), &raw, "why").await.unwrap();
    }
    assert_eq!(w.store.shorten_odd(86_400).await.unwrap(), 0, "all are of today");
    let (old, new) = keys();
    let o = StoreOptions { prefix: w.prefix.clone(), ..options(cluster, Durability::Local) };
    let both = Store::open(&o, Arc::new(Seal::new(&[new, old]).unwrap())).await.unwrap();
    let shops = [ShopId::from("demo").tag()];
    let dry = pass(&both, &shops, false).await;
    assert!(dry.old > 60 && dry.old == dry.seen && dry.strange + dry.closed == 0, "{dry:?}");
    let done = pass(&both, &shops, true).await;
    assert_eq!((done.old, done.anew), (dry.old, dry.old));
    assert_eq!(pass(&both, &shops, true).await.old, 0);
    assert_eq!(both.load("a token").await, Ok(Some(b"2".to_vec())));
    assert_eq!(both.odd(None, 100).await.unwrap().0.len(), 30);
    both.put_rekey(b"begun").await.unwrap();
    assert!(both.move_rekey(b"begun", b"over").await.unwrap() && !both.move_rekey(b"begun", b"x").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_asked_and_the_wrong_kind_of_address_is_named() {
    let cluster = Cluster::start(3);
    let plain = format!("redis://127.0.0.1:{}/0", cluster.primaries[0].port);
    let refused = |o: StoreOptions| async move { Store::open(&o, seal()).await.err().unwrap() };
    let said = refused(StoreOptions { url: Some(plain), ..options(&cluster, Durability::Local) }).await;
    assert!(said.kind == ErrorKind::Setup && said.to_string().contains("redis+cluster://"), "{said}");
    let alone = support::redis::Redis::launch("port 0\n", "");
    drop(alone);
    let port = support::cluster::free_port();
    let single = support::redis::Redis::launch(&format!("port {port}\nbind 127.0.0.1\n"), "");
    let url = format!("redis+cluster://127.0.0.1:{port}");
    let said = refused(StoreOptions { url: Some(url), ..options(&cluster, Durability::Local) }).await;
    assert!(said.kind == ErrorKind::Setup && said.to_string().contains("cluster-enabled"), "{said}");
    drop(single);
    let said = refused(options(&cluster, Durability::Replicated)).await;
    assert!(said.to_string().contains("replica"), "{said}");
    // The last of them is set up differently: it is found at the start, and when it changes later.
    let last = &cluster.primaries[2];
    last.must(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let said = refused(options(&cluster, Durability::Local)).await;
    assert!(said.kind == ErrorKind::Setup && said.to_string().contains("noeviction"), "{said}");
    last.must(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    // One that does not answer is no reason to stay away from the others.
    cluster.primaries[1].redis.freeze();
    let store = Store::open(&options(&cluster, Durability::Local), seal()).await.unwrap();
    store.ping().await.unwrap();
    let info = store.info().await.unwrap();
    assert!(info.away.is_some() && info.complaint.is_none(), "{info:?}");
    cluster.primaries[1].redis.thaw();
    support::until("it is back", async || store.info().await.unwrap().away.is_none().then_some(())).await;
    let store = Store::open(&options(&cluster, Durability::Local), seal()).await.unwrap();
    last.must(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let complaint = store.info().await.unwrap().complaint.unwrap();
    assert!(complaint.to_string().contains("appendfsync"), "{complaint}");
    // A slot nobody has is no place to keep anything.
    last.must(&["CLUSTER", "DELSLOTS", "16383"]);
    support::until("a start is refused", async || {
        let said = Store::open(&options(&cluster, Durability::Relaxed), seal()).await.err()?;
        said.to_string().contains("no primary").then_some(())
    })
    .await;
}
