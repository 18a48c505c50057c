//! Looks after the webhooks at the shop, and after what else keeps them from coming.
//!
//! `webhooks` (list, create, update, delete), `orders`, `system_status` of the REST API (documentation read November
//! 2026). A webhook's secret can be written and is never told, so a wrong one is seen by the signatures that came.

use super::rest::call;
use super::{AskFault, MAX_BODY, Shop};
use crate::platform::api::{self, Answering, Finding, Inspection};
use reqwest::Method;
use serde_json::{Value, json};

/// What the relay wants to be told.
const TOPICS: [&str; 4] = ["order.created", "order.updated", "order.deleted", "order.restored"];
/// Where webhooks are found by people.
const PLACE: &str = "WooCommerce > Settings > Advanced > Webhooks";

/// A webhook at the shop.
struct Hook {
    id: u64,
    topic: String,
    url: String,
    active: bool,
}

impl Hook {
    fn read(value: &Value) -> Option<Hook> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
        let id = value.get("id")?.as_u64()?;
        Some(Hook { id, topic: text("topic"), url: text("delivery_url"), active: text("status") == "active" })
    }

    fn place(&self) -> String {
        format!("{PLACE} > {}", self.id)
    }

    /// Meant for this shop's place at the relay, wherever it leads: other programs' webhooks are none of our business.
    fn is_ours(&self, hook: &str) -> bool {
        let path = |url: &str| url::Url::parse(url).map(|u| u.path().trim_end_matches('/').to_string()).ok();
        let (own, wanted) = (path(&self.url), path(hook));
        own.is_some() && own == wanted
    }
}

/// A look at one shop, under way.
struct Look<'a> {
    shop: &'a Shop,
    client: &'a reqwest::Client,
    asked: &'a Inspection,
    found: Vec<Finding>,
}

/// Looks, and puts right what it may.
pub(super) fn inspect(shop: &Shop, client: &reqwest::Client, asked: Inspection) -> Answering<Vec<Finding>> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let mut look = Look { shop: &shop, client: &client, asked: &asked, found: Vec::new() };
        look.orders().await?;
        look.hooks().await;
        look.cron().await;
        Ok(look.found)
    })
}

