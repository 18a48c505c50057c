//! A problem document: how the admin door says no (RFC 9457).

use crate::flow::StoreError;
use crate::flow::explain::Fault;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use std::fmt;

/// A problem document.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    title: String,
    detail: String,
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem with its remedy.
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Problem {
        Problem { status, title: title.into(), detail: detail.into(), retry_after: None }
    }

    /// The same, with how many seconds to wait before asking again.
    pub fn after(self, secs: u64) -> Problem {
        Problem { retry_after: Some(secs), ..self }
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if self.status == 401 {
            answer.insert_header(("www-authenticate", "Bearer"));
        }
        if let Some(secs) = self.retry_after {
            answer.insert_header(("retry-after", secs.to_string()));
        }
        answer.content_type("application/problem+json").body(
            json!({ "type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail })
                .to_string(),
        )
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unknown | Fault::UnknownShop => Problem::new(404, "not found", fault.to_string()),
            Fault::Store(_) => Problem::new(503, "Redis could not be asked", fault.to_string()),
            Fault::Tight => Problem::new(503, "Redis is nearly full", fault.to_string()),
            Fault::Kept(_) => Problem::new(409, "the order cannot be worked on", fault.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Problem::new(503, "Redis could not be asked", error.to_string())
    }
}
