//! A private redis-server for tests, and what a test asks it: just enough of its protocol, so that no test
//! names the client library that belongs to the store.

use super::dir::Dir;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Hash tags of the partitions: a test that moves the clock moves it in each.
pub const TAGS: [&str; 16] =
    ["029", "139", "2162", "319", "469", "579", "60", "759", "858", "948", "a21", "b68", "c13", "d128", "e61", "f28"];

/// A redis-server as the relay demands it.
pub struct Redis {
    dir: Dir,
    pid: u32,
    /// The shell that started it kills it when this process ends, however it ends: its stdin closes.
    leash: Child,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Status(String),
    Error(String),
    List(Vec<Reply>),
}

impl Reply {
    pub fn list(self) -> Vec<Reply> {
        match self {
            Reply::List(list) => list,
            other => panic!("a list was expected: {other:?}"),
        }
    }

    pub fn text(self) -> String {
        match self {
            Reply::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Reply::Status(text) => text,
            Reply::Int(n) => n.to_string(),
            other => panic!("a text was expected: {other:?}"),
        }
    }
}

/// The one that all tests of this process share, each under a prefix of its own.
pub fn shared() -> &'static Redis {
    static SHARED: OnceLock<Redis> = OnceLock::new();
    SHARED.get_or_init(Redis::start)
}

impl Redis {
    /// Starts one, for tests that stop or kill it.
    pub fn start() -> Redis {
        Redis::launch(
            "port 0\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\ndatabases 1\n",
            "",
        )
    }

    /// Starts one with these settings; `mode` is nothing or `--sentinel`.
    pub fn launch(conf: &str, mode: &str) -> Redis {
        let dir = Dir::new();
        dir.write("redis.conf", &format!("unixsocket redis.sock\nunixsocketperm 600\n{conf}"));
        let (pid, leash) = leashed(&dir, mode);
        let redis = Redis { pid, dir, leash };
        redis.wait();
        redis
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(self.path()).is_err() {
            assert!(Instant::now() < end, "redis-server does not start; is it installed?");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it and starts it again on its own files.
    pub fn restart(&mut self) {
        // First whoever would tidy up after it.
        self.leash.kill().unwrap();
        self.leash.wait().unwrap();
        drop(Command::new("kill").args(["-KILL", &self.pid.to_string()]).stderr(Stdio::null()).status());
        let stat = format!("/proc/{}/stat", self.pid);
        let end = Instant::now() + Duration::from_secs(10);
        // It holds its port and its files until it is gone.
        while std::fs::read_to_string(&stat).is_ok_and(|s| !s.contains(") Z")) {
            assert!(Instant::now() < end, "redis-server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(std::fs::remove_file(self.path()));
        (self.pid, self.leash) = leashed(&self.dir, "");
        self.wait();
    }

    /// Its socket.
    pub fn path(&self) -> std::path::PathBuf {
        self.dir.join("redis.sock")
    }

    /// `store.url`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Stops it where it stands: its clients get no answer, and no error either.
    pub fn freeze(&self) {
        signal(self.pid, "STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(self.pid, "CONT");
    }

    /// One command, one answer.
    pub fn ask(&self, words: &[&str]) -> Reply {
        let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
        ask(&self.path(), &words)
    }

    /// The names of all keys under a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys: Vec<String> =
            self.ask(&["KEYS", &format!("{prefix}:*")]).list().into_iter().map(Reply::text).collect();
        keys.sort();
        keys
    }

    /// Every key under a prefix with all that is in it: equal when nothing changed.
    pub fn dump(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let dump = |key: String| match self.ask(&["DUMP", &key]) {
            Reply::Bytes(bytes) => Some((key, bytes)),
            _ => None,
        };
        self.keys(prefix).into_iter().filter_map(dump).collect()
    }

    /// The bytes of its append-only files as they are on disk.
    pub fn log(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(self.dir.join("appendonlydir")).unwrap() {
            // A file that a rewrite just replaced is gone.
            all.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
        }
        all
    }

    /// How many unreadable webhooks are kept under a prefix.
    pub fn odd(&self, prefix: &str) -> i64 {
        let count = |key: String| match self.ask(&["XLEN", &key]) {
            Reply::Int(n) => n,
            other => panic!("{other:?}"),
        };
        self.keys(prefix).into_iter().filter(|k| k.ends_with(":odd")).map(count).sum()
    }

    /// Sets the scripts' clock ahead (prefixes that begin with `owtest` only).
    pub fn set_ahead(&self, prefix: &str, millis: i64) {
        assert!(prefix.starts_with("owtest"));
        for tag in TAGS {
            self.ask(&["HSET", &format!("{prefix}:{{{tag}}}:ctl"), "clock_offset_ms", &millis.to_string()]);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        drop(self.leash.wait());
    }
}

/// One command to the server behind this socket, one answer.
pub fn ask(socket: &Path, words: &[&[u8]]) -> Reply {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut text = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        text.extend(format!("${}\r\n", word.len()).into_bytes());
        text.extend_from_slice(word);
        text.extend_from_slice(b"\r\n");
    }
    (&stream).write_all(&text).unwrap();
    read(&mut BufReader::new(stream))
}

/// Starts a server in a folder, in the hands of a shell that ends it with us.
fn leashed(dir: &Dir, mode: &str) -> (u32, Child) {
    let script = "cd \"$1\" && { \"${ORDERWIRE_TEST_REDIS:-redis-server}\" redis.conf $2 >redis.log 2>&1 & echo $!; \
                  read -r x; kill -9 $!; rm -rf \"$1\"; }";
    let mut leash = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(dir.path())
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(leash.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (line.trim().parse().unwrap(), leash)
}

/// Sends a signal to a process this test started.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(done.success(), "kill -{name} {pid}");
}

fn read(from: &mut impl BufRead) -> Reply {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    match kind {
        "+" => Reply::Status(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Int(rest.parse().unwrap()),
        "$" if rest == "-1" => Reply::Nil,
        "*" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
            from.read_exact(&mut bytes).unwrap();
            bytes.truncate(bytes.len() - 2);
            Reply::Bytes(bytes)
        }
        "*" => Reply::List((0..rest.parse::<usize>().unwrap()).map(|_| read(from)).collect()),
        _ => panic!("not an answer: {line:?}"),
    }
}
