//! The shop's REST API: one call, and what its failures mean.
//!
//! Consumer key and secret go as basic authentication, which WooCommerce takes over TLS only (WooCommerce REST API
//! documentation, read November 2026).

use super::body::{self, Body};
use super::{AskFault, Shop};
use crate::domain::clock::Timestamp;
use crate::domain::outgoing;
use crate::platform::{api, meta};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Longest wait for an answer: shops on small hosts are slow, and nobody waits for this one.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What the shop answered.
pub(super) struct Answer {
    /// The body.
    pub(super) body: Vec<u8>,
    /// The shop's clock.
    pub(super) date: Option<Timestamp>,
}

impl Answer {
    /// The body as any JSON.
    pub(super) fn json(&self) -> Result<Value, AskFault> {
        // A maintenance page or a firewall's question, with status 200.
        serde_json::from_slice(&self.body).map_err(|_| not_json())
    }
}

pub(super) fn not_json() -> AskFault {
    AskFault::Later("the answer is not JSON".into(), None)
}

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, AskFault> {
    Err(AskFault::Refused(why.into()))
}

/// An order's id as part of an address: digits, and nothing that leads elsewhere.
pub(super) fn order_path(id: &str) -> Result<String, AskFault> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return refused("this is no WooCommerce order id: they are digits only");
    }
    Ok(format!("orders/{id}"))
}

/// One call to `/wp-json/wc/v3/<path>`, its answer at most `most` bytes long.
pub(super) async fn call(
    shop: &Shop,
    client: &reqwest::Client,
    (method, path, body): (Method, &str, Option<&Value>),
    most: usize,
) -> Result<Answer, AskFault> {
    let Some(api) = &shop.api else { return refused("[shop.api] is not configured") };
    let Some(key) = &api.key else { return refused("[shop.api] has no key: set WooCommerce's consumer key") };
    let Ok(base) = url::Url::parse(&api.url) else {
        return refused("[shop.api] url is not an address; write https://host");
    };
    if let Some(why) = outgoing::fault(&base, api.private) {
        return refused(format!("[shop.api] url {why}"));
    }
    let reads = method == Method::GET;
    let address = format!("{}/wp-json/wc/v3/{path}", base.as_str().trim_end_matches('/'));
    let mut request = client.request(method, address).basic_auth(key.expose(), Some(api.secret.expose()));
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.timeout(TIMEOUT).send().await.map_err(|e| AskFault::Later(cause(&e), None))?;
    let (status, wait, date) = (response.status(), retry_after(&response), api::http_date(response.headers()));
    let read = meta::body_within(response, most).await.map_err(|e| AskFault::Later(cause(&e), None))?;
    let body = read.ok_or_else(|| AskFault::Refused(format!("the answer is longer than {most} bytes")))?;
    if status.is_success() { Ok(Answer { body, date }) } else { Err(fault(status, wait, &body, reads)) }
}

/// What a failed request means. The shop's own code is named, never its sentences.
fn fault(status: StatusCode, wait: Option<u64>, answer: &[u8], reads: bool) -> AskFault {
    let code = match body::read(answer) {
        Ok(Body::Fault(code)) => format!(" ({code})"),
        _ => String::new(),
    };
    let said = format!("status {}{code}", status.as_u16());
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return AskFault::Later(said, wait);
    }
    let right = if reads { "read" } else { "read and write" };
    AskFault::Refused(match status.as_u16() {
        401 | 403 => format!("{said}: check [shop.api] key and secret, and that the key may {right} orders"),
        404 => format!("{said}: no such order, or no REST API at [shop.api] url (permalinks must not be \"plain\")"),
        300..=399 => format!("{said}: [shop.api] url must be the shop's final address, without a redirect"),
        _ => said,
    })
}

/// Seconds asked for by the shop; a date is not honoured, the caller has its own pace.
fn retry_after(response: &reqwest::Response) -> Option<u64> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}

/// Why nothing came back, without the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".into()
    } else if error.is_connect() {
        "no connection".into()
    } else {
        "the connection broke".into()
    }
}
