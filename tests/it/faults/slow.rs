//! A Redis that is slow, now and then very slow, and connections that go dead while it is well.

use super::checker::Post;
use super::traffic::Traffic;
use super::wire::Wire;
use super::world::{Redis, World};
use std::time::{Duration, Instant};

fn wire(world: &World) -> &Wire {
    world.wire.as_ref().expect("this world has a wire")
}

/// What shops were answered since `from`: how many not with 200, and the longest wait.
fn since(world: &World, from: usize) -> (usize, Duration, usize) {
    let posts: Vec<Post> = world.street.posts.lock().unwrap()[from..].to_vec();
    let bad = posts.iter().filter(|p| p.answer.as_ref().is_none_or(|(status, _)| *status != 200)).count();
    (bad, posts.iter().map(|p| p.took).max().unwrap_or_default(), posts.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_makes_shops_wait_and_never_too_long() {
    let mut world = World::make("slow", Redis::Wired).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 20, Duration::from_millis(150), Duration::from_millis(400));
    for (delay, longest) in [(50, 1500), (200, 3000), (800, 4500)] {
        wire(&world).delay(Duration::from_millis(delay));
        // Answers of the phase before are not this one's.
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let from = world.street.posts.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let (bad, most, all) = since(&world, from);
        eprintln!("{delay} ms a command: {all} answers, {bad} not taken, the longest after {most:?}");
        assert!(all > 5 && most < Duration::from_millis(longest), "{delay} ms a command: {most:?} of {all}");
        assert!(delay > 200 || bad == 0, "{delay} ms a command: {bad} of {all} were not taken");
    }
    wire(&world).delay(Duration::ZERO);
    wire(&world).late_every(100, Duration::from_secs(2));
    let from = world.street.posts.lock().unwrap().len();
    tokio::time::sleep(Duration::from_millis(5000)).await;
    let (bad, most, all) = since(&world, from);
    eprintln!("1 % at 2 s: {all} answers, {bad} not taken, the longest after {most:?}");
    assert!(all > 20 && bad * 2 < all, "{bad} of {all} were not taken");
    wire(&world).late_every(0, Duration::ZERO);
    traffic.end().await;
    world.judge("Redis at 50, 200, 800 ms a command, then 1 % at 2 s", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_went_dead_are_left_within_five_seconds() {
    let mut world = World::make("dead", Redis::Wired).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 12, Duration::from_millis(100), Duration::from_millis(300));
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let before = wire(&world).connections();
        wire(&world).go_dead();
        let (dead, from) = (Instant::now(), world.street.posts.lock().unwrap().len());
        loop {
            let posts = world.street.posts.lock().unwrap()[from..].to_vec();
            // Asked after the connection died and taken: over a new one.
            let by_redis = |p: &Post| p.answer.is_some() && !p.without_redis();
            let taken = |p: &Post| p.at - p.took > dead && by_redis(p);
            if posts.iter().any(taken) {
                break;
            }
            assert!(dead.elapsed() < Duration::from_secs(5), "nothing is taken 5 s after");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(wire(&world).connections() > before);
    }
    traffic.end().await;
    world.judge("connections to Redis gone dead twice", &mut relay).await;
}
