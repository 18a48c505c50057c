//! The demo's story: what happens in three shops, and what their customers read.

use super::orders::{Shopify, Woo};
use super::world::World;
use crate::cli::{order, out};
use crate::flow::replay::{Filter, Request};
use crate::flow::{explain, queue, replay};
use crate::mock::{Fault, FaultKind, Say, Taken};
use serde_json::json;

/// People of the story.
const MEI: &str = "U4af4980629b0e1f2d3c4b5a697887766";
const LAN: &str = "7200000000000001";

/// Plays everything; gives what did not come out as it should.
pub async fn play(world: &mut World) -> anyhow::Result<Vec<String>> {
    let mut failures = Vec::new();
    taiwan(world, &mut failures).await?;
    vietnam(world, &mut failures).await?;
    shopify(world, &mut failures).await?;
    failing_provider(world, &mut failures).await?;
    dead_letter(world, &mut failures).await?;
    Ok(failures)
}

fn scene(title: &str) {
    out::line(&format!("\n{}", out::bold(&format!("── {title}"))));
}

/// Prints what the providers took, and holds their number against what should have come.
async fn told(
    world: &mut World,
    what: &str,
    expected: &[(&str, &str)],
    failures: &mut Vec<String>,
) -> anyhow::Result<Vec<Taken>> {
    world.rest().await?;
    let news = world.news();
    out::line(&format!("\n▸ {what}"));
    for taken in &news {
        out::line(&format!("  {} ({}) → {}", taken.channel, taken.form, taken.to));
        taken.text.lines().filter(|l| !l.trim().is_empty()).for_each(|l| out::line(&format!("  │ {l}")));
    }
    if news.is_empty() {
        out::line("  (no message)");
    }
    let mut found: Vec<(&str, &str)> = news.iter().map(|t| (t.channel, t.form)).collect();
    let mut wanted = expected.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    if found != wanted {
        failures.push(format!("{what}: expected {wanted:?}, the providers took {found:?}"));
    }
    Ok(news)
}

async fn explained(world: &World, shop: &str, id: u64) -> anyhow::Result<()> {
    let view = explain::order(&world.relay.app, shop, &id.to_string()).await?;
    out::line(&format!("\n  explain {shop} {id}"));
    order::explain_lines(&serde_json::to_value(view)?).iter().for_each(|l| out::line(l));
    Ok(())
}

fn tea(id: u64, world: &World) -> Woo {
    Woo {
        shop: "demo-tw",
        secret: "woo-demo-secret-tw-0123456789abcdef",
        id,
        status: "on-hold",
        paid: None,
        meta: vec![("line_user_id", json!(MEI))],
        created: world.now(),
        who: ("TW", "0912-345-678", "mei@example.com", "1200", "TWD", "高山烏龍茶 150g"),
        method: ("ecpay_atm", "ATM 轉帳"),
    }
}

async fn taiwan(world: &mut World, failures: &mut Vec<String>) -> anyhow::Result<()> {
    scene("WooCommerce in Taiwan · LINE · zh-TW");
    let mut order = tea(1001, world);
    let due = crate::domain::clock::plus_secs(world.now(), 3 * 86_400);
    order.meta.extend([
        ("_ecpay_atm_BankCode", json!("812")),
        ("_ecpay_atm_vAccount", json!("9103522850")),
        ("_ecpay_atm_ExpireDate", json!(due.to_string())),
        ("_shipping_cvs_store_ID", json!("131386")),
        ("_shipping_cvs_store_name", json!("建盛門市")),
    ]);
    world.post(&order.webhook("order.updated", world.now())).await?;
    world.post(&order.webhook("order.created", world.now())).await?;
    told(
        world,
        "placed, to be paid at an ATM (WooCommerce sends `updated` before `created`)",
        &[("line", "push")],
        failures,
    )
    .await?;
    (order.status, order.paid) = ("processing", Some(world.now()));
    world.post(&order.webhook("order.updated", world.now())).await?;
    told(world, "paid", &[("line", "push")], failures).await?;
    let item = json!([{ "tracking_provider": "7-eleven", "tracking_number": "F12345678901", "date_shipped": world.now().as_second().to_string(), "tracking_id": "a1" }]);
    order.meta.push(("_wc_shipment_tracking_items", item));
    world.post(&order.webhook("order.updated", world.now())).await?;
    told(world, "shipped", &[("line", "push")], failures).await?;
    order.status = "ry-at-cvs";
    world.post(&order.webhook("order.updated", world.now())).await?;
    told(world, "waits at the store", &[("line", "push")], failures).await?;
    explained(world, "demo-tw", 1001).await
}

async fn vietnam(world: &mut World, failures: &mut Vec<String>) -> anyhow::Result<()> {
    scene("WooCommerce in Vietnam · Messenger, outside and inside the 24 hours · vi");
    let mut order = Woo {
        shop: "demo-vn",
        secret: "woo-demo-secret-vn-0123456789abcdef",
        id: 2001,
        status: "processing",
        paid: Some(world.now()),
        meta: vec![("messenger_psid", json!(LAN))],
        created: world.now(),
        who: ("VN", "0912 345 678", "lan@example.com", "450000", "VND", "Áo dài lụa"),
        method: ("momo", "Ví MoMo"),
    };
    world.post(&order.webhook("order.created", world.now())).await?;
    told(
        world,
        "placed and paid; Lan never wrote, no template is approved for it: the next channel of the route",
        &[("smtp", "mail")],
        failures,
    )
    .await?;
    let item = json!([{ "tracking_provider": "ghn", "tracking_number": "GHN7788", "date_shipped": world.now().as_second().to_string(), "tracking_id": "b1" }]);
    order.meta.push(("_wc_shipment_tracking_items", item));
    world.post(&order.webhook("order.updated", world.now())).await?;
    told(
        world,
        "shipped; outside the 24 hours, by the page's approved template",
        &[("messenger", "utility")],
        failures,
    )
    .await?;
    let heard = world.mock.say("messenger", LAN, &Say::Text("Xin chào".into())).await.map_err(anyhow::Error::msg)?;
    out::line(&format!("\n▸ Lan writes to the page (the relay answers the callback {heard})"));
    order.status = "completed";
    world.post(&order.webhook("order.updated", world.now())).await?;
    told(world, "delivered; inside the 24 hours, in free words", &[("messenger", "update")], failures).await?;
    explained(world, "demo-vn", 2001).await
}

