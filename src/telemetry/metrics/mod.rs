//! The measures, as OpenMetrics text.
//!
//! Labels are bounded: what is configured, and words of the program; never an order or a person. Recording
//! costs one look-up in a small table and one atomic step; nothing is formatted before somebody asks.

mod record;

use super::words::{
    AuthFailure, Names, ReconcileResult, ReloadResult, SpoolEnd, WebhookOutcome, Word, WriteBackOutcome,
};
use crate::domain::owed::State;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::sync::atomic::AtomicU64;

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Words of the verdicts, so that every series exists before its first event and rates see the first one.
const VERDICTS: [&str; 5] = ["accepted", "try_later", "unreachable", "refused", "unsure"];
/// Why requests are turned away unread: `flow::pressure::Shed`.
const SHED: [&str; 5] = ["setup", "away", "memory", "queue", "bytes"];
/// Labels of the secrets of a shop, of which there are at most four.
const SECRETS: [&str; 4] = ["0", "1", "2", "3"];

type Labels<const N: usize> = [(&'static str, Word); N];
type Counts<const N: usize> = Family<Labels<N>, Counter>;
type Level = Gauge<f64, AtomicU64>;
type Levels<const N: usize> = Family<Labels<N>, Level>;
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Seconds within our own house.
fn quick() -> Histogram {
    Histogram::new([0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Seconds of an answer of a provider.
fn remote() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0])
}

/// Seconds of a whole way, settling and waiting included: up to a day.
fn way() -> Histogram {
    Histogram::new([
        0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
    ])
}

/// Every measure of the relay. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: Names,
    webhooks: Counts<3>,
    webhook_signatures: Counts<2>,
    webhook_accept: Times<1>,
    webhook_last: Levels<1>,
    webhook_to_acceptance: Times<1>,
    callbacks: Counts<2>,
    callback_effect: Times<1>,
    attempts: Counts<2>,
    outcomes: Counts<2>,
    skips: Counts<1>,
    waits: Counts<1>,
    retries: Counts<1>,
    unsure: Counts<1>,
    provider: Times<1>,
    rate_limit_wait: Times<1>,
    quota_left: Levels<1>,
    quota_used: Levels<1>,
    templates_stopped: Levels<1>,
    breaker_open: Levels<1>,
    parked: Levels<1>,
    dead: Gauge,
    owed: Gauge,
    oldest_owed: Level,
    queue: Levels<1>,
    settle_backlog: Gauge,
    redeliveries: Counter,
    conflicts: Counter,
    leases_lost: Counter,
    redis: Times<1>,
    redis_errors: Counts<1>,
    redis_memory: Level,
    redis_replicas: Gauge,
    redis_trip: Level,
    redis_memory_level: Gauge,
    redis_complaint: Gauge,
    requests_waiting: Gauge,
    worker_most: Gauge,
    shed: Counts<1>,
    durability: Gauge,
    clock_skew: Level,
    spool_records: Gauge,
    spool_bytes: Gauge,
    spool_aside: Gauge,
    spool_flush: Times<0>,
    spool_ended: Counts<1>,
    ring_records: Gauge,
    ring_bytes: Gauge,
    ring_reach: Level,
    ring_offered: Counts<1>,
    shop_api: ShopApi,
    reloads: Counts<1>,
    auth_failures: Counts<1>,
}

/// Measures of what is asked of a shop, and written to it, by its own API.
#[derive(Debug, Default)]
struct ShopApi {
    write_back: Counts<2>,
    reconcile: Counts<2>,
    reconcile_last: Levels<1>,
}

impl Metrics {
    /// Measures of a relay with these `names`; any other name is counted as `unknown`.
    pub fn new(names: Names) -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("orderwire"),
            names,
            webhooks: Family::default(),
            webhook_signatures: Family::default(),
            webhook_accept: Family::new_with_constructor(quick),
            webhook_last: Family::default(),
            webhook_to_acceptance: Family::new_with_constructor(way),
            callbacks: Family::default(),
            callback_effect: Family::new_with_constructor(way),
            attempts: Family::default(),
            outcomes: Family::default(),
            skips: Family::default(),
            waits: Family::default(),
            retries: Family::default(),
            unsure: Family::default(),
            provider: Family::new_with_constructor(remote),
            rate_limit_wait: Family::new_with_constructor(way),
            quota_left: Family::default(),
            quota_used: Family::default(),
            templates_stopped: Family::default(),
            breaker_open: Family::default(),
            parked: Family::default(),
            dead: Gauge::default(),
            owed: Gauge::default(),
            oldest_owed: Gauge::default(),
            queue: Family::default(),
            settle_backlog: Gauge::default(),
            redeliveries: Counter::default(),
            conflicts: Counter::default(),
            leases_lost: Counter::default(),
            redis: Family::new_with_constructor(quick),
            redis_errors: Family::default(),
            redis_memory: Gauge::default(),
            redis_replicas: Gauge::default(),
            redis_trip: Gauge::default(),
            redis_memory_level: Gauge::default(),
            redis_complaint: Gauge::default(),
            requests_waiting: Gauge::default(),
            worker_most: Gauge::default(),
            shed: Family::default(),
            durability: Gauge::default(),
            clock_skew: Gauge::default(),
            spool_records: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_aside: Gauge::default(),
            spool_flush: Family::new_with_constructor(quick),
            spool_ended: Family::default(),
            ring_records: Gauge::default(),
            ring_bytes: Gauge::default(),
            ring_reach: Level::default(),
            ring_offered: Family::default(),
            shop_api: ShopApi::default(),
            reloads: Family::default(),
            auth_failures: Family::default(),
        };
        metrics.register_flow();
        metrics.register_ground();
        metrics.begin();
        metrics
    }

    fn add(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.registry.register(name, help, metric);
    }

    fn add_in(&mut self, unit: Unit, name: &str, help: &str, metric: impl Metric) {
        self.registry.register_with_unit(name, help, unit, metric);
    }

    #[rustfmt::skip]
    fn register_flow(&mut self) {
        self.add("webhooks", "Requests at the shops' hooks, by what became of them", self.webhooks.clone());
        self.add("webhook_signature", "Webhooks taken, by the place of the secret that signed them: an old one in use means that a rotation is unfinished", self.webhook_signatures.clone());
        self.add_in(Unit::Seconds, "webhook_accept", "From a webhook's arrival to its answer", self.webhook_accept.clone());
        self.add_in(Unit::Seconds, "webhook_last_timestamp", "When a shop's last genuine webhook came, in Unix time", self.webhook_last.clone());
        self.add_in(Unit::Seconds, "webhook_to_acceptance", "From a webhook to the provider's acceptance of its message", self.webhook_to_acceptance.clone());
        self.add("callbacks", "Requests at the channels' callbacks, by what became of them", self.callbacks.clone());
        self.add_in(Unit::Seconds, "callback_effect", "From a callback's arrival to the moment its effect holds", self.callback_effect.clone());
        self.add("attempts", "Sends, by what the provider's answer means", self.attempts.clone());
        self.add("outcomes", "Owed items that came to this state", self.outcomes.clone());
        self.add("skips", "Owed items that ended untold, by reason", self.skips.clone());
        self.add("waits", "Times that an owed item was put off, by reason", self.waits.clone());
        self.add("retries", "Sends that were not the first of their item", self.retries.clone());
        self.add("unsure", "Sends of which it is not known whether they arrived", self.unsure.clone());
        self.add_in(Unit::Seconds, "provider", "Time a provider took to answer a send", self.provider.clone());
        self.add_in(Unit::Seconds, "rate_limit_wait", "Time that a send was held back by a channel's pace", self.rate_limit_wait.clone());
        self.add("quota_left", "Messages left in a channel's quota, as the provider told last", self.quota_left.clone());
        self.add("quota_used_ratio", "Used part of a channel's quota, where it has one, as the provider told last", self.quota_used.clone());
        self.add("templates_stopped", "Words that name a template which the provider stopped: paused, rejected, of another category", self.templates_stopped.clone());
        self.add("breaker_open", "1 while a channel rests after failures", self.breaker_open.clone());
        self.add("parked_orders", "Orders that wait for a channel that stands still", self.parked.clone());
        self.add("dead_items", "Owed items that a person must look at", self.dead.clone());
        self.add("owed_items", "Owed items not yet told", self.owed.clone());
        self.add_in(Unit::Seconds, "oldest_owed", "Age of the oldest order that is due and not served", self.oldest_owed.clone());
        self.add("queue_orders", "Orders by where they stand in the queue", self.queue.clone());
        self.add("settle_backlog", "Sends answered and not yet written down", self.settle_backlog.clone());
        self.add("redeliveries", "Orders taken over from a worker that vanished", self.redeliveries.clone());
        self.add("commit_conflicts", "Commits begun again because the order had changed meanwhile", self.conflicts.clone());
        self.add("leases_lost", "Results that were not written because another worker had the order by then", self.leases_lost.clone());
    }

    #[rustfmt::skip]
    fn register_ground(&mut self) {
        self.add_in(Unit::Seconds, "redis", "Time of a step in Redis, by step", self.redis.clone());
        self.add("redis_errors", "Steps in Redis that failed, by kind of failure", self.redis_errors.clone());
        self.add("redis_memory_used_ratio", "Used part of Redis' memory limit; 0 without a limit", self.redis_memory.clone());
        self.add("redis_replicas", "Replicas connected to Redis", self.redis_replicas.clone());
        self.add_in(Unit::Seconds, "redis_trip", "Average trip to Redis of late", self.redis_trip.clone());
        self.add("redis_memory_level", "How full Redis' memory is: 1 from 80 %, 2 from 90 % (replays of many are refused), 3 from 95 % (nothing new is taken)", self.redis_memory_level.clone());
        self.add("redis_complaint", "1 while Redis is set up so that it does not keep what it acknowledges", self.redis_complaint.clone());
        self.add("requests_waiting", "Genuine requests that wait for Redis", self.requests_waiting.clone());
        self.add("worker_most_orders", "Orders that the worker may have in hand: fewer while Redis is slow", self.worker_most.clone());
        self.add("shed", "Requests turned away before they were read, by reason", self.shed.clone());
        self.add("store_durability_level", "Durability level that the store gives (1 relaxed, 2 local, 3 replicated)", self.durability.clone());
        self.add_in(Unit::Seconds, "clock_skew", "Redis' clock minus ours", self.clock_skew.clone());
        self.add("spool_records", "Requests that wait on disk for Redis", self.spool_records.clone());
        self.add("spool_bytes", "Bytes of the spool, with what lies aside", self.spool_bytes.clone());
        self.add("spool_set_aside", "Pieces of the spool that a person must look at", self.spool_aside.clone());
        self.add_in(Unit::Seconds, "spool_flush", "Time of a flush of the spool to disk", self.spool_flush.clone());
        self.add("spool_ended", "Requests that left the spool: taken by the store, erased, or why they were set aside", self.spool_ended.clone());
        self.add("ring_records", "Requests acknowledged lately, kept to be offered again", self.ring_records.clone());
        self.add("ring_bytes", "Bytes of them", self.ring_bytes.clone());
        self.add_in(Unit::Seconds, "ring_reach", "How far back they reach", self.ring_reach.clone());
        self.add("ring_offered", "Requests offered again after a failover, by what they were", self.ring_offered.clone());
        self.add("write_back", "Writing to orders at their shops, by what came of it", self.shop_api.write_back.clone());
        self.add("reconcile_orders", "Changes of orders that a poll of the shop found, by whether a webhook had told them: what was missed is true webhook loss", self.shop_api.reconcile.clone());
        self.add_in(Unit::Seconds, "reconcile_last_timestamp", "When this process last asked a shop for all that changed, in Unix time", self.shop_api.reconcile_last.clone());
        self.add("reload", "Reloads of settings and templates, by how they ended", self.reloads.clone());
        self.add("admin_auth_failures", "Requests at the admin door without a right token: without any, with a wrong one, with one after many wrong ones from the same place", self.auth_failures.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.add("build", "What is running", build);
        let kinds: Family<Labels<2>, Gauge> = Family::default();
        for (channel, kind) in self.names.channels() {
            kinds.get_or_create(&[("channel", channel), ("kind", kind)]).set(1);
        }
        self.add("channel_kind", "1 for the kind that a channel is of, to join other measures with", kinds);
    }

    /// Makes the series that alerts look at, at 0: a counter that appears with its first event has no rate.
    fn begin(&self) {
        for (shop, platform) in self.names.shops() {
            for outcome in WebhookOutcome::ALL {
                let outcome = Word::Fixed(outcome.as_str());
                let labels = [("shop", shop.clone()), ("platform", platform.clone()), ("outcome", outcome)];
                drop(self.webhooks.get_or_create(&labels));
            }
        }
        for (shop, _) in self.names.shops() {
            for result in ReconcileResult::ALL {
                drop(
                    self.shop_api
                        .reconcile
                        .get_or_create(&[("shop", shop.clone()), ("result", Word::Fixed(result.as_str()))]),
                );
            }
            for outcome in WriteBackOutcome::ALL {
                drop(
                    self.shop_api
                        .write_back
                        .get_or_create(&[("shop", shop.clone()), ("outcome", Word::Fixed(outcome.as_str()))]),
                );
            }
        }
        for (channel, _) in self.names.channels() {
            for verdict in VERDICTS {
                drop(self.attempts.get_or_create(&[("channel", channel.clone()), ("verdict", Word::Fixed(verdict))]));
            }
            drop(self.unsure.get_or_create(&[("channel", channel.clone())]));
            drop(self.retries.get_or_create(&[("channel", channel.clone())]));
            drop(self.breaker_open.get_or_create(&[("channel", channel)]));
        }
        for milestone in self.names.milestones() {
            for state in State::ALL.into_iter().filter(|s| !s.is_open()) {
                let labels = [("milestone", milestone.clone()), ("outcome", Word::Fixed(state.as_str()))];
                drop(self.outcomes.get_or_create(&labels));
            }
        }
        for reason in SHED {
            drop(self.shed.get_or_create(&[("reason", Word::Fixed(reason))]));
        }
        for what in AuthFailure::ALL {
            drop(self.auth_failures.get_or_create(&[("token", Word::Fixed(what.as_str()))]));
        }
        for end in SpoolEnd::ALL {
            drop(self.spool_ended.get_or_create(&[("end", Word::Fixed(end.as_str()))]));
        }
        self.ring_offered(0, 0);
        for result in ReloadResult::ALL {
            drop(self.reloads.get_or_create(&[("result", Word::Fixed(result.as_str()))]));
        }
    }

    /// All of them as OpenMetrics text ([`CONTENT_TYPE`]).
    pub fn encode(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a string");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::Reason;
    use crate::domain::verdict::Verdict;
    use crate::domain::webhook::Refusal;
    use crate::telemetry::{CallbackOutcome, QueueState};

    fn metrics() -> Metrics {
        Metrics::new(Names::new([("demo-tw", "woocommerce")], [("line-main", "line")], ["shipped"]))
    }

    fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
        metrics.encode().lines().filter(|l| l.starts_with(name)).map(str::to_string).collect()
    }

    #[test]
    fn names_from_outside_are_counted_as_unknown() {
        let metrics = metrics();
        metrics.webhook("demo-tw", WebhookOutcome::Taken);
        metrics.webhook("no\"}\nsuch 1", Refusal::Unsigned.into());
        metrics.webhook_signed("demo-tw", 1, 5.0);
        metrics.webhook_signed("demo-tw", 99, 6.0);
        metrics.callback("other", CallbackOutcome::UnknownChannel);
        metrics.outcome("invented", State::Skipped, Some(Reason::OptedOut));
        for line in [
            r#"orderwire_webhooks_total{shop="demo-tw",platform="woocommerce",outcome="taken"} 1"#,
            r#"orderwire_webhooks_total{shop="unknown",platform="unknown",outcome="unsigned"} 1"#,
            r#"orderwire_webhook_signature_total{shop="demo-tw",secret="1"} 1"#,
            r#"orderwire_webhook_signature_total{shop="demo-tw",secret="unknown"} 1"#,
            r#"orderwire_webhook_last_timestamp_seconds{shop="demo-tw"} 6.0"#,
            r#"orderwire_callbacks_total{channel="unknown",outcome="unknown_channel"} 1"#,
            r#"orderwire_outcomes_total{milestone="unknown",outcome="skipped"} 1"#,
            r#"orderwire_skips_total{reason="opted_out"} 1"#,
        ] {
            assert_eq!(lines(&metrics, line), [line]);
        }
    }

    #[test]
    fn an_attempt_counts_as_what_it_means() {
        let metrics = metrics();
        metrics.attempt("line-main", &Verdict::Unsure { detail: "secret words".into() }, 0.3);
        metrics.attempt("line-main", &Verdict::Accepted { ids: vec!["id-1".into()], again: false }, 0.003);
        for line in [
            r#"orderwire_attempts_total{channel="line-main",verdict="unsure"} 1"#,
            r#"orderwire_attempts_total{channel="line-main",verdict="accepted"} 1"#,
            r#"orderwire_unsure_total{channel="line-main"} 1"#,
            r#"orderwire_provider_seconds_count{channel="line-main"} 2"#,
            r#"orderwire_provider_seconds_bucket{le="0.01",channel="line-main"} 1"#,
            r#"orderwire_provider_seconds_bucket{le="0.5",channel="line-main"} 2"#,
        ] {
            assert_eq!(lines(&metrics, line), [line], "{}", metrics.encode());
        }
        assert!(!metrics.encode().contains("secret words") && !metrics.encode().contains("id-1"));
    }

    #[test]
    fn every_verdict_and_alert_begins_at_nothing() {
        let metrics = metrics();
        for word in VERDICTS {
            let line = format!(r#"orderwire_attempts_total{{channel="line-main",verdict="{word}"}} 0"#);
            assert_eq!(lines(&metrics, &line), [line]);
        }
        let unsure = Verdict::Unsure { detail: String::new() };
        assert!(VERDICTS.contains(&unsure.as_str()));
        for line in ["orderwire_dead_items 0", "orderwire_redeliveries_total 0"] {
            assert_eq!(lines(&metrics, line), [line]);
        }
        assert_eq!(lines(&metrics, "orderwire_build_info{version=").len(), 1);
    }

    /// All measures together: help, type and unit where OpenMetrics wants them, one block a measure.
    #[test]
    fn the_text_is_open_metrics() {
        let metrics = metrics();
        metrics.webhook_signed("demo-tw", 0, 5.0);
        metrics.callback("line-main", CallbackOutcome::Taken);
        metrics.outcome("shipped", State::Skipped, Some(Reason::OptedOut));
        metrics.attempt("line-main", &Verdict::Refused { detail: String::new() }, 0.1);
        metrics.webhook_answered("demo-tw", 0.01);
        metrics.accepted_after("line-main", 3.0);
        metrics.callback_applied("line-main", 1.0);
        metrics.wait(Reason::QuietHours);
        metrics.retry("line-main");
        metrics.rate_limited("line-main", 0.2);
        metrics.set_quota("line-main", 3, 0.97);
        metrics.set_templates_stopped("line-main", 1);
        metrics.set_breaker_open("line-main", true);
        metrics.set_parked("line-main", 2);
        metrics.set_queue(QueueState::Ready, 4);
        metrics.set_owed(7, 1, 33.0);
        metrics.set_settle_backlog(1);
        metrics.redelivery();
        metrics.conflict();
        metrics.lease_lost();
        metrics.redis("commit", 0.001);
        metrics.redis_error("timeout");
        metrics.set_redis(0.5, 2);
        metrics.set_durability(3);
        metrics.set_pressure(0.2, 3, 64);
        metrics.set_memory_level(1);
        metrics.set_complaint(false);
        metrics.shed("queue");
        metrics.set_spool(2, 4096, 1);
        metrics.spool_flushed(0.002);
        metrics.spool_ended(SpoolEnd::Taken);
        metrics.set_ring(3, 4096, 12.5);
        metrics.ring_offered(1, 2);
        metrics.set_clock_skew(-0.1);
        metrics.write_back("demo-tw", WriteBackOutcome::Written);
        metrics.reconciled("demo-tw", ReconcileResult::Missed);
        metrics.polled("demo-tw", 5.0);
        metrics.reload(ReloadResult::Refused);
        metrics.auth_failure(AuthFailure::Wrong);
        let text = metrics.encode();
        assert!(text.ends_with("# EOF\n"));
        let mut blocks = std::collections::BTreeSet::new();
        let mut block = String::new();
        for line in text.lines().filter(|l| *l != "# EOF") {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                block = rest.split(' ').next().unwrap_or_default().to_string();
                assert!(blocks.insert(block.clone()), "{block} twice");
                assert!(rest.ends_with('.') && rest.starts_with("orderwire_"), "{line}");
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let unit = rest.split(' ').nth(1).unwrap_or_default();
                assert!(block.ends_with(unit), "{line}");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&block), "{line} in {block}");
            }
        }
        // Every field of the struct that is a measure has come out.
        assert_eq!(blocks.len(), 56, "a measure did not come out: {blocks:#?}");
    }
}
