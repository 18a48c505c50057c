//! Goldens of a channel: `tests/golden/channel/<kind>/<case>/given.json` → `then.json`.
//!
//! `given.json` holds one of `message` (→ envelope or fault), `answer` (→ verdict), `callback` (→ admission and
//! signals; with `query` and `method` where they are not empty and `POST`). Every folder is a case and every file is read: anything else in there fails the test.
//! `GOLDEN_WRITE=1` writes what is found, for a person to read before it is committed.

use super::stand_in::{Parts, at, message, open};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Form, Message};
use orderwire::domain::people::StaffReply;
use orderwire::domain::person::{AccountSignal, Heard, Signal};
use orderwire::domain::verdict::{Answer, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use serde_json::{Map, Value, json};
use std::path::Path;

/// How a kind signs: secret and body → header.
pub type Sign = fn(&str, &[u8]) -> (String, String);

/// Runs all cases of `kind`. `settings` are those of cases that name none of their own (theirs are laid over).
pub fn run(kind: &str, settings: &Value, person: Option<&str>, sign: Sign) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/channel").join(kind);
    let mut cases: Vec<_> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{kind} has no goldens");
    let mut faults = Vec::new();
    for case in &cases {
        assert!(case.is_dir(), "{} is not a case", case.display());
        for file in std::fs::read_dir(case).unwrap() {
            let name = file.unwrap().file_name();
            assert!(name == "given.json" || name == "then.json", "{}: nobody reads {name:?}", case.display());
        }
        let given = load(&case.join("given.json"));
        let found = tell(kind, settings, person, sign, &given);
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            std::fs::write(case.join("then.json"), serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        } else if load(&case.join("then.json")) != found {
            faults.push(format!("{}\n{}", case.display(), serde_json::to_string_pretty(&found).unwrap()));
        }
    }
    assert!(faults.is_empty(), "not as in then.json:\n{}", faults.join("\n"));
}

fn load(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn tell(kind: &str, settings: &Value, person: Option<&str>, sign: Sign, given: &Value) -> Value {
    let account = || open(kind, &laid_over(settings, &given["settings"]));
    if given.get("message").is_some() {
        envelope(&*account(), person, given)
    } else if let Some(given) = given.get("answer") {
        verdict_json(&(find(kind).unwrap().judge)(&answer(given)))
    } else {
        callback(&*account(), sign, &given["callback"])
    }
}

/// `over`'s fields over those of `base`; a field set to null is left out.
fn laid_over(base: &Value, over: &Value) -> Value {
    let mut fields: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    fields.extend(over.as_object().cloned().unwrap_or_default());
    fields.retain(|_, v| !v.is_null());
    fields.into()
}

fn envelope(channel: &dyn Channel, person: Option<&str>, given: &Value) -> Value {
    let words = serde_json::to_value(message()).unwrap();
    let mut words = words.as_object().cloned().unwrap();
    words.extend(given["message"].as_object().cloned().unwrap());
    let words: Message = serde_json::from_value(words.into()).unwrap();
    let errand = &given["errand"];
    let form: Form = errand.get("form").map_or(Form::Free, |f| serde_json::from_value(f.clone()).unwrap());
    // A case may be told to somebody else.
    let person = given["person"].as_str().or(person);
    let mut parts = Parts::of(form, person.map(|p| channel.address(p).expect("an address of the kind")));
    parts.quiet = errand["quiet"].as_bool().unwrap_or(false);
    match channel.shape(&words, &parts.errand()) {
        Ok(e) => {
            let body: Value = serde_json::from_str(&e.body).unwrap_or_else(|_| e.body.clone().into());
            json!({ "envelope": { "form": e.form, "key": e.key, "address": e.address, "body": body } })
        }
        Err(fault) => json!({ "fault": fault.to_string() }),
    }
}

/// `{status, headers, body}`, or `{not_sent}` or `{no_answer}` with what was seen.
pub fn answer(given: &Value) -> Answer {
    if let Some(why) = given["not_sent"].as_str() {
        return Answer::NotSent(why.into());
    }
    if let Some(why) = given["no_answer"].as_str() {
        return Answer::NoAnswer(why.into());
    }
    let headers = given["headers"].as_object().into_iter().flatten();
    Answer::Reply {
        status: given["status"].as_u64().unwrap().try_into().unwrap(),
        headers: headers.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_string())).collect(),
        body: bytes(&given["body"]),
    }
}

