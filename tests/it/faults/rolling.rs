//! The relay replaced under load, shops that hang up in the middle, and a machine that has no room left.

use super::checker::Post;
use super::relay::Manner;
use super::shops::{Order, Step};
use super::traffic::{Traffic, begin, post};
use super::world::{Plan, Redis, World, folder};
use orderwire::mock::{Fault, FaultKind};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The next relay has a spool of its own, as each pod has.
fn own_spool(world: &mut World, n: u32) {
    world.manner.env = vec![("ORDERWIRE__SPOOL__DIR", world.dir.join(format!("spool-{n}")).display().to_string())];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_refuses_nobody_and_burns_no_attempt() {
    let mut world = World::make("rolling", Redis::Own).await;
    own_spool(&mut world, 0);
    let mut relay = world.start("all").await;
    world.open_windows().await;
    // Providers take their time, so that sends are under way whenever a relay is told to leave.
    for lane in ["line", "messenger", "smtp", "slack"] {
        world.mock.fault(Fault { times: 0, ..Fault::new(lane, FaultKind::SlowAnswer(150)) });
    }
    let traffic = Traffic::start(&world.street, 5, Duration::from_millis(60), Duration::from_millis(250));
    for n in 1..5 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        own_spool(&mut world, n);
        // The new one serves before the old one is told to leave.
        let next = world.start("all").await;
        assert!(relay.end().await.success(), "{}", relay.logged());
        relay = next;
    }
    traffic.end().await;
    let posts = world.street.posts.lock().unwrap().clone();
    let odd: Vec<&Post> = posts.iter().filter(|p| p.answer.as_ref().is_none_or(|(status, _)| *status != 200)).collect();
    assert!(odd.is_empty() && posts.len() > 150, "{} posts, not taken: {odd:?}", posts.len());
    let (report, evidence) = world.report("4 relays replaced under load").await;
    assert_eq!((report.unsure, report.repeats.len()), (0, 0), "{report}");
    assert_eq!(world.measure("orderwire_redeliveries_total").await, 0.0, "a lease was not given back");
    for case in &evidence.orders {
        let mut attempts: BTreeMap<u64, u32> = BTreeMap::new();
        let ledger = case.view.iter().flat_map(|v| &v.ledger).filter(|e| e["what"] == "attempt");
        ledger.for_each(|e| *attempts.entry(e["item"].as_u64().unwrap_or(0)).or_default() += 1);
        assert!(attempts.values().all(|n| *n == 1), "{}: attempts by item {attempts:?}", case.plan.name);
    }
    world.sentence("4 relays replaced under load", report, &evidence, &mut relay).await;
}

/// A request as it goes over the wire.
fn request(webhook: &Step) -> (Vec<u8>, usize) {
    let mut head =
        format!("POST {} HTTP/1.1\r\nhost: relay\r\ncontent-length: {}\r\n", webhook.path, webhook.body.len());
    webhook.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    let from = head.len();
    (format!("{head}{}", webhook.body).into_bytes(), from)
}

