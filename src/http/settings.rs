//! `[server]` and `[admin]`.

use super::auth::Scope;
use crate::domain::settings::{Mistake, Secret};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, SocketAddr};

/// The public door.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Address to listen on.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Address under which shops and providers reach this door (`https://notify.example.com`).
    pub public_url: Option<String>,
    /// Threads that serve requests; 0: one for each processor.
    pub workers: usize,
    /// Seconds for what is under way when the process is told to stop.
    pub grace_secs: u64,
    /// Genuine requests that may wait for Redis at one time in this process. More go to the spool, or are turned away
    /// (503) before they are read.
    pub max_waiting: usize,
    /// Networks of the proxies before this door, whose `X-Forwarded-For` is believed: only with them can a place that
    /// shows wrong signatures be told from all others.
    pub trusted_proxies: Vec<String>,
}

fn address<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    let wrong =
        |_| D::Error::custom("is no address to listen on; write numbers and a port, like 127.0.0.1:8080 or [::1]:8080");
    String::deserialize(d)?.parse().map_err(wrong)
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            workers: 0,
            grace_secs: 25,
            max_waiting: crate::flow::pressure::WAITING,
            trusted_proxies: Vec::new(),
        }
    }
}

impl ServerSettings {
    /// What is wrong with them.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let wrong = |(i, text): (usize, &String)| {
            let key = format!("trusted_proxies[{i}]");
            net(text).is_none().then(|| Mistake::new(key, "write a network or an address, like 10.0.0.0/8 or fd00::1"))
        };
        let mut mistakes: Vec<Mistake> = self.trusted_proxies.iter().enumerate().filter_map(wrong).collect();
        if self.max_waiting == 0 {
            mistakes.push(Mistake::new("max_waiting", "lets nobody in; write 1 or more, or leave it out"));
        }
        mistakes.extend(self.public_url.as_deref().and_then(wrong_public_url));
        mistakes
    }

    /// Networks whose word is believed.
    pub fn proxies(&self) -> Vec<IpNet> {
        self.trusted_proxies.iter().filter_map(|text| net(text)).collect()
    }
}

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn wrong_public_url(text: &str) -> Option<Mistake> {
    let url = url::Url::parse(text).ok().filter(|u| u.scheme() == "https" && u.has_host());
    let plain = url.is_some_and(|u| u.query().is_none() && u.fragment().is_none() && u.username().is_empty());
    let remedy = "write an https address without query or user, like https://notify.example.com: it stands in customers' messages";
    (!plain).then(|| Mistake::new("public_url", remedy))
}

/// The admin door: never public.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Address to listen on.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Host names accepted in requests (probes excepted).
    pub hosts: Vec<String>,
    /// Tokens of the admin API.
    pub tokens: Vec<TokenSettings>,
    /// Token that `/metrics` asks for; left out: open.
    pub metrics_token: Option<Secret>,
    /// Listen on an address that is not loopback, although this door speaks no TLS (a mesh or an ingress
    /// must keep it private).
    pub allow_remote: bool,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            hosts: vec!["localhost".into(), "127.0.0.1".into(), "::1".into()],
            tokens: Vec::new(),
            metrics_token: None,
            allow_remote: false,
        }
    }
}

/// A token of the admin API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Who it belongs to, for the audit.
    pub name: String,
    /// What it allows: `read`, `operate`, `admin`.
    pub scopes: Vec<Scope>,
    /// The token: at least 32 random characters.
    pub token: Secret,
}
