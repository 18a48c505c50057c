//! Two customers are one: what is tied to either is the remaining one's, and the strictest word of both holds.
//!
//! Every order is looked at, as when somebody is erased: nothing ties people to orders. Messengers are tied to orders and
//! go with them. Dies in a page: it is done again, and finds orders moved; their addresses count as before, since those
//! of both are one heap. Dies before consent is one: the duty stands, and what was said once is not said twice.

use super::{Duty, person};
use crate::domain::ids::ChannelId;
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::order::{Contact, Order};
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::consent::desk;
use crate::flow::kept::{AcceptError, read_order, write_order};
use crate::flow::live::Shop;
use crate::plan::addresses_of;
use crate::store::keys::Member;
use crate::store::order::{Commit, Committed, Record};
use std::collections::BTreeSet;

/// Addresses of one kind that are kept of both together.
const MOST: usize = 64;
/// Tries against workers and webhooks on the same order.
const TRIES: usize = 8;

/// One order of the shop: whose it is, and how that person is reached.
pub(super) async fn order(
    app: &App,
    shop: &Shop,
    duty: &mut Duty,
    member: &Member,
    order: Order,
) -> Result<(), AcceptError> {
    let (Some(gone), Some(kept)) = (duty.person.customer_id.clone(), duty.kept.clone()) else { return Ok(()) };
    let Some(head) = order.head() else { return Ok(()) };
    let whose = head.contact.customer_id.as_deref();
    if whose != Some(&gone) && whose != Some(&kept) {
        return Ok(());
    }
    let moves = whose == Some(&gone);
    gather(shop, &mut duty.person, &order);
    if moves && mv(app, member, (&gone, &kept)).await? {
        duty.counts.orders += 1;
    }
    Ok(())
}

/// Takes the order's addresses to those of both.
fn gather(shop: &Shop, both: &mut Contact, order: &Order) {
    let Some(head) = order.head() else { return };
    let country = head.country.as_deref().or(shop.rules.country.as_deref());
    add(&mut both.emails, addresses_of(&head.contact, country, "email"));
    // In the one form that needs no country any more.
    add(&mut both.phones, addresses_of(&head.contact, country, "phone"));
    let linked = order.links.iter().filter(|l| l.on).map(|l| (l.address.scheme.clone(), l.address.value.clone()));
    add(&mut both.identities, head.contact.identities.iter().cloned().chain(linked).collect());
}

fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if all.len() < MOST && !all.contains(&one) {
            all.push(one);
        }
    }
}

/// Says in the order that it is the remaining customer's; `false`: it is by now.
async fn mv(app: &App, member: &Member, (gone, kept): (&str, &str)) -> Result<bool, AcceptError> {
    for _ in 0..TRIES {
        let record = app.store.read(member).await?;
        let Some(mut order) = record.snapshot.as_deref().map(read_order).transpose()? else { return Ok(false) };
        let Some(head) = order.head.as_mut() else { return Ok(false) };
        if record.erased.is_some() || head.value.contact.customer_id.as_deref() != Some(gone) {
            return Ok(false);
        }
        head.value.contact.customer_id = Some(kept.into());
        match app.store.commit(member, rewritten(app, &record, &order)?).await? {
            Committed::Stored { .. } => return Ok(true),
            Committed::Conflict | Committed::Duplicate => app.metrics.conflict(),
        }
    }
    Err(AcceptError::Contended)
}

fn rewritten(app: &App, record: &Record, order: &Order) -> Result<Commit, AcceptError> {
    let now = app.clock.now();
    let what = Entry::Operator { action: "customers merged".into(), note: "by the shop".into() };
    Ok(Commit {
        expected: record.revision,
        parked: record.parked,
        seen: Vec::new(),
        seen_until: now,
        drop_seen: record.stale_seen(now),
        snapshot: write_order(order)?,
        owed: Vec::new(),
        due: None,
        ledger: vec![LedgerEntry { at: now, what }],
    })
}

/// What forbids one of the addresses forbids all of them, channel by channel.
pub(super) async fn consent(app: &App, shop: &Shop, duty: &mut Duty) -> Result<(), AcceptError> {
    let places = person::addresses(&app.live(), shop, &duty.person, None);
    let places: BTreeSet<(ChannelId, Address)> = places.into_iter().collect();
    let added = desk::merge_places(app, &places.into_iter().collect::<Vec<_>>()).await?;
    duty.counts.people += added as u64;
    Ok(())
}
