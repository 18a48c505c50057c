//! Providers on their bad days, under load.

use super::traffic::{Traffic, begin, post};
use super::world::{Redis, World};
use orderwire::mock::{Fault, FaultKind, Wrong};
use std::time::Duration;

/// Faults that strike each provider in turn, and that pass by themselves within seconds.
fn faults() -> Vec<FaultKind> {
    vec![
        FaultKind::Status(500, "{\"message\":\"Internal error\"}".into()),
        FaultKind::HangAfter(0),
        FaultKind::CutAfter,
        FaultKind::CutBefore,
        FaultKind::WrongEncoding(Wrong::Gzip),
        FaultKind::HangBefore(0),
        FaultKind::SlowBody(3),
        FaultKind::WrongEncoding(Wrong::Html),
        FaultKind::SlowAnswer(400),
        FaultKind::EndlessBody,
        FaultKind::WrongEncoding(Wrong::Utf8),
    ]
}

/// One order of each shop, first webhook only.
async fn one_of_each(world: &World) {
    for _ in 0..4 {
        let (place, order) = begin(&world.street);
        assert!(post(&world.street, place, &order, 0).await, "no fault of a provider reaches a shop");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_that_fail_get_each_message_as_often_as_its_purpose_allows() {
    let mut world = World::with_staff("providers", Redis::Own, "1").await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 4, Duration::from_millis(700), Duration::from_millis(600));
    for (i, kind) in faults().into_iter().enumerate() {
        for lane in ["line", "messenger", "smtp", "slack"] {
            // Slack takes one message a second and has few to come: five failures in a row would rest it. A mail
            // server's 500 says that it is us, and rests the account for a minute.
            let status = matches!(kind, FaultKind::Status(..));
            if (lane != "slack" || i % 2 == 0) && (lane != "smtp" || !status) {
                world.mock.fault(Fault::new(lane, kind.clone()));
            }
        }
        one_of_each(&world).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    traffic.end().await;
    world.judge("faults of every provider", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_fast_and_used_up_stop_the_channel_and_lose_nothing() {
    let mut world = World::with_staff("limits", Redis::Own, "1").await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    for kind in [FaultKind::Rate429, FaultKind::Quota429, FaultKind::Rate429After("1".into())] {
        for lane in ["line", "messenger", "slack"] {
            world.mock.fault(Fault::new(lane, kind.clone()));
        }
        one_of_each(&world).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        for channel in ["line-main", "messenger-page", "slack-shop"] {
            world.resume(channel).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(world.mock.faults().is_empty(), "every fault struck: {:?}", world.mock.faults());
    world.judge("429 of both kinds", &mut relay).await;
}
