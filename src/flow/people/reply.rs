//! From a person to the customer: taken once, by its own id; and whether a person may write now.

use super::{Conversation, Next, REPLY, WORDS, What, knows, member, name, named, open};
use crate::domain::channel::{Form, WindowRule};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Digest8, ShopId};
use crate::domain::people::{FetchFault, ReplyTo, StaffReply};
use crate::domain::person::{Address, PersonFacts};
use crate::flow::App;
use crate::flow::account::Account;
use crate::flow::kept::{AcceptError, read_order};
use crate::store::keys::{Member, Unit};
use std::sync::Arc;

/// Somebody who wrote within this may be answered, whatever they think of order updates. Seconds.
const WROTE_SECS: i64 = 24 * 3600;
/// The relay keeps still for so long where the shop says nothing. Seconds.
const QUIET_SECS: i64 = 30 * 60;

/// What a person says.
#[derive(Clone, Debug)]
pub struct Said {
    /// Unique where it comes from: the same again is the same reply.
    pub id: String,
    /// Where it comes from: `api`, or a channel account.
    pub door: String,
    /// Who says it.
    pub by: String,
    /// The words.
    pub text: String,
    /// Address of a picture, `https`.
    pub picture: Option<String>,
    /// A file came with it that cannot be passed on: whoever said it is told so.
    pub file: bool,
}

/// A reply that was taken: it is owed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// The conversation's name.
    pub conversation: String,
    /// Number of the reply in it.
    pub item: u16,
    /// It had been taken before.
    pub again: bool,
}

/// Why a reply was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No such conversation.
    #[error("no conversation of this name is kept")]
    Unknown,
    /// No such order.
    #[error("nothing is known of this order")]
    UnknownOrder,
    /// Nobody can be written to.
    #[error(
        "the order names nobody on a channel by which its shop writes; name --channel, or send a link (orderwire link)"
    )]
    Nobody,
    /// Nothing is said.
    #[error("say something: the words are empty")]
    NoWords,
    /// The picture's address is none.
    #[error("the picture needs an https address")]
    NoPicture,
    /// Nothing of that number came with that line.
    #[error("no attachment of this number came with that line")]
    NoFile,
    /// The messenger does not give it out.
    #[error(transparent)]
    Fetch(FetchFault),
    /// Redis, or what it keeps.
    #[error(transparent)]
    Kept(#[from] AcceptError),
}

impl From<crate::store::error::StoreError> for Trouble {
    fn from(error: crate::store::error::StoreError) -> Trouble {
        Trouble::Kept(error.into())
    }
}

/// Takes a reply in a conversation.
///
/// # Errors
/// It is none, or Redis could not take it: the same again is safe.
pub async fn say(app: &App, conversation: &str, said: &Said) -> Result<Taken, Trouble> {
    let member = named(conversation).ok_or(Trouble::Unknown)?;
    take(app, &member, None, said).await
}

/// Takes words to the customer of an order, on this channel or on the first on which they may be written to now.
///
/// # Errors
/// As [`say`].
pub async fn order(
    app: &App,
    (shop, order): (&str, &str),
    channel: Option<&str>,
    said: &Said,
) -> Result<Taken, Trouble> {
    let live = app.live();
    let shop = live.shops.get(&ShopId::from(shop)).ok_or(Trouble::UnknownOrder)?;
    let record = app.store.read(&app.store.member(&Unit::order(&shop.rules.id, order))).await?;
    let order = record.snapshot.as_deref().map(read_order).transpose()?.ok_or(Trouble::UnknownOrder)?;
    let leads = live.routes.iter().filter(|r| r.shops.as_ref().is_none_or(|s| s.contains(&shop.rules.id)));
    let mut accounts: Vec<&Arc<Account>> = Vec::new();
    for id in leads.flat_map(|r| r.channels.iter().chain(&r.also)) {
        let wanted = channel.is_none_or(|c| c == id.as_str());
        accounts.extend(live.channels.get(id).filter(|a| wanted && !accounts.iter().any(|b| b.id == a.id)));
    }
    let now = app.clock.now();
    let mut found: Option<(bool, ChannelId, Address)> = None;
    for account in accounts {
        for address in account.named(&order, &shop.rules) {
            let place = (account.id.clone(), address.clone());
            let facts = app.store.facts(&[place]).await?.into_iter().next().unwrap_or_default();
            let kept = app.store.read(&member(app, &account.id, &address)).await?;
            let kept = open(&kept, &account.id, &address, &shop.rules.id)?;
            let may = matches!(may(&kept, account, &facts, now), May::Go(..));
            if found.as_ref().is_none_or(|(before, ..)| may && !before) {
                found = Some((may, account.id.clone(), address));
            }
        }
    }
    let (_, channel, address) = found.ok_or(Trouble::Nobody)?;
    let at = member(app, &channel, &address);
    take(app, &at, Some((&channel, &address, &shop.rules.id)), said).await
}

