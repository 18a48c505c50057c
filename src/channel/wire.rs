//! One HTTP client per account, and the only place where a channel touches the network over HTTP.
//!
//! No redirects (a 307 would carry our token to another origin), no proxy from the environment, no connection to
//! what is not on the public internet, every step bounded in time, every answer capped while it is read, no address
//! in an error text (tokens live there). The client repeats nothing by itself; retries happen in one layer, and
//! that is not here.

use super::media;
use crate::domain::outgoing::may_reach;
use crate::domain::people::{FetchFault, Fetched};
use crate::domain::settings::is_loopback;
use crate::domain::verdict::Answer;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Longest answer read; the rest is dropped.
const ANSWER_CAP: usize = 64 * 1024;
/// Longest time for name, connect and TLS; at most so much of the whole time, so that a provider that cannot be reached
/// is told from one that does not answer: the first was sent nothing for certain.
const CONNECT: Duration = Duration::from_secs(3);
const CONNECT_PART: f64 = 2.0 / 3.0;
/// Longest time for a whole file.
const FILE: Duration = Duration::from_secs(120);

/// Asked right before the first byte of a message's request: what a person said a moment ago still counts.
pub trait LastLook: Send + Sync {
    /// The message may go; asks only where what is known is no longer fresh.
    fn may_go(&self) -> BoxFuture<'_, bool>;
    /// It was said that it may not.
    fn shut(&self) -> bool;
}

tokio::task_local! {
    /// What watches over the message that this task sends.
    static LOOK: Arc<dyn LastLook>;
}

/// Sends with somebody watching: name look-up, connecting and credentials may take long, so the question is asked
/// where the request begins.
pub async fn watched<T>(look: Option<Arc<dyn LastLook>>, send: impl Future<Output = T>) -> T {
    match look {
        Some(look) => LOOK.scope(look, send).await,
        None => send.await,
    }
}

/// Who watches over the message that this task sends.
pub(super) fn last_look() -> Option<Arc<dyn LastLook>> {
    LOOK.try_with(Arc::clone).ok()
}

/// A body that is given out once the last look allows it: the provider has no whole request before, and drops one
/// that ends without its body.
fn looked_at(look: Arc<dyn LastLook>, body: String) -> reqwest::Body {
    let once = async move {
        match look.may_go().await {
            true => Ok(Bytes::from(body)),
            false => Err(io::Error::other("what forbids the message was heard at the last moment")),
        }
    };
    reqwest::Body::wrap_stream(futures_util::stream::once(Box::pin(once)))
}

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
        let client = outgoing(Guarded::system(false))
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT.min(timeout.mul_f64(CONNECT_PART)))
            .timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .https_only(!plain)
            .user_agent(concat!("orderwire/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| {
                let remedy = "install ca-certificates, or name a file of trusted certificates in SSL_CERT_FILE";
                format!("no HTTP client can be made: {}; {remedy}", cause(e))
            })?;
        Ok(Wire { client })
    }

    /// Posts a JSON document once and reports what was seen; never repeats by itself.
    pub async fn post_json(&self, url: &str, headers: HeaderMap, body: String) -> Answer {
        self.post(url, headers, "application/json", body).await
    }

    /// Posts a document of this content type once.
    pub async fn post(&self, url: &str, headers: HeaderMap, kind: &'static str, body: String) -> Answer {
        let request = self.client.post(url).headers(headers).header("content-type", kind);
        let Some(look) = last_look() else { return self.answer(request.body(body)).await };
        let request = request.header("content-length", body.len());
        match self.answer(request.body(looked_at(Arc::clone(&look), body))).await {
            // No provider acts on a request that never was whole.
            Answer::NoAnswer(why) if look.shut() => Answer::NotSent(why),
            answer => answer,
        }
    }

    /// Posts a form (`application/x-www-form-urlencoded`) once.
    pub async fn post_form(&self, url: &str, headers: HeaderMap, fields: &[(&str, &str)]) -> Answer {
        self.post(url, headers, "application/x-www-form-urlencoded", query(fields)).await
    }

    /// Puts a JSON document once.
    pub async fn put_json(&self, url: &str, headers: HeaderMap, body: String) -> Answer {
        self.answer(self.client.put(url).headers(headers).header("content-type", "application/json").body(body)).await
    }

    /// Posts bytes of this content type once: pictures.
    pub async fn post_bytes(&self, url: &str, headers: HeaderMap, kind: &'static str, body: Vec<u8>) -> Answer {
        self.answer(self.client.post(url).headers(headers).header("content-type", kind).body(body)).await
    }

    /// Deletes what lies there.
    pub async fn delete(&self, url: &str, headers: HeaderMap) -> Answer {
        self.answer(self.client.delete(url).headers(headers)).await
    }

    /// Gets a document.
    pub async fn get(&self, url: &str, headers: HeaderMap) -> Answer {
        self.answer(self.client.get(url).headers(headers)).await
    }

    /// Gets a file: its head at once, its bytes as they come.
    ///
    /// # Errors
    /// It is none, too large, or did not come.
    pub async fn fetch(&self, url: &str, headers: HeaderMap) -> Result<Fetched, FetchFault> {
        let sent = self.client.get(url).headers(headers).timeout(FILE).send().await;
        media::file(sent.map_err(|e| FetchFault::Failed(cause(e)))?)
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

/// What every client of ours has in common that asks others: no proxy, no redirect, names looked up by `guarded`.
pub fn outgoing(guarded: Guarded) -> reqwest::ClientBuilder {
    install_tls();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).dns_resolver(Arc::new(guarded))
}

/// How a name is looked up.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Looks names up and leaves out every address that none of ours may reach: no name, whoever owns it, leads a
/// request into our network. Connections go to the very addresses that were looked at, so that a second answer
/// (rebinding) changes nothing. `localhost` leads to loopback only.
pub struct Guarded {
    lookup: Lookup,
    private: bool,
}

impl Guarded {
    /// By the system's means. `private`: addresses of private networks count as well.
    pub fn system(private: bool) -> Guarded {
        let ask = |name: String| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|at| at.ip()).collect()) })
        };
        Guarded { lookup: Arc::new(ask), private }
    }

    /// By other means, for tests that have no name server.
    pub fn by(lookup: Lookup, private: bool) -> Guarded {
        Guarded { lookup, private }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (asked, private) = ((self.lookup)(name.as_str().to_string()), self.private);
        Box::pin(async move {
            let here = is_loopback(name.as_str());
            let fine = |ip: &IpAddr| if here { ip.is_loopback() } else { may_reach(*ip, private) };
            let found: Vec<SocketAddr> = asked.await?.into_iter().filter(fine).map(|ip| (ip, 0).into()).collect();
            if found.is_empty() {
                return Err("its name leads to no address on the public internet".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// `ring` as the process's TLS provider. Idempotent: whoever came first installed the same.
pub fn install_tls() {
    use rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
        tracing::debug!("another thread installed the TLS provider first");
    }
}

/// Fields as they stand behind a `?` or in a form.
pub fn query(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
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
