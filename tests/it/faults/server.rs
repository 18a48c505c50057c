//! A redis-server of the run's own, which can be killed, stopped and started again on the same files.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Sends a signal to a process that we started.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
    assert!(done.is_ok_and(|s| s.success()), "kill -{name} {pid}");
}

/// The server.
pub struct Server {
    dir: PathBuf,
    child: Child,
}

impl Server {
    /// Starts it on the files in `dir`: every write is on disk before it is answered.
    pub fn start(dir: &Path) -> Server {
        std::fs::create_dir_all(dir).unwrap();
        Server { dir: dir.into(), child: spawn(dir) }
    }

    /// For `[store] url`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.dir.join("r.sock").display())
    }

    /// `kill -9`, and the same files again after `rest`.
    pub async fn kill_and_restart(&mut self, rest: Duration) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        tokio::time::sleep(rest).await;
        self.child = spawn(&self.dir);
    }

    /// Stands still for so long, connections open.
    pub async fn stop_for(&self, rest: Duration) {
        signal(self.child.id(), "STOP");
        tokio::time::sleep(rest).await;
        signal(self.child.id(), "CONT");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already; either way it is gone afterwards.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(dir: &Path) -> Child {
    let socket = dir.join("r.sock");
    std::fs::remove_file(&socket).ok();
    let log = std::fs::File::options().create(true).append(true).open(dir.join("redis.log")).unwrap();
    let child = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(dir)
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"])
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("redis-server is needed (make needs)");
    let started = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "redis-server did not start: see {}", dir.display());
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}
