//! The door: signature vectors, odd headers, the ping, the dedupe key.

use super::{SECRET, base64_of, delivery, kind, moment, shop};
use orderwire::domain::settings::Secret;
use orderwire::domain::signature::sign;
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use orderwire::platform::Shop;
use serde_json::Value;

/// A body as WordPress writes it: every character beyond ASCII escaped, and the slash too.
const ESCAPED: &str = r#"{"id":728,"status":"completed","billing":{"first_name":"\u5c0f\u660e"},"customer_note":"a & b \/ \ud83d\ude00"}"#;

fn with_secrets(secrets: &[&str]) -> Shop {
    Shop { secrets: secrets.iter().map(|s| Secret::new(*s)).collect(), domain: None, ..shop() }
}

fn signed_with(body: &[u8], signature: &str) -> RawWebhook {
    let headers = [("Content-Type", "application/json"), ("X-WC-Webhook-Signature", signature)];
    RawWebhook::post(&headers, body.to_vec(), moment("2026-11-22T05:00:00Z"))
}

fn index(shop: &Shop, raw: &RawWebhook) -> Option<usize> {
    match (kind().admit)(shop, raw) {
        Admission::Take { secret_index, .. } => Some(secret_index),
        Admission::Refuse(_) => None,
        Admission::Reply(_) => panic!("no ping"),
    }
}

#[test]
fn known_signatures_verify() {
    let (a, b) = (br#"{"id":727,"status":"processing"}"#.as_slice(), ESCAPED.as_bytes());
    assert_eq!(b.len(), 111);
    let first = signed_with(a, "Cfak3+C4JAiJDfvENb9rvb90+OH4iPQeWwle4GY8plU=");
    assert_eq!(index(&with_secrets(&["whsec_woo_vector_1"]), &first), Some(0));
    assert_eq!(index(&with_secrets(&["whsec_woo_vector_2", "whsec_woo_vector_1"]), &first), Some(1));
    assert_eq!(index(&with_secrets(&["whsec_woo_vector_2"]), &first), None);
    assert_eq!(index(&with_secrets(&[]), &first), None);
    assert_eq!(index(&with_secrets(&[""]), &signed_with(a, &base64_of("", a))), None, "an empty secret signs nothing");
    let second = signed_with(b, "ZPi0SPd+w9sL1skxCgckxP8wLslzLWtwdLnZEeecjHI=");
    assert_eq!(index(&with_secrets(&["whsec_woo_vector_2"]), &second), Some(0));
}

#[test]
fn a_body_that_was_written_anew_fails() {
    let value: Value = serde_json::from_str(ESCAPED).expect("json");
    let anew = format!(
        r#"{{"id":{},"status":{},"billing":{},"customer_note":{}}}"#,
        value["id"], value["status"], value["billing"], value["customer_note"]
    );
    let shop = with_secrets(&["whsec_woo_vector_2"]);
    // The signature that the other bytes would have: this is the very body of the vector.
    assert_eq!(index(&shop, &signed_with(anew.as_bytes(), "2lv2OwWTqWXL4mEsbJ3/E13ERsoGNbNnLEv047D8meY=")), Some(0));
    assert_eq!(index(&shop, &signed_with(anew.as_bytes(), "ZPi0SPd+w9sL1skxCgckxP8wLslzLWtwdLnZEeecjHI=")), None);
}

#[test]
fn a_secret_with_entities_is_tried_in_both_forms() {
    let body = br#"{"id":727,"status":"processing"}"#;
    let signature = "TuYaj+/i7gP0VGFsDZuH05X0IhhEkcfV2HXqrBpnR3M=";
    let stored = "x&amp;y&lt;z&#039;q\"";
    assert_eq!(index(&with_secrets(&[stored]), &signed_with(body, signature)), Some(0));
    assert_eq!(index(&with_secrets(&["other", "plain", stored]), &signed_with(body, signature)), Some(2));
    assert_eq!(index(&with_secrets(&["x&y<z'q\""]), &signed_with(body, signature)), Some(0));
    assert_eq!(index(&with_secrets(&[stored]), &signed_with(body, &base64_of(stored, body))), Some(0));
}

#[test]
fn odd_signature_headers_are_none() {
    let body = br#"{"id":727,"status":"processing"}"#;
    let good = base64_of("s", body);
    let shop = with_secrets(&["s"]);
    assert_eq!(index(&shop, &signed_with(body, &format!(" {good}\n"))), Some(0), "blanks at the ends are cut");
    let mut twice = signed_with(body, &good);
    twice.headers.push(("x-wc-webhook-signature".into(), good.clone()));
    let hex = hex::encode(sign(b"s", body));
    let short: String = good.chars().take(20).collect();
    let unpadded = good.trim_end_matches('=').to_string();
    let mut bad: Vec<RawWebhook> =
        [format!("{good},{good}"), hex, short, unpadded, String::new()].iter().map(|s| signed_with(body, s)).collect();
    bad.push(twice);
    for raw in bad {
        assert_eq!((kind().admit)(&shop, &raw), Admission::Refuse(Refusal::BadSignature), "{raw:?}");
    }
    let mut none = signed_with(body, &good);
    none.headers.retain(|(name, _)| name != "x-wc-webhook-signature");
    assert_eq!((kind().admit)(&shop, &none), Admission::Refuse(Refusal::Unsigned));
}

#[test]
fn only_the_very_ping_is_answered() {
    let form = "application/x-www-form-urlencoded";
    let ping = |content: &str, body: &str| {
        RawWebhook::post(&[("Content-Type", content)], body.to_string(), moment("2026-11-22T05:00:00Z"))
    };
    let answered = |raw: &RawWebhook| match (kind().admit)(&shop(), raw) {
        Admission::Reply(reply) => reply.status == 200,
        Admission::Refuse(_) => false,
        Admission::Take { .. } => panic!("unsigned and taken"),
    };
    assert!(answered(&ping(form, "webhook_id=17")));
    assert!(answered(&ping("application/x-www-form-urlencoded; charset=UTF-8", "webhook_id=1")));
    let long = format!("webhook_id={}", "1".repeat(60));
    for body in
        ["webhook_id=", "webhook_id=1x", "webhook_id=-1", "webhook_id=1&x=2", " webhook_id=1", "webhook_id=1\n", &long]
    {
        assert!(!answered(&ping(form, body)), "{body:?}");
    }
    assert!(!answered(&ping("application/json", "webhook_id=1")));
    assert!(!answered(&RawWebhook { method: "PUT".into(), ..ping(form, "webhook_id=1") }));
    let mut signed = ping(form, "webhook_id=1");
    signed.headers.push(("x-wc-webhook-signature".into(), "AA==".into()));
    assert!(!answered(&signed));
}

#[test]
fn two_orders_of_one_second_are_two() {
    let dedupe = |topic: &str, body: &[u8]| match (kind().admit)(&shop(), &delivery(topic, body, SECRET)) {
        Admission::Take { dedupe, .. } => dedupe,
        other => panic!("{other:?}"),
    };
    let a = dedupe("order.updated", br#"{"id":1}"#);
    assert_ne!(a, dedupe("order.updated", br#"{"id":2}"#));
    assert_ne!(a, dedupe("order.created", br#"{"id":1}"#));
    assert_eq!(a, dedupe("order.updated", br#"{"id":1}"#));
}
