//! hear: a channel's callback → what each event tells → applied, each with its own dedupe key → the answer.
//!
//! Dies before an event is applied: the provider repeats the POST; what was applied meets its dedupe key.
//! Dies between applying and waking: the person's record holds the orders still to wake, and the sweep wakes
//! them. The answer is 200 only when every event of the POST is applied.

use super::App;
use super::account::Account;
use super::chat::{self, Means};
use super::consent;
use super::erase::through;
use super::kept::AcceptError;
use super::noted::says_no;
use super::people;
use super::pressure::Caller;
use super::spooled::{self, Times};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::consent::{ConsentRecord, Source, Word};
use crate::domain::decision::Reason;
use crate::domain::ids::ChannelId;
use crate::domain::person::{AccountSignal, Address, Heard, Signal};
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use crate::spool::Door;
use crate::store::error::StoreError;
use crate::telemetry::CallbackOutcome;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::timeout_at;

/// A stopped account is looked at again by itself after so long, in case nobody tells that it resumed.
const STOPPED_SECS: i64 = 6 * 3600;

/// Longest a callback may take behind its signature: LINE waits two seconds in all. What was applied by then
/// meets its dedupe key at the repeat.
const ANSWER: Duration = Duration::from_millis(1500);

/// Longest a press on the page that switches messages off may take.
const PAGE: Duration = Duration::from_millis(1900);

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
    /// Our own code failed over it, and it could not be kept either: 500.
    Failed,
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
        Answer::Unavailable | Answer::Failed => CallbackOutcome::Unavailable,
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
    let times = Times::of(app, ANSWER);
    let passes_by = app.passes_by(Caller::Channel);
    let _waits = app.pressure.wait();
    // What brings our code down is genuine all the same: it is kept, not lost with the connection.
    let read = std::panic::catch_unwind(AssertUnwindSafe(|| account.channel.hear(raw)));
    let fell = read.is_err();
    let heard = read.unwrap_or_default();
    if heard.unreadable > 0 {
        tracing::warn!(channel = %account.id, events = heard.unreadable, "parts of a callback could not be read");
    }
    let erased = heard.signals.iter().find(|s| s.erase).and_then(|s| s.person.as_ref());
    let words = heard.answer.clone().or_else(|| erased.map(|person| through::answer(app, &account.id, person)));
    let content_type = account.channel.answers_as();
    let answer = words.map(|body| Reply { status: 200, content_type, body });
    let tells = !heard.signals.is_empty() || !heard.replies.is_empty();
    let applied = match passes_by.filter(|_| tells) {
        _ if fell => Err(AcceptError::Panicked),
        Some(why) => Err(why.into()),
        None => in_time(app, account, &heard, raw.received_at, times).await,
    };
    let Err(error) = applied else {
        if let Some(ring) = app.ring.as_ref().filter(|_| tells) {
            ring.keep(Door::Callback { channel: account.id.clone() }, raw.clone());
        }
        return Answer::Heard(answer);
    };
    if kept(app, account, &heard.signals, raw, times).await {
        tracing::warn!(channel = %account.id, %error, "callback kept on disk: it could not be applied");
        return Answer::Kept(answer);
    }
    let (status, answer) = match error {
        AcceptError::Panicked => (500, Answer::Failed),
        _ => (503, Answer::Unavailable),
    };
    tracing::error!(channel = %account.id, %error, "callback answered {status}: the provider repeats it");
    answer
}

/// Keeps a callback on disk.
async fn kept(app: &App, account: &Account, signals: &[Signal], raw: &RawWebhook, times: Times) -> bool {
    let noes: Vec<_> = signals.iter().filter(|s| says_no(s)).filter_map(|s| Some((s.person.as_ref()?, s.at))).collect();
    // Before it is kept: what is put through at once must find it noted.
    noes.iter().for_each(|(person, at)| app.noted.add(&account.id, person, *at));
    let kept = spooled::keep(app, Door::Callback { channel: account.id.clone() }, raw, times).await;
    if !kept {
        noes.iter().for_each(|(person, _)| app.noted.applied(&account.id, person));
    }
    kept
}

/// Everything of a callback, within the time that Redis has for it.
async fn in_time(
    app: &App,
    account: &Account,
    heard: &Heard,
    came: Timestamp,
    times: Times,
) -> Result<(), AcceptError> {
    let applied = AssertUnwindSafe(put(app, account, heard, came)).catch_unwind();
    match timeout_at(times.store, applied).await {
        Ok(Ok(applied)) => applied,
        Ok(Err(_)) => Err(AcceptError::Panicked),
        Err(_) => Err(AcceptError::TooLate),
    }
}

/// What a callback told that was received at `came` and whose signature held.
///
/// # Errors
/// The store's; what it took meets its dedupe key the next time.
pub async fn put(app: &App, account: &Account, heard: &Heard, came: Timestamp) -> Result<(), AcceptError> {
    for reply in &heard.replies {
        people::said(app, &account.id, reply).await?;
    }
    for signal in &heard.signals {
        apply(app, account, signal, came).await?;
        let took = app.clock.now().as_millisecond() - came.as_millisecond();
        app.metrics.callback_applied(account.id.as_str(), took as f64 / 1000.0);
    }
    Ok(())
}

