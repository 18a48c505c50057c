//! Health and metrics.

use super::Status;
use super::auth::{self, Guard};
use super::problem::Problem;
use super::source::Sources;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Redis must answer a readiness question within.
const PATIENCE: Duration = Duration::from_millis(800);
/// Clock difference to Redis beyond which this pod is not ready, milliseconds.
const SKEW_LIMIT: i64 = 30_000;

/// Health and metrics; free of the Host check, which the kubelet cannot pass.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/livez", web::get().to(live))
        .route("/readyz", web::get().to(ready))
        .route("/startupz", web::get().to(started))
        .route("/metrics", web::get().to(metrics));
}

/// Never depends on Redis: a Redis outage must not restart every pod.
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn started(status: Data<Status>) -> HttpResponse {
    if status.started.load(Ordering::Acquire) {
        HttpResponse::Ok().body("ok\n")
    } else {
        HttpResponse::ServiceUnavailable().body("starting\n")
    }
}

async fn ready(request: HttpRequest, status: Data<Status>) -> HttpResponse {
    let leaving = status.leaving.load(Ordering::Acquire);
    let health =
        tokio::time::timeout(PATIENCE, crate::flow::queue::health(&status.app)).await.ok().and_then(Result::ok);
    // What Redis cannot take waits on disk: that is no reason to send shops elsewhere.
    let spool = status.app.spool.as_ref().map(|s| s.standing());
    let well = health.as_ref().is_some_and(|h| h.complaint.is_none());
    let takes = well || spool.is_some_and(|s| s.usable);
    let clock = health.as_ref().is_none_or(|h| h.skew_ms.abs() < SKEW_LIMIT);
    // A server set up anew behind our back may lose what it acknowledges: shops are better served elsewhere.
    let sound = health.as_ref().is_none_or(|h| h.complaint.is_none());
    let ready = takes && clock && sound && !leaving && status.started.load(Ordering::Acquire);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !request.query_string().contains("verbose") {
        return answer.body(if ready { "ok\n" } else { "not ready\n" });
    }
    let now = status.app.clock.now();
    let live = status.app.live();
    let channels: serde_json::Map<String, serde_json::Value> = live
        .channels
        .values()
        .map(|a| {
            let state = a.paused(now).map(|(until, why)| json!({ "paused": why.as_str(), "until": until.to_string() }));
            (a.id.to_string(), state.unwrap_or_else(|| json!("ok")))
        })
        .collect();
    answer.json(json!({
        "ready": ready,
        "leaving": leaving,
        "redis": health.as_ref().map(|h| json!({
            "server": h.server, "durability": h.durability, "used_memory": h.used_memory,
            "max_memory": h.max_memory, "skew_ms": h.skew_ms, "complaint": h.complaint, "away": h.away,
        })),
        "pressure": status.app.pressure.view(std::time::Instant::now()),
        "spool": spool,
        "channels": channels,
        "shops": live.shops.len(),
        "routes": live.routes.len(),
    }))
}

async fn metrics(
    request: HttpRequest,
    status: Data<Status>,
    guard: Data<Guard>,
    sources: Data<Sources>,
) -> Result<HttpResponse, Problem> {
    guard.metrics(&request).map_err(|no| auth::stranger(no, &request, &status, &sources))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(status.app.metrics.encode()))
}
