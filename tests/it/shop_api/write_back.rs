//! The shop's people see in the order what became of its messages.

use super::{MEI, ROUTES, tea_hooks, world};
use crate::deliver::shops::{Tea, Wood};
use crate::deliver::world::{Setup, World};
use orderwire::flow::deliver::Crew;
use orderwire::flow::kept::is_note;
use orderwire::flow::writeback;
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

#[tokio::test]
async fn what_happens_while_the_shop_is_down_is_written_when_it_is_back() {
    let world = tea(ShopOptions::default()).await;
    world.mock.fault(Fault::new("woocommerce:api", FaultKind::Status(503, String::new())).times(0));
    let mut order = Tea::paid(506, world.now()).line(MEI);
    saved(&world, &order).await;
    world.pass(31).await;
    world.leap(3600).await;
    order.ship("TW9", world.now());
    saved(&world, &order).await;
    world.pass(31).await;
    assert!(notes(&world, 506).is_empty());
    world.mock.clear_faults();
    world.pass(3601).await;
    world.pass(61).await;
    let written = notes(&world, 506);
    let shipped = written.iter().filter(|note| note.contains("已出貨：")).count();
    assert_eq!((written.len(), shipped), (2, 1), "{written:#?}");
    world.end().await;
}

#[tokio::test]
async fn an_order_that_is_erased_takes_along_what_is_to_be_written_to_it() {
    use orderwire::domain::ids::ShopId;
    use orderwire::flow::erase::{self, Duty, Kind};
    use orderwire::store::keys::{Unit, UnitKind};
    let world = tea(ShopOptions::default()).await;
    saved(&world, &Tea::paid(507, world.now()).line(MEI)).await;
    let (app, id) = (&world.relay.app, ShopId::from("tea"));
    let order = app.store.member(&Unit::order(&id, "507"));
    let note = app.store.member(&Unit { shop: id.clone(), kind: UnitKind::Note, id: order.as_str().into() });
    assert!(app.store.read(&note).await.expect("a record").snapshot.is_some(), "it waits to be written");
    let duty = Duty::new(Kind::Orders, &id, "a test", "because", world.now());
    erase::ask(app, duty.about(Default::default(), vec!["507".into()])).await.expect("taken down");
    crate::support::until("it is erased", || async {
        app.store.duties().await.expect("duties").is_empty().then_some(())
    })
    .await;
    let left = app.store.read(&note).await.expect("a record");
    assert!(left.snapshot.is_none() && left.items.iter().all(|i| !i.state.is_open()), "{left:?}");
    world.pass(60).await;
    assert!(notes(&world, 507).is_empty());
    assert_eq!(app.store.audit().await.expect("an audit").bad, [""; 0]);
    world.end().await;
}

/// Works off all that is due now.
async fn work_off(world: &World, crew: &Crew) {
    world.tick().await;
    while crew.step().await > 0 {}
    crew.idle().await;
}

#[tokio::test]
async fn a_worker_that_dies_behind_the_note_leaves_one_note_and_nothing_open() {
    let world = World::start(Setup { routes: ROUTES, tea: TEA, idle: true, ..Setup::default() }).await;
    tea_hooks(&world);
    let app = &world.relay.app;
    let crew = Crew::new(std::sync::Arc::clone(app));
    let order = Tea::paid(508, world.now()).line(MEI).body(world.now());
    world.mock.save_order(ShopKind::WooCommerce, order).await;
    work_off(&world, &crew).await;
    world.leap(31).await;
    // One takes the note, writes it, and is gone before it could say so.
    let mut written = 0;
    for partition in 0..16 {
        for leased in app.store.lease(partition, 10, "doomed", 120_000).await.expect("leases") {
            let record = app.store.read(&leased.member).await.expect("a record");
            if record.snapshot.as_deref().is_some_and(is_note) {
                drop(writeback::work(app, leased, record).await);
                written += 1;
            }
        }
    }
    assert_eq!((written, notes(&world, 508).len()), (1, 1));
    // Its lease ends, and another goes on. Ticks far apart look like an outage, after which leases get some grace.
    world.leap(130).await;
    for _ in 0..6 {
        world.leap(4).await;
        work_off(&world, &crew).await;
    }
    assert_eq!(notes(&world, 508).len(), 1, "it was found by its key");
    assert_eq!(app.store.stats().await.expect("figures").open, 0);
    assert_eq!(app.store.audit().await.expect("an audit").bad, [""; 0]);
    world.end().await;
}
