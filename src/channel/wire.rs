//! One HTTP client per account, and the only place where a channel touches the network over HTTP.
//!
//! No redirects (a 307 would carry our token to another origin), no proxy from the environment, every step
//! bounded in time, every answer capped while it is read, no address in an error text (tokens live there).
//! The client repeats nothing by itself; retries happen in one layer, and that is not here.

use crate::domain::verdict::Answer;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use std::error::Error as _;
use std::time::Duration;

/// Longest answer read; the rest is dropped.
const ANSWER_CAP: usize = 64 * 1024;
/// Longest time for name, connect and TLS.
const CONNECT: Duration = Duration::from_secs(3);

/// An account's own client: pools and permits are never shared, so that one provider that hangs holds
/// nobody else up.
#[derive(Clone, Debug)]
pub struct Wire {
    client: reqwest::Client,
}

impl Wire {
    /// A client that gives up after `timeout`, connect and answer together. `plain` allows `http` (mock,
    /// tests); otherwise only `https` leaves the house.
    ///
    /// # Errors
    /// The TLS back end could not be set up.
    pub fn new(timeout: Duration, plain: bool) -> Result<Wire, String> {
        install_tls();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .https_only(!plain)
            .user_agent(concat!("orderwire/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.without_url().to_string())?;
        Ok(Wire { client })
    }

    /// Posts a JSON document once and reports what was seen; never repeats by itself.
    pub async fn post_json(&self, url: &str, headers: HeaderMap, body: String) -> Answer {
        let request = self.client.post(url).headers(headers).header("content-type", "application/json").body(body);
        self.answer(request).await
    }

    /// Posts a form (`application/x-www-form-urlencoded`) once.
    pub async fn post_form(&self, url: &str, headers: HeaderMap, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = "application/x-www-form-urlencoded";
        let request = self.client.post(url).headers(headers).header("content-type", form).body(body);
        self.answer(request).await
    }

    /// Gets a document.
    pub async fn get(&self, url: &str, headers: HeaderMap) -> Answer {
        self.answer(self.client.get(url).headers(headers)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let mut response = match request.send().await {
            Ok(response) => response,
            // Only the connect phase is certain not to have reached the provider.
            Err(e) if e.is_connect() || e.is_builder() => return Answer::NotSent(cause(e)),
            Err(e) => return Answer::NoAnswer(cause(e)),
        };
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = ANSWER_CAP.saturating_sub(body.len());
                    body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                    if body.len() >= ANSWER_CAP {
                        break;
                    }
                }
                Ok(None) => break,
                // A status without its whole body says nothing certain: the body decides for many vendors.
                Err(e) => return Answer::NoAnswer(format!("status {status}, then {}", cause(e))),
            }
        }
        Answer::Reply { status, headers, body }
    }
}

/// `ring` as the process's TLS provider. Idempotent: whoever came first installed the same.
pub fn install_tls() {
    use rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
        tracing::debug!("another thread installed the TLS provider first");
    }
}

/// `Authorization: Bearer …`, marked as sensitive so that no log of headers shows it. `None`: the token holds
/// characters that no header can carry.
pub fn bearer(token: &str) -> Option<HeaderMap> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Seconds of a `Retry-After` header, held within a day. The other form, a date, is not used by any vendor
/// here and counts as none.
pub fn retry_after(answer: &Answer) -> Option<i64> {
    answer.header("retry-after")?.trim().parse::<i64>().ok().map(|s| s.clamp(0, 86_400))
}

/// The innermost cause, without the address.
fn cause(e: reqwest::Error) -> String {
    let e = e.without_url();
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    if e.is_timeout() { format!("timed out ({text})") } else { text }
}
