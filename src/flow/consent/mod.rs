//! consent: the one place where every yes and no comes in, whatever it came by, and is written down with what shows it:
//! words, buttons, the page, a block, an unfollow, a bounce, a provider's code, a file, the shop's people.
//!
//! Dies before it is stored: whoever told it was not answered, and tells it again; a wish that lay on disk is offered
//! again. Dies after: the event is known by its mark.

pub mod desk;
pub mod files;

use super::App;
use super::account::Account;
use super::chat::Means;
use crate::domain::clock::Timestamp;
use crate::domain::consent::{ConsentRecord, Source, Word};
use crate::domain::ids::ChannelId;
use crate::domain::person::{Address, PersonChange, Signal, Unreachable};
use crate::store::error::StoreError;
use crate::store::people::Applied;

/// What an event says of order updates: off (`true`), on (`false`), or nothing. What the person typed or pressed comes
/// before what the provider made of it.
pub fn said(signal: &Signal) -> Option<bool> {
    typed(signal).or_else(|| pressed(signal)).or(signal.change.opted_out)
}

fn typed(signal: &Signal) -> Option<bool> {
    signal.text.as_deref().and_then(crate::words::switch_word)
}

fn pressed(signal: &Signal) -> Option<bool> {
    Means::of(signal).filter(|means| matches!(means, Means::Tap(_)))?.switches()
}

/// What an event changes of the person, with its proof: the event's mark, in which the person is not named.
pub fn of_signal(account: &Account, signal: &Signal) -> PersonChange {
    let mut change = PersonChange { opted_out: said(signal), ..signal.change.clone() };
    let name = signal.person.as_ref().map_or("", |p| p.value.as_str());
    let mark = if name.is_empty() { signal.dedupe.clone() } else { signal.dedupe.replace(name, "…") };
    let button = pressed(signal).is_some() || matches!(signal.what, "postback" | "button" | "click");
    let source = match (typed(signal), &signal.receipt) {
        (None, Some(_)) => Source::ProviderCode,
        (None, None) if button => Source::Button,
        _ => Source::Keyword,
    };
    let gone = match (&signal.receipt, signal.what) {
        (Some(_), _) => returned(account),
        (None, what) if what.starts_with("unfollow") || what.starts_with("unsub") => Source::Unfollow,
        _ => Source::Block,
    };
    write_down(&mut change, signal.at, source, gone, &format!("event {mark}"));
    change
}

/// What an answer teaches of the person, with its proof: our reference of the message.
pub fn of_verdict(account: &Account, change: &PersonChange, reference: &str, now: Timestamp) -> PersonChange {
    let mut change = change.clone();
    write_down(&mut change, now, Source::ProviderCode, returned(account), &format!("message {reference}"));
    change
}

/// How a message that did not reach anybody says so.
fn returned(account: &Account) -> Source {
    if account.caps.scheme == "email" { Source::Bounce } else { Source::ProviderCode }
}

fn write_down(change: &mut PersonChange, at: Timestamp, said: Source, gone: Source, proof: &str) {
    if let Some(off) = change.opted_out {
        let word = if off { Word::Off } else { Word::On };
        change.consent.push(ConsentRecord::new(at, word, said, proof));
    }
    if let Some(Some(Unreachable::Blocked | Unreachable::Invalid)) = change.unreachable {
        change.consent.push(ConsentRecord::new(at, Word::Gone, gone, proof));
    }
}

/// Stores a change once per event. What they said is from now on in Redis, and no longer in this process alone.
///
/// # Errors
/// The store's; whoever told it must then not be told that it is done.
pub async fn apply(
    app: &App,
    channel: &ChannelId,
    person: &Address,
    event: &str,
    at: Timestamp,
    change: &PersonChange,
    wakes: bool,
) -> Result<Applied, StoreError> {
    let applied = app.store.apply(channel, person, event, at, change, wakes).await?;
    let own = |r: &ConsentRecord| r.shop.is_none() && matches!(r.word, Word::Off | Word::On);
    if change.opted_out.is_some() || change.consent.iter().any(own) {
        app.noted.applied(channel, person);
    }
    Ok(applied)
}

/// Stores one thing said.
///
/// # Errors
/// As [`apply`].
pub async fn say(
    app: &App,
    channel: &ChannelId,
    person: &Address,
    event: &str,
    record: ConsentRecord,
) -> Result<(), StoreError> {
    let at = record.at;
    let change = PersonChange { consent: vec![record], ..PersonChange::default() };
    apply(app, channel, person, event, at, &change, false).await.map(drop)
}
