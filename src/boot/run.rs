//! Running: the doors, the worker, the sweep, reload, shutdown.

use super::{Parts, Settings, read};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::settings::Secret;
use crate::flow::drain::Patience;
use crate::flow::pressure::pulse;
use crate::flow::{App, deliver, drain, erase, polls, reconcile, rekey, results, ring, sweep};
use crate::http;
use crate::http::Status;
use crate::http::auth::{Guard, Scope, Token};
use crate::telemetry::ReloadResult;
use anyhow::Context as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_secs(2);
/// After readiness turned false, requests still come for so long (the time a load balancer needs).
const LINGER: Duration = Duration::from_millis(500);

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    All,
    /// Takes webhooks and callbacks.
    Web,
    /// Sends.
    Worker,
}

/// A running relay.
pub struct Running {
    /// The app, for demo and tests.
    pub app: Arc<App>,
    /// Address of the public door, where it is open.
    pub public: Option<std::net::SocketAddr>,
    /// Address of the admin door.
    pub admin: std::net::SocketAddr,
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    servers: Vec<actix_web::dev::ServerHandle>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    grace: Duration,
}

/// Starts all that belongs to `role`.
///
/// # Errors
/// Redis or a listener cannot be used, with what to change.
pub async fn start(settings: Settings, role: Role, reload_from: Option<PathBuf>) -> anyhow::Result<Running> {
    start_with(settings, role, reload_from, Arc::new(SystemClock)).await
}

/// The same by another clock: for tests that do not wait for days to pass.
///
/// # Errors
/// As [`start`].
pub async fn start_with(
    settings: Settings,
    role: Role,
    reload_from: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Running> {
    crate::channel::install_tls();
    let Settings { parts: settings, live } = settings;
    let app = super::app(&settings, live, clock, role).await?;
    match open(settings, role, reload_from, Arc::clone(&app)) {
        Ok(running) => Ok(running),
        Err(error) => {
            // A private Redis must not stay behind a relay that never came up.
            let_go(&app).await;
            Err(error)
        }
    }
}

/// Opens the doors and starts the loops.
fn open(settings: Parts, role: Role, reload_from: Option<PathBuf>, app: Arc<App>) -> anyhow::Result<Running> {
    let status =
        Arc::new(Status { started: AtomicBool::new(false), leaving: AtomicBool::new(false), app: Arc::clone(&app) });
    let (stop, stopped) = watch::channel(false);
    let mut servers = Vec::new();
    let mut tasks = Vec::new();
    let admin = TcpListener::bind(settings.admin.listen)
        .with_context(|| format!("[admin] listen = {}", settings.admin.listen))?;
    let admin_at = admin.local_addr()?;
    let server = http::admin(Arc::clone(&status), guard(&settings)?, settings.server.proxies(), admin)?;
    servers.push(server.handle());
    tasks.push(spawn_server(server));
    let mut public_at = None;
    if role != Role::Worker {
        let listener = TcpListener::bind(settings.server.listen)
            .with_context(|| format!("[server] listen = {}", settings.server.listen))?;
        public_at = Some(listener.local_addr()?);
        let workers = if settings.server.workers == 0 { num_threads() } else { settings.server.workers };
        let server =
            http::public(Arc::clone(&app), crate::pages::routes, listener, &settings.server, workers, files())?;
        servers.push(server.handle());
        tasks.push(spawn_server(server));
    }
    tasks.extend(loops(&app, role, &stopped));
    if let Some(path) = reload_from {
        tasks.push(tokio::spawn(reloads(Arc::clone(&app), path, settings.files.clone(), stopped)));
    }
    status.started.store(true, Ordering::Release);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let public = public_at.map(|at| at.to_string());
    tracing::info!(public, admin = %admin_at, worker = %app.worker, role = ?role, "orderwire is up");
    let grace = Duration::from_secs(settings.server.grace_secs);
    Ok(Running { app, public: public_at, admin: admin_at, status, stop, servers, tasks, grace })
}

/// The loops of `role`.
fn loops(app: &Arc<App>, role: Role, stop: &watch::Receiver<bool>) -> Vec<tokio::task::JoinHandle<()>> {
    let (app, stop) = (|| Arc::clone(app), || stop.clone());
    let (clear, cleared) = watch::channel(role == Role::Web);
    let mut tasks = vec![tokio::spawn(pulse::run(app(), stop()))];
    tasks.push(tokio::spawn(drain::run(app(), Patience::default(), stop())));
    tasks.push(tokio::spawn(ring::run(app(), stop())));
    tasks.push(tokio::spawn(polls::run(app(), role != Role::Web, stop())));
    if role != Role::Web {
        tasks.push(tokio::spawn(results::run(app(), clear, stop())));
        tasks.push(tokio::spawn(behind(cleared.clone(), stop(), deliver::run(app(), stop()))));
        tasks.push(tokio::spawn(erase::run(app(), stop())));
        tasks.push(tokio::spawn(rekey::run(app(), stop())));
        tasks.push(tokio::spawn(reconcile::run(app(), stop())));
    }
    tasks.push(tokio::spawn(behind(cleared, stop(), sweep::run(app(), role != Role::Web, stop()))));
    tasks
}

/// Work that begins when what an earlier process told is written down: a lease that is taken or ends before that
/// may tell it once more.
async fn behind(mut cleared: watch::Receiver<bool>, mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    let clear = async { drop(cleared.wait_for(|clear| *clear).await) };
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    tokio::select! { () = clear => {}, () = stopped => return }
    work.await;
}

fn spawn_server(server: actix_web::dev::Server) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "a door closed");
        }
    })
}

