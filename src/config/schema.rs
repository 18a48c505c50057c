//! JSON Schemas of parts: put together for people's editors, taken apart for the check.

use crate::domain::settings::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The schema that `make` gives, complete with the definitions that it refers to.
pub fn of(make: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Schema {
    let mut generator = SchemaGenerator::default();
    let mut schema = make(&mut generator);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".into(), Value::Object(definitions.into_iter().collect()));
    }
    schema
}

/// The same with one more key that may be left out: text.
pub fn with(mut schema: Schema, name: &str, description: &str) -> Schema {
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    properties[name] = json!({ "type": ["string", "null"], "description": description });
    schema
}

/// One schema for entries that come in kinds: `tag` names the kind, and each kind has its own keys besides
/// those in `common` (name, description; every one is text, and all but the tag's own are optional).
pub fn by_kind(tag: &str, common: &[(&str, &str)], kinds: &[(&str, Schema)]) -> Schema {
    let mut definitions = Map::new();
    let mut alternatives = Vec::new();
    for (kind, schema) in kinds {
        let mut schema = merged(&mut definitions, kind, schema.as_value());
        if let Some(map) = schema.as_object_mut() {
            let properties = map.entry("properties").or_insert_with(|| json!({}));
            for (name, description) in common {
                properties[*name] = json!({ "type": "string", "description": description });
            }
            properties[tag] = json!({ "const": kind });
            match map.entry("required").or_insert_with(|| json!([])) {
                Value::Array(required) => required.insert(0, json!(tag)),
                other => *other = json!([tag]),
            }
        }
        alternatives.push(schema);
    }
    let whole = Map::from_iter([("oneOf".into(), Value::Array(alternatives)), ("$defs".into(), definitions.into())]);
    Schema::from(whole)
}

/// The schema of a whole settings file, from its parts: key, whether it is a list (`[[key]]`), schema.
pub fn document(parts: &[(&str, bool, Schema)]) -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    for (key, is_list, schema) in parts {
        let schema = merged(&mut definitions, key, schema.as_value());
        let schema = if *is_list { json!({ "type": "array", "items": schema }) } else { schema };
        properties.insert((*key).to_string(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "orderwire",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// Moves a schema's definitions into `definitions`. Two parts may use one name for two things: the later one
/// is renamed after its part.
fn merged(definitions: &mut Map<String, Value>, part: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let Some(map) = schema.as_object_mut() else { return schema };
    map.remove("$schema");
    let Some(Value::Object(mut own)) = map.remove("$defs") else { return schema };
    let renamed: BTreeMap<String, String> = own
        .iter()
        .filter(|(name, body)| definitions.get(*name).is_some_and(|known| known != *body))
        .map(|(name, _)| (name.clone(), format!("{part}_{name}")))
        .collect();
    refer(&mut schema, &renamed);
    for (name, body) in &mut own {
        refer(body, &renamed);
        definitions.insert(renamed.get(name).unwrap_or(name).clone(), body.take());
    }
    schema
}

/// Turns references to renamed definitions round.
fn refer(schema: &mut Value, renamed: &BTreeMap<String, String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some(new) = reference.strip_prefix("#/$defs/").and_then(|name| renamed.get(name))
            {
                *reference = format!("#/$defs/{new}");
            }
            map.values_mut().for_each(|inner| refer(inner, renamed));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| refer(inner, renamed)),
        _ => {}
    }
}

/// One thing that a value may be, with references and alternatives taken apart.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// A secret.
    Secret,
    /// Anything at all.
    Any,
    /// What this schema says; `true`: it is one of several alternatives.
    Plain(&'a Map<String, Value>, bool),
}

static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
/// By this a secret is known: its name may differ from schema to schema, what it may be does not.
static SECRET: LazyLock<Option<Value>> =
    LazyLock::new(|| Secret::json_schema(&mut SchemaGenerator::default()).get("oneOf").cloned());

impl<'a> Shape<'a> {
    fn map(self) -> Option<&'a Map<String, Value>> {
        match self {
            Shape::Plain(map, _) => Some(map),
            _ => None,
        }
    }

    pub fn get(self, word: &str) -> Option<&'a Value> {
        self.map()?.get(word)
    }

    pub fn properties(self) -> &'a Map<String, Value> {
        self.get("properties").and_then(Value::as_object).unwrap_or(&NONE)
    }

    pub fn property(self, name: &str) -> Option<&'a Value> {
        self.properties().get(name)
    }

    /// What keys without a name of their own hold, where such are allowed. A table that names its keys and
    /// says nothing of others allows no others: a mistyped key would be a setting without effect.
    pub fn rest(self) -> Option<&'a Value> {
        const ANYTHING: &Value = &Value::Bool(true);
        match self.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(schema),
            None if self.get("properties").is_none() && self.get("oneOf").is_none() => Some(ANYTHING),
            None => None,
        }
    }

    fn requires(self) -> impl Iterator<Item = &'a str> {
        self.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// All that a value with these schemas may be.
