//! How much Redis a shop's orders need, and how it goes on with a million of them waiting: the figures of
//! `docs/sizing.md`. Only when asked for by name: it takes minutes and gigabytes of disk.
//!
//! Every order comes in by the relay's own steps, signature to commit, in this process: what Redis holds is what it
//! would hold. One in ten is due in the same second, the others in an hour; those that are due are taken and settled
//! as a worker would, without a provider.

use super::super::bed::{Bed, Setup, settings};
use super::super::order::{BYTES, Orders, shop_id};
use super::super::proc::free_address;
use super::super::redis::{Fsync, Redis};
use super::super::table::Row;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use orderwire::boot::{self, run::Role};
use orderwire::domain::clock::{Clock, ManualClock, SystemClock, Timestamp};
use orderwire::domain::ids::Tag;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::owed::{Owed, State};
use orderwire::domain::webhook::RawWebhook;
use orderwire::flow::App;
use orderwire::flow::accept::{Answer, accept};
use orderwire::store::keys::PARTITIONS;
use orderwire::store::work::{Dest, Leased, Settle, Settled};
use orderwire::telemetry::WebhookOutcome;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Orders that wait, at full scale.
const WAITING: usize = 1_000_000;
/// One in so many is due.
const DUE: usize = 10;
/// Shops they are of.
const SHOPS: usize = 8;
/// Accepts under way in each of two tasks.
const UNDER_WAY: usize = 128;
/// Tries of a webhook.
const REPEATS: usize = 20;
/// Orders of one lease, and of one tick.
const LEASE: usize = 64;
const TICK: usize = 1000;
/// Every order whose time comes, comes so long after the last fill has begun.
const SOON: SignedDuration = SignedDuration::from_secs(60);

