//! `order` and `explain`.

use super::ask::Door;
use super::{Status, out};
use clap::Args as ClapArgs;
use serde_json::Value;
use std::path::Path;

/// `order`.
#[derive(ClapArgs)]
pub struct Args {
    /// Shop, by its id in the settings.
    shop: String,
    /// The platform's id of the order (not its name).
    order: String,
    /// One JSON value instead of tables for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// `explain`.
#[derive(ClapArgs)]
pub struct ExplainArgs {
    /// Shop, by its id in the settings.
    shop: String,
    /// The platform's id of the order (not its name).
    order: String,
    /// Only this milestone.
    #[arg(long)]
    milestone: Option<String>,
    /// Every rule that is asked about what is not told, with what it was given and what it says.
    #[arg(long)]
    rules: bool,
    /// One JSON value instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Shows an order.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let view: Value = args.door.client(config)?.get(&path(&["orders", &args.shop, &args.order])).await?;
    if args.json {
        out::json(&view);
        return Ok(Status::Done);
    }
    out::line(&out::bold(&format!("{} {} ({})", args.shop, text(&view, "name"), args.order)));
    out::line(&format!(
        "payment {} · order {} · source {}",
        text(&view, "payment"),
        text(&view, "stage"),
        text(&view, "source")
    ));
    let rows = items(&view).into_iter().map(|i| {
        [
            number(i, "item"),
            text(i, "milestone"),
            text(i, "subject"),
            text(i, "route"),
            text(i, "slot"),
            text(i, "state"),
            text(i, "channel"),
            number(i, "attempts"),
            text(i, "reason"),
        ]
    });
    out::table(["item", "milestone", "of", "route", "slot", "state", "channel", "tries", "reason"], rows.collect());
    for entry in view.get("ledger").and_then(Value::as_array).into_iter().flatten() {
        out::line(&ledger_line(entry));
    }
    Ok(Status::Done)
}

/// Says what was told, what was not, and why.
pub async fn explain(args: &ExplainArgs, config: Option<&Path>) -> anyhow::Result<Status> {
    let mut view: Value = args.door.client(config)?.get(&path(&["orders", &args.shop, &args.order])).await?;
    if let (Some(wanted), Some(Value::Array(items))) = (&args.milestone, view.get_mut("items")) {
        items.retain(|i| i.get("milestone").and_then(Value::as_str) == Some(wanted));
    }
    if args.json {
        out::json(&view);
        return Ok(Status::Done);
    }
    out::line(&out::bold(&format!("{} {} ({})", args.shop, text(&view, "name"), args.order)));
    explain_lines(&view).iter().for_each(|l| out::line(l));
    if args.rules {
        rules(&view);
    }
    Ok(Status::Done)
}

/// Every rule about each item that is not told.
fn rules(view: &Value) {
    for item in items(view) {
        let asked = item.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if asked.is_empty() {
            continue;
        }
        out::line(&format!("  item {}, {}: every rule, asked now", number(item, "item"), text(item, "milestone")));
        let row = |r: &Value| [text(r, "rule"), text(r, "channel"), text(r, "given"), text(r, "verdict")];
        out::table(["rule", "channel", "given", "says"], asked.iter().map(row).collect());
    }
}

/// The explanation of an order, line by line.
pub fn explain_lines(view: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for item in items(view) {
        let what = format!(
            "{} ({}, {} {})",
            text(item, "milestone"),
            text(item, "subject"),
            text(item, "route"),
            text(item, "slot")
        );
        let state = text(item, "state");
        let by = Some(text(item, "channel")).filter(|c| c != "–").map(|c| format!(" by {c}")).unwrap_or_default();
        let with = item
            .get("told_with")
            .and_then(Value::as_u64)
            .map(|no| format!(", together with item {no}"))
            .unwrap_or_default();
        lines.push(format!("  {what}: {state}{by}{with}"));
        lines.extend(attempts(view, item));
        if let Some(why) = item.get("why").and_then(Value::as_str) {
            lines.push(format!("      why: {why}"));
        }
        for because in item.get("because").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            lines.push(format!("      said: {because}"));
        }
        lines.extend(unless(item));
        if let Some(remedy) = item.get("remedy").and_then(Value::as_str).filter(|r| !r.starts_with("Nothing")) {
            lines.push(format!("      to change it: {remedy}"));
        }
        if let Some(now) = item.get("now").and_then(Value::as_str) {
            lines.push(format!("      now: {now}"));
        }
    }
    lines.extend(super::consent::standing_lines(view.get("people")));
    for entry in view.get("ledger").and_then(Value::as_array).into_iter().flatten() {
        if text(entry, "what") == "switched_off" {
            let held = entry.get("held").and_then(Value::as_bool).unwrap_or(false);
            let (channel, reason) = (text(entry, "channel"), text(entry, "reason"));
            let how = if held { "was held back at the last look" } else { "was switched off while it was being sent" };
            lines.push(format!("  item {} by {channel} {how} ({reason})", number(entry, "item")));
        }
        if text(entry, "what") == "unowed" {
            lines.push(format!(
                "  {} ({}): told to nobody ({})",
                text(entry, "milestone"),
                text(entry, "subject"),
                text(entry, "reason")
            ));
        }
    }
    lines
}

