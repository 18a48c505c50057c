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
//! `note receipt` (what became of messages) · `pause pace` (channel accounts) · `change mute` (operators).
#![expect(clippy::disallowed_types, reason = "this is the one room that speaks Redis")]

pub mod channels;
mod check;
mod child;
pub mod error;
pub mod keys;
mod link;
pub mod messages;
pub mod operators;
pub mod order;
pub mod people;
mod script;
pub mod settings;
pub mod work;

use crate::seal::Seal;
use error::StoreError;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// AOF with `appendfsync always`: everything short of losing the disk.
    Local,
    /// AOF as the operator set it: up to about two seconds may be lost at a power cut.
    Relaxed,
}

impl Durability {
    /// What it does and does not survive, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Durability::Local => "durability local: nothing acknowledged is lost short of losing Redis' disk",
            Durability::Relaxed => "durability relaxed: up to about two seconds of acknowledged webhooks may be lost at a power cut or failover",
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
    /// `redis://`, `rediss://`, `unix://`; `None`: a private redis-server under `dir`.
    pub url: Option<String>,
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

/// Everything in Redis. Cheap to share behind an `Arc`; every call has its own deadline and may be repeated.
pub struct Store {
    seal: Arc<Seal>,
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
    /// The server's clock minus ours.
    pub skew_ms: i64,
}

impl Store {
    /// Connects (without `url`: starts or adopts the private server), and refuses a server that does not
    /// keep what it acknowledges.
    ///
    /// # Errors
    /// [`error::ErrorKind::Setup`] with what to change; else that it cannot be reached.
    pub async fn open(o: &StoreOptions, seal: Arc<Seal>) -> Result<Store, StoreError> {
        todo!("{:?}{:?}", o.url, seal)
    }
    /// Like [`Store::open`] for a command beside a running relay: takes the private server as it runs, and
    /// leaves it running.
    ///
    /// # Errors
    /// As [`Store::open`], and that no private server runs under `dir`.
    pub async fn attach(o: &StoreOptions, seal: Arc<Seal>) -> Result<Store, StoreError> {
        todo!("{:?}{:?}", o.url, seal)
    }
    /// Lets go; a private server that this process holds is shut down, its data on disk.
    pub async fn close(self) {}
    /// How long an answer takes; also fails when the data has vanished (`FLUSHALL`).
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        todo!()
    }
    /// What is known of the server now.
    pub async fn info(&self) -> Result<Info, StoreError> {
        todo!()
    }
}
