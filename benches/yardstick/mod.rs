//! The yardstick: the least that can be called a durable relay, so that what the product adds (rules, words,
//! encryption, ledger, fencing, metrics) has a price.
//!
//! `bare`: actix-web reads a body and checks its HMAC; nothing else.
//! `relay`: that, a typed parse, one script (seen before? owed), a worker that leases 100, one POST each, one
//! settle for all; nothing else.

mod queue;
mod worker;

use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use queue::Queue;
use serde::Deserialize;
use sha2::Sha256;
use std::sync::Arc;

const SECRET: &[u8] = super::order::SECRET.as_bytes();
/// Threads of the door: one for each processor, as the relay has them.
const THREADS: usize = 2;

/// `yardstick bare ADDRESS` or `yardstick relay ADDRESS REDIS SINK`; runs until it is killed.
pub fn main(args: &[String]) -> anyhow::Result<()> {
    let [what, at, rest @ ..] = args else { anyhow::bail!("yardstick bare|relay ADDRESS [REDIS SINK]") };
    // The relay's own client asks for a TLS provider even where it only speaks plain HTTP.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async {
        match (what.as_str(), rest) {
            ("bare", []) => {
                let server = HttpServer::new(|| {
                    App::new().app_data(limit()).route("/hooks/{platform}/{shop}", web::post().to(bare))
                });
                Ok(server.workers(THREADS).bind(at)?.run().await?)
            }
            ("relay", [redis, sink]) => {
                let queue = Arc::new(Queue::open(redis).await?);
                for _ in 0..worker::LOOPS {
                    tokio::spawn(worker::run(Arc::clone(&queue), sink.clone()));
                }
                let queue = Data::from(queue);
                let server = HttpServer::new(move || {
                    let app = App::new().app_data(queue.clone()).app_data(limit());
                    app.route("/hooks/{platform}/{shop}", web::post().to(accept))
                });
                Ok(server.workers(THREADS).bind(at)?.run().await?)
            }
            _ => anyhow::bail!("yardstick bare|relay ADDRESS [REDIS SINK]"),
        }
    })
}

fn limit() -> PayloadConfig {
    PayloadConfig::new(1024 * 1024)
}

fn genuine(request: &HttpRequest, body: &[u8]) -> bool {
    let given = request.headers().get("x-shopify-hmac-sha256").and_then(|v| STANDARD.decode(v.as_bytes()).ok());
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(SECRET)) else { return false };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

async fn bare(request: HttpRequest, body: Bytes) -> HttpResponse {
    if genuine(&request, &body) { HttpResponse::NoContent().finish() } else { HttpResponse::Unauthorized().finish() }
}

/// What a message needs of an order.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what a real parse would read is read here too")]
struct Order {
    id: u64,
    name: String,
    created_at: String,
    updated_at: String,
    financial_status: Option<String>,
    fulfillment_status: Option<String>,
    currency: String,
    total_price: String,
    customer_locale: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    order_status_url: String,
    note_attributes: Vec<Attribute>,
    line_items: Vec<Line>,
    shipping_address: Option<Address>,
}

#[derive(Deserialize)]
struct Attribute {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what a real parse would read is read here too")]
struct Line {
    id: u64,
    title: String,
    quantity: u32,
    price: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what a real parse would read is read here too")]
struct Address {
    country_code: Option<String>,
    phone: Option<String>,
}

async fn accept(request: HttpRequest, body: Bytes, queue: Data<Queue>) -> HttpResponse {
    if !genuine(&request, &body) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(order) = serde_json::from_slice::<Order>(&body) else { return HttpResponse::BadRequest().finish() };
    let delivery = request.headers().get("x-shopify-webhook-id").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let to = order.note_attributes.iter().find(|a| a.name == "line_user_id").map_or("", |a| a.value.as_str());
    let owed = serde_json::json!({
        "to": to,
        "messages": [{
            "type": "text",
            "text": format!("We received your order {}: {} {}. {}", order.name, order.total_price, order.currency, order.order_status_url),
        }],
    });
    match queue.owe(delivery, order.id, &owed.to_string()).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}
