//! What lies in `src/platform`, `src/milestone` and `src/channel` is in their lists, has its golden cases and,
//! where it speaks, its words in every language. So that a kind cannot be forgotten half-way.

use orderwire::{channel, milestone, platform};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files of a room that are no kinds: they help the kinds.
const HELPERS: &[(&str, &[&str])] = &[
    ("platform", &["api", "meta", "settings"]),
    ("milestone", &["story"]),
    (
        "channel",
        &[
            "account",
            "ask",
            "hook",
            "line_api",
            "media",
            "meta",
            "setup",
            "sms",
            "text",
            "twilio",
            "whatsapp_rules",
            "wire",
        ],
    ),
];
/// Languages in which every milestone can be told.
const LOCALES: [&str; 4] = ["en", "zh-TW", "zh-CN", "vi"];

/// Names in a folder; none where there is no such folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned()).collect()
}

/// Modules of a room, a file or a folder each, without `mod.rs` and the helpers.
fn modules(root: &Path, room: &str) -> BTreeSet<String> {
    let helpers = HELPERS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, helpers)| helpers);
    names(&root.join("src").join(room))
        .into_iter()
        .filter_map(|name| match name.strip_suffix(".rs") {
            Some(module) => Some(module.to_string()),
            None => root.join("src").join(room).join(&name).is_dir().then_some(name),
        })
        .filter(|name| name != "mod" && !helpers.contains(&name.as_str()))
        .collect()
}

/// Everything wrong with a room whose list has these kinds.
fn faults(root: &Path, room: &str, listed: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let kinds: BTreeSet<String> = listed.iter().map(|k| (*k).to_string()).collect();
    if kinds.len() != listed.len() {
        faults.push(format!("src/{room}: a name is twice in ALL"));
    }
    let modules = modules(root, room);
    for module in modules.difference(&kinds) {
        faults.push(format!("src/{room}/{module} is not in ALL; add `&{module}::KIND,` to src/{room}/mod.rs"));
    }
    for kind in kinds.difference(&modules) {
        faults.push(format!("src/{room}: ALL has `{kind}`, and there is no file of that name"));
    }
    let golden = root.join("tests/golden").join(room);
    for kind in &kinds {
        // A case is a file, or a folder with something in it.
        let home = golden.join(kind);
        let cases =
            names(&home).into_iter().filter(|case| home.join(case).is_file() || !names(&home.join(case)).is_empty());
        if cases.count() == 0 {
            faults.push(format!("tests/golden/{room}/{kind} has no case"));
        }
    }
    for stray in names(&golden).difference(&kinds) {
        faults.push(format!("tests/golden/{room}/{stray} belongs to no kind in ALL"));
    }
    faults
}

/// Milestones that cannot be told in one of the languages.
fn wordless(root: &Path, milestones: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let templates = root.join("config/templates");
    for locale in LOCALES {
        let files = names(&templates.join(locale));
        for milestone in milestones.iter().filter(|m| !files.contains(&format!("{m}.toml"))) {
            faults.push(format!("config/templates/{locale}/{milestone}.toml is missing"));
        }
    }
    faults
}

#[test]
fn every_kind_is_listed_and_has_its_cases_and_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let milestones: Vec<&str> = milestone::ALL.iter().map(|m| m.id).collect();
    let mut all = faults(root, "platform", &platform::ALL.iter().map(|k| k.name).collect::<Vec<_>>());
    all.extend(faults(root, "milestone", &milestones));
    all.extend(faults(root, "channel", &channel::ALL.iter().map(|k| k.name).collect::<Vec<_>>()));
    all.extend(wordless(root, &milestones));
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[cfg(test)]
mod the_test_itself {
    use super::*;
    use std::path::PathBuf;

    /// A project of this test's own, gone afterwards.
    struct Project(PathBuf);

    impl Project {
        fn new(name: &str, files: &[&str]) -> Project {
            let root = std::env::temp_dir().join(format!("orderwire-registries-{name}-{}", std::process::id()));
            for file in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
            Project(root)
        }
    }

    impl Drop for Project {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_whole_kind_passes() {
        let project = Project::new(
            "whole",
            &[
                "src/channel/mod.rs",
                "src/channel/wire.rs",
                "src/channel/meta.rs",
                "src/channel/line/mod.rs",
                "src/channel/line/flex.rs",
                "src/channel/zalo.rs",
                "tests/golden/channel/line/plain/message.json",
                "tests/golden/channel/zalo/plain/message.json",
            ],
        );
        assert_eq!(faults(&project.0, "channel", &["line", "zalo"]), [""; 0]);
    }

    #[test]
    fn whatever_is_forgotten_is_named() {
        let project = Project::new(
            "half",
            &[
                "src/channel/mod.rs",
                "src/channel/unlisted.rs",
                "src/channel/uncased.rs",
                "src/channel/empty.rs",
                "tests/golden/channel/gone/plain/message.json",
            ],
        );
        fs::create_dir_all(project.0.join("tests/golden/channel/empty/case")).unwrap();
        let found = faults(&project.0, "channel", &["uncased", "empty", "fileless", "empty"]);
        let wanted = [
            "a name is twice",
            "src/channel/unlisted is not in ALL",
            "ALL has `fileless`",
            "channel/empty has no case",
            "channel/fileless has no case",
            "channel/uncased has no case",
            "channel/gone belongs to no kind",
        ];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{found} is not {wanted}");
        }
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        // `wire` helps channels only.
        let project = Project::new("helper", &["src/platform/mod.rs", "src/platform/wire.rs"]);
        assert_eq!(faults(&project.0, "platform", &[]).len(), 1);
    }

    #[test]
    fn missing_words_are_named() {
        let files = ["en", "zh-TW", "vi"].map(|l| format!("config/templates/{l}/shipped.toml"));
        let project = Project::new("words", &files.each_ref().map(String::as_str));
        assert_eq!(wordless(&project.0, &["shipped"]), ["config/templates/zh-CN/shipped.toml is missing"]);
        assert_eq!(wordless(&project.0, &["delivered"]).len(), 4);
    }
}
