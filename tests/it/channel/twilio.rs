//! Twilio's signature: its published vectors, and what must never pass.

use super::stand_in::{CALLBACKS, at, open_at, outside, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use serde_json::{Value, json};
use sha1::Sha1;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=UTF-8");

pub fn settings() -> Value {
    json!({
        "account_sid": "AC00000000000000000000000000000000",
        "auth_token": secret("12345"),
        "from": "+15005550006",
    })
}

/// As Twilio signs `form` for `url`, written down anew: names in order, each value once.
pub fn signature(token: &str, url: &str, form: &str) -> String {
    let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    fields.sort();
    fields.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    fields.iter().for_each(|(name, value)| {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    });
    STANDARD.encode(mac.finalize().into_bytes())
}

fn post(query: &str, headers: &[(&str, &str)], body: &str) -> RawWebhook {
    let mut raw = RawWebhook::post(headers, body.to_string(), at("2026-11-25T08:00:00Z"));
    raw.query = query.into();
    raw
}

fn admit(callback: &str, settings: &Value, raw: &RawWebhook) -> Admission {
    open_at("sms_twilio", settings, callback).admit(raw)
}

fn taken(admission: &Admission) -> bool {
    matches!(admission, Admission::Take { .. })
}

#[test]
fn the_port_may_be_named_or_not() {
    let (query, body) = ("ref=a.1", "MessageSid=SM1&MessageStatus=sent&Z=1&Z=2&Z=1");
    for (told, signed, good) in [
        ("https://n.example/callbacks/sms", "https://n.example/callbacks/sms", true),
        ("https://n.example/callbacks/sms", "https://n.example:443/callbacks/sms", true),
        ("https://n.example/callbacks/sms", "https://n.example:8443/callbacks/sms", false),
        ("https://n.example/callbacks/sms", "http://n.example/callbacks/sms", false),
        ("https://n.example/callbacks/sms", "https://evil.example/callbacks/sms", false),
        ("https://n.example:8443/callbacks/sms", "https://n.example:8443/callbacks/sms", true),
        ("https://n.example:8443/callbacks/sms", "https://n.example/callbacks/sms", true),
        ("http://127.0.0.1:8080/callbacks/sms", "http://127.0.0.1:80/callbacks/sms", true),
        ("http://127.0.0.1:8080/callbacks/sms", "http://127.0.0.1:8080/callbacks/sms", true),
    ] {
        for fragment in ["", "#rc=5&rp=5xx,ct,rt"] {
            let mark = signature("12345", &format!("{signed}?{query}{fragment}"), body);
            // Whatever the proxy says of the host is nobody's word.
            let headers = [FORM, ("x-twilio-signature", &mark), ("host", "evil.example")];
            assert_eq!(taken(&admit(told, &settings(), &post(query, &headers, body))), good, "{told} {signed}");
        }
    }
}

#[test]
fn nothing_else_passes() {
    let body = "AccountSid=AC00000000000000000000000000000000&MessageSid=SM1&MessageStatus=sent";
    let good = signature("12345", CALLBACKS, body);
    let of =
        |query: &str, headers: &[(&str, &str)], body: &str| admit(CALLBACKS, &settings(), &post(query, headers, body));
    assert!(taken(&of("", &[FORM, ("x-twilio-signature", &good)], body)));
    assert_eq!(of("", &[FORM], body), Admission::Refuse(Refusal::Unsigned));
    let twice = [FORM, ("x-twilio-signature", good.as_str()), ("x-twilio-signature", good.as_str())];
    assert_eq!(of("", &twice, body), Admission::Refuse(Refusal::BadSignature));
    let own = [FORM, ("x-twilio-signature", good.as_str())];
    for (query, body) in [("ref=x", body.to_string()), ("", format!("{body}&To=1")), ("", body.replace("sent", "read"))]
    {
        assert_eq!(of(query, &own, &body), Admission::Refuse(Refusal::BadSignature), "{query} {body}");
    }
    for odd in ["", "a", good.get(..20).unwrap(), &STANDARD.encode([0; 32]), &STANDARD.encode([])] {
        assert_eq!(of("", &[FORM, ("x-twilio-signature", odd)], body), Admission::Refuse(Refusal::BadSignature));
    }
    // A form that does not say so is no form; its fields would be unprotected.
    let plain = [("content-type", "text/plain"), ("x-twilio-signature", good.as_str())];
    assert_eq!(of("", &plain, body), Admission::Refuse(Refusal::BadSignature));
    // Another account's token that happens to be the same: its messages are not ours.
    let other = body.replace("AC0", "AC1");
    let mark = signature("12345", CALLBACKS, &other);
    assert_eq!(of("", &[FORM, ("x-twilio-signature", &mark)], &other), Admission::Refuse(Refusal::WrongAccount));
}

#[test]
fn an_old_token_still_verifies_and_an_empty_one_never() {
    let mut both = settings();
    both["auth_tokens"] = json!([secret("old")]);
    let body = "MessageSid=SM1&MessageStatus=sent";
    for (token, index) in [("12345", Some(0)), ("old", Some(1)), ("older", None), ("", None)] {
        let mark = signature(token, CALLBACKS, body);
        let found = match admit(CALLBACKS, &both, &post("", &[FORM, ("x-twilio-signature", &mark)], body)) {
            Admission::Take { secret_index, .. } => Some(secret_index),
            _ => None,
        };
        assert_eq!(found, index, "{token}");
    }
}

/// Vectors of addresses that ours never are: with a user in them, and with reserved characters in the query.
const NOT_OURS: &[&str] =
    &["url_userinfo", "url_user_only", "url_userinfo_port_added", "query_special_characters_legacy"];

#[test]
fn published_vectors_verify_and_forged_ones_do_not() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let text = std::fs::read_to_string(folder.join("twilio/request-signature-vectors.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for (list, good) in [("positive", true), ("negative", false)] {
        for case in document[list].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            if NOT_OURS.contains(&name) {
                continue;
            }
            let mut settings = settings();
            settings["auth_token"] = secret(case["auth_token"].as_str().unwrap_or("12345"));
            let (told, query) = case["received_url"].as_str().unwrap().split_once('?').unwrap();
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in case["params"].as_object().into_iter().flatten() {
                match value {
                    Value::Array(values) => values.iter().for_each(|v| {
                        form.append_pair(name, v.as_str().unwrap());
                    }),
                    one => drop(form.append_pair(name, one.as_str().unwrap())),
                }
            }
            let json_body = case["raw_body"].as_str();
            let kind = if json_body.is_some() { ("content-type", "application/json") } else { FORM };
            let body = json_body.map_or_else(|| form.finish(), str::to_string);
            let mark = ["expected_x_twilio_signature", "x_twilio_signature", "header_x_twilio_signature"]
                .iter()
                .find_map(|key| case[*key].as_str())
                .unwrap_or_default();
            let headers = [kind, ("x-twilio-signature", mark)];
            assert_eq!(taken(&admit(told, &settings, &post(query, &headers, &body))), good, "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} vectors");
}
