//! From files to words that are proven: read, compiled, names checked, rendered against sample orders.

use super::built_in::SHARED;
use super::chat::{self, ChatText};
use super::env::{Absent, environment, explain, without_tag_lines};
use super::facts::facts;
use super::file::{RawPart, RawSection, RawSheet, Reader, nearest};
use super::note::{self, NoteText};
use super::sheet::{ButtonText, Part, Section, Sheet, Text, Tree};
use super::value::{Use, names};
use super::{Mistake, Shared, Words, built_in, locale, sample};
use crate::domain::milestone::Subject;
use minijinja::Environment;
use minijinja::value::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Reads the built-in words and lays the files under `dir` over them.
pub(super) fn load(dir: Option<&Path>, milestones: &[&str], sections: &[&str]) -> Result<Words, Vec<Mistake>> {
    let mut reader = Reader { kinds: sections, mistakes: Vec::new() };
    let mut files = dir.map(|d| files(d, milestones, &mut reader)).unwrap_or_default();
    let mut loader = Loader::new();
    for language in locale::ALL {
        loader.language(language, milestones, &mut files, &mut reader);
    }
    let mut mistakes = reader.mistakes;
    mistakes.append(&mut loader.mistakes);
    let Loader { text, url, sheets, shared, chat, note, .. } = loader;
    let words = Words { text, url, sheets, shared, chat, note };
    // Proof needs words that compile: what else is wrong would only be said twice.
    if mistakes.is_empty() {
        mistakes = words.prove(|sheet| sheet.own);
    }
    if mistakes.is_empty() { Ok(words) } else { Err(mistakes) }
}

/// What the name of a file with a saved reply begins with.
pub(super) const SAVED: &str = "reply_";

/// A saved reply's own name.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

/// A shop's own file: where it lies, and its text.
struct Own {
    path: String,
    text: String,
}

type Files = HashMap<(&'static str, String), Own>;

/// All `<locale>/<name>.toml` under `dir`; folders and names that nothing will ever read are mistakes.
fn files(dir: &Path, milestones: &[&str], reader: &mut Reader<'_>) -> Files {
    let mut found = Files::new();
    for (path, name) in entries(dir, reader) {
        if !path.is_dir() {
            continue;
        }
        let Some(language) = locale::ALL.into_iter().find(|l| *l == name) else {
            let hint = nearest(&name, &locale::ALL).map(|l| format!("; did you mean {l}?")).unwrap_or_default();
            let known = locale::ALL.join(", ");
            let message = format!("words exist in {known}, and `{name}` is none of them{hint}");
            reader.wrong(&path.display().to_string(), "", message);
            continue;
        };
        for (path, file_name) in entries(&path, reader) {
            let Some(name) = file_name.strip_suffix(".toml") else { continue };
            let shown = path.display().to_string();
            let known: Vec<&str> = milestones.iter().copied().chain(SHARED).collect();
            let saved = name.strip_prefix(SAVED).is_some_and(is_name);
            if !known.contains(&name) && !saved {
                let hint = nearest(name, &known).map(|l| format!("; did you mean {l}.toml?")).unwrap_or_default();
                reader.wrong(&shown, "", format!("there is no milestone `{name}`{hint}"));
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    found.insert((language, name.to_string()), Own { path: shown, text });
                }
                Err(e) => reader.wrong(&shown, "", format!("it cannot be read: {e}")),
            }
        }
    }
    found
}

fn entries(dir: &Path, reader: &mut Reader<'_>) -> Vec<(std::path::PathBuf, String)> {
    let listed = std::fs::read_dir(dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut all: Vec<_> = match listed {
        Ok(entries) => entries.into_iter().map(|e| (e.path(), e.file_name().to_string_lossy().into_owned())).collect(),
        Err(e) => {
            reader.wrong(&dir.display().to_string(), "", format!("the folder of words cannot be read: {e}"));
            Vec::new()
        }
    };
    all.retain(|(_, name)| !name.starts_with('.'));
    all.sort();
    all
}

struct Loader {
    text: Environment<'static>,
    url: Environment<'static>,
    known: Vec<String>,
    /// Phrases that the texts compiled since it was last taken speak of.
    phrases_used: BTreeSet<String>,
    sheets: HashMap<&'static str, BTreeMap<String, Sheet>>,
    shared: HashMap<&'static str, Shared>,
    chat: HashMap<&'static str, chat::Texts>,
    note: HashMap<&'static str, note::Texts>,
    mistakes: Vec<Mistake>,
}

/// Where a text comes from: its file as engines know it, and as people know it.
#[derive(Clone, Copy)]
struct Origin<'a> {
    id: &'a str,
    path: &'a str,
}

