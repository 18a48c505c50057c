//! `/api/v1`: people's data. Every route asks for the scope `admin`.

use super::Status;
use super::auth::{Guard, Scope};
use super::problem::Problem;
use crate::domain::ids::{OrderId, ShopId};
use crate::domain::order::Contact;
use crate::flow::erase::{self, Duty, Kind, Listed};
use crate::flow::explain::Fault;
use crate::flow::{self, App};
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/redact", web::post().to(redact))
        .route("/api/v1/redact", web::get().to(list))
        .route("/api/v1/link", web::post().to(link))
        .route("/api/v1/export", web::post().to(export))
        .route("/api/v1/export/answered", web::post().to(answered));
}

/// What is to be erased: an order, a customer, or all of a shop.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redact {
    shop: String,
    order: Option<String>,
    customer: Option<String>,
    #[serde(default)]
    all: bool,
    /// Why; needed to execute, and remembered.
    reason: Option<String>,
    /// Do it; otherwise only say what would go.
    #[serde(default)]
    execute: bool,
    /// Where the last page of a dry run ended.
    cursor: Option<String>,
}

impl Redact {
    fn duty(&self, app: &App, who: &str) -> Result<Duty, Problem> {
        let shop = ShopId::from(self.shop.as_str());
        // Of a shop that is no longer configured all may go; for less its settings are needed.
        if !self.all && !app.live().shops.contains_key(&shop) {
            return Err(Fault::UnknownShop.into());
        }
        let reason = self.reason.as_deref().unwrap_or_default().trim();
        let new = |kind| Duty::new(kind, &shop, who, reason, app.clock.now());
        let named =
            |word: &Option<String>| word.as_deref().map(str::trim).filter(|w| !w.is_empty()).map(str::to_string);
        match (named(&self.order), named(&self.customer), self.all) {
            (Some(id), None, false) => {
                Ok(new(Kind::Orders).about(Contact::default(), vec![OrderId::from(id.as_str())]))
            }
            (None, Some(word), false) => Ok(new(Kind::Customer).about(erase::person_of(&word), Vec::new())),
            (None, None, true) => Ok(new(Kind::Shop)),
            _ => Err(Problem::new(422, "what is to be erased?", "name exactly one of `order`, `customer`, `all`")),
        }
    }
}

async fn redact(
    request: HttpRequest,
    ask: Json<Redact>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Admin)?;
    let app = &status.app;
    let duty = ask.duty(app, &who)?;
    if !ask.execute {
        return Ok(HttpResponse::Ok().json(erase::preview(app, &duty, ask.cursor.as_deref()).await?));
    }
    if duty.reason.is_empty() {
        return Err(Problem::new(422, "a reason is needed", "say why in `reason`, without names: it is remembered"));
    }
    let id = erase::ask(app, duty).await.map_err(Fault::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": id })))
}

/// A duty without the person.
fn shown((id, duty): &Listed) -> Value {
    let answer = format!("orderwire export {} --request {id}", duty.shop);
    let run = (duty.kind == Kind::HandOut && duty.done.is_none()).then_some(answer);
    json!({
        "id": id, "kind": duty.kind, "shop": duty.shop, "by": duty.by, "reason": duty.reason, "asked": duty.asked,
        "counts": duty.counts, "done": duty.done, "run": run,
    })
}

async fn list(request: HttpRequest, status: Data<Status>, guard: Data<Guard>) -> Result<HttpResponse, Problem> {
    guard.allow(&request, Scope::Admin)?;
    let (open, done) = erase::list(&status.app).await.map_err(Fault::from)?;
    let all = |list: &[Listed]| list.iter().map(shown).collect::<Vec<_>>();
    Ok(HttpResponse::Ok().json(json!({ "open": all(&open), "done": all(&done) })))
}

/// Which order a messenger may be tied to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invite {
    shop: String,
    order: String,
}

/// A link for the customer of an order. Nothing is written: it is sealed into the link itself.
async fn link(
    request: HttpRequest,
    ask: Json<Invite>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Operate)?;
    let app = &status.app;
    let (live, until) = (app.live(), flow::link::good_until(app.clock.now()));
    let shop = ShopId::from(ask.shop.as_str());
    if !live.shops.contains_key(&shop) {
        return Err(Fault::UnknownShop.into());
    }
    let ways: Vec<_> = flow::link::ways(&live, &shop).into_iter().map(|way| way.channel).collect();
    if ways.is_empty() {
        let remedy = "set start_url of a channel account that a route of this shop's customers names";
        return Err(Problem::new(409, "no messenger can be tied to orders of this shop", remedy));
    }
    let order = ask.order.trim();
    if order.is_empty() {
        return Err(Problem::new(422, "which order?", "name it by the platform's id in `order`"));
    }
    let invitation = flow::link::Invitation { shop: shop.clone(), order: order.into(), shown: None };
    let none = || Problem::new(409, "the relay has no public address", "set [server] public_url");
    let url = live.invite(&invitation, until).ok_or_else(none)?;
    tracing::info!(%shop, who, "a link that ties a messenger to an order was made");
    Ok(HttpResponse::Ok().json(json!({ "url": url, "until": until, "channels": ways })))
}

/// Whose data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    shop: String,
    customer: Option<String>,
    /// Id of the wish that the shop passed on.
    request: Option<String>,
    cursor: Option<String>,
}

async fn export(
    request: HttpRequest,
    ask: Json<Export>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Admin)?;
    let app = &status.app;
    let shop = ShopId::from(ask.shop.as_str());
    let (person, orders) = match (&ask.customer, &ask.request) {
        (Some(word), None) if !word.trim().is_empty() => (erase::person_of(word), Vec::new()),
        (None, Some(id)) => {
            let wish = erase::wish(app, id).await.map_err(Fault::from)?.filter(|w| w.shop == shop);
            let unknown = || Problem::new(404, "not found", "no open request of this id for this shop");
            let wish = wish.ok_or_else(unknown)?;
            (wish.person, wish.orders)
        }
        _ => return Err(Problem::new(422, "whose data?", "name exactly one of `customer`, `request`")),
    };
    if ask.cursor.is_none() {
        tracing::warn!(shop = %shop, who, request = ask.request.as_deref(), "a customer's data are handed out");
    }
    Ok(HttpResponse::Ok().json(erase::data(app, &shop, (&person, &orders), ask.cursor.as_deref()).await?))
}

/// A wish that was answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    request: String,
}

async fn answered(
    request: HttpRequest,
    ask: Json<Answered>,
    status: Data<Status>,
    guard: Data<Guard>,
) -> Result<HttpResponse, Problem> {
    let who = guard.allow(&request, Scope::Admin)?;
    if !erase::answered(&status.app, &ask.request).await.map_err(Fault::from)? {
        return Err(Problem::new(404, "not found", "no open request of this id"));
    }
    tracing::warn!(who, request = ask.request, "a customer's wish for their data was answered");
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}
