//! Telegram, Viber and Instagram: from a shop's signed webhook to what the provider took, and back.

use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Become, Fault, FaultKind, Say};
use serde_json::json;

const CHAT: &str = "218485655";
const SUBSCRIBER: &str = "01234567890A=";
const FAN: &str = "9990001112223334";

fn carrying(w: &World, id: u64, key: &'static str, who: &str) -> Tea {
    let mut order = Tea::paid(id, w.now());
    order.meta.push((key, json!(who)));
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telegram_tells_who_started_the_bot_and_nobody_who_blocked_it() {
    let routes = customers!(["order_placed", "shipped"] => ["telegram", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), [("telegram", "message")], "{}", shown(&news));
    assert_eq!(news[0].to, CHAT);
    w.say("telegram", CHAT, Say::Unfollow).await;
    let news = w.told(&carrying(&w, 2, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "the block was heard before anything was tried");
    // Telegram's times have whole seconds, and at one moment a block counts.
    w.pass(2).await;
    w.say("telegram", CHAT, Say::Follow).await;
    w.mock.fault(Fault::new("telegram", FaultKind::Rate429After("1".into())));
    let news = w.told(&carrying(&w, 3, "telegram_id", CHAT).webhook(w.now())).await;
    assert_eq!(forms(&news), []);
    w.pass(2).await;
    assert_eq!(forms(&w.news()), [("telegram", "message")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viber_tells_subscribers_and_reports_what_arrived() {
    let routes = customers!(["order_placed", "shipped"] => ["viber", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("viber", "text")], "{}", shown(&news));
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    w.mock.person("viber", SUBSCRIBER, Become::Blocked);
    let news = w.told(&carrying(&w, 2, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.say("viber", SUBSCRIBER, Say::Text("退订".into())).await;
    assert_eq!(w.news().len(), 1, "it is answered");
    let news = w.told(&carrying(&w, 3, "viber_id", SUBSCRIBER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instagram_tells_inside_the_window_only() {
    let routes = customers!(["order_placed", "shipped"] => ["instagram", "mail"]);
    let mut w = World::start(Setup { routes, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.say("instagram", FAN, Say::Text("在嗎".into())).await;
    let news = w.told(&carrying(&w, 2, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("instagram", "text")], "{}", shown(&news));
    w.pass(24 * 3600 + 60).await;
    let news = w.told(&carrying(&w, 3, "instagram_id", FAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// An account of Zalo; whom it writes to stands behind it.
macro_rules! zalo {
    ($to:literal) => {
        concat!(
            "[[channel]]\nid = \"zalo-oa\"\nkind = \"zalo\"\napp_id = \"2074138120372622546\"\n",
            "app_secret = { value = \"mock-zalo-app-secret\" }\noa_id = \"388613280878808645\"\n",
            "oa_secret_key = { value = \"mock-zalo-oa-secret\" }\nrefresh_token = { value = \"mock-zalo-refresh-0\" }\n",
            "api_url = \"$HTTP\"\nto = \"",
            $to,
            "\"\n[[route]]\nid = \"customers\"\naudience = \"customer\"\nmilestones = [\"order_placed\", \"shipped\"]\n",
            "channels = [\"zalo-oa\", \"mail\"]\n",
        )
    };
}

const ZALO_SHIPPED: &[(&str, &str)] = &[(
    "zh-TW/shipped.toml",
    "[zalo]\ntemplate_id = 231540\ndata = { don_hang = \"{{ order.name }}\", van_don = \"{{ parcel.number or '-' }}\" }\nlimits = { van_don = 30 }\n",
)];
const NUMBER: &str = "+84912345678";
const NUMBER_AT_ZALO: &str = "84912345678";
const FOLLOWER: &str = "246845883529197922";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zalo_tells_phone_numbers_by_template_and_hears_a_refusal() {
    let mut w = World::start(Setup { routes: zalo!("phone"), words: ZALO_SHIPPED, ..Setup::default() }).await;
    let mut order = Tea::paid(1, w.now()).phone(NUMBER);
    // No template is named for "received", and a number takes nothing else.
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    order.ship("VN123456789", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("zalo", "template")], "{}", shown(&news));
    assert_eq!(news[0].to, NUMBER_AT_ZALO);
    assert!(news[0].text.contains("van_don: VN123456789"), "{}", shown(&news));
    w.comes_to("tea", 1, "shipped", "delivered").await;
    w.mock.person("zalo", NUMBER_AT_ZALO, Become::Blocked);
    for id in [2, 3] {
        let mut order = Tea::paid(id, w.now()).phone(NUMBER);
        assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
        order.ship("VN987654321", w.now());
        let news = w.told(&order.webhook(w.now())).await;
        assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    }
    assert_eq!(w.mock.refused().len(), 1, "a refusal is an opt-out: {:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zalo_tells_followers_in_free_words_for_seven_days_and_by_template_after() {
    let mut w = World::start(Setup { routes: zalo!("user"), words: ZALO_SHIPPED, ..Setup::default() }).await;
    let news = w.told(&carrying(&w, 1, "zalo_id", FOLLOWER).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    w.say("zalo", FOLLOWER, Say::Text("Đơn hàng của tôi đâu?".into())).await;
    assert_eq!(w.news().len(), 1, "it is answered");
    let mut order = carrying(&w, 2, "zalo_id", FOLLOWER);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("zalo", "cs")], "{}", shown(&news));
    w.comes_to("tea", 2, "order_placed", "delivered").await;
    w.pass(7 * 86_400).await;
    order.ship("VN123456789", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("zalo", "template")], "{}", shown(&news));
    w.say("zalo", FOLLOWER, Say::Unfollow).await;
    let mut order = carrying(&w, 3, "zalo_id", FOLLOWER);
    order.ship("VN987654321", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert!(!news.is_empty() && news.iter().all(|t| t.channel == "smtp"), "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}