/// The fewest changes that would let it go.
fn unless(item: &Value) -> Option<String> {
    let changes = item.get("unless").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<&str> = changes.iter().filter_map(|c| c.get("words")?.as_str()).collect();
    let then = text(item, "then");
    (!words.is_empty()).then(|| format!("      it {then} if {}", words.join(", and ")))
}

/// Attempts at an item, where they tell more than "sent at once".
fn attempts(view: &Value, item: &Value) -> Vec<String> {
    let no = item.get("item");
    let ledger = view.get("ledger").and_then(Value::as_array).into_iter().flatten();
    let own: Vec<&Value> = ledger.filter(|e| text(e, "what") == "attempt" && e.get("item") == no).collect();
    let passed = |e: &Value| -> Vec<String> {
        let pairs = e.get("passed").and_then(Value::as_array).into_iter().flatten();
        pairs.filter_map(|p| Some(format!("{} ({})", p.get(0)?.as_str()?, p.get(1)?.as_str()?))).collect()
    };
    if own.len() < 2 && own.iter().all(|e| text(e, "verdict") == "accepted" && passed(e).is_empty()) {
        return Vec::new();
    }
    own.iter()
        .map(|e| {
            let over = Some(passed(e).join(", ")).filter(|p| !p.is_empty()).map(|p| format!(", passing over {p}"));
            let detail = Some(text(e, "detail")).filter(|d| d != "–").map(|d| format!(" [{d}]"));
            format!(
                "      attempt {} by {} in {}: {}{}{}",
                number(e, "attempt"),
                text(e, "channel"),
                text(e, "locale"),
                text(e, "verdict"),
                over.unwrap_or_default(),
                detail.unwrap_or_default()
            )
        })
        .collect()
}

/// A path of the API; names from outside stay one segment each, whatever is in them.
pub fn path(parts: &[&str]) -> String {
    let mut url = url::Url::parse("http://x/api/v1").expect("a constant address parses");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(parts);
    }
    url.path().to_string()
}

fn items(view: &Value) -> Vec<&Value> {
    view.get("items").and_then(Value::as_array).into_iter().flatten().collect()
}

/// A field as text; a dash where there is none.
pub fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).unwrap_or("–").to_string()
}

/// A field as a number in text.
pub fn number(value: &Value, key: &str) -> String {
    value.get(key).filter(|v| v.is_number()).map(ToString::to_string).unwrap_or_else(|| "–".into())
}

fn ledger_line(entry: &Value) -> String {
    let skip = ["at", "what"];
    let rest: Vec<String> = entry
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !skip.contains(&key.as_str()) && !value.is_null() && **value != Value::Array(vec![]))
        .map(|(key, value)| format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_string)))
        .collect();
    format!("  {}  {:<9} {}", text(entry, "at"), text(entry, "what"), rest.join(" "))
}
