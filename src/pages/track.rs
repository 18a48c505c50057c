//! The track-your-order form: number and contact, then the code, then the order's page.

use super::looks::{Face, four, guarded, page, word};
use super::{Place, body, field, wanted};
use crate::flow::App;
use crate::flow::track::{Asked, FormFace, Opened, ask, form, open};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

#[derive(Serialize, Default)]
struct Facts<'a> {
    ticket: Option<&'a str>,
    notice: Option<&'static str>,
    alert: bool,
}

/// `GET /t/{shop}`.
pub async fn show(request: HttpRequest, shop: Path<String>, app: Data<App>) -> HttpResponse {
    match form(&app, &shop, wanted(&request).as_deref()) {
        Some(shown) => face(StatusCode::OK, &shown, Facts::default()),
        None => four(StatusCode::NOT_FOUND, "four.gone", ""),
    }
}

/// `POST /t/{shop}`: what was typed, or a ticket with a code.
pub async fn send(request: HttpRequest, shop: Path<String>, payload: Payload, app: Data<App>) -> HttpResponse {
    let Some(shown) = form(&app, &shop, wanted(&request).as_deref()) else {
        return four(StatusCode::NOT_FOUND, "four.gone", "");
    };
    let place = request.app_data::<Data<Place>>().and_then(|place| place(&request));
    let body = body(payload).await.unwrap_or_default();
    let get = |name| field(&body, name).unwrap_or_default();
    // A task of its own: whoever hangs up learns nothing from what then was not done.
    let (app, shop) = (app.into_inner(), shop.into_inner());
    match field(&body, "ticket") {
        Some(ticket) => {
            let code = get("code");
            let task = {
                let ticket = ticket.clone();
                async move { open(&app, &shop, &ticket, &code, place).await }
            };
            let opened = actix_web::rt::spawn(task).await;
            coded(&shown, &ticket, opened.unwrap_or(Opened::Unavailable))
        }
        None => {
            let (number, contact) = (get("number"), get("contact"));
            let asked = actix_web::rt::spawn(async move { ask(&app, &shop, &number, &contact, place).await }).await;
            promised(&shown, asked.unwrap_or(Asked::Unavailable))
        }
    }
}

fn promised(shown: &FormFace, asked: Asked) -> HttpResponse {
    let say = |name| Some(word(shown.locale, name));
    match asked {
        Asked::Ticket(ticket) => {
            face(StatusCode::OK, shown, Facts { ticket: Some(&ticket), notice: say("track_sent"), alert: false })
        }
        Asked::TooOften => often(shown),
        Asked::Unavailable => away(shown),
    }
}

fn coded(shown: &FormFace, ticket: &str, opened: Opened) -> HttpResponse {
    match opened {
        Opened::Page(token) => {
            guarded(StatusCode::SEE_OTHER, &shown.origins).insert_header(("location", format!("/p/{token}"))).finish()
        }
        Opened::Wrong => {
            let notice = Some(word(shown.locale, "track_wrong"));
            face(StatusCode::FORBIDDEN, shown, Facts { ticket: Some(ticket), notice, alert: true })
        }
        // What it was is not shown again: it was not ours.
        Opened::Over => {
            let notice = Some(word(shown.locale, "track_wrong"));
            face(StatusCode::FORBIDDEN, shown, Facts { notice, alert: true, ..Facts::default() })
        }
        Opened::TooOften => often(shown),
        Opened::Unavailable => away(shown),
    }
}

fn often(shown: &FormFace) -> HttpResponse {
    let notice = Some(word(shown.locale, "track_often"));
    face(StatusCode::TOO_MANY_REQUESTS, shown, Facts { notice, alert: true, ..Facts::default() })
}

fn away(shown: &FormFace) -> HttpResponse {
    let notice = Some(word(shown.locale, "done.unavailable"));
    face(StatusCode::SERVICE_UNAVAILABLE, shown, Facts { notice, alert: true, ..Facts::default() })
}

fn face(status: StatusCode, shown: &FormFace, facts: Facts<'_>) -> HttpResponse {
    let title = word(shown.locale, "track_title").to_string();
    let (shop, frames) = (shown.shop.as_deref(), shown.origins.as_slice());
    page(status, &Face { locale: shown.locale, shop, title, template: "track", facts, frames })
}
