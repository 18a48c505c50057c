//! The page that ties a messenger to an order.

use super::customer::{alike, changed, ten_thousand_alike};
use crate::support::orders::{woo, woo_order};
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::wire::{Answer, Request};
use orderwire::boot::run::Role;
use orderwire::domain::clock::plus_secs;
use orderwire::flow::link::{self, Invitation};

const BOT: &str = r#"
[[channel]]
id = "bot"
kind = "telegram"
bot_token = { value = "123456:canary-telegram-token-0123456789" }
webhook_secrets = [{ value = "canary-telegram-webhook-secret-01" }]
start_url = "https://t.me/my_shop_bot?start={code}"
[[route]]
id = "bots"
milestones = ["shipped"]
audience = "customer"
channels = ["bot"]
"#;

async fn start() -> Relay {
    let mut plan = Plan::on(shared());
    plan.routes = format!("{}\n{BOT}", plan.routes);
    Relay::start(&plan, Role::Web).await
}

async fn get(relay: &Relay, target: &str) -> Answer {
    Request::new("GET", target).send(relay.web).await
}

async fn choose(relay: &Relay, page: &str, channel: &str) -> Answer {
    let post = Request::new("POST", page).header("content-type", "application/x-www-form-urlencoded");
    post.body(format!("channel={channel}")).send(relay.web).await
}

