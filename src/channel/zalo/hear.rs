//! Zalo's callbacks: proved by a plain SHA-256 over app id, raw body, the timestamp inside it and a key; the key
//! stands last, so that nothing can be appended to what was signed.
//!
//! Developers' pages say that the key is the OA Secret Key; others say the app's secret, or the OA's id in place of
//! the app's. All are tried, and which one fitted is logged. (Zalo's Java SDK `MacUtils`; state of 2026-11-22.)

use super::{WINDOW_SECS, phone, text, user};
use crate::domain::clock::{Timestamp, from_millis, plus_secs};
use crate::domain::ids::Digest8;
use crate::domain::people::Attachment;
use crate::domain::person::{
    AccountSignal, Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal, Unreachable,
};
use crate::domain::settings::Secret;
use crate::domain::signature::decode_hex;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const HEADER: &str = "x-zevent-signature";

/// Whose callbacks are taken, and what may have signed them.
pub(super) struct Signers {
    pub(super) app_id: String,
    pub(super) oa_id: String,
    /// OA Secret Keys, the newest first.
    pub(super) keys: Vec<Secret>,
    /// Tried last.
    pub(super) app_secret: Secret,
}

/// Is it genuine? Nothing of the body is read before but the timestamp, which is part of what is signed.
pub(super) fn admit(raw: &RawWebhook, signers: &Signers) -> Admission {
    let Some(header) = raw.header(HEADER) else {
        return Admission::Refuse(if raw.has_header(HEADER) { Refusal::BadSignature } else { Refusal::Unsigned });
    };
    let mac = decode_hex(header.strip_prefix("mac=").unwrap_or(header));
    let (Some(mac), Some(at)) = (mac, timestamp(&raw.body)) else { return Admission::Refuse(Refusal::BadSignature) };
    let mut found = None;
    // All of them, whichever fits: the time says nothing.
    for (place, key) in signers.keys.iter().chain([&signers.app_secret]).enumerate() {
        for (by, id) in [("app_id", &signers.app_id), ("oa_id", &signers.oa_id)] {
            let digest = Sha256::new().chain_update(id).chain_update(&raw.body).chain_update(&at);
            let digest = digest.chain_update(key.expose()).finalize();
            let fits = bool::from(digest.as_slice().ct_eq(&mac)) && !key.expose().is_empty();
            if fits && found.is_none() {
                found = Some((place, by));
            }
        }
    }
    let Some((secret_index, by)) = found else { return Admission::Refuse(Refusal::BadSignature) };
    if (secret_index, by) != (0, "app_id") {
        let key = if secret_index < signers.keys.len() { "an older OA secret key" } else { "the app's secret" };
        let key = if secret_index == 0 { "the OA secret key" } else { key };
        tracing::debug!(by, key, "a callback of Zalo was signed in an unusual way");
    }
    let dedupe = hex::encode(Sha256::digest(&raw.body));
    Admission::Take { dedupe, content: Digest8::of(&[&mac]), secret_index }
}

/// `timestamp` of the body as it is signed: its digits.
fn timestamp(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Timed {
        timestamp: Value,
    }
    match serde_json::from_slice::<Timed>(body).ok()?.timestamp {
        Value::String(at) => Some(at),
        Value::Number(at) => Some(at.to_string()),
        _ => None,
    }
}

/// What an admitted callback told of the official account `oa_id`. Another one of the same app is left alone.
pub(super) fn hear(raw: &RawWebhook, oa_id: &str) -> Heard {
    let mut heard = Heard::default();
    let Ok(event) = serde_json::from_slice::<Value>(&raw.body) else {
        heard.unreadable = 1;
        return heard;
    };
    let Some(name) = word(&event, "/event_name") else { return heard };
    let named: Vec<String> =
        ["/oa_id", "/oaId", "/sender/id", "/recipient/id"].iter().filter_map(|p| word(&event, p)).collect();
    if !named.is_empty() && !named.iter().any(|id| id == oa_id) {
        return heard;
    }
    let ms = word(&event, "/timestamp").and_then(|t| t.parse().ok());
    // Nothing happened later than we heard of it.
    let at = ms.map_or(raw.received_at, |ms| from_millis(ms).min(raw.received_at));
    let part = Part { event: &event, name: &name, oa_id, at };
    heard.signals = match name.as_str() {
        "follow" | "unfollow" => part.follows().into_iter().collect(),
        "user_received_message" => part.received().into_iter().collect(),
        "user_seen_message" => part.seen(),
        "user_submit_info" => part.acted().into_iter().collect(),
        sent if sent.starts_with("user_send_") => part.acted().into_iter().collect(),
        // What the OA's own people wrote, and what Zalo may invent, tell nothing here.
        _ => part.account().into_iter().collect(),
    };
    heard
}

