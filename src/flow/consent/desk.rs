//! What the shop's people ask and say of consent.
//!
//! Dies between two channels of one address: the rest is not said yet, and the same call says it.

use super::say;
use crate::domain::channel::Audience;
use crate::domain::clock::Timestamp;
use crate::domain::consent::{ConsentRecord, Source, Word};
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::erase::person_of;
use crate::plan::addresses_of;
use crate::store::error::StoreError;
use crate::store::keys::Unit;
use crate::store::people::SaidOf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Channels that can be muted for one order, as many as the order keeps.
const MUTES: usize = 16;

/// Whom a person means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// For this shop alone, and numbers as people of its country write them.
    pub shop: Option<String>,
    /// On this channel alone.
    pub channel: Option<String>,
    /// A mailbox, a phone number, or a messenger's id.
    pub address: String,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No such shop.
    #[error("no such shop in the settings")]
    UnknownShop,
    /// No such channel.
    #[error("no such channel for customers in the settings")]
    UnknownChannel,
    /// No channel takes it.
    #[error(
        "no channel takes this address; write phone numbers with their country code (+886…) or name the shop whose \
         country counts"
    )]
    NoAddress,
    /// It may be somebody else's on another messenger.
    #[error("this may be an address of several messengers ({0}); name the channel")]
    Several(String),
    /// No such order.
    #[error("nothing is known of this order")]
    UnknownOrder,
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is known of somebody on one channel. Without their address.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Channel.
    pub channel: String,
    /// Why nothing goes there, in a word; `None`: nothing forbids it.
    pub forbidden: Option<String>,
    /// Free words are allowed until.
    pub window_until: Option<Timestamp>,
    /// A free answer is possible until.
    pub reply_until: Option<Timestamp>,
    /// They cannot be reached since, and why.
    pub unreachable: Option<(Timestamp, String)>,
    /// No further message before.
    pub capped_until: Option<Timestamp>,
    /// Messages that they allowed by a tap, by template.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub grants: std::collections::BTreeMap<String, usize>,
    /// What was said, the newest last.
    pub records: Vec<ConsentRecord>,
}

impl Standing {
    /// How somebody stands with a shop; without one: with any.
    pub fn of(channel: &ChannelId, shop: Option<&ShopId>, said: SaidOf, now: Timestamp) -> Standing {
        let SaidOf { facts, records, .. } = said;
        let anywhere = ShopId::from("");
        let blocked = facts.blocked().then_some(crate::domain::decision::Reason::RecipientBlocked);
        let ahead = |at: Option<Timestamp>| at.filter(|at| *at > now);
        Standing {
            channel: channel.to_string(),
            forbidden: facts.forbids(shop.unwrap_or(&anywhere)).or(blocked).map(|r| r.as_str().into()),
            window_until: ahead(facts.window_until),
            reply_until: ahead(facts.reply_until),
            unreachable: facts.unreachable.map(|(at, why)| (at, why.reason().as_str().into())),
            capped_until: ahead(facts.capped_until),
            grants: facts.grants,
            records,
        }
    }
}