impl Loader {
    fn new() -> Loader {
        let mut known = known_names();
        known.extend(["phrases", "also", "what"].map(String::from));
        Loader {
            text: environment(Absent::Refused),
            url: environment(Absent::Empty),
            known,
            phrases_used: BTreeSet::new(),
            sheets: HashMap::new(),
            shared: HashMap::new(),
            chat: HashMap::new(),
            note: HashMap::new(),
            mistakes: Vec::new(),
        }
    }

    fn language(&mut self, language: &'static str, milestones: &[&str], files: &mut Files, reader: &mut Reader<'_>) {
        let own_shared = SHARED.iter().any(|name| files.contains_key(&(language, (*name).to_string())));
        let phrases = self.phrases(language, files, reader);
        let (staff, path, _) = self.sheet_of(language, "staff", files, reader);
        let id = format!("{language}/staff.toml");
        let staff = self.part(Origin { id: &id, path: &path }, "", staff.main);
        let staff_phrases = std::mem::take(&mut self.phrases_used);
        self.shared.insert(language, Shared { phrases, staff });
        let chat = self.chat(language, files, reader);
        self.chat.insert(language, chat);
        let note = self.note(language, files, reader);
        self.note.insert(language, note);
        let mut sheets = BTreeMap::new();
        for milestone in milestones {
            let (raw, path, own) = self.sheet_of(language, milestone, files, reader);
            let id = format!("{language}/{milestone}.toml");
            self.phrases_used = staff_phrases.clone();
            if let Some(sheet) = self.sheet(Origin { id: &id, path: &path }, language, own || own_shared, raw) {
                sheets.insert((*milestone).to_string(), sheet);
            }
        }
        sheets.extend(self.saved(language, files, reader));
        self.sheets.insert(language, sheets);
    }

    /// Replies that people send by their name: each a file of the shop's own, in the languages it is written in.
    fn saved(&mut self, language: &'static str, files: &mut Files, reader: &mut Reader<'_>) -> Vec<(String, Sheet)> {
        let mut names: Vec<String> = files
            .keys()
            .filter(|(l, name)| *l == language && name.starts_with(SAVED))
            .map(|(_, n)| n.clone())
            .collect();
        names.sort();
        let mut saved = Vec::new();
        for name in names {
            let (mut raw, path, own) = self.sheet_of(language, &name, files, reader);
            let id = format!("{language}/{name}.toml");
            // What stands in lists; a reply itself is its body alone.
            raw.name = raw.name.or_else(|| name.strip_prefix(SAVED).map(String::from));
            raw.main.title = raw.main.title.or_else(|| raw.name.clone());
            self.phrases_used.clear();
            saved.extend(self.sheet(Origin { id: &id, path: &path }, language, own, raw).map(|sheet| (name, sheet)));
        }
        saved
    }

    /// The built-in file with the shop's own laid over it, its path for errors, and whether one was.
    fn sheet_of(
        &self,
        language: &'static str,
        name: &str,
        files: &mut Files,
        reader: &mut Reader<'_>,
    ) -> (RawSheet, String, bool) {
        let id = format!("{language}/{name}.toml");
        let base = built_in::text(language, name).map(|text| reader.sheet(&id, text)).unwrap_or_default();
        match files.remove(&(language, name.to_string())) {
            Some(own) => (reader.sheet(&own.path, &own.text).over(base), own.path, true),
            None => (base, id, false),
        }
    }

    fn phrases(&mut self, language: &'static str, files: &mut Files, reader: &mut Reader<'_>) -> Vec<(String, Text)> {
        let id = format!("{language}/phrases.toml");
        let mut raw = built_in::text(language, "phrases").map(|t| reader.phrases(&id, t)).unwrap_or_default();
        let mut path = id.clone();
        if let Some(own) = files.remove(&(language, "phrases".to_string())) {
            raw.extend(reader.phrases(&own.path, &own.text));
            path = own.path;
        }
        self.known.retain(|k| !k.starts_with("phrases."));
        let origin = Origin { id: &id, path: &path };
        let compiled: Vec<(String, Text)> =
            raw.into_iter().filter_map(|(key, text)| Some((key.clone(), self.compile(origin, &key, text)?))).collect();
        self.known.extend(compiled.iter().map(|(key, _)| format!("phrases.{key}")));
        compiled
    }

