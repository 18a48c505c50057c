//! What is wrong at a shop is found, with its remedy, and put right where it can be.

use super::{MEI, TEA_HOOK, TEA_SECRET, tea_hooks, world};
use crate::deliver::shops::Tea;
use crate::deliver::world::World;
use crate::support::wire::Request;
use orderwire::domain::ids::ShopId;
use orderwire::flow::doctor;
use orderwire::mock::{ShopHook, ShopKind, ShopOptions};
use orderwire::platform::api::{Finding, Health};

const TEA: &str =
    r#"api = { url = "$HTTP", key = { value = "ck_mock" }, secret = { value = "cs_mock" }, grace = "0s" }"#;
const WRONG_KEY: &str = r#"api = { url = "$HTTP", key = { value = "ck_other" }, secret = { value = "cs_mock" } }"#;
const WOOD: &str = r#"api = { url = "$HTTP", secret = { value = "shpat_mock" }, write_back = "tag", grace = "0s" }"#;

async fn findings(world: &World, shop: &str, fix: bool) -> Vec<Finding> {
    let id = ShopId::from(shop);
    let standings = doctor::look(&world.relay.app, Some(&id), fix).await;
    standings.into_iter().flat_map(|s| s.findings).collect()
}

/// What is wrong, by check.
fn wrong(findings: &[Finding]) -> Vec<&'static str> {
    for finding in findings.iter().filter(|f| f.health == Health::Wrong) {
        assert!(!finding.remedy.is_empty() && !finding.place.is_empty(), "{finding:?}");
    }
    findings.iter().filter(|f| f.health == Health::Wrong).map(|f| f.check).collect()
}

async fn saved(world: &World, id: u64) -> Vec<Result<u16, String>> {
    let order = Tea::paid(id, world.now()).line(MEI).body(world.now());
    world.mock.save_order(ShopKind::WooCommerce, order).await
}

#[tokio::test]
async fn a_shop_in_order_has_nothing_wrong() {
    let world = world(TEA, "", ShopOptions::default()).await;
    tea_hooks(&world);
    saved(&world, 1001).await;
    world.rest().await;
    let found = findings(&world, "tea", false).await;
    assert_eq!(wrong(&found), [""; 0], "{found:#?}");
    let good = found.iter().filter(|f| f.health == Health::Good && f.check == "subscriptions").count();
    assert_eq!(good, 4, "{found:#?}");
    assert!(found.iter().any(|f| f.check == "arrivals" && f.health == Health::Good), "{found:#?}");
    assert!(found.iter().all(|f| !format!("{f:?}").contains(TEA_SECRET)), "no secret in a finding");
    world.end().await;
}

#[tokio::test]
async fn missing_switched_off_misled_and_doubled_webhooks_are_found_and_put_right() {
    let world = world(TEA, "", ShopOptions::default()).await;
    let hook = |topic: &str, url: &str, active| ShopHook {
        id: 0,
        topic: topic.into(),
        url: url.into(),
        active,
        secret: TEA_SECRET.into(),
    };
    let put = |hook: ShopHook| world.mock.put_shop_hook(ShopKind::WooCommerce, hook);
    let kept = put(hook("order.created", TEA_HOOK, true));
    put(hook("order.created", TEA_HOOK, true));
    put(hook("order.updated", TEA_HOOK, false));
    put(hook("order.deleted", "http://old.example.com/hooks/woocommerce/tea/", true));
    let other = put(hook("order.updated", "https://elsewhere.example.com/mine", true));
    let found = findings(&world, "tea", false).await;
    assert_eq!(wrong(&found), ["subscriptions"; 4], "{found:#?}");
    let hooks = world.mock.shop_hooks(ShopKind::WooCommerce);
    assert_eq!(hooks.len(), 5, "a look changes nothing");
    let fixed = findings(&world, "tea", true).await;
    assert_eq!(fixed.iter().filter(|f| f.health == Health::Fixed).count(), 4, "{fixed:#?}");
    assert_eq!(wrong(&findings(&world, "tea", false).await), [""; 0]);
    let hooks = world.mock.shop_hooks(ShopKind::WooCommerce);
    let mut topics: Vec<&str> =
        hooks.iter().filter(|h| h.url == TEA_HOOK && h.active).map(|h| h.topic.as_str()).collect();
    topics.sort();
    assert_eq!(topics, ["order.created", "order.deleted", "order.restored", "order.updated"]);
    assert!(hooks.iter().any(|h| h.id == kept) && hooks.iter().any(|h| h.id == other), "other programs' stay");
    let taken = saved(&world, 1002).await.iter().filter(|answer| **answer == Ok(200)).count();
    assert_eq!(taken, 2, "made with our secret");
    world.end().await;
}

#[tokio::test]
async fn a_wrong_secret_is_seen_by_its_signatures_and_put_right() {
    let world = world(TEA, "", ShopOptions::default()).await;
    for topic in ["order.created", "order.updated", "order.deleted", "order.restored"] {
        let (url, secret) = (TEA_HOOK.into(), "another-secret".into());
        world
            .mock
            .put_shop_hook(ShopKind::WooCommerce, ShopHook { id: 0, topic: topic.into(), url, active: true, secret });
    }
    for id in 1010..1013 {
        assert_eq!(saved(&world, id).await, [Ok(401), Ok(401)]);
    }
    let found = findings(&world, "tea", false).await;
    let checks = wrong(&found);
    assert!(checks.contains(&"secret") && checks.contains(&"arrivals"), "{found:#?}");
    findings(&world, "tea", true).await;
    assert_eq!(saved(&world, 1013).await, [Ok(200), Ok(200)]);
    world.end().await;
}

