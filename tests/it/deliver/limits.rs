//! Channels that are slow, full, broken or paused: nobody else waits for them, nothing owed is lost.

use super::chain::MEI;
use super::shops::{Tea, Wood};
use super::world::{Setup, World, customers, forms, shown};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::flow::queue;
use orderwire::mock::{Fault, FaultKind, Say};
use std::time::{Duration, Instant};

const LINE_THEN_MAIL: &str = customers!(["order_placed", "payment_received"] => ["line-main", "mail"]);

const LINE_AND_MAIL: &str = customers!(["order_placed"] => ["line-main"], also ["mail"]);

fn user(i: u64) -> String {
    format!("U{i:032x}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_fast_waits_without_burning_attempts() {
    let mut w = World::chain(LINE_THEN_MAIL).await;
    w.mock.fault(Fault::new("line", FaultKind::Rate429));
    let news = w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await;
    assert_eq!(forms(&news), [], "a pace passes by itself; the customer is used to LINE: {}", shown(&news));
    let item = w.items("tea", 1, "order_placed").await.remove(0);
    assert_eq!((item.state.as_str(), item.attempts, item.reason.as_deref()), ("open", 0, Some("rate_limited")));
    let news = w.later(61).await;
    assert_eq!(forms(&news), [("line", "push")], "{}", shown(&news));
    assert_eq!(w.items("tea", 1, "order_placed").await[0].attempts, 1);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_after_five_failures_and_heals_by_one_probe() {
    let mut w = World::chain(LINE_THEN_MAIL).await;
    w.mock.fault(Fault::new("line", FaultKind::CutBefore).times(1000));
    let tries = |w: &World| 1000 - w.mock.faults().first().map_or(0, |f| f.times);
    for id in 1..=8 {
        w.post(&Tea::paid(id, w.now()).line(&user(id)).webhook(w.now())).await;
        w.rest().await;
    }
    assert_eq!(tries(&w), 5, "five failures, then rest");
    let states = queue::channels(&w.relay.app);
    let line = states.iter().find(|c| c.id == "line-main").expect("LINE");
    assert_eq!(line.paused.as_deref(), Some("breaker_open"));
    // The last three never began.
    for id in 6..=8 {
        let item = w.items("tea", id, "order_placed").await.remove(0);
        assert_eq!((item.state.as_str(), item.attempts, item.reason.as_deref()), ("open", 0, Some("breaker_open")));
    }
    w.pass(16).await;
    assert_eq!(tries(&w), 6, "one tries whether it works again");
    w.mock.clear_faults();
    let mut news = Vec::new();
    for _ in 0..4 {
        news.extend(w.later(31).await);
    }
    assert_eq!(forms(&news), [("line", "push"); 8], "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_pauses_and_resumes() {
    let mut w = World::chain(LINE_THEN_MAIL).await;
    let until = plus_secs(w.now(), 86_400);
    let app = w.relay.app.clone();
    queue::pause(&app, "line-main", Some((until, Reason::ChannelPaused))).await.expect("paused");
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await.1, "channel_paused");
    assert_eq!(queue::stats(&app).await.expect("figures").parked, [("line-main".to_string(), 1)]);
    assert_eq!(forms(&w.later(3600).await), []);
    queue::pause(&app, "line-main", None).await.expect("resumed");
    w.tick().await;
    w.rest().await;
    let news = w.news();
    assert_eq!(forms(&news), [("line", "push")], "{}", shown(&news));
    // A pause that outlives the message: the next channel.
    queue::pause(&app, "line-main", Some((plus_secs(w.now(), 30 * 86_400), Reason::ChannelPaused)))
        .await
        .expect("paused");
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).line(MEI).webhook(w.now())).await), [("smtp", "mail")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_lasts_too_long_ends_what_has_no_other_channel() {
    let mut w = World::chain(LINE_AND_MAIL).await;
    let app = w.relay.app.clone();
    queue::pause(&app, "line-main", Some((plus_secs(w.now(), 9 * 86_400), Reason::ChannelPaused)))
        .await
        .expect("paused");
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).line(MEI).webhook(w.now())).await), [("smtp", "mail")]);
    w.pass(3 * 86_400 + 5).await;
    let items = w.items("tea", 1, "order_placed").await;
    let main = items.iter().find(|i| i.slot == "main").expect("the chain");
    assert_eq!((main.state.as_str(), main.reason.as_deref()), ("expired", Some("channel_paused")));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_hangs_delays_nobody_else() {
    let w = World::start(Setup {
        routes: r#"
[[route]]
id = "tea"
milestones = ["order_placed"]
audience = "customer"
shops = ["tea"]
channels = ["line-main"]
also = ["mail"]
[[route]]
id = "wood"
milestones = ["order_placed"]
audience = "customer"
shops = ["wood"]
channels = ["mail"]
"#,
        channels: &[("line-main", "timeout = \"5s\""), ("mail", "per_second = 100")],
        ..Setup::default()
    })
    .await;
    w.mock.fault(Fault::new("line", FaultKind::HangBefore(0)).times(1000));
    let started = Instant::now();
    // More than LINE may have under way at once; one of them with a copy by mail.
    for id in 1..=40 {
        let order = Tea::paid(id, w.now()).line(&user(id)).mail(if id == 1 { "mei@example.com" } else { "" });
        w.post(&order.webhook(w.now())).await;
    }
    for id in 1..=8 {
        w.post(&Wood::paid(id, w.now()).webhook(w.now())).await;
    }
    assert!(w.mock.wait_for(9, Duration::from_secs(10)).await, "mails: {}", w.mock.count());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "mails waited for LINE: {took:?}");
    assert!(w.mock.sent().iter().all(|t| t.channel == "smtp"));
    w.mock.clear_faults();
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_is_greylisted_rests_alone() {
    let mut w = World::chain(customers!(["order_placed"] => ["mail"])).await;
    let busy = || FaultKind::SmtpRcpt(450, "4.2.0 Greylisted, come back later".into());
    const BOXES: [&str; 6] = [
        "a@x.example.com",
        "b@x.example.com",
        "c@x.example.com",
        "d@x.example.com",
        "e@x.example.com",
        "f@x.example.com",
    ];
    for mailbox in BOXES {
        w.mock.fault(Fault::new("smtp", busy()).only_to(mailbox));
    }
    for (id, mailbox) in (1..).zip(BOXES) {
        assert_eq!(forms(&w.told(&Tea::paid(id, w.now()).mail(mailbox).webhook(w.now())).await), []);
    }
    assert!(w.mock.faults().is_empty(), "each was tried once: {:?}", w.mock.faults());
    // Six strangers' mailboxes that ask for patience say nothing of the relay.
    assert_eq!(forms(&w.told(&Tea::paid(9, w.now()).webhook(w.now())).await), [("smtp", "mail")]);
    let news = w.later(16 * 60).await;
    assert_eq!(news.len(), 6, "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_rests_for_a_day_and_is_tried_again() {
    let mut w = World::chain(customers!(["order_placed", "shipped"] => ["mail"])).await;
    w.mock.fault(Fault::new("smtp", FaultKind::SmtpRcpt(552, "5.2.2 mailbox full".into())));
    let mut order = Tea::paid(1, w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    let item = w.items("tea", 1, "order_placed").await.remove(0);
    assert_eq!((item.attempts, item.reason.as_deref()), (0, Some("recipient_capped")));
    // Nothing else goes there meanwhile.
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    let news = w.later(86_400 + 60).await;
    assert_eq!(news.len(), 2, "{}", shown(&news));
    assert!(news[1].text.contains("F1"), "the older one first: {}", shown(&news));
    w.end().await;
}

/// Parked orders are not forgotten when they change, and tell what is true when the channel moves again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_during_a_pause_is_told_in_its_order_afterwards() {
    let mut w = World::chain(customers!(["*"] => ["line-main"])).await;
    let app = w.relay.app.clone();
    let pause = Some((plus_secs(w.now(), 86_400), Reason::ChannelPaused));
    queue::pause(&app, "line-main", pause).await.expect("paused");
    let mut order = Tea::paid(1, w.now()).line(MEI);
    w.told(&order.webhook(w.now())).await;
    w.pass(600).await;
    order.status = "packing";
    w.told(&order.webhook(w.now())).await;
    w.pass(600).await;
    order.status = "shipped";
    order.ship("F12345678901", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    queue::pause(&app, "line-main", None).await.expect("resumed");
    w.tick().await;
    w.rest().await;
    let news = w.news();
    assert_eq!(forms(&news), [("line", "push"); 2], "{}", shown(&news));
    assert!(news[0].title.contains("已成立") && news[1].title.contains("已出貨"), "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "preparing").await.1, "moved_on");
    w.end().await;
}

/// An order that waits for a channel and for a day of its own is not looked at again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_order_keeps_its_other_appointments() {
    let mut w = World::start(Setup {
        routes: r#"
[[route]]
id = "customers"
milestones = ["order_placed"]
audience = "customer"
channels = ["line-main"]
also = ["mail"]
[[route]]
id = "reminders"
milestones = ["payment_expiring"]
audience = "customer"
channels = ["mail"]
"#,
        shop: "payment_deadline = \"2h\"\npayment_reminder = \"1h\"",
        ..Setup::default()
    })
    .await;
    let app = w.relay.app.clone();
    let pause = Some((plus_secs(w.now(), 86_400), Reason::ChannelPaused));
    queue::pause(&app, "line-main", pause).await.expect("paused");
    let order = Tea::unpaid(1, w.now()).line(MEI);
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")], "the copy");
    let parked = |s: queue::Stats| (s.parked, s.wait);
    assert_eq!(parked(queue::stats(&app).await.expect("figures")), (vec![("line-main".to_string(), 1)], 0));
    let news = w.later(3600 + 5).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "the reminder: {}", shown(&news));
    assert_eq!(parked(queue::stats(&app).await.expect("figures")), (vec![("line-main".to_string(), 1)], 0));
    queue::pause(&app, "line-main", None).await.expect("resumed");
    w.tick().await;
    w.rest().await;
    assert_eq!(forms(&w.news()), [("line", "push")]);
    w.end().await;
}

/// Two orders of one customer at once: both arrive, and the second not before the messenger's distance is kept. Who
/// waits holds no lease, spends no attempt and holds up nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_messages_to_one_person_keep_their_distance() {
    const NUMBER: &str = "+886912345678";
    let channels = &[("whatsapp", "opt_in_at_checkout = true")];
    let routes = customers!(["order_placed"] => ["whatsapp"]);
    let mut w = World::start(Setup { routes, channels, ..Setup::default() }).await;
    for number in [NUMBER, "+886987654321"] {
        w.say("whatsapp", number, Say::Text("你好".into())).await;
    }
    for (id, phone) in [(1, "0912-345-678"), (2, "0912-345-678"), (3, "0987-654-321")] {
        w.post(&Tea::paid(id, w.now()).phone(phone).webhook(w.now())).await;
    }
    w.rest().await;
    let mut news = w.news();
    assert_eq!(channels_of(&news), [NUMBER, "+886987654321"], "{}", shown(&news));
    let stats = queue::stats(&w.relay.app).await.expect("figures");
    assert_eq!((stats.wait, stats.leased, stats.ready), (1, 0, 0));
    let mut waiting = 0;
    for id in [1, 2] {
        let item = w.items("tea", id, "order_placed").await.remove(0);
        waiting += u32::from((item.state.as_str(), item.attempts) == ("open", 0));
    }
    assert_eq!(waiting, 1);
    news.extend(w.later(4).await);
    assert_eq!(news.len(), 2, "too early: {}", shown(&news));
    news.extend(w.later(2).await);
    assert_eq!(news.len(), 3, "{}", shown(&news));
    let times: Vec<i64> = news.iter().filter(|t| t.to == NUMBER).map(|t| t.at.as_millisecond()).collect();
    assert!(times[1] - times[0] >= 6_000, "{times:?}");
    assert!(w.mock.refused().is_empty(), "{:?}", w.mock.refused());
    w.end().await;
}