async fn apply(app: &App, account: &Account, signal: &Signal, came: Timestamp) -> Result<(), AcceptError> {
    let now = app.clock.now();
    if let Some(said) = &signal.account {
        stand(app, account, said, signal.at.min(now)).await?;
    }
    if let Some(receipt) = &signal.receipt {
        app.store.receipt(&account.id, &receipt.of, signal.person.as_ref(), &receipt.state, signal.at).await?;
    }
    let Some(person) = &signal.person else { return Ok(()) };
    if signal.erase {
        return Ok(through::ask(app, &account.id, person, came).await?);
    }
    let means = Means::of(signal).filter(|means| means.counts(app, account));
    let change = consent::of_signal(account, signal);
    let theirs = means.is_none() && people::is_for_them(signal);
    if change.is_empty() && !signal.wakes && means.is_none() && !theirs {
        return Ok(());
    }
    let (event, at) = (&signal.dedupe, signal.at);
    let applied = consent::apply(app, &account.id, person, event, at, &change, signal.wakes).await?;
    if !applied.wake.is_empty() {
        app.store.wake(&applied.wake).await?;
        app.store.struck(&account.id, person, &applied.wake).await?;
        app.nudge.notify_one();
    }
    // While a person answers there, the relay does not: what is asked in words goes to them.
    let asked = matches!(means, Some(Means::Status | Means::Number(_)));
    let held = asked && people::hold(app, &account.id, person, now).await?;
    let theirs = theirs || (held && means == Some(Means::Status));
    let answered = match means.filter(|_| !theirs) {
        Some(means) => chat::answer(app, account, person, (&means, &signal.dedupe, signal.at.min(now)), held).await?,
        None => !theirs,
    };
    if answered { Ok(()) } else { people::hear(app, account, person, signal).await }
}

/// The provider stopped the account, lets it go on, or wants a person to look. Counted from when it was said: what
/// waited on disk may be long over, or have been overtaken by a later word.
async fn stand(app: &App, account: &Account, said: &AccountSignal, at: Timestamp) -> Result<(), StoreError> {
    let still = match said {
        AccountSignal::Stopped(_) => Some((plus_secs(at, STOPPED_SECS), Reason::ChannelPaused)),
        AccountSignal::Resumed => None,
        AccountSignal::Notice(what) => {
            tracing::error!(channel = %account.id, what, "the provider says this of the account: a person must look");
            // It may be about a template: what goes and what does not is asked, not guessed.
            return app.store.poll_soon(&[account.tag]).await;
        }
    };
    if !app.store.stand(account.tag, at, still).await? {
        return Ok(());
    }
    account.set_pause(still);
    if let AccountSignal::Stopped(why) = said {
        tracing::error!(channel = %account.id, why, "the provider stopped this account; its messages stay owed");
    }
    Ok(())
}

/// What became of a press on the page that switches messages off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchedOff {
    /// They are off.
    Off,
    /// On disk: they will be off when Redis is back, before which nothing is sent.
    Kept,
    /// The link is not genuine, or over.
    UnknownLink,
    /// Nobody has it: the person must try again.
    Unavailable,
}

/// A recipient switches messages off with one click, by the link in a mail (RFC 8058).
pub async fn switch_off(app: &App, token: &str) -> SwitchedOff {
    match app.live().holder_of(token, app.clock.now()) {
        Some(holder) => switch_off_at(app, holder.channel, holder.address).await,
        None => SwitchedOff::UnknownLink,
    }
}

/// A recipient switches all messages off that come to this address on this channel.
pub async fn switch_off_at(app: &App, channel: ChannelId, person: Address) -> SwitchedOff {
    let now = app.clock.now();
    let times = Times::of(app, PAGE);
    let passes_by = app.passes_by(Caller::Channel);
    let _waits = app.pressure.wait();
    let (door, raw) = (Door::Off { channel: channel.clone(), person: person.clone() }, RawWebhook::post(&[], "", now));
    let error: AcceptError = match passes_by {
        Some(why) => why.into(),
        None => match timeout_at(times.store, switched_off(app, &channel, &person, now)).await {
            Ok(Ok(())) => {
                if let Some(ring) = &app.ring {
                    ring.keep(door, raw);
                }
                return SwitchedOff::Off;
            }
            Ok(Err(error)) => error.into(),
            Err(_) => AcceptError::TooLate,
        },
    };
    app.noted.add(&channel, &person, now);
    if spooled::keep(app, door, &raw, times).await {
        tracing::warn!(%channel, %error, "an opt-out was kept on disk: Redis could not take it");
        return SwitchedOff::Kept;
    }
    app.noted.applied(&channel, &person);
    tracing::error!(%channel, %error, "an opt-out could not be kept: the person is asked to try again");
    SwitchedOff::Unavailable
}

/// They asked for it at `at`.
///
/// # Errors
/// Redis could not take it.
pub async fn switched_off(app: &App, channel: &ChannelId, person: &Address, at: Timestamp) -> Result<(), StoreError> {
    let record = ConsentRecord::new(at, Word::Off, Source::Page, "their own link");
    consent::say(app, channel, person, &format!("off:{}", at.as_millisecond()), record).await?;
    tracing::info!(%channel, "a recipient switched order updates off");
    Ok(())
}
