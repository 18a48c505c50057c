//! `demo`: the whole relay at work, without any account.
//!
//! Nothing is faked on our side: a private Redis, the real doors, signed webhooks, the real worker. The shops'
//! and providers' sides are played by `mock`. It ends by itself.

mod orders;
mod story;
mod world;

use super::{Status, out};
use clap::Args as ClapArgs;

/// `demo`.
#[derive(ClapArgs)]
pub struct Args {
    /// Keep the folder with the settings and Redis' data, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// Plays the story and prints it.
pub async fn run(args: &Args) -> anyhow::Result<Status> {
    let mut world = world::World::start().await?;
    let failures = story::play(&mut world).await?;
    world.end(args.keep).await;
    if failures.is_empty() {
        out::line("\nEverything came out as it should.");
        return Ok(Status::Done);
    }
    for failure in &failures {
        out::error(failure);
    }
    Ok(Status::Failure)
}
