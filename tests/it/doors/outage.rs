//! Redis stands still or dies: what the doors say, and that everything heals by itself.

use crate::support::child::{Orphan, working_in};
use crate::support::orders::{line_text, woo, woo_order};
use crate::support::redis::{Redis, shared, signal};
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::get;
use orderwire::boot::run::Role;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still() {
    let redis = Redis::start();
    let relay = Relay::start(&Plan::on(&redis), Role::All).await;
    let order = woo_order(301, "processing", 5).to_string();
    let webhook = || woo("order.created", order.as_bytes());
    assert_eq!(get(relay.admin, "/readyz").await.status, 200);
    redis.freeze();
    assert_eq!(get(relay.admin, "/livez").await.status, 200);
    assert_eq!(get(relay.admin, "/readyz").await.status, 503);
    assert_eq!(get(relay.admin, "/readyz?verbose").await.json()["redis"], serde_json::Value::Null);
    // Ten webhooks of one order: they queue behind each other, and yet nobody waits longer than the first.
    let storm = (0..10).map(|_| {
        let (web, request) = (relay.web, webhook());
        async move { request.send(web).await }
    });
    for answer in futures_util::future::join_all(storm).await {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.header("retry-after"), Some("30"));
        assert_eq!(answer.body, r#"{"error":"try again"}"#);
        assert!(answer.took < Duration::from_millis(4500), "{:?}", answer.took);
    }
    let answer = relay.post(&line_text("STOP")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.took < Duration::from_millis(1900), "LINE waits two seconds: {:?}", answer.took);
    let answer = relay.ops("GET", "/api/v1/queue", None).await;
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!(get(relay.admin, "/livez").await.status, 200);
    redis.thaw();
    until("it is ready again", || async { (get(relay.admin, "/readyz").await.status == 200).then_some(()) }).await;
    let answer = relay.post(&webhook()).await;
    // A time-out is no "no": the server may have run what its callers had given up.
    assert!(["taken", "duplicate"].contains(&answer.json()["result"].as_str().unwrap()), "{}", answer.body);
    assert!(relay.order("woo", 301).await.unwrap().0.paid());
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    let audit = relay.app.store.audit().await.unwrap();
    assert!(audit.bad.is_empty(), "{:?}", audit.bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_redis_that_is_killed_comes_back_with_everything() {
    let relay = Relay::start(&Plan { store: String::new(), ..Plan::on(shared()) }, Role::All).await;
    let folder = relay.file.parent().unwrap().to_path_buf();
    let orphan = Orphan(folder.clone());
    let body = woo_order(302, "processing", 5).to_string();
    assert_eq!(relay.post(&woo("order.created", body.as_bytes())).await.status, 200);
    for _ in 0..3 {
        let first = orphan.pid().unwrap();
        signal(first, "KILL");
        // Every connection finds it dead at the same moment; one server is started, not one each.
        let storm = (0..20).map(|_| {
            let (web, request) = (relay.web, woo("order.created", body.as_bytes()));
            async move { request.send(web).await.status }
        });
        futures_util::future::join_all(storm).await;
        until("another serves", || async { orphan.pid().filter(|pid| *pid != first) }).await;
        let again = until("the door takes again", || async {
            // While nobody knows yet that it is back, the spool takes what comes.
            let answer = relay.post(&woo("order.created", body.as_bytes())).await;
            (answer.status == 200 && answer.json()["result"] != "spooled").then_some(answer)
        })
        .await;
        assert_eq!(again.json()["result"], "duplicate", "nothing acknowledged was lost");
        until("it is ready", || async { (get(relay.admin, "/readyz").await.status == 200).then_some(()) }).await;
        assert_eq!(working_in(&folder).len(), 1, "one server on one set of files");
    }
    let dir = relay.leave().await;
    let log = std::fs::read_to_string(dir.join("redis/redis.log")).unwrap();
    assert!(orphan.pid().is_none_or(|pid| !Orphan::alive(pid)), "the private server ends with its relay: {log}");
    assert_eq!(working_in(&folder), Vec::<u32>::new(), "{log}");
}
