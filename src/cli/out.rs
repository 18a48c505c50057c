//! What commands print: results to stdout, the rest to stderr; colour on a terminal only. What shops and customers
//! wrote steers no terminal.

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
    drop(writeln!(out, "{}", harmless(text)));
}

/// A line to stderr.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", harmless(text)));
}

/// The text without what a terminal obeys (escapes, control characters, text turned round); our own bold stays.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let own = ["\u{1b}[1m", "\u{1b}[0m"].into_iter().find(|mark| rest.starts_with(mark));
        let taken = own.map_or(c.len_utf8(), str::len);
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match own {
            Some(mark) => out.push_str(mark),
            None if turns || (c.is_control() && c != '\n' && c != '\t') => out.push('\u{fffd}'),
            None => out.push(c),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
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

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_text_steers_no_terminal() {
        let evil = "#1\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J\r\u{202e}x\u{0}";
        let shown = harmless(evil);
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert_eq!(harmless("訂單 #1\n\t→ \u{1b}[1mbold\u{1b}[0m"), "訂單 #1\n\t→ \u{1b}[1mbold\u{1b}[0m");
    }
}
