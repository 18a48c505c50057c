//! What a callback told: people's messages (which open the 24-hour window), what became of ours, and what Meta
//! says of the account and its templates.
//!
//! A status may come before the answer to its send, be skipped (`read` implies `delivered`), repeat for a week
//! and out of order; each moves its own message forward only. A failure that matters (not on WhatsApp, window
//! closed, paused template) mostly comes here and not in the answer. ("Webhooks", "messages", "statuses",
//! "Business-scoped user ids", state of 2026-11-22.)

use super::rules::WINDOW_SECS;
use super::{BSUID, judge, meta, person};
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::people::Attachment;
use crate::domain::person::{AccountSignal, Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal};
use crate::domain::webhook::RawWebhook;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What an admitted callback told of the business number `number`. Other numbers of the same app share its
/// secret: what is theirs is left alone.
pub(super) fn hear(number: &str, raw: &RawWebhook) -> Heard {
    let mut heard = Heard::default();
    let Ok(document) = serde_json::from_slice::<Value>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    if document.get("object").and_then(Value::as_str) != Some("whatsapp_business_account") {
        return heard;
    }
    for change in list(&document, "entry").iter().flat_map(|entry| list(entry, "changes")) {
        let (Some(field), Some(value)) = (text(change, "field"), change.get("value").filter(|v| v.is_object())) else {
            heard.unreadable += 1;
            continue;
        };
        let part = Part { value, received: raw.received_at };
        if field == "messages" || field == "calls" {
            let ours = value.pointer("/metadata/phone_number_id").and_then(meta::id);
            if ours.as_deref() != Some(number) {
                continue;
            }
            heard.signals.extend(list(value, "messages").iter().filter_map(|m| part.message(m)));
            heard.signals.extend(list(value, "statuses").iter().filter_map(|s| part.status(s)));
            heard.signals.extend(list(value, "calls").iter().filter_map(|c| part.call(c)));
        } else {
            heard.signals.extend(part.account(&field));
        }
    }
    heard
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(String::from)
}

/// What the person's doing opens.
fn opened(at: Timestamp) -> PersonChange {
    let window_until = Some(plus_secs(at, WINDOW_SECS));
    PersonChange { window_until, unreachable: Some(None), ..PersonChange::default() }
}

/// `value` of one change.
struct Part<'a> {
    value: &'a Value,
    received: Timestamp,
}

