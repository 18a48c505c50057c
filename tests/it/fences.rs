//! The fences between rooms: who may use whom, and how long a file may be.
//!
//! The rules stand where people read them, in each room's `mod.rs` (`//! May use: …`). This test reads that
//! very line, so that it cannot say one thing and mean another.

mod lexer;
mod paths;

use paths::Way;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms by floor. A room may use rooms on floors below its own, never one beside it.
const FLOORS: &[(&str, u8)] = &[
    ("seal", 0),
    ("domain", 0),
    ("platform", 1),
    ("milestone", 1),
    ("plan", 1),
    ("words", 1),
    ("channel", 1),
    ("store", 1),
    ("spool", 1),
    ("config", 1),
    ("telemetry", 1),
    ("flow", 2),
    ("http", 3),
    ("pages", 3),
    ("boot", 4),
    ("cli", 5),
    ("mock", 5),
];
/// Beside each other, and allowed all the same: `orderwire mock` is a command.
const BESIDE: &[(&str, &str)] = &[("cli", "mock")];
/// Never, whatever the line says: an understudy that shares the actor's mistakes would not find them.
const NEVER: &[(&str, &str)] = &[("mock", "channel")];
/// Files at the top, which have no room's `mod.rs` to speak for them.
const TOP: &[(&str, &str)] = &[("boot", "all but cli"), ("main", "all"), ("lib", "nothing")];
/// Lines of a file, tests included.
const LONGEST: usize = 500;
/// What the head of a room's `mod.rs` says, in this order.
const HEAD: [&str; 4] = ["Knows: ", "Must not know: ", "May use: ", "How to add one: "];

/// A file: its path from the project's folder, with `/`, and its text.
type File = (String, String);

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The room that a file belongs to (`src/store/lua.rs`, `src/boot.rs`), and how many modules deep it is.
fn place(path: &str) -> Option<(String, usize)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let steps: Vec<&str> = inner.split('/').collect();
    let (room, last) = (steps.first()?, steps.last()?);
    let depth = if *last == "mod" { steps.len() - 1 } else { steps.len() };
    // The roots of library and binary are the crate itself.
    let depth = if ["lib", "main"].contains(&inner) { 0 } else { depth };
    Some(((*room).to_string(), depth))
}

/// What a `May use:` line allows. `all but …` is cut down by the floors.
fn allowed(line: &str) -> Result<BTreeSet<String>, String> {
    let all = || FLOORS.iter().map(|(room, _)| (*room).to_string());
    let line = line.trim().trim_end_matches('.');
    if line == "nothing" {
        return Ok(BTreeSet::new());
    }
    if line == "all" {
        return Ok(all().collect());
    }
    if let Some(but) = line.strip_prefix("all but ") {
        let but: Vec<&str> = but.split(", ").collect();
        return Ok(all().filter(|room| !but.contains(&room.as_str())).collect());
    }
    let mut rooms = BTreeSet::new();
    for name in line.split(',').map(|n| n.trim().trim_matches('`')) {
        match name.strip_prefix("floor ").map(str::parse::<u8>) {
            Some(Ok(number)) => rooms.extend(FLOORS.iter().filter(|(_, f)| *f == number).map(|(r, _)| r.to_string())),
            _ if floor(name).is_some() => drop(rooms.insert(name.to_string())),
            _ => return Err(format!("`May use:` names `{name}`, which is no room")),
        }
    }
    Ok(rooms)
}

/// The head of a room's `mod.rs`, and what it allows.
fn head(room: &str, text: &str, faults: &mut Vec<String>) -> BTreeSet<String> {
    let file = format!("src/{room}/mod.rs");
    let lines: Vec<&str> =
        text.lines().map_while(|l| l.strip_prefix("//!")).map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
    let opening = floor(room).map(|floor| format!("**{room}** — floor {floor}")).unwrap_or_default();
    if !lines.first().is_some_and(|l| l.strip_prefix(&opening).is_some_and(|rest| rest.starts_with([':', '.']))) {
        faults.push(format!("{file}: must open with `//! {opening}: …`"));
    }
    let mut from = 0;
    for word in HEAD {
        match lines.iter().skip(from).position(|l| l.strip_prefix(word).is_some_and(|rest| !rest.is_empty())) {
            Some(at) => from += at + 1,
            None => faults.push(format!("{file}: the head lacks `//! {word}…` (in the order {HEAD:?})")),
        }
    }
    let line = lines.iter().find_map(|l| l.strip_prefix("May use: ")).unwrap_or("nothing");
    allowed(line).unwrap_or_else(|fault| {
        faults.push(format!("{file}: {fault}"));
        BTreeSet::new()
    })
}

