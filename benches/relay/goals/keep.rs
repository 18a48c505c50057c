//! What is kept, and what it costs to look among it.

use super::super::bed::{Bed, Party, Setup, relay};
use super::super::load::closed;
use super::super::order::{Orders, STAGES};
use super::super::table::Row;
use super::{CONNECTIONS, PATIENCE, SERIAL, SETTLING, all_taken, orders};
use std::sync::atomic::Ordering;

/// Further items of an order when their price is taken.
const MORE: usize = 4;

/// Redis bytes of one owed item, and of an order with five webhooks absorbed, told and in its ledger.
pub fn bytes(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (mut item, mut order) = (Vec::new(), Vec::new());
    let count = bed.count(5_000);
    for _ in 0..bed.rounds {
        let one = kept(bed, &Setup::web(), count)?;
        let more = kept(bed, &Setup { staff_routes: MORE, ..Setup::web() }, count)?;
        item.push((more - one) / (count * MORE) as f64);
        order.push(life(bed, count)?);
    }
    Ok(vec![
        Row::at_most("Redis bytes of a further owed item", 120.0, 40.0, "B", item),
        Row::at_most("Redis bytes of an order, five webhooks absorbed, with ledger", 2_500.0, 1_600.0, "B", order),
    ])
}

fn memory(party: &Party) -> anyhow::Result<f64> {
    let Some(redis) = &party.redis else { anyhow::bail!("no Redis of its own") };
    Ok(redis.info("used_memory_dataset")? as f64)
}

fn kept(bed: &Bed, setup: &Setup, count: usize) -> anyhow::Result<f64> {
    let party = relay(bed, setup)?;
    let shots = orders(count, 8);
    let before = memory(&party)?;
    all_taken(closed(party.at, &shots, CONNECTIONS), count)?;
    Ok(memory(&party)? - before)
}

fn life(bed: &Bed, count: usize) -> anyhow::Result<f64> {
    let party = relay(bed, &Setup::all())?;
    let before = memory(&party)?;
    let first = SERIAL.fetch_add(count as u64, Ordering::Relaxed);
    let forms = Orders::new();
    bed.sink.clear();
    for stage in 0..STAGES {
        let shots: Vec<_> =
            (first..).take(count).map(|serial| forms.stage((serial % 8) as usize, serial, stage)).collect();
        all_taken(closed(party.at, &shots, CONNECTIONS), count)?;
    }
    anyhow::ensure!(bed.sink.wait_for(count, PATIENCE), "only {} messages came in time", bed.sink.distinct());
    std::thread::sleep(SETTLING);
    Ok((memory(&party)? - before) / count as f64)
}
