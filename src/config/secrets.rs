//! Secret sources: `{ env = "NAME" }`, `{ file = "PATH" }`, `{ value = "…" }`.

use super::place::{Path, Step};
use crate::domain::settings::SECRET_KEY;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};

/// The keys of which a source has exactly one.
const KEYS: [&str; 3] = ["env", "file", "value"];
/// Longest secret read from a file, in bytes: a wrong path must not fill the memory.
const LONGEST: u64 = 64 * 1024;

/// How a secret was written, and why it could not be had.
pub(super) struct Source {
    /// The table as written: put back where the key is no secret after all.
    pub written: Value,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Resolved {
    /// Every source, by its path.
    pub sources: BTreeMap<Path, Source>,
    /// Files read, to be watched for rotation.
    pub files: Vec<PathBuf>,
}

pub(super) fn is_source_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// A table that says where a secret comes from, and nothing else.
pub(super) fn is_source(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.iter().all(|(key, value)| is_source_key(key) && value.is_string())
}

/// Replaces every source in `tree` by its secret. A table that merely looks like one is put back when its
/// part's schema shows it (see `check`).
pub(super) fn resolve(tree: &mut Value, env: &BTreeMap<String, String>, folder: &FilePath) -> Resolved {
    let mut resolved = Resolved::default();
    walk(tree, &mut Path::new(), env, folder, &mut resolved);
    resolved
}

/// The resolved form of one source, outside the walk: what a variable of the environment spelled out.
pub(super) fn wrap(secret: &str) -> Value {
    json!({ SECRET_KEY: secret })
}

fn walk(
    value: &mut Value,
    path: &mut Path,
    env: &BTreeMap<String, String>,
    folder: &FilePath,
    resolved: &mut Resolved,
) {
    match value {
        Value::Object(map) if is_source(map) => {
            let got = map.iter().next().and_then(|(k, v)| Some((k.as_str(), v.as_str()?)));
            let secret = match got {
                Some(("env", name)) => from_env(name, env),
                Some(("file", name)) => {
                    let file = folder.join(name);
                    let secret = from_file(&file);
                    resolved.files.push(file);
                    secret
                }
                Some((_, secret)) => some(secret.to_string(), "`value`"),
                None => Err("a source has one of `env`, `file`, `value`".into()),
            };
            let (secret, fault) = match secret {
                Ok(secret) => (secret, None),
                Err(fault) => (String::new(), Some(fault)),
            };
            let written = std::mem::replace(value, wrap(&secret));
            resolved.sources.insert(path.clone(), Source { written, fault });
        }
        Value::Object(map) => {
            for (key, inner) in map {
                path.push(Step::Key(key.clone()));
                walk(inner, path, env, folder, resolved);
                path.pop();
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter_mut().enumerate() {
                path.push(Step::Index(index));
                walk(inner, path, env, folder, resolved);
                path.pop();
            }
        }
        _ => {}
    }
}

fn from_env(name: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    // Somebody may have put the secret itself where its name belongs: only what looks like a name is shown.
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let shown = if is_name && !name.is_empty() { format!("`{name}`") } else { "named here".into() };
    match env.get(name) {
        Some(secret) => some(secret.clone(), &format!("the environment variable {shown}")),
        None => Err(format!("the environment variable {shown} is not set; set it, or use {{ file = \"PATH\" }}")),
    }
}

fn from_file(file: &FilePath) -> Result<String, String> {
    // The path is not repeated: it may be a secret that was put in the wrong place. Line and key show it.
    let relative = "a relative path counts from the settings file's folder";
    let fault = |e: std::io::Error| format!("the file cannot be read ({}); {relative}", e.kind());
    if !std::fs::metadata(file).map_err(fault)?.is_file() {
        return Err(format!("this is no file; {relative}"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file).and_then(|f| f.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(fault)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the file is longer than a secret may be ({LONGEST} bytes); name another"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text; store the secret as text")?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    some(text.to_string(), "the file")
}

fn some(secret: String, what: &str) -> Result<String, String> {
    if secret.is_empty() { Err(format!("{what} is empty; put the secret there")) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(written: Value, folder: &FilePath) -> Option<String> {
        let env = [("SET".to_string(), "s3cret".to_string()), ("EMPTY".to_string(), String::new())].into();
        let mut tree = json!({ "a": written });
        resolve(&mut tree, &env, folder).sources.into_values().next().and_then(|s| s.fault)
    }

    #[test]
    fn each_fault_has_its_words_and_shows_nothing() {
        let folder = FilePath::new("/nowhere-at-all");
        assert_eq!(fault(json!({ "env": "SET" }), folder), None);
        assert!(fault(json!({ "env": "ABSENT" }), folder).is_some_and(|f| f.contains("`ABSENT` is not set")));
        assert!(fault(json!({ "env": "EMPTY" }), folder).is_some_and(|f| f.contains("empty")));
        assert!(fault(json!({ "value": "" }), folder).is_some_and(|f| f.contains("empty")));
        for wrong in [json!({ "env": "tok3n-itself" }), json!({ "file": "tok3n-itself" })] {
            assert!(fault(wrong, folder).is_some_and(|f| !f.contains("tok3n")));
        }
        assert!(fault(json!({ "file": "/" }), folder).is_some_and(|f| f.contains("no file")));
    }

    #[test]
    fn a_table_of_more_is_no_source() {
        let mut tree = json!({ "a": { "env": "SET", "file": "x" }, "b": { "env": 5 }, "c": { "other": "x" } });
        let before = tree.clone();
        assert!(resolve(&mut tree, &BTreeMap::new(), FilePath::new(".")).sources.is_empty());
        assert_eq!(tree, before);
    }
}
