//! Rows of `docs/faults.md` with random seeds, one after the other, for as long as one likes (`make chaos`).
//!
//! `ORDERWIRE_CHAOS_SECS` says how long, `ORDERWIRE_SEED` repeats a run. Ends with one line of what it came to.

use super::checker::Report;
use super::kills::asked;
use super::traffic::{Traffic, begin, post};
use super::watched::Watched;
use super::world::{Plan, Redis, World, folder};
use crate::support::cluster::{Cluster, move_slot};
use crate::support::redis::TAGS;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::time::{Duration, Instant};

/// What is done to a world.
#[derive(Clone, Copy, Debug)]
enum Row {
    /// F1, F2: the relay dies at a named place.
    Places,
    /// F1, F2: the relay dies at any moment.
    Kills,
    /// F9: Redis dies at any moment.
    RedisKilled,
    /// F13: answers of Redis get lost.
    LostAnswers,
    /// F23: the primary stands still until it is replaced, and comes back.
    SplitBrain,
    /// F28: slots of a cluster move there and back.
    SlotMoves,
    /// F38: everything many times at once, in any order.
    Crowd,
}

const ROWS: [Row; 7] =
    [Row::Places, Row::Kills, Row::RedisKilled, Row::LostAnswers, Row::SplitBrain, Row::SlotMoves, Row::Crowd];
const PLACES: [&str; 5] = ["after-commit", "after-lease", "after-begin", "after-send", "before-settle"];

/// Servers that are not a world's own.
enum Elsewhere {
    Nothing,
    Watched(Watched),
    Spread(Cluster),
}

impl Elsewhere {
    fn of(row: Row) -> Elsewhere {
        match row {
            Row::SplitBrain => Elsewhere::Watched(Watched::start()),
            Row::SlotMoves => Elsewhere::Spread(Cluster::replicated(3)),
            _ => Elsewhere::Nothing,
        }
    }

    fn url(&self) -> String {
        match self {
            Elsewhere::Nothing => String::new(),
            Elsewhere::Watched(watched) => watched.url(),
            Elsewhere::Spread(cluster) => cluster.url(),
        }
    }
}

/// What all rows came to.
#[derive(Default)]
struct Sum {
    rows: usize,
    acknowledged: usize,
    kills: usize,
    messages: usize,
    lost: usize,
    repeated: usize,
    older: usize,
    faults: Vec<String>,
}

impl Sum {
    fn add(&mut self, what: &str, kills: usize, report: &Report) {
        self.rows += 1;
        self.kills += kills;
        self.acknowledged += report.acknowledged;
        self.messages += report.messages;
        self.lost += report.lost();
        self.repeated += report.repeated();
        self.older += report.older();
        self.faults.extend(report.faults.iter().map(|f| format!("{what}: {f}")));
    }
}

fn millis(dice: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(dice.random_range(from..to))
}

fn traffic(world: &World, dice: &mut StdRng) -> Traffic {
    let (every, gap) = (millis(dice, 80, 250), millis(dice, 200, 500));
    Traffic::start(&world.street, dice.random(), every, gap)
}

/// Lets the relay die a few times; gives the kills.
async fn die(world: &mut World, dice: &mut StdRng, named: bool) -> usize {
    let kills = dice.random_range(4..9);
    for _ in 0..kills {
        let place = format!("{}:{}", PLACES[dice.random_range(0..PLACES.len())], dice.random_range(1..6));
        let mut relay = world.spawn("all", named.then_some(place.as_str()));
        // It may die before it was seen to be ready.
        drop(world.open(&mut relay).await);
        let end = Instant::now() + if named { Duration::from_secs(3) } else { millis(dice, 10, 700) };
        while relay.ended().is_none() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        relay.kill();
        world.close();
    }
    kills
}

/// Posts orders' whole lives in any order, each webhook many times at once.
async fn crowd(world: &World, dice: &mut StdRng) {
    for _ in 0..dice.random_range(3..7) {
        let (place, order) = begin(&world.street);
        let mut steps: Vec<usize> = (0..order.steps.len()).collect();
        steps.shuffle(dice);
        for step in steps {
            let copies = (0..dice.random_range(2..50)).map(|_| post(&world.street, place, &order, step));
            futures_util::future::join_all(copies).await;
        }
    }
}

