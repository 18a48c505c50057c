//! The switches of a page: which there are, the forms that move them, and moving them.
//!
//! A form is sealed, and bound to the page it stands on, to what it does and to what was so when it was made: it works on
//! no other page, not for long, and one that switches on works for that very state only, so that an old one does not
//! bring back what was refused since. Switching off needs no such care and always counts.

use super::{Known, Look};
use crate::domain::channel::Audience;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::consent::Source;
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, PersonChange, PersonFacts, Unreachable};
use crate::flow::App;
use crate::flow::account::Account;
use crate::flow::hear::{SwitchedOff, switch_off_at};
use crate::flow::live::{Holder, Live};
use crate::store::error::StoreError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a page can stand open before its buttons must be loaded anew.
const FORM_SECS: i64 = 2 * 3600;
/// What its tokens are for.
const FORM: &str = "form";
/// Longest a press may take.
const PRESS: Duration = Duration::from_millis(1900);

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// No more messages about this order on the channel.
    OffOrder,
    /// No more messages at all on the channel.
    OffAll,
    /// Messages about this order again.
    OnOrder,
    /// Messages on the channel again.
    OnAll,
}

/// How a channel is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Messages go.
    On,
    /// Not about this order.
    OffOrder,
    /// None at all.
    Off,
    /// The person blocked the account at the messenger: only they can lift that, over there.
    Blocked,
    /// The provider does not know the address.
    Unknown,
}

/// A button.
#[derive(Clone, Debug, Serialize)]
pub struct Button {
    /// What it does.
    pub what: What,
    /// What stands in its form.
    pub form: String,
}

/// A channel as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which messenger, by the name of its words (`line`, `sms`).
    pub channel: &'static str,
    /// How it is switched.
    pub state: State,
    /// The link was sent there.
    pub own: bool,
    /// What can be pressed.
    pub buttons: Vec<Button>,
}

/// A channel account that may carry messages of the order, and to whom.
pub(in crate::flow) struct Seat {
    account: Arc<Account>,
    people: Vec<(Address, PersonFacts)>,
}

/// Every channel that a message about the order may go by, the link's own first.
pub(in crate::flow) fn seats(live: &Live, holder: &Holder, known: Option<&Known>) -> Vec<Seat> {
    let routes = known.into_iter().flat_map(|k| {
        let fits = move |shops: &Option<Vec<_>>| shops.as_ref().is_none_or(|ids| ids.contains(&k.shop.rules.id));
        live.routes.iter().filter(move |r| r.audience == Audience::Customer && fits(&r.shops))
    });
    let ids = routes.flat_map(|r| r.channels.iter().chain(&r.also));
    let mut seats: Vec<Seat> = Vec::new();
    for id in std::iter::once(&holder.channel).chain(ids) {
        let Some(account) = live.channels.get(id).filter(|a| a.caps.audience == Audience::Customer) else { continue };
        if seats.iter().any(|s| s.account.id == *id) {
            continue;
        }
        let own = (*id == holder.channel).then(|| holder.address.clone());
        let named = known.map(|k| account.named(&k.order, &k.shop.rules)).unwrap_or_default();
        let mut people: Vec<(Address, PersonFacts)> = Vec::new();
        for address in own.into_iter().chain(named) {
            if !people.iter().any(|(known, _)| *known == address) {
                people.push((address, PersonFacts::default()));
            }
        }
        if !people.is_empty() {
            seats.push(Seat { account: Arc::clone(account), people });
        }
    }
    seats
}

/// Learns how they are switched now, in one flight.
pub(in crate::flow) async fn fill(app: &App, seats: &mut [Seat]) -> Result<(), StoreError> {
    let who: Vec<(ChannelId, Address)> =
        seats.iter().flat_map(|s| s.people.iter().map(|(a, _)| (s.account.id.clone(), a.clone()))).collect();
    let facts = app.timed("facts", app.store.facts(&who)).await?;
    let people = seats.iter_mut().flat_map(|s| s.people.iter_mut());
    for (((channel, address), facts), person) in who.into_iter().zip(facts).zip(people) {
        person.1 = app.noted.over(&channel, &address, facts);
    }
    Ok(())
}

impl Seat {
    /// Which messenger, by the name of its words.
    pub(in crate::flow) fn channel(&self) -> &'static str {
        self.account.kind.section()
    }

    fn state(&self, look: &Look) -> State {
        let any = |of: fn(&PersonFacts) -> bool| self.people.iter().any(|(_, facts)| of(facts));
        let unreachable = |facts: &PersonFacts| facts.unreachable.map(|(_, why)| why);
        if self.people.iter().any(|(_, f)| unreachable(f) == Some(Unreachable::Blocked)) {
            State::Blocked
        } else if any(|f| f.opted_out.is_some()) {
            State::Off
        } else if look.known.as_ref().is_some_and(|k| k.record.muted.contains(&self.account.tag)) {
            State::OffOrder
        } else if self.people.iter().all(|(_, f)| unreachable(f) == Some(Unreachable::Invalid)) {
            State::Unknown
        } else {
            State::On
        }
    }

    fn own(&self, look: &Look) -> bool {
        self.account.id == look.holder.channel
    }

    /// When whoever holds the link said no; `None`: somebody else did, or the provider may have written it down.
    fn refused(&self, look: &Look) -> Option<Timestamp> {
        let mut noes = self.people.iter().filter_map(|(who, f)| Some((who, f.opted_out?)));
        let (who, at) = noes.next()?;
        let lifts = self.own(look) && *who == look.holder.address && !self.account.caps.keeps_refusals;
        (lifts && noes.next().is_none()).then_some(at)
    }

    /// What can be done, each with what it hangs on.
    fn choices(&self, look: &Look) -> Vec<(What, i64)> {
        let known = look.known.as_ref();
        match self.state(look) {
            State::On if known.is_some() => vec![(What::OffOrder, 0), (What::OffAll, 0)],
            State::On => vec![(What::OffAll, 0)],
            State::OffOrder => {
                let revision = known.map(|k| i64::try_from(k.record.revision).unwrap_or(i64::MAX));
                // What the shop's people switched off, they switch on.
                let held = known.is_some_and(|k| k.record.held.contains(&self.account.tag));
                let back = revision.filter(|_| self.own(look) && !held).map(|seen| (What::OnOrder, seen));
                back.into_iter().chain([(What::OffAll, 0)]).collect()
            }
            State::Off => self.refused(look).map(|at| (What::OnAll, at.as_millisecond())).into_iter().collect(),
            State::Blocked | State::Unknown => Vec::new(),
        }
    }
}