/// How many files this process may open, after asking for as many as it may have: many systems begin with 1,024.
fn files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

fn num_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Running {
    /// Waits for SIGTERM or SIGINT, then leaves.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub async fn until_told(self) -> anyhow::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        self.leave().await;
        Ok(())
    }

    /// Readiness false, doors closed, what is under way ends within the grace time, leases are given back.
    /// What does not end in time costs no more than its lease.
    pub async fn leave(self) {
        tracing::info!("leaving");
        self.status.leaving.store(true, Ordering::Release);
        tokio::time::sleep(LINGER).await;
        self.stop.send_replace(true);
        let closing = async {
            for server in &self.servers {
                server.stop(true).await;
            }
            for task in self.tasks {
                drop(task.await);
            }
        };
        if tokio::time::timeout(self.grace, closing).await.is_err() {
            tracing::warn!("the grace time is over; what is still under way is settled by the next worker");
        }
        // After the last settle: a private Redis ends with its data on disk.
        let_go(&self.app).await;
        tracing::info!("gone");
    }
}

/// Lets go of what is this process's alone.
async fn let_go(app: &App) {
    if let Some(spool) = &app.spool {
        spool.close().await;
    }
    if let Some(results) = &app.results {
        results.close().await;
    }
    app.store.close().await;
}

/// The admin door's keeper. Without configured tokens the relay makes one of its own, in a file that only
/// its user can read, so that commands on the same machine work at once.
fn guard(settings: &Parts) -> anyhow::Result<Guard> {
    let mut tokens: Vec<Token> =
        settings.admin.tokens.iter().map(|t| Token::new(&t.name, t.scopes.clone(), t.token.expose())).collect();
    if tokens.is_empty() {
        let own = own_token(&settings.store.dir)?;
        tokens.push(Token::new("local", vec![Scope::Read, Scope::Operate, Scope::Admin], own.expose()));
    }
    let metrics = settings.admin.metrics_token.as_ref().map(|t| Token::new("metrics", Vec::new(), t.expose()));
    Ok(Guard { hosts: settings.admin.hosts.clone(), tokens, metrics })
}

fn own_token(dir: &Path) -> anyhow::Result<Secret> {
    let path = dir.join(super::TOKEN_FILE);
    super::secret_file(&path).with_context(|| format!("{}", path.display()))
}

/// Reloads on SIGHUP or when a file changed: after a full check, or the old settings stay.
async fn reloads(app: Arc<App>, path: PathBuf, files: Vec<PathBuf>, mut stop: watch::Receiver<bool>) {
    let Ok(mut hup) = signal(SignalKind::hangup()) else { return };
    let mut files = files;
    let mut seen = crate::config::watch::fingerprint(&files);
    loop {
        let asked = tokio::select! {
            _ = stop.changed() => return,
            _ = hup.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = crate::config::watch::fingerprint(&files);
        if now == seen && !asked {
            continue;
        }
        seen = now;
        if let Some(new) = reload(&app, &path) {
            seen = crate::config::watch::fingerprint(&new);
            files = new;
        }
    }
}

/// Returns the files to watch from now on; `None`: the old settings stay.
fn reload(app: &App, path: &Path) -> Option<Vec<PathBuf>> {
    let problems = match read(Some(path), &crate::config::environment()) {
        Ok(settings) => {
            let old: Vec<_> = app.live().channels.keys().cloned().collect();
            let new: Vec<_> = settings.live.channels.keys().cloned().collect();
            if old == new {
                app.reload(settings.live);
                app.metrics.reload(ReloadResult::Done);
                tracing::info!("settings and words reloaded");
                return Some(settings.parts.files);
            }
            vec!["channels were added, removed or renamed: that needs a restart".to_string()]
        }
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    app.metrics.reload(ReloadResult::Refused);
    tracing::error!(problems = problems.join("; "), "the changed settings were not taken; the old ones stay in force");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_begins_when_what_an_earlier_process_told_is_written_and_not_at_all_when_told_to_stop() {
        for stops in [false, true] {
            let ((clear, cleared), (stop, stopped)) = (watch::channel(false), watch::channel(false));
            let begun = Arc::new(AtomicBool::new(false));
            let mark = Arc::clone(&begun);
            let waiting = tokio::spawn(behind(cleared, stopped, async move { mark.store(true, Ordering::Release) }));
            tokio::task::yield_now().await;
            assert!(!begun.load(Ordering::Acquire) && !waiting.is_finished());
            if stops {
                stop.send_replace(true)
            } else {
                clear.send_replace(true)
            };
            waiting.await.expect("it ends");
            assert_eq!(begun.load(Ordering::Acquire), !stops);
        }
    }
}
