//! A part's table held against the part's schema: unknown keys, missing keys and wrong types, all at once.
//!
//! serde stops at its first mistake; the schema does not. What only the types themselves can tell (a time
//! zone that does not exist) is left to `read`.

use super::place::{Path, Places, Step, key_of};
use super::problem::proposal;
use super::schema::{self, Shape};
use super::secrets::{self, Source};
use crate::domain::settings::{Mistake, SECRET_KEY};
use schemars::Schema;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing reads it.
    Unknown,
    /// It has to be there.
    Missing,
    /// It is there and cannot be read.
    Wrong,
}

/// A mistake found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: Path,
    pub kind: Kind,
    pub message: String,
}

/// Where values came from, as far as it decides how they are to be read.
#[derive(Default)]
pub(super) struct Origins {
    /// The text of variables of the environment, by the key they set.
    pub raws: BTreeMap<Path, String>,
    /// Secret sources, by path.
    pub sources: BTreeMap<Path, Source>,
}

/// Holds `value`, which stands at `at`, against `schema`. Unknown keys are taken out of it, so that serde does
/// not tell them a second time; what came from the environment takes the type that is wanted.
pub(super) fn check(value: &mut Value, schema: &Schema, at: &[Step], origins: &Origins) -> Vec<Found> {
    let mut walk = Walk { root: schema.as_value(), origins, above: Vec::new(), found: Vec::new() };
    walk.visit(value, &[schema.as_value()], &mut at.to_vec());
    walk.found
}

/// Keys in `value` that `schema` does not know, each with the name that was most likely meant: for settings
/// that do not come through [`super::Document`], such as files of words.
pub fn unknown_keys(value: &Value, schema: &Schema) -> Vec<Mistake> {
    let places = Places::new("".into());
    check(&mut value.clone(), schema, &[], &Origins::default())
        .into_iter()
        .filter(|found| found.kind == Kind::Unknown)
        .map(|found| Mistake::new(places.dotted(&found.path), found.message))
        .collect()
}

struct Walk<'a> {
    root: &'a Value,
    origins: &'a Origins,
    /// Keys known in the tables around, the outermost first.
    above: Vec<BTreeSet<&'a str>>,
    found: Vec<Found>,
}

impl<'a> Walk<'a> {
    fn tell(&mut self, path: &[Step], kind: Kind, message: impl Into<String>) {
        self.found.push(Found { path: path.to_vec(), kind, message: message.into() });
    }

