//! `replay`: dry by default.

use super::ask::{Client, Door};
use super::{Status, out};
use crate::domain::clock::Timestamp;
use crate::flow::replay::{Filter, Line, Page, Request};
use anyhow::bail;
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::Path;

/// `replay`.
#[derive(ClapArgs)]
pub struct Args {
    /// Only this shop.
    #[arg(long)]
    shop: Option<String>,
    /// Only this order (the platform's id; needs --shop).
    #[arg(long, requires = "shop")]
    order: Option<String>,
    /// Only what was last tried on this channel.
    #[arg(long)]
    channel: Option<String>,
    /// Only this milestone.
    #[arg(long)]
    milestone: Option<String>,
    /// Only what ended so: dead, unsure, undelivered, expired, skipped.
    #[arg(long)]
    outcome: Option<String>,
    /// Only what ended for this reason (`attempts_spent`).
    #[arg(long)]
    error: Option<String>,
    /// Only what happened at or after (2026-11-25T08:00:00Z).
    #[arg(long)]
    since: Option<Timestamp>,
    /// Only what happened before.
    #[arg(long)]
    until: Option<Timestamp>,
    /// At most so many; 0: no limit.
    #[arg(long, default_value_t = 0)]
    limit: u64,
    /// At most so many messages a second (`10/s`).
    #[arg(long, default_value = "10/s")]
    rate: String,
    /// Send although it was told or has gone stale.
    #[arg(long)]
    force: bool,
    /// Do it. Without this it only says what it would do.
    #[arg(long, requires = "reason")]
    execute: bool,
    /// Why; stays in the ledger of every order.
    #[arg(long)]
    reason: Option<String>,
    /// Go on with a run that was interrupted.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// One JSON value a line instead of a table for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Pages through a replay until it is over.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let Some(rate) = args.rate.trim_end_matches("/s").trim().parse::<f64>().ok().filter(|r| *r > 0.0) else {
        bail!(super::Misuse("--rate: write a number of messages a second, like 10/s".into()));
    };
    let client = args.door.client(config)?;
    let mut request = Request {
        filter: Filter {
            shop: args.shop.clone(),
            order: args.order.clone(),
            channel: args.channel.clone(),
            milestone: args.milestone.clone(),
            outcome: args.outcome.clone(),
            error: args.error.clone(),
            since: args.since,
            until: args.until,
        },
        execute: args.execute || args.resume.is_some(),
        reason: args.reason.clone(),
        force: args.force,
        rate,
        limit: args.limit,
        run: args.resume.clone(),
        cursor: None,
    };
    let bar = bar();
    let mut lines = Vec::new();
    loop {
        let page = one(&client, &request).await.inspect_err(|_| {
            if let Some(run) = &request.run {
                out::note(&format!("interrupted; go on with: orderwire replay --resume {run}"));
            }
        })?;
        bar.inc(page.lines.len() as u64);
        if args.json {
            page.lines.iter().for_each(out::json_line);
        }
        lines.extend(page.lines);
        request.run = page.run.as_ref().map(|r| r.id.clone());
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            bar.finish_and_clear();
            return Ok(report(args, &lines, request.run.as_deref()));
        }
    }
}

async fn one(client: &Client, request: &Request) -> anyhow::Result<Page> {
    client.post("/api/v1/replay", request).await
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} looked at, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn report(args: &Args, lines: &[Line], run: Option<&str>) -> Status {
    let count = |action: &str| lines.iter().filter(|l| l.action == action).count();
    let summary = format!(
        "{} to send, {} to wait for their time, {} to skip, {} would be told a second time",
        count("send"),
        count("wait"),
        count("skip"),
        count("again")
    );
    if args.json {
        out::note(&summary);
        return Status::Done;
    }
    let rows = lines.iter().map(|l| {
        [
            l.shop.clone(),
            l.name.clone(),
            l.order.clone(),
            l.item.to_string(),
            l.milestone.clone(),
            l.action.clone(),
            l.what.clone(),
        ]
    });
    out::table(["shop", "order", "id", "item", "milestone", "action", "what"], rows.collect());
    out::line(&summary);
    match run {
        Some(run) => out::line(&format!("run {run}: done")),
        None => out::line("nothing was done: this was dry. Add --execute --reason TEXT to do it."),
    }
    Status::Done
}
