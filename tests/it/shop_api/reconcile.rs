//! What lost webhooks would have told is told once, and what came is told by nobody twice.

use super::{MEI, tea_hooks, world};
use crate::deliver::shops::{Tea, Wood};
use crate::deliver::world::World;
use orderwire::domain::ids::ShopId;
use orderwire::flow::reconcile::{self, Report};
use orderwire::mock::{Fault, FaultKind, ShopHook, ShopKind, ShopOptions, Taken};
use std::time::Duration;

const TEA: &str =
    r#"api = { url = "$HTTP", key = { value = "ck_mock" }, secret = { value = "cs_mock" }, grace = "0s" }"#;
const WOOD: &str = r#"api = { url = "$HTTP", secret = { value = "shpat_mock" }, grace = "0s" }"#;
const POLLED: &str = r#"api = { url = "$HTTP", key = { value = "ck_mock" }, secret = { value = "cs_mock" }, grace = "30s", poll = "30s" }"#;

async fn look(world: &World, shop: &str) -> Report {
    world.rest().await;
    let report = reconcile::look(&world.relay.app, &ShopId::from(shop), None, false).await.expect("a look");
    world.rest().await;
    report
}

/// Orders' changes of the shop by what the measure says of them.
fn counted(world: &World, shop: &str) -> [u64; 2] {
    let text = world.relay.app.metrics.encode();
    ["seen", "missed"].map(|result| {
        let line = format!("orderwire_reconcile_orders_total{{shop=\"{shop}\",result=\"{result}\"}} ");
        text.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).expect("the measure")
    })
}

/// What people read, and who, in an order that does not hang on when it came.
fn read(news: &[Taken]) -> Vec<(String, String)> {
    let mut read: Vec<_> = news.iter().map(|t| (t.to.clone(), t.text.clone())).collect();
    read.sort();
    read
}

/// A shop's story of orders that are paid, and an hour later delivered, of whose webhooks so many of ten are lost.
async fn tea_story(lost: u64) -> (Vec<(String, String)>, [u64; 2]) {
    let mut world = world(TEA, "", ShopOptions::default()).await;
    tea_hooks(&world);
    assert_eq!(look(&world, "tea").await.missed, 0);
    world.mock.lose_webhooks(lost);
    world.leap(3600).await;
    // One moment for all, or what falls together would be told in another order of words.
    let made = world.now();
    let mut orders: Vec<Tea> = Vec::new();
    for i in 0..25 {
        let user = format!("U{i:032x}");
        orders.push(Tea::paid(700 + i, made).line(&user));
    }
    for order in &orders {
        world.mock.save_order(ShopKind::WooCommerce, order.body(made)).await;
    }
    look(&world, "tea").await;
    world.leap(3600).await;
    let done = world.now();
    for order in &mut orders {
        order.status = "completed";
        world.mock.save_order(ShopKind::WooCommerce, order.body(done)).await;
    }
    look(&world, "tea").await;
    // Once more, and once more: there is nothing left to tell, and nothing is counted twice.
    for _ in 0..2 {
        world.leap(60).await;
        assert_eq!(look(&world, "tea").await.missed, 0);
    }
    let (news, counted) = (read(&world.news()), counted(&world, "tea"));
    world.end().await;
    (news, counted)
}

#[tokio::test]
async fn with_three_of_ten_webhooks_lost_the_same_is_told_as_with_none_and_the_measure_says_so() {
    let (whole, none) = tea_story(0).await;
    assert_eq!(none, [50, 0]);
    assert!(whole.len() >= 50, "each order is told at least twice: {}", whole.len());
    let mut once = whole.clone();
    once.dedup();
    assert_eq!(once, whole, "nothing is told twice");
    let (told, measured) = tea_story(3).await;
    assert_eq!(told, whole);
    assert_eq!(measured, [35, 15], "30 % were lost");
}

async fn wood_story(lost: u64) -> (Vec<(String, String)>, [u64; 2]) {
    let mut world = world("", WOOD, ShopOptions::default()).await;
    let url = "https://notify.example.com/hooks/shopify/wood".to_string();
    let hook = ShopHook { id: 0, topic: "ORDERS_UPDATED".into(), url, active: true, secret: String::new() };
    world.mock.put_shop_hook(ShopKind::Shopify, hook);
    assert_eq!(look(&world, "wood").await.missed, 0);
    world.mock.lose_webhooks(lost);
    world.leap(3600).await;
    let made = world.now();
    let mut orders: Vec<Wood> = Vec::new();
    for i in 0..10 {
        let to = vec![("line_user_id", format!("U{i:032x}"))];
        orders.push(Wood { attributes: to, ..Wood::paid(800 + i, made) });
    }
    for order in &orders {
        world.mock.save_order(ShopKind::Shopify, order.body(made)).await;
    }
    look(&world, "wood").await;
    world.leap(3600).await;
    let done = world.now();
    for order in &mut orders {
        order.ship(&format!("1Z{}", order.id), done);
        world.mock.save_order(ShopKind::Shopify, order.body(done)).await;
    }
    look(&world, "wood").await;
    world.leap(60).await;
    assert_eq!(look(&world, "wood").await.missed, 0);
    let (news, counted) = (read(&world.news()), counted(&world, "wood"));
    world.end().await;
    (news, counted)
}

