//! Death at the very places where a `kill -9` by time rarely hits.

use super::relay::Relay;
use super::traffic::Traffic;
use super::world::{Redis, World};
use orderwire::mock::{Fault, FaultKind};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

/// Places of `flow::crash`, each with the time at which it strikes.
const PLACES: [&str; 8] = [
    "after-commit:1",
    "after-commit:4",
    "after-lease:2",
    "after-begin:1",
    "after-begin:3",
    "after-send:1",
    "after-send:4",
    "before-settle:3",
];

/// The signal of an abort.
const ABORTED: i32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_named_place_loses_nothing_and_doubles_nothing() {
    let mut world = World::make("points", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    relay.kill();
    world.close();
    let traffic = Traffic::start(&world.street, 7, Duration::from_millis(200), Duration::from_millis(500));
    for place in PLACES {
        let mut relay = world.spawn("all", Some(place));
        // It may die before it was seen to be ready.
        let up = world.open(&mut relay).await;
        died(&mut relay, place, &up).await;
        world.close();
    }
    relay = world.start("all").await;
    traffic.end().await;
    world.judge("death at named places", &mut relay).await;
}

/// Places that are passed while Redis is away (`true`), and what the next process passes when it is back.
/// Whoever replays results may have taken all that waited before it died, so there is more on disk for the last.
const DISK: [(&str, bool); 6] = [
    ("after-spool:3", true),
    ("before-strike:2", false),
    ("after-result:1", true),
    ("after-replay:1", false),
    ("after-spool:2", true),
    ("before-strike:1", false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_over_what_waits_on_disk_loses_nothing_and_doubles_nothing() {
    let mut world = World::make("disk-points", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    relay.kill();
    world.close();
    let traffic = Traffic::start(&world.street, 8, Duration::from_millis(150), Duration::from_millis(400));
    for (place, away) in DISK {
        let mut relay = world.spawn("all", Some(place));
        let up = world.open(&mut relay).await;
        if away {
            // Sends are under way when Redis goes.
            let slow = |lane| Fault::new(lane, FaultKind::SlowAnswer(600)).times(20);
            ["line", "messenger"].into_iter().for_each(|lane| world.mock.fault(slow(lane)));
            tokio::time::sleep(Duration::from_millis(900)).await;
            world.server().kill();
        }
        died(&mut relay, place, &up).await;
        world.close();
        if away {
            world.server().start_again();
        }
    }
    relay = world.start("all").await;
    traffic.end().await;
    world.judge("death over what waits on disk", &mut relay).await;
}

/// Waits until it has died by itself.
pub async fn died(relay: &mut Relay, place: &str, up: &Result<(), String>) {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = relay.ended() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{place} was never passed ({up:?})");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(status.signal(), Some(ABORTED), "{place}: it died of something else ({up:?})");
}

/// A place that no test dies at proves nothing.
#[test]
fn every_place_that_is_named_is_died_at() {
    fn texts(dir: &std::path::Path, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                all.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut source, mut tests) = (Vec::new(), Vec::new());
    texts(&root.join("src/flow"), &mut source);
    texts(&root.join("tests/it"), &mut tests);
    let mut places: Vec<&str> = source.iter().flat_map(|t| t.split("crash::point(\"").skip(1)).collect();
    places.iter_mut().for_each(|rest| *rest = rest.split('"').next().unwrap());
    places.sort_unstable();
    assert!(places.len() >= 12, "{places:?}");
    for place in places {
        let died = tests.iter().any(|t| t.contains(&format!("\"{place}:")) || t.contains(&format!("\"{place}\"")));
        assert!(died, "no test dies at {place}");
        let told = source.iter().any(|t| t.contains("//! Named places") && t.contains(&format!("`{place}`")));
        assert!(told, "{place} is not in the list of src/flow/crash.rs");
    }
}
