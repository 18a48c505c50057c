//! `docs/conformance.md`: what every kind makes of every fault, and what happens next, as the code has it.

use super::{accounts, properties};
use crate::channel::examples::example;
use crate::channel::golden::answer;
use crate::channel::stand_in::open_kind;
use orderwire::channel::Kind;
use orderwire::domain::channel::{Form, WindowRule};
use orderwire::domain::clock::{Timestamp, plus_secs};
use orderwire::domain::ids::{Digest8, Tag};
use orderwire::domain::milestone::Purpose;
use orderwire::domain::owed::{Owed, State};
use orderwire::domain::verdict::{Answer, Verdict};
use orderwire::flow::account::Account;
use orderwire::flow::outcome::{Sent, apply};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HEAD: &str = "# What channels make of faults

Written by a test (`channel::conformance::table`) from the code: the verdict of each kind on what its provider does, how
far it reaches, and what happens next to a message that was tried once. Two things hold for all: what was surely not taken
goes again, and what may have been taken is a doubt, which a receipt settles. A channel that fails again and again stands
still by itself, and its messages stay owed.

";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect();
    Answer::Reply { status, headers, body: body.as_bytes().to_vec() }
}

/// What can happen to any call over HTTP, and to mail the first two.
fn faults() -> Vec<(&'static str, Answer)> {
    vec![
        ("refused connection, name not found, TLS failed", Answer::NotSent("connection refused".into())),
        ("hangs, hangs up, or cuts the answer short", Answer::NoAnswer("timed out".into())),
        ("429 without a wait", reply(429, &[], "")),
        ("429 with a wait of 30 s", reply(429, &[("retry-after", "30")], "")),
        ("500 without the vendor's words", reply(500, &[], "")),
        ("a gateway's page under 502", reply(502, &[], "<html>")),
        ("a page under 200, an answer without end, unreadable bytes", reply(200, &[], "<html>")),
        ("a redirect", reply(307, &[("location", "https://elsewhere.example/")], "")),
        ("401 without the vendor's words", reply(401, &[], "")),
        ("404 without the vendor's words", reply(404, &[], "")),
    ]
}

fn now() -> Timestamp {
    "2026-11-25T08:00:00Z".parse().expect("a time")
}

/// An item whose first send was just begun.
fn begun() -> Owed {
    Owed {
        no: 1,
        milestone: Tag::NONE,
        subject: Digest8(0),
        route: Tag::NONE,
        slot: Tag::NONE,
        state: State::Begun,
        reason: None,
        attempts: 1,
        at: now(),
        not_before: now(),
        expires: plus_secs(now(), 86_400),
        channel: Tag::NONE,
        passed: 0,
        first_attempt: Some(now()),
        address: 0,
        follows: 0,
        within: 0,
        forced: false,
    }
}

/// Seconds in the largest unit that takes them whole.
fn span(secs: i64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let (size, word) = units.into_iter().find(|(size, _)| secs % size == 0).unwrap_or((1, "s"));
    format!("{} {word}", secs / size)
}

/// What becomes of it, by the very rules that move it.
fn next(account: &Account, verdict: &Verdict) -> String {
    let form = if account.caps.window == WindowRule::Seconds(0) { Form::Template } else { Form::Free };
    let moved = |purpose| {
        let mut item = begun();
        let sent = Sent { account, place: 0, form, purpose, again: false, probe: false, now: now() };
        let consequence = apply(&mut item, verdict, &sent);
        (item, consequence)
    };
    let ((item, consequence), (progress, _)) = (moved(Purpose::Formal), moved(Purpose::Status));
    let secs = |until: Timestamp| span(until.as_second() - now().as_second());
    match (item.state, progress.state) {
        (State::Sent, _) => "told".into(),
        (State::Dead, _) => "a person must correct it".into(),
        (State::Again, State::Again) => "again, under its key".into(),
        (State::Again, _) => "a record goes once more, progress never".into(),
        (State::Open, _) if consequence.again_now => match item.passed {
            0 => "decided anew at once".into(),
            _ => "the next channel, at once".into(),
        },
        (State::Open, _) => match (&consequence.pause, verdict) {
            (Some((until, _)), _) => format!("the account rests {}; all of its messages stay owed", secs(*until)),
            (None, Verdict::TryLater { after_secs: Some(0), .. }) => "decided anew at once".into(),
            (None, Verdict::TryLater { after_secs: Some(after), .. }) => {
                format!("again after {} or more", span(*after))
            }
            (None, _) if item.attempts == 0 => format!("again after {}", secs(item.not_before)),
            (None, _) => "again, with growing pauses".into(),
        },
        (state, _) => format!("{state:?}"),
    }
}

