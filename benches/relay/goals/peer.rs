//! The same work as others do it.

use super::super::bed::{Bed, Party, Setup, peer, relay};
use super::super::load::open;
use super::super::table::Row;
use super::{Delivered, PATIENCE, SETTLING, all_taken, deliver_cost, orders, warm};

/// Orders a second in a calm hour.
const CALM: f64 = 200.0;

/// CPU of a message with fastify + BullMQ + undici ÷ ours, saturated and at 200 a second.
pub fn cpu(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let Some(theirs) = peer(bed)? else { anyhow::bail!("node and npm are needed") };
    let ours = relay(bed, &Setup::all())?;
    warm(bed, &theirs, 8, true)?;
    warm(bed, &ours, 8, true)?;
    let (mut full, mut calm, mut rates) = (vec![], vec![], vec![]);
    let mut costs = [const { Vec::new() }; 4];
    for _ in 0..bed.rounds {
        let Delivered { cost: them, rate, .. } = deliver_cost(bed, &theirs, 8)?;
        let us = deliver_cost(bed, &ours, 8)?.cost;
        let us_calm = calm_cost(bed, &ours)?;
        let them_calm = calm_cost(bed, &theirs)?;
        full.push(them / us);
        calm.push(them_calm / us_calm);
        rates.push(rate);
        costs.iter_mut().zip([us, them, us_calm, them_calm]).for_each(|(all, cost)| all.push(cost));
    }
    let [us, them, us_calm, them_calm] = costs;
    Ok(vec![
        Row::at_least("CPU of a message, saturated: fastify + BullMQ ÷ orderwire", 4.0, 6.0, "", full),
        Row::at_least("CPU of a message at 200/s: fastify + BullMQ ÷ orderwire", 3.0, 4.0, "", calm),
        Row::told("  orderwire and its Redis, µs a message", "µs", us),
        Row::told("  fastify + BullMQ and its Redis, µs a message", "µs", them),
        Row::told("  orderwire and its Redis at 200/s, µs a message", "µs", us_calm),
        Row::told("  fastify + BullMQ and its Redis at 200/s, µs a message", "µs", them_calm),
        Row::told("  fastify + BullMQ, messages a second", "/s", rates),
    ])
}

/// CPU µs of a message where few come.
fn calm_cost(bed: &Bed, party: &Party) -> anyhow::Result<f64> {
    let shots = orders(bed.count(2_000), 8);
    bed.sink.clear();
    let before = party.cpu();
    all_taken(open(party.at, &shots, 16, CALM), shots.len())?;
    anyhow::ensure!(bed.sink.wait_for(shots.len(), PATIENCE), "only {} messages came in time", bed.sink.distinct());
    std::thread::sleep(SETTLING);
    Ok((party.cpu() - before).as_secs_f64() * 1e6 / shots.len() as f64)
}
