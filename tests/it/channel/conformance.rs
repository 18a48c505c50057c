//! What every kind of channel must do, over the whole list: nothing here knows a kind by name.

mod table;
mod wired;

use super::examples::{CANARY, example, secret_in, uncomment};
use super::stand_in::{CALLBACKS, Parts, at, message as any_message, open_kind, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{ALL, Channel, Kind};
use orderwire::domain::channel::{Audience, Button, Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::settings::SECRET_KEY;
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The usual news, of the shop that the examples name.
fn message() -> Message {
    Message { shop_id: "my-shop".into(), ..any_message() }
}

fn properties(kind: &Kind) -> BTreeSet<String> {
    let schema = (kind.schema)(&mut schemars::SchemaGenerator::default());
    let schema = schema.as_value();
    assert_eq!(schema["additionalProperties"], false, "{} refuses unknown keys", kind.name);
    schema["properties"].as_object().expect("properties").keys().cloned().collect()
}

/// One account of each kind, opened once: setting up TLS takes milliseconds, and generated cases are many.
static ACCOUNTS: LazyLock<Vec<(&'static Kind, Box<dyn Channel>)>> =
    LazyLock::new(|| ALL.iter().map(|kind| (*kind, open_kind(kind, &example(kind)))).collect());

/// One account of each kind, by its example.
pub fn accounts() -> &'static [(&'static Kind, Box<dyn Channel>)] {
    &ACCOUNTS
}

/// An address of the channel's own scheme, found by trying the forms that there are.
fn parts(channel: &dyn Channel, form: Form) -> Parts {
    let forms = [
        "Uabcdef0123456789abcdef0123456789",
        "1234567890123456",
        "lin@shop.example",
        "+886912345678",
        "oia2TjuEGTNoeX76QEjQNrcURxG8",
    ];
    let address = forms.iter().find_map(|raw| channel.address(raw));
    let staff = channel.capabilities().audience == Audience::Staff;
    assert!(staff || address.is_some(), "an address form of {} is missing above", channel.capabilities().scheme);
    Parts::of(form, address)
}

#[test]
fn names_are_words_and_no_two_are_alike() {
    let names: BTreeSet<&str> = ALL.iter().map(|k| k.name).collect();
    assert_eq!(names.len(), ALL.len());
    assert!(names.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

#[test]
fn the_example_opens_and_names_only_real_keys() {
    for (kind, _) in ACCOUNTS.iter() {
        let known = properties(kind);
        for line in kind.example.lines() {
            let Some((key, _)) = uncomment(uncomment(line)).split_once(" = ") else { continue };
            let key = key.trim();
            // Those of every account, whatever its kind.
            assert!(
                ["id", "kind", "start_url"].contains(&key) || known.contains(key),
                "{}: {key} is no setting",
                kind.name
            );
        }
    }
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for kind in ALL {
        let mut settings = example(kind);
        settings["colour"] = "red".into();
        let mistakes = (kind.open)("a".into(), settings).err().expect("refused");
        assert!(mistakes.iter().any(|m| m.message.contains("colour") || m.key.contains("colour")), "{mistakes:?}");
    }
}

#[test]
fn a_secret_written_openly_is_refused_and_not_repeated() {
    for kind in ALL {
        let settings = example(kind);
        for (key, value) in settings.as_object().unwrap() {
            let (plain, nothing) = match value {
                one if secret_in(one) => (one[SECRET_KEY].clone(), secret("")),
                Value::Array(all) if secret_in(&all[0]) => (json!([all[0][SECRET_KEY]]), json!([secret("")])),
                _ => continue,
            };
            let mut open = settings.clone();
            open[key] = plain;
            let mistakes = (kind.open)("a".into(), open).err().unwrap_or_else(|| panic!("{} {key}", kind.name));
            assert!(!format!("{mistakes:?}").contains("canary"), "{} {key}: {mistakes:?}", kind.name);
            let mut empty = settings.clone();
            empty[key] = nothing;
            assert!((kind.open)("a".into(), empty).is_err(), "{}: {key} may not be empty", kind.name);
        }
    }
}

#[test]
fn capabilities_make_sense() {
    for (kind, channel) in ACCOUNTS.iter() {
        let can = channel.capabilities();
        assert_eq!(can.scheme.is_empty(), can.audience == Audience::Staff, "{}", kind.name);
        assert!(can.pace.per_second > 0.0 && can.pace.burst > 0 && can.pace.concurrent > 0, "{}", kind.name);
        assert!((1..=60).contains(&can.timeout_secs) && can.text_limit >= 70, "{}", kind.name);
        assert!(["none", "delivered", "read"].contains(&can.receipts), "{}", kind.name);
        for raw in ["", " ", "\u{0}", "../..", "<!channel>", "U", "訂單", &"9".repeat(10_000)] {
            assert_eq!(channel.address(raw), None, "{} takes {raw:?} for an address", kind.name);
        }
    }
}

/// Messages that no shop means and any buyer can cause.
fn hostile() -> Vec<Message> {
    let long = "訂單👨‍👩‍👧‍👦é<b>&\"'\\".repeat(1000);
    let evil = "<!channel> @everyone {{7*7}} {% for %} [a](javascript:x) *b* $ \u{202e}gnp\u{0}\u{1b}[31m\r\nX-Injected: yes\r\n\r\nbody";
    let with = |title: &str, body: &str| Message { title: title.into(), body: body.into(), ..message() };
    let bad_links = ["javascript:alert(1)", "https://a.example/訂單 1?x=\"<>", "data:text/html,x", "http://[", ""];
    let buttons = bad_links.iter().map(|url| Button { label: evil.into(), url: (*url).into() });
    let long_link = Button { label: long.clone(), url: format!("https://a.example/{}", "字".repeat(400)) };
    vec![
        with("訂單#1001已出貨", ""),
        with("", "只有內容"),
        with("", ""),
        with("\u{202e}\u{0}", "\r\n\t"),
        with(evil, evil),
        with("訂單#1001已出貨", &long),
        with(&long, "短"),
        with("Z\u{335}\u{336}".repeat(3000).as_str(), "a\u{301}".repeat(10_000).as_str()),
        Message { order_name: evil.repeat(50), shop_name: Some(long.clone()), ..message() },
        Message { buttons: buttons.chain([long_link]).collect(), image: Some("javascript:x".into()), ..message() },
        Message { buttons: vec![message().buttons[0].clone(); 50], image: Some(long), ..message() },
    ]
}

#[test]
fn a_hostile_message_fits_or_is_a_named_fault() {
    for (kind, channel) in ACCOUNTS.iter() {
        for form in [Form::Free, Form::Reply, Form::Template, Form::Grant] {
            for (i, words) in hostile().iter().enumerate() {
                let parts = parts(&**channel, form);
                let shaped = channel.shape(words, &parts.errand());
                assert_eq!(shaped, channel.shape(words, &parts.errand()), "{} {i}: the same twice", kind.name);
                match shaped {
                    Err(fault) => assert!(!fault.to_string().is_empty()),
                    Ok(envelope) => {
                        assert_eq!(envelope.form, form, "{} {i}", kind.name);
                        assert!(!format!("{envelope:?}").contains("1001"), "{} {i}: Debug shows words", kind.name);
                        well_formed(kind, &**channel, i, &envelope.body);
                    }
                }
            }
        }
        let parts = parts(&**channel, Form::Free);
        let usual = channel.shape(&message(), &parts.errand()).unwrap_or_else(|e| panic!("{}: {e}", kind.name));
        assert_eq!(usual.key.is_some(), channel.capabilities().keyed(Form::Free), "{}", kind.name);
    }
}

fn well_formed(kind: &Kind, channel: &dyn Channel, i: usize, body: &str) {
    let can = channel.capabilities();
    let Ok(document) = serde_json::from_str::<Value>(body) else {
        // A whole mail: its head ends at the first empty line, and nothing a buyer wrote is a line of it.
        let head = body.split("\r\n\r\n").next().unwrap_or_default();
        assert!(!head.lines().any(|l| l.starts_with("X-Injected")), "{} {i}: {head}", kind.name);
        return;
    };
    each_text(&document, &mut |text| {
        let length = can.unit.count(text);
        assert!(length <= can.text_limit, "{} {i}: a text of {length}", kind.name);
        let odd =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(odd), "{} {i}: {text:?}", kind.name);
        assert!(!text.starts_with("javascript:") && !text.starts_with("data:"), "{} {i}", kind.name);
    });
}

fn each_text(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => check(text),
        Value::Array(items) => items.iter().for_each(|v| each_text(v, check)),
        Value::Object(fields) => fields.values().for_each(|v| each_text(v, check)),
        _ => {}
    }
}

#[test]
fn every_status_with_any_body_has_a_verdict() {
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 12] = [
        b"",
        b"<html><body>Bad Gateway</body></html>",
        b"{}",
        b"ok",
        b"{\"ok\":true,\"sentMessages\":[],\"message_id\":\"1\",\"recipient_id\":\"1\"}",
        b"null",
        b"[1]",
        b"{\"message\":1,\"error\":[],\"details\":{},\"sentMessages\":\"x\",\"ok\":\"yes\"}",
        b"{\"error\":{\"code\":\"x\",\"message\":null}}",
        b"\xff\xfe\x00",
        "訂單".as_bytes(),
        deep.as_bytes(),
    ];
    for kind in ALL {
        for status in 100..=599u16 {
            for body in bodies {
                let headers = vec![("retry-after".to_string(), "99999999999999999999".to_string())];
                let verdict = (kind.judge)(&Answer::Reply { status, headers, body: body.to_vec() });
                if let Verdict::Accepted { again, .. } = verdict {
                    assert!(again || (200..=299).contains(&status), "{} takes {status} for success", kind.name);
                }
                if let Verdict::TryLater { after_secs: Some(after), .. } = verdict {
                    assert!((0..=86_400 * 31).contains(&after), "{} waits {after} s", kind.name);
                }
            }
        }
    }
}

