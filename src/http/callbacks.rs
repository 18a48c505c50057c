//! `GET|POST /callbacks/{channel}`.

use super::body::{self, Budget, Fault};
use super::hooks::{raw, refused, reply_with, said, shut_out, unavailable};
use super::source::Sources;
use crate::flow::App;
use crate::flow::hear::{Answer, hear};
use crate::flow::pressure::{Caller, Shed};
use crate::telemetry::CallbackOutcome;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use std::time::Duration;

/// Time for a callback's body: LINE waits two seconds in all.
const BODY: Duration = Duration::from_millis(1000);
/// Longest callback: Meta sends up to 3 MB.
const LIMIT: usize = 4 * 1024 * 1024;

/// Takes a channel's callback.
pub async fn callback(
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
    app: Data<App>,
    budget: Data<Budget>,
    sources: Data<Sources>,
) -> HttpResponse {
    if !matches!(*request.method(), Method::POST | Method::GET) {
        return HttpResponse::MethodNotAllowed().insert_header(("allow", "GET, POST")).finish();
    }
    let channel = path.into_inner();
    if !app.has_channel(&channel) {
        return said(StatusCode::NOT_FOUND, "unknown channel");
    }
    let (place, door) = (sources.of(&request), format!("channel/{channel}"));
    if let Some(secs) = sources.shut(place, &door, app.clock.now()) {
        return shut_out(secs);
    }
    let shed = |why: Shed| {
        app.metrics.callback(&channel, CallbackOutcome::Shed);
        app.metrics.shed(why.as_str());
        unavailable()
    };
    if let Some(why) = app.shed(Caller::Channel) {
        return shed(why);
    }
    let body = match body::read(&request, payload, LIMIT, BODY, &budget).await {
        Ok(body) => body,
        Err(Fault::Busy) => return shed(Shed::Bytes),
        Err(fault) => return refused(fault),
    };
    let raw = raw(&request, body.bytes.clone(), app.clock.now());
    let behind = app.clone();
    let hearing = actix_web::rt::spawn(async move {
        let _held = body;
        hear(&behind, &channel, raw).await
    });
    match hearing.await {
        Ok(Answer::Heard(Some(reply)) | Answer::Kept(Some(reply)) | Answer::Reply(reply)) => reply_with(&reply),
        Ok(Answer::Heard(None) | Answer::Kept(None)) => HttpResponse::Ok().json(serde_json::json!({ "ok": true })),
        Ok(Answer::Refused(_)) => {
            sources.wrong(place, &door, app.clock.now());
            // A verification with a wrong token is 403 by Meta's contract, an unsigned event 401 by everybody's.
            let status =
                if *request.method() == Method::GET { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
            said(status, "not from this channel's provider")
        }
        Ok(Answer::UnknownChannel) => said(StatusCode::NOT_FOUND, "unknown channel"),
        Ok(Answer::Unavailable) => unavailable(),
        Ok(Answer::Failed) | Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    }
}
