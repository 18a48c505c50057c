//! `kill -9` of the relay at random instants under load, again and again.

use super::relay::Relay;
use super::traffic::Traffic;
use super::world::{Redis, World};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;

/// Kills of a normal test run.
const KILLS: u64 = 20;
const SEED: u64 = 20_261_125;

/// A number that the caller asks for, or the usual one.
#[expect(clippy::disallowed_methods, reason = "the length of a run is asked of the caller, not of the settings")]
pub fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Mostly at work, sometimes while it is still starting.
async fn live_and_die(world: &mut World, relay: &mut Relay, dice: &mut StdRng) {
    if dice.random_bool(0.15) {
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..120))).await;
    } else {
        world.open(relay).await.unwrap();
        tokio::time::sleep(Duration::from_millis(dice.random_range(30..650))).await;
    }
    relay.kill();
    world.close();
}

async fn run(what: &str, redis: Redis, kills: u64, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::make("kills", redis).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, seed, Duration::from_millis(400), Duration::from_millis(900));
    for kill in 0..kills {
        if kill > 0 {
            relay = world.spawn("all", None);
        }
        live_and_die(&mut world, &mut relay, &mut dice).await;
    }
    relay = world.start("all").await;
    traffic.end().await;
    world.judge(&format!("{what} (seed {seed})"), &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_instants_lose_nothing_and_double_nothing() {
    let kills = asked("ORDERWIRE_KILLS", KILLS);
    run(&format!("{kills} kills"), Redis::Own, kills, asked("ORDERWIRE_SEED", SEED)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_redis_outlives_the_relay_and_is_adopted() {
    run("4 kills beside a private Redis", Redis::Private, 4, SEED).await;
}

/// The whole machine goes down, relay and Redis, in any order, and comes up again in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_killed_twenty_times_loses_nothing_and_doubles_nothing() {
    let mut dice = StdRng::seed_from_u64(SEED ^ 3);
    let mut world = World::make("everything", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 3, Duration::from_millis(250), Duration::from_millis(700));
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..350))).await;
        if dice.random_bool(0.5) {
            world.server().kill();
            relay.kill();
        } else {
            relay.kill();
            world.server().kill();
        }
        world.close();
        world.server().start_again();
        relay = world.start("all").await;
    }
    traffic.end().await;
    world.judge("20 kills of everything", &mut relay).await;
}
