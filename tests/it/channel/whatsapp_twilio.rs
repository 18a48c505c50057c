//! WhatsApp through Twilio: goldens, and what its settings must say.

use super::golden;
use super::sms_twilio::sign;
use super::stand_in::{Parts, message, open};
use orderwire::channel::find;
use orderwire::domain::channel::{Form, Message};
use orderwire::domain::person::Address;
use serde_json::{Value, json};

fn settings() -> Value {
    let mut settings = super::twilio::settings();
    settings["from"] = "whatsapp:+15005550006".into();
    settings
}

#[test]
fn goldens() {
    golden::run("whatsapp_twilio", &settings(), Some("+886912345678"), sign);
}

#[test]
fn a_sender_carries_the_prefix() {
    for (from, good) in [
        ("whatsapp:+15005550006", true),
        ("+15005550006", false),
        ("whatsapp:15005550006", false),
        ("whatsapp: +15005550006", false),
        ("MyShop", false),
    ] {
        let mut settings = settings();
        settings["from"] = from.into();
        assert_eq!((find("whatsapp_twilio").unwrap().open)("a".into(), settings).is_ok(), good, "{from}");
    }
}

#[test]
fn numbers_are_the_same_with_the_prefix_and_without() {
    let account = open("whatsapp_twilio", &settings());
    assert_eq!(account.address("whatsapp:+886912345678"), account.address("+886912345678"));
    assert_eq!(account.address("+886912345678"), Some(Address::new("phone", "+886912345678")));
}

#[test]
fn a_long_text_keeps_its_link_and_its_limit() {
    let account = open("whatsapp_twilio", &settings());
    let parts = Parts::of(Form::Free, Some(Address::new("phone", "+886912345678")));
    let words = Message { body: "很長👨‍👩‍👧".repeat(1000), ..message() };
    let body: Value = serde_json::from_str(&account.shape(&words, &parts.errand()).unwrap().body).unwrap();
    let text = body["Body"].as_str().unwrap();
    assert!(text.chars().count() <= 1600 && text.contains('…'), "{}", text.chars().count());
    assert!(
        text.starts_with("*訂單#1001已出貨*\n\n很長")
            && text.ends_with("追蹤包裹: https://shop.example/t/903388120011")
    );
}

#[test]
fn a_template_may_go_before_free_words() {
    let mut settings = settings();
    settings["prefer_template"] = true.into();
    let account = open("whatsapp_twilio", &settings);
    let parts = Parts::of(Form::Free, Some(Address::new("phone", "+886912345678")));
    let with = |params: Value| {
        let extra = [("content_sid".to_string(), json!(format!("HX{}", "1".repeat(32)))), ("params".into(), params)];
        account.shape(&Message { extra: extra.into(), ..message() }, &parts.errand()).unwrap()
    };
    assert_eq!(with(json!(["#1001"])).form, Form::Template);
    // A template that cannot be filled would lose the message: the window is open, so free words go.
    assert_eq!(with(json!([""])).form, Form::Free);
    assert_eq!(account.shape(&message(), &parts.errand()).unwrap().form, Form::Free);
}
