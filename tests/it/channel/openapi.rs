//! Checks a JSON document against the schemas of an OpenAPI 3.0 description.
//!
//! A JSON Schema validator does not know `discriminator`, by which these descriptions choose the real schema of
//! a part, and passes over properties that no schema names; both matter here. So this reads the part of the
//! language that the vendors use, and refuses a document with anything the description does not know.

use serde_json::{Map, Value};

pub struct Schemas(Map<String, Value>);

impl Schemas {
    /// The `components.schemas` of a description in YAML.
    pub fn read(yaml: &str) -> Schemas {
        let description: Value = serde_saphyr::from_str(yaml).expect("a description in YAML");
        Schemas(description["components"]["schemas"].as_object().expect("schemas").clone())
    }

    /// Every way in which `document` does not fit the schema `name`.
    pub fn faults(&self, name: &str, document: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.0[name], document, name, &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let mut layers = Vec::new();
        self.layers(schema, Some(value), &mut layers);
        for layer in &layers {
            simple(layer, value, at, faults);
        }
        if let Value::Array(items) = value
            && let Some(of) = layers.iter().find_map(|l| l.get("items"))
        {
            for (i, item) in items.iter().enumerate() {
                self.check(of, item, &format!("{at}[{i}]"), faults);
            }
        }
        if let Value::Object(fields) = value {
            for (key, field) in fields {
                let place = format!("{at}.{key}");
                match layers.iter().find_map(|l| l.get("properties")?.get(key)) {
                    Some(of) => self.check(of, field, &place, faults),
                    None => faults.push(format!("{place} is not known")),
                }
            }
        }
    }

    /// The schema itself, those it is made of, and the one its discriminator names.
    fn layers<'a>(&'a self, schema: &'a Value, value: Option<&Value>, into: &mut Vec<&'a Value>) {
        if let Some(name) = schema["$ref"].as_str() {
            return self.layers(self.named(name), value, into);
        }
        if let Some(value) = value
            && let Some(property) = schema["discriminator"]["propertyName"].as_str()
        {
            let chosen = value[property].as_str().unwrap_or_default();
            let name = schema["discriminator"]["mapping"][chosen].as_str();
            let name = name.unwrap_or_else(|| panic!("{property} {chosen:?} is not one of the mapping"));
            // The chosen one names this one among its parts: from there on without choosing again.
            return self.layers(self.named(name), None, into);
        }
        into.push(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.layers(part, value.filter(|_| part["$ref"].is_null()), into);
        }
    }

    fn named(&self, reference: &str) -> &Value {
        let name = reference.rsplit('/').next().unwrap_or_default();
        self.0.get(name).unwrap_or_else(|| panic!("no schema {name}"))
    }
}

fn simple(layer: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let mut fault = |why: String| faults.push(format!("{at} {why}"));
    let fits = match layer["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        None => true,
        Some(other) => panic!("{at}: type {other} is not handled"),
    };
    if !fits {
        fault(format!("is not {}", layer["type"]));
    }
    for key in layer["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none() {
            fault(format!("lacks {key}"));
        }
    }
    if let Some(choice) = layer["enum"].as_array()
        && !choice.contains(value)
    {
        fault("is none of the choices".into());
    }
    let length = value.as_str().map(|s| s.chars().count()).or(value.as_array().map(Vec::len));
    for (low, high) in [("minLength", "maxLength"), ("minItems", "maxItems")] {
        let Some(length) = length else { continue };
        if layer[low].as_u64().is_some_and(|n| length < n as usize) {
            fault(format!("is shorter than {low}"));
        }
        if layer[high].as_u64().is_some_and(|n| length > n as usize) {
            fault(format!("is longer than {high}"));
        }
    }
    if layer["format"] == "uri" && value.as_str().is_none_or(|u| url::Url::parse(u).is_err() || !u.is_ascii()) {
        fault("is not an encoded address".into());
    }
}

/// The checker itself must be able to say no.
#[test]
fn a_document_that_does_not_fit_is_named_in_each_place() {
    let schemas = Schemas::read(
        "
components:
  schemas:
    Post: { type: object, required: [to], properties: { to: { type: string, maxLength: 3 }, parts: { type: array, maxItems: 2, items: { $ref: '#/components/schemas/Part' } } } }
    Part: { type: object, required: [type], properties: { type: { type: string } }, discriminator: { propertyName: type, mapping: { text: '#/components/schemas/Text' } } }
    Text: { type: object, required: [text], allOf: [ { $ref: '#/components/schemas/Part' }, { type: object, properties: { text: { type: string }, link: { type: string, format: uri } } } ] }
",
    );
    let good =
        serde_json::json!({ "to": "abc", "parts": [{ "type": "text", "text": "a", "link": "https://a.example/" }] });
    assert_eq!(schemas.faults("Post", &good), Vec::<String>::new());
    let bad =
        serde_json::json!({ "to": "abcd", "parts": [{ "type": "text", "x": 1, "link": "https://a.example/訂" }] });
    let faults = schemas.faults("Post", &bad).join("; ");
    for part in
        ["Post.to is longer", "parts[0] lacks text", "parts[0].x is not known", "link is not an encoded address"]
    {
        assert!(faults.contains(part), "{part}: {faults}");
    }
}
