//! What an operator looks at before and instead of erasing: what would go, and all that is kept of somebody.
//! Reads only.

use super::page::shop_of;
use super::person::{addresses, named_in};
use super::{Duty, Kind};
use crate::domain::clock::Timestamp;
use crate::domain::consent::ConsentRecord;
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::order::{Contact, Order};
use crate::domain::person::{Address, PersonFacts};
use crate::flow::App;
use crate::flow::explain::{self, Fault, OrderView};
use crate::flow::kept::read_order;
use crate::flow::live::Shop;
use crate::flow::people::{self, ConversationView};
use crate::plan::is_of;
use crate::store::keys::{Member, Unit};
use crate::store::order::Record;
use crate::store::people::SaidOf;
use serde::Serialize;
use std::collections::BTreeSet;

/// Unreadable webhooks looked at in one call.
const MANY: usize = 50;

/// Whoever is meant by a word on the command line: a mailbox, else a phone number, an id of the shop's, or a
/// messenger's.
pub fn person_of(word: &str) -> Contact {
    let word = word.trim().to_string();
    if word.contains('@') {
        return Contact { emails: vec![word], ..Contact::default() };
    }
    Contact {
        phones: vec![word.clone()],
        identities: vec![(String::new(), word.clone())],
        customer_id: Some(word),
        ..Contact::default()
    }
}

/// An order that would be erased.
#[derive(Clone, Debug, Serialize)]
pub struct Doomed {
    /// The platform's id.
    pub order: String,
    /// As the shop writes it.
    pub name: Option<String>,
    /// When orderwire first heard of it.
    pub first_seen: Timestamp,
    /// Messages of it still owed.
    pub owed: usize,
}

/// A page of what would be erased.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// Orders.
    pub orders: Vec<Doomed>,
    /// Orders of any shop that are sealed with a key that is gone: whose they are cannot be seen.
    pub closed: u64,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

/// The next page of what a duty would erase, if it were asked for.
///
/// # Errors
/// Redis away.
pub async fn preview(app: &App, duty: &Duty, cursor: Option<&str>) -> Result<Preview, Fault> {
    let shop = shop_of(app, &duty.shop);
    let found = page(app, &shop, duty, cursor).await?;
    let doomed = |(order, record): (Order, Record)| Doomed {
        order: order.id.to_string(),
        name: order.head().map(|h| h.name.clone()),
        first_seen: order.first_seen,
        owed: record.items.iter().filter(|i| i.state.is_open()).count(),
    };
    let orders = found.orders.into_iter().map(|(_, order, record)| doomed((order, record))).collect();
    Ok(Preview { orders, closed: found.closed, cursor: found.cursor })
}

/// Orders that are meant, as kept.
struct Found {
    orders: Vec<(Member, Order, Record)>,
    closed: u64,
    cursor: Option<String>,
}

/// The orders named come with the first page, all others of the person or the shop on the way.
async fn page(app: &App, shop: &Shop, duty: &Duty, cursor: Option<&str>) -> Result<Found, Fault> {
    let mut found = Found { orders: Vec::new(), closed: 0, cursor: None };
    if cursor.is_none() {
        for id in &duty.orders {
            let member = app.store.member(&Unit::order(&shop.rules.id, id.as_str()));
            let record = app.store.read(&member).await?;
            if let Some(order) = record.snapshot.as_deref().and_then(|s| read_order(s).ok()) {
                found.orders.push((member, order, record));
            }
        }
    }
    if duty.kind == Kind::Orders {
        return Ok(found);
    }
    let walked = app.store.walk(&[shop.rules.id.tag()], cursor).await?;
    for (member, record) in walked.units {
        let Some(order) = record.snapshot.as_deref().and_then(|s| read_order(s).ok()) else { continue };
        let theirs = duty.kind == Kind::Shop || is_of(&order, &shop.rules, &duty.person);
        if theirs && !duty.orders.contains(&order.id) {
            found.orders.push((member, order, record));
        }
    }
    (found.closed, found.cursor) = (walked.closed, walked.cursor);
    Ok(found)
}