async fn shopify(world: &mut World, failures: &mut Vec<String>) -> anyhow::Result<()> {
    scene("Shopify · e-mail and Slack · en");
    let mut order = Shopify {
        shop: "demo-en",
        secret: "shopify-demo-secret-0123456789abcdef",
        id: 9_820_982_911_946_154_508,
        name: "#3001",
        financial: "paid",
        fulfillments: Vec::new(),
        created: world.now(),
        who: ("en", "US", "sam@example.com", "48.50", "USD", "Walnut serving board"),
        attributes: Vec::new(),
    };
    let webhook = order.webhook("orders/create", world.now(), "w-1");
    let mut words = std::collections::BTreeMap::<String, u32>::new();
    for n in 0..50 {
        // Other topics and other delivery ids, the same signed body: only what it says counts.
        let again = if n % 2 == 0 { &webhook } else { &order.webhook("orders/paid", order.created, &format!("w-{n}")) };
        *words.entry(world.post(again).await?).or_default() += 1;
    }
    out::line(&format!("\n▸ fifty webhooks of one checkout: {words:?}"));
    let news =
        told(world, "told once: received, and paid", &[("smtp", "mail"), ("slack", "webhook")], failures).await?;
    order.shipped(world.now(), "UPS", "1Z999AA10123456784", "https://www.ups.com/track?tracknum=1Z999AA10123456784");
    world.post(&order.webhook("orders/fulfilled", world.now(), "w-60")).await?;
    told(world, "shipped", &[("smtp", "mail")], failures).await?;
    let link = news
        .iter()
        .find_map(|t| t.header("list-unsubscribe"))
        .and_then(|h| h.split(['<', '>']).find(|p| p.starts_with("https:")));
    match link {
        Some(link) => {
            out::line(&format!("\n▸ Sam unsubscribes with one click (the relay answers {})", world.click(link).await?))
        }
        None => failures.push("the mail carries no List-Unsubscribe link".into()),
    }
    order.fulfillments[0]["shipment_status"] = json!("delivered");
    order.fulfillments[0]["updated_at"] = json!(world.now().to_string());
    world.post(&order.webhook("orders/updated", world.now(), "w-61")).await?;
    told(world, "delivered, after the opt-out", &[], failures).await?;
    explained(world, "demo-en", order.id).await
}

async fn failing_provider(world: &mut World, failures: &mut Vec<String>) -> anyhow::Result<()> {
    scene("A provider that fails, and recovers");
    world.mock.fault(Fault::new("line", FaultKind::Status(500, "{\"message\":\"Internal error\"}".into())));
    world.mock.fault(Fault::new("line", FaultKind::HangAfter(300)));
    let mut order = tea(1002, world);
    (order.status, order.paid) = ("processing", Some(world.now()));
    world.post(&order.webhook("order.created", world.now())).await?;
    told(
        world,
        "placed and paid; LINE fails once, then takes it and never answers: the same key again, one message",
        &[("line", "push")],
        failures,
    )
    .await?;
    explained(world, "demo-tw", 1002).await
}

async fn dead_letter(world: &mut World, failures: &mut Vec<String>) -> anyhow::Result<()> {
    scene("A message that a provider refuses, and its replay");
    let refusal = json!({ "message": "The request body has 1 error(s)", "details": [{ "message": "May not be empty", "property": "messages[0].text" }] });
    world.mock.fault(Fault::new("line", FaultKind::Status(400, refusal.to_string())));
    let mut order = tea(1003, world);
    (order.status, order.paid) = ("processing", Some(world.now()));
    world.post(&order.webhook("order.created", world.now())).await?;
    told(world, "placed and paid; LINE refuses the message", &[], failures).await?;
    let app = &world.relay.app;
    for dead in queue::dead(app, None, 10).await?.items {
        let reason = dead.reason.unwrap_or_default();
        out::line(&format!("  dead: {} {} item {} {} ({reason})", dead.shop, dead.name, dead.item, dead.milestone));
    }
    let mut request =
        Request { filter: Filter { outcome: Some("dead".into()), ..Filter::default() }, ..Request::default() };
    let dry = replay::page(app, &request, "demo").await?;
    dry.lines
        .iter()
        .for_each(|l| out::line(&format!("  replay, dry: {} {} {}: {}", l.name, l.milestone, l.action, l.what)));
    (request.execute, request.reason) = (true, Some("LINE took it back".into()));
    let run = replay::page(app, &request, "demo").await?;
    let id = run.run.map(|r| r.id).unwrap_or_default();
    told(world, &format!("replayed by {id}"), &[("line", "push")], failures).await?;
    explained(world, "demo-tw", 1003).await
}
