//! `example`: the documented settings file, and its JSON Schema.

use super::{Status, out};
use crate::boot;
use clap::Args as ClapArgs;

/// `example`.
#[derive(ClapArgs)]
pub struct Args {
    /// Print the JSON Schema of the settings file, for editors.
    #[arg(long)]
    schema: bool,
}

/// Prints it.
pub fn run(args: &Args) -> anyhow::Result<Status> {
    if args.schema {
        out::json(&boot::example::schema());
    } else {
        out::line(boot::example::text().trim_end());
    }
    Ok(Status::Done)
}
