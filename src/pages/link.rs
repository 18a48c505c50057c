//! The page on which a customer ties a messenger to an order: choose one, open it.

use super::looks::{Face, four, guarded, page, word};
use super::{body, field, wanted};
use crate::flow::link::{Chosen, LinkPage, choose, of_key, of_token};
use crate::flow::{App, qr};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

#[derive(Serialize)]
struct Way<'a> {
    channel: &'a str,
    name: &'static str,
}

#[derive(Serialize, Default)]
struct Facts<'a> {
    token: &'a str,
    ways: Vec<Way<'a>>,
    open: Option<Open<'a>>,
    notice: Option<&'static str>,
}

/// A chat that can be begun.
#[derive(Serialize)]
struct Open<'a> {
    name: &'static str,
    url: &'a str,
    qr: Option<String>,
    says: Option<&'a str>,
}

/// `GET /l/{token}`. Changes nothing: link previews open every link.
pub async fn show(request: HttpRequest, token: Path<String>, app: Data<App>) -> HttpResponse {
    match of_token(&app, &token, wanted(&request).as_deref()) {
        Some(shown) => face(StatusCode::OK, &shown, None),
        None => gone(),
    }
}

/// `GET /l/{shop}/{order}?key=`: from the shop's own page of the order. Whether there is such an order, and whether the
/// key is its, is not said here: it shows the same whatever they are.
pub async fn by_key(request: HttpRequest, path: Path<(String, String)>, app: Data<App>) -> HttpResponse {
    let (shop, order) = path.into_inner();
    let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    let key = pairs.into_iter().find(|(name, _)| name == "key").map(|(_, value)| value.into_owned());
    match of_key(&app, &shop, &order, key.as_deref().unwrap_or_default(), wanted(&request).as_deref()) {
        // On to an address without the key: it stays in no history, and the page can be shown in another language.
        Some(shown) => {
            let place = format!("/l/{}?lang={}", shown.token, shown.locale);
            guarded(StatusCode::SEE_OTHER, &[]).insert_header(("location", place)).finish()
        }
        None => gone(),
    }
}

/// `POST /l/{token}`: a messenger was chosen.
pub async fn open(request: HttpRequest, token: Path<String>, payload: Payload, app: Data<App>) -> HttpResponse {
    let Some(shown) = of_token(&app, &token, wanted(&request).as_deref()) else { return gone() };
    let body = body(payload).await.unwrap_or_default();
    let channel = field(&body, "channel").unwrap_or_default();
    match choose(&app, &token, &channel).await {
        Chosen::Begun(kind, begun) => {
            let name = word(shown.locale, &format!("channel.{kind}"));
            let (url, says) = (begun.url.as_str(), begun.says.as_deref());
            face_with(StatusCode::OK, &shown, Some(Open { name, url, qr: qr::svg(url), says }), None)
        }
        Chosen::Unknown => face(StatusCode::OK, &shown, None),
        Chosen::TooOften => face(StatusCode::TOO_MANY_REQUESTS, &shown, Some("done.unavailable")),
        Chosen::Unavailable => face(StatusCode::SERVICE_UNAVAILABLE, &shown, Some("done.unavailable")),
    }
}

/// One answer to whatever is not ours, not for this, or over.
fn gone() -> HttpResponse {
    four(StatusCode::NOT_FOUND, "four.gone", "")
}

fn face(status: StatusCode, shown: &LinkPage, notice: Option<&str>) -> HttpResponse {
    face_with(status, shown, None, notice)
}

fn face_with(status: StatusCode, shown: &LinkPage, open: Option<Open<'_>>, notice: Option<&str>) -> HttpResponse {
    let name = |kind: &str| word(shown.locale, &format!("channel.{kind}"));
    let ways = shown.ways.iter().map(|way| Way { channel: way.channel.as_str(), name: name(way.kind) }).collect();
    let notice = notice.map(|name| word(shown.locale, name));
    let facts = Facts { token: &shown.token, ways, open, notice };
    let (shop, title) = (shown.shop.as_deref(), word(shown.locale, "link_title").to_string());
    page(status, &Face { locale: shown.locale, shop, title, template: "link", facts, frames: &[] })
}
