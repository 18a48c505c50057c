//! Steps of doors, workers and operators in any order, against the very scripts on a redis-server of its own: after
//! each sequence every order with something open is in exactly one queue.

use super::targets::demo;
use orderwire::domain::clock::{Clock as _, SystemClock, Timestamp, plus_secs};
use orderwire::domain::decision::Reason;
use orderwire::domain::ids::{Digest8, ShopId, Tag};
use orderwire::domain::owed::{Owed, State};
use orderwire::seal::Seal;
use orderwire::store::erase::Remains;
use orderwire::store::keys::{Member, Unit};
use orderwire::store::order::{Commit, Record};
use orderwire::store::work::{BeginAsk, Dest, Leased, Settle};
use orderwire::store::{Store, StoreOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Steps of one sequence at most.
const MOST: usize = 48;

/// A server that ends with this process, however that ends.
struct Server {
    url: String,
    _leash: Child,
}

fn server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        let dir = std::env::temp_dir().join(format!("ow-steps-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let script = "cd \"$0\" && { redis-server --port 0 --unixsocket s --save '' --appendonly no \
                      --maxmemory-policy noeviction >/dev/null 2>&1 & cat >/dev/null; kill $!; wait; rm -rf \"$0\"; }";
        let mut leash = Command::new("sh");
        leash.args(["-c", script]).arg(&dir).stdin(Stdio::piped()).stdout(Stdio::null());
        let leash = leash.spawn().expect("a shell");
        let (socket, until) = (dir.join("s"), Instant::now() + Duration::from_secs(10));
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "redis-server does not start; is it installed?");
            std::thread::sleep(Duration::from_millis(5));
        }
        Server { url: format!("unix://{}", socket.display()), _leash: leash }
    });
    &SERVER
}

fn keys() -> [[u8; 32]; 2] {
    [0x5a, 0xa5].map(|x| std::array::from_fn(|i| (i as u8).wrapping_mul(97) ^ x))
}

/// What a sequence works on.
struct World {
    store: Store,
    now: Timestamp,
    orders: Vec<Member>,
    held: Vec<Leased>,
}

/// Runs a sequence: each step is two bytes, what and on what.
pub fn steps(data: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
    // Tests of one process come here from many threads; their sequences need not meet.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    RUNTIME.block_on(async {
        let mut world = World::new().await;
        for step in data.chunks_exact(2).take(MOST) {
            world.step(step[0], step[1]).await;
        }
        let audit = world.store.audit().await.expect("an audit");
        assert!(audit.bad.is_empty(), "{:?}", audit.bad);
    });
    // What sequences leave would make each audit slower than the last.
    let mut redis = UnixStream::connect(server().url.trim_start_matches("unix://")).expect("the server");
    redis.write_all(b"FLUSHALL\r\n").and_then(|()| redis.read_exact(&mut [0; 5])).expect("it is emptied");
}

impl World {
    async fn new() -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let o = StoreOptions {
            url: Some(server().url.clone()),
            prefix: format!("owtest{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            accept_risk: vec!["aof-off".into(), "appendfsync".into()],
            deadline_ms: 10_000,
            ..StoreOptions::default()
        };
        let seal = Arc::new(Seal::new(&keys()).expect("a seal"));
        let store = Store::open(&o, seal).await.unwrap_or_else(|e| panic!("{e}"));
        let order = |i: u8| store.member(&Unit::order(&ShopId::from("demo"), &i.to_string()));
        let orders = (0..4).map(order).collect();
        World { store, now: SystemClock.now(), orders, held: Vec::new() }
    }

    async fn step(&mut self, what: u8, on: u8) {
        let member = self.orders[usize::from(on & 3)].clone();
        let channel = Tag::of(if on & 4 == 0 { "line-main" } else { "mail" });
        let done = match what % 12 {
            0 | 1 => self.commit(&member, on).await,
            2 => self.lease(&member, on).await,
            3 => self.begin(on, channel).await,
            4 | 5 => self.settle(on, channel).await,
            6 => self.store.tick(member.partition(), 10).await.map(drop),
            7 => self.store.pause(channel, plus_secs(self.now, 60), Reason::ChannelPaused).await,
            8 => self.store.resume(channel).await,
            9 => self.store.wake(&[member]).await.map(drop),
            10 => self.end(&member, on).await,
            _ => self.store.reseal(&[demo()], None, on & 1 == 0).await.map(drop),
        };
        done.unwrap_or_else(|e| panic!("step {what}: {e}"));
    }

