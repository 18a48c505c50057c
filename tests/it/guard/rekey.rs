//! T25: a key is changed under traffic, through a death in the middle, and the old one goes.

use crate::support::child::{Serving, run};
use crate::support::dir::Dir;
use crate::support::orders::{line_text, shopify, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::Redis;
use crate::support::relay::{KEY, Plan};
use crate::support::until;
use crate::support::wire::{Answer, Request};
use orderwire::seal::Seal;
use serde_json::{Value, json};
use std::path::PathBuf;

const ADMIN: &str = "canary-admin-token-0123456789abcdef01";
const NEW: &str = "5b1d0c7e93a24f8816e0d95c3b7af2046f8e1d2c9b3a4756e0f1a2b3c4d5e6f7";

struct Desk {
    dir: Dir,
    plan: Plan,
    redis: Redis,
}

impl Desk {
    /// The settings with these keys.
    fn file(&self, keys: &[&str], more: &str) -> PathBuf {
        let keys: Vec<String> = keys.iter().map(|k| format!("{{ value = \"{k}\" }}")).collect();
        let store = format!("url = \"{}\"\nencryption_keys = [{}]\n{more}", self.redis.url(), keys.join(", "));
        let plan = Plan { store, ..self.plan.clone() };
        self.dir.write("orderwire.toml", &plan.text())
    }

    /// Keys of Redis in whose value a record of this key lies.
    fn sealed_with(&self, key: &str) -> Vec<String> {
        let mark = Seal::new(&[Seal::key_from_text(key).unwrap()]).unwrap().seal(&[], b"")[..5].to_vec();
        let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark);
        self.redis.dump(&self.plan.prefix).into_iter().filter(|(_, v)| holds(v)).map(|(k, _)| k).collect()
    }
}

async fn desk() -> Desk {
    let (dir, redis, line) = (Dir::new(), Redis::start(), Provider::line().await);
    let plan = Plan::on(&redis).provider(&line.url);
    let admin = format!(
        "{}, {{ name = \"officer\", scopes = [\"admin\"], token = {{ value = \"{ADMIN}\" }} }}]",
        plan.admin.trim_end_matches(']')
    );
    Desk { dir, redis, plan: Plan { admin, ..plan } }
}

async fn ask(relay: &Serving, method: &str, body: Value) -> Answer {
    let request = Request::new(method, "/api/v1/rekey").header("authorization", format!("Bearer {ADMIN}"));
    request.header("content-type", "application/json").body(body.to_string()).send(relay.admin).await
}

async fn post(relay: &Serving, id: u64) -> Value {
    post_body(relay, &woo_order(id, "processing", 500).to_string()).await
}

