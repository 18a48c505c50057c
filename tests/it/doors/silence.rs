//! I7: secrets, people and message texts are in no log, measure, answer, nor in the clear on Redis' disk.

use crate::support::child::{Orphan, Serving, run};
use crate::support::dir::Dir;
use crate::support::orders::{
    APP_SECRET, EMAIL, LINE_SECRET, LINE_TOKEN, LINE_USER, NAME, PAGE_TOKEN, PHONE, SHOPIFY_SECRET, VERIFY_TOKEN,
    WOO_B_SECRET, WOO_SECRET, line, line_text, messenger, shopify, shopify_order, woo, woo_order,
};
use crate::support::provider::Provider;
use crate::support::relay::{OPS, Plan, READER};
use crate::support::until;
use crate::support::wire::{Answer, Request, get};
use serde_json::json;
use std::path::Path;

/// Words in the texts of orders and messages.
const ITEM: &str = "Canarycup";
const WORDS: &str = "Canarywords";

const CANARIES: &[&str] = &[
    WOO_SECRET,
    WOO_B_SECRET,
    SHOPIFY_SECRET,
    LINE_SECRET,
    LINE_TOKEN,
    APP_SECRET,
    PAGE_TOKEN,
    VERIFY_TOKEN,
    OPS,
    READER,
    LINE_USER,
    EMAIL,
    PHONE,
    NAME,
    ITEM,
    WORDS,
    "912345678",
    "canary-reply-token",
    "canary.person",
];

fn silent(where_: &str, text: &str) {
    for canary in CANARIES {
        let found = text.lines().find(|l| l.contains(canary));
        assert!(found.is_none(), "{where_} holds {canary:?}: {}", found.unwrap());
    }
}

/// What strangers, shops and providers send, full of what must not be repeated.
fn requests() -> Vec<Request> {
    let order = shopify_order(90_003, "paid", 5).to_string();
    let broken = format!(r#"{{"id":1,"email":"{EMAIL}","name":"{NAME}","line_items":[{{"title":"{ITEM}""#);
    let person = json!({ "object": "page", "entry": [{ "id": "104050607080901", "time": 1, "messaging": [{
        "sender": { "id": LINE_USER }, "recipient": { "id": "104050607080901" }, "timestamp": 1_790_000_000_000_u64,
        "message": { "mid": "m_1", "text": WORDS } }] }] });
    vec![
        shopify("orders/create", order.as_bytes()),
        shopify("orders/create", broken.as_bytes()),
        woo("order.updated", broken.as_bytes()),
        woo("order.created", order.as_bytes()).instead("x-wc-webhook-signature", WOO_SECRET),
        Request::new("POST", format!("/hooks/woocommerce/{NAME}?email={EMAIL}")).body(WORDS),
        line_text(WORDS),
        line_text("STOP"),
        line(format!(r#"{{"events":[{{"type":7,"source":"{LINE_USER}","text":"{WORDS}"}}]}}"#).as_bytes()),
        messenger(person.to_string().as_bytes()),
        messenger(person.to_string().as_bytes()).instead("x-hub-signature-256", format!("sha256={APP_SECRET}")),
        Request::new(
            "GET",
            format!("/callbacks/messenger-page?hub.mode=subscribe&hub.verify_token={LINE_TOKEN}&hub.challenge=1"),
        ),
        Request::new("GET", format!("/p/{WORDS}")),
        Request::new("POST", format!("/p/{WORDS}")),
        Request::new("POST", format!("/t/woo?lang={WORDS}")).body(format!("number=90001&contact={EMAIL}")),
        Request::new("POST", "/t/woo").body(format!("number={NAME}&contact={}", PHONE.replace('+', "%2B"))),
        Request::new("POST", "/t/woo").body(format!("ticket={WORDS}&code={WORDS}")),
    ]
}

fn operator(token: &str, target: &str) -> Request {
    Request::new("GET", target).header("authorization", format!("Bearer {token}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canaries_are_heard_nowhere() {
    let provider = Provider::start(|seen| match seen.line.contains("/message/push") {
        // Each second push is refused in words that repeat the person and the text.
        true if seen.body.contains("90002") => {
            (400, json!({ "message": format!("The user {LINE_USER} ({EMAIL}) cannot get {ITEM} {NAME}") }))
        }
        _ => (200, json!({ "sentMessages": [{ "id": "1" }] })),
    })
    .await;
    let dir = Dir::new();
    let plan = Plan { log: "trace".into(), ..Plan::alone(&dir).provider(&provider.url) };
    let file = dir.write("orderwire.toml", &super::track::with_form(&plan.text()));
    let orphan = Orphan(dir.join("store"));
    let mut relay = Serving::start(&file, &dir);
    let mut answers: Vec<Answer> = Vec::new();
    for id in [90_001, 90_002] {
        let mut order = woo_order(id, "processing", 5);
        order["line_items"][0]["name"] = json!(ITEM);
        order["customer_note"] = json!(WORDS);
        answers.push(woo("order.created", order.to_string().as_bytes()).send(relay.web).await);
    }
    until("one is told and one is dead", || async {
        let stats = operator(OPS, "/api/v1/queue").send(relay.admin).await.json();
        (stats["dead"].as_u64() >= Some(1) && provider.seen_at("POST /v2/bot/message/push").len() >= 2).then_some(())
    })
    .await;
    // One of them switches messages off: not before those were tried.
    for request in requests() {
        answers.push(request.send(relay.web).await);
    }
    for request in [
        operator(WOO_SECRET, "/api/v1/queue"),
        operator(OPS, "/api/v1/orders/woo/90001"),
        operator(OPS, "/api/v1/orders/woo/90002"),
        operator(OPS, "/api/v1/orders/shopi/90003"),
        operator(OPS, "/api/v1/queue/dead"),
        operator(OPS, "/api/v1/channels"),
        Request::new("GET", "/readyz?verbose"),
        Request::new("GET", "/metrics"),
    ] {
        answers.push(request.send(relay.admin).await);
    }
    assert!(get(relay.admin, "/metrics").await.body.contains("orderwire_dead_items"));
    for answer in &answers {
        silent("an answer", &format!("{answer:?}"));
    }
    commands(&file, &format!("http://{}", relay.admin));
    relay.signal("TERM");
    assert!(relay.ended().success());
    let log = relay.logged();
    assert!(log.lines().count() > 10 && log.contains("webhook refused"), "it did log: {log}");
    assert!(log.contains("a code "), "of a code too, sent or not: {log}");
    silent("the log", &log);
    drop(orphan);
    let mut bytes = 0;
    on_disk(&dir.join("store/redis"), &mut bytes);
    assert!(bytes > 1000, "there was something to look at");
}

/// What commands print.
fn commands(file: &Path, url: &str) {
    let settings = file.display().to_string();
    let asks =
        [vec!["explain", "woo", "90002"], vec!["order", "woo", "90001"], vec!["channels"], vec!["queue", "dead"]];
    let asks = asks.into_iter().map(|ask| [ask, vec!["--url", url]].concat());
    for args in asks.chain([vec!["check", "--json"]]) {
        let ran = run(&[vec!["-c", settings.as_str()], args.clone()].concat());
        assert_eq!(ran.code, 0, "{args:?} {ran:?}");
        silent(&format!("{args:?}"), &format!("{}\n{}", ran.out, ran.err));
    }
}

/// Everything that Redis wrote.
fn on_disk(folder: &Path, bytes: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            on_disk(&path, bytes);
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            *bytes += content.len();
            silent(&path.display().to_string(), &String::from_utf8_lossy(&content));
        }
    }
}
