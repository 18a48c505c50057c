//! A connection that heals: own deadline around everything, rebuilt when it is dead, slow or demoted.
//!
//! The client library's own manager never reconnects on time-outs or `READONLY` and knows no overall deadline,
//! so this is ours. Calls of all tasks share one pipelined connection: what arrives together leaves together,
//! and the server flushes its log once for all of it.

use super::check::{Demands, demand};
use super::child::Child;
use super::error::{ErrorKind, StoreError};
use super::place::Place;
use super::script::Call;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, Value};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant as Moment, timeout_at};

/// So many time-outs in a row and the connection counts as dead, whatever TCP thinks.
const SLOW: u32 = 3;
/// After a failed attempt to connect, others are not tried for so long.
const PAUSE: Duration = Duration::from_millis(100);
/// Callers that may be in flight before they queue silently.
const IN_FLIGHT: usize = 4096;

/// Connections for threads that serve requests, at most.
const MOST_LINKS: usize = 16;

/// May a call be sent again after the connection broke under it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It is safe to run twice: once more, at once.
    Once,
    /// It is not.
    Never,
}

/// One shared connection.
pub(super) struct Link {
    place: Place,
    config: AsyncConnectionConfig,
    deadline: Duration,
    demands: Arc<Demands>,
    child: Option<Arc<Child>>,
    live: RwLock<Option<Live>>,
    connecting: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, StoreError)>>,
    serial: AtomicU64,
    slow: AtomicU32,
}

#[derive(Clone)]
struct Live {
    serial: u64,
    conn: MultiplexedConnection,
}

impl Link {
    pub(super) fn new(place: Place, deadline: Duration, demands: Arc<Demands>, child: Option<Arc<Child>>) -> Link {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(IN_FLIGHT);
        Link {
            place,
            config,
            deadline,
            demands,
            child,
            live: RwLock::new(None),
            connecting: tokio::sync::Mutex::new(()),
            failed: Mutex::new(None),
            serial: AtomicU64::new(0),
            slow: AtomicU32::new(0),
        }
    }

