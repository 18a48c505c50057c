//! Clocks that jump: Redis' by an hour and by two days, the relay's own by 90 seconds.

use super::relay::Manner;
use super::server::How;
use super::shims::Offset;
use super::traffic::Traffic;
use super::world::{Plan, World, folder};
use std::time::Duration;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How far Redis' clock is from the relay's, and whether the relay calls itself ready.
async fn skew(world: &World) -> (i64, bool) {
    let verbose = world.ready().await;
    ((verbose["redis"]["skew_ms"].as_f64().unwrap_or(0.0) / 1000.0).round() as i64, verbose["ready"] == true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_jump_double_nothing_and_lose_nothing() {
    let dir = folder("clocks");
    let (redis, env) = Offset::new(&dir, "redis");
    let server = How { env, ..How::default() };
    let (relay_clock, env) = Offset::new(&dir, "relay");
    let manner = Manner { env, ..Manner::default() };
    // Behind the true time at first, both of them: what the relay's clock gives its time while it is ahead has come
    // when both are right.
    redis.ahead(-90);
    relay_clock.ahead(-90);
    let mut world = World::lay(&dir, Plan { server, manner, ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    assert_eq!(skew(&world).await, (0, true));
    let traffic = Traffic::start(&world.street, 43, Duration::from_millis(150), Duration::from_millis(400));
    for secs in [90, 0, -90, 0] {
        relay_clock.ahead(secs - 90);
        tokio::time::sleep(Duration::from_millis(900)).await;
        let (seen, ready) = skew(&world).await;
        assert!(
            (seen + secs).abs() <= 1 && ready == (secs == 0),
            "we {secs} s ahead are seen as {seen}, ready {ready}"
        );
    }
    redis.ahead(0);
    relay_clock.ahead(0);
    for secs in [HOUR, 0, -HOUR, 0, 2 * DAY, 0, -2 * DAY, 0] {
        redis.ahead(secs);
        tokio::time::sleep(Duration::from_millis(900)).await;
        let (seen, ready) = skew(&world).await;
        assert!(
            (seen - secs).abs() <= 1 && ready == (secs == 0),
            "Redis {secs} s ahead is seen as {seen}, ready {ready}"
        );
    }
    traffic.end().await;
    let report = world.judge("Redis' clock 1 h and 2 days off, ours 90 s, forth and back", &mut relay).await;
    assert!(report.acknowledged > 100, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_clock_is_wrong_does_not_start() {
    let dir = folder("wrong");
    let (clock, env) = Offset::new(&dir, "relay");
    let mut world = World::lay(&dir, Plan { manner: Manner { env, ..Manner::default() }, ..Plan::default() }).await;
    for secs in [90, -90] {
        clock.ahead(secs);
        let mut relay = world.spawn("all", None);
        assert!(world.open(&mut relay).await.is_err(), "{secs} s ahead it starts");
        let log = relay.logged();
        assert!(log.contains("clock") && log.contains("NTP"), "it does not say why:\n{log}");
    }
    clock.ahead(0);
    world.start("all").await.end().await;
    std::fs::remove_dir_all(&world.dir).ok();
}
