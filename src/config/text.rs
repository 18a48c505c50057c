//! TOML text → a tree of values, each with its place.

use super::place::{Path, Place, Places, Step};
use super::problem::Problem;
use serde_json::{Map, Value};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// Reads the text of a settings file. Where it is no TOML, every such place is a problem, and the rest is
/// read as well as can be.
pub(super) fn parse(file: &str, text: &str, problems: &mut Vec<Problem>) -> (Value, Places) {
    let file: Arc<str> = file.into();
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.push(Problem {
            file: file.to_string(),
            line: error.span().map(|span| lines.of(span.start)),
            key: String::new(),
            message: format!("not TOML: {}", error.message()),
        });
    }
    let mut reader = Reader { file: file.clone(), lines, places: Places::new(file), problems };
    let tree = reader.table(table.into_inner(), &mut Path::new());
    (tree, reader.places)
}

/// Reads a value as it might stand behind `key =`; `None` where it is none.
pub(super) fn value(text: &str) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    let mut problems = Vec::new();
    let mut reader =
        Reader { file: "".into(), lines: Lines::new(""), places: Places::new("".into()), problems: &mut problems };
    let value = reader.value(parsed.into_inner(), &mut Path::new());
    problems.is_empty().then_some(value)
}

/// Starts of lines, to turn an offset into a line number.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    fn of(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

struct Reader<'a> {
    file: Arc<str>,
    lines: Lines,
    places: Places,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn note(&mut self, path: &Path, offset: usize) {
        let place = Place { file: self.file.clone(), line: Some(self.lines.of(offset)) };
        self.places.put(path.clone(), place);
    }

    fn table(&mut self, table: DeTable<'_>, path: &mut Path) -> Value {
        let mut map = Map::new();
        for (key, value) in table {
            let offset = key.span().start;
            let key = key.into_inner().into_owned();
            path.push(Step::Key(key.clone()));
            self.note(path, offset);
            map.insert(key, self.value(value.into_inner(), path));
            path.pop();
        }
        Value::Object(map)
    }

    fn value(&mut self, value: DeValue<'_>, path: &mut Path) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(yes) => Value::Bool(yes),
            // JSON has no dates; whoever wants one reads it from its text.
            DeValue::Datetime(moment) => Value::String(moment.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => self.refused(path, "the number is too large"),
            },
            DeValue::Float(number) => match number.as_str().parse().ok().and_then(serde_json::Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.refused(path, "should be a finite number"),
            },
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(list) => {
                let mut values = Vec::new();
                for (index, value) in list.into_iter().enumerate() {
                    path.push(Step::Index(index));
                    self.note(path, value.span().start);
                    values.push(self.value(value.into_inner(), path));
                    path.pop();
                }
                Value::Array(values)
            }
        }
    }

    fn refused(&mut self, path: &Path, message: &str) -> Value {
        self.problems.push(self.places.problem(path, message));
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::parse as path;
    use serde_json::json;

    #[test]
    fn values_keep_their_lines() {
        let text = "\u{feff}a = 1 # one\r\n[[shop]]\nid = 'x'\n\n[[shop]]\nid = 'y'\nlist = [\n  1_000,\n  0x10,\n]\nday = 2026-01-02\n";
        let mut problems = Vec::new();
        let (tree, places) = parse("f.toml", text, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(
            tree,
            json!({ "a": 1, "shop": [{ "id": "x" }, { "id": "y", "list": [1000, 16], "day": "2026-01-02" }] })
        );
        let line = |p: &str| places.find(&path(p)).line;
        assert_eq!((line("a"), line("shop[0].id"), line("shop[1].id")), (Some(1), Some(3), Some(6)));
        assert_eq!((line("shop[1].list[1]"), line("shop[1]"), line("shop[1].day")), (Some(9), Some(5), Some(11)));
    }

    #[test]
    fn every_syntax_error_is_told() {
        let mut problems = Vec::new();
        parse("f.toml", "a = \nb = 1\nb = 2\nc = nan\nd = 99999999999999999999\ne = \"s3cret\n", &mut problems);
        let lines: Vec<_> = problems.iter().filter_map(|p| p.line).collect();
        for line in [1, 3, 4, 5, 6] {
            assert!(lines.contains(&line), "{problems:?}");
        }
        assert!(!format!("{problems:?}").contains("s3cret"));
    }

    #[test]
    fn a_variable_is_a_value_where_it_can_be() {
        assert_eq!(value("8080"), Some(json!(8080)));
        assert_eq!(value("[\"a\", \"b\"]"), Some(json!(["a", "b"])));
        assert_eq!(value("{ env = \"X\" }"), Some(json!({ "env": "X" })));
        assert_eq!((value("plain words"), value(""), value("nan")), (None, None, None));
    }
}
