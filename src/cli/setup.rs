//! `channels setup`: callback, events and menu at the provider, compared and put right.

use super::{Misuse, Status, out};
use crate::boot;
use crate::boot::setup::{How, SetUp, set_up};
use crate::channel::{Piece, Stands};
use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `channels setup`.
#[derive(ClapArgs)]
pub struct Args {
    /// Channel accounts, by their ids in the settings.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Only say what differs; exit status 1 where something does.
    #[arg(long, visible_alias = "check")]
    dry_run: bool,
    /// Leave the menu as it is.
    #[arg(long)]
    no_menu: bool,
    /// A PNG or JPEG of your own for LINE's menu: 2500 × 843 pixels, three columns (my orders, order updates, talk to
    /// us), 1 MB at most.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// One JSON value instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// Compares, and without `--dry-run` changes what differs.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let settings = boot::read(config, &crate::config::environment()).map_err(super::check::as_error)?;
    let picture = args
        .picture
        .as_ref()
        .map(|file| std::fs::read(file).with_context(|| format!("--picture: {} could not be read", file.display())));
    let how = How { install: !args.dry_run, no_menu: args.no_menu, picture: picture.transpose()? };
    let mut accounts = Vec::new();
    for id in &args.ids {
        let account = settings.live.channels.get(&id.as_str().into());
        let known = || settings.live.channels.keys().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
        accounts.push(account.ok_or_else(|| Misuse(format!("there is no channel {id}; there is {}", known())))?);
    }
    let mut done = Vec::new();
    for account in accounts {
        done.push(set_up(&settings, account, &how).await);
    }
    let pieces = || done.iter().flat_map(|d| d.pieces.iter().map(move |piece| (d, piece)));
    let good = pieces().all(|(_, p)| !matches!(p.stands, Stands::Differs | Stands::Failed));
    if args.json {
        out::json(&json!({ "ok": good, "pieces": pieces().map(|(d, p)| row(d, p)).collect::<Vec<_>>() }));
    } else {
        pieces().for_each(|(d, p)| out::line(&sentence(d, p)));
    }
    Ok(if good { Status::Done } else { Status::Failure })
}

fn row(done: &SetUp, piece: &Piece) -> Value {
    json!({ "channel": done.channel.as_str(), "kind": done.kind, "about": piece.about, "stands": piece.stands,
        "said": piece.said, "remedy": piece.remedy })
}

fn sentence(done: &SetUp, piece: &Piece) -> String {
    let word = match piece.stands {
        Stands::Same => "ok",
        Stands::Differs => "differs",
        Stands::Changed => "changed",
        Stands::Failed => "failed",
        Stands::NotAsked => "not set up",
    };
    let remedy = piece.remedy.as_ref().map(|r| format!("; {r}")).unwrap_or_default();
    format!("{word}: {} ({}), {}: {}{remedy}", done.channel, done.kind, piece.about, piece.said)
}
