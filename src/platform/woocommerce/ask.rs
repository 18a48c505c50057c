//! The shop's REST API: the order as it is now.
//!
//! `GET <url>/wp-json/wc/v3/orders/<id>` with the consumer key and secret as basic authentication, which
//! WooCommerce takes over TLS only (WooCommerce REST API documentation, read November 2026). The answer has
//! the very shape of a webhook's body.

use super::body::{self, Body};
use super::snapshot::{Passed, Snapshot};
use super::{AskFault, MAX_BODY, Question, Shop};
use crate::domain::event::OrderEvent;
use crate::domain::outgoing;
use crate::platform::meta;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use std::time::Duration;

/// Longest wait for an answer: shops on small hosts are slow, and nobody waits for this one.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The topic noted for what was asked, not told.
const TOPIC: &str = "rest.order";

/// Asks the shop.
pub(super) fn ask(
    shop: &Shop,
    client: &reqwest::Client,
    question: Question,
) -> BoxFuture<'static, Result<Option<OrderEvent>, AskFault>> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let id = match question {
            Question::Order(id) => id,
            Question::OrderOf(key) => {
                let kind = body::word(&key.kind);
                return refused(format!(
                    "WooCommerce cannot be asked for the order of a {kind}; only for an order by its id"
                ));
            }
        };
        let request = request(&shop, &client, id.as_str())?;
        let response = request.send().await.map_err(|e| AskFault::Later(cause(&e), None))?;
        let (status, wait) = (response.status(), retry_after(&response));
        let answer = read(response).await?;
        if status.is_success() { order(&shop, &answer) } else { Err(fault(status, wait, &answer)) }
    })
}

fn refused<T>(why: impl Into<String>) -> Result<T, AskFault> {
    Err(AskFault::Refused(why.into()))
}

/// The request; only an id of digits ever becomes part of an address.
fn request(shop: &Shop, client: &reqwest::Client, id: &str) -> Result<reqwest::RequestBuilder, AskFault> {
    let Some(api) = &shop.api else { return refused("[shop.api] is not configured") };
    let Some(key) = &api.key else { return refused("[shop.api] has no key: set WooCommerce's consumer key") };
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return refused("this is no WooCommerce order id: they are digits only");
    }
    let Ok(base) = url::Url::parse(&api.url) else {
        return refused("[shop.api] url is not an address; write https://host");
    };
    if let Some(why) = outgoing::fault(&base, api.private) {
        return refused(format!("[shop.api] url {why}"));
    }
    let address = format!("{}/wp-json/wc/v3/orders/{id}", base.as_str().trim_end_matches('/'));
    Ok(client.get(address).basic_auth(key.expose(), Some(api.secret.expose())).timeout(TIMEOUT))
}

/// The answer, never more than a webhook could be.
async fn read(response: reqwest::Response) -> Result<Vec<u8>, AskFault> {
    let answer = meta::body_within(response, MAX_BODY).await.map_err(|e| AskFault::Later(cause(&e), None))?;
    answer.ok_or_else(|| AskFault::Refused(format!("the answer is longer than {MAX_BODY} bytes")))
}

/// The order in the answer; `None`: it is none of our business (a cart, the bin).
fn order(shop: &Shop, answer: &[u8]) -> Result<Option<OrderEvent>, AskFault> {
    match body::read(answer) {
        Ok(Body::Order(order)) => match Snapshot::of(shop, *order) {
            Ok(snapshot) => Ok(Some(snapshot.event(shop, TOPIC))),
            Err(Passed::NoInterest(_)) => Ok(None),
            Err(Passed::Unreadable(why)) => refused(why),
        },
        // A maintenance page or a firewall's question, with status 200.
        Err(_) => Err(AskFault::Later("the answer is not JSON".into(), None)),
        Ok(_) => refused("the answer is no order: does [shop.api] url name this shop's home address?"),
    }
}

/// What a failed request means. The shop's own code is named, never its sentences.
fn fault(status: StatusCode, wait: Option<u64>, answer: &[u8]) -> AskFault {
    let code = match body::read(answer) {
        Ok(Body::Fault(code)) => format!(" ({code})"),
        _ => String::new(),
    };
    let said = format!("status {}{code}", status.as_u16());
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return AskFault::Later(said, wait);
    }
    AskFault::Refused(match status.as_u16() {
        401 | 403 => format!("{said}: check [shop.api] key and secret, and that the key may read orders"),
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
