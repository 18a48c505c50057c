//! The Admin GraphQL API: one question, and what its failures mean.
//!
//! Version 2026-10 (read November 2026). Answers come with status 200 and their errors in the body.

use crate::domain::clock::Timestamp;
use crate::domain::outgoing;
use crate::domain::settings::Secret;
use crate::platform::meta::{self, Many, Part, Text};
use crate::platform::{Api, AskFault, Shop, api};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// The version that is asked.
pub(super) const VERSION: &str = "2026-10";
const PATH: &str = "/admin/api/2026-10/graphql.json";
/// Longest answer read; an order with all its lists stays far below.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) data: Option<T>,
    fault: Option<String>,
    extensions: Value,
    /// The shop's clock.
    pub(super) date: Option<Timestamp>,
    /// The version that answered: another than asked where that is retired.
    pub(super) version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Wire<T> {
    #[serde(default = "nothing")]
    data: Option<T>,
    #[serde(default)]
    errors: Many<Fault>,
    #[serde(default)]
    extensions: Value,
}

fn nothing<T>() -> Option<T> {
    None
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    extensions: Part<FaultCode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FaultCode {
    code: Text,
}

impl<T> Answer<T> {
    /// What its errors mean; `None`: it has none.
    pub(super) fn fault(&self) -> Option<AskFault> {
        let code = self.fault.as_deref()?;
        Some(match code {
            "THROTTLED" => {
                AskFault::Later("the shop's budget of questions is spent".into(), throttled(&self.extensions))
            }
            "INTERNAL_SERVER_ERROR" | "TIMEOUT" => AskFault::Later(format!("GraphQL error {code}"), None),
            "ACCESS_DENIED" => AskFault::Refused(
                "GraphQL error ACCESS_DENIED: give the access token the scopes \
                read_orders, read_fulfillments, read_returns and read_merchant_managed_fulfillment_orders, \
                and write_orders where [shop.api] write_back is set"
                    .into(),
            ),
            _ => AskFault::Refused(format!("GraphQL error {code}")),
        })
    }
}

/// Asks, and gives what there is of an answer: a part of it may be there beside errors.
pub(super) async fn send<T: DeserializeOwned>(
    shop: &Shop,
    client: &reqwest::Client,
    query: &str,
    variables: Value,
) -> Result<Answer<T>, AskFault> {
    let api = shop
        .api
        .as_ref()
        .ok_or_else(|| AskFault::Refused(format!("shop {} has no [shop.api]: set url and secret there", shop.id)))?;
    let body = json!({ "query": query, "variables": variables }).to_string();
    let request = client.post(endpoint(api)?).headers(headers(&api.secret)?).timeout(TIMEOUT).body(body);
    let later = |e: reqwest::Error| AskFault::Later(e.without_url().to_string(), None);
    let response = request.send().await.map_err(later)?;
    check_status(response.status(), response.headers())?;
    let date = api::http_date(response.headers());
    let version = response.headers().get("x-shopify-api-version").and_then(|v| v.to_str().ok()).map(String::from);
    let bytes = meta::body_within(response, MAX_ANSWER).await.map_err(later)?;
    let bytes = bytes.ok_or_else(|| AskFault::Refused("the answer is larger than any order".into()))?;
    // A gateway's page instead of JSON passes.
    let wire: Wire<T> =
        serde_json::from_slice(&bytes).map_err(|_| AskFault::Later("the answer is not JSON".into(), None))?;
    // Only the code: a message may repeat what was asked.
    let code = |fault: &Fault| fault.extensions.0.as_ref().map_or(String::new(), |e| e.code.as_str().to_string());
    let fault = wire.errors.0.first().map(code);
    Ok(Answer { data: wire.data, fault, extensions: wire.extensions, date, version })
}

/// Asks for a change, and gives the part of the answer under `name`; its `userErrors` are a refusal.
pub(super) async fn change(
    shop: &Shop,
    client: &reqwest::Client,
    (name, query): (&str, &str),
    variables: Value,
) -> Result<(), AskFault> {
    let answer: Answer<Value> = send(shop, client, query, variables).await?;
    if let Some(fault) = answer.fault() {
        return Err(fault);
    }
    let done = answer.data.as_ref().and_then(|data| data.get(name)).filter(|part| part.is_object());
    let done = done.ok_or_else(|| AskFault::Later("the answer says nothing of what was asked".into(), None))?;
    let errors = done.get("userErrors").and_then(Value::as_array).map_or(0, Vec::len);
    let field = done.pointer("/userErrors/0/field").map(Value::to_string).unwrap_or_default();
    match errors {
        0 => Ok(()),
        _ => Err(AskFault::Refused(format!("{name} was refused because of {field}"))),
    }
}

/// The address of the API: the access token goes over `https`, or over loopback (mock, tests).
fn endpoint(api: &Api) -> Result<url::Url, AskFault> {
    let wrong = |what: &str| AskFault::Refused(format!("[shop.api] url {what}, as in https://demo.myshopify.com"));
    let url = url::Url::parse(api.url.trim_end_matches('/')).map_err(|_| wrong("is no address: write it"))?;
    if let Some(why) = outgoing::fault(&url, api.private) {
        return Err(wrong(why));
    }
    url.join(PATH).map_err(|_| wrong("cannot carry a path: write it"))
}

fn headers(token: &Secret) -> Result<HeaderMap, AskFault> {
    let mut token = HeaderValue::from_str(token.expose())
        .map_err(|_| AskFault::Refused("[shop.api] secret has characters that no access token has".into()))?;
    token.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("x-shopify-access-token", token);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), AskFault> {
    let what = |text: &str| format!("status {}: {text}", status.as_u16());
    match status.as_u16() {
        200 => Ok(()),
        401 | 403 => Err(AskFault::Refused(what("check the access token and its scopes ([shop.api] secret)"))),
        402 | 423 => Err(AskFault::Refused(what("the shop is frozen or locked at Shopify"))),
        404 => Err(AskFault::Refused(what("no such shop; check [shop.api] url"))),
        429 => Err(AskFault::Later(what("too many questions"), retry_after(headers))),
        500.. => Err(AskFault::Later(what("Shopify is unwell"), retry_after(headers))),
        _ => Err(AskFault::Refused(what("not an answer to a GraphQL question"))),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    // Shopify writes `2.0`.
    whole_secs(headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?)
}

fn whole_secs(secs: f64) -> Option<u64> {
    (secs.is_finite() && secs >= 0.0).then(|| secs.ceil().clamp(1.0, 3600.0) as u64)
}

/// Seconds until the budget has filled up to what the question costs.
fn throttled(extensions: &Value) -> Option<u64> {
    let number = |path: &str| extensions.pointer(path).and_then(Value::as_f64);
    let asked = number("/cost/requestedQueryCost")?;
    let there = number("/cost/throttleStatus/currentlyAvailable")?;
    whole_secs((asked - there) / number("/cost/throttleStatus/restoreRate").filter(|rate| *rate > 0.0)?)
}
