//! The settings as a whole, from which each part takes its own table.

use super::check::{Found, Kind, Origins, check};
use super::place::{Path, Places, Step, key_of, parse};
use super::problem::{Problem, proposal};
use super::{overrides, read, schema, secrets, text};
use crate::domain::settings::{Mistake, Secret};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path as FilePath, PathBuf};

/// How a settings file is called that is not there.
const NO_FILE: &str = "(no settings file)";

/// The settings: file, environment and secrets, not yet given out. `Debug` shows nothing of them.
pub struct Document {
    tree: Map<String, Value>,
    places: Places,
    origins: Origins,
    /// Mistakes told, so that a part that stumbles over the same thing does not tell them again.
    told: Vec<Found>,
    /// Every secret, so that none gets into a part's own words.
    secrets: Vec<Secret>,
    taken: BTreeSet<String>,
    files: Vec<PathBuf>,
}

/// One entry of a list of tables, as its part's type.
pub struct Entry<T> {
    /// Its number in the list as written, from 0.
    pub index: usize,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// The entry itself.
    pub value: T,
}

/// One entry of a list of tables, for a part that is known by what the entry says (`kind`).
pub struct Table {
    /// Its number in the list as written, from 0.
    pub index: usize,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// What belongs to whoever asked, as text, by key: `kind`.
    pub common: BTreeMap<String, String>,
    /// What belongs to the part, secrets resolved, without `id` and `common`.
    pub value: Value,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(…)")
    }
}

impl<T> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}, {:?}, …)", self.index, self.id)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({}, {:?}, …)", self.index, self.id)
    }
}

