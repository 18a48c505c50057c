//! **store** — floor 1: everything in Redis.
//!
//! Knows: key names, scripts, layout, stored versions, clean-up; the private redis-server child.
//! Must not know: HTTP, vendors, what a milestone or rule means.
//! May use: domain, seal
//! How to add one: a hand-over is one script in `lua/` with its contract (KEYS, ARGV, what each answer
//! means) at its head, checks first and writes after, and a function here that declares every key.
//!
//! The unit of work is the order. All of its state lies in one partition (one hash tag, one slot), so each
//! hand-over is one script. The scripts and who calls them:
//! `commit` (accept) · `lease begin settle release extend tick wake` (workers) · `person strike` (callbacks) ·
//! `note receipt append` (what became of messages) · `pause stand pace gap` (channel accounts) · `change mute claim` (operators) ·
//! `offer redeem` (codes that tie a messenger to an order) · `odd purge` (unreadable webhooks) · `erase unknow duty` (people's data) · `reseal swap` (another key, and what channels keep) · `forget find take` (clean-up, look-ups) · `code` (one-time codes).
#![expect(clippy::disallowed_types, reason = "this is the one room that speaks Redis")]

pub mod audit;
pub mod channels;
mod check;
mod child;
mod cluster;
pub mod codes;
pub mod day;
pub mod duty;
pub mod erase;
pub mod error;
mod fence;
mod kept;
pub mod keys;
mod link;
pub mod links;
pub mod messages;
pub mod operators;
pub mod order;
mod packed;
pub mod people;
mod place;
pub mod polls;
pub mod primaries;
pub mod rekey;
mod result;
pub mod rewrite;
mod route;
mod script;
pub mod settings;
pub mod threads;
mod value;
mod wake;
pub mod walk;
mod way;
pub mod work;

use crate::domain::ids::Tag;
use crate::seal::Seal;
use check::Demands;
use child::Child;
use error::{ErrorKind, StoreError};
use keys::{Keys, PARTITIONS};
use place::Place;
use schemars::JsonSchema;
use script::Call;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use way::{Plan, Way, Ways};

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// As `local`, and at least one replica has it before it is acknowledged: a failover too.
    Replicated,
    /// AOF with `appendfsync always`: everything short of losing the disk.
    Local,
    /// AOF as the operator set it: up to about two seconds may be lost at a power cut.
    Relaxed,
}

impl Durability {
    /// What it does and does not survive, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Durability::Replicated => {
                "durability replicated: nothing acknowledged is lost short of losing the primary and the replica that had it"
            }
            Durability::Local => "durability local: nothing acknowledged is lost short of losing Redis' disk",
            Durability::Relaxed => {
                "durability relaxed: up to about two seconds of acknowledged webhooks may be lost at a power cut or failover"
            }
        }
    }
}

/// How long things are kept. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// An order after its last event.
    pub order_secs: i64,
    /// Its ledger.
    pub ledger_secs: i64,
    /// Unreadable webhooks.
    pub odd_secs: i64,
    /// Dead items.
    pub dead_secs: i64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: i64 = 86_400;
        Retention { order_secs: 90 * DAY, ledger_secs: 400 * DAY, odd_secs: 14 * DAY, dead_secs: 400 * DAY }
    }
}

/// How to reach the store.
#[derive(Clone)]
pub struct StoreOptions {
    /// `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`; `None`: a private redis-server under `dir`.
    pub url: Option<String>,
    /// File with the authorities that may vouch for an encrypted server; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Directory of the private server.
    pub dir: PathBuf,
    /// First part of every key.
    pub prefix: String,
    /// What is demanded of the server.
    pub durability: Durability,
    /// Names of dangers accepted.
    pub accept_risk: Vec<String>,
    /// Program of the private server; `None`: `redis-server` on PATH.
    pub redis_server: Option<PathBuf>,
    /// Longest wait for one answer, connecting included.
    pub deadline_ms: u64,
    /// How long things are kept.
    pub retention: Retention,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            url: None,
            ca_file: None,
            dir: "orderwire-data".into(),
            prefix: "ow".into(),
            durability: Durability::Local,
            accept_risk: Vec::new(),
            redis_server: None,
            deadline_ms: 1500,
            retention: Retention::default(),
        }
    }
}

impl StoreOptions {
    fn place(&self, url: &str) -> Result<Place, StoreError> {
        let place = Place::of(url).map_err(StoreError::setup)?;
        match &self.ca_file {
            None => Ok(place),
            Some(file) => place.vouched_by(file).map_err(|why| StoreError::setup(format!("store.ca_file {why}"))),
        }
    }
}