    fn item(&self, no: u16, channel: Tag) -> Owed {
        Owed {
            no,
            milestone: Tag::of("shipped"),
            subject: Digest8(no.into()),
            route: Tag::of("r"),
            slot: Tag::NONE,
            state: State::Open,
            reason: None,
            attempts: 0,
            at: self.now,
            not_before: self.now,
            expires: plus_secs(self.now, 3600),
            channel,
            passed: 0,
            first_attempt: None,
            address: 0,
            follows: 0,
            within: 0,
            forced: false,
        }
    }

    async fn commit(&self, member: &Member, on: u8) -> Result<(), orderwire::flow::StoreError> {
        let record = self.store.read(member).await?;
        if record.erased.is_some() || record.items.len() > 20 {
            return Ok(());
        }
        let owes = on & 8 == 0;
        let commit = Commit {
            // A writer that read too early.
            expected: record.revision + u64::from(on & 64),
            parked: record.parked,
            seen: vec![Digest8(u64::from(on) << 8 | 1)],
            seen_until: plus_secs(self.now, 600),
            drop_seen: record.stale_seen(self.now),
            snapshot: format!("{{\"s\":{on}}}").into_bytes(),
            owed: Vec::from_iter(owes.then(|| self.item(record.last_item + 1, Tag::NONE))),
            due: owes.then(|| plus_secs(self.now, i64::from(on >> 4 & 3) * 30)),
            ledger: Vec::new(),
        };
        self.store.commit(member, commit).await.map(drop)
    }

    async fn lease(&mut self, member: &Member, on: u8) -> Result<(), orderwire::flow::StoreError> {
        let lasts = if on & 8 == 0 { 60_000 } else { 1 };
        let got = self.store.lease(member.partition(), usize::from(on >> 4), "w", lasts).await?;
        self.held.extend(got);
        Ok(())
    }

    async fn begin(&self, on: u8, channel: Tag) -> Result<(), orderwire::flow::StoreError> {
        let Some(leased) = self.held.get(usize::from(on >> 3) % self.held.len().max(1)) else { return Ok(()) };
        let record = self.store.read(&leased.member).await?;
        let open = record.items.iter().filter(|i| i.state == State::Open);
        let items: Vec<Owed> = open.map(|i| Owed { state: State::Begun, channel, ..i.clone() }).collect();
        let envelope = items.first().map(|i| (i.no, b"envelope".to_vec()));
        let expires = plus_secs(self.now, 3600);
        let ask = BeginAsk { leased, items, revision: record.revision, expires, channel, envelope };
        self.store.begin(&[ask]).await.map(drop)
    }

    async fn settle(&mut self, on: u8, channel: Tag) -> Result<(), orderwire::flow::StoreError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let leased = self.held.remove(usize::from(on >> 3) % self.held.len());
        let record = self.store.read(&leased.member).await?;
        let open = |i: &&Owed| i.state.is_open();
        // A worker who finds nothing open has nothing to wait for: it says that it is done.
        let idle = on & 2 == 0 && !record.items.iter().any(|i| open(&i));
        let ends = on & 1 == 0 || idle;
        let items: Vec<Owed> = match ends {
            true => record.items.iter().filter(open).map(|i| Owed { state: State::Sent, ..i.clone() }).collect(),
            false => Vec::new(),
        };
        let dest = match on >> 6 {
            _ if ends => Dest::Done,
            0 => Dest::Ready,
            1 => Dest::Wait(plus_secs(self.now, 30)),
            2 => Dest::Park(channel, plus_secs(self.now, 60)),
            _ => Dest::Done,
        };
        let mut settle = Settle::unchanged(leased, record.revision, record.wakes, dest);
        settle.closed = u16::try_from(items.len()).unwrap_or(u16::MAX);
        settle.drop_envelopes = items.iter().map(|i| i.no).collect();
        settle.items = items;
        if !ends && on & 2 == 2 {
            settle.added = vec![self.item(record.last_item + 1, channel)];
        }
        self.store.settle(&settle).await.map(drop)
    }

    /// An operator gives up what is open, or everything is erased.
    async fn end(&self, member: &Member, on: u8) -> Result<(), orderwire::flow::StoreError> {
        let record: Record = self.store.read(member).await?;
        let over = |i: &Owed| {
            let state = if i.state.is_open() { State::Skipped } else { i.state };
            (i.clone(), Owed { state, address: 0, ..i.clone() })
        };
        let items: Vec<(Owed, Owed)> = record.items.iter().map(over).collect();
        if on & 8 == 8 {
            return self.store.erase(member, &record, &items, self.now, Remains::Tombstone).await.map(drop);
        }
        let open: Vec<(Owed, Owed)> = items.into_iter().filter(|(old, _)| old.state.is_open()).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.store.discard(member, &open, &[]).await.map(drop)
    }
}
