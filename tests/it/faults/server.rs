//! A redis-server of the run's own, which can be killed, stopped and started again on the same files.

use crate::support::redis::{Reply, ask};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A start on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(20);

/// Sends a signal to a process that we started.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
    assert!(done.is_ok_and(|s| s.success()), "kill -{name} {pid}");
}

/// How a server is started.
#[derive(Clone)]
pub struct How {
    /// `appendfsync`.
    pub fsync: &'static str,
    /// Where its files lie, if not beside its socket.
    pub data: Option<PathBuf>,
    /// A program and its arguments before `redis-server`: what it becomes.
    pub by: Vec<String>,
    /// Variables.
    pub env: Vec<(&'static str, String)>,
    /// Further arguments.
    pub more: Vec<&'static str>,
}

impl Default for How {
    /// Every write is on disk before it is answered.
    fn default() -> How {
        How { fsync: "always", data: None, by: Vec::new(), env: Vec::new(), more: Vec::new() }
    }
}

/// The server.
pub struct Server {
    dir: PathBuf,
    how: How,
    child: Child,
}

impl Server {
    /// Starts it on the files in `dir`.
    pub fn with(dir: &Path, how: How) -> Server {
        std::fs::create_dir_all(dir).unwrap();
        let mut server = Server { dir: dir.into(), child: spawn(dir, &how), how };
        server.up();
        server
    }

    /// For `[store] url`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.dir.join("r.sock").display())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its files.
    pub fn data(&self) -> &Path {
        self.how.data.as_deref().unwrap_or(&self.dir)
    }

    /// The append-only files that grow, or grew until a rewrite began; the last one grows.
    pub fn grown(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.data().join("appendonlydir")).unwrap().map(|e| e.unwrap().path());
        let mut grown: Vec<PathBuf> = files.filter(|p| p.to_string_lossy().ends_with(".incr.aof")).collect();
        // Their names hold their numbers.
        grown.sort_by_key(|p| (p.as_os_str().len(), p.clone()));
        grown
    }

    /// One command, one answer.
    pub fn ask(&self, words: &[&str]) -> Reply {
        let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
        ask(&self.dir.join("r.sock"), &words)
    }

    /// A line of `INFO persistence`.
    pub fn persistence(&self, key: &str) -> String {
        let info = self.ask(&["INFO", "persistence"]).text();
        info.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default().trim().to_string()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().unwrap();
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The same files again.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.dir, &self.how);
        self.up();
    }

    /// What else it is started with from the next time on.
    pub fn will(&mut self, more: Vec<&'static str>) {
        self.how.more = more;
    }

    /// `kill -9`, and the same files again after `rest`.
    pub async fn kill_and_restart(&mut self, rest: Duration) {
        self.kill();
        tokio::time::sleep(rest).await;
        self.start_again();
    }

    /// Stands still for so long, connections open.
    pub async fn stop_for(&self, rest: Duration) {
        signal(self.child.id(), "STOP");
        tokio::time::sleep(rest).await;
        signal(self.child.id(), "CONT");
    }

    /// Waits until it listens.
    fn up(&mut self) {
        let started = Instant::now();
        while UnixStream::connect(self.dir.join("r.sock")).is_err() {
            assert!(!self.ended(), "redis-server ended: see {}", self.dir.display());
            assert!(started.elapsed() < START, "redis-server did not start: see {}", self.dir.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already; either way it is gone afterwards.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(dir: &Path, how: &How) -> Child {
    let socket = dir.join("r.sock");
    std::fs::remove_file(&socket).ok();
    let log = std::fs::File::options().create(true).append(true).open(dir.join("redis.log")).unwrap();
    let words: Vec<&str> = how.by.iter().map(String::as_str).chain(["redis-server"]).collect();
    Command::new(words[0])
        .args(&words[1..])
        .args(["--port", "0", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(how.data.as_deref().unwrap_or(dir))
        .args(["--appendonly", "yes", "--appendfsync", how.fsync, "--save", "", "--maxmemory-policy", "noeviction"])
        .args(&how.more)
        .envs(how.env.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("redis-server is needed (make needs)")
}
