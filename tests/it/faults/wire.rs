//! A wire to Redis that breaks after the server has done what it was asked and before the answer arrives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// The wire.
pub struct Wire {
    socket: PathBuf,
    /// Every so manieth answer is lost with its connection; 0: none.
    every: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl Wire {
    /// A wire to the server at `to`, with its own socket beside it.
    pub fn lay(to: &Path) -> Wire {
        let socket = to.with_extension("wire");
        let listener = UnixListener::bind(&socket).unwrap();
        let wire = Wire { socket, every: Arc::default(), lost: Arc::default() };
        let (to, every, lost) = (to.to_path_buf(), Arc::clone(&wire.every), Arc::clone(&wire.lost));
        tokio::spawn(async move {
            let answers = Arc::new(AtomicU64::new(0));
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&to).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&answers), Arc::clone(&every), Arc::clone(&lost)));
            }
        });
        wire
    }

    /// For `[store] url`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Loses every so manieth answer from now on; 0: none.
    pub fn lose_every(&self, nth: u64) {
        self.every.store(nth, Ordering::SeqCst);
    }

    /// Answers lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn carry(
    client: UnixStream,
    server: UnixStream,
    answers: Arc<AtomicU64>,
    every: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut answer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_server.read(&mut answer).await {
        let nth = every.load(Ordering::SeqCst);
        if nth > 0 && answers.fetch_add(1, Ordering::SeqCst) % nth == nth - 1 {
            lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if to_client.write_all(answer.get(..length).unwrap_or_default()).await.is_err() {
            break;
        }
    }
    // Both sides close, whatever is under way.
    asking.abort();
}
