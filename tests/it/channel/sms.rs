//! What every way of sending SMS shares: segments, brand, links, and the built-in words on a real sender.

use super::stand_in::{Parts, message, open, outside};
use super::twilio::settings;
use orderwire::channel::{Channel, sections};
use orderwire::domain::channel::{Envelope, Form, Message, ShapeFault};
use orderwire::domain::person::Address;
use orderwire::words::{LOCALES, Words, built_in_milestones, sample};
use serde_json::{Value, json};

fn account(more: Value) -> Box<dyn Channel> {
    let mut settings = settings();
    settings.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    open("sms_twilio", &settings)
}

fn to(number: &str) -> Parts {
    Parts::of(Form::Free, Some(Address::new("phone", number)))
}

fn text_of(envelope: &Envelope) -> String {
    let body: Value = serde_json::from_str(&envelope.body).unwrap();
    body["Body"].as_str().unwrap().to_string()
}

fn shaped(channel: &dyn Channel, number: &str, text: &str) -> Result<String, ShapeFault> {
    let mut words = message();
    words.extra.insert("text".into(), text.into());
    channel.shape(&words, &to(number).errand()).map(|e| text_of(&e))
}

#[test]
fn published_segment_vectors_agree() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let text = std::fs::read_to_string(folder.join("twilio/sms-segment-vectors.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let channel = account(json!({}));
    let cases = document["cases"].as_array().unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let usual = channel.shape(&message(), &to("+12025550123").errand()).unwrap();
        let envelope = Envelope { body: json!({ "Body": case["text"] }).to_string(), ..usual };
        let said = channel.measure(&envelope).unwrap();
        let (count, units) = (case["segments"].as_u64().unwrap(), case["units"].as_u64().unwrap());
        let plain = case["encoding"] == "GSM-7";
        assert!(said.starts_with(&format!("{count} SMS segment")), "{}: {said}", case["name"]);
        let units = if plain { format!("{units} characters of GSM-7") } else { format!("{units} UTF-16 units") };
        assert!(said.contains(&units), "{}: {said}", case["name"]);
    }
}

const REGISTERED: &str =
    r#"{"registered": {"tree": {"brand": "小樹選物", "domains": ["shop.example.com"], "phones": ["02-1234-5678"]}}}"#;

#[test]
fn the_brand_stands_in_front_unless_the_words_say_it() {
    let channel = account(serde_json::from_str(REGISTERED).unwrap());
    let say = |text: &str| shaped(&*channel, "+886912345678", text).unwrap();
    assert_eq!(say("訂單#1已出貨。"), "【小樹選物】訂單#1已出貨。");
    assert_eq!(say("小樹選物：訂單#1已出貨。"), "小樹選物：訂單#1已出貨。");
    let latin = account(json!({ "registered": { "*": { "brand": "Oak & Linen" } } }));
    assert_eq!(shaped(&*latin, "+12025550123", "Order #1 it’s here").unwrap(), "Oak & Linen: Order #1 it's here");
}

#[test]
fn what_carriers_would_block_is_refused_by_name() {
    let with = account(serde_json::from_str(REGISTERED).unwrap());
    let without = account(json!({}));
    let (taiwan, china, elsewhere) = ("+886912345678", "+8613812345678", "+12025550123");
    for (channel, number, text, fault) in [
        (&without, taiwan, "訂單#1已出貨。", Some("registered.tree.brand")),
        (&without, elsewhere, "See https://any.example/x", None),
        (&with, taiwan, "見 https://shop.example.com/a 或02-1234-5678", None),
        (&with, taiwan, "見 https://www.shop.example.com/a 或 +886 2 1234 5678", None),
        (&with, taiwan, "見 https://bit.example/a", Some("bit.example")),
        (&with, taiwan, "見myshop.example.com", Some("myshop.example.com")),
        (&with, taiwan, "請電0800-000-123", Some("telephone number")),
        (&with, china, "见 https://shop.example.com/a", Some("mainland China")),
        (&without, china, "见 shop.example.com", Some("mainland China")),
        (&with, elsewhere, "See https://bit.example/a", Some("bit.example")),
        (&without, taiwan, "", Some("no words")),
    ] {
        match (shaped(&**channel, number, text), fault) {
            (Ok(_), None) => {}
            (Err(ShapeFault::Unfit(why)), Some(due)) if why.contains(due) => {}
            (found, due) => panic!("{text}: {found:?}, due {due:?}"),
        }
    }
}

