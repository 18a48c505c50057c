//! hear: a channel's callback → what each event tells → applied, each with its own dedupe key → the answer.
//!
//! Dies before an event is applied: the provider repeats the POST; what was applied meets its dedupe key.
//! Dies between applying and waking: the person's record holds the orders still to wake, and the sweep wakes
//! them. The answer is 200 only when every event of the POST is applied.

use super::App;
use super::account::Account;
use super::erase::through;
use super::pressure::Caller;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::person::{AccountSignal, PersonChange, Signal};
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use crate::spool::Door;
use crate::store::error::StoreError;
use crate::telemetry::CallbackOutcome;
use std::time::Duration;

/// A stopped account is looked at again by itself after so long, in case nobody tells that it resumed.
const STOPPED_SECS: i64 = 6 * 3600;

/// Longest a callback may take behind its signature: LINE waits two seconds in all. What was applied by then
/// meets its dedupe key at the repeat.
const ANSWER: Duration = Duration::from_millis(1500);

/// What the provider is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Applied: 200, in these words where the platform wants some.
    Heard(Option<Reply>),
    /// Redis could not take it; it is on disk and will be applied: 200, likewise.
    Kept(Option<Reply>),
    /// A verification handshake.
    Reply(Reply),
    /// Not from this provider.
    Refused(Refusal),
    /// No such channel.
    UnknownChannel,
    /// Could not be applied in time: the provider repeats.
    Unavailable,
}

/// Takes a callback in.
pub async fn hear(app: &App, channel: &str, raw: RawWebhook) -> Answer {
    let live = app.live();
    let Some(account) = live.channels.get(&channel.into()) else {
        app.metrics.callback("unknown", CallbackOutcome::UnknownChannel);
        return Answer::UnknownChannel;
    };
    let answer = take(app, account, &raw).await;
    let outcome = match &answer {
        Answer::Heard(_) => CallbackOutcome::Taken,
        Answer::Kept(_) => CallbackOutcome::Spooled,
        Answer::Reply(_) => CallbackOutcome::Handshake,
        Answer::Refused(why) => (*why).into(),
        Answer::UnknownChannel => CallbackOutcome::UnknownChannel,
        Answer::Unavailable => CallbackOutcome::Unavailable,
    };
    app.metrics.callback(account.id.as_str(), outcome);
    answer
}

async fn take(app: &App, account: &Account, raw: &RawWebhook) -> Answer {
    match account.channel.admit(raw) {
        Admission::Take { .. } => {}
        Admission::Reply(reply) => return Answer::Reply(reply),
        Admission::Refuse(why) => {
            tracing::warn!(channel = %account.id, why = why.as_str(), "callback refused");
            return Answer::Refused(why);
        }
    }
    let heard = account.channel.hear(raw);
    if heard.unreadable > 0 {
        tracing::warn!(channel = %account.id, events = heard.unreadable, "parts of a callback could not be read");
    }
    let erased = heard.signals.iter().find(|s| s.erase).and_then(|s| s.person.as_ref());
    let words = heard.answer.or_else(|| erased.map(|person| through::answer(app, &account.id, person)));
    let content_type = account.channel.answers_as();
    let answer = words.map(|body| Reply { status: 200, content_type, body });
    let passes_by = app.passes_by(Caller::Channel).filter(|_| !heard.signals.is_empty());
    let _waits = app.pressure.wait();
    let why = match passes_by {
        Some(why) => why.to_string(),
        None => match in_time(app, account, &heard.signals, raw).await {
            Ok(()) => return Answer::Heard(answer),
            Err(why) => why,
        },
    };
    let door = Door::Callback { channel: account.id.clone() };
    if super::spooled::keep(app, door, raw).await {
        tracing::warn!(channel = %account.id, why, "callback kept on disk: Redis could not take it");
        return Answer::Kept(answer);
    }
    tracing::error!(channel = %account.id, why, "callback answered 503: the provider repeats it");
    Answer::Unavailable
}

/// Everything of a callback, within the time that its sender waits; or why not.
async fn in_time(app: &App, account: &Account, signals: &[Signal], raw: &RawWebhook) -> Result<(), String> {
    let waits = super::spooled::of_answer(app, ANSWER);
    match tokio::time::timeout(waits, apply_all(app, account, signals, raw.received_at)).await {
        Ok(applied) => applied.map_err(|error| error.to_string()),
        Err(_) => Err(format!("not applied within {waits:?}")),
    }
}

/// A callback whose signature held before: the same as at the door.
///
/// # Errors
/// The store's.
pub async fn put(app: &App, account: &Account, raw: &RawWebhook) -> Result<(), StoreError> {
    apply_all(app, account, &account.channel.hear(raw).signals, raw.received_at).await
}

async fn apply_all(app: &App, account: &Account, signals: &[Signal], came: Timestamp) -> Result<(), StoreError> {
    for signal in signals {
        apply(app, account, signal).await?;
        let took = app.clock.now().as_millisecond() - came.as_millisecond();
        app.metrics.callback_applied(account.id.as_str(), took as f64 / 1000.0);
    }
    Ok(())
}

async fn apply(app: &App, account: &Account, signal: &Signal) -> Result<(), StoreError> {
    let now = app.clock.now();
    match &signal.account {
        Some(AccountSignal::Stopped(why)) => {
            tracing::error!(channel = %account.id, why, "the provider stopped this account; its messages stay owed");
            // From when it was said: what waited on disk may be long over.
            let until = plus_secs(signal.at, STOPPED_SECS);
            if until > now {
                account.set_pause(Some((until, Reason::ChannelPaused)));
                app.store.pause(account.tag, until, Reason::ChannelPaused).await?;
            }
        }
        Some(AccountSignal::Resumed) => {
            account.set_pause(None);
            app.store.resume(account.tag).await?;
        }
        Some(AccountSignal::Notice(what)) => {
            tracing::error!(channel = %account.id, what, "the provider says this of the account: a person must look");
        }
        None => {}
    }
    if let Some(receipt) = &signal.receipt {
        app.store.receipt(&account.id, &receipt.of, signal.person.as_ref(), &receipt.state, signal.at).await?;
    }
    let Some(person) = &signal.person else { return Ok(()) };
    if signal.erase {
        return through::ask(app, &account.id, person).await;
    }
    let mut change = signal.change.clone();
    if let Some(off) = signal.text.as_deref().and_then(crate::words::switch_word) {
        change.opted_out = Some(off);
    }
    if change.is_empty() && !signal.wakes {
        return Ok(());
    }
    let applied = app.store.apply(&account.id, person, &signal.dedupe, signal.at, &change, signal.wakes).await?;
    if !applied.wake.is_empty() {
        app.store.wake(&applied.wake).await?;
        app.store.struck(&account.id, person, &applied.wake).await?;
        app.nudge.notify_one();
    }
    Ok(())
}

/// A recipient switches messages off by the link in a mail; `false`: the link is not genuine or over.
///
/// # Errors
/// Redis could not take it.
pub async fn switch_off(app: &App, token: &str) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let Some((channel, person)) = app.live().off_of(token, now) else { return Ok(false) };
    let change = PersonChange { opted_out: Some(true), ..PersonChange::default() };
    let dedupe = format!("off:{}", now.as_millisecond());
    app.store.apply(&channel, &person, &dedupe, now, &change, false).await?;
    tracing::info!(%channel, "a recipient switched order updates off");
    Ok(true)
}