fn invited(relay: &Relay, order: &str) -> String {
    let invitation = Invitation { shop: "woo".into(), order: order.into(), shown: None };
    let until = link::good_until(relay.app.clock.now());
    format!("/l/{}", relay.app.live().token_of(&invitation, until).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messenger_is_chosen_and_a_code_leads_there() {
    let relay = start().await;
    let page = invited(&relay, "1");
    let shown = get(&relay, &format!("{page}?lang=vi")).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("Telegram") && link::code_in(&shown.body).is_none(), "{}", shown.body);
    assert!(shown.body.contains("lang=\"vi\""), "{}", shown.body);
    let first = choose(&relay, &page, "bot").await;
    assert_eq!(first.status, 200);
    let code = link::code_in(first.body.split("start=").nth(1).unwrap().split('"').next().unwrap()).unwrap();
    assert!(first.body.contains("<svg"), "a code to scan");
    let second = choose(&relay, &page, "bot").await;
    assert!(!second.body.contains(&code), "every choice makes a code of its own");
    for other in ["line-main", "no-such", ""] {
        let answer = choose(&relay, &page, other).await;
        assert!(answer.status == 200 && link::code_in(&answer.body).is_none(), "{other}: {}", answer.body);
    }
    relay.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_or_over_is_told_the_same() {
    let relay = start().await;
    let page = invited(&relay, "1");
    let token = page.trim_start_matches("/l/");
    let invitation = Invitation { shop: "woo".into(), order: "1".into(), shown: None };
    let live = relay.app.live();
    let over = live.token_of(&invitation, plus_secs(relay.app.clock.now(), -1)).unwrap();
    let gone = get(&relay, "/l/nothing").await;
    assert_eq!(gone.status, 404);
    let (mut forged, mut cut) = (token.to_string(), token.to_string());
    let other = if token.chars().nth(40) == Some('A') { "B" } else { "A" };
    forged.replace_range(40..41, other);
    cut.truncate(token.len() - 4);
    for other in [forged, cut, over] {
        for answer in [get(&relay, &format!("/l/{other}")).await, choose(&relay, &format!("/l/{other}"), "bot").await] {
            assert_eq!((answer.status, &answer.body), (404, &gone.body));
        }
    }
    // A link of another purpose opens nothing here, and this one nothing there.
    assert_eq!(get(&relay, &format!("/p/{token}")).await.status, 404);
    relay.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_key_sees_the_same_whether_there_is_such_an_order() {
    let relay = start().await;
    let order = woo_order(77, "processing", 10);
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
    let mut pages = Vec::new();
    // Known with its own key, known with another, and not known at all.
    for (id, key) in [(77, "wc_order_x"), (77, "wc_order_guess"), (78, "wc_order_x")] {
        let answer = get(&relay, &format!("/l/woo/{id}?key={key}")).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let place = answer.header("location").unwrap().to_string();
        assert!(!place.contains(key), "{place}");
        let page = get(&relay, &place).await;
        let token = place.trim_start_matches("/l/").split('?').next().unwrap().to_string();
        pages.push((page.status, page.body.replace(&token, "TOKEN"), token.len()));
    }
    assert!(pages.iter().all(|p| *p == pages[0]), "{pages:#?}");
    for other in ["/l/woo/77", "/l/woo/77?key=", "/l/nobody/77?key=x"] {
        assert_eq!(get(&relay, other).await.status, 404, "{other}");
    }
    relay.leave().await;
}

/// What an answer tells besides its words.
fn told(answer: &Answer) -> (u16, String) {
    let heads =
        ["content-type", "content-length", "cache-control", "set-cookie", "x-robots-tag", "content-security-policy"];
    let heads: Vec<String> = heads.iter().map(|name| format!("{name}: {:?}", answer.header(name))).collect();
    (answer.status, heads.join("\n"))
}

/// A changed letter at every place of a genuine token, and genuine tokens of other purposes, other shops and old ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_at_a_link_page_learn_nothing() {
    let relay = std::sync::Arc::new(start().await);
    let path = invited(&relay, "1");
    let (soon, live) = (plus_secs(relay.app.clock.now(), 3600), relay.app.live());
    let seal = &live.keyed.as_ref().unwrap().seal;
    let foreign: Vec<String> =
        (0..64).map(|i| format!("/l/{}", seal.token(["form", "track", "page"][i % 3], &[7; 120], soon))).collect();
    let first = get(&relay, "/l/forged").await;
    let before = shared().dump(&relay.prefix);
    let mut running = Vec::new();
    for task in 0..8_usize {
        let (relay, path, foreign) = (relay.clone(), path.clone(), foreign.clone());
        let expected = (told(&first), first.body.clone());
        running.push(tokio::spawn(async move {
            let (mut forged, mut real) = (Vec::new(), Vec::new());
            for i in 0..1250_usize {
                let n = task * 1250 + i;
                let target = if n.is_multiple_of(2) { foreign[n % 64].clone() } else { changed(&path, n) };
                let answer =
                    if n.is_multiple_of(5) { choose(&relay, &target, "bot").await } else { get(&relay, &target).await };
                assert_eq!((told(&answer), answer.body.clone()), expected, "{target}");
                (if n.is_multiple_of(2) { &mut real } else { &mut forged }).push(answer.took);
            }
            (forged, real)
        }));
    }
    ten_thousand_alike(running).await;
    assert_eq!(before, shared().dump(&relay.prefix), "nothing is asked of Redis, and nothing written");
}

/// Keys guessed at an order that there is, and at orders that there are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_at_an_orders_key_learn_nothing() {
    let relay = std::sync::Arc::new(start().await);
    let order = woo_order(77, "processing", 10);
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
    let before = shared().dump(&relay.prefix);
    let mut running = Vec::new();
    for task in 0..8_u32 {
        let relay = relay.clone();
        running.push(tokio::spawn(async move {
            let (mut known, mut unknown, mut seen) = (Vec::new(), Vec::new(), std::collections::BTreeSet::new());
            for i in 0..1250_u32 {
                let n = task * 1250 + i;
                let id = if n.is_multiple_of(2) { 77 } else { 78 };
                // One in a hundred is the right one: it looks like the others.
                let key = if n.is_multiple_of(100) { "wc_order_x".into() } else { format!("wc_order_{n:05}") };
                let answer = get(&relay, &format!("/l/woo/{id}?key={key}")).await;
                let place = answer.header("location").unwrap_or_default().to_string();
                seen.insert((told(&answer), answer.body.clone(), place.len()));
                (if id == 77 { &mut known } else { &mut unknown }).push(answer.took);
            }
            (known, unknown, seen)
        }));
    }
    let (mut known, mut unknown, mut seen) = (Vec::new(), Vec::new(), std::collections::BTreeSet::new());
    for task in running {
        let (k, u, s) = task.await.unwrap();
        known.extend(k);
        unknown.extend(u);
        seen.extend(s);
    }
    assert_eq!((known.len() + unknown.len(), seen.len()), (10_000, 1), "{seen:#?}");
    alike(known, unknown);
    assert_eq!(before, shared().dump(&relay.prefix), "nothing is asked of Redis, and nothing written");
}