/// All figures, told and not judged: what is enough depends on the shop.
pub fn figures(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut redis = Redis::start(&bed.place()?, Fsync::Always)?;
    let count = bed.count(WAITING);
    let mut table = Table::default();
    runtime.block_on(fill_and_drain(bed, &redis, count, &mut table))?;
    let log = |redis: &Redis| redis.info("aof_current_size").map(mib);
    table.tell("append-only file, nothing rewritten", "MiB", log(&redis)?);
    table.tell_start(&mut redis)?;
    let (started, before) = (Instant::now(), redis.cpu());
    redis.rewrite()?;
    table.tell("rewriting it", "s", started.elapsed().as_secs_f64());
    table.tell("  CPU of that", "s", (redis.cpu() - before).as_secs_f64());
    table.tell("  the fork alone", "ms", redis.info("latest_fork_usec")? as f64 / 1000.0);
    table.tell("append-only file, rewritten", "MiB", log(&redis)?);
    table.tell_start(&mut redis)?;
    table.tell("  resident then", "MiB", mib(redis.info("used_memory_rss")?));
    Ok(table.0)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn tell(&mut self, what: impl Into<String>, unit: &'static str, figure: f64) {
        self.0.push(Row::told(what, unit, vec![figure]));
    }

    /// Kills the server and starts it on its files.
    fn tell_start(&mut self, redis: &mut Redis) -> anyhow::Result<()> {
        self.tell("  start with it (LOADING)", "s", redis.restart()?.as_secs_f64());
        self.tell("  CPU of that", "s", redis.cpu().as_secs_f64());
        Ok(())
    }

    fn tell_calls(&mut self, what: &str, mut millis: Vec<f64>) {
        millis.sort_by(f64::total_cmp);
        let at = |part: f64| millis.get(((millis.len() - 1) as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        self.tell(format!("{what}: p50 of {} calls", millis.len()), "ms", at(0.5));
        self.tell("  p99", "ms", at(0.99));
        self.tell("  longest", "ms", at(1.0));
    }
}

async fn fill_and_drain(bed: &Bed, redis: &Redis, count: usize, table: &mut Table) -> anyhow::Result<()> {
    let clock = ManualClock::new(SystemClock.now());
    let app = relay(bed, redis, Arc::new(clock.clone())).await?;
    let (memory, due) = (redis.info("used_memory")?, count / DUE);
    let (started, cpu) = (Instant::now(), redis.cpu());
    let ahead = |clock: &ManualClock, by: SignedDuration| {
        let to = SystemClock.now() + by;
        clock.advance(to.as_millisecond() - clock.now().as_millisecond());
        to
    };
    ahead(&clock, SignedDuration::from_hours(1));
    fill(&app, 0, count - due).await?;
    let soon = ahead(&clock, SOON);
    fill(&app, count - due, due).await?;
    table.tell(format!("taking {count} orders in ({BYTES} B each), a second"), "", {
        count as f64 / started.elapsed().as_secs_f64()
    });
    table.tell("  Redis' CPU of each", "µs", (redis.cpu() - cpu).as_secs_f64() * 1e6 / count as f64);
    let stats = app.store.stats().await?;
    anyhow::ensure!(stats.wait + stats.ready == count as u64, "{count} orders should wait: {stats:?}");
    table.tell("memory of a waiting order", "B", (redis.info("used_memory")? - memory) as f64 / count as f64);
    table.tell("  in all (used_memory)", "MiB", mib(redis.info("used_memory")?));
    table.tell("  resident (used_memory_rss)", "MiB", mib(redis.info("used_memory_rss")?));
    let rest = soon.as_millisecond() - SystemClock.now().as_millisecond();
    tokio::time::sleep(Duration::from_millis(u64::try_from(rest).unwrap_or(0) + 1000)).await;
    drain(&app, redis, due, table).await
}

/// The relay's own rooms on that Redis, by a clock that we set.
async fn relay(bed: &Bed, redis: &Redis, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<App>> {
    let setup = Setup { shops: SHOPS, fsync: Fsync::Always, ..Setup::web() };
    let dir = bed.place()?;
    let file = dir.join("size.toml");
    std::fs::write(&file, settings(bed, &setup, &dir, &redis.url(), free_address()?, free_address()?))?;
    let read = boot::read(Some(&file), &BTreeMap::new());
    let read = read.map_err(|p| anyhow::anyhow!("{}", p.iter().map(ToString::to_string).collect::<String>()))?;
    boot::app(&read.parts, read.live, clock, Role::Worker).await
}

async fn fill(app: &Arc<App>, first: usize, count: usize) -> anyhow::Result<()> {
    let half = count / 2;
    let tasks = [(first, half), (first + half, count - half)].map(|(first, count)| {
        let app = Arc::clone(app);
        tokio::spawn(async move {
            let orders = Orders::new();
            let taken = stream::iter(first..first + count).map(|serial| take(&app, &orders, serial as u64));
            taken.buffer_unordered(UNDER_WAY).try_collect::<()>().await
        })
    });
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// One order, as the door hands it on.
async fn take(app: &App, orders: &Orders, serial: u64) -> anyhow::Result<()> {
    let shop = usize::try_from(serial)? % SHOPS;
    let request = orders.request(shop, serial);
    let end = request.windows(4).position(|w| w == b"\r\n\r\n").map_or(request.len(), |at| at + 4);
    let (head, body) = request.split_at(end);
    let lines = std::str::from_utf8(head)?.lines().skip(1).filter_map(|line| line.split_once(": "));
    let raw = RawWebhook {
        method: "POST".into(),
        query: String::new(),
        headers: lines.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        body: body.to_vec().into(),
        received_at: app.clock.now(),
    };
    for _ in 0..REPEATS {
        match accept(app, "shopify", &shop_id(shop), raw.clone()).await {
            Answer::Taken(WebhookOutcome::Taken | WebhookOutcome::Duplicate) => return Ok(()),
            // The disk stood still for longer than a sender waits: it repeats.
            Answer::Unavailable => {}
            other => anyhow::bail!("order {serial} was not taken: {other:?}"),
        }
    }
    anyhow::bail!("order {serial} was not taken in {REPEATS} tries")
}

/// Takes all that is due, as one worker, and settles it.
async fn drain(app: &App, redis: &Redis, due: usize, table: &mut Table) -> anyhow::Result<()> {
    let partitions: Vec<u8> = (0..PARTITIONS).map(u8::try_from).collect::<Result<_, _>>()?;
    let mut ticks = Vec::new();
    for partition in &partitions {
        let asked = Instant::now();
        app.store.tick(*partition, TICK).await?;
        ticks.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    table.tell_calls(&format!("tick that moves {TICK} of {due} due at once"), ticks);
    let (started, cpu, mut leases, mut seen_off) = (Instant::now(), redis.cpu(), Vec::new(), 0);
    loop {
        let before = seen_off;
        for partition in &partitions {
            let asked = Instant::now();
            let leased = app.store.lease(*partition, LEASE, "bench", 60_000).await?;
            leases.push(asked.elapsed().as_secs_f64() * 1000.0);
            seen_off += settle(app, leased).await?;
        }
        if seen_off == before {
            break;
        }
    }
    let took = started.elapsed().as_secs_f64();
    anyhow::ensure!(seen_off == due, "{seen_off} of {due} due orders were taken");
    table.tell_calls(&format!("lease of up to {LEASE} orders"), leases);
    table.tell(format!("orders leased, read and settled a second, of {due}"), "", seen_off as f64 / took);
    table.tell("  Redis' CPU of each", "µs", (redis.cpu() - cpu).as_secs_f64() * 1e6 / due as f64);
    Ok(())
}

async fn settle(app: &App, leased: Vec<Leased>) -> anyhow::Result<usize> {
    if leased.is_empty() {
        return Ok(0);
    }
    let members: Vec<_> = leased.iter().map(|l| l.member.clone()).collect();
    let (records, now) = (app.store.read_many(&members).await?, SystemClock.now());
    let mut settles = Vec::with_capacity(leased.len());
    for (leased, record) in leased.into_iter().zip(records) {
        let record = record?;
        let told = |item: &Owed| Owed { state: State::Sent, attempts: 1, channel: Tag::of("line0"), ..item.clone() };
        let items: Vec<Owed> = record.items.iter().map(told).collect();
        let closed = u16::try_from(items.len())?;
        let ledger = items.iter().map(|item| entry(item.no, now)).collect();
        let end = Settle::unchanged(leased, record.revision, record.wakes, Dest::Done);
        settles.push(Settle { items, ledger, closed, ..end });
    }
    let answers = app.store.settle_many(&settles).await?;
    anyhow::ensure!(answers.iter().all(|a| *a == Settled::Ok), "a settle was not taken: {answers:?}");
    Ok(settles.len())
}

fn entry(item: u16, at: Timestamp) -> LedgerEntry {
    let what = Entry::Attempt {
        item,
        attempt: 1,
        channel: "line0".into(),
        form: "push".into(),
        locale: "en".into(),
        verdict: "accepted".into(),
        detail: "461230966842064897".into(),
        passed: Vec::new(),
        joined: Vec::new(),
    };
    LedgerEntry { at, what }
}
