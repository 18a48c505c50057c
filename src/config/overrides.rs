//! Settings from the environment: `ORDERWIRE__SECTION__KEY`.
//!
//! Letter case does not count. An entry of a list goes by its number or, where entries have one, by its
//! `id` or `name`, a hyphen written as an underscore: `ORDERWIRE__CHANNEL__LINE_MAIN__ACCESS_TOKEN`.

use super::place::{Path, Place, Places, Step};
use super::problem::Problem;
use super::{secrets, text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What every such variable begins with.
const PREFIX: &str = "ORDERWIRE__";

/// Puts what the environment says over what the file says. Gives the text of each variable used, by the key
/// it set: where a key wants text, `12345` must not have become a number.
pub(super) fn apply(
    tree: &mut Value,
    places: &mut Places,
    env: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Path, String> {
    let mut raws = BTreeMap::new();
    let mut found: Vec<(Vec<Segment<'_>>, &String, &String)> = env
        .iter()
        .filter_map(|(name, raw)| {
            let start = name.get(..PREFIX.len())?;
            let rest = name.get(PREFIX.len()..)?;
            let segments = rest.split("__").map(Segment::new).collect();
            start.eq_ignore_ascii_case(PREFIX).then_some((segments, name, raw))
        })
        .collect();
    // What holds comes before what is held, and entry 2 before entry 10.
    found.sort();
    for (segments, name, raw) in found {
        let place = Place { file: format!("environment variable {name}").into(), line: None };
        let value = text::value(raw).unwrap_or_else(|| Value::String(raw.clone()));
        let mut path = Path::new();
        let done = match segments.iter().any(|s| s.text.is_empty()) {
            true => Err(format!("a name is missing; write it as {PREFIX}SECTION__KEY")),
            false => set(tree, &segments, &mut path, value),
        };
        match done {
            Ok(()) => {
                places.replace(&path, place);
                raws.retain(|known: &Path, _| !known.starts_with(&path));
                raws.insert(path, raw.clone());
            }
            Err(message) => {
                let key = places.dotted(&path);
                problems.push(Problem { file: place.file.to_string(), line: None, key, message });
            }
        }
    }
    raws
}

/// One name between double underscores.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Segment<'a> {
    number: Option<usize>,
    text: &'a str,
}

impl Segment<'_> {
    fn new(text: &str) -> Segment<'_> {
        Segment { number: text.parse().ok(), text }
    }
}

