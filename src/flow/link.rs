//! link: a person ties a messenger to an order, or lets it go.
//!
//! What a page or a shop gives out is an invitation (sealed, opaque, good for weeks); what crosses to the messenger
//! is a code (random, good for minutes, for whoever shows it first). The messenger's callback brings the code back
//! with the person's identity, signed by the provider: that ties them.
//!
//! Dies after the code was redeemed: the provider repeats the callback, and the code still is that person's. Dies
//! after the order has the link and before anything else: likewise; each step is safe to do again.

use super::App;
use super::accept::fold;
use super::account::Account;
use super::kept::{AcceptError, read_order};
use super::live::{Live, Shop};
use crate::domain::channel::Audience;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::{About, OrderEvent, Patch};
use crate::domain::ids::{ChannelId, Digest8, OrderId, ShopId};
use crate::domain::order::{Link, Order, OrderKey};
use crate::domain::person::Address;
use crate::domain::shop::ChannelUse;
use crate::plan::Route;
use crate::store::error::StoreError;
use crate::store::keys::Unit;
use crate::store::links::{Redeemed, Tie};
use crate::telemetry::WebhookOutcome;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// How long a code may take from the page to the messenger.
pub const CODE_SECS: i64 = 15 * 60;
/// How long an invitation in a message is good.
pub const INVITATION_SECS: i64 = 30 * 86_400;
/// How long the page of somebody who showed an order's key can be used.
const SHOWN_SECS: i64 = 3600;
/// Longest id and key of an order.
const LONGEST: usize = 200;
/// Codes that one process makes in a second, and at once after a rest.
pub(super) const CODES: (u32, u32) = (20, 200);
/// What invitations are for: a token of another purpose does not open one.
const PURPOSE: &str = "link";
/// Before every code, so that one is found in words that a person sends.
const MARK: &str = "ow-";
/// Its letters: those that nobody takes for others (Crockford's base 32). Twenty are 100 bits.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 20;

/// Which order a messenger may be tied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Whose order.
    pub shop: ShopId,
    /// Which.
    pub order: OrderId,
    /// The key that somebody showed instead of an invitation of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<OrderKey>,
}

/// What became of a code that a person showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// They are tied to the order.
    Tied(Invitation),
    /// They will be, if the order turns out to have the key they showed. Whether there is such an order is not said.
    Noted(Invitation),
    /// Somebody else used it before.
    Used,
    /// There is no such code, or not any more.
    Unknown,
}

impl Live {
    /// The token of a page on which this order can be tied to a messenger.
    pub fn token_of(&self, invitation: &Invitation, until: Timestamp) -> Option<String> {
        Some(self.keyed.as_ref()?.seal.token(PURPOSE, &serde_json::to_vec(invitation).ok()?, until))
    }

    /// The address of a page on which this order can be tied to a messenger; `None`: the relay has no public address.
    pub fn invite(&self, invitation: &Invitation, until: Timestamp) -> Option<String> {
        let token = self.token_of(invitation, until)?;
        Some(format!("{}/l/{token}", self.keyed.as_ref()?.public_url.as_ref()?.trim_end_matches('/')))
    }

    /// What the page of this token may tie, if it is genuine and not over.
    pub fn invitation_of(&self, token: &str, now: Timestamp) -> Option<Invitation> {
        let plain = self.keyed.as_ref()?.seal.untoken(PURPOSE, token, now).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// A messenger on which an order can be tied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The account.
    pub channel: ChannelId,
    /// Its kind: pages have a name for it.
    pub kind: &'static str,
}

/// A link leads to a chat with the account.
fn leads(account: &Account) -> bool {
    account.start.is_some() || account.channel.begins("", 0).is_some()
}

/// Whether the shop takes new people on the channel.
pub(super) fn takes_new(live: &Live, shop: &ShopId, channel: &ChannelId) -> bool {
    live.shops.get(shop).is_some_and(|s| s.rules.uses(channel) == ChannelUse::Active)
}

/// The messengers on which customers of this shop are told, as far as a link leads there and the shop takes new people.
pub fn ways(live: &Live, shop: &ShopId) -> Vec<Way> {
    let of_shop = |r: &&Route| r.audience == Audience::Customer && r.shops.as_ref().is_none_or(|s| s.contains(shop));
    let channels = live.routes.iter().filter(of_shop).flat_map(|r| r.channels.iter().chain(&r.also));
    let mut found: Vec<Way> = Vec::new();
    for account in channels.filter_map(|id| live.channels.get(id)).filter(|a| leads(a) && takes_new(live, shop, &a.id))
    {
        if !found.iter().any(|way| way.channel == account.id) {
            found.push(Way { channel: account.id.clone(), kind: account.kind.section() });
        }
    }
    found
}

/// A chat ready to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where.
    pub url: String,
    /// What the customer must send there by hand, where the link cannot carry it.
    pub says: Option<String>,
}

