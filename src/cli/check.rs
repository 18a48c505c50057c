//! `check`: every mistake in settings and words at once; with `--online`, what providers say of the accounts.

use super::{Status, out};
use crate::boot::online::{self, Asked};
use crate::boot::{self, Settings};
use crate::channel::{Finding, State};
use crate::config::Problem;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::Path;

/// `check`.
#[derive(ClapArgs)]
pub struct Args {
    /// One JSON value instead of lines for people.
    #[arg(long)]
    json: bool,
    /// Warnings count as failures.
    #[arg(long)]
    strict: bool,
    /// Ask each channel's provider whether credentials, callback and templates are as they must be. Reads only: nothing
    /// is sent.
    #[arg(long)]
    online: bool,
}

/// What is said where nothing waits for Redis.
const NO_SPOOL: &str = "no spool: what Redis cannot take is answered 503";

/// Checks settings and words; nothing is started and, without `--online`, nothing is asked over the network.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let name = config.map_or_else(|| "(no settings file)".into(), |p| p.display().to_string());
    let settings = match boot::read(config, &crate::config::environment()) {
        Ok(settings) => settings,
        Err(problems) => {
            if args.json {
                out::json(&json!({ "ok": false, "file": name, "problems": problems, "warnings": [] }));
            } else {
                problems.iter().for_each(|p| out::line(&p.to_string()));
                out::note(&format!("{} mistakes", problems.len()));
            }
            return Ok(Status::Wrong);
        }
    };
    let asked = if args.online { Some(online::ask(&settings).await) } else { None };
    let findings = || asked.iter().flatten().flat_map(|a| a.findings.iter().map(move |f| (a, f)));
    let trouble = findings().any(|(_, f)| f.state == State::Trouble);
    let warnings = &settings.parts.warnings;
    if args.json {
        let mut told = json!({ "ok": !trouble, "file": name, "problems": [], "warnings": warnings,
            "spool": settings.parts.spool.as_ref().map(|s| s.dir.display().to_string()) });
        if asked.is_some() {
            told["online"] = findings().map(|(a, f)| row(a, f)).collect();
        }
        out::json(&told);
    } else {
        warnings.iter().for_each(|w| out::line(&format!("warning: {w}")));
        out::line(&summary(&name, &settings));
        findings().for_each(|(a, f)| out::line(&sentence(a, f)));
    }
    Ok(if trouble || args.strict && !warnings.is_empty() { Status::Failure } else { Status::Done })
}

fn summary(name: &str, settings: &Settings) -> String {
    let live = &settings.live;
    format!(
        "{name}: fine. {} shops, {} channels, {} routes; {}; {}",
        live.shops.len(),
        live.channels.len(),
        live.routes.len(),
        settings.parts.store.survives(),
        settings.parts.spool.as_ref().map_or_else(|| NO_SPOOL.into(), |spool| spool.sentence())
    )
}

/// One finding for programs.
fn row(asked: &Asked, finding: &Finding) -> Value {
    json!({ "channel": asked.channel.as_str(), "kind": asked.kind, "about": finding.about, "state": finding.state,
        "said": finding.said, "remedy": finding.remedy })
}

/// One finding for people.
fn sentence(asked: &Asked, finding: &Finding) -> String {
    let word = match finding.state {
        State::Fine => "ok",
        State::Trouble => "trouble",
        State::NotAsked => "not asked",
    };
    let remedy = finding.remedy.as_ref().map(|r| format!("; {r}")).unwrap_or_default();
    format!("{word}: {} ({}), {}: {}{remedy}", asked.channel, asked.kind, finding.about, finding.said)
}

/// Problems as one error, for commands that need the settings only on the way.
pub fn as_error(problems: Vec<Problem>) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::Error::new(super::Misuse(format!("the settings have mistakes:\n  {}", lines.join("\n  "))))
}