/// Everything in Redis. Cheap to share behind an `Arc`; every call has its own deadline and may be repeated.
pub struct Store {
    seal: Arc<Seal>,
    keys: Keys,
    /// For those who wait for an answer at a door.
    accept: Ways,
    /// What must last before a door answers or a send begins, at the level `replicated`.
    fences: Option<Fences>,
    /// For workers and operators, so that their batches do not stand before an accept.
    work: Way,
    /// Only of the process that holds its directory.
    child: Option<Arc<Child>>,
    retention: Retention,
    demands: Arc<Demands>,
    /// Channels with parked orders, by partition, as the last tick saw them.
    parked: Mutex<Vec<BTreeSet<Tag>>>,
    /// Lease calls whose answer never came: asked again under the same token.
    unanswered: Mutex<BTreeMap<(u8, String), Arc<str>>>,
    /// Makes tokens of this process unlike those of any other.
    nonce: String,
    calls: AtomicU64,
}

/// For doors and for workers, so that neither waits for the other's replicas.
struct Fences {
    doors: Way,
    begin: Way,
}

/// What is known of the server.
#[derive(Clone, Debug)]
pub struct Info {
    /// `redis 7.0.15`.
    pub server: String,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Bytes in use.
    pub used_memory: u64,
    /// Bytes allowed; 0: no limit set.
    pub max_memory: u64,
    /// Bytes in use that do not count towards them: what waits for replicas and for the disk.
    pub uncounted: u64,
    /// The server's clock minus ours.
    pub skew_ms: i64,
    /// What is wrong with it now (its settings were changed, it became a replica): readiness must fail.
    pub complaint: Option<StoreError>,
    /// Why what lies on one primary of a cluster waits, while the others serve.
    pub away: Option<StoreError>,
}

impl Info {
    /// How full it is, 0 to 1, as the server counts it; `None`: no limit is set.
    pub fn memory_ratio(&self) -> Option<f64> {
        let counted = self.used_memory.saturating_sub(self.uncounted);
        (self.max_memory > 0).then(|| counted as f64 / self.max_memory as f64)
    }

    /// Of two servers: the fuller one's memory, the clock that is further off, the first complaint.
    fn with(self, other: Info) -> Info {
        let fuller = other.memory_ratio().unwrap_or(0.0) > self.memory_ratio().unwrap_or(0.0);
        let Info { used_memory, max_memory, uncounted, .. } = if fuller { &other } else { &self };
        let (used_memory, max_memory, uncounted) = (*used_memory, *max_memory, *uncounted);
        let skew_ms = if other.skew_ms.abs() > self.skew_ms.abs() { other.skew_ms } else { self.skew_ms };
        let complaint = self.complaint.or(other.complaint);
        Info { used_memory, max_memory, uncounted, skew_ms, complaint, ..self }
    }
}

impl Store {
    /// Connects (without `url`: starts or adopts the private server), and refuses a server that does not
    /// keep what it acknowledges. Waits while the server is loading its data.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] with what to change; else that it cannot be reached.
    pub async fn open(o: &StoreOptions, seal: Arc<Seal>) -> Result<Store, StoreError> {
        let store = Store::own(o, seal)?;
        store.first_answer().await?;
        Ok(store)
    }

