//! The relay as a process: killed with a full spool, started without Redis, started twice.

use super::world::{World, said};
use crate::support::child::{Serving, orderwire, run_in};
use crate::support::orders::{NAME, PHONE, woo, woo_order};
use crate::support::until;
use crate::support::wire::get;

fn body(order: u64) -> String {
    woo_order(order, "processing", 5).to_string()
}

async fn post(serving: &Serving, body: &str, word: &str) {
    said(&woo("order.created", body.as_bytes()).send(serving.web).await, word);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_full_spool_and_started_without_redis_it_tells_each_order_once() {
    let mut world = World::new().await;
    let file = world.settings();
    let mut serving = Serving::start(&file, &world.dir);
    world.redis.kill();
    let bodies: Vec<String> = (901..905).map(body).collect();
    for body in &bodies[..3] {
        post(&serving, body, "spooled").await;
    }
    serving.signal("KILL");
    serving.ended();
    world.holds_none_of(&[NAME, PHONE]);
    // Redis is still away: the doors open all the same, or what is not repeated would be lost.
    let mut serving = Serving::start(&file, &world.dir);
    serving.says("Redis is away");
    assert_eq!(get(serving.admin, "/readyz").await.status, 200);
    post(&serving, &bodies[3], "spooled").await;
    serving.signal("KILL");
    serving.ended();
    world.redis.start_again();
    let mut serving = Serving::start(&file, &world.dir);
    until("each is told", || async { (901..905).all(|order| world.messages(order) > 0).then_some(()) }).await;
    serving.says("the spool is empty again");
    // What the spool told is known by its content: the shop's own repeat of it is nothing new.
    post(&serving, &bodies[0], "duplicate").await;
    for order in 901..905 {
        assert_eq!(world.messages(order), 1, "{order}");
    }
    let log = serving.logged();
    assert!(!log.contains(NAME) && !log.contains(PHONE), "{log}");
}

/// Between the flush and the answer, and between the store and the strike: what is offered again is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_between_two_steps_makes_a_duplicate_and_nothing_else() {
    let mut world = World::new().await;
    let file = world.settings();
    let mut serving = Serving::to_die(&file, &world.dir, "web", "after-spool:3");
    world.redis.kill();
    let bodies: Vec<String> = (911..914).map(body).collect();
    for body in &bodies[..2] {
        post(&serving, body, "spooled").await;
    }
    let answer = woo("order.created", bodies[2].as_bytes()).send(serving.web).await;
    assert_eq!(answer.status, 0, "it died before it could answer: {}", answer.body);
    serving.ended();
    world.redis.start_again();
    for _ in 0..2 {
        // Each start strikes one off, and dies on the next.
        let mut relay = orderwire();
        relay.env("ORDERWIRE_CRASH", "before-strike:2");
        let died = run_in(&mut relay, &["-c", &file.display().to_string(), "serve", "--role", "web"]);
        assert_eq!(died.code, -1, "killed by its own abort: {died:?}");
    }
    let mut serving = Serving::start(&file, &world.dir);
    serving.says("the spool is empty again");
    until("each is told", || async { (911..914).all(|order| world.messages(order) > 0).then_some(()) }).await;
    post(&serving, &bodies[2], "duplicate").await;
    for order in 911..914 {
        assert_eq!(world.messages(order), 1, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_folder_does_not_start() {
    let world = World::new().await;
    let file = world.settings();
    let serving = Serving::start(&file, &world.dir);
    let second = run_in(&mut orderwire(), &["-c", &file.display().to_string(), "serve"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("another orderwire has the spool") && second.err.contains("spool.dir"), "{second:?}");
    assert_eq!(get(serving.admin, "/readyz").await.status, 200, "the first is not disturbed");
}

/// Full by its bytes, as a process: the shop is told so, and the log names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_is_told_to_the_shop_and_to_the_operator() {
    let mut world = World::new().await;
    world.plan.spool = world.plan.spool.replace("min_free_percent = 0", "min_free_percent = 90");
    let mut serving = Serving::start(&world.settings(), &world.dir);
    world.redis.kill();
    let answer = woo("order.created", body(921).as_bytes()).send(serving.web).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    let why = serving.says("spool.min_free_percent");
    assert!(why.contains("ERROR"), "{why}");
    let line = serving.says("webhook answered 503: this platform never repeats");
    assert!(line.contains("\"shop\":\"woo\"") && line.contains("ERROR"), "{line}");
}

#[test]
fn check_says_whether_there_is_a_spool_and_whose_deliveries_are_lost_without() {
    let dir = crate::support::dir::Dir::new();
    let check = |plan: &crate::support::relay::Plan| {
        let file = dir.write("orderwire.toml", &plan.text());
        run_in(&mut orderwire(), &["-c", &file.display().to_string(), "check"])
    };
    let mut plan = crate::support::relay::Plan::at("redis://127.0.0.1:1/0");
    let without = check(&plan);
    assert_eq!(without.code, 0, "{without:?}");
    assert!(without.out.contains("deliveries of woo, woo-b are lost"), "{}", without.out);
    assert!(without.out.contains("no spool: what Redis cannot take is answered 503"), "{}", without.out);
    plan = plan.spool(&dir.join("spool"));
    let with = check(&plan);
    assert!(
        with.out.contains("up to 1GiB of what Redis cannot take wait in") && !with.out.contains("are lost"),
        "{}",
        with.out
    );
    plan.store = String::new();
    plan.spool = String::new();
    let private = check(&plan);
    assert!(private.out.contains("orderwire-data/spool") && !private.out.contains("are lost"), "{}", private.out);
    plan.spool = "max_bytes = \"1KiB\"\nminfree = 3".into();
    let wrong = check(&plan);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.out.contains("spool.minfree"), "{}", wrong.out);
    plan.spool = "max_bytes = \"1KiB\"".into();
    let wrong = check(&plan);
    assert!(wrong.code == 2 && wrong.out.contains("spool.max_bytes"), "{wrong:?}");
}
