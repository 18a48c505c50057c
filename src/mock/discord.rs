//! Discord's "execute webhook".
//!
//! Vendor's documents: "Webhook Resource", "Message Resource" (limits of embeds), "Rate Limits", "Opcodes and Status
//! Codes" (state of 2026).

use super::House;
use super::book::Taken;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "discord", read, too_many };

const HOOKS: &str = "/api/webhooks/";
const CONTENT: usize = 2000;
const EMBEDS: usize = 10;
/// All texts of all embeds together.
const EMBED_TEXT: usize = 6000;
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const FOOTER: usize = 2048;
/// Flags that a webhook may set: no embeds, no sound, components of the second version.
const FLAGS: u64 = 1 << 2 | 1 << 12 | 1 << 15;

/// A channel with one webhook.
#[derive(Clone)]
pub struct DiscordOptions {
    /// Path of the webhook's address.
    pub path: String,
    /// What the headers of a taken message say is left of the budget.
    pub remaining: u32,
}

impl Default for DiscordOptions {
    fn default() -> Self {
        DiscordOptions { path: "/api/webhooks/100000000000000001/mock-discord-token".into(), remaining: 4 }
    }
}

fn no(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message, "code": code }))
}

fn too_many(kind: &FaultKind, _to: &str) -> Reply {
    let after = if let FaultKind::Rate429After(after) = kind { after.as_str() } else { "1" };
    let secs: f64 = after.parse().unwrap_or(1.0);
    let body = json!({ "message": "You are being rate limited.", "retry_after": secs, "global": false });
    Reply::json(429, &body).with("retry-after", after).with("x-ratelimit-scope", "user")
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let path = request.path();
    if !path.starts_with(HOOKS) {
        return None;
    }
    if request.method() == "GET" {
        let told = json!({ "type": 1, "id": "100000000000000001", "name": "orders", "channel_id": "1" });
        let reply = known(house, path).map_or_else(|no| no, |()| Reply::json(200, &told));
        return Some(Errand { lane: "discord:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    let outcome = match accept(house, request) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "discord", to: path.to_string(), outcome })
}

fn known(house: &House, path: &str) -> Result<(), Reply> {
    let ours = &house.options.discord.path;
    let id = |path: &str| path.strip_prefix(HOOKS).and_then(|p| p.split('/').next()).map(str::to_string);
    match path == ours {
        true => Ok(()),
        false if id(path) == id(ours) => Err(no(401, 50_027, "Invalid Webhook Token")),
        false => Err(no(404, 10_015, "Unknown Webhook")),
    }
}

fn accept(house: &House, request: &Request) -> Result<Taken, Reply> {
    if request.method() != "POST" {
        return Err(no(405, 0, "405: Method Not Allowed"));
    }
    known(house, request.path())?;
    let body: Value = serde_json::from_slice(&request.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| no(400, 50_109, "The request body contains invalid JSON."))?;
    let embeds = body.get("embeds").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let content = body.get("content").and_then(Value::as_str).unwrap_or_default();
    if content.is_empty() && embeds.is_empty() {
        return Err(no(400, 50_006, "Cannot send an empty message"));
    }
    let flags = body.get("flags").map_or(Some(0), Value::as_u64).unwrap_or(u64::MAX);
    let total: usize = embeds.iter().map(|e| PARTS.iter().map(|(part, _)| length(e, part)).sum::<usize>()).sum();
    let fits = content.chars().count() <= CONTENT
        && embeds.len() <= EMBEDS
        && total <= EMBED_TEXT
        && flags & !FLAGS == 0
        && embeds.iter().all(embed);
    if !fits {
        return Err(no(400, 50_035, "Invalid Form Body"));
    }
    // Without it the answer is empty, kept or not.
    let waits = request.query("wait").as_deref() == Some("true");
    let mut taken = Taken { form: "embed", delivered: true, body: request.body.clone(), ..Taken::default() };
    taken.status = if waits { 200 } else { 204 };
    if house.book.keeps() {
        (taken.title, taken.text) = show(content, embeds);
    }
    Ok(taken)
}

const PARTS: [(&str, usize); 3] = [("/title", TITLE), ("/description", DESCRIPTION), ("/footer/text", FOOTER)];

fn length(embed: &Value, part: &str) -> usize {
    embed.pointer(part).and_then(Value::as_str).map_or(0, |t| t.chars().count())
}

/// Every part within its limit, and something to show.
fn embed(embed: &Value) -> bool {
    let fits = PARTS.iter().all(|(part, most)| length(embed, part) <= *most);
    fits && PARTS.iter().any(|(part, _)| length(embed, part) > 0)
}

/// As people see it: a backslash before a sign stands for the sign, a link under its label.
fn show(content: &str, embeds: &[Value]) -> (String, String) {
    let text = |embed: &Value, part: &str| embed.pointer(part).and_then(Value::as_str).unwrap_or_default().to_string();
    let mut lines = vec![unescape(content)];
    for embed in embeds {
        lines.extend([unescape(&text(embed, "/title")), unescape(&text(embed, "/description"))]);
        lines.push(text(embed, "/footer/text"));
    }
    lines.retain(|l| !l.is_empty());
    (lines.first().and_then(|l| l.lines().next()).unwrap_or_default().to_string(), lines.join("\n"))
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(next)) if next.is_ascii_punctuation() => out.extend(chars.next()),
            // `[label](address)`
            (']', Some('(')) => {
                chars.next();
                out.push_str("] ");
                out.extend(chars.by_ref().take_while(|c| *c != ')'));
            }
            _ => out.push(c),
        }
    }
    out
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    let id = format!("{}", 1_300_000_000_000_000_000_u64 + taken.n);
    let reply = match taken.status {
        200 => Reply::json(200, &json!({ "id": id, "type": 0, "channel_id": "200000000000000001" })),
        status => Reply::text(status, ""),
    };
    taken.ids = vec![id];
    house.book.take(taken);
    reply
        .with("x-ratelimit-limit", "5")
        .with("x-ratelimit-remaining", house.options.discord.remaining.to_string())
        .with("x-ratelimit-reset-after", "2.000")
        .with("x-ratelimit-bucket", "mock")
}
