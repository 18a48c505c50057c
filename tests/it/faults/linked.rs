//! Death while a chat is being tied to an order: never a code that is used up and ties nothing.

use super::points::died;
use super::relay::Relay;
use super::world::{Redis, World};
use crate::support::orders::{woo_of, woo_order};
use crate::support::wire::Request;
use orderwire::flow::link;
use orderwire::mock::Say;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SECRET: &str = "secret-of-woo-page-0123456789abcdef";
const OTHER: &str = "7700000000000099";

/// Places that a tie passes, from the code to the last step.
const PLACES: [&str; 3] = ["after-redeem:1", "after-commit:1", "after-link:1"];

async fn order_placed(world: &World, id: u64) -> Value {
    let path = format!("/api/v1/orders/woo-page/{id}");
    let view = world.ask(reqwest::Method::GET, &path).await.unwrap_or_default();
    let items = view["items"].as_array().cloned().unwrap_or_default();
    let main = |i: &Value| i["milestone"] == "order_placed" && i["slot"] == "main";
    items.into_iter().find(main).unwrap_or_default()
}

/// Waits until nothing is missing.
async fn until(what: &str, missing: impl AsyncFn() -> Option<String>) {
    let started = Instant::now();
    while let Some(missing) = missing().await {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}: {missing}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the order's first message stands so.
async fn stands(world: &World, id: u64, field: &str, values: &[&str]) {
    let missing = async || {
        let item = order_placed(world, id).await;
        (!values.iter().any(|value| item[field] == *value)).then(|| item.to_string())
    };
    until(&format!("{field} {values:?}"), missing).await;
}

/// A code, as a customer gets one: a link of the shop's, its page, a messenger chosen there.
async fn code(world: &World, relay: &Relay, id: u64) -> String {
    let made = world.tell("/api/v1/link", &json!({ "shop": "woo-page", "order": id.to_string() })).await.unwrap();
    let page = made["url"].as_str().unwrap().trim_start_matches("https://notify.example.com").to_string();
    let choice = Request::new("POST", page).header("content-type", "application/x-www-form-urlencoded");
    let shown = choice.body("channel=messenger-page").send(relay.public.unwrap()).await.body;
    link::code_in(shown.split("?ref=").nth(1).unwrap().split('"').next().unwrap()).unwrap()
}

/// What the page sent this person that holds these words.
fn told(world: &World, person: &str, words: &str) -> usize {
    let sent = world.mock.sent();
    let holds = |text: &str| text.contains(words);
    sent.iter().filter(|t| t.channel == "messenger" && t.to == person && (holds(&t.text) || holds(&t.title))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_step_of_a_tie_leaves_the_code_or_the_tie() {
    let mut world = World::make("linked", Redis::Own).await;
    let start = "timeout = \"1s\"\nstart_url = \"https://m.me/1?ref={code}\"";
    world.change("kind = \"messenger\"", "timeout = \"1s\"", start);
    for (n, place) in PLACES.into_iter().enumerate() {
        let (id, person) = (910 + n as u64, format!("770000000000000{n}"));
        let mut relay = world.start("all").await;
        let mut order = woo_order(id, "processing", 5);
        for part in ["billing", "shipping"] {
            order[part]["country"] = json!("US");
        }
        let order = order.to_string();
        let post = woo_of("woo-page", SECRET, "order.created", order.as_bytes());
        assert_eq!(post.send(relay.public.unwrap()).await.status, 200);
        stands(&world, id, "reason", &["address_unlinked"]).await;
        let code = code(&world, &relay, id).await;
        relay.end().await;
        world.close();
        let mut relay = world.spawn("all", Some(place));
        let up = world.open(&mut relay).await;
        // The provider hears nothing of this one, and will say it again.
        let heard = world.mock.say("messenger", &person, &Say::Link(code.clone())).await;
        assert_ne!(heard, Ok(200), "{place}");
        died(&mut relay, place, &up).await;
        world.close();
        let mut relay = world.start("all").await;
        // Whoever was first has it, death or not: nobody else gets in between.
        assert_eq!(world.mock.say("messenger", OTHER, &Say::Link(code.clone())).await, Ok(200), "{place}");
        for _ in 0..2 {
            assert_eq!(world.mock.say("messenger", &person, &Say::Link(code.clone())).await, Ok(200), "{place}");
        }
        stands(&world, id, "state", &["sent", "delivered", "read"]).await;
        assert_eq!(world.mock.say("messenger", &person, &Say::Text("my orders".into())).await, Ok(200));
        let answered =
            async || (told(&world, &person, &id.to_string()) < 2).then(|| format!("{:?}", world.mock.sent()));
        until("they are answered", answered).await;
        world.rest().await;
        assert_eq!(told(&world, &person, &format!("MARK #{id} order_placed")), 1, "{place}: {:?}", world.mock.sent());
        assert_eq!(told(&world, OTHER, &id.to_string()), 0, "{place}: somebody else was told of it");
        relay.end().await;
        world.close();
    }
}