impl Part<'_> {
    fn message(&self, message: &Value) -> Option<Signal> {
        let kind = text(message, "type")?;
        // A correction or a withdrawal, news of the account: the person says nothing to us.
        if ["system", "edit", "revoke", "request_welcome"].contains(&kind.as_str()) {
            return None;
        }
        let at = self.at(message);
        let who = self.sender(message)?;
        let mut signal = Signal::new("message", Some(who), text(message, "id")?, at);
        signal.change = opened(at);
        signal.wakes = true;
        let inner = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).map(String::from);
        signal.text =
            inner("/text/body").or_else(|| inner("/button/text")).or_else(|| inner(&format!("/{kind}/caption")));
        if !["text", "button", "interactive", "reaction", "order"].contains(&kind.as_str()) {
            let (name, id) = (inner(&format!("/{kind}/filename")), inner(&format!("/{kind}/id")));
            signal.attachments.push(Attachment { name, id, ..Attachment::new(kind) });
        }
        signal.payload = inner("/button/payload")
            .or_else(|| inner("/interactive/button_reply/id"))
            .or_else(|| inner("/interactive/list_reply/id"));
        Some(signal)
    }

    /// The person rings: that opens the window as a message does ("Calling", its `calls` field).
    fn call(&self, call: &Value) -> Option<Signal> {
        let is = |key: &str, word: &str| call.get(key).and_then(Value::as_str) == Some(word);
        if !is("event", "connect") || !is("direction", "USER_INITIATED") {
            return None;
        }
        let at = self.at(call);
        let mut signal = Signal::new("call", Some(self.sender(call)?), text(call, "id")?, at);
        signal.change = opened(at);
        signal.wakes = true;
        Some(signal)
    }

    /// Who wrote: their number where it is shown, else their id within the business.
    fn sender(&self, message: &Value) -> Option<Address> {
        let number = message.get("from").and_then(meta::id);
        let id = text(message, "from_user_id");
        // The contact beside the message may know the number that the message leaves out.
        let beside = list(self.value, "contacts").iter().find(|c| id.is_some() && text(c, "user_id") == id);
        let number = number.or_else(|| beside.and_then(|c| c.get("wa_id")).and_then(meta::id));
        number.and_then(|n| person(&format!("+{n}"))).or_else(|| id.map(|id| Address::new(BSUID, id)))
    }

    fn status(&self, status: &Value) -> Option<Signal> {
        let (id, word) = (text(status, "id")?, text(status, "status")?);
        let code = list(status, "errors").first().and_then(|e| e.get("code")).and_then(meta::integer);
        let state = match word.as_str() {
            "sent" => ReceiptState::Accepted,
            "delivered" => ReceiptState::Delivered,
            "read" | "played" => ReceiptState::Read,
            "failed" => ReceiptState::Undelivered(code.map_or_else(|| "failed".into(), |c| c.to_string())),
            _ => return None,
        };
        let number = status.get("recipient_id").and_then(meta::id);
        let who = number
            .and_then(|n| person(&format!("+{n}")))
            .or_else(|| text(status, "recipient_user_id").map(|id| Address::new(BSUID, id)));
        let what = match state {
            ReceiptState::Accepted => "sent",
            ReceiptState::Delivered => "delivered",
            ReceiptState::Read => "read",
            ReceiptState::Undelivered(_) => "failed",
        };
        let mut signal = Signal::new(what, who, format!("{what}:{id}"), self.at(status));
        // Ours finds the message also when its answer was lost.
        let of = match text(status, "biz_opaque_callback_data") {
            Some(ours) => ReceiptOf::Ours(ours),
            None => ReceiptOf::ProviderId(id),
        };
        signal.receipt = Some(Receipt { of, state });
        if let Some(code) = code.filter(|_| what == "failed") {
            let (change, stopped) = judge::of_status(code);
            signal.change = change;
            signal.account = stopped.map(|why| AccountSignal::Stopped(format!("{code}: {why}")));
        }
        Some(signal)
    }

    /// What Meta says of the account, its number and its templates.
    fn account(&self, field: &str) -> Option<Signal> {
        let event = text(self.value, "event").unwrap_or_default();
        let word = |key: &str| text(self.value, key).map(|t| meta::scrub(&t)).unwrap_or_default();
        let says = match field {
            "account_update" => {
                let ban = self.value.pointer("/ban_info/waba_ban_state").and_then(Value::as_str).unwrap_or_default();
                match (event.as_str(), ban) {
                    ("ACCOUNT_DELETED", _) | ("DISABLED_UPDATE", "DISABLE") => AccountSignal::Stopped(event.clone()),
                    ("DISABLED_UPDATE", "REINSTATE") => AccountSignal::Resumed,
                    _ => AccountSignal::Notice(meta::scrub(&format!("{event} {ban}"))),
                }
            }
            "message_template_status_update" if event != "APPROVED" => AccountSignal::Notice(format!(
                "template {} ({}): {}",
                word("message_template_name"),
                word("message_template_language"),
                meta::scrub(&event)
            )),
            "template_category_update" => AccountSignal::Notice(format!(
                "template {} ({}) is now of category {}",
                word("message_template_name"),
                word("message_template_language"),
                word("new_category")
            )),
            "phone_number_quality_update" | "account_alerts" => {
                AccountSignal::Notice(format!("{field}: {} {}", meta::scrub(&event), word("alert_type")))
            }
            _ => return None,
        };
        let key = format!("{field}:{}", hex::encode(Sha256::digest(self.value.to_string())));
        let mut signal = Signal::new("account", None, key, self.received);
        signal.account = Some(says);
        Some(signal)
    }

    /// Seconds, as text. Nothing happened later than we heard of it: a time in the future would hold the
    /// window open.
    fn at(&self, event: &Value) -> Timestamp {
        let secs = event.get("timestamp").and_then(meta::integer);
        secs.map_or(self.received, |s| from_millis(s.saturating_mul(1000)).min(self.received))
    }
}