#[tokio::test]
async fn clocks_cron_and_rights_are_looked_at() {
    let shops = ShopOptions { wp_cron: false, clock_ahead: 300, ..ShopOptions::default() };
    let world = world(TEA, "", shops).await;
    tea_hooks(&world);
    let found = findings(&world, "tea", false).await;
    assert_eq!(wrong(&found), ["clock", "cron"], "{found:#?}");
    world.end().await;
    let world = super::world(WRONG_KEY, "", ShopOptions::default()).await;
    assert!(wrong(&findings(&world, "tea", false).await).contains(&"access"));
    world.end().await;
}

#[tokio::test]
async fn shopifys_subscriptions_scopes_and_customer_data() {
    let scopes = vec!["read_orders".to_string()];
    let shops = ShopOptions { scopes, sees_customers: false, version_retired: true, ..ShopOptions::default() };
    let poor = world("", WOOD, shops).await;
    let order = crate::deliver::shops::Wood::paid(1020, poor.now()).body(poor.now());
    poor.mock.save_order(ShopKind::Shopify, order).await;
    let found = findings(&poor, "wood", false).await;
    let checks = wrong(&found);
    let all = ["scopes", "customer_data", "api_version"];
    assert!(all.iter().all(|check| checks.contains(check)), "{found:#?}");
    let scopes = found.iter().find(|f| f.check == "scopes").expect("scopes");
    assert!(scopes.what.contains("write_orders") && scopes.what.contains("read_fulfillments"), "{scopes:?}");
    poor.end().await;
    let world = super::world("", WOOD, ShopOptions::default()).await;
    // Nothing has come and nothing is subscribed by the API: what is missing is made.
    let found = findings(&world, "wood", true).await;
    assert_eq!(found.iter().filter(|f| f.health == Health::Fixed).count(), 9, "{found:#?}");
    let url = "https://notify.example.com/hooks/shopify/wood";
    let made = world.mock.shop_hooks(ShopKind::Shopify);
    assert!(made.iter().all(|h| h.url == url) && made.iter().any(|h| h.topic == "ORDERS_UPDATED"), "{made:?}");
    let double =
        ShopHook { id: 0, topic: "ORDERS_UPDATED".into(), url: url.into(), active: true, secret: String::new() };
    world.mock.put_shop_hook(ShopKind::Shopify, double);
    assert_eq!(wrong(&findings(&world, "wood", false).await), ["subscriptions"]);
    findings(&world, "wood", true).await;
    assert_eq!(wrong(&findings(&world, "wood", false).await), [""; 0]);
    assert_eq!(world.mock.shop_hooks(ShopKind::Shopify).len(), 9);
    world.end().await;
}

#[tokio::test]
async fn what_the_apps_own_configuration_subscribes_is_left_alone() {
    let mut world = world("", WOOD, ShopOptions::default()).await;
    let order = crate::deliver::shops::Wood::paid(1030, world.now());
    world.mock.save_order(ShopKind::Shopify, order.body(world.now())).await;
    world.told(&order.webhook(world.now())).await;
    let found = findings(&world, "wood", true).await;
    assert_eq!(wrong(&found), [""; 0], "{found:#?}");
    let told = found.iter().find(|f| f.check == "subscriptions").expect("a finding");
    assert!(told.health == Health::Unseen && told.place == "shopify.app.toml", "{told:?}");
    assert!(world.mock.shop_hooks(ShopKind::Shopify).is_empty());
    world.end().await;
}

#[tokio::test]
async fn the_admin_door_asks_for_its_scope_and_knows_its_shops() {
    let world = world(TEA, "", ShopOptions::default()).await;
    let token = std::fs::read_to_string(world.dir().join("store/admin.token")).expect("the relay's own token");
    let post = |path: &str, body: &str, token: &str| {
        let request = Request::new("POST", path).header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json").body(body);
        let admin = world.relay.admin;
        async move { request.send(admin).await }
    };
    let token = token.trim();
    for (path, body, status) in [
        ("/api/v1/doctor", r#"{"shop":"tea"}"#, 200),
        ("/api/v1/doctor", r#"{"shop":"nobody"}"#, 404),
        ("/api/v1/reconcile", r#"{"shop":"tea","dry_run":true}"#, 200),
        ("/api/v1/reconcile", r#"{"shop":"wood"}"#, 422),
        ("/api/v1/reconcile", r#"{"shop":"nobody"}"#, 404),
    ] {
        assert_eq!(post(path, body, token).await.status, status, "{path} {body}");
    }
    assert_eq!(post("/api/v1/doctor", "{}", "none").await.status, 401);
    let wrong = post("/api/v1/doctor", r#"{"shop":"tea"}"#, token).await.json();
    assert_eq!(wrong["wrong"], true, "no webhook is there: {wrong:#}");
    world.end().await;
}
