//! The demo's world: providers' understudies, a relay with settings of its own, and somebody who posts.

use super::orders::Webhook;
use crate::boot;
use crate::boot::run::{Role, Running, start};
use crate::cli::check::as_error;
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};
use crate::mock::{LineOptions, MessengerOptions, Mock, MockOptions, Taken};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Everything has come to rest within.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is due later than this is not waited for: reminders, late parcels.
const SOON_MS: i64 = 20_000;

/// The world.
pub struct World {
    /// The providers.
    pub mock: Mock,
    /// The relay.
    pub relay: Running,
    /// Where it keeps its things.
    dir: PathBuf,
    http: reqwest::Client,
    shown: usize,
}

impl World {
    /// Starts providers and relay on free ports of this machine.
    pub async fn start() -> anyhow::Result<World> {
        let mock = Mock::start(providers()).await?;
        let dir = std::env::temp_dir().join(format!("orderwire-demo-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("words/vi")).with_context(|| format!("{}", dir.display()))?;
        std::fs::write(dir.join("words/vi/shipped.toml"), include_str!("shipped_vi.toml"))?;
        let text = include_str!("settings.toml")
            .replace("{dir}", &dir.display().to_string())
            .replace("{http}", &mock.http_url())
            .replace("{slack}", &mock.slack_webhook_url())
            .replace("{smtp}", &mock.smtp_addr().port().to_string());
        let file = dir.join("orderwire.toml");
        std::fs::write(&file, text)?;
        let settings = boot::read(Some(&file), &BTreeMap::new()).map_err(as_error)?;
        let relay = start(settings, Role::All, None).await?;
        let Some(public) = relay.public else { bail!("the relay opened no public door") };
        mock.set_relay(Some(format!("http://{public}")));
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(World { mock, relay, dir, http, shown: 0 })
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Posts a webhook as the shop would; gives the relay's word for what it did.
    pub async fn post(&self, webhook: &Webhook) -> anyhow::Result<String> {
        let Some(public) = self.relay.public else { bail!("no public door") };
        let mut request = self.http.post(format!("http://{public}{}", webhook.path)).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer: serde_json::Value = response.json().await.unwrap_or_default();
        if !status.is_success() {
            bail!("the relay answered {status}: {answer}");
        }
        Ok(answer.get("result").and_then(|r| r.as_str()).unwrap_or("ok").to_string())
    }

    /// Posts to a page of the relay, as a mailbox provider does for one-click unsubscribe.
    pub async fn click(&self, link: &str) -> anyhow::Result<u16> {
        let Some(public) = self.relay.public else { bail!("no public door") };
        let path = url::Url::parse(link)?.path().to_string();
        let request = self.http.post(format!("http://{public}{path}")).body("List-Unsubscribe=One-Click");
        Ok(request.send().await?.status().as_u16())
    }

    /// Waits until nothing is due any more.
    pub async fn rest(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let stats = self.relay.app.store.stats().await?;
            let soon = self.now().as_millisecond() + SOON_MS;
            let due = stats.oldest_due.is_some_and(|at| at.as_millisecond() < soon);
            if stats.ready == 0 && stats.leased == 0 && !due {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("the queue did not come to rest: {stats:?}");
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Messages that providers took since this was last asked, without repeats that the provider recognised.
    pub fn news(&mut self) -> Vec<Taken> {
        let sent = self.mock.sent();
        let news = sent.iter().skip(self.shown).filter(|t| !t.duplicate).cloned().collect();
        self.shown = sent.len();
        news
    }

    /// Ends all of it.
    pub async fn end(self, keep: bool) {
        self.relay.leave().await;
        self.mock.stop();
        if keep {
            crate::cli::out::line(&format!("kept: {}", self.dir.display()));
        } else if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            crate::cli::out::note(&format!("{}: {error}", self.dir.display()));
        }
    }
}

fn providers() -> MockOptions {
    MockOptions {
        line: LineOptions {
            token: "line-demo-token".into(),
            channel_secret: "line-demo-channel-secret-01234567".into(),
            id: "line-main".into(),
            ..Default::default()
        },
        messenger: MessengerOptions {
            page_id: "104050607080901".into(),
            access_token: "page-demo-token".into(),
            app_secret: "app-demo-secret-0123456789abcdef".into(),
            verify_token: "verify-demo-token".into(),
            templates: vec![("order_shipped".into(), "vi".into())],
            id: "messenger-page".into(),
            ..Default::default()
        },
        ..MockOptions::default()
    }
}