#[test]
fn what_was_not_sent_goes_again_and_what_may_have_been_is_unsure() {
    for (kind, channel) in ACCOUNTS.iter() {
        match (kind.judge)(&Answer::NotSent("connection refused".into())) {
            Verdict::TryLater { reason: Reason::Retrying, scope: Scope::Message, .. } => {}
            other => panic!("{}: not sent gives {other:?}", kind.name),
        }
        match (kind.judge)(&Answer::NoAnswer("timed out".into())) {
            Verdict::Unsure { .. } => {}
            Verdict::TryLater { .. } if channel.capabilities().retry_key_secs.is_some() => {}
            other => panic!("{}: no answer gives {other:?}", kind.name),
        }
    }
}

/// A callback that carries the signature of every scheme that a kind here knows.
fn signed(body: &[u8]) -> Vec<(String, String)> {
    let mac = sign(CANARY.as_bytes(), body);
    vec![
        ("x-line-signature".into(), STANDARD.encode(mac)),
        ("x-hub-signature-256".into(), format!("sha256={}", hex::encode(mac))),
        ("x-viber-content-signature".into(), hex::encode(mac)),
        super::zalo::signature_of("2074138120372622546", CANARY, body),
    ]
}

fn raw(headers: &[(String, String)], body: &[u8]) -> RawWebhook {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    RawWebhook::post(&headers, body.to_vec(), at("2026-11-25T08:00:00Z"))
}

