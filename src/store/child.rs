//! The private redis-server: started under our directory, adopted when it outlived us, ended when we end well.
//!
//! It is a process of its own group, so that neither a terminal's Ctrl-C nor a `kill -9` of the relay takes it
//! along: what was acknowledged stays in memory and on disk, and the next start adopts it. A lock file, held
//! for life, keeps two relays from one directory.

use super::error::{ErrorKind, StoreError};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

/// A socket's path fits into 108 bytes, its end mark included; some systems have 104.
const SOCKET_PATH: usize = 100;
/// A server that is not reachable after so long did not start.
const START: Duration = Duration::from_secs(10);
/// A server asked to end writes what is left of its log and ends.
const END: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(10);

/// The private server of one directory.
pub(super) struct Child {
    place: Place,
    program: PathBuf,
    /// Dropped with us; the system frees it even after `kill -9`.
    _lock: File,
    process: Mutex<Option<process::Child>>,
    /// Both connections miss the server at the same moment; two servers on one set of files destroy it.
    starting: tokio::sync::Mutex<()>,
    /// It is being ended on purpose: a late call must not start it again.
    ending: AtomicBool,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: PathBuf,
    socket: PathBuf,
}

impl Place {
    /// The directory `redis` under `dir`, made with nobody else's eyes on it.
    pub(super) fn prepare(dir: &Path) -> Result<Place, StoreError> {
        let trouble = |e: io::Error| cannot(&format!("cannot use store.dir {}", dir.display()), &e);
        let dir = dir.join("redis");
        private_dir(&dir).map_err(trouble)?;
        let dir = dir.canonicalize().map_err(trouble)?;
        let socket = socket_for(&dir).map_err(|e| cannot("cannot make a directory for the socket", &e))?;
        Ok(Place { dir, socket })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The process that says it serves this directory, if there is one.
    fn serving(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.file("redis.pid")).ok()?.trim().parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // `<pid> (<name>) <state> …`; a zombie is a dead one that nobody has buried.
        let (name, rest) = stat.rsplit_once(')')?;
        let ours = name.contains("redis") || name.contains("valkey");
        (ours && !rest.trim_start().starts_with('Z')).then_some(pid)
    }
}

fn cannot(what: &str, e: &io::Error) -> StoreError {
    StoreError::setup(format!("{what}: {e}"))
}

/// Makes `dir` with mode 0700, or brings an old one of ours to it.
fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// In the directory itself; where its path is too long for a socket, in the temporary directory under a name
/// that follows from the path, refused when somebody else made that.
fn socket_for(dir: &Path) -> io::Result<PathBuf> {
    let near = dir.join("redis.sock");
    if near.as_os_str().len() <= SOCKET_PATH {
        return Ok(near);
    }
    let name = crate::domain::ids::Digest8::of(&[dir.as_os_str().as_encoded_bytes()]);
    let owner = std::fs::metadata(dir)?.uid();
    let short = std::env::temp_dir().join(format!("orderwire-{:016x}", name.0));
    DirBuilder::new().mode(0o700).create(&short).or_else(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(e),
    })?;
    let found = std::fs::symlink_metadata(&short)?;
    if !found.is_dir() || found.uid() != owner || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("{} belongs to somebody else; remove it", short.display())));
    }
    Ok(short.join("redis.sock"))
}

impl Child {
    /// Takes the directory for this process. Starts nothing yet.
    pub(super) fn take(dir: &Path, program: Option<&Path>) -> Result<Child, StoreError> {
        let place = Place::prepare(dir)?;
        let path = place.file("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| cannot(&format!("cannot open {}", path.display()), &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::setup(format!(
                    "another orderwire works in {}; stop it, or give this one its own store.dir",
                    place.dir.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(cannot(&format!("cannot lock {}", path.display()), &e)),
        }
        let program = program.unwrap_or(Path::new("redis-server")).to_path_buf();
        Ok(Child {
            place,
            program,
            _lock: lock,
            process: Mutex::new(None),
            starting: tokio::sync::Mutex::new(()),
            ending: AtomicBool::new(false),
        })
    }

