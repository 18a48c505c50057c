//! Who may use the admin door: Host names on a list, bearer tokens with scopes.
//!
//! A right token is let in from anywhere and at any time; only then are wrong ones counted, by where they come from. So
//! nobody is locked out for another, and behind a proxy that nobody named one count for all does no harm.

use super::Status;
use super::problem::Problem;
use super::source::Sources;
use crate::domain::settings::Mistake;
use crate::telemetry::AuthFailure;
use actix_web::HttpRequest;
use actix_web::http::header;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Characters of a token at least.
const LEAST: usize = 32;
/// What [`Sources`] knows this door by.
const DOOR: &str = "admin";

/// What a token allows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look.
    Read,
    /// Replay, discard, pause, resume.
    Operate,
    /// Erase, import, export.
    Admin,
}

/// A token, kept as its SHA-256 only.
#[derive(Clone)]
pub struct Token {
    /// Who, for the audit.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    hash: [u8; 32],
}

impl Token {
    /// Takes a token in; the text itself is not kept.
    pub fn new(name: &str, scopes: Vec<Scope>, token: &str) -> Token {
        Token { name: name.into(), scopes, hash: Sha256::digest(token.as_bytes()).into() }
    }
}

/// The door's keeper.
#[derive(Clone)]
pub struct Guard {
    /// Host names accepted, without port: a page of another site cannot reach us through DNS.
    pub hosts: Vec<String>,
    /// Tokens of the API.
    pub tokens: Vec<Token>,
    /// Token of `/metrics`; `None`: open.
    pub metrics: Option<Token>,
}

impl Guard {
    /// The request's Host is one of ours.
    ///
    /// # Errors
    /// 421 with the remedy.
    pub fn host(&self, request: &HttpRequest) -> Result<(), Problem> {
        let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        if self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Problem::new(421, "host not accepted", "add the name to [admin] hosts"))
    }

    /// The request is for us and carries one of our tokens.
    ///
    /// # Errors
    /// 421 for another host, 401 without or with a wrong token.
    pub fn known(&self, request: &HttpRequest) -> Result<&Token, Problem> {
        self.host(request)?;
        self.bearer(request).ok_or_else(|| {
            Problem::new(401, "a token is needed", "send Authorization: Bearer TOKEN with one of [admin] tokens")
        })
    }

    /// The request carries a token with this scope; returns who it is.
    ///
    /// # Errors
    /// As [`Guard::known`], 403 without the scope.
    pub fn allow(&self, request: &HttpRequest, scope: Scope) -> Result<String, Problem> {
        let token = self.known(request)?;
        if token.scopes.contains(&scope) {
            return Ok(token.name.clone());
        }
        Err(Problem::new(403, "the token lacks the scope", "use a token with the scope this call needs"))
    }

    /// `/metrics` may be read.
    ///
    /// # Errors
    /// 401.
    pub fn metrics(&self, request: &HttpRequest) -> Result<(), Problem> {
        match &self.metrics {
            None => Ok(()),
            Some(token) if presented(request).is_some_and(|hash| bool::from(hash.ct_eq(&token.hash))) => Ok(()),
            Some(_) => {
                Err(Problem::new(401, "a token is needed", "send Authorization: Bearer with [admin] metrics_token"))
            }
        }
    }

    /// All tokens are compared, each in constant time.
    fn bearer(&self, request: &HttpRequest) -> Option<&Token> {
        let hash = presented(request)?;
        let mut found = None;
        for token in &self.tokens {
            if bool::from(hash.ct_eq(&token.hash)) {
                found = Some(token);
            }
        }
        found
    }
}

fn presented(request: &HttpRequest) -> Option<[u8; 32]> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Sha256::digest(token.trim().as_bytes()).into())
}

/// The answer to somebody without a right token: counted, and after many wrong ones from one place "not so fast" (429,
/// with the time to wait). Any other refusal is left as it is.
pub fn stranger(problem: Problem, request: &HttpRequest, status: &Status, sources: &Sources) -> Problem {
    if problem.status() != 401 {
        return problem;
    }
    let count = |what| status.app.metrics.auth_failure(what);
    if presented(request).is_none() {
        count(AuthFailure::Missing);
        return problem;
    }
    let (place, now) = (sources.nearest(request), status.app.clock.now());
    if let Some(secs) = sources.shut(place, DOOR, now) {
        count(AuthFailure::ShutOut);
        let detail = "come back later; a right token is taken at any time";
        return Problem::new(429, "too many wrong tokens", detail).after(secs);
    }
    count(AuthFailure::Wrong);
    if let (Some(place), Some(secs)) = (place, sources.wrong(place, DOOR, now)) {
        tracing::warn!(%place, secs, "too many wrong tokens at the admin door: its place is shut out for a while");
    }
    problem
}

/// What is wrong with `[admin]`.
pub fn mistakes(admin: &super::settings::AdminSettings) -> Vec<Mistake> {
    let mut found = Vec::new();
    if !admin.listen.ip().is_loopback() && !admin.allow_remote {
        let message = "is not loopback, and this door speaks no TLS; keep it on 127.0.0.1, or set allow_remote = true where a mesh or network policy keeps it private";
        found.push(Mistake::new("listen", message));
    }
    if admin.hosts.is_empty() {
        found.push(Mistake::new("hosts", "accepts nobody, commands on this machine included; write [\"localhost\", \"127.0.0.1\", \"::1\"] or leave it out"));
    }
    for (i, token) in admin.tokens.iter().enumerate() {
        if token.token.expose().chars().count() < LEAST {
            let message = format!("is shorter than {LEAST} characters; make one with: openssl rand -hex 32");
            found.push(Mistake::new(format!("tokens[{i}].token"), message));
        }
        if token.scopes.is_empty() {
            found.push(Mistake::new(
                format!("tokens[{i}].scopes"),
                "allows nothing; write [\"read\"] or [\"read\", \"operate\"]",
            ));
        }
    }
    found
}
