//! `docs/security.md` says for every threat which test proves the control. This holds it against the tests there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All Rust files below a folder of the project: path and text.
pub(super) fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(at: &Path, name: &str, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &name, found);
            } else if name.ends_with(".rs") {
                found.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), folder, &mut found);
    found.sort();
    found
}

/// The tests of a file by name: a function under an attribute that makes it one.
fn tests_of(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((before, after)) = line.split_once("fn ") {
            let plain = before.split_whitespace().all(|word| ["pub", "async", "pub(crate)"].contains(&word));
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if marked && plain {
                found.insert(name);
            }
            marked = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") && !line.is_empty() {
            marked = false;
        }
    }
    found
}

/// The tests of the chart's Python: `helm/tests/FILE.py::Class::test_name`.
fn of_the_chart() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/tests");
    for file in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("test_") && name.ends_with(".py")) {
            continue;
        }
        let mut class = "";
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            if let Some(named) = line.strip_prefix("class ") {
                class = named.split('(').next().unwrap();
            } else if let Some(test) = line.strip_prefix("    def test_") {
                all.insert(format!("helm/tests/{name}::{class}::test_{}", test.split('(').next().unwrap()));
            }
        }
    }
    all
}

/// Every test as the runner names it: `module::of::file::name` (of the library with `tests` between).
fn tests() -> BTreeSet<String> {
    let mut all = of_the_chart();
    assert!(all.len() > 40, "{} tests of the chart were found", all.len());
    for folder in ["src", "tests/it"] {
        for (path, text) in sources(folder) {
            let inner = path.strip_prefix(folder).unwrap().trim_start_matches('/').trim_end_matches(".rs");
            let module = inner.trim_end_matches("/mod").replace('/', "::");
            let nested = folder == "src" && !module.ends_with("tests");
            let module = if nested { format!("{module}::tests") } else { module };
            all.extend(tests_of(&text).into_iter().map(|name| format!("{module}::{name}")));
        }
    }
    all
}

/// Rows of the tables by the threat's number: cells behind it.
fn rows(text: &str) -> BTreeMap<u32, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with("| T")) {
        let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|c| c.trim().to_string()).collect();
        let number = cells[0].trim_start_matches('T').parse().unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(cells.len(), 4, "number, threat, control, proof: {line}");
        assert!(rows.insert(number, cells[1..].to_vec()).is_none(), "T{number} twice");
    }
    rows
}

#[test]
fn every_threat_has_a_test_that_exists() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
    let (rows, tests) = (rows(&text), tests());
    assert!(tests.len() > 500, "{} tests were found", tests.len());
    let mut wrong = Vec::new();
    let mut named = 0;
    for number in 1..=38 {
        let Some([threat, control, proof]) = rows.get(&number).map(|r| [&r[0], &r[1], &r[2]]) else {
            wrong.push(format!("T{number} is missing"));
            continue;
        };
        if threat.is_empty() || control.is_empty() {
            wrong.push(format!("T{number} says nothing"));
        }
        let proofs: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        // Not everything is a test's to prove: such a row says who does, or which room brings it.
        let said = ["later:", "review:", "`make ", "page:"].iter().any(|word| proof.contains(word));
        if proofs.is_empty() && !said {
            wrong.push(format!("T{number} has no proof"));
        }
        for test in proofs.into_iter().filter(|p| p.contains("::")) {
            named += 1;
            if !tests.contains(test) {
                wrong.push(format!("T{number}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(named > 60, "{named} tests are named");
}

#[test]
fn what_is_a_test_is_seen() {
    let text = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test(flavor = \"x\")]\n#[expect(x)]\nasync fn c() {}\n// fn d()\n    #[test]\n    fn e(x in 0..3) {}\n";
    assert_eq!(tests_of(text), ["a", "c", "e"].map(String::from).into());
    assert_eq!(rows("| T1 | a | b | `c::d` |\n| # | x |\n").into_keys().collect::<Vec<_>>(), [1]);
}
