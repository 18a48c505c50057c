//! `/api/v1`: what customers and the shop's people say to each other. Bodies hold customers' words.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::people::FetchFault;
use crate::flow::people::{self, Said, Trouble};
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

/// Longest key of a request.
const KEY: usize = 200;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/conversations/{conversation}", web::get().to(show))
        .route("/api/v1/conversations/{conversation}/replies", web::post().to(reply))
        .route("/api/v1/conversations/{conversation}/files/{item}/{number}", web::get().to(file))
        .route("/api/v1/saved-replies", web::get().to(saved))
        .route("/api/v1/send", web::post().to(send));
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unknown | Trouble::UnknownOrder => Problem::new(404, "not found", trouble.to_string()),
            Trouble::Nobody => Problem::new(409, "nobody can be written to", trouble.to_string()),
            Trouble::NoWords | Trouble::NoPicture => Problem::new(422, "nothing to send", trouble.to_string()),
            Trouble::NoFile => Problem::new(404, "not found", trouble.to_string()),
            Trouble::Fetch(FetchFault::Gone) => Problem::new(410, "it is gone", trouble.to_string()),
            Trouble::Fetch(FetchFault::NotOffered | FetchFault::TooLarge(_)) => {
                Problem::new(409, "it cannot be fetched", trouble.to_string())
            }
            Trouble::Fetch(FetchFault::Failed(_)) => Problem::new(502, "the messenger failed", trouble.to_string()),
            Trouble::Kept(error) => crate::flow::explain::Fault::from(error).into(),
        }
    }
}

async fn show(
    request: HttpRequest,
    path: Path<String>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Operate)?;
    Ok(HttpResponse::Ok().json(people::view(&status.app, &path).await?))
}

/// Something that a customer sent, as the messenger gives it out: always a file to be saved, never a page.
async fn file(
    request: HttpRequest,
    path: Path<(String, u16, usize)>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let (conversation, item, number) = path.into_inner();
    let (_, fetched) = people::fetch(&status.app, &conversation, (item, number)).await?;
    tracing::info!(who, conversation, item, number, "a file that a customer sent was fetched");
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(fetched.content_type)
        .insert_header(("content-disposition", "attachment"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("cache-control", "no-store"));
    Ok(match fetched.length {
        Some(length) => answer.no_chunking(length).streaming(fetched.bytes),
        None => answer.streaming(fetched.bytes),
    })
}

/// A person's words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default)]
    text: String,
    /// Address of a picture.
    picture: Option<String>,
    /// Who says it; left out: the token's name.
    by: Option<String>,
}

impl Words {
    fn said(self, request: &HttpRequest, token: &str) -> Result<Said, Problem> {
        Ok(Said {
            id: key(request)?,
            door: "api".into(),
            by: self.by.unwrap_or_else(|| token.to_string()).chars().take(100).collect(),
            text: self.text,
            picture: self.picture,
            file: false,
        })
    }
}

/// Replies that can be sent by their name.
async fn saved(request: HttpRequest, status: Data<Status>, guard: Data<Guard>) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Read)?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "replies": people::saved_replies(&status.app) })))
}

/// What makes a repeat of the request known.
fn key(request: &HttpRequest) -> Result<String, Problem> {
    let given = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).map(str::trim);
    match given {
        None => Ok(uuid::Uuid::from_u128(rand::random()).to_string()),
        Some(key) if (1..=KEY).contains(&key.len()) => Ok(key.to_string()),
        Some(_) => Err(Problem::new(422, "no key", format!("Idempotency-Key has 1 to {KEY} characters"))),
    }
}

async fn reply(
    request: HttpRequest,
    path: Path<String>,
    words: Json<Words>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let said = words.into_inner().said(&request, &who)?;
    let taken = people::say(&status.app, &path, &said).await?;
    tracing::info!(who, conversation = taken.conversation, item = taken.item, "a person's reply was taken");
    Ok(HttpResponse::Accepted().json(taken))
}

/// To whom, and what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    shop: String,
    order: String,
    channel: Option<String>,
    #[serde(default)]
    text: String,
    picture: Option<String>,
    by: Option<String>,
}

async fn send(
    request: HttpRequest,
    ask: Json<Send>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let Send { shop, order, channel, text, picture, by } = ask.into_inner();
    let said = Words { text, picture, by }.said(&request, &who)?;
    let taken = people::order(&status.app, (&shop, &order), channel.as_deref(), &said).await?;
    tracing::info!(who, shop, order, conversation = taken.conversation, "a person's words to a customer were taken");
    Ok(HttpResponse::Accepted().json(taken))
}
