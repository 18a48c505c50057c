//! What one shop or channel can do to others.

use super::super::bed::{Bed, Party, Setup, join, relay};
use super::super::load::{closed, open, quantile_ms};
use super::super::order::Orders;
use super::super::table::Row;
use super::{CONNECTIONS, PATIENCE, SERIAL, all_taken, warm};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The shop that makes trouble, and the one that must not notice.
const BAD: usize = 0;
const GOOD: usize = 1;
/// Orders a second of each shop in a quiet time.
const SHARE: f64 = 150.0;

/// So many new orders of one shop: (their first serial, the requests).
fn of_shop(shop: usize, count: usize) -> (u64, Vec<Vec<u8>>) {
    let forms = Orders::new();
    let first = SERIAL.fetch_add(count as u64, Ordering::Relaxed);
    (first, (first..).take(count).map(|serial| forms.request(shop, serial)).collect())
}

/// Orders of the good shop told within the time in which both shops send, the bad one `times` its share.
fn told_beside(bed: &Bed, party: &Party, times: f64, secs: f64) -> anyhow::Result<f64> {
    let (_, good) = of_shop(GOOD, (SHARE * secs) as usize);
    let (_, bad) = of_shop(BAD, (SHARE * times * secs) as usize);
    bed.sink.clear();
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| open(party.at, &bad, 64, SHARE * times));
        let sent = all_taken(open(party.at, &good, 16, SHARE), good.len());
        // What is under way when the last one came in belongs to the time before.
        std::thread::sleep(Duration::from_millis(200));
        let told = bed.sink.told(GOOD) as f64;
        drop(flood.join());
        sent.map(|_| told)
    })
}

/// The others' delivered rate while one channel hangs ÷ in a quiet time.
pub fn hang(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let mut shares = Vec::new();
    for _ in 0..bed.rounds {
        let party = relay(bed, &Setup { shops: 2, ..Setup::all() })?;
        warm(bed, &party, 2, true)?;
        let quiet = told_beside(bed, &party, 1.0, 10.0)?;
        bed.sink.hang(BAD, true);
        let beside = told_beside(bed, &party, 1.0, 30.0);
        bed.sink.hang(BAD, false);
        shares.push(100.0 * beside? / (3.0 * quiet));
    }
    Ok(vec![Row::at_least("one channel hangs 30 s: others' delivered rate", 90.0, 98.0, "%", shares)])
}

/// A shop's delivered rate while another sends ten times its share ÷ in a quiet time.
pub fn flood(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let party = relay(bed, &Setup { shops: 2, ..Setup::all() })?;
    warm(bed, &party, 2, true)?;
    let mut shares = Vec::new();
    for _ in 0..bed.rounds {
        let quiet = told_beside(bed, &party, 1.0, 6.0)?;
        std::thread::sleep(Duration::from_secs(1));
        shares.push(100.0 * told_beside(bed, &party, 10.0, 6.0)? / quiet);
        std::thread::sleep(Duration::from_secs(3));
    }
    Ok(vec![Row::at_least("one shop floods ten times its share: others' delivered rate", 90.0, 98.0, "%", shares)])
}

/// From a small shop's webhook to its message, while 100,000 orders of another are due.
pub fn wait(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let setup = Setup { shops: 2, ..Setup::web() };
    let mut most = Vec::new();
    let count = bed.count(100_000);
    for _ in 0..bed.rounds.min(3) {
        let mut party = relay(bed, &setup)?;
        for _ in 0..count.div_ceil(10_000) {
            let (_, crowd) = of_shop(BAD, 10_000.min(count));
            all_taken(closed(party.at, &crowd, CONNECTIONS), crowd.len())?;
        }
        bed.sink.clear();
        join(bed, &setup, &mut party, "worker")?;
        std::thread::sleep(Duration::from_millis(500));
        let (first, few) = of_shop(GOOD, 200);
        let start = Instant::now() + Duration::from_millis(20);
        all_taken(open(party.at, &few, 4, 20.0), few.len())?;
        let waits = waits(bed, first, few.len(), start)?;
        anyhow::ensure!(bed.sink.told(BAD) < count, "the crowd was told before the small shop came: nothing was tried");
        most.push(quantile_ms(&waits, 0.99) / 1000.0);
    }
    Ok(vec![Row::at_most(format!("small shop's p99 wait behind {count} orders of another"), 2.0, 0.5, "s", most)])
}

/// How long each of the good shop's orders took, sorted; they were sent 20 a second from `start`.
fn waits(bed: &Bed, first: u64, count: usize, start: Instant) -> anyhow::Result<Vec<Duration>> {
    let end = Instant::now() + PATIENCE;
    let mut waits = Vec::new();
    for turn in 0..count {
        let sent = start + Duration::from_secs_f64(turn as f64 / 20.0);
        let told = loop {
            if let Some(told) = bed.sink.when(GOOD, first + turn as u64) {
                break told;
            }
            anyhow::ensure!(Instant::now() < end, "a small shop's order was never told");
            std::thread::sleep(Duration::from_millis(5));
        };
        waits.push(told.saturating_duration_since(sent));
    }
    waits.sort_unstable();
    Ok(waits)
}
