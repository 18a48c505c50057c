//! The durability fence: what is acknowledged waits until a replica has it too.
//!
//! `WAIT` counts only what was sent before it on the same connection, and blocks that connection. So what must last
//! goes over connections of its own: whatever has arrived leaves together as one pipeline with one fence behind it,
//! and the next group leaves when that one is answered.
//!
//! The process dies in between: nobody was answered. The fence is not reached in time: it is in the primary and will
//! be acted on; the caller says that it could not take it, and the repeat is a duplicate that passes the fence too.

use super::error::{ErrorKind, StoreError};
use super::link::{Link, Repeat};
use super::script::Call;
use redis::Value;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as Moment, timeout_at};

/// Callers whose calls leave together.
const GROUP: usize = 64;
/// Callers that may wait before others are sent away.
const WAITING: usize = 4096;
/// Longest wait for the replicas, as a part of the deadline of a call: where scripts are not known yet it is waited
/// twice.
const WAIT_PART: u32 = 5;

/// Calls, and who waits for their answers.
struct Waiting {
    calls: Vec<Call>,
    answer: oneshot::Sender<Result<Vec<Value>, StoreError>>,
}

/// A way to the server on which every answer means: a replica has it.
pub(super) struct Fence {
    door: mpsc::Sender<Waiting>,
}

impl Fence {
    /// A fence with its writer running, until it is dropped.
    pub(super) fn new(link: Link, deadline: Duration) -> Fence {
        let (door, inbox) = mpsc::channel(WAITING);
        tokio::spawn(write(link, inbox, deadline));
        Fence { door }
    }

    /// Sends the calls, which must be safe to run twice, and gives their answers once a replica has them; the errors
    /// of single calls are among them.
    ///
    /// # Errors
    /// [`ErrorKind::Unreplicated`]: it is done, and no replica says that it has it. Else as [`Link::send`].
    pub(super) async fn send(&self, calls: Vec<Call>, until: Moment) -> Result<Vec<Value>, StoreError> {
        let (answer, mine) = oneshot::channel();
        let late = || StoreError::new(ErrorKind::Timeout, "no answer in time, waiting for replicas included");
        if self.door.try_send(Waiting { calls, answer }).is_err() {
            return Err(late());
        }
        match timeout_at(until, mine).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }
}

async fn write(link: Link, mut inbox: mpsc::Receiver<Waiting>, deadline: Duration) {
    let wait = deadline * 2 / WAIT_PART;
    let mut group = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut group, GROUP).await > 0 {
        // Whoever gave up needs no answer, and what was not sent need not be done.
        group.retain(|one| !one.answer.is_closed());
        let mut calls = Vec::new();
        let mut parts = Vec::new();
        for Waiting { calls: own, answer } in group.drain(..) {
            parts.push((own.len(), answer));
            calls.extend(own);
        }
        if parts.is_empty() {
            continue;
        }
        let mut answers = match link.send(&calls, Repeat::Once, Some(wait), Moment::now() + deadline).await {
            Ok(answers) => answers.into_iter(),
            Err(error) => {
                parts.into_iter().for_each(|(_, answer)| drop(answer.send(Err(error.clone()))));
                continue;
            }
        };
        for (count, answer) in parts {
            drop(answer.send(Ok(answers.by_ref().take(count).collect())));
        }
    }
}
