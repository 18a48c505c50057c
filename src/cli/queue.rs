//! `queue`.

use super::ask::Door;
use super::order::{number, path, text};
use super::{Status, out};
use crate::domain::settings::Span;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use std::path::Path;

/// `queue`.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// JSON instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

#[derive(Subcommand)]
enum Action {
    /// Figures.
    Stats,
    /// Messages that died or were not delivered.
    Dead {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One order with its items.
    Show {
        /// Shop.
        shop: String,
        /// The platform's id of the order.
        order: String,
    },
    /// End one item of an order for good.
    Discard {
        /// Shop.
        shop: String,
        /// The platform's id of the order.
        order: String,
        /// Item number.
        item: u16,
        /// Why; stays in the order's ledger.
        #[arg(long)]
        reason: String,
    },
    /// Let a channel stand still; its messages stay owed.
    Pause {
        /// Channel.
        channel: String,
        /// How long (`30m`); left out: until resumed.
        #[arg(long = "for")]
        length: Option<String>,
    },
    /// Let a channel go on.
    Resume {
        /// Channel.
        channel: String,
    },
}

/// Runs a queue command.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    match &args.action {
        Action::Stats => {
            let stats: Value = client.get("/api/v1/queue").await?;
            show(args.json, &stats, || {
                for key in ["ready", "wait", "leased", "dead", "oldest_secs", "spooled"] {
                    out::line(&format!("{key:<12} {}", number(&stats, key)));
                }
                for parked in stats.get("parked").and_then(Value::as_array).into_iter().flatten() {
                    out::line(&format!("parked       {parked}"));
                }
            });
        }
        Action::Dead { limit } => {
            let page: Value = client.get(&format!("/api/v1/queue/dead?limit={limit}")).await?;
            show(args.json, &page, || {
                let rows = page.get("items").and_then(Value::as_array).into_iter().flatten().map(|i| {
                    [
                        text(i, "shop"),
                        text(i, "name"),
                        text(i, "order"),
                        number(i, "item"),
                        text(i, "milestone"),
                        text(i, "channel"),
                        text(i, "state"),
                        text(i, "reason"),
                        text(i, "remedy"),
                    ]
                });
                out::table(
                    ["shop", "order", "id", "item", "milestone", "channel", "state", "reason", "remedy"],
                    rows.collect(),
                );
            });
        }
        Action::Show { shop, order } => {
            let view: Value = client.get(&path(&["orders", shop, order])).await?;
            show(args.json, &view, || super::order::explain_lines(&view).iter().for_each(|l| out::line(l)));
        }
        Action::Discard { shop, order, item, reason } => {
            let ask = json!({ "shop": shop, "order": order, "item": item, "reason": reason });
            let answer: Value = client.post("/api/v1/queue/discard", &ask).await?;
            show(args.json, &answer, || out::line("discarded"));
        }
        Action::Pause { channel, length } => {
            let secs = length
                .as_deref()
                .map(|l| Span::parse(l).ok_or_else(|| super::Misuse("--for: write 30m, 12h or 2d".into())));
            let secs = secs.transpose()?.map(|s| s.0);
            let answer: Value = client.post(&path(&["channels", channel, "pause"]), &json!({ "secs": secs })).await?;
            show(args.json, &answer, || out::line(&format!("{channel} stands still until {}", text(&answer, "until"))));
        }
        Action::Resume { channel } => {
            let answer: Value = client.post(&path(&["channels", channel, "resume"]), &json!({})).await?;
            show(args.json, &answer, || out::line(&format!("{channel} goes on")));
        }
    }
    Ok(Status::Done)
}

fn show(as_json: bool, value: &Value, people: impl FnOnce()) {
    if as_json { out::json(value) } else { people() }
}
