//! Two workers on one Redis: one stands still for longer than its lease, and comes back.

use super::traffic::Traffic;
use super::world::{Redis, World};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_slept_through_its_lease_tells_nothing_twice() {
    let mut world = World::make("workers", Redis::Own).await;
    let mut sleeper = world.start("worker").await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 3, Duration::from_millis(100), Duration::from_millis(500));
    // Twice for a moment, so that it is stopped at different work; then beyond its lease of 8 s.
    for (work, rest) in [(900, 300), (400, 300), (700, 9000)] {
        tokio::time::sleep(Duration::from_millis(work)).await;
        sleeper.signal("STOP");
        tokio::time::sleep(Duration::from_millis(rest)).await;
        sleeper.signal("CONT");
    }
    traffic.end().await;
    sleeper.end().await;
    world.judge("a worker stopped for 9 s beside another", &mut relay).await;
}
