//! One file per language: every milestone with everything known and with nothing known, alone and joined, and
//! which lines change (`-` gone, `+` new) when a fact is missing, alone, or another one. `ORDERWIRE_BLESS=1` writes them anew.

use orderwire::domain::channel::{Audience, Message};
use orderwire::words::{LOCALES, Words, built_in_milestones, sample};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/words")
}

#[test]
fn messages_read_as_they_were_approved() {
    let words = super::built_in();
    for locale in LOCALES {
        let path = folder().join(format!("{locale}.txt"));
        let text = story(&words, locale);
        if std::env::var_os("ORDERWIRE_BLESS").is_some() {
            std::fs::write(&path, &text).expect("the golden can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let line = golden.lines().zip(text.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
        assert!(
            golden == text,
            "{} differs from line {}; read the new text, then ORDERWIRE_BLESS=1\n golden: {:?}\n    now: {:?}",
            path.display(),
            line + 1,
            golden.lines().nth(line),
            text.lines().nth(line),
        );
    }
}

#[test]
fn every_golden_is_read() {
    for entry in std::fs::read_dir(folder()).expect("the folder of goldens") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(LOCALES.iter().any(|l| name == format!("{l}.txt")), "no test reads tests/golden/words/{name}");
    }
}

#[test]
fn files_and_list_agree() {
    for locale in LOCALES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates").join(locale);
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of words")
            .map(|e| e.expect("an entry").file_name().to_string_lossy().trim_end_matches(".toml").to_string())
            .collect();
        files.sort();
        let mut listed: Vec<String> = built_in_milestones().into_iter().map(String::from).collect();
        listed.extend(["chat", "note", "phrases", "staff"].map(String::from));
        listed.sort();
        assert_eq!(files, listed, "config/templates/{locale} against the list in src/words/built_in.rs");
    }
}

fn story(words: &Words, locale: &'static str) -> String {
    let mut out = String::new();
    let proofs = sample::proofs(locale);
    let find = |name: &str| proofs.iter().find(|p| p.name == name).expect("a sample of this name");
    for milestone in built_in_milestones() {
        let subject = sample::subject(milestone);
        let say = |proof: &sample::Sample, joined: &[&str], audience| {
            let mut telling = proof.telling(milestone, joined, &subject);
            telling.audience = audience;
            shown(&words.render(&telling).expect("it renders"))
        };
        writeln!(out, "════ {milestone} ════").expect("a String takes all");
        for base in ["full", "bare"] {
            let whole = say(find(base), &[], Audience::Customer);
            writeln!(out, "\n── {base}\n{whole}").expect("a String takes all");
            for joined in sample::joins(milestone).iter().filter(|j| !j.is_empty()) {
                let text = say(find(base), joined, Audience::Customer);
                writeln!(out, "── {base} + {}\n{text}", joined.join(" + ")).expect("a String takes all");
            }
            let is_of = |name: &str| (base == "bare") == (name.starts_with("only ") || name.starts_with("bare"));
            for proof in proofs.iter().filter(|p| is_of(&p.name)) {
                let changed = changes(&whole, &say(proof, &[], Audience::Customer));
                if !changed.is_empty() {
                    writeln!(out, "·· {}\n{changed}", proof.name).expect("a String takes all");
                }
            }
        }
        for base in ["full", "bare"] {
            for joined in sample::joins(milestone) {
                let mut telling = find(base).telling(milestone, joined, &subject);
                telling.section = "sms";
                let text = words.render(&telling).expect("it renders").extra["text"].clone();
                let besides = if joined.is_empty() { String::new() } else { format!(" + {}", joined.join(" + ")) };
                writeln!(out, "\n── {base}{besides}, by SMS\n{}", text.as_str().unwrap_or_default())
                    .expect("a String takes all");
            }
        }
        for base in ["full", "bare"] {
            writeln!(out, "\n── {base}, to staff\n{}", say(find(base), &[], Audience::Staff))
                .expect("a String takes all");
        }
        out.push('\n');
    }
    out
}

/// The lines that are gone and the lines that are new.
fn changes(whole: &str, other: &str) -> String {
    let lacks = |text: &str, line: &str| !line.is_empty() && !text.lines().any(|l| l == line);
    let gone = whole.lines().filter(|l| lacks(other, l)).map(|l| format!("   - {l}\n"));
    let new = other.lines().filter(|l| lacks(whole, l)).map(|l| format!("   + {l}\n"));
    gone.chain(new).collect()
}

fn shown(message: &Message) -> String {
    let mut text = format!("【{}】\n", message.title);
    if !message.body.is_empty() {
        writeln!(text, "{}", message.body).expect("a String takes all");
    }
    for button in &message.buttons {
        writeln!(text, "[ {} ] {}", button.label, button.url).expect("a String takes all");
    }
    text
}
