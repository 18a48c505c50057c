//! Where each value of the settings came from.

use super::problem::Problem;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One step from a table or list to what it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// An entry of a list, from 0.
    Index(usize),
}

/// The way from the top of the settings to a value.
pub(super) type Path = Vec<Step>;

/// `path` and one step more.
pub(super) fn below(path: &[Step], step: Step) -> Path {
    let mut longer = path.to_vec();
    longer.push(step);
    longer
}

/// `path` and a key.
pub(super) fn key_of(path: &[Step], key: &str) -> Path {
    below(path, Step::Key(key.into()))
}

/// Reads a part's own way of naming a key (`secrets[0]`, `api.url`).
pub(super) fn parse(key: &str) -> Path {
    let mut path = Path::new();
    for piece in key.split('.').filter(|p| !p.is_empty()) {
        let (name, rest) = piece.split_once('[').unwrap_or((piece, ""));
        if !name.is_empty() {
            path.push(Step::Key(name.into()));
        }
        for index in rest.split(['[', ']']).filter(|i| !i.is_empty()) {
            match index.parse() {
                Ok(index) => path.push(Step::Index(index)),
                Err(_) => path.push(Step::Key(index.into())),
            }
        }
    }
    path
}

/// A place: a line of a file, or a variable of the environment.
#[derive(Clone)]
pub(super) struct Place {
    pub file: Arc<str>,
    pub line: Option<usize>,
}

/// The places of all values, and the ids by which entries of lists are called.
pub(super) struct Places {
    whole: Place,
    of: BTreeMap<Path, Place>,
    ids: BTreeMap<Path, String>,
}

impl Places {
    /// Of a file of which nothing is known yet.
    pub fn new(file: Arc<str>) -> Places {
        Places { whole: Place { file, line: None }, of: BTreeMap::new(), ids: BTreeMap::new() }
    }

    /// Notes where the value at `path` stands.
    pub fn put(&mut self, path: Path, place: Place) {
        self.of.insert(path, place);
    }

    /// The value at `path` was replaced from elsewhere: so was all below it.
    pub fn replace(&mut self, path: &[Step], place: Place) {
        self.of.retain(|known, _| !known.starts_with(path));
        self.of.insert(path.to_vec(), place);
    }

    /// The place of a value, or of the nearest thing around it.
    pub fn find(&self, path: &[Step]) -> &Place {
        (0..=path.len()).rev().find_map(|n| self.of.get(path.get(..n)?)).unwrap_or(&self.whole)
    }

    /// Notes the ids of all entries of lists, so that keys can be called by them.
    pub fn name_entries(&mut self, tree: &Value) {
        fn walk(ids: &mut BTreeMap<Path, String>, value: &Value, path: &mut Path) {
            match value {
                Value::Object(map) => {
                    for (key, inner) in map {
                        path.push(Step::Key(key.clone()));
                        walk(ids, inner, path);
                        path.pop();
                    }
                }
                Value::Array(list) => {
                    for (index, inner) in list.iter().enumerate() {
                        path.push(Step::Index(index));
                        if let Some(id) = inner.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
                            ids.insert(path.clone(), id.to_string());
                        }
                        walk(ids, inner, path);
                        path.pop();
                    }
                }
                _ => {}
            }
        }
        self.ids.clear();
        walk(&mut self.ids, tree, &mut Path::new());
    }

    /// Numbers and ids of the entries of the list at `list`, in their order.
    pub fn entries(&self, list: &[Step]) -> Vec<(usize, &str)> {
        let inside = self.ids.iter().filter(|(path, _)| path.len() == list.len() + 1 && path.starts_with(list));
        inside
            .filter_map(|(path, id)| match path.last() {
                Some(Step::Index(index)) => Some((*index, id.as_str())),
                _ => None,
            })
            .collect()
    }

    /// How a key is written in a message: `shop.demo-tw.secrets[0]`.
    pub fn dotted(&self, path: &[Step]) -> String {
        let mut text = String::new();
        for (i, step) in path.iter().enumerate() {
            let name = match step {
                Step::Key(key) => key,
                Step::Index(index) => match path.get(..=i).and_then(|p| self.ids.get(p)) {
                    Some(id) => id,
                    None => {
                        write!(text, "[{index}]").expect("writing to a string");
                        continue;
                    }
                },
            };
            if !text.is_empty() {
                text.push('.');
            }
            let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            match plain {
                true => text.push_str(name),
                // Control characters must not reach a terminal, nor dots look like steps.
                false => write!(text, "{name:?}").expect("writing to a string"),
            }
        }
        text
    }

    /// A mistake at `path`.
    pub fn problem(&self, path: &[Step], message: impl Into<String>) -> Problem {
        let place = self.find(path);
        Problem { file: place.file.to_string(), line: place.line, key: self.dotted(path), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_called_by_the_ids_of_their_entries() {
        let mut places = Places::new("f".into());
        places.name_entries(&json!({ "shop": [{}, { "id": "b", "secrets": [1] }] }));
        assert_eq!(places.dotted(&parse("shop[1].secrets[0]")), "shop.b.secrets[0]");
        assert_eq!(places.dotted(&parse("shop[0].secrets")), "shop[0].secrets");
        assert_eq!(places.dotted(&key_of(&[], "a.\u{1b}b")), "\"a.\\u{1b}b\"");
    }

    #[test]
    fn the_nearest_known_place_counts() {
        let mut places = Places::new("f".into());
        places.put(parse("a"), Place { file: "f".into(), line: Some(3) });
        places.put(parse("a.b.c"), Place { file: "f".into(), line: Some(5) });
        assert_eq!(places.find(&parse("a.b.x")).line, Some(3));
        assert_eq!(places.find(&parse("a.b.c[2]")).line, Some(5));
        places.replace(&parse("a"), Place { file: "environment variable X".into(), line: None });
        assert_eq!(places.find(&parse("a.b.c")).line, None);
    }
}
