//! **pages** — floor 3: what customers see in a browser.
//!
//! Knows: an order's page for its customer with the switches on it (one-click unsubscribe included, RFC 8058), the form
//! that leads to it, the page that ties a messenger to an order, the one that says how an erasure stands; their words and looks, in four languages.
//! Must not know: Redis, vendors, rules.
//! May use: domain, flow
//! How to add one: a page is a function here and a line in [`routes`], a template in `html/`, words in each file of
//! `words/`; what it shows is composed in `flow`. GET changes nothing, whoever asks.

mod erasure;
mod link;
mod looks;
mod order;
mod track;

use actix_web::HttpRequest;
use actix_web::web::{self, Payload, ServiceConfig};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use url::form_urlencoded;

/// Longest form, in bytes, and how long it may take.
const FORM: usize = 8 * 1024;
const BODY: Duration = Duration::from_secs(3);

/// Tells where a request comes from, as far as that is known; the door hands it in.
pub type Place = Arc<dyn Fn(&HttpRequest) -> Option<IpAddr> + Send + Sync>;

/// The pages of the public door.
pub fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/p/erasure/{token}").route(web::get().to(erasure::show)));
    config.service(web::resource("/p/{token}").route(web::get().to(order::show)).route(web::post().to(order::press)));
    config.service(web::resource("/l/{token}").route(web::get().to(link::show)).route(web::post().to(link::open)));
    config.service(web::resource("/l/{shop}/{order}").route(web::get().to(link::by_key)));
    config.service(web::resource("/t/{shop}").route(web::get().to(track::show)).route(web::post().to(track::send)));
}

/// The language that the address asks for (`?lang=vi`).
fn wanted(request: &HttpRequest) -> Option<String> {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.into_iter().find(|(key, _)| key == "lang").map(|(_, value)| value.chars().take(12).collect())
}

/// The body of a form; `None`: too long, too slow, or broken off.
async fn body(payload: Payload) -> Option<Vec<u8>> {
    let read = timeout(BODY, payload.to_bytes_limited(FORM)).await.ok()?;
    Some(read.ok()?.ok()?.to_vec())
}

/// A field of a form.
fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
