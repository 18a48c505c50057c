//! Two customers of a shop become one: their orders are the one's who stays, and the strictest word holds.

use super::world;
use crate::deliver::shops::{Wood, shopify};
use crate::deliver::world::World;
use orderwire::domain::consent::Word;
use orderwire::flow::consent::desk::{self, Who};
use orderwire::flow::kept::read_order;
use orderwire::mock::ShopOptions;
use orderwire::store::keys::Unit;
use serde_json::{Value, json};

fn order(world: &World, id: u64, customer: u64, mail: &'static str) -> Value {
    let mut body = Wood { email: mail, ..Wood::paid(id, world.now()) }.body(world.now());
    body["customer"] = json!({ "id": customer, "email": mail, "first_name": null, "last_name": null });
    body
}

fn who(address: &str) -> Who {
    Who { shop: None, channel: None, address: address.into() }
}

async fn forbidden(world: &World, address: &str) -> Option<String> {
    let standing = desk::show(&world.relay.app, &who(address)).await.expect("a standing");
    standing.into_iter().find(|s| s.channel == "mail").expect("mail").forbidden
}

async fn customer_of(world: &World, id: u64) -> Option<String> {
    let store = &world.relay.app.store;
    let record = store.read(&store.member(&Unit::order(&"wood".into(), &id.to_string()))).await.expect("an order");
    let order = read_order(record.snapshot.as_deref().expect("kept")).expect("readable");
    order.head().and_then(|head| head.contact.customer_id.clone())
}

#[tokio::test]
async fn orders_move_and_what_forbids_either_forbids_both() {
    let mut world = world("", "", ShopOptions::default()).await;
    for (id, customer, mail) in
        [(901, 71, "old@example.com"), (902, 72, "new@example.com"), (903, 73, "else@example.com")]
    {
        let body = order(&world, id, customer, mail);
        world.told(&shopify("wood", "orders/updated", &body, world.now())).await;
    }
    desk::set(&world.relay.app, &who("old@example.com"), Word::Off, "a test").await.expect("said");
    let merged = |status: &str| {
        json!({ "admin_graphql_api_id_customer_kept": "gid://shopify/Customer/72",
            "admin_graphql_api_id_customer_deleted": "gid://shopify/Customer/71",
            "admin_graphql_api_id_job": null, "status": status, "errors": [] })
    };
    world.post(&shopify("wood", "customers/merge", &merged("in_progress"), world.now())).await;
    assert_eq!(world.relay.app.store.duties().await.expect("duties").len(), 0, "not yet");
    world.post(&shopify("wood", "customers/merge", &merged("completed"), world.now())).await;
    crate::support::until("the merge is done", || async {
        world.relay.app.store.duties().await.expect("duties").is_empty().then_some(())
    })
    .await;
    assert_eq!(customer_of(&world, 901).await.as_deref(), Some("72"));
    assert_eq!(customer_of(&world, 902).await.as_deref(), Some("72"));
    assert_eq!(customer_of(&world, 903).await.as_deref(), Some("73"));
    assert_eq!(forbidden(&world, "new@example.com").await.as_deref(), Some("opted_out"));
    assert_eq!(forbidden(&world, "else@example.com").await, None);
    // The remaining customer's next order tells their mailbox nothing.
    let mut body = order(&world, 904, 72, "new@example.com");
    body["note_attributes"] = json!([]);
    let news = world.told(&shopify("wood", "orders/updated", &body, world.now())).await;
    assert!(news.is_empty(), "{news:?}");
    // What is remembered of it names nobody.
    let done = world.relay.app.store.duties_done().await.expect("duties");
    let said: Vec<String> = done.iter().map(|d| String::from_utf8_lossy(&d.said).into_owned()).collect();
    assert!(said.len() == 1 && !said[0].contains("example.com") && !said[0].contains("72"), "{said:?}");
    world.end().await;
}