/// The channels that take the address, and its normal form there.
///
/// # Errors
/// Unknown names, an address that no channel takes or that several messengers' people may have.
pub fn places(app: &App, who: &Who) -> Result<Vec<(ChannelId, Address)>, Trouble> {
    let live = app.live();
    let shop = who.shop.as_deref().map(ShopId::from);
    let shop = shop.map(|id| live.shops.get(&id).cloned().ok_or(Trouble::UnknownShop)).transpose()?;
    let country = shop.as_ref().and_then(|s| s.rules.country.clone());
    let person = person_of(&who.address);
    let mut found = Vec::new();
    let named = |id: &ChannelId| who.channel.as_deref().is_none_or(|c| c == id.as_str());
    let customers = live.channels.values().filter(|a| a.caps.audience == Audience::Customer && named(&a.id));
    let customers: Vec<_> = customers.collect();
    if customers.is_empty() {
        return Err(Trouble::UnknownChannel);
    }
    for account in customers {
        let raw = addresses_of(&person, country.as_deref(), account.caps.scheme);
        // Each once: a number is a phone's and, as it stands, perhaps a messenger's.
        let own: BTreeSet<Address> = raw.iter().filter_map(|raw| account.channel.address(raw)).collect();
        found.extend(own.into_iter().map(|address| (account.id.clone(), account.caps.scheme, address)));
    }
    if found.iter().any(|(_, scheme, _)| *scheme == "phone") {
        // Whoever writes a phone number means one.
        found.retain(|(_, _, address)| address.scheme == "phone");
    }
    let schemes: BTreeSet<&str> = found.iter().map(|(_, _, address)| address.scheme.as_str()).collect();
    if schemes.len() > 1 {
        return Err(Trouble::Several(schemes.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if found.is_empty() {
        return Err(Trouble::NoAddress);
    }
    Ok(found.into_iter().map(|(channel, _, address)| (channel, address)).collect())
}

/// How somebody stands on each channel that takes the address.
///
/// # Errors
/// As [`places`], and the store's.
pub async fn show(app: &App, who: &Who) -> Result<Vec<Standing>, Trouble> {
    let places = places(app, who)?;
    let shop = who.shop.as_deref().map(ShopId::from);
    let (said, now) = (app.store.said(&places).await?, app.clock.now());
    let each = places.iter().zip(said).map(|((channel, _), said)| Standing::of(channel, shop.as_ref(), said, now));
    Ok(each.collect())
}

/// Says it of the address on every channel that takes it; gives how it stands then.
///
/// # Errors
/// As [`show`].
pub async fn set(app: &App, who: &Who, word: Word, proof: &str) -> Result<Vec<Standing>, Trouble> {
    let now = app.clock.now();
    let record = ConsentRecord::new(now, word, Source::Operator, proof).of(who.shop.as_deref().map(ShopId::from));
    for (channel, address) in places(app, who)? {
        let event = format!("desk:{}:{}", word.as_str(), now.as_millisecond());
        say(app, &channel, &address, &event, record.clone()).await?;
        tracing::warn!(%channel, word = word.as_str(), shop = who.shop.as_deref(), proof, "consent was set by a person");
    }
    show(app, who).await
}

/// Two addresses are one person's: what forbids either forbids both, channel by channel. Gives how many records were
/// added.
///
/// # Errors
/// As [`show`].
pub async fn merge(app: &App, one: &Who, other: &Who) -> Result<usize, Trouble> {
    let mut places_of_both = places(app, one)?;
    places_of_both.extend(places(app, other)?);
    Ok(merge_places(app, &places_of_both).await?)
}

/// The same of any number of addresses, on the channels that take them.
///
/// # Errors
/// The store's; the same again says nothing twice.
pub async fn merge_places(app: &App, all: &[(ChannelId, Address)]) -> Result<usize, StoreError> {
    let said = app.store.said(all).await?;
    let mut added = 0;
    for ((channel, address), own) in all.iter().zip(&said) {
        let others = all.iter().zip(&said).filter(|((c, a), _)| c == channel && a != address);
        let wanted: Vec<ConsentRecord> = others.flat_map(|(_, said)| super::files::holding(said)).collect();
        for record in wanted.into_iter().filter(|r| matches!(r.word, Word::Off | Word::Block)) {
            let kept = |r: &ConsentRecord| r.word == record.word && r.shop == record.shop;
            if super::files::holding(own).iter().any(kept) {
                continue;
            }
            let proof = format!("merged; {}", record.proof);
            // Now, so that an older yes of the other address does not lift it: the strictest wins.
            let at = app.clock.now();
            let event = format!("merge:{}:{:?}:{}", record.word.as_str(), record.shop, record.at.as_millisecond());
            let record = ConsentRecord::new(at, record.word, record.source, &proof).of(record.shop);
            say(app, channel, address, &event, record).await?;
            added += 1;
        }
    }
    Ok(added)
}

/// Switches channels off or on for one order; `None`: every channel that the shop's routes lead customers to. Gives
/// which.
///
/// # Errors
/// Unknown names, and the store's.
pub async fn mute(
    app: &App,
    (shop, order): (&str, &str),
    channel: Option<&str>,
    off: bool,
    note: &str,
) -> Result<Vec<String>, Trouble> {
    let live = app.live();
    let shop = live.shops.get(&ShopId::from(shop)).ok_or(Trouble::UnknownShop)?;
    let id = &shop.rules.id;
    let routes = live
        .routes
        .iter()
        .filter(|r| r.audience == Audience::Customer && r.shops.as_ref().is_none_or(|shops| shops.contains(id)));
    let all: BTreeSet<&ChannelId> = routes.flat_map(|r| r.channels.iter().chain(&r.also)).collect();
    let named = channel.map(ChannelId::from);
    let wanted: Vec<&ChannelId> = match &named {
        Some(one) if live.channels.contains_key(one) => vec![one],
        Some(_) => return Err(Trouble::UnknownChannel),
        None => all.into_iter().take(MUTES).collect(),
    };
    let member = app.store.member(&Unit::order(id, OrderId::from(order).as_str()));
    let word = if off { "mute" } else { "unmute" };
    for channel in &wanted {
        if !app.store.mute(&member, channel.tag(), off, Source::Operator).await? {
            return Err(Trouble::UnknownOrder);
        }
    }
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let what = Entry::Operator { action: format!("{word} {}", names.join(", ")), note: note.into() };
    app.store.append_ledger(&member, &[LedgerEntry { at: app.clock.now(), what }]).await?;
    app.nudge.notify_one();
    Ok(names)
}