#[test]
fn a_long_text_is_cut_between_characters_within_its_segments() {
    for (text, most) in [("訂單👨‍👩‍👧已出貨".repeat(200), 4), ("Order €{}| shipped ".repeat(200), 4), ("訂".repeat(71), 1)]
    {
        let channel = account(json!({ "max_segments": most }));
        let found = channel.shape(
            &Message { extra: [("text".to_string(), Value::from(text.as_str()))].into(), ..message() },
            &to("+12025550123").errand(),
        );
        let envelope = found.unwrap();
        let said = channel.measure(&envelope).unwrap();
        assert!(said.starts_with(&format!("{most} SMS segment")), "{said}");
        let short = text_of(&envelope);
        assert!(short.ends_with('…') || short.ends_with("..."), "{short}");
        let kept = short.trim_end_matches(['…', '.']);
        assert!(text.starts_with(kept) && !kept.ends_with('\u{200d}'), "{kept}");
    }
}

#[test]
fn what_is_registered_is_checked_at_the_start() {
    for (entry, key) in [
        (json!({ "brand": "" }), "registered.a.brand"),
        (json!({ "brand": "ＡＢＣ" }), "registered.a.brand"),
        (json!({ "brand": "【小樹】" }), "registered.a.brand"),
        (json!({ "brand": "字".repeat(21) }), "registered.a.brand"),
        (json!({ "domains": ["https://shop.example.com"] }), "registered.a.domains"),
        (json!({ "phones": ["none"] }), "registered.a.phones"),
    ] {
        let mut settings = settings();
        settings["registered"] = json!({ "a": entry });
        let found = (orderwire::channel::find("sms_twilio").unwrap().open)("a".into(), settings);
        let keys: Vec<String> = found.err().unwrap_or_default().into_iter().map(|m| m.key).collect();
        assert_eq!(keys, [key]);
    }
}

/// Every milestone in every language, with everything known and joined as it may be: as a text that Taiwan's carriers
/// take, without a link, in GSM-7 where the language allows it, and no longer than need be.
#[test]
fn the_built_in_words_make_good_short_messages() {
    let words = Words::load(None, &built_in_milestones(), &sections()).unwrap();
    let mut worst = Vec::new();
    for locale in LOCALES {
        let brand = if locale.starts_with("zh") { "好日選物" } else { "Nha Tre" };
        let channel = account(json!({ "max_segments": 10, "registered": { "*": { "brand": brand } } }));
        let order = sample::full(locale);
        for milestone in built_in_milestones() {
            let subject = sample::subject(milestone);
            for joined in sample::joins(milestone) {
                let mut telling = order.telling(milestone, joined, &subject);
                telling.section = "sms";
                let message = words.render(&telling).unwrap();
                let place = format!("{locale} {milestone} {joined:?}");
                let envelope = channel.shape(&message, &to("+886912345678").errand());
                let envelope = envelope.unwrap_or_else(|e| panic!("{place}: {e}"));
                let (text, said) = (text_of(&envelope), channel.measure(&envelope).unwrap());
                assert!(text.contains(brand) && text.contains("#1001"), "{place}: {text}");
                assert!(!text.contains("http") && !text.contains('\n'), "{place}: {text}");
                if !locale.starts_with("zh") {
                    assert!(said.contains("GSM-7") && !said.contains("because"), "{place}: {said}: {text}");
                }
                let count: usize = said.split(' ').next().unwrap().parse().unwrap();
                assert!(count <= 2, "{place}: {said}: {text}");
                worst.push((count, place));
            }
        }
    }
    let long = worst.iter().filter(|(count, _)| *count > 1).count();
    assert!(long * 10 < worst.len(), "{long} of {} need two segments", worst.len());
}