    /// What is answered in a chat: other names than those of an order's words.
    fn chat(&mut self, language: &'static str, files: &mut Files, reader: &mut Reader<'_>) -> chat::Texts {
        let file = (language, "chat", &ChatText::ALL.map(ChatText::key)[..]);
        let (raw, path) = self.short_texts(file, files, reader);
        let id = format!("{language}/chat.toml");
        let all = ChatText::ALL.map(|text| (text, text.key()));
        self.short(Origin { id: &id, path: &path }, (&chat::NAMES, raw), &all, chat::prove)
    }

    /// What is written to an order at its shop.
    fn note(&mut self, language: &'static str, files: &mut Files, reader: &mut Reader<'_>) -> note::Texts {
        let file = (language, "note", &NoteText::ALL.map(NoteText::key)[..]);
        let (raw, path) = self.short_texts(file, files, reader);
        let id = format!("{language}/note.toml");
        let all = NoteText::ALL.map(|text| (text, text.key()));
        self.short(Origin { id: &id, path: &path }, (&note::NAMES, raw), &all, note::prove)
    }

    /// A file of single texts with the shop's own laid over it, and its path for errors.
    fn short_texts(
        &self,
        (language, name, known): (&'static str, &str, &[&str]),
        files: &mut Files,
        reader: &mut Reader<'_>,
    ) -> (BTreeMap<String, String>, String) {
        let id = format!("{language}/{name}.toml");
        let mut raw = built_in::text(language, name).map(|t| reader.phrases(&id, t)).unwrap_or_default();
        let Some(own) = files.remove(&(language, name.to_string())) else { return (raw, id) };
        let own_raw = reader.phrases(&own.path, &own.text);
        for key in own_raw.keys().filter(|key| !known.contains(&key.as_str())) {
            reader.unknown(&own.path, key, key, known);
        }
        raw.extend(own_raw);
        (raw, own.path)
    }

    /// Compiles single texts, which have names of their own, and proves them.
    fn short<T: Ord + Copy>(
        &mut self,
        origin: Origin<'_>,
        (names, mut raw): (&[&str], BTreeMap<String, String>),
        all: &[(T, &'static str)],
        prove: fn(&Environment<'static>, &Text) -> Vec<String>,
    ) -> BTreeMap<T, Text> {
        let order_names = std::mem::replace(&mut self.known, names.iter().map(ToString::to_string).collect());
        let mut texts = BTreeMap::new();
        for (text, key) in all {
            let Some(compiled) = self.compile(origin, key, raw.remove(*key).unwrap_or_default()) else { continue };
            for problem in prove(&self.text, &compiled) {
                self.wrong(origin, key, problem);
            }
            texts.insert(*text, compiled);
        }
        self.known = order_names;
        texts
    }

    fn sheet(&mut self, origin: Origin<'_>, language: &str, own: bool, raw: RawSheet) -> Option<Sheet> {
        if raw.main.title.is_none() && raw.main.body.is_none() && raw.name.is_none() {
            self.wrong(origin, "", "this milestone has no words; write `name`, `title` and `body`".into());
            return None;
        }
        for (key, missing) in [("name", raw.name.is_none()), ("title", raw.main.title.is_none())] {
            if missing {
                self.wrong(origin, key, format!("a milestone needs a `{key}`, and none is built in"));
            }
        }
        let name = raw.name.unwrap_or_default();
        let also = raw.also.unwrap_or_else(|| format!("{name}{}", locale::full_stop(language)));
        let also = self.compile(origin, "also", also)?;
        let main = self.part(origin, "", raw.main);
        let staff = self.part(origin, "staff.", raw.staff);
        let sections =
            raw.sections.into_iter().map(|(kind, s)| (kind.clone(), self.section(origin, &kind, s))).collect();
        let phrases = std::mem::take(&mut self.phrases_used);
        Some(Sheet { origin: origin.path.to_string(), own, name, also, main, staff, sections, phrases })
    }

    fn part(&mut self, origin: Origin<'_>, place: &str, raw: RawPart) -> Part {
        let title = raw.title.and_then(|t| self.compile(origin, &format!("{place}title"), t));
        let body = raw.body.and_then(|t| self.compile(origin, &format!("{place}body"), t));
        let buttons = raw.buttons.map(|list| {
            let mut buttons = Vec::new();
            for (i, raw) in list.into_iter().enumerate() {
                let label = self.compile(origin, &format!("{place}button[{i}].label"), raw.label);
                let url = self.compile_url(origin, &format!("{place}button[{i}].url"), raw.url);
                if let (Some(label), Some(url)) = (label, url) {
                    buttons.push(ButtonText { label, url });
                }
            }
            buttons
        });
        Part { title, body, buttons }
    }

    fn section(&mut self, origin: Origin<'_>, kind: &str, raw: RawSection) -> Section {
        let part = self.part(origin, &format!("{kind}."), raw.part);
        let mut extra = BTreeMap::new();
        for (key, value) in &raw.extra {
            if let Some(tree) = self.tree(origin, &format!("{kind}.{key}"), value) {
                extra.insert(key.clone(), tree);
            }
        }
        Section { part, extra, raw: raw.extra }
    }

    fn tree(&mut self, origin: Origin<'_>, place: &str, value: &Json) -> Option<Tree> {
        Some(match value {
            Json::String(text) => Tree::Text(self.compile(origin, place, text.clone())?),
            Json::Array(list) => Tree::List(
                list.iter().enumerate().filter_map(|(i, v)| self.tree(origin, &format!("{place}[{i}]"), v)).collect(),
            ),
            Json::Object(table) => Tree::Table(
                table
                    .iter()
                    .filter_map(|(k, v)| Some((k.clone(), self.tree(origin, &format!("{place}.{k}"), v)?)))
                    .collect(),
            ),
            plain => Tree::Plain(plain.clone()),
        })
    }

    fn compile(&mut self, origin: Origin<'_>, key: &str, source: String) -> Option<Text> {
        let id = format!("{}:{key}", origin.id);
        let added = self.text.add_template_owned(id.clone(), without_tag_lines(&source));
        self.compiled(origin, key, id, added, false)
    }

    fn compile_url(&mut self, origin: Origin<'_>, key: &str, source: String) -> Option<Text> {
        let id = format!("{}:{key}", origin.id);
        let added = self.url.add_template_owned(id.clone(), source);
        self.compiled(origin, key, id, added, true)
    }

    fn compiled(
        &mut self,
        origin: Origin<'_>,
        key: &str,
        id: String,
        added: Result<(), minijinja::Error>,
        url: bool,
    ) -> Option<Text> {
        let env = if url { &self.url } else { &self.text };
        let used = added.and_then(|()| env.get_template(&id).map(|t| t.undeclared_variables(true)));
        let used = match used {
            Ok(used) => used,
            Err(e) => {
                let message = explain(&e);
                self.wrong(origin, key, message);
                return None;
            }
        };
        let mut problems: Vec<String> = used.iter().filter_map(|n| unknown_name(n, &self.known, env)).collect();
        problems.sort();
        for problem in problems {
            self.wrong(origin, key, problem);
        }
        let phrase = |n: &String| Some(n.strip_prefix("phrases.")?.split('.').next()?.to_string());
        self.phrases_used.extend(used.iter().filter_map(phrase));
        if used.contains("phrases") {
            // Looked up by a name that only rendering knows: it may be any of them.
            self.phrases_used.extend(self.known.iter().filter_map(phrase));
        }
        let speaks_of_joined = used.iter().any(|n| n == "joined" || n == "also");
        Some(Text { id, speaks_of_joined })
    }

    fn wrong(&mut self, origin: Origin<'_>, key: &str, message: String) {
        self.mistakes.push(Mistake { file: origin.path.into(), key: key.into(), message });
    }
}

/// What is wrong with a dotted name, if words do not know it.
pub(super) fn unknown_name(name: &str, known: &[String], env: &Environment<'_>) -> Option<String> {
    let has = |n: &str| known.iter().any(|k| k == n);
    let group = |n: &str| known.iter().any(|k| k.strip_prefix(n).is_some_and(|rest| rest.starts_with('.')));
    if has(name) || env.globals().any(|(g, _)| g == name.split('.').next().unwrap_or(name)) {
        return None;
    }
    // What follows the name of a single fact is a method or an entry of it; rendering proves those.
    let mut parent = name;
    while let Some((front, _)) = parent.rsplit_once('.') {
        if has(front) && !group(front) {
            return None;
        }
        parent = front;
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = nearest(name, &names).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
    Some(format!("words do not know `{name}`{hint}"))
}

fn known_names() -> Vec<String> {
    let sample = sample::full("en");
    let telling = sample.telling("order_placed", &[], &Subject::Order);
    facts(&telling, Use::Words).map(|f| names(&Value::from_object(f))).unwrap_or_default()
}
