//! What a disk does to what was acknowledged: power cuts, torn tails, rewrites that fail, no room left.

use super::checker::Post;
use super::disk::Disk;
use super::relay::Relay;
use super::server::{How, Server, signal};
use super::shims;
use super::traffic::{Traffic, begin, post};
use super::world::{Plan, World, folder};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A machine whose power can be cut: what was not flushed is gone.
struct Machine {
    synced: PathBuf,
}

impl Machine {
    fn new(dir: &Path, fsync: &'static str) -> (Machine, How) {
        let synced = dir.join("synced");
        std::fs::create_dir_all(&synced).unwrap();
        let env = vec![shims::compile(shims::SYNCED, dir), ("OW_SYNCED", synced.display().to_string())];
        (Machine { synced }, How { fsync, env, ..How::default() })
    }

    /// Bytes of a file that are on disk for certain.
    fn flushed(&self, file: &Path) -> u64 {
        let noted = std::fs::read_to_string(self.synced.join(file.file_name().unwrap()));
        noted.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Bytes that a power cut would take now.
    fn at_risk(&self, server: &Server) -> u64 {
        let of = |file: &PathBuf| file.metadata().unwrap().len().saturating_sub(self.flushed(file));
        server.grown().iter().map(of).sum()
    }

    /// The power is cut, and comes back. Gives the bytes that were lost.
    fn cut(&self, server: &mut Server) -> u64 {
        server.kill();
        let lost = self.at_risk(server);
        for file in server.grown() {
            let length = file.metadata().unwrap().len().min(self.flushed(&file));
            std::fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        }
        server.start_again();
        lost
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let dir = folder("power");
    let (machine, server) = Machine::new(&dir, "always");
    let mut world = World::lay(&dir, Plan { server, ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 10, Duration::from_millis(80), Duration::from_millis(300));
    for work in [700, 400, 900, 650] {
        tokio::time::sleep(Duration::from_millis(work)).await;
        machine.cut(world.server());
    }
    traffic.end().await;
    let report = world.judge("4 power cuts, durability local", &mut relay).await;
    assert!(report.acknowledged > 50, "{report}");
}

/// A checker that never complains proves nothing: the same cut under a server that flushes once a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_under_relaxed_durability_is_found_by_the_checker() {
    let dir = folder("relaxed");
    let (machine, server) = Machine::new(&dir, "everysec");
    let mut world = World::lay(&dir, Plan { server, store: "durability = \"relaxed\"", ..Plan::default() }).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let started = Instant::now();
    // Orders come until some of what was acknowledged is not on disk yet.
    while world.street.orders.lock().unwrap().len() < 12 || machine.at_risk(world.server()) < 4096 {
        assert!(started.elapsed() < Duration::from_secs(20), "everything is always flushed");
        let (place, order) = begin(&world.street);
        assert!(post(&world.street, place, &order, 0).await);
    }
    let cut = Instant::now();
    let lost = machine.cut(world.server());
    assert!(lost > 0);
    let (report, evidence) = world.report(&format!("a power cut that took {lost} bytes, durability relaxed")).await;
    relay.end().await;
    assert!(report.lost() > 0, "acknowledged webhooks are gone and the checker is content: {report}");
    // What is lost is of the last moments only.
    let posts = evidence.posts.iter().filter(|p| p.answer.as_ref().is_some_and(|(status, _)| *status == 200));
    for post in posts.filter(|p| cut.duration_since(p.at) > Duration::from_secs(3)) {
        let order = &evidence.orders[post.order];
        assert!(order.view.is_some(), "{} was acknowledged long before the cut", order.plan.name);
    }
    std::fs::remove_dir_all(&world.dir).ok();
}

/// Half a command at the end of the file: what a crash leaves of a write that nobody was told of.
fn tear(server: &Server, bytes: &[u8]) {
    let file = server.grown().pop().expect("an append-only file");
    std::fs::File::options().append(true).open(file).unwrap().write_all(bytes).unwrap();
}

/// The child that rewrites the log.
fn rewriter(server: &Server) -> Option<u32> {
    let of = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(server.pid())
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    all.into_iter().find(of)
}

/// Waits until the server says so of its rewriting.
async fn rewriting(server: &Server, key: &str, value: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while server.persistence(key) != value {
        assert!(Instant::now() < end, "{key} is {}", server.persistence(key));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Has the log rewritten, each key in its time, and gives the child that does it. A server that has only just begun
/// again puts a rewrite off, so it is asked until it has begun.
async fn caught(server: &Server, micros: &str) -> u32 {
    let end = Instant::now() + Duration::from_secs(20);
    server.ask(&["CONFIG", "SET", "rdb-key-save-delay", micros]);
    loop {
        server.ask(&["BGREWRITEAOF"]);
        if let Some(child) = rewriter(server) {
            return child;
        }
        assert!(Instant::now() < end, "no child rewrites");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torn_tails_and_rewrites_that_fail_or_are_cut_off_cost_nothing() {
    let dir = folder("torn");
    let mut world = World::lay(&dir, Plan::default()).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 19, Duration::from_millis(100), Duration::from_millis(300));
    for tail in [&b"*3\r\n$3\r\nSET\r\n$9\r\nhalf"[..], b"*", b"*2\r\n$3\r\nDEL\r\n$4\r\nsome"] {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.server().kill();
        tear(world.server(), tail);
        world.server().start_again();
    }
    let server = world.server();
    signal(caught(server, "50000").await, "KILL");
    rewriting(server, "aof_last_bgrewrite_status", "err").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let server = world.server();
    caught(server, "50000").await;
    server.kill();
    tear(server, b"*5\r\n$4\r\nHS");
    server.start_again();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let server = world.server();
    caught(server, "1000").await;
    rewriting(server, "aof_rewrite_in_progress", "0").await;
    assert_eq!(server.persistence("aof_last_bgrewrite_status"), "ok");
    world.server().kill_and_restart(Duration::ZERO).await;
    traffic.end().await;
    world.judge("4 torn tails, 3 rewrites: one killed, one cut off, one done", &mut relay).await;
}

/// Traffic on a disk that is full for a while.
async fn on_a_full_disk(fsync: &'static str, store: &'static str) -> (World, Relay) {
    let dir = folder("full");
    let (disk, server) = Disk::insert(&dir, fsync);
    let mut world = World::lay(&dir, Plan { server, store, ..Plan::default() }).await;
    let relay = world.start("all").await;
    world.open_windows().await;
    let traffic = Traffic::start(&world.street, 18, Duration::from_millis(100), Duration::from_millis(300));
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let before = world.street.posts.lock().unwrap().len();
        disk.fill(world.server());
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let posts = world.street.posts.lock().unwrap()[before..].to_vec();
        assert!(posts.iter().any(Post::without_redis), "nobody noticed that the disk is full");
        disk.free(world.server());
        // With `always` it ends; whoever keeps it running starts it again.
        if world.server().ended() {
            world.server().start_again();
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    traffic.end().await;
    // Kept until the files are judged: the disk ends with it.
    world.keep(disk);
    (world, relay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_to_the_shops_and_costs_nothing_acknowledged() {
    let (world, mut relay) = on_a_full_disk("always", "").await;
    world.judge("a full disk, appendfsync always", &mut relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_a_server_that_goes_on_costs_nothing_acknowledged() {
    let (world, mut relay) = on_a_full_disk("everysec", "durability = \"relaxed\"").await;
    world.judge("a full disk, appendfsync everysec", &mut relay).await;
}
