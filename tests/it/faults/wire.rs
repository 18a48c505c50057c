//! A wire to Redis that can be slow, lose answers after their work was done, and go dead without a word.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What is wrong with the wire.
#[derive(Default)]
struct Faults {
    /// Every so manieth answer is lost with its connection; 0: none.
    lose: AtomicU64,
    lost: AtomicU64,
    /// Each answer comes so many ms later.
    delay: AtomicU64,
    /// Every so manieth answer comes `long` ms later, and all behind it on its connection; 0: none.
    late: AtomicU64,
    long: AtomicU64,
    /// Connections older than this one carry nothing any more.
    dead: AtomicU64,
    connections: AtomicU64,
    answers: AtomicU64,
}

/// The wire.
pub struct Wire {
    socket: PathBuf,
    faults: Arc<Faults>,
}

impl Wire {
    /// A wire to the server at `to`, with its own socket beside it.
    pub fn lay(to: &Path) -> Wire {
        let socket = to.with_extension("wire");
        let listener = UnixListener::bind(&socket).unwrap();
        let faults = Arc::new(Faults::default());
        let (to, all) = (to.to_path_buf(), Arc::clone(&faults));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&to).await else { continue };
                let serial = all.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, server, serial, Arc::clone(&all)));
            }
        });
        Wire { socket, faults }
    }

    /// For `[store] url`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Loses every so manieth answer from now on; 0: none.
    pub fn lose_every(&self, nth: u64) {
        self.faults.lose.store(nth, Ordering::SeqCst);
    }

    /// Answers lost so far.
    pub fn lost(&self) -> u64 {
        self.faults.lost.load(Ordering::SeqCst)
    }

    /// Each answer comes so much later from now on.
    pub fn delay(&self, by: Duration) {
        self.faults.delay.store(millis(by), Ordering::SeqCst);
    }

    /// Every so manieth answer comes so much later from now on, and what is behind it waits; 0: none.
    pub fn late_every(&self, nth: u64, by: Duration) {
        self.faults.long.store(millis(by), Ordering::SeqCst);
        self.faults.late.store(nth, Ordering::SeqCst);
    }

    /// The connections there are carry nothing any more, and do not say so; new ones are well.
    pub fn go_dead(&self) {
        self.faults.dead.store(self.connections(), Ordering::SeqCst);
    }

    /// Connections made so far.
    pub fn connections(&self) -> u64 {
        self.faults.connections.load(Ordering::SeqCst)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

async fn carry(client: UnixStream, server: UnixStream, serial: u64, faults: Arc<Faults>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = tokio::spawn(ask(from_client, to_server, serial, Arc::clone(&faults)));
    let (line, end) = mpsc::unbounded_channel();
    let answering = tokio::spawn(answer(end, to_client, serial, Arc::clone(&faults)));
    read(from_server, line, &faults).await;
    // Both sides close, whatever is under way.
    asking.abort();
    answering.abort();
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, serial: u64, faults: Arc<Faults>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let dead = serial < faults.dead.load(Ordering::SeqCst);
        if !dead && to.write_all(bytes.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

/// Reads answers and says when each may arrive.
async fn read(mut from: OwnedReadHalf, line: mpsc::UnboundedSender<(Instant, Vec<u8>)>, faults: &Faults) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let n = faults.answers.fetch_add(1, Ordering::SeqCst);
        let strikes = |every: &AtomicU64| {
            let nth = every.load(Ordering::SeqCst);
            nth > 0 && n % nth == nth - 1
        };
        if strikes(&faults.lose) {
            faults.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let mut wait = faults.delay.load(Ordering::SeqCst);
        if strikes(&faults.late) {
            wait += faults.long.load(Ordering::SeqCst);
        }
        let due = Instant::now() + Duration::from_millis(wait);
        if line.send((due, bytes.get(..length).unwrap_or_default().to_vec())).is_err() {
            return;
        }
    }
}

async fn answer(
    mut line: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
    serial: u64,
    faults: Arc<Faults>,
) {
    while let Some((due, bytes)) = line.recv().await {
        tokio::time::sleep_until(due).await;
        let dead = serial < faults.dead.load(Ordering::SeqCst);
        if !dead && to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
