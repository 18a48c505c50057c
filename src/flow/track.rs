//! track: order number and contact → a one-time code to that contact → the order's page.
//!
//! Whether the two belong together shows in nothing: every request counts, looks up, lays a code down and waits until the
//! same moment; a code that nobody was sent lies there like any other. What differs, the message, is done beside it.
//!
//! Dies before the code is laid down: nobody was answered. Dies before the message is handed over: the answer promised
//! nothing, the customer asks again. A message is handed over once, never again: nobody needs the code of an hour ago.

use super::App;
use super::account::{Account, Permit};
use super::kept::read_order;
use super::link::Invitation;
use super::live::{Holder, Live, Shop};
use super::outcome::teach;
use crate::domain::channel::{Audience, Envelope, Errand, Form, Message, Reference};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::{JoinKey, number};
use crate::domain::ids::ShopId;
use crate::domain::order::Order;
use crate::domain::person::Address;
use crate::domain::verdict::Verdict;
use crate::plan::{addresses_for, e164};
use crate::store::codes::Tried;
use crate::store::error::StoreError;
use crate::store::keys::Unit;
use crate::store::messages::Join;
use crate::words::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// How long a code is good.
const CODE_SECS: i64 = 600;
/// Wrong codes before it is gone.
const TRIES: u32 = 5;
/// How long the page can be opened that a code led to.
const OPEN_SECS: i64 = 86_400;
/// No answer leaves sooner: far more than the steps take.
const LEAST: Duration = Duration::from_millis(600);
/// Longest wait for a slot of the account's pace.
const SLOT_MS: i64 = 20_000;
/// What tickets are for.
const TICKET: &str = "track";
/// Codes to one contact; requests for one shop; requests from one place. Each within so many seconds.
const PER_CONTACT: (u64, i64) = (3, 900);
const PER_SHOP: (u64, i64) = (300, 600);
const PER_PLACE: (u64, i64) = (20, 600);

/// What a form needs to be shown.
#[derive(Clone, Debug)]
pub struct FormFace {
    /// Language.
    pub locale: &'static str,
    /// The shop's name in words.
    pub shop: Option<String>,
    /// Sites that may show it in a frame.
    pub origins: Vec<String>,
}

/// What was typed, in one form however it was typed; sealed into the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Typed {
    shop: ShopId,
    number: String,
    contact: String,
}

/// What came of asking for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// If the two belong together, a code is on its way. The ticket goes along with it.
    Ticket(String),
    /// Too many from this place.
    TooOften,
    /// Redis could not be asked.
    Unavailable,
}

/// What came of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The token of the order's page.
    Page(String),
    /// Wrong, used, or none was sent.
    Wrong,
    /// The ticket is not genuine, of another shop, or over: it begins anew.
    Over,
    /// Too many from this place.
    TooOften,
    /// Redis could not be asked.
    Unavailable,
}

/// The form of this shop; `None`: it has none.
pub fn form(app: &App, shop: &str, wanted: Option<&str>) -> Option<FormFace> {
    let live = app.live();
    let rules = &live.shops.get(&ShopId::from(shop))?.rules;
    let origins = rules.track.as_ref()?.embed_origins.clone();
    let wishes: Vec<&str> = wanted.into_iter().chain([rules.locale.as_str()]).collect();
    let locale = live.words.locale(&wishes);
    Some(FormFace { locale, shop: rules.name.as_deref().and_then(|n| shown::line(n, 60)), origins })
}

/// Somebody asks for a code, from `place` where that is known.
pub async fn ask(app: &Arc<App>, shop: &str, order: &str, contact: &str, place: Option<IpAddr>) -> Asked {
    let answer = Instant::now() + LEAST;
    let typed = Typed { shop: shop.into(), number: number(order), contact: plain(contact) };
    let asked = match asked(app, typed, place).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(%error, "a code for an order's page could not be made");
            Asked::Unavailable
        }
    };
    sleep_until(answer).await;
    asked
}

