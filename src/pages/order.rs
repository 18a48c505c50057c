//! An order's page for its customer: where it stands, and what is switched on.

use super::looks::{Face, four, page, word};
use super::{body, field, wanted};
use crate::flow::App;
use crate::flow::hear::{SwitchedOff, switch_off};
use crate::flow::page::order::OrderPart;
use crate::flow::page::switch::{Row, What};
use crate::flow::page::{Page, Pressed, Shown};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

/// `GET /p/{token}`. Changes nothing: mail scanners and link previews open every link.
pub async fn show(request: HttpRequest, token: Path<String>, app: Data<App>) -> HttpResponse {
    match crate::flow::page::show(&app, &token, wanted(&request).as_deref()).await {
        Shown::Page(shown) => face(StatusCode::OK, &shown, None),
        Shown::UnknownLink => gone(),
    }
}

/// `POST /p/{token}`: a button of the page, or a mail program's one click.
pub async fn press(request: HttpRequest, token: Path<String>, payload: Payload, app: Data<App>) -> HttpResponse {
    let body = body(payload).await.unwrap_or_default();
    let lang = wanted(&request);
    if one_click(&body) {
        return clicked(&app, &token, lang.as_deref()).await;
    }
    // A body without a form is as good as a wrong one.
    let form = field(&body, "form").unwrap_or_default();
    match crate::flow::page::press(&app, &token, &form, lang.as_deref()).await {
        Pressed::Done(what, channel, shown) => {
            let channel = word(shown.locale, &format!("channel.{channel}"));
            face_with(StatusCode::OK, &shown, Some(word(shown.locale, done(what)).replace("{}", channel)))
        }
        Pressed::Kept(shown) => face(StatusCode::OK, &shown, Some("done.kept")),
        Pressed::Stale(shown) => face(StatusCode::FORBIDDEN, &shown, Some("done.stale")),
        Pressed::Unavailable(shown) => face(StatusCode::SERVICE_UNAVAILABLE, &shown, Some("done.unavailable")),
        Pressed::UnknownLink => gone(),
    }
}

/// What RFC 8058 has mail programs send, as a form of either kind: without a cookie and without having seen the page.
fn one_click(body: &[u8]) -> bool {
    let multipart = || {
        let text = String::from_utf8_lossy(body);
        text.contains("name=\"List-Unsubscribe\"") && text.contains("One-Click")
    };
    field(body, "List-Unsubscribe").as_deref() == Some("One-Click") || multipart()
}

async fn clicked(app: &App, token: &str, lang: Option<&str>) -> HttpResponse {
    match switch_off(app, token).await {
        SwitchedOff::Off => four(StatusCode::OK, "four.off", ""),
        SwitchedOff::Kept => four(StatusCode::OK, "four.kept", ""),
        SwitchedOff::UnknownLink => gone(),
        SwitchedOff::Unavailable => match crate::flow::page::show(app, token, lang).await {
            Shown::Page(shown) => face(StatusCode::SERVICE_UNAVAILABLE, &shown, Some("done.unavailable")),
            Shown::UnknownLink => gone(),
        },
    }
}

/// One answer to whatever is not ours, not for this, or over.
fn gone() -> HttpResponse {
    four(StatusCode::NOT_FOUND, "four.gone", "")
}

fn done(what: What) -> &'static str {
    match what {
        What::OffOrder => "done.off_order",
        What::OffAll => "done.off_all",
        What::OnOrder => "done.on_order",
        What::OnAll => "done.on_all",
    }
}

#[derive(Serialize)]
struct Facts<'a> {
    order: Option<&'a OrderPart>,
    channels: &'a [Row],
    notice: Option<String>,
}

fn face(status: StatusCode, shown: &Page, notice: Option<&str>) -> HttpResponse {
    face_with(status, shown, notice.map(|name| word(shown.locale, name).to_string()))
}

fn face_with(status: StatusCode, shown: &Page, notice: Option<String>) -> HttpResponse {
    let title = match &shown.order {
        Some(order) => word(shown.locale, "title").replace("{}", &order.name),
        None => word(shown.locale, "updates").to_string(),
    };
    let facts = Facts { order: shown.order.as_ref(), channels: &shown.channels, notice };
    page(
        status,
        &Face { locale: shown.locale, shop: shown.shop.as_deref(), title, template: "order", facts, frames: &[] },
    )
}
