//! `channels`: what every kind of channel can do, from the code; with `--live` the configured ones as they stand.

use super::ask::Door;
use super::{Status, out, setup};
use crate::channel::{ALL, Kind};
use crate::domain::channel::{Audience, Capabilities, Pace, WindowRule};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// `channels`.
#[derive(ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The channels of the running relay as they stand: which go, which are paused, why and until when.
    #[arg(long)]
    live: bool,
    /// The table as it stands in docs/channels.md.
    #[arg(long, conflicts_with_all = ["live", "json"])]
    markdown: bool,
    /// JSON instead of a table for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

#[derive(Subcommand)]
enum What {
    /// Compare callback, events and menu at an account's provider with what they should be, and change what differs.
    Setup(setup::Args),
}

/// A kind and what it can do where no setting lowers it.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    forms: Vec<&'static str>,
    #[serde(flatten)]
    can: Capabilities,
}

const HEAD: [&str; 12] = [
    "channel",
    "for",
    "forms",
    "longest text",
    "buttons",
    "window",
    "template",
    "retry key",
    "receipts",
    "opt-out",
    "binding",
    "pace",
];

/// Shows them.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    if let Some(What::Setup(args)) = &args.what {
        return setup::run(args, config).await;
    }
    if args.live {
        return live(args, config).await;
    }
    match (args.json, args.markdown) {
        (true, _) => out::json(&rows()),
        (_, true) => out::line(markdown().trim_end()),
        _ => out::table(HEAD, rows().iter().map(cells).collect()),
    }
    Ok(Status::Done)
}

/// The table in Markdown.
pub fn markdown() -> String {
    let line = |cells: [String; 12]| format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "));
    let mut out = line(HEAD.map(str::to_string));
    out.push_str(&format!("|{}\n", "---|".repeat(HEAD.len())));
    for row in rows() {
        out.push_str(&line(cells(&row)));
    }
    out
}

fn rows() -> Vec<Row> {
    ALL.iter().map(|kind| row(kind)).collect()
}

fn row(kind: &Kind) -> Row {
    let can = (kind.capabilities)();
    let free = can.window != WindowRule::Seconds(0);
    let forms =
        [("free", free), ("template", can.template_outside_window), ("grant", can.grants), ("reply", can.reply_token)];
    Row { kind: kind.name, forms: forms.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect(), can }
}

fn cells(row: &Row) -> [String; 12] {
    let can = &row.can;
    let unit = serde_json::to_value(can.unit).ok().and_then(|u| u.as_str().map(str::to_string)).unwrap_or_default();
    let window = match can.window {
        WindowRule::None => "always".to_string(),
        WindowRule::Seconds(0) => "never".to_string(),
        WindowRule::Seconds(secs) => format!("{} after they wrote", span(secs)),
    };
    [
        row.kind.to_string(),
        if can.audience == Audience::Staff { "staff" } else { "customers" }.to_string(),
        row.forms.join(", "),
        format!("{} {unit}", can.text_limit),
        can.buttons.to_string(),
        window,
        if can.template_outside_window { "outside the window" } else { "no" }.to_string(),
        can.retry_key_secs.map_or_else(|| "no".into(), span),
        can.receipts.to_string(),
        can.opt_out.to_string(),
        can.binding.to_string(),
        pace(can.pace),
    ]
}

/// Of the account, and between two messages to one person.
fn pace(pace: Pace) -> String {
    match pace.person_gap_secs {
        gap if gap > 0.0 => format!("{}/s, {gap} s to one person", pace.per_second),
        _ => format!("{}/s", pace.per_second),
    }
}

/// Seconds as people say them.
fn span(secs: i64) -> String {
    let parts = [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "min"), (secs % 60, "s")];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if said.is_empty() { "0 s".into() } else { said.join(" ") }
}

async fn live(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let channels: Value = args.door.client(config)?.get("/api/v1/channels").await?;
    if args.json {
        out::json(&channels);
        return Ok(Status::Done);
    }
    let text = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).map(str::to_string);
    let rows = channels.as_array().into_iter().flatten().map(|c| {
        let state = text(c, "paused").map_or_else(|| "goes".into(), |why| format!("stands: {why}"));
        let plain = |key: &str| text(c, key).unwrap_or_else(|| "–".into());
        [plain("id"), plain("kind"), state, plain("until")]
    });
    out::table(["channel", "kind", "state", "until"], rows.collect());
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_said_whole() {
        for (secs, said) in [(86_400, "1 d"), (86_100, "23 h 55 min"), (90, "1 min 30 s"), (0, "0 s")] {
            assert_eq!(span(secs), said);
        }
    }
}
