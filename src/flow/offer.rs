//! offer: one record of the spool → the same steps as live traffic, by the settings in force now. What was erased
//! since it was received does not come back.
//!
//! Dies anywhere: the record still waits and is offered again; what the store has is known by its marks.

use super::App;
use super::erase::{Erased, Names};
use super::kept::AcceptError;
use super::pressure::Level;
use super::{accept, hear};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, Digest8, ShopId};
use crate::domain::webhook::RawWebhook;
use crate::spool::{Door, Entry};
use crate::store::error::{ErrorKind, StoreError};
use crate::telemetry::{SpoolEnd, WebhookOutcome};

/// What became of one offer.
pub(super) enum Offered {
    /// It ended well: the store has what it told, or whom it told of was erased; `news`: it told something that the
    /// store had not.
    Done { end: SpoolEnd, news: bool },
    /// The store takes nothing just now.
    Away(String),
    /// The server of the cluster that this one is for takes nothing just now.
    Behind(String),
    /// The store does not take this one.
    Refused(String),
    /// It can never be taken.
    Never(SpoolEnd, String),
}

/// Offers a record to the store.
pub(super) async fn offer(app: &App, erased: &mut Erased, entry: &Entry) -> Offered {
    // Known anew for each: an erasure asked for meanwhile holds for the very next.
    if let Err(error) = erased.look(app).await {
        return Offered::Away(error.to_string());
    }
    match &entry.door {
        Door::Hook { platform, shop, dedupe, content } => {
            webhook(app, erased, (platform, shop), &entry.raw, (dedupe, *content)).await
        }
        Door::Callback { channel } => callback(app, erased, channel, &entry.raw).await,
        Door::Off { channel, person } => match hear::switched_off(app, channel, person, entry.raw.received_at).await {
            Ok(()) => known(SpoolEnd::Taken),
            Err(error) => failed(app, &error),
        },
    }
}

async fn webhook(
    app: &App,
    erased: &mut Erased,
    (platform, id): (&str, &ShopId),
    raw: &RawWebhook,
    marks: (&str, Digest8),
) -> Offered {
    if let Some(late) = erased.of_webhook(app, (platform, id), raw) {
        // It may have been put through before, by a process that died over it.
        return let_go(app, id, late).await;
    }
    let live = app.live();
    let Some(shop) = live.shops.get(id).filter(|s| s.platform.name == platform) else {
        return Offered::Never(SpoolEnd::UnknownShop, format!("the shop {id} is no longer configured"));
    };
    if app.pressure.level() == Level::Full {
        return Offered::Away("its memory is nearly full".into());
    }
    let news = match accept::put(app, shop, raw, marks).await {
        Ok(answer) => answer != accept::Answer::Taken(WebhookOutcome::Duplicate),
        Err(error) => return untaken(app, error),
    };
    // Somebody may have been erased between the look and the commit, and the walk over all orders been past it.
    if let Err(error) = erased.look(app).await {
        return Offered::Away(error.to_string());
    }
    match erased.of_webhook(app, (platform, id), raw) {
        Some(late) => let_go(app, id, late).await,
        None => Offered::Done { end: SpoolEnd::Taken, news },
    }
}

fn known(end: SpoolEnd) -> Offered {
    Offered::Done { end, news: false }
}

async fn let_go(app: &App, shop: &ShopId, (asked, names): (Timestamp, Names)) -> Offered {
    match Erased::once_more(app, shop, names, asked).await {
        Ok(()) => known(SpoolEnd::Erased),
        Err(AcceptError::Store(error)) => failed(app, &error),
        Err(error) => Offered::Away(error.to_string()),
    }
}

async fn callback(app: &App, erased: &Erased, channel: &ChannelId, raw: &RawWebhook) -> Offered {
    let live = app.live();
    let Some(account) = live.channels.get(channel) else {
        return Offered::Never(SpoolEnd::UnknownChannel, format!("the channel {channel} is no longer configured"));
    };
    let mut heard = account.channel.hear(raw);
    let told = heard.signals.len();
    heard.signals = erased.heard(app, raw.received_at, heard.signals);
    let end = if told > 0 && heard.signals.is_empty() { SpoolEnd::Erased } else { SpoolEnd::Taken };
    match hear::put(app, account, &heard, raw.received_at).await {
        Ok(()) => known(end),
        Err(error) => untaken(app, error),
    }
}

/// Whether what a record that lies aside tells of was erased since it was received.
pub(super) fn is_erased(app: &App, erased: &Erased, entry: &Entry) -> bool {
    match &entry.door {
        Door::Hook { platform, shop, .. } => erased.of_webhook(app, (platform, shop), &entry.raw).is_some(),
        Door::Callback { .. } => erased.of_callback(entry.raw.received_at, &Names::of_callback(app, &entry.raw).marks),
        // That somebody does not want to be written to is kept whoever is erased.
        Door::Off { .. } => false,
    }
}

fn untaken(app: &App, error: AcceptError) -> Offered {
    match error {
        AcceptError::Store(error) => failed(app, &error),
        AcceptError::TooLate | AcceptError::Shed(_) => Offered::Away(error.to_string()),
        _ => Offered::Refused(error.to_string()),
    }
}

/// A server that a person must put right takes nothing, like one that is away; a mistake of ours may lie in
/// this record alone.
fn failed(app: &App, error: &StoreError) -> Offered {
    match error.kind {
        ErrorKind::Bug => Offered::Refused(error.to_string()),
        _ if app.store.is_cluster() => Offered::Behind(error.to_string()),
        _ => Offered::Away(error.to_string()),
    }
}