    /// Like [`Store::open`], for a relay that can wait for Redis with its doors open: a server that is not there
    /// yet, or still loading, is no error but is given beside the store.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] with what to change, as far as that can be seen by now.
    pub async fn open_even_away(o: &StoreOptions, seal: Arc<Seal>) -> Result<(Store, Option<StoreError>), StoreError> {
        let store = Store::own(o, seal)?;
        match tokio::time::timeout(HURRY, store.first_answer()).await {
            Ok(Ok(())) => Ok((store, None)),
            Ok(Err(error)) if error.passes() => Ok((store, Some(error))),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let late = StoreError::new(ErrorKind::Timeout, format!("no answer within {HURRY:?}"));
                Ok((store, Some(late)))
            }
        }
    }

    /// The store of a relay, not yet asked anything.
    fn own(o: &StoreOptions, seal: Arc<Seal>) -> Result<Store, StoreError> {
        let child = match o.url {
            Some(_) => None,
            None => Some(Arc::new(Child::take(&o.dir, o.redis_server.as_deref())?)),
        };
        let info = match (&o.url, &child) {
            (Some(url), _) => o.place(url)?,
            (None, Some(child)) => Place::socket(child.place().socket())?,
            (None, None) => return Err(StoreError::bug("neither an address nor a server of our own")),
        };
        Store::unasked(o, seal, info, child)
    }

    /// Like [`Store::open`] for a command beside a running relay: takes the private server as it runs, and
    /// leaves it running.
    ///
    /// # Errors
    /// As [`Store::open`], and that no private server runs under `dir`.
    pub async fn attach(o: &StoreOptions, seal: Arc<Seal>) -> Result<Store, StoreError> {
        let info = match &o.url {
            Some(url) => o.place(url)?,
            None => Place::socket(child::Place::prepare(&o.dir)?.socket())?,
        };
        let store = Store::unasked(o, seal, info, None)?;
        store.first_answer().await?;
        Ok(store)
    }

    fn unasked(
        o: &StoreOptions,
        seal: Arc<Seal>,
        place: Place,
        child: Option<Arc<Child>>,
    ) -> Result<Store, StoreError> {
        let keys = Keys::new(&o.prefix);
        let demands = Arc::new(Demands {
            durability: o.durability,
            accept_risk: o.accept_risk.clone(),
            meta: keys.meta(),
            names: hex::encode(seal.hash16("meta", &[b"names"])),
            cluster: place.is_cluster(),
            marked: AtomicBool::new(false),
            waits_for_disk: AtomicBool::new(false),
            waits_for_own: AtomicBool::new(false),
        });
        let deadline = Duration::from_millis(o.deadline_ms);
        let map = place.is_cluster().then(|| Arc::new(cluster::Map::new(place.clone(), deadline)));
        let plan = Plan { place, deadline, demands: demands.clone(), child: child.clone(), map };
        let mut nonce = [0; 6];
        getrandom::fill(&mut nonce).map_err(|e| StoreError::bug(format!("no random bytes: {e}")))?;
        Ok(Store {
            seal,
            keys,
            fences: (o.durability == Durability::Replicated)
                .then(|| Fences { doors: plan.fenced(), begin: plan.fenced() }),
            accept: Ways::new(|| plan.plain()),
            work: plan.plain(),
            child,
            retention: o.retention,
            demands: demands.clone(),
            parked: Mutex::new(vec![BTreeSet::new(); PARTITIONS]),
            unanswered: Mutex::new(BTreeMap::new()),
            nonce: hex::encode(nonce),
            calls: AtomicU64::new(0),
        })
    }

    /// A server that is reading its data gets time, and so does one that we are only just starting: on a busy
    /// machine that takes longer than the deadline of a call.
    async fn first_answer(&self) -> Result<(), StoreError> {
        let begun = tokio::time::Instant::now();
        loop {
            match self.greeted().await {
                Err(e) if begun.elapsed() < self.patience(e.kind) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                done => return done,
            }
        }
    }

    async fn greeted(&self) -> Result<(), StoreError> {
        self.ping().await?;
        self.work.greet().await
    }

    fn patience(&self, kind: ErrorKind) -> Duration {
        match kind {
            ErrorKind::Loading => LOADING,
            ErrorKind::Timeout | ErrorKind::Away if self.child.is_some() => STARTING,
            _ => Duration::ZERO,
        }
    }

    /// For what a door answers for: the answer means that it lasts, at the level asked for.
    async fn lasting(&self, calls: Vec<Call>) -> Result<Vec<redis::Value>, StoreError> {
        match &self.fences {
            Some(fences) => fences.doors.lasting(calls).await,
            None => self.accept.flight(&calls, link::Repeat::Once).await,
        }
    }

    /// One such call.
    async fn lasting_one(&self, call: Call) -> Result<redis::Value, StoreError> {
        let mut answers = self.lasting(vec![call]).await?;
        answers.pop().ok_or_else(|| StoreError::bug("a call without an answer"))
    }

    /// How long what cannot be read is kept for a person, seconds.
    pub fn keeps_unreadable(&self) -> i64 {
        self.retention.odd_secs
    }

    /// Lets go; a private server that this process holds is shut down, its data on disk.
    pub async fn close(&self) {
        if let Some(child) = &self.child {
            child.stay_down();
            self.work.shut_down().await;
            child.wait_end().await;
        }
    }

    /// Whether what is kept is spread over several servers, of which one may be away while the others go on.
    pub fn is_cluster(&self) -> bool {
        self.demands.cluster
    }

    /// How long an answer takes, of a cluster that of the quickest primary. Of one server it also fails when the data
    /// has vanished (`FLUSHALL`); of a cluster [`Store::info`] says that.
    ///
    /// # Errors
    /// That it cannot be reached, or that the data has vanished.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        let before = std::time::Instant::now();
        if self.is_cluster() {
            return self.work.any(&Call::bare("PING")).await.map(|()| before.elapsed());
        }
        let mark = self.work.one(Call::new("HGET").arg(self.keys.meta()).arg("format")).await?;
        if mark == redis::Value::Nil {
            return Err(check::vanished());
        }
        Ok(before.elapsed())
    }

    /// What is known of the server now.
    ///
    /// # Errors
    /// That it cannot be reached, or that the data has vanished.
    pub async fn info(&self) -> Result<Info, StoreError> {
        self.work.info(&self.demands).await
    }
}

/// How long a start waits for a server that is loading: some 7 s a GB.
const LOADING: Duration = Duration::from_secs(120);
/// How long a start waits that can do without: doors that are shut lose what is not repeated.
const HURRY: Duration = Duration::from_secs(3);
/// How long a start waits for the private server to come up.
const STARTING: Duration = Duration::from_secs(15);
