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

/// How long the answers to orders at `places` took that came within this time, the quickest first.
fn answers(world: &World, places: &[usize], within: Option<(Instant, Instant)>) -> Vec<Duration> {
    let posts: Vec<Post> = world.street.posts.lock().unwrap().clone();
    let came = |p: &&Post| within.is_none_or(|(from, to)| p.at >= from && p.at <= to);
    let mut took: Vec<Duration> =
        posts.iter().filter(|p| places.contains(&p.order)).filter(came).map(|p| p.took).collect();
    took.sort_unstable();
    took
}

/// Whoever asks while a flood is at its `height` is answered as one of many, not after it: orders of before, of others
/// during it, and of the flood itself.
fn nobody_stands_behind(world: &World, [calm, others, flood]: [&[usize]; 3], height: (Instant, Instant)) {
    let (quiet, loud) = (answers(world, calm, None), answers(world, others, None));
    let flooding = answers(world, flood, Some(height));
    let (middle, last) = (|all: &[Duration]| all[all.len() / 2], |all: &[Duration]| all[all.len() - 1]);
    eprintln!(
        "others' answers {:?}, {:?} at most before, {:?}, {:?} during; the flood's own {:?}",
        middle(&quiet),
        last(&quiet),
        middle(&loud),
        last(&loud),
        middle(&flooding)
    );
    assert!(last(&loud) < Duration::from_millis(1500), "the others waited {:?}", last(&loud));
    let like = middle(&flooding).max(middle(&quiet)) * 2;
    assert!(middle(&loud) <= like, "the others waited {:?}, the flood itself {:?}", middle(&loud), middle(&flooding));
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
    let height = Instant::now();
    one_each(&world, &others).await;
    let height = (height, Instant::now());
    for wave in waves {
        wave.await.unwrap();
    }
    let took = started.elapsed();
    let during = memory(relay.pid());
    let at = |orders: &[(usize, Arc<Order>)]| orders.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    eprintln!("{FLOOD} orders of one shop in {took:?}; {before} and {during} MiB");
    nobody_stands_behind(&world, [&at(&calm), &at(&others), &at(&flood)], height);
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
    // Its own account's pace is shared: the other shop's few are not behind all of the flood's.
    assert!(
        behind("woo-line") > FLOOD / 10,
        "only {} of {FLOOD} were told after the last of the other shop",
        behind("woo-line")
    );
    assert!(behind("fy-mail") > FLOOD / 3, "only {} of {FLOOD} were told after the last by mail", behind("fy-mail"));
    world.sentence("a storm of one shop", report, &evidence, &mut relay).await;
}

/// How long the overload lasts: a minute with `ORDERWIRE_STORM_SECS=60`.
fn storm_secs() -> Duration {
    let asked = std::env::var_os("ORDERWIRE_STORM_SECS").and_then(|s| s.into_string().ok()?.parse().ok());
    Duration::from_secs(asked.unwrap_or(6))
}

/// Ten times what can be taken: as many as may wait are taken, all others are told to come back at once and repeat.
/// Nobody waits long, memory stays what it was, nothing acknowledged is lost, and it is over when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_what_can_be_taken_is_turned_away_in_time() {
    let mut world = World::make("overload", Redis::Own).await;
    let folder = format!("dir = \"{}/spool\"", world.dir.display());
    world.change("[spool]", &folder, "max_bytes = \"0\"");
    world.change("[server]", "workers = 1", "workers = 1\nmax_waiting = 8");
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let (before, until) = (memory(relay.pid()), Instant::now() + storm_secs());
    let waves: Vec<_> = (0..80)
        .map(|_| {
            let street = Arc::clone(&world.street);
            tokio::spawn(async move {
                let mut taken = None;
                while Instant::now() < until {
                    // What was turned away is sent again, as shops do; nothing else is: the flood is of requests.
                    let (place, order) = taken.take().unwrap_or_else(|| begin_of(&street, "fy-line"));
                    if !post(&street, place, &order, 0).await {
                        taken = Some((place, order));
                    }
                }
                taken
            })
        })
        .collect();
    let mut left = Vec::new();
    for wave in waves {
        left.extend(wave.await.unwrap());
    }
    let during = memory(relay.pid());
    let posts: Vec<Post> = world.street.posts.lock().unwrap().clone();
    let count = |status| posts.iter().filter(|p| p.answer.as_ref().is_some_and(|(s, _)| *s == status)).count();
    let (taken, turned) = (count(200), count(503));
    let slowest = posts.iter().map(|p| p.took).max().unwrap();
    eprintln!("{taken} taken, {turned} turned away of {}; slowest {slowest:?}; {before} and {during} MiB", posts.len());
    assert_eq!(taken + turned, posts.len(), "each is taken or told to come back");
    assert!(taken > 100 && turned > 100, "{taken} taken, {turned} turned away: no overload");
    assert!(slowest < Duration::from_millis(4500), "{slowest:?}");
    assert!(during < before + 100, "memory grew from {before} to {during} MiB");
    let over = Instant::now();
    for (place, order) in left {
        while !post(&world.street, place, &order, 0).await {}
    }
    assert!(over.elapsed() < Duration::from_secs(5), "it took {:?} to be as before", over.elapsed());
    world.judge("ten times what can be taken", &mut relay).await;
}

/// The street's orders begin one after the other: those of shops that take no part stay unposted.
#[test]
fn orders_of_one_shop_are_found_among_all() {
    let street = super::world::Street::empty();
    let (place, order) = begin_of(&street, "fy-mail");
    assert_eq!((place, order.shop), (3, "fy-mail"));
    assert_eq!(begin(&street).1.shop, "woo-line");
}
