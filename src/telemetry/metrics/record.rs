//! Recording: what may happen, each with the labels that it has.

use super::{Labels, Metrics, SECRETS};
use crate::domain::decision::Reason;
use crate::domain::owed::State;
use crate::domain::verdict::Verdict;
use crate::telemetry::words::{
    AuthFailure, CallbackOutcome, QueueState, ReconcileResult, ReloadResult, SpoolEnd, UNKNOWN, WebhookOutcome, Word,
    WriteBackOutcome,
};

impl Metrics {
    /// A request at a shop's hook.
    pub fn webhook(&self, shop: &str, outcome: WebhookOutcome) {
        let (shop, platform) = self.names.shop(shop);
        let labels = [("shop", shop), ("platform", platform), ("outcome", Word::Fixed(outcome.as_str()))];
        self.webhooks.get_or_create(&labels).inc();
    }

    /// What came of writing to an order at its shop.
    pub fn write_back(&self, shop: &str, outcome: WriteBackOutcome) {
        let labels = [("shop", self.names.shop(shop).0), ("outcome", Word::Fixed(outcome.as_str()))];
        self.shop_api.write_back.get_or_create(&labels).inc();
    }

    /// A change that a poll of the shop found.
    pub fn reconciled(&self, shop: &str, result: ReconcileResult) {
        let labels = [("shop", self.names.shop(shop).0), ("result", Word::Fixed(result.as_str()))];
        self.shop_api.reconcile.get_or_create(&labels).inc();
    }

    /// A poll of a shop came to its end, at this Unix time.
    pub fn polled(&self, shop: &str, at_secs: f64) {
        self.shop_api.reconcile_last.get_or_create(&[("shop", self.names.shop(shop).0)]).set(at_secs);
    }