impl Document {
    /// Reads the settings file at `path`, if any, with `env` over it ([`super::environment`]).
    ///
    /// # Errors
    /// The file cannot be read or is no TOML, or a variable names what cannot be set.
    pub fn load(path: Option<&FilePath>, env: &BTreeMap<String, String>) -> Result<Document, Vec<Problem>> {
        let Some(path) = path else { return Document::from_text(NO_FILE, "", env) };
        let name = path.to_string_lossy();
        let fault = |message: String| vec![Problem { file: name.to_string(), line: None, key: String::new(), message }];
        let bytes = std::fs::read(path).map_err(|e| {
            fault(format!("cannot be read ({}); `orderwire example` prints a file to start from", e.kind()))
        })?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let good = e.utf8_error().valid_up_to();
            let line = e.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
            fault(format!("is not UTF-8 text (line {line}); save it as UTF-8"))
        })?;
        let mut document = Document::from_text(&name, &text, env)?;
        document.files.insert(0, path.to_path_buf());
        Ok(document)
    }

    /// The same from a text; paths of secrets in it count from the folder of `name`.
    ///
    /// # Errors
    /// It is no TOML, or a variable names what cannot be set.
    pub fn from_text(name: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Document, Vec<Problem>> {
        let mut problems = Vec::new();
        let (mut tree, mut places) = text::parse(name, text, &mut problems);
        places.name_entries(&tree);
        let raws = overrides::apply(&mut tree, &mut places, env, &mut problems);
        places.name_entries(&tree);
        if !problems.is_empty() {
            problems.sort();
            return Err(problems);
        }
        let folder = FilePath::new(name).parent().unwrap_or(FilePath::new(""));
        let resolved = secrets::resolve(&mut tree, env, folder);
        let mut known = Vec::new();
        secret_texts(&tree, &mut known);
        let Value::Object(tree) = tree else { return Err(vec![places.problem(&[], "should be a table")]) };
        Ok(Document {
            tree,
            places,
            origins: Origins { raws, sources: resolved.sources },
            told: Vec::new(),
            secrets: known,
            taken: BTreeSet::new(),
            files: resolved.files,
        })
    }

    /// The settings file and the files of secrets: what to watch for changes.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Takes the table `[key]`; where it is absent, the part is read from an empty one. `None`: it has
    /// mistakes, all of them in `problems`.
    pub fn part<T: DeserializeOwned + JsonSchema>(&mut self, key: &str, problems: &mut Vec<Problem>) -> Option<T> {
        self.taken.insert(key.to_string());
        let value = self.tree.remove(key).unwrap_or_else(|| Value::Object(Map::new()));
        self.typed(value, key_of(&[], key), &schema::of(T::json_schema), problems)
    }

    /// Takes the tables `[[key]]`. Those with mistakes are missing from the result.
    pub fn parts<T: DeserializeOwned + JsonSchema>(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<Entry<T>> {
        let schema = schema::of(T::json_schema);
        let mut entries = Vec::new();
        for (index, id, value) in self.list(key, problems) {
            let path = key_of(&[], key).into_iter().chain([Step::Index(index)]).collect();
            if let Some(value) = self.typed(value, path, &schema, problems) {
                entries.push(Entry { index, id, value });
            }
        }
        entries
    }

    /// Takes the tables `[[key]]` for parts that read them by themselves. `common` are keys of the caller
    /// (text, all to be given: name and what it is for); `schema_of` gives the schema of the part that an
    /// entry belongs to, by its common keys, or says what is wrong with them. All entries come back, so that
    /// the part can add its own mistakes ([`Document::mistakes`]); those of the schema are in `problems`.
    pub fn tables(
        &mut self,
        key: &str,
        common: &[(&str, &str)],
        schema_of: impl Fn(&BTreeMap<String, String>) -> Result<Schema, Mistake>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Table> {
        let mut tables = Vec::new();
        for (index, id, mut value) in self.list(key, problems) {
            let path: Path = key_of(&[], key).into_iter().chain([Step::Index(index)]).collect();
            let mut own = BTreeMap::new();
            let mut found = Vec::new();
            if id.is_none() {
                found.push(absent(&path, "id", "the name by which everything else calls it"));
            }
            for (name, purpose) in common {
                match value.get(*name) {
                    Some(Value::String(text)) => drop(own.insert((*name).to_string(), text.clone())),
                    Some(_) => {
                        let message = "should be text in quotes".into();
                        found.push(Found { path: key_of(&path, name), kind: Kind::Wrong, message });
                    }
                    None => found.push(absent(&path, name, purpose)),
                }
            }
            if let Some(map) = value.as_object_mut() {
                map.remove("id");
                common.iter().for_each(|(name, _)| drop(map.remove(*name)));
            }
            if own.len() == common.len() {
                match schema_of(&own) {
                    Ok(schema) => found.extend(check(&mut value, &schema, &path, &self.origins)),
                    Err(mistake) => found.push(self.own(&path, mistake)),
                }
            }
            self.tell(found, problems);
            tables.push(Table { index, id, common: own, value });
        }
        tables
    }

    /// Gives a part's own mistakes their places: in the table `key`, or in entry `index` of the list `key`.
    /// What was told of the same key before is not told again.
    pub fn mistakes(
        &mut self,
        key: &str,
        index: impl Into<Option<usize>>,
        mistakes: Vec<Mistake>,
        problems: &mut Vec<Problem>,
    ) {
        let at: Path = key_of(&[], key).into_iter().chain(index.into().map(Step::Index)).collect();
        let mut new = Vec::new();
        for mistake in mistakes {
            let found = self.own(&at, mistake);
            let follows = |old: &Found| {
                found.path.starts_with(&old.path) || (old.kind != Kind::Unknown && old.path.starts_with(&found.path))
            };
            if !self.told.iter().any(follows) {
                new.push(found);
            }
        }
        self.tell(new, problems);
    }

    /// Ids of all entries of the list `key`, those with mistakes too: so that who refers to one of them is
    /// not told that it does not exist.
    pub fn ids(&self, key: &str) -> Vec<String> {
        let top = key_of(&[], key);
        let entries = self.places.entries(&top);
        entries.into_iter().map(|(_, id)| id.to_string()).collect()
    }

    /// The end: keys at the top that nobody took, besides the `known` ones that somebody else reads. Puts all
    /// problems in the order of the file.
    pub fn finish(self, known: &[&str], problems: &mut Vec<Problem>) {
        let names: Vec<&str> = self.taken.iter().map(String::as_str).chain(known.iter().copied()).collect();
        for key in self.tree.keys().filter(|key| !names.contains(&key.as_str())) {
            let message = format!("unknown key{}", proposal(key, &names));
            problems.push(self.places.problem(&key_of(&[], key), message));
        }
        problems.sort();
        problems.dedup();
    }

    /// Entries of the list `key` that are tables, each with its number and id.
    fn list(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<(usize, Option<String>, Value)> {
        self.taken.insert(key.to_string());
        let top = key_of(&[], key);
        let list = match self.tree.remove(key) {
            None => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => {
                let message = format!("there may be several of it: write [[{key}]], not [{key}]");
                problems.push(self.places.problem(&top, message));
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, value) in list.into_iter().enumerate() {
            let path: Path = top.iter().cloned().chain([Step::Index(index)]).collect();
            if !value.is_object() {
                problems.push(self.places.problem(&path, format!("should be a table: write [[{key}]]")));
                continue;
            }
            let id = value.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_string);
            if id.as_ref().is_some_and(|id| !seen.insert(id.clone())) {
                let message = "the id is used twice; every entry needs its own";
                problems.push(self.places.problem(&key_of(&path, "id"), message));
            }
            entries.push((index, id, value));
        }
        entries
    }

    fn typed<T: DeserializeOwned>(
        &mut self,
        mut value: Value,
        path: Path,
        schema: &Schema,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let mut found = check(&mut value, schema, &path, &self.origins);
        let part = match read::read(value, &path, &found) {
            Ok(part) => Some(part),
            Err(more) => {
                found.extend(more);
                None
            }
        };
        self.tell(found, problems);
        part
    }

    /// A part's mistake, at its place and without secrets.
    fn own(&self, at: &[Step], mistake: Mistake) -> Found {
        let path = at.iter().cloned().chain(parse(&mistake.key)).collect();
        let secrets = self.secrets.iter().map(Secret::expose).chain(self.origins.raws.values().map(String::as_str));
        let message = read::scrub(&mistake.message, secrets);
        Found { path, kind: Kind::Wrong, message }
    }

    fn tell(&mut self, found: Vec<Found>, problems: &mut Vec<Problem>) {
        problems.extend(found.iter().map(|f| self.places.problem(&f.path, f.message.clone())));
        self.told.extend(found);
    }
}

fn absent(path: &[Step], name: &str, purpose: &str) -> Found {
    let message = format!("missing, and it must be given: {purpose}");
    Found { path: key_of(path, name), kind: Kind::Missing, message }
}

fn secret_texts(value: &Value, secrets: &mut Vec<Secret>) {
    match value {
        Value::Object(map) => {
            if let Some(secret) = map.get(crate::domain::settings::SECRET_KEY).and_then(Value::as_str) {
                secrets.push(Secret::new(secret));
            }
            map.values().for_each(|inner| secret_texts(inner, secrets));
        }
        Value::Array(list) => list.iter().for_each(|inner| secret_texts(inner, secrets)),
        _ => {}
    }
}
