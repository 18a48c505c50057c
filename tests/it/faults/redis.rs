//! Redis killed in the middle of everything, Redis standing still, and answers of Redis that get lost.

use super::checker::Post;
use super::traffic::{Traffic, begin, post};
use super::world::{Redis, World};
use crate::support::redis::Reply;
use orderwire::domain::clock::{Clock as _, SystemClock};
use orderwire::mock::{Fault, FaultKind, Taken};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_started_again_loses_nothing_acknowledged() {
    let mut world = World::make("redis-killed", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 1, Duration::from_millis(120), Duration::from_millis(400));
    for rest in [0, 300, 1200, 50] {
        tokio::time::sleep(Duration::from_millis(900)).await;
        world.server().kill_and_restart(Duration::from_millis(rest)).await;
    }
    traffic.end().await;
    {
        let posts = world.street.posts.lock().unwrap();
        let refused = posts.iter().filter_map(|p| p.answer.as_ref()).filter(|(status, _)| *status != 200).count();
        assert_eq!(refused, 0, "the relay has a spool, and its disk has room");
        let spooled = posts.iter().filter_map(|p| p.answer.as_ref()).filter(|(_, word)| word.contains("spooled"));
        assert!(spooled.count() > 3, "Redis was away, and the spool was hardly used");
    }
    world.judge("4 kills of Redis", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_standing_still_is_told_to_the_shop_in_time() {
    let mut world = World::make("redis-stopped", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 2, Duration::from_millis(120), Duration::from_millis(400));
    let mut on_their_way = 0;
    for rest in [3000, 1000, 30_000] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // Messages are on their way when it stops, and are told while it stands still: their results come later.
        let slow = |lane| Fault::new(lane, FaultKind::SlowAnswer(600)).times(10);
        ["line", "messenger"].into_iter().for_each(|lane| world.mock.fault(slow(lane)));
        tokio::time::sleep(Duration::from_millis(400)).await;
        let before = world.street.posts.lock().unwrap().len();
        let stood = SystemClock.now().as_millisecond();
        world.server().stop_for(Duration::from_millis(rest)).await;
        let posts = world.street.posts.lock().unwrap()[before..].to_vec();
        let without = posts.iter().filter(|p| p.without_redis()).count();
        // A second is waited for; what takes longer is not.
        assert!(without >= 5 || rest < 1500, "{rest} ms: only {without} of {} did without Redis", posts.len());
        // Taken by the provider before, answered after.
        let under_way = |t: &&Taken| (stood - 550..stood).contains(&t.at.as_millisecond());
        on_their_way += world.mock.sent().iter().filter(under_way).count();
        world.mock.clear_faults();
    }
    assert!(on_their_way > 2, "hardly anything was on its way when it stopped");
    // Nobody took an order from who could not write down that it was told: all leases looked ended after 30 s.
    let until = Instant::now() + Duration::from_secs(12);
    while Instant::now() < until {
        assert_eq!(world.measure("orderwire_redeliveries_total").await, 0.0, "a lease was taken from its holder");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    traffic.end().await;
    for lane in ["line-main", "messenger-page", "mail"] {
        let doubts = world.measure(&format!("orderwire_unsure_total{{channel=\"{lane}\"}}")).await;
        assert_eq!(doubts, 0.0, "{lane}: a time-out of Redis was taken for one of the provider");
    }
    world.judge("Redis stopped for 3 s, 1 s and 30 s", &mut relay).await;
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

/// Redis reads a long log after a kill: until it has, nothing is taken and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_reading_its_log_is_waited_for() {
    let mut world = World::make("loading", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 15, Duration::from_millis(100), Duration::from_millis(300));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // Each command takes its time, as a million of them would.
    world.server().will(vec!["--key-load-delay", "2500", "--loading-process-events-interval-bytes", "1024"]);
    let from = world.street.posts.lock().unwrap().len();
    world.server().kill_and_restart(Duration::ZERO).await;
    let started = Instant::now();
    while matches!(world.server().ask(&["PING"]), Reply::Error(e) if e.starts_with("LOADING")) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();
    let posts = world.street.posts.lock().unwrap()[from..].to_vec();
    let without = posts.iter().filter(|p| p.without_redis()).count();
    assert!(took > Duration::from_secs(1) && without > 5, "it read for {took:?}, and {without} did without it");
    takes_within_five_seconds(&world).await;
    traffic.end().await;
    world.judge(&format!("Redis reading its log for {took:?}"), &mut relay).await;
}

/// Waits until a shop's request is stored in Redis again, and not only on disk.
async fn takes_within_five_seconds(world: &World) {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let (place, order) = begin(&world.street);
        post(&world.street, place, &order, 0).await;
        let stored =
            |p: &Post| p.answer.as_ref().is_some_and(|(status, word)| *status == 200 && !word.contains("spooled"));
        if world.street.posts.lock().unwrap().iter().any(|p| p.order == place && stored(p)) {
            return;
        }
        assert!(Instant::now() < until, "Redis is back, and nothing is taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same where nothing can wait on disk: an honest 503 with a time to come back, at once, and by itself no longer
/// when it has read all. The process lives and says that it is not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_reading_its_log_without_a_spool_is_said_to_the_shops() {
    let mut world = World::make("loading-bare", Redis::Own).await;
    let folder = format!("dir = \"{}/spool\"", world.dir.display());
    world.change("[spool]", &folder, "max_bytes = \"0\"");
    let mut relay = world.start("all").await;
    world.open_windows().await;
    for _ in 0..150 {
        let (place, order) = begin(&world.street);
        assert!(post(&world.street, place, &order, 0).await);
    }
    world.server().will(vec!["--key-load-delay", "2500", "--loading-process-events-interval-bytes", "1024"]);
    let (place, order) = begin(&world.street);
    let from = world.street.posts.lock().unwrap().len();
    world.server().kill_and_restart(Duration::ZERO).await;
    let admin = relay.admin.unwrap();
    let probe =
        async |path: &str| world.street.http.get(format!("http://{admin}{path}")).send().await.unwrap().status();
    let (mut asked, mut unready) = (0, 0);
    while matches!(world.redis.as_ref().unwrap().ask(&["PING"]), Reply::Error(e) if e.starts_with("LOADING")) {
        post(&world.street, place, &order, 0).await;
        asked += 1;
        assert_eq!(probe("/livez").await, 200, "a restart of the pod would not help");
        unready += usize::from(probe("/readyz").await == 503);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let posts = world.street.posts.lock().unwrap()[from..].to_vec();
    let refused = posts.iter().filter(|p| p.answer.as_ref().is_some_and(|(status, _)| *status == 503)).count();
    assert!(asked > 1 && refused + 1 >= asked && unready + 1 >= asked, "{refused} and {unready} of {asked}");
    assert!(posts.iter().all(|p| p.took < Duration::from_millis(4500)), "{posts:?}");
    takes_within_five_seconds(&world).await;
    while !post(&world.street, place, &order, 0).await {}
    world.judge("Redis reading its log, and no spool", &mut relay).await;
}

/// Somebody sets Redis up anew while it runs, or empties it: the relay says so, and calls itself no longer ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_changed_behind_our_back_is_told() {
    let mut world = World::make("changed", Redis::Own).await;
    let mut relay = world.start("all").await;
    let changes = [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "noeviction"),
        ("appendfsync", "everysec", "always", "appendfsync"),
        ("appendonly", "no", "yes", "appendonly"),
    ];
    for (key, bad, good, word) in changes {
        world.server().ask(&["CONFIG", "SET", key, bad]);
        let said = world.ready().await;
        assert_eq!(said["ready"], false, "{key} {bad}: {said}");
        assert!(said["redis"]["complaint"].as_str().is_some_and(|c| c.contains(word)), "{key} {bad}: {said}");
        world.server().ask(&["CONFIG", "SET", key, good]);
        assert_eq!(world.ready().await["ready"], true, "{key} {good}");
    }
    world.server().ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    let end = Instant::now() + Duration::from_secs(15);
    while !relay.logged().contains("no longer set up as it must be") {
        assert!(Instant::now() < end, "nothing in the log:\n{}", relay.logged());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.server().ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    world.server().ask(&["FLUSHALL"]);
    let said = world.ready().await;
    // Ready only for what waits on disk.
    let ready = said["spool"]["usable"] == true;
    assert_eq!((&said["ready"], &said["redis"]), (&ready.into(), &serde_json::Value::Null), "{said}");
    relay.end().await;
    std::fs::remove_dir_all(&world.dir).ok();
}
