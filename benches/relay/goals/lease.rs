//! What it costs to take what is due from among what is not. The store itself is driven, as a worker would.

use super::super::bed::{Bed, KEY};
use super::super::redis::{Fsync, Redis};
use super::super::table::Row;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use orderwire::domain::clock::{Clock as _, SystemClock, Timestamp};
use orderwire::domain::ids::{Digest8, ShopId, Tag};
use orderwire::domain::owed::{Owed, State};
use orderwire::seal::Seal;
use orderwire::store::keys::{PARTITIONS, Unit};
use orderwire::store::order::{Commit, Committed};
use orderwire::store::{Durability, Store, StoreOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Orders due at once when a lease is measured, and how often that is done.
const DUE: usize = 800;
const TIMES: usize = 10;

/// Redis CPU of leasing one order with very many scheduled for later ÷ with few.
pub fn cost(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let many = bed.count(1_000_000);
    runtime.block_on(async {
        let crowded = Shelf::open(bed).await?;
        let bare = Shelf::open(bed).await?;
        crowded.schedule(many).await?;
        bare.schedule(1_000).await?;
        let (mut ratios, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..bed.rounds {
            let least = bare.lease_cost().await?;
            let cost = crowded.lease_cost().await?;
            ratios.push(cost / least);
            costs.push(cost);
        }
        Ok(vec![
            Row::at_most(format!("cost of a lease with {many} orders scheduled ÷ with 1,000"), 1.5, 1.1, "", ratios),
            Row::told("  Redis CPU of a leased order, many scheduled", "µs", costs),
        ])
    })
}

fn owed(due: Timestamp) -> Owed {
    Owed {
        no: 1,
        milestone: Tag::of("milestone"),
        subject: Digest8::of(&[b"subject"]),
        route: Tag::of("route"),
        slot: Tag::NONE,
        state: State::Open,
        reason: None,
        attempts: 0,
        at: due,
        not_before: due,
        expires: due + SignedDuration::from_hours(24),
        channel: Tag::NONE,
        passed: 0,
        first_attempt: None,
        address: 0,
        follows: 0,
        within: 0,
        forced: false,
    }
}

/// A store with a Redis of its own.
struct Shelf {
    redis: Redis,
    store: Store,
    next: AtomicU64,
}

impl Shelf {
    async fn open(bed: &Bed) -> anyhow::Result<Shelf> {
        let redis = Redis::start(&bed.place()?, Fsync::Everysec)?;
        let options =
            StoreOptions { url: Some(redis.url()), durability: Durability::Relaxed, ..StoreOptions::default() };
        let store = Store::open(&options, Arc::new(Seal::new(&[Seal::key_from_text(KEY)?])?)).await?;
        Ok(Shelf { redis, store, next: AtomicU64::new(0) })
    }

    /// Keeps so many orders, due in a day.
    async fn schedule(&self, count: usize) -> anyhow::Result<()> {
        self.keep(count, SystemClock.now() + SignedDuration::from_hours(24)).await
    }

    async fn keep(&self, count: usize, due: Timestamp) -> anyhow::Result<()> {
        let commits = stream::iter(0..count).map(|_| self.commit(due));
        commits.buffer_unordered(256).try_collect().await
    }

    async fn commit(&self, due: Timestamp) -> anyhow::Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let member = self.store.member(&Unit::order(&ShopId::from("shop0"), &id));
        let item = owed(due);
        let commit = Commit {
            expected: 0,
            parked: None,
            seen: vec![Digest8::of(&[id.as_bytes()])],
            seen_until: due,
            drop_seen: Vec::new(),
            snapshot: vec![b'x'; 400],
            owed: vec![item],
            due: Some(due),
            ledger: Vec::new(),
        };
        let stored = self.store.commit(&member, commit).await?;
        anyhow::ensure!(matches!(stored, Committed::Stored { .. }), "an order was not stored: {stored:?}");
        Ok(())
    }

    /// Redis CPU µs of leasing one order of those that have become due.
    async fn lease_cost(&self) -> anyhow::Result<f64> {
        let (mut spent, mut taken) = (0, 0);
        for _ in 0..TIMES {
            self.keep(DUE, SystemClock.now() + SignedDuration::from_millis(600)).await?;
            tokio::time::sleep(Duration::from_millis(700)).await;
            let before = self.redis.command("evalsha")?.1;
            for partition in 0..PARTITIONS {
                let partition = u8::try_from(partition)?;
                taken += self.store.lease(partition, 100, "bench", 60_000).await?.len();
            }
            spent += self.redis.command("evalsha")?.1 - before;
        }
        anyhow::ensure!(taken >= DUE * TIMES * 9 / 10, "only {taken} orders were due");
        Ok(spent as f64 / taken as f64)
    }
}
