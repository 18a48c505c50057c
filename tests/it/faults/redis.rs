//! Redis killed in the middle of everything, Redis standing still, and answers of Redis that get lost.

use super::traffic::Traffic;
use super::world::{Redis, World};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_started_again_loses_nothing_acknowledged() {
    let mut world = World::make("redis-killed", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 1, Duration::from_millis(120), Duration::from_millis(400));
    for rest in [0, 300, 1200, 50] {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let redis = world.redis.as_mut().expect("this world has a Redis of its own");
        redis.kill_and_restart(Duration::from_millis(rest)).await;
    }
    traffic.end().await;
    world.judge("4 kills of Redis", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_standing_still_for_three_seconds_is_told_to_the_shop_in_time() {
    let mut world = World::make("redis-stopped", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 2, Duration::from_millis(120), Duration::from_millis(400));
    for rest in [3000, 1000] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let redis = world.redis.as_ref().expect("this world has a Redis of its own");
        redis.stop_for(Duration::from_millis(rest)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    traffic.end().await;
    world.judge("Redis stopped for 3 s and 1 s", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_lost_after_their_work_was_done_are_not_work_done_twice() {
    let mut world = World::make("wire", Redis::Wired).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 5, Duration::from_millis(120), Duration::from_millis(400));
    for nth in [9, 5, 23, 13] {
        world.wire.as_ref().expect("this world has a wire").lose_every(nth);
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    let wire = world.wire.as_ref().expect("this world has a wire");
    wire.lose_every(0);
    let lost = wire.lost();
    assert!(lost > 20, "only {lost} answers were lost");
    traffic.end().await;
    world.judge(&format!("{lost} answers of Redis lost"), &mut relay).await;
}
