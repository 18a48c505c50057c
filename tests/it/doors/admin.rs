//! The admin door: Host names, tokens and scopes, paging, and what is open to everybody.

use crate::support::orders::{woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::shared;
use crate::support::relay::{OPS, Plan, READER, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request, get};
use orderwire::boot::run::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every route of the API: method, target, a fitting body, and whether a reader may.
const ROUTES: &[(&str, &str, &str, bool)] = &[
    ("GET", "/api/v1/orders/woo/1", "", true),
    ("GET", "/api/v1/queue", "", true),
    ("GET", "/api/v1/queue/dead", "", true),
    ("GET", "/api/v1/channels", "", true),
    (
        "POST",
        "/api/v1/simulate",
        r#"{"shop":"none","webhook":{"method":"POST","headers":[],"body":"","received_at":"2026-11-25T00:00:00Z"}}"#,
        true,
    ),
    ("POST", "/api/v1/replay", "{}", true),
    ("POST", "/api/v1/replay", r#"{"execute":true,"reason":"x"}"#, false),
    ("POST", "/api/v1/replay", r#"{"run":"r1"}"#, false),
    ("POST", "/api/v1/queue/discard", r#"{"shop":"woo","order":"1","item":1,"reason":"x"}"#, false),
    ("POST", "/api/v1/channels/line-main/pause", r#"{"secs":1}"#, false),
    ("POST", "/api/v1/channels/line-main/resume", "", false),
];

fn ask(method: &str, target: &str, body: &str, token: Option<&str>) -> Request {
    let request = Request::new(method, target).header("content-type", "application/json").body(body);
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_asks_for_its_scope() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    for (method, target, body, reader) in ROUTES {
        for (token, want) in [(None, 401), (Some("wrong-token"), 401), (Some(READER), 403), (Some(OPS), 200)] {
            let answer = ask(method, target, body, token).send(relay.admin).await;
            let want = match want {
                // Whoever may ask gets an answer about what there is: nothing, here.
                403 if *reader => vec![200, 404],
                200 => vec![200, 404],
                other => vec![other],
            };
            assert!(want.contains(&answer.status), "{method} {target} {token:?}: {} {}", answer.status, answer.body);
            assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401);
        }
    }
    for token in ["missing", "wrong"] {
        let failures = relay.metric(&format!("orderwire_admin_auth_failures_total{{token=\"{token}\"}}")).await;
        assert_eq!(failures, ROUTES.len() as f64, "each {token} one is counted");
    }
    let answer = ask("GET", "/api/v1/channels", "", Some(OPS)).send(relay.admin).await;
    assert_eq!(answer.status, 200, "many wrong tokens lock nobody out");
}

/// Tries wrong tokens from one place until it is told to wait; gives the answer that said so.
async fn until_shut_out(relay: &Relay, place: Option<&str>) -> Answer {
    for nth in 0..60 {
        let mut wrong = ask("GET", "/api/v1/queue", "", Some(&format!("wrong-token-{nth}")));
        if let Some(place) = place {
            wrong = wrong.header("x-forwarded-for", place);
        }
        let answer = wrong.send(relay.admin).await;
        match answer.status {
            429 => return answer,
            status => assert_eq!((status, answer.header("retry-after")), (401, None), "{nth}"),
        }
    }
    panic!("sixty wrong tokens in a row were each looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_many_tokens_is_told_to_wait_and_nobody_is_locked_out() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    let answer = until_shut_out(&relay, None).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["title"], "too many wrong tokens");
    assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u64>().is_ok_and(|s| (1..=3).contains(&s))));
    // What a client says of itself is believed of no stranger: it is the same place.
    let dressed = ask("GET", "/api/v1/queue", "", Some("wrong")).header("x-forwarded-for", "198.51.100.9");
    assert!(matches!(dressed.send(relay.admin).await.status, 429 | 401), "at most until it is forgiven");
    // Whoever has a right token comes in from that very place, and its scope counts as ever.
    for (token, method, want) in [(OPS, "POST", 200), (READER, "POST", 403), (READER, "GET", 200)] {
        let (target, body) = match method {
            "POST" => ("/api/v1/channels/line-main/pause", r#"{"secs":1}"#),
            _ => ("/api/v1/queue", ""),
        };
        assert_eq!(ask(method, target, body, Some(token)).send(relay.admin).await.status, want, "{method}");
    }
    // Who shows none learns what is missing; probes and measures answer as ever.
    assert_eq!(ask("GET", "/api/v1/queue", "", None).send(relay.admin).await.status, 401);
    assert_eq!(get(relay.admin, "/livez").await.status, 200);
    let told = relay.metric("orderwire_admin_auth_failures_total{token=\"shut_out\"}").await;
    let wrong = relay.metric("orderwire_admin_auth_failures_total{token=\"wrong\"}").await;
    assert!(told >= 1.0 && wrong >= 30.0, "{told} {wrong}");
}

/// Behind a proxy that the settings name, each place has its own count; so it is with the measures' token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_of_one_place_do_not_count_for_another() {
    let mut plan = Plan::on(shared());
    plan.server = "trusted_proxies = [\"127.0.0.1\"]".into();
    plan.admin.push_str("\nmetrics_token = { value = \"canary-metrics-token\" }");
    let relay = Relay::start(&plan, Role::Web).await;
    until_shut_out(&relay, Some("203.0.113.7")).await;
    let wrong = |path, place| ask("GET", path, "", Some("wrong")).header("x-forwarded-for", place);
    for path in ["/api/v1/queue", "/metrics"] {
        assert_eq!(wrong(path, "198.51.100.9").send(relay.admin).await.status, 401, "{path}");
    }
    let mut answers = Vec::new();
    for path in ["/metrics", "/metrics", "/api/v1/queue"] {
        answers.push(wrong(path, "203.0.113.7").send(relay.admin).await.status);
    }
    assert!(answers.contains(&429), "one count for both tokens: {answers:?}");
    let right = ask("GET", "/metrics", "", Some("canary-metrics-token")).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(right.send(relay.admin).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_host_gets_nothing_but_probes_and_measures() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    let hosts = [
        "evil.example",
        "evil.example:9090",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::2]:80",
        "LOCALHOST@evil",
    ];
    for host in hosts {
        for (method, target, body, _) in ROUTES {
            let answer = ask(method, target, body, Some(OPS)).header("host", host).send(relay.admin).await;
            assert_eq!(answer.status, 421, "{host} {method} {target}: {}", answer.body);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(host.is_empty() || !answer.body.contains(host), "echoes {host}");
        }
        for probe in ["/livez", "/readyz", "/startupz", "/metrics"] {
            let answer = Request::new("GET", probe).header("host", host).send(relay.admin).await;
            assert_eq!(answer.status, 200, "{host} {probe}: a kubelet sends the pod's address");
        }
    }
    for host in ["localhost", "LocalHost:1234", "127.0.0.1:9090", "[::1]", "[::1]:9090"] {
        let answer = ask("GET", "/api/v1/channels", "", Some(OPS)).header("host", host).send(relay.admin).await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_ask_for_their_token_where_there_is_one() {
    let mut plan = Plan::on(shared());
    plan.admin.push_str("\nmetrics_token = { value = \"canary-metrics-token\" }");
    let relay = Relay::start(&plan, Role::Web).await;
    assert_eq!(get(relay.admin, "/metrics").await.status, 401);
    assert_eq!(ask("GET", "/metrics", "", Some(OPS)).send(relay.admin).await.status, 401);
    let answer = ask("GET", "/metrics", "", Some("canary-metrics-token")).send(relay.admin).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(answer.body.ends_with("# EOF\n"));
    assert_eq!(ask("GET", "/api/v1/queue", "", Some("canary-metrics-token")).send(relay.admin).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_its_parts_and_no_secret() {
    let relay = Relay::start(&Plan::on(shared()), Role::All).await;
    let answer = get(relay.admin, "/readyz?verbose").await;
    let parts = answer.json();
    assert_eq!((answer.status, &parts["ready"], &parts["leaving"]), (200, &json!(true), &json!(false)));
    assert_eq!(
        (&parts["channels"]["line-main"], &parts["shops"], &parts["routes"]),
        (&json!("ok"), &json!(4), &json!(1))
    );
    assert_eq!(parts["redis"]["durability"], "local");
    assert!(!answer.body.contains("canary") && !answer.body.contains("unix:"), "{}", answer.body);
    assert_eq!(relay.ops("POST", "/api/v1/channels/line-main/pause", Some(json!({ "secs": 600 }))).await.status, 200);
    let parts = get(relay.admin, "/readyz?verbose").await.json();
    assert_eq!(parts["channels"]["line-main"]["paused"], "channel_paused");
    assert_eq!(relay.ops("POST", "/api/v1/channels/line-main/resume", None).await.status, 200);
    assert_eq!(get(relay.admin, "/readyz?verbose").await.json()["channels"]["line-main"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_are_paged_and_each_is_shown_once() {
    let refuse = json!({ "message": "The request body has 1 error(s)", "details": [{ "message": "May not be empty", "property": "messages[0].text" }] });
    let line = Provider::start(move |seen| match seen.line.contains("/message/push") {
        true => (400, refuse.clone()),
        false => (200, json!({})),
    })
    .await;
    let relay = Relay::start(&Plan::on(shared()).provider(&line.url), Role::All).await;
    let ids = 9001..9008_u64;
    for id in ids.clone() {
        let answer = relay.post(&woo("order.created", woo_order(id, "processing", 5).to_string().as_bytes())).await;
        assert_eq!(answer.status, 200);
    }
    let dead = until("all died", || async {
        let dead = relay.ops("GET", "/api/v1/queue/dead?limit=500", None).await.json();
        let items = dead["items"].as_array()?.clone();
        let orders: BTreeSet<_> = items.iter().map(|i| i["order"].to_string()).collect();
        (orders.len() == ids.clone().count()).then_some(items)
    })
    .await;
    assert!(
        dead.iter().all(|i| i["reason"] == "refused" && i["channel"] == "line-main" && i["remedy"].is_string()),
        "{dead:?}"
    );
    let name = |i: &Value| format!("{}/{}", i["order"], i["item"]);
    let mut seen = Vec::new();
    let mut target = "/api/v1/queue/dead?limit=2".to_string();
    let mut pages = 0;
    loop {
        let page = relay.ops("GET", &target, None).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(name));
        pages += 1;
        let Some(cursor) = page["cursor"].as_str() else { break };
        assert!(!cursor.contains("woo") && !cursor.contains("900"), "a cursor says nothing: {cursor}");
        target = format!("/api/v1/queue/dead?limit=2&cursor={cursor}");
        assert!(pages < 50, "paging does not end");
    }
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "each once: {seen:?}");
    assert_eq!(once, dead.iter().map(name).collect());
    assert!(pages > 2);
}
