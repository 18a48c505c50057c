//! `docs/faults.md` against the tests there are: every row has one, and every test named is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rows of the matrix.
const ROWS: u32 = 47;
/// Rows that have no test yet.
const OPEN: [u32; 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The file that holds a module, and where in its path the module's name ends: `a::b::tests` is in `a/b.rs`.
fn file(base: &Path, modules: &[&str]) -> Option<PathBuf> {
    (1..=modules.len()).rev().find_map(|n| {
        let path = modules[..n].iter().fold(base.to_path_buf(), |path, module| path.join(module));
        [path.with_extension("rs"), path.join("mod.rs")].into_iter().find(|p| p.is_file())
    })
}

/// Whether the text has a test of this name that is run.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    let at = lines.iter().position(|line| heads.iter().any(|head| line.starts_with(head.as_str())));
    let Some(at) = at else { return false };
    let attributes: Vec<&&str> =
        lines[..at].iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("//")).collect();
    attributes.iter().any(|a| a.starts_with("#[test]") || a.starts_with("#[tokio::test"))
        && !attributes.iter().any(|a| a.starts_with("#[ignore"))
}

/// Why a test that is named is not one, if it is not.
fn fault(name: &str) -> Option<String> {
    let mut modules: Vec<&str> = name.split("::").collect();
    let test = modules.pop()?;
    let base = if modules.first() == Some(&"orderwire") { root().join("src") } else { root().join("tests/it") };
    if base.ends_with("src") {
        modules.remove(0);
    }
    let whole: Vec<&str> = modules.iter().copied().chain([test]).collect();
    let as_module = whole.iter().fold(base.clone(), |path, module| path.join(module)).with_extension("rs");
    if as_module.is_file() {
        // The text may speak of a module; a row may not.
        return None;
    }
    let Some(file) = file(&base, &modules) else { return Some(format!("`{name}`: there is no such module")) };
    let text = std::fs::read_to_string(&file).unwrap();
    (!has_test(&text, test)).then(|| format!("`{name}`: no such test in {}", file.display()))
}

/// The words in backquotes that are paths.
fn named(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|word| word.contains("::") && !word.contains('…')).collect()
}

/// What is wrong with a table, and which rows it has.
fn faults(text: &str, open: &[u32]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rows: BTreeMap<u32, u32> = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with("| F")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(row) = cells[0].trim_start_matches('F').trim_end_matches('*').parse::<u32>().ok() else { continue };
        *rows.entry(row).or_default() += 1;
        let [_, fault, injected, holds, tests] = cells[..] else {
            out.push(format!("F{row}: has {} cells", cells.len()));
            continue;
        };
        let is_open = tests == "open";
        if is_open != open.contains(&row) {
            out.push(format!(
                "F{row}: is {}open here and not in the list of this test",
                if is_open { "" } else { "not " }
            ));
        }
        let proved =
            named(tests).into_iter().any(|name| name.rsplit("::").next().is_some_and(|test| test.contains('_')));
        if !is_open && (!proved || [fault, injected, holds].iter().any(|cell| cell.is_empty())) {
            out.push(format!("F{row}: a row says what is injected, what must hold, and which tests prove it"));
        }
    }
    out.extend((1..=ROWS).filter(|row| rows.get(row) != Some(&1)).map(|row| format!("F{row}: not exactly one row")));
    out.extend(rows.keys().filter(|row| !(1..=ROWS).contains(*row)).map(|row| format!("F{row}: no such row")));
    out.extend(named(text).into_iter().collect::<BTreeSet<_>>().into_iter().filter_map(fault));
    out
}

fn table() -> String {
    std::fs::read_to_string(root().join("docs/faults.md")).unwrap()
}

#[test]
fn every_row_names_tests_that_are_there() {
    assert_eq!(faults(&table(), &OPEN), Vec::<String>::new());
}

/// The comparison complains of what it is there for.
#[test]
fn a_table_that_says_too_much_is_found_out() {
    let good = table();
    let finds = |bad: &str, open: &[u32], words: &str| {
        let found = faults(bad, open);
        assert!(found.iter().any(|f| f.contains(words)), "no complaint with {words:?} in {found:?}");
    };
    let complains = |bad: String, words: &str| finds(&bad, &OPEN, words);
    complains(good.replace("a_worker_that_slept_through", "a_worker_that_dreamt_through"), "no such test");
    complains(good.replace("`faults::workers::", "`faults::dreams::"), "no such");
    complains(good.replace("what_earlier_versions_stored_is_read", "store_anew"), "no such test");
    complains(good.replace("| F4 |", "| F5 |"), "F4: not exactly one row");
    complains(good.replace("| F4 |", "| F48 |"), "F48: no such row");
    finds(&good, &[27], "F27: is not open");
    let line = good.lines().find(|l| l.starts_with("| F14 ")).unwrap();
    complains(
        good.replace(line, "| F14 | scripts forgotten | `SCRIPT FLUSH` | unnoticed | see above |"),
        "F14: a row says",
    );
    complains(good.replace(line, "| F14 | scripts forgotten | `SCRIPT FLUSH` | unnoticed | open |"), "F14: is open");
}
