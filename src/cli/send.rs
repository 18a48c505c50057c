//! `send` and `conversation`: a person's words to a customer, and what was said before.

use super::ask::{Client, Door};
use super::order::text;
use super::{Misuse, Status, out};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at what became of a reply, and how long is looked.
const LOOK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(15);

/// `send`.
#[derive(ClapArgs)]
pub struct Args {
    /// Shop, by its id in the settings.
    #[arg(requires = "order", required_unless_present_any = ["conversation", "saved"])]
    shop: Option<String>,
    /// Order, by the platform's id (not its name): its customer is written to.
    order: Option<String>,
    /// A conversation instead, by its name.
    #[arg(long, value_name = "NAME", conflicts_with = "shop")]
    conversation: Option<String>,
    /// The words; `/name` sends the saved reply of that name.
    #[arg(long, default_value = "")]
    text: String,
    /// Instead: list the saved replies.
    #[arg(long)]
    saved: bool,
    /// Address of a picture, https.
    #[arg(long, value_name = "URL")]
    picture: Option<String>,
    /// Channel account; left out: the first of the shop's routes by which a person may write now.
    #[arg(long, value_name = "ID", conflicts_with = "conversation")]
    channel: Option<String>,
    /// Who says it; left out: the token's name.
    #[arg(long)]
    by: Option<String>,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Says something to a customer, and what became of it.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    if args.saved {
        return list(args, config).await;
    }
    if args.text.trim().is_empty() && args.picture.is_none() {
        anyhow::bail!(Misuse("say something: --text WORDS, --picture URL, or both".into()));
    }
    let client: Client = args.door.client(config)?;
    let mut ask = json!({ "text": args.text, "picture": args.picture, "by": args.by });
    let path = match &args.conversation {
        Some(name) => format!("/api/v1/conversations/{name}/replies"),
        None => {
            ask["shop"] = json!(args.shop);
            ask["order"] = json!(args.order);
            ask["channel"] = json!(args.channel);
            "/api/v1/send".to_string()
        }
    };
    let taken: Value = client.post(&path, &ask).await?;
    let name = text(&taken, "conversation");
    let started = Instant::now();
    loop {
        let kept: Value = client.get(&format!("/api/v1/conversations/{name}")).await?;
        let line = kept["lines"].as_array().and_then(|l| l.iter().find(|l| l["item"] == taken["item"])).cloned();
        let line = line.unwrap_or_default();
        let state = text(&line, "state");
        if matches!(state.as_str(), "open" | "begun" | "again") && started.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        if args.json {
            out::json(&json!({ "conversation": name, "item": taken["item"], "channel": kept["channel"],
                "state": state, "reason": line["reason"], "why": line["why"] }));
        } else {
            let why = line["why"].as_str().map(|w| format!(": {w}")).unwrap_or_default();
            out::line(&format!("{state} on {}{why}", text(&kept, "channel")));
            out::note(&format!("conversation {name}"));
        }
        let went = matches!(state.as_str(), "sent" | "delivered" | "read");
        return Ok(if went { Status::Done } else { Status::Failure });
    }
}

async fn list(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client: Client = args.door.client(config)?;
    let all: Value = client.get("/api/v1/saved-replies").await?;
    if args.json {
        out::json(&all);
        return Ok(Status::Done);
    }
    let row = |reply: &Value| [text(reply, "name"), text(reply, "locale"), text(reply, "called")];
    let rows = all["replies"].as_array().into_iter().flatten().map(row).collect();
    out::table(["name", "language", "called"], rows);
    Ok(Status::Done)
}

/// `conversation`.
#[derive(ClapArgs)]
pub struct ConversationArgs {
    /// Its name, as the people are told it.
    name: String,
    /// Save what a customer sent besides words: number of the line, a dot, which of it (`3.1`).
    #[arg(long, value_name = "LINE.N", requires = "to")]
    fetch: Option<String>,
    /// Into this new file.
    #[arg(long, value_name = "FILE", requires = "fetch")]
    to: Option<PathBuf>,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Shows what was said.
pub async fn conversation(args: &ConversationArgs, config: Option<&Path>) -> anyhow::Result<Status> {
    let client: Client = args.door.client(config)?;
    if let (Some(which), Some(to)) = (&args.fetch, &args.to) {
        let numbers = which.split_once('.').and_then(|(i, n)| Some((i.parse::<u16>().ok()?, n.parse::<usize>().ok()?)));
        let (item, n) = numbers.ok_or_else(|| Misuse("--fetch is a line's number, a dot, and which: 3.1".into()))?;
        let length = client.save(&format!("/api/v1/conversations/{}/files/{item}/{n}", args.name), to).await?;
        out::note(&format!("{length} bytes in {}", to.display()));
        return Ok(Status::Done);
    }
    let kept: Value = client.get(&format!("/api/v1/conversations/{}", args.name)).await?;
    if args.json {
        out::json(&kept);
        return Ok(Status::Done);
    }
    out::line(&format!("{} on {}, of {}", args.name, text(&kept, "channel"), text(&kept, "shop")));
    for line in kept["lines"].as_array().into_iter().flatten() {
        let why = line["reason"].as_str().map(|w| format!(", {w}")).unwrap_or_default();
        out::line(&format!("{}  {} ({}{why})", text(line, "at"), out::bold(&text(line, "by")), text(line, "state")));
        let words = text(line, "text");
        words.lines().for_each(|words| out::line(&format!("    {words}")));
        let files = line["attachments"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for (n, file) in files.enumerate() {
            out::line(&format!("    📎 {file} (--fetch {}.{} --to FILE)", line["item"], n + 1));
        }
    }
    Ok(Status::Done)
}
