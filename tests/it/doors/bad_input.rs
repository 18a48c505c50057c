//! One row per case and door. Whatever comes: the documented status, a small constant answer that echoes
//! nothing, in bounded time, and nothing changed in Redis (or one more kept unreadable webhook, where the
//! contract keeps it).

use crate::support::orders::{
    LINE_SECRET, SHOPIFY_SECRET, VERIFY_TOKEN, WOO_B_SECRET, WOO_SECRET, base64_of, line, messenger, shopify,
    shopify_order, woo, woo_of, woo_order,
};
use crate::support::redis::shared;
use crate::support::relay::{OPS, Plan, READER, Relay};
use crate::support::wire::{Pace, Request};
use orderwire::boot::run::Role;
use orderwire::domain::signature::sign;
use std::time::Duration;

/// Words that stand in every bad request; an answer that holds them echoes.
const ECHO: &str = "Ech0Canary";

const UNSIGNED: &str = r#"{"error":"not signed by this shop"}"#;
const STRANGER: &str = r#"{"error":"not from this channel's provider"}"#;
const UNREADABLE: &str = r#"{"ok":true,"result":"unreadable"}"#;
const IGNORED: &str = r#"{"ok":true,"result":"ignored"}"#;
const TAKEN: &str = r#"{"ok":true,"result":"taken"}"#;
const OK: &str = r#"{"ok":true}"#;
const TOO_LARGE: &str = r#"{"error":"too large"}"#;
const TOO_SLOW: &str = r#"{"error":"too slow"}"#;
const COMPRESSED: &str = r#"{"error":"compressed bodies are not taken"}"#;
const POST_ONLY: &str = r#"{"error":"POST only"}"#;
const NO_SHOP: &str = r#"{"error":"unknown shop"}"#;
const NO_CHANNEL: &str = r#"{"error":"unknown channel"}"#;
const NOTHING: &str = r#"{"error":"nothing here"}"#;
const BROKEN: &str = r#"{"error":"broken off"}"#;

/// What a case may leave behind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    /// Nothing at all.
    Nothing,
    /// One more unreadable webhook, kept for a person.
    Odd,
    /// An order.
    Order,
}

struct Row {
    name: &'static str,
    request: Request,
    status: u16,
    body: &'static str,
    leaves: Leaves,
    /// Answered within, milliseconds.
    within: u64,
}

fn row(name: &'static str, request: Request, status: u16, body: &'static str) -> Row {
    Row { name, request, status, body, leaves: Leaves::Nothing, within: 1500 }
}

impl Row {
    fn leaves(self, leaves: Leaves) -> Row {
        Row { leaves, ..self }
    }

    fn within(self, millis: u64) -> Row {
        Row { within: millis, ..self }
    }
}