/// Takes what one of the shop's people said where they read. What stands in no thread of ours is not for us.
///
/// # Errors
/// Redis could not take it: the same again is safe.
pub async fn said(app: &App, desk: &ChannelId, reply: &StaffReply) -> Result<(), AcceptError> {
    let member = match &reply.to {
        ReplyTo::Conversation(name) => named(name),
        ReplyTo::Thread(place, id) => {
            let scheme = app.live().channels.get(desk).map_or("", |a| a.caps.scheme);
            let place = Some(place).filter(|p| !p.is_empty()).map(|p| Address::new(scheme, p.as_str()));
            app.store.told_in(desk, place.as_ref(), id).await?
        }
    };
    let Some(member) = member else { return Ok(()) };
    let said = Said {
        id: reply.id.clone(),
        door: desk.to_string(),
        by: reply.by.clone(),
        text: reply.text.clone(),
        picture: reply.picture.clone().filter(|url| https(url)),
        // A picture without an address is none that could be passed on either.
        file: reply.files || reply.picture.as_deref().is_some_and(|url| !https(url)),
    };
    match take(app, &member, None, &said).await {
        Ok(_) => Ok(()),
        Err(Trouble::Kept(error)) => Err(error),
        Err(trouble) => {
            tracing::warn!(%desk, %trouble, "what one of the shop's people said there is for nobody");
            Ok(())
        }
    }
}

fn https(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|u| u.scheme() == "https" && u.has_host())
}

/// A picture is a message of its own on every messenger, before the words.
fn parts(said: &Said) -> Result<Vec<What>, Trouble> {
    let text: String = said.text.trim().chars().take(WORDS).collect();
    if said.picture.as_ref().is_some_and(|url| !https(url)) {
        return Err(Trouble::NoPicture);
    }
    let part = |text, picture, file| What::Reply { by: said.by.clone(), text, picture, file };
    let mut parts = Vec::new();
    parts.extend(said.picture.clone().map(|picture| part(String::new(), Some(picture), false)));
    if !text.is_empty() || said.file {
        parts.push(part(text, None, said.file));
    }
    if parts.is_empty() { Err(Trouble::NoWords) } else { Ok(parts) }
}

/// Commits it: from here on it is owed.
async fn take(
    app: &App,
    member: &Member,
    fresh: Option<(&ChannelId, &Address, &ShopId)>,
    said: &Said,
) -> Result<Taken, Trouble> {
    let parts = parts(said)?;
    let seen = Digest8::of(&[REPLY.as_bytes(), said.door.as_bytes(), said.id.as_bytes()]);
    for _ in 0..super::TRIES {
        let now = app.clock.now();
        let record = app.store.read(member).await?;
        let taken = |item, again| Taken { conversation: name(member), item, again };
        if knows(&record, seen) {
            return Ok(taken(record.items.iter().find(|i| i.subject == seen).map_or(0, |i| i.no), true));
        }
        let mut kept = match (&record.snapshot, fresh) {
            (Some(bytes), _) => Conversation::read(bytes)?,
            (None, Some((channel, person, shop))) => open(&record, channel, person, shop)?,
            (None, None) => return Err(Trouble::Unknown),
        };
        let live = app.live();
        let people = live.shops.get(&kept.shop).and_then(|shop| shop.rules.people.as_ref());
        kept.quiet_until = Some(plus_secs(now, people.map_or(QUIET_SECS, |p| p.quiet_secs)));
        let mut next = Next::after(&record, now);
        // Whoever asks what became of it asks for the last.
        for (i, what) in parts.iter().enumerate() {
            let mark = match i + 1 == parts.len() {
                true => seen,
                false => Digest8::of(&[b"part", &seen.0.to_be_bytes(), &i.to_be_bytes()]),
            };
            next.owe(&mut kept, (REPLY, mark, now), what.clone());
        }
        let no = next.last;
        if next.commit(app, member, (&record, kept), (seen, "conversation reply")).await? {
            return Ok(taken(no, false));
        }
    }
    Err(Trouble::Kept(AcceptError::Contended))
}

/// Whether a person may write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// In this form; `true`: only because a person does.
    Go(Form, bool),
    /// Not, and why.
    No(Reason),
}

/// Whether a person may write to them now.
pub(super) fn may(kept: &Conversation, account: &Account, facts: &PersonFacts, now: Timestamp) -> May {
    let since = |secs: i64| kept.heard.is_some_and(|at| plus_secs(at, secs) > now);
    let open = |until: Option<Timestamp>| until.is_some_and(|u| u > now);
    let no = facts.forbids(&kept.shop);
    if no == Some(Reason::OperatorBlocked) {
        return May::No(Reason::OperatorBlocked);
    }
    if let Some((_, why)) = facts.unreachable {
        return May::No(why.reason());
    }
    if account.caps.reply_token && open(facts.reply_until) {
        return May::Go(Form::Reply, false);
    }
    match account.caps.window {
        // They switched messages off, and did not write since: nothing is an answer.
        WindowRule::None if no.is_some() && !since(WROTE_SECS) => May::No(Reason::OptedOut),
        WindowRule::None => May::Go(Form::Free, false),
        WindowRule::Seconds(_) if open(facts.window_until) => May::Go(Form::Free, false),
        WindowRule::Seconds(_) => match account.channel.people_secs() {
            Some(secs) if since(secs) => May::Go(Form::Free, true),
            _ => May::No(Reason::WindowClosed),
        },
    }
}
