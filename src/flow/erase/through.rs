//! Somebody asked a messenger's provider to have erased what is known of them, and the provider passes it on.
//!
//! It becomes a duty of every shop that writes by this account, as if that shop had asked: the same asked twice is the
//! same duty, begun anew. Whoever asked gets a code and a link to how it stands, which name nobody; both can be made
//! without Redis, so that a request that waits on disk is answered in full. Dies before the last duty is written: the
//! provider got no answer and asks again, or the record on disk is offered again.

use super::{Duty, Kind, list};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{ChannelId, ShopId};
use crate::domain::order::Contact;
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::kept::AcceptError;
use crate::flow::live::Live;
use crate::store::error::StoreError;
use std::collections::BTreeSet;

/// What the link's tokens are for.
const PURPOSE: &str = "erasure";
/// As long as what was done is remembered.
const LINK_SECS: i64 = 400 * 86_400;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is taken down and not over.
    Doing,
    /// It is over.
    Done {
        /// When.
        at: Timestamp,
        /// Orders, records of people and unreadable webhooks that were erased.
        records: u64,
    },
}

fn code(live: &Live, channel: &ChannelId, person: &Address) -> String {
    let parts = [channel.as_str().as_bytes(), person.scheme.as_bytes(), person.value.as_bytes()];
    let hash = live.keyed.as_ref().map(|k| k.seal.hash16(PURPOSE, &parts)).unwrap_or_default();
    hex::encode(&hash[..8])
}

/// The answer that providers of this kind want: where the person sees how it stands, and a code.
pub fn answer(app: &App, channel: &ChannelId, person: &Address) -> String {
    let live = app.live();
    let code = code(&live, channel, person);
    let url = live.keyed.as_ref().and_then(|keyed| {
        let token = keyed.seal.token(PURPOSE, code.as_bytes(), plus_secs(app.clock.now(), LINK_SECS));
        Some(format!("{}/p/erasure/{token}", keyed.public_url.as_ref()?.trim_end_matches('/')))
    });
    if url.is_none() {
        tracing::error!("a person asked to be erased and gets no link to how it stands: set server.public_url");
    }
    serde_json::json!({ "url": url, "confirmation_code": code }).to_string()
}

/// Takes down what was asked at `came` for every shop that may write by this account.
///
/// # Errors
/// Redis could not take it.
pub async fn ask(app: &App, channel: &ChannelId, person: &Address, came: Timestamp) -> Result<(), StoreError> {
    let live = app.live();
    let reason = format!("asked through {channel}, {}", code(&live, channel, person));
    let leads = live.routes.iter().filter(|r| r.channels.iter().chain(&r.also).any(|c| c == channel));
    let named: Vec<_> = leads.map(|route| route.shops.clone()).collect();
    let of = |id: &&ShopId| named.is_empty() || named.iter().any(|s| s.as_ref().is_none_or(|s| s.contains(*id)));
    let shops: BTreeSet<&ShopId> = live.shops.keys().filter(of).collect();
    for shop in shops {
        let known = vec![(person.scheme.to_string(), person.value.clone())];
        let whom = Contact { identities: known, ..Contact::default() };
        let duty = Duty::new(Kind::Customer, shop, channel.as_str(), &reason, came);
        super::ask(app, duty.about(whom, Vec::new())).await.map_err(|error| match error {
            AcceptError::Store(error) => error,
            other => StoreError::bug(other.to_string()),
        })?;
    }
    Ok(())
}

/// How it stands; `None`: the link is not ours, or over.
///
/// # Errors
/// Redis away.
pub async fn standing(app: &App, token: &str) -> Result<Option<Standing>, AcceptError> {
    let live = app.live();
    let Some(keyed) = &live.keyed else { return Ok(None) };
    let Ok(code) = keyed.seal.untoken(PURPOSE, token, app.clock.now()) else { return Ok(None) };
    let ends = format!(", {}", String::from_utf8_lossy(&code));
    let (open, done) = list(app).await?;
    if open.iter().any(|(_, duty)| duty.reason.ends_with(&ends)) {
        return Ok(Some(Standing::Doing));
    }
    let done: Vec<&Duty> = done.iter().map(|(_, duty)| duty).filter(|d| d.reason.ends_with(&ends)).collect();
    let records = done.iter().map(|d| d.counts.orders + d.counts.people + d.counts.unreadable).sum();
    let last = done.iter().filter_map(|d| d.done).max();
    // Nothing yet: it waits on disk.
    Ok(Some(last.map_or(Standing::Doing, |at| Standing::Done { at, records })))
}
