//! Code that panics: over one order, again and again.

use super::checker::Post;
use super::traffic::Traffic;
use super::world::{Redis, World};
use std::time::Duration;

/// A run in which code panics at `place` again and again.
async fn panicking(place: &str) {
    let mut world = World::make("panics", Redis::Own).await;
    world.manner.crash = Some(place.into());
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 6, Duration::from_millis(120), Duration::from_millis(250));
    tokio::time::sleep(Duration::from_millis(1800)).await;
    traffic.end().await;
    assert!(relay.ended().is_none(), "{place}: it died");
    // The log says where it panicked, and not what it said.
    assert!(relay.logged().contains("src/flow/crash.rs"), "{place}: nothing panicked");
    let posts = world.street.posts.lock().unwrap().clone();
    let answered = |post: &Post, word: &str| post.answer.as_ref().is_some_and(|(_, said)| said.contains(word));
    let kept = posts.iter().any(|post| answered(post, "spooled"));
    assert!(kept || !place.starts_with("after-commit"), "{place}: what failed in the accept was not kept on disk");
    world.judge(place, &mut relay).await;
}

/// Code that panics over one order harms no other: what a shop told waits on disk for another try, the order is worked on
/// again when its lease is over, and the process goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panics_everywhere_lose_nothing_and_stop_nobody() {
    let places = ["after-commit:9:panic", "after-begin:9:panic", "after-send:9:panic"];
    futures_util::future::join_all(places.map(panicking)).await;
}
