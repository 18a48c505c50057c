//! `rekey`.

use super::ask::{Client, Door};
use super::{Status, out};
use crate::boot;
use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `rekey`.
#[derive(ClapArgs)]
pub struct Args {
    /// Only count what is sealed with an older key.
    #[arg(long)]
    dry_run: bool,
    /// A shop that is no longer in the settings and may still have records; repeat it for more.
    #[arg(long, value_name = "SHOP")]
    also: Vec<String>,
    /// Write the look-up key into this new file and do nothing else: named as store.lookup_key it lets the oldest
    /// encryption key go.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "also"])]
    lookup_key: Option<PathBuf>,
    /// JSON instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Seals everything anew, or says what would be.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    if let Some(file) = &args.lookup_key {
        return lookup_key(file, config);
    }
    let client = args.door.client(config)?;
    if args.dry_run {
        return dry(args, &client).await;
    }
    let ask = json!({ "execute": true, "shops": args.also });
    let _: Value = client.post("/api/v1/rekey", &ask).await?;
    out::note("taken down; it is done in the background, also when this command ends");
    let mut shown = 0;
    let last = loop {
        let last: Value = client.get("/api/v1/rekey").await?;
        let run = last.get("run").cloned().unwrap_or_default();
        if run.get("ended").is_some_and(|e| !e.is_null()) {
            break last;
        }
        let anew = count(&run, "/anew");
        if anew != shown {
            out::note(&format!("{anew} records sealed anew so far"));
            shown = anew;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    if args.json {
        out::json(&last);
    } else {
        tell(&last);
    }
    let free = last.pointer("/run/outcome").and_then(Value::as_str) == Some("free");
    Ok(if free { Status::Done } else { Status::Failure })
}

fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn tell(last: &Value) {
    let of = |key: &str| count(last, &format!("/run/found/{key}"));
    out::line(&format!(
        "{} records looked at, {} sealed anew with the first key",
        of("seen"),
        count(last, "/run/anew")
    ));
    match last.pointer("/run/outcome").and_then(Value::as_str).unwrap_or_default() {
        "free" => {
            out::line(
                "No record in Redis is sealed with an older key any more. An older key may go from store.encryption_keys",
            );
            out::line("- when every process has run with the new one in front since before this began,");
            out::line(
                "- when no spool waits: the older key opens what lies there (orderwire_spool_records, _set_aside, orderwire_settle_backlog),",
            );
            out::line("- the oldest only when store.lookup_key is set: orderwire rekey --lookup-key FILE,");
            out::line("- knowing that links in mails sent before the new key came stop working (they live 400 days).");
        }
        "strange" => out::line(&format!(
            "{} records of shops that are not in the settings are still sealed with an older key: name them with \
             --also SHOP, or erase them (redact SHOP --all)",
            of("strange")
        )),
        _ => out::line(
            "Something still seals with an older key: put the new one in front in every process, restart, ask again",
        ),
    }
    let (waits, aside) = (count(last, "/spool/records"), count(last, "/spool/aside"));
    if waits + aside > 0 {
        out::note(&format!("the spool of the relay asked holds {waits} requests, and {aside} pieces aside"));
    }
    if of("closed") > 0 {
        out::note(&format!(
            "{} records are sealed with a key that is not configured; nobody can read them",
            of("closed")
        ));
    }
}

async fn dry(args: &Args, client: &Client) -> anyhow::Result<Status> {
    let mut ask = json!({ "shops": args.also });
    let mut sums = [("seen", 0), ("old", 0), ("strange", 0), ("closed", 0)];
    loop {
        let page: Value = client.post("/api/v1/rekey", &ask).await?;
        sums.iter_mut().for_each(|(key, sum)| *sum += count(&page, &format!("/found/{key}")));
        match page.get("cursor").filter(|c| c.is_string()) {
            Some(cursor) => ask["cursor"] = cursor.clone(),
            None => break,
        }
    }
    if args.json {
        let sums: serde_json::Map<String, Value> = sums.iter().map(|(k, n)| ((*k).to_string(), json!(n))).collect();
        out::json(&sums);
        return Ok(Status::Done);
    }
    let [(_, seen), (_, old), (_, strange), (_, closed)] = sums;
    out::line(&format!("{old} of {seen} records are sealed with an older key and would be sealed anew"));
    if strange > 0 {
        out::line(&format!("{strange} of them are of shops that are not in the settings: name them with --also SHOP"));
    }
    if closed > 0 {
        out::line(&format!("besides, {closed} are sealed with a key that is not configured"));
    }
    out::note("nothing was changed");
    Ok(Status::Done)
}

fn lookup_key(file: &Path, config: Option<&Path>) -> anyhow::Result<Status> {
    let key = boot::lookup_key(config, &crate::config::environment())?;
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut out = open.with_context(|| format!("{} must be a new file", file.display()))?;
    out.write_all(key.as_bytes())?;
    out.sync_all()?;
    out::note(&format!(
        "written. Keep it as you keep a key, and set [store] lookup_key = {{ file = \"{}\" }}: then the oldest \
         encryption key may go when nothing is sealed with it (orderwire rekey)",
        file.display()
    ));
    Ok(Status::Done)
}
