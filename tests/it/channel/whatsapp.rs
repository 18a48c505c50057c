//! WhatsApp by the Cloud API: words, codes, callbacks, and what goes over the wire.

mod samples;

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, secret};
use orderwire::channel::find;
use orderwire::domain::channel::{ConsentRule, Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::person::{Address, Unreachable};
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::RawWebhook;
use serde_json::{Value, json};

const NUMBER: &str = "106540352242922";
const PERSON: &str = "+886912345678";

fn settings() -> Value {
    json!({
        "phone_number_id": NUMBER,
        "access_token": secret("system-token"),
        "app_secret": secret("app-secret"),
        "verify_token": secret("a word"),
    })
}

fn signature(key: &str, body: &[u8]) -> (String, String) {
    ("x-hub-signature-256".into(), format!("sha256={}", hex::encode(sign(key.as_bytes(), body))))
}

fn callback(body: &Value) -> RawWebhook {
    RawWebhook::post(&[], body.to_string().into_bytes(), at("2026-11-25T08:00:05Z"))
}

fn shaped(form: Form, words: &Message) -> Value {
    let number = open("whatsapp", &settings());
    let envelope = number.shape(words, &Parts::of(form, number.address(PERSON)).errand()).unwrap();
    serde_json::from_str(&envelope.body).unwrap()
}

#[test]
fn goldens() {
    golden::run("whatsapp", &settings(), Some(PERSON), signature);
}

#[test]
fn an_address_is_a_number_with_its_country_or_an_id_within_the_business() {
    let number = open("whatsapp", &settings());
    assert_eq!(number.address(" +886912345678 "), Some(Address::new("phone", PERSON)));
    let id = "US.13491208655302741918";
    assert_eq!(number.address(id), Some(Address::new("whatsapp", id)));
    // Without the plus Meta would put the business number's country in front: somebody else's number.
    for bad in ["886912345678", "0912345678", "+0912345678", "+1", "+12345678901234567", "us.1349120865", "US.", "a.b"]
    {
        assert_eq!(number.address(bad), None, "{bad}");
    }
}

#[test]
fn settings_say_whether_ordering_is_a_yes_and_mistakes_are_named() {
    let mut asked = settings();
    assert_eq!(open("whatsapp", &asked).capabilities().consent, ConsentRule::Connected);
    asked["opt_in_at_checkout"] = true.into();
    assert_eq!(open("whatsapp", &asked).capabilities().consent, ConsentRule::WithOrder);
    let mut bad = settings();
    bad["phone_number_id"] = "+886912345678".into();
    bad["verify_token"] = secret("");
    bad["per_second"] = 2000.into();
    let mistakes = (find("whatsapp").unwrap().open)("w".into(), bad).err().unwrap();
    let mut keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["per_second", "phone_number_id", "verify_token"]);
}

/// What a row of the table below must be.
#[derive(Debug, PartialEq)]
enum Is {
    Stop,
    Throttled,
    Person,
    Again,
    Window,
    Gone,
    Next,
    Template,
    Refused,
}

fn is(verdict: &Verdict) -> Is {
    match verdict {
        Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. } => Is::Stop,
        Verdict::TryLater { reason: Reason::RateLimited, scope: Scope::Account, .. } => Is::Throttled,
        Verdict::TryLater { reason: Reason::RecipientCapped, scope: Scope::Recipient, .. } => Is::Person,
        Verdict::TryLater { reason: Reason::Retrying, .. } => Is::Again,
        Verdict::Unreachable { scope: Scope::Template, .. } => Is::Template,
        Verdict::Unreachable { change, .. } if change.window_closed => Is::Window,
        Verdict::Unreachable { change, .. } if change.unreachable == Some(Some(Unreachable::Invalid)) => Is::Gone,
        Verdict::Unreachable { change, .. } if change.is_empty() => Is::Next,
        Verdict::Refused { .. } => Is::Refused,
        other => panic!("{other:?}"),
    }
}

/// Every code that the vendor's page names, with what happens next.
#[test]
fn every_documented_code_has_its_verdict() {
    let rows: [(Is, &[i64]); 9] = [
        (
            Is::Stop,
            &[
                0, 3, 10, 33, 190, 200, 299, 368, 131_005, 131_030, 131_031, 131_037, 131_042, 131_045, 131_048,
                131_061, 131_063, 133_000, 133_005, 133_006, 133_008, 133_009, 133_010, 133_015, 133_016, 134_011,
            ],
        ),
        (Is::Throttled, &[4, 17, 32, 613, 80_007, 80_008, 130_429]),
        (Is::Person, &[131_056]),
        (Is::Again, &[1, 2, 131_000, 131_016, 131_057, 133_004, 2_494_100]),
        (Is::Window, &[131_047]),
        (Is::Gone, &[130_403, 130_497, 131_021, 131_026, 137_000]),
        (Is::Next, &[130_472, 131_049, 131_050, 131_062]),
        (
            Is::Template,
            &[131_064, 132_000, 132_001, 132_005, 132_007, 132_012, 132_015, 132_016, 132_018, 132_068, 132_069],
        ),
        (Is::Refused, &[100, 131_008, 131_009, 131_051, 131_052, 131_053, 131_055, 134_100, 135_000]),
    ];
    for (due, codes) in rows {
        for code in codes {
            let body = json!({ "error": { "message": "words of the vendor", "code": code, "fbtrace_id": "A1" } });
            let answer = Answer::Reply { status: 400, headers: Vec::new(), body: body.to_string().into_bytes() };
            let verdict = (find("whatsapp").unwrap().judge)(&answer);
            assert_eq!(is(&verdict), due, "{code}: {verdict:?}");
        }
    }
}

/// The same codes come later, in a status: they teach the same about the person and the account.
#[test]
fn a_failed_status_teaches_what_the_answer_would_have_taught() {
    let failed = |code: i64| {
        let status = json!({ "id": "wamid.1", "status": "failed", "timestamp": "1795593600", "recipient_id": "886912345678",
            "biz_opaque_callback_data": "r-1", "errors": [{ "code": code, "title": "t" }] });
        let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages",
            "value": { "metadata": { "phone_number_id": NUMBER }, "statuses": [status] } }] }] });
        open("whatsapp", &settings()).hear(&callback(&body)).signals.remove(0)
    };
    assert_eq!(failed(131_026).change.unreachable, Some(Some(Unreachable::Invalid)));
    assert!(failed(131_047).change.window_closed);
    assert!(failed(131_049).change.is_empty());
    assert!(failed(131_042).account.is_some() && failed(131_026).account.is_none());
    assert!(failed(99_999).change.is_empty());
}

#[tokio::test]
async fn the_call_names_the_number_and_carries_token_and_proof() {
    let server = Server::start(|_| answer_json(200, json!({ "messages": [{ "id": "wamid.A" }] }))).await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    let number = open("whatsapp", &own);
    let envelope = number.shape(&message(), &Parts::of(Form::Free, number.address(PERSON)).errand()).unwrap();
    assert_eq!(number.send(&envelope).await, Verdict::Accepted { ids: vec!["wamid.A".into()], again: false });
    let seen = server.seen().remove(0);
    let proof = hex::encode(sign(b"app-secret", b"system-token"));
    assert!(seen.line.starts_with(&format!("POST /v26.0/{NUMBER}/messages?appsecret_proof={proof} ")), "{}", seen.line);
    assert_eq!(seen.header("authorization"), Some("Bearer system-token"));
}
