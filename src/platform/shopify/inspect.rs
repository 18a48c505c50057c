//! Looks after the subscriptions of this shop, the token's rights, and the version that is spoken.
//!
//! `webhookSubscriptions` lists what was subscribed by the API for this shop, never what `shopify.app.toml` subscribes
//! for the app, nor what is made by hand in the admin; mandatory compliance topics can be had by the toml alone
//! (Shopify's pages, read November 2026). So what is missing here may be there: it is made only where the shop has
//! subscriptions by the API, or where nothing has ever come.

use super::gql::{self, Answer, VERSION};
use crate::platform::api::{self, Answering, Finding, Inspection, WriteBack};
use crate::platform::{AskFault, Shop};
use serde_json::{Value, json};

/// What the relay wants to be told, by its names in the API and in headers.
const TOPICS: &[(&str, &str)] = &[
    ("ORDERS_CREATE", "orders/create"),
    ("ORDERS_UPDATED", "orders/updated"),
    ("ORDERS_EDITED", "orders/edited"),
    ("ORDERS_DELETE", "orders/delete"),
    ("ORDER_TRANSACTIONS_CREATE", "order_transactions/create"),
    ("REFUNDS_CREATE", "refunds/create"),
    ("FULFILLMENTS_CREATE", "fulfillments/create"),
    ("FULFILLMENTS_UPDATE", "fulfillments/update"),
    ("FULFILLMENT_EVENTS_CREATE", "fulfillment_events/create"),
];
const PLACE: &str = "webhookSubscriptions";

const LOOK: &str = "query {
  webhookSubscriptions(first: 100) { nodes { id topic format uri apiVersion { handle supported } } }
  publicApiVersions { handle supported }
  currentAppInstallation { accessScopes { handle } }
}";
const ORDERS: &str = "query {
  orders(first: 5, sortKey: UPDATED_AT, reverse: true) { nodes { id email phone shippingAddress { phone } } }
}";
const CREATE: &str = "mutation($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) { userErrors { field message } }
}";
const UPDATE: &str = "mutation($id: ID!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $webhookSubscription) { userErrors { field message } }
}";
const DELETE: &str = "mutation($id: ID!) {
  webhookSubscriptionDelete(id: $id) { userErrors { field message } }
}";

/// A subscription of the shop.
struct Hook {
    id: String,
    topic: String,
    uri: String,
    json: bool,
    version: String,
    supported: bool,
}

impl Hook {
    fn read(value: &Value) -> Hook {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_string();
        Hook {
            id: text("/id"),
            topic: text("/topic"),
            uri: text("/uri"),
            json: text("/format") == "JSON",
            version: text("/apiVersion/handle"),
            supported: value.pointer("/apiVersion/supported").and_then(Value::as_bool).unwrap_or(true),
        }
    }

    fn place(&self) -> String {
        format!("{PLACE} {}", self.id.rsplit('/').next().unwrap_or_default())
    }

    /// Of one path, wherever it leads.
    fn is_ours(&self, hook: &str) -> bool {
        let path = |url: &str| url::Url::parse(url).map(|u| u.path().trim_end_matches('/').to_string()).ok();
        path(&self.uri).is_some() && path(&self.uri) == path(hook)
    }
}

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
        let answer = match gql::send::<Value>(&shop, &client, LOOK, json!({})).await {
            Ok(answer) => answer,
            Err(AskFault::Refused(why)) => {
                let remedy = "write the Admin API access token of the app as it is installed in this shop";
                return Ok(vec![Finding::wrong("access", "[shop.api] secret", why, remedy)]);
            }
            Err(later) => return Err(later),
        };
        look.found.extend(api::clock(answer.date, asked.now));
        look.versions(&answer);
        let data = answer.data.unwrap_or_default();
        look.scopes(&data);
        look.hooks(&data).await;
        look.customers().await?;
        Ok(look.found)
    })
}

