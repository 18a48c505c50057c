//! T29: a person asks Meta to have their data erased.

use crate::faults::server::{How, Server};
use crate::support::dir::Dir;
use crate::support::orders::{APP_SECRET, PAGE_ID, VERIFY_TOKEN, messenger, now, woo, woo_order};
use crate::support::redis::{Redis, shared};
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request, get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use orderwire::boot::run::Role;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::Address;
use orderwire::domain::signature::sign;
use orderwire::flow::erase;
use serde_json::{Value, json};

const PSID: &str = "24680135792468";

/// The form as Meta posts it.
fn form(secret: &str, document: &Value) -> Request {
    let document = URL_SAFE_NO_PAD.encode(document.to_string());
    let mac = URL_SAFE_NO_PAD.encode(sign(secret.as_bytes(), document.as_bytes()));
    posted(&format!("{mac}.{document}"))
}

fn posted(request: &str) -> Request {
    let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", request).finish();
    Request::new("POST", "/callbacks/messenger-page")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

fn asked(user: &str) -> Value {
    json!({ "algorithm": "HMAC-SHA256", "issued_at": now().as_second(), "expires": 0, "user_id": user })
}

fn with_messenger(plan: Plan) -> (String, Plan) {
    let plan = Plan { routes: plan.routes.replace("line-main", "messenger-page"), ..plan };
    (plan.text().replacen("line = [\"line_user_id\"]", "messenger = [\"psid\"]", 1), plan)
}

/// An order of this person, and their word on the channel.
async fn known(relay: &Relay, id: u64, psid: &str) {
    let hello = json!({ "object": "page", "entry": [{ "id": PAGE_ID, "time": now().as_millisecond(), "messaging": [{
        "sender": { "id": psid }, "recipient": { "id": PAGE_ID }, "timestamp": now().as_millisecond(),
        "message": { "mid": format!("m_{id}"), "text": "hi" } }] }] });
    assert_eq!(relay.post(&messenger(hello.to_string().as_bytes())).await.status, 200);
    let mut order = woo_order(id, "processing", 5);
    order["billing"]["email"] = json!(format!("p{id}@example.net"));
    order["billing"]["phone"] = json!(format!("+88691234{id:04}"));
    order["customer_id"] = json!(id);
    order["meta_data"] = json!([{ "id": 1, "key": "psid", "value": psid }]);
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
}

async fn facts(relay: &Relay, psid: &str) -> bool {
    let who = (ChannelId::from("messenger-page"), Address::new("messenger", psid));
    relay.app.store.facts(&[who]).await.unwrap() != [Default::default()]
}

async fn page(relay: &Relay, answer: &Value) -> Answer {
    let link = answer["url"].as_str().unwrap();
    get(relay.web, link.strip_prefix("https://notify.example.com").unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_asks_meta_is_forgotten() {
    let redis = Redis::start();
    let (text, plan) = with_messenger(Plan::on(&redis));
    let relay = Relay::start_text(&text, &plan.prefix, Role::Web).await;
    known(&relay, 81, PSID).await;
    known(&relay, 82, "13579").await;
    assert!(facts(&relay, PSID).await && facts(&relay, "13579").await);
    let answer = relay.post(&form(APP_SECRET, &asked(PSID))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.json();
    assert!(said["confirmation_code"].as_str().unwrap().len() == 16, "{said}");
    assert!(!answer.body.contains(PSID));
    // Nobody works here: it is taken down, and says so.
    let shown = page(&relay, &said).await;
    assert!(shown.status == 200 && shown.body.contains("is being erased"), "{}", shown.body);
    assert_eq!(
        relay.post(&form(APP_SECRET, &asked(PSID))).await.json()["confirmation_code"],
        said["confirmation_code"]
    );
    until("every duty is done", || async {
        while erase::work(&relay.app).await.ok()? {}
        erase::list(&relay.app).await.ok()?.0.is_empty().then_some(())
    })
    .await;
    assert!(relay.order("woo", 81).await.is_none() && !facts(&relay, PSID).await);
    assert!(relay.order("woo", 82).await.is_some() && facts(&relay, "13579").await, "and nobody else");
    let shown = page(&relay, &said).await;
    assert!(shown.status == 200 && shown.body.contains("Your data was erased"), "{}", shown.body);
    for header in ["content-security-policy", "x-robots-tag", "referrer-policy"] {
        assert!(shown.header(header).is_some(), "{header}");
    }
    // Somebody of whom nothing is known is told that, not that something was erased.
    let said = relay.post(&form(APP_SECRET, &asked("777777"))).await.json();
    until("it is looked for", || async {
        while erase::work(&relay.app).await.ok()? {}
        erase::list(&relay.app).await.ok()?.0.is_empty().then_some(())
    })
    .await;
    assert!(page(&relay, &said).await.body.contains("Nothing is kept under this account"));
    relay.leave().await;
}

/// It counts from when they asked, and not from when Redis came to know of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_redis_is_away_is_forgotten_up_to_that_moment() {
    let dir = Dir::new();
    let mut redis = Server::with(&dir.join("redis"), How::default());
    let (text, plan) = with_messenger(Plan::at(&redis.url()).spool(&dir.join("spool")));
    let relay = Relay::start_text(&text, &plan.prefix, Role::Web).await;
    known(&relay, 83, PSID).await;
    redis.kill();
    known(&relay, 84, PSID).await;
    let answer = relay.post(&form(APP_SECRET, &asked(PSID))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.json();
    assert!(said["confirmation_code"].as_str().unwrap().len() == 16, "{said}");
    known(&relay, 85, PSID).await;
    redis.start_again();
    until("the spool is empty", || async { (relay.app.spool.as_ref().unwrap().standing().records == 0).then_some(()) })
        .await;
    until("every duty is done", || async {
        while erase::work(&relay.app).await.ok()? {}
        erase::list(&relay.app).await.ok()?.0.is_empty().then_some(())
    })
    .await;
    assert!(relay.order("woo", 83).await.is_none() && relay.order("woo", 84).await.is_none());
    assert!(relay.order("woo", 85).await.is_some(), "it was ordered after they had asked");
    assert!(page(&relay, &said).await.body.contains("Your data was erased"));
    relay.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_can_ask_for_it() {
    let (text, plan) = with_messenger(Plan::on(shared()));
    let relay = Relay::start_text(&text, &plan.prefix, Role::Web).await;
    let good = form(APP_SECRET, &asked(PSID));
    let whole = String::from_utf8(good.body.clone()).unwrap();
    let document = URL_SAFE_NO_PAD.encode(asked("1").to_string());
    let swapped = format!("{}.{document}", whole.trim_start_matches("signed_request=").split('.').next().unwrap());
    let twice = Request { body: format!("{whole}&{whole}").into(), ..good.clone() };
    for (what, request) in [
        ("another secret", form(VERIFY_TOKEN, &asked(PSID))),
        ("another document", posted(&swapped)),
        ("no document", posted("AAAA")),
        ("nothing", posted("")),
        ("an empty MAC", posted(&format!(".{document}"))),
        ("two of them", twice),
        ("another form", Request { body: b"a=b".to_vec(), ..good.clone() }),
        ("as JSON", good.clone().instead("content-type", "application/json")),
        ("beside another signature", good.clone().header("x-hub-signature-256", "sha256=00")),
    ] {
        let answer = relay.post(&request).await;
        assert!([401, 429].contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
    }
    let (open, done) = erase::list(&relay.app).await.unwrap();
    assert!(open.is_empty() && done.is_empty(), "{open:?}");
    // Genuine, and yet nothing to go by: taken, and nothing done.
    for document in [
        json!({ "algorithm": "HMAC-SHA256", "issued_at": now().as_second() }),
        json!({ "algorithm": "none", "user_id": PSID }),
        json!({ "algorithm": "HMAC-SHA256", "issued_at": now().as_second() - 30 * 86_400, "user_id": PSID }),
        json!({ "algorithm": "HMAC-SHA256", "user_id": "../x" }),
        json!([]),
    ] {
        let answer = relay.post(&form(APP_SECRET, &document)).await;
        assert!(answer.status == 200 && !answer.body.contains("confirmation_code"), "{document}: {}", answer.body);
    }
    assert!(erase::list(&relay.app).await.unwrap().0.is_empty());
    for link in ["/p/erasure/x", "/p/erasure/", "/p/erasure/%00"] {
        assert_eq!(get(relay.web, link).await.status, 404, "{link}");
    }
}
