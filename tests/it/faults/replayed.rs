//! A replay that is interrupted, resumed, and run by two at once, while the shops go on.

use super::traffic::{Traffic, begin_of, post};
use super::world::{Redis, World};
use orderwire::mock::{Fault, FaultKind};
use serde_json::{Value, json};
use std::time::Duration;

/// Orders whose messages died: more than a page of a replay.
const DEAD: usize = 150;

/// Goes on with the run as often as two operators do at once, until it is over; `None`: the relay is gone.
async fn resumed(world: &World, run: &str) -> Option<Value> {
    loop {
        let ask = json!({ "run": run });
        let (one, other) = tokio::join!(world.tell("/api/v1/replay", &ask), world.tell("/api/v1/replay", &ask));
        let page = one.or(other)?;
        if page["run"]["done"] == true {
            return Some(page);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_interrupted_and_run_by_two_tells_everything_once() {
    let mut world = World::make("replay", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let refusal = "{\"message\":\"The property is invalid\"}";
    world.mock.fault(Fault { times: 0, ..Fault::new("line", FaultKind::Status(400, refusal.into())) });
    let orders: Vec<_> = (0..DEAD).map(|_| begin_of(&world.street, "woo-line")).collect();
    for some in orders.chunks(16) {
        let all = some.iter().map(|(place, order)| post(&world.street, *place, order, 0));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|taken| taken));
    }
    world.rest().await;
    assert_eq!(world.mock.sent().iter().filter(|t| t.channel == "line").count(), 0, "all of them died");
    world.mock.clear_faults();
    let traffic = Traffic::start(&world.street, 46, Duration::from_millis(200), Duration::from_millis(300));
    let ask = json!({ "filter": { "outcome": "dead" }, "execute": true, "reason": "put right", "rate": 500.0 });
    let page = world.tell("/api/v1/replay", &ask).await.unwrap();
    let run = page["run"]["id"].as_str().unwrap().to_string();
    assert_eq!(page["run"]["done"], false, "it has more than a page: {}", page["run"]);
    for _ in 0..2 {
        // In the middle of the next page, or of the sends that the last one made owed.
        let going = resumed(&world, &run);
        tokio::select! {
            _ = going => {}
            () = tokio::time::sleep(Duration::from_millis(30)) => {}
        }
        relay.kill();
        world.close();
        relay = world.start("all").await;
    }
    let page = resumed(&world, &run).await.expect("the relay is there");
    eprintln!("the run: {}", page["run"]);
    // Once more, under a new id: nothing is left to tell.
    let again = world.tell("/api/v1/replay", &ask).await.unwrap();
    traffic.end().await;
    world.rest().await;
    let (report, evidence) = world.report("a replay interrupted twice and run by two").await;
    for (place, order) in &orders {
        let told = evidence.orders[*place].told.iter().flat_map(|t| &t.milestones);
        assert_eq!(told.filter(|m| *m == order.steps[0].proves[0]).count(), 1, "{} (again: {again})", order.name);
    }
    world.sentence("a replay interrupted twice and run by two", report, &evidence, &mut relay).await;
}
