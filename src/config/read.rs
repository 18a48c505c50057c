//! A checked table → a part's own type, with every mistake that only the type can tell.

use super::check::{Found, Kind};
use super::place::{Path, Step, key_of};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Reads `value`, which stands at `at`. serde stops at its first mistake: that key is then taken out and the
/// rest read again, until nothing is left to complain of. `known` are mistakes already told.
pub(super) fn read<T: DeserializeOwned>(mut value: Value, at: &[Step], known: &[Found]) -> Result<T, Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    let mut removed: Vec<Path> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(part) if known.is_empty() && found.is_empty() && removed.is_empty() => return Ok(part),
            Ok(_) => return Err(found),
            Err(error) => error,
        };
        let path = local(&value, error.path());
        let message = error.inner().to_string();
        // A missing key comes last: serde looks for what is absent when it has read what is there.
        let (told, kind, text) = match missing(&message) {
            Some(name) => (key_of(&path, name), Kind::Missing, "missing, and it must be given".to_string()),
            None => (path.clone(), Kind::Wrong, legible(&message, at_path(&value, &path))),
        };
        let told = original(&told, &removed);
        let whole: Path = at.iter().cloned().chain(told.iter().cloned()).collect();
        let follows = removed.contains(&told)
            || known
                .iter()
                .chain(&found)
                .any(|f| f.kind != Kind::Unknown && (f.path.starts_with(&whole) || whole.starts_with(&f.path)));
        if !follows {
            found.push(Found { path: whole, kind, message: text });
        }
        if path.is_empty() || !take_out(&mut value, &path) {
            return Err(found);
        }
        removed.push(original(&path, &removed));
    }
}

/// The way to the mistake, as far as it can be followed: serde keeps tagged and flattened tables in a buffer
/// and does not know the way inside.
fn local(value: &Value, path: &serde_path_to_error::Path) -> Path {
    let mut steps = Path::new();
    let mut here = value;
    for segment in path {
        let (step, next) = match segment {
            Segment::Seq { index } => (Step::Index(*index), here.get(*index)),
            Segment::Map { key } => (Step::Key(key.clone()), here.get(key)),
            Segment::Enum { variant } => (Step::Key(variant.clone()), here.get(variant)),
            Segment::Unknown => break,
        };
        let Some(next) = next else { break };
        steps.push(step);
        here = next;
    }
    steps
}

/// The path in the settings as written: entries taken out of lists have moved those behind them.
fn original(path: &[Step], removed: &[Path]) -> Path {
    let mut real = Path::new();
    for step in path {
        let step = match step {
            Step::Index(index) => {
                let mut gone: Vec<usize> = removed
                    .iter()
                    .filter_map(|r| match (r.split_last(), r.len() == real.len() + 1) {
                        (Some((Step::Index(i), list)), true) if list == real.as_slice() => Some(*i),
                        _ => None,
                    })
                    .collect();
                gone.sort_unstable();
                Step::Index(gone.iter().fold(*index, |at, gone| if *gone <= at { at + 1 } else { at }))
            }
            key => key.clone(),
        };
        real.push(step);
    }
    real
}

fn at_path<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |here, step| match step {
        Step::Key(key) => here.get(key),
        Step::Index(index) => here.get(index),
    })
}

fn take_out(value: &mut Value, path: &[Step]) -> bool {
    let Some((last, around)) = path.split_last() else { return false };
    let around = around.iter().try_fold(value, |here, step| match step {
        Step::Key(key) => here.get_mut(key),
        Step::Index(index) => here.get_mut(index),
    });
    match (around, last) {
        (Some(Value::Object(map)), Step::Key(key)) => map.remove(key).is_some(),
        (Some(Value::Array(list)), Step::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// serde's sentence without the value: a value may be a secret.
fn legible(message: &str, value: Option<&Value>) -> String {
    let standard = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|s| message.starts_with(s));
    if standard && let Some((_, expected)) = message.rsplit_once(", expected ") {
        return format!("should be {expected}");
    }
    if message.starts_with("unknown variant `")
        && let Some((_, expected)) = message.rsplit_once("`, expected ")
    {
        return format!("should be {expected}");
    }
    let mut texts = Vec::new();
    if let Some(value) = value {
        gather(value, &mut texts);
    }
    scrub(message, texts.iter().map(String::as_str))
}

fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|inner| gather(inner, texts)),
        Value::Array(list) => list.iter().for_each(|inner| gather(inner, texts)),
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Shortest text that is taken out of a message wherever it stands; a shorter one only in quotes, because
/// it may well be a word of the sentence.
const SHORT: usize = 5;

/// `message` with every one of `texts` replaced by `…`.
pub(super) fn scrub<'a>(message: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let mut texts: Vec<&str> = texts.filter(|t| !t.is_empty()).collect();
    // The longest first: one may be part of another.
    texts.sort_by_key(|t| std::cmp::Reverse(t.len()));
    let mut clean = message.to_string();
    for text in texts {
        clean = clean.replace(&format!("{text:?}"), "\"…\"").replace(&format!("`{text}`"), "`…`");
        if text.chars().count() >= SHORT {
            let escaped = text.escape_debug().to_string();
            clean = clean.replace(text, "…").replace(&escaped, "…");
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::parse;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(default, rename = "ports")]
        _ports: Vec<u16>,
        #[serde(default, rename = "when")]
        _when: Option<crate::domain::settings::Span>,
        #[serde(rename = "name")]
        _name: String,
    }

    fn keys(value: Value) -> Vec<String> {
        let found = read::<Part>(value, &[], &[]).expect_err("there are mistakes");
        found.iter().map(|f| format!("{:?}", f.path)).collect()
    }

    #[test]
    fn every_mistake_is_found_at_its_own_place() {
        let found = keys(json!({ "ports": [1, -1, 2, 70000, 3, "x"], "when": "5 years", "name": 3 }));
        let wanted = ["ports[1]", "ports[3]", "ports[5]", "when", "name"].map(|k| format!("{:?}", parse(k)));
        for key in &wanted {
            assert!(found.contains(key), "{key} in {found:?}");
        }
        assert_eq!(found.len(), wanted.len());
        assert_eq!(keys(json!({})), [format!("{:?}", parse("name"))]);
    }

    #[test]
    fn values_stay_out_of_messages() {
        let value = json!({ "when": "t0p-s3cret", "name": "a", "ports": ["hunter22"] });
        let found = read::<Part>(value, &[], &[]).expect_err("there are mistakes");
        let text = format!("{found:?}");
        assert!(!text.contains("t0p-s3cret") && !text.contains("hunter22"), "{text}");
        assert!(text.contains("is not a length of time"), "{text}");
    }

    #[test]
    fn short_values_do_not_eat_the_sentence() {
        assert_eq!(scrub("\"is\" is not it", ["is"].into_iter()), "\"…\" is not it");
        assert_eq!(scrub("got a-long-token here", ["a-long-token"].into_iter()), "got … here");
    }
}
