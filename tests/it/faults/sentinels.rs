//! Sentinels that are down, hang, talk nonsense, or name the primary of yesterday.

use crate::support::redis::{Redis, signal};
use crate::support::{options, seal};
use orderwire::domain::clock::{Clock as _, SystemClock, from_millis};
use orderwire::domain::decision::Reason;
use orderwire::domain::ids::Tag;
use orderwire::store::error::ErrorKind;
use orderwire::store::{Store, StoreOptions};
use std::net::TcpListener as Ports;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How a sentinel behaves.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Names the server at this port.
    Names(u16),
    /// Takes connections and says nothing.
    Silent,
    /// Answers what nobody asked.
    Raving,
}

/// A sentinel whose manner can change. Redis' own would not lie on demand.
struct Sentinel {
    port: u16,
    manner: Arc<Mutex<Manner>>,
}

impl Sentinel {
    async fn start(manner: Manner) -> Sentinel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sentinel = Sentinel { port: listener.local_addr().unwrap().port(), manner: Arc::new(Mutex::new(manner)) };
        let manner = Arc::clone(&sentinel.manner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&manner)));
            }
        });
        sentinel
    }

    fn becomes(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

/// The words of one command.
async fn command(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut line = String::new();
    from.read_line(&mut line).await.ok()?;
    let count: usize = line.trim().strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        line.clear();
        from.read_line(&mut line).await.ok()?;
        let mut word = vec![0; line.trim().strip_prefix('$')?.parse::<usize>().ok()? + 2];
        from.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word).trim_end().to_uppercase());
    }
    Some(words)
}

async fn converse(stream: TcpStream, manner: Arc<Mutex<Manner>>) {
    let mut stream = BufReader::new(stream);
    while let Some(words) = command(&mut stream).await {
        let now = *manner.lock().unwrap();
        let answer = match now {
            Manner::Silent => continue,
            Manner::Raving => "*3\r\n:1\r\n:2\r\n$2\r\nno\r\n".to_string(),
            Manner::Names(port) if words[0] == "SENTINEL" => {
                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.to_string().len())
            }
            Manner::Names(_) => "+OK\r\n".to_string(),
        };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn free_port() -> u16 {
    Ports::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn server(more: &str) -> (Redis, u16) {
    let port = free_port();
    let conf = "bind 127.0.0.1\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n";
    (Redis::launch(&format!("port {port}\n{conf}{more}"), ""), port)
}

fn watched(sentinels: &[u16]) -> StoreOptions {
    let all: Vec<String> = sentinels.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    StoreOptions { url: Some(format!("redis+sentinel://{}/main/0", all.join(","))), ..options() }
}

/// Waits until the store serves again.
async fn serves(store: &Store) {
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(error) = store.ping().await {
        assert!(error.passes() && Instant::now() < end, "after 5 s: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sentinel_that_knows_is_enough() {
    let (primary, port) = server("");
    let (_yesterday, old) = server(&format!("replicaof 127.0.0.1 {port}\n"));
    let gone = free_port();
    let knows = Sentinel::start(Manner::Names(port)).await;
    for other in [Manner::Names(old), Manner::Names(gone), Manner::Silent, Manner::Raving] {
        let astray = Sentinel::start(other).await;
        // Two astray before the one that knows, and one that is not there.
        let o = watched(&[astray.port, gone, astray.port, knows.port]);
        // A relay that starts with a silent one asks again; none waits longer than its deadlines.
        let end = Instant::now() + Duration::from_secs(8);
        let store = loop {
            match Store::open(&o, seal()).await {
                Ok(store) => break store,
                Err(error) => assert!(error.passes() && Instant::now() < end, "{other:?}: {error}"),
            }
        };
        serves(&store).await;
        assert!(!primary.keys(&o.prefix).is_empty(), "{other:?}: written elsewhere");
    }
}

/// A failover of which only some sentinels have heard: the old primary is dead or demoted, and still named first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_missed_the_failover_does_not_hold_anybody_back() {
    let (first, old) = server("");
    let (second, new) = server("");
    let (behind, ahead) = (Sentinel::start(Manner::Names(old)).await, Sentinel::start(Manner::Names(old)).await);
    let o = watched(&[behind.port, ahead.port]);
    let store = Store::open(&o, seal()).await.unwrap();
    serves(&store).await;
    // What was written is on the new one, as a failover leaves it.
    second.ask(&["REPLICAOF", "127.0.0.1", &old.to_string()]);
    let end = Instant::now() + Duration::from_secs(10);
    while !second.ask(&["INFO", "replication"]).text().contains("master_link_status:up") {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    second.ask(&["REPLICAOF", "NO", "ONE"]);
    ahead.becomes(Manner::Names(new));
    first.ask(&["REPLICAOF", "127.0.0.1", &new.to_string()]);
    // The connection still leads to the old one, which is a replica now.
    writes(&store).await;
    let written = |server: &Redis| server.keys(&o.prefix).iter().any(|k| k.ends_with(":ctl"));
    assert!(written(&second), "written elsewhere");
    // The old one dies for good, and is still named by who is asked first when the connection breaks.
    signal(first.pid(), "KILL");
    second.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    writes(&store).await;
}

/// Waits until the store takes a write.
async fn writes(store: &Store) {
    let until = from_millis(SystemClock.now().as_millisecond() + 60_000);
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(error) = store.pause(Tag::of("line-main"), until, Reason::ChannelPaused).await {
        assert!(matches!(error.kind, ErrorKind::ReadOnly | ErrorKind::Away | ErrorKind::Timeout), "{error}");
        assert!(Instant::now() < end, "after 5 s: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
