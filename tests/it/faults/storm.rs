//! One shop with a hundred times what the others have.

use super::checker::Post;
use super::shops::Order;
use super::traffic::{begin, begin_of, post};
use super::world::{Redis, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Orders of the flooding shop, and how many of its requests are under way at a time.
const FLOOD: usize = 1200;
const AT_ONCE: usize = 24;
/// Orders of the others during the flood.
const OTHERS: usize = 12;

/// Resident memory of a process, in MiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// The slowest answer of those to orders at `places`.
fn slowest(world: &World, places: &[usize]) -> Duration {
    let posts: Vec<Post> = world.street.posts.lock().unwrap().clone();
    posts.iter().filter(|p| places.contains(&p.order)).map(|p| p.took).max().unwrap()
}

async fn one_each(world: &World, orders: &[(usize, Arc<Order>)]) {
    for (place, order) in orders {
        assert!(post(&world.street, *place, order, 0).await, "{} was not taken", order.name);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_shop_is_borne_and_the_others_hardly_notice() {
    let mut world = World::make("storm", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let calm: Vec<_> = (0..OTHERS).map(|_| begin_of(&world.street, "woo-line")).collect();
    one_each(&world, &calm).await;
    world.rest().await;
    let before = memory(relay.pid());
    // One of them sends by the flooding shop's LINE account, whose pace both must share; one by mail.
    let shop = |i: usize| if i.is_multiple_of(2) { "woo-line" } else { "fy-mail" };
    let others: Vec<_> = (0..OTHERS).map(|i| begin_of(&world.street, shop(i))).collect();
    let flood: Vec<_> = (0..FLOOD).map(|_| begin_of(&world.street, "fy-line")).collect();
    let (flood, next) = (Arc::new(flood), Arc::new(AtomicUsize::new(0)));
    let started = Instant::now();
    let waves: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (street, flood, next) = (Arc::clone(&world.street), Arc::clone(&flood), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some((place, order)) = flood.get(next.fetch_add(1, Ordering::Relaxed)) {
                    while !post(&street, *place, order, 0).await {}
                }
            })
        })
        .collect();
    // Its middle, where the queue is long.
    while next.load(Ordering::Relaxed) < FLOOD / 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    one_each(&world, &others).await;
    for wave in waves {
        wave.await.unwrap();
    }
    let took = started.elapsed();
    let during = memory(relay.pid());
    let at = |orders: &[(usize, Arc<Order>)]| orders.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let (quiet, loud) = (slowest(&world, &at(&calm)), slowest(&world, &at(&others)));
    eprintln!(
        "{FLOOD} orders of one shop in {took:?}; others' slowest answer {quiet:?} before, {loud:?} during; {before} and {during} MiB"
    );
    assert!(loud < Duration::from_millis(1500), "the others waited {loud:?}");
    assert!(during < before + 100, "memory grew from {before} to {during} MiB");
    let (report, evidence) = world.report("a storm of one shop").await;
    // What goes by another account is told while most of the flood waits for LINE's pace.
    let told = |place: usize| evidence.orders[place].told.iter().map(|t| t.n).max().unwrap();
    let behind = |shop: &str| {
        let last = others.iter().filter(|(_, o)| o.shop == shop).map(|(place, _)| told(*place)).max().unwrap();
        flood.iter().filter(|(place, _)| told(*place) > last).count()
    };
    eprintln!(
        "of {FLOOD}, {} were told after the last by mail, {} after the last of the other shop on LINE",
        behind("fy-mail"),
        behind("woo-line")
    );
    assert!(behind("fy-mail") > FLOOD / 3, "only {} of {FLOOD} were told after the last by mail", behind("fy-mail"));
    world.sentence("a storm of one shop", report, &evidence, &mut relay).await;
}

/// The street's orders begin one after the other: those of shops that take no part stay unposted.
#[test]
fn orders_of_one_shop_are_found_among_all() {
    let street = super::world::Street::empty();
    let (place, order) = begin_of(&street, "fy-mail");
    assert_eq!((place, order.shop), (3, "fy-mail"));
    assert_eq!(begin(&street).1.shop, "woo-line");
}