async fn asked(app: &Arc<App>, typed: Typed, place: Option<IpAddr>) -> Result<Asked, StoreError> {
    let live = app.live();
    let Some(counts) = counted(app, &typed, place, true).await? else { return Ok(Asked::TooOften) };
    let found = find(app, &live, &typed).await?;
    let code = format!("{:06}", rand::random_range(0..1_000_000));
    if counts {
        // Also where nobody is sent it: the next step is the same then.
        app.store.put_code(&parts(&typed), &code, CODE_SECS * 1000).await?;
        if let Some(found) = found {
            let app = Arc::clone(app);
            drop(tokio::spawn(async move { send(&app, &live, &found, &code).await }));
        }
    }
    let now = plus_secs(app.clock.now(), CODE_SECS);
    let ticket = serde_json::to_vec(&typed).ok().zip(app.live().keyed.clone());
    Ok(ticket.map_or(Asked::Unavailable, |(typed, keyed)| Asked::Ticket(keyed.seal.token(TICKET, &typed, now))))
}

/// Somebody typed a code.
pub async fn open(app: &App, shop: &str, ticket: &str, code: &str, place: Option<IpAddr>) -> Opened {
    let answer = Instant::now() + LEAST;
    let opened = match opened(app, shop, ticket, code, place).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%error, "a code for an order's page could not be tried");
            Opened::Unavailable
        }
    };
    sleep_until(answer).await;
    opened
}

async fn opened(app: &App, shop: &str, ticket: &str, code: &str, place: Option<IpAddr>) -> Result<Opened, StoreError> {
    let (live, now) = (app.live(), app.clock.now());
    let typed = live.keyed.as_ref().and_then(|k| k.seal.untoken(TICKET, ticket, now).ok());
    let typed = typed.and_then(|bytes| serde_json::from_slice::<Typed>(&bytes).ok());
    let Some(typed) = typed.filter(|t| t.shop.as_str() == shop) else { return Ok(Opened::Over) };
    if counted(app, &typed, place, false).await?.is_none() {
        return Ok(Opened::TooOften);
    }
    let digits: String = code.nfkc().filter(char::is_ascii_digit).take(12).collect();
    let right = app.store.try_code(&parts(&typed), &digits, TRIES).await?;
    let found = find(app, &live, &typed).await?.filter(|_| right);
    let token = found.and_then(|f| live.page_token(&f.holder, plus_secs(now, OPEN_SECS)));
    Ok(token.map_or(Opened::Wrong, Opened::Page))
}

/// Counts a request; `Some(false)`: more than a contact or a shop may have, so nothing is sent, and nobody learns that;
/// `None`: more than a place may have.
async fn counted(app: &App, typed: &Typed, place: Option<IpAddr>, asks: bool) -> Result<Option<bool>, StoreError> {
    let (shop, at) = (typed.shop.as_str().as_bytes(), place.map(|p| p.to_string()).unwrap_or_default());
    let (contact, shops, places) = ([shop, typed.contact.as_bytes()], [shop], [at.as_bytes()]);
    let of = |what, place, (_, secs): (u64, i64)| Tried { what, place, secs };
    let mut tried = Vec::new();
    if place.is_some() {
        tried.push((of("track-place", &places[..], PER_PLACE), PER_PLACE.0));
    }
    if asks {
        tried.push((of("track-contact", &contact, PER_CONTACT), PER_CONTACT.0));
        tried.push((of("track-shop", &shops, PER_SHOP), PER_SHOP.0));
    }
    let counts = app.store.tried(&tried.iter().map(|(t, _)| *t).collect::<Vec<_>>()).await?;
    let counts: Vec<_> = tried.iter().zip(counts).map(|((t, most), n)| (t.what, *most, n)).collect();
    // Said once: whoever floods the form must not flood the log.
    if counts.iter().any(|(what, most, n)| *what == "track-shop" && *n == most + 1) {
        tracing::warn!(shop = %typed.shop, "more order look-ups than a shop may have: no code is sent for a while");
    }
    let over: Vec<&str> = counts.iter().filter(|(_, most, n)| n > most).map(|(what, ..)| *what).collect();
    Ok((!over.contains(&"track-place")).then_some(over.is_empty()))
}

fn parts(typed: &Typed) -> [&[u8]; 3] {
    [typed.shop.as_str().as_bytes(), typed.number.as_bytes(), typed.contact.as_bytes()]
}

/// A contact as it is compared: a mailbox in lower case, of a number its digits.
fn plain(contact: &str) -> String {
    let text: String = contact.nfkc().filter(|c| !c.is_control()).take(120).collect();
    match text.contains('@') {
        true => text.trim().to_lowercase(),
        false => text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
    }
}

/// An order, and the account that writes to its contact.
pub(super) struct Found {
    order: Order,
    shop: Arc<Shop>,
    account: Arc<Account>,
    holder: Holder,
}

