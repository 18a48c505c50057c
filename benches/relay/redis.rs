//! A Redis for one contender: started empty, thrown away afterwards.
#![expect(clippy::disallowed_types, reason = "the bench looks at the server itself, not at what the store makes of it")]

use super::proc::{Proc, free_address};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A server that reads, or writes, gigabytes.
const LOADING: Duration = Duration::from_secs(180);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// When Redis writes its log to disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Once a second.
    Everysec,
    /// Before every answer.
    Always,
}

impl Fsync {
    fn word(self) -> &'static str {
        match self {
            Fsync::Everysec => "everysec",
            Fsync::Always => "always",
        }
    }
}

/// A running redis-server.
pub struct Redis {
    /// Where it listens.
    pub at: SocketAddr,
    data: PathBuf,
    fsync: Fsync,
    proc: Proc,
}

impl Redis {
    /// Starts one with its data under `dir`.
    pub fn start(dir: &Path, fsync: Fsync) -> anyhow::Result<Redis> {
        let at = free_address()?;
        let data = dir.join(format!("redis-{}", at.port()));
        std::fs::create_dir_all(&data)?;
        let proc = server(at, &data, fsync)?;
        Ok(Redis { at, data, fsync, proc })
    }

    /// `kill -9`, then the same files again. Gives how long it takes until it serves.
    pub fn restart(&mut self) -> anyhow::Result<Duration> {
        self.proc.kill()?;
        let started = Instant::now();
        self.proc = server(self.at, &self.data, self.fsync)?;
        let mut connection = self.connect()?;
        loop {
            match redis::cmd("PING").query::<String>(&mut connection) {
                Ok(_) => return Ok(started.elapsed()),
                Err(e) if e.code() == Some("LOADING") && started.elapsed() < LOADING => std::thread::sleep(LOOK),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Writes its log anew, and waits until that is done.
    pub fn rewrite(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let _: String = redis::cmd("BGREWRITEAOF").query(&mut self.connect()?)?;
        while self.info("aof_rewrite_in_progress")? + self.info("aof_rewrite_scheduled")? > 0 {
            anyhow::ensure!(started.elapsed() < LOADING, "the log is not rewritten");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Its address for a client.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.at)
    }

    /// CPU so far.
    pub fn cpu(&self) -> Duration {
        self.proc.cpu()
    }

    /// A connection.
    pub fn connect(&self) -> anyhow::Result<redis::Connection> {
        Ok(redis::Client::open(self.url())?.get_connection()?)
    }

    /// A number of `INFO ALL`, by the name before the colon.
    pub fn info(&self, name: &str) -> anyhow::Result<u64> {
        let text: String = redis::cmd("INFO").arg("all").query(&mut self.connect()?)?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|l| l.trim().parse().ok()).with_context(|| format!("INFO has no number {name}"))
    }

    /// (calls, microseconds) of a command, as `INFO COMMANDSTATS` counts them.
    pub fn command(&self, name: &str) -> anyhow::Result<(u64, u64)> {
        let text: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connect()?)?;
        let line = text.lines().find_map(|l| l.strip_prefix("cmdstat_")?.strip_prefix(name)?.strip_prefix(':'));
        let number = |key: &str| {
            line.and_then(|l| l.split(',').find_map(|f| f.strip_prefix(key)?.strip_prefix('=')?.trim().parse().ok()))
        };
        Ok((number("calls").unwrap_or(0), number("usec").unwrap_or(0)))
    }
}

fn server(at: SocketAddr, data: &Path, fsync: Fsync) -> anyhow::Result<Proc> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &at.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(data);
    command.args(["--appendonly", "yes", "--appendfsync", fsync.word(), "--maxmemory-policy", "noeviction"]);
    // A rewrite of the log falls into this round or the next by chance: nobody pays for it.
    command.args(["--auto-aof-rewrite-percentage", "0"]);
    Proc::start(command, &data.join("log"), at)
}
