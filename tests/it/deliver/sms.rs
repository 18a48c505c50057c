//! SMS by Twilio and by Mitake, and WhatsApp by Twilio: from the shop's webhook to what the provider took, and back.

use super::shops::Tea;
use super::world::{Setup, World, forms, shown};
use orderwire::mock::{Become, Fault, FaultKind, Say};

/// Somebody in Taiwan and somebody in the United States, as the order has them.
const MEI: &str = "0912-345-678";
const ANN: &str = "+1 202 555 0123";
const ANN_E164: &str = "+12025550123";

macro_rules! accounts {
    () => {
        r#"
[[channel]]
id = "sms"
kind = "sms_twilio"
account_sid = "AC00000000000000000000000000000000"
auth_token = { value = "mock-twilio-token" }
from = "+15005550006"
registered = { tea = { brand = "好日茶" } }
api_url = "$HTTP"
timeout = "2s"

[[channel]]
id = "sms-tw"
kind = "sms_mitake"
api_url = "$HTTP/b2c/mtk"
username = "mock"
password = { value = "mock-mitake-password" }
callback_secret = { value = "0123456789abcdef" }
registered = { tea = { brand = "好日茶" } }
long = true
timeout = "2s"

[[channel]]
id = "whatsapp-twilio"
kind = "whatsapp_twilio"
opt_in_at_checkout = true
account_sid = "AC00000000000000000000000000000000"
auth_token = { value = "mock-twilio-token" }
from = "whatsapp:+15005550006"
api_url = "$HTTP"
timeout = "2s"
"#
    };
}

macro_rules! chain {
    ($milestones:tt => $channels:tt) => {
        concat!(
            "[[route]]\nid = \"customers\"\naudience = \"customer\"\nshops = [\"tea\"]\nmilestones = ",
            stringify!($milestones),
            "\nchannels = ",
            stringify!($channels),
            "\n",
            accounts!()
        )
    };
}

const SMS_THEN_MAIL: &str = chain!(["order_placed", "shipped"] => ["sms", "mail"]);

fn american(id: u64, w: &World) -> Tea {
    Tea { country: "US", ..Tea::paid(id, w.now()).phone(ANN) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_message_goes_behind_the_brand_and_is_reported_delivered() {
    let mut w = World::chain(SMS_THEN_MAIL).await;
    let mut order = Tea::paid(1, w.now()).phone(MEI);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("twilio", "sms")], "{}", shown(&news));
    assert_eq!(
        (news[0].to.as_str(), news[0].text.as_str()),
        ("+886912345678", "【好日茶】訂單#1已成立，金額NT$1,200。")
    );
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    order.ship("F12345678901", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("twilio", "sms")], "{}", shown(&news));
    assert!(news[0].text.contains("F12345678901") && !news[0].text.contains("http"), "{}", shown(&news));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_stop_is_told_by_the_next_channel_until_start() {
    let mut w = World::chain(SMS_THEN_MAIL).await;
    assert_eq!(forms(&w.told(&american(1, &w).webhook(w.now())).await), [("twilio", "sms")]);
    w.say("twilio", ANN_E164, Say::Unfollow).await;
    assert_eq!(forms(&w.told(&american(2, &w).webhook(w.now())).await), [("smtp", "mail")]);
    w.say("twilio", ANN_E164, Say::Follow).await;
    assert_eq!(forms(&w.told(&american(3, &w).webhook(w.now())).await), [("twilio", "sms")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// Nobody told us of the STOP: Twilio's 21610 does, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_only_twilio_knows_is_learnt_from_its_refusal() {
    let mut w = World::chain(SMS_THEN_MAIL).await;
    w.mock.person("twilio", ANN_E164, Become::Blocked);
    for id in 1..=2 {
        assert_eq!(forms(&w.told(&american(id, &w).webhook(w.now())).await), [("smtp", "mail")]);
        assert_eq!(w.mock.refused().len(), 1, "{:?}", w.mock.refused());
    }
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_with_our_reference_settles_what_nobody_answered() {
    let mut w = World::chain(chain!(["order_placed"] => ["sms"])).await;
    w.mock.fault(Fault::new("twilio", FaultKind::CutAfter));
    let mut news = w.told(&Tea::paid(1, w.now()).phone(MEI).webhook(w.now())).await;
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    news.extend(w.later(3600).await);
    assert_eq!(forms(&news), [("twilio", "sms")], "told twice: {}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mitake_knows_a_repeat_by_its_client_id() {
    let mut w = World::chain(chain!(["order_placed"] => ["sms-tw", "mail"])).await;
    w.mock.fault(Fault::new("mitake", FaultKind::CutAfter));
    let news = w.told(&Tea::paid(1, w.now()).phone(MEI).webhook(w.now())).await;
    assert_eq!(forms(&news), [("mitake", "sms")], "{}", shown(&news));
    assert_eq!((news[0].to.as_str(), news[0].text.as_str()), ("0912345678", "【好日茶】訂單#1已成立，金額NT$1,200。"));
    w.comes_to("tea", 1, "order_placed", "delivered").await;
    assert_eq!(forms(&w.later(3600).await), [], "the repeat is none");
    // Somebody abroad is out of Mitake's reach.
    assert_eq!(forms(&w.told(&american(2, &w).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

const CONTENT: &str = r#"
[whatsapp]
content_sid = "HX00000000000000000000000000000001"
params = ["{{ order.name }}", "{{ parcel.number or '準備中' }}"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatsapp_takes_free_words_inside_the_window_and_a_template_outside() {
    let mut w = World::start(Setup {
        routes: chain!(["order_placed", "shipped"] => ["whatsapp-twilio", "mail"]),
        words: &[("zh-TW/shipped.toml", CONTENT)],
        ..Setup::default()
    })
    .await;
    let mut order = Tea::paid(1, w.now()).phone(MEI);
    // No template is named for "received": the next channel.
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    order.ship("F12345678901", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("twilio", "content")], "{}", shown(&news));
    assert!(news[0].text.contains("F12345678901"), "{}", shown(&news));
    w.say("twilio", "whatsapp:+886912345678", Say::Text("你好".into())).await;
    w.leap(6).await;
    let order = Tea::paid(2, w.now()).phone(MEI);
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("twilio", "whatsapp")], "{}", shown(&news));
    w.comes_to("tea", 2, "order_placed", "delivered").await;
    w.pass(24 * 3600 + 60).await;
    assert_eq!(forms(&w.told(&Tea::paid(3, w.now()).phone(MEI).webhook(w.now())).await), [("smtp", "mail")]);
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// Twilio says 201 to somebody who has no WhatsApp, and 63003 later: the next channel carries it, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_on_whatsapp_is_told_by_the_next_channel() {
    let mut w = World::start(Setup {
        routes: chain!(["order_placed"] => ["whatsapp-twilio", "mail"]),
        words: &[("zh-TW/order_placed.toml", CONTENT)],
        ..Setup::default()
    })
    .await;
    w.mock.person("twilio", "whatsapp:+886912345678", Become::Unknown);
    let mut news = w.told(&Tea::paid(1, w.now()).phone(MEI).webhook(w.now())).await;
    let started = std::time::Instant::now();
    while news.len() < 2 && started.elapsed().as_secs() < 20 {
        w.tick().await;
        w.rest().await;
        news.extend(w.news());
    }
    assert_eq!(forms(&news), [("twilio", "content"), ("smtp", "mail")], "{}", shown(&news));
    assert_eq!(forms(&w.later(3600).await), []);
    w.end().await;
}
