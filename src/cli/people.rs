//! `redact` and `export`.

use super::ask::{Client, Door};
use super::order::{number, text};
use super::{Misuse, Status, out};
use anyhow::bail;
use clap::Args as ClapArgs;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// `redact`.
#[derive(ClapArgs)]
pub struct Redact {
    /// Shop, by its id in the settings.
    #[arg(required_unless_present = "list")]
    shop: Option<String>,
    /// Erase this order (the platform's id, not its name).
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// Erase this customer: their orders, what is known of them on channels, unreadable webhooks that name them.
    #[arg(long, value_name = "ID|MAIL|PHONE")]
    customer: Option<String>,
    /// Erase everything of the shop.
    #[arg(long)]
    all: bool,
    /// Why, without names: it is remembered.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do it. Left out, it only says what would go.
    #[arg(long)]
    yes: bool,
    /// Show what is being erased, what was, and who asked for their data.
    #[arg(long, conflicts_with_all = ["order", "customer", "all", "yes"])]
    list: bool,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// `export`.
#[derive(ClapArgs)]
pub struct Export {
    /// Shop, by its id in the settings.
    shop: String,
    /// Whose data: the shop's id of the customer, a mailbox or a phone number.
    #[arg(long, value_name = "ID|MAIL|PHONE", conflicts_with = "request")]
    customer: Option<String>,
    /// Whose data: by the request that the shop passed on (see `redact --list`).
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// The request was answered: strike it off. Prints nothing.
    #[arg(long, requires = "request")]
    answered: bool,
    #[command(flatten)]
    door: Door,
}

/// Erases, or says what would be.
pub async fn redact(args: &Redact, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    let Some(shop) = args.shop.as_deref().filter(|_| !args.list) else { return list(args, &client).await };
    let reason = args.reason.as_deref().unwrap_or_default().trim();
    if args.yes && reason.is_empty() {
        bail!(Misuse("--yes needs --reason TEXT: it is remembered for whoever asks later".into()));
    }
    let ask = json!({
        "shop": shop, "order": args.order, "customer": args.customer, "all": args.all,
        "reason": args.reason, "execute": args.yes,
    });
    if !args.yes {
        return dry(args, &client, ask).await;
    }
    let taken: Value = client.post("/api/v1/redact", &ask).await?;
    let id = text(&taken, "id");
    out::note(&format!("taken down as {id}; it is done in the background, also when this command ends"));
    let done = until_done(&client, &id).await?;
    let counts = done.get("counts").cloned().unwrap_or_default();
    if args.json {
        out::json(&done);
    } else {
        out::line(&format!(
            "erased: {} orders with {} messages still owed, {} records of people, {} unreadable webhooks",
            number(&counts, "orders"),
            number(&counts, "messages"),
            number(&counts, "people"),
            number(&counts, "unreadable")
        ));
        closed(&counts);
    }
    Ok(Status::Done)
}

async fn until_done(client: &Client, id: &str) -> anyhow::Result<Value> {
    let of = |list: &Value, key: &str| -> Option<Value> {
        list.get(key)?.as_array()?.iter().find(|d| text(d, "id") == id).cloned()
    };
    let mut shown = String::new();
    loop {
        let list: Value = client.get("/api/v1/redact").await?;
        let Some(open) = of(&list, "open") else {
            return of(&list, "done").ok_or_else(|| anyhow::anyhow!("{id} is in no list any more"));
        };
        let so_far = number(open.get("counts").unwrap_or(&Value::Null), "orders");
        if so_far != shown {
            out::note(&format!("{so_far} orders so far"));
            shown = so_far;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn dry(args: &Redact, client: &Client, mut ask: Value) -> anyhow::Result<Status> {
    let (mut count, mut last) = (0_usize, Value::Null);
    loop {
        let page: Value = client.post("/api/v1/redact", &ask).await?;
        for order in page.get("orders").and_then(Value::as_array).into_iter().flatten() {
            count += 1;
            if args.json {
                out::json_line(order);
            } else {
                let owed = number(order, "owed");
                let (id, name, since) = (text(order, "order"), text(order, "name"), text(order, "first_seen"));
                out::line(&format!("would erase order {id} ({name}), known since {since}, {owed} messages still owed"));
            }
        }
        match page.get("cursor").filter(|c| c.is_string()) {
            Some(cursor) => ask["cursor"] = cursor.clone(),
            None => break,
        }
        last = page;
    }
    closed(&last);
    out::note(&format!("{count} orders; nothing was erased: add --reason TEXT and --yes to do it"));
    Ok(Status::Done)
}

fn closed(counts: &Value) {
    if counts.get("closed").and_then(Value::as_u64).is_some_and(|n| n > 0) {
        out::note("some orders are sealed with a key that is no longer configured: put it back, and ask again");
    }
}

async fn list(args: &Redact, client: &Client) -> anyhow::Result<Status> {
    let list: Value = client.get("/api/v1/redact").await?;
    if args.json {
        out::json(&list);
        return Ok(Status::Done);
    }
    let rows = ["open", "done"].iter().flat_map(|key| list.get(*key).and_then(Value::as_array).into_iter().flatten());
    let rows = rows.map(|d| {
        let counts = d.get("counts").unwrap_or(&Value::Null);
        let state = Some(text(d, "done")).filter(|t| t != "–").unwrap_or_else(|| "open".into());
        [
            text(d, "id"),
            text(d, "kind"),
            text(d, "shop"),
            text(d, "by"),
            text(d, "asked"),
            state,
            number(counts, "orders"),
            text(d, "run"),
        ]
    });
    out::table(["id", "what", "shop", "by", "asked", "done", "orders", "to run"], rows.collect());
    Ok(Status::Done)
}

/// Prints all that is kept of a customer, as one JSON value.
pub async fn export(args: &Export, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    if args.answered {
        let _: Value = client.post("/api/v1/export/answered", &json!({ "request": args.request })).await?;
        out::note("struck off");
        return Ok(Status::Done);
    }
    if args.customer.is_none() && args.request.is_none() {
        bail!(Misuse("name --customer or --request".into()));
    }
    let mut ask = json!({ "shop": args.shop, "customer": args.customer, "request": args.request });
    let mut all = Map::new();
    let mut seen = BTreeSet::new();
    loop {
        let page: Value = client.post("/api/v1/export", &ask).await?;
        for key in ["orders", "people", "unreadable"] {
            let list = all.entry(key).or_insert_with(|| json!([]));
            for one in page.get(key).and_then(Value::as_array).into_iter().flatten() {
                // A walk may meet an order twice, and a person with each of their orders.
                if seen.insert(one.to_string())
                    && let Some(list) = list.as_array_mut()
                {
                    list.push(one.clone());
                }
            }
        }
        closed(&page);
        match page.get("cursor").filter(|c| c.is_string()) {
            Some(cursor) => ask["cursor"] = cursor.clone(),
            None => break,
        }
    }
    out::json(&Value::Object(all));
    Ok(Status::Done)
}
