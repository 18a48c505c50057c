//! Proof of words: every text is rendered against sample orders, with each fact there and not there.

use super::sheet::Sheet;
use super::{Mistake, Words, WordsFault, lint, sample};
use crate::domain::channel::{Audience, Message};
use crate::domain::milestone::Subject;
use serde_json::Value as Json;

impl Words {
    /// Every mistake that rendering all words against the sample orders shows. [`Words::load`] has done it
    /// for the files of a shop; the built-in words are proven by the tests.
    pub fn prove_all(&self) -> Vec<Mistake> {
        self.prove(|_| true)
    }

    pub(super) fn prove(&self, wanted: impl Fn(&Sheet) -> bool) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (language, sheets) in &self.sheets {
            if !sheets.values().any(&wanted) {
                continue;
            }
            let proofs = sample::proofs(language);
            for (milestone, sheet) in sheets.iter().filter(|(_, sheet)| wanted(sheet)) {
                let kinds = std::iter::once("").chain(sheet.sections.keys().map(String::as_str));
                for kind in kinds {
                    for proof in &proofs {
                        self.prove_one(sheet, milestone, kind, proof, &mut mistakes);
                    }
                }
            }
        }
        mistakes.sort_by(|a, b| (&a.file, &a.key).cmp(&(&b.file, &b.key)));
        mistakes.dedup_by(|a, b| (&a.file, &a.key) == (&b.file, &b.key));
        mistakes
    }

    fn prove_one(
        &self,
        sheet: &Sheet,
        milestone: &str,
        kind: &str,
        proof: &sample::Sample,
        mistakes: &mut Vec<Mistake>,
    ) {
        let mut told: Vec<(Subject, &[&str])> =
            sample::joins(milestone).iter().map(|joined| (sample::subject(milestone), *joined)).collect();
        told.push((Subject::Order, &[]));
        for (subject, joined) in told.iter().filter(|(_, j)| j.is_empty() || sample::is_whole(proof)) {
            // What may be joined depends on who loads; only what has words here can be tried.
            let joined: Vec<&str> = joined.iter().copied().filter(|m| self.knows(m)).collect();
            // Staff words differ by order only, not by what is joined.
            let audiences: &[Audience] =
                if joined.is_empty() { &[Audience::Customer, Audience::Staff] } else { &[Audience::Customer] };
            for audience in audiences {
                let mut telling = proof.telling(milestone, &joined, subject);
                telling.section = kind;
                telling.audience = *audience;
                let wrong = |key: &str, problem: &str| Mistake {
                    file: sheet.origin.clone(),
                    key: key.to_string(),
                    message: format!("{problem} (with the sample order \"{}\")", proof.name),
                };
                match self.render(&telling) {
                    Ok(message) => mistakes.extend(holes(&message).map(|(key, problem)| wrong(key, problem))),
                    Err(WordsFault::Unrenderable { file, key, problem }) => {
                        let mut mistake = wrong(&key, &problem);
                        // A phrase that fails stands in its own file.
                        if file.ends_with("phrases.toml") || file.ends_with("staff.toml") {
                            mistake.file = file;
                        }
                        mistakes.push(mistake);
                    }
                    Err(other) => mistakes.push(wrong("", &other.to_string())),
                }
            }
        }
    }
}

/// What a finished message shows of facts that were not there.
fn holes(message: &Message) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut found = Vec::new();
    let texts = [("title", message.title.as_str()), ("body", message.body.as_str())];
    let labels = message.buttons.iter().map(|b| ("button", b.label.as_str()));
    for (key, text) in texts.into_iter().chain(labels) {
        found.extend(lint::problem(text).map(|p| (key, p)));
    }
    if message.title.is_empty() {
        found.push(("title", "it renders to nothing; keep one sentence that needs no fact"));
    }
    for (key, value) in &message.extra {
        // Markup and structures of a vendor have their own blanks; only plain texts are judged.
        if let (Json::String(text), true) = (value, key == "text" || key == "subject") {
            let empty = text.trim().is_empty().then_some("it renders to nothing");
            found.extend(lint::problem(text).or(empty).map(|p| ("text", p)));
        }
    }
    found.into_iter()
}