/// Posts an order's first webhook up to `bytes`, waits, and resets the connection; `true`: all of it was sent.
async fn hang_up(world: &World, place: usize, order: &Order, dice: &mut StdRng) -> bool {
    let (bytes, body) = request(&order.steps[0]);
    let whole = dice.random_bool(0.7);
    let end = if whole { bytes.len() } else { dice.random_range(body / 2..bytes.len()) };
    let door = world.street.door.lock().unwrap().unwrap();
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&bytes[..end]).await.unwrap();
    let started = Instant::now();
    // As long as an accept takes, more or less: no clock of a runtime is that fine.
    let wait = Duration::from_micros(dice.random_range(0..9000));
    while started.elapsed() < wait {
        tokio::task::yield_now().await;
    }
    stream.set_zero_linger().unwrap();
    drop(stream);
    let post = Post { order: place, step: 0, at: Instant::now(), took: started.elapsed(), answer: None };
    world.street.posts.lock().unwrap().push(post);
    whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_hangs_up_has_told_all_or_nothing() {
    let mut dice = StdRng::seed_from_u64(7);
    let mut world = World::make("hang-up", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let mut sent = Vec::new();
    for _ in 0..120 {
        let (place, order) = begin(&world.street);
        sent.push(hang_up(&world, place, &order, &mut dice).await);
    }
    let (_, evidence) = world.report("120 shops that hang up").await;
    let taken = |i: usize| evidence.orders[i].view.is_some();
    assert!((0..120).all(|i| sent[i] || !taken(i)), "half a body was taken");
    let whole: Vec<usize> = (0..120).filter(|i| sent[*i]).collect();
    let kept = whole.iter().filter(|i| taken(**i)).count();
    assert!(kept > 5, "{kept} of {} were taken", whole.len());
    // What was sent whole and taken says so when it is repeated; what was not is new.
    for (i, case) in evidence.orders.iter().enumerate().filter(|(_, c)| c.plan.repeats) {
        assert!(post(&world.street, i, &case.plan, 0).await);
        let word = world.street.posts.lock().unwrap().last().unwrap().answer.clone().unwrap().1;
        assert_eq!(word.contains("duplicate"), taken(i), "{}: {word}", case.plan.name);
    }
    world.judge("120 shops that hang up, the half of them again", &mut relay).await;
}

/// Descriptors of the starved process.
const FILES: &str = "260:260";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_end_leave_the_worker_and_redis_their_descriptors() {
    let by = ["prlimit", &format!("--nofile={FILES}")].map(String::from).to_vec();
    let manner = Manner { by, ..Manner::default() };
    let mut world = World::lay(&folder("files"), Plan { manner, ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    for lane in ["line", "messenger", "smtp"] {
        world.mock.fault(Fault { times: 0, ..Fault::new(lane, FaultKind::SlowAnswer(200)) });
    }
    for _ in 0..24 {
        let (place, order) = begin(&world.street);
        assert!(post(&world.street, place, &order, 0).await);
    }
    let door = world.street.door.lock().unwrap().unwrap();
    let mut flood = Vec::new();
    for _ in 0..600 {
        flood.push(TcpStream::connect(door).await.unwrap());
    }
    // Redis goes and comes: to find it again takes descriptors, too.
    world.server().kill_and_restart(Duration::from_millis(200)).await;
    world.rest().await;
    let told = world.mock.count();
    assert!(told >= 24, "only {told} messages were told while the door was flooded");
    let mut byte = [0; 64];
    let last = tokio::time::timeout(Duration::from_millis(1), flood[599].read(&mut byte)).await;
    assert!(last.is_err(), "the flood was over before it was proved: {last:?}");
    flood.clear();
    let freed = Instant::now();
    let (place, order) = begin(&world.street);
    while !post(&world.street, place, &order, 0).await {
        assert!(freed.elapsed() < Duration::from_secs(5), "the door does not come back");
    }
    assert!(freed.elapsed() < Duration::from_secs(5), "{:?}", freed.elapsed());
    let traffic = Traffic::start(&world.street, 8, Duration::from_millis(100), Duration::from_millis(200));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    traffic.end().await;
    world.judge("600 idle connections, 260 descriptors", &mut relay).await;
}

/// Address space of the starved process: half of what all those bodies would take.
const SPACE: &str = "1600000000";
/// Bodies at one time, of 6 MiB each.
const BODIES: usize = 450;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_end_do_not_take_the_memory() {
    let by = ["prlimit", &format!("--as={SPACE}:{SPACE}")].map(String::from).to_vec();
    let manner = Manner { by, ..Manner::default() };
    let mut world = World::lay(&folder("memory"), Plan { manner, ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 9, Duration::from_millis(150), Duration::from_millis(300));
    let door = world.street.door.lock().unwrap().unwrap();
    let mut flood = Vec::new();
    let length = 6 << 20;
    // All but the last byte: held for as long as a body may take.
    let bytes = std::sync::Arc::new(vec![b' '; length - 1]);
    for _ in 0..BODIES {
        let bytes = std::sync::Arc::clone(&bytes);
        flood.push(tokio::spawn(async move {
            let head =
                format!("POST /hooks/shopify/fy-line HTTP/1.1\r\nhost: relay\r\ncontent-length: {length}\r\n\r\n");
            let mut stream = TcpStream::connect(door).await.ok()?;
            stream.write_all(head.as_bytes()).await.ok()?;
            let sent = stream.write_all(&bytes).await;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.ok()?;
            Some((sent.is_ok(), String::from_utf8_lossy(&answer).into_owned()))
        }));
    }
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for one in flood {
        let answer = one.await.unwrap().map_or_else(|| "cut off".into(), |(_, line)| line);
        *answers.entry(answer).or_default() += 1;
    }
    assert!(relay.ended().is_none(), "it ran out of memory: {}", relay.logged());
    assert!(answers.contains_key("HTTP/1.1 503"), "nobody was sent away: {answers:?}");
    traffic.end().await;
    world.judge(&format!("{BODIES} bodies of 6 MiB, answered {answers:?}"), &mut relay).await;
}
