//! store: the scripts' contracts, the private server, and the promises under crashes.
#![expect(clippy::disallowed_types, reason = "tests look behind the store's back")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod cluster;
mod cluster_faults;
mod cluster_moves;
mod erase;
mod leases;
mod links;
mod model;
mod model_rules;
mod operators;
mod orders;
mod people;
mod rekey;
mod replicas;
mod server;

use crate::support;
use orderwire::domain::clock::{Timestamp, from_millis};
use orderwire::domain::ids::{ChannelId, Digest8, ShopId, Tag};
use orderwire::domain::owed::{Owed, State};
use orderwire::store::Store;
use orderwire::store::keys::{Member, Unit};
use orderwire::store::order::{Commit, Committed, Record};
use orderwire::store::work::{BeginAsk, Dest, Leased, Settle};

/// The partitions' tags: stored data depends on them, so they stand here a second time.
const TAGS: [&str; 16] =
    ["029", "139", "2162", "319", "469", "579", "60", "759", "858", "948", "a21", "b68", "c13", "d128", "e61", "f28"];

/// A store of its own and a look behind it.
struct World {
    store: Store,
    raw: redis::Connection,
    prefix: String,
    now: Timestamp,
}

impl World {
    async fn new() -> World {
        World::on(support::redis()).await
    }

    async fn on(redis: &support::Redis) -> World {
        let o = orderwire::store::StoreOptions { url: Some(redis.url()), ..support::options() };
        let store = Store::open(&o, support::seal()).await.unwrap();
        let mut raw = redis.raw();
        let (secs, _): (i64, i64) = redis::cmd("TIME").query(&mut raw).unwrap();
        World { store, raw, prefix: o.prefix, now: Timestamp::from_second(secs).unwrap() }
    }

    /// The scripts' clock is so far ahead of the server's.
    fn shift(&mut self, ms: i64) {
        for tag in TAGS {
            let key = format!("{}:{{{tag}}}:ctl", self.prefix);
            let () = redis::cmd("HSET").arg(key).arg("clock_offset_ms").arg(ms).query(&mut self.raw).unwrap();
        }
    }

    fn after(&self, secs: i64) -> Timestamp {
        from_millis(self.now.as_millisecond() + secs * 1000)
    }

    fn key(&self, member: &Member, what: &str) -> String {
        let hash = member.as_str().rsplit('/').next().unwrap();
        format!("{}:{{{}}}:{what}:{hash}", self.prefix, TAGS[usize::from(member.partition())])
    }

    fn fixed(&self, member: &Member, what: &str) -> String {
        format!("{}:{{{}}}:{what}", self.prefix, TAGS[usize::from(member.partition())])
    }

    fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut cmd = redis::cmd(words[0]);
        words[1..].iter().for_each(|w| {
            cmd.arg(*w);
        });
        cmd.query(&mut self.raw).unwrap()
    }

    fn order(&self, id: &str) -> Member {
        self.store.member(&Unit::order(&ShopId::from("demo"), id))
    }

    /// An order of `shop` that lies in partition 0.
    fn in_zero(&self, shop: &str, from: u32) -> Member {
        let shop = ShopId::from(shop);
        (from..).map(|i| self.store.member(&Unit::order(&shop, &i.to_string()))).find(|m| m.partition() == 0).unwrap()
    }

    fn item(&self, no: u16) -> Owed {
        Owed {
            no,
            milestone: Tag::of("shipped"),
            subject: Digest8(u64::from(no)),
            route: Tag::of("main"),
            slot: Tag::NONE,
            state: State::Open,
            reason: None,
            attempts: 0,
            at: self.now,
            not_before: self.now,
            expires: self.after(86_400),
            channel: Tag::NONE,
            passed: 0,
            first_attempt: None,
            address: 0,
            follows: 0,
            within: 0,
            forced: false,
        }
    }

    /// A commit on `record` that owes one more item, due `secs` from now.
    fn news(&self, record: &Record, seen: u64, secs: i64) -> Commit {
        Commit {
            expected: record.revision,
            parked: record.parked,
            seen: vec![Digest8(seen)],
            seen_until: self.after(8 * 86_400),
            drop_seen: Vec::new(),
            snapshot: format!("snapshot {seen}").into_bytes(),
            owed: vec![self.item(record.last_item + 1)],
            due: Some(self.after(secs)),
            ledger: Vec::new(),
        }
    }

    /// Owes one more item of the order, due `secs` from now.
    async fn owe(&self, member: &Member, seen: u64, secs: i64) -> u64 {
        let record = self.store.read(member).await.unwrap();
        match self.store.commit(member, self.news(&record, seen, secs)).await.unwrap() {
            Committed::Stored { revision } => revision,
            other => panic!("{other:?}"),
        }
    }

    /// Leases the one order that is to be had.
    async fn take(&self, member: &Member) -> Leased {
        let mut got = self.store.lease(member.partition(), 10, "w", 30_000).await.unwrap();
        assert_eq!(got.len(), 1, "exactly one order is ready");
        let leased = got.remove(0);
        assert_eq!(leased.member, *member);
        leased
    }

    async fn audit(&self) {
        let audit = self.store.audit().await.unwrap();
        assert_eq!(audit.bad, Vec::<String>::new());
    }
}

fn ended(mut item: Owed, state: State) -> Owed {
    item.state = state;
    item
}

/// A settle that changes nothing yet.
fn settle(leased: &Leased, record: &Record, dest: Dest) -> Settle {
    Settle::unchanged(leased.clone(), record.revision, record.wakes, dest)
}

fn ask<'a>(w: &World, leased: &'a Leased, record: &Record, no: u16) -> BeginAsk<'a> {
    let mut item = ended(record.item(no).unwrap().clone(), State::Begun);
    item.attempts += 1;
    BeginAsk {
        leased,
        items: vec![item],
        revision: record.revision,
        expires: w.after(3600),
        channel: Tag::of("line-main"),
        envelope: Some((no, b"envelope".to_vec())),
    }
}

fn line() -> ChannelId {
    ChannelId::from("line-main")
}
