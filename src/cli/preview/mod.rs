//! `preview`: every message as the customer would get it, before any customer does.
//!
//! The words in force are rendered against the sample order of each language and shaped by the accounts of the
//! settings, so what is seen is what would be sent. Nothing is started and nothing is asked over the network.

mod cell;
mod page;

use super::check::as_error;
use super::{Misuse, Status, out};
use crate::boot;
use crate::domain::shop::ShopRules;
use crate::flow::live::Live;
use crate::words::{LOCALES, built_in_milestones};
use cell::Cell;
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};

/// `preview`.
#[derive(ClapArgs)]
pub struct Args {
    /// Milestones; `*` stands for any characters. Left out: all.
    milestones: Vec<String>,
    /// Languages. Left out: all.
    #[arg(long, value_name = "LOCALE")]
    locale: Vec<String>,
    /// Channel accounts, by their id in the settings. Left out: all.
    #[arg(long, value_name = "ID")]
    channel: Vec<String>,
    /// Speak as this shop: its name and its rules. Left out: a sample shop.
    #[arg(long, value_name = "ID")]
    shop: Option<String>,
    /// Write one page for a browser, messages side by side.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show what the provider gets besides.
    #[arg(long)]
    raw: bool,
    /// One JSON value a line, one line a message.
    #[arg(long, conflicts_with = "html")]
    json: bool,
}

/// What to show.
struct Choice<'a> {
    milestones: Vec<&'static str>,
    locales: Vec<&'static str>,
    channels: Vec<&'a str>,
    rules: Option<&'a ShopRules>,
}

/// Shows messages; a message that is cut or does not fit its channel is a failure.
pub fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let settings = boot::read(config, &crate::config::environment()).map_err(as_error)?;
    let live = &settings.live;
    let choice = choose(args, live)?;
    let mut cells = Vec::new();
    for milestone in &choice.milestones {
        for locale in &choice.locales {
            for id in &choice.channels {
                cells.extend(cell::of(live, milestone, locale, id, choice.rules));
            }
        }
    }
    match &args.html {
        Some(file) => {
            let page = page::render(&cells)?;
            std::fs::write(file, page).map_err(|e| anyhow::anyhow!("{} cannot be written: {e}", file.display()))?;
            out::line(&format!("{}: {} messages", file.display(), cells.len()));
        }
        None if args.json => cells.iter().for_each(out::json_line),
        None => cells.iter().for_each(|cell| show(cell, args.raw)),
    }
    let faults: Vec<&Cell> = cells.iter().filter(|c| c.fault.is_some() || c.cut).collect();
    if args.html.is_some() {
        faults.iter().for_each(|c| out::line(&format!("{}: {}", c.place(), c.trouble())));
    }
    if !args.json {
        out::note(&format!("{} messages, {} do not fit", cells.len(), faults.len()));
    }
    Ok(if faults.is_empty() { Status::Done } else { Status::Failure })
}

fn choose<'a>(args: &Args, live: &'a Live) -> anyhow::Result<Choice<'a>> {
    let patterns: Vec<wildmatch::WildMatch> = args.milestones.iter().map(|p| wildmatch::WildMatch::new(p)).collect();
    let all = built_in_milestones();
    for (pattern, word) in patterns.iter().zip(&args.milestones) {
        if !all.iter().any(|m| pattern.matches(m)) {
            return Err(misuse(format!("there is no milestone {word:?}; there are: {}", all.join(", "))));
        }
    }
    let wanted = |m: &&str| patterns.is_empty() || patterns.iter().any(|p| p.matches(m));
    let milestones = all.into_iter().filter(wanted).collect();
    let locales = picked(&args.locale, LOCALES.iter().copied(), "language")?;
    let ids: Vec<&str> = live.channels.keys().map(|id| id.as_str()).collect();
    if ids.is_empty() {
        return Err(misuse("the settings name no channel; add a [[channel]] (see orderwire example)".into()));
    }
    let channels = picked(&args.channel, ids.into_iter(), "channel")?;
    let rules = match &args.shop {
        None => None,
        Some(id) => {
            let shop = live.shops.values().find(|s| s.rules.id.as_str() == id);
            Some(&shop.ok_or_else(|| misuse(format!("the settings have no shop {id:?}")))?.rules)
        }
    };
    Ok(Choice { milestones, locales, channels, rules })
}

fn picked<'a>(wanted: &[String], all: impl Iterator<Item = &'a str>, what: &str) -> anyhow::Result<Vec<&'a str>> {
    let all: Vec<&str> = all.collect();
    if let Some(word) = wanted.iter().find(|w| !all.contains(&w.as_str())) {
        return Err(misuse(format!("there is no {what} {word:?}; there are: {}", all.join(", "))));
    }
    Ok(all.into_iter().filter(|one| wanted.is_empty() || wanted.iter().any(|w| w == one)).collect())
}

fn misuse(message: String) -> anyhow::Error {
    anyhow::Error::new(Misuse(message))
}

fn show(cell: &Cell, raw: bool) {
    out::line(&out::bold(&format!("── {}", cell.place())));
    if let Some(message) = &cell.message {
        out::line(&format!("   {}", message.title));
        message.body.lines().for_each(|line| out::line(&format!("   {line}")));
        message.buttons.iter().for_each(|b| out::line(&format!("   [{}] {}", b.label, b.url)));
    }
    cell.notes.iter().for_each(|note| out::line(&format!("   · {note}")));
    if cell.fault.is_some() || cell.cut {
        out::line(&out::bold(&format!("   ! {}", cell.trouble())));
    }
    if let Some(envelope) = cell.envelope.as_ref().filter(|_| raw) {
        out::line(envelope);
    }
    out::line("");
}
