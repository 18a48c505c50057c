//! The private server, what is demanded of any server, and what happens when it fails.

use super::*;
use crate::support::{Redis, raw, scratch, seal};
use orderwire::store::error::ErrorKind;
use orderwire::store::work::Settled;
use orderwire::store::{Durability, StoreOptions};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the helper process finds its directory.
const DIR: &str = "ORDERWIRE_TEST_STORE_DIR";

fn private(dir: &Path) -> StoreOptions {
    StoreOptions { dir: dir.to_path_buf(), prefix: support::prefix(), ..support::beside() }
}

fn pid(dir: &Path) -> u32 {
    std::fs::read_to_string(dir.join("redis/redis.pid")).unwrap().trim().parse().unwrap()
}

fn alive(pid: u32) -> bool {
    // A zombie is dead; in some containers nobody buries it.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))
}

fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_private_server_is_started_kept_to_oneself_and_ended() {
    let dir = scratch("private");
    let o = private(&dir);
    let store = Store::open(&o, seal()).await.unwrap();
    let info = store.info().await.unwrap();
    assert!(info.server.starts_with("redis 7") || info.server.starts_with("valkey"), "{}", info.server);
    assert_eq!((info.durability, info.complaint), (Durability::Local, None));
    assert!(info.used_memory > 0 && info.skew_ms.abs() < 2000);
    let mode = |p: PathBuf| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(p).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(dir.join("redis")), mode(dir.join("redis/redis.sock"))), (0o700, 0o600));
    let second = Store::open(&o, seal()).await.err().unwrap();
    assert_eq!(second.kind, ErrorKind::Setup);
    assert!(second.to_string().contains("store.dir"), "{second}");
    let beside = Store::attach(&o, seal()).await.unwrap();
    beside.ping().await.unwrap();
    beside.close().await;
    store.ping().await.unwrap();
    let server = pid(&dir);
    store.close().await;
    assert!(!alive(server), "a clean end leaves nothing behind");
    assert_eq!(Store::attach(&o, seal()).await.err().unwrap().kind, ErrorKind::Away);
}

#[tokio::test]
async fn data_survives_a_clean_end() {
    let dir = scratch("again");
    let o = private(&dir);
    let unit = Unit::order(&ShopId::from("demo"), "1");
    let w = World::new().await;
    let store = Store::open(&o, seal()).await.unwrap();
    let m = store.member(&unit);
    store.commit(&m, w.news(&Record::default(), 1, 60)).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(&o, seal()).await.unwrap();
    assert_eq!(store.read(&m).await.unwrap().items.len(), 1);
    store.close().await;
}

