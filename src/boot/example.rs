//! The documented settings file and its JSON Schema: both from the parts themselves.

use super::{WordsSettings, WorkerSettings};
use crate::config::schema;
use crate::http::settings::{AdminSettings, ServerSettings};
use crate::plan::RouteSettings;
use crate::platform::settings::ShopSettings;
use crate::spool::settings::SpoolSettings;
use crate::store::settings::StoreSettings;
use crate::telemetry::LogSettings;
use crate::{channel, platform};
use schemars::JsonSchema as _;
use serde_json::Value;

/// What stands before the shops.
const HEAD: &str = include_str!("example_head.toml");
/// What stands after the channels.
const TAIL: &str = include_str!("example_tail.toml");

/// The documented settings file (`config/orderwire.toml`).
pub fn text() -> String {
    let mut out = String::from(HEAD);
    out.push_str("\n# ---- Shops ------------------------------------------------------------------\n");
    for kind in platform::ALL {
        out.push('\n');
        out.push_str(&commented(kind.example));
    }
    out.push_str("\n# ---- Channels ---------------------------------------------------------------\n");
    for kind in channel::ALL {
        out.push('\n');
        out.push_str(&commented(kind.example));
    }
    out.push('\n');
    out.push_str(TAIL);
    out
}

/// Examples are there to be taken in: each line that is not yet a comment becomes one.
fn commented(example: &str) -> String {
    let mut out = String::new();
    for line in example.trim().lines() {
        let plain = line.is_empty() || line.starts_with('#');
        out.push_str(if plain { "" } else { "# " });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The JSON Schema of the settings file.
pub fn schema() -> Value {
    let kinds: Vec<_> = channel::ALL.iter().map(|k| (k.name, super::start::schema(k))).collect();
    let common = [("id", "the name by which routes call it")];
    schema::document(&[
        ("log", false, schema::of(LogSettings::json_schema)),
        ("server", false, schema::of(ServerSettings::json_schema)),
        ("admin", false, schema::of(AdminSettings::json_schema)),
        ("store", false, schema::of(StoreSettings::json_schema)),
        ("spool", false, schema::of(SpoolSettings::json_schema)),
        ("worker", false, schema::of(WorkerSettings::json_schema)),
        ("words", false, schema::of(WordsSettings::json_schema)),
        ("shop", true, schema::of(ShopSettings::json_schema)),
        ("channel", true, schema::by_kind("kind", &common, &kinds)),
        ("route", true, schema::of(RouteSettings::json_schema)),
    ])
}
