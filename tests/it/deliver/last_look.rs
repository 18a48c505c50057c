//! A no is heard until the last moment: what was answered before the last look prevents the message, what falls behind
//! it is written down as such. On every channel, and under load.

use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use futures_util::future::{join, join_all};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::consent::{Source, Word};
use orderwire::domain::person::Address;
use orderwire::flow::consent::desk;
use orderwire::flow::hear::{SwitchedOff, switch_off};
use orderwire::flow::live::Holder;
use orderwire::mock::{Fault, FaultKind, Say};
use serde_json::json;
use std::time::{Duration, Instant};

const WECHAT: &str = customers!(["order_placed"] => ["wechat-main"]);
const TELEGRAM: &str = customers!(["order_placed"] => ["telegram"]);
const FOLLOWER: &str = "oia2TjuEGTNoeX76QEjQNrcURxG8";
const CHAT: &str = "218485655";
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the order's message is on its way.
async fn begun(w: &World, id: u64) {
    let started = Instant::now();
    loop {
        let items = w.items("tea", id, "order_placed").await;
        if items.first().is_some_and(|i| i.state == "begun") {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{items:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// WeChat's credentials take a while, and the message with them.
async fn on_its_way() -> World {
    let w = World::chain(WECHAT).await;
    w.say("wechat", FOLLOWER, Say::Text("你好".into())).await;
    w.mock.fault(Fault::new("wechat:api", FaultKind::SlowAnswer(1_200)));
    let mut order = Tea::paid(1, w.now()).mail("");
    order.meta.push(("wechat_openid", json!(FOLLOWER)));
    w.post(&order.webhook(w.now())).await;
    begun(&w, 1).await;
    w
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_while_credentials_are_fetched_holds_the_message_back() {
    let mut w = on_its_way().await;
    w.say("wechat", FOLLOWER, Say::Text("退订".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("wechat", "text")], "their answer, and nothing else: {}", shown(&news));
    assert!(shown(&news).contains("已關閉訂單通知"), "{}", shown(&news));
    let (state, reason, _) = w.stands("tea", 1, "order_placed").await;
    assert_eq!((state.as_str(), reason.as_str()), ("skipped", "opted_out"));
    let ledger = w.ledger("tea", 1).await;
    assert!(ledger.contains(r#""what":"switched_off""#) && ledger.contains(r#""held":true"#), "{ledger}");
    assert!(!ledger.contains(r#""what":"attempt""#), "nothing went: {ledger}");
    let item = w.items("tea", 1, "order_placed").await.remove(0);
    assert_eq!(item.attempts, 0, "it burnt no attempt");
    assert!(
        item.because[0].starts_with("wechat-main: off since ") && item.because[0].contains("by keyword (event "),
        "{item:?}"
    );
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shops_mute_and_block_count_until_the_last_moment_too() {
    let mut w = on_its_way().await;
    let channels = desk::mute(&w.relay.app, ("tea", "1"), None, true, "ops: it reached somebody else").await;
    assert_eq!(channels.expect("muted"), ["wechat-main"]);
    w.rest().await;
    assert_eq!(forms(&w.news()), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.1, "order_muted");
    assert!(w.ledger("tea", 1).await.contains("mute wechat-main"), "the ledger says who");
    // Another order of theirs is told, until the shop's people block the address.
    let mut order = Tea::paid(2, w.now()).mail("");
    order.meta.push(("wechat_openid", json!(FOLLOWER)));
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("wechat", "text")]);
    let who = desk::Who { shop: None, channel: Some("wechat-main".into()), address: FOLLOWER.into() };
    desk::set(&w.relay.app, &who, Word::Block, "ops: threatens the staff").await.expect("blocked");
    w.say("wechat", FOLLOWER, Say::Text("继续接收".into())).await;
    order.id = 3;
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 3, "order_placed").await.1, "operator_blocked", "no word of theirs lifts it");
    desk::set(&w.relay.app, &who, Word::Unblock, "ops: a mistake").await.expect("unblocked");
    order.id = 4;
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("wechat", "text")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_that_falls_behind_the_last_look_is_written_down() {
    let mut w = World::chain(TELEGRAM).await;
    w.mock.fault(Fault::new("telegram", FaultKind::SlowAnswer(1_200)));
    let mut order = Tea::paid(1, w.now()).mail("");
    order.meta.push(("telegram_id", json!(CHAT)));
    w.post(&order.webhook(w.now())).await;
    assert!(w.mock.wait_for(1, PATIENCE).await, "it is being sent");
    w.say("telegram", CHAT, Say::Text("STOP".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("telegram", "message"), ("telegram", "message")], "and their answer: {}", shown(&news));
    assert_eq!(w.stands("tea", 1, "order_placed").await.0, "sent");
    let ledger = w.ledger("tea", 1).await;
    assert!(ledger.contains(r#""what":"switched_off""#) && ledger.contains(r#""held":false"#), "{ledger}");
    w.end().await;
}

/// Everybody of the load: channel in settings, the mock's name of it, meta key, id of the nth person.
type Lane = (&'static str, &'static str, &'static str, fn(u64) -> String);

const LANES: [Lane; 8] = [
    ("line-main", "line", "line_user_id", |i| format!("U{i:032x}")),
    ("messenger-page", "messenger", "messenger_psid", |i| format!("72000000000001{i:02}")),
    ("whatsapp", "whatsapp", "", |i| format!("+8869123456{i:02}")),
    ("telegram", "telegram", "telegram_id", |i| format!("2184856{i:02}")),
    ("viber", "viber", "viber_id", |i| format!("01234567890{}=", char::from(b'A' + u8::try_from(i).unwrap_or(0)))),
    ("instagram", "instagram", "instagram_id", |i| format!("99900011122233{i:02}")),
    ("wechat-main", "wechat", "wechat_openid", |i| format!("oia2TjuEGTNoeX76QEjQNrcURx{i:02}")),
    ("mail", "smtp", "", |i| format!("buyer{i}@example.com")),
];
/// People on each channel; every second one switches off.
const PEOPLE: u64 = 8;

fn order(lane: usize, i: u64, now: Timestamp) -> Tea {
    let (channel, _, key, id) = LANES[lane];
    let mut order = Tea::paid(100 * (lane as u64 + 1) + i, now).mail("");
    match channel {
        "mail" => order.email = id(i).leak(),
        "whatsapp" => order.phone = id(i).leak(),
        _ => order.meta.push((key, json!(id(i)))),
    }
    order
}

/// Says no, and when that was answered.
async fn say_no(w: &World, lane: usize, i: u64) -> Timestamp {
    let (channel, name, _, id) = LANES[lane];
    if channel == "mail" {
        let live = w.relay.app.live();
        let order = Some(("tea".into(), order(lane, i, w.now()).id.to_string().into()));
        let holder = Holder { order, channel: "mail".into(), address: Address::new("email", id(i)) };
        let link = live.page_link(&holder, w.now()).expect("a link");
        let token = link.rsplit('/').next().unwrap_or_default().to_string();
        assert_eq!(switch_off(&w.relay.app, &token).await, SwitchedOff::Off);
    } else {
        let answer = w.mock.say(name, &id(i), &Say::Text("STOP".into())).await;
        assert_eq!(answer, Ok(200), "{channel}");
    }
    w.now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_message_begins_long_after_its_no_on_any_channel() {
    let routes = customers!(["order_placed"] => ["line-main", "messenger-page", "whatsapp", "telegram", "viber", "instagram", "wechat-main", "mail"]);
    let channels = &[("whatsapp", "opt_in_at_checkout = true")];
    let w = World::start(Setup { routes, channels, slow: true, ..Setup::default() }).await;
    for (lane, (_, name, _, id)) in LANES.iter().enumerate() {
        for i in 0..PEOPLE {
            if ["messenger", "whatsapp", "instagram", "wechat"].contains(name) {
                w.say(name, &id(i), Say::Text("hi".into())).await;
            }
            w.post(&order(lane, i, w.now()).webhook(w.now())).await;
        }
    }
    // Everything falls due at once, providers take their time, other orders come in, and people speak all through it:
    // each when one more message was taken.
    for (_, name, _, _) in LANES.iter().filter(|lane| lane.0 != "mail") {
        w.mock.fault(Fault::new(name, FaultKind::SlowAnswer(30)).times(0));
    }
    let lanes = (0..PEOPLE).step_by(2).flat_map(|i| (0..LANES.len()).map(move |l| (l, i)));
    let who: Vec<(usize, u64)> = lanes.collect();
    // The first before anything is due: that one is heard on any machine.
    let first = say_no(&w, who[0].0, who[0].1).await;
    let noes = who.iter().zip(0..).skip(1).map(|((lane, i), n)| {
        let w = &w;
        async move {
            w.mock.wait_for(n, Duration::from_secs(3)).await;
            say_no(w, *lane, *i).await
        }
    });
    let others = (0..40_u64).map(|n| {
        let w = &w;
        async move { w.post(&Tea::paid(5_000 + n, w.now()).mail("others@example.com").webhook(w.now())).await }
    });
    let (noes, ((), _)) = join(join_all(noes), join(w.leap(25), join_all(others))).await;
    w.rest().await;
    let sent = w.mock.sent();
    let (mut prevented, mut held, mut behind, mut latest) = (0, 0, 0, 0);
    for ((lane, i), answered) in who.into_iter().zip(std::iter::once(first).chain(noes)) {
        let (channel, _, _, id) = LANES[lane];
        let number = order(lane, i, answered).id;
        let (state, reason, _) = w.stands("tea", number, "order_placed").await;
        // Who switched off is answered, which is no message of the order.
        let Some(taken) = sent.iter().find(|t| t.to == id(i) && t.text.contains(&format!("#{number}"))) else {
            // The messengers before it in the route might still be linked.
            let waits = (state.as_str(), reason.as_str()) == ("open", "address_unlinked");
            assert!(waits || reason == "opted_out", "{channel} {number}: {state} {reason}");
            held += u32::from(w.ledger("tea", number).await.contains(r#""held":true"#));
            prevented += 1;
            continue;
        };
        let late = taken.at.as_millisecond() - answered.as_millisecond();
        // 50 ms, and what a busy machine needs between the first byte and the understudy's own clock.
        assert!(late < 500, "{channel}: taken {late} ms after the no was answered");
        if late > 0 {
            let ledger = w.ledger("tea", number).await;
            assert!(ledger.contains(r#""held":false"#), "{channel}: it fell behind the last look: {ledger}");
            behind += 1;
            latest = latest.max(late);
        }
    }
    assert!(prevented > 0, "somebody was heard");
    for (channel, _, _, id) in LANES {
        for i in (1..PEOPLE).step_by(2) {
            assert!(sent.iter().any(|t| t.to == id(i)), "{channel}: who said nothing is told");
        }
    }
    eprintln!("{prevented} prevented ({held} at the last look), {behind} fell behind it, the latest by {latest} ms");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_switched_off_for_one_shop_hears_the_other() {
    let mut w = World::chain(customers!(["order_placed"] => ["mail"])).await;
    let who = desk::Who { shop: Some("tea".into()), channel: None, address: "mei@example.com".into() };
    let standing = desk::set(&w.relay.app, &who, Word::Off, "ops: asked by phone").await.expect("off");
    let mail = standing.iter().find(|s| s.channel == "mail").expect("the mail account");
    assert_eq!(mail.forbidden.as_deref(), Some("opted_out"));
    let record = mail.records.last().expect("a record");
    assert_eq!((record.source, record.shop.as_ref().map(|s| s.as_str())), (Source::Operator, Some("tea")));
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.1, "opted_out");
    let wood = desk::show(&w.relay.app, &desk::Who { shop: Some("wood".into()), ..who }).await.expect("shown");
    assert_eq!(wood[0].forbidden, None, "the other shop may");
    w.end().await;
}