/// A text, or a number as text: ids come as either.
fn word(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// What was sent besides words, at Zalo's own address.
fn attachment(part: &Value) -> Option<Attachment> {
    let (name, url) = (word(part, "/payload/name"), word(part, "/payload/url"));
    Some(Attachment { name, url, ..Attachment::new(word(part, "/type")?) })
}

/// One event.
struct Part<'a> {
    event: &'a Value,
    name: &'a str,
    oa_id: &'a str,
    at: Timestamp,
}

impl Part<'_> {
    fn signal(&self, what: &'static str, who: Option<Address>, mark: &str) -> Signal {
        let of = who.as_ref().map_or("", |a| a.value.as_str());
        let key = format!("{}:{mark}:{of}", self.name);
        Signal::new(what, who, key, self.at)
    }

    fn moment(&self) -> String {
        self.at.as_millisecond().to_string()
    }

    /// The person acted: seven days of free words, and they can be reached.
    fn opened(&self) -> PersonChange {
        let window_until = Some(plus_secs(self.at, WINDOW_SECS));
        PersonChange { window_until, unreachable: Some(None), ..PersonChange::default() }
    }

    /// The one of the two sides that is not the account.
    fn person(&self) -> Option<Address> {
        let sides = ["/sender/id", "/recipient/id"].iter().filter_map(|p| word(self.event, p));
        sides.filter(|id| id.as_str() != self.oa_id).find_map(|id| user(&id))
    }

    fn follows(&self) -> Option<Signal> {
        let who = user(&word(self.event, "/follower/id")?)?;
        if self.name == "unfollow" {
            let mut signal = self.signal("unfollow", Some(who), &self.moment());
            signal.change.unreachable = Some(Some(Unreachable::Blocked));
            return Some(signal);
        }
        let mut signal = self.signal("follow", Some(who), &self.moment());
        (signal.change, signal.wakes) = (self.opened(), true);
        Some(signal)
    }

    fn acted(&self) -> Option<Signal> {
        let mark = word(self.event, "/message/msg_id").unwrap_or_else(|| self.moment());
        let mut signal = self.signal("message", Some(self.person()?), &mark);
        (signal.change, signal.wakes) = (self.opened(), true);
        signal.text = self.event.pointer("/message/text").and_then(Value::as_str).map(String::from);
        let files = self.event.pointer("/message/attachments").and_then(Value::as_array);
        signal.attachments = files.into_iter().flatten().filter_map(attachment).collect();
        Some(signal)
    }

    /// A template by phone comes with our reference, and names the person by number or by its hash; anything else by
    /// the message's id and the user id.
    fn received(&self) -> Option<Signal> {
        let id = word(self.event, "/message/msg_id");
        let ours = word(self.event, "/message/tracking_id");
        let who = word(self.event, "/recipient/id");
        let who = who.and_then(|raw| phone(&format!("+{raw}"))).or_else(|| self.person());
        let mark = id.clone().or_else(|| ours.clone())?;
        let mut signal = self.signal("delivered", who, &mark);
        let of = ours.map(ReceiptOf::Ours).or(id.map(ReceiptOf::ProviderId))?;
        signal.receipt = Some(Receipt { of, state: ReceiptState::Delivered });
        Some(signal)
    }

    /// One message or several.
    fn seen(&self) -> Vec<Signal> {
        let list = self.event.pointer("/message/msg_ids").and_then(Value::as_array);
        let many = list.into_iter().flatten().filter_map(Value::as_str).map(String::from);
        let ids = many.chain(word(self.event, "/message/msg_id"));
        let read = |id: String| {
            let mut signal = self.signal("read", self.person(), &id);
            signal.receipt = Some(Receipt { of: ReceiptOf::ProviderId(id), state: ReceiptState::Read });
            signal
        };
        ids.map(read).collect()
    }

    /// News of templates and quotas: nothing stops by it, a person must know.
    fn account(&self) -> Option<Signal> {
        let get = |pointer: &str| {
            let said = word(self.event, pointer).unwrap_or_default();
            text::cut(&text::one_line(&said), 80, text::graphemes)
        };
        let template = get("/template_id");
        let says = match self.name {
            "change_template_status" => {
                format!("template {template} is {} (was {})", get("/status/new_status"), get("/status/prev_status"))
            }
            "change_template_quality" => {
                format!("quality of template {template} is {}", get("/quality/new_quality"))
            }
            "change_template_quota" | "change_oa_daily_quota" => {
                format!("{} {template} {} (was {})", self.name, get("/quota/new_value"), get("/quota/prev_value"))
            }
            _ => return None,
        };
        let mut signal = self.signal("account", None, &format!("{}:{template}", self.moment()));
        signal.account = Some(AccountSignal::Notice(says));
        Some(signal)
    }
}
