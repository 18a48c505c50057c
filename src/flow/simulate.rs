//! simulate: what a captured webhook would do, by the same steps that would do it, against what is kept now. Reads only:
//! nothing is committed, nothing begun, no provider is asked.

use super::App;
use super::accept::{next_state, seen_digests};
use super::explain::{self, Fault};
use super::inhand::InHand;
use super::kept::read_order;
use super::live::Shop;
use super::situation;
use super::wording;
use crate::domain::channel::Form;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go};
use crate::domain::event::{About, OrderEvent, Told};
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::ledger::Entry;
use crate::domain::webhook::{Admission, RawWebhook};
use crate::milestone;
use crate::store::keys::Unit;
use crate::store::messages::Join;
use crate::store::order::Record;
use crate::store::work::Leased;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// What a webhook would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Foreseen {
    /// Whether the door would take it for the shop's: `yes, by secret 0`, or why not.
    pub signed: String,
    /// What it tells, in words.
    pub tells: String,
    /// What would become of each order that it tells of.
    pub orders: Vec<OrderForeseen>,
}

/// What would become of an order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderForeseen {
    /// The platform's id.
    pub order: String,
    /// As the shop writes it.
    pub name: Option<String>,
    /// It is known already.
    pub known: bool,
    /// What would be done with the news, in words.
    pub news: String,
    /// What would be owed by it, and what not, with the reason.
    pub owed: Vec<OwedForeseen>,
    /// When it would be decided about: now, or behind the time in which what happens together is gathered.
    pub at: Timestamp,
    /// What would be done about everything the order then owes.
    pub items: Vec<ItemForeseen>,
}

/// A thing to be told.
#[derive(Clone, Debug, Serialize)]
pub struct OwedForeseen {
    /// Milestone.
    pub milestone: String,
    /// Of what.
    pub subject: String,
    /// Route and slot; `None`: nobody would be told.
    pub by: Option<String>,
    /// Why nobody would be told.
    pub reason: Option<String>,
}

/// What would be done about an item.
#[derive(Clone, Debug, Serialize)]
pub struct ItemForeseen {
    /// Its number in the order.
    pub item: u16,
    /// Milestone.
    pub milestone: String,
    /// In a sentence.
    pub decision: String,
    /// The message, if one would go.
    pub message: Option<MessageForeseen>,
}

/// A message that would go. To whom is not said.
#[derive(Clone, Debug, Serialize)]
pub struct MessageForeseen {
    /// Channel account.
    pub channel: String,
    /// `free`, `template` or `reply`.
    pub form: &'static str,
    /// Language.
    pub locale: String,
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// Buttons: label and address.
    pub buttons: Vec<(String, String)>,
    /// What it counts as with the provider (SMS segments, a template's message), where it is not just one message.
    pub counts: Option<String>,
    /// Why it could not be said, if so.
    pub fault: Option<String>,
}

/// What this webhook would do to this shop's orders.
///
/// # Errors
/// No such shop, Redis away, an order that cannot be read.
pub async fn run(app: &App, shop: &str, raw: &RawWebhook) -> Result<Foreseen, Fault> {
    let live = app.live();
    let shop = live.shops.get(&ShopId::from(shop)).ok_or(Fault::UnknownShop)?;
    let (signed, marks) = match (shop.platform.admit)(&shop.access, raw) {
        Admission::Take { dedupe, content, secret_index } => {
            (format!("yes, by secret {secret_index}"), Some((dedupe, content)))
        }
        Admission::Refuse(why) => (format!("no ({}): the door would answer 401", why.as_str()), None),
        Admission::Reply(reply) => {
            let tells = format!("a handshake, answered {}", reply.status);
            return Ok(Foreseen { signed: "not asked for".into(), tells, orders: Vec::new() });
        }
    };
    let mut out = Foreseen { signed, ..Foreseen::default() };
    match (shop.platform.normalise)(&shop.access, raw) {
        Told::Events(events) => {
            out.tells =
                format!("{} of an order", events.iter().map(|e| e.topic.as_str()).collect::<Vec<_>>().join(", "));
            for (i, event) in events.iter().enumerate() {
                let seen = marks
                    .as_ref()
                    .map(|(delivery, content)| seen_digests(&shop.rules.id, (delivery, *content), i, event.dated));
                out.orders.extend(one(app, shop, event, &seen.unwrap_or_default(), raw.received_at).await?);
            }
            if out.orders.is_empty() {
                out.tells.push_str(
                    ": it names no order that is known, and would wait until one is, or until the shop was asked",
                );
            }
        }
        Told::Notice(_) => out.tells = "a notice about people's data or the shop itself: see `orderwire audit`".into(),
        Told::NoInterest(what) => out.tells = format!("nothing of interest ({what})"),
        Told::Check(what) => out.tells = format!("a connectivity check ({what})"),
        Told::ShopFault(code) => out.tells = format!("the shop's own fault ({code})"),
        Told::Unreadable(why) => out.tells = format!("something that cannot be read: {why}"),
    }
    Ok(out)
}