    /// Genuine webhooks of a shop by the place of their secret, and those signed with none of them, since the start.
    pub fn signatures(&self, shop: &str) -> (u64, u64) {
        let (shop, platform) = self.names.shop(shop);
        let taken = |secret: &&'static str| {
            let labels = [("shop", shop.clone()), ("secret", Word::Fixed(secret))];
            self.webhook_signatures.get_or_create(&labels).get()
        };
        let good = SECRETS.iter().map(taken).sum();
        let bad = Word::Fixed(WebhookOutcome::BadSignature.as_str());
        let labels = [("shop", shop.clone()), ("platform", platform), ("outcome", bad)];
        (good, self.webhooks.get_or_create(&labels).get())
    }

    /// A genuine webhook: which of the shop's secrets verified, and when it came (Unix seconds).
    pub fn webhook_signed(&self, shop: &str, secret_index: usize, at_secs: f64) {
        let (shop, _) = self.names.shop(shop);
        let secret = SECRETS.get(secret_index).map_or(UNKNOWN, |s| Word::Fixed(s));
        self.webhook_last.get_or_create(&[("shop", shop.clone())]).set(at_secs);
        self.webhook_signatures.get_or_create(&[("shop", shop), ("secret", secret)]).inc();
    }

    /// From a webhook's arrival to its answer, in seconds.
    pub fn webhook_answered(&self, shop: &str, secs: f64) {
        let (_, platform) = self.names.shop(shop);
        self.webhook_accept.get_or_create(&[("platform", platform)]).observe(secs);
    }

    /// From a webhook to the provider's acceptance of its message, in seconds.
    pub fn accepted_after(&self, channel: &str, secs: f64) {
        self.webhook_to_acceptance.get_or_create(&self.channel(channel)).observe(secs);
    }

    /// A request at a channel's callback.
    pub fn callback(&self, channel: &str, outcome: CallbackOutcome) {
        let labels = [("channel", self.names.channel(channel)), ("outcome", Word::Fixed(outcome.as_str()))];
        self.callbacks.get_or_create(&labels).inc();
    }

    /// From a callback's arrival to the moment its effect holds, in seconds.
    pub fn callback_applied(&self, channel: &str, secs: f64) {
        self.callback_effect.get_or_create(&self.channel(channel)).observe(secs);
    }

    /// A send, what its answer means, and how long the provider took, in seconds.
    pub fn attempt(&self, channel: &str, verdict: &Verdict, secs: f64) {
        let channel = self.names.channel(channel);
        let labels = [("channel", channel.clone()), ("verdict", Word::Fixed(verdict.as_str()))];
        self.attempts.get_or_create(&labels).inc();
        if matches!(verdict, Verdict::Unsure { .. }) {
            self.unsure.get_or_create(&[("channel", channel.clone())]).inc();
        }
        self.provider.get_or_create(&[("channel", channel)]).observe(secs);
    }

    /// A send that was not the first of its item.
    pub fn retry(&self, channel: &str) {
        self.retries.get_or_create(&self.channel(channel)).inc();
    }

    /// An owed item came to a state in which it is told, or ended; with the reason where there is one.
    pub fn outcome(&self, milestone: &str, state: State, reason: Option<Reason>) {
        let labels = [("milestone", self.names.milestone(milestone)), ("outcome", Word::Fixed(state.as_str()))];
        self.outcomes.get_or_create(&labels).inc();
        let untold = matches!(state, State::Skipped | State::Superseded | State::Expired | State::Dead);
        if let (true, Some(reason)) = (untold, reason) {
            self.skips.get_or_create(&[("reason", Word::Fixed(reason.as_str()))]).inc();
        }
    }

    /// An owed item was put off.
    pub fn wait(&self, reason: Reason) {
        self.waits.get_or_create(&[("reason", Word::Fixed(reason.as_str()))]).inc();
    }

    /// A send was held back by the channel's pace, for so many seconds.
    pub fn rate_limited(&self, channel: &str, secs: f64) {
        self.rate_limit_wait.get_or_create(&self.channel(channel)).observe(secs);
    }

    /// Messages left in a channel's quota, and the used part of it.
    pub fn set_quota(&self, channel: &str, left: u64, used: f64) {
        self.quota_left.get_or_create(&self.channel(channel)).set(left as f64);
        self.quota_used.get_or_create(&self.channel(channel)).set(used);
    }

    /// Words whose template the provider stopped.
    pub fn set_templates_stopped(&self, channel: &str, words: usize) {
        self.templates_stopped.get_or_create(&self.channel(channel)).set(words as f64);
    }

    /// Whether a channel rests after failures.
    pub fn set_breaker_open(&self, channel: &str, open: bool) {
        self.breaker_open.get_or_create(&self.channel(channel)).set(f64::from(u8::from(open)));
    }

    /// Orders that wait for a channel that stands still.
    pub fn set_parked(&self, channel: &str, orders: u64) {
        self.parked.get_or_create(&self.channel(channel)).set(orders as f64);
    }

    /// Orders in this state of the queue.
    pub fn set_queue(&self, state: QueueState, orders: u64) {
        self.queue.get_or_create(&[("state", Word::Fixed(state.as_str()))]).set(orders as f64);
    }

    /// Owed items not yet told, those that a person must look at, and the age of the oldest order that is due
    /// and not served, in seconds.
    pub fn set_owed(&self, owed: u64, dead: u64, oldest_secs: f64) {
        self.owed.set(count(owed));
        self.dead.set(count(dead));
        self.oldest_owed.set(oldest_secs);
    }

    /// Sends answered and not yet written down.
    pub fn set_settle_backlog(&self, sends: u64) {
        self.settle_backlog.set(count(sends));
    }

    /// An order was taken over from a worker that vanished.
    pub fn redelivery(&self) {
        self.redeliveries.inc();
    }

    /// A commit was begun again because the order had changed meanwhile.
    pub fn conflict(&self) {
        self.conflicts.inc();
    }

    /// A result was not written because another worker had the order by then.
    pub fn lease_lost(&self) {
        self.leases_lost.inc();
    }

    /// A step in Redis: `op` is its name in the program, seconds.
    pub fn redis(&self, op: &'static str, secs: f64) {
        self.redis.get_or_create(&[("op", Word::Fixed(op))]).observe(secs);
    }

    /// A step in Redis failed: `kind` is the failure's name in the program.
    pub fn redis_error(&self, kind: &'static str) {
        self.redis_errors.get_or_create(&[("kind", Word::Fixed(kind))]).inc();
    }

    /// The server's state: used part of its memory limit (0 to 1), replicas connected.
    pub fn set_redis(&self, memory_ratio: f64, replicas: u64) {
        self.redis_memory.set(memory_ratio);
        self.redis_replicas.set(count(replicas));
    }

    /// How Redis bears what is asked of it: average trip in seconds, requests that wait, orders that the worker may
    /// have in hand.
    pub fn set_pressure(&self, trip_secs: f64, waiting: usize, most: usize) {
        self.redis_trip.set(trip_secs);
        self.requests_waiting.set(count(waiting as u64));
        self.worker_most.set(count(most as u64));
    }

    /// How full its memory is, as a level (0 to 3).
    pub fn set_memory_level(&self, level: u8) {
        self.redis_memory_level.set(i64::from(level));
    }

    /// Whether something is wrong with how it is set up.
    pub fn set_complaint(&self, complains: bool) {
        self.redis_complaint.set(i64::from(complains));
    }

    /// A request was turned away unread.
    pub fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&[("reason", Word::Fixed(reason))]).inc();
    }

    /// Durability level that the store gives.
    pub fn set_durability(&self, level: u8) {
        self.durability.set(i64::from(level));
    }

    /// The spool: requests that wait, bytes, pieces set aside.
    pub fn set_spool(&self, records: u64, bytes: u64, aside: u64) {
        self.spool_records.set(count(records));
        self.spool_bytes.set(count(bytes));
        self.spool_aside.set(count(aside));
    }

    /// A request left the spool.
    pub fn spool_ended(&self, end: SpoolEnd) {
        self.spool_ended.get_or_create(&[("end", Word::Fixed(end.as_str()))]).inc();
    }

    /// A flush of the spool to disk, in seconds.
    pub fn spool_flushed(&self, secs: f64) {
        self.spool_flush.get_or_create(&[]).observe(secs);
    }

    /// What was acknowledged lately: requests, bytes, and how far back they reach in seconds.
    pub fn set_ring(&self, records: u64, bytes: u64, reach_secs: f64) {
        self.ring_records.set(count(records));
        self.ring_bytes.set(count(bytes));
        self.ring_reach.set(reach_secs);
    }

    /// So many of them were offered again after a failover: stored, because they had been lost, and known.
    pub fn ring_offered(&self, stored: u64, known: u64) {
        for (result, offered) in [("stored", stored), ("known", known)] {
            self.ring_offered.get_or_create(&[("result", Word::Fixed(result))]).inc_by(offered);
        }
    }

    /// Redis' clock minus ours, in seconds.
    pub fn set_clock_skew(&self, secs: f64) {
        self.clock_skew.set(secs);
    }

    /// A reload of settings and templates ended.
    pub fn reload(&self, result: ReloadResult) {
        self.reloads.get_or_create(&[("result", Word::Fixed(result.as_str()))]).inc();
    }

    /// A request at the admin door without a right token.
    pub fn auth_failure(&self, what: AuthFailure) {
        self.auth_failures.get_or_create(&[("token", Word::Fixed(what.as_str()))]).inc();
    }

    fn channel(&self, id: &str) -> Labels<1> {
        [("channel", self.names.channel(id))]
    }
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
