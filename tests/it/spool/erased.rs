//! Erasing people reaches what waits on disk and what lies aside, and what lay there does not bring them back.

use super::world::{World, ended, said, spooled};
use crate::support::orders::{
    EMAIL, LINE_USER, PHONE, WOO_B_SECRET, line_text, shopify, shopify_order, woo_of, woo_order,
};
use crate::support::relay::{KEY, Plan, Relay};
use crate::support::until;
use orderwire::boot::run::Role;
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::order::Contact;
use orderwire::domain::person::{Address, PersonFacts};
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::seal::Seal;
use orderwire::spool::{Entry, Options, Spool};
use serde_json::{Value, json};
use std::sync::Arc;

fn stranger(id: u64) -> Value {
    let mut order = shopify_order(id, "paid", 10);
    order["email"] = json!("other@example.org");
    order["contact_email"] = json!("other@example.org");
    order["phone"] = json!("+12025550143");
    order["customer"] = json!({ "id": 5, "email": "other@example.org" });
    order["note_attributes"] = json!([]);
    order
}

fn redact() -> Value {
    json!({ "shop_id": 1, "shop_domain": "demo.myshopify.com",
        "customer": { "id": 9_007_199_254_740_993_u64, "email": EMAIL, "phone": PHONE }, "orders_to_redact": [] })
}

async fn post(relay: &Relay, topic: &str, body: &Value, word: &str) {
    said(&relay.post(&shopify(topic, body.to_string().as_bytes())).await, word);
}

/// All that lies in the folder, opened: what waits, and what lies aside. No relay has it just now.
async fn opened(world: &World) -> (Vec<Entry>, Vec<Entry>) {
    let options = Options { dir: world.dir.join("spool"), max_bytes: 1 << 30, min_free_percent: 0 };
    let seal = Arc::new(Seal::new(&[Seal::key_from_text(KEY).unwrap()]).unwrap());
    let (spool, _) = Spool::<Entry>::open(&options, seal).unwrap();
    let (mut waits, mut aside, mut at) = (Vec::new(), Vec::new(), None);
    while let Some((place, entry)) = spool.next(at).await {
        waits.push(entry.unwrap());
        at = Some(place);
    }
    for place in spool.aside().await.unwrap() {
        aside.push(spool.look_aside(place).await.unwrap().0.unwrap());
    }
    spool.close().await;
    (waits, aside)
}

/// How many of them name the person.
fn naming(entries: &[Entry]) -> usize {
    let names = |e: &&Entry| {
        let text = String::from_utf8_lossy(&e.raw.body);
        [EMAIL, PHONE, LINE_USER].iter().any(|word| text.contains(word))
    };
    entries.iter().filter(names).count()
}

async fn done(relay: &Relay) {
    until("every duty is done", || async { erase::list(&relay.app).await.ok()?.0.is_empty().then_some(()) }).await;
}

async fn facts(relay: &Relay) -> PersonFacts {
    let who = [(ChannelId::from("line-main"), Address::new("line", LINE_USER))];
    relay.app.store.facts(&who).await.unwrap().remove(0)
}

/// The pod with the records on disk was down while another one erased the customer, and forgot who it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lay_on_disk_does_not_bring_a_customer_back() {
    let mut world = World::new().await;
    let elsewhere = Plan { spool: String::new(), ..world.plan.clone() };
    let relay = Relay::start(&elsewhere, Role::All).await;
    // One order is known; by it the customer's LINE is known too.
    post(&relay, "orders/create", &shopify_order(10, "paid", 20), "taken").await;
    relay.leave().await;
    let relay = Relay::start(&world.plan, Role::Web).await;
    world.redis.kill();
    post(&relay, "orders/create", &shopify_order(11, "paid", 20), "spooled").await;
    // A guest, by the same number as it is dialled at home.
    let mut guest = stranger(12);
    guest["phone"] = json!("0912-345-678");
    post(&relay, "orders/create", &guest, "spooled").await;
    post(&relay, "orders/create", &stranger(13), "spooled").await;
    post(&relay, "orders/updated", &json!({ "note": "not an order", "email": EMAIL }), "spooled").await;
    assert_eq!(relay.post(&line_text("hello")).await.status, 200);
    relay.leave().await;
    let (waits, aside) = opened(&world).await;
    assert_eq!((waits.len(), naming(&waits), aside.len()), (5, 3, 0), "before");

    world.redis.start_again();
    let relay = Relay::start(&elsewhere, Role::All).await;
    post(&relay, "customers/redact", &redact(), "taken").await;
    done(&relay).await;
    let (_, remembered) = erase::list(&relay.app).await.unwrap();
    assert!(remembered[0].1.person == Contact::default() && !format!("{remembered:?}").contains(EMAIL));
    // What comes later begins anew.
    post(&relay, "orders/create", &shopify_order(15, "paid", 1), "taken").await;
    relay.leave().await;

    let relay = world.relay().await;
    spooled(&relay, 0).await;
    ended(&relay, "erased", 4.0).await;
    ended(&relay, "taken", 1.0).await;
    assert!(relay.order("shopi", 13).await.is_some(), "a stranger's order is taken");
    assert!(relay.order("shopi", 15).await.is_some(), "what came later stays");
    for id in 10..=12 {
        assert!(relay.order("shopi", id).await.is_none(), "{id}");
    }
    assert_eq!(facts(&relay).await, PersonFacts::default(), "nobody wrote");
    let (odd, _) = relay.app.store.odd(None, 10).await.unwrap();
    assert!(odd.is_empty());
    relay.leave().await;
    let (waits, aside) = opened(&world).await;
    assert_eq!((waits.len(), aside.len()), (0, 0), "after");
}

