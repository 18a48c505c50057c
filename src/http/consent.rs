//! `/api/v1`: consent, mutes and blocks. Addresses travel in bodies, never in an address line.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::consent::Word;
use crate::flow::consent::desk::{self, Trouble, Who};
use crate::flow::consent::files::{self, ROWS, Row};
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/consent/show", web::post().to(show))
        .route("/api/v1/consent/set", web::post().to(set))
        .route("/api/v1/consent/merge", web::post().to(merge))
        .route("/api/v1/consent/import", web::post().to(import))
        .route("/api/v1/consent/export", web::post().to(export))
        .route("/api/v1/mute", web::post().to(mute));
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::UnknownShop | Trouble::UnknownChannel | Trouble::UnknownOrder => {
                Problem::new(404, "not found", trouble.to_string())
            }
            Trouble::NoAddress | Trouble::Several(_) => Problem::new(422, "whose consent?", trouble.to_string()),
            Trouble::Store(error) => error.into(),
        }
    }
}

/// The reason given, without which nothing is done.
fn because(who: &str, reason: &str) -> Result<String, Problem> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Problem::new(422, "a reason is needed", "say why in `reason`, without names: it is remembered"));
    }
    Ok(format!("{who}: {reason}"))
}

async fn show(
    request: HttpRequest,
    who: Json<Who>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Operate)?;
    Ok(HttpResponse::Ok().json(json!({ "channels": desk::show(&status.app, &who).await? })))
}

/// What a person says of somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    who: Who,
    word: Word,
    #[serde(default)]
    reason: String,
}

async fn set(
    request: HttpRequest,
    ask: Json<Set>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let by = guard.allow(&request, Scope::Operate)?;
    let proof = because(&by, &ask.reason)?;
    if ask.word == Word::Gone {
        return Err(Problem::new(422, "not for people to say", "`word` is off, on, block or unblock"));
    }
    let reach = ask.who.shop.is_some() || ask.who.channel.is_some();
    if matches!(ask.word, Word::Block | Word::Unblock) && !reach {
        return Err(Problem::new(422, "how far does it reach?", "name the `shop`, the `channel`, or both"));
    }
    Ok(HttpResponse::Ok().json(json!({ "channels": desk::set(&status.app, &ask.who, ask.word, &proof).await? })))
}

/// Two addresses of one person.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    one: Who,
    other: Who,
    #[serde(default)]
    reason: String,
}

async fn merge(
    request: HttpRequest,
    ask: Json<Merge>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let by = guard.allow(&request, Scope::Admin)?;
    let reason = because(&by, &ask.reason)?;
    let added = desk::merge(&status.app, &ask.one, &ask.other).await?;
    tracing::warn!(reason, added, "two addresses were merged by a person");
    Ok(HttpResponse::Ok().json(json!({ "added": added })))
}

/// An order's mute.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mute {
    shop: String,
    order: String,
    channel: Option<String>,
    off: bool,
    #[serde(default)]
    reason: String,
}

async fn mute(
    request: HttpRequest,
    ask: Json<Mute>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let by = guard.allow(&request, Scope::Operate)?;
    let note = because(&by, &ask.reason)?;
    let order = (ask.shop.as_str(), ask.order.as_str());
    let channels = desk::mute(&status.app, order, ask.channel.as_deref(), ask.off, &note).await?;
    Ok(HttpResponse::Ok().json(json!({ "channels": channels })))
}

/// Rows of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    rows: Vec<Row>,
    #[serde(default)]
    execute: bool,
    #[serde(default)]
    reason: String,
}

async fn import(
    request: HttpRequest,
    ask: Json<Import>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let by = guard.allow(&request, Scope::Admin)?;
    if ask.rows.len() > ROWS {
        return Err(Problem::new(422, "too many rows", format!("send {ROWS} at a time")));
    }
    let by = if ask.execute { because(&by, &ask.reason)? } else { by };
    let rows = files::import(&status.app, &ask.rows, ask.execute, &by).await?;
    if ask.execute {
        tracing::warn!(by, rows = rows.len(), "consent was imported");
    }
    Ok(HttpResponse::Ok().json(json!({ "rows": rows })))
}

/// Which part.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    shop: Option<String>,
    channel: Option<String>,
    cursor: Option<String>,
}

async fn export(
    request: HttpRequest,
    ask: Json<Export>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let by = guard.allow(&request, Scope::Admin)?;
    if ask.cursor.is_none() {
        tracing::warn!(by, "everybody's consent is handed out");
    }
    let page = files::export(&status.app, ask.shop.as_deref(), ask.channel.as_deref(), ask.cursor.as_deref()).await?;
    Ok(HttpResponse::Ok().json(page))
}
