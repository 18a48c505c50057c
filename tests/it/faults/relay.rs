//! The relay as a process: the real binary, which can be killed, stopped and watched dying.

use super::server::signal;
use serde_json::Value;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A start on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(30);

/// How the process is started.
#[derive(Clone, Default)]
pub struct Manner {
    /// The relay's program; left out: this version's.
    pub program: Option<PathBuf>,
    /// A program and its arguments before the relay's own: what it becomes.
    pub by: Vec<String>,
    /// Variables.
    pub env: Vec<(&'static str, String)>,
    /// Where it is to die by itself.
    pub crash: Option<String>,
}

/// A running relay.
pub struct Relay {
    child: Child,
    log: PathBuf,
    /// Address of the public door, once it is up.
    pub public: Option<SocketAddr>,
    /// Address of the admin door, once it is up.
    pub admin: Option<SocketAddr>,
}

impl Relay {
    /// Starts the process; it is not up yet. Its log goes to `log`.
    pub fn spawn(config: &Path, role: &str, manner: &Manner, log: PathBuf) -> Relay {
        let file = std::fs::File::create(&log).unwrap();
        let own = manner.program.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_orderwire")));
        let words: Vec<&OsStr> = manner.by.iter().map(OsStr::new).chain([own.as_os_str()]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--config").arg(config).args(["serve", "--role", role]);
        command.env_remove("ORDERWIRE_CRASH");
        command.envs(manner.env.iter().map(|(name, value)| (*name, value)));
        command.envs(manner.crash.iter().map(|place| ("ORDERWIRE_CRASH", place)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0);
        Relay { child: command.spawn().unwrap(), log, public: None, admin: None }
    }

    /// Waits until it says where its doors are, and that it is ready.
    pub async fn up(&mut self, http: &reqwest::Client) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Err(format!("the relay ended ({status}); its log is {}", self.log.display()));
            }
            if started.elapsed() > START {
                return Err(format!("the relay is not ready after {START:?}; its log is {}", self.log.display()));
            }
            if self.admin.is_none() {
                self.look();
            }
            if let Some(admin) = self.admin {
                let ready = http.get(format!("http://{admin}/readyz")).send().await;
                if ready.is_ok_and(|r| r.status().is_success()) {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn look(&mut self) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let Some(up) = lines.into_iter().find(|l| l["message"] == "orderwire is up") else { return };
        let address = |key: &str| {
            let text = up[key].as_str().unwrap_or_default();
            text.trim_start_matches("Some(").trim_end_matches(')').parse().ok()
        };
        (self.public, self.admin) = (address("public"), address("admin"));
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // It may have died by itself meanwhile.
        self.child.kill().ok();
        self.child.wait().unwrap();
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Tells it to end, and waits until it has.
    pub async fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < START, "the relay does not end; its log is {}", self.log.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}
