//! `doctor`: is everything at the shops as the relay needs it?

use super::ask::Door;
use super::order::text;
use super::{Status, out};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::Path;

/// `doctor`.
#[derive(ClapArgs)]
pub struct Args {
    /// Of this shop; left out: of every shop.
    #[arg(long, value_name = "ID")]
    shop: Option<String>,
    /// Put right at the shop what can be put right: missing, switched off, misled and doubled webhooks, their secret.
    #[arg(long)]
    fix: bool,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Runs it: 1 where something is wrong.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    let ask = json!({ "shop": args.shop, "fix": args.fix });
    let answer: Value = client.post("/api/v1/doctor", &ask).await?;
    if args.json {
        out::json(&answer);
    } else {
        answer["shops"].as_array().into_iter().flatten().for_each(shown);
    }
    Ok(if answer["wrong"] == json!(true) { Status::Failure } else { Status::Done })
}

fn shown(shop: &Value) {
    out::line(&format!("{} ({})", text(shop, "shop"), text(shop, "platform")));
    for finding in shop["findings"].as_array().into_iter().flatten() {
        let word = match text(finding, "health").as_str() {
            "good" => "ok",
            "fixed" => "fixed",
            "wrong" => "WRONG",
            _ => "?",
        };
        let (check, place, what) = (text(finding, "check"), text(finding, "place"), text(finding, "what"));
        out::line(&format!("  {word:5} {check}: {place}: {what}"));
        if let Some(remedy) = finding["remedy"].as_str().filter(|remedy| !remedy.is_empty()) {
            out::line(&format!("        → {remedy}"));
        }
    }
}
