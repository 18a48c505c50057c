//! One file of words: TOML → parts, every unknown key refused with the nearest name.

use super::Mistake;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A button as written.
#[derive(Clone, Debug)]
pub(super) struct RawButton {
    pub(super) label: String,
    pub(super) url: String,
}

/// Title, body and buttons, each possibly left out.
#[derive(Clone, Debug, Default)]
pub(super) struct RawPart {
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    pub(super) buttons: Option<Vec<RawButton>>,
}

/// What a file says for one kind of channel.
#[derive(Clone, Debug, Default)]
pub(super) struct RawSection {
    pub(super) part: RawPart,
    pub(super) extra: BTreeMap<String, Json>,
}

/// A milestone's file as written.
#[derive(Clone, Debug, Default)]
pub(super) struct RawSheet {
    pub(super) name: Option<String>,
    pub(super) also: Option<String>,
    pub(super) main: RawPart,
    pub(super) staff: RawPart,
    pub(super) sections: BTreeMap<String, RawSection>,
}

impl RawPart {
    fn over(self, base: RawPart) -> RawPart {
        RawPart {
            title: self.title.or(base.title),
            body: self.body.or(base.body),
            buttons: self.buttons.or(base.buttons),
        }
    }
}

impl RawSheet {
    /// This file laid over another: what it leaves out stays as it was there.
    pub(super) fn over(self, base: RawSheet) -> RawSheet {
        let mut sections = base.sections;
        sections.extend(self.sections);
        RawSheet {
            name: self.name.or(base.name),
            also: self.also.or(base.also),
            main: self.main.over(base.main),
            staff: self.staff.over(base.staff),
            sections,
        }
    }
}

/// Reads files and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    /// Kinds of channels that may have a section.
    pub(super) kinds: &'a [&'a str],
    /// What was found wrong so far.
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// A milestone's file, or `staff.toml`.
    pub(super) fn sheet(&mut self, file: &str, text: &str) -> RawSheet {
        let mut sheet = RawSheet::default();
        let known: Vec<&str> = ["name", "also", "title", "body", "button", "staff"]
            .into_iter()
            .chain(self.kinds.iter().copied())
            .collect();
        for (key, value) in self.table(file, text) {
            match key.as_str() {
                "name" => sheet.name = self.string(file, &key, value),
                "also" => sheet.also = self.string(file, &key, value),
                "title" => sheet.main.title = self.string(file, &key, value),
                "body" => sheet.main.body = self.string(file, &key, value),
                "button" => sheet.main.buttons = Some(self.buttons(file, &key, value)),
                "staff" => {
                    let section = self.section(file, &key, value);
                    for extra in section.extra.keys() {
                        self.unknown(file, &format!("staff.{extra}"), extra, &["title", "body", "button"]);
                    }
                    sheet.staff = section.part;
                }
                kind if self.kinds.contains(&kind) => {
                    let section = self.section(file, kind, value);
                    sheet.sections.insert(kind.to_string(), section);
                }
                _ => self.unknown(file, &key, &key, &known),
            }
        }
        sheet
    }

    /// `phrases.toml`: texts by name.
    pub(super) fn phrases(&mut self, file: &str, text: &str) -> BTreeMap<String, String> {
        let table = self.table(file, text);
        table.into_iter().filter_map(|(key, value)| Some((key.clone(), self.string(file, &key, value)?))).collect()
    }

    fn table(&mut self, file: &str, text: &str) -> Table {
        toml::from_str(text).unwrap_or_else(|error: toml::de::Error| {
            let before = error.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            self.wrong(file, "", format!("line {line} is not TOML: {}", error.message()));
            Table::new()
        })
    }

    fn section(&mut self, file: &str, place: &str, value: Value) -> RawSection {
        let Value::Table(table) = value else {
            self.wrong(file, place, format!("write it as a table: [{place}] on a line of its own"));
            return RawSection::default();
        };
        let mut section = RawSection::default();
        for (key, value) in table {
            let at = format!("{place}.{key}");
            match key.as_str() {
                "title" => section.part.title = self.string(file, &at, value),
                "body" => section.part.body = self.string(file, &at, value),
                "button" => section.part.buttons = Some(self.buttons(file, &at, value)),
                _ => {
                    section.extra.insert(key, json(value));
                }
            }
        }
        section
    }

    fn buttons(&mut self, file: &str, place: &str, value: Value) -> Vec<RawButton> {
        let Value::Array(list) = value else {
            self.wrong(file, place, format!("write each button as [[{place}]] with `label` and `url`"));
            return Vec::new();
        };
        let mut buttons = Vec::new();
        for (i, entry) in list.into_iter().enumerate() {
            let at = format!("{place}[{i}]");
            let Value::Table(mut table) = entry else {
                self.wrong(file, &at, "write it as a table with `label` and `url`".into());
                continue;
            };
            let label = table.remove("label").and_then(|v| self.string(file, &format!("{at}.label"), v));
            let url = table.remove("url").and_then(|v| self.string(file, &format!("{at}.url"), v));
            for key in table.keys() {
                self.unknown(file, &format!("{at}.{key}"), key, &["label", "url"]);
            }
            match (label, url) {
                (Some(label), Some(url)) => buttons.push(RawButton { label, url }),
                _ => self.wrong(file, &at, "a button needs both `label` and `url`".into()),
            }
        }
        buttons
    }

    fn string(&mut self, file: &str, key: &str, value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            other => {
                self.wrong(file, key, format!("write a text in quotes here, not {}", other.type_str()));
                None
            }
        }
    }

    pub(super) fn unknown(&mut self, file: &str, place: &str, key: &str, known: &[&str]) {
        let hint = nearest(key, known)
            .map_or_else(|| format!("known are {}", known.join(", ")), |name| format!("did you mean {name}?"));
        self.wrong(file, place, format!("there is no key `{key}`; {hint}"));
    }

    pub(super) fn wrong(&mut self, file: &str, key: &str, message: String) {
        self.mistakes.push(Mistake { file: file.into(), key: key.into(), message });
    }
}

/// The known name that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase()), *k))
        .filter(|(likeness, _)| *likeness > 0.78)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

fn json(value: Value) -> Json {
    match value {
        Value::String(s) => Json::from(s),
        Value::Integer(i) => Json::from(i),
        Value::Float(f) => Json::from(f),
        Value::Boolean(b) => Json::from(b),
        Value::Datetime(d) => Json::from(d.to_string()),
        Value::Array(list) => list.into_iter().map(json).collect(),
        Value::Table(table) => Json::Object(table.into_iter().map(|(k, v)| (k, json(v))).collect()),
    }
}
