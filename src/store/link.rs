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
use redis::{AsyncConnectionConfig, Cmd, Pipeline, Value};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::time::{Instant as Moment, timeout_at};

/// So many time-outs in a row and the connection counts as dead, whatever TCP thinks.
const SLOW: u32 = 3;
/// After a failed attempt to connect, others are not tried for so long.
const PAUSE: Duration = Duration::from_millis(100);
/// Callers that may be in flight before they queue silently.
const IN_FLIGHT: usize = 4096;

/// Keys written behind calls only to be waited for, at most.
const MARKS: usize = 3;

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

    /// Sends the calls as one pipeline; the errors of single calls are among the answers. With `wait`, a `WAIT` of so
    /// long goes behind them, and answers mean that a replica has them all.
    pub(super) async fn send(
        &self,
        calls: &[Call],
        repeat: Repeat,
        wait: Option<Duration>,
        until: Moment,
    ) -> Result<Vec<Value>, StoreError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        match timeout_at(until, self.attempts(calls, repeat, wait)).await {
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

    async fn attempts(&self, calls: &[Call], repeat: Repeat, wait: Option<Duration>) -> Result<Vec<Value>, StoreError> {
        let live = self.live().await?;
        match self.fly(&live, calls, wait).await {
            // The connection had died while idle, or the server was started anew: nobody else can know sooner.
            Err(e) if e.kind == ErrorKind::Away && repeat == Repeat::Once && self.gone(live.serial) => {
                let live = self.live().await?;
                self.fly(&live, calls, wait).await
            }
            other => other,
        }
    }

    async fn fly(&self, live: &Live, calls: &[Call], wait: Option<Duration>) -> Result<Vec<Value>, StoreError> {
        let wait = wait.map(|longest| self.demands.fence(&marks(calls), longest)).unwrap_or_default();
        let (mut answers, mut reached) =
            self.pipeline(live, &calls.iter().collect::<Vec<_>>(), Call::put, &wait).await?;
        let unknown: Vec<usize> = answers.iter().enumerate().filter(|(_, a)| is_noscript(a)).map(|(i, _)| i).collect();
        if !unknown.is_empty() {
            // What goes a second time goes behind the first fence, and needs one of its own.
            let again: Vec<&Call> = unknown.iter().filter_map(|i| calls.get(*i)).collect();
            let (again, fenced) = self.pipeline(live, &again, Call::put_in_full, &wait).await?;
            reached = fenced;
            for (i, answer) in unknown.into_iter().zip(again) {
                answers[i] = answer;
            }
        }
        self.leave_what_cannot_serve(live, &answers);
        if wait.is_empty() {
            return Ok(answers);
        }
        // The primary may be one that a failover has left behind.
        let leave = |_: &StoreError| self.forget(Some(live.serial).filter(|_| self.place.moves()));
        self.demands.reached(reached).inspect_err(leave).map(|()| answers)
    }

    /// The calls' answers, and those of the fence behind them.
    async fn pipeline(
        &self,
        live: &Live,
        calls: &[&Call],
        put: impl Fn(&Call, &mut Pipeline) -> usize,
        wait: &[Cmd],
    ) -> Result<(Vec<Value>, Vec<Value>), StoreError> {
        let mut pipe = Pipeline::with_capacity(calls.len() + 1);
        let parts: Vec<usize> = calls.iter().map(|call| put(call, &mut pipe)).collect();
        for wait in wait {
            pipe.add_command(wait.clone());
        }
        let mut answers = self.raw(live, &pipe).await?.into_iter();
        let gathered = parts.into_iter().map(|count| gather(answers.by_ref().take(count))).collect();
        Ok((gathered, answers.collect()))
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

/// Keys to write to behind these calls: of several slots, because one of them may just be moving.
fn marks(calls: &[Call]) -> Vec<Vec<u8>> {
    let all: std::collections::BTreeSet<Vec<u8>> = calls.iter().filter_map(Call::mark).collect();
    all.into_iter().take(MARKS).collect()
}

/// The answer of a call that gave several: that of its command, unless what goes before it went wrong.
fn gather(answers: impl Iterator<Item = Value>) -> Value {
    let first_error = |kept: Value, answer| if matches!(kept, Value::ServerError(_)) { kept } else { answer };
    answers.fold(Value::Nil, first_error)
}

/// An answer as an error, if it is one.
pub(super) fn error_of(answer: &Value) -> Option<StoreError> {
    match answer {
        Value::ServerError(e) => Some(redis::RedisError::from(e.clone()).into()),
        _ => None,
    }
}

fn is_noscript(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(e) if e.kind() == Some(redis::ServerErrorKind::NoScript))
}
