//! Who the primaries are: what a walk over all of them and whoever must know of a failover look at.

use super::Store;
use super::error::{ErrorKind, StoreError};
use super::script::Call;
use super::value;
use crate::domain::ids::Digest8;
use redis::Value;
use std::collections::BTreeMap;

/// The primaries as they are, and as whom: equal as long as none was replaced, restarted or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primaries(BTreeMap<String, String>);

impl Store {
    /// Asks every server that has keys who it is.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn primaries(&self) -> Result<Primaries, StoreError> {
        let calls = ["server", "replication"].map(|part| Call::bare("INFO").arg(part));
        let mut all = BTreeMap::new();
        for (server, answers) in self.work.everywhere(&calls).await? {
            let said = texts(answers)?.join("\n");
            let lines = ["run_id:", "role:", "master_replid:"].map(|name| line(&said, name).unwrap_or_default());
            all.insert(server, lines.join(" "));
        }
        Ok(Primaries(all))
    }

    /// Which server has which slots, and since which change: a walk during which this changes may have missed
    /// something.
    ///
    /// # Errors
    /// The store's, and that a slot is just being moved.
    pub(super) async fn lay_of_the_keys(&self) -> Result<Digest8, StoreError> {
        let mut all = self.work.slots().await?;
        let mut calls = vec![Call::bare("INFO").arg("server")];
        if self.demands.cluster {
            calls.extend(["INFO", "NODES"].map(|what| Call::bare("CLUSTER").arg(what)));
        }
        for (server, answers) in self.work.everywhere(&calls).await? {
            let said = texts(answers)?;
            // `[93-<-id]` in its own line: it gives or is given a slot.
            let moving = |nodes: &String| nodes.lines().any(|l| l.contains("myself") && l.contains('['));
            if said.get(2).is_some_and(moving) {
                return Err(StoreError::new(
                    ErrorKind::Away,
                    "a slot of the cluster is being moved; what must see all waits",
                ));
            }
            let epoch = said.get(1).and_then(|info| line(info, "cluster_my_epoch:")).unwrap_or_default();
            let run = said.first().and_then(|info| line(info, "run_id:")).unwrap_or_default();
            all.push_str(&format!("\n{server} {run} {epoch}"));
        }
        Ok(Digest8::of(&[all.as_bytes()]))
    }
}

fn texts(answers: Vec<Value>) -> Result<Vec<String>, StoreError> {
    answers.into_iter().map(value::text).collect()
}

fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|l| l.strip_prefix(name)).map(str::trim)
}
