//! **flow** — floor 2: the order of steps.
//!
//! Knows: `accept deliver hear sweep ring`, pacing, pressure, worker loops, what is done about people's data (`erase`),
//! operators' questions (`replay explain`), the change of keys (`rekey`), what is asked of and said to shops' own APIs
//! (`join reconcile writeback doctor`), what customers' pages show and do (`page track`).
//! Must not know: Redis commands, vendor JSON, web types; it takes no decision about *meaning*.
//! May use: domain, seal, platform, milestone, plan, words, channel, store, spool, telemetry
//! How to add one: a step is one function that reads top to bottom; before it is written, its comment says
//! what happens when the process dies before, in the middle and after it.

pub mod accept;
pub mod account;
mod answer;
pub mod batch;
pub mod chat;
pub mod consent;
pub mod crash;
mod daily;
pub mod deliver;
pub mod doctor;
pub mod drain;
pub mod erase;
pub mod explain;
pub mod hear;
pub mod inhand;
pub mod join;
pub mod kept;
pub mod last_look;
pub mod link;
pub mod live;
pub mod menu;
pub mod noted;
pub mod nudge;
mod number;
mod offer;
pub mod outcome;
pub mod page;
pub mod people;
pub mod polls;
pub mod pressure;
pub mod qr;
pub mod queue;
pub mod reconcile;
pub mod rekey;
pub mod replay;
pub mod results;
pub mod ring;
pub mod send;
pub mod sending;
pub mod settle;
pub mod simulate;
pub mod situation;
mod spacing;
pub mod spooled;
pub mod sweep;
pub mod talk;
pub mod track;
pub mod wanted;
pub mod wording;
pub mod writeback;

use crate::domain::clock::Clock;
use crate::spool::Spool;
use crate::store::Store;
pub use crate::store::error::StoreError;
use crate::store::work::Settle;
use crate::telemetry::Metrics;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use live::Live;
use noted::Noted;
use nudge::Nudge;
use pressure::{Caller, Pressure, Shed};
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};
use std::time::Instant;
use tokio::sync::Mutex;

/// Orders of one process queue on as many stripes, so that two webhooks of one order do not fight over its
/// revision.
const STRIPES: usize = 256;

/// Clients for questions to shops' APIs: a shop on a private network is asked by one that may go there.
pub struct Asking {
    /// Reaches the public internet and this machine.
    pub public: reqwest::Client,
    /// Reaches private networks too.
    pub private: reqwest::Client,
}

impl Asking {
    fn of(&self, api: &crate::platform::Api) -> &reqwest::Client {
        if api.private { &self.private } else { &self.public }
    }
}

/// Everything a step needs, introduced once at start.
pub struct App {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Redis.
    pub store: Arc<Store>,
    /// Measures.
    pub metrics: Arc<Metrics>,
    /// Name of this worker among all pods.
    pub worker: String,
    /// Lease length, milliseconds.
    pub lease_ms: u64,
    /// Clients for questions to shops' APIs.
    pub asking: Asking,
    /// Where genuine requests wait while Redis is away; `None`: nowhere.
    pub spool: Option<Spool>,
    /// What was acknowledged lately; `None`: no failover is survived here anyway.
    pub ring: Option<ring::Ring>,
    /// How Redis bears what is asked of it.
    pub pressure: Pressure,
    /// Where results of sends wait while Redis is away; `None`: in memory.
    pub results: Option<Spool<Settle>>,
    /// Whose wish not to be written to waits on disk.
    pub noted: Noted,
    /// Messages that one person gets on one account within a day; 0: as many as there are.
    pub person_a_day: u32,
    /// What is asked right before messages go.
    pub looks: last_look::Looks,
    live: RwLock<Arc<Live>>,
    stripes: Vec<Mutex<()>>,
    /// How fast codes that tie a messenger to an order are made.
    codes: DefaultDirectRateLimiter,
    /// Something became due in this process: look now, do not wait for the next poll.
    pub nudge: Nudge,
}

fn per_second((each, burst): (u32, u32)) -> Quota {
    let whole = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(whole(each)).allow_burst(whole(burst))
}

impl App {
    /// Introduces the rooms to each other.
    pub fn new(
        clock: Arc<dyn Clock>,
        store: Store,
        metrics: Arc<Metrics>,
        live: Live,
        worker: String,
        lease_ms: u64,
        asking: Asking,
    ) -> App {
        let store = Arc::new(store);
        live.keep_in(&store);
        App {
            clock,
            store,
            metrics,
            worker,
            lease_ms,
            asking,
            spool: None,
            ring: None,
            pressure: Pressure::default(),
            results: None,
            noted: Noted::default(),
            person_a_day: 0,
            looks: last_look::Looks::default(),
            live: RwLock::new(Arc::new(live)),
            codes: RateLimiter::direct(per_second(link::CODES)),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            nudge: Nudge::default(),
        }
    }

    /// The settings in force.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Puts newly loaded settings in force. Links already mailed go on to work: what they are made of belongs
    /// to the process, not to the settings read.
    pub fn reload(&self, mut live: Live) {
        live.keyed = live.keyed.or_else(|| self.live().keyed.clone());
        live.keep_in(&self.store);
        *self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(live);
    }

    /// Longest body this shop's platform sends; `None`: no such shop on that platform.
    pub fn body_limit(&self, platform: &str, shop: &str) -> Option<usize> {
        let live = self.live();
        let shop = live.shops.get(&crate::domain::ids::ShopId::from(shop))?;
        (shop.platform.name == platform).then_some(shop.platform.max_body)
    }

    /// Such a channel is configured.
    pub fn has_channel(&self, channel: &str) -> bool {
        self.live().channels.contains_key(&crate::domain::ids::ChannelId::from(channel))
    }

    /// Measures a step in Redis.
    ///
    /// # Errors
    /// The step's own.
    pub async fn timed<T>(
        &self,
        step: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let answer = call.await;
        let took = started.elapsed();
        self.pressure.trip(took, answer.as_ref().err().map(|e| e.kind), started + took);
        self.metrics.redis(step, took.as_secs_f64());
        if let Err(error) = &answer {
            self.metrics.redis_error(error.kind.as_str());
        }
        answer
    }

    /// Asks Redis whether it is there, and whether the data is.
    ///
    /// # Errors
    /// It is not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.timed("ping", self.store.ping()).await.map(drop)
    }

    /// Why a request of this caller is to be turned away before any of it is read; `None`: it is to be read. The
    /// disk takes what Redis cannot, as long as it keeps up.
    pub fn shed(&self, caller: Caller) -> Option<Shed> {
        let why = self.pressure.relief(caller, Instant::now())?;
        let spool = self.spool.as_ref().is_some_and(|s| !self.pressure.crowded() && s.standing().usable);
        (!spool).then_some(why)
    }

    /// Why a request that was read goes to the spool without a try at Redis; `None`: it is tried.
    fn passes_by(&self, caller: Caller) -> Option<Shed> {
        self.spool.as_ref()?;
        self.pressure.relief(caller, Instant::now())
    }

    fn stripe(&self, key: &str) -> &Mutex<()> {
        let tag = crate::domain::ids::Tag::of(key).0 as usize;
        &self.stripes[tag % STRIPES]
    }
}
