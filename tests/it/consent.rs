//! Consent by command: shown, said, imported, exported, blocked, muted; asked with every scope and none.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::child::{Orphan, Ran, Serving, run};
use crate::support::dir::Dir;
use crate::support::orders::{LINE_USER, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::relay::{OPS, Plan, READER};
use crate::support::until;
use crate::support::wire::{Answer, Request};
use serde_json::{Value, json};
use std::path::PathBuf;

const ADMIN: &str = "canary-admin-token-0123456789abcdef01";
const OTHER: &str = "U00000000000000000000000000000abc";
const PSID: &str = "7200000000000001";

/// A relay as a process.
struct World {
    relay: Serving,
    file: PathBuf,
    url: String,
    _line: Provider,
    _orphan: Orphan,
    dir: Dir,
}

impl World {
    async fn start() -> World {
        let line = Provider::line().await;
        let dir = Dir::new();
        let mut plan = Plan::alone(&dir).provider(&line.url);
        plan.admin = format!(
            "{}, {{ name = \"officer\", scopes = [\"admin\"], token = {{ value = \"{ADMIN}\" }} }}]",
            plan.admin.trim_end_matches(']')
        );
        let file = dir.write("orderwire.toml", &plan.text());
        let orphan = Orphan(dir.join("store"));
        let relay = Serving::start(&file, &dir);
        let url = format!("http://{}", relay.admin);
        dir.write("officer", ADMIN);
        World { relay, file, url, _line: line, _orphan: orphan, dir }
    }

    fn ask(&self, args: &[&str]) -> Ran {
        run(&[&["-c", self.file.to_str().unwrap()], args, &["--url", &self.url]].concat())
    }

    /// With the token that may hand data out.
    fn officer(&self, args: &[&str]) -> Ran {
        let token = self.dir.join("officer");
        self.ask(&[args, &["--token-file", token.to_str().unwrap()]].concat())
    }

    async fn order(&self, id: u64) {
        let answer =
            woo("order.created", woo_order(id, "processing", 5).to_string().as_bytes()).send(self.relay.web).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// The order's first message, once it is no longer open.
    async fn ends(&self, id: &str) -> Value {
        until(&format!("{id} ends"), || async {
            let view: Value = serde_json::from_str(&self.ask(&["explain", "woo", id, "--json"]).out).ok()?;
            let items = view["items"].as_array()?;
            items
                .iter()
                .find(|i| i["milestone"] == "order_placed" && i["state"] != "open" && i["state"] != "begun")
                .cloned()
        })
        .await
    }

    async fn call(&self, target: &str, token: Option<&str>, body: &Value) -> Answer {
        let request = Request::new("POST", target).header("content-type", "application/json").body(body.to_string());
        match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")).send(self.relay.admin).await,
            None => request.send(self.relay.admin).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_say_of_consent_by_command() {
    let world = World::start().await;
    let off = world.ask(&["consent", "off", LINE_USER, "--reason", "asked by phone"]);
    assert!(off.code == 0 && off.out.contains("line-main: forbidden (opted_out)"), "{off:?}");
    assert!(off.out.contains("off by operator (ops: asked by phone)"), "{off:?}");
    world.order(601).await;
    let item = world.ends("601").await;
    assert_eq!((&item["state"], &item["reason"]), (&json!("skipped"), &json!("opted_out")));
    let why = world.ask(&["explain", "woo", "601"]);
    assert!(why.out.contains("said: line-main: off since ") && why.out.contains("(ops: asked by phone)"), "{why:?}");

    let on = world.ask(&["consent", "on", LINE_USER, "--reason", "asked again"]);
    assert!(on.code == 0 && on.out.contains("line-main: nothing forbids it"), "{on:?}");
    world.order(602).await;
    assert_eq!(world.ends("602").await["state"], "sent");

    let bare = world.ask(&["block", LINE_USER, "--reason", "x"]);
    assert!(bare.code == 2 && bare.err.contains("--shop, --channel"), "{bare:?}");
    assert_eq!(world.ask(&["block", LINE_USER, "--shop", "woo", "--reason", "threatens"]).code, 0);
    world.order(603).await;
    assert_eq!(world.ends("603").await["reason"], "operator_blocked");
    assert_eq!(world.ask(&["unblock", LINE_USER, "--shop", "woo", "--reason", "sorted"]).code, 0);

    let nobody = world.ask(&["consent", "show", "nobody@example.com"]);
    assert!(nobody.code == 1 && nobody.err.contains("no channel takes this address"), "{nobody:?}");
    let nowhere = world.ask(&["consent", "show", LINE_USER, "--channel", "nope"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("no such channel"), "{nowhere:?}");
    let unknown = world.ask(&["mute", "woo", "999", "--reason", "x"]);
    assert!(unknown.code == 1 && unknown.err.contains("nothing is known of this order"), "{unknown:?}");
    let muted = world.ask(&["mute", "woo", "602", "--reason", "reached somebody else"]);
    assert!(muted.code == 0 && muted.out.contains("off for this order: line-main"), "{muted:?}");
    let ledger = world.ask(&["order", "woo", "602"]);
    assert!(ledger.out.contains("mute line-main") && ledger.out.contains("reached somebody else"), "{ledger:?}");
    assert_eq!(world.ask(&["unmute", "woo", "602", "--channel", "line-main", "--reason", "theirs"]).code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_in_and_come_out() {
    let world = World::start().await;
    let text = format!(
        "\u{feff}address,word,channel,at,proof,shop\n\
         {LINE_USER},off,line-main,2026-01-02T03:04:05Z,\"'=form 7\",\n\
         {PSID},on,messenger-page,2026-01-02T03:04:05Z,till,woo\n\
         {OTHER},maybe,,,,\n\
         nobody@example.com,off,,,,\n\
         {OTHER},on,,,,\n\
         {OTHER},block,line-main,,,woo\n"
    );
    let path = world.dir.write("consent.csv", &text);
    let path = path.to_str().unwrap();
    let dry = world.officer(&["consent", "import", path]);
    assert_eq!(dry.code, 1, "{dry:?}");
    assert!(
        dry.out.contains("3 would be taken in, 0 known already, 0 older") && dry.out.contains("3 wrong"),
        "{dry:?}"
    );
    for place in ["consent.csv:4: `word` must be", "consent.csv:5: no channel takes", "consent.csv:6: `at` is needed"] {
        assert!(dry.err.contains(place), "{place}: {dry:?}");
    }
    assert!(world.officer(&["consent", "import", path, "--execute"]).err.contains("--reason"));
    let all = ["consent", "import", path, "--execute", "--reason", "from the old shop"];
    assert!(world.officer(&all).out.contains("3 taken in, 0 known already"));
    let again = world.officer(&all);
    assert!(again.out.contains("0 taken in, 3 known already"), "the same file twice: {again:?}");

    let shown = world.ask(&["consent", "show", LINE_USER]);
    assert!(shown.out.contains("2026-01-02T03:04:05Z  off by import (=form 7)"), "{shown:?}");
    let csv = world.officer(&["consent", "export"]);
    assert_eq!(csv.out.lines().next(), Some("channel,address,shop,word,at,source,proof"), "{csv:?}");
    assert_eq!(csv.out.lines().count(), 4, "{csv:?}");
    assert!(csv.out.contains(&format!("line-main,{LINE_USER},,off,2026-01-02T03:04:05Z,import,'=form 7")), "{csv:?}");
    // What came out goes in again, and is known; in either format.
    let out = world.dir.write("out.csv", &csv.out);
    let back = world.officer(&["consent", "import", out.to_str().unwrap()]);
    assert!(back.code == 0 && back.out.contains("0 would be taken in, 3 known already"), "{back:?}");
    let lines = world.officer(&["consent", "export", "--format", "ndjson"]);
    let out = world.dir.write("out.ndjson", &lines.out);
    let back = world.officer(&["consent", "import", out.to_str().unwrap()]);
    assert!(back.code == 0 && back.out.contains("0 would be taken in, 3 known already"), "{back:?}");
    // An older yes does not undo the no.
    let old = format!("address,word,at\n{LINE_USER},on,2025-01-01T00:00:00Z\n");
    let old = world.dir.write("old.csv", &old);
    let old = world.officer(&["consent", "import", old.to_str().unwrap(), "--execute", "--reason", "late"]);
    assert!(old.out.contains("0 taken in, 0 known already, 1 older"), "{old:?}");
    let odd = world.dir.write("odd.csv", "mail,word\nx,off\n");
    let odd = world.officer(&["consent", "import", odd.to_str().unwrap()]);
    assert!(odd.code == 2 && odd.err.contains("\"mail\" is none of"), "{odd:?}");
    merged_and_erased(&world);
}

fn merged_and_erased(world: &World) {
    // Two addresses of one person: the no of either is both's.
    let merged = world.officer(&["consent", "merge", LINE_USER, OTHER, "--reason", "one person"]);
    assert!(merged.out.contains("2 records added"), "{merged:?}");
    for one in [LINE_USER, OTHER] {
        let shown = world.ask(&["consent", "show", one, "--shop", "woo"]);
        assert!(shown.out.contains("forbidden (operator_blocked)"), "{one}: {shown:?}");
        let elsewhere = world.ask(&["consent", "show", one, "--shop", "shopi"]);
        assert!(elsewhere.out.contains("forbidden (opted_out)"), "{one}: {elsewhere:?}");
    }
    assert!(
        world.officer(&["consent", "merge", LINE_USER, OTHER, "--reason", "again"]).out.contains("0 records added")
    );
    let erased = world.officer(&["redact", "woo", "--customer", OTHER, "--reason", "asked", "--yes"]);
    assert_eq!(erased.code, 0, "{erased:?}");
    let kept = world.ask(&["consent", "show", OTHER, "--shop", "woo"]);
    assert!(kept.out.contains("forbidden (operator_blocked)") && !kept.out.contains("one person"), "{kept:?}");
    let named = world.officer(&["consent", "export"]);
    assert!(!named.out.contains(OTHER) && named.err.contains("1 people are left out"), "{named:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_wants_its_scope_and_a_reason() {
    let world = World::start().await;
    let who = json!({ "address": LINE_USER, "shop": null, "channel": null });
    let calls = [
        ("/api/v1/consent/show", who.clone(), OPS),
        ("/api/v1/consent/set", json!({ "who": who, "word": "off", "reason": "x" }), OPS),
        ("/api/v1/mute", json!({ "shop": "woo", "order": "1", "channel": null, "off": true, "reason": "x" }), OPS),
        ("/api/v1/consent/merge", json!({ "one": who, "other": who, "reason": "x" }), ADMIN),
        ("/api/v1/consent/import", json!({ "rows": [], "execute": true, "reason": "x" }), ADMIN),
        ("/api/v1/consent/export", json!({}), ADMIN),
    ];
    for (target, body, right) in &calls {
        assert_eq!(world.call(target, None, body).await.status, 401, "{target}");
        for token in [OPS, READER, ADMIN].into_iter().filter(|t| t != right) {
            assert_eq!(world.call(target, Some(token), body).await.status, 403, "{target} {token}");
        }
        assert!(matches!(world.call(target, Some(right), body).await.status, 200 | 404), "{target}");
        if body.get("reason").is_some() {
            let mut body = body.clone();
            body["reason"] = "  ".into();
            let answer = world.call(target, Some(right), &body).await;
            assert!(answer.status == 422 && answer.body.contains("a reason is needed"), "{target}: {}", answer.body);
        }
    }
    let gone = json!({ "who": who, "word": "gone", "reason": "x" });
    assert_eq!(world.call("/api/v1/consent/set", Some(OPS), &gone).await.status, 422);
    let far = json!({ "who": who, "word": "block", "reason": "x" });
    assert_eq!(world.call("/api/v1/consent/set", Some(OPS), &far).await.status, 422);
}