    /// Sends the calls as one pipeline and gives their answers; the first error answer is the result.
    pub(super) async fn flight(&self, calls: &[Call], repeat: Repeat) -> Result<Vec<Value>, StoreError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        self.bounded(self.attempts(calls, repeat, None)).await.and_then(fine)
    }

    /// Sends the calls with a `WAIT` of so long behind them; an answer means that a replica has them all. The errors
    /// of single calls are among the answers.
    pub(super) async fn fenced(&self, calls: &[Call], wait: Duration) -> Result<Vec<Value>, StoreError> {
        self.bounded(self.attempts(calls, Repeat::Once, Some(wait))).await
    }

    async fn bounded(
        &self,
        attempts: impl Future<Output = Result<Vec<Value>, StoreError>>,
    ) -> Result<Vec<Value>, StoreError> {
        match timeout_at(Moment::now() + self.deadline, attempts).await {
            Ok(done) => {
                self.slow.store(0, Ordering::Relaxed);
                done
            }
            Err(_) => {
                if self.slow.fetch_add(1, Ordering::Relaxed) + 1 >= SLOW {
                    self.slow.store(0, Ordering::Relaxed);
                    self.forget(None);
                }
                Err(StoreError::new(ErrorKind::Timeout, format!("no answer in {} ms", self.deadline.as_millis())))
            }
        }
    }

    /// One call.
    pub(super) async fn one(&self, call: Call) -> Result<Value, StoreError> {
        let mut answers = self.flight(std::slice::from_ref(&call), Repeat::Once).await?;
        answers.pop().ok_or_else(|| StoreError::bug("a call without an answer"))
    }

    async fn attempts(&self, calls: &[Call], repeat: Repeat, wait: Option<Duration>) -> Result<Vec<Value>, StoreError> {
        let live = self.live().await?;
        match self.send(&live, calls, wait).await {
            // The connection had died while idle, or the server was started anew: nobody else can know sooner.
            Err(e) if e.kind == ErrorKind::Away && repeat == Repeat::Once && self.gone(live.serial) => {
                let live = self.live().await?;
                self.send(&live, calls, wait).await
            }
            other => other,
        }
    }

    async fn send(&self, live: &Live, calls: &[Call], wait: Option<Duration>) -> Result<Vec<Value>, StoreError> {
        let mut pipe = Pipeline::with_capacity(calls.len() + 1);
        for call in calls {
            pipe.add_command(call.cmd().clone());
        }
        let wait = wait.map(|longest| self.demands.wait(longest));
        if let Some(wait) = &wait {
            pipe.add_command(wait.clone());
        }
        let mut answers = self.raw(live, &pipe).await?;
        let mut reached = wait.is_some().then(|| answers.pop()).flatten();
        let unknown: Vec<usize> = answers.iter().enumerate().filter(|(_, a)| is_noscript(a)).map(|(i, _)| i).collect();
        if !unknown.is_empty() {
            let mut pipe = Pipeline::with_capacity(unknown.len());
            for cmd in unknown.iter().filter_map(|i| calls.get(*i)?.in_full()) {
                pipe.add_command(cmd);
            }
            // What goes a second time goes behind the first fence, and needs one of its own.
            if let Some(wait) = wait {
                pipe.add_command(wait);
            }
            let mut again = self.raw(live, &pipe).await?;
            reached = reached.and_then(|_| again.pop());
            for (i, answer) in unknown.into_iter().zip(again) {
                answers[i] = answer;
            }
        }
        self.leave_what_cannot_serve(live, &answers);
        match reached.map(|answer| self.demands.reached(answer)) {
            Some(Err(error)) => {
                // The primary may be one that a failover has left behind.
                self.forget(Some(live.serial).filter(|_| self.place.moves()));
                Err(error)
            }
            _ => Ok(answers),
        }
    }

    /// A replica, and where it may have moved also a primary that says it cannot serve: the next call looks anew.
    fn leave_what_cannot_serve(&self, live: &Live, answers: &[Value]) {
        let errors = answers.iter().filter_map(error_of);
        let useless = |e: StoreError| match e.kind {
            ErrorKind::ReadOnly => true,
            ErrorKind::Away => self.place.moves(),
            _ => false,
        };
        if errors.into_iter().any(useless) {
            self.forget(Some(live.serial));
        }
    }

    async fn raw(&self, live: &Live, pipe: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut conn = live.conn.clone();
        conn.send_packed_commands(pipe, 0, pipe.len()).await.map_err(|e| {
            if e.is_io_error() || e.is_unrecoverable_error() {
                self.forget(Some(live.serial));
            }
            StoreError::from(e)
        })
    }

    /// Drops the connection, if it is still the one meant.
    fn forget(&self, serial: Option<u64>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if serial.is_none_or(|s| live.as_ref().is_some_and(|l| l.serial == s)) {
            *live = None;
        }
    }

    fn gone(&self, serial: u64) -> bool {
        self.current().is_none_or(|l| l.serial != serial)
    }

    fn current(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn live(&self) -> Result<Live, StoreError> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((at, e)) = &*self.failed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < PAUSE
        {
            return Err(e.clone());
        }
        let made = self.connect().await;
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
            made.as_ref().err().map(|e| (Instant::now(), e.clone()));
        let live = made?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    /// Connects and looks at the server again: a failover may have landed on one that is set up differently.
    async fn connect(&self) -> Result<Live, StoreError> {
        if let Some(child) = &self.child {
            child.ensure().await?;
        }
        let mut tried = 1;
        let conn = loop {
            match self.reach().await {
                Ok(conn) => break conn,
                Err(e) if e.kind == ErrorKind::Setup || tried >= self.place.witnesses() => return Err(e),
                Err(_) => tried += 1,
            }
        };
        self.place.believe();
        Ok(Live { serial: self.serial.fetch_add(1, Ordering::Relaxed), conn })
    }

    /// A connection to the server that is named now, if it is one that serves.
    async fn reach(&self) -> Result<MultiplexedConnection, StoreError> {
        let client = self.place.find(&self.config).await?;
        let mut conn = client.get_multiplexed_async_connection_with_config(&self.config).await?;
        demand(&mut conn, &self.demands).await?;
        Ok(conn)
    }

    /// What is known of the server.
    pub(super) async fn info(&self, demands: &Demands) -> Result<super::Info, StoreError> {
        let asked = async {
            let live = self.live().await?;
            super::check::info(&mut live.conn.clone(), demands).await
        };
        match timeout_at(Moment::now() + self.deadline, asked).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::new(ErrorKind::Timeout, "no answer in time")),
        }
    }

    /// Ends the server (the private one only). The connection breaking is the answer.
    pub(super) async fn shut_down(&self) {
        // By a connection of its own: the shared one may be gone, or lead to a predecessor that was killed.
        let told = async {
            let client = self.place.find(&self.config).await.ok()?;
            let mut conn = client.get_multiplexed_async_connection_with_config(&self.config).await.ok()?;
            // Either it ends and the answer is a broken connection, or it says why it does not.
            conn.send_packed_command(&redis::cmd("SHUTDOWN")).await.ok()
        };
        drop(timeout_at(Moment::now() + self.deadline, told).await);
    }
}

/// One connection for each thread that serves requests by itself. A call then begins and ends on its thread:
/// with one connection for all, every call and every answer wakes another thread, which costs more than the
/// call. Threads that share a runtime share a connection.
pub(super) struct Links {
    shared: Link,
    own: Vec<Link>,
}

/// Threads with a runtime of their own, as they came.
static SEATS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SEAT: usize = SEATS.fetch_add(1, Ordering::Relaxed);
}

impl Links {
    /// As many as there are processors, connected when they are first used.
    pub(super) fn new(link: impl Fn() -> Link) -> Links {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_LINKS);
        Links { shared: link(), own: (0..count).map(|_| link()).collect() }
    }

    fn here(&self) -> &Link {
        let alone = |h: Handle| matches!(h.runtime_flavor(), RuntimeFlavor::CurrentThread);
        match Handle::try_current().is_ok_and(alone) {
            true => self.own.get(SEAT.with(|seat| *seat) % self.own.len().max(1)).unwrap_or(&self.shared),
            false => &self.shared,
        }
    }

    /// As [`Link::flight`].
    pub(super) async fn flight(&self, calls: &[Call], repeat: Repeat) -> Result<Vec<Value>, StoreError> {
        self.here().flight(calls, repeat).await
    }

    /// As [`Link::one`].
    pub(super) async fn one(&self, call: Call) -> Result<Value, StoreError> {
        self.here().one(call).await
    }
}

/// The answers, or the first error among them.
pub(super) fn fine(answers: Vec<Value>) -> Result<Vec<Value>, StoreError> {
    match answers.iter().find_map(error_of) {
        Some(error) => Err(error),
        None => Ok(answers),
    }
}

fn error_of(answer: &Value) -> Option<StoreError> {
    match answer {
        Value::ServerError(e) => Some(redis::RedisError::from(e.clone()).into()),
        _ => None,
    }
}

fn is_noscript(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(e) if e.kind() == Some(redis::ServerErrorKind::NoScript))
}