/// What comes after a message that waits for its turn waits as long: the order is not taken up again and again meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_a_message_that_waits_for_its_turn_is_at_rest() {
    const NUMBER: &str = "+886912345678";
    let channels = &[("whatsapp", "opt_in_at_checkout = true")];
    let routes = customers!(["order_placed", "shipped"] => ["whatsapp"]);
    let mut w = World::start(Setup { routes, channels, ..Setup::default() }).await;
    w.say("whatsapp", NUMBER, Say::Text("你好".into())).await;
    assert_eq!(w.told(&Tea::paid(1, w.now()).phone("0912-345-678").webhook(w.now())).await.len(), 1);
    let mut second = Tea::paid(2, w.now()).phone("0912-345-678");
    w.post(&second.webhook(w.now())).await;
    w.pass(1).await;
    second.ship("F1", w.now());
    w.post(&second.webhook(w.now())).await;
    // An order that is taken up again and again never comes to rest.
    w.rest().await;
    assert_eq!(w.news().len(), 0, "the turn is not theirs yet");
    assert_eq!(w.stands("tea", 2, "shipped").await.0, "open");
    assert_eq!(w.later(6).await.len(), 1, "placed");
    assert_eq!(w.later(6).await.len(), 1, "shipped");
    w.end().await;
}

