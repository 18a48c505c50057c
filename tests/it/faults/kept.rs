//! What an earlier version of orderwire stored is read by this one; what a newer one stored is left alone.
//!
//! `kept/form-N.txt` holds every key that a relay had stored, and its spool; `kept/form-N.json` what was in them. A
//! stored form that changes gets a further pair, and the old ones stay:
//! `cargo test --test it faults::kept::store_anew -- --ignored`.

use crate::support::dir::Dir;
use crate::support::orders::{LINE_USER, WOO_SECRET, line_text, shopify, shopify_order, woo, woo_of, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::{Redis, Reply, ask};
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::Request;
use orderwire::boot::run::Role;
use orderwire::domain::ids::ShopId;
use orderwire::store::keys::Unit;
use orderwire::store::order::Commit;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Stored forms there are.
const FORMS: [u32; 1] = [1];
/// Prefix of the keys: what is sealed is bound to its key's name.
const PREFIX: &str = "owkept";
/// Orders in it: told; told to nobody; tried and to be tried again.
const ORDERS: [(&str, u64); 3] = [("woo", 4701), ("shopi", 4702), ("woo", 4703)];
/// Waits in the spool.
const SPOOLED: u64 = 4704;

fn place(form: u32, end: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/faults/kept/form-{form}.{end}"))
}

fn plan(redis: &Redis, provider: &str, spool: &Dir) -> Plan {
    Plan { prefix: PREFIX.into(), ..Plan::on(redis).provider(provider).spool(spool.path()) }
}

fn order(id: u64, status: &str) -> Value {
    let mut order = woo_order(id, status, 30);
    order["number"] = format!("K{id}").into();
    order
}

fn posted(order: &Value) -> Request {
    woo_of("woo", WOO_SECRET, "order.updated", order.to_string().as_bytes())
}

/// What is known of an order, without the words that may be put better one day.
fn known(view: &Value) -> Value {
    let item = |i: &Value| {
        json!([i["item"], i["milestone"], i["route"], i["slot"], i["state"], i["reason"], i["attempts"], i["channel"]])
    };
    let items: Vec<Value> = view["items"].as_array().unwrap().iter().map(item).collect();
    json!({ "name": view["name"], "stage": view["stage"], "items": items, "ledger": view["ledger"] })
}

/// Writes down a key with all that is in it, a line for each part.
fn dump(redis: &Redis, key: &str, out: &mut String) {
    let hexed = |reply: Reply| match reply {
        Reply::Bytes(bytes) => hex::encode(bytes),
        other => hex::encode(other.text()),
    };
    let kind = redis.ask(&["TYPE", key]).text();
    let parts: Vec<Reply> = match kind.as_str() {
        "string" => vec![redis.ask(&["GET", key])],
        "hash" => redis.ask(&["HGETALL", key]).list(),
        "list" => redis.ask(&["LRANGE", key, "0", "-1"]).list(),
        "set" => redis.ask(&["SMEMBERS", key]).list(),
        "zset" => redis.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]).list(),
        "stream" => {
            let entries = redis.ask(&["XRANGE", key, "-", "+"]).list();
            entries
                .into_iter()
                .flat_map(|entry| {
                    let mut entry = entry.list();
                    let fields = entry.pop().unwrap().list();
                    std::iter::once(entry.pop().unwrap()).chain([Reply::Int(fields.len() as i64)]).chain(fields)
                })
                .collect()
        }
        other => panic!("{key} is a {other}"),
    };
    let parts: Vec<String> = parts.into_iter().map(hexed).collect();
    out.push_str(&format!("{kind} {key} {}\n", parts.join(" ")));
}

fn unhexed(parts: &[&str]) -> Vec<Vec<u8>> {
    parts.iter().map(|p| hex::decode(p).unwrap()).collect()
}

