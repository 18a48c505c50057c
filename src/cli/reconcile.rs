//! `reconcile`: asks shops what changed, and tells what lost webhooks would have told.

use super::ask::{Client, Door};
use super::order::text;
use super::{Misuse, Status, out};
use crate::domain::clock::Timestamp;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::Path;

/// `reconcile`.
#[derive(ClapArgs)]
pub struct Args {
    /// Of this shop; left out: of every shop that has [shop.api].
    #[arg(long, value_name = "ID")]
    shop: Option<String>,
    /// What changed at or after (2026-11-25T08:00:00Z); left out: since the last look.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only say what no webhook has told.
    #[arg(long)]
    dry_run: bool,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Runs it.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    let shops = match &args.shop {
        Some(shop) => vec![shop.clone()],
        None => with_api(config)?,
    };
    let mut status = Status::Done;
    let mut all = Vec::new();
    for shop in &shops {
        match look(&client, args, shop).await {
            Ok(report) => all.push(report),
            Err(error) if shops.len() > 1 => {
                out::error(&format!("{shop}: {error:#}"));
                status = Status::Failure;
            }
            Err(error) => return Err(error),
        }
    }
    if args.json {
        out::json(&json!(all));
    }
    Ok(status)
}

/// The shops in the settings that can be asked.
fn with_api(config: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let settings = crate::boot::read(config, &crate::config::environment()).map_err(super::check::as_error)?;
    let asked = settings.live.shops.values().filter(|s| s.access.api.is_some());
    let mut shops: Vec<String> = asked.map(|s| s.rules.id.to_string()).collect();
    shops.sort();
    match shops.is_empty() {
        true => Err(Misuse("no shop has [shop.api]: without it a shop cannot be asked what changed".into()).into()),
        false => Ok(shops),
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// Looks until there is no more, and says what was found.
async fn look(client: &Client, args: &Args, shop: &str) -> anyhow::Result<Value> {
    let mut total = json!({ "shop": shop, "seen": 0, "missed": 0, "lines": [] });
    loop {
        let ask = json!({ "shop": shop, "since": args.since, "dry_run": args.dry_run });
        let report: Value = client.post("/api/v1/reconcile", &ask).await?;
        for key in ["seen", "missed"] {
            total[key] = json!(number(&total, key) + number(&report, key));
        }
        for line in report["lines"].as_array().into_iter().flatten() {
            if let Some(lines) = total["lines"].as_array_mut() {
                lines.push(line.clone());
            }
            if !args.json {
                let owes: Vec<&str> = line["owes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let told = if owes.is_empty() { "nothing to tell".into() } else { owes.join(", ") };
                out::line(&format!("{shop} {} changed {}: {told}", text(line, "order"), text(line, "changed")));
            }
        }
        // A dry look, and one from a time given, begin anew each time: what is left is for a later, shorter one.
        let more = report["more"] == json!(true);
        if !more || args.dry_run || args.since.is_some() {
            if more && !args.json {
                out::line("there is more: give a later --since");
            }
            break;
        }
    }
    if !args.json {
        let (seen, missed) = (number(&total, "seen"), number(&total, "missed"));
        let done = if args.dry_run { "not told by any webhook" } else { "not told by any webhook, and taken in now" };
        out::line(&format!("{shop}: {seen} changes had come, {missed} were {done}"));
    }
    Ok(total)
}