/// Moves slots that have orders to another primary and back, a few keys at a time.
async fn move_slots(cluster: &Cluster, dice: &mut StdRng) {
    for _ in 0..dice.random_range(2..5) {
        let nodes = &cluster.primaries;
        let tag = format!("{{{}}}", TAGS[dice.random_range(0..TAGS.len())]);
        let slot: u16 = nodes[0].must(&["CLUSTER", "KEYSLOT", &tag]).text().parse().unwrap();
        let home = usize::from(slot) * 3 / 16_384;
        let (from, to, third) = (&nodes[home], &nodes[(home + 1) % 3], &nodes[(home + 2) % 3]);
        let (step, stay) = (millis(dice, 0, 40), millis(dice, 0, 800));
        tokio::task::block_in_place(|| move_slot(slot, from, to, &[third], || std::thread::sleep(step)));
        tokio::time::sleep(stay).await;
        tokio::task::block_in_place(|| move_slot(slot, to, from, &[third], || std::thread::sleep(step)));
    }
}

/// Does it; gives the kills.
async fn disturb(row: Row, world: &mut World, dice: &mut StdRng, elsewhere: &Elsewhere) -> usize {
    match row {
        Row::Places | Row::Kills => return die(world, dice, matches!(row, Row::Places)).await,
        Row::RedisKilled => {
            for _ in 0..4 {
                tokio::time::sleep(millis(dice, 100, 1000)).await;
                world.server().kill_and_restart(millis(dice, 0, 800)).await;
            }
            return 4;
        }
        Row::LostAnswers => {
            for _ in 0..4 {
                world.wire.as_ref().expect("a wire").lose_every(dice.random_range(4..30));
                tokio::time::sleep(millis(dice, 300, 1200)).await;
            }
            world.wire.as_ref().expect("a wire").lose_every(0);
        }
        Row::SplitBrain => {
            let Elsewhere::Watched(watched) = elsewhere else { panic!("sentinels") };
            tokio::time::sleep(millis(dice, 300, 1000)).await;
            watched.stand_still(millis(dice, 0, 1500)).await;
        }
        Row::SlotMoves => {
            let Elsewhere::Spread(cluster) = elsewhere else { panic!("a cluster") };
            move_slots(cluster, dice).await;
        }
        Row::Crowd => crowd(world, dice).await,
    }
    0
}

async fn episode(row: Row, seed: u64, sum: &mut Sum) {
    let mut dice = StdRng::seed_from_u64(seed);
    let elsewhere = Elsewhere::of(row);
    let redis = match row {
        Row::LostAnswers => Redis::Wired,
        Row::SplitBrain | Row::SlotMoves => Redis::Elsewhere,
        _ => Redis::Own,
    };
    let mut world = World::lay(&folder("chaos"), Plan { redis, url: elsewhere.url(), ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = traffic(&world, &mut dice);
    let dies = matches!(row, Row::Places | Row::Kills);
    if dies {
        relay.kill();
        world.close();
    }
    let kills = disturb(row, &mut world, &mut dice, &elsewhere).await;
    if dies {
        relay = world.start("all").await;
    }
    traffic.end().await;
    let what = format!("{row:?} (seed {seed})");
    let (report, evidence) = world.report(&what).await;
    sum.add(&what, kills, &report);
    match report.faults.is_empty() {
        true => std::fs::remove_dir_all(&world.dir).unwrap_or_default(),
        false => world.write_down(&evidence, &report),
    }
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn rows_with_random_seeds() {
    let secs = asked("ORDERWIRE_CHAOS_SECS", 60);
    let chance = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = asked("ORDERWIRE_SEED", chance.into());
    let mut dice = StdRng::seed_from_u64(seed);
    let (started, mut sum) = (Instant::now(), Sum::default());
    let mut rows = Vec::new();
    while started.elapsed() < Duration::from_secs(secs) {
        if rows.is_empty() {
            rows = ROWS.to_vec();
            rows.shuffle(&mut dice);
        }
        episode(rows.pop().unwrap(), dice.random(), &mut sum).await;
    }
    eprintln!(
        "chaos of {} rows in {} s (seed {seed}): {} webhooks acknowledged, {} kills, {} messages accepted by providers, \
         {} lost, {} repeated without unsure, {} older after newer",
        sum.rows,
        started.elapsed().as_secs(),
        sum.acknowledged,
        sum.kills,
        sum.messages,
        sum.lost,
        sum.repeated,
        sum.older
    );
    assert_eq!(sum.faults, Vec::<String>::new());
    assert!(sum.acknowledged > 0 && sum.messages > 0);
}
