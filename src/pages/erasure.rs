//! How the erasure stands that somebody asked a messenger's provider for. Names nobody.

use super::looks::four;
use crate::flow::App;
use crate::flow::erase::through::{Standing, standing};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};

/// `GET /p/erasure/{token}`.
pub async fn show(token: Path<String>, app: Data<App>) -> HttpResponse {
    match standing(&app, &token).await {
        Ok(Some(Standing::Doing)) => four(StatusCode::OK, "four.erasing", ""),
        Ok(Some(Standing::Done { records: 0, .. })) => four(StatusCode::OK, "four.nothing", ""),
        Ok(Some(Standing::Done { at, .. })) => {
            four(StatusCode::OK, "four.erased", &at.strftime("%Y-%m-%d").to_string())
        }
        Ok(None) => four(StatusCode::NOT_FOUND, "four.gone", ""),
        Err(error) => {
            tracing::warn!(%error, "how an erasure stands could not be looked up");
            four(StatusCode::SERVICE_UNAVAILABLE, "four.again", "")
        }
    }
}
