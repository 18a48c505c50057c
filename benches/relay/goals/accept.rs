//! Taking webhooks in.

use super::super::bed::{Bed, Setup, relay, yardstick};
use super::super::load::{closed, open};
use super::super::redis::Fsync;
use super::super::table::Row;
use super::{CONNECTIONS, accept_cost, all_taken, orders, warm};

/// CPU of a durable accept ÷ CPU of bare actix + HMAC in the same run.
pub fn cpu(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let ours = relay(bed, &Setup::web())?;
    let bare = yardstick(bed, "bare")?;
    warm(bed, &ours, 8, false)?;
    warm(bed, &bare, 8, false)?;
    let (mut ratios, mut ours_us, mut bare_us) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bed.rounds {
        let least = accept_cost(bed, &bare)?;
        let cost = accept_cost(bed, &ours)?;
        ratios.push(cost / least);
        ours_us.push(cost);
        bare_us.push(least);
    }
    Ok(vec![
        Row::at_most("CPU of a durable accept ÷ bare actix + HMAC", 6.0, 4.5, "", ratios),
        Row::told("  orderwire and its Redis, µs an accept", "µs", ours_us),
        Row::told("  bare actix + HMAC, µs a request", "µs", bare_us),
    ])
}

/// Accept rate with `appendfsync always` ÷ with `everysec`.
pub fn aof(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let always = relay(bed, &Setup { fsync: Fsync::Always, ..Setup::web() })?;
    let everysec = relay(bed, &Setup::web())?;
    warm(bed, &always, 8, false)?;
    warm(bed, &everysec, 8, false)?;
    let (mut shares, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..bed.rounds {
        let mut rate = [0.0; 2];
        for (party, rate) in [&everysec, &always].into_iter().zip(&mut rate) {
            let shots = orders(bed.count(20_000), 8);
            *rate = all_taken(closed(party.at, &shots, CONNECTIONS), shots.len())?.rate();
        }
        shares.push(100.0 * rate[1] / rate[0]);
        rates.push(rate[1]);
    }
    Ok(vec![
        Row::at_least("accept rate, AOF always ÷ everysec", 65.0, 80.0, "%", shares),
        Row::told("  accepts a second with AOF always", "/s", rates),
    ])
}

/// Accept p50 and p99 at 1,000 a second, everything running.
pub fn latency(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let ours = relay(bed, &Setup::all())?;
    warm(bed, &ours, 8, true)?;
    let (mut half, mut most) = (Vec::new(), Vec::new());
    for _ in 0..bed.rounds {
        let shots = orders(bed.count(8_000), 8);
        let report = all_taken(open(ours.at, &shots, CONNECTIONS, 1_000.0), shots.len())?;
        half.push(report.wait_ms(0.5));
        most.push(report.wait_ms(0.99));
    }
    Ok(vec![
        Row::at_most("accept p50 at 1,000/s, everysec", 1.0, 0.6, "ms", half),
        Row::at_most("accept p99 at 1,000/s, everysec", 10.0, 4.0, "ms", most),
    ])
}
