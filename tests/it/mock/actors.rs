//! Actor and understudy on one stage: what our channels shape, the mock takes; what it answers, they understand.

use super::callbacks::Ear;
use super::{PSID, Stage, USER};
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Button, Envelope, Errand, Form, Message, Reference};
use orderwire::domain::clock::{Clock, SystemClock};
use orderwire::domain::decision::Reason;
use orderwire::domain::person::Address;
use orderwire::domain::settings::SECRET_KEY;
use orderwire::domain::verdict::Verdict;
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::mock::{Become, Fault, FaultKind, MessengerOptions, Mock, MockOptions, Say, Taken};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

fn secret(value: &str) -> Value {
    json!({ SECRET_KEY: value })
}

/// An account of each kind, pointed at the mock.
fn account(mock: &Mock, kind: &str) -> Box<dyn Channel> {
    let smtp = mock.smtp_addr();
    let settings = match kind {
        "line" => json!({ "access_token": secret("mock-line-token"), "channel_secret": secret("mock-line-secret"),
            "api_url": mock.http_url() }),
        "messenger" => json!({ "page_id": "100000000000001", "access_token": secret("mock-page-token"),
            "app_secret": secret("mock-app-secret"), "verify_token": secret("mock-verify-token"),
            "api_url": mock.http_url() }),
        "slack" => json!({ "webhook_url": secret(&mock.slack_webhook_url()) }),
        "teams" => json!({ "webhook_url": secret(&mock.teams_url()) }),
        "discord" => json!({ "webhook_url": secret(&mock.discord_url()) }),
        "google_chat" => json!({ "webhook_url": secret(&mock.google_chat_url()) }),
        "webhook" => json!({ "url": secret(&mock.webhook_url()), "loopback": true,
            "secrets": [secret("whsec_bW9jay13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5")] }),
        "email" => json!({ "host": smtp.ip().to_string(), "port": smtp.port(), "tls": "none",
            "from": { "name": "Shop", "address": "shop@example.com" } }),
        other => panic!("no account of kind {other}"),
    };
    let opened = (find(kind).unwrap().open)(kind.into(), settings);
    opened.unwrap_or_else(|mistakes| panic!("{kind}: {mistakes:?}"))
}

fn message() -> Message {
    let template = json!("order_shipped");
    Message {
        milestone: "shipped".into(),
        locale: "zh-TW".into(),
        title: "訂單#1001已出貨".into(),
        body: "物流追蹤碼:903388120011".into(),
        buttons: vec![Button { label: "追蹤包裹".into(), url: "https://shop.example/t/包裹".into() }],
        actions: Vec::new(),
        image: None,
        shop_id: "tree".into(),
        order_id: "450789469".into(),
        order_name: "#1001".into(),
        shop_name: Some("小樹選物".into()),
        extra: BTreeMap::from([("utility_template".into(), template), ("params".into(), json!(["#1001"]))]),
    }
}

fn shape(channel: &dyn Channel, form: Form, to: Option<&str>) -> Envelope {
    let address = to.map(|to| Address::new(channel.capabilities().scheme, to));
    let reference = Reference("r-1".into());
    let errand = Errand {
        address: address.as_ref(),
        form,
        key: Uuid::from_u128(7),
        thread: Uuid::from_u128(8),
        reference: &reference,
        reply_token: None,
        unsubscribe_url: Some("https://notify.example/p/token"),
        quiet: true,
        now: SystemClock.now(),
    };
    channel.shape(&message(), &errand).unwrap()
}

async fn stage() -> Stage {
    let messenger = MessengerOptions {
        templates: vec![("order_shipped".into(), "zh_TW".into())],
        open: vec![PSID.into()],
        ..MessengerOptions::default()
    };
    Stage::new(MockOptions { messenger, ..MockOptions::default() }).await
}

/// Sends once; what was taken by then.
async fn told(stage: &Stage, kind: &str, form: Form, to: Option<&str>) -> (Verdict, Vec<Taken>) {
    let channel = account(&stage.mock, kind);
    let verdict = channel.send(&shape(&*channel, form, to)).await;
    (verdict, stage.mock.sent())
}

