//! polls: what providers say of quotas and templates, asked every ten minutes by one pod and known to all.
//!
//! The provider's answer to a send stays the truth. This only keeps the reserve of a quota for what matters, and leaves
//! a template alone that the provider stopped: its messages go by the next channel, or wait until it is back.
//!
//! Dies while it asks: the lease in Redis ends and another pod asks. Cannot ask any more: what was said is believed for
//! six hours, then forgotten.

use super::App;
use super::account::Account;
use super::live::Live;
use super::wanted;
use crate::channel::{Finding, Question, Quota};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks whether it is time, and at what other pods were told.
const LOOK: Duration = Duration::from_secs(5);
/// A process asks nobody before it has been up for so long, and up to as long again.
const FIRST: Duration = Duration::from_secs(15);
/// Between two questions to one provider, and up to a fifth more.
const EVERY: Duration = Duration::from_secs(600);
/// Longest for all questions about one account, and how long nobody else asks meanwhile.
const LONGEST: Duration = Duration::from_secs(45);
const LEASE: Duration = Duration::from_secs(60);
/// How long an answer is believed where no other comes. Seconds.
const BELIEVED: i64 = 6 * 3600;
/// A spent quota is looked at again after so long. Seconds.
const SPENT: i64 = 3600;

/// What a provider said last of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    /// When, limit and use.
    #[serde(default)]
    quota: Option<(Timestamp, Option<u64>, u64)>,
    /// When, and which words name a template that it stopped, with why.
    #[serde(default)]
    templates: Option<(Timestamp, BTreeMap<String, String>)>,
}

/// The loop of this process, until told to stop; one that does not send only listens.
pub async fn run(app: Arc<App>, works: bool, mut stop: watch::Receiver<bool>) {
    let mut rest = FIRST + FIRST.mul_f64(rand::random_range(0.0..1.0));
    let mut seen = app.live();
    loop {
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => return,
        }
        rest = LOOK + LOOK.mul_f64(rand::random_range(0.0..0.2));
        if works {
            let live = app.live();
            if !Arc::ptr_eq(&seen, &live) {
                // Other words may name other templates.
                let tags: Vec<_> = live.channels.values().map(|account| account.tag).collect();
                if let Err(error) = app.store.poll_soon(&tags).await {
                    tracing::warn!(%error, "what new words name could not be asked at once");
                }
                seen = live;
            }
        }
        tokio::select! {
            () = once(&app, works) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Asks whom it is time to ask (`asks`), and takes in what all pods were told.
pub async fn once(app: &App, asks: bool) {
    let live = app.live();
    if asks {
        join_all(live.channels.values().map(|account| ask(app, &live, account))).await;
    }
    match app.store.polls().await {
        Ok(all) => {
            for account in live.channels.values() {
                if let Some((_, said)) = all.iter().find(|(tag, _)| *tag == account.tag) {
                    take_in(app, account, serde_json::from_slice(said).unwrap_or_default());
                }
            }
        }
        Err(error) => tracing::warn!(%error, "what providers said of their accounts could not be read"),
    }
}

/// Asks one provider, if it has something to tell, it is time, and nobody else does.
async fn ask(app: &App, live: &Live, account: &Account) {
    let (templates, _) = wanted::templates(live, account);
    let quota = account.channel.quota();
    if templates.is_empty() && quota.is_none() {
        return;
    }
    match app.store.take_poll(account.tag, LEASE).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => return tracing::warn!(%error, "whose turn it is to ask a provider could not be read"),
    }
    let question = Question { callback: None, templates };
    let answers = async {
        let found =
            async { if question.templates.is_empty() { Vec::new() } else { account.channel.ask(&question).await } };
        let quota = async {
            match quota {
                Some(asked) => asked.await,
                None => None,
            }
        };
        futures_util::future::join(found, quota).await
    };
    let (found, quota) = tokio::time::timeout(LONGEST, answers).await.unwrap_or_default();
    let now = app.clock.now();
    let mut said = before(app, account).await;
    if let Some(Quota { limit, used }) = quota {
        said.quota = Some((now, limit, used));
    }
    if let Some(stopped) = stopped(&found) {
        said.templates = Some((now, stopped));
    }
    let rest = EVERY + EVERY.mul_f64(rand::random_range(0.0..0.2));
    let Ok(bytes) = serde_json::to_vec(&said) else { return };
    if let Err(error) = app.store.polled(account.tag, &bytes, rest).await {
        tracing::warn!(%error, channel = %account.id, "what a provider said could not be kept");
    }
    if quota.is_some_and(|quota| quota.limit.is_some_and(|limit| quota.used >= limit)) {
        let until = plus_secs(now, SPENT);
        account.set_pause(Some((until, Reason::QuotaSpent)));
        if let Err(error) = app.store.pause(account.tag, until, Reason::QuotaSpent).await {
            tracing::warn!(%error, "a spent quota could not be shared with other pods");
        }
    }
}

/// What was kept: a question that finds no answer leaves it.
async fn before(app: &App, account: &Account) -> Said {
    let all = app.store.polls().await.unwrap_or_default();
    let said = all.into_iter().find(|(tag, _)| *tag == account.tag);
    said.and_then(|(_, said)| serde_json::from_slice(&said).ok()).unwrap_or_default()
}

/// Words whose template does not go; `None`: the provider said nothing of any.
fn stopped(found: &[Finding]) -> Option<BTreeMap<String, String>> {
    let mut told = found.iter().filter_map(|finding| finding.template.as_ref()).peekable();
    told.peek()?;
    let stops = told.filter_map(|goes| Some((&goes.places, goes.stopped.clone()?)));
    Some(stops.flat_map(|(places, why)| places.iter().map(move |place| (place.clone(), why.clone()))).collect())
}

fn take_in(app: &App, account: &Account, said: Said) {
    let believed = plus_secs(app.clock.now(), -BELIEVED);
    let channel = account.id.as_str();
    if let Some((_, limit, used)) = said.quota.filter(|(at, ..)| *at > believed) {
        account.set_quota(limit, used);
        if let Some(limit) = limit {
            let part = if limit == 0 { 1.0 } else { used as f64 / limit as f64 };
            app.metrics.set_quota(channel, limit.saturating_sub(used), part);
        }
    }
    let stopped = said.templates.filter(|(at, _)| *at > believed).map(|(_, stopped)| stopped).unwrap_or_default();
    app.metrics.set_templates_stopped(channel, stopped.len());
    let (fresh, back) = account.set_stopped(&stopped);
    for (place, why) in fresh {
        tracing::error!(
            channel,
            words = place,
            why,
            "the provider stopped this template; its messages go by the next channel, or wait"
        );
    }
    for place in back {
        tracing::info!(channel, words = place, "this template goes again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Goes;

    #[test]
    fn a_silent_provider_stops_nothing_and_lets_nothing_go() {
        let about = |stopped: Option<&str>| Finding {
            template: Some(Goes {
                places: vec!["a in en".into(), "b in en".into()],
                stopped: stopped.map(str::to_string),
            }),
            ..Finding::fine("template t", "")
        };
        assert_eq!(stopped(&[]), None);
        assert_eq!(stopped(&[Finding::trouble("account", "not reached", "look")]), None);
        assert_eq!(stopped(&[about(None)]), Some(BTreeMap::new()));
        let all = stopped(&[about(None), about(Some("is PAUSED"))]).unwrap_or_default();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a in en", "b in en"]);
    }
}
