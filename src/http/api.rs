//! `/api/v1`: what the operator's commands need.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::webhook::RawWebhook;
use crate::flow::{explain, queue, replay, simulate};
use actix_web::web::{self, Data, Json, JsonConfig, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

/// Longest captured webhook with its wrapping, bytes: a body of 8 MiB in base64.
const CAPTURED: usize = 12 * 1024 * 1024;

/// A body that is not what the call takes.
pub fn bad_json(error: actix_web::error::JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    Problem::new(400, "the body is not what this call takes", error.to_string()).into()
}

/// A query that is not what the call takes.
pub fn bad_query(error: actix_web::error::QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    Problem::new(400, "the query is not what this call takes", error.to_string()).into()
}

/// A path or method that there is not.
pub async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::new(404, "nothing here", "no such path, or not by this method"))
}

/// The API's routes; the door has asked for a token before, each asks for its scope.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/orders/{shop}/{order}", web::get().to(order))
        .service(
            web::resource("/api/v1/simulate")
                .app_data(JsonConfig::default().limit(CAPTURED).error_handler(bad_json))
                .route(web::post().to(simulating)),
        )
        .route("/api/v1/replay", web::post().to(replaying))
        .route("/api/v1/queue", web::get().to(stats))
        .route("/api/v1/queue/dead", web::get().to(dead))
        .route("/api/v1/queue/discard", web::post().to(discard))
        .route("/api/v1/channels", web::get().to(channels))
        .route("/api/v1/channels/{channel}/pause", web::post().to(pause))
        .route("/api/v1/channels/{channel}/resume", web::post().to(resume));
}

async fn order(
    request: HttpRequest,
    path: Path<(String, String)>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    let (shop, id) = path.into_inner();
    Ok(HttpResponse::Ok().json(explain::order(&status.app, &shop, &id).await?))
}

/// A captured webhook.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Captured {
    shop: String,
    webhook: RawWebhook,
}

async fn simulating(
    request: HttpRequest,
    ask: Json<Captured>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    Ok(HttpResponse::Ok().json(simulate::run(&status.app, &ask.shop, &ask.webhook).await?))
}

async fn replaying(
    request: HttpRequest,
    ask: Json<replay::Request>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let executes = ask.execute || ask.run.is_some();
    let who = guard.allow(&request, if executes { Scope::Operate } else { Scope::Read })?;
    if ask.execute && ask.run.is_none() && ask.reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
        return Err(Problem::new(422, "a reason is needed", "say why in `reason`: it stays in every order's ledger"));
    }
    Ok(HttpResponse::Ok().json(replay::page(&status.app, &ask, &who).await?))
}

async fn stats(request: HttpRequest, status: Data<Status>, guard: Data<Guard>) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    Ok(HttpResponse::Ok().json(queue::stats(&status.app).await?))
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paging {
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn dead(
    request: HttpRequest,
    paging: Query<Paging>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    let limit = paging.limit.unwrap_or(50).clamp(1, 500);
    Ok(HttpResponse::Ok().json(queue::dead(&status.app, paging.cursor.as_deref(), limit).await?))
}

/// What to discard.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discard {
    shop: String,
    order: String,
    item: u16,
    reason: String,
}

async fn discard(
    request: HttpRequest,
    ask: Json<Discard>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let note = format!("by {who}: {}", ask.reason);
    queue::discard(&status.app, &ask.shop, &ask.order, ask.item, &note).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}

async fn channels(request: HttpRequest, status: Data<Status>, guard: Data<Guard>) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    Ok(HttpResponse::Ok().json(queue::channels(&status.app)))
}

/// How long a channel is to stand still.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    /// Seconds; left out: until resumed (ten years).
    secs: Option<i64>,
}

async fn pause(
    request: HttpRequest,
    path: Path<String>,
    ask: Json<Pause>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let now: Timestamp = status.app.clock.now();
    let until = plus_secs(now, ask.secs.unwrap_or(10 * 365 * 86_400).max(1));
    tracing::warn!(channel = %path, who, until = %until, "channel paused by a person");
    queue::pause(&status.app, &path, Some((until, Reason::ChannelPaused))).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true, "until": until })))
}

async fn resume(
    request: HttpRequest,
    path: Path<String>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    tracing::warn!(channel = %path, who, "channel resumed by a person");
    queue::pause(&status.app, &path, None).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}