    /// From now on it is not started again.
    pub(super) fn stay_down(&self) {
        self.ending.store(true, Ordering::Release);
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Sees to it that the server can be reached: as it runs, or started.
    pub(super) async fn ensure(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.starting.lock().await;
        if self.ending.load(Ordering::Acquire) {
            return Err(StoreError::new(ErrorKind::Away, "the private redis-server is being ended"));
        }
        let until = Instant::now() + START;
        let mut started = false;
        loop {
            if UnixStream::connect(&self.place.socket).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.ended()
                && started
            {
                return Err(StoreError::setup(format!(
                    "redis-server ended at once ({status}): {}; its log is {}",
                    self.last_words(),
                    self.place.file("redis.log").display()
                )));
            }
            if !started {
                started = self.start_alone()?;
            }
            if Instant::now() >= until {
                return Err(StoreError::new(ErrorKind::Away, format!("redis-server is not reachable after {START:?}")));
            }
            sleep(STEP).await;
        }
    }

    fn running(&self) -> bool {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_mut().is_some_and(|p| matches!(p.try_wait(), Ok(None)))
    }

    /// How the one we started ended, told once: just now, or long after it had been of use.
    fn ended(&self) -> Option<process::ExitStatus> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let status = process.as_mut()?.try_wait().ok().flatten()?;
        *process = None;
        Some(status)
    }

    /// Starts a server unless there is one, which may be just starting or just ending: two must never work on
    /// the same files. Look and start are one step, because both connections of a store come here when the
    /// server dies. `true`: started.
    fn start_alone(&self) -> Result<bool, StoreError> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let running = process.as_mut().is_some_and(|p| matches!(p.try_wait(), Ok(None)));
        if running || self.place.serving().is_some() {
            return Ok(false);
        }
        *process = Some(self.start()?);
        Ok(true)
    }

    fn start(&self) -> Result<process::Child, StoreError> {
        let config = self.place.file("redis.conf");
        self.write_config(&config).map_err(|e| cannot(&format!("cannot write {}", config.display()), &e))?;
        // A socket left by a server that was killed would be refused by the new one on some systems.
        match std::fs::remove_file(&self.place.socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(cannot("cannot remove an old socket", &e)),
            _ => {}
        }
        let started = Command::new(&self.program)
            .arg(&config)
            .current_dir(&self.place.dir)
            // Our environment holds secrets; the server needs none of it, and is found by PATH.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        started.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => StoreError::setup(format!(
                "{} is not installed; install it (apt install redis-server), name it in store.redis_server, or \
                 set store.url to a Redis you have",
                self.program.display()
            )),
            _ => cannot(&format!("cannot start {}", self.program.display()), &e),
        })
    }

    fn write_config(&self, path: &Path) -> io::Result<()> {
        let quoted = |p: &Path| -> io::Result<String> {
            let text = p.to_str().filter(|t| !t.chars().any(char::is_control));
            let text = text.ok_or_else(|| io::Error::other("the path of store.dir must be plain UTF-8"))?;
            Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        };
        let lines = [
            "# Written by orderwire at every start; changes are lost.".to_string(),
            "port 0".into(),
            format!("unixsocket {}", quoted(&self.place.socket)?),
            "unixsocketperm 600".into(),
            format!("dir {}", quoted(&self.place.dir)?),
            format!("pidfile {}", quoted(&self.place.file("redis.pid"))?),
            format!("logfile {}", quoted(&self.place.file("redis.log"))?),
            "databases 1".into(),
            "appendonly yes".into(),
            "appendfsync always".into(),
            "save \"\"".into(),
            "maxmemory-policy noeviction".into(),
            "hash-max-listpack-entries 128".into(),
            "hash-max-listpack-value 64".into(),
            "protected-mode yes".into(),
            "enable-debug-command no".into(),
        ];
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(lines.join("\n").as_bytes())?;
        file.write_all(b"\n")
    }

    /// The last line of the server's log: it says why it did not start, and holds nothing of ours.
    fn last_words(&self) -> String {
        let log = std::fs::read(self.place.file("redis.log")).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned();
        tail.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no log").to_string()
    }

    /// Waits until the server, told to end, has ended.
    pub(super) async fn wait_end(&self) {
        let until = Instant::now() + END;
        while Instant::now() < until && (self.running() || self.place.serving().is_some()) {
            sleep(STEP).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_is_too_long_is_moved_to_a_short_one_of_ours() {
        let base = std::env::temp_dir().join(format!("ow-child-{}", process::id()));
        let long = base.join("x".repeat(120));
        let place = Place::prepare(&long).unwrap();
        assert!(place.socket.as_os_str().len() <= SOCKET_PATH, "{}", place.socket.display());
        let parent = place.socket.parent().unwrap();
        assert_eq!(std::fs::metadata(parent).unwrap().mode() & 0o777, 0o700);
        assert_eq!(Place::prepare(&long).unwrap().socket, place.socket, "the next start finds the same");
        std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Place::prepare(&long).is_err(), "a directory others can enter is refused");
        std::fs::remove_dir(parent).unwrap();
        std::fs::remove_dir_all(base).unwrap();
    }
}