impl Look<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, AskFault> {
        call(self.shop, self.client, (method, path, body), MAX_BODY).await?.json()
    }

    /// Whether orders may be read, and whether they say whom to reach; the shop's clock besides.
    async fn orders(&mut self) -> Result<(), AskFault> {
        let path = "orders?per_page=5&orderby=modified&order=desc";
        let answer = match call(self.shop, self.client, (Method::GET, path, None), 4 * MAX_BODY).await {
            Ok(answer) => answer,
            Err(AskFault::Refused(why)) => {
                let remedy = "make a REST API key that may read and write, for a user who may manage orders";
                self.found.push(Finding::wrong("access", "[shop.api] key, secret", why, remedy));
                return Ok(());
            }
            Err(later) => return Err(later),
        };
        self.found.extend(api::clock(answer.date, self.asked.now));
        let orders = answer.json()?;
        let orders = orders.as_array().cloned().unwrap_or_default();
        let told = |order: &Value| {
            let filled = |key: &str| order.pointer(key).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
            filled("/billing/email") || filled("/billing/phone")
        };
        self.found.push(match orders.iter().any(told) || orders.is_empty() {
            true => Finding::good("access", "orders", "orders can be read"),
            false => Finding::wrong(
                "customer_data",
                "orders",
                "none of the latest orders says an e-mail address or a phone number",
                "ask for one of them at checkout, and let no plugin take billing out of REST answers",
            ),
        });
        Ok(())
    }

    async fn hooks(&mut self) {
        let Some(wanted) = self.asked.hook.clone() else {
            let remedy = "set [server] public_url, so that the address of the webhooks is known";
            self.found.push(Finding::unseen("subscriptions", PLACE, "where they should lead is not known", remedy));
            return;
        };
        let listed = match self.call(Method::GET, "webhooks?per_page=100&status=all", None).await {
            Ok(listed) => listed,
            Err(fault) => {
                let remedy = "let the key's user manage WooCommerce; or look there by hand";
                self.found.push(Finding::unseen("subscriptions", PLACE, fault.to_string(), remedy));
                return;
            }
        };
        let hooks = listed.as_array().into_iter().flatten().filter_map(Hook::read);
        let ours: Vec<Hook> = hooks.filter(|hook| hook.is_ours(&wanted)).collect();
        for topic in TOPICS {
            let mut of_topic: Vec<&Hook> = ours.iter().filter(|hook| hook.topic == topic).collect();
            // The best first: it stays, and the others go.
            of_topic.sort_by_key(|hook| (!(hook.active && hook.url == wanted), !hook.active, hook.id));
            self.topic(topic, &wanted, &of_topic).await;
        }
        if self.asked.wrong_secret {
            self.secrets(&ours).await;
        }
    }

    async fn topic(&mut self, topic: &str, wanted: &str, hooks: &[&Hook]) {
        let Some(first) = hooks.first() else {
            let what = format!("no webhook for {topic} leads to {wanted}");
            let finding = Finding::wrong("subscriptions", PLACE, what, "make it there, with the shop's secret");
            let body = json!({ "name": format!("orderwire {topic}"), "topic": topic, "delivery_url": wanted,
                "status": "active", "secret": self.secret() });
            return self.or_fix(finding, (Method::POST, "webhooks".into(), Some(body))).await;
        };
        let path = format!("webhooks/{}", first.id);
        if first.url != wanted {
            let what = format!("the webhook for {topic} leads to {}, not to {wanted}", harmless(&first.url));
            let finding = Finding::wrong("subscriptions", first.place(), what, "write the right delivery URL there");
            let body = json!({ "delivery_url": wanted, "status": "active", "secret": self.secret() });
            self.or_fix(finding, (Method::PUT, path, Some(body))).await;
        } else if !first.active {
            let what = format!("the webhook for {topic} is not active: WooCommerce switches one off after failures");
            let finding = Finding::wrong("subscriptions", first.place(), what, "set its status to active");
            let body = json!({ "status": "active" });
            self.or_fix(finding, (Method::PUT, path, Some(body))).await;
        } else {
            self.found.push(Finding::good("subscriptions", first.place(), format!("{topic} is told")));
        }
        for surplus in hooks.iter().skip(1) {
            let what = format!("{topic} is told by webhook {} already: everything comes twice", first.id);
            let finding = Finding::wrong("subscriptions", surplus.place(), what, "delete this one");
            self.or_fix(finding, (Method::DELETE, format!("webhooks/{}?force=true", surplus.id), None)).await;
        }
    }

    /// Signatures that came were none of ours: every webhook gets our secret.
    async fn secrets(&mut self, ours: &[Hook]) {
        for hook in ours {
            let what =
                format!("deliveries are signed with another secret than ours; {} may be one of them", hook.topic);
            let remedy = "copy the first of [[shop]] secrets into the webhook's field Secret";
            let finding = Finding::wrong("secret", hook.place(), what, remedy);
            let body = json!({ "secret": self.secret() });
            self.or_fix(finding, (Method::PUT, format!("webhooks/{}", hook.id), Some(body))).await;
        }
    }

    fn secret(&self) -> &str {
        self.shop.secrets.first().map_or("", |secret| secret.expose())
    }

    /// Puts it right where that is asked for.
    async fn or_fix(&mut self, finding: Finding, (method, path, body): (Method, String, Option<Value>)) {
        let finding = match self.asked.fix {
            true => finding.put_right(self.call(method, &path, body.as_ref()).await.map(drop)),
            false => finding,
        };
        self.found.push(finding);
    }

    /// Deliveries wait in WordPress' own cron, which runs when somebody visits the shop, or not at all.
    async fn cron(&mut self) {
        let place = "WooCommerce > Status > System status";
        let Ok(status) = self.call(Method::GET, "system_status?_fields=environment", None).await else {
            let remedy = "look there for \"WordPress cron\"; its key's user must manage WooCommerce to be asked";
            self.found.push(Finding::unseen("cron", place, "the shop does not tell", remedy));
            return;
        };
        self.found.push(match status.pointer("/environment/wp_cron").and_then(Value::as_bool) {
            Some(true) => Finding::good("cron", place, "WordPress' cron is on"),
            Some(false) => Finding::wrong(
                "cron",
                place,
                "WordPress' cron is switched off (DISABLE_WP_CRON): webhooks wait until something else runs it",
                "have the system call wp-cron.php every minute, or take DISABLE_WP_CRON out of wp-config.php",
            ),
            None => Finding::unseen("cron", place, "the shop does not tell", "look there for \"WordPress cron\""),
        });
    }
}

/// An address as it may stand in a report: without what may be a key in it.
fn harmless(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => "no address".into(),
    }
}
