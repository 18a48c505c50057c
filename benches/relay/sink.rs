//! The messenger's understudy: takes every message at once (or hangs, on demand), and remembers which order
//! each was about and when it came. It lives in the bench's own process, whose CPU is left out.

use super::order::read_user;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Shops that can be told apart.
const SHOPS: usize = 64;
const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 29\r\n\r\n{\"sentMessages\":[{\"id\":\"1\"}]}";
const NO_LIMIT: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n{\"type\":\"none\",\"totalUsage\":0  }";

/// A running sink.
#[derive(Clone)]
pub struct Sink {
    /// Where it listens.
    pub at: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    arrivals: Mutex<HashMap<(usize, u64), Instant>>,
    distinct: AtomicUsize,
    repeated: AtomicUsize,
    hanging: [AtomicBool; SHOPS],
}

impl Sink {
    /// Starts on a free port of the loopback.
    pub fn start() -> anyhow::Result<Sink> {
        let inner = Arc::new(Inner {
            arrivals: Mutex::default(),
            distinct: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            hanging: std::array::from_fn(|_| AtomicBool::new(false)),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        let ours = Arc::clone(&inner);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&ours)));
                }
            });
        });
        Ok(Sink { at, inner })
    }

    /// Forgets everything that came.
    pub fn clear(&self) {
        self.inner.lock().clear();
        self.inner.distinct.store(0, Ordering::Release);
        self.inner.repeated.store(0, Ordering::Release);
    }

    /// Different orders told so far.
    pub fn distinct(&self) -> usize {
        self.inner.distinct.load(Ordering::Acquire)
    }

    /// Messages about an order that had been told already.
    pub fn repeated(&self) -> usize {
        self.inner.repeated.load(Ordering::Acquire)
    }

    /// Orders of a shop told so far.
    pub fn told(&self, shop: usize) -> usize {
        self.inner.lock().keys().filter(|(s, _)| *s == shop).count()
    }

    /// When an order was told.
    pub fn when(&self, shop: usize, serial: u64) -> Option<Instant> {
        self.inner.lock().get(&(shop, serial)).copied()
    }

    /// From now on messages of this shop are not answered (or are again).
    pub fn hang(&self, shop: usize, hangs: bool) {
        self.inner.hanging[shop].store(hangs, Ordering::Release);
    }

    /// Waits until `count` different orders were told; `false`: it took longer than `patience`.
    pub fn wait_for(&self, count: usize, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.distinct() < count {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, u64), Instant>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a message; `Some(shop)`: whose it was.
    fn note(&self, body: &[u8]) -> Option<usize> {
        let mark = b"\"to\":\"";
        let place = body.windows(mark.len()).position(|w| w == mark)? + mark.len();
        let (shop, serial) = read_user(body.get(place..place + 33)?)?;
        let known = self.lock().insert((shop, serial), Instant::now()).is_some();
        if known { &self.repeated } else { &self.distinct }.fetch_add(1, Ordering::AcqRel);
        Some(shop)
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut held: Vec<u8> = Vec::with_capacity(16 * 1024);
    let mut piece = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(got) => held.extend_from_slice(&piece[..got]),
        }
        while let Some((get, body, end)) = request(&held) {
            if !get && let Some(shop) = inner.note(&held[body..end]) {
                while inner.hanging[shop % SHOPS].load(Ordering::Acquire) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            held.drain(..end);
            if stream.write_all(if get { NO_LIMIT } else { TAKEN }).await.is_err() {
                return;
            }
        }
    }
}

/// (a GET?, where the body begins, where the request ends) once it is complete.
fn request(bytes: &[u8]) -> Option<(bool, usize, usize)> {
    let body = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..body]).ok()?;
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = body + length.unwrap_or(0);
    (bytes.len() >= end).then_some((head.starts_with("GET "), body, end))
}
