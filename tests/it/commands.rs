//! The commands, as people and programs call them, beside a running relay.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::child::{Orphan, Ran, Serving, orderwire, run, run_in};
use crate::support::dir::Dir;
use crate::support::orders::{woo, woo_order};
use crate::support::provider::Provider;
use crate::support::relay::{OPS, Plan, READER};
use crate::support::until;
use crate::support::wire::get;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A relay as a process, with an order that was told, one that died and one that waits.
struct World {
    relay: Serving,
    file: PathBuf,
    url: String,
    line: Provider,
    _orphan: Orphan,
    dir: Dir,
}

impl World {
    async fn start() -> World {
        let line = Provider::start(|seen| match seen.line.contains("/message/push") && seen.body.contains("#502") {
            true => (400, json!({ "message": "The request body has 1 error(s)", "details": [] })),
            false => (200, json!({ "sentMessages": [{ "id": "1" }] })),
        })
        .await;
        let dir = Dir::new();
        let file = dir.write("orderwire.toml", &Plan::alone(&dir).provider(&line.url).text());
        let orphan = Orphan(dir.join("store"));
        let relay = Serving::start(&file, &dir);
        let url = format!("http://{}", relay.admin);
        World { relay, file, url, line, _orphan: orphan, dir }
    }

    async fn post(&self, id: u64, status: &str) {
        let answer = woo("order.created", woo_order(id, status, 5).to_string().as_bytes()).send(self.relay.web).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Runs a command that asks this relay.
    fn ask(&self, args: &[&str]) -> Ran {
        run(&[&["-c", self.file.to_str().unwrap()], args, &["--url", &self.url]].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let ran = self.ask(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.json()
    }

    async fn comes_to(&self, order: &str, state: &str) {
        until(&format!("{order} is {state}"), || async {
            let view = self.ask(&["order", "woo", order, "--json"]);
            let view: Value = serde_json::from_str(&view.out).ok()?;
            view["items"]
                .as_array()?
                .iter()
                .any(|i| i["milestone"] == "order_placed" && i["state"] == state)
                .then_some(())
        })
        .await;
    }
}

/// Wide characters count double; nothing is wider than the terminal.
fn fits(ran: &Ran, columns: usize) {
    for line in ran.out.lines() {
        let width: usize =
            line.chars().map(|c| if ('\u{1100}'..'\u{ffe6}').contains(&c) && c > '\u{2e80}' { 2 } else { 1 }).sum();
        assert!(width <= columns, "{width} > {columns}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_ask_and_do() {
    let world = World::start().await;
    for id in [501, 502] {
        world.post(id, "processing").await;
    }
    world.comes_to("501", "sent").await;
    world.comes_to("502", "dead").await;

    let view = world.json(&["order", "woo", "501"]);
    assert_eq!((&view["id"], &view["payment"]), (&json!("501"), &json!("paid")));
    let text = world.ask(&["order", "woo", "501"]);
    assert!(text.code == 0 && text.out.contains("order_placed") && text.out.contains("line-main"), "{text:?}");
    let why = world.ask(&["explain", "woo", "502"]);
    assert!(why.out.contains("dead") && why.out.contains("why: ") && why.out.contains("to change it: "), "{why:?}");
    assert!(why.out.contains("it would go by line-main if") && why.out.contains("orderwire replay"), "{why:?}");
    let rules = world.ask(&["explain", "woo", "502", "--rules"]);
    assert!(rules.out.contains("worth telling until") && rules.out.contains("account moves"), "{rules:?}");
    let file = world.dir.write("hook.json", &woo_order(504, "processing", 5).to_string());
    let file = file.to_str().unwrap();
    let foreseen = world.ask(&["simulate", file, "--shop", "woo", "--topic", "order.created"]);
    assert!(foreseen.code == 0 && foreseen.out.contains("(unsigned)"), "{foreseen:?}");
    assert!(foreseen.out.contains("would go by line-main") && foreseen.out.contains("│ "), "{foreseen:?}");
    assert_eq!(world.ask(&["order", "woo", "504"]).code, 1, "nothing was kept of it");
    assert_eq!(world.ask(&["simulate", file, "--shop", "woo"]).code, 2, "a topic is needed");
    let one = world.json(&["explain", "woo", "502", "--milestone", "order_placed"]);
    assert_eq!(one["items"].as_array().unwrap().len(), 1);

    let stats = world.json(&["queue", "stats"]);
    assert!(stats["dead"].as_u64() >= Some(1) && stats["leased"] == 0, "{stats}");
    let dead = world.json(&["queue", "dead"]);
    let items = dead["items"].as_array().unwrap();
    assert!(items.iter().all(|i| i["order"] == "502"), "{dead}");
    let table = run_in(
        orderwire().env("COLUMNS", "100"),
        &["-c", world.file.to_str().unwrap(), "queue", "dead", "--url", &world.url],
    );
    assert!(table.code == 0 && table.out.contains("502"), "{table:?}");
    fits(&table, 100);

    assert_eq!(world.ask(&["queue", "pause", "line-main", "--for", "30m"]).code, 0);
    let channels = world.json(&["channels", "--live"]);
    let line = channels.as_array().unwrap().iter().find(|c| c["id"] == "line-main").unwrap();
    assert_eq!((&line["kind"], &line["paused"]), (&json!("line"), &json!("channel_paused")));
    let pushes = world.line.seen_at("POST /v2/bot/message/push").len();
    world.post(503, "processing").await;
    until("it is parked", || async {
        let stats = world.json(&["queue", "stats"]);
        (stats["parked"] == json!([["line-main", 1]])).then_some(())
    })
    .await;
    assert_eq!(world.line.seen_at("POST /v2/bot/message/push").len(), pushes, "nothing goes while it stands");
    assert_eq!(world.ask(&["queue", "resume", "line-main"]).code, 0);
    world.comes_to("503", "sent").await;

    let item = items[0]["item"].to_string();
    let gone = world.ask(&["queue", "discard", "woo", "502", &item, "--reason", "settled by telephone"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let left = world.json(&["queue", "dead"]);
    assert_eq!(left["items"].as_array().unwrap().len(), items.len() - 1);
    let ledger = world.json(&["order", "woo", "502"])["ledger"].to_string();
    assert!(ledger.contains("settled by telephone") && ledger.contains("by ops"), "who and why: {ledger}");
    assert!(world.ask(&["health"]).code == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_is_dry_until_told_otherwise() {
    let world = World::start().await;
    world.post(502, "processing").await;
    world.comes_to("502", "dead").await;
    let pushes = || world.line.seen_at("POST /v2/bot/message/push").len();
    let before = pushes();
    let dry = world.ask(&["replay", "--shop", "woo", "--order", "502", "--json"]);
    let lines: Vec<Value> = dry.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(dry.code == 0 && !lines.is_empty(), "{dry:?}");
    assert!(lines.iter().all(|l| l["order"] == "502" && l["action"].is_string()), "{dry:?}");
    let text = world.ask(&["replay", "--outcome", "dead"]);
    assert!(text.out.contains("nothing was done: this was dry"), "{text:?}");
    assert_eq!(
        (
            pushes(),
            world.json(&["order", "woo", "502"])["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|i| i["state"] == "dead")
                .count()
        ),
        (before, lines.len())
    );

    assert_eq!(world.ask(&["replay", "--execute"]).code, 2, "no reason is a wrong call");
    assert_eq!(world.ask(&["replay", "--rate", "fast"]).code, 2);
    assert_eq!(world.ask(&["replay", "--order", "502"]).code, 2, "an order without its shop");
    let done = world.ask(&["replay", "--shop", "woo", "--order", "502", "--execute", "--reason", "template corrected"]);
    assert_eq!(done.code, 0, "{done:?}");
    let run = done.out.lines().find_map(|l| l.strip_prefix("run ")).unwrap().trim_end_matches(": done").to_string();
    let dead = || {
        let order = world.json(&["order", "woo", "502"]);
        order["items"].as_array().unwrap().iter().filter(|i| i["state"] == "dead").count()
    };
    // The provider still refuses them.
    until("all went again", || async { (dead() == 2 * lines.len()).then_some(()) }).await;
    assert_eq!(pushes(), before + 1, "made owed in one step, they went in one message");
    let ledger = world.json(&["order", "woo", "502"])["ledger"].to_string();
    assert!(ledger.contains("template corrected") && ledger.contains(&run), "{ledger}");
    let again = world.ask(&["replay", "--resume", &run]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.out.contains("0 to send"), "a run that is over does nothing twice: {again:?}");
    let unknown = world.ask(&["replay", "--resume", "r0"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_statuses_say_what_went_wrong() {
    let world = World::start().await;
    let file = world.file.to_str().unwrap();
    let broken = world.dir.write("broken.toml", "[admin]\nlisten = 7\n[wordz]\n");
    let broken = broken.to_str().unwrap();
    let reader = world.dir.write("reader.token", READER);
    let stranger = world.dir.write("stranger.token", "nobody");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["check", "-c", file], 0, "fine"),
        (&["check", "-c", broken], 2, "admin.listen"),
        (&["check", "-c", "/nowhere.toml"], 2, "/nowhere.toml"),
        (&["serve", "-c", broken], 2, "admin.listen"),
        (&["queue", "stats", "-c", broken], 2, "admin.listen"),
        (&["health", "-c", broken], 2, "admin.listen"),
        (&["order", "woo", "1", "-c", file, "--url", &world.url], 1, "nothing is known of this order"),
        (&["order", "nobody", "1", "-c", file, "--url", &world.url], 1, "no such shop"),
        (&["order", "../..", "?x#y", "-c", file, "--url", &world.url], 1, "404"),
        (&["queue", "pause", "nobody", "-c", file, "--url", &world.url], 1, "404"),
        (&["queue", "pause", "line-main", "--for", "soon", "-c", file, "--url", &world.url], 2, "--for"),
        (&["queue", "discard", "woo", "1", "1", "-c", file], 2, "--reason"),
        (&["queue", "stats", "-c", file, "--url", "http://127.0.0.1:9"], 1, "is `orderwire serve` running?"),
        (&["health", "--url", "http://127.0.0.1:9"], 1, "does not answer"),
        (&["queue", "stats", "-c", file, "--url", &world.url, "--token-file", "/nowhere.token"], 2, "--token-file"),
        (&["queue", "stats", "--url", &world.url, "--token-file", stranger.to_str().unwrap()], 1, "401"),
        (&["queue", "stats", "--url", &world.url, "--token-file", reader.to_str().unwrap()], 0, "ready"),
        (&["queue", "resume", "line-main", "--url", &world.url, "--token-file", reader.to_str().unwrap()], 1, "403"),
        (&["nonsense"], 2, "nonsense"),
        (&["--version"], 0, env!("CARGO_PKG_VERSION")),
        (&["--help"], 0, "Usage"),
    ];
    let mut wrong = Vec::new();
    for (args, code, words) in cases {
        let ran = run(args);
        let all = format!("{}{}", ran.out, ran.err);
        if ran.code != *code || !all.contains(words) {
            wrong.push(format!("{args:?}: wanted {code} and {words:?}: {ran:?}"));
        }
        assert!(!all.contains(OPS) && !all.contains('\u{1b}'), "colour or a token: {all}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let plain = run_in(orderwire().env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1"), &["nonsense"]);
    assert!(!plain.err.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn the_example_is_the_documented_file_and_its_schema_takes_it() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/orderwire.toml");
    let ran = run(&["example"]);
    assert_eq!(
        (ran.code, &ran.out),
        (0, &std::fs::read_to_string(&file).unwrap()),
        "config/orderwire.toml is `orderwire example`"
    );
    let checked = run(&["-c", file.to_str().unwrap(), "check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let schema = run(&["example", "--schema"]).json();
    let example: toml::Table = ran.out.parse().unwrap();
    accepts(&schema, &schema, &serde_json::to_value(example).unwrap(), "");
    let unknown = json!({ "server": { "listn": "x" } });
    let properties = &schema["properties"]["server"];
    let server = resolve(&schema, properties);
    assert!(
        server["properties"].get("listn").is_none() && server["additionalProperties"] == false,
        "{unknown}: {server}"
    );
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(way) => {
            resolve(root, root.pointer(way.trim_start_matches('#')).unwrap_or_else(|| panic!("{way} leads nowhere")))
        }
        None => schema,
    }
}

/// As much of JSON Schema as the settings' schema uses for what the example sets.
fn accepts(root: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(root, schema);
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::Null => "null",
    };
    assert!(
        types.is_empty() || types.contains(&is) || (is == "integer" && types.contains(&"number")),
        "{at}: {is} is none of {types:?}"
    );
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is none of {words:?}");
    }
    if let Value::Object(fields) = value {
        for (key, value) in fields {
            let known = &schema["properties"][key];
            assert!(!known.is_null() || schema["additionalProperties"] != false, "{at}.{key} is unknown");
            if !known.is_null() {
                accepts(root, known, value, &format!("{at}.{key}"));
            }
        }
    }
    if let (Value::Array(list), items) = (value, &schema["items"]) {
        list.iter().filter(|_| !items.is_null()).for_each(|v| accepts(root, items, v, &format!("{at}[]")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn sends_under_way_end_before_the_process_does() {
    let gate = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&gate);
    // It has read the push and thinks about its answer until the gate opens.
    let line = Provider::start(move |seen| {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while seen.line.contains("/message/push") && !open.load(Ordering::Acquire) && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        (200, json!({ "sentMessages": [{ "id": "1" }] }))
    })
    .await;
    let dir = Dir::new();
    let file = dir.write("orderwire.toml", &Plan::alone(&dir).provider(&line.url).text());
    let _orphan = Orphan(dir.join("store"));
    let mut relay = Serving::start(&file, &dir);
    let view = |relay: &Serving| {
        let url = format!("http://{}", relay.admin);
        run(&["-c", file.to_str().unwrap(), "order", "woo", "505", "--json", "--url", &url]).json()
    };
    let state = |view: &Value| view["items"][0]["state"].as_str().unwrap().to_string();
    let body = woo_order(505, "processing", 5).to_string();
    assert_eq!(woo("order.created", body.as_bytes()).send(relay.web).await.status, 200);
    until("the send has begun", || async { (state(&view(&relay)) == "begun").then_some(()) }).await;
    relay.signal("TERM");
    relay.says("leaving");
    gate.store(true, Ordering::Release);
    assert_eq!(relay.ended().code(), Some(0), "{}", relay.logged());
    let relay = Serving::start(&file, &dir);
    assert_eq!(state(&view(&relay)), "sent", "it was settled on the way out");
    assert_eq!(line.seen_at("POST /v2/bot/message/push").len(), 1, "and is not told twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_told_end_is_clean_and_a_kill_costs_nothing() {
    let mut world = World::start().await;
    world.post(501, "processing").await;
    world.comes_to("501", "sent").await;
    world.relay.signal("KILL");
    world.relay.ended();
    let redis = world._orphan.pid().unwrap();
    world.relay = Serving::start(&world.file, &world.dir);
    world.url = format!("http://{}", world.relay.admin);
    assert_eq!(world._orphan.pid(), Some(redis), "the private Redis outlived it and is taken over");
    assert_eq!(world.json(&["order", "woo", "501"])["payment"], "paid");
    let body = woo_order(504, "processing", 5).to_string();
    let answer = woo("order.created", body.as_bytes()).send(world.relay.web).await;
    assert_eq!(answer.json()["result"], "taken");
    world.comes_to("504", "sent").await;

    let second = run(&["-c", world.file.to_str().unwrap(), "serve"]);
    assert_eq!(second.code, 1, "two relays on one directory: {second:?}");
    assert!(second.err.contains("another orderwire works in"), "{second:?}");

    world.relay.signal("HUP");
    world.relay.says("settings and words reloaded");
    let good = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, good.replace("milestones = [\"*\"]", "milestones = [\"shiped\"]")).unwrap();
    world.relay.signal("HUP");
    let line = world.relay.says("the changed settings were not taken");
    assert!(line.contains("route.customers.milestones") && line.contains("shipped"), "{line}");
    std::fs::write(&world.file, good).unwrap();
    assert_eq!(get(world.relay.admin, "/readyz").await.status, 200);

    world.relay.signal("TERM");
    let status = world.relay.ended();
    assert_eq!(status.code(), Some(0), "{}", world.relay.logged());
    assert!(world.relay.logged().contains("gone"));
    assert!(!Orphan::alive(redis), "it took its Redis along");
}
