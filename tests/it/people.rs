//! People answer the rest: death at each place on the way there and back, by a process of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::child::{Serving, run};
use crate::support::dir::{Dir, serial};
use crate::support::orders::{LINE_TOKEN, LINE_USER, line, now};
use crate::support::redis::{Redis, Reply};
use crate::support::relay::{OPS, Plan, READER};
use crate::support::until;
use crate::support::wire::Request;
use orderwire::mock::{LineOptions, Mock, MockOptions, Taken};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The relay's Redis and settings, and the providers.
struct Street {
    redis: Redis,
    plan: Plan,
    mock: Mock,
    dir: Dir,
    file: PathBuf,
}

impl Street {
    async fn make() -> Street {
        let line = LineOptions { token: LINE_TOKEN.into(), ..LineOptions::default() };
        let mock = Mock::start(MockOptions { line, ..MockOptions::default() }).await.unwrap();
        let (redis, dir) = (Redis::start(), Dir::new());
        let mut plan = Plan::on(&redis).provider(&mock.http_url());
        plan.shopify = "[shop.people]\nto = \"staff-slack\"".into();
        plan.routes.push_str(&format!(
            "\n[[channel]]\nid = \"staff-slack\"\nkind = \"slack\"\nbot_token = {{ value = \"xoxb-mock\" }}\n\
             channel = \"C0123456789\"\napi_url = \"{}/api\"\n",
            mock.http_url()
        ));
        let store = format!("[store]\ndir = \"{}\"\n", dir.join("data").display());
        let file = dir.write("orderwire.toml", &plan.text().replace("[store]\n", &store));
        Street { redis, plan, mock, dir, file }
    }

    fn relay(&self, place: &str) -> Serving {
        Serving::to_die(&self.file, &self.dir, "all", place)
    }

    /// The dead one's leases end by themselves after two minutes: no need to wait for that.
    fn end_leases(&self) {
        for lease in self.redis.keys(&self.plan.prefix).iter().filter(|key| key.ends_with("}:lease")) {
            let Reply::List(all) = self.redis.ask(&["ZRANGE", lease, "0", "-1"]) else { continue };
            for member in all {
                self.redis.ask(&["ZADD", lease, "XX", "1", &member.text()]);
            }
        }
    }

    fn told(&self, channel: &str) -> Vec<Taken> {
        self.mock.sent().into_iter().filter(|t| t.channel == channel && !t.duplicate).collect()
    }

    async fn told_so_often(&self, channel: &str, n: usize) -> Vec<Taken> {
        until("it is told", || async { (self.told(channel).len() >= n).then_some(()) }).await;
        self.told(channel)
    }
}

/// What somebody writes, without a token for a free answer: pushes have a key, replies do not.
fn writes(text: &str) -> Request {
    sends(&json!({ "type": "text", "id": "1", "text": text }))
}

/// What somebody sends.
fn sends(message: &Value) -> Request {
    let body = json!({ "destination": "U0", "events": [{
        "type": "message", "mode": "active", "timestamp": now().as_millisecond(),
        "webhookEventId": format!("01P{}", serial()), "deliveryContext": { "isRedelivery": false },
        "source": { "type": "user", "userId": LINE_USER }, "message": message,
    }] });
    line(body.to_string().as_bytes())
}

async fn api(relay: &Serving, method: &str, target: &str, key: &str, body: &Value) -> Value {
    let request = Request::new(method, target).header("authorization", format!("Bearer {OPS}"));
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    serde_json::from_str(&request.body(body.to_string()).send(relay.admin).await.body).unwrap_or_default()
}

/// The conversation's name, as the people are told it.
fn named(told: &Taken) -> String {
    told.text.split("--conversation ").nth(1).unwrap().split_whitespace().next().unwrap().to_string()
}

