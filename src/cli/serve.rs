//! `serve`.

use super::Status;
use super::check::as_error;
use crate::boot;
use crate::boot::run::{Role, start};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::Path;

/// `serve`.
#[derive(ClapArgs)]
pub struct Args {
    /// What this process does.
    #[arg(long, value_enum, default_value = "all")]
    role: RoleArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Takes webhooks and sends.
    All,
    /// Takes webhooks and callbacks.
    Web,
    /// Sends.
    Worker,
}

/// Runs until told to stop.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let hardened = boot::harden::harden();
    let environment = crate::config::environment();
    crate::flow::crash::arm(environment.get("ORDERWIRE_CRASH"));
    let settings = match boot::read(config, &environment) {
        Ok(settings) => settings,
        Err(problems) => {
            super::out::error(&format!("{:#}", as_error(problems)));
            return Ok(Status::Wrong);
        }
    };
    crate::telemetry::init(settings.parts.log.format, &settings.parts.log.filter).map_err(anyhow::Error::msg)?;
    if let Err(error) = hardened {
        tracing::warn!(%error, "the system does not let this process forbid images of its memory");
    }
    let role = match args.role {
        RoleArg::All => Role::All,
        RoleArg::Web => Role::Web,
        RoleArg::Worker => Role::Worker,
    };
    start(settings, role, config.map(Path::to_path_buf)).await?.until_told().await?;
    Ok(Status::Done)
}
