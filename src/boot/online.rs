//! Asks the provider of every configured account what it says of credentials, callback and templates. Reads only:
//! nothing is sent to anybody, nothing is changed at a provider, no token that works once is used.

use super::{Settings, seal};
use crate::channel::{Finding, Question};
use crate::domain::ids::ChannelId;
use crate::domain::keeper::Keeper;
use crate::flow::wanted;
use crate::store::Store;
use crate::store::settings::StoreSettings;
use futures_util::future::{BoxFuture, join_all};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Longest for one account, all its questions together.
const LONGEST: Duration = Duration::from_secs(60);

/// What was found of one account.
pub struct Asked {
    /// The account.
    pub channel: ChannelId,
    /// Its kind.
    pub kind: &'static str,
    /// One for each thing that was asked about.
    pub findings: Vec<Finding>,
}

/// Asks all of them, side by side.
pub async fn ask(settings: &Settings) -> Vec<Asked> {
    let live = &settings.live;
    let store = settings.parts.store.clone();
    let kept: Arc<dyn Keeper> = Arc::new(Kept { settings: store, store: OnceCell::new() });
    let public_url = settings.parts.server.public_url.as_deref();
    join_all(live.channels.values().map(|account| {
        let kept = Arc::clone(&kept);
        async move {
            account.channel.kept_by(&kept);
            let callback = public_url.map(|url| format!("{}/callbacks/{}", url.trim_end_matches('/'), account.id));
            let (templates, unfit) = wanted::templates(live, account);
            let question = Question { callback, templates };
            let asked = tokio::time::timeout(LONGEST, account.channel.ask(&question)).await;
            let mut findings = asked.unwrap_or_else(|_| {
                let said = format!("no answers within {} s", LONGEST.as_secs());
                vec![Finding::trouble("account", said, "ask again later; see docs/network.md for what must be reached")]
            });
            findings.extend(unfit);
            Asked { channel: account.id.clone(), kind: account.kind.name, findings }
        }
    }))
    .await
}

/// What accounts keep in Redis, for reading: it is opened when the first of them asks, and nothing is put there.
struct Kept {
    settings: StoreSettings,
    store: OnceCell<Result<Store, String>>,
}

impl Kept {
    async fn open(&self) -> Result<Store, String> {
        if self.settings.url.is_none() {
            return Err("it lies in the relay's private Redis, which nobody else opens".into());
        }
        let seal = seal(&self.settings).map_err(|e| e.to_string())?;
        Store::open(&self.settings.options(), Arc::new(seal)).await.map_err(|e| e.to_string())
    }
}

impl Keeper for Kept {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        Box::pin(async move {
            match self.store.get_or_init(|| self.open()).await {
                Ok(store) => store.load(name).await,
                Err(why) => Err(why.clone()),
            }
        })
    }

    fn swap<'a>(&'a self, _: &'a str, _: Option<&'a [u8]>, _: &'a [u8]) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async { Err("none is good now, and a check renews none: the relay does when it sends".into()) })
    }
}