#[tokio::test]
async fn the_same_at_shopify_by_graphql() {
    let (whole, none) = wood_story(0).await;
    assert_eq!(none, [20, 0]);
    let (told, measured) = wood_story(3).await;
    assert_eq!(told, whole);
    assert_eq!(measured, [14, 6]);
}

#[tokio::test]
async fn a_running_relay_looks_by_itself_and_leaves_to_webhooks_what_is_fresh() {
    let mut world = world(POLLED, "", ShopOptions::default()).await;
    world.leap(60).await;
    // The mark is made by the first look of the loop.
    let name = "reconcile/tea";
    crate::support::until("the shop is asked once", || async {
        use orderwire::domain::keeper::Keeper as _;
        world.relay.app.store.load(name).await.expect("Redis")
    })
    .await;
    // No webhook leads to the relay at all.
    world.mock.save_order(ShopKind::WooCommerce, Tea::paid(710, world.now()).line(MEI).body(world.now())).await;
    let fresh = reconcile::look(&world.relay.app, &"tea".into(), None, true).await.expect("a look");
    assert_eq!((fresh.seen, fresh.missed), (0, 0), "its webhook may still come");
    world.leap(120).await;
    assert!(world.mock.wait_for(1, Duration::from_secs(30)).await, "it is told without anybody asking");
    world.rest().await;
    let told = world.news().len();
    world.pass(120).await;
    assert_eq!((world.news().len(), counted(&world, "tea")), (0, [0, 1]), "after {told} messages");
    world.end().await;
}

#[tokio::test]
async fn a_shop_that_fails_moves_nothing_on_and_a_dry_look_changes_nothing() {
    let mut world = world(TEA, "", ShopOptions::default()).await;
    look(&world, "tea").await;
    world.leap(600).await;
    for i in 0..45 {
        let order = Tea::paid(720 + i, world.now()).line(MEI).mail("");
        world.mock.save_order(ShopKind::WooCommerce, order.body(world.now())).await;
    }
    let id = ShopId::from("tea");
    let dry = reconcile::look(&world.relay.app, &id, None, true).await.expect("a look");
    assert_eq!((dry.missed, dry.mark, dry.lines.len()), (45, None, 45));
    assert!(dry.lines[0].owes.iter().any(|m| m == "order_placed"), "{:?}", dry.lines[0]);
    assert!(orderwire::flow::explain::order(&world.relay.app, "tea", "720").await.is_err(), "nothing is known of it");
    // The second page fails: what the first told is taken in, and the rest is not lost.
    world.mock.fault(Fault { after: 1, ..Fault::new("woocommerce:api", FaultKind::Status(500, String::new())) });
    let failed = reconcile::look(&world.relay.app, &id, None, false).await;
    assert!(failed.is_err(), "{failed:?}");
    let first = counted(&world, "tea")[1];
    assert!((1..45).contains(&first), "{first}");
    look(&world, "tea").await;
    assert_eq!(counted(&world, "tea")[1], 45, "each is missed once");
    world.rest().await;
    let placed = read(&world.news());
    let mut once = placed.clone();
    once.dedup();
    assert_eq!(once, placed, "none is told twice");
    world.end().await;
}

#[tokio::test]
async fn an_order_that_was_old_when_it_was_heard_of_tells_nothing() {
    let mut world = world(TEA, "", ShopOptions::default()).await;
    look(&world, "tea").await;
    let long_ago = orderwire::domain::clock::plus_secs(world.now(), -9 * 86_400);
    let old = Tea { created: long_ago, paid: Some(long_ago), ..Tea::paid(790, world.now()).line(MEI) };
    world.mock.save_order(ShopKind::WooCommerce, old.body(world.now())).await;
    let (app, id) = (&world.relay.app, ShopId::from("tea"));
    let since = Some(orderwire::domain::clock::plus_secs(world.now(), -3600));
    let report = reconcile::look(app, &id, since, false).await.expect("a look");
    assert_eq!((report.missed, report.mark), (1, None), "a look from a time given moves nothing on");
    world.rest().await;
    assert!(world.news().is_empty(), "what it had reached before it was heard of is not news");
    world.end().await;
}

#[tokio::test]
async fn one_process_asks_a_shop_at_a_time() {
    let world = world(TEA, "", ShopOptions::default()).await;
    assert!(world.relay.app.store.claim_run("reconcile/tea", "another", 60_000).await.expect("Redis"));
    let second = reconcile::look(&world.relay.app, &ShopId::from("tea"), None, false).await;
    assert!(matches!(second, Err(reconcile::Trouble::Taken)), "{second:?}");
    world.end().await;
}