/// Why no chat can be begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The messenger's provider made no link.
    #[error("the provider made no link")]
    Provider,
}

/// Makes a code for this messenger. `None`: no link leads there.
///
/// # Errors
/// Redis could not take it, or the provider did not make its part.
pub async fn begin(app: &App, invitation: &Invitation, channel: &ChannelId) -> Result<Option<Begun>, NotBegun> {
    let live = app.live();
    let known = ways(&live, &invitation.shop).iter().any(|way| way.channel == *channel);
    let Some(account) = live.channels.get(channel).filter(|_| known) else { return Ok(None) };
    let code = code(app, invitation, plus_secs(app.clock.now(), CODE_SECS)).await?;
    if let Some(made) = account.channel.begins(&code, CODE_SECS)
        && let Some(url) = made.await
    {
        return Ok(Some(Begun { url, says: None }));
    }
    let start = account.start.as_deref().ok_or(NotBegun::Provider)?;
    let says = (!start.contains("{code}")).then(|| code.clone());
    Ok(Some(Begun { url: start.replace("{code}", &code), says }))
}

/// What the page of an invitation shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPage {
    /// Language.
    pub locale: &'static str,
    /// The shop's name.
    pub shop: Option<String>,
    /// Messengers to choose from.
    pub ways: Vec<Way>,
    /// What choosing one needs.
    pub token: String,
}

/// The page of this token; `None`: it is not genuine, or over.
pub fn of_token(app: &App, token: &str, lang: Option<&str>) -> Option<LinkPage> {
    let live = app.live();
    let invitation = live.invitation_of(token, app.clock.now())?;
    shown(&live, &invitation, token.to_string(), lang)
}

/// The page for somebody who shows an order's key; `None`: no such shop, or no key. Of the order nothing is asked.
pub fn of_key(app: &App, shop: &str, order: &str, key: &str, lang: Option<&str>) -> Option<LinkPage> {
    let live = app.live();
    let known = order.len() <= LONGEST && key.len() <= LONGEST && !order.is_empty();
    let shown_key = OrderKey::of(key).filter(|_| known)?;
    let invitation = Invitation { shop: shop.into(), order: order.into(), shown: Some(shown_key) };
    let token = live.token_of(&invitation, plus_secs(app.clock.now(), SHOWN_SECS))?;
    shown(&live, &invitation, token, lang)
}

fn shown(live: &Live, invitation: &Invitation, token: String, lang: Option<&str>) -> Option<LinkPage> {
    let shop = live.shops.get(&invitation.shop)?;
    let wishes: Vec<&str> = lang.into_iter().chain([shop.rules.locale.as_str()]).collect();
    let (locale, name) = (live.words.locale(&wishes), shop.rules.name.clone());
    Some(LinkPage { locale, shop: name, ways: ways(live, &invitation.shop), token })
}

/// What became of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The chat can be begun; the kind of its channel.
    Begun(&'static str, Begun),
    /// No such messenger.
    Unknown,
    /// Too many at once: codes lie in memory until they are over.
    TooOften,
    /// Redis could not take it.
    Unavailable,
}

/// A messenger was chosen on the page of this token.
pub async fn choose(app: &App, token: &str, channel: &str) -> Chosen {
    let live = app.live();
    let Some(invitation) = live.invitation_of(token, app.clock.now()) else { return Chosen::Unknown };
    let channel = ChannelId::from(channel);
    let Some(kind) = live.channels.get(&channel).map(|a| a.kind.section()) else { return Chosen::Unknown };
    if app.codes.check().is_err() {
        return Chosen::TooOften;
    }
    match begin(app, &invitation, &channel).await {
        Ok(Some(begun)) => Chosen::Begun(kind, begun),
        Ok(None) => Chosen::Unknown,
        Err(error) => {
            tracing::warn!(%error, "a code that ties a messenger to an order could not be made");
            Chosen::Unavailable
        }
    }
}

/// A code for an invitation: whoever shows it first on a messenger is tied to the order.
///
/// # Errors
/// Redis could not take it.
pub async fn code(app: &App, invitation: &Invitation, until: Timestamp) -> Result<String, StoreError> {
    let code = new_code();
    lay(app, &code, invitation, until).await?;
    Ok(code)
}

/// Lays a code ready under this name.
///
/// # Errors
/// Redis could not take it.
pub(super) async fn lay(app: &App, name: &str, invitation: &Invitation, until: Timestamp) -> Result<(), StoreError> {
    // By our clock too: the server's may differ from the one that pages are made by.
    let leads = serde_json::to_vec(&(invitation, until)).map_err(|e| StoreError::bug(format!("an invitation: {e}")))?;
    app.store.offer_code(name, &leads, until).await
}

/// From the generator that keys and nonces come from.
fn new_code() -> String {
    let mut bytes = [0_u8; LENGTH];
    rand::rng().fill(&mut bytes);
    let letters = bytes.iter().map(|b| char::from(LETTERS[usize::from(b & 31)]));
    MARK.chars().chain(letters).collect()
}

