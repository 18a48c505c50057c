//! The shop's people see in the order what became of its messages.

use super::{MEI, tea_hooks, world};
use crate::deliver::shops::{Tea, Wood};
use crate::deliver::world::World;
use orderwire::mock::{Fault, FaultKind, ShopKind, ShopOptions};

const TEA: &str =
    r#"api = { url = "$HTTP", key = { value = "ck_mock" }, secret = { value = "cs_mock" }, write_back = "note" }"#;
const TAG: &str = r#"api = { url = "$HTTP", secret = { value = "shpat_mock" }, write_back = "tag" }"#;
const METAFIELD: &str = r#"api = { url = "$HTTP", secret = { value = "shpat_mock" }, write_back = "metafield" }"#;

async fn tea(shops: ShopOptions) -> World {
    let world = world(TEA, "", shops).await;
    tea_hooks(&world);
    world
}

/// Texts of an order's notes.
fn notes(world: &World, id: u64) -> Vec<String> {
    let text = |note: &serde_json::Value| {
        assert_eq!(note["customer_note"], false, "a customer must not see it: {note}");
        note["note"].as_str().unwrap_or_default().to_string()
    };
    world.mock.notes(id).iter().map(text).collect()
}

async fn saved(world: &World, order: &Tea) {
    let answers = world.mock.save_order(ShopKind::WooCommerce, order.body(world.now())).await;
    assert!(!answers.is_empty() && answers.iter().all(|a| *a == Ok(200)), "{answers:?}");
    world.rest().await;
}

#[tokio::test]
async fn what_was_sent_stands_in_one_private_note_and_its_own_webhook_tells_nothing() {
    let mut world = tea(ShopOptions::default()).await;
    saved(&world, &Tea::paid(501, world.now()).line(MEI)).await;
    assert!(!world.news().is_empty(), "the customer was told");
    assert!(notes(&world, 501).is_empty(), "what happens within a moment is gathered");
    world.pass(31).await;
    let written = notes(&world, 501);
    let [note] = written.as_slice() else { panic!("{written:#?}") };
    assert!(note.starts_with("傳給顧客的通知：\n") && note.contains("已由 line-main 傳送"), "{note}");
    assert!(note.contains("訂單") && !note.contains(MEI) && !note.contains("mei@"), "{note}");
    let lines = note.lines().count();
    let before = world.view("tea", 501).await.items.len();
    assert_eq!(lines, before + 2, "a line for each message, a title, a mark: {note}");
    // A plugin saves the order because of the note: the webhook of that is no event.
    saved(&world, &Tea::paid(501, world.now()).line(MEI)).await;
    world.pass(120).await;
    assert!(world.news().is_empty(), "nothing is told twice");
    assert_eq!((notes(&world, 501).len(), world.view("tea", 501).await.items.len()), (1, before));
    world.end().await;
}

