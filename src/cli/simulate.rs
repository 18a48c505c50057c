//! `simulate`.

use super::ask::Door;
use super::order::{number, text};
use super::{Misuse, Status, out};
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};
use crate::domain::webhook::RawWebhook;
use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `simulate`.
#[derive(ClapArgs)]
pub struct Args {
    /// The captured webhook: an HTTP request as text (first line, headers, an empty line, body), the JSON form in which
    /// unreadable webhooks are kept, or only the body (with --topic).
    file: PathBuf,
    /// Shop, by its id in the settings.
    #[arg(long, value_name = "ID")]
    shop: String,
    /// The webhook's topic (`orders/updated`, `order.updated`), where the file holds only its body.
    #[arg(long)]
    topic: Option<String>,
    /// One JSON value instead of lines for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Says what a captured webhook would do.
pub async fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<Status> {
    let bytes = std::fs::read(&args.file).map_err(|e| Misuse(format!("{}: {e}", args.file.display())))?;
    let now = SystemClock.now();
    let webhook = captured(&bytes, args.topic.as_deref(), now)
        .map_err(|why| Misuse(format!("{}: {why}", args.file.display())))?;
    let ask = json!({ "shop": args.shop, "webhook": webhook });
    let foreseen: Value =
        args.door.client(config)?.post("/api/v1/simulate", &ask).await.context("nothing was simulated")?;
    if args.json {
        out::json(&foreseen);
        return Ok(Status::Done);
    }
    lines(&foreseen).iter().for_each(|l| out::line(l));
    Ok(Status::Done)
}

/// The webhook that a file holds.
fn captured(bytes: &[u8], topic: Option<&str>, now: Timestamp) -> Result<RawWebhook, String> {
    if let Ok(kept) = serde_json::from_slice::<RawWebhook>(bytes) {
        return Ok(kept);
    }
    if bytes.starts_with(b"POST ") || bytes.starts_with(b"GET ") {
        return request(bytes, now);
    }
    let topic = topic.ok_or("it holds only a body: name the webhook's topic with --topic")?;
    let headers = [("content-type", "application/json"), ("x-shopify-topic", topic), ("x-wc-webhook-topic", topic)];
    Ok(RawWebhook::post(&headers, bytes.to_vec(), now))
}

/// An HTTP request as text; its lines may end with or without a carriage return.
fn request(bytes: &[u8], now: Timestamp) -> Result<RawWebhook, String> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"].map(|end| find(bytes, end).map(|at| (at, at + end.len())));
    let (head, body) = ends.into_iter().flatten().min().ok_or("no empty line ends its headers")?;
    let head = std::str::from_utf8(&bytes[..head]).map_err(|_| "its headers are no text".to_string())?;
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line:?} is no header"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_string()));
    }
    let query = target.split_once('?').map(|(_, query)| query.to_string()).unwrap_or_default();
    Ok(RawWebhook { method: method.into(), query, headers, body: bytes[body..].to_vec().into(), received_at: now })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn lines(foreseen: &Value) -> Vec<String> {
    let mut lines =
        vec![format!("signed: {}", text(foreseen, "signed")), format!("tells: {}", text(foreseen, "tells"))];
    for order in list(foreseen, "orders") {
        let known = if order.get("known").and_then(Value::as_bool) == Some(true) { "known" } else { "new" };
        lines.push(format!(
            "order {} ({}), {known}: {}",
            text(order, "name"),
            text(order, "order"),
            text(order, "news")
        ));
        for owed in list(order, "owed") {
            let by = match owed.get("by").and_then(Value::as_str) {
                Some(by) => format!("owed by {by}"),
                None => format!("told to nobody ({})", text(owed, "reason")),
            };
            lines.push(format!("  {} ({}): {by}", text(owed, "milestone"), text(owed, "subject")));
        }
        lines.push(format!("  decided at {}:", text(order, "at")));
        for item in list(order, "items") {
            let what = (number(item, "item"), text(item, "milestone"), text(item, "decision"));
            lines.push(format!("    item {} {}: {}", what.0, what.1, what.2));
            lines.extend(item.get("message").filter(|m| !m.is_null()).into_iter().flat_map(message));
        }
    }
    lines
}

fn message(message: &Value) -> Vec<String> {
    if let Some(fault) = message.get("fault").and_then(Value::as_str) {
        return vec![format!("      it could not be said: {fault}")];
    }
    let counts = message.get("counts").and_then(Value::as_str).map(|c| format!(" · {c}")).unwrap_or_default();
    let (channel, form, locale) = (text(message, "channel"), text(message, "form"), text(message, "locale"));
    let mut lines = vec![format!("      {channel} · {form} · {locale}{counts}")];
    let body = message.get("body").and_then(Value::as_str).unwrap_or_default();
    lines.extend([text(message, "title").as_str()].into_iter().chain(body.lines()).map(|l| format!("      │ {l}")));
    for button in list(message, "buttons") {
        let part = |i: usize| button.get(i).and_then(Value::as_str).unwrap_or_default().to_string();
        lines.push(format!("      │ [{}] {}", part(0), part(1)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::from_millis;

    #[test]
    fn a_request_as_text_keeps_its_very_body() {
        for end in ["\r\n", "\n"] {
            let dump =
                ["POST /hooks/shopify/tea?x=1 HTTP/1.1", "X-Shopify-Topic: orders/create", "", "{\"id\": 1}\n\n"]
                    .join(end);
            let raw = captured(dump.as_bytes(), None, from_millis(0)).expect("a webhook");
            assert_eq!((raw.method.as_str(), raw.query.as_str()), ("POST", "x=1"));
            assert_eq!(raw.header("x-shopify-topic"), Some("orders/create"));
            assert_eq!(&raw.body[..], b"{\"id\": 1}\n\n");
            let kept = serde_json::to_vec(&raw).expect("JSON");
            assert_eq!(captured(&kept, None, from_millis(5)).expect("the same"), raw);
        }
    }

    #[test]
    fn what_is_no_webhook_says_what_lacks() {
        let why = |bytes: &[u8]| captured(bytes, None, from_millis(0)).expect_err("no webhook");
        assert!(why(b"{\"id\": 1}").contains("--topic"));
        assert!(why(b"POST / HTTP/1.1\nx: y").contains("empty line"));
        assert!(why(b"POST / HTTP/1.1\nnonsense\n\n").contains("nonsense"));
        let raw = captured(b"{\"id\": 1}", Some("order.updated"), from_millis(0)).expect("a webhook");
        assert_eq!(raw.header("x-wc-webhook-topic"), Some("order.updated"));
    }
}