fn taken(channel: &dyn Channel, raw: &RawWebhook) -> bool {
    matches!(channel.admit(raw), Admission::Take { .. })
}

const SIGNED_BODY: &[u8] =
    br#"{"destination":"Uabcdef0123456789abcdef0123456789","object":"page","events":[],"entry":[],"timestamp":"1"}"#;

/// Callbacks of the kinds that sign otherwise: over the address, or with a mark in it.
fn signed_otherwise(channel: &dyn Channel) -> Vec<RawWebhook> {
    let form = "AccountSid=AC00000000000000000000000000000000&MessageSid=SM1&MessageStatus=sent";
    let type_ = ("content-type", "application/x-www-form-urlencoded");
    let twilio = super::twilio::signature(CANARY, CALLBACKS, form);
    let twilio =
        RawWebhook::post(&[type_, ("x-twilio-signature", &twilio)], form.to_string(), at("2026-11-25T08:00:00Z"));
    // The address of a message's callback, as the message itself tells it.
    let usual = channel.shape(&message(), &parts(channel, Form::Free).errand()).ok();
    let document: Option<Value> = usual.and_then(|e| serde_json::from_str(&e.body).ok());
    let told = document.and_then(|d| d.get("response")?.as_str()?.split_once('?').map(|(_, q)| q.to_string()));
    let mut marked = RawWebhook::post(&[], "", at("2026-11-25T08:00:00Z"));
    (marked.method, marked.query) = ("GET".into(), format!("{}&msgid=1&StatusFlag=4", told.unwrap_or_default()));
    vec![twilio, marked, sealed(SEALED_QUERY, SEALED_BODY)]
}

/// An event in an envelope whose signature stands in the query, made by another program.
const SEALED_QUERY: &str =
    "timestamp=1795593600&nonce=1320562132&msg_signature=8fdab1141c1a35b40504481b042ff67c738e4640";
