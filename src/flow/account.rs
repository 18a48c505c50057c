//! A live channel account: its pace, its permits, its breaker. Nothing here is shared between accounts, so
//! that a provider that hangs or refuses holds nobody else up.

use crate::channel::{Channel, Kind};
use crate::domain::channel::Capabilities;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Tag};
use crate::domain::order::Order;
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use crate::plan::addresses_for;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota as Pace, RateLimiter};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Failures in a row (transport, 5xx, credentials) that open the breaker.
const BREAKER_AFTER: u32 = 5;
/// First and longest rest of an open breaker, seconds.
const BREAKER_REST: (i64, i64) = (15, 600);
/// Slots are handed out no further ahead than this: beyond it everybody looks again at a random moment.
const SLOT_HORIZON_MS: i64 = 30_000;

/// A configured channel account, live.
pub struct Account {
    /// Its id.
    pub id: ChannelId,
    /// Its stored tag.
    pub tag: Tag,
    /// Its kind.
    pub kind: &'static Kind,
    /// The account itself.
    pub channel: Box<dyn Channel>,
    /// Where a customer begins a chat; `{code}` is put in. `None`: nobody is led there by a link.
    pub start: Option<String>,
    /// Its capabilities, copied so that rules can borrow them.
    pub caps: Capabilities,
    limiter: DefaultDirectRateLimiter,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Standing still until, and why; learned here or from Redis.
    pause: Option<(Timestamp, Reason)>,
    /// Failures in a row.
    failures: u32,
    /// How often the breaker opened without a success between.
    openings: u32,
    /// One send tries whether a rested provider works again.
    probing: bool,
    /// The last slot handed out, milliseconds.
    last_slot: i64,
    /// How long a send lately took, milliseconds.
    latency_ms: f64,
    /// Sends granted by the budget shared over pods, and the second they are for.
    slice: (i64, u32),
    /// Share of the quota used, 0 to 1.
    quota_used: Option<f64>,
    /// Words whose template the provider stopped ([`super::wanted::place`]), and why.
    stopped: BTreeMap<String, String>,
}

/// A permit to send once; gives its place back when dropped, panic or not.
pub struct Permit {
    _place: OwnedSemaphorePermit,
    account: Arc<Account>,
    probe: bool,
}

impl Permit {
    /// It tries out whether a channel that failed again and again works anew.
    pub fn probes(&self) -> bool {
        self.probe
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe {
            self.account.lock().probing = false;
        }
    }
}

impl Account {
    /// An account at rest.
    pub fn new(id: ChannelId, kind: &'static Kind, channel: Box<dyn Channel>) -> Account {
        let caps = channel.capabilities().clone();
        let per_second = caps.pace.per_second.clamp(0.001, 100_000.0);
        let period = Duration::from_secs_f64(1.0 / per_second);
        let burst = NonZeroU32::new(caps.pace.burst.max(1)).unwrap_or(NonZeroU32::MIN);
        let pace = Pace::with_period(period).unwrap_or_else(|| Pace::per_second(burst)).allow_burst(burst);
        Account {
            tag: id.tag(),
            limiter: RateLimiter::direct(pace),
            permits: Arc::new(Semaphore::new(usize::from(caps.pace.concurrent.max(1)))),
            state: Mutex::default(),
            id,
            kind,
            channel,
            caps,
            start: None,
        }
    }

    /// The same, with a place where a customer begins a chat.
    #[must_use]
    pub fn starting_at(self, start: Option<String>) -> Account {
        Account { start, ..self }
    }

    /// Addresses that the order itself carries for this account, in normal form.
    pub fn carried(&self, order: &Order, rules: &ShopRules) -> Vec<Address> {
        let raw = addresses_for(order, rules, self.caps.scheme);
        raw.iter().filter_map(|raw| self.channel.address(raw)).collect()
    }