impl Found {
    fn new(order: Order, shop: Arc<Shop>, (account, address): (Arc<Account>, Address)) -> Found {
        let named = Some((order.shop.clone(), order.id.clone()));
        let holder = Holder { order: named, channel: account.id.clone(), address };
        Found { order, shop, account, holder }
    }

    /// What ties a messenger to it.
    pub(super) fn invitation(&self) -> Invitation {
        Invitation { shop: self.order.shop.clone(), order: self.order.id.clone(), shown: None }
    }
}

/// The same look-ups whatever was typed.
async fn find(app: &App, live: &Live, typed: &Typed) -> Result<Option<Found>, StoreError> {
    let Some((order, shop)) = numbered(app, live, &typed.shop, &typed.number).await? else { return Ok(None) };
    Ok(reached(live, &order, &shop, &typed.contact).map(|to| Found::new(order, shop, to)))
}

/// The order of this number, and the first of its own contacts to which a code can go.
///
/// # Errors
/// The store's.
pub(super) async fn of_number(app: &App, live: &Live, shop: &ShopId, no: &str) -> Result<Option<Found>, StoreError> {
    let Some((order, shop)) = numbered(app, live, shop, no).await? else { return Ok(None) };
    let account = |account: &&Arc<Account>| matches!(account.kind.section(), "email" | "sms");
    let first = accounts(live, &shop).filter(account).find_map(|account| {
        let address = account.carried(&order, &shop.rules).into_iter().next()?;
        Some((Arc::clone(account), address))
    });
    Ok(first.map(|to| Found::new(order, shop, to)))
}

async fn numbered(app: &App, live: &Live, shop: &ShopId, no: &str) -> Result<Option<(Order, Arc<Shop>)>, StoreError> {
    let key = JoinKey { kind: "number".into(), id: no.to_string() };
    let id = match app.store.find_join(shop, &key).await? {
        Join::Order(id) => id,
        // The number is the id, or of no order.
        Join::Unknown | Join::Erased => no.into(),
    };
    let record = app.store.read(&app.store.member(&Unit::order(shop, id.as_str()))).await?;
    let order = record.snapshot.as_deref().and_then(|bytes| read_order(bytes).ok());
    let order = order.filter(|order| !order.deleted() && order.head().is_some_and(|h| number(&h.name) == no));
    Ok(order.zip(live.shops.get(shop).cloned()))
}

/// Accounts by which the shop's routes tell its customers, as the routes name them.
fn accounts<'l>(live: &'l Live, shop: &'l Shop) -> impl Iterator<Item = &'l Arc<Account>> {
    let routes = live.routes.iter().filter(|r| {
        r.audience == Audience::Customer && r.shops.as_ref().is_none_or(|ids| ids.contains(&shop.rules.id))
    });
    let accounts = routes.flat_map(|r| r.channels.iter().chain(&r.also)).filter_map(|id| live.channels.get(id));
    accounts.filter(|a| a.caps.audience == Audience::Customer)
}

/// The account of the shop's routes that writes to this contact, if it is one of the order's.
fn reached(live: &Live, order: &Order, shop: &Shop, contact: &str) -> Option<(Arc<Account>, Address)> {
    let (scheme, section) = if contact.contains('@') { ("email", "email") } else { ("phone", "sms") };
    let country = order.head().and_then(|h| h.country.as_deref()).or(shop.rules.country.as_deref());
    let wanted = match scheme {
        "email" => contact.to_string(),
        _ => e164(contact, country)?,
    };
    let raw = addresses_for(order, &shop.rules, scheme);
    let raw = raw.iter().find(|raw| raw.trim().to_lowercase() == wanted)?;
    let mut accounts = accounts(live, shop).filter(|a| a.caps.scheme == scheme && a.kind.section() == section);
    accounts.find_map(|account| Some((Arc::clone(account), account.channel.address(raw)?)))
}

