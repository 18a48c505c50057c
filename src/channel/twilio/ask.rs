//! What Twilio says of an account: credentials, sender, Content templates and WhatsApp's approval of them. Every call is
//! a GET, none reads a message.
//!
//! Sources: API descriptions of IncomingPhoneNumber, Messaging Service, Content and its ApprovalRequests (read 2026-11).
//! Keys of an account may not read the account itself, so its list of numbers is asked for instead.

use super::Twilio;
use crate::channel::ask::{self, Finding, Held, Needs, No, Question};
use crate::channel::wire;
use serde_json::Value;
use std::collections::BTreeSet;

const SERVICE: &str = "MessagingServiceSid";
const INBOUND: &str = "where Twilio's console configures the sender's incoming messages";

impl Twilio {
    /// All there is to ask. `sender`: the fields that name it in a message.
    pub(in crate::channel) async fn ask(&self, sender: &[(&'static str, String)], question: &Question) -> Vec<Finding> {
        let named = |key: &str| sender.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        let service = named(SERVICE);
        let number = named("From").filter(|from| from.starts_with('+'));
        let mut query = vec![("PageSize", "1")];
        query.extend(number.map(|n| ("PhoneNumber", n)));
        let url = format!("{}/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.bases.api, self.account_sid);
        let numbers = match self.get(&url, &query).await {
            Ok(body) => body,
            Err(no) => {
                return vec![no.trouble("account", "check account_sid with auth_token, or api_key with api_secret")];
            }
        };
        let mut findings = vec![Finding::fine("account", "the credentials work")];
        findings.extend(number.map(|number| found(number, &numbers)));
        if let (Some(_), None, Some(own)) = (number, service, numbers.pointer("/incoming_phone_numbers/0")) {
            findings.push(ask::callback(ask::text(own, "/sms_url"), question, INBOUND));
        }
        if let Some(service) = service {
            findings.extend(self.service(service, question).await);
        }
        for (needs, places) in &ask::needs(question, filled) {
            findings.push(self.content(needs, places).await);
        }
        findings
    }

    async fn service(&self, service: &str, question: &Question) -> Vec<Finding> {
        const ABOUT: &str = "messaging_service";
        match self.get(&format!("{}/v1/Services/{service}", self.bases.messaging), &[]).await {
            Err(no) => vec![no.trouble(ABOUT, "correct messaging_service: MG…, of this account")],
            Ok(body) => {
                let fine = Finding::fine(ABOUT, ask::text(&body, "/friendly_name"));
                let by_number = body.get("use_inbound_webhook_on_number").and_then(Value::as_bool).unwrap_or_default();
                let at = ask::text(&body, "/inbound_request_url");
                let callback = (!by_number).then(|| ask::callback(at, question, INBOUND));
                std::iter::once(fine).chain(callback).collect()
            }
        }
    }

    async fn content(&self, needs: &Needs, places: &[&str]) -> Finding {
        let url = format!("{}/v1/Content/{}", self.bases.content, needs.name);
        let about = format!("template {}", needs.name);
        const REMEDY: &str = "let the credentials read Content templates";
        let content = match self.get(&url, &[]).await {
            Ok(body) => body,
            Err(No { status: Some(404), .. }) => return ask::compare(needs, places, None),
            Err(no) => return no.trouble(&about, REMEDY),
        };
        // Never handed in for approval: the answer may be 404 as well as a state of its own.
        let approval = match self.get(&format!("{url}/ApprovalRequests"), &[]).await {
            Ok(body) => body,
            Err(No { status: Some(404), .. }) => Value::Null,
            Err(no) => return no.trouble(&about, REMEDY),
        };
        ask::compare(needs, places, Some(&held(&content, &approval)))
    }

    async fn get(&self, url: &str, query: &[(&str, &str)]) -> Result<Value, No> {
        let url = if query.is_empty() { url.to_string() } else { format!("{url}?{}", wire::query(query)) };
        ask::document(&self.wire.get(&url, self.headers.clone()).await, ask::never)
    }
}

fn found(number: &str, numbers: &Value) -> Finding {
    let mut all = numbers.pointer("/incoming_phone_numbers").and_then(Value::as_array).into_iter().flatten();
    match all.any(|n| ask::text(n, "/phone_number") == number) {
        true => Finding::fine("from", number),
        false => Finding::trouble("from", format!("{number} is no number of this account"), "correct from"),
    }
}

/// What a message fills: the variables, by name.
fn filled(document: &Value) -> Option<Needs> {
    let name = document.get("ContentSid")?.as_str()?.to_string();
    let variables: Option<Value> = serde_json::from_str(ask::text(document, "/ContentVariables")).ok();
    let names = variables.as_ref().and_then(Value::as_object).map(|v| v.keys().cloned().collect()).unwrap_or_default();
    Some(Needs { name, language: String::new(), slots: names })
}

fn held(content: &Value, approval: &Value) -> Held {
    let whatsapp = |key: &str| ask::text(approval, &format!("/whatsapp/{key}")).to_string();
    let (status, category) = (whatsapp("status"), whatsapp("category"));
    let types = content.get("types").map(ToString::to_string).unwrap_or_default();
    let slots: BTreeSet<String> = ask::marks(&types).into_iter().collect();
    let defaults = content.get("variables").and_then(Value::as_object);
    Held {
        sendable: status == "approved",
        status: if status.is_empty() { "unsubmitted".into() } else { status },
        reason: whatsapp("rejection_reason"),
        category: (!category.is_empty()).then(|| (category.clone(), category.eq_ignore_ascii_case("utility"))),
        optional: defaults.map(|v| v.keys().filter(|k| !slots.contains(*k)).cloned().collect()).unwrap_or_default(),
        slots,
    }
}
