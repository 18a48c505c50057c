//! Messenger's messages as a person reads them.

use serde_json::Value;

/// The first line (a template's name), and all the words.
pub(super) fn message(message: &Value) -> (String, String) {
    if let Some(template) = message.get("template") {
        return utility(template);
    }
    let payload = message.pointer("/attachment/payload");
    let mut lines = vec![text(message, "text").to_string()];
    if let Some(payload) = payload {
        lines = vec![text(payload, "text").to_string()];
        lines.extend(buttons(payload));
        for element in list(payload, "elements") {
            lines.extend([text(element, "title").to_string(), text(element, "subtitle").to_string()]);
            lines.extend(buttons(element));
        }
    }
    lines.retain(|line| !line.is_empty());
    let title = lines.first().and_then(|l| l.lines().next()).unwrap_or_default().to_string();
    (title, lines.join("\n"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn buttons(of: &Value) -> impl Iterator<Item = String> {
    list(of, "buttons").iter().map(|b| format!("[{}] {}", text(b, "title"), text(b, "url")).trim_end().to_string())
}

/// The template's own words are Meta's; what we gave it is shown by name or in order.
fn utility(template: &Value) -> (String, String) {
    let language = template.pointer("/language/code").and_then(Value::as_str).unwrap_or_default();
    let title = format!("{} ({language})", text(template, "name"));
    let mut lines = vec![title.clone()];
    for component in list(template, "components") {
        for parameter in list(component, "parameters") {
            let value = ["text", "url", "payload"].iter().map(|key| text(parameter, key)).find(|v| !v.is_empty());
            let (name, value) = (text(parameter, "parameter_name"), value.unwrap_or_default());
            lines.push(if name.is_empty() { value.to_string() } else { format!("{name}: {value}") });
        }
    }
    (title, lines.join("\n"))
}
