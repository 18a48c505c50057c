//! People answer the rest: from what a customer wrote to what the shop's people read, and back.

use super::chain::LAN;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use futures_util::StreamExt as _;
use orderwire::domain::ids::ShopId;
use orderwire::domain::people::FetchFault;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::flow::people::{self, Said, Trouble};
use orderwire::mock::{Fault, FaultKind, Say, Taken};
use serde_json::{Value, json};

const PAGE: &str = customers!(["order_placed", "shipped"] => ["messenger-page", "line-main"]);

/// A bot of Slack that hears threads, beside routes to customers.
macro_rules! slack {
    () => {
        concat!(
            customers!(["order_placed", "shipped"] => ["messenger-page", "line-main"]),
            "[[channel]]\nid = \"staff-slack\"\nkind = \"slack\"\nbot_token = { value = \"xoxb-mock\" }\n",
            "channel = \"C0123456789\"\nsigning_secrets = [{ value = \"mock-slack-signing-secret\" }]\n",
            "api_url = \"$HTTP/api\"\n",
        )
    };
}

const TO_SLACK: &str = "[shop.people]\nto = \"staff-slack\"\n";

fn said(id: &str, text: &str) -> Said {
    Said { id: id.into(), door: "api".into(), by: "ops".into(), text: text.into(), picture: None, file: false }
}

async fn with_slack(shop: &'static str) -> World {
    World::start(Setup { shop, routes: slack!(), ..Setup::default() }).await
}

/// The messages of one provider among these.
fn of<'t>(news: &'t [Taken], channel: &str) -> Vec<&'t Taken> {
    news.iter().filter(|t| t.channel == channel).collect()
}

/// A customer writes; gives the one message that the people of Slack got.
async fn asks(w: &mut World, text: &str) -> Taken {
    w.say("messenger", LAN, Say::Text(text.into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("slack", "post")], "{}", shown(&news));
    news.into_iter().next().expect("one")
}