const SEALED_BODY: &[u8] = br#"{"Encrypt":"UmODkDW2wOeCMFNwbCcJoLjrzdXr/Fgq3dQ8fRou5Gg7Axqnn50GxSd+pMymm9nNv8gxlAWIY1SQl/S1kzJD1jmzG56kyftl9ivefUWU+5OpmSQ86VYb1d0v4EHaIlUudUa3G+u2O09Lbav+3C6BhrN/C7j2hqQti4vGMwE905nhNujVYQyMfeddJtXpHkYNaFgeICtYge8eCU0Bau8BoM6U+po9tndwbIqBsBJ/8Yd5Ui841NNDhgmFHw/7dzMqeio14mknclBawRbKuhAAqgjLHjAyzSAqahYMwt7VSmgZQaDid2DRcfKFaKdBMm1Zd+M9v1Uu8mwuMQRiGvozr00K9Lj9C80Zz8EunHFcvT1iROKZHR7gU3il3TiCuL3H"}"#;

fn sealed(query: &str, body: &[u8]) -> RawWebhook {
    let mut raw = raw(&[], body);
    raw.query = query.into();
    raw
}

/// Without this the refusals below would prove nothing.
#[test]
fn a_signed_callback_is_taken_by_every_kind_that_hears() {
    for (kind, channel) in ACCOUNTS.iter() {
        let can = channel.capabilities();
        let hears = can.reply_token || can.receipts != "none";
        let takes = taken(&**channel, &raw(&signed(SIGNED_BODY), SIGNED_BODY))
            || signed_otherwise(&**channel).iter().any(|callback| taken(&**channel, callback));
        assert!(takes || !hears, "{}: its way of signing, or its body, is missing above", kind.name);
        assert!(!taken(&**channel, &raw(&[], SIGNED_BODY)), "{} takes what nobody signed", kind.name);
        let twice = [signed(SIGNED_BODY), signed(SIGNED_BODY)].concat();
        assert!(!taken(&**channel, &raw(&twice, SIGNED_BODY)), "{} takes two signatures", kind.name);
        let twice = format!("{SEALED_QUERY}&{SEALED_QUERY}");
        assert!(!taken(&**channel, &sealed(&twice, SEALED_BODY)), "{} takes two signatures", kind.name);
        assert!(!taken(&**channel, &sealed("", SEALED_BODY)), "{} takes what nobody signed", kind.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_flipped_bit_is_refused(bit in 0usize..10_000, in_body: bool, which in 0usize..4) {
        let body = SIGNED_BODY;
        let mut headers = signed(body);
        let mut bytes = body.to_vec();
        if in_body {
            let n = bytes.len();
            bytes[bit / 8 % n] ^= 1 << (bit % 8);
        } else {
            let value = &mut headers[which].1;
            let place = bit % value.len();
            let other = if matches!(value.as_bytes()[place], b'A' | b'a') { "0" } else { "a" };
            value.replace_range(place..=place, other);
            headers = vec![headers.swap_remove(which)];
        }
        let (mut query, mut envelope) = (SEALED_QUERY.to_string(), SEALED_BODY.to_vec());
        if in_body {
            let n = envelope.len();
            envelope[bit / 8 % n] ^= 1 << (bit % 8);
        } else {
            let place = bit % query.len();
            let other = if matches!(query.as_bytes()[place], b'A' | b'a') { "0" } else { "a" };
            query.replace_range(place..=place, other);
        }
        for (kind, channel) in ACCOUNTS.iter() {
            prop_assert!(!taken(&**channel, &raw(&headers, &bytes)), "{}", kind.name);
            prop_assert!(!taken(&**channel, &sealed(&query, &envelope)), "{}", kind.name);
        }
    }

    #[test]
    fn arbitrary_bytes_are_borne_and_never_taken(
        body in prop::collection::vec(any::<u8>(), 0..600),
        value in "\\PC{0,100}",
        name in prop::sample::select(vec![
            "x-line-signature", "x-hub-signature-256", "x-viber-content-signature", "x-twilio-signature", "x-zevent-signature", "x-other",
        ]),
    ) {
        let raw = raw(&[(name.into(), value)], &body);
        for (_, channel) in ACCOUNTS.iter() {
            prop_assert!(!taken(&**channel, &raw));
            channel.hear(&raw);
        }
    }

    #[test]
    fn arbitrary_json_is_heard_without_a_panic(document in any_json()) {
        let inside = [
            document.clone(),
            json!({ "events": document, "entry": document }),
            json!({ "events": [document, {"type": "message", "source": document, "message": document}] }),
            json!({ "object": "page", "entry": [{ "messaging": [document] }] }),
            json!({ "type": "message", "timestamp": document, "postback": document }),
        ];
        for body in inside {
            for (_, channel) in ACCOUNTS.iter() {
                channel.hear(&raw(&[], body.to_string().as_bytes()));
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop::sample::select(vec![
            "type",
            "source",
            "userId",
            "timestamp",
            "message",
            "text",
            "id",
            "sender",
            "mode",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|m| json!(m)),
        ]
    })
}