/// The code in what a person wrote or a link carried.
pub fn code_in(words: &str) -> Option<String> {
    let words = words.to_ascii_lowercase();
    let parts = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let letters = |code: &str| code.len() == LENGTH && code.bytes().all(|b| LETTERS.contains(&b));
    parts.filter(|part| part.strip_prefix(MARK).is_some_and(letters)).map(str::to_string).next()
}

/// A person shows a code on a messenger at `at`.
///
/// # Errors
/// Redis could not take it; the same again is safe.
pub async fn claim(
    app: &App,
    (channel, person): (&ChannelId, &Address),
    code: &str,
    at: Timestamp,
) -> Result<Claim, AcceptError> {
    let leads = match app.store.redeem_code(code, channel, person).await? {
        Redeemed::Theirs(leads) => leads,
        Redeemed::Used => return Ok(Claim::Used),
        Redeemed::Unknown => return Ok(Claim::Unknown),
    };
    super::crash::point("after-redeem");
    let leads = serde_json::from_slice::<(Invitation, Timestamp)>(&leads).ok();
    let Some((invitation, _)) = leads.filter(|(_, until)| at < *until) else { return Ok(Claim::Unknown) };
    let live = app.live();
    // The code may have been made for another messenger, or before the shop took nobody new here.
    let known = live.shops.get(&invitation.shop).filter(|_| takes_new(&live, &invitation.shop, channel));
    let Some(shop) = known else { return Ok(Claim::Unknown) };
    let link =
        Link { at, channel: channel.clone(), address: person.clone(), on: true, shown: invitation.shown.clone() };
    let Some(order) = put(app, shop, &invitation.order, link.clone()).await? else { return Ok(Claim::Unknown) };
    super::crash::point("after-link");
    let tie = Tie { at, shop: invitation.shop.clone(), order: invitation.order.clone() };
    app.store.tie(channel, person, &tie).await?;
    Ok(if order.counts(&link) { Claim::Tied(invitation) } else { Claim::Noted(invitation) })
}

/// The person lets the order go, or says that it is not theirs: nothing more of it is told to them there.
///
/// # Errors
/// Redis could not take it; the same again is safe.
pub async fn let_go(
    app: &App,
    (channel, person): (&ChannelId, &Address),
    (shop, order): (&ShopId, &OrderId),
    at: Timestamp,
) -> Result<(), AcceptError> {
    let live = app.live();
    if let Some(shop) = live.shops.get(shop) {
        let link = Link { at, channel: channel.clone(), address: person.clone(), on: false, shown: None };
        put(app, shop, order, link).await?;
    }
    Ok(app.store.untie(channel, person, shop, order).await?)
}

/// Folds the link in like any other news, and has the order looked at: what waited for somebody to tell may go now.
/// `None`: the order was erased.
async fn put(app: &App, shop: &Shop, order: &OrderId, link: Link) -> Result<Option<Order>, AcceptError> {
    let written = serde_json::to_vec(&link).unwrap_or_default();
    let seen = [Digest8::of(&[b"link", shop.rules.id.as_str().as_bytes(), order.as_str().as_bytes(), &written])];
    let event = OrderEvent {
        about: About::Order(order.clone()),
        at: link.at,
        dated: true,
        topic: format!("{} {}", if link.on { "link" } else { "unlink" }, link.channel),
        patch: Patch { links: vec![link], ..Patch::default() },
        joins: Vec::new(),
        refetch: false,
    };
    if fold(app, shop, order, (&event, app.clock.now()), &seen).await? == WebhookOutcome::Erased {
        return Ok(None);
    }
    let member = app.store.member(&Unit::order(&shop.rules.id, order.as_str()));
    app.store.wake(std::slice::from_ref(&member)).await?;
    app.nudge.notify_one();
    let record = app.store.read(&member).await?;
    record.snapshot.as_deref().map(read_order).transpose()
}

/// When an invitation made now is over.
pub fn good_until(now: Timestamp) -> Timestamp {
    plus_secs(now, INVITATION_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_words_and_nothing_else_is() {
        let code = new_code();
        assert_eq!(code.len(), MARK.len() + LENGTH);
        assert_ne!(code, new_code());
        for words in [code.clone(), code.to_uppercase(), format!("請幫我連結訂單 {code}。"), format!("({code})")]
        {
            assert_eq!(code_in(&words), Some(code.clone()), "{words}");
        }
        for words in [
            "ow-".to_string(),
            code.chars().take(code.len() - 1).collect(),
            format!("{code}0"),
            format!("c{code}"),
            "ow-uuuuuuuuuuuuuuuuuuuu".into(),
            "row-00000000000000000000".into(),
        ] {
            assert_eq!(code_in(&words), None, "{words}");
        }
        assert_eq!(code_in(&format!("ow-x {code}")), Some(code));
    }
}
