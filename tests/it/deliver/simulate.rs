//! What a captured webhook would do is said by the same steps that then do it; saying it writes nothing and asks nobody.

use super::chain::MEI;
use super::shops::{Tea, Webhook};
use super::world::{Setup, World, customers};
use orderwire::domain::webhook::RawWebhook;
use orderwire::flow::simulate::{self, Foreseen};
use orderwire::mock::Say;

const ROUTES: &str = customers!(["order_placed", "shipped"] => ["line-main", "mail"]);

fn captured(w: &World, webhook: &Webhook) -> RawWebhook {
    let headers: Vec<(&str, &str)> = webhook.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    RawWebhook::post(&headers, webhook.body.clone(), w.now())
}

async fn foreseen(w: &World, webhook: &Webhook) -> Foreseen {
    simulate::run(&w.relay.app, "tea", &captured(w, webhook)).await.expect("foreseen")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_then_happens_and_does_nothing_itself() {
    let mut w = World::start(Setup { routes: ROUTES, slow: true, ..Setup::default() }).await;
    let mut order = Tea::paid(1, w.now()).line(MEI);
    let webhook = order.webhook(w.now());
    // Redis refuses every write meanwhile, to prove it: the door takes nothing then.
    w.redis(&["ACL", "SETUSER", "default", "-@write"]);
    let said = foreseen(&w, &webhook).await;
    w.redis(&["ACL", "SETUSER", "default", "+@all"]);
    assert_eq!(w.mock.count(), 0, "no provider was asked");
    assert!(w.relay.app.store.stats().await.expect("figures").open == 0, "nothing is owed");
    assert_eq!(said.signed, "yes, by secret 0");
    let one = &said.orders[0];
    assert_eq!((one.known, one.news.as_str()), (false, "would be taken"));
    assert_eq!((one.at.as_second() - w.now().as_second()).clamp(18, 21), one.at.as_second() - w.now().as_second());
    assert_eq!(one.items.len(), 1, "{:?}", one.items);
    assert!(one.owed.iter().any(|o| o.milestone == "payment_received" && o.reason.as_deref() == Some("no_route")));
    let message = one.items[0].message.clone().expect("a message");
    assert_eq!((message.channel.as_str(), message.form, message.locale.as_str()), ("line-main", "free", "zh-TW"));

    assert_eq!(w.post(&webhook).await, "taken");
    let news = w.later(21).await;
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].channel, "line");
    assert!(news[0].title.starts_with(&message.title), "{}", news[0].title);
    assert!(news[0].text.contains(message.body.lines().next().expect("a line")), "{} / {}", news[0].text, message.body);

    let again = foreseen(&w, &webhook).await;
    assert_eq!(again.orders[0].news, "was taken before: nothing would change");
    assert!(again.orders[0].known && again.orders[0].items.is_empty());

    // What became true meanwhile counts: whoever switched off is not told.
    w.say("line", MEI, Say::Text("STOP".into())).await;
    order.ship("F1", w.now());
    let told = foreseen(&w, &order.webhook(w.now())).await;
    let shipped = told.orders[0].items.iter().find(|i| i.milestone == "shipped").expect("owed");
    assert!(shipped.decision.contains("mail") && shipped.decision.contains("opted_out"), "{}", shipped.decision);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_door_would_refuse_is_said_and_read_all_the_same() {
    let w = World::start(Setup { routes: ROUTES, ..Setup::default() }).await;
    let order = Tea::paid(1, w.now()).line(MEI);
    let mut webhook = order.webhook(w.now());
    webhook.body = webhook.body.replace("1200", "1300");
    let said = foreseen(&w, &webhook).await;
    assert!(said.signed.starts_with("no (bad_signature)"), "{}", said.signed);
    assert_eq!(said.orders[0].items.len(), 1);
    webhook.body = "[1, 2".into();
    let said = foreseen(&w, &webhook).await;
    assert!(said.tells.starts_with("something that cannot be read"), "{}", said.tells);
    assert!(simulate::run(&w.relay.app, "nobody", &captured(&w, &webhook)).await.is_err());
    w.end().await;
}
