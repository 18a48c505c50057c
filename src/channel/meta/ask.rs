//! What the Graph API says of an account: the token, the webhook's subscription, templates. Every call is a GET.
//!
//! Sources: Graph API "Debug token", "Page, subscribed_apps", WhatsApp "Template management" (read 2026-11), Messenger
//! "Utility messages" (2026-03-13): categories and states are the same words for both.

use super::{App, integer};
use crate::channel::ask::{self, Finding, Held, Needs, Question};
use crate::domain::clock::{Clock as _, SystemClock};
use serde_json::Value;
use std::collections::BTreeSet;

/// A token that ends within this is worth a look. Seconds.
const SOON: i64 = 7 * 86_400;
const DAY: i64 = 86_400;

/// An account, as it is asked about.
pub(in crate::channel) struct Look<'a> {
    /// Its node, and the fields that tell people which it is.
    pub node: (&'a str, &'static str),
    /// What must be so of them, else what is wrong and what to do.
    pub check: &'a (dyn Fn(&Value) -> Option<(String, String)> + Sync),
    /// Permissions that its token must have.
    pub scopes: &'static [&'static str],
    /// Whose webhook subscription, and the fields that are needed of it; none are listed for WhatsApp.
    pub subscribed: Option<(&'a str, &'static [&'static str])>,
    /// Whose templates; `Err`: why they cannot be asked for.
    pub templates: Result<&'a str, &'static str>,
    /// A template's place in a message.
    pub needs: fn(&Value) -> Option<Needs>,
}

impl App {
    /// All there is to ask. Where the token itself is refused, nothing else is asked: it would be refused as well.
    pub(in crate::channel) async fn ask(&self, look: &Look<'_>, question: &Question) -> Vec<Finding> {
        let account = self.account(look).await;
        if account.state != ask::State::Fine {
            return vec![account];
        }
        let mut findings = vec![account, self.about_token(look.scopes).await];
        if let Some((node, fields)) = look.subscribed {
            findings.push(self.subscription(node, fields).await);
        }
        let needs = ask::needs(question, look.needs);
        match look.templates {
            Err(why) if !needs.is_empty() => findings.push(Finding::not_asked("templates", why)),
            Err(_) => {}
            Ok(node) => {
                for (needs, places) in &needs {
                    findings.push(self.template(node, needs, places).await);
                }
            }
        }
        findings
    }

    async fn account(&self, look: &Look<'_>) -> Finding {
        const ABOUT: &str = "account";
        const REMEDY: &str = "make a new access_token with the permissions named in the example, and check its id";
        let (node, fields) = look.node;
        match ask::document(&self.get(node, &[("fields", fields)]).await, ask::never) {
            Err(no) => no.trouble(ABOUT, REMEDY),
            Ok(body) => match (look.check)(&body) {
                Some((said, remedy)) => Finding::trouble(ABOUT, said, remedy),
                None => {
                    let names = fields.split(',').filter_map(|f| body.get(f).and_then(Value::as_str));
                    Finding::fine(ABOUT, names.collect::<Vec<_>>().join(", "))
                }
            },
        }
    }

    /// Life and permissions of the token. Meta tells them to whoever has a part in the app; to others it does not.
    async fn about_token(&self, scopes: &[&str]) -> Finding {
        const ABOUT: &str = "access token";
        let asked = self.get("debug_token", &[("input_token", self.token.expose())]).await;
        let data = match ask::document(&asked, ask::never) {
            Ok(body) => body.get("data").cloned().unwrap_or_default(),
            Err(_) => return Finding::not_asked(ABOUT, "Meta does not tell this token its life and permissions"),
        };
        if data.get("is_valid").and_then(Value::as_bool) == Some(false) {
            return Finding::trouble(ABOUT, "is not valid any more", "make a new one");
        }
        let granted: Vec<&str> =
            data.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let missing: Vec<&str> = scopes.iter().copied().filter(|s| !granted.contains(s)).collect();
        if !missing.is_empty() {
            let said = format!("lacks {}", missing.join(", "));
            return Finding::trouble(ABOUT, said, "grant it and make a new token");
        }
        let left = |key: &str| data.get(key).and_then(integer).filter(|at| *at > 0);
        let ends = [left("expires_at"), left("data_access_expires_at")].into_iter().flatten().min();
        match ends.map(|at| at - SystemClock.now().as_second()) {
            Some(secs) if secs < SOON => {
                let said = format!("ends in {} days", secs.max(0) / DAY);
                Finding::trouble(ABOUT, said, "renew it, or use a system user's, which does not end")
            }
            Some(secs) => Finding::fine(ABOUT, format!("good for {} days, with {}", secs / DAY, scopes.join(", "))),
            None => Finding::fine(ABOUT, format!("does not end; with {}", scopes.join(", "))),
        }
    }

    /// Meta takes an app off a page whose webhook fails for an hour, without a word.
    async fn subscription(&self, node: &str, fields: &[&str]) -> Finding {
        const ABOUT: &str = "callback";
        let asked = self.get(&format!("{node}/subscribed_apps"), &[]).await;
        let body = match ask::document(&asked, ask::never) {
            Ok(body) => body,
            Err(no) if matches!(no.status, Some(400..=403)) => {
                return Finding::not_asked(ABOUT, format!("this token may not read the subscription ({})", no.words));
            }
            Err(no) => return no.trouble(ABOUT, "subscribe the app's webhook again"),
        };
        let apps = body.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let has = |app: &Value, field: &str| {
            app.get("subscribed_fields").and_then(Value::as_array).is_some_and(|all| all.iter().any(|f| f == field))
        };
        // A shared page may have several apps; ours cannot be told from them without its id.
        let missing = |app: &Value| fields.iter().copied().filter(|f| !has(app, f)).collect::<Vec<_>>();
        match apps.iter().map(missing).min_by_key(Vec::len) {
            None => Finding::trouble(ABOUT, "no app is subscribed", "subscribe the app's webhook again"),
            Some(missing) if !missing.is_empty() => {
                let said = format!("the subscription lacks {}", missing.join(", "));
                Finding::trouble(ABOUT, said, "add them in the app's dashboard, or by POST to subscribed_apps")
            }
            Some(_) => Finding::fine(ABOUT, "subscribed"),
        }
    }

    async fn template(&self, node: &str, needs: &Needs, places: &[&str]) -> Finding {
        let query =
            [("name", needs.name.as_str()), ("fields", "name,status,language,category,components,rejected_reason")];
        let body = match ask::document(&self.get(&format!("{node}/message_templates"), &query).await, ask::never) {
            Ok(body) => body,
            Err(no) => return no.trouble(&format!("template {}", needs.name), "let the token read templates"),
        };
        let ours = |t: &&Value| ask::text(t, "/name") == needs.name && ask::text(t, "/language") == needs.language;
        let found = body.get("data").and_then(Value::as_array).and_then(|all| all.iter().find(ours));
        ask::compare(needs, places, found.map(held).as_ref())
    }
}

/// A template as the Graph API writes it.
fn held(template: &Value) -> Held {
    let status = ask::text(template, "/status").to_string();
    let category = ask::text(template, "/category");
    let reason = Some(ask::text(template, "/rejected_reason")).filter(|r| *r != "NONE").unwrap_or_default();
    let components = template.get("components").and_then(Value::as_array).into_iter().flatten();
    Held {
        sendable: matches!(status.as_str(), "APPROVED" | "ACTIVE"),
        status,
        reason: reason.to_string(),
        category: (!category.is_empty()).then(|| (category.to_string(), category == "UTILITY")),
        slots: components.flat_map(slots).collect(),
        optional: BTreeSet::new(),
    }
}

/// The places of one component that a message must fill.
fn slots(component: &Value) -> Vec<String> {
    let marks = |part: &str| {
        let named = |m: String| format!("{part} {m}");
        ask::marks(ask::text(component, "/text")).into_iter().map(named).collect()
    };
    match ask::text(component, "/type") {
        "BODY" => marks("body"),
        "HEADER" => match ask::text(component, "/format") {
            "" | "TEXT" => marks("header"),
            other => vec![format!("header {}", other.to_lowercase())],
        },
        "BUTTONS" => {
            let buttons = component.get("buttons").and_then(Value::as_array).into_iter().flatten().enumerate();
            let open = buttons.filter(|(_, b)| !ask::marks(ask::text(b, "/url")).is_empty());
            open.map(|(i, _)| format!("button {}", i + 1)).collect()
        }
        _ => Vec::new(),
    }
}

/// What a message fills of the template at `template`: `components` as both of Meta's documents write them.
pub(in crate::channel) fn filled(template: &Value) -> Option<Needs> {
    let mut slots = BTreeSet::new();
    for component in template.get("components").and_then(Value::as_array).into_iter().flatten() {
        let parameters = component.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match ask::text(component, "/type") {
            part @ ("body" | "header") => slots.extend(parameters.iter().enumerate().map(|(i, p)| {
                let name = Some(ask::text(p, "/parameter_name")).filter(|n| !n.is_empty());
                format!("{part} {}", name.map_or_else(|| (i + 1).to_string(), str::to_string))
            })),
            // WhatsApp: one component a button; data that comes back is not part of the template.
            "button" if ask::text(component, "/sub_type") == "url" => {
                let index = component.get("index").and_then(integer).unwrap_or_default();
                slots.insert(format!("button {}", index + 1));
            }
            // Messenger: all of them in one.
            "buttons" => slots.extend(
                parameters
                    .iter()
                    .enumerate()
                    .filter(|(_, p)| ask::text(p, "/type") == "URL")
                    .map(|(i, _)| format!("button {}", i + 1)),
            ),
            _ => {}
        }
    }
    let (name, language) =
        (ask::text(template, "/name").to_string(), ask::text(template, "/language/code").to_string());
    (!name.is_empty()).then_some(Needs { name, language, slots })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_message_fills_and_what_a_template_has_are_named_alike() {
        let message = json!({ "name": "t", "language": { "code": "en" }, "components": [
            { "type": "header", "parameters": [{ "type": "text", "text": "a" }] },
            { "type": "body", "parameters": [{ "text": "a", "parameter_name": "order" }, { "text": "b", "parameter_name": "shop" }] },
            { "type": "button", "sub_type": "url", "index": "0", "parameters": [] },
            { "type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [] },
        ]});
        let template = json!({ "status": "APPROVED", "category": "UTILITY", "components": [
            { "type": "HEADER", "format": "TEXT", "text": "About {{1}}" },
            { "type": "BODY", "text": "{{order}} of {{shop}}" },
            { "type": "FOOTER", "text": "bye" },
            { "type": "BUTTONS", "buttons": [{ "type": "URL", "url": "https://a.example/{{1}}" }, { "type": "QUICK_REPLY" }] },
        ]});
        let needs = filled(&message).expect("a template");
        assert_eq!(needs.slots, held(&template).slots);
        assert_eq!(needs.slots.iter().collect::<Vec<_>>(), ["body order", "body shop", "button 1", "header 1"]);
        let messenger = json!({ "name": "t", "language": { "code": "en" }, "components": [
            { "type": "buttons", "parameters": [{ "type": "POSTBACK" }, { "type": "URL", "url": "x" }] }] });
        assert_eq!(filled(&messenger).map(|n| n.slots.into_iter().collect()), Some(vec!["button 2".to_string()]));
        let picture = json!({ "type": "HEADER", "format": "IMAGE" });
        assert_eq!(slots(&picture), ["header image"]);
    }
}
