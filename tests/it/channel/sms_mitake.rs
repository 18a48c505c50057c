//! Mitake: goldens, the request byte for byte, the callback's address, and the points.

use super::golden;
use super::server::{Act, Server};
use super::stand_in::{CALLBACKS, Parts, at, message, open, secret};
use orderwire::channel::{Channel, Quota, find};
use orderwire::domain::channel::{Form, Message, ShapeFault};
use orderwire::domain::person::Address;
use orderwire::domain::verdict::Verdict;
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use serde_json::{Value, json};

fn settings() -> Value {
    json!({
        "api_url": "https://smsb2c.mitake.com.tw/b2c/mtk",
        "username": "shop",
        "password": secret("pass word"),
        "callback_secret": secret("0123456789abcdef"),
        "registered": { "tree": { "brand": "小樹選物" } },
    })
}

#[test]
fn goldens() {
    golden::run("sms_mitake", &settings(), Some("+886912345678"), |secret, _| ("x-none".into(), secret.into()));
}

fn parts() -> Parts {
    Parts::of(Form::Free, Some(Address::new("phone", "+886912345678")))
}

fn words(text: &str) -> Message {
    Message { extra: [("text".to_string(), Value::from(text))].into(), ..message() }
}

fn lines(text: &str) -> Act {
    Act::Answer(200, Vec::new(), text.into())
}

fn account(change: Value) -> Box<dyn Channel> {
    let mut settings = settings();
    settings.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
    open("sms_mitake", &settings)
}

#[tokio::test]
async fn the_query_says_utf8_and_a_line_end_is_the_byte_six() {
    let server = Server::start(|_| lines("[x]\r\nmsgid=#000000013\r\nstatuscode=1\r\nAccountPoint=126\r\n")).await;
    let account = account(json!({ "api_url": format!("{}/b2c/mtk", server.url) }));
    let envelope = account.shape(&words("訂單#1\n已出貨 & 100%"), &parts().errand()).unwrap();
    assert_eq!(account.send(&envelope).await, Verdict::Accepted { ids: vec!["000000013".into()], again: false });
    let seen = server.seen();
    assert!(seen[0].line.starts_with("POST /b2c/mtk/SmSend?CharsetURL=UTF8 "), "{}", seen[0].line);
    assert!(!seen[0].line.contains("shop") && !seen[0].line.contains("pass"), "credentials in an address");
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(seen[0].body.as_bytes()).into_owned().collect();
    assert_eq!(form["smbody"], "【小樹選物】訂單#1\u{6}已出貨 & 100%");
    assert_eq!((form["dstaddr"].as_str(), form["username"].as_str()), ("0912345678", "shop"));
    assert_eq!(form["password"], "pass word");
    assert_eq!(form["clientid"], parts().errand().key.to_string());
    assert!(form["response"].starts_with(&format!("{CALLBACKS}?ref=r-1&mark=")) && form["response"].len() <= 256);
    // The same envelope again carries the same id: Mitake sends it once.
    account.send(&envelope).await;
    assert_eq!(server.seen()[1].body, seen[0].body);
}

#[test]
fn a_long_text_is_refused_where_the_account_would_cut_it() {
    let (short, long) = (account(json!({})), account(json!({ "long": true, "max_segments": 2 })));
    let text = "字".repeat(64);
    assert!(short.shape(&words(&text), &parts().errand()).is_ok(), "70 with the brand");
    let text = "字".repeat(65);
    match short.shape(&words(&text), &parts().errand()) {
        Err(fault @ ShapeFault::TooLong { length: 2, limit: 1, .. }) => {
            assert_eq!(fault.to_string(), "the text, counted in SMS segments, has 2, the channel takes 1");
        }
        other => panic!("{other:?}"),
    }
    let envelope = long.shape(&words(&text), &parts().errand()).unwrap();
    assert!(long.measure(&envelope).unwrap().starts_with("2 SMS segments, 71 UTF-16 units of UCS-2 because of '【'"));
    let cut = long.shape(&words(&"字".repeat(500)), &parts().errand()).unwrap();
    assert!(long.measure(&cut).unwrap().starts_with("2 SMS segments, 134"), "{:?}", long.measure(&cut));
}

#[test]
fn only_mobile_numbers_in_taiwan_are_reached() {
    let account = account(json!({}));
    assert_eq!(account.address("+886912345678"), Some(Address::new("phone", "+886912345678")));
    for bad in ["+886212345678", "+8869123456789", "+84912345678", "0912345678", "+85261234567"] {
        assert_eq!(account.address(bad), None, "{bad}");
    }
}

