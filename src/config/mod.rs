//! **config** — floor 1: files, environment and secret sources → one table a part.
//!
//! Knows: file + environment + secret sources → one table a part, all mistakes at once.
//! Must not know: any part's fields.
//! May use: domain
//! How to add one: nothing to add: a part brings its own struct (serde, schemars), and whoever starts it
//! asks [`Document`] for it by its key.
//!
//! The way of a setting: TOML text → a tree of values, each with its place → overrides from the environment
//! → secret sources resolved → held against the part's schema (unknown, missing and ill-typed keys, all of
//! them) → serde (what only the types themselves can tell, again all of it).

mod check;
mod document;
mod overrides;
mod place;
mod problem;
mod read;
pub mod schema;
mod secrets;
mod text;
pub mod watch;

pub use check::unknown_keys;
pub use document::{Document, Entry, Table};
pub use problem::Problem;

use std::collections::BTreeMap;

/// The process's environment: the only place that asks the system for it. What is not Unicode cannot be a
/// setting and is left out.
pub fn environment() -> BTreeMap<String, String> {
    // `vars` would panic where a name or value is not Unicode.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