pub(super) fn shapes<'a>(root: &'a Value, schemas: &[&'a Value]) -> Vec<Shape<'a>> {
    let mut shapes = Vec::new();
    for schema in schemas {
        gather(root, schema, false, &mut Vec::new(), &mut shapes);
    }
    if schemas.is_empty() {
        shapes.push(Shape::Any);
    }
    shapes
}

fn gather<'a>(
    root: &'a Value,
    schema: &'a Value,
    alternative: bool,
    seen: &mut Vec<&'a str>,
    shapes: &mut Vec<Shape<'a>>,
) {
    let Some(map) = schema.as_object() else {
        return if schema == &Value::Bool(true) {
            shapes.push(Shape::Any)
        };
    };
    if map.get("oneOf").is_some_and(|one| SECRET.as_ref() == Some(one)) {
        return shapes.push(Shape::Secret);
    }
    let mut wrapper = false;
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        wrapper = true;
        if let Some(target) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
            && !seen.contains(&reference)
        {
            seen.push(reference);
            gather(root, target, alternative, seen, shapes);
            seen.pop();
        }
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        let list: Vec<&Value> = map.get(word).and_then(Value::as_array).into_iter().flatten().collect();
        wrapper |= !list.is_empty();
        let several = word != "allOf" && list.iter().filter(|s| s["type"] != "null").count() > 1;
        for inner in list {
            gather(root, inner, alternative || several, seen, shapes);
        }
    }
    let says = ["type", "properties", "const", "enum", "additionalProperties"].iter().any(|w| map.contains_key(*w));
    match (says, wrapper) {
        (true, _) => shapes.push(Shape::Plain(map, alternative)),
        (false, true) => {}
        (false, false) => shapes.push(Shape::Any),
    }
}

/// The JSON types that a value may have.
pub(super) fn types<'a>(shapes: &[Shape<'a>]) -> BTreeSet<&'a str> {
    let mut types = BTreeSet::new();
    for shape in shapes {
        match shape.get("type") {
            Some(Value::String(name)) => drop(types.insert(name.as_str())),
            Some(Value::Array(names)) => types.extend(names.iter().filter_map(Value::as_str)),
            _ if words(shape).is_some() => drop(types.insert("string")),
            _ => types.extend(["object"]),
        }
    }
    types
}

/// The words that a text may be, where it may not be any text.
pub(super) fn words<'a>(shape: &Shape<'a>) -> Option<Vec<&'a str>> {
    match (shape.get("const"), shape.get("enum")) {
        (Some(word), _) => word.as_str().map(|w| vec![w]),
        (None, Some(words)) => words.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()),
        (None, None) => None,
    }
}

/// Those shapes of a table that agree with the words it has (`kind = "line"`); all, where none does.
pub(super) fn fitting<'a>(shapes: &[Shape<'a>], map: &Map<String, Value>) -> Vec<Shape<'a>> {
    let tables: Vec<Shape<'a>> =
        shapes.iter().copied().filter(|s| types(std::slice::from_ref(s)).contains("object")).collect();
    let agrees = |shape: &Shape<'a>| {
        shape.properties().iter().all(|(name, schema)| match (map.get(name), schema.get("const")) {
            (Some(given), Some(word)) => given == word,
            _ => true,
        })
    };
    let fit: Vec<Shape<'a>> = tables.iter().copied().filter(agrees).collect();
    if fit.is_empty() { tables } else { fit }
}

/// Keys that must be there: of an alternative only when it is the one left.
pub(super) fn required<'a>(shapes: &[Shape<'a>]) -> BTreeSet<&'a str> {
    let alternatives = shapes.iter().filter(|s| matches!(s, Shape::Plain(_, true))).count();
    shapes
        .iter()
        .filter(|s| !matches!(s, Shape::Plain(_, true)) || alternatives == 1)
        .flat_map(|s| s.requires())
        .collect()
}

/// What a key is for, in one line: its own words, or its type's.
pub(super) fn description<'a>(root: &'a Value, schema: &'a Value) -> Option<String> {
    let own = schema.get("description").and_then(Value::as_str);
    let target = || {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        let target = root.pointer(pointer)?;
        // What a secret is, everybody knows; what this one is for is not said.
        if target.get("oneOf") == SECRET.as_ref() {
            return None;
        }
        target.get("description")?.as_str()
    };
    let text = own.or_else(target)?;
    let line = text.split("\n\n").next()?.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.trim_end_matches('.').to_string())
}
