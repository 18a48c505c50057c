//! Who names an order in a chat is sent a code to the order's own contact, and tied by it; whether there is such an
//! order, and whose it is, is learned from nothing.

use super::chain::LAN;
use super::shops::Tea;
use super::world::{Setup, World, customers, forms, shown};
use orderwire::mock::{Say, Taken};

const ROUTES: &str = customers!(["order_placed", "shipped"] => ["messenger-page", "mail"]);
const OTHER: &str = "9900000000000001";
const SENT: &str = "若這是訂單編號";

async fn world() -> World {
    let set = Setup { routes: ROUTES, shop: "track = { enabled = true }", ..Setup::default() };
    let mut w = World::start(set).await;
    for id in [41, 42] {
        assert_eq!(forms(&w.told(&Tea::paid(id, w.now()).webhook(w.now())).await), [("smtp", "mail")]);
    }
    w
}

/// What a person's words led to: answers in the chat, and mails.
async fn says(w: &mut World, person: &str, words: &str) -> (Vec<Taken>, Vec<Taken>) {
    w.say("messenger", person, Say::Text(words.into())).await;
    // A code is handed over beside the answer.
    w.rest().await;
    w.news().into_iter().partition(|t| t.channel == "messenger")
}

/// The six digits of a mail.
fn code(mail: &Taken) -> String {
    let title = &mail.title;
    let digits: String = title.chars().rev().take_while(char::is_ascii_digit).collect();
    assert_eq!(digits.len(), 6, "{title}");
    digits.chars().rev().collect()
}

/// The mail with a code, which is sent beside the queue.
async fn mailed(w: &mut World) -> Taken {
    let found = crate::support::until("a code was mailed", || async {
        w.mock.sent().into_iter().rev().find(|t| t.channel == "smtp" && t.title.contains("驗證碼"))
    });
    let mail = found.await;
    w.news();
    mail
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_and_the_code_that_its_contact_got_tie_the_chat() {
    let mut w = world().await;
    let (answers, _) = says(&mut w, LAN, "我的訂單").await;
    assert!(shown(&answers).contains("請在此傳送訂單編號"), "{}", shown(&answers));
    let (answers, _) = says(&mut w, LAN, "訂單編號：41").await;
    assert!(answers.len() == 1 && shown(&answers).contains(SENT), "{}", shown(&answers));
    let mail = mailed(&mut w).await;
    assert_eq!(mail.to, "mei@example.com");
    let code = code(&mail);
    // It is LAN's alone: to somebody else it is a number like any other.
    let (answers, _) = says(&mut w, OTHER, &code).await;
    assert!(answers.len() == 1 && shown(&answers).contains(SENT), "{}", shown(&answers));
    let (answers, _) = says(&mut w, LAN, &code).await;
    assert!(shown(&answers).contains("連結成功") && shown(&answers).contains("41"), "{}", shown(&answers));
    let mut order = Tea::paid(41, w.now());
    order.ship("F1", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("messenger", "update")]);
    // The other order of that customer was not named.
    let mut order = Tea::paid(42, w.now());
    order.ship("F2", w.now());
    assert_eq!(forms(&w.told(&order.webhook(w.now())).await), [("smtp", "mail")]);
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_such_order_and_not_yours_are_one_answer_and_codes_end() {
    let mut w = world().await;
    let mut said = Vec::new();
    for (person, words) in [(LAN, "#41"), (OTHER, "#41"), (OTHER, "#999"), (OTHER, "999"), (OTHER, "123456")] {
        let (answers, _) = says(&mut w, person, words).await;
        assert_eq!(answers.len(), 1, "{words}: {}", shown(&answers));
        said.push((answers[0].title.clone(), answers[0].text.clone(), answers[0].form));
    }
    assert!(said.iter().all(|s| *s == said[0]), "{said:#?}");
    let first = mailed(&mut w).await;
    // Ten minutes later it is a number like any other.
    w.pass(601).await;
    let (answers, _) = says(&mut w, LAN, &code(&first)).await;
    assert!(shown(&answers).contains(SENT), "{}", shown(&answers));
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_gets_three_codes_a_person_five_and_then_silence() {
    let mut w = world().await;
    let mut answers = 0;
    for _ in 0..24 {
        answers += says(&mut w, LAN, "#41").await.0.len();
    }
    assert_eq!(answers, 20, "after twenty nothing is answered");
    let (answered, _) = says(&mut w, OTHER, "#41").await;
    assert!(shown(&answered).contains(SENT), "{}", shown(&answered));
    // The answer that comes behind all of them: what would have been sent beside has been sent.
    let (answered, _) = says(&mut w, OTHER, "#42").await;
    assert!(shown(&answered).contains(SENT), "{}", shown(&answered));
    let titles = || w.mock.sent().into_iter().map(|t| t.title).filter(|t| t.contains("驗證碼")).collect::<Vec<_>>();
    let of = |no: &str| titles().iter().filter(|t| t.contains(&format!("{no}的"))).count();
    let sent = || async { (of("42") > 0).then_some(()) };
    tokio::time::timeout(std::time::Duration::from_secs(10), crate::support::until("a code was mailed", sent))
        .await
        .unwrap_or_else(|_| panic!("{:?}\n{:?}", titles(), w.mock.refused()));
    assert!((1..=3).contains(&of("41")) && of("42") == 1, "{:?}", titles());
    w.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_orders_are_not_known_by_number_nothing_is_answered() {
    let mut w = World::chain(ROUTES).await;
    w.told(&Tea::paid(41, w.now()).webhook(w.now())).await;
    assert_eq!(says(&mut w, LAN, "#41").await.0.len(), 0);
    let (answers, _) = says(&mut w, LAN, "我的訂單").await;
    assert!(!shown(&answers).contains("請在此傳送訂單編號"), "{}", shown(&answers));
    w.end().await;
}
