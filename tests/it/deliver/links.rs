//! A chat tied to an order by a code: what waited is told there, the person is answered, the wrong one lets go.

use super::chain::LAN;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::ids::ShopId;
use orderwire::domain::order::OrderKey;
use orderwire::domain::person::Address;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::flow::link::{self, CODE_SECS, Invitation};
use orderwire::mock::Say;
use orderwire::store::keys::{Unit, UnitKind};

const PAGE: &str =
    customers!(["order_placed", "payment_received", "shipped", "delivered"] => ["messenger-page", "line-main"]);
const OTHER: &str = "9900000000000001";

pub async fn code(w: &World, id: u64, shown: Option<&str>) -> String {
    let shown = shown.and_then(OrderKey::of);
    let invitation = Invitation { shop: "tea".into(), order: id.to_string().into(), shown };
    link::code(&w.relay.app, &invitation, plus_secs(w.now(), CODE_SECS)).await.expect("a code")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_ties_a_chat_to_an_order_and_what_waited_is_told_there() {
    let mut w = World::chain(PAGE).await;
    let mut order = Tea::paid(1, w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "order_placed").await, ("open".into(), "address_unlinked".into(), String::new()));
    let code = code(&w, 1, None).await;
    w.say("messenger", LAN, Say::Link(code.clone())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "update"), ("messenger", "update")], "{}", shown(&news));
    assert!(news.iter().any(|t| t.title.contains("連結成功") || t.text.contains("連結成功")), "{}", shown(&news));
    assert_eq!(w.stands("tea", 1, "order_placed").await.2, "messenger-page");
    // From now on it is told there without a further word, and only there.
    order.ship("F1", w.now());
    let news = w.told(&order.webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    // The same person may show it again; nobody else may.
    w.say("messenger", OTHER, Say::Link(code.clone())).await;
    let news = w.news();
    assert!(shown(&news).contains("其他帳號"), "{}", shown(&news));
    // Another order of the shop is not theirs to hear of.
    assert_eq!(forms(&w.told(&Tea::paid(2, w.now()).webhook(w.now())).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_that_it_is_not_their_order_hears_no_more_of_it() {
    let mut w = World::chain(PAGE).await;
    let mut order = Tea::paid(1, w.now());
    w.told(&order.webhook(w.now())).await;
    let code = code(&w, 1, None).await;
    w.say("messenger", LAN, Say::Link(code)).await;
    w.news();
    w.say("messenger", LAN, Say::Text("我的訂單到哪了？".into())).await;
    let news = w.news();
    assert!(news.len() == 1 && shown(&news).contains("#1"), "{}", shown(&news));
    let name = w.relay.app.store.tie_name(&"tea".into(), &"1".into());
    w.say("messenger", LAN, Say::Postback(format!("ow:no:{name}"))).await;
    let news = w.news();
    assert!(news.len() == 1 && shown(&news).contains("謝謝您的告知"), "{}", shown(&news));
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    assert_eq!(w.stands("tea", 1, "shipped").await.1, "address_unlinked");
    w.say("messenger", LAN, Say::Text("my orders".into())).await;
    let news = w.news();
    assert!(news.len() == 1 && shown(&news).contains("尚未連結"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_shown_counts_when_the_order_turns_out_to_have_it() {
    let mut w = World::start(Setup { routes: PAGE, ..Setup::default() }).await;
    let (right, wrong) = (code(&w, 1, Some("wc_order_test")).await, code(&w, 1, Some("wc_order_guess")).await);
    // Before the first webhook: to both the same is said.
    w.say("messenger", LAN, Say::Link(right)).await;
    w.say("messenger", OTHER, Say::Link(wrong)).await;
    let news = w.news();
    assert_eq!(news.len(), 2, "{}", shown(&news));
    assert_eq!((&news[0].text, &news[0].title), (&news[1].text, &news[1].title), "{}", shown(&news));
    let news = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    assert_eq!(news[0].to, LAN);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_off_in_the_chat_asks_first_and_both_answers_hold() {
    let mut w = World::chain(PAGE).await;
    let mut order = Tea::paid(1, w.now());
    w.told(&order.webhook(w.now())).await;
    let code = code(&w, 1, None).await;
    w.say("messenger", LAN, Say::Link(code)).await;
    w.news();
    w.say("messenger", LAN, Say::Postback("ow:ask_off".into())).await;
    assert!(shown(&w.news()).contains("要關閉"));
    w.say("messenger", LAN, Say::Postback("ow:keep".into())).await;
    assert!(shown(&w.news()).contains("維持開啟"));
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    w.say("messenger", LAN, Say::Postback("ow:off".into())).await;
    let news = w.news();
    assert!(shown(&news).contains("已關閉"), "{}\n{:?}", shown(&news), w.mock.refused());
    order.status = "completed";
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_end_and_a_repeated_callback_is_answered_once() {
    let mut w = World::chain(PAGE).await;
    w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    let late = code(&w, 1, None).await;
    w.pass(CODE_SECS + 1).await;
    w.say("messenger", LAN, Say::Link(late)).await;
    let news = w.news();
    assert!(news.len() == 1 && shown(&news).contains("已失效"), "{}", shown(&news));
    w.say("messenger", LAN, Say::Link("ow-00000000000000000000".into())).await;
    let news = w.news();
    assert!(news.len() == 1 && shown(&news).contains("已失效"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_forgotten_is_forgotten_in_the_chat_too() {
    let mut w = World::chain(PAGE).await;
    w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    let code = code(&w, 1, None).await;
    w.say("messenger", LAN, Say::Link(code)).await;
    assert_eq!(w.news().len(), 2);
    let app = &w.relay.app;
    let (page, lan) = ("messenger-page".into(), Address::new("messenger", LAN));
    assert_eq!(app.store.ties(&page, &lan).await.unwrap().len(), 1);
    let shop = ShopId::from("tea");
    let duty = Duty::new(Kind::Customer, &shop, "ops", "asked for", w.now());
    let duty = duty.about(erase::person_of("mei@example.com"), Vec::new());
    erase::ask(app, duty).await.unwrap();
    while erase::work(app).await.unwrap() {}
    assert!(app.store.ties(&page, &lan).await.unwrap().is_empty());
    let talk = Unit { shop: "messenger-page".into(), kind: UnitKind::Talk, id: format!("messenger:{LAN}") };
    assert_eq!(app.store.read(&app.store.member(&talk)).await.unwrap().revision, 0);
    w.say("messenger", LAN, Say::Text("my orders".into())).await;
    assert!(shown(&w.news()).contains("尚未連結"));
    w.end().await;
}

/// A chat is tied on a channel by what people do there, and the answer has its two buttons.
async fn tied(kind: &'static str, channel: &str, routes: &'static str, person: &str, how: fn(String) -> Say) {
    let mut w = World::chain(routes).await;
    w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    w.news();
    let code = code(&w, 1, None).await;
    w.say(channel, person, how(code)).await;
    if kind == "instagram" {
        // A reference alone opens no window there.
        assert!(w.news().is_empty());
        w.say(channel, person, Say::Text("你好".into())).await;
    }
    let news = w.news();
    let answer = news
        .iter()
        .find(|t| t.text.contains("連結成功"))
        .unwrap_or_else(|| panic!("{}\n{:?}", shown(&news), w.mock.refused()));
    assert_eq!((answer.channel, answer.to.as_str()), (kind, person), "{}", shown(&news));
    let body = String::from_utf8_lossy(&answer.body).to_string();
    for (label, data) in [("關閉", "ow:ask_off"), ("這不是我的訂單", "ow:no:")] {
        assert!(body.contains(label) && body.contains(data), "{body}");
    }
    w.say(channel, person, Say::Text("ow:ask_off".into())).await;
    assert!(shown(&w.news()).contains("要關閉"), "{body}");
    assert!(w.mock.refused().is_empty(), "{:?}", w.mock.refused());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_on_line_by_a_text() {
    let routes = customers!(["order_placed"] => ["line-main"]);
    tied("line", "line", routes, super::chain::MEI, |code| Say::Text(format!("連結訂單 {code}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_on_telegram_by_a_start() {
    tied("telegram", "telegram", customers!(["order_placed"] => ["telegram"]), "5550001", Say::Link).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_on_instagram_by_a_reference() {
    tied("instagram", "instagram", customers!(["order_placed"] => ["instagram"]), "6660001", Say::Link).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_on_viber_by_a_context() {
    tied("viber", "viber", customers!(["order_placed"] => ["viber"]), "01234567890A=", Say::Link).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_tied_on_whatsapp_by_a_text() {
    tied("whatsapp", "whatsapp", customers!(["order_placed"] => ["whatsapp"]), "+886912345678", Say::Link).await;
}

/// The link that an operator makes for an order leads to its page, and on to the messengers that are set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_has_ways_where_a_chat_can_be_begun() {
    let w = World::start(Setup {
        routes: PAGE,
        channels: &[("messenger-page", "start_url = \"https://m.me/104050607080901?ref={code}\"")],
        ..Setup::default()
    })
    .await;
    let (app, tea) = (&w.relay.app, ShopId::from("tea"));
    let ways = link::ways(&app.live(), &tea);
    assert_eq!(ways.iter().map(|way| way.channel.as_str()).collect::<Vec<_>>(), ["messenger-page"]);
    let invitation = Invitation { shop: tea, order: "1".into(), shown: None };
    let begun = link::begin(app, &invitation, &"messenger-page".into()).await.unwrap().unwrap();
    let code = begun.url.strip_prefix("https://m.me/104050607080901?ref=").unwrap();
    assert_eq!((link::code_in(code).as_deref(), begun.says), (Some(code), None));
    assert_eq!(link::begin(app, &invitation, &"line".into()).await.unwrap(), None);
    let url = app.live().invite(&invitation, link::good_until(w.now())).unwrap();
    let token = url.rsplit('/').next().unwrap();
    assert_eq!(app.live().invitation_of(token, w.now()), Some(invitation));
    let later = plus_secs(link::good_until(w.now()), 1);
    assert_eq!(app.live().invitation_of(token, later), None);
    w.end().await;
}

/// What the menu of a chat has is answered in the language of whoever taps it, also as a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_of_the_menu_is_answered_in_the_persons_language() {
    let mut w = World::chain(PAGE).await;
    let mut order = Tea::paid(1, w.now());
    w.told(&order.webhook(w.now())).await;
    let code = code(&w, 1, None).await;
    w.say("messenger", LAN, Say::Link(code)).await;
    w.news();
    for (tap, said, offered) in [
        (Say::Postback("ow:orders".into()), "#1", "ow:ask_off"),
        (Say::Text("/orders".into()), "#1", "ow:ask_off"),
        (Say::Postback("ow:settings".into()), "訂單通知已開啟", "ow:off"),
        (Say::Text("/updates".into()), "訂單通知已開啟", "ow:off"),
        (Say::Postback("ow:talk".into()), "請直接在這裡留言", ""),
        (Say::Text("/help@shop_bot".into()), "請直接在這裡留言", ""),
        (Say::Postback("ow:off".into()), "已關閉訂單通知", ""),
        (Say::Postback("ow:settings".into()), "訂單通知已關閉", "ow:on"),
    ] {
        w.say("messenger", LAN, tap.clone()).await;
        let news = w.news();
        let body = news.first().map(|t| String::from_utf8_lossy(&t.body).into_owned()).unwrap_or_default();
        assert!(news.len() == 1 && shown(&news).contains(said) && body.contains(offered), "{tap:?}: {}", shown(&news));
    }
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [], "they are off");
    w.say("messenger", LAN, Say::Postback("ow:on".into())).await;
    assert!(shown(&w.news()).contains("已開啟訂單通知"));
    order.status = "completed";
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    w.end().await;
    // Telegram tells the person's own language.
    let mut w = World::chain(customers!(["order_placed"] => ["telegram"])).await;
    w.say("telegram", "5550001", Say::Text("/updates".into())).await;
    assert!(shown(&w.news()).contains("訂單通知已開啟"), "no language told: the shop's");
    w.end().await;
}

const START: &[(&str, &str)] = &[("messenger-page", "start_url = \"https://m.me/104050607080901?ref={code}\"")];
const MAIL_FIRST: &str = customers!(["order_placed", "payment_received", "shipped"] => ["mail", "messenger-page"]);

/// The token of the link page that a message leads to.
fn link_token(text: &str) -> Option<String> {
    let token = text.split("/l/").nth(1)?;
    Some(token.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect())
}

/// Who is told by mail is shown the way to a messenger, until one is tied to the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_leads_to_the_messengers_until_one_is_tied() {
    let mut w = World::start(Setup { routes: MAIL_FIRST, channels: START, ..Setup::default() }).await;
    let news = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    let token = link_token(&news[0].text).unwrap_or_else(|| panic!("{}", shown(&news)));
    let invitation = Invitation { shop: "tea".into(), order: "1".into(), shown: None };
    assert_eq!(w.relay.app.live().invitation_of(&token, w.now()), Some(invitation));
    assert!(news[0].text.contains("以通訊軟體接收通知"), "{}", shown(&news));
    // Tied before its first mail: nothing is left to offer.
    let code = code(&w, 2, Some("wc_order_test")).await;
    w.say("messenger", LAN, Say::Link(code)).await;
    w.news();
    let news = w.told(&Tea::paid(2, w.now()).webhook(w.now())).await;
    assert_eq!(forms(&news), [("smtp", "mail")], "{}", shown(&news));
    assert_eq!(link_token(&news[0].text), None, "{}", shown(&news));
    w.end().await;
    // No messenger that a link leads to.
    let mut w = World::chain(MAIL_FIRST).await;
    let news = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    assert!(news.len() == 1 && link_token(&news[0].text).is_none(), "{}", shown(&news));
    w.end().await;
}

/// A shop that takes nobody new on a channel offers no tie there, and an older code makes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_takes_nobody_new_is_not_offered() {
    for state in ["no_new_optins", "paused", "draining"] {
        let mut w = World::start(Setup {
            routes: MAIL_FIRST,
            channels: START,
            shop: "channels = { \"messenger-page\" = \"active\" }",
            ..Setup::default()
        })
        .await;
        let (tea, app) = (ShopId::from("tea"), w.relay.app.clone());
        assert_eq!(link::ways(&app.live(), &tea).len(), 1);
        let early = code(&w, 1, None).await;
        w.change("\"messenger-page\" = \"active\"", &format!("\"messenger-page\" = \"{state}\""));
        assert_eq!(link::ways(&app.live(), &tea).len(), 0, "{state}");
        let invitation = Invitation { shop: tea.clone(), order: "1".into(), shown: None };
        assert_eq!(link::begin(&app, &invitation, &"messenger-page".into()).await.unwrap(), None, "{state}");
        let person = Address::new("messenger", LAN);
        let claimed = link::claim(&app, (&"messenger-page".into(), &person), &early, w.now()).await.unwrap();
        assert_eq!(claimed, link::Claim::Unknown, "{state}");
        let news = w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
        assert!(news.len() == 1 && link_token(&news[0].text).is_none(), "{state}: {}", shown(&news));
        w.end().await;
    }
}

/// Codes guessed in a chat: each is answered like one that is over, and after twenty nothing is answered any more. A
/// right one still ties.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guessed_codes_tie_nothing_and_are_not_answered_for_ever() {
    let mut w = World::chain(PAGE).await;
    w.told(&Tea::paid(1, w.now()).webhook(w.now())).await;
    let (app, page, lan) = (w.relay.app.clone(), "messenger-page".into(), Address::new("messenger", LAN));
    let right = code(&w, 1, None).await;
    let guess = |n: usize| {
        let letter = |i: usize| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[(n.wrapping_mul(31) >> (i % 8)) % 32]);
        // Half of them lie one letter beside the right one.
        let mut letters: Vec<char> = right.chars().collect();
        match n.is_multiple_of(2) {
            true => letters[3 + n / 2 % 20] = letter(n / 40),
            false => (0..20).for_each(|i| letters[3 + i] = letter(n + i)),
        }
        letters.into_iter().collect::<String>()
    };
    let before = app.store.stats().await.unwrap();
    for n in 0..10_000 {
        let guess = guess(n);
        if guess != right {
            let claimed = link::claim(&app, (&page, &lan), &guess, w.now()).await.unwrap();
            assert_eq!(claimed, link::Claim::Unknown, "{guess}");
        }
    }
    assert_eq!(app.store.stats().await.unwrap().open, before.open);
    let mut answers = Vec::new();
    for n in 0..24 {
        w.say("messenger", LAN, Say::Link(format!("ow-{n:020}"))).await;
        answers.extend(w.news());
    }
    assert_eq!(answers.len(), 20, "{}", shown(&answers));
    assert!(answers.iter().all(|t| t.text == answers[0].text), "{}", shown(&answers));
    w.say("messenger", LAN, Say::Link(right)).await;
    assert!(shown(&w.news()).contains("連結成功"));
    w.end().await;
}

/// A link is for the order of one shop: the order of the same number in another shop is not tied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_of_one_shop_ties_nothing_of_another() {
    let w = World::chain(PAGE).await;
    let code = code(&w, 1, None).await;
    let (app, page, lan) = (w.relay.app.clone(), "messenger-page".into(), Address::new("messenger", LAN));
    let claimed = link::claim(&app, (&page, &lan), &code, w.now()).await.unwrap();
    assert!(matches!(claimed, link::Claim::Tied(i) if i.shop == ShopId::from("tea")));
    let live = app.live();
    for shop in live.shops.keys().filter(|id| id.as_str() != "tea") {
        let member = app.store.member(&Unit::order(shop, "1"));
        assert_eq!(app.store.read(&member).await.unwrap().revision, 0, "{shop}");
    }
    assert!(live.shops.len() > 1);
    // A token for a shop that is no longer configured opens nothing.
    let gone = Invitation { shop: "gone".into(), order: "1".into(), shown: None };
    let token = live.token_of(&gone, link::good_until(w.now())).unwrap();
    assert!(link::of_token(&app, &token, None).is_none());
    w.end().await;
}