/// Whether the message says that it may be there already.
fn again(taken: &Taken) -> bool {
    taken.text.contains("may already be here")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_place_loses_no_word_of_a_customer() {
    // How often it is told, and how often of those it says that it may be there.
    for (place, times, marked) in [
        ("after-said:1", 1, 0),
        ("after-lease:1", 1, 0),
        ("after-begin:1", 1, 1),
        ("after-send:1", 2, 1),
        ("before-settle:1", 2, 1),
    ] {
        let street = Street::make().await;
        let mut relay = street.relay(place);
        let asked = writes("is anybody there?");
        let answer = asked.clone().send(relay.web).await;
        assert_eq!(answer.status, if place == "after-said:1" { 0 } else { 200 }, "{place}");
        assert!(!relay.ended().success(), "{place}: it died");
        street.end_leases();
        let relay = street.relay("");
        // The provider repeats what was not answered, and may repeat what was.
        assert_eq!(asked.send(relay.web).await.status, 200, "{place}");
        let told = street.told_so_often("slack", times).await;
        assert_eq!(told.iter().filter(|t| again(t)).count(), marked, "{place}: {told:?}");
        assert!(told.iter().all(|t| t.text.contains("is anybody there?")), "{place}: {told:?}");
        // A further word is told once, behind it.
        assert_eq!(writes("hello?").send(relay.web).await.status, 200);
        let told = street.told_so_often("slack", times + 1).await;
        assert!(told.len() == times + 1 && told[times].text.contains("hello?"), "{place}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_place_says_a_persons_words_once() {
    for place in ["after-said:2", "after-lease:2", "after-begin:2", "after-send:2", "before-settle:2"] {
        let street = Street::make().await;
        let mut relay = street.relay(place);
        assert_eq!(writes("is anybody there?").send(relay.web).await.status, 200);
        let told = street.told_so_often("slack", 1).await;
        let name = named(&told[0]);
        let path = format!("/api/v1/conversations/{name}/replies");
        let words = json!({ "text": "yes, we are", "by": "Mei" });
        api(&relay, "POST", &path, "k1", &words).await;
        assert!(!relay.ended().success(), "{place}: it died");
        street.end_leases();
        let relay = street.relay("");
        // Whoever got no answer says it again under the same key.
        let taken = api(&relay, "POST", &path, "k1", &words).await;
        assert_eq!((&taken["item"], &taken["again"]), (&json!(2), &json!(true)), "{place}: {taken}");
        let told = street.told_so_often("line", 1).await;
        until("it is settled", || async {
            let kept = api(&relay, "GET", &format!("/api/v1/conversations/{name}"), "", &json!({})).await;
            (kept["lines"][1]["state"] == "sent").then_some(())
        })
        .await;
        assert!(
            told.len() == 1 && told[0].to == LINE_USER && told[0].text.contains("yes, we are"),
            "{place}: {told:?}"
        );
        let logged = relay.logged();
        assert!(
            !logged.contains("yes, we are") && !logged.contains("anybody") && !logged.contains(LINE_USER),
            "{logged}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_by_command_sees_what_became_of_it() {
    let street = Street::make().await;
    let relay = street.relay("");
    assert_eq!(writes("is anybody there?").send(relay.web).await.status, 200);
    let told = street.told_so_often("slack", 1).await;
    let name = named(&told[0]);
    let (config, url) = (street.file.display().to_string(), format!("http://{}", relay.admin));
    let call = |words: &[&str]| {
        let all = [&["-c", config.as_str()], words, &["--url", url.as_str()]].concat();
        run(&all)
    };
    let sent = call(&["send", "--conversation", &name, "--text", "yes, until six", "--by", "Mei"]);
    assert_eq!((sent.code, sent.out.trim()), (0, "sent on line-main"), "{sent:?}");
    let shown = call(&["conversation", &name]);
    assert!(shown.out.contains("is anybody there?") && shown.out.contains("Mei"), "{shown:?}");
    assert_eq!(call(&["send", "--conversation", &name]).code, 2, "nothing to say");
    assert_eq!(call(&["send", "--conversation", "none", "--text", "x"]).code, 1);
    assert_eq!(call(&["send", "shopi", "4711", "--text", "x"]).code, 1, "nothing is known of it");
    assert_eq!(call(&["send"]).code, 2);
    assert_eq!(call(&["send", "--saved"]).code, 0);
    let fetched = call(&["conversation", &name, "--fetch", "1.1", "--to", &street.dir.join("x").display().to_string()]);
    assert!(fetched.code == 1 && fetched.err.contains("no attachment"), "{fetched:?}");
    // Whoever may only look reads nobody's words and sends none.
    let reader = |method, target: String| {
        let request = Request::new(method, target).header("authorization", format!("Bearer {READER}"));
        request.header("content-type", "application/json").body(json!({ "text": "x" }).to_string())
    };
    let path = format!("/api/v1/conversations/{name}");
    assert_eq!(reader("GET", path.clone()).send(relay.admin).await.status, 403);
    assert_eq!(reader("POST", format!("{path}/replies")).send(relay.admin).await.status, 403);
    let said = street.told("line");
    assert!(said.len() == 1 && said[0].text.contains("yes, until six"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_customer_sent_is_saved_whole_or_not_at_all() {
    let street = Street::make().await;
    let relay = street.relay("");
    assert_eq!(sends(&json!({ "type": "image", "id": "41" })).send(relay.web).await.status, 200);
    assert_eq!(sends(&json!({ "type": "video", "id": "942" })).send(relay.web).await.status, 200);
    let told = street.told_so_often("slack", 2).await;
    assert!(told[0].text.contains("image (1.1)") && told[1].text.contains("video (2.1)"), "{told:?}");
    let name = named(&told[0]);
    let (config, url) = (street.file.display().to_string(), format!("http://{}", relay.admin));
    let fetch = |which: &str, to: &std::path::Path| {
        run(&["-c", &config, "conversation", &name, "--fetch", which, "--to", &to.display().to_string(), "--url", &url])
    };
    let file = street.dir.join("picture.jpg");
    assert_eq!(fetch("1.1", &file).code, 0);
    assert_eq!(std::fs::read(&file).unwrap(), b"a picture");
    assert_eq!(fetch("1.1", &file).code, 1, "nothing that is there is written over");
    let large = street.dir.join("large.mp4");
    let refused = fetch("2.1", &large);
    assert!(refused.code == 1 && refused.err.contains("more than"), "{refused:?}");
    assert!(!large.exists());
    // At the door it is a file to be saved, whatever it is.
    let path = format!("/api/v1/conversations/{name}/files/1/1");
    let answer = Request::new("GET", path).header("authorization", format!("Bearer {OPS}")).send(relay.admin).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "a picture"));
    for (header, value) in
        [("content-type", "image/jpeg"), ("content-disposition", "attachment"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(answer.header(header), Some(value), "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_shops_people_block_is_answered_by_nobody() {
    let street = Street::make().await;
    let relay = street.relay("");
    assert_eq!(writes("is anybody there?").send(relay.web).await.status, 200);
    let name = named(&street.told_so_often("slack", 1).await[0]);
    let who = json!({ "shop": null, "channel": "line-main", "address": LINE_USER });
    let block = json!({ "who": who, "word": "block", "reason": "a test" });
    assert!(api(&relay, "POST", "/api/v1/consent/set", "b1", &block).await["channels"].is_array());
    let path = format!("/api/v1/conversations/{name}");
    api(&relay, "POST", &format!("{path}/replies"), "k1", &json!({ "text": "yes" })).await;
    let told = street.told_so_often("slack", 2).await;
    assert!(told[1].text.contains("was not sent") && told[1].text.contains("orderwire unblock"), "{told:?}");
    let kept = api(&relay, "GET", &path, "", &json!({})).await;
    assert_eq!(
        (&kept["lines"][1]["state"], &kept["lines"][1]["reason"]),
        (&json!("skipped"), &json!("operator_blocked"))
    );
    assert_eq!(street.told("line").len(), 0);
}
