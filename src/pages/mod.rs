//! **pages** — floor 3: what customers see in a browser.
//!
//! Knows: the page by which a recipient switches messages off (RFC 8058), and the one that says how an erasure stands.
//! Must not know: Redis, vendors, rules.
//! May use: domain, flow
//! How to add one: a page is a function here and a line in [`routes`]; GET changes nothing, whoever asks.

use crate::flow::App;
use crate::flow::erase::through::{Standing, standing};
use crate::flow::hear::{SwitchedOff, switch_off};
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};

/// Nothing from anywhere else, nothing inline, never in a frame.
const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The pages of the public door.
pub fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/p/erasure/{token}").route(web::get().to(erasure)));
    config.service(web::resource("/p/{token}").route(web::get().to(show)).route(web::post().to(off)));
}

/// Asks before it does anything: mail scanners and link previews open every link.
async fn show(token: Path<String>, app: Data<App>) -> HttpResponse {
    let known = app.live().off_of(&token, app.clock.now()).is_some();
    if !known {
        return page(
            404,
            "This link is not valid any more · 連結已失效 · 链接已失效 · Liên kết không còn hiệu lực",
            false,
        );
    }
    page(200, "Turn off order updates? · 關閉訂單通知? · 关闭订单通知? · Tắt thông báo đơn hàng?", true)
}

/// Switches off, with one click and without a cookie (RFC 8058).
async fn off(token: Path<String>, app: Data<App>) -> HttpResponse {
    match switch_off(&app, &token).await {
        SwitchedOff::Off => {
            page(200, "Order updates are off · 已關閉訂單通知 · 已关闭订单通知 · Đã tắt thông báo đơn hàng", false)
        }
        SwitchedOff::Kept => page(
            200,
            "Noted: order updates will be off in a moment · 已收到,訂單通知即將關閉 · 已收到,订单通知即将关闭 · Đã ghi nhận: thông báo đơn hàng sẽ sớm được tắt",
            false,
        ),
        SwitchedOff::UnknownLink => {
            page(404, "This link is not valid any more · 連結已失效 · 链接已失效 · Liên kết không còn hiệu lực", false)
        }
        SwitchedOff::Unavailable => {
            page(503, "Please try again in a moment · 請稍後再試 · 请稍后再试 · Vui lòng thử lại sau", true)
        }
    }
}

/// How the erasure stands that somebody asked a messenger's provider for. Names nobody.
async fn erasure(token: Path<String>, app: Data<App>) -> HttpResponse {
    match standing(&app, &token).await {
        Ok(Some(Standing::Doing)) => page(
            200,
            "Your data is being erased · 正在刪除您的資料 · 正在删除您的数据 · Dữ liệu của bạn đang được xóa",
            false,
        ),
        Ok(Some(Standing::Done { records: 0, .. })) => page(
            200,
            "Nothing is kept under this account. To have an order's data erased, ask the shop · 此帳號沒有任何資料;如需刪除訂單資料,請洽商店 · 此账号没有任何数据;如需删除订单数据,请联系商店 · Không có dữ liệu nào của tài khoản này. Để xóa dữ liệu đơn hàng, hãy liên hệ cửa hàng",
            false,
        ),
        Ok(Some(Standing::Done { at, .. })) => {
            let day = at.strftime("%Y-%m-%d");
            page(
                200,
                &format!(
                    "Your data was erased ({day}) · 您的資料已刪除 · 您的数据已删除 · Dữ liệu của bạn đã được xóa"
                ),
                false,
            )
        }
        Ok(None) => {
            page(404, "This link is not valid any more · 連結已失效 · 链接已失效 · Liên kết không còn hiệu lực", false)
        }
        Err(error) => {
            tracing::warn!(%error, "how an erasure stands could not be looked up");
            page(503, "Please try again in a moment · 請稍後再試 · 请稍后再试 · Vui lòng thử lại sau", false)
        }
    }
}

fn page(status: u16, words: &str, ask: bool) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::OK);
    let lines: String = words.split(" · ").map(|line| format!("<p>{line}</p>")).collect();
    let form =
        if ask { "<form method=\"post\"><button>Turn off · 關閉 · 关闭 · Tắt</button></form>" } else { "" };
    HttpResponse::build(status)
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("x-robots-tag", "noindex"))
        .insert_header(("cache-control", "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Order updates</title>{lines}{form}</html>"
        ))
}