fn called(query: &str) -> RawWebhook {
    let mut raw = RawWebhook::post(&[], "", at("2026-11-25T08:00:00Z"));
    (raw.method, raw.query) = ("GET".into(), query.into());
    raw
}

#[test]
fn only_the_address_that_we_made_is_believed() {
    let account = account(json!({}));
    let envelope = account.shape(&message(), &parts().errand()).unwrap();
    let body: Value = serde_json::from_str(&envelope.body).unwrap();
    let query = body["response"].as_str().unwrap().split_once('?').unwrap().1.to_string();
    for told in [format!("{query}&msgid=1&StatusFlag=4"), format!("{query}?msgid=1&StatusFlag=4")] {
        assert!(matches!(account.admit(&called(&told)), Admission::Take { .. }), "{told}");
        let heard = account.hear(&called(&told));
        assert_eq!(heard.answer.as_deref(), Some("magicid=sms_gateway_rpack\nmsgid=1\n"));
        assert_eq!(heard.signals.len(), 1);
    }
    let told = format!("{query}&msgid=1&StatusFlag=4");
    let mark = query.split_once("mark=").unwrap().1;
    for (bad, why) in [
        (told.replace("ref=r-1", "ref=r-2"), Refusal::BadToken),
        (told.replace(mark, &mark.replace(|c: char| c.is_ascii_digit(), "f")), Refusal::BadToken),
        (told.replace(mark, ""), Refusal::Unsigned),
        (told.replace(mark, mark.get(..31).unwrap()), Refusal::BadToken),
        (format!("{told}&mark={mark}"), Refusal::Unsigned),
        (format!("{told}&ref=r-2"), Refusal::Unsigned),
        ("msgid=1&StatusFlag=4".into(), Refusal::Unsigned),
    ] {
        assert_eq!(account.admit(&called(&bad)), Admission::Refuse(why), "{bad}");
    }
    let mut posted = called(&told);
    posted.method = "POST".into();
    assert_eq!(account.admit(&posted), Admission::Refuse(Refusal::BadToken));
}

#[test]
fn what_is_no_number_of_a_message_is_not_written_back() {
    let heard = account(json!({})).hear(&called("ref=r-1&StatusFlag=4&msgid=1%0Amagicid%3Dx%3Cscript%3E"));
    assert_eq!(heard.answer.as_deref(), Some("magicid=sms_gateway_rpack\nmsgid=1magicidxscript\n"));
}

#[tokio::test]
async fn points_are_asked_for_free() {
    for (answer, left) in [
        ("AccountPoint=110\r\n", Some(110)),
        ("AccountPoint=0\r\n", Some(0)),
        ("AccountPoint=\r\n", None),
        ("statuscode=k\r\n", None),
        ("<html>", None),
    ] {
        let server = Server::start(move |_| lines(answer)).await;
        let account = account(json!({ "api_url": server.url }));
        let quota = account.quota().unwrap().await;
        assert_eq!(quota, left.map(|points| Quota { limit: Some(points), used: 0 }), "{answer}");
        assert!(server.seen()[0].line.starts_with("POST /SmQuery ") && !server.seen()[0].body.contains("msgid"));
    }
}

#[test]
fn settings_are_checked() {
    let mistakes = |change: Value| -> Vec<String> {
        let mut settings = settings();
        settings.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
        let found = (find("sms_mitake").unwrap().open)("a".into(), settings).err().unwrap_or_default();
        found.into_iter().map(|m| m.key).collect()
    };
    for (change, key) in [
        (json!({ "api_url": "http://smexpress.mitake.com.tw" }), "api_url"),
        (json!({ "username": " " }), "username"),
        (json!({ "password": secret("") }), "password"),
        (json!({ "callback_secret": secret("short") }), "callback_secret"),
        (json!({ "max_segments": 2 }), "max_segments"),
        (json!({ "long": true, "max_segments": 6 }), "max_segments"),
        (json!({ "per_second": 51 }), "per_second"),
    ] {
        assert_eq!(mistakes(change.clone()), [key], "{change}");
    }
    let mut account = (find("sms_mitake").unwrap().open)("a".into(), settings()).ok().unwrap();
    assert!(account.called_back_at(None)[0].message.contains("server.public_url"));
    let long = format!("https://{}.example/callbacks/a", "a".repeat(140));
    assert!(account.called_back_at(Some(&long))[0].message.contains("256"));
}
