//! Who is let in: `admit`.

use super::{DOMAIN, OLD_SECRET, SECRET, kind, received, shop, signature, webhook};
use orderwire::domain::settings::Secret;
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use orderwire::platform::Shop;
use proptest::prelude::*;

const BODY: &[u8] = r##"{"id":820982911946154508,"name":"#1001","financial_status":"paid","note":"繁體"}"##.as_bytes();

fn admit(raw: &RawWebhook) -> Admission {
    (kind().admit)(&shop(), raw)
}

fn set(raw: &mut RawWebhook, name: &str, value: Option<&str>) {
    raw.headers.retain(|(n, _)| n != name);
    raw.headers.extend(value.map(|v| (name.to_string(), v.to_string())));
}

fn refused(raw: &RawWebhook) -> Refusal {
    match admit(raw) {
        Admission::Refuse(why) => why,
        other => panic!("let in: {other:?}"),
    }
}

/// Key, body, signature: from the tests of Shopify's SDKs, two of them computed independently.
#[test]
fn known_vectors_verify() {
    let vectors = [
        ("test_secret_key", r#"{"foo": "bar"}"#, "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="),
        ("7008c5f4da4718b9b45d26d3fcbbb157", r#"{"foo":"bar"}"#, "+R9TwYM4mbLTk3hEAOBkpA7zW2lc9vNFmVKs2u2jtyY="),
        ("secret", "foo=anything", "yCGX/RrK4fcuNtr3ztk5tQGsOBjcAzHpGLdMUrbV8yI="),
        ("old_secret", "foo=anything", "XqRcjrSv57VACn6apEO9znyu/wkN1VC7QxdSPwK3Hzs="),
        ("API_SECRET_KEY", "{}", "+ihUB5l+D7QrohDEi/6NcBcJRyKssyWqos13LmnsBbs="),
        ("hush", std::str::from_utf8(BODY).unwrap(), "lERBPp5mHyue6NllsubRYGPoGmcBxY2saCbH9zunxTk="),
    ];
    for (key, body, mac) in vectors {
        let open = Shop { secrets: vec![Secret::new("other"), Secret::new(key)], domain: None, ..shop() };
        for header in [mac.to_string(), format!("{mac}\n")] {
            let raw = RawWebhook::post(&[("X-Shopify-Hmac-Sha256", &header)], body.to_string(), received());
            let Admission::Take { secret_index, .. } = (kind().admit)(&open, &raw) else { panic!("{key} refused") };
            assert_eq!(secret_index, 1);
        }
    }
}

#[test]
fn the_secret_that_signed_is_told() {
    for (secret, index) in [(SECRET, 0), (OLD_SECRET, 1)] {
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-hmac-sha256", Some(&signature(secret, BODY)));
        assert!(matches!(admit(&raw), Admission::Take { secret_index, .. } if secret_index == index));
    }
}

#[test]
fn a_body_written_anew_is_refused() {
    let value: serde_json::Value = serde_json::from_slice(br#"{ "note": "\u7e41", "id": 1 }"#).unwrap();
    let mut raw = webhook("orders/paid", br#"{ "note": "\u7e41", "id": 1 }"#);
    assert!(matches!(admit(&raw), Admission::Take { .. }));
    raw.body = serde_json::to_vec(&value).unwrap().into();
    assert_eq!(refused(&raw), Refusal::BadSignature);
}

#[test]
fn what_is_not_signed_once_is_refused() {
    let good = signature(SECRET, BODY);
    let unpadded = good.trim_end_matches('=');
    let hexed = hex::encode(orderwire::domain::signature::sign(SECRET.as_bytes(), BODY));
    for bad in ["", unpadded, &hexed, &format!("{good}, {good}"), "====", "né", &good.to_lowercase()] {
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-hmac-sha256", Some(bad));
        assert_eq!(refused(&raw), Refusal::BadSignature, "{bad}");
    }
    let mut raw = webhook("orders/paid", BODY);
    raw.headers.push(("x-shopify-hmac-sha256".into(), good));
    assert_eq!(refused(&raw), Refusal::BadSignature, "twice");
    set(&mut raw, "x-shopify-hmac-sha256", None);
    assert_eq!(refused(&raw), Refusal::Unsigned);
}

#[test]
fn an_empty_body_and_other_methods_are_refused() {
    assert_eq!(refused(&webhook("orders/paid", b"")), Refusal::Unsigned);
    for method in ["GET", "PUT", "HEAD"] {
        let raw = RawWebhook { method: method.into(), ..webhook("orders/paid", BODY) };
        assert_eq!(refused(&raw), Refusal::Unsigned);
    }
}

#[test]
fn without_secrets_nobody_comes_in() {
    for secrets in [vec![], vec![Secret::new("")]] {
        let closed = Shop { secrets, ..shop() };
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-hmac-sha256", Some(&signature("", BODY)));
        assert_eq!((kind().admit)(&closed, &raw), Admission::Refuse(Refusal::BadSignature));
    }
}

#[test]
fn the_shop_in_the_header_must_be_this_one() {
    for (domain, fits) in [
        (Some(DOMAIN), true),
        (Some("DEMO-tw.MyShopify.com"), true),
        (Some("other.myshopify.com"), false),
        (Some("demo-tw.myshopify.com.evil.example"), false),
        (None, false),
    ] {
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-shop-domain", domain);
        let expected = !matches!(admit(&raw), Admission::Refuse(Refusal::WrongAccount));
        assert_eq!(expected, fits, "{domain:?}");
        // Where the settings name no domain, the secret alone decides.
        let any = Shop { domain: None, ..shop() };
        assert!(matches!((kind().admit)(&any, &raw), Admission::Take { .. }));
    }
    // The signature comes first: a stranger does not learn which shop lives here.
    let mut raw = webhook("orders/paid", BODY);
    set(&mut raw, "x-shopify-shop-domain", Some("other.myshopify.com"));
    set(&mut raw, "x-shopify-hmac-sha256", Some(&signature("stranger", BODY)));
    assert_eq!(refused(&raw), Refusal::BadSignature);
}

#[test]
fn the_preview_is_verified_by_its_own_headers() {
    let mut raw = webhook("orders/paid", BODY);
    set(&mut raw, "shopify-hmac-sha256", Some(&signature("stranger", BODY)));
    set(&mut raw, "shopify-shop-domain", Some(DOMAIN));
    assert_eq!(refused(&raw), Refusal::BadSignature, "the classic signature does not stand in for it");
    set(&mut raw, "shopify-hmac-sha256", Some(&signature(SECRET, BODY)));
    assert!(matches!(admit(&raw), Admission::Take { .. }));
    set(&mut raw, "shopify-shop-domain", Some("other.myshopify.com"));
    assert_eq!(refused(&raw), Refusal::WrongAccount);
}

#[test]
fn a_delivery_is_known_by_its_id_else_by_topic_and_body() {
    let key = |raw: &RawWebhook| match admit(raw) {
        Admission::Take { dedupe, .. } => dedupe,
        other => panic!("{other:?}"),
    };
    let mut raw = webhook("orders/paid", BODY);
    assert_eq!(key(&raw), "id:b54557e4-bdd9-4b37-8a5f-bf7d70bcd043");
    for odd in [None, Some(""), Some("two words"), Some("繁"), Some(&"x".repeat(129) as &str)] {
        set(&mut raw, "x-shopify-webhook-id", odd);
        let paid = key(&raw);
        assert!(paid.starts_with("body:") && paid.len() == 5 + 64, "{odd:?}");
        let mut other = webhook("orders/updated", BODY);
        set(&mut other, "x-shopify-webhook-id", odd);
        assert_ne!(paid, key(&other));
    }
}

#[test]
fn the_kind_says_what_it_is() {
    assert_eq!((kind().name, kind().max_body, kind().repeats), ("shopify", 6 * 1024 * 1024, true));
    let example: toml::Value = toml::from_str(kind().example).unwrap();
    assert_eq!(example["shop"][0]["platform"].as_str(), Some("shopify"));
    assert!(kind().mails_itself.contains(&"shipped") && !kind().mails_itself.contains(&"in_transit"));
}

proptest! {
    #![proptest_config(super::generated(256))]

    #[test]
    fn a_flipped_bit_is_refused(body in proptest::collection::vec(any::<u8>(), 1..200), at in any::<usize>(), bit in 0u8..8) {
        let mut raw = webhook("orders/paid", &body);
        prop_assert!(matches!(admit(&raw), Admission::Take { .. }), "sound");
        let mut flipped = body.clone();
        flipped[at % body.len()] ^= 1 << bit;
        raw.body = flipped.into();
        prop_assert_eq!(refused(&raw), Refusal::BadSignature);
    }

    #[test]
    fn a_flipped_bit_of_the_key_is_refused(key in "[a-z0-9]{8,40}", at in any::<usize>(), bit in 0u8..5) {
        let mut other = key.clone().into_bytes();
        let at = at % other.len();
        other[at] ^= 1 << bit;
        prop_assume!(other.is_ascii());
        let wrong = Shop { secrets: vec![Secret::new(String::from_utf8(other).unwrap())], ..shop() };
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-hmac-sha256", Some(&signature(&key, BODY)));
        prop_assert_eq!((kind().admit)(&wrong, &raw), Admission::Refuse(Refusal::BadSignature));
        let right = Shop { secrets: vec![Secret::new(key)], ..shop() };
        let taken = matches!((kind().admit)(&right, &raw), Admission::Take { .. });
        prop_assert!(taken);
    }

    #[test]
    fn a_flipped_bit_of_the_signature_is_refused(at in 0usize..44, bit in 0u8..7, cut in 0usize..44) {
        let good = signature(SECRET, BODY);
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        let mut raw = webhook("orders/paid", BODY);
        set(&mut raw, "x-shopify-hmac-sha256", std::str::from_utf8(&bytes).ok());
        prop_assert!(matches!(admit(&raw), Admission::Refuse(_)));
        set(&mut raw, "x-shopify-hmac-sha256", good.get(..cut));
        prop_assert!(matches!(admit(&raw), Admission::Refuse(_)));
    }
}
