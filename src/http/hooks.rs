//! `POST /hooks/{platform}/{shop}`.

use super::body::{self, Budget, Fault};
use super::source::Sources;
use crate::domain::webhook::RawWebhook;
use crate::flow::App;
use crate::flow::accept::{Answer, accept};
use crate::flow::pressure::{Caller, Shed};
use crate::telemetry::WebhookOutcome;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use std::time::Duration;

/// Time for a shop's body: Shopify waits five seconds in all.
const BODY: Duration = Duration::from_millis(2500);

/// Takes a shop's webhook. Answers are small and constant; nothing of the input is echoed.
pub async fn hook(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    app: Data<App>,
    budget: Data<Budget>,
    sources: Data<Sources>,
) -> HttpResponse {
    if request.method() != Method::POST {
        return HttpResponse::MethodNotAllowed().insert_header(("allow", "POST")).json(json!({ "error": "POST only" }));
    }
    let (platform, shop) = path.into_inner();
    let Some(limit) = app.body_limit(&platform, &shop) else {
        app.metrics.webhook("unknown", WebhookOutcome::UnknownShop);
        return said(StatusCode::NOT_FOUND, "unknown shop");
    };
    let (place, door) = (sources.of(&request), format!("shop/{shop}"));
    if let Some(secs) = sources.shut(place, &door, app.clock.now()) {
        app.metrics.webhook(&shop, WebhookOutcome::ShutOut);
        return shut_out(secs);
    }
    if let Some(why) = app.shed(Caller::Shop) {
        app.metrics.webhook(&shop, WebhookOutcome::Shed);
        app.metrics.shed(why.as_str());
        return unavailable();
    }
    let body = match body::read(&request, payload, limit, BODY, &budget).await {
        Ok(body) => body,
        Err(fault) => {
            count(&app, &shop, fault);
            return refused(fault);
        }
    };
    let raw = raw(&request, body.bytes.clone(), app.clock.now());
    // A task of its own: a client that resets its connection cancels this handler, never a half-done accept.
    let behind = app.clone();
    let accepting = actix_web::rt::spawn(async move {
        let _held = body;
        accept(&behind, &platform, &shop, raw).await
    });
    match accepting.await {
        Ok(answer) => {
            if matches!(answer, Answer::Refused(_)) {
                sources.wrong(place, &door, app.clock.now());
            }
            answered(answer)
        }
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    }
}

fn count(app: &App, shop: &str, fault: Fault) {
    match fault {
        Fault::TooLarge => app.metrics.webhook(shop, WebhookOutcome::TooLarge),
        Fault::TooSlow => app.metrics.webhook(shop, WebhookOutcome::TooSlow),
        Fault::Busy => {
            app.metrics.webhook(shop, WebhookOutcome::Shed);
            app.metrics.shed(Shed::Bytes.as_str());
        }
        Fault::Encoded | Fault::Broken => {}
    }
}

fn answered(answer: Answer) -> HttpResponse {
    match answer {
        Answer::Taken(what) => HttpResponse::Ok().json(json!({ "ok": true, "result": what.as_str() })),
        Answer::Reply(reply) => reply_with(&reply),
        Answer::Refused(_) => said(StatusCode::UNAUTHORIZED, "not signed by this shop"),
        Answer::UnknownShop => said(StatusCode::NOT_FOUND, "unknown shop"),
        Answer::Unavailable => unavailable(),
        Answer::Failed => said(StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    }
}

/// A handshake's own answer.
pub fn reply_with(reply: &crate::domain::webhook::Reply) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK))
        .content_type(reply.content_type)
        .body(reply.body.clone())
}

/// The answer to a body that was not taken.
pub fn refused(fault: Fault) -> HttpResponse {
    match fault {
        Fault::TooLarge => said(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
        Fault::TooSlow => said(StatusCode::REQUEST_TIMEOUT, "too slow"),
        Fault::Encoded => said(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not taken"),
        Fault::Busy => unavailable(),
        Fault::Broken => said(StatusCode::BAD_REQUEST, "broken off"),
    }
}

/// 429: too many signatures from there did not hold.
pub fn shut_out(secs: u64) -> HttpResponse {
    HttpResponse::TooManyRequests()
        .insert_header(("retry-after", secs.to_string()))
        .json(json!({ "error": "too many wrong signatures" }))
}

/// 503, with a time to come back.
pub fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header(("retry-after", "30")).json(json!({ "error": "try again" }))
}

/// A small constant answer.
pub fn said(status: StatusCode, error: &'static str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": error }))
}

/// A header's value: text, or each byte as the character of its number.
fn text(value: &header::HeaderValue) -> String {
    value.to_str().map_or_else(|_| value.as_bytes().iter().map(|b| char::from(*b)).collect(), str::to_string)
}

/// The request as everybody behind the door sees it.
pub fn raw(request: &HttpRequest, body: Bytes, now: crate::domain::clock::Timestamp) -> RawWebhook {
    RawWebhook {
        method: request.method().as_str().to_string(),
        query: request.query_string().to_string(),
        headers: request.headers().iter().map(|(name, value)| (name.as_str().to_string(), text(value))).collect(),
        body,
        received_at: now,
    }
}