    /// Everybody whom the order names on this account: who tied a chat to it, then what it carries.
    pub fn named(&self, order: &Order, rules: &ShopRules) -> Vec<Address> {
        order.linked(&self.id).into_iter().chain(self.carried(order, rules)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Standing still at `now`, until when and why.
    pub fn paused(&self, now: Timestamp) -> Option<(Timestamp, Reason)> {
        self.lock().pause.filter(|(until, _)| *until > now)
    }

    /// What Redis says about this account (another pod paused it, a person resumed it).
    pub fn set_pause(&self, pause: Option<(Timestamp, Reason)>) {
        self.lock().pause = pause;
    }

    /// The quota is in its reserve: only what is formal or needs the customer is pushed.
    pub fn reserve(&self) -> bool {
        self.lock().quota_used.is_some_and(|used| used >= 0.9)
    }

    /// Takes in what the provider says of its quota; `true`: it is spent.
    pub fn set_quota(&self, limit: Option<u64>, used: u64) -> bool {
        let share = limit.map(|limit| if limit == 0 { 1.0 } else { used as f64 / limit as f64 });
        self.lock().quota_used = share;
        share.is_some_and(|s| s >= 1.0)
    }

    /// Takes in which templates the provider stopped; gives those that it did not know of, and those that go again.
    pub fn set_stopped(&self, stopped: &BTreeMap<String, String>) -> (Vec<(String, String)>, Vec<String>) {
        let mut state = self.lock();
        let fresh = stopped.iter().filter(|(place, _)| !state.stopped.contains_key(*place));
        let fresh: Vec<_> = fresh.map(|(place, why)| (place.clone(), why.clone())).collect();
        let back = state.stopped.keys().filter(|place| !stopped.contains_key(*place)).cloned().collect();
        state.stopped.clone_from(stopped);
        (fresh, back)
    }

    /// Whether the provider stopped the template that these words name.
    pub fn stops(&self, milestone: &str, locale: &str) -> bool {
        let state = self.lock();
        !state.stopped.is_empty() && state.stopped.contains_key(&super::wanted::place(milestone, locale))
    }

    /// A place to send now, or the slot at which to come back. Waiting for pace happens before `begin`,
    /// and costs no attempt.
    ///
    /// # Errors
    /// The slot.
    pub fn take(self: &Arc<Self>, now: Timestamp) -> Result<Permit, Timestamp> {
        let probe = {
            let state = self.lock();
            if state.failures >= BREAKER_AFTER && state.probing {
                return Err(from_millis(now.as_millisecond() + 1000));
            }
            if state.slice.0 == now.as_second() && state.slice.1 == 0 {
                return Err(from_millis((now.as_second() + 1) * 1000));
            }
            state.failures >= BREAKER_AFTER
        };
        let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() else {
            let spacing = self.lock().latency_ms.max(1.0) / f64::from(self.caps.pace.concurrent.max(1));
            return Err(self.next_slot(now, 0.0, spacing));
        };
        if let Err(not_until) = self.limiter.check() {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            return Err(self.next_slot(now, wait.as_secs_f64() * 1000.0, 1000.0 / self.caps.pace.per_second));
        }
        let mut state = self.lock();
        state.probing |= probe;
        if state.slice.0 == now.as_second() {
            state.slice.1 = state.slice.1.saturating_sub(1);
        }
        Ok(Permit { _place: place, account: Arc::clone(self), probe })
    }

    /// Slots one behind the other, so that those who wait do not come back all at once.
    fn next_slot(&self, now: Timestamp, wait_ms: f64, spacing_ms: f64) -> Timestamp {
        let now = now.as_millisecond();
        let mut state = self.lock();
        let at = (state.last_slot as f64 + spacing_ms).max(now as f64 + wait_ms.max(1.0)).ceil() as i64;
        state.last_slot = if at - now > SLOT_HORIZON_MS { now } else { at };
        from_millis(at.min(now + SLOT_HORIZON_MS))
    }

    /// How many sends must be asked of the budget shared over pods to send `want` in this second; 0: none.
    pub fn slice_missing(&self, now: Timestamp, want: u32) -> u32 {
        let state = self.lock();
        if state.slice.0 == now.as_second() { want.saturating_sub(state.slice.1) } else { want }
    }

    /// Adds what the shared budget granted for this second.
    pub fn add_slice(&self, now: Timestamp, granted: u32) {
        let mut state = self.lock();
        let left = if state.slice.0 == now.as_second() { state.slice.1 } else { 0 };
        state.slice = (now.as_second(), left.saturating_add(granted));
    }

    /// A send ended well: the breaker forgets.
    pub fn worked(&self, took: Duration) {
        let mut state = self.lock();
        state.failures = 0;
        state.openings = 0;
        let took = took.as_secs_f64() * 1000.0;
        state.latency_ms = if state.latency_ms == 0.0 { took } else { state.latency_ms.mul_add(0.8, took * 0.2) };
    }

    /// A send failed for a cause that is the provider's. `Some(until)`: the breaker opens now.
    pub fn failed(&self, now: Timestamp, took: Duration) -> Option<Timestamp> {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.latency_ms = state.latency_ms.max(took.as_secs_f64() * 1000.0);
        if state.failures < BREAKER_AFTER || state.pause.is_some_and(|(until, _)| until > now) {
            return None;
        }
        let rest = (BREAKER_REST.0 << state.openings.min(6)).min(BREAKER_REST.1);
        state.openings += 1;
        let until = crate::domain::clock::plus_secs(now, rest);
        state.pause = Some((until, Reason::BreakerOpen));
        Some(until)
    }
}
