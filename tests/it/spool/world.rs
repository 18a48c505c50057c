//! A Redis that can be killed and started again, a folder for the spool that outlives the relay, and LINE.

use crate::faults::server::{How, Server};
use crate::support::dir::Dir;
use crate::support::orders::{woo, woo_order};
use crate::support::provider::Provider;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, get};
use orderwire::boot::run::Role;
use std::path::PathBuf;

pub struct World {
    pub redis: Server,
    pub line: Provider,
    pub dir: Dir,
    pub plan: Plan,
}

impl World {
    pub async fn new() -> World {
        World::with(Provider::line().await)
    }

    /// With this for LINE.
    pub fn with(line: Provider) -> World {
        let dir = Dir::new();
        let redis = Server::with(&dir.join("redis"), How::default());
        let plan = Plan::at(&redis.url()).provider(&line.url).spool(&dir.join("spool"));
        World { redis, line, dir, plan }
    }

    pub async fn relay(&self) -> Relay {
        Relay::start(&self.plan, Role::All).await
    }

    /// Files of the spool that end so, in order.
    pub fn files(&self, folder: &str, end: &str) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.dir.join(folder)).unwrap().map(|e| e.unwrap().path());
        let mut files: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == end)).collect();
        files.sort();
        files
    }

    /// Every file of the spool holds none of these words.
    pub fn holds_none_of(&self, words: &[&str]) {
        let files = [self.files("spool", "spool"), self.files("spool", "struck"), self.files("spool/aside", "spool")];
        assert!(!files[0].is_empty(), "nothing was spooled");
        for file in files.concat() {
            let bytes = std::fs::read(&file).unwrap();
            for word in words {
                let found = bytes.windows(word.len()).any(|w| w == word.as_bytes());
                assert!(!found, "{word} in {}", file.display());
            }
        }
    }

    /// Messages to the customer whose words name the order, pushed or in reply to what they wrote.
    pub fn messages(&self, order: u64) -> usize {
        let named = |body: &str| body.contains(&format!("#{order}")) || body.contains(&format!("{order} "));
        self.line.seen_at("POST /v2/bot/message/").iter().filter(|s| named(&s.body)).count()
    }
}

impl World {
    /// Its settings as a file for a process.
    pub fn settings(&self) -> PathBuf {
        let store = format!("[store]\ndir = \"{}\"\n", self.dir.join("data").display());
        self.dir.write("orderwire.toml", &self.plan.text().replace("[store]\n", &store))
    }
}

/// A delivery of a paid order, answered 200 with this word.
pub async fn post(relay: &Relay, order: u64, word: &str) {
    let body = woo_order(order, "processing", 5).to_string();
    said(&relay.post(&woo("order.created", body.as_bytes())).await, word);
}

#[track_caller]
pub fn said(answer: &Answer, word: &str) {
    assert_eq!((answer.status, answer.json()["result"].as_str()), (200, Some(word)), "{}", answer.body);
}

/// Waits until the spool holds so many records.
pub async fn spooled(relay: &Relay, records: u64) {
    until(&format!("the spool holds {records}"), || async {
        let verbose = get(relay.admin, "/readyz?verbose").await.json();
        (verbose["spool"]["records"] == records).then_some(())
    })
    .await;
}

/// Waits until so many records have left the spool this way: they are counted when they are gone.
pub async fn ended(relay: &Relay, end: &str, records: f64) {
    let line = format!("orderwire_spool_ended_total{{end=\"{end}\"}}");
    until(&line, || async { (relay.metric(&line).await == records).then_some(()) }).await;
}

/// Waits until each order was told, and holds that it was told in one message.
pub async fn told_once(world: &World, relay: &Relay, orders: impl Iterator<Item = u64> + Clone) {
    for order in orders.clone() {
        relay.comes_to("woo", order, "payment_received", "sent").await;
    }
    // Whatever else there was to do is done.
    until("nothing is left to do", || async {
        let queue = relay.ops("GET", "/api/v1/queue", None).await.json();
        ["ready", "wait", "leased", "spooled"].iter().all(|k| queue[k] == 0).then_some(())
    })
    .await;
    for order in orders {
        assert_eq!(world.messages(order), 1, "{order}: {:?}", world.line.seen());
    }
    let audit = relay.app.store.audit().await.unwrap();
    assert!(audit.bad.is_empty(), "{:?}", audit.bad);
}
