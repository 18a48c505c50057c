//! A push as one tree: XML, as accounts get it by default, or JSON, as they may choose.
//!
//! XML is read event by event: no DTD, no entity but the five of XML itself, a bounded depth and number of parts. An
//! element that comes several times becomes a list.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Deeper than any push.
const DEPTH: usize = 12;
/// More parts than any push has.
const EVENTS: usize = 4000;

/// The push's fields; `None`: nobody can read it.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?.trim_start();
    if text.starts_with('<') { xml(text) } else { serde_json::from_str(text).ok().filter(Value::is_object) }
}

/// An element that is still open.
struct Open {
    name: String,
    words: String,
    inner: Map<String, Value>,
}

impl Open {
    fn put(&mut self, name: String, value: Value) {
        match self.inner.get_mut(&name) {
            None => drop(self.inner.insert(name, value)),
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }

    fn value(self) -> Value {
        if self.inner.is_empty() { Value::String(self.words) } else { Value::Object(self.inner) }
    }
}

fn xml(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    for _ in 0..EVENTS {
        match reader.read_event().ok()? {
            Event::Start(tag) if open.len() < DEPTH => {
                let name = name(tag.name().as_ref())?;
                open.push(Open { name, words: String::new(), inner: Map::new() });
            }
            Event::Empty(tag) => open.last_mut()?.put(name(tag.name().as_ref())?, Value::String(String::new())),
            Event::End(_) => {
                let done = open.pop()?;
                let name = done.name.clone();
                match open.last_mut() {
                    Some(parent) => parent.put(name, done.value()),
                    None => return Some(done.value()).filter(|v| name == "xml" && v.is_object()),
                }
            }
            Event::Text(words) => add(&mut open, &words.decode().ok()?),
            Event::CData(words) => add(&mut open, &words.decode().ok()?),
            Event::GeneralRef(name) => {
                let one = match name.resolve_char_ref().ok()? {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name.decode().ok()?)?.to_string(),
                };
                add(&mut open, &one);
            }
            Event::Comment(_) | Event::Decl(_) => {}
            Event::Start(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => return None,
        }
    }
    None
}

/// Words outside the root are blanks, and nobody's.
fn add(open: &mut [Open], words: &str) {
    if let Some(inner) = open.last_mut() {
        inner.words.push_str(words);
    }
}

fn name(raw: &[u8]) -> Option<String> {
    std::str::from_utf8(raw).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn xml_and_json_give_the_same_tree() {
        let xml = "<xml>\n <A><![CDATA[1 <b> & 2]]></A><B>x&lt;&#21335;</B><C/>\n<D><E>1</E></D><D><E>2</E></D></xml>";
        let tree = json!({ "A": "1 <b> & 2", "B": "x<南", "C": "", "D": [{ "E": "1" }, { "E": "2" }] });
        assert_eq!(read(xml.as_bytes()), Some(tree.clone()));
        assert_eq!(read(tree.to_string().as_bytes()), Some(tree));
    }

    #[test]
    fn what_is_no_push_is_nothing() {
        let deep = format!("<xml>{}{}</xml>", "<a>".repeat(50), "</a>".repeat(50));
        let many = format!("<xml>{}</xml>", "<a/>".repeat(EVENTS));
        let bad = [
            "",
            "[]",
            "null",
            "<html><a>1</a></html>",
            "<xml>",
            "<xml>words</xml>",
            "<xml><A>1</B></xml>",
            "<xml><A>&who;</A></xml>",
            "<!DOCTYPE xml [<!ENTITY a \"b\">]><xml><A>&a;</A></xml>",
            "<!DOCTYPE xml SYSTEM \"file:///etc/passwd\"><xml><A>1</A></xml>",
            "<?php ?><xml><A>1</A></xml>",
            &deep,
            &many,
        ];
        for text in bad {
            assert_eq!(read(text.as_bytes()), None, "{}", text.get(..40).unwrap_or(text));
        }
        assert_eq!(read(b"<xml><A>\xff</A></xml>"), None);
    }
}
