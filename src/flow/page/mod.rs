//! page: what a customer's page of an order shows, and what is switched on it. Plain data for `pages`.
//!
//! A link names its holder: an order, and a person on a channel. Whoever has it may see where the order stands, may
//! switch messages off on every channel that the order reaches, and may switch them on again only where the link itself
//! was sent to: a link that was passed on must not bring back what somebody else refused. Nothing on the page names a
//! person or an address.
//!
//! Looking changes nothing. A press dies before it is written: nothing is switched, the page is still there to press
//! again. Dies after it is written: it is switched, and the next look says so.

pub mod order;
pub mod switch;

use super::App;
use super::hear::SwitchedOff;
use super::kept::read_order;
use super::live::{Holder, Live, Shop};
use crate::domain::channel::Audience;
use crate::domain::order::Order;
use crate::store::error::StoreError;
use crate::store::keys::{Member, Unit};
use crate::store::order::Record;
use crate::words::shown::{Reader, line};
use order::OrderPart;
use serde::Serialize;
use std::sync::Arc;
use switch::Row;

/// What a page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// Language of the words, one of [`crate::words::LOCALES`].
    pub locale: &'static str,
    /// The shop's name in words, where settings give one.
    pub shop: Option<String>,
    /// The order; `None`: the link knows none, or nothing is kept of it any more.
    pub order: Option<OrderPart>,
    /// Channels that may carry messages, each as it is switched.
    pub channels: Vec<Row>,
}

/// What came of looking at a page.
#[derive(Debug)]
pub enum Shown {
    /// This.
    Page(Box<Page>),
    /// The link is not genuine, or over.
    UnknownLink,
}

/// What came of a press.
#[derive(Debug)]
pub enum Pressed {
    /// Switched, on the channel of this name; the page as it is now.
    Done(switch::What, &'static str, Box<Page>),
    /// On disk: switched off when Redis is back, before which nothing is sent.
    Kept(Box<Page>),
    /// The form was not of this page, too old, or of what holds no more: nothing was switched.
    Stale(Box<Page>),
    /// Nobody has it: the person must try again.
    Unavailable(Box<Page>),
    /// The link is not genuine, or over.
    UnknownLink,
}

/// What is known of the order behind a link.
pub(super) struct Known {
    pub(super) member: Member,
    pub(super) record: Record,
    pub(super) order: Order,
    pub(super) shop: Arc<Shop>,
}

/// A link opened: its holder, the order, and the people that the order reaches, as they are now.
pub(super) struct Look {
    pub(super) live: Arc<Live>,
    pub(super) holder: Holder,
    pub(super) known: Option<Known>,
    pub(super) seats: Vec<switch::Seat>,
}

impl Look {
    async fn at(app: &App, holder: Holder) -> Result<Look, StoreError> {
        let live = app.live();
        let known = known(app, &live, &holder).await?;
        let mut seats = switch::seats(&live, &holder, known.as_ref());
        switch::fill(app, &mut seats).await?;
        Ok(Look { live, holder, known, seats })
    }

    /// Without Redis: what the link itself says.
    fn blind(app: &App, holder: Holder) -> Look {
        let live = app.live();
        let seats = switch::seats(&live, &holder, None);
        Look { live, holder, known: None, seats }
    }

    fn page(&self, app: &App, token: &str, wanted: Option<&str>) -> Page {
        let now = app.clock.now();
        let shop = self.holder.order.as_ref().and_then(|(id, _)| self.live.shops.get(id));
        let rules = shop.map(|s| &s.rules);
        let wishes = match (&self.known, rules) {
            (Some(known), _) => super::wording::wishes(&known.order, &known.shop.rules, Audience::Customer),
            (None, rules) => rules.iter().map(|r| r.locale.as_str()).collect(),
        };
        let wishes: Vec<&str> = wanted.into_iter().chain(wishes).collect();
        let locale = self.live.words.locale(&wishes);
        let order = self.known.as_ref().map(|known| {
            let country = known.order.head().and_then(|h| h.country.as_deref());
            let reader = Reader::new(locale, country, &known.shop.rules.timezone, now);
            OrderPart::of(&known.order, &known.shop.rules, &self.live.words, &reader, now)
        });
        let shop = rules.and_then(|r| r.name.as_deref()).and_then(|name| line(name, 60));
        Page { locale, shop, order, channels: switch::rows(self, token, now) }
    }
}

/// The order that a link names, if something is kept of it.
async fn known(app: &App, live: &Live, holder: &Holder) -> Result<Option<Known>, StoreError> {
    let Some((shop, id)) = &holder.order else { return Ok(None) };
    let Some(shop) = live.shops.get(shop) else { return Ok(None) };
    let member = app.store.member(&Unit::order(&shop.rules.id, id.as_str()));
    let record = app.timed("read", app.store.read(&member)).await?;
    // One of a newer version is left alone; one in the bin is nobody's business any more.
    let order = record.snapshot.as_deref().and_then(|bytes| read_order(bytes).ok());
    let order = order.filter(|order| order.head().is_some() && !order.deleted());
    Ok(order.map(|order| Known { member, record, order, shop: Arc::clone(shop) }))
}

/// What the page of this link shows, in the language `wanted` where there is one, else the order's. Changes nothing.
pub async fn show(app: &App, token: &str, wanted: Option<&str>) -> Shown {
    let Some(holder) = app.live().holder_of(token, app.clock.now()) else { return Shown::UnknownLink };
    let look = match Look::at(app, holder.clone()).await {
        Ok(look) => look,
        Err(error) => {
            tracing::warn!(%error, "a customer's page is shown without its order");
            Look::blind(app, holder)
        }
    };
    Shown::Page(Box::new(look.page(app, token, wanted)))
}

/// Somebody pressed a button of the page; `form` is what stood in it.
pub async fn press(app: &App, token: &str, form: &str, wanted: Option<&str>) -> Pressed {
    let now = app.clock.now();
    let Some(holder) = app.live().holder_of(token, now) else { return Pressed::UnknownLink };
    let (look, sighted) = match Look::at(app, holder.clone()).await {
        Ok(look) => (look, true),
        Err(error) => {
            tracing::warn!(%error, "a press on a customer's page is taken without its order");
            (Look::blind(app, holder.clone()), false)
        }
    };
    let Some((what, seat)) = switch::read(&look, token, form, now) else {
        return Pressed::Stale(Box::new(look.page(app, token, wanted)));
    };
    let channel = seat.channel();
    let switched = switch::switch(app, &look, what, seat).await;
    let after = if sighted { Look::at(app, holder).await.unwrap_or(look) } else { look };
    let page = Box::new(after.page(app, token, wanted));
    match switched {
        SwitchedOff::Off => Pressed::Done(what, channel, page),
        SwitchedOff::Kept => Pressed::Kept(page),
        SwitchedOff::Unavailable => Pressed::Unavailable(page),
        SwitchedOff::UnknownLink => Pressed::UnknownLink,
    }
}
