//! A mistake in the settings, with its place and its remedy.

use serde::Serialize;
use std::fmt;

/// One mistake in the settings. It never carries a value out of them: a value may be a secret.
///
/// Shown as `config/orderwire.toml:12: shop.demo-tw.timezon: unknown key; did you mean `timezone`?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it stands: the file as it was named, or `environment variable NAME`.
    pub file: String,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// The key with all that it stands in (`shop.demo-tw.secrets[0]`); entries of lists go by their id.
    /// Empty: the file as a whole.
    pub key: String,
    /// What is wrong and how to put it right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Problem {}

/// The `known` name that `given` was most likely meant to be.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&given, &name.to_lowercase().replace('-', "_")), name))
        // Below this, words that merely share a few letters would be proposed.
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `; did you mean …?`, or what there is to choose from.
pub(super) fn proposal(given: &str, known: &[&str]) -> String {
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known here: {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_and_a_far_one_is_not() {
        let known = ["timezone", "locale", "test_recipients"];
        assert_eq!(nearest("timezon", known), Some("timezone"));
        assert_eq!(nearest("Test-Recipients", known), Some("test_recipients"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(proposal("colour", &["a", "b"]), "; known here: `a`, `b`");
    }
}