#[tokio::test]
async fn what_was_withheld_is_written_with_its_reason_and_later_news_in_a_later_note() {
    let world = tea(ShopOptions::default()).await;
    // Nobody to reach: no messenger, and the mailbox is none.
    let mut order = Tea::paid(502, world.now()).mail("");
    saved(&world, &order).await;
    world.pass(4 * 86_400).await;
    world.pass(31).await;
    let written = notes(&world, 502);
    let all = written.join("\n");
    assert!(all.contains("未傳送，原因：沒有可用的聯絡方式"), "{all}");
    order = order.line(MEI);
    order.ship("TW123", world.now());
    saved(&world, &order).await;
    world.pass(31).await;
    let more = notes(&world, 502);
    assert_eq!(more.len(), written.len() + 1, "{more:#?}");
    let last = more.last().expect("a note");
    assert!(last.contains("已出貨：已由 line-main 傳送"), "{last}");
    assert!(!last.contains("未傳送"), "what was written is not written again: {last}");
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_note() {
    let world = tea(ShopOptions::default()).await;
    // Taken, and the connection is cut: it stands there, and nobody knows.
    world.mock.fault(Fault::new("woocommerce:api", FaultKind::CutAfter));
    saved(&world, &Tea::paid(503, world.now()).line(MEI)).await;
    world.pass(31).await;
    assert_eq!(notes(&world, 503).len(), 1);
    world.pass(40).await;
    world.pass(200).await;
    assert_eq!(notes(&world, 503).len(), 1, "it was found by its key");
    // Not taken at all: written once the shop answers again.
    world.mock.fault(Fault::new("woocommerce:api", FaultKind::Status(503, String::new())).times(3));
    saved(&world, &Tea::paid(504, world.now()).line(MEI)).await;
    for _ in 0..6 {
        world.pass(130).await;
    }
    assert_eq!(notes(&world, 504).len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_shop_that_forbids_it_is_asked_again_later_and_messages_go_all_the_same() {
    let mut world = tea(ShopOptions { woo_writes: false, ..ShopOptions::default() }).await;
    saved(&world, &Tea::paid(505, world.now()).line(MEI)).await;
    assert!(!world.news().is_empty());
    world.pass(31).await;
    let refused = |world: &World| {
        let text = world.relay.app.metrics.encode();
        let line = "orderwire_write_back_total{shop=\"tea\",outcome=\"refused\"} ";
        text.lines().find_map(|l| l.strip_prefix(line)?.parse::<u64>().ok()).unwrap_or_default()
    };
    assert_eq!(refused(&world), 1);
    world.pass(3601).await;
    assert_eq!((refused(&world), notes(&world, 505).len()), (2, 0));
    // After two days it is given up, and nothing is owed any more.
    world.pass(2 * 86_400).await;
    world.pass(3601).await;
    let audit = world.relay.app.store.audit().await.expect("an audit");
    assert_eq!(audit.bad, [""; 0]);
    assert_eq!(world.relay.app.store.stats().await.expect("figures").open, 0);
    world.end().await;
}

#[tokio::test]
async fn a_tag_at_shopify_and_its_webhook_tells_nothing() {
    let mut world = world("", TAG, ShopOptions::default()).await;
    let order = Wood { attributes: vec![("line_user_id", MEI.into())], ..Wood::paid(601, world.now()) };
    world.mock.save_order(ShopKind::Shopify, order.body(world.now())).await;
    world.told(&order.webhook(world.now())).await;
    world.pass(31).await;
    let tagged = world.mock.order(ShopKind::Shopify, 601).expect("the order");
    assert_eq!(tagged["tags"], "orderwire-sent");
    let items = world.view("wood", 601).await.items.len();
    // Shopify tells of the tag: a newer state of the order, with a tag.
    let told = crate::deliver::shops::shopify("wood", "orders/updated", &tagged, world.now());
    assert!(world.told(&told).await.is_empty());
    world.pass(120).await;
    assert_eq!(world.view("wood", 601).await.items.len(), items);
    assert!(world.news().is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_metafield_at_shopify_holds_the_whole_story() {
    let mut world = world("", METAFIELD, ShopOptions::default()).await;
    let mut order = Wood { attributes: vec![("line_user_id", MEI.into())], ..Wood::paid(602, world.now()) };
    world.mock.save_order(ShopKind::Shopify, order.body(world.now())).await;
    world.told(&order.webhook(world.now())).await;
    world.pass(31).await;
    let first = world.mock.metafield(602).expect("a metafield");
    assert!(first.starts_with("Messages to the customer:\n") && first.contains("sent by line-main"), "{first}");
    world.leap(3600).await;
    order.ship("1Z999", world.now());
    world.told(&order.webhook(world.now())).await;
    world.pass(31).await;
    let second = world.mock.metafield(602).expect("a metafield");
    assert!(
        second.contains("Shipped: sent by line-main") && second.lines().count() > first.lines().count(),
        "{second}"
    );
    world.end().await;
}
