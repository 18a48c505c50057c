//! The understudies that reach people by telephone number: Twilio's and Mitake's.

use super::Stage;
use orderwire::mock::{Become, Fault, FaultKind, MitakeOptions, MockOptions, TwilioOptions};
use serde_json::{Value, json};

const CONTENT: &str = "HX00000000000000000000000000000001";

async fn stage() -> Stage {
    let twilio = TwilioOptions {
        senders: vec!["+15005550006".into(), "whatsapp:+15005550006".into()],
        contents: vec![CONTENT.into()],
        ..TwilioOptions::default()
    };
    Stage::new(MockOptions {
        twilio,
        mitake: MitakeOptions { points: 3, ..MitakeOptions::default() },
        ..MockOptions::default()
    })
    .await
}

/// Status, and the answer as JSON (Twilio) or as text (Mitake).
async fn form(stage: &Stage, path: &str, auth: Option<(&str, &str)>, fields: &[(&str, &str)]) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}{path}", stage.mock.http_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    if let Some((user, password)) = auth {
        request = request.basic_auth(user, Some(password));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| text.into()))
}

const ACCOUNT: &str = "AC00000000000000000000000000000000";

async fn twilio(stage: &Stage, fields: &[(&str, &str)]) -> (u16, Value) {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    form(stage, &path, Some((ACCOUNT, "mock-twilio-token")), fields).await
}

#[tokio::test]
async fn what_twilio_refuses_is_refused() {
    let stage = stage().await;
    let (from, to) = (("From", "+15005550006"), ("To", "+886912345678"));
    let (wa_from, wa_to) = (("From", "whatsapp:+15005550006"), ("To", "whatsapp:+886912345678"));
    let long = "x".repeat(1601);
    stage.mock.person("twilio", "+886900000001", Become::Blocked);
    stage.mock.person("twilio", "+886900000002", Become::Unknown);
    let cases: &[(&[(&str, &str)], u64)] = &[
        (&[from, ("Body", "x")], 21604),
        (&[from, ("To", "0912345678"), ("Body", "x")], 21211),
        (&[from, ("To", "+886900000002"), ("Body", "x")], 21211),
        (&[from, ("To", "+886900000001"), ("Body", "x")], 21610),
        (&[to, ("Body", "x")], 21603),
        (&[to, ("From", "+15005550007"), ("Body", "x")], 21606),
        (&[to, wa_from, ("Body", "x")], 21910),
        (&[to, from], 21602),
        (&[to, from, ("Body", &long)], 21617),
        (&[to, from, ("Body", "x"), ("StatusCallback", "notify.example")], 21609),
        (&[wa_to, wa_from, ("ContentVariables", "{}")], 21654),
        (&[wa_to, wa_from, ("ContentSid", "HX1")], 21655),
        (&[wa_to, wa_from, ("ContentSid", CONTENT), ("ContentVariables", "x")], 21656),
        (&[wa_to, wa_from, ("ContentSid", CONTENT), ("ContentVariables", "{\"1\":1}")], 21656),
        (&[wa_to, wa_from, ("ContentSid", CONTENT), ("ContentVariables", "{\"1\":\"a\\nb\"}")], 63013),
    ];
    for (fields, code) in cases {
        let (status, answer) = twilio(&stage, fields).await;
        assert_eq!((status, answer["code"].as_u64()), (400, Some(*code)), "{fields:?}");
    }
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    for auth in [None, Some((ACCOUNT, "other"))] {
        let (status, answer) = form(&stage, &path, auth, &[to, from, ("Body", "x")]).await;
        assert_eq!((status, answer["code"].as_u64()), (401, Some(20003)));
    }
    assert_eq!(stage.mock.count(), 0);
    for good in [&[to, from, ("Body", "x")], &[wa_to, wa_from, ("ContentSid", CONTENT)]] {
        let (status, answer) = twilio(&stage, good).await;
        assert_eq!((status, answer["sid"].as_str().map(str::len)), (201, Some(34)));
    }
    stage.mock.fault(Fault::new("twilio", FaultKind::Rate429After("9".into())));
    assert_eq!(twilio(&stage, &[to, from, ("Body", "x")]).await.1["code"], 20429);
    assert_eq!(stage.mock.count(), 2);
}

async fn mitake(stage: &Stage, call: &str, fields: &[(&str, &str)]) -> String {
    let (status, answer) = form(stage, &format!("/b2c/mtk/{call}"), None, fields).await;
    assert_eq!(status, 200, "whatever it says");
    answer.as_str().unwrap().to_string()
}

#[tokio::test]
async fn mitake_refuses_in_lines_and_sends_an_id_once() {
    let stage = stage().await;
    let own = [("username", "mock"), ("password", "mock-mitake-password")];
    let send = async |more: &[(&str, &str)]| mitake(&stage, "SmSend?CharsetURL=UTF8", &[&own[..], more].concat()).await;
    let to = ("dstaddr", "0912345678");
    assert_eq!(mitake(&stage, "SmSend?CharsetURL=UTF8", &[]).await, "statuscode=c\r\n");
    assert_eq!(mitake(&stage, "SmQuery", &[own[0], ("password", "x")]).await, "statuscode=e\r\n");
    assert_eq!(mitake(&stage, "SmQuery", &own).await, "AccountPoint=3\r\n");
    let unsaid = mitake(&stage, "SmSend", &[&own[..], &[to, ("smbody", "字")]].concat()).await;
    assert!(unsaid.contains("statuscode=5"), "Big5 unless the query says otherwise: {unsaid}");
    for (fields, code) in [
        (&[("dstaddr", "+886912345678"), ("smbody", "x")], "v"),
        (&[to, ("smbody", "")], "u"),
        (&[to, ("smbody", "a\nb")], "y"),
    ] {
        assert!(send(fields).await.contains(&format!("statuscode={code}\r\n")), "{fields:?}");
    }
    assert_eq!(stage.mock.count(), 0);
    let long = "字".repeat(80);
    let once = send(&[to, ("smbody", &long), ("clientid", "a")]).await;
    assert!(once.starts_with("[a]\r\nmsgid=#") && once.contains("AccountPoint=2") && !once.contains("Duplicate"));
    let twice = send(&[to, ("smbody", &long), ("clientid", "a")]).await;
    assert!(twice.contains("Duplicate=Y") && twice.contains("AccountPoint=2"), "{twice}");
    let sent = stage.mock.sent();
    assert_eq!(sent.iter().map(|t| t.duplicate).collect::<Vec<_>>(), [false, true]);
    assert_eq!(sent[0].text.chars().count(), 70, "cut without a word");
    assert_eq!(json!(sent[0].to), "0912345678");
}
