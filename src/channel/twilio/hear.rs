//! What Twilio's callbacks tell: what became of a message, and what people write. Fields are added without notice;
//! those not known here mean nothing. (Status callbacks carry `MessageStatus`; people's messages do not.)

use super::codes::{Meaning, meaning, teaches};
use super::sign::form;
use crate::domain::clock::plus_secs;
use crate::domain::people::Attachment;
use crate::domain::person::{AccountSignal, Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal};
use crate::domain::webhook::RawWebhook;

/// An answer without words: anything else would be sent to the person as a message.
const NOTHING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";
/// Words by which Twilio itself stops a sender's messages to somebody, beside those that every channel knows.
const STOP: &[&str] = &["stopall", "end", "cancel", "quit", "optout", "revoke"];

/// What an admitted callback told.
pub(super) fn hear(raw: &RawWebhook, person: fn(&str) -> Option<Address>, window_secs: Option<i64>) -> Heard {
    let mut heard = Heard { answer: Some(NOTHING.into()), ..Heard::default() };
    let fields = Fields(if raw.method == "GET" { form(raw.query.as_bytes()) } else { form(&raw.body) });
    let Some(sid) = fields.get("MessageSid").or_else(|| fields.get("SmsSid")) else {
        heard.unreadable = 1;
        return heard;
    };
    let signal = match fields.get("MessageStatus") {
        Some(status) => became(raw, &fields, sid, status, person),
        None => wrote(raw, &fields, sid, person, window_secs),
    };
    heard.signals.extend(signal);
    heard
}

struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }
}

fn became(
    raw: &RawWebhook,
    fields: &Fields,
    sid: &str,
    status: &str,
    person: fn(&str) -> Option<Address>,
) -> Option<Signal> {
    let code = fields.get("ErrorCode").and_then(|c| c.parse::<u64>().ok());
    let (what, state) = match status {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => ("accepted", ReceiptState::Accepted),
        "delivered" => ("delivered", ReceiptState::Delivered),
        "read" => ("read", ReceiptState::Read),
        "undelivered" | "failed" | "canceled" => {
            ("undelivered", ReceiptState::Undelivered(code.map_or_else(|| status.into(), |c| c.to_string())))
        }
        _ => return None,
    };
    let to = fields.get("To").and_then(person);
    let mut signal = Signal::new(what, to, format!("{sid}:{status}"), raw.received_at);
    let failed = matches!(state, ReceiptState::Undelivered(_));
    // Our own reference finds a message also where the answer with Twilio's id never came.
    let ours = form(raw.query.as_bytes()).into_iter().find(|(n, v)| n == "ref" && !v.is_empty()).map(|(_, v)| v);
    let of = ours.map_or_else(|| ReceiptOf::ProviderId(sid.to_string()), ReceiptOf::Ours);
    signal.receipt = Some(Receipt { of, state });
    if let Some(code) = code.filter(|_| failed) {
        let meaning = meaning(code);
        signal.change = teaches(meaning, Some(raw.received_at));
        signal.account = (meaning == Meaning::Stop).then(|| AccountSignal::Stopped(format!("Twilio {code}")));
    }
    Some(signal)
}

/// Files of one message, at most.
const MEDIA: usize = 10;

fn attachment(fields: &Fields, n: usize) -> Option<Attachment> {
    let url = fields.get(&format!("MediaUrl{n}"))?.to_string();
    let kind = fields.get(&format!("MediaContentType{n}")).and_then(|t| t.split('/').next()).unwrap_or("file");
    Some(Attachment { url: Some(url), ..Attachment::new(kind) })
}

fn wrote(
    raw: &RawWebhook,
    fields: &Fields,
    sid: &str,
    person: fn(&str) -> Option<Address>,
    window_secs: Option<i64>,
) -> Option<Signal> {
    let from = fields.get("From").and_then(person)?;
    let mut signal = Signal::new("message", Some(from), sid, raw.received_at);
    signal.text = fields.get("Body").map(str::to_string);
    signal.attachments = (0..MEDIA).map_while(|n| attachment(fields, n)).collect();
    signal.payload = fields.get("ButtonPayload").map(str::to_string);
    let word = signal.text.as_deref().unwrap_or_default().trim().to_lowercase();
    // Advanced Opt-Out says itself what the word meant, in any language, and has answered the person.
    let opted_out = match fields.get("OptOutType") {
        Some("STOP") => Some(true),
        Some("START") => Some(false),
        _ if STOP.contains(&word.as_str()) => Some(true),
        _ if word == "unstop" => Some(false),
        _ => None,
    };
    signal.change = PersonChange {
        opted_out,
        unreachable: Some(None),
        window_until: window_secs.map(|secs| plus_secs(raw.received_at, secs)),
        ..PersonChange::default()
    };
    signal.wakes = true;
    Some(signal)
}