#[tokio::test]
async fn what_each_channel_shapes_is_taken() {
    let stage = stage().await;
    let cases = [
        ("line", Form::Free, Some(USER)),
        ("messenger", Form::Free, Some(PSID)),
        ("messenger", Form::Template, Some(PSID)),
        ("slack", Form::Free, None),
        ("teams", Form::Free, None),
        ("discord", Form::Free, None),
        ("google_chat", Form::Free, None),
        ("webhook", Form::Free, None),
        ("email", Form::Free, Some("kunde@example.com")),
    ];
    for (kind, form, to) in cases {
        stage.mock.clear();
        let (verdict, sent) = told(&stage, kind, form, to).await;
        assert!(matches!(verdict, Verdict::Accepted { again: false, .. }), "{kind} {form:?}: {verdict:?}");
        let taken = &sent[0];
        assert!(taken.text.contains("#1001"), "{kind}: {:?}", taken.text);
        if form == Form::Free {
            assert!(taken.text.contains("903388120011"), "{kind}: {:?}", taken.text);
            assert!(taken.text.contains("https://shop.example/t/"), "{kind}: {:?}", taken.text);
        }
    }
}

#[tokio::test]
async fn what_the_mock_answers_is_understood() {
    let stage = stage().await;
    let reason = |verdict: Verdict| match verdict {
        Verdict::TryLater { reason, .. } | Verdict::Unreachable { reason, .. } => Some(reason),
        _ => None,
    };
    stage.mock.fault(Fault::new("line", FaultKind::Quota429));
    assert_eq!(reason(told(&stage, "line", Form::Free, Some(USER)).await.0), Some(Reason::QuotaSpent));
    let staff = ["slack", "teams", "discord", "google_chat", "webhook"].map(|kind| (kind, None));
    for (kind, to) in [("line", Some(USER)), ("messenger", Some(PSID))].into_iter().chain(staff) {
        stage.mock.fault(Fault::new(kind, FaultKind::Rate429));
        assert_eq!(reason(told(&stage, kind, Form::Free, to).await.0), Some(Reason::RateLimited), "{kind}");
    }
    stage.mock.person("messenger", PSID, Become::Closed);
    assert_eq!(reason(told(&stage, "messenger", Form::Free, Some(PSID)).await.0), Some(Reason::WindowClosed));
    stage.mock.person("messenger", PSID, Become::Blocked);
    assert_eq!(reason(told(&stage, "messenger", Form::Template, Some(PSID)).await.0), Some(Reason::RecipientBlocked));
    stage.mock.person("line", USER, Become::Unknown);
    assert_eq!(reason(told(&stage, "line", Form::Free, Some(USER)).await.0), Some(Reason::RecipientInvalid));
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_unsure_and_the_key_settles_it() {
    let stage = stage().await;
    let cases = [
        ("line", "line", Some(USER)),
        ("messenger", "messenger", Some(PSID)),
        ("slack", "slack", None),
        ("teams", "teams", None),
        ("discord", "discord", None),
        ("google_chat", "google_chat", None),
        ("webhook", "webhook", None),
        ("email", "smtp", Some("kunde@example.com")),
    ];
    for (kind, lane, to) in cases {
        stage.mock.clear();
        stage.mock.fault(Fault::new(lane, FaultKind::CutAfter));
        let (verdict, sent) = told(&stage, kind, Form::Free, to).await;
        assert!(matches!(verdict, Verdict::Unsure { .. }), "{kind}: {verdict:?}");
        assert!(sent.len() == 1 && !sent[0].answered, "{kind}");
    }
    let (verdict, _) = told(&stage, "line", Form::Free, Some(USER)).await;
    assert!(matches!(verdict, Verdict::Accepted { again: true, .. }), "{verdict:?}");
    for kind in ["google_chat", "webhook"] {
        stage.mock.clear();
        for duplicate in [true, true] {
            let (verdict, sent) = told(&stage, kind, Form::Free, None).await;
            assert!(matches!(verdict, Verdict::Accepted { .. }), "{kind}: {verdict:?}");
            assert_eq!(sent.last().map(|t| t.duplicate), Some(duplicate), "{kind} knows the key of the lost one");
        }
    }
}

#[tokio::test]
async fn callbacks_are_genuine_to_our_channels() {
    let ear = Ear::start().await;
    let stage = Stage::new(MockOptions { relay: Some(ear.url.clone()), ..MockOptions::default() }).await;
    for (kind, person) in [("line", USER), ("messenger", PSID)] {
        stage.mock.say(kind, person, &Say::Text("退貨怎麼辦😀".into())).await.unwrap();
        let (headers, body) = ear.heard().pop().unwrap().parts();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let raw = RawWebhook::post(&headers, body, SystemClock.now());
        let channel = account(&stage.mock, kind);
        assert!(matches!(channel.admit(&raw), Admission::Take { secret_index: 0, .. }), "{kind}");
        let heard = channel.hear(&raw);
        assert_eq!(heard.signals[0].text.as_deref(), Some("退貨怎麼辦😀"), "{kind}");
        assert_eq!(heard.signals[0].person.as_ref().map(|p| p.value.as_str()), Some(person), "{kind}");
    }
}