/// Puts what was written down into an empty Redis and an empty spool.
fn load(form: u32, redis: &Redis, spool: &Dir) {
    for line in std::fs::read_to_string(place(form, "txt")).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (key, parts) = (words[1].as_bytes(), unhexed(&words[2..]));
        let tell = |name: &str, rest: &[&[u8]]| {
            let command: Vec<&[u8]> = [name.as_bytes(), key].into_iter().chain(rest.iter().copied()).collect();
            let answer = ask(&redis.path(), &command);
            assert!(!matches!(answer, Reply::Error(_)), "{line}: {answer:?}");
        };
        let all: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        match words[0] {
            "file" => std::fs::write(spool.join(words[1]), &parts[0]).unwrap(),
            "string" => tell("SET", &all),
            "hash" => tell("HSET", &all),
            "list" => tell("RPUSH", &all),
            "set" => tell("SADD", &all),
            "zset" => all.chunks(2).for_each(|p| tell("ZADD", &[p[1], p[0]])),
            "stream" => {
                let mut rest = all.as_slice();
                while let [id, count, more @ ..] = rest {
                    let count: usize = String::from_utf8_lossy(count).parse().unwrap();
                    let fields: Vec<&[u8]> = std::iter::once(*id).chain(more[..count].iter().copied()).collect();
                    tell("XADD", &fields);
                    rest = &more[count..];
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// A LINE that takes everything but messages about order 4703.
async fn line() -> Provider {
    Provider::start(|seen| match seen.body.contains("K4703") {
        true => (500, json!({ "message": "Internal error" })),
        false => (200, json!({ "sentMessages": [{ "id": "461230966842064897" }] })),
    })
    .await
}

/// Writes the newest form's pair of files from what this version stores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes files of the project"]
async fn store_anew() {
    let form = FORMS[FORMS.len() - 1];
    let (redis, spool, line) = (Redis::start(), Dir::new(), line().await);
    let relay = Relay::start(&plan(&redis, &line.url, &spool), Role::All).await;
    let first = order(4701, "processing");
    assert_eq!(relay.post(&posted(&first)).await.status, 200);
    relay.comes_to("woo", 4701, "order_placed", "sent").await;
    assert_eq!(relay.post(&posted(&order(4703, "processing"))).await.status, 200);
    until("it was tried", async || {
        let view = relay.view("woo", 4703).await?;
        view["ledger"].as_array()?.iter().any(|e| e["what"] == "attempt").then_some(())
    })
    .await;
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    let body = shopify_order(4702, "paid", 20).to_string();
    assert_eq!(relay.post(&shopify("orders/create", body.as_bytes())).await.status, 200);
    relay.comes_to("shopi", 4702, "order_placed", "skipped").await;
    let odd = relay.post(&woo("order.updated", b"{\"id\":\"what\",\"status\":5}")).await;
    assert_eq!(odd.json()["result"], "unreadable", "{}", odd.body);
    let mut views = json!({});
    for (shop, id) in ORDERS {
        views[format!("{shop}/{id}")] = known(&relay.view(shop, id).await.unwrap());
    }
    relay.leave().await;
    let relay = Relay::start(&plan(&redis, &line.url, &spool), Role::Web).await;
    redis.freeze();
    assert_eq!(relay.post(&posted(&order(SPOOLED, "processing"))).await.json()["result"], "spooled");
    let mut out = String::new();
    for entry in std::fs::read_dir(spool.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        let bytes = std::fs::read(&entry).unwrap();
        if !bytes.is_empty() {
            out.push_str(&format!("file {} {}\n", entry.file_name().unwrap().to_string_lossy(), hex::encode(bytes)));
        }
    }
    redis.thaw();
    // What lease calls were answered ends with the process that made them.
    for key in redis.keys(PREFIX).iter().filter(|k| !k.ends_with(":calls")) {
        dump(&redis, key, &mut out);
    }
    relay.leave().await;
    std::fs::create_dir_all(place(form, "txt").parent().unwrap()).unwrap();
    std::fs::write(place(form, "txt"), out).unwrap();
    let known = json!({ "first": first.to_string(), "views": views });
    std::fs::write(place(form, "json"), format!("{known:#}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_earlier_versions_stored_is_read() {
    for form in FORMS {
        let (redis, spool, line) = (Redis::start(), Dir::new(), line().await);
        load(form, &redis, &spool);
        let said: Value = serde_json::from_str(&std::fs::read_to_string(place(form, "json")).unwrap()).unwrap();
        let relay = Relay::start(&plan(&redis, &line.url, &spool), Role::Web).await;
        for (shop, id) in ORDERS {
            let view = relay.view(shop, id).await.unwrap_or_else(|| panic!("form {form}: {shop} {id} is unknown"));
            assert_eq!(known(&view), said["views"][format!("{shop}/{id}")], "form {form}: {shop} {id}");
        }
        let (odd, _) = relay.app.store.odd(None, 10).await.unwrap();
        assert_eq!(odd.len(), 1, "form {form}: the unreadable webhook");
        assert!(odd[0].raw.body.starts_with(b"{\"id\":\"what\""), "form {form}");
        // A webhook it has had is known, by what it says.
        let again = woo_of("woo", WOO_SECRET, "order.updated", said["first"].as_str().unwrap().as_bytes());
        assert_eq!(relay.post(&again).await.json()["result"], "duplicate", "form {form}");
        // What waited in the spool is put through.
        until("the spool is empty", async || relay.view("woo", SPOOLED).await).await;
        relay.leave().await;
        // The order goes on, and the person's no is heard: nothing is told.
        let relay = Relay::start(&plan(&redis, &line.url, &spool), Role::All).await;
        assert_eq!(relay.post(&posted(&order(4705, "processing"))).await.json()["result"], "taken");
        let item = relay.comes_to("woo", 4705, "order_placed", "skipped").await;
        assert_eq!(item["reason"], "opted_out", "form {form}: {item}");
        let next = order(4701, "cancelled");
        assert_eq!(relay.post(&posted(&next)).await.json()["result"], "taken");
        relay.comes_to("woo", 4701, "cancelled", "skipped").await;
        assert_eq!(line.seen_at("POST /v2/bot/message/push").len(), 0, "form {form}: {LINE_USER} said no");
        // The one that waits may wait for long; everything lies where it should.
        let audit = relay.app.store.audit().await.unwrap();
        assert_eq!(audit.bad, Vec::<String>::new(), "form {form}");
        relay.leave().await;
    }
}

/// An order's item, and a whole order, of a version that comes after this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_version_stored_is_left_alone_and_counted() {
    let (redis, spool, line) = (Redis::start(), Dir::new(), Provider::line().await);
    let relay = Relay::start(&plan(&redis, &line.url, &spool), Role::All).await;
    assert_eq!(relay.post(&posted(&order(1, "pending"))).await.status, 200);
    until("it is at rest", async || {
        let view = relay.view("woo", 1).await?;
        view["items"].as_array()?.iter().all(|i| i["state"] != "open" || i["reason"] != Value::Null).then_some(())
    })
    .await;
    let member = relay.app.store.member(&Unit::order(&ShopId::from("woo"), "1"));
    let hash = member.as_str().split_once('/').unwrap().1;
    let key = redis.keys(PREFIX).into_iter().find(|k| k.ends_with(&format!("ord:{hash}"))).unwrap();
    // An open item of version 2.
    let mut item = vec![2; 63];
    item[1] = 0;
    ask(&redis.path(), &[b"HSET", key.as_bytes(), b"i40", &item]);
    redis.ask(&["HINCRBY", &key, "n", "1"]);
    let record = relay.app.store.read(&member).await.unwrap();
    assert_eq!((record.unknown_items, record.last_item), (1, 40), "counted, and its number is taken");
    // Work on the order goes on around it.
    assert_eq!(relay.post(&posted(&order(1, "processing"))).await.json()["result"], "taken");
    relay.comes_to("woo", 1, "payment_received", "sent").await;
    let kept = redis.ask(&["HGET", &key, "i40"]);
    assert_eq!(kept, Reply::Bytes(item), "the newer version's item is as it was");
    assert_eq!(relay.app.store.read(&member).await.unwrap().unknown_items, 1);
    // A whole order of a later form.
    let record = relay.app.store.read(&member).await.unwrap();
    let mut snapshot: Value = serde_json::from_slice(&record.snapshot.clone().unwrap()).unwrap();
    snapshot["version"] = 999.into();
    let commit = Commit {
        expected: record.revision,
        parked: record.parked,
        seen: Vec::new(),
        seen_until: orderwire::domain::clock::from_millis(0),
        drop_seen: Vec::new(),
        snapshot: snapshot.to_string().into_bytes(),
        owed: Vec::new(),
        due: None,
        ledger: Vec::new(),
    };
    relay.app.store.commit(&member, commit).await.unwrap();
    let before = redis.dump(PREFIX).remove(&key.replace(":ord:", ":snp:"));
    let answer = relay.post(&posted(&order(1, "completed"))).await;
    // This shop never repeats: who cannot read the order keeps it for who can, and puts nothing through.
    assert_eq!(answer.json()["result"], "spooled", "{}", answer.body);
    assert_eq!(redis.dump(PREFIX).remove(&key.replace(":ord:", ":snp:")), before, "the newer form is as it was");
    let audit = relay.app.store.audit().await.unwrap();
    assert_eq!(audit.bad, Vec::<String>::new());
    relay.leave().await;
}
