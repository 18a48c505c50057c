//! Teams: goldens, which addresses are still good, and how large a card may get.

use super::golden;
use super::server::{Act, Server};
use super::stand_in::{Parts, message, open, secret};
use orderwire::channel::find;
use orderwire::domain::channel::{Button, Form, Message};
use orderwire::domain::verdict::Verdict;
use serde_json::{Value, json};

const HOOK: &str = "https://default0a1b.c.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/1f/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abc-_x";

#[test]
fn goldens() {
    let settings = json!({ "webhook_url": secret(HOOK) });
    golden::run("teams", &settings, None, |secret, _| ("authorization".into(), secret.into()));
}

fn mistake(url: &str) -> Option<String> {
    let found = (find("teams").unwrap().open)("a".into(), json!({ "webhook_url": secret(url) })).err()?;
    assert!(!format!("{found:?}").contains("abc"), "a mistake shows the secret: {found:?}");
    assert_eq!(found[0].key, "webhook_url");
    Some(found[0].message.clone())
}

#[test]
fn addresses_that_ended_are_refused_with_what_to_do() {
    assert_eq!(mistake(HOOK), None);
    assert_eq!(mistake("http://127.0.0.1:4000/powerautomate/x?sig=abc"), None);
    for (old, word) in [
        ("https://shop.webhook.office.com/webhookb2/abc/IncomingWebhook/1/2?sig=a", "connector"),
        ("https://outlook.office.com/webhook/abc/IncomingWebhook/1/2?sig=a", "connector"),
        (
            "https://prod-01.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke?sig=a",
            "2025-11-30",
        ),
    ] {
        let said = mistake(old).unwrap_or_else(|| panic!("{old} is taken"));
        assert!(said.contains(word) && said.contains("copy"), "{said}");
    }
    for bad in [
        "https://environment.api.powerplatform.com/x?sig=abc",
        "https://x.environment.api.powerplatform.com.evil.example/x?sig=abc",
        "https://x.environment.api.powerplatform.com/x",
        "https://x.environment.api.powerplatform.com/x?sig=",
        "https://x.environment.api.powerplatform.com:8443/x?sig=abc",
        "http://x.environment.api.powerplatform.com/x?sig=abc",
        "https://10.0.0.1/x?sig=abc",
    ] {
        assert!(mistake(bad).is_some(), "{bad}");
    }
}

#[tokio::test]
async fn the_query_goes_along_as_it_was_given() {
    let server = Server::start(|_| Act::Answer(202, Vec::new(), String::new())).await;
    let channel = open("teams", &json!({ "webhook_url": secret(HOOK), "api_url": server.url }));
    let envelope = channel.shape(&message(), &Parts::of(Form::Free, None).errand()).unwrap();
    assert_eq!(channel.send(&envelope).await, Verdict::Accepted { ids: Vec::new(), again: false });
    let line = server.seen().remove(0).line;
    assert!(line.contains(HOOK.split(":443").nth(1).unwrap()), "{line}");
}

fn each_run(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| each_run(v, check)),
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|t| t == "TextRun") {
                check(fields["text"].as_str().unwrap());
            }
            fields.values().for_each(|v| each_run(v, check));
        }
        _ => {}
    }
}

#[test]
fn a_card_is_never_too_large_however_it_is_counted() {
    let channel = open("teams", &json!({ "webhook_url": secret(HOOK) }));
    for words in ["\"", "\\", "a", "é", "字", "😀", "{{DATE(x)}}{{TIME(y)}}", "x\n", "\n\n", "**[a](b)** "] {
        for times in [1, 300, 30_000] {
            let words = Message {
                body: words.repeat(times),
                buttons: vec![
                    Button { label: words.repeat(99), url: format!("https://a.example/{}", "a".repeat(900)) };
                    9
                ],
                order_name: words.repeat(99),
                ..message()
            };
            let envelope = channel.shape(&words, &Parts::of(Form::Free, None).errand()).unwrap();
            let body = envelope.body;
            assert!(body.len() <= 20_000 && body.encode_utf16().count() * 2 <= 20_000, "{}", body.len());
            let document: Value = serde_json::from_str(&body).unwrap();
            let card = &document["attachments"][0]["content"];
            assert!(card["body"].as_array().unwrap().iter().all(|b| b["type"] == "RichTextBlock"), "Markdown is read");
            each_run(&document, &mut |run| {
                assert!(!run.is_empty() && !run.contains("{{DATE(") && !run.contains("{{TIME("), "{run}")
            });
        }
    }
}
