//! One page of a duty. Everything here is safe to do twice.

use super::{Duty, Kind, Stage, merge, order, person};
use crate::domain::ids::{ShopId, Tag};
use crate::domain::shop::ShopRules;
use crate::flow::App;
use crate::flow::kept::{AcceptError, is_conversation, is_talk, is_waiting, read_order};
use crate::flow::live::Shop;
use crate::flow::people;
use crate::plan::is_of;
use crate::platform;
use crate::store::keys::{Member, Unit};
use crate::store::order::Record;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Orders named that are erased in one page.
const NAMED: usize = 50;

/// The shop of a duty; also one that is no longer in the settings, whose data must go all the same.
pub(crate) fn shop_of(app: &App, id: &ShopId) -> Arc<Shop> {
    app.live().shops.get(id).cloned().unwrap_or_else(|| gone(id, platform::ALL[0]))
}

/// The shop as it is or was on this platform; `None`: there is no such platform.
pub(super) fn shop_on(app: &App, id: &ShopId, platform: &str) -> Option<Arc<Shop>> {
    let there = app.live().shops.get(id).filter(|s| s.platform.name == platform).cloned();
    there.or_else(|| platform::find(platform).map(|kind| gone(id, kind)))
}

/// A shop of which only its name and platform are known.
fn gone(id: &ShopId, platform: &'static platform::Kind) -> Arc<Shop> {
    let access = platform::Shop {
        id: id.clone(),
        secrets: Vec::new(),
        domain: None,
        statuses: BTreeMap::new(),
        identify: BTreeMap::new(),
        api: None,
        payment_deadline: None,
    };
    Arc::new(Shop { rules: ShopRules::plain(id.clone()), platform, access })
}

/// Does one page of a duty and moves it on; `true`: that was all of it.
pub(super) async fn page(app: &App, duty: &mut Duty) -> Result<bool, AcceptError> {
    let shop = shop_of(app, &duty.shop);
    match duty.stage.clone() {
        Stage::Named(done) => named(app, &shop, duty, done).await.map(|()| false),
        Stage::Walk(cursor) => walk(app, &shop, duty, &cursor).await.map(|()| false),
        Stage::Rest => rest(app, &shop, duty).await.map(|()| true),
    }
}

async fn named(app: &App, shop: &Shop, duty: &mut Duty, done: usize) -> Result<(), AcceptError> {
    let ids: Vec<_> = duty.orders.iter().skip(done).take(NAMED).cloned().collect();
    for id in &ids {
        let member = app.store.member(&Unit::order(&shop.rules.id, id.as_str()));
        order::erase(app, shop, &member, duty).await?;
    }
    duty.stage = match (ids.is_empty(), duty.kind) {
        (false, _) => Stage::Named(done + ids.len()),
        (true, Kind::Customer) => Stage::Walk(String::new()),
        (true, _) => Stage::Rest,
    };
    Ok(())
}

async fn walk(app: &App, shop: &Shop, duty: &mut Duty, cursor: &str) -> Result<(), AcceptError> {
    let mut tags = vec![shop.rules.id.tag()];
    if duty.kind == Kind::Shop {
        // What customers and the shop's people said to each other is named by the channel.
        tags.extend(app.live().channels.keys().map(crate::domain::ids::ChannelId::tag));
    }
    let found = app.store.walk(&tags, Some(cursor)).await?;
    duty.counts.closed += found.closed;
    for (member, record) in found.units {
        unit(app, shop, duty, &member, record).await?;
    }
    duty.stage = found.cursor.map_or(Stage::Rest, Stage::Walk);
    Ok(())
}

async fn unit(app: &App, shop: &Shop, duty: &mut Duty, member: &Member, record: Record) -> Result<(), AcceptError> {
    let snapshot = record.snapshot.as_deref().unwrap_or_default();
    if is_conversation(snapshot) {
        return match duty.kind {
            Kind::Shop => people::forget_of(app, (&duty.shop, duty.asked), member).await,
            _ => Ok(()),
        };
    }
    if is_talk(snapshot) {
        return Ok(());
    }
    let order = if is_waiting(snapshot) { None } else { read_order(snapshot).ok() };
    // What began after it was asked for is somebody else's wish, or a shop that came back.
    if order.as_ref().is_some_and(|o| o.first_seen > duty.asked) {
        return Ok(());
    }
    match duty.kind {
        Kind::Silence => order::silence(app, member, record, duty.asked, &mut duty.counts).await,
        Kind::Shop => order::erase(app, shop, member, duty).await,
        Kind::Customer if order.as_ref().is_some_and(|o| is_of(o, &shop.rules, &duty.person)) => {
            order::erase(app, shop, member, duty).await
        }
        Kind::Merge => match order {
            Some(order) => merge::order(app, shop, duty, member, order).await,
            None => Ok(()),
        },
        Kind::Customer | Kind::Orders | Kind::HandOut => Ok(()),
    }
}

/// What is left when all orders are gone: the person by what was told of them, unreadable webhooks, and others'
/// wishes for the same data.
async fn rest(app: &App, shop: &Shop, duty: &mut Duty) -> Result<(), AcceptError> {
    if matches!(duty.kind, Kind::Silence | Kind::HandOut) {
        return Ok(());
    }
    if duty.kind == Kind::Merge {
        return merge::consent(app, shop, duty).await;
    }
    if duty.kind == Kind::Customer {
        let person = duty.person.clone();
        person::forget(app, shop, (&person, None), &[], duty).await?;
    }
    let mut cursor: Option<String> = None;
    let mut doomed = Vec::new();
    loop {
        let (page, next) = app.store.odd(cursor.as_deref(), NAMED).await?;
        let of_shop = page.into_iter().filter(|o| o.shop.tag() == tag(duty) && o.raw.received_at <= duty.asked);
        let names = |body: &[u8]| duty.kind == Kind::Shop || person::named_in(body, &duty.person, &duty.orders);
        doomed.extend(of_shop.filter(|o| names(&o.raw.body)).map(|o| o.id));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    duty.counts.unreadable += app.store.purge_odd(&doomed).await?;
    wishes(app, duty).await
}

fn tag(duty: &Duty) -> Tag {
    duty.shop.tag()
}

/// A wish for data that were erased names the person too.
async fn wishes(app: &App, duty: &Duty) -> Result<(), AcceptError> {
    for kept in app.store.duties().await? {
        let Some(wish) = Duty::read(&kept).filter(|w| w.kind == Kind::HandOut && w.shop == duty.shop) else { continue };
        let theirs = match duty.kind {
            Kind::Shop => true,
            Kind::Customer => person::same(&wish.person, &duty.person),
            _ => false,
        };
        if theirs {
            let done = wish.remembered(app.clock.now()).bytes()?;
            app.store.move_duty(&kept, None, Some(&done)).await?;
        }
    }
    Ok(())
}
