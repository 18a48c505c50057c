//! `consent`, `mute`, `unmute`, `block`, `unblock`.

use super::ask::{Client, Door};
use super::consent_file::{self, Format};
use super::order::text;
use super::{Misuse, Status, out};
use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `consent`.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// JSON instead of lines for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Whom.
#[derive(ClapArgs)]
pub struct Whom {
    /// Mailbox, phone number with its country code, or a messenger's id.
    address: String,
    /// For this shop alone; its country counts for phone numbers.
    #[arg(long, value_name = "ID")]
    shop: Option<String>,
    /// On this channel alone.
    #[arg(long, value_name = "ID")]
    channel: Option<String>,
}

impl Whom {
    fn value(&self) -> Value {
        json!({ "address": self.address, "shop": self.shop, "channel": self.channel })
    }
}

#[derive(Subcommand)]
enum Action {
    /// Show how somebody stands on each channel: what was said, by what, and until when free words are allowed.
    Show {
        #[command(flatten)]
        whom: Whom,
    },
    /// Switch order updates off for somebody who asked you to.
    Off {
        #[command(flatten)]
        whom: Whom,
        /// Why, without names: it is remembered.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Switch them on again for somebody who asked you to.
    On {
        #[command(flatten)]
        whom: Whom,
        /// Why, without names: it is remembered.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Two addresses are one person's: what forbids either forbids both.
    Merge {
        /// One address.
        one: String,
        /// The other.
        other: String,
        /// Shop whose country counts for phone numbers.
        #[arg(long, value_name = "ID")]
        shop: Option<String>,
        /// Why, without names: it is remembered.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take consent in from a file. Dry unless --execute; what is known already is left alone.
    Import {
        /// CSV with a head line, or one JSON object a line: channel, address, shop, word, at, source, proof.
        file: PathBuf,
        /// Left out: by the file's ending.
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Do it. Left out, it only says what would become of each line.
        #[arg(long)]
        execute: bool,
        /// Where the file comes from, without names: it is remembered.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Print everybody's consent, as `import` takes it.
    Export {
        /// How.
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// Of this shop alone, and what counts for every shop.
        #[arg(long, value_name = "ID")]
        shop: Option<String>,
        /// On this channel alone.
        #[arg(long, value_name = "ID")]
        channel: Option<String>,
    },
}

/// Runs a consent command.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    match &args.action {
        Action::Show { whom } => {
            let standing: Value = client.post("/api/v1/consent/show", &whom.value()).await?;
            shown(args.json, &standing);
        }
        Action::Off { whom, reason } => return set(&client, args.json, whom, "off", reason).await,
        Action::On { whom, reason } => return set(&client, args.json, whom, "on", reason).await,
        Action::Merge { one, other, shop, reason } => {
            let who = |address: &str| json!({ "address": address, "shop": shop });
            let ask = json!({ "one": who(one), "other": who(other), "reason": reason });
            let done: Value = client.post("/api/v1/consent/merge", &ask).await?;
            out::line(&format!("{} records added", super::order::number(&done, "added")));
        }
        Action::Import { file, format, execute, reason } => {
            if *execute && reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
                bail!(Misuse("--execute needs --reason TEXT: it is remembered for whoever asks later".into()));
            }
            let (format, reason) = (format.unwrap_or_else(|| Format::of(file)), reason.as_deref().unwrap_or_default());
            return consent_file::import(&client, file, format, (*execute, reason)).await;
        }
        Action::Export { format, shop, channel } => {
            let ask = json!({ "shop": shop, "channel": channel });
            return consent_file::export(&client, *format, ask).await;
        }
    }
    Ok(Status::Done)
}

async fn set(client: &Client, as_json: bool, whom: &Whom, word: &str, reason: &str) -> anyhow::Result<Status> {
    let ask = json!({ "who": whom.value(), "word": word, "reason": reason });
    let standing: Value = client.post("/api/v1/consent/set", &ask).await?;
    shown(as_json, &standing);
    Ok(Status::Done)
}

fn shown(as_json: bool, standing: &Value) {
    if as_json {
        return out::json(standing);
    }
    standing_lines(standing.get("channels")).iter().for_each(|line| out::line(line));
}

/// How somebody stands on each channel, line by line.
pub fn standing_lines(channels: Option<&Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for one in channels.and_then(Value::as_array).into_iter().flatten() {
        let given = |key: &str| Some(text(one, key)).filter(|t| t != "–");
        let mut facts =
            vec![given("forbidden").map_or("nothing forbids it".into(), |why| format!("forbidden ({why})"))];
        facts.extend(given("window_until").map(|at| format!("free words until {at}")));
        facts.extend(given("reply_until").map(|at| format!("a free answer until {at}")));
        facts.extend(given("capped_until").map(|at| format!("not before {at}")));
        let grants = one.get("grants").and_then(Value::as_object).into_iter().flatten();
        facts.extend(grants.map(|(template, left)| format!("{left} allowed by {template}")));
        lines.push(format!("  {}: {}", text(one, "channel"), facts.join("; ")));
        for record in one.get("records").and_then(Value::as_array).into_iter().flatten() {
            let shop = Some(text(record, "shop")).filter(|s| s != "–").map(|s| format!(" for {s}")).unwrap_or_default();
            let proof = Some(text(record, "proof")).filter(|p| p != "–").map(|p| format!(" ({p})")).unwrap_or_default();
            let (word, at, source) = (text(record, "word"), text(record, "at"), text(record, "source"));
            lines.push(format!("      {at}  {word}{shop} by {source}{proof}"));
        }
    }
    lines
}

/// `block` and `unblock`.
#[derive(ClapArgs)]
pub struct Block {
    #[command(flatten)]
    whom: Whom,
    /// Why, without names: it is remembered.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Forbids or allows every message to an address, whatever the person says.
pub async fn block(args: &Block, on: bool, config: Option<&Path>) -> anyhow::Result<Status> {
    if args.whom.shop.is_none() && args.whom.channel.is_none() {
        bail!(Misuse("name --shop, --channel, or both: how far it reaches".into()));
    }
    let word = if on { "block" } else { "unblock" };
    set(&args.door.client(config)?, args.json, &args.whom, word, &args.reason).await
}

/// `mute` and `unmute`.
#[derive(ClapArgs)]
pub struct Mute {
    /// Shop, by its id in the settings.
    shop: String,
    /// The platform's id of the order (not its name).
    order: String,
    /// On this channel alone; left out: on all that the shop's routes lead to.
    #[arg(long, value_name = "ID")]
    channel: Option<String>,
    /// Why, without names: it stays in the order's ledger.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    door: Door,
}

/// Switches channels off or on for one order.
pub async fn mute(args: &Mute, off: bool, config: Option<&Path>) -> anyhow::Result<Status> {
    let client = args.door.client(config)?;
    let (shop, order, channel, reason) = (&args.shop, &args.order, &args.channel, &args.reason);
    let ask = json!({ "shop": shop, "order": order, "channel": channel, "off": off, "reason": reason });
    let done: Value = client.post("/api/v1/mute", &ask).await?;
    let channels = done.get("channels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let channels: Vec<&str> = channels.collect();
    out::line(&format!("{} for this order: {}", if off { "off" } else { "on" }, channels.join(", ")));
    Ok(Status::Done)
}
