//! The real binary: commands, and a relay as a process of its own.

use super::dir::Dir;
use super::redis::signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The binary with nothing of this process's environment but where programs are.
pub fn orderwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderwire"));
    command.env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Ran {
    run_in(&mut orderwire(), args)
}

/// The same with a prepared command.
pub fn run_in(command: &mut Command, args: &[&str]) -> Ran {
    let done = command.args(args).output().unwrap();
    Ran {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// A relay as a process.
pub struct Serving {
    pub web: SocketAddr,
    pub admin: SocketAddr,
    pub log: PathBuf,
    child: Child,
}

impl Serving {
    /// Starts `serve` with this settings file and waits until it is up.
    pub fn start(file: &Path, dir: &Dir) -> Serving {
        Serving::to_die(file, dir, "all", "")
    }

    /// Starts it in this role, to die by itself at this place (`flow::crash`).
    pub fn to_die(file: &Path, dir: &Dir, role: &str, place: &str) -> Serving {
        let log = dir.join(&format!("log-{}", super::dir::serial()));
        let child = orderwire()
            .env("ORDERWIRE_CRASH", place)
            .args(["-c", &file.display().to_string(), "serve", "--role", role])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut serving = Serving { web: ([127, 0, 0, 1], 0).into(), admin: ([127, 0, 0, 1], 0).into(), log, child };
        let line = serving.says("orderwire is up");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |key: &str| {
            let text = line[key].as_str().unwrap();
            text.trim_start_matches("Some(").trim_end_matches(')').parse().unwrap()
        };
        (serving.web, serving.admin) = (address("public"), address("admin"));
        serving
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line of the log with `words` in it.
    pub fn says(&mut self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(line) = self.logged().lines().find(|l| l.contains(words)) {
                return line.into();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended ({ended:?}) before it said {words:?}:\n{}", self.logged());
            assert!(Instant::now() < end, "it never said {words:?}:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Processes whose command line names this folder.
pub fn working_in(folder: &Path) -> Vec<u32> {
    let folder = folder.display().to_string();
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains(&folder)))
        .collect()
}

/// Ends the private redis-server of a relay that was killed.
pub struct Orphan(pub PathBuf);

impl Orphan {
    pub fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.0.join("redis/redis.pid")).ok()?.trim().parse().ok()
    }

    /// Whether this process is there, and not merely unburied.
    pub fn alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        let ours = std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.contains("redis"));
        if ours {
            signal(pid, "KILL");
        }
    }
}
