//! `/api/v1`: what is asked of shops' own APIs.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ShopId;
use crate::flow::reconcile::{self, Trouble};
use crate::flow::{doctor, kept::AcceptError};
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/api/v1/reconcile", web::post().to(reconciling)).route("/api/v1/doctor", web::post().to(looking));
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let said = trouble.to_string();
        match trouble {
            Trouble::UnknownShop => Problem::new(404, "not found", said),
            Trouble::NoApi => Problem::new(422, "the shop cannot be asked", said),
            Trouble::Taken => Problem::new(409, "already under way", said),
            Trouble::Shop(_) => Problem::new(502, "the shop did not answer", said),
            Trouble::Accept(AcceptError::Store(error)) => error.into(),
            Trouble::Accept(_) => Problem::new(503, "it could not be taken in", said),
        }
    }
}

/// From when on which shop is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reconcile {
    shop: String,
    since: Option<Timestamp>,
    #[serde(default)]
    dry_run: bool,
}

async fn reconciling(
    request: HttpRequest,
    ask: Json<Reconcile>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, if ask.dry_run { Scope::Read } else { Scope::Operate })?;
    if !ask.dry_run {
        tracing::warn!(shop = ask.shop, who, "a shop is asked what changed");
    }
    let shop = ShopId::from(ask.shop.as_str());
    Ok(HttpResponse::Ok().json(reconcile::look(&status.app, &shop, ask.since, ask.dry_run).await?))
}

/// Which shops, and whether they are put right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    shop: Option<String>,
    #[serde(default)]
    fix: bool,
}

async fn looking(
    request: HttpRequest,
    ask: Json<Look>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, if ask.fix { Scope::Operate } else { Scope::Read })?;
    if ask.fix {
        tracing::warn!(shop = ask.shop, who, "shops are looked after, and put right");
    }
    let shop = ask.shop.as_deref().map(ShopId::from);
    let standings = doctor::look(&status.app, shop.as_ref(), ask.fix).await;
    if standings.is_empty() && shop.is_some() {
        return Err(Problem::new(404, "not found", "no such shop in the settings"));
    }
    let wrong = standings.iter().any(doctor::Standing::is_wrong);
    Ok(HttpResponse::Ok().json(json!({ "wrong": wrong, "shops": standings })))
}
