//! Staff: one order told in every place at once, threads, repeats that count once, and places that are gone.

use super::shops::Tea;
use super::world::{Setup, World, channels, shown};
use orderwire::flow::queue;
use orderwire::mock::{Fault, FaultKind};
use serde_json::json;

const EVERYWHERE: &str = r#"
[[route]]
id = "staff"
milestones = ["order_placed", "shipped"]
audience = "staff"
channels = ["desk-teams"]
also = ["desk-discord", "desk-chat", "erp"]
"#;

const ERP: &str = r#"
[[route]]
id = "staff"
milestones = ["order_placed"]
audience = "staff"
channels = ["erp"]
"#;

const DISCORD: &str = r#"
[[route]]
id = "staff"
milestones = ["order_placed"]
audience = "staff"
channels = ["desk-discord"]
"#;

/// As docs/webhook.md shows it.
const FIELDS: &str = r#"
[webhook]
total = "{% if order.total %}{{ order.total | money }}{% endif %}"
tracking = "{{ parcel.number or '' }}"
"#;

const ALL: [&str; 4] = ["discord", "google_chat", "teams", "webhook"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_is_told_once_and_a_program_knows_which_order_it_was() {
    let words = &[("zh-TW/shipped.toml", FIELDS)];
    let mut w = World::start(Setup { routes: EVERYWHERE, words, ..Setup::default() }).await;
    let mut order = Tea::paid(1, w.now());
    let placed = w.told(&order.webhook(w.now())).await;
    assert_eq!(channels(&placed), ALL, "{}", shown(&placed));
    order.ship("F12345678901", w.now());
    let shipped = w.told(&order.webhook(w.now())).await;
    assert_eq!(channels(&shipped), ALL, "{}", shown(&shipped));
    for taken in &shipped {
        assert!(taken.delivered && taken.text.contains("F12345678901"), "{}", shown(&shipped));
    }
    let of = |news: &[orderwire::mock::Taken], channel: &str| news.iter().find(|t| t.channel == channel).cloned();
    let event = of(&shipped, "webhook").unwrap();
    let document = event.json().unwrap();
    assert_eq!(document["type"], "order.shipped");
    assert_eq!(document["data"]["version"], 1);
    assert_eq!(document["data"]["shop"]["id"], "tea");
    assert_eq!(document["data"]["order"]["id"], "1");
    assert_eq!(document["data"]["fields"], json!({ "total": "NT$1,200", "tracking": "F12345678901" }));
    // News of one order stands in one thread, another order's in another.
    let thread = |news: &[orderwire::mock::Taken]| {
        let chat = of(news, "google_chat").unwrap();
        (
            chat.header("thread").unwrap().to_string(),
            of(news, "webhook").unwrap().json().unwrap()["data"]["order"]["thread"].clone(),
        )
    };
    assert_eq!(thread(&placed), thread(&shipped));
    let other = w.told(&Tea::paid(2, w.now()).webhook(w.now())).await;
    assert_ne!(thread(&placed), thread(&other));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// Whoever remembers ids has one event, however often it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_asked_again_under_the_same_id() {
    let mut w = World::chain(ERP).await;
    w.mock.fault(Fault::new("webhook", FaultKind::CutAfter));
    w.mock.fault(Fault::new("webhook", FaultKind::Status(503, "busy".into())));
    let first = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    assert_eq!(channels(&first), ["webhook"]);
    w.pass(700).await;
    w.pass(700).await;
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "sent");
    let sent = w.mock.sent();
    assert_eq!(sent.iter().map(|t| t.duplicate).collect::<Vec<_>>(), [false, true], "{}", shown(&sent));
    assert_eq!((&sent[0].key, &sent[0].body), (&sent[1].key, &sent[1].body), "the same id and bytes");
    w.end().await;
}

/// Says nothing to a place that is gone until a person resumes it, and nothing is lost meanwhile.
async fn gone(routes: &'static str, channel: &str, lane: &str, status: u16, body: &str) {
    let mut w = World::chain(routes).await;
    w.mock.fault(Fault::new(lane, FaultKind::Status(status, body.into())).times(0));
    assert_eq!(w.told(&Tea::paid(1, w.now()).webhook(w.now())).await.len(), 0);
    w.mock.clear_faults();
    assert_eq!(w.told(&Tea::paid(2, w.now()).webhook(w.now())).await.len(), 0, "it rests");
    assert_eq!(w.later(86_400).await.len(), 0, "and is not asked a day later");
    let stands = queue::channels(&w.relay.app).into_iter().find(|c| c.id == channel).expect("the channel");
    assert_eq!(stands.paused.as_deref(), Some("channel_paused"));
    queue::pause(&w.relay.app, channel, None).await.expect("resumed");
    w.tick().await;
    w.rest().await;
    w.pass(5).await;
    let news = w.news();
    assert_eq!(channels(&news), [lane, lane], "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_rests_until_a_person_resumes_it() {
    gone(ERP, "erp", "webhook", 410, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_discord_webhook_rests_until_a_person_resumes_it() {
    gone(DISCORD, "desk-discord", "discord", 404, r#"{"message":"Unknown Webhook","code":10015}"#).await;
}
