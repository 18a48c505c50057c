//! `/api/v1/rekey`: sealing anew. Every route asks for the scope `admin`.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::ids::ShopId;
use crate::flow::explain::Fault;
use crate::flow::rekey;
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/api/v1/rekey", web::post().to(ask)).route("/api/v1/rekey", web::get().to(last));
}

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Do it; otherwise only count.
    #[serde(default)]
    execute: bool,
    /// Shops that are no longer in the settings.
    #[serde(default)]
    shops: Vec<ShopId>,
    /// Where the last page of a dry run ended.
    cursor: Option<String>,
}

async fn ask(
    request: HttpRequest,
    ask: Json<Ask>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Admin)?;
    let app = &status.app;
    if ask.execute {
        let run = rekey::ask(app, &who, ask.shops.clone()).await.map_err(Fault::from)?;
        return Ok(HttpResponse::Ok().json(json!({ "run": run })));
    }
    let page = rekey::look(app, &ask.shops, ask.cursor.as_deref()).await.map_err(Fault::from)?;
    Ok(HttpResponse::Ok().json(json!({ "found": page.tally, "cursor": page.cursor })))
}

async fn last(request: HttpRequest, status: Data<Status>, guard: Data<Guard>) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Admin)?;
    let run = rekey::last(&status.app).await.map_err(Fault::from)?;
    let spool = status.app.spool.as_ref().map(|spool| spool.standing());
    let spool = spool.map(|s| json!({ "records": s.records, "aside": s.aside }));
    Ok(HttpResponse::Ok().json(json!({ "run": run, "spool": spool })))
}