/// One event, folded into its order as it would be.
async fn one(
    app: &App,
    shop: &Arc<Shop>,
    event: &OrderEvent,
    seen: &[Digest8],
    came: Timestamp,
) -> Result<Option<OrderForeseen>, Fault> {
    let id: OrderId = match &event.about {
        // What must be asked of the shop first is not known here.
        _ if event.refetch => return Ok(None),
        About::Order(id) => id.clone(),
        About::Join(key) => match app.store.find_join(&shop.rules.id, key).await? {
            Join::Order(id) => id,
            _ => return Ok(None),
        },
    };
    let member = app.store.member(&Unit::order(&shop.rules.id, id.as_str()));
    let record = app.store.read(&member).await?;
    let known = record.snapshot.is_some();
    let now = app.clock.now();
    let mut foreseen = OrderForeseen {
        order: id.to_string(),
        name: None,
        known,
        news: "would be taken".into(),
        owed: Vec::new(),
        at: now,
        items: Vec::new(),
    };
    if record.erased.is_some() {
        foreseen.news = "would be let go: the order was erased".into();
        return Ok(Some(foreseen));
    }
    if record.seen.iter().any(|(digest, _)| seen.contains(digest)) {
        foreseen.news = "was taken before: nothing would change".into();
    }
    let commit = next_state(app, shop, &id, (event, came), seen, record.clone(), now)?;
    let order = read_order(&commit.snapshot)?;
    foreseen.name = order.head().map(|h| h.name.clone());
    foreseen.owed = commit.ledger.iter().filter_map(|entry| owed(&entry.what)).collect();
    let settle = plus_secs(now, shop.rules.settle.max(shop.rules.settle_untracked));
    let gathered = commit.owed.iter().map(|i| i.not_before).filter(|at| *at <= settle).max();
    foreseen.at = gathered.map_or(now, |at| at.max(now));
    let mut items = record.items;
    items.extend(commit.owed);
    let leased = Leased { member, token: "".into(), redeliveries: 0 };
    let record = Record { items, snapshot: Some(commit.snapshot), ..Record::default() };
    let hand = InHand::new(leased, record, order, Arc::clone(shop), app.live(), Instant::now());
    foreseen.items = decided(app, &hand, foreseen.at).await?;
    Ok(Some(foreseen))
}

fn owed(entry: &Entry) -> Option<OwedForeseen> {
    match entry {
        Entry::Owed { milestone, subject, route, slot, .. } => Some(OwedForeseen {
            milestone: milestone.clone(),
            subject: subject.clone(),
            by: Some(format!("{route} {slot}")),
            reason: None,
        }),
        Entry::Unowed { milestone, subject, reason, .. } => Some(OwedForeseen {
            milestone: milestone.clone(),
            subject: subject.clone(),
            by: None,
            reason: Some(reason.clone()),
        }),
        _ => None,
    }
}

async fn decided(app: &App, hand: &InHand, at: Timestamp) -> Result<Vec<ItemForeseen>, Fault> {
    let (people, fault) = super::batch::facts(app, std::slice::from_ref(hand)).await;
    if let Some(error) = fault {
        return Err(error.into());
    }
    let decisions = situation::decide(hand, &people, at);
    Ok(decisions
        .iter()
        .map(|(no, decision)| {
            let milestone = hand.item(*no).and_then(|i| milestone::by_tag(i.milestone));
            ItemForeseen {
                item: *no,
                milestone: milestone.map_or("unknown", |m| m.id).into(),
                decision: explain::sentence(decision),
                message: match decision {
                    Decision::Go(go) => message(hand, *no, go, at),
                    _ => None,
                },
            }
        })
        .collect())
}

/// The message as it would be said.
fn message(hand: &InHand, no: u16, go: &Go, at: Timestamp) -> Option<MessageForeseen> {
    let account = hand.live.channels.get(&go.channel)?;
    let mut shown = MessageForeseen {
        channel: account.id.to_string(),
        form: go.form.as_str(),
        locale: String::new(),
        title: String::new(),
        body: String::new(),
        buttons: Vec::new(),
        counts: None,
        fault: None,
    };
    // A reply goes on the token that lies ready, which only its send may take.
    let token = (go.form == Form::Reply).then_some("taken at the send");
    match wording::envelope(hand, no, go, account, token, at) {
        Ok(worded) => {
            shown.counts = account.channel.measure(&worded.envelope);
            shown.locale = worded.locale;
            if let Some(message) = worded.message {
                (shown.title, shown.body) = (message.title, message.body);
                shown.buttons = message.buttons.into_iter().map(|b| (b.label, b.url)).collect();
            }
        }
        Err(fault) => shown.fault = Some(fault.to_string()),
    }
    Some(shown)
}
