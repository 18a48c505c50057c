//! From the webhook to the recorded outcome.

use super::super::bed::{Bed, Setup, join, relay, tapped, yardstick};
use super::super::load::closed;
use super::super::table::Row;
use super::super::tap::Purpose;
use super::{CONNECTIONS, PATIENCE, SETTLING, all_taken, deliver_cost, orders, warm};

/// CPU of a delivered message, saturated, end to end ÷ the yardstick's; memory at the end of it. With another relay
/// beside it, that one's ÷ ours, measured in the same rounds.
pub fn cpu(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let start = |binary| relay(bed, &Setup { binary, ..Setup::all() });
    let ours = start(None)?;
    let other = bed.beside.clone().map(|binary| start(Some(binary))).transpose()?;
    let least = yardstick(bed, "relay")?;
    for party in [Some(&least), Some(&ours), other.as_ref()].into_iter().flatten() {
        warm(bed, party, 8, true)?;
    }
    let mut costs = [const { Vec::new() }; 5];
    let (mut ratios, mut memory, mut beside) = (vec![], vec![], vec![]);
    for _ in 0..bed.rounds {
        let base = deliver_cost(bed, &least, 8)?;
        let told = deliver_cost(bed, &ours, 8)?;
        ratios.push(told.cost / base.cost);
        memory.push(ours.procs.iter().map(|p| p.memory_kib("VmHWM")).sum::<u64>() as f64 / 1024.0);
        let figures = [told.cost, told.redis, base.cost, told.rate, base.rate];
        costs.iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure));
        if let Some(other) = &other {
            beside.push(deliver_cost(bed, other, 8)?.cost / told.cost);
        }
    }
    let [ours_us, redis_us, least_us, ours_rate, least_rate] = costs;
    let mut rows = vec![
        Row::at_most("CPU of a delivered message, saturated ÷ yardstick", 2.5, 1.7, "", ratios),
        Row::told("  orderwire and its Redis, µs a message", "µs", ours_us),
        Row::told("  of these its Redis", "µs", redis_us),
        Row::told("  yardstick and its Redis, µs a message", "µs", least_us),
        Row::told("  orderwire, messages a second", "/s", ours_rate),
        Row::told("  yardstick, messages a second", "/s", least_rate),
        Row::at_most("resident memory at saturation, highest", 80.0, 40.0, "MB", memory),
    ];
    if other.is_some() {
        rows.push(Row::told("CPU of a message with the relay beside ÷ with this one", "", beside));
    }
    Ok(rows)
}

/// Round trips to Redis a message, saturated, by what they are for. Counted by a tap in the line: one is what
/// the relay sends at once.
pub fn trips(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    const WHAT: [(Purpose, &str, f64, f64); 4] = [
        (Purpose::Accept, "accept", 2.0, 1.1),
        (Purpose::Lease, "lease", 0.05, 0.02),
        (Purpose::Begin, "begin and facts", 0.3, 0.1),
        (Purpose::Settle, "settle", 0.2, 0.05),
    ];
    let (party, tap) = tapped(bed, &Setup::all())?;
    warm(bed, &party, 8, true)?;
    let mut figures = vec![Vec::new(); WHAT.len()];
    for _ in 0..bed.rounds {
        let before = WHAT.map(|(purpose, ..)| tap.flushes(purpose));
        deliver_cost(bed, &party, 8)?;
        for ((figures, (purpose, ..)), before) in figures.iter_mut().zip(WHAT).zip(before) {
            figures.push((tap.flushes(purpose) - before) as f64 / bed.count(20_000) as f64);
        }
    }
    let row = |(rounds, (_, what, must, aim)): (Vec<f64>, (Purpose, &str, f64, f64))| {
        Row::at_most(format!("round trips a message, saturated: {what}"), must, aim, "", rounds)
    };
    Ok(figures.into_iter().zip(WHAT).map(row).collect())
}

/// CPU of a message with two worker processes ÷ with one, working off the same backlog.
pub fn workers(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let mut ratios = Vec::new();
    for _ in 0..bed.rounds {
        let one = backlog_cost(bed, 1)?;
        ratios.push(backlog_cost(bed, 2)? / one);
    }
    Ok(vec![Row::at_most("CPU of a message, two worker processes ÷ one", 1.15, 1.05, "", ratios)])
}

fn backlog_cost(bed: &Bed, workers: usize) -> anyhow::Result<f64> {
    let mut party = relay(bed, &Setup::web())?;
    let shots = orders(bed.count(20_000), 8);
    all_taken(closed(party.at, &shots, CONNECTIONS), shots.len())?;
    bed.sink.clear();
    let before = party.cpu();
    for _ in 0..workers {
        join(bed, &Setup::all(), &mut party, "worker")?;
    }
    anyhow::ensure!(bed.sink.wait_for(shots.len(), PATIENCE), "only {} messages came in time", bed.sink.distinct());
    std::thread::sleep(SETTLING);
    // What starting costs is no message's.
    let start = idle_cost(bed, workers)?;
    Ok(((party.cpu() - before).as_secs_f64() * 1e6 - start) / shots.len() as f64)
}

/// CPU µs of starting so many workers with nothing to do.
fn idle_cost(bed: &Bed, workers: usize) -> anyhow::Result<f64> {
    let mut party = relay(bed, &Setup::web())?;
    let before = party.cpu();
    for _ in 0..workers {
        join(bed, &Setup::all(), &mut party, "worker")?;
    }
    std::thread::sleep(SETTLING);
    Ok((party.cpu() - before).as_secs_f64() * 1e6)
}
