//! LINE's messages as a person reads them.

use serde_json::Value;

/// What notification and chat list show of the first message, and all words of all messages.
pub(super) fn messages(messages: &[Value]) -> (String, String) {
    let mut lines = Vec::new();
    let mut title = String::new();
    for message in messages {
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text" | "textV2" => lines.push(text("text").to_string()),
            "flex" => message.get("contents").into_iter().for_each(|c| card(c, &mut lines, 0)),
            other => lines.push(format!("({other})")),
        }
        if title.is_empty() {
            let first = lines.first().and_then(|l| l.lines().next()).unwrap_or_default();
            title = Some(text("altText")).filter(|alt| !alt.is_empty()).unwrap_or(first).to_string();
        }
    }
    (title, lines.join("\n"))
}

/// Words and buttons from top to bottom.
fn card(part: &Value, lines: &mut Vec<String>, depth: usize) {
    if depth > 40 {
        return;
    }
    let text = |key: &str| part.get(key).and_then(Value::as_str);
    let children = part.get("contents").and_then(Value::as_array);
    match text("type") {
        Some("text") => {
            let spans = children.into_iter().flatten().filter_map(|s| s.get("text").and_then(Value::as_str));
            let words: String = spans.collect();
            lines.push(if words.is_empty() { text("text").unwrap_or_default().to_string() } else { words });
        }
        Some("button") => {
            let of = |key: &str| part.pointer(&format!("/action/{key}")).and_then(Value::as_str).unwrap_or_default();
            lines.push(format!("[{}] {}", of("label"), of("uri")).trim_end().to_string());
        }
        _ => {
            for block in ["header", "hero", "body", "footer"] {
                part.get(block).into_iter().for_each(|inner| card(inner, lines, depth + 1));
            }
            children.into_iter().flatten().for_each(|inner| card(inner, lines, depth + 1));
        }
    }
}