    fn visit(&mut self, value: &mut Value, schemas: &[&'a Value], path: &mut Path) {
        let shapes = schema::shapes(self.root, schemas);
        if shapes.iter().any(|s| matches!(s, Shape::Secret)) {
            return self.secret(value, path);
        }
        if let Some(source) = self.origins.sources.get(path) {
            // It only looked like the source of a secret.
            *value = source.written.clone();
        }
        if shapes.iter().any(|s| matches!(s, Shape::Any)) {
            return;
        }
        let wanted = schema::types(&shapes);
        if !accepts(&wanted, value) {
            match self.origins.raws.get(path) {
                Some(raw) if wanted.contains("string") => *value = Value::String(raw.clone()),
                _ => return self.tell(path, Kind::Wrong, wrong_type(&wanted, value, path)),
            }
        }
        match value {
            Value::Object(map) => self.table(map, &shapes, path),
            Value::Array(list) => {
                let items: Vec<&Value> = shapes.iter().filter_map(|s| s.get("items")).collect();
                for (index, inner) in list.iter_mut().enumerate() {
                    path.push(Step::Index(index));
                    self.visit(inner, &items, path);
                    path.pop();
                }
            }
            Value::String(word) => self.word(word, &shapes, path),
            Value::Number(number) => self.bounds(number.as_f64(), &shapes, path),
            _ => {}
        }
    }

    /// A secret: resolved before, or spelled out by a variable of the environment.
    fn secret(&mut self, value: &mut Value, path: &mut Path) {
        if let Some(source) = self.origins.sources.get(path) {
            if let Some(fault) = &source.fault {
                self.tell(path, Kind::Wrong, fault.clone());
            }
            return;
        }
        if let Some(raw) = self.origins.raws.get(path) {
            *value = secrets::wrap(raw);
            return;
        }
        if !value.get(SECRET_KEY).is_some_and(Value::is_string) {
            let message = "a secret is written { env = \"NAME\" }, { file = \"PATH\" } or, for trying out, \
                           { value = \"…\" }, with exactly one of the three";
            self.tell(path, Kind::Wrong, message);
        }
    }

    fn table(&mut self, map: &mut Map<String, Value>, shapes: &[Shape<'a>], path: &mut Path) {
        let shapes = schema::fitting(shapes, map);
        let names: BTreeSet<&'a str> = shapes.iter().flat_map(|s| s.properties()).map(|(k, _)| k.as_str()).collect();
        let rest: Vec<&'a Value> = shapes.iter().filter_map(|s| s.rest()).collect();
        for name in schema::required(&shapes).into_iter().filter(|name| !map.contains_key(*name)) {
            let purpose = shapes.iter().find_map(|s| schema::description(self.root, s.property(name)?));
            let message = match purpose {
                Some(purpose) => format!("missing, and it must be given: {purpose}"),
                None => "missing, and it must be given".to_string(),
            };
            self.tell(&key_of(path, name), Kind::Missing, message);
        }
        let unknown: Vec<String> =
            map.keys().filter(|k| rest.is_empty() && !names.contains(k.as_str())).cloned().collect();
        for key in unknown {
            map.remove(&key);
            let message = self.unknown(&key, &names);
            self.tell(&key_of(path, &key), Kind::Unknown, message);
        }
        self.above.push(names);
        for (key, inner) in map.iter_mut() {
            let own: Vec<&'a Value> = shapes.iter().filter_map(|s| s.property(key)).collect();
            path.push(Step::Key(key.clone()));
            self.visit(inner, if own.is_empty() { &rest } else { &own }, path);
            path.pop();
        }
        self.above.pop();
    }

    fn unknown(&self, key: &str, names: &BTreeSet<&str>) -> String {
        if self.above.iter().any(|known| known.contains(key)) {
            // In TOML, whatever follows a `[table]` belongs to it.
            return "unknown key here; it belongs to the table above: write it before the first [sub.table]".into();
        }
        format!("unknown key{}", proposal(key, &names.iter().copied().collect::<Vec<_>>()))
    }

    fn word(&mut self, word: &str, shapes: &[Shape<'a>], path: &[Step]) {
        let mut words = Vec::new();
        for shape in shapes.iter().filter(|s| accepts(&schema::types(std::slice::from_ref(*s)), &Value::from(""))) {
            match schema::words(shape) {
                Some(some) => words.extend(some),
                // Any text will do.
                None => return,
            }
        }
        if !words.contains(&word) {
            let known = words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
            let meant = super::problem::nearest(word, words.iter().copied());
            let meant = meant.map(|w| format!("; did you mean `{w}`?")).unwrap_or_default();
            self.tell(path, Kind::Wrong, format!("should be one of {known}{meant}"));
        }
    }

    fn bounds(&mut self, number: Option<f64>, shapes: &[Shape<'a>], path: &[Step]) {
        let limit = |name: &str| shapes.iter().find_map(|s| s.get(name)?.as_f64());
        let (Some(number), low, high) = (number, limit("minimum"), limit("maximum")) else {
            return;
        };
        let message = match (low, high) {
            (Some(low), Some(high)) if number < low || number > high => format!("should be from {low} to {high}"),
            (Some(low), None) if number < low => format!("should be {low} or more"),
            (None, Some(high)) if number > high => format!("should be {high} or less"),
            _ => return,
        };
        self.tell(path, Kind::Wrong, message);
    }
}

fn accepts(wanted: &BTreeSet<&str>, value: &Value) -> bool {
    match value {
        Value::Null => wanted.contains("null"),
        Value::Bool(_) => wanted.contains("boolean"),
        Value::Number(n) => wanted.contains("number") || (wanted.contains("integer") && !n.is_f64()),
        Value::String(_) => wanted.contains("string"),
        Value::Array(_) => wanted.contains("array"),
        Value::Object(_) => wanted.contains("object"),
    }
}

/// What should stand there, in the words of TOML.
fn wrong_type(wanted: &BTreeSet<&str>, value: &Value, path: &[Step]) -> String {
    if let (Value::Array(_), [Step::Key(key)]) = (value, path)
        && wanted.contains("object")
    {
        return format!("there is only one of it: write [{key}], not [[{key}]]");
    }
    let names: Vec<&str> = wanted
        .iter()
        .filter_map(|kind| match *kind {
            "string" => Some("text in quotes"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            "boolean" => Some("true or false"),
            "array" => Some("a list: [ …, … ]"),
            "object" => Some("a table: { key = …, … } or [name]"),
            _ => None,
        })
        .collect();
    format!("should be {}", names.join(", or "))
}
