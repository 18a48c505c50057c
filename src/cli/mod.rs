//! **cli** — floor 5: the commands.
//!
//! Knows: subcommands, tables for people, JSON for programs, exit statuses.
//! Must not know: the inside of rooms.
//! May use: domain, config, telemetry, flow, boot, mock, channel, words
//! How to add one: a command is a file here with its arguments and a function that returns a [`Status`], and
//! a line in `Command`.

mod ask;
pub mod channels;
mod check;
mod consent;
pub mod consent_file;
mod demo;
mod doctor;
mod example;
mod link;
mod mock;
mod order;
mod out;
mod people;
mod preview;
mod queue;
mod reconcile;
mod rekey;
mod replay;
mod send;
mod serve;
mod setup;
mod simulate;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A wrong call or wrong settings: exit status 2, where other failures are 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done,
    /// It found or met a failure.
    Failure,
    /// Wrong call or settings.
    Wrong,
}

/// Tells every customer where the order stands, on the messenger they read.
#[derive(Parser)]
#[command(name = "orderwire", version, about, max_term_width = 100)]
struct Cli {
    /// Settings file.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay.
    Serve(serve::Args),
    /// Show the whole thing working, without any account: private Redis, providers' understudies, signed webhooks.
    Demo(demo::Args),
    /// Check settings and words, and name every mistake with its place; --online asks the providers too.
    Check(check::Args),
    /// Show every message as the customer would get it, on your channels, in each language.
    Preview(preview::Args),
    /// Print the documented settings file, or with --schema its JSON Schema.
    Example(example::Args),
    /// Play the providers on this machine, with faults on demand.
    Mock(mock::Args),
    /// Show an order: its state, what is owed, its ledger.
    Order(order::Args),
    /// Say of an order what was told, what was not, why, and what would change it.
    Explain(order::ExplainArgs),
    /// Say what a captured webhook would do to the orders as they are now. Nothing is written, nothing is sent.
    Simulate(simulate::Args),
    /// Make owed again what was not delivered. Dry unless --execute.
    Replay(replay::Args),
    /// The queue: figures, dead messages, pause and resume channels.
    Queue(queue::Args),
    /// Ask shops what changed, and tell what lost webhooks would have told.
    Reconcile(reconcile::Args),
    /// See whether subscriptions, rights, secrets and clocks at the shops are as they must be; --fix puts them right.
    Doctor(doctor::Args),
    /// What every kind of channel can do; with --live, the configured ones as they stand; with setup, put right what is
    /// set up at a provider.
    Channels(channels::Args),
    /// Who may be written to: show, switch off and on, import and export.
    Consent(consent::Args),
    /// Switch channels off for one order: it reached the wrong person.
    Mute(consent::Mute),
    /// Switch them on again.
    Unmute(consent::Mute),
    /// Forbid every message to an address, whatever the person says.
    Block(consent::Block),
    /// Allow it again.
    Unblock(consent::Block),
    /// Erase an order, a customer, or everything of a shop. Dry unless --yes.
    Redact(people::Redact),
    /// Print all that is kept of a customer, as JSON.
    Export(people::Export),
    /// Make a link by which a customer ties a messenger to an order, also as a QR code.
    Link(link::Args),
    /// Say something to a customer: to that of an order, or in a conversation.
    Send(send::Args),
    /// Show what a customer and the shop's people said to each other.
    Conversation(send::ConversationArgs),
    /// Seal everything anew with the first encryption key, so that older ones can go.
    Rekey(rekey::Args),
    /// Ask a running relay whether it is ready.
    Health(ask::HealthArgs),
}

/// Reads the command line, runs the command, and gives its exit status: 0 done, 1 a failure was found or met,
/// 2 wrong call or settings.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            drop(error.print());
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    match run(cli) {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::Failure) => ExitCode::from(1),
        Ok(Status::Wrong) => ExitCode::from(2),
        Err(error) => {
            out::error(&format!("{error:#}"));
            ExitCode::from(if error.is::<Misuse>() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Status> {
    let config = cli.config.or_else(|| {
        let usual = PathBuf::from("config/orderwire.toml");
        let etc = PathBuf::from("/etc/orderwire/orderwire.toml");
        [usual, etc].into_iter().find(|p| p.is_file())
    });
    let config = config.as_deref();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(&args, config).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Check(args) => check::run(&args, config).await,
            Command::Preview(args) => preview::run(&args, config),
            Command::Example(args) => example::run(&args),
            Command::Mock(args) => mock::run(&args).await,
            Command::Order(args) => order::run(&args, config).await,
            Command::Explain(args) => order::explain(&args, config).await,
            Command::Simulate(args) => simulate::run(&args, config).await,
            Command::Replay(args) => replay::run(&args, config).await,
            Command::Queue(args) => queue::run(&args, config).await,
            Command::Reconcile(args) => reconcile::run(&args, config).await,
            Command::Doctor(args) => doctor::run(&args, config).await,
            Command::Channels(args) => channels::run(&args, config).await,
            Command::Consent(args) => consent::run(&args, config).await,
            Command::Mute(args) => consent::mute(&args, true, config).await,
            Command::Unmute(args) => consent::mute(&args, false, config).await,
            Command::Block(args) => consent::block(&args, true, config).await,
            Command::Unblock(args) => consent::block(&args, false, config).await,
            Command::Redact(args) => people::redact(&args, config).await,
            Command::Export(args) => people::export(&args, config).await,
            Command::Link(args) => link::run(&args, config).await,
            Command::Send(args) => send::run(&args, config).await,
            Command::Conversation(args) => send::conversation(&args, config).await,
            Command::Rekey(args) => rekey::run(&args, config).await,
            Command::Health(args) => ask::health(&args, config).await,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
