//! `link`.

use super::ask::{Client, Door};
use super::order::text;
use super::{Status, out};
use crate::flow::qr;
use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `link`.
#[derive(ClapArgs)]
pub struct Args {
    /// Shop, by its id in the settings.
    shop: String,
    /// Order, by the platform's id (not its name).
    order: String,
    /// Show it as a QR code too.
    #[arg(long)]
    qr: bool,
    /// Write it as a QR code into this new file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The same as PNG.
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Makes a link by which the customer ties a messenger to an order.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let client: Client = args.door.client(config)?;
    let made: Value = client.post("/api/v1/link", &json!({ "shop": args.shop, "order": args.order })).await?;
    let url = text(&made, "url");
    if let Some(file) = &args.svg {
        write(file, qr::svg(&url).context("the link is too long for a QR code")?.as_bytes())?;
    }
    if let Some(file) = &args.png {
        write(file, &qr::png(&url).context("the link is too long for a QR code")?)?;
    }
    if args.json {
        out::json(&made);
        return Ok(Status::Done);
    }
    out::line(&url);
    if args.qr {
        out::line(&qr::terminal(&url).context("the link is too long for a QR code")?);
    }
    out::note(&format!("good until {}; for the customer of this order only", text(&made, "until")));
    Ok(Status::Done)
}

/// Nothing that is there is written over.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    let mut opened = opened.with_context(|| format!("{} could not be made", file.display()))?;
    opened.write_all(bytes).with_context(|| format!("{} could not be written", file.display()))
}
