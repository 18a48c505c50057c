//! Asking a running relay through its admin door.

use super::{Status, out};
use crate::boot;
use anyhow::bail;
use clap::Args as ClapArgs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Longest time for a whole file.
const FILE: Duration = Duration::from_secs(180);

/// Where the relay answers, and with what token to ask.
#[derive(ClapArgs, Clone, Debug, Default)]
pub struct Door {
    /// Address of the admin door; left out: `[admin] listen` of the settings.
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// File with an admin token; left out: the settings' first token, else the relay's own file in `store.dir`.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<std::path::PathBuf>,
}

/// A client of the admin API.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Door {
    /// A client by these arguments and the settings.
    ///
    /// # Errors
    /// The settings cannot be read, or there is no token.
    pub fn client(&self, config: Option<&Path>) -> anyhow::Result<Client> {
        let mut base = self.url.clone();
        let token = self.token_file.as_ref().map(std::fs::read_to_string).transpose();
        let mut token = token.map_err(|e| super::Misuse(format!("--token-file: {e}")))?;
        if base.is_none() || token.is_none() {
            let reach = boot::reach(config, &crate::config::environment()).map_err(super::check::as_error)?;
            base = base.or(Some(format!("http://{}", nearest(reach.admin))));
            token = token.or(reach.token);
        }
        let Some(token) = token.map(|t| t.trim().to_string()).filter(|t| !t.is_empty()) else {
            bail!(super::Misuse("no admin token: set [admin] tokens, or run this beside the relay, whose own token lies in store.dir/admin.token".into()));
        };
        crate::channel::install_tls();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Client { http, base: base.unwrap_or_default().trim_end_matches('/').into(), token })
    }
}

/// Where a door that listens on every address is reached from beside it: `0.0.0.0` is no host that it answers to.
fn nearest(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), listen.port()),
        _ => listen,
    }
}

impl Client {
    /// `GET`.
    ///
    /// # Errors
    /// The relay does not answer, or says why not.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// `GET` of a file into this new one; gives its length.
    ///
    /// # Errors
    /// The relay does not answer, says why not, or the file broke off: nothing is left then.
    pub async fn save(&self, path: &str, file: &Path) -> anyhow::Result<u64> {
        let asked = self.http.get(format!("{}{path}", self.base)).timeout(FILE);
        let response = self.taken(asked).await?;
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(file)?;
        let written = write(response, &mut out).await;
        if written.is_err() {
            drop(std::fs::remove_file(file));
        }
        written
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// The relay does not answer, or says why not.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> anyhow::Result<T> {
        self.answer(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        Ok(self.taken(request).await?.json().await?)
    }

    async fn taken(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let response = request.bearer_auth(&self.token).send().await.map_err(|e| {
            anyhow::anyhow!(
                "the relay does not answer at {} ({}); is `orderwire serve` running?",
                self.base,
                e.without_url()
            )
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: serde_json::Value = response.json().await.unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_string();
        bail!("{} ({}): {}", text("title"), status.as_u16(), text("detail"))
    }
}

/// Writes an answer's bytes as they come; gives how many there were.
async fn write(mut response: reqwest::Response, out: &mut std::fs::File) -> anyhow::Result<u64> {
    let mut length = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                out.write_all(&chunk)?;
                length += chunk.len() as u64;
            }
            Ok(None) => return Ok(length),
            Err(error) => bail!("the file broke off: {}", error.without_url()),
        }
    }
}

/// `health`.
#[derive(ClapArgs)]
pub struct HealthArgs {
    /// Address of the admin door; left out: `[admin] listen` of the settings.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Asks `readyz`: what a container's health check calls.
pub async fn health(args: &HealthArgs, config: Option<&Path>) -> anyhow::Result<Status> {
    let base = match &args.url {
        Some(url) => url.trim_end_matches('/').to_string(),
        None => format!(
            "http://{}",
            nearest(boot::reach(config, &crate::config::environment()).map_err(super::check::as_error)?.admin)
        ),
    };
    crate::channel::install_tls();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    match http.get(format!("{base}/readyz?verbose")).send().await {
        Ok(response) => {
            let ready = response.status().is_success();
            out::line(&response.text().await.unwrap_or_default());
            Ok(if ready { Status::Done } else { Status::Failure })
        }
        Err(error) => bail!("the relay does not answer at {base} ({})", error.without_url()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_on_every_address_is_asked_on_this_machine() {
        for (listen, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.1.2.3:9090", "10.1.2.3:9090"),
        ] {
            assert_eq!(nearest(listen.parse().expect("an address")).to_string(), asked);
        }
    }
}
