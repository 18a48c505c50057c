//! The server's append-only file, of a cluster every node's: what was erased stays readable in it until it is
//! rewritten.
//!
//! Three moments by the server's clock: the last erasure (set when it is over, before it is struck off), the last
//! rewrite asked for, and the last one that was asked for and has ended well. Something erased may be readable as
//! long as the first is not before the last. Dies, or the server does, at any point: the moments still say so.

use super::Store;
use super::error::StoreError;
use super::script::Call;
use super::value;
use std::collections::BTreeMap;

/// Two rewrites are so far apart at least: each writes all data once. ms.
const APART_MS: i64 = 3_600_000;

/// How the server's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nothing that was erased is in it.
    Clean,
    /// A rewrite is under way.
    Rewriting,
    /// A rewrite was just asked for.
    Asked,
    /// Something erased is in it; the next rewrite waits for its time.
    Waiting,
}

impl Store {
    /// Something was erased just now.
    ///
    /// # Errors
    /// The store's; whatever was erased must then not count as done.
    pub async fn mark_erased(&self) -> Result<(), StoreError> {
        let now = self.server_ms(true, &self.keys.rewrite()).await?;
        self.work.one(Call::new("HSET").arg(self.keys.rewrite()).arg("erased").arg(now)).await.map(|_| ())
    }

    /// Looks whether something erased is still in the server's log, and has it rewritten: at most once an hour.
    ///
    /// # Errors
    /// The store's: the server may forbid the command (`bgrewriteaof`), or have no memory to fork.
    pub async fn tidy_log(&self) -> Result<Log, StoreError> {
        let key = self.keys.rewrite();
        let moments: BTreeMap<Vec<u8>, Vec<u8>> =
            value::pairs(self.work.one(Call::new("HGETALL").arg(&key)).await?)?.into_iter().collect();
        let moment = |name: &[u8]| {
            let text = moments.get(name).and_then(|v| std::str::from_utf8(v).ok());
            text.and_then(|t| t.parse::<i64>().ok()).unwrap_or(0)
        };
        let (erased, asked, done) = (moment(b"erased"), moment(b"asked"), moment(b"done"));
        if erased < done || erased == 0 {
            return Ok(Log::Clean);
        }
        let mut infos = Vec::new();
        for answers in self.work.tell_all(&[Call::bare("INFO").arg("persistence")]).await? {
            infos.push(value::text(answers.into_iter().next().unwrap_or_default())?);
        }
        let is = |info: &String, line: &str| info.lines().any(|l| l.trim() == line);
        if infos.iter().all(|info| is(info, "aof_enabled:0")) {
            return Ok(Log::Clean);
        }
        if infos.iter().any(|info| is(info, "aof_rewrite_in_progress:1") || is(info, "aof_rewrite_scheduled:1")) {
            return Ok(Log::Rewriting);
        }
        // The time is -1 until one has ended since the server's start: one that died over it is not done.
        let well = infos.iter().all(|info| {
            is(info, "aof_enabled:0")
                || (is(info, "aof_last_bgrewrite_status:ok") && !is(info, "aof_last_rewrite_time_sec:-1"))
        });
        if erased < asked && well {
            self.work.one(Call::new("HSET").arg(&key).arg("done").arg(asked)).await?;
            return Ok(Log::Clean);
        }
        let now = self.server_ms(true, &key).await?;
        if now - asked < APART_MS && well {
            return Ok(Log::Waiting);
        }
        // Asked for twice is done once more; asked for and not noted is asked for again.
        self.work.tell_all(&[Call::bare("BGREWRITEAOF")]).await?;
        self.work.one(Call::new("HSET").arg(&key).arg("asked").arg(now)).await?;
        Ok(Log::Asked)
    }
}