/// What each room allows itself.
fn rules(files: &[File], faults: &mut Vec<String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut rules = BTreeMap::new();
    let rooms: BTreeSet<(String, bool)> =
        files.iter().filter_map(|(path, _)| Some((place(path)?.0, path.matches('/').count() > 1))).collect();
    for (room, is_folder) in rooms {
        let top = TOP.iter().find(|(name, _)| *name == room);
        let rule = match (is_folder, top) {
            (false, Some((_, line))) => allowed(line).expect("our own lines can be read"),
            (false, None) => {
                faults.push(format!("src/{room}.rs: no room; put it into a folder with a `mod.rs`"));
                continue;
            }
            (true, _) => {
                if floor(&room).is_none() {
                    faults.push(format!("src/{room}: not on any floor; give it one in tests/it/fences.rs"));
                }
                let text = files.iter().find(|(p, _)| *p == format!("src/{room}/mod.rs")).map(|(_, t)| t.as_str());
                head(&room, text.unwrap_or_default(), faults)
            }
        };
        rules.entry(room).or_insert_with(BTreeSet::new).extend(rule);
    }
    rules
}

/// Everything wrong with a tree of files.
fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    let rules = rules(files, &mut faults);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files {
        faults.extend(length(path, text));
        let Some((room, depth)) = place(path) else { continue };
        if room == "lib" && lexer::tokens(text).iter().any(|(_, token)| token.is("use")) {
            faults.push(format!("{path}: nothing is re-exported at the root: whoever needs it names its room"));
        }
        for (line, way) in paths::ways(text, depth) {
            let fault = match way {
                Way::Hidden(why) => Some(why.to_string()),
                Way::Root(other) if other == room => None,
                Way::Root(other) => {
                    uses.entry(room.clone()).or_default().insert(other.clone());
                    refused(&room, &other, rules.get(&room))
                }
            };
            faults.extend(fault.map(|fault| format!("{path}:{line}: {fault}")));
        }
    }
    faults.extend(circle(&uses));
    faults
}

/// Why `room` may not use `other`.
fn refused(room: &str, other: &str, rule: Option<&BTreeSet<String>>) -> Option<String> {
    let Some(above) = floor(other) else {
        return Some(format!("crate::{other} is no room: nothing but rooms stands at the root of the crate"));
    };
    if NEVER.contains(&(room, other)) {
        return Some(format!("{room} must never use {other}"));
    }
    if !rule.is_some_and(|rule| rule.contains(other)) {
        return Some(format!("{room} may not use {other}; see `May use:` in src/{room}/mod.rs"));
    }
    // `main` is above every floor.
    let own = floor(room).unwrap_or(u8::MAX);
    let fits = above < own || BESIDE.contains(&(room, other));
    (!fits).then(|| format!("{room} (floor {own}) may not use {other} (floor {above}): only floors below"))
}

/// A way from a room through others back to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    fn walk<'a>(uses: &'a BTreeMap<String, BTreeSet<String>>, way: &mut Vec<&'a str>) -> Option<String> {
        let here = *way.last()?;
        for next in uses.get(here)? {
            if let Some(start) = way.iter().position(|room| room == next) {
                return Some(format!("a circle: {} → {next}", way.get(start..)?.join(" → ")));
            }
            way.push(next);
            let found = walk(uses, way);
            way.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }
    uses.keys().find_map(|room| walk(uses, &mut vec![room]))
}

fn length(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{path}: {lines} lines; at most {LONGEST}: take it apart"))
}

/// All Rust files below a folder of the project.
fn read(folder: &str, files: &mut Vec<File>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<fs::DirEntry> =
        fs::read_dir(root.join(folder)).and_then(Iterator::collect).expect("the folder can be read");
    names.sort_by_key(|e| e.file_name());
    for entry in names {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&name, files);
        } else if name.ends_with(".rs") {
            files.push((name, fs::read_to_string(entry.path()).expect("the file can be read")));
        }
    }
}