#[tokio::test]
#[ignore = "a helper process of the next test, which kills it"]
async fn helper_that_holds_a_private_server() {
    let Some(dir) = std::env::var_os(DIR) else { panic!("{DIR} names the directory") };
    let mut o = private(Path::new(&dir));
    o.prefix = "owtesthelper".into();
    let store = Store::open(&o, seal()).await.unwrap();
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    store.commit(&m, w.news(&Record::default(), 1, 60)).await.unwrap();
    println!("\nholding");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_that_outlived_a_killed_relay_is_adopted() {
    let dir = scratch("adopt");
    let mut relay = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::server::helper_that_holds_a_private_server", "--ignored", "--nocapture"])
        .env(DIR, &*dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(relay.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|l| l == "holding"));
    let server = pid(&dir);
    kill(relay.id(), "-9");
    relay.wait().unwrap();
    assert!(alive(server), "the server is not taken along");
    let o = StoreOptions { prefix: "owtesthelper".into(), ..private(&dir) };
    let store = Store::open(&o, seal()).await.unwrap();
    assert_eq!(pid(&dir), server, "adopted, not started anew");
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    assert_eq!(store.read(&m).await.unwrap().items.len(), 1);
    store.close().await;
    assert!(!alive(server));
}

#[tokio::test]
async fn a_private_server_that_dies_is_started_again_and_has_lost_nothing() {
    let dir = scratch("heal");
    let store = Store::open(&private(&dir), seal()).await.unwrap();
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    for i in 0..5 {
        let server = pid(&dir);
        let r = store.read(&m).await.unwrap();
        store.commit(&m, w.news(&r, i, 0)).await.unwrap();
        kill(server, "-9");
        let end = Instant::now() + Duration::from_secs(10);
        while let Err(e) = store.read(&m).await {
            assert!(e.passes() && Instant::now() < end, "{e}");
        }
        assert_eq!(store.read(&m).await.unwrap().items.len(), usize::try_from(i).unwrap() + 1);
    }
    assert_eq!(store.audit().await.unwrap().bad, Vec::<String>::new());
    store.close().await;
}

#[tokio::test]
async fn a_program_that_is_missing_or_fails_is_named_with_the_remedy() {
    let dir = scratch("missing");
    let mut o = private(&dir);
    o.redis_server = Some("/nowhere/redis-server".into());
    let e = Store::open(&o, seal()).await.err().unwrap();
    assert!(e.kind == ErrorKind::Setup && e.to_string().contains("apt install"), "{e}");
    o.redis_server = Some("/bin/false".into());
    let e = Store::open(&o, seal()).await.err().unwrap();
    assert!(e.kind == ErrorKind::Setup && e.to_string().contains("redis.log"), "{e}");
}

#[tokio::test]
async fn no_secret_of_ours_goes_along_into_the_servers_environment() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = scratch("environment");
    let program = dir.join("program");
    std::fs::write(&program, "#!/bin/sh\nenv > environment\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let o = StoreOptions { redis_server: Some(program), ..private(&dir) };
    assert_eq!(Store::open(&o, seal()).await.err().unwrap().kind, ErrorKind::Setup);
    let environment = std::fs::read_to_string(dir.join("redis/environment")).unwrap();
    // PWD and _ are the shell's own.
    let foreign: Vec<&str> =
        environment.lines().filter(|l| !["PATH=", "PWD=", "_=", "SHLVL="].iter().any(|v| l.starts_with(v))).collect();
    assert_eq!(foreign, Vec::<&str>::new());
}

#[tokio::test]
async fn servers_that_lose_what_they_acknowledge_are_refused() {
    let cases = [
        ("appendonly no", "aof-off"),
        ("appendfsync everysec", "appendfsync"),
        ("maxmemory-policy allkeys-lru", "eviction"),
    ];
    for (setting, risk) in cases {
        let server = Redis::start(&[setting]);
        let mut o = StoreOptions { url: Some(server.url()), prefix: support::prefix(), ..StoreOptions::default() };
        let e = Store::open(&o, seal()).await.err().unwrap();
        assert!(e.kind == ErrorKind::Setup && e.to_string().contains(risk), "{setting}: {e}");
        o.accept_risk = vec![risk.into()];
        Store::open(&o, seal()).await.unwrap();
        if risk == "appendfsync" {
            o.accept_risk.clear();
            o.durability = Durability::Relaxed;
            Store::open(&o, seal()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn settings_changed_behind_our_back_and_lost_data_are_seen() {
    let server = Redis::start(&[]);
    let o = StoreOptions { url: Some(server.url()), prefix: support::prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let mut raw = server.raw();
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lru").query(&mut raw).unwrap();
    let complaint = store.info().await.unwrap().complaint.unwrap();
    assert!(complaint.to_string().contains("noeviction"), "{complaint}");
    let () = redis::cmd("FLUSHALL").query(&mut raw).unwrap();
    let e = store.ping().await.unwrap_err();
    assert!(e.kind == ErrorKind::Setup && e.to_string().contains("vanished"), "{e}");
}

#[tokio::test]
async fn a_server_without_config_is_judged_by_info_and_the_operators_word() {
    let server = Redis::start(&["rename-command CONFIG \"\""]);
    let mut o = StoreOptions { url: Some(server.url()), prefix: support::prefix(), ..StoreOptions::default() };
    let e = Store::open(&o, seal()).await.err().unwrap();
    assert!(e.to_string().contains("appendfsync-unknown"), "{e}");
    o.accept_risk = vec!["appendfsync-unknown".into()];
    Store::open(&o, seal()).await.unwrap();
}

#[tokio::test]
async fn least_rights_are_enough() {
    let server = Redis::start(&[]);
    let mut admin = server.raw();
    let rights = "on >secret resetkeys ~ow* resetchannels -@all +@read +@write +eval +evalsha +script|load +time \
                  +wait +ping +hello -@dangerous -scan +info +role +config|get";
    let mut cmd = redis::cmd("ACL");
    cmd.arg("SETUSER").arg("ow");
    rights.split_whitespace().for_each(|r| {
        cmd.arg(r);
    });
    let () = cmd.query(&mut admin).unwrap();
    let url = format!("{}?user=ow&pass=secret", server.url());
    let o = StoreOptions { url: Some(url), prefix: support::prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    store.commit(&m, w.news(&Record::default(), 1, 0)).await.unwrap();
    assert_eq!(store.lease(m.partition(), 1, "w", 1000).await.unwrap().len(), 1);
    store.tick(m.partition(), 10).await.unwrap();
    store.stats().await.unwrap();
    let wrong = o.url.unwrap().replace("secret", "canary-password");
    let o = StoreOptions { url: Some(wrong), prefix: support::prefix(), ..StoreOptions::default() };
    let e = Store::open(&o, seal()).await.err().unwrap();
    assert!(e.kind == ErrorKind::Setup && !e.to_string().contains("canary"), "{e}");
}

#[tokio::test]
async fn a_full_server_refuses_news_whole_and_drains() {
    let server = Redis::start(&["maxmemory 6mb"]);
    let o = StoreOptions { url: Some(server.url()), prefix: support::prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    store.commit(&m, w.news(&Record::default(), 1, 0)).await.unwrap();
    let later = store.member(&Unit::order(&ShopId::from("demo"), "later"));
    store.commit(&later, w.news(&Record::default(), 1, 0)).await.unwrap();
    let mut raw = server.raw();
    let mut filler = 0;
    while redis::cmd("SET").arg(format!("filler{filler}")).arg(vec![0_u8; 20_000]).query::<()>(&mut raw).is_ok() {
        filler += 1;
    }
    let r = store.read(&m).await.unwrap();
    let e = store.commit(&m, w.news(&r, 2, 0)).await.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Full);
    assert_eq!(store.read(&m).await.unwrap(), r, "nothing of it was written");
    let got = store.lease(m.partition(), 1, "w", 30_000).await.unwrap();
    let leased = &got[0];
    let a = ask(&w, leased, &store.read(&leased.member).await.unwrap(), 1);
    assert_eq!(store.begin(&[a]).await.unwrap(), vec![orderwire::store::work::Begun::Go]);
    let r = store.read(&leased.member).await.unwrap();
    let mut s = settle(leased, &r, Dest::Done);
    s.items = vec![ended(r.items[0].clone(), State::Sent)];
    s.closed = 1;
    assert_eq!(store.settle(&s).await.unwrap(), Settled::Ok);
    for p in 0..16 {
        store.tick(p, 100).await.unwrap();
    }
    store.wake(std::slice::from_ref(&later)).await.unwrap();
    // A full server takes no transactions, and the audit looks by one.
    for i in 0..filler {
        let () = redis::cmd("DEL").arg(format!("filler{i}")).query(&mut raw).unwrap();
    }
    assert_eq!(store.audit().await.unwrap().bad, Vec::<String>::new());
}

#[tokio::test]
async fn an_empty_script_cache_goes_unnoticed() {
    let w = World::new().await;
    let server = Redis::start(&[]);
    let o = StoreOptions { url: Some(server.url()), prefix: support::prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let mut raw = server.raw();
    for i in 0..5 {
        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut raw).unwrap();
        let m = store.member(&Unit::order(&ShopId::from("demo"), &i.to_string()));
        store.commit(&m, w.news(&Record::default(), i, 0)).await.unwrap();
        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut raw).unwrap();
        store.wake(&[m.clone(), m]).await.unwrap();
        store.pause(Tag::of("x"), w.after(60), orderwire::domain::decision::Reason::Held).await.unwrap();
    }
    assert_eq!(store.audit().await.unwrap().orders, 5);
}

/// A store with a short deadline on a server of its own.
async fn impatient(server: &Redis) -> Store {
    let url = Some(server.url());
    let o = StoreOptions { url, prefix: support::prefix(), deadline_ms: 200, ..StoreOptions::default() };
    Store::open(&o, seal()).await.unwrap()
}

fn pause(server: &Redis, ms: u32) {
    let () = redis::cmd("CLIENT").arg("PAUSE").arg(ms).query(&mut server.raw()).unwrap();
}

#[tokio::test]
async fn a_time_out_is_no_no() {
    let server = Redis::start(&[]);
    let store = impatient(&server).await;
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    let commit = w.news(&Record::default(), 1, 0);
    // The script is known to the server, so that one message is all it takes.
    let other = store.member(&Unit::order(&ShopId::from("demo"), "2"));
    store.commit(&other, commit.clone()).await.unwrap();
    pause(&server, 400);
    let started = Instant::now();
    assert_eq!(store.commit(&m, commit.clone()).await.unwrap_err().kind, ErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_millis(390), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.commit(&m, commit).await.unwrap(), Committed::Duplicate, "it had been stored all the same");
    assert_eq!(store.read(&m).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn three_time_outs_in_a_row_make_a_new_connection() {
    let server = Redis::start(&[]);
    let store = impatient(&server).await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    let connections = || {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut server.raw()).unwrap();
        let line = info.lines().find_map(|l| l.strip_prefix("total_connections_received:")).unwrap();
        line.trim().parse::<u32>().unwrap()
    };
    store.read(&m).await.unwrap();
    let before = connections();
    pause(&server, 900);
    for _ in 0..3 {
        assert_eq!(store.read(&m).await.unwrap_err().kind, ErrorKind::Timeout);
    }
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(e) = store.read(&m).await {
        assert!(e.passes() && Instant::now() < end, "{e}");
    }
    // One of them is this test's own look, one its `pause`.
    assert!(connections() >= before + 3, "{} {before}", connections());
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_had_again() {
    let server = Redis::start(&[]);
    let store = impatient(&server).await;
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    store.commit(&m, w.news(&Record::default(), 1, 0)).await.unwrap();
    assert!(store.lease((m.partition() + 1) % 16, 5, "w", 30_000).await.unwrap().is_empty());
    pause(&server, 300);
    assert_eq!(store.lease(m.partition(), 5, "w", 30_000).await.unwrap_err().kind, ErrorKind::Timeout);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let got = store.lease(m.partition(), 5, "w", 30_000).await.unwrap();
    assert_eq!(got.len(), 1, "the order is not stranded until its lease ends");
    assert!(store.lease(m.partition(), 5, "w", 30_000).await.unwrap().is_empty(), "the next call is a new one");
    store.release(&got).await.unwrap();
    assert_eq!(store.audit().await.unwrap().bad, Vec::<String>::new());
}

#[tokio::test]
async fn a_replica_is_refused_and_left_when_it_becomes_one() {
    let (primary, other) = (Redis::start(&[]), Redis::start(&[]));
    let o = StoreOptions { url: Some(primary.url()), prefix: support::prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let w = World::new().await;
    let m = store.member(&Unit::order(&ShopId::from("demo"), "1"));
    // No such primary: enough to be a replica.
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query(&mut primary.raw()).unwrap();
    assert_eq!(store.commit(&m, w.news(&Record::default(), 1, 0)).await.unwrap_err().kind, ErrorKind::ReadOnly);
    assert_eq!(Store::open(&o, seal()).await.err().unwrap().kind, ErrorKind::ReadOnly);
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query(&mut primary.raw()).unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(e) = store.commit(&m, w.news(&Record::default(), 1, 0)).await {
        assert!(e.passes() && Instant::now() < end, "{e}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elsewhere = StoreOptions { url: Some(other.url()), ..o };
    let kept = Store::open(&elsewhere, seal()).await.unwrap();
    assert_eq!(kept.read(&m).await.unwrap(), Record::default());
}

#[tokio::test]
async fn another_layout_under_the_prefix_is_refused() {
    let o = support::options();
    Store::open(&o, seal()).await.unwrap();
    let mut raw = support::redis().raw();
    let meta = format!("{}:{{meta}}", o.prefix);
    let () = redis::cmd("HSET").arg(&meta).arg("partitions").arg(32).query(&mut raw).unwrap();
    let e = Store::open(&o, seal()).await.err().unwrap();
    assert!(e.kind == ErrorKind::Setup && e.to_string().contains("partitions 32"), "{e}");
}

#[tokio::test]
async fn the_sockets_clients_are_this_users_only() {
    let dir = scratch("socket");
    let store = Store::open(&private(&dir), seal()).await.unwrap();
    let mut client = raw(&dir.join("redis/redis.sock"));
    let ports: std::collections::BTreeMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg("port").query(&mut client).unwrap();
    assert_eq!(ports["port"], "0", "no network door");
    store.close().await;
}