async fn post_body(relay: &Serving, body: &str) -> Value {
    let answer = woo("order.created", body.as_bytes()).send(relay.web).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// What was erased is remembered, sealed.
async fn redact(relay: &Serving) {
    let body = json!({ "shop": "woo", "order": "9999", "reason": "asked", "execute": true }).to_string();
    let ask = Request::new("POST", "/api/v1/redact").header("authorization", format!("Bearer {ADMIN}"));
    let answer = ask.header("content-type", "application/json").body(body).send(relay.admin).await;
    assert!([200, 202].contains(&answer.status), "{}", answer.body);
}

async fn ended(relay: &Serving) -> Value {
    until("it is over", || async {
        let run = ask(relay, "GET", json!({})).await.json()["run"].clone();
        (!run["ended"].is_null()).then_some(run)
    })
    .await
}

fn order(id: u64) -> Request {
    let token = crate::support::relay::OPS;
    Request::new("GET", format!("/api/v1/orders/woo/{id}")).header("authorization", format!("Bearer {token}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_readable_without_the_old_key() {
    let desk = desk().await;
    let mut relay = Serving::start(&desk.file(&[KEY], ""), &desk.dir);
    let seventh = woo_order(7, "processing", 500).to_string();
    assert_eq!(post_body(&relay, &seventh).await["result"], "taken");
    for id in (1..=120).filter(|id| *id != 7) {
        post(&relay, id).await;
    }
    assert_eq!(line_text("STOP").send(relay.web).await.status, 200);
    assert_eq!(shopify("orders/create", br#"{"id":1,"email":"#).send(relay.web).await.status, 200);
    redact(&relay).await;
    relay.signal("TERM");
    assert!(relay.ended().success());
    assert!(desk.sealed_with(KEY).len() > 200 && desk.sealed_with(NEW).is_empty());

    // With the new key in front; it dies in its second page, and the next one goes on.
    let file = desk.file(&[NEW, KEY], "");
    let mut relay = Serving::to_die(&file, &desk.dir, "all", "after-reseal:2");
    assert_eq!(ask(&relay, "POST", json!({ "execute": true })).await.status, 200);
    assert!(!relay.ended().success(), "it died");
    let (done, left) = (desk.sealed_with(NEW).len(), desk.sealed_with(KEY).len());
    assert!(done > 0 && left > 0, "in the middle: {done} done, {left} left");
    let mut relay = Serving::start(&file, &desk.dir);
    let traffic = async {
        for id in 121..=140 {
            post(&relay, id).await;
        }
    };
    let (run_of, ()) = tokio::join!(ended(&relay), traffic);
    assert_eq!((&run_of["outcome"], &run_of["found"]["old"]), (&json!("free"), &json!(0)), "{run_of}");
    assert_eq!(desk.sealed_with(KEY), Vec::<String>::new());

    let token = desk.dir.write("token", ADMIN);
    let (url, token) = (format!("http://{}", relay.admin), token.display().to_string());
    let settings = file.display().to_string();
    let command = |args: &[&str]| {
        let all = [&["-c", &settings, "rekey"], args, &["--url", &url, "--token-file", &token]].concat();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        tokio::task::spawn_blocking(move || run(&all.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let dry = command(&["--dry-run", "--json"]).await.unwrap();
    assert!(dry.json()["old"] == 0 && dry.json()["seen"].as_u64() > Some(250), "{dry:?}");
    let told = command(&[]).await.unwrap();
    assert!(told.code == 0 && told.out.contains("No record in Redis is sealed with an older key"), "{told:?}");
    let lookup = desk.dir.join("lookup.key");
    let made = command(&["--lookup-key", &lookup.display().to_string()]).await.unwrap();
    assert!(made.code == 0 && !made.err.contains(KEY), "{made:?}");
    assert_eq!(command(&["--lookup-key", &lookup.display().to_string()]).await.unwrap().code, 1, "not over another");
    relay.signal("TERM");
    assert!(relay.ended().success());

    // The old key is gone; names are found by what was derived of it.
    let refused = run(&["-c", &desk.file(&[NEW], "").display().to_string(), "serve"]);
    assert!(refused.code == 1 && refused.err.contains("lookup_key"), "{refused:?}");
    let file = desk.file(&[NEW], &format!("lookup_key = {{ file = \"{}\" }}", lookup.display()));
    let mut relay = Serving::start(&file, &desk.dir);
    for id in 1..=140 {
        let view = order(id).send(relay.admin).await;
        assert_eq!(view.status, 200, "{id}: {}", view.body);
        assert!(!view.json()["items"].as_array().unwrap().is_empty(), "{id}");
    }
    assert_eq!(post_body(&relay, &seventh).await["result"], "duplicate", "it is the very order");
    relay.signal("TERM");
    assert!(relay.ended().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_the_old_key_in_front_is_found_out() {
    let desk = desk().await;
    let old = Serving::start(&desk.file(&[KEY], ""), &desk.dir);
    post(&old, 1).await;
    let new = Serving::start(&desk.file(&[NEW, KEY], ""), &desk.dir);
    assert_eq!(ask(&new, "POST", json!({})).await.json()["cursor"], Value::Null, "a look, in one page");
    assert_eq!(ask(&new, "POST", json!({ "execute": true })).await.status, 200);
    ended(&new).await;
    // It cannot read what the new key sealed, and writes what it makes itself with its own.
    post(&old, 2).await;
    let found = ask(&new, "POST", json!({})).await.json()["found"].clone();
    assert!(found["old"].as_u64() > Some(0), "{found}");
    // A run belongs to the key it was begun with: asked of the old process it would go the other way.
    for _ in 0..2 {
        assert_eq!(ask(&new, "POST", json!({ "execute": true })).await.status, 200);
        ended(&new).await;
    }
    assert_eq!(desk.sealed_with(KEY), Vec::<String>::new());
}
