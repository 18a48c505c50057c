//! What commands print: results to stdout, the rest to stderr; colour on a terminal only.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// One JSON value.
pub fn json<T: Serialize>(value: &T) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// One JSON value a line, for what streams.
pub fn json_line<T: Serialize>(value: &T) {
    line(&serde_json::to_string(value).unwrap_or_default());
}

/// A line of a result. A closed pipe ends the output, not the command.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
}

/// A line to stderr.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// An error to stderr.
pub fn error(text: &str) {
    note(&format!("orderwire: {text}"));
}

/// A table for people; it knows how wide Han characters are.
pub fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width());
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    line(&table.to_string());
}

fn width() -> u16 {
    crate::config::environment().get("COLUMNS").and_then(|c| c.parse().ok()).unwrap_or(120)
}

/// Bold, on a terminal that wants it.
pub fn bold(text: &str) -> String {
    let plain = !std::io::stdout().is_terminal() || crate::config::environment().contains_key("NO_COLOR");
    if plain { text.to_string() } else { format!("\u{1b}[1m{text}\u{1b}[0m") }
}