#[test]
fn the_house_keeps_its_fences() {
    let mut files = Vec::new();
    read("src", &mut files);
    read("tests", &mut files);
    assert!(files.len() > 30, "only {} files were found", files.len());
    let faults = faults(&files);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[cfg(test)]
mod the_test_itself {
    use super::*;

    const STORE: &str = "//! **store** — floor 1: Redis.\n//!\n//! Knows: keys.\n//! Must not know: HTTP.\n//! May use: domain, seal\n//! How to add one: a script.\n";
    const DOMAIN: &str = "//! **domain** — floor 0: words.\n//! Knows: a.\n//! Must not know: b.\n//! May use: nothing\n//! How to add one: c.\n";

    fn house(more: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![
            ("src/store/mod.rs", STORE.to_string()),
            ("src/domain/mod.rs", DOMAIN.to_string()),
            ("src/lib.rs", "pub mod store;\npub mod domain;\n".to_string()),
        ];
        for (path, text) in more {
            match files.iter_mut().find(|(p, _)| p == path) {
                Some(file) => file.1.push_str(text),
                None => files.push((path, (*text).to_string())),
            }
        }
        faults(&files.into_iter().map(|(p, t)| (p.to_string(), t)).collect::<Vec<_>>())
    }

    /// Exactly one fault, with these words.
    fn one(more: &[(&str, &str)], words: &str) {
        let faults = house(more);
        assert!(faults.len() == 1 && faults[0].contains(words), "wanted {words:?}, had {faults:#?}");
    }

    #[test]
    fn what_is_allowed_passes() {
        let good = "use crate::domain::{a, b::{c}};\nuse super::keys;\nfn f() { crate::store::g(); }\n// crate::flow\n";
        assert_eq!(house(&[("src/store/order.rs", good)]), [""; 0]);
        assert_eq!(
            house(&[("src/boot.rs", "use crate::store::Store;"), ("src/main.rs", "orderwire::boot::run();")]),
            [""; 0]
        );
    }

    #[test]
    fn a_room_keeps_to_its_line() {
        one(&[("src/store/order.rs", "use crate::channel::wire;")], "order.rs:1: store may not use channel");
        one(
            &[("src/store/order.rs", "\nuse crate::{\n    domain::a,\n    plan,\n};")],
            "order.rs:4: store may not use plan",
        );
        one(&[("src/store/mod.rs", "use super::flow::x;")], "store may not use flow");
        one(&[("src/store/mod.rs", "fn f() { let x = crate::http::door(); }")], "store may not use http");
        one(&[("src/domain/money.rs", "use crate::store::x;")], "domain may not use store");
        one(&[("src/store/a.rs", "use crate::Helper;")], "crate::Helper is no room");
        one(&[("src/store/a.rs", "mod tests { use super::super::b; }")], "super::super");
        one(&[("src/boot.rs", "use crate::cli::x;")], "boot may not use cli");
        one(&[("src/lib.rs", "pub use store::Store;")], "nothing is re-exported");
        one(&[("src/helpers.rs", "")], "src/helpers.rs: no room");
    }

    #[test]
    fn a_line_may_not_allow_a_room_beside() {
        let plan = "//! **plan** — floor 1: rules.\n//! Knows: a.\n//! Must not know: b.\n//! May use: domain, store\n//! How to add one: c.\nuse crate::store::x;\n";
        one(&[("src/plan/mod.rs", plan)], "plan (floor 1) may not use store (floor 1)");
        let mock = "//! **mock** — floor 5: understudies.\n//! Knows: a.\n//! Must not know: b.\n//! May use: domain, channel\n//! How to add one: c.\nuse crate::channel::x;\n";
        one(&[("src/mock/mod.rs", mock)], "mock must never use channel");
    }

    #[test]
    fn a_head_is_whole() {
        let headless = house(&[("src/plan/mod.rs", "//! plan\n")]);
        assert_eq!(headless.len(), 5, "{headless:#?}");
        one(
            &[("src/words/mod.rs", &DOMAIN.replace("**domain** — floor 0", "**words** — floor 2"))],
            "must open with `//! **words** — floor 1",
        );
        one(
            &[(
                "src/words/mod.rs",
                &DOMAIN.replace("**domain** — floor 0", "**words** — floor 1").replace("nothing", "dmain"),
            )],
            "`dmain`, which is no room",
        );
        one(&[("src/attic/mod.rs", &DOMAIN.replace("**domain** — floor 0", ":"))], "not on any floor");
    }

    #[test]
    fn circles_are_found() {
        let uses = |list: &[(&str, &str)]| {
            let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in list {
                uses.entry((*from).to_string()).or_default().insert((*to).to_string());
            }
            circle(&uses)
        };
        assert_eq!(uses(&[("a", "b"), ("b", "c"), ("c", "b")]), Some("a circle: b → c → b".into()));
        assert_eq!(uses(&[("a", "b"), ("a", "c"), ("b", "c")]), None);
    }

    #[test]
    fn lines_are_read_in_every_form() {
        assert_eq!(allowed("domain, seal, floor 2"), Ok(["domain", "flow", "seal"].map(String::from).into()));
        assert!(allowed("all but cli").is_ok_and(|r| r.contains("mock") && !r.contains("cli")));
        assert!(allowed("everything").is_err());
    }

    #[test]
    fn long_files_are_refused() {
        one(&[("src/store/long.rs", &"\n".repeat(501))], "501 lines");
        one(&[("tests/it/long.rs", &"\n".repeat(501))], "501 lines");
        assert_eq!(house(&[("src/store/long.rs", &"\n".repeat(500))]), [""; 0]);
    }
}
