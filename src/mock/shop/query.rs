//! GraphQL as far as an understudy needs it: documents of one operation with fragments, answered from plain JSON by
//! the fields' own names. A field that the JSON does not have is refused as GraphQL refuses it: an understudy that
//! answered whatever is asked would find no misspelt field.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A selected thing.
#[derive(Clone, Debug)]
pub(super) enum Pick {
    /// A field: its name in the answer, its own, its arguments, what is selected of it.
    Field { key: String, name: String, args: Map<String, Value>, picks: Vec<Pick> },
    /// A named fragment.
    Spread(String),
    /// What is selected of one type.
    On(String, Vec<Pick>),
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// What the operation selects.
    pub(super) picks: Vec<Pick>,
    fragments: BTreeMap<String, Vec<Pick>>,
}

struct Reader<'a> {
    tokens: Vec<String>,
    at: usize,
    variables: &'a Value,
}

/// Names, numbers, strings (with their first quote), `$name`, `...`, and single signs.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut token = c.to_string();
        match c {
            c if c.is_whitespace() || c == ',' => continue,
            '"' => {
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    token.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
                }
            }
            '.' => {
                chars.by_ref().take(2).for_each(drop);
                token = "...".into();
            }
            c if word(c) || c == '$' => {
                while let Some(c) = chars.next_if(|c| word(*c)) {
                    token.push(c);
                }
            }
            _ => {}
        }
        out.push(token);
    }
    out
}

impl Document {
    /// Reads a document; `None`: it is none.
    pub(super) fn read(text: &str, variables: &Value) -> Option<Document> {
        let mut reader = Reader { tokens: tokens(text), at: 0, variables };
        let mut document = Document::default();
        while let Some(word) = reader.take() {
            match word.as_str() {
                "fragment" => {
                    let name = reader.take()?;
                    reader.expect("on")?;
                    reader.take()?;
                    document.fragments.insert(name, reader.picks()?);
                }
                "query" | "mutation" => {
                    while reader.peek()? != "{" {
                        reader.take();
                    }
                    document.picks = reader.picks()?;
                }
                "{" => {
                    reader.at -= 1;
                    document.picks = reader.picks()?;
                }
                _ => return None,
            }
        }
        (!document.picks.is_empty()).then_some(document)
    }

    /// What is selected of `value`, or the name of a field that it does not have.
    pub(super) fn project(&self, value: &Value, picks: &[Pick]) -> Result<Value, String> {
        match value {
            Value::Array(list) => {
                Ok(Value::Array(list.iter().map(|v| self.project(v, picks)).collect::<Result<_, _>>()?))
            }
            Value::Object(object) => {
                let mut out = Map::new();
                self.fill(object, picks, &mut out)?;
                Ok(Value::Object(out))
            }
            plain => Ok(plain.clone()),
        }
    }

    /// What it costs at most, by Shopify's rule: an object 1, a connection 2 and its `first` times what stands in it, a
    /// list the same without the 2 (state of November 2026).
    pub(super) fn cost(&self, picks: &[Pick]) -> u64 {
        let one = |pick: &Pick| match pick {
            Pick::Spread(name) => self.fragments.get(name).map_or(0, |picks| self.cost(picks)),
            Pick::On(_, picks) => self.cost(picks),
            Pick::Field { picks, .. } if picks.is_empty() => 0,
            Pick::Field { name, args, picks, .. } => {
                let inner = self.cost(picks);
                match args.get("first").and_then(Value::as_u64) {
                    Some(first) if picks.iter().any(is_nodes) => 2 + first * inner,
                    Some(first) => first * (1 + inner),
                    None if name == "pageInfo" => 0,
                    None => 1 + inner,
                }
            }
        };
        picks.iter().map(one).sum()
    }

    fn fill(&self, object: &Map<String, Value>, picks: &[Pick], out: &mut Map<String, Value>) -> Result<(), String> {
        for pick in picks {
            match pick {
                Pick::Spread(name) => {
                    let picks = self.fragments.get(name).ok_or_else(|| name.clone())?;
                    self.fill(object, picks, out)?;
                }
                Pick::On(kind, picks) => {
                    if object.get("__typename").is_none_or(|own| own == kind.as_str()) {
                        self.fill(object, picks, out)?;
                    }
                }
                Pick::Field { key, name, picks, .. } => {
                    let value = object.get(name).ok_or_else(|| name.clone())?;
                    if picks.is_empty() && value.is_object() {
                        return Err(name.clone());
                    }
                    out.insert(key.clone(), self.project(value, picks)?);
                }
            }
        }
        Ok(())
    }
}

fn is_nodes(pick: &Pick) -> bool {
    matches!(pick, Pick::Field { name, .. } if name == "nodes")
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self) -> Option<String> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        (self.take()? == word).then_some(())
    }

    fn picks(&mut self) -> Option<Vec<Pick>> {
        self.expect("{")?;
        let mut picks = Vec::new();
        while self.peek()? != "}" {
            picks.push(self.pick()?);
        }
        self.take();
        Some(picks)
    }

    fn pick(&mut self) -> Option<Pick> {
        let first = self.take()?;
        if first == "..." {
            let word = self.take()?;
            return Some(if word == "on" { Pick::On(self.take()?, self.picks()?) } else { Pick::Spread(word) });
        }
        let mut name = first.clone();
        if self.peek() == Some(":") {
            self.take();
            name = self.take()?;
        }
        let mut args = Map::new();
        if self.peek() == Some("(") {
            self.take();
            while self.peek()? != ")" {
                let arg = self.take()?;
                self.expect(":")?;
                args.insert(arg, self.value()?);
            }
            self.take();
        }
        let picks = if self.peek() == Some("{") { self.picks()? } else { Vec::new() };
        Some(Pick::Field { key: first, name, args, picks })
    }

    fn value(&mut self) -> Option<Value> {
        let token = self.take()?;
        if let Some(name) = token.strip_prefix('$') {
            return Some(self.variables.get(name).cloned().unwrap_or(Value::Null));
        }
        if let Some(text) = token.strip_prefix('"') {
            return Some(json!(text));
        }
        Some(token.parse::<i64>().map_or_else(|_| serde_json::from_str(&token).unwrap_or(json!(token)), Value::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_selects_by_name_and_alias_and_knows_what_there_is_not() {
        let text = "query($id: ID!) { order(id: $id) { ...facts } } fragment facts on Order { at: createdAt lines(first: 2) { nodes { q: quantity } } }";
        let document = Document::read(text, &json!({ "id": "gid://shopify/Order/1" })).expect("a document");
        let [Pick::Field { name, args, picks, .. }] = document.picks.as_slice() else { panic!("{document:?}") };
        assert_eq!((name.as_str(), &args["id"]), ("order", &json!("gid://shopify/Order/1")));
        let order = json!({ "createdAt": "x", "lines": { "nodes": [{ "quantity": 3 }] } });
        assert_eq!(document.project(&order, picks), Ok(json!({ "at": "x", "lines": { "nodes": [{ "q": 3 }] } })));
        assert_eq!(document.project(&json!({ "lines": null }), picks), Err("createdAt".to_string()));
        assert!(Document::read("what is this", &json!({})).is_none());
        // An order, a connection of two, each with its line.
        assert_eq!(document.cost(&document.picks), 1 + 2 + 2);
    }
}
