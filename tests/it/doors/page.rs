//! The page by which a recipient switches messages off.

use crate::support::orders::{LINE_USER, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::wire::{Answer, Request, get};
use orderwire::boot::run::Role;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::Address;

fn address() -> Address {
    Address::new("line", LINE_USER)
}

/// The path of the link that a message would carry.
fn path(relay: &Relay) -> String {
    relay.old_link(&address(), plus_secs(relay.app.clock.now(), 86_400))
}

fn guarded(answer: &Answer) {
    let csp = answer.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(csp.contains(part), "{csp}");
    }
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert!(!answer.body.contains(LINE_USER) && !answer.body.contains("<script"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_changes_nothing_and_pressing_switches_off() {
    let line = Provider::line().await;
    let relay = Relay::start(&Plan::on(shared()).provider(&line.url), Role::All).await;
    relay.post(&woo("order.created", woo_order(401, "pending", 9).to_string().as_bytes())).await;
    relay.comes_to("woo", 401, "order_placed", "sent").await;
    let path = path(&relay);
    // Mail scanners and link previews open every link, some more than once.
    for request in [
        Request::new("GET", path.clone()),
        Request::new("HEAD", path.clone()),
        Request::new("GET", format!("{path}?x=1")),
    ] {
        let answer = request.send(relay.web).await;
        if request.method == "GET" {
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("<form method=\"post\">"), "it asks");
            guarded(&answer);
        }
    }
    relay.post(&woo("order.created", woo_order(402, "pending", 9).to_string().as_bytes())).await;
    relay.comes_to("woo", 402, "order_placed", "sent").await;
    let one_click = Request::new("POST", path.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .body("List-Unsubscribe=One-Click");
    let answer = one_click.send(relay.web).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("off") && !answer.body.contains("<form"));
    guarded(&answer);
    let before = line.seen_at("POST /v2/bot/message/push").len();
    relay.post(&woo("order.created", woo_order(403, "pending", 9).to_string().as_bytes())).await;
    let item = relay.comes_to("woo", 403, "order_placed", "skipped").await;
    assert_eq!(item["reason"], "opted_out");
    assert_eq!(line.seen_at("POST /v2/bot/message/push").len(), before, "nothing was sent after the answer");
    assert_eq!(one_click.send(relay.web).await.status, 200, "a second press is no fault");
    assert_eq!(Request::new("DELETE", path).send(relay.web).await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_foreign_and_old_links_are_one_404() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    let path = path(&relay);
    let live = relay.app.live();
    let links = live.keyed.as_ref().unwrap();
    let who = serde_json::to_vec(&(ChannelId::from("line-main"), address())).unwrap();
    let soon = plus_secs(relay.app.clock.now(), 3600);
    let of_other_purpose = format!("/p/{}", links.seal.token("link", &who, soon));
    let nonsense = format!("/p/{}", links.seal.token("off", b"not what it should be", soon));
    let over = format!("/p/{}", links.seal.token("off", &who, plus_secs(relay.app.clock.now(), -1)));
    let mut letters: Vec<char> = path.chars().collect();
    let at = letters.len() - 10;
    letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
    let changed: String = letters.into_iter().collect();
    let cut: String = path.chars().take(path.len() - 4).collect();
    let before = shared().dump(&relay.prefix);
    let first = get(relay.web, "/p/forged").await;
    for target in [
        "/p/forged",
        "/p/%00",
        &of_other_purpose,
        &nonsense,
        &over,
        &changed,
        &cut,
        &format!("/p/{}", "A".repeat(5000)),
    ] {
        for method in ["GET", "POST"] {
            let answer = Request::new(method, target).send(relay.web).await;
            assert_eq!((answer.status, &answer.body), (404, &first.body), "{method} {target}");
            guarded(&answer);
        }
    }
    assert_eq!(before, shared().dump(&relay.prefix));
    relay.ahead(shared(), 401 * 86_400_000);
    assert_eq!(get(relay.web, &path).await.status, 404, "a link does not live for ever");
}
