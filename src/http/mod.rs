//! **http** — floor 3: the doors.
//!
//! Knows: routes, limits, auth of the admin API, error → status.
//! Must not know: Redis, vendors, rules.
//! May use: domain, flow, telemetry
//! How to add one: a route is a function here and a line in `public` or `admin`; whatever it decides belongs
//! to `flow`.

mod admin;
mod api;
pub mod auth;
mod body;
mod callbacks;
mod consent;
mod conversations;
mod hooks;
mod people;
mod problem;
mod rekey;
pub mod settings;
mod shops;
mod source;

use crate::flow::App;
use actix_web::body::MessageBody;
use actix_web::dev::Server;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use auth::Guard;
use body::Budget;
use ipnet::IpNet;
use settings::ServerSettings;
use source::Sources;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Connections at one time at the public door, at most.
const CONNECTIONS: u64 = 2_000;
/// What every worker of the door may have, however few files the process may open.
const LEAST_CONNECTIONS: usize = 8;
/// The head of a request must be there within.
const HEAD: Duration = Duration::from_secs(5);

/// Tells where a request comes from, as far as that is known; the pages find it among the app's data.
type Place = Arc<dyn Fn(&HttpRequest) -> Option<IpAddr> + Send + Sync>;

/// What the admin door shows of the process beside the app.
pub struct Status {
    /// Start-up is over.
    pub started: AtomicBool,
    /// The process is leaving: readiness is false, webhooks are still taken.
    pub leaving: AtomicBool,
    /// What Redis, the fence and the channels are like, for `readyz?verbose`.
    pub app: Arc<App>,
}

/// Connections that one of so many workers takes at one time. The door has no more than half of the files that the
/// process may open: the rest is for Redis, providers and the spool, which must go on whoever knocks.
fn connections(files: u64, workers: usize) -> usize {
    let door = usize::try_from(CONNECTIONS.min(files / 2)).unwrap_or(usize::MAX);
    (door / workers.max(1)).max(LEAST_CONNECTIONS)
}

/// The public door: shops' webhooks, channels' callbacks, and the pages for customers. `files`: how many files the
/// process may open.
///
/// # Errors
/// The listener could not be used.
pub fn public(
    app: Arc<App>,
    pages: fn(&mut web::ServiceConfig),
    listener: TcpListener,
    settings: &ServerSettings,
    workers: usize,
    files: u64,
) -> std::io::Result<Server> {
    let budget = web::Data::new(Budget::default());
    let sources = web::Data::new(Sources::new(settings.proxies()));
    let app = web::Data::from(app);
    // For the pages, which count how often a place tries something.
    let of = sources.clone();
    let place: Place = Arc::new(move |request| of.of(request));
    let place = web::Data::new(place);
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(app.clone())
            .app_data(place.clone())
            .app_data(budget.clone())
            .app_data(sources.clone())
            .route("/hooks/{platform}/{shop}", web::route().to(hooks::hook))
            .route("/callbacks/{channel}", web::route().to(callbacks::callback))
            .configure(pages)
            .default_service(web::route().to(nothing_here))
    });
    Ok(server
        .workers(workers)
        .max_connections(connections(files, workers))
        .client_request_timeout(HEAD)
        .shutdown_timeout(settings.grace_secs)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// The admin door: health, metrics, the operator's API. Never public. `proxies` may say for whom they speak.
///
/// # Errors
/// The listener could not be used.
pub fn admin(status: Arc<Status>, guard: Guard, proxies: Vec<IpNet>, listener: TcpListener) -> std::io::Result<Server> {
    let status = web::Data::from(status);
    let guard = web::Data::new(guard);
    let sources = web::Data::new(Sources::new(proxies));
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(status.clone())
            .app_data(guard.clone())
            .app_data(sources.clone())
            .app_data(web::JsonConfig::default().limit(64 * 1024).error_handler(api::bad_json))
            .app_data(web::QueryConfig::default().error_handler(api::bad_query))
            .configure(admin::routes)
            .configure(api::routes)
            .configure(people::routes)
            .configure(consent::routes)
            .configure(conversations::routes)
            .configure(rekey::routes)
            .configure(shops::routes)
            .default_service(web::route().to(api::nothing_here))
            .wrap(from_fn(keep))
    });
    Ok(server.workers(1).client_request_timeout(HEAD).shutdown_timeout(3).disable_signals().listen(listener)?.run())
}

/// Whoever asks the API shows a token before anything of the request is read; which scope it needs, the
/// route says. Paths that do not exist are kept from strangers like all others.
async fn keep(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let open = !request.path().starts_with("/api/");
    if !open && let Some(guard) = request.app_data::<web::Data<Guard>>() {
        guard.known(request.request()).map_err(|no| {
            let (status, sources) = (request.app_data::<web::Data<Status>>(), request.app_data::<web::Data<Sources>>());
            match (status, sources) {
                (Some(status), Some(sources)) => auth::stranger(no, request.request(), status, sources),
                _ => no,
            }
        })?;
    }
    next.call(request).await
}

async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": "nothing here" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_leaves_half_of_the_files() {
        assert_eq!((connections(1 << 20, 1), connections(1 << 20, 4)), (2000, 500));
        assert_eq!((connections(1024, 2), connections(260, 1)), (256, 130));
        assert_eq!(connections(10, 8), LEAST_CONNECTIONS);
    }
}