/// All that is kept of an order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderData {
    /// The order with its people, as kept.
    pub kept: Order,
    /// What was told of it, and the ledger.
    pub told: OrderView,
    /// Messages on their way, in the messenger's own form.
    pub under_way: Vec<String>,
}

/// All that is known of a person on a channel.
#[derive(Clone, Debug, Serialize)]
pub struct PersonData {
    /// The channel account.
    pub channel: String,
    /// Their address on it.
    pub address: Address,
    /// What is known.
    pub facts: PersonFacts,
    /// What they said, and what shows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<ConsentRecord>,
}

/// A page of all that is kept of a person.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Data {
    /// Orders.
    pub orders: Vec<OrderData>,
    /// The person on channels.
    pub people: Vec<PersonData>,
    /// What they and the shop's people said to each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<ConversationView>,
    /// Unreadable webhooks that name them: the very bodies.
    pub unreadable: Vec<String>,
    /// Orders of any shop that are sealed with a key that is gone: whose they are cannot be seen.
    pub closed: u64,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

/// The next page of all that is kept of a person.
///
/// # Errors
/// Unknown shop, Redis away.
pub async fn data(app: &App, shop: &ShopId, whom: (&Contact, &[OrderId]), cursor: Option<&str>) -> Result<Data, Fault> {
    let shop = app.live().shops.get(shop).cloned().ok_or(Fault::UnknownShop)?;
    let wish = Duty::new(Kind::HandOut, &shop.rules.id, "", "", app.clock.now()).about(whom.0.clone(), whom.1.to_vec());
    let found = page(app, &shop, &wish, cursor).await?;
    let mut out = Data { closed: found.closed, cursor: found.cursor, ..Data::default() };
    let live = app.live();
    let mut places: BTreeSet<(ChannelId, Address)> = BTreeSet::new();
    for (member, order, _) in found.orders {
        if let Some(head) = order.head() {
            places.extend(addresses(&live, &shop, &head.contact, head.country.as_deref()));
        }
        let under_way = app.store.envelopes(&member).await?;
        let text = |(_, bytes): (u16, Vec<u8>)| String::from_utf8_lossy(&bytes).into_owned();
        let told = explain::order(app, shop.rules.id.as_str(), order.id.as_str()).await?;
        out.orders.push(OrderData { kept: order, told, under_way: under_way.into_iter().map(text).collect() });
    }
    if cursor.is_none() {
        places.extend(addresses(&live, &shop, whom.0, None));
        out.unreadable = unreadable(app, &shop, whom).await?;
    }
    let places: Vec<_> = places.into_iter().collect();
    for (channel, address) in &places {
        out.conversations.extend(people::of_person(app, channel, address).await?);
    }
    let said = app.store.said(&places).await?;
    let known = places.into_iter().zip(said).filter(|(_, said)| said.facts != PersonFacts::default());
    let data = |((channel, address), said): ((ChannelId, Address), SaidOf)| {
        let SaidOf { facts, records, .. } = said;
        PersonData { channel: channel.to_string(), address, facts, records }
    };
    out.people = known.map(data).collect();
    Ok(out)
}

async fn unreadable(app: &App, shop: &Shop, whom: (&Contact, &[OrderId])) -> Result<Vec<String>, Fault> {
    let mut bodies = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let (page, next) = app.store.odd(cursor.as_deref(), MANY).await?;
        let theirs = page.iter().filter(|o| o.shop == shop.rules.id && named_in(&o.raw.body, whom.0, whom.1));
        bodies.extend(theirs.map(|o| String::from_utf8_lossy(&o.raw.body).into_owned()));
        cursor = next;
        if cursor.is_none() {
            return Ok(bodies);
        }
    }
}