fn channels_of(news: &[orderwire::mock::Taken]) -> Vec<&str> {
    let mut to: Vec<&str> = news.iter().map(|t| t.to.as_str()).collect();
    to.sort_unstable();
    to
}

/// Where the provider itself says "too much for this person" (131056), every order of theirs waits, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_of_whom_the_provider_says_enough_rests_with_all_orders() {
    const NUMBER: &str = "+886912345678";
    let channels = &[("whatsapp", "opt_in_at_checkout = true")];
    let routes = customers!(["order_placed"] => ["whatsapp"]);
    let mut w = World::start(Setup { routes, channels, ..Setup::default() }).await;
    w.say("whatsapp", NUMBER, Say::Text("你好".into())).await;
    let body = serde_json::json!({ "error": { "message": "(#131056) Pair rate limit hit", "code": 131056 } });
    w.mock.fault(Fault::new("whatsapp", FaultKind::Status(400, body.to_string())));
    w.post(&Tea::paid(1, w.now()).phone("0912-345-678").webhook(w.now())).await;
    w.rest().await;
    w.leap(7).await;
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).phone("0912-345-678").webhook(w.now())).await), []);
    for id in [1, 2] {
        let item = w.items("tea", id, "order_placed").await.remove(0);
        assert_eq!((item.attempts, item.reason.as_deref()), (0, Some("recipient_capped")), "{id}");
    }
    let mut news = w.later(16).await;
    assert_eq!(news.len(), 1, "one, then the distance: {}", shown(&news));
    news.extend(w.later(6).await);
    assert_eq!(forms(&news), [("whatsapp", "text"); 2], "{}", shown(&news));
    w.end().await;
}
