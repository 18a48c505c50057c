//! outcome: verdict → where an item stands next.

use super::App;
use super::account::Account;
use crate::domain::channel::Form;
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::decision::Reason;
use crate::domain::milestone::Purpose;
use crate::domain::owed::{Owed, State};
use crate::domain::verdict::{Scope, Verdict};
use crate::plan::{AfterUnsure, MAX_ATTEMPTS, after_unsure, backoff};

/// What a verdict leads to, beside the items' new state.
#[derive(Default)]
pub struct Consequence {
    /// The items go on at once, on the next channel.
    pub again_now: bool,
    /// The whole account stands still until.
    pub pause: Option<(Timestamp, Reason)>,
}

/// How an item was sent: what its verdict is read against.
pub struct Sent<'a> {
    /// On which account.
    pub account: &'a Account,
    /// Place in the route's chain.
    pub place: u8,
    /// In which form.
    pub form: Form,
    /// Purpose of the leading milestone.
    pub purpose: Purpose,
    /// The item may have been told before (it was `again`).
    pub again: bool,
    /// It tried out whether a channel that failed again and again works anew.
    pub probe: bool,
    /// Now.
    pub now: Timestamp,
}

/// Moves `item` (begun) to where `verdict` leaves it.
pub fn apply(item: &mut Owed, verdict: &Verdict, sent: &Sent<'_>) -> Consequence {
    let now = sent.now;
    let mut consequence = Consequence::default();
    match verdict {
        Verdict::Accepted { .. } => (item.state, item.reason) = (State::Sent, None),
        Verdict::TryLater { reason, after_secs, scope, .. } => {
            // What may have been told before stays so: "not taken now" says nothing of the first time.
            item.state = if sent.again { State::Again } else { State::Open };
            item.reason = Some(*reason);
            let waits = matches!(
                reason,
                Reason::RateLimited | Reason::QuotaSpent | Reason::ChannelPaused | Reason::RecipientCapped
            );
            // A reply token that was worth nothing: no failure, the next decision pushes at once.
            let at_once = sent.form == Form::Reply && *after_secs == Some(0);
            let delay = match *after_secs {
                _ if at_once => 0,
                after if waits => after.unwrap_or(60).max(1),
                after => delay_of(item, after),
            };
            item.not_before = plus_secs(now, delay);
            consequence.again_now = at_once;
            // A failed probe says nothing of the message: whoever happens to be the probe of a long outage must not
            // die of it.
            if waits || at_once || sent.probe {
                item.attempts = item.attempts.saturating_sub(1);
            } else if item.attempts >= MAX_ATTEMPTS {
                (item.state, item.reason) = (dead_or_unsure(sent.again), Some(Reason::AttemptsSpent));
            }
            if *scope == Scope::Account && (waits || *reason == Reason::BreakerOpen) {
                consequence.pause = Some((item.not_before, *reason));
                item.not_before = now;
            }
        }
        Verdict::Unreachable { reason, .. } => {
            if sent.again {
                (item.state, item.reason) = (State::Unsure, Some(Reason::MaybeTold));
            } else {
                if sent.form != Form::Reply && *reason != Reason::WindowClosed {
                    item.passed |= 1 << sent.place.min(15);
                }
                (item.state, item.reason, item.not_before) = (State::Open, Some(*reason), now);
                consequence.again_now = true;
            }
        }
        Verdict::Refused { .. } => (item.state, item.reason) = (dead_or_unsure(sent.again), Some(Reason::Refused)),
        Verdict::Unsure { .. } => unsure(item, sent),
    }
    consequence
}

/// An item that may have been told is not dead: a person asked to replay it would tell it twice.
fn dead_or_unsure(again: bool) -> State {
    if again { State::Unsure } else { State::Dead }
}

/// What follows when it is not known whether a message arrived: the purpose's policy.
pub fn unsure(item: &mut Owed, sent: &Sent<'_>) {
    let keyed = sent.account.caps.keyed(sent.form);
    let first = item.first_attempt.unwrap_or(sent.now);
    let unsure_sends = if sent.again { 2 } else { 1 };
    match after_unsure(sent.purpose, unsure_sends, keyed, first, sent.now, &sent.account.caps) {
        AfterUnsure::Again => {
            (item.state, item.reason) = (State::Again, Some(Reason::MaybeTold));
            item.not_before = plus_secs(sent.now, delay_of(item, None));
        }
        AfterUnsure::Unsure => (item.state, item.reason) = (State::Unsure, Some(Reason::MaybeTold)),
    }
}

fn delay_of(item: &Owed, after: Option<i64>) -> i64 {
    let seed = item.subject.0 ^ (u64::from(item.no) << 32) ^ u64::from(item.attempts);
    backoff(item.attempts, after, seed).max(1)
}

/// Feeds the account's breaker, and stops the account for all pods where the verdict says so; gives until when.
pub async fn teach(
    app: &App,
    account: &Account,
    verdict: &Verdict,
    pause: Option<(Timestamp, Reason)>,
    took: std::time::Duration,
) -> Option<Timestamp> {
    let now = app.clock.now();
    let theirs = match verdict {
        Verdict::Unsure { .. } => true,
        // A mailbox that is greylisted or full, a token that was used: the account itself works.
        Verdict::TryLater { scope: Scope::Recipient, .. } | Verdict::TryLater { after_secs: Some(0), .. } => false,
        Verdict::TryLater { reason, .. } => {
            matches!(reason, Reason::Retrying | Reason::ChannelPaused | Reason::BreakerOpen)
        }
        _ => false,
    };
    let mut stop = pause;
    if theirs {
        if let Some(until) = account.failed(now, took) {
            stop = Some((until, Reason::BreakerOpen));
        }
    } else {
        account.worked(took);
    }
    let (until, reason) = stop?;
    account.set_pause(Some((until, reason)));
    tracing::error!(channel = %account.id, reason = reason.as_str(), until = %until, "the channel stands still; its messages stay owed");
    if let Err(error) = app.store.pause(account.tag, until, reason).await {
        tracing::warn!(%error, "the pause could not be shared with other pods");
    }
    Some(until)
}

/// The moment an order is to be looked at again: the earliest of what its open items wait for.
pub fn earliest(times: impl Iterator<Item = Timestamp>) -> Timestamp {
    times.min().unwrap_or_else(|| from_millis(i64::MAX))
}