/// How names are compared: `LINE_MAIN` is `line-main`.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Sets what `segments` name, below `node`; `path` becomes the way there.
fn set(node: &mut Value, segments: &[Segment<'_>], path: &mut Path, value: Value) -> Result<(), String> {
    let Some((first, rest)) = segments.split_first() else {
        *node = value;
        return Ok(());
    };
    let inner = match node {
        Value::Object(map) => {
            let key = key_in(map, first.text)?;
            if secrets::is_source_key(&key) && secrets::is_source(map) && !map.contains_key(&key) {
                // The secret moves from one source to another.
                map.clear();
            }
            path.push(Step::Key(key.clone()));
            map.entry(key).or_insert_with(|| container(rest))
        }
        Value::Array(list) => {
            let index = index_in(list, first)?;
            path.push(Step::Index(index));
            if index == list.len() {
                list.push(container(rest));
            }
            list.get_mut(index).ok_or("no such entry")?
        }
        _ => return Err("is no table and no list: nothing can be set in it".into()),
    };
    set(inner, rest, path, value)
}

/// What is made where nothing is yet: a list where a number follows, else a table.
fn container(rest: &[Segment<'_>]) -> Value {
    match rest.first() {
        Some(Segment { number: Some(_), .. }) => Value::Array(Vec::new()),
        Some(_) => Value::Object(Map::new()),
        None => Value::Null,
    }
}

fn key_in(map: &Map<String, Value>, name: &str) -> Result<String, String> {
    let mut same = map.keys().filter(|key| plain(key) == plain(name));
    match (same.next(), same.next()) {
        (None, _) => Ok(name.to_lowercase()),
        (Some(key), None) => Ok(key.clone()),
        (Some(a), Some(b)) => Err(format!("`{a}` and `{b}` are both meant by this name; set it in the file")),
    }
}

fn index_in(list: &[Value], segment: &Segment<'_>) -> Result<usize, String> {
    let called = |entry: &Value| {
        ["id", "name"].into_iter().filter_map(|k| entry.get(k)?.as_str()).any(|n| plain(n) == plain(segment.text))
    };
    let same: Vec<usize> = list.iter().enumerate().filter(|(_, e)| called(e)).map(|(i, _)| i).collect();
    match (same.as_slice(), segment.number) {
        ([index], _) => Ok(*index),
        ([_, _, ..], _) => Err("several entries are meant by this name; use their numbers".into()),
        ([], Some(index)) if index <= list.len() => Ok(index),
        ([], Some(_)) => Err(format!("the list has {} entries, and they count from 0 without a gap", list.len())),
        ([], None) => Err("no entry has this id; the first is also called 0, the next 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn over(mut tree: Value, env: &[(&str, &str)]) -> (Value, Vec<Problem>) {
        let env = env.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        let mut problems = Vec::new();
        apply(&mut tree, &mut Places::new("f".into()), &env, &mut problems);
        (tree, problems)
    }

    #[test]
    fn entries_go_by_number_or_id() {
        let tree = json!({ "channel": [{ "id": "line-main", "pace": 1 }, { "id": "b" }] });
        let (tree, problems) = over(
            tree,
            &[
                ("ORDERWIRE__CHANNEL__LINE_MAIN__PACE", "7"),
                ("orderwire__channel__1__Key", "text"),
                ("ORDERWIRE__CHANNEL__2__ID", "c"),
                ("ORDERWIRE_KEY_1", "another program's"),
            ],
        );
        assert_eq!(problems, []);
        assert_eq!(
            tree,
            json!({ "channel": [{ "id": "line-main", "pace": 7 }, { "id": "b", "key": "text" }, { "id": "c" }] })
        );
    }

    #[test]
    fn a_whole_configuration_can_come_from_the_environment() {
        let (tree, problems) = over(
            json!({}),
            &[
                ("ORDERWIRE__SHOP__0__SECRETS__0__ENV", "A"),
                ("ORDERWIRE__SHOP__0__SECRETS__1", "{ file = \"b\" }"),
                ("ORDERWIRE__SHOP__10__ID", "far"),
                ("ORDERWIRE__STORE", "{ dir = \"d\", url = \"u\" }"),
                ("ORDERWIRE__STORE__URL", "v"),
            ],
        );
        assert_eq!(
            tree,
            json!({ "shop": [{ "secrets": [{ "env": "A" }, { "file": "b" }] }], "store": { "dir": "d", "url": "v" } })
        );
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].to_string().starts_with("environment variable ORDERWIRE__SHOP__10__ID: shop: the list has 1")
        );
    }

    #[test]
    fn a_secret_moves_from_one_source_to_another() {
        let (tree, _) = over(json!({ "a": { "token": { "env": "X" } } }), &[("ORDERWIRE__A__TOKEN__FILE", "/run/x")]);
        assert_eq!(tree, json!({ "a": { "token": { "file": "/run/x" } } }));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let tree = json!({ "a": { "x-y": 1, "x_y": 2, "n": 3 }, "c": [{ "id": "one" }] });
        for (name, part) in [
            ("ORDERWIRE__A__X_Y", "both meant"),
            ("ORDERWIRE__A__N__M", "nothing can be set in it"),
            ("ORDERWIRE__C__TWO__K", "no entry has this id"),
            ("ORDERWIRE__A____N", "a name is missing"),
            ("ORDERWIRE__", "a name is missing"),
        ] {
            let (after, problems) = over(tree.clone(), &[(name, "v4lue")]);
            assert_eq!((after, problems.len()), (tree.clone(), 1), "{name}");
            assert!(problems[0].message.contains(part) && !problems[0].message.contains("v4lue"), "{problems:?}");
        }
    }
}
