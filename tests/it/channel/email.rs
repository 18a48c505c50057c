//! E-mail: goldens, settings, addresses, and the mail as programs read it.

mod relay;

use super::golden;
use super::stand_in::{Parts, message, open, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Button, Envelope, Form, Message};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::person::Address;
use orderwire::domain::settings::Mistake;
use orderwire::domain::verdict::Verdict;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PERSON: &str = "lin@customer.example";

fn settings() -> Value {
    json!({
        "host": "127.0.0.1",
        "port": 1,
        "tls": "none",
        "from": {"name": "Little Tree", "address": "orders@shop.example"},
        "reply_to": "care@shop.example",
        "list_unsubscribe_mailto": "off@shop.example",
        "hello": "notify.shop.example",
        "timeout": "1s",
    })
}

fn account() -> Box<dyn Channel> {
    open("email", &settings())
}

#[test]
fn goldens() {
    golden::run("email", &settings(), Some(PERSON), |_, _| (String::new(), String::new()));
}

// ---- Settings and addresses

fn mistakes(change: impl FnOnce(&mut Value)) -> Vec<Mistake> {
    let mut settings = settings();
    change(&mut settings);
    (find("email").unwrap().open)("email".into(), settings).err().unwrap_or_default()
}

fn keys(mistakes: &[Mistake]) -> Vec<&str> {
    let mut keys: Vec<&str> = mistakes.iter().map(|m| m.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn mistakes_in_settings_are_named_and_all_at_once() {
    let all = mistakes(|s| {
        s["tls"] = "none".into();
        s["host"] = "smtp.example.com".into();
        s["username"] = "orders".into();
        s["from"] = json!({"address": "Shop <orders@shop.example>"});
        s["reply_to"] = "care".into();
        s["list_unsubscribe_mailto"] = "a@b@c.example".into();
        s["hello"] = "me\r\nQUIT".into();
        s["timeout"] = "0s".into();
        s["per_second"] = 0.into();
    });
    let due =
        ["from.address", "hello", "list_unsubscribe_mailto", "password", "per_second", "reply_to", "timeout", "tls"];
    assert_eq!(keys(&all), due);
    for host in ["", "https://smtp.example.com", "smtp.example.com:25", "a b", "smtp.example.com."] {
        assert_eq!(keys(&mistakes(|s| s["host"] = host.into())), ["host"], "{host}");
    }
    assert_eq!(keys(&mistakes(|s| s["password"] = secret("pw"))), ["username"]);
    let empty = mistakes(|s| {
        s["username"] = "".into();
        s["password"] = secret("pw");
    });
    assert_eq!(keys(&empty), ["password"]);
    assert_eq!(keys(&mistakes(|s| s["tls"] = "ssl".into())), ["tls"]);
    for mode in ["implicit", "starttls"] {
        let good = mistakes(|s| {
            s["tls"] = mode.into();
            s["host"] = "smtp.example.com".into();
        });
        assert_eq!(good, [], "{mode}");
    }
    for host in ["localhost", "127.0.0.9", "::1", "[::1]"] {
        assert_eq!(mistakes(|s| s["host"] = host.into()), [], "{host}");
    }
}

#[test]
fn an_address_has_one_normal_form() {
    let account = account();
    for (raw, normal) in [
        ("lin@customer.example", "lin@customer.example"),
        (" Lin.Chen+shop@Customer.EXAMPLE\n", "Lin.Chen+shop@customer.example"),
        ("o'neil_99@a-b.customer.example", "o'neil_99@a-b.customer.example"),
        ("lin@bücher.example", "lin@xn--bcher-kva.example"),
        ("lin@郵件.例子", "lin@xn--5nqv22n.xn--fsqu00a"),
        ("lin@ｃｕｓｔｏｍｅｒ.example", "lin@customer.example"),
    ] {
        assert_eq!(account.address(raw), Some(Address::new("email", normal)), "{raw}");
    }
}

#[test]
fn what_is_no_bare_address_is_refused() {
    let account = account();
    let long_local = format!("{}@a.example", "a".repeat(65));
    let long = format!("a@{}example", "abcdefghi.".repeat(30));
    for bad in [
        "",
        "@",
        "a@",
        "@a.example",
        "a",
        "a@localhost",
        "a@example",
        "a b@c.example",
        "a@b c.example",
        "Lin <lin@customer.example>",
        "<lin@customer.example>",
        "lin@customer.example,x@y.example",
        "a@b@c.example",
        "\"a b\"@c.example",
        "\"a\"@c.example",
        "a..b@c.example",
        ".a@c.example",
        "a.@c.example",
        "林@customer.example",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a@0x7f.1",
        "a@2130706433",
        "a@[::1]",
        "a@c.example.",
        "a@-c.example",
        "a@c.e",
        "a@c.123",
        "a@c..example",
        "a%40b@c.example\r\nRCPT TO:<x@y.example>",
        "a\r\n@c.example",
        "a@c.example\0",
        "a@%63.example",
        "a:b@c.example",
        "a;b@c.example",
        "a\\b@c.example",
        "mailto:a@c.example",
        &long_local,
        &long,
    ] {
        assert_eq!(account.address(bad), None, "{bad:?}");
    }
}

// ---- The mail itself

fn shape(words: &Message) -> Envelope {
    let account = account();
    account.shape(words, &Parts::of(Form::Free, account.address(PERSON)).errand()).expect("it fits")
}

/// The head as name → unfolded value.
fn head(mail: &str) -> BTreeMap<String, String> {
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
    let unfolded = head.replace("\r\n ", " ");
    let lines = unfolded.split("\r\n").map(|l| l.split_once(": ").expect("a field"));
    lines.map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

/// The two parts, decoded.
fn parts(mail: &str) -> (String, String) {
    let boundary = head(mail)["Content-Type"].split("boundary=\"").nth(1).unwrap().trim_end_matches('"').to_string();
    let separator = format!("--{boundary}");
    let mut parts = mail.split(separator.as_str()).skip(1).map(decoded);
    let (plain, html) = (parts.next().unwrap(), parts.next().unwrap());
    assert!(plain.0.starts_with("text/plain; charset=utf-8") && html.0.starts_with("text/html; charset=utf-8"));
    (plain.1, html.1)
}

fn decoded(part: &str) -> (String, String) {
    let (head_text, body) = part.trim_start().split_once("\r\n\r\n").unwrap_or((part, ""));
    let fields = head(&format!("{}\r\n\r\n", head_text.trim()));
    let kind = fields.get("Content-Type").cloned().unwrap_or_default();
    let bytes = match fields.get("Content-Transfer-Encoding").map(String::as_str) {
        Some("base64") => STANDARD.decode(body.replace("\r\n", "")).unwrap(),
        Some("quoted-printable") => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    (kind, String::from_utf8(bytes).unwrap().replace("\r\n", "\n"))
}

fn quoted_printable(body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let joined = body.replace("=\r\n", "");
    let mut bytes = joined.bytes();
    while let Some(b) = bytes.next() {
        if b == b'=' {
            let code = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(hex::decode(code).unwrap()[0]);
        } else {
            out.push(b);
        }
    }
    out
}

#[test]
fn the_head_says_what_programs_need() {
    let envelope = shape(&message());
    assert_eq!(envelope.address, Some(Address::new("email", PERSON)));
    assert!(envelope.body.is_ascii() && envelope.body.split("\r\n").all(|l| l.len() <= 998));
    assert!(!envelope.body.replace("\r\n", "").contains(['\r', '\n']), "bare line ends");
    let head = head(&envelope.body);
    let field = |name: &str| head.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(field("From"), "\"Little Tree\" <orders@shop.example>");
    assert_eq!(field("To"), PERSON);
    assert_eq!(field("Reply-To"), "care@shop.example");
    assert_eq!(field("Date"), "Wed, 25 Nov 2026 08:00:00 +0000");
    assert_eq!(field("Message-ID"), "<0f0e0d0c-0b0a-4908-8706-050403020100@shop.example>");
    assert_eq!(field("References"), "<order.0f0e0d0c-0b0a-4908-8706-050403020101@shop.example>");
    assert_eq!(field("In-Reply-To"), field("References"));
    assert_eq!(field("Auto-Submitted"), "auto-generated");
    assert_eq!(field("X-Auto-Response-Suppress"), "All");
    assert_eq!(field("Content-Language"), "zh-TW");
    assert_eq!(field("Feedback-ID"), "shipped:zh-TW:account:orderwire");
    let off = "<https://notify.example/p/token>, <mailto:off@shop.example?subject=unsubscribe>";
    assert_eq!(field("List-Unsubscribe"), off);
    assert_eq!(field("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(!head.contains_key("Precedence") && !head.contains_key("Bcc") && !head.contains_key("Cc"));
}

#[test]
fn the_same_errand_is_the_same_mail() {
    assert_eq!(shape(&message()).body, shape(&message()).body);
}

#[test]
fn both_parts_say_the_same() {
    let (plain, html) = parts(&shape(&message()).body);
    for words in
        ["訂單#1001已出貨", "物流追蹤碼:903388120011", "預計11月27日(五)送達", "追蹤包裹", "小樹選物", "關閉訂單通知"]
    {
        assert!(plain.contains(words) && html.contains(words), "{words} is missing");
    }
    assert!(plain.contains("\nhttps://shop.example/t/903388120011\n"));
    assert!(html.contains("<html lang=\"zh-TW\">") && html.contains("<h1 "));
    assert!(html.contains("href=\"https:&#x2f;&#x2f;shop.example&#x2f;t&#x2f;903388120011\""));
}

#[test]
fn the_way_out_is_written_in_the_readers_language() {
    for (locale, words) in [
        ("zh-TW", "關閉訂單通知"),
        ("zh-CN", "关闭订单通知"),
        ("vi", "Tắt thông báo đơn hàng"),
        ("en", "Turn off order updates"),
        ("de-CH", "Turn off order updates"),
    ] {
        let (plain, _) = parts(&shape(&Message { locale: locale.into(), ..message() }).body);
        assert!(plain.contains(&format!("{words}:\nhttps://notify.example/p/token\n")), "{locale}");
    }
}

#[test]
fn without_a_page_nothing_promises_one_click() {
    let account = account();
    let parts_of = Parts::of(Form::Free, account.address(PERSON));
    let mut errand = parts_of.errand();
    errand.unsubscribe_url = None;
    let mail = account.shape(&message(), &errand).unwrap().body;
    assert_eq!(head(&mail)["List-Unsubscribe"], "<mailto:off@shop.example?subject=unsubscribe>");
    assert!(!head(&mail).contains_key("List-Unsubscribe-Post"));
    assert!(!parts(&mail).1.contains("關閉訂單通知"));
}

#[test]
fn any_moment_can_be_written_as_a_date() {
    let account = account();
    let parts_of = Parts::of(Form::Free, account.address(PERSON));
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let mut errand = parts_of.errand();
        errand.now = now;
        assert!(head(&account.shape(&message(), &errand).unwrap().body)["Date"].ends_with(" +0000"));
    }
}

#[test]
fn a_long_note_is_cut_visibly_and_the_mail_stays_small() {
    let words = Message { body: "\"/&<>'".repeat(20_000), title: "'/\"".repeat(2000), ..message() };
    let (plain, html) = parts(&shape(&words).body);
    assert!(plain.contains('…') && html.len() < 102_000, "{} bytes", html.len());
}

fn any_words() -> impl Strategy<Value = Message> {
    let text = || prop_oneof!["\\PC{0,60}", ".{0,300}", "(\r\n|\n|\r|\0|\u{85}|\u{2028}|a: b|<|=|字|🚀| ){0,60}"];
    let button = (text(), prop_oneof![Just("https://shop.example/o?a=1&b=2".to_string()), text()]);
    (text(), text(), text(), text(), prop::collection::vec(button, 0..4)).prop_map(
        |(title, body, name, locale, buttons)| Message {
            milestone: name.clone(),
            title,
            body,
            shop_name: Some(name.clone()),
            order_name: name,
            locale,
            image: Some("https://cdn.example/i.jpg".into()),
            buttons: buttons.into_iter().map(|(label, url)| Button { label, url }).collect(),
            ..message()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_words_reach_the_head_or_break_the_page(words in any_words()) {
        let account = account();
        let parts_of = Parts::of(Form::Free, account.address(PERSON));
        let Ok(envelope) = account.shape(&words, &parts_of.errand()) else { return Ok(()) };
        prop_assert!(envelope.body.is_ascii());
        let head = head(&envelope.body);
        let due = [
            "Auto-Submitted", "Content-Language", "Content-Type", "Date", "Feedback-ID", "From", "In-Reply-To",
            "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Message-ID", "References", "Reply-To",
            "Subject", "To", "X-Auto-Response-Suppress",
        ];
        prop_assert_eq!(head.keys().map(String::as_str).collect::<Vec<_>>(), due);
        prop_assert!(envelope.body.split("\r\n").all(|l| l.len() <= 998 && !l.contains(['\r', '\n', '\0'])));
        let (_, html) = parts(&envelope.body);
        let tags = |name: &str| html.matches(&format!("<{name}")).count();
        prop_assert_eq!((tags("html"), tags("h1"), tags("img"), tags("script")), (1, 1, 1, 0));
        prop_assert_eq!(tags("a "), html.matches("</a>").count());
    }

    #[test]
    fn any_text_is_an_address_or_none(raw in prop_oneof![".{0,60}", "[a-z.+\"<>@ ]{0,12}@[a-zA-Z0-9.\\-\\[\\]%:]{0,20}"]) {
        if let Some(address) = account().address(&raw) {
            prop_assert_eq!(account().address(&address.value), Some(address.clone()), "its normal form is its own");
            let (_, domain) = address.value.rsplit_once('@').unwrap();
            prop_assert!(address.value.is_ascii() && domain == domain.to_lowercase() && domain.contains('.'));
            prop_assert!(!address.value.contains(|c: char| c.is_ascii_control() || "<>\", ".contains(c)));
        }
    }

    #[test]
    fn any_reply_has_a_verdict_and_only_2xx_is_success(
        status in 0u16..700,
        step in prop::sample::select(vec!["connect", "auth", "mail", "rcpt", "data", "content", "?"]),
        text in prop_oneof![".{0,80}", "[0-9]{1,3}\\.[0-9]{1,5}\\.[0-9]{1,3} .{0,20}"],
    ) {
        let given = json!({"status": status, "headers": {"smtp-step": step}, "body": text});
        let verdict = (find("email").unwrap().judge)(&golden::answer(&given));
        if matches!(verdict, Verdict::Accepted { .. }) {
            prop_assert!((200..300).contains(&status) && ["content", "?"].contains(&step));
        }
        // Nobody is given up for what happened before they were named.
        if ["connect", "auth", "mail"].contains(&step) {
            prop_assert!(!matches!(verdict, Verdict::Unreachable { .. }), "{verdict:?}");
        }
    }
}