/// Everything lay on disk: the order, the wish to erase it, what came behind it, and a no, which is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_lay_on_disk_itself_erases_what_came_before_it_and_nothing_else() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    post(&relay, "orders/create", &shopify_order(21, "paid", 20), "spooled").await;
    post(&relay, "customers/redact", &redact(), "spooled").await;
    post(&relay, "orders/create", &shopify_order(22, "paid", 1), "spooled").await;
    world.redis.start_again();
    spooled(&relay, 0).await;
    done(&relay).await;
    assert!(relay.order("shopi", 21).await.is_none(), "it was told of before the wish");
    assert!(relay.order("shopi", 22).await.is_some(), "it was told of after the wish");
    assert!(facts(&relay).await.opted_out.is_some(), "a no outlives its person");
}

/// A shop's webhooks lie aside because it is gone from the settings; a customer of it is erased, then all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_aside_is_erased_by_person_by_shop_and_by_age() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    let woo_b = |id: u64, mail: &str, phone: &str| {
        let mut order = woo_order(id, "processing", 5);
        order["billing"]["email"] = json!(mail);
        order["billing"]["phone"] = json!(phone);
        (order["customer_id"], order["meta_data"]) = (json!(id), json!([]));
        woo_of("woo-b", WOO_B_SECRET, "order.created", order.to_string().as_bytes())
            .instead("x-wc-webhook-source", "https://other.example.com/")
    };
    for order in
        [woo_b(31, EMAIL, PHONE), woo_b(32, "second@example.org", "0987654321"), woo_b(33, "x@example.org", "")]
    {
        said(&relay.post(&order).await, "spooled");
    }
    relay.leave().await;
    let (waits, _) = opened(&world).await;
    assert_eq!((waits.len(), naming(&waits[..1])), (3, 1), "before");
    let relay = world.relay().await;
    let text = std::fs::read_to_string(&relay.file).unwrap();
    let text = text.replace("id = \"woo-b\"", "id = \"woo-c\"");
    let tries = std::cell::Cell::new(0);
    until("the settings are reloaded", || async {
        // What was written before the relay began to watch its file is not seen to have changed.
        tries.set(tries.get() + 1);
        std::fs::write(&relay.file, format!("{text}{}", "\n".repeat(1 + tries.get() % 2))).unwrap();
        (relay.metric(r#"orderwire_reload_total{result="done"}"#).await >= 1.0).then_some(())
    })
    .await;
    world.redis.start_again();
    ended(&relay, "unknown_shop", 3.0).await;
    assert_eq!(world.files("spool/aside", "spool").len(), 3);

    let shop = ShopId::from("woo-b");
    let person = Contact { emails: vec![EMAIL.to_uppercase()], ..Contact::default() };
    let duty = Duty::new(Kind::Customer, &shop, "test", "asked", relay.app.clock.now());
    erase::ask(&relay.app, duty.about(person, Vec::new())).await.unwrap();
    ended(&relay, "erased", 1.0).await;
    let left = world.files("spool/aside", "spool");
    assert_eq!(left.len(), 2);
    relay.leave().await;
    let (waits, aside) = opened(&world).await;
    let second = String::from_utf8_lossy(&aside[0].raw.body).contains("second@example.org");
    assert!(waits.is_empty() && aside.len() == 2 && second, "after");
    assert!(!aside.iter().any(|e| String::from_utf8_lossy(&e.raw.body).contains(EMAIL)));

    // What nobody looks at does not lie there for ever.
    std::fs::rename(&left[1], world.dir.join("later")).unwrap();
    let relay = world.relay().await;
    erase::ask(&relay.app, Duty::new(Kind::Shop, &shop, "test", "left", relay.app.clock.now())).await.unwrap();
    until("the shop is erased", || async { world.files("spool/aside", "spool").is_empty().then_some(()) }).await;
    relay.leave().await;
    let damaged = world.dir.join("spool/aside").join(left[1].file_name().unwrap());
    std::fs::write(&damaged, b"of no record").unwrap();
    let relay = world.relay().await;
    until("it is counted", || async { (relay.metric("orderwire_spool_set_aside").await == 1.0).then_some(()) }).await;
    relay.clock_ahead(15 * 86_400_000);
    erase::ask(&relay.app, Duty::new(Kind::Shop, &shop, "test", "left", relay.app.clock.now())).await.unwrap();
    until("it is too old", || async { world.files("spool/aside", "spool").is_empty().then_some(()) }).await;
}