fn thread(taken: &Taken) -> String {
    taken.ids.first().cloned().expect("its ts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_else_answers_is_answered_in_a_thread_and_each_word_once() {
    let mut w = with_slack(TO_SLACK).await;
    let order = Tea::paid(1, w.now()).messenger(LAN);
    w.say("messenger", LAN, Say::Text("在嗎 <b>&amp;</b>".into())).await;
    w.rest().await;
    let first = w.news();
    assert_eq!(forms(&first), [("slack", "post")], "{}", shown(&first));
    assert!(
        shown(&first).contains("在嗎 <b>&amp;</b>") && shown(&first).contains("沒有連結任何訂單"),
        "{}",
        shown(&first)
    );
    w.told(&order.webhook(w.now())).await;
    let second = asks(&mut w, "可以改地址嗎？").await;
    let root = thread(&first[0]);
    assert_eq!(second.json().unwrap()["thread_ts"], root.as_str(), "the same thread");
    assert!(!second.text.contains("NT$"), "what is known stands where the thread began: {}", second.text);
    w.say("slack", &root, Say::Text("可以的，<請>給我新地址 & 電話".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    assert_eq!((news[0].to.as_str(), news[0].text.as_str()), (LAN, "可以的，<請>給我新地址 & 電話"));
    // What stands in no thread of ours, or begins one, is nobody's answer.
    w.say("slack", "-", Say::Text("lunch?".into())).await;
    w.say("slack", "1700000000.000001", Say::Text("yes".into())).await;
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}

/// While a person answers, a number in the chat is an answer to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_theirs_to_read_while_a_person_answers() {
    let shop = concat!("track = { enabled = true }\n", "[shop.people]\nto = \"staff-slack\"\n");
    let mut w = with_slack(shop).await;
    w.told(&Tea::paid(41, w.now()).webhook(w.now())).await;
    let asked = asks(&mut w, "在嗎").await;
    w.say("messenger", LAN, Say::Text("#41".into())).await;
    let news = w.news();
    assert!(of(&news, "messenger").len() == 1 && of(&news, "slack").is_empty(), "{}", shown(&news));
    w.say("slack", &thread(&asked), Say::Text("請問訂單編號？".into())).await;
    assert_eq!(forms(&w.news()), [("messenger", "update")]);
    let read = asks(&mut w, "41001").await;
    assert!(read.text.contains("41001"), "{}", read.text);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_people_see_who_wrote_and_where_the_order_stands() {
    let mut w = with_slack(TO_SLACK).await;
    w.say("messenger", LAN, Say::Text("START".into())).await;
    w.news();
    let news = w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    assert_eq!(forms(&news), [("messenger", "update")], "{}", shown(&news));
    let asked = asks(&mut w, "How do I pay?").await;
    assert!(asked.text.contains("#1") && asked.text.contains("NT$1,200"), "{}", asked.text);
    assert!(asked.title.contains("messenger-page"), "{}", asked.title);
    w.end().await;
}

/// Whatever names its people is told, also where nobody can answer from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_of_staff_is_handed_what_a_customer_wrote() {
    for (shop, channel, how) in [
        ("[shop.people]\nto = \"desk\"\n", "slack", "--conversation"),
        ("[shop.people]\nto = \"desk-teams\"\n", "teams", "--conversation"),
        ("[shop.people]\nto = \"desk-discord\"\n", "discord", "--conversation"),
        ("[shop.people]\nto = \"desk-chat\"\n", "google_chat", "--conversation"),
        ("[shop.people]\nto = \"erp\"\n", "webhook", "--conversation"),
        ("[shop.people]\nto = \"mail\"\naddress = \"help@shop.example.com\"\n", "smtp", "--conversation"),
        ("[shop.people]\nto = \"telegram\"\naddress = \"-1001234567890\"\n", "telegram", "回覆顧客"),
    ] {
        let mut w = World::start(Setup { shop, routes: PAGE, ..Setup::default() }).await;
        w.say("messenger", LAN, Say::Text("有人在嗎".into())).await;
        let news = w.news();
        assert_eq!(news.iter().map(|t| t.channel).collect::<Vec<_>>(), [channel], "{}", shown(&news));
        assert!(news[0].text.contains("有人在嗎") && news[0].text.contains(how), "{}", shown(&news));
        assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
        if channel == "webhook" {
            let document = news[0].json().unwrap();
            assert_eq!(document["type"], "conversation.message");
            assert_eq!(document["data"]["fields"]["words"], "有人在嗎");
        }
        w.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_telegram_answers_by_replying() {
    let shop = "[shop.people]\nto = \"telegram\"\naddress = \"-1001234567890\"\n";
    let mut w = World::start(Setup { shop, routes: PAGE, ..Setup::default() }).await;
    w.say("messenger", LAN, Say::Text("有人在嗎".into())).await;
    w.say("messenger", LAN, Say::Text("急".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("telegram", "message"), ("telegram", "message")], "{}", shown(&news));
    let root: i64 = thread(&news[0]).parse().unwrap();
    assert_eq!(news[1].json().unwrap()["reply_parameters"]["message_id"], root);
    // To any message of the thread.
    let to = format!("-1001234567890:{}", thread(&news[1]));
    w.say("telegram", &to, Say::Text("在的".into())).await;
    let news = w.news();
    assert_eq!((forms(&news), news[0].text.as_str()), (vec![("messenger", "update")], "在的"), "{}", shown(&news));
    // Another group's message of that number is another's.
    let other = format!("-1009999999999:{root}");
    w.say("telegram", &other, Say::Text("not yours".into())).await;
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_taken_once_by_its_id_and_said_where_it_stands() {
    let mut w = with_slack(TO_SLACK).await;
    asks(&mut w, "hello").await;
    let app = w.relay.app.clone();
    let message = w.mock.sent().into_iter().find(|t| t.channel == "slack").unwrap();
    let member = app.store.told_in(&"staff-slack".into(), None, &thread(&message)).await.unwrap().unwrap();
    let name = member.as_str().replace('/', "-");
    let taken = people::say(&app, &name, &said("k1", "hi there")).await.unwrap();
    let again = people::say(&app, &name, &said("k1", "hi there")).await.unwrap();
    assert_eq!((taken.item, taken.again, again.item, again.again), (2, false, 2, true));
    w.rest().await;
    let news = w.news();
    assert_eq!((forms(&news), news[0].text.as_str()), (vec![("messenger", "update")], "hi there"));
    let view = people::view(&app, &name).await.unwrap();
    let lines: Vec<_> = view.lines.iter().map(|l| (l.by.as_str(), l.text.as_str())).collect();
    assert_eq!(lines, [("customer", "hello"), ("ops", "hi there")]);
    // The mock reports delivery.
    assert!(["sent", "delivered"].contains(&view.lines[1].state.as_str()), "{view:?}");
    assert!(matches!(people::say(&app, &name, &said("k2", "  ")).await, Err(Trouble::NoWords)));
    assert!(matches!(people::say(&app, "nobody", &said("k3", "x")).await, Err(Trouble::Unknown)));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_window_the_thread_is_told_why_and_what_is_possible() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "hello").await);
    w.pass(24 * 3600 + 60).await;
    w.say("slack", &root, Say::Text("sorry, we were away".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("slack", "post")], "{}", shown(&news));
    assert_eq!(news[0].json().unwrap()["thread_ts"], root.as_str());
    let told = shown(&news);
    assert!(told.contains("沒有送出") && told.contains("時間已過") && told.contains("sorry, we were"), "{told}");
    assert_eq!(w.mock.refused().len(), 0, "it was not tried: {:?}", w.mock.refused());
    // They write again, and are answered.
    asks(&mut w, "still there?").await;
    w.say("slack", &root, Say::Text("yes".into())).await;
    assert_eq!(forms(&w.news()), [("messenger", "update")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_updates_off_forbids_no_answer_to_what_they_just_wrote() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "why do you write so much").await);
    w.say("messenger", LAN, Say::Text("STOP".into())).await;
    w.news();
    w.say("slack", &root, Say::Text("we are sorry".into())).await;
    assert_eq!(forms(&w.news()), [("messenger", "update")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_person_answers_the_relay_keeps_still_but_for_buttons() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "hello").await);
    w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    w.say("slack", &root, Say::Text("hi".into())).await;
    w.news();
    // A question that the relay would answer goes to whoever is answering.
    let asked = asks(&mut w, "我的訂單到哪了？").await;
    assert!(asked.text.contains("我的訂單到哪了"), "{}", asked.text);
    w.say("messenger", LAN, Say::Postback("ow:orders".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "update")], "a button is answered: {}", shown(&news));
    w.pass(31 * 60).await;
    w.say("messenger", LAN, Say::Text("我的訂單到哪了？".into())).await;
    let news = w.news();
    assert!(forms(&news) == [("messenger", "update")] && shown(&news).contains("#1"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_hours_they_are_told_once_until_somebody_is_there() {
    const HOURS: &str = "[shop.people]\nto = \"staff-slack\"\nhours = [\"Mon-Fri 09:00-18:00\"]\n";
    // Saturday noon in Taipei; Monday nine is 45 hours away.
    let at = Some("2026-11-28T04:00:00Z");
    let mut w = World::start(Setup { shop: HOURS, routes: slack!(), at, ..Setup::default() }).await;
    w.say("messenger", LAN, Say::Text("在嗎".into())).await;
    w.rest().await;
    let news = w.news();
    let away = of(&news, "messenger");
    assert!(away.len() == 1 && away[0].text.contains("沒有人員在線上"), "{}", shown(&news));
    assert_eq!(of(&news, "slack").len(), 1, "{}", shown(&news));
    asks(&mut w, "在嗎在嗎").await;
    w.pass(46 * 3600).await;
    asks(&mut w, "now?").await;
    w.pass(10 * 3600).await;
    w.say("messenger", LAN, Say::Text("late again".into())).await;
    w.rest().await;
    let news = w.news();
    assert_eq!(of(&news, "messenger").len(), 1, "another evening: {}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_slack_may_have_is_told_once_more_and_says_so() {
    let mut w = with_slack(TO_SLACK).await;
    w.mock.fault(Fault::new("slack", FaultKind::CutAfter));
    w.say("messenger", LAN, Say::Text("hello".into())).await;
    w.pass(10).await;
    let news = w.news();
    assert_eq!(forms(&news), [("slack", "post"), ("slack", "post")], "{}", shown(&news));
    assert!(!news[0].text.contains("可能已經傳送過") && news[1].text.contains("可能已經傳送過"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_may_have_arrived_is_not_repeated_and_the_thread_knows() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "hello").await);
    w.mock.fault(Fault::new("messenger", FaultKind::CutBefore));
    w.say("slack", &root, Say::Text("hi".into())).await;
    w.pass(10).await;
    let news = w.news();
    assert_eq!(of(&news, "messenger").len(), 0, "{}", shown(&news));
    assert!(shown(&news).contains("無法確定"), "{}", shown(&news));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_slack_is_away_and_the_order_of_words_stays() {
    let mut w = with_slack(TO_SLACK).await;
    w.mock.fault(Fault::new("slack", FaultKind::Status(503, "service_unavailable".into())).times(2));
    for text in ["one", "two", "three"] {
        w.say("messenger", LAN, Say::Text(text.into())).await;
    }
    for _ in 0..6 {
        w.pass(20).await;
    }
    let texts: Vec<String> = w.news().iter().map(|t| t.text.clone()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(["one", "two", "three"].iter().zip(&texts).all(|(word, text)| text.contains(word)), "{texts:?}");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_to_the_customer_of_an_order_go_where_they_may() {
    let mut w = with_slack(TO_SLACK).await;
    w.say("messenger", LAN, Say::Text("START".into())).await;
    w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    let app = w.relay.app.clone();
    let taken = people::order(&app, ("tea", "1"), None, &said("o1", "a photo follows")).await.unwrap();
    w.rest().await;
    let news = w.news();
    assert_eq!((forms(&news), news[0].text.as_str()), (vec![("messenger", "update")], "a photo follows"));
    assert_eq!(people::view(&app, &taken.conversation).await.unwrap().channel, "messenger-page");
    let unknown = people::order(&app, ("tea", "99"), None, &said("o2", "x")).await;
    assert!(matches!(unknown, Err(Trouble::UnknownOrder)), "{unknown:?}");
    let nobody = people::order(&app, ("tea", "1"), Some("line-main"), &said("o3", "x")).await;
    assert!(matches!(nobody, Err(Trouble::Nobody)), "{nobody:?}");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_erased_with_the_person() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "my name is Lan").await);
    w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    let app = w.relay.app.clone();
    let member = app.store.told_in(&"staff-slack".into(), None, &root).await.unwrap().unwrap();
    let name = member.as_str().replace('/', "-");
    assert!(people::view(&app, &name).await.is_ok());
    let shop = ShopId::from("tea");
    let person = erase::person_of(LAN);
    let data = erase::data(&app, &shop, (&person, &[]), None).await.unwrap();
    let kept: Vec<_> = data.conversations.iter().flat_map(|c| &c.lines).map(|l| l.text.as_str()).collect();
    assert_eq!(kept, ["my name is Lan"], "it is handed out with the rest");
    let duty = Duty::new(Kind::Customer, &ShopId::from("tea"), "test", "asked", w.now());
    erase::ask(&app, duty.about(erase::person_of(LAN), Vec::new())).await.unwrap();
    while erase::work(&app).await.unwrap() {}
    assert!(matches!(people::view(&app, &name).await, Err(Trouble::Unknown)));
    assert_eq!(app.store.audit().await.unwrap().bad, Vec::<String>::new());
    // An answer to what is forgotten is for nobody, and the relay goes on.
    w.news();
    w.say("slack", &root, Say::Text("too late".into())).await;
    assert_eq!(forms(&w.news()), []);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_meta_approved_it_people_and_only_people_answer_for_seven_days() {
    const PEOPLE: &[(&str, &str)] = &[("messenger-page", "human_agent = true")];
    let mut w = World::start(Setup { shop: TO_SLACK, routes: slack!(), channels: PEOPLE, ..Setup::default() }).await;
    let root = thread(&asks(&mut w, "hello").await);
    w.pass(3 * 24 * 3600).await;
    // What the order owes has no such right: it goes by the next channel, or waits.
    assert_eq!(forms(&w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await), []);
    w.say("slack", &root, Say::Text("we found it".into())).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "human_agent")], "{}", shown(&news));
    let document = news[0].json().unwrap();
    assert_eq!((&document["messaging_type"], &document["tag"]), (&json!("MESSAGE_TAG"), &json!("HUMAN_AGENT")));
    w.pass(4 * 24 * 3600).await;
    w.say("slack", &root, Say::Text("and again".into())).await;
    assert_eq!(forms(&w.news()), [("slack", "post")], "seven days are over");
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_answers_by_a_signed_request() {
    let shop = "[shop.people]\nto = \"erp\"\n";
    let mut w = World::start(Setup { shop, routes: PAGE, ..Setup::default() }).await;
    w.say("messenger", LAN, Say::Text("hello".into())).await;
    let asked = w.news().remove(0).json().unwrap();
    let name = asked["data"]["fields"]["conversation"].as_str().unwrap().to_string();
    w.say("webhook", &name, Say::Text("a program says hi".into())).await;
    let news = w.news();
    assert_eq!((forms(&news), news[0].text.as_str()), (vec![("messenger", "update")], "a program says hi"));
    // A name that is none reaches nobody.
    w.say("webhook", "0a0b0c0d-00112233445566778899aabbccddeeff", Say::Text("x".into())).await;
    assert_eq!(forms(&w.news()), []);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let forged = json!({ "type": "conversation.reply", "data": { "conversation": name, "text": "forged" } });
    let url = format!("http://{}/callbacks/erp", w.relay.public.unwrap());
    let answer = http.post(url).header("webhook-id", "m").header("webhook-signature", "v1,AAAA").json(&forged);
    assert_eq!(answer.send().await.unwrap().status().as_u16(), 401);
    w.end().await;
}

const SIZES: &[(&str, &str)] = &[
    ("en/reply_sizes.toml", "name = \"Sizes\"\nbody = \"About order {{ order.name }}: the sizes are S, M, L.\"\n"),
    ("zh-TW/reply_sizes.toml", "body = \"訂單 {{ order.name }}：尺寸有 S、M、L。\"\n"),
    ("zh-TW/reply_hours.toml", "name = \"營業時間\"\nbody = \"我們的營業時間是週一至週五。\"\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saved_replies_speak_the_customers_language_about_their_order() {
    let words = SIZES;
    let mut w = World::start(Setup { shop: TO_SLACK, routes: slack!(), words, ..Setup::default() }).await;
    let root = thread(&asks(&mut w, "hello").await);
    // Without an order only what needs none.
    w.say("slack", &root, Say::Text("/hours".into())).await;
    let news = w.news();
    assert_eq!(news.iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["我們的營業時間是週一至週五。"]);
    w.say("slack", &root, Say::Text("/sizes".into())).await;
    let news = w.news();
    assert!(forms(&news) == [("slack", "post")] && shown(&news).contains("/hours /sizes"), "{}", shown(&news));
    w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    w.say("slack", &root, Say::Text("!sizes".into())).await;
    let news = w.news();
    assert_eq!(news.iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["訂單 #1：尺寸有 S、M、L。"]);
    let names: Vec<_> = people::saved_replies(&w.relay.app).into_iter().map(|r| (r.name, r.locale, r.called)).collect();
    let expected = [("/sizes", "en", "Sizes"), ("/hours", "zh-TW", "營業時間"), ("/sizes", "zh-TW", "sizes")];
    let mut expected: Vec<_> = expected.map(|(n, l, c)| (n.to_string(), l.to_string(), c.to_string())).into();
    let mut names = names;
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_goes_as_one_and_the_words_behind_it() {
    let mut w = with_slack(TO_SLACK).await;
    asks(&mut w, "is it packed?").await;
    w.told(&Tea::paid(1, w.now()).messenger(LAN).webhook(w.now())).await;
    let app = w.relay.app.clone();
    let photo =
        Said { picture: Some("https://shop.example.com/parcel.jpg".into()), ..said("p1", "Packed this morning") };
    let taken = people::order(&app, ("tea", "1"), None, &photo).await.unwrap();
    w.rest().await;
    w.pass(3).await;
    let news = w.news();
    assert_eq!(forms(&news), [("messenger", "update"), ("messenger", "update")], "{}", shown(&news));
    let attachment = &news[0].json().unwrap()["message"]["attachment"];
    assert_eq!(attachment["type"], "image");
    assert_eq!(attachment["payload"]["url"], "https://shop.example.com/parcel.jpg");
    assert_eq!(news[1].text, "Packed this morning");
    assert!(people::order(&app, ("tea", "1"), None, &photo).await.unwrap().again);
    let none = Said { picture: Some("http://shop.example.com/x.jpg".into()), ..said("p2", "") };
    assert!(matches!(people::say(&app, &taken.conversation, &none).await, Err(Trouble::NoPicture)));
    assert_eq!(w.mock.refused().len(), 0, "{:?}", w.mock.refused());
    w.end().await;
}

/// What Telegram tells of a private message.
async fn telegram(w: &World, id: u64, message: Value) {
    let mut whole = json!({ "message_id": id, "date": w.now().as_second(),
        "from": { "id": 218485655, "is_bot": false, "first_name": "Lan" }, "chat": { "id": 218485655, "type": "private" } });
    whole.as_object_mut().expect("a table").extend(message.as_object().expect("a table").clone());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{}/callbacks/telegram", w.relay.public.expect("a public door"));
    let update = json!({ "update_id": id, "message": whole });
    let sent = http.post(url).header("x-telegram-bot-api-secret-token", "mock-telegram-secret").json(&update).send();
    assert_eq!(sent.await.expect("an answer").status().as_u16(), 200);
    w.rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_besides_words_is_said_and_fetched_when_somebody_asks() {
    let mut w = with_slack(TO_SLACK).await;
    let sizes = json!([{ "file_id": "small" }, { "file_id": "large" }]);
    telegram(&w, 1, json!({ "photo": sizes, "caption": "it came broken" })).await;
    telegram(&w, 2, json!({ "document": { "file_id": "doc", "file_name": "invoice.pdf" } })).await;
    let news = w.news();
    assert_eq!(forms(&news), [("slack", "post"), ("slack", "post")], "{}", shown(&news));
    let first = &news[0].text;
    assert!(
        first.contains("it came broken") && first.contains("image (1.1)") && first.contains("--fetch 1.1"),
        "{first}"
    );
    assert!(news[1].text.contains("document invoice.pdf (2.1)"), "{}", news[1].text);
    let name = first.split("orderwire conversation ").nth(1).unwrap().split_whitespace().next().unwrap().to_string();
    let app = w.relay.app.clone();
    let (_, fetched) = people::fetch(&app, &name, (1, 1)).await.unwrap();
    assert_eq!(fetched.content_type, "application/octet-stream", "the mock says text: nothing that a browser runs");
    let bytes: Vec<_> = fetched.bytes.collect().await;
    assert_eq!(bytes.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat(), b"photo");
    assert!(matches!(people::fetch(&app, &name, (1, 2)).await, Err(Trouble::NoFile)));
    assert!(matches!(people::fetch(&app, &name, (9, 1)).await, Err(Trouble::NoFile)));
    // A place is nothing that could be fetched, and is said all the same.
    telegram(&w, 3, json!({ "location": { "latitude": 1.0, "longitude": 2.0 } })).await;
    assert!(shown(&w.news()).contains("location (3.1)"));
    assert!(matches!(people::fetch(&app, &name, (3, 1)).await, Err(Trouble::Fetch(FetchFault::NotOffered))));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_wrote_to_a_shop_goes_with_the_shop() {
    let mut w = with_slack(TO_SLACK).await;
    let root = thread(&asks(&mut w, "no order of mine is known").await);
    let app = w.relay.app.clone();
    let member = app.store.told_in(&"staff-slack".into(), None, &root).await.unwrap().unwrap();
    let name = member.as_str().replace('/', "-");
    let shop = ShopId::from(people::view(&app, &name).await.unwrap().shop.as_str());
    let other = ShopId::from(if shop.as_str() == "tea" { "wood" } else { "tea" });
    for (shop, there) in [(other, true), (shop, false)] {
        erase::ask(&app, Duty::new(Kind::Shop, &shop, "test", "asked", w.now())).await.unwrap();
        while erase::work(&app).await.unwrap() {}
        assert_eq!(people::view(&app, &name).await.is_ok(), there, "{shop}");
    }
    w.end().await;
}
