//! What many tests need: a Redis of this test process, a store with a prefix of its own.
#![expect(clippy::disallowed_types, reason = "tests look behind the store's back")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use orderwire::seal::Seal;
use orderwire::store::StoreOptions;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// A redis-server that ends with this process, however that ends.
pub(crate) struct Redis {
    socket: PathBuf,
    _keeper: Child,
}

impl Redis {
    /// Starts one with these settings beside what every one gets.
    pub(crate) fn start(settings: &[&str]) -> Redis {
        // Removed by the shell below, which outlives us.
        let dir = std::mem::ManuallyDrop::new(scratch("redis"));
        let socket = dir.join("s");
        let mut config = format!(
            "port 0\nunixsocket {}\nunixsocketperm 600\ndir {}\nlogfile {}\nsave \"\"\n",
            socket.display(),
            dir.display(),
            dir.join("log").display()
        );
        for line in ["appendonly yes", "appendfsync always", "maxmemory-policy noeviction"].iter().chain(settings) {
            config.push_str(line);
            config.push('\n');
        }
        fs::write(dir.join("conf"), config).unwrap();
        // The shell waits on a pipe that closes when this process ends, and then ends the server.
        let script = "\"${ORDERWIRE_TEST_REDIS:-redis-server}\" \"$0/conf\" & pid=$!; cat >/dev/null; kill $pid; wait $pid; rm -rf \"$0\"";
        let keeper = Command::new("sh")
            .args(["-c", script, dir.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed for these tests (apt install redis-server)");
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Redis { socket, _keeper: keeper }
    }

    /// Its address for settings.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// A plain client of it, to look behind the store's back.
    pub(crate) fn raw(&self) -> redis::Connection {
        raw(&self.socket)
    }
}

/// A plain client of the server behind a socket.
pub(crate) fn raw(socket: &Path) -> redis::Connection {
    redis::Client::open(format!("unix://{}", socket.display())).unwrap().get_connection().unwrap()
}

/// The Redis of this test process.
pub(crate) fn redis() -> &'static Redis {
    static ONE: LazyLock<Redis> = LazyLock::new(|| Redis::start(&[]));
    &ONE
}

/// A number no other test of this process gets.
fn serial() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An empty directory of its own, with a short path; gone at the end, with the private server that a failed
/// test may have left in it.
pub(crate) struct Scratch(PathBuf);

/// Makes a [`Scratch`].
pub(crate) fn scratch(name: &str) -> Scratch {
    let dir = std::env::temp_dir().join(format!("ow-it-{}-{}-{name}", std::process::id(), serial()));
    fs::create_dir_all(&dir).unwrap();
    Scratch(dir)
}

impl std::ops::Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.0.join("redis/redis.pid")) {
            drop(Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status());
        }
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A prefix of its own, under which tests may shift the scripts' clock.
pub(crate) fn prefix() -> String {
    format!("owtest{}", serial())
}

/// A seal with a fixed key.
pub(crate) fn seal() -> Arc<Seal> {
    let mut key = [0; 32];
    for (i, b) in (0_u8..).zip(key.iter_mut()) {
        *b = i.wrapping_mul(97) ^ 0x5a;
    }
    Arc::new(Seal::new(&[key]).unwrap())
}

/// Options for a store with a private server: the program that `ORDERWIRE_TEST_REDIS` names, where it does.
pub(crate) fn beside() -> StoreOptions {
    let redis_server = std::env::var_os("ORDERWIRE_TEST_REDIS").map(Into::into);
    StoreOptions { redis_server, ..StoreOptions::default() }
}

/// Options for a store on this process' Redis, under a prefix of its own.
pub(crate) fn options() -> StoreOptions {
    StoreOptions { url: Some(redis().url()), prefix: prefix(), ..StoreOptions::default() }
}