impl Look<'_> {
    /// The version asked must be one that is supported: where it is retired, another answers.
    fn versions(&mut self, answer: &Answer<Value>) {
        let place = format!("Admin API {VERSION}");
        let list = answer.data.as_ref().and_then(|d| d.get("publicApiVersions")).and_then(Value::as_array);
        let known = list.and_then(|all| all.iter().find(|v| v.get("handle").and_then(Value::as_str) == Some(VERSION)));
        let supported = known.and_then(|v| v.get("supported")).and_then(Value::as_bool);
        let other = answer.version.as_deref().filter(|v| *v != VERSION);
        self.found.push(match (supported, other) {
            (_, Some(other)) => {
                let what = format!("Shopify answered by version {other}: the one asked is retired");
                Finding::wrong("api_version", place, what, "install a newer orderwire")
            }
            (Some(false), None) => {
                Finding::wrong("api_version", place, "is no longer supported", "install a newer orderwire")
            }
            _ => Finding::good("api_version", place, "is supported"),
        });
    }

    fn scopes(&mut self, data: &Value) {
        let place = "scopes of the access token";
        let Some(list) = data.pointer("/currentAppInstallation/accessScopes").and_then(Value::as_array) else {
            let remedy = "look at the app's configuration";
            self.found.push(Finding::unseen("scopes", place, "Shopify does not tell them", remedy));
            return;
        };
        let has = |scope: &str| list.iter().any(|s| s.get("handle").and_then(Value::as_str) == Some(scope));
        // Who may write may read.
        let may = |scope: &str| has(scope) || scope.strip_prefix("read_").is_some_and(|s| has(&format!("write_{s}")));
        let mut needed = vec!["read_orders", "read_fulfillments", "read_returns"];
        needed.push("read_merchant_managed_fulfillment_orders");
        if self.shop.api.as_ref().is_some_and(|api| api.write_back != WriteBack::Off) {
            needed.push("write_orders");
        }
        let missing: Vec<&str> = needed.into_iter().filter(|scope| !may(scope)).collect();
        self.found.push(match missing.is_empty() {
            true => Finding::good("scopes", place, "all that is needed is granted"),
            false => {
                let remedy = "add them to the app's access scopes, and have the shop agree to them";
                Finding::wrong("scopes", place, format!("missing: {}", missing.join(", ")), remedy)
            }
        });
    }

    async fn hooks(&mut self, data: &Value) {
        let Some(wanted) = self.asked.hook.clone() else {
            let remedy = "set [server] public_url, so that the address of the webhooks is known";
            self.found.push(Finding::unseen("subscriptions", PLACE, "where they should lead is not known", remedy));
            return;
        };
        let nodes = data.pointer("/webhookSubscriptions/nodes").and_then(Value::as_array);
        let all = nodes.into_iter().flatten().map(Hook::read);
        let ours: Vec<Hook> = all.filter(|hook| hook.is_ours(&wanted)).collect();
        let by_api = !ours.is_empty() || !self.asked.heard;
        if !by_api {
            let what = "none of this shop's own; webhooks come, so the app's configuration subscribes them";
            let remedy =
                "look after [[webhooks.subscriptions]] in shopify.app.toml: the API neither shows nor changes them";
            self.found.push(Finding::unseen("subscriptions", "shopify.app.toml", what, remedy));
            return;
        }
        for (topic, name) in TOPICS {
            let mut of_topic: Vec<&Hook> = ours.iter().filter(|hook| hook.topic == *topic).collect();
            of_topic.sort_by_key(|hook| (hook.uri != wanted, !hook.json, hook.id.clone()));
            self.topic((topic, name), &wanted, &of_topic).await;
        }
    }

    async fn topic(&mut self, (topic, name): (&str, &str), wanted: &str, hooks: &[&Hook]) {
        let input = json!({ "uri": wanted, "format": "JSON" });
        let Some(first) = hooks.first() else {
            let what = format!("{name} is not subscribed for this shop");
            let remedy = "subscribe it by the API (--fix), or in shopify.app.toml";
            let finding = Finding::wrong("subscriptions", PLACE, what, remedy);
            let variables = json!({ "topic": topic, "webhookSubscription": input });
            return self.or_fix(finding, ("webhookSubscriptionCreate", CREATE), variables).await;
        };
        if first.uri != wanted || !first.json {
            let what = format!("{name} leads elsewhere, or does not come as JSON; it must lead to {wanted}");
            let finding = Finding::wrong("subscriptions", first.place(), what, "change its uri and format");
            let variables = json!({ "id": first.id, "webhookSubscription": input });
            self.or_fix(finding, ("webhookSubscriptionUpdate", UPDATE), variables).await;
        } else {
            self.found.push(Finding::good("subscriptions", first.place(), format!("{name} is told")));
        }
        if !first.supported {
            let what = format!("{name} is written by version {}, which is no longer supported", first.version);
            let remedy = "raise [webhooks] api_version in shopify.app.toml: subscriptions inherit it";
            self.found.push(Finding::wrong("api_version", first.place(), what, remedy));
        }
        for surplus in hooks.iter().skip(1) {
            let what = format!("{name} is subscribed twice: everything comes twice");
            let finding = Finding::wrong("subscriptions", surplus.place(), what, "delete this one");
            let variables = json!({ "id": surplus.id });
            self.or_fix(finding, ("webhookSubscriptionDelete", DELETE), variables).await;
        }
    }

    async fn or_fix(&mut self, finding: Finding, change: (&str, &str), variables: Value) {
        let finding = match self.asked.fix {
            true => finding.put_right(gql::change(self.shop, self.client, change, variables).await),
            false => finding,
        };
        self.found.push(finding);
    }

    /// Without approval for protected customer data every way to reach a customer is null.
    async fn customers(&mut self) -> Result<(), AskFault> {
        let (check, place) = ("customer_data", "orders");
        let answer = match gql::send::<Value>(self.shop, self.client, ORDERS, json!({})).await {
            Ok(answer) => answer,
            Err(AskFault::Refused(why)) => {
                self.found.push(Finding::wrong(check, place, why, "give the access token the scope read_orders"));
                return Ok(());
            }
            Err(later) => return Err(later),
        };
        let denied = answer.fault().is_some();
        let nodes = answer.data.as_ref().and_then(|d| d.pointer("/orders/nodes")).and_then(Value::as_array);
        let nodes = nodes.cloned().unwrap_or_default();
        let filled = |order: &Value, path: &str| order.pointer(path).is_some_and(|v| !v.is_null());
        let told = |order: &Value| ["/email", "/phone", "/shippingAddress/phone"].iter().any(|p| filled(order, p));
        self.found.push(match !denied && (nodes.is_empty() || nodes.iter().any(told)) {
            true => Finding::good(check, place, "orders say whom to reach"),
            false => Finding::wrong(
                check,
                place,
                "none of the latest orders says an e-mail address or a phone number",
                "ask for access to protected customer data, level 2 with e-mail and phone, in the app's settings \
                 (API access); shops on some plans cannot give it to custom apps",
            ),
        });
        Ok(())
    }
}
