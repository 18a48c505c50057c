//! The table of `docs/channels.md` is what the code says.

use orderwire::channel::ALL;
use orderwire::cli::channels::markdown;
use std::path::Path;

#[test]
fn the_documented_table_is_the_codes_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/channels.md");
    let text = std::fs::read_to_string(file).unwrap();
    let table: String = text.lines().filter(|l| l.starts_with('|')).map(|l| format!("{l}\n")).collect();
    assert_eq!(table, markdown(), "put what `orderwire channels --markdown` prints into docs/channels.md");
    for kind in ALL {
        assert_eq!(table.matches(&format!("| {} |", kind.name)).count(), 1, "{}", kind.name);
    }
}

/// What the table says of a kind is what its accounts start from.
#[test]
fn an_account_with_plain_settings_can_what_its_kind_says() {
    for (kind, channel) in super::conformance::accounts() {
        assert_eq!(channel.capabilities(), &(kind.capabilities)(), "{}", kind.name);
    }
}