/// A word as it is written everywhere.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}

/// Verdict, reason, scope.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::TryLater { reason, scope, .. } | Verdict::Unreachable { reason, scope, .. } => {
            format!("{} · {} · {}", verdict.as_str(), word(reason), word(scope))
        }
        Verdict::Accepted { again: true, .. } => "accepted before".into(),
        _ => verdict.as_str().into(),
    }
}

/// The answers of the goldens of a kind, by the name of their case.
fn documented(kind: &Kind) -> BTreeMap<String, Answer> {
    let folder = root().join("tests/golden/channel").join(kind.name);
    let mut all = BTreeMap::new();
    for case in std::fs::read_dir(folder).expect("goldens") {
        let case = case.expect("a case");
        let text = std::fs::read_to_string(case.path().join("given.json")).expect("given.json");
        let given: Value = serde_json::from_str(&text).expect("JSON");
        if let Some(given) = given.get("answer") {
            let name = case.file_name().to_string_lossy().replace(['_', '-'], " ");
            all.insert(name.strip_prefix("answer ").unwrap_or(&name).to_string(), answer(given));
        }
    }
    all
}

fn document() -> String {
    let accounts: Vec<Account> =
        accounts().iter().map(|(kind, _)| Account::new("a".into(), kind, open_kind(kind, &example(kind)))).collect();
    let mut out = HEAD.to_string();
    out.push_str("## Any provider\n\n| fault | channels | verdict · reason · scope | next |\n|---|---|---|---|\n");
    for (fault, answer) in faults() {
        let mut rows: Vec<((String, String), Vec<&str>)> = Vec::new();
        for account in &accounts {
            // SMTP has no such answers.
            if matches!(answer, Answer::Reply { .. }) && properties(account.kind).contains("host") {
                continue;
            }
            let verdict = (account.kind.judge)(&answer);
            let row = (said(&verdict), next(account, &verdict));
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, kinds)) => kinds.push(account.kind.name),
                None => rows.push((row, vec![account.kind.name])),
            }
        }
        for ((verdict, next), kinds) in rows {
            out.push_str(&format!("| {fault} | {} | {verdict} | {next} |\n", kinds.join(", ")));
        }
    }
    for account in &accounts {
        out.push_str(&format!(
            "\n## {}\n\n| answer | verdict · reason · scope | next |\n|---|---|---|\n",
            account.kind.name
        ));
        for (case, answer) in documented(account.kind) {
            let verdict = (account.kind.judge)(&answer);
            out.push_str(&format!("| {case} | {} | {} |\n", said(&verdict), next(account, &verdict)));
        }
    }
    out
}

#[test]
fn the_documented_table_is_what_the_code_does() {
    let (file, found) = (root().join("docs/conformance.md"), document());
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        std::fs::write(&file, &found).expect("docs/conformance.md can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(found == written, "docs/conformance.md is out of date; GOLDEN_WRITE=1 writes it: {differs:?}");
}

/// Every kind has documented answers, and each of them is one of the five verdicts with a next step.
#[test]
fn no_kind_is_without_documented_answers() {
    for (kind, _) in accounts() {
        assert!(documented(kind).len() >= 5, "{}", kind.name);
    }
}