/// Hands the code over, once, if the person may be written to.
pub(super) async fn send(app: &App, live: &Live, found: &Found, code: &str) {
    let Some(permit) = slot(app, found).await else {
        return tracing::warn!(channel = %found.account.id, "a code was not sent: the channel stands still");
    };
    match may(app, found).await {
        Ok(true) => {}
        Ok(false) => return tracing::info!(channel = %found.account.id, "a code was not sent: its recipient refused"),
        Err(error) => return tracing::warn!(%error, "a code was not sent: its recipient could not be looked up"),
    }
    let Some(envelope) = worded(live, found, code, app.clock.now()) else { return };
    let started = std::time::Instant::now();
    let timeout = Duration::from_secs(u64::from(found.account.caps.timeout_secs) + 1);
    let sent = tokio::time::timeout(timeout, found.account.channel.send(&envelope)).await;
    let verdict = sent.unwrap_or_else(|_| Verdict::Unsure { detail: "the send outlived its time-out".into() });
    let took = started.elapsed();
    drop(permit);
    app.metrics.attempt(found.account.id.as_str(), &verdict, took.as_secs_f64());
    teach(app, &found.account, &verdict, None, took).await;
    learn(app, found, &verdict).await;
    tracing::info!(channel = %found.account.id, verdict = verdict.as_str(), "a code for an order's page was handed over");
}

/// What the provider says of the recipient counts for every message.
async fn learn(app: &App, found: &Found, verdict: &Verdict) {
    let Verdict::Unreachable { change, .. } = verdict else { return };
    let (now, holder) = (app.clock.now(), &found.holder);
    let dedupe = format!("code:{}", now.as_millisecond());
    if let Err(error) = app.store.apply(&holder.channel, &holder.address, &dedupe, now, change, false).await {
        tracing::warn!(%error, "what the provider said of a recipient could not be kept");
    }
}

/// A place to send, within the pace that all pods share.
async fn slot(app: &App, found: &Found) -> Option<Permit> {
    let account = &found.account;
    let begun = app.clock.now();
    loop {
        let now = app.clock.now();
        if account.paused(now).is_some() || now.as_millisecond() - begun.as_millisecond() > SLOT_MS {
            return None;
        }
        let missing = account.slice_missing(now, 1);
        if missing > 0 {
            let granted = app.store.pace_slice(account.tag, missing, account.caps.pace.per_second).await.ok()?;
            account.add_slice(now, granted);
        }
        match account.take(now) {
            Ok(permit) => return Some(permit),
            Err(slot) => {
                let wait = u64::try_from(slot.as_millisecond() - now.as_millisecond()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(wait.clamp(10, 2000))).await;
            }
        }
    }
}

/// Read right before the send: a refusal counts here as for any message, and a test order reaches the listed only.
async fn may(app: &App, found: &Found) -> Result<bool, StoreError> {
    let Holder { channel, address, .. } = &found.holder;
    let facts = app.store.facts(&[(channel.clone(), address.clone())]).await?.pop().unwrap_or_default();
    let facts = app.noted.over(channel, address, facts);
    let listed = |raw: &String| found.account.channel.address(raw).as_ref() == Some(address);
    let tried = !found.order.test() || found.shop.rules.test_recipients.iter().any(listed);
    Ok(facts.opted_out.is_none() && facts.unreachable.is_none() && tried)
}

fn worded(live: &Live, found: &Found, code: &str, now: Timestamp) -> Option<Envelope> {
    let (order, rules) = (&found.order, &found.shop.rules);
    let locale = live.words.locale(&super::wording::wishes(order, rules, Audience::Customer));
    let name = order.head().map(|h| h.name.as_str()).unwrap_or_default();
    let words = shown::code(locale, name, code);
    let message = Message {
        actions: Vec::new(),
        milestone: "track_code".into(),
        locale: locale.into(),
        title: words.title,
        body: words.body,
        buttons: Vec::new(),
        image: None,
        shop_id: order.shop.to_string(),
        order_id: order.id.to_string(),
        order_name: shown::line(name, 40).unwrap_or_default(),
        shop_name: rules.name.as_deref().and_then(|n| shown::line(n, 60)),
        extra: BTreeMap::from([("text".to_string(), words.sms.into())]),
    };
    let errand = Errand {
        address: Some(&found.holder.address),
        form: Form::Free,
        key: Uuid::from_u128(rand::random()),
        thread: Uuid::from_u128(rand::random()),
        reference: &Reference(hex::encode(rand::random::<[u8; 16]>())),
        reply_token: None,
        unsubscribe_url: None,
        quiet: false,
        now,
    };
    let shaped = found.account.channel.shape(&message, &errand);
    shaped.inspect_err(|fault| tracing::error!(channel = %found.account.id, %fault, "a code has no shape there")).ok()
}
