//! Processes under measurement: started, watched through /proc, ended when dropped.

use anyhow::{Context as _, bail};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Linux counts CPU in hundredths of a second, whatever its timer does.
const TICK: Duration = Duration::from_millis(10);
/// A process that is not up after this long will not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process; ended when dropped.
pub struct Proc {
    child: Child,
    log: PathBuf,
}

impl Proc {
    /// Starts `command` with its output in `log`, and waits until it takes connections at `at`.
    pub fn start(mut command: Command, log: &Path, at: SocketAddr) -> anyhow::Result<Proc> {
        let out = fs::File::create(log).with_context(|| log.display().to_string())?;
        let errors = out.try_clone()?;
        let what = format!("{}", command.get_program().display());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().with_context(|| what.clone())?;
        let mut proc = Proc { child, log: log.to_path_buf() };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(at).is_err() {
            if proc.child.try_wait()?.is_some() || Instant::now() > end {
                bail!("{what} did not come up:\n{}", fs::read_to_string(&proc.log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(proc)
    }

    /// User and system time so far, children included.
    pub fn cpu(&self) -> Duration {
        TICK * ticks(self.child.id())
    }

    /// A figure of /proc/<pid>/status in KiB: `VmRSS` now, `VmHWM` at its highest.
    pub fn memory_kib(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix(which)?.strip_prefix(':'));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // The data is thrown away: nothing is gained by a gentle end.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Ticks of a process, of the children it has waited for, and of those still running.
fn ticks(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold blanks: fields count from behind it, the first being number 3.
    let fields: Vec<u32> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect())
        .unwrap_or_default();
    let own: u32 = fields.get(11..15).map_or(0, |times| times.iter().sum());
    let mut children = String::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        children += &fs::read_to_string(task.path().join("children")).unwrap_or_default();
    }
    own + children.split_whitespace().filter_map(|c| c.parse().ok()).map(ticks).sum::<u32>()
}

/// An address of the loopback that nobody used a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
