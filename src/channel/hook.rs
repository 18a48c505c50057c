//! What incoming webhooks of chat programs have in common: the address is itself the secret, it fixes the
//! destination, and an account is one destination: what stops the destination stops the account.
//!
//! The address must lie on the vendor's own host, so that no setting leads what staff are told somewhere else.
//! `api_url` takes the place of that host (the mock, a gateway of one's own), and loopback stands for itself.

use super::account::{self, Base};
use super::text::one_line;
use super::wire::{Wire, retry_after};
use crate::domain::channel::{Audience, Capabilities, ConsentRule, Message, Pace, Unit, WindowRule};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::verdict::{Answer, Scope, Verdict};
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Settings of an account that is one incoming webhook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The webhook's whole address; it is the secret.
    webhook_url: Secret,
    /// What stands in for the vendor's host.
    api_url: Option<String>,
    /// Messages a second, at most 1.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

/// What is the vendor's own about such an address: what is wrong with one, if anything is.
pub(super) struct Vendor {
    /// With its host. Not asked where the address lies on loopback or `api_url` takes the host's place.
    pub host: fn(&Url) -> Option<&'static str>,
    /// With its path and query.
    pub path: fn(&Url) -> Option<&'static str>,
}

/// One message a second: what every one of these vendors bears.
pub(super) const PER_SECOND: f64 = 1.0;
/// Longest a send may take, where nothing else is said.
pub(super) const TIMEOUT_SECS: u32 = 10;
/// A destination that its owner took away stands still so long, unless a person resumes it: asking again and
/// again is what vendors shut callers out for. Seconds.
pub(super) const GONE_SECS: i64 = 30 * 86_400;

/// A destination.
pub(super) struct Hook {
    pub id: ChannelId,
    /// Where it is.
    pub url: Secret,
    pub per_second: f64,
    pub timeout_secs: u32,
    wire: Wire,
}

/// Settings → a destination.
///
/// # Errors
/// Every mistake, none of which repeats the address.
pub(super) fn open(id: ChannelId, settings: Value, vendor: &Vendor) -> Result<Hook, Vec<Mistake>> {
    let set: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let timeout_secs = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND);
    let per_second = account::keep(pace, &mut mistakes, PER_SECOND);
    let base = set.api_url.as_deref().map(|url| account::base("api_url", url)).transpose();
    let base = account::keep(base, &mut mistakes, None);
    let found = address(&set.webhook_url, base, vendor);
    let plain = found.as_ref().is_ok_and(|(_, plain)| *plain);
    let wire = Wire::new(Duration::from_secs(timeout_secs.into()), plain).map_err(|e| Mistake::new("", e));
    match (found, wire) {
        (Ok((url, _)), Ok(wire)) if mistakes.is_empty() => Ok(Hook { id, url, per_second, timeout_secs, wire }),
        (found, wire) => {
            mistakes.extend(found.err());
            mistakes.extend(wire.err());
            Err(mistakes)
        }
    }
}

/// The address to post to, its host moved to `base` where there is one; and whether it is plain `http`.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub(super) fn address(hook: &Secret, base: Option<Base>, vendor: &Vendor) -> Result<(Secret, bool), Mistake> {
    let no = |why: &str| Err(Mistake::new("webhook_url", why));
    let Ok(url) = Url::parse(hook.expose()) else {
        return no("is not an address; copy it whole from where the webhook was made");
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return no("must be the webhook's address as it was given out, without user, password or #");
    }
    let local = account::loopback(&url) && matches!(url.scheme(), "http" | "https");
    if base.is_none() && !local {
        if url.scheme() != "https" || url.port().is_some() {
            return no("must begin with https:// and name no port");
        }
        if let Some(why) = (vendor.host)(&url) {
            return no(why);
        }
    }
    if let Some(why) = (vendor.path)(&url) {
        return no(why);
    }
    let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
    Ok(match base {
        Some(base) => (Secret::new(format!("{}{}{query}", base.url, url.path())), base.plain),
        None => (Secret::new(url.as_str()), url.scheme() == "http"),
    })
}

impl Hook {
    /// Posts a document once, to the account's own address with `more` behind it, within the time-out.
    pub(super) async fn post(&self, more: &str, body: String) -> Answer {
        let url = format!("{}{more}", self.url.expose());
        let sent = self.wire.post_json(&url, HeaderMap::new(), body);
        let limit = Duration::from_secs(self.timeout_secs.into());
        timeout(limit, sent).await.unwrap_or_else(|_| Answer::NoAnswer("timed out".into()))
    }

    /// Gets what lies at the account's address, its query left out.
    pub(super) async fn get(&self) -> Answer {
        let url = self.url.expose();
        self.wire.get(url.split_once('?').map_or(url, |(address, _)| address), HeaderMap::new()).await
    }
}

/// Capabilities of a channel for staff.
pub(super) fn staff(text_limit: usize, unit: Unit, buttons: u8, per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Staff,
        scheme: "",
        consent: ConsentRule::Staff,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit,
        unit,
        buttons,
        image: false,
        retry_key_secs: None,
        receipts: "none",
        opt_out: "none",
        keeps_refusals: false,
        binding: "settings",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second, burst: 1, concurrent: 1, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

/// What stands small below the words: the order, where the title does not name it, and the shop.
pub(super) fn about(message: &Message) -> String {
    let order = Some(&message.order_name).filter(|name| !message.title.contains(name.as_str()));
    let parts = [order, message.shop_name.as_ref()].into_iter().flatten().map(|t| one_line(t));
    parts.filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Status and body of an answer, or the verdict where there is none.
pub(super) fn reply(answer: &Answer) -> Result<(u16, &[u8]), Box<Verdict>> {
    match answer {
        Answer::Reply { status, body, .. } => Ok((*status, body)),
        Answer::NotSent(why) => Err(Box::new(later(Reason::Retrying, None, Scope::Message, why.clone()))),
        Answer::NoAnswer(why) => Err(Box::new(Verdict::Unsure { detail: why.clone() })),
    }
}

/// Not taken; again later.
pub(super) fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The destination does not take it from us: nothing goes there until somebody acts; asked again in a while.
pub(super) fn stop(detail: String) -> Verdict {
    later(Reason::ChannelPaused, None, Scope::Account, detail)
}

/// The destination is gone: it is not asked again until a person resumes the channel.
pub(super) fn gone(detail: String) -> Verdict {
    later(Reason::ChannelPaused, Some(GONE_SECS), Scope::Account, detail)
}

/// Too fast.
pub(super) fn too_fast(answer: &Answer, detail: String) -> Verdict {
    later(Reason::RateLimited, retry_after(answer), Scope::Account, detail)
}
