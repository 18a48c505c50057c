//! LINE: the reply token that makes an answer free, and pushes with their retry key.

use super::chain::MEI;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Become, Fault, FaultKind, Say};

const LINE_ONLY: &str = customers!(["order_placed", "payment_received", "shipped"] => ["line-main"]);

const LINE_THEN_MAIL: &str = customers!(["order_placed", "payment_received"] => ["line-main", "mail"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_within_the_tokens_life_goes_as_reply_and_the_next_is_pushed() {
    let mut w = World::chain(LINE_ONLY).await;
    w.say("line", MEI, Say::Text("hello".into())).await;
    let mut order = Tea::paid(1, w.now()).line(MEI);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("line", "reply")], "{}", shown(&news));
    assert_eq!(news[0].key, None);
    order.ship("F1", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("line", "push")], "{}", shown(&news));
    assert!(news[0].key.is_some());
    // A token that is a minute old is not tried.
    w.say("line", MEI, Say::Text("thanks".into())).await;
    w.pass(55).await;
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await), [("line", "push")]);
    assert!(w.mock.refused().is_empty(), "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_worth_nothing_is_followed_by_one_push_at_once() {
    let mut w = World::chain(LINE_ONLY).await;
    w.say("line", MEI, Say::Text("hello".into())).await;
    w.mock.fault(Fault::new("line", FaultKind::Status(400, r#"{"message":"Invalid reply token"}"#.into())));
    let news = w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line", "push")], "{}", shown(&news));
    assert!(w.mock.faults().is_empty(), "the reply was tried");
    assert_eq!(forms(&w.later(60).await), [], "one message");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_quota_sends_the_next_channel_and_leaves_replies() {
    let mut w = World::start(Setup { routes: LINE_THEN_MAIL, quota: Some(1), ..Setup::default() }).await;
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await), [("line", "push")]);
    // LINE says "monthly limit"; this one and all further ones go on.
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(forms(&w.told(&Tea::paid(3, w.now()).line(MEI).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 1, "LINE was asked once: {:?}", w.mock.refused());
    assert!(w.ledger("tea", 3).await.contains(r#"["line-main","quota_spent"]"#));
    // An answer to what the customer wrote costs nothing.
    w.say("line", MEI, Say::Text("hello".into())).await;
    let news = w.told(&Tea::paid(4, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line", "reply")], "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_the_chain_parks_for_the_quota_and_ends_stale_with_that_reason() {
    let mut w = World::start(Setup { routes: LINE_ONLY, quota: Some(0), ..Setup::default() }).await;
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await), []);
    let parked = w.relay.app.store.stats().await.expect("figures").parked;
    assert_eq!(parked.iter().map(|(_, n)| n).sum::<u64>(), 1, "{parked:?}");
    let (state, reason, _) = w.stands("tea", 1, "order_placed").await;
    assert_eq!((state.as_str(), reason.as_str()), ("open", "quota_spent"));
    let item = w.items("tea", 1, "order_placed").await.remove(0);
    assert_eq!(item.attempts, 0, "waiting is no attempt");
    for _ in 0..8 {
        w.pass(10 * 3600).await;
    }
    let (state, reason, _) = w.stands("tea", 1, "order_placed").await;
    assert_eq!((state.as_str(), reason.as_str()), ("expired", "quota_spent"));
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_of_which_nobody_heard_goes_again_under_the_same_key() {
    let mut w =
        World::start(Setup { routes: LINE_ONLY, channels: &[("line-main", "timeout = \"1s\"")], ..Setup::default() })
            .await;
    w.mock.fault(Fault::new("line", FaultKind::HangAfter(0)));
    w.mock.fault(Fault::new("line", FaultKind::Status(500, r#"{"message":"Internal error"}"#.into())));
    let mut news = w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "again");
    for _ in 0..3 {
        news.extend(w.later(30).await);
    }
    assert_eq!(forms(&news), [("line", "push")], "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "sent");
    assert_eq!(w.stands("tea", 1, "payment_received").await.0, "sent");
    assert!(w.ledger("tea", 1).await.contains("taken before"));
    w.end().await;
}

/// An account for notification messages beside `line-main`, of the same official account: its webhook is the other's.
const PHONE_THEN_MAIL: &str = concat!(
    "[[channel]]\nid = \"line-phone\"\nkind = \"line_pnp\"\naccess_token = { value = \"mock-line-token\" }\n",
    "channel_secret = { value = \"mock-line-secret\" }\napi_url = \"$HTTP\"\n",
    "[[route]]\nid = \"customers\"\naudience = \"customer\"\nmilestones = [\"order_placed\", \"payment_received\"]\n",
    "channels = [\"line-phone\", \"mail\"]\n",
);
const NUMBER: &str = "+886912345678";
/// SHA-256 of the number.
const HASH: &str = "1315ec4a63ba3d2b8f5db63688770e89a402ee623ef33e4c8c2f36e48f271be0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_told_without_friendship_and_the_other_accounts_webhook_hears_that_it_arrived() {
    let mut w = World::start(Setup { routes: PHONE_THEN_MAIL, ..Setup::default() }).await;
    let news = w.told(&Tea::paid(1, w.now()).phone(NUMBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line_pnp", "pnp")], "{}", shown(&news));
    assert_eq!(news[0].to, HASH);
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    // An answer that is lost is a doubt, which the delivery settles: nothing goes twice, and no mail besides.
    w.mock.fault(Fault::new("line_pnp", FaultKind::CutAfter));
    let news = w.told(&Tea::paid(2, w.now()).phone(NUMBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line_pnp", "pnp")], "{}", shown(&news));
    w.comes_to("tea", 2, "order_placed", "delivered").await;
    assert_eq!(forms(&w.later(3600).await), []);
    // Nobody at LINE has it, or they refuse such messages: the next channel, at once.
    w.mock.person("line_pnp", HASH, Become::Unknown);
    let news = w.told(&Tea::paid(3, w.now()).phone(NUMBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.mock.person("line_pnp", HASH, Become::Known);
    // Whoever blocked the account is answered as if it were taken.
    w.mock.person("line_pnp", HASH, Become::Blocked);
    let news = w.told(&Tea::paid(4, w.now()).phone(NUMBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line_pnp", "pnp")], "{}", shown(&news));
    w.comes_to("tea", 4, "order_placed", "sent").await;
    w.end().await;
}

/// Where the words name one of LINE's templates, the message goes by that; the delivery is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_told_by_one_of_lines_own_templates() {
    const WORDS: &str = r#"
[line_pnp]
template_key = "order_completed_tw"
emphasized = { key = "number_001_tw", content = "{{ order.name }}" }
items = [{ key = "price_001_tw", content = "{% if order.total %}{{ order.total | money }}{% endif %}" }]
"#;
    let words = &[("zh-TW/order_placed.toml", WORDS)];
    let mut w = World::start(Setup { routes: PHONE_THEN_MAIL, words, ..Setup::default() }).await;
    let news = w.told(&Tea::paid(1, w.now()).phone(NUMBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("line_pnp", "pnp_template")], "{}\n{:?}", shown(&news), w.mock.refused());
    assert!(news[0].title == "order_completed_tw" && news[0].text.contains("1,200"), "{}", shown(&news));
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.end().await;
}
