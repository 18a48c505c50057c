//! doctor: is everything at the shops as the relay needs it? Subscriptions, rights, versions, secrets, clocks; and
//! whether what changed at the shop really came.
//!
//! It asks the shop's own API, and with `fix` puts right there what can be put right. Dies in between: what was put
//! right stays so, the same call looks again.

use super::App;
use super::live::Shop;
use super::reconcile;
use crate::domain::clock::plus_secs;
use crate::domain::ids::ShopId;
use crate::domain::ledger::Entry;
use crate::platform::AskFault;
use crate::platform::api::{Finding, Health, Inspection};
use crate::store::keys::Unit;
use serde::Serialize;
use std::sync::Arc;

/// What changed in so long is compared with what came. Seconds.
const BACK_SECS: i64 = 86_400;
/// Deliveries that come later than this wait somewhere. Seconds.
const SLOW_SECS: i64 = 600;
/// Fewer signatures say nothing about a secret.
const ENOUGH: u64 = 3;

/// How a shop stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Shop.
    pub shop: String,
    /// Its platform.
    pub platform: &'static str,
    /// What was looked at.
    pub findings: Vec<Finding>,
}

impl Standing {
    /// Something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.findings.iter().any(|f| f.health == Health::Wrong)
    }
}

/// Looks after the shop named, or every shop. An unknown name gives nothing.
pub async fn look(app: &App, shop: Option<&ShopId>, fix: bool) -> Vec<Standing> {
    let live = app.live();
    let mut shops: Vec<_> = live.shops.values().filter(|s| shop.is_none_or(|id| *id == s.rules.id)).collect();
    shops.sort_by_key(|s| s.rules.id.clone());
    let mut standings = Vec::new();
    for shop in shops {
        let findings = of_shop(app, shop, fix).await;
        standings.push(Standing { shop: shop.rules.id.to_string(), platform: shop.platform.name, findings });
    }
    standings
}

async fn of_shop(app: &App, shop: &Arc<Shop>, fix: bool) -> Vec<Finding> {
    let (good, bad) = app.metrics.signatures(shop.rules.id.as_str());
    let mut findings = vec![signatures(good, bad)];
    let Some(api) = &shop.access.api else {
        let remedy = "set [shop.api] url and secret (and key at WooCommerce); docs/shop-api.md says which rights";
        findings.push(Finding::unseen("access", "[shop.api]", "is not set: the shop cannot be asked", remedy));
        return findings;
    };
    let public = app.live().keyed.as_ref().and_then(|k| k.public_url.clone());
    let hook =
        public.map(|url| format!("{}/hooks/{}/{}", url.trim_end_matches('/'), shop.platform.name, shop.rules.id));
    let wrong_secret = bad >= ENOUGH && bad > good;
    let asked = Inspection { hook, fix, wrong_secret, heard: good > 0, now: app.clock.now() };
    match (shop.platform.inspect)(&shop.access, app.asking.of(api), asked).await {
        Ok(found) => findings.extend(found),
        Err(fault @ (AskFault::Later(..) | AskFault::Refused(_))) => {
            let remedy = "see that the shop is up and [shop.api] url leads to it, then look again";
            findings.push(Finding::wrong("access", "[shop.api] url", fault.to_string(), remedy));
            return findings;
        }
    }
    findings.extend(arrivals(app, shop).await);
    findings
}

/// A secret can be seen nowhere: what can be seen is whose signatures came.
fn signatures(good: u64, bad: u64) -> Finding {
    let place = "[[shop]] secrets";
    let seen =
        format!("{good} webhooks since the start of this process were signed with our secrets, {bad} with another");
    if bad >= ENOUGH && bad > good {
        let remedy = "give shop and settings the same secret; at WooCommerce --fix writes ours into its webhooks";
        return Finding::wrong("secret", place, seen, remedy);
    }
    if good == 0 {
        let remedy = "save an order at the shop, and look again";
        return Finding::unseen("secret", place, "no webhook came since the start of this process", remedy);
    }
    Finding::good("secret", place, seen)
}

/// What changed at the shop within a day, against what came of it, and how late.
async fn arrivals(app: &App, shop: &Arc<Shop>) -> Vec<Finding> {
    let id = &shop.rules.id;
    let since = plus_secs(app.clock.now(), -BACK_SECS);
    let place = "orders changed within a day";
    let report = match reconcile::look(app, id, Some(since), true).await {
        Ok(report) => report,
        Err(error) => {
            let remedy = "look again in a minute";
            return vec![Finding::unseen("arrivals", place, error.to_string(), remedy)];
        }
    };
    let all = report.seen + report.missed;
    let what = format!("of {all} changes {} never came by webhook", report.missed);
    let remedy = "see the findings above; `orderwire reconcile` tells what they would have told, and [shop.api] poll \
                  does so by itself";
    let mut findings = vec![match report.missed {
        0 => Finding::good("arrivals", place, what),
        _ => Finding::wrong("arrivals", place, what, remedy),
    }];
    findings.extend(delays(app, shop, &report.came).await);
    findings
}

/// How long webhooks were on their way: a queue at the shop that runs seldom shows here.
async fn delays(app: &App, shop: &Arc<Shop>, came: &[String]) -> Option<Finding> {
    let mut delays = Vec::new();
    for order in came {
        let member = app.store.member(&Unit::order(&shop.rules.id, order));
        let ledger = app.store.ledger(&member).await.ok()?;
        let first = ledger.iter().rev().find_map(|line| match &line.what {
            // What was asked for was on no way.
            Entry::Webhook { topic, happened } if !topic.starts_with("rest.") && !topic.starts_with("graphql/") => {
                Some(line.at.as_second() - happened.as_second())
            }
            _ => None,
        });
        delays.extend(first);
    }
    delays.sort_unstable();
    let middle = *delays.get(delays.len() / 2)?;
    let place = "webhooks of late";
    let what = format!("half of them came within {} s", middle.max(0));
    if middle <= SLOW_SECS {
        return Some(Finding::good("delay", place, what));
    }
    let remedy = match shop.platform.repeats {
        true => "Shopify delivers late when the relay answers slowly or not: see orderwire_webhook_accept_seconds",
        false => {
            "WordPress' cron runs seldom: have the system call wp-cron.php every minute, and look at WooCommerce > \
             Status > Scheduled actions for what is past due"
        }
    };
    Some(Finding::wrong("delay", place, what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_secret_is_told_by_signatures_and_not_by_a_single_stranger() {
        assert_eq!(signatures(0, 0).health, Health::Unseen);
        assert_eq!(signatures(0, 1).health, Health::Unseen);
        assert_eq!(signatures(10, 4).health, Health::Good);
        assert_eq!(signatures(0, 5).health, Health::Wrong);
        assert_eq!(signatures(4, 5).health, Health::Wrong);
    }
}
