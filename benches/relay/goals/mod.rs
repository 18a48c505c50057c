//! The goals, the most important first. Each gives its lines of the table.

mod accept;
mod deliver;
mod fair;
mod keep;
mod lease;
mod peer;
mod size;

use super::bed::{Bed, Party};
use super::load::{Report, closed};
use super::order::Orders;
use super::table::Row;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One goal, by the name it can be asked for.
pub struct Goal {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it measures.
    pub what: &'static str,
    /// Measures it.
    pub run: fn(&Bed) -> anyhow::Result<Vec<Row>>,
}

/// All of them.
pub const ALL: &[Goal] = &[
    Goal { name: "accept", what: "CPU of a durable accept against bare actix + HMAC", run: accept::cpu },
    Goal { name: "deliver", what: "CPU of a delivered message against the yardstick; memory", run: deliver::cpu },
    Goal { name: "aof", what: "accept rate with AOF always against everysec", run: accept::aof },
    Goal { name: "latency", what: "accept p50 and p99 at 1,000 a second", run: accept::latency },
    Goal { name: "trips", what: "round trips to Redis a message", run: deliver::trips },
    Goal { name: "bytes", what: "Redis bytes of an owed item and of an order", run: keep::bytes },
    Goal { name: "lease", what: "cost of a lease with many scheduled against few", run: lease::cost },
    Goal { name: "hang", what: "what a hanging channel does to others", run: fair::hang },
    Goal { name: "flood", what: "what a flooding shop does to others", run: fair::flood },
    Goal { name: "wait", what: "a small shop's wait behind another's 100,000 orders", run: fair::wait },
    Goal { name: "peer", what: "CPU of a message against fastify + BullMQ", run: peer::cpu },
    Goal { name: "workers", what: "CPU of a message with two workers against one", run: deliver::workers },
];

/// Measured only when asked for by name.
pub const ASKED_FOR: &[Goal] =
    &[Goal { name: "size", what: "what 1,000,000 waiting orders need and cost", run: size::figures }];

/// Connections of the sender where a contender is to be saturated.
const CONNECTIONS: usize = 64;
/// How long a round may take until it is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// After the last message was told its outcome is still to be recorded.
const SETTLING: Duration = Duration::from_millis(400);

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// So many new orders over the first `shops` shops.
fn orders(count: usize, shops: usize) -> Vec<Vec<u8>> {
    let orders = Orders::new();
    let first = SERIAL.fetch_add(count as u64, Ordering::Relaxed);
    (first..).take(count).map(|serial| orders.request((serial % shops as u64) as usize, serial)).collect()
}

/// Sends, and refuses to go on with a figure that failures made look good.
fn all_taken(report: Report, asked: usize) -> anyhow::Result<Report> {
    anyhow::ensure!(report.ok == asked, "{} of {asked} requests were not taken", asked - report.ok);
    Ok(report)
}

/// Warms a contender up: connections, scripts, memory.
fn warm(bed: &Bed, party: &Party, shops: usize, delivers: bool) -> anyhow::Result<()> {
    let shots = orders(2_000, shops);
    bed.sink.clear();
    all_taken(closed(party.at, &shots, CONNECTIONS), shots.len())?;
    if delivers && !bed.sink.wait_for(shots.len(), PATIENCE) {
        let logs: String = party.procs.iter().map(super::proc::Proc::log).collect();
        anyhow::bail!("{} of {} messages came in time\n{logs}", bed.sink.distinct(), shots.len());
    }
    std::thread::sleep(SETTLING);
    Ok(())
}

/// CPU µs of one order that is only accepted.
fn accept_cost(bed: &Bed, party: &Party) -> anyhow::Result<f64> {
    let shots = orders(bed.count(20_000), 8);
    let before = party.cpu();
    all_taken(closed(party.at, &shots, CONNECTIONS), shots.len())?;
    Ok((party.cpu() - before).as_secs_f64() * 1e6 / shots.len() as f64)
}

/// What one order cost, from the request to the recorded outcome.
struct Delivered {
    /// CPU µs, Redis counted.
    cost: f64,
    /// Redis' part of it.
    redis: f64,
    /// Messages a second.
    rate: f64,
}

fn deliver_cost(bed: &Bed, party: &Party, shops: usize) -> anyhow::Result<Delivered> {
    let shots = orders(bed.count(20_000), shops);
    bed.sink.clear();
    let (before, redis, start) = (party.cpu(), party.redis_cpu(), std::time::Instant::now());
    all_taken(closed(party.at, &shots, CONNECTIONS), shots.len())?;
    anyhow::ensure!(bed.sink.wait_for(shots.len(), PATIENCE), "only {} messages came in time", bed.sink.distinct());
    let took = start.elapsed();
    std::thread::sleep(SETTLING);
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / shots.len() as f64;
    let (cost, redis) = (each(party.cpu() - before), each(party.redis_cpu() - redis));
    anyhow::ensure!(bed.sink.repeated() == 0, "{} orders were told twice", bed.sink.repeated());
    Ok(Delivered { cost, redis, rate: shots.len() as f64 / took.as_secs_f64() })
}