/// What is sealed in a form: the page, what it does, where, and on what it hangs.
type Form = (String, What, ChannelId, i64);

fn page_of(look: &Look, token: &str) -> Option<String> {
    let keyed = look.live.keyed.as_ref()?;
    Some(hex::encode(keyed.seal.hash16("page", &[token.as_bytes()])))
}

/// The rows of the page behind `token`.
pub(in crate::flow) fn rows(look: &Look, token: &str, now: Timestamp) -> Vec<Row> {
    let page = page_of(look, token);
    let button = |seat: &Seat, (what, seen): (What, i64)| {
        let seal = &look.live.keyed.as_ref()?.seal;
        let form: Form = (page.clone()?, what, seat.account.id.clone(), seen);
        let form = seal.token(FORM, &serde_json::to_vec(&form).ok()?, plus_secs(now, FORM_SECS));
        Some(Button { what, form })
    };
    let row = |seat: &Seat| Row {
        channel: seat.channel(),
        state: seat.state(look),
        own: seat.own(look),
        buttons: seat.choices(look).into_iter().filter_map(|choice| button(seat, choice)).collect(),
    };
    look.seats.iter().map(row).collect()
}

/// What a form of this page does, and where; `None`: it is of another page, over, or of what is no more.
pub(in crate::flow) fn read<'a>(look: &'a Look, token: &str, form: &str, now: Timestamp) -> Option<(What, &'a Seat)> {
    let sealed = look.live.keyed.as_ref()?.seal.untoken(FORM, form, now).ok()?;
    let (page, what, channel, seen): Form = serde_json::from_slice(&sealed).ok()?;
    let seat = look.seats.iter().find(|s| s.account.id == channel)?;
    let fits = match what {
        What::OffAll => true,
        What::OffOrder => look.known.is_some(),
        What::OnOrder | What::OnAll => seat.choices(look).contains(&(what, seen)),
    };
    (page_of(look, token)? == page && fits).then_some((what, seat))
}

/// Switches. The one place where the page changes what may be sent.
pub(in crate::flow) async fn switch(app: &App, look: &Look, what: What, seat: &Seat) -> SwitchedOff {
    match what {
        What::OffAll => off_all(app, seat).await,
        What::OnAll => within(on_all(app, look, seat)).await,
        What::OffOrder => within(of_order(app, look, seat, true)).await,
        What::OnOrder => within(of_order(app, look, seat, false)).await,
    }
}

/// A no at any of the customer's addresses is a no of the customer: it is written at each of them all the same, because
/// another order may carry but one.
async fn off_all(app: &App, seat: &Seat) -> SwitchedOff {
    let mut worst = SwitchedOff::Off;
    for (address, _) in &seat.people {
        worst = match (worst, switch_off_at(app, seat.account.id.clone(), address.clone()).await) {
            (_, SwitchedOff::Unavailable) | (SwitchedOff::Unavailable, _) => SwitchedOff::Unavailable,
            (_, SwitchedOff::Kept) | (SwitchedOff::Kept, _) => SwitchedOff::Kept,
            (_, one) => one,
        };
    }
    worst
}

async fn on_all(app: &App, look: &Look, seat: &Seat) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let change = PersonChange { opted_out: Some(false), ..PersonChange::default() };
    let dedupe = format!("on:{}", now.as_millisecond());
    app.store.apply(&seat.account.id, &look.holder.address, &dedupe, now, &change, false).await?;
    tracing::info!(channel = %seat.account.id, "a recipient switched order updates on again");
    Ok(true)
}

async fn of_order(app: &App, look: &Look, seat: &Seat, off: bool) -> Result<bool, StoreError> {
    let Some(known) = &look.known else { return Ok(false) };
    let done = app.store.mute(&known.member, seat.account.tag, off, Source::Page).await?;
    tracing::info!(channel = %seat.account.id, off, "a recipient switched the updates of one order");
    Ok(done)
}

async fn within(switching: impl Future<Output = Result<bool, StoreError>>) -> SwitchedOff {
    match timeout(PRESS, switching).await {
        Ok(Ok(true)) => SwitchedOff::Off,
        Ok(Ok(false)) | Err(_) => SwitchedOff::Unavailable,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a press on a customer's page could not be taken");
            SwitchedOff::Unavailable
        }
    }
}
