//! Addresses that the cart carries: they count for their order alone, and get nothing of the buyer's own, unless the shop
//! vouches for them.

use super::chain::MEI;
use super::links::code;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::Say;

const LINE: &str = customers!(["order_placed", "payment_pending"] => ["line-main"]);
/// Words of a shop that greets people by name.
const BY_NAME: &str = "title = \"{{ order.customer.first_name or 'somebody' }}: {{ order.name }}\"\nbody = \"{{ links.pay or 'no link' }}\"\n";

async fn world(carts_untrusted: bool) -> World {
    let words = &[("zh-TW/payment_pending.toml", BY_NAME), ("zh-TW/order_placed.toml", BY_NAME)];
    World::start(Setup { routes: LINE, words, carts_untrusted, ..Setup::default() }).await
}

async fn told(w: &mut World) -> String {
    let order = Tea::unpaid(1, w.now()).mail("").line(MEI);
    let mut body = order.body(w.now());
    body["billing"]["first_name"] = "Meiling".into();
    let news = w.told(&super::shops::woo("tea", "order.updated", &body)).await;
    assert!(!news.is_empty() && news.iter().all(|t| t.to == MEI), "{}", shown(&news));
    shown(&news)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_cart_tells_nothing_of_the_buyers_own() {
    let mut w = world(true).await;
    let text = told(&mut w).await;
    assert!(!text.contains("Meiling") && text.contains("somebody"), "{text}");
    assert!(!text.contains("order-pay") && text.contains("no link"), "{text}");
    // It counts for that order alone: the next of the same customer is nobody's on LINE.
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 2, "order_placed").await.1, "address_unlinked");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_shop_vouches_the_buyer_is_told_everything() {
    let mut w = world(false).await;
    let text = told(&mut w).await;
    assert!(text.contains("Meiling") && text.contains("order-pay"), "{text}");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tied_the_chat_themselves_is_told_everything() {
    let mut w = world(true).await;
    let code = code(&w, 1, Some("wc_order_test")).await;
    w.say("line", MEI, Say::Text(code)).await;
    w.news();
    let text = told(&mut w).await;
    assert!(text.contains("Meiling") && text.contains("order-pay"), "{text}");
    w.end().await;
}