/// A text as it is, anything else as JSON.
pub fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

pub fn verdict_json(verdict: &Verdict) -> Value {
    let mut fields = match verdict {
        Verdict::Accepted { ids, again } => json!({ "ids": ids, "again": again }),
        Verdict::TryLater { reason, after_secs, scope, detail } => {
            json!({ "reason": reason, "after_secs": after_secs, "scope": scope, "detail": detail })
        }
        Verdict::Unreachable { reason, scope, change, detail } => {
            json!({ "reason": reason, "scope": scope, "change": change, "detail": detail })
        }
        Verdict::Refused { detail } | Verdict::Unsure { detail } => json!({ "detail": detail }),
    };
    fields["verdict"] = verdict.as_str().into();
    fields
}

/// `body`, signed with `signed_with` unless `headers` say otherwise, received at `received_at`.
fn callback(channel: &dyn Channel, sign: Sign, given: &Value) -> Value {
    let body = bytes(&given["body"]);
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(secret) = given["signed_with"].as_str() {
        headers.push(sign(secret, &body));
    }
    for (name, value) in given["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap().into()));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut raw = RawWebhook::post(&headers, body, at(given["received_at"].as_str().unwrap()));
    raw.query = given["query"].as_str().unwrap_or_default().into();
    if let Some(method) = given["method"].as_str() {
        raw.method = method.into();
    }
    match channel.admit(&raw) {
        Admission::Take { secret_index, .. } => {
            let heard = channel.hear(&raw);
            json!({ "taken": { "secret_index": secret_index }, "heard": heard_json(&heard) })
        }
        Admission::Reply(reply) => json!({ "reply": { "status": reply.status, "body": reply.body } }),
        Admission::Refuse(refusal) => json!({ "refused": refusal }),
    }
}

fn heard_json(heard: &Heard) -> Value {
    let signals: Vec<Value> = heard.signals.iter().map(signal_json).collect();
    let mut all = json!({ "signals": signals, "answer": heard.answer, "unreadable": heard.unreadable });
    let said = |r: &StaffReply| json!({ "id": r.id, "to": format!("{:?}", r.to), "by": r.by, "text": r.text, "at": r.at, "files": r.files });
    if !heard.replies.is_empty() {
        all["replies"] = heard.replies.iter().map(said).collect();
    }
    all
}

fn signal_json(signal: &Signal) -> Value {
    let account = signal.account.as_ref().map(|a| match a {
        AccountSignal::Stopped(why) => json!({ "stopped": why }),
        AccountSignal::Resumed => json!("resumed"),
        AccountSignal::Notice(what) => json!({ "notice": what }),
    });
    let mut fields = json!({
        "what": signal.what,
        "person": signal.person,
        "dedupe": signal.dedupe,
        "at": signal.at,
        "change": signal.change,
        "wakes": signal.wakes,
        "receipt": signal.receipt.as_ref().map(|r| format!("{r:?}")),
        "text": signal.text,
        "attachments": (!signal.attachments.is_empty()).then_some(&signal.attachments),
        "payload": signal.payload,
        "account": account,
    });
    // What is not there is not worth a line in every golden.
    fields.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    fields
}

/// Each kind runs its own folder; a folder that belongs to no kind is read by nobody.
#[test]
fn every_folder_belongs_to_a_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/channel");
    for folder in std::fs::read_dir(root).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(find(&name).is_some(), "tests/golden/channel/{name} is no kind of channel");
    }
}
