//! `check`: every mistake in settings and words at once.

use super::{Status, out};
use crate::boot;
use crate::config::Problem;
use clap::Args as ClapArgs;
use serde_json::json;
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
}

/// What is said where nothing waits for Redis.
const NO_SPOOL: &str = "no spool: what Redis cannot take is answered 503";

/// Checks settings and words; nothing is started and nothing is asked over the network.
pub fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let name = config.map_or_else(|| "(no settings file)".into(), |p| p.display().to_string());
    match boot::read(config, &crate::config::environment()) {
        Ok(settings) => {
            let live = &settings.live;
            if args.json {
                out::json(&json!({ "ok": true, "file": name, "problems": [], "warnings": settings.parts.warnings,
                    "spool": settings.parts.spool.as_ref().map(|s| s.dir.display().to_string()) }));
            } else {
                settings.parts.warnings.iter().for_each(|w| out::line(&format!("warning: {w}")));
                out::line(&format!(
                    "{name}: fine. {} shops, {} channels, {} routes; {}; {}",
                    live.shops.len(),
                    live.channels.len(),
                    live.routes.len(),
                    settings.parts.store.survives(),
                    settings.parts.spool.as_ref().map_or_else(|| NO_SPOOL.into(), |spool| spool.sentence())
                ));
            }
            Ok(if args.strict && !settings.parts.warnings.is_empty() { Status::Failure } else { Status::Done })
        }
        Err(problems) => {
            if args.json {
                out::json(&json!({ "ok": false, "file": name, "problems": problems, "warnings": [] }));
            } else {
                problems.iter().for_each(|p| out::line(&p.to_string()));
                out::note(&format!("{} mistakes", problems.len()));
            }
            Ok(Status::Wrong)
        }
    }
}

/// Problems as one error, for commands that need the settings only on the way.
pub fn as_error(problems: Vec<Problem>) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::Error::new(super::Misuse(format!("the settings have mistakes:\n  {}", lines.join("\n  "))))
}