/// Plays the rows, one after the other, each with Redis before and after; `all` problems at once.
async fn play(relay: &Relay, rows: Vec<Row>) {
    let redis = shared();
    let mut wrong = Vec::new();
    for Row { name, request, status, body, leaves, within } in rows {
        let (before, odd) = (redis.dump(&relay.prefix), redis.odd(&relay.prefix));
        let to = if request.target.starts_with("/api") { relay.admin } else { relay.web };
        let answer = request.send(to).await;
        if (answer.status, answer.body.as_str()) != (status, body) {
            wrong.push(format!("{name}: {} {:?}, wanted {status} {body:?}", answer.status, answer.body));
        }
        if answer.body.contains(ECHO) || answer.headers.iter().any(|(_, v)| v.contains(ECHO)) {
            wrong.push(format!("{name}: the answer echoes"));
        }
        if answer.took > Duration::from_millis(within) {
            wrong.push(format!("{name}: took {:?}", answer.took));
        }
        let after = redis.dump(&relay.prefix);
        let changed: Vec<_> = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, _)| k.clone()).collect();
        let fine = match leaves {
            Leaves::Nothing => changed.is_empty() && before.len() == after.len(),
            Leaves::Odd => redis.odd(&relay.prefix) == odd + 1 && changed.iter().all(|k| k.ends_with(":odd")),
            Leaves::Order => !changed.is_empty() && redis.odd(&relay.prefix) == odd,
        };
        if !fine {
            wrong.push(format!("{name}: changed {changed:?}, unreadable {odd} → {}", redis.odd(&relay.prefix)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn web() -> Relay {
    Relay::start(&Plan::on(shared()), Role::Web).await
}

fn deep(levels: usize) -> Vec<u8> {
    format!(r#"{{"id":7,"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels)).into_bytes()
}

fn padded(size: usize) -> Vec<u8> {
    format!(r#"{{"id":7,"{ECHO}":"{}"}}"#, "x".repeat(size)).into_bytes()
}

/// The cases that are alike at both shops' doors; `limit` is the longest body.
fn of_any_hook(limit: usize, path: &str, header: &'static str, secret: &str, send: fn(&[u8]) -> Request) -> Vec<Row> {
    let odd = |name, body: &[u8]| row(name, send(body), 200, UNREADABLE).leaves(Leaves::Odd);
    let good = format!(r#"{{"id":7,"note":"{ECHO}"}}"#).into_bytes();
    let (good, known) = (good.as_slice(), base64_of(secret, good.as_slice()));
    let hex = hex::encode(sign(secret.as_bytes(), good));
    let signed = |value: String| send(good).instead(header, value);
    let at = |target: &str| Request { target: target.into(), ..send(good) };
    vec![
        odd("malformed", format!(r#"{{"{ECHO}":"#).as_bytes()),
        odd("truncated", format!(r#"{{"id":7,"{ECHO}":"abc"#).as_bytes()),
        odd("ten thousand levels", &deep(10_000)),
        odd("a number beyond all numbers", format!(r#"{{"id":1{},"{ECHO}":1e999999}}"#, "0".repeat(5000)).as_bytes()),
        odd("a lone surrogate in a key", br#"{"id":7,"\ud800":"x"}"#),
        odd("not UTF-8", b"{\"id\":7,\"name\":\"\xff\xfe\"}"),
        odd("two documents", br#"{"id":7}{"id":8}"#),
        row("mis-signed", signed(base64_of("another secret", good)), 401, UNSIGNED),
        row("unsigned", send(good).without(header), 401, UNSIGNED),
        row("signed twice", send(good).header(header, known.clone()), 401, UNSIGNED),
        row(
            "signed twice, the wrong one first",
            signed(base64_of("x", good)).header(header, known.clone()),
            401,
            UNSIGNED,
        ),
        row("two signatures in one", signed(format!("{known}, {known}")), 401, UNSIGNED),
        row("signature in hexadecimal", signed(hex), 401, UNSIGNED),
        row("signature with a prefix", signed(format!("sha256={known}")), 401, UNSIGNED),
        row("signature cut short", signed(known.chars().take(20).collect()), 401, UNSIGNED),
        row("signature empty", signed(String::new()), 401, UNSIGNED),
        row("signature of bytes beyond ASCII", signed("\u{e9}\u{ff}".repeat(20)), 401, UNSIGNED),
        row("signature as long as a head may be", signed("A".repeat(8000)), 401, UNSIGNED),
        row("malformed and unsigned", send(b"{").without(header), 401, UNSIGNED),
        row("empty and unsigned", send(b"").without(header), 401, UNSIGNED),
        row("too large, as declared", send(good).pace(Pace::OnlyLength(limit + 1)), 413, TOO_LARGE),
        row("too large, in chunks", send(&padded(limit)).pace(Pace::Chunked), 413, TOO_LARGE).within(4000),
        row("compressed", send(good).header("content-encoding", "gzip"), 415, COMPRESSED),
        row("compressed by Brotli", send(good).header("content-encoding", "br"), 415, COMPRESSED),
        row("GET", Request { method: "GET".into(), ..send(b"") }, 405, POST_ONLY),
        row("PUT", Request { method: "PUT".into(), ..send(good) }, 405, POST_ONLY),
        row("DELETE", Request { method: "DELETE".into(), ..send(good) }, 405, POST_ONLY),
        row("a method of nobody", Request { method: "MOVE".into(), ..send(good) }, 405, POST_ONLY),
        row("a shop of nobody", at(&format!("{path}{ECHO}")), 404, NO_SHOP),
        row("the path with a slash more", at(&format!("{path}/")), 404, NOTHING),
        row("a doubled slash", at(&format!("/{path}")), 404, NOTHING),
        row("a dotted way round", at(&format!("{path}%2f..%2f{ECHO}")), 404, NO_SHOP),
        row("a dotted way up", at("/hooks/../hooks/%2e%2e/x"), 404, NOTHING),
        row("a zero byte", at(&format!("{path}%00")), 404, NO_SHOP),
        row("not UTF-8 in the path", at(&format!("{path}%ff")), 404, NO_SHOP),
        row(
            "another platform's address",
            at(&path.replace("woocommerce", "x").replace("shopify", "woocommerce")),
            404,
            NO_SHOP,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shopify_hooks() {
    let relay = web().await;
    let send: fn(&[u8]) -> Request = |body| shopify("orders/create", body);
    let mut rows = of_any_hook(6 * 1024 * 1024, "/hooks/shopify/shopi", "x-shopify-hmac-sha256", SHOPIFY_SECRET, send);
    let order = shopify_order(77, "paid", 5).to_string();
    let order = order.as_bytes();
    let bom = [b"\xef\xbb\xbf", order].concat();
    rows.extend([
        row("empty, though signed", send(b""), 401, UNSIGNED),
        row("a list", send(b"[]"), 200, UNREADABLE).leaves(Leaves::Odd),
        row("a byte order mark", send(&bom), 200, IGNORED),
        row("XML", send(b"<order/>").instead("content-type", "text/xml"), 200, IGNORED),
        row("a form, signed", send(b"a=b").instead("content-type", "application/x-www-form-urlencoded"), 200, IGNORED),
        row("a topic of nobody", shopify(ECHO, order), 200, IGNORED),
        row("no topic", send(order).without("x-shopify-topic"), 200, IGNORED),
        row("another shop's name", send(order).instead("x-shopify-shop-domain", "other.myshopify.com"), 401, UNSIGNED),
        row("no shop's name", send(order).without("x-shopify-shop-domain"), 401, UNSIGNED),
        row(
            "at another shop's address",
            Request { target: "/hooks/shopify/shopi-b".into(), ..send(order) },
            401,
            UNSIGNED,
        ),
        row(
            "WooCommerce's signature",
            send(order)
                .without("x-shopify-hmac-sha256")
                .header("x-wc-webhook-signature", base64_of(SHOPIFY_SECRET, order)),
            401,
            UNSIGNED,
        ),
        row("by HTTP/1.0", Request { version: "HTTP/1.0", ..send(order) }, 200, TAKEN).leaves(Leaves::Order),
        row("the same again", send(order), 200, r#"{"ok":true,"result":"duplicate"}"#),
    ]);
    play(&relay, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn woocommerce_hooks() {
    let relay = web().await;
    let send: fn(&[u8]) -> Request = |body| woo("order.updated", body);
    let mut rows = of_any_hook(2 * 1024 * 1024, "/hooks/woocommerce/woo", "x-wc-webhook-signature", WOO_SECRET, send);
    let order = woo_order(77, "processing", 5).to_string();
    let order = order.as_bytes();
    let ping = |body: &str| {
        Request::new("POST", "/hooks/woocommerce/woo")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let twice = |source: &str| woo_of("woo", WOO_SECRET, "order.updated", order).instead("x-wc-webhook-source", source);
    let mut linked = woo_order(79, "processing", 5);
    linked["_links"] = serde_json::json!({ "self": [{ "href": "https://shop.example.com/wp-json/wc/v3/orders/79" }] });
    let shared = woo_of("woo-b", "shared-secret-0123456789abcdef", "order.updated", linked.to_string().as_bytes());
    rows.extend([
        row("the ping", ping("webhook_id=2"), 200, OK),
        row(
            "the ping, encoded as WordPress says",
            ping("webhook_id=2").instead("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
            200,
            OK,
        ),
        row("no ping: a number too much", ping("webhook_id=2&x=1"), 401, UNSIGNED),
        row("no ping: another type", ping("webhook_id=2").instead("content-type", "application/json"), 401, UNSIGNED),
        row("no ping: far too long", ping(&format!("webhook_id={}", "2".repeat(500))), 401, UNSIGNED),
        row("a byte order mark", send(&[b"\xef\xbb\xbf", order].concat()), 200, UNREADABLE).leaves(Leaves::Odd),
        row("a form, signed", send(order).instead("content-type", "text/plain"), 200, IGNORED),
        row("a list", send(b"[]"), 200, IGNORED),
        row("a topic of nobody", woo(ECHO, order), 200, IGNORED),
        row("another site's name", twice("https://other.example.com/"), 401, UNSIGNED),
        row("a site's name that only looks alike", twice("https://shop.example.com.evil.example/"), 401, UNSIGNED),
        row("no site's name", send(order).without("x-wc-webhook-source"), 401, UNSIGNED),
        row("at another shop's address", woo_of("woo-b", WOO_SECRET, "order.updated", order), 401, UNSIGNED),
        row(
            "another shop's order, its own signature",
            shared.instead("x-wc-webhook-source", "https://other.example.com/"),
            200,
            IGNORED,
        ),
        row("another shop's secret", woo_of("woo", WOO_B_SECRET, "order.updated", order), 401, UNSIGNED),
        row("by HTTP/1.0", Request { version: "HTTP/1.0", ..send(order) }, 200, TAKEN).leaves(Leaves::Order),
        row(
            "an escaped name of the shop",
            Request { target: "/hooks/woocommerce/wo%6f".into(), ..send(order) },
            200,
            r#"{"ok":true,"result":"duplicate"}"#,
        ),
    ]);
    play(&relay, rows).await;
}

/// The cases that are alike at both channels' doors.
fn of_any_callback(path: &str, header: &'static str, good: &str, send: fn(&[u8]) -> Request) -> Vec<Row> {
    const LIMIT: usize = 4 * 1024 * 1024;
    let body = format!(r#"{{"events":[],"object":"page","entry":[],"x":"{ECHO}"}}"#);
    let body = body.as_bytes();
    let at = |target: &str| Request { target: target.into(), ..send(body) };
    vec![
        row("malformed", send(format!(r#"{{"{ECHO}":"#).as_bytes()), 200, OK),
        row("empty, signed", send(b""), 200, OK),
        row("a list", send(b"[]"), 200, OK),
        row("a number", send(b"7"), 200, OK),
        row("ten thousand levels", send(&deep(10_000)), 200, OK),
        row(
            "a lone surrogate",
            send(br#"{"events":[{"type":"message\ud800"}],"object":"page","entry":[{"id":"\udc00"}]}"#),
            200,
            OK,
        ),
        row("a byte order mark", send(b"\xef\xbb\xbf{}"), 200, OK),
        row(
            "nobody's events",
            send(br#"{"events":[{}, 7, null, {"type":[]}],"object":"page","entry":[{"id":1e999}, null]}"#),
            200,
            OK,
        ),
        row("another content type", send(body).instead("content-type", "text/plain"), 200, OK),
        row("mis-signed", send(body).instead(header, good), 401, STRANGER),
        row("unsigned", send(body).without(header), 401, STRANGER),
        row("empty and unsigned", send(b"").without(header), 401, STRANGER),
        row(
            "signed twice",
            {
                let r = send(body);
                let v = r.headers.iter().find(|(n, _)| n == header).unwrap().1.clone();
                r.header(header, v)
            },
            401,
            STRANGER,
        ),
        row("signature empty", send(body).instead(header, ""), 401, STRANGER),
        row("signature of bytes beyond ASCII", send(body).instead(header, "sha256=\u{e9}\u{ff}"), 401, STRANGER),
        row("too large, as declared", send(body).pace(Pace::OnlyLength(LIMIT + 1)), 413, TOO_LARGE),
        row("too large, in chunks", send(&padded(LIMIT)).pace(Pace::Chunked), 413, TOO_LARGE).within(4000),
        row("compressed", send(body).header("content-encoding", "gzip"), 415, COMPRESSED),
        row("PUT", Request { method: "PUT".into(), ..send(body) }, 405, ""),
        row("a channel of nobody", at(&format!("/callbacks/{ECHO}")), 404, NO_CHANNEL),
        row("a dotted way round", at("/callbacks/%2e%2e%2fcallbacks"), 404, NO_CHANNEL),
        row("a slash more", at(&format!("{path}/")), 404, NOTHING),
        row("by HTTP/1.0", Request { version: "HTTP/1.0", ..send(body) }, 200, OK),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn line_callbacks() {
    let relay = web().await;
    let other = base64_of(LINE_SECRET, b"another body");
    let mut rows = of_any_callback("/callbacks/line-main", "x-line-signature", &other, line);
    rows.push(row("LINE has no handshake", Request::new("GET", "/callbacks/line-main?hub.challenge=1"), 403, STRANGER));
    play(&relay, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messenger_callbacks() {
    let relay = web().await;
    let other = format!("sha256={}", hex::encode(sign(b"x", b"y")));
    let mut rows = of_any_callback("/callbacks/messenger-page", "x-hub-signature-256", &other, messenger);
    let hello = |mode: &str, token: &str, more: &str| {
        Request::new("GET", format!("/callbacks/messenger-page?hub.mode={mode}&hub.verify_token={token}{more}"))
    };
    rows.extend([
        row("the handshake", hello("subscribe", VERIFY_TOKEN, "&hub.challenge=1158201444"), 200, "1158201444"),
        row("a wrong token", hello("subscribe", ECHO, "&hub.challenge=1158201444"), 403, STRANGER),
        row(
            "no token",
            Request::new("GET", "/callbacks/messenger-page?hub.mode=subscribe&hub.challenge=1"),
            403,
            STRANGER,
        ),
        row("two tokens", hello("subscribe", VERIFY_TOKEN, "&hub.verify_token=x&hub.challenge=1"), 403, STRANGER),
        row("another mode", hello("unsubscribe", VERIFY_TOKEN, "&hub.challenge=1"), 403, STRANGER),
        row("no challenge", hello("subscribe", VERIFY_TOKEN, ""), 403, STRANGER),
        row(
            "a challenge like a novel",
            hello("subscribe", VERIFY_TOKEN, &format!("&hub.challenge={}", "9".repeat(3000))),
            403,
            STRANGER,
        ),
        row(
            "the old signature alone",
            messenger(b"{}").without("x-hub-signature-256").header("x-hub-signature", "sha1=00"),
            401,
            STRANGER,
        ),
    ]);
    play(&relay, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_open_bodies() {
    let relay = web().await;
    let before = shared().dump(&relay.prefix);
    let long = padded(4000);
    let order = woo_order(78, "processing", 5).to_string();
    let hook = |pace| shopify("orders/create", &long).pace(pace);
    let callback = |pace| line(&long).pace(pace);
    // A hook's body has 2.5 s and must bring a kibibyte a second; a callback's has 1 s.
    let cases = [
        ("a byte a second at a hook", hook(Pace::Drip(1000)), 408, TOO_SLOW, 3500),
        ("a half-open hook", hook(Pace::HalfOpen), 408, TOO_SLOW, 3500),
        ("a hook that only promises", woo("order.updated", b"").pace(Pace::OnlyLength(1000)), 408, TOO_SLOW, 3500),
        ("half a head", hook(Pace::HalfHead), 408, "", 6500),
        ("a byte a second at a callback", callback(Pace::Drip(1000)), 408, TOO_SLOW, 2000),
        ("a half-open callback", messenger(&long).pace(Pace::HalfOpen), 408, TOO_SLOW, 2000),
        ("a hook that breaks off", woo("order.updated", order.as_bytes()).pace(Pace::CutOff), 400, BROKEN, 3500),
        ("a callback that breaks off", callback(Pace::CutOff), 400, BROKEN, 2000),
    ];
    let played = cases.into_iter().map(|(name, request, status, body, within)| {
        let web = relay.web;
        async move {
            let answer = request.send(web).await;
            // Whoever hung up may as well get no answer; what counts is that nothing was taken.
            let gone = status == 400 && answer.status == 0;
            let fine = (answer.status, answer.body.as_str()) == (status, body) || gone;
            let fine = fine && answer.took < Duration::from_millis(within);
            (!fine).then(|| format!("{name}: {} {:?} in {:?}", answer.status, answer.body, answer.took))
        }
    });
    let wrong: Vec<String> = futures_util::future::join_all(played).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, shared().dump(&relay.prefix));
    let answer = relay.post(&woo("order.updated", order.as_bytes())).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, TAKEN), "the next one is served as ever");
}

/// Requests at the admin API that it does not serve, and their status.
fn of_the_admin_api() -> Vec<(&'static str, Request, u16)> {
    let post = |target: &str, body: &[u8]| {
        let request = Request::new("POST", target).header("authorization", format!("Bearer {OPS}"));
        request.header("content-type", "application/json").body(body)
    };
    let replay = |body: &[u8]| post("/api/v1/replay", body);
    let discard = format!(r#"{{"shop":"{ECHO}","order":"1","item":1,"reason":"x"}}"#);
    let big = padded(70_000);
    let token = |t: &str| replay(b"{").instead("authorization", t);
    vec![
        ("malformed", replay(format!(r#"{{"{ECHO}"#).as_bytes()), 400),
        ("empty", replay(b""), 400),
        ("a number", replay(b"7"), 400),
        ("an unknown field", replay(br#"{"unknown":1}"#), 400),
        ("ten thousand levels", replay(&deep(10_000)), 400),
        ("a lone surrogate", replay(br#"{"reason":"\ud800"}"#), 400),
        ("a byte order mark", replay(b"\xef\xbb\xbf{}"), 400),
        ("a huge number", replay(br#"{"limit":1e999}"#), 400),
        ("another content type", replay(b"{}").instead("content-type", "text/plain"), 400),
        ("too large, as declared", replay(b"{}").pace(Pace::OnlyLength(70_000)), 400),
        ("too large, in chunks", replay(&big).pace(Pace::Chunked), 400),
        ("a body without a token", replay(b"{").without("authorization"), 401),
        ("a wrong token", token(&format!("Bearer {ECHO}")), 401),
        ("a token of another scheme", token(&format!("Basic {OPS}")), 401),
        ("half a token", token(&format!("Bearer {}", OPS.chars().take(20).collect::<String>())), 401),
        ("a token of bytes beyond ASCII", token("Bearer \u{e9}\u{ff}"), 401),
        (
            "a reader's token",
            post("/api/v1/queue/discard", discard.as_bytes()).instead("authorization", format!("Bearer {READER}")),
            403,
        ),
        ("a shop of nobody", post("/api/v1/queue/discard", discard.as_bytes()), 404),
        ("an order of nobody", Request { method: "GET".into(), ..post("/api/v1/orders/woo/123456", b"") }, 404),
        ("no reason", replay(br#"{"execute":true}"#), 422),
        ("a blank reason", replay(br#"{"execute":true,"reason":"  "}"#), 422),
        (
            "an odd query",
            Request { method: "GET".into(), ..post(&format!("/api/v1/queue/dead?limit={ECHO}"), b"") },
            400,
        ),
        ("an unknown query", Request { method: "GET".into(), ..post("/api/v1/queue/dead?unknown=1", b"") }, 400),
        ("a channel of nobody", post(&format!("/api/v1/channels/{ECHO}/pause"), b"{}"), 404),
        ("a wrong method", Request { method: "PUT".into(), ..replay(b"{}") }, 404),
        ("a path of nobody", post(&format!("/api/v1/{ECHO}"), b"{}"), 404),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_api() {
    let relay = web().await;
    let before = shared().dump(&relay.prefix);
    let mut wrong = Vec::new();
    for (name, request, status) in of_the_admin_api() {
        let answer = request.send(relay.admin).await;
        let problem = answer.header("content-type") == Some("application/problem+json");
        let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let whole = ["type", "title", "status", "detail"].iter().all(|k| document.get(k).is_some());
        if answer.status != status || !problem || !whole || document["status"] != status {
            wrong.push(format!(
                "{name}: {} {:?} {:?}, wanted {status}",
                answer.status,
                answer.header("content-type"),
                answer.body
            ));
        }
        if answer.body.contains(ECHO) {
            wrong.push(format!("{name}: echoes: {}", answer.body));
        }
        if answer.took > Duration::from_millis(1500) {
            wrong.push(format!("{name}: took {:?}", answer.took));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, shared().dump(&relay.prefix));
}
