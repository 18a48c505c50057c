//! The sender: keep-alive connections, each with a thread of its own that blocks, so that a request goes out
//! at its very moment and an answer is seen at once.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An answer that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a volley.
#[derive(Default)]
pub struct Report {
    /// Answered with 2xx.
    pub ok: usize,
    /// Anything else.
    pub failed: usize,
    /// From the first request to the last answer.
    pub took: Duration,
    waits: Vec<Duration>,
}

impl Report {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.ok as f64 / self.took.as_secs_f64()
    }

    /// The wait that `share` (0 to 1) of the requests did not exceed, milliseconds.
    pub fn wait_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.waits, share)
    }
}

/// The value that `share` of `sorted` does not exceed, milliseconds.
pub fn quantile_ms(sorted: &[Duration], share: f64) -> f64 {
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).map_or(f64::NAN, |d| d.as_secs_f64() * 1000.0)
}

/// Sends everything as fast as it is answered, over `connections`.
pub fn closed(to: SocketAddr, requests: &[Vec<u8>], connections: usize) -> Report {
    volley(to, requests, connections, None)
}

/// Sends `rate` requests a second, whatever the answers. Waits count from the moment a request was due, so a
/// server that stalls is charged for all who would have waited.
pub fn open(to: SocketAddr, requests: &[Vec<u8>], connections: usize, rate: f64) -> Report {
    volley(to, requests, connections, Some(rate))
}

fn volley(to: SocketAddr, requests: &[Vec<u8>], connections: usize, rate: Option<f64>) -> Report {
    let next = AtomicUsize::new(0);
    let start = Instant::now() + Duration::from_millis(20);
    let mut all = Report::default();
    std::thread::scope(|scope| {
        let next = &next;
        let senders: Vec<_> =
            (0..connections).map(|_| scope.spawn(move || sender(to, requests, next, start, rate))).collect();
        for sender in senders {
            let part = sender.join().unwrap_or_default();
            all.ok += part.ok;
            all.failed += part.failed;
            all.waits.extend(part.waits);
        }
    });
    all.took = start.elapsed();
    all.waits.sort_unstable();
    all
}

fn sender(to: SocketAddr, requests: &[Vec<u8>], next: &AtomicUsize, start: Instant, rate: Option<f64>) -> Report {
    let mut report = Report::default();
    let mut line = None;
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(turn) else { return report };
        let due = rate.map_or(start, |rate| start + Duration::from_secs_f64(turn as f64 / rate));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let from = if rate.is_some() { due } else { Instant::now() };
        match exchange(&mut line, to, request) {
            Ok(status) if (200..300).contains(&status) => report.ok += 1,
            Ok(_) => report.failed += 1,
            Err(_) => {
                report.failed += 1;
                line = None;
            }
        }
        report.waits.push(from.elapsed());
    }
}

/// One request, one answer, over a connection that stays open.
pub fn exchange(line: &mut Option<TcpStream>, to: SocketAddr, request: &[u8]) -> io::Result<u16> {
    if line.is_none() {
        let fresh = TcpStream::connect(to)?;
        fresh.set_nodelay(true)?;
        fresh.set_read_timeout(Some(PATIENCE))?;
        *line = Some(fresh);
    }
    let Some(stream) = line.as_mut() else { return Err(io::ErrorKind::NotConnected.into()) };
    stream.write_all(request)?;
    let mut answer = Vec::with_capacity(1024);
    let mut piece = [0; 4096];
    loop {
        let got = stream.read(&mut piece)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..got]);
        if let Some((status, length)) = head(&answer)
            && answer.len() >= length
        {
            return Ok(status);
        }
    }
}

/// (status, bytes of head and body together) once the head is complete.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length = text.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, end + length.unwrap_or(0)))
}
