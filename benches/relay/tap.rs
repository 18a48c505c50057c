//! A tap in the line between the relay and Redis: passes everything on, and counts how often something was
//! sent and what it was for.
//!
//! One round trip is one flush: what the relay hands to the connection at once, however many commands that
//! is. A flush that serves two purposes counts for both, so the figures are no smaller than the truth.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a flush was for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Taking webhooks in: everything on a connection that commits.
    Accept,
    /// Leasing.
    Lease,
    /// Reading orders and facts, beginning sends, asking for pace.
    Begin,
    /// Settling, giving back.
    Settle,
    /// Ticks, gauges, and what else time alone brings.
    Upkeep,
}

const PURPOSES: usize = 5;

/// A running tap.
pub struct Tap {
    /// Where the relay connects.
    pub at: SocketAddr,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
}

/// What went over one connection.
#[derive(Default)]
struct Line {
    flushes: AtomicUsize,
    commits: AtomicUsize,
    by_purpose: [AtomicUsize; PURPOSES],
}

impl Tap {
    /// Listens, and passes on to `server`.
    pub fn start(server: SocketAddr) -> anyhow::Result<Tap> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let at = listener.local_addr()?;
        let lines: Arc<Mutex<Vec<Arc<Line>>>> = Arc::default();
        let known = Arc::clone(&lines);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { return };
                let line = Arc::<Line>::default();
                known.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&line));
                if let (Ok(back), Ok(answers)) = (client.try_clone(), server.try_clone()) {
                    drop((client.set_nodelay(true), server.set_nodelay(true)));
                    std::thread::spawn(move || pass(client, server, |bytes, whole| line.count(bytes, whole)));
                    std::thread::spawn(move || pass(answers, back, |_, _| true));
                }
            }
        });
        Ok(Tap { at, lines })
    }

    /// Flushes so far for this purpose.
    pub fn flushes(&self, purpose: Purpose) -> usize {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |line: &Arc<Line>| {
            let accepts = line.commits.load(Ordering::Relaxed) > 0;
            match purpose {
                Purpose::Accept if accepts => line.flushes.load(Ordering::Relaxed),
                _ if accepts => 0,
                other => line.by_purpose[other as usize].load(Ordering::Relaxed),
            }
        };
        lines.iter().map(of).sum()
    }
}

/// Copies until one side closes. `count` gets each piece, and whether it begins at a command; it says whether
/// the piece ends at one.
fn pass(mut from: TcpStream, mut to: TcpStream, count: impl Fn(&[u8], bool) -> bool) {
    let mut piece = vec![0; 4 * 1024 * 1024];
    let mut whole = true;
    while let Ok(got) = from.read(&mut piece)
        && got > 0
    {
        whole = count(&piece[..got], whole);
        if to.write_all(&piece[..got]).is_err() {
            break;
        }
    }
}

impl Line {
    /// Counts a piece. One that goes on where the last broke off within a command belongs to the same flush.
    fn count(&self, bytes: &[u8], whole: bool) -> bool {
        if !whole {
            // Nothing is told apart within a flush that was cut: where its next command begins is unknown here.
            return ends_whole(bytes);
        }
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let (commands, rest) = commands(bytes);
        let mut seen = [false; PURPOSES];
        for command in &commands {
            match purpose(command) {
                Some(Purpose::Accept) => _ = self.commits.fetch_add(1, Ordering::Relaxed),
                Some(other) => seen[other as usize] = true,
                None => {}
            }
        }
        for (count, _) in self.by_purpose.iter().zip(seen).filter(|(_, seen)| *seen) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        rest
    }
}

/// A cut flush ends with its last command; every command ends with a line end.
fn ends_whole(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\r\n")
}

/// The whole commands in `bytes`, each as its words, and whether nothing was left over.
fn commands(bytes: &[u8]) -> (Vec<Vec<&[u8]>>, bool) {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some((words, next)) = command(bytes, at) else { return (found, false) };
        found.push(words);
        at = next;
    }
    (found, true)
}

fn command(bytes: &[u8], at: usize) -> Option<(Vec<&[u8]>, usize)> {
    let (count, mut at) = number(bytes, at, b'*')?;
    let mut words = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let (length, start) = number(bytes, at, b'$')?;
        words.push(bytes.get(start..start + length)?);
        at = start + length + 2;
        if at > bytes.len() {
            return None;
        }
    }
    Some((words, at))
}

fn number(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|w| w == b"\r\n")?;
    let text = std::str::from_utf8(line.get(1..end)?).ok()?;
    (line.first() == Some(&mark)).then_some((text.parse().ok()?, at + end + 2))
}

/// What a command is for, by the keys it names.
fn purpose(words: &[&[u8]]) -> Option<Purpose> {
    let key = |n: usize| words.get(n).and_then(|w| std::str::from_utf8(w).ok()).unwrap_or_default();
    let what = |n: usize| key(n).split(':').nth(2).unwrap_or_default();
    match key(0) {
        "EVALSHA" | "EVAL" => {
            let keys: usize = key(2).parse().unwrap_or(0);
            match (what(3), what(4), keys) {
                ("ord", "snp", ..=9) if what(6) == "ready" => Some(Purpose::Accept),
                ("ord", "snp", _) => Some(Purpose::Settle),
                // `lease` is told four things behind its keys; `tick` three, or more behind more keys.
                ("ready", "wait", 8) if words.len() == 3 + 8 + 4 => Some(Purpose::Lease),
                ("ready", "wait", _) => Some(Purpose::Upkeep),
                ("ready", "lease", _) => Some(Purpose::Settle),
                _ => Some(Purpose::Begin),
            }
        }
        "HGETALL" | "GET" | "HMGET" if what(1) != "ctl" => Some(Purpose::Begin),
        _ => Some(Purpose::Upkeep),
    }
}
