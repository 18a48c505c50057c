//! The customer's page: what it shows, what its switches do, and what nobody can do with it.

use super::track::{with_form, with_form_at};
use crate::support::orders::{EMAIL, LINE_USER, NAME, PHONE, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request, get};
use orderwire::boot::run::Role;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::person::{Address, PersonChange, Unreachable};
use orderwire::flow::consent::desk;
use orderwire::flow::link::{self, Invitation};
use orderwire::flow::live::Holder;
use orderwire::mock::{Mock, MockOptions};
use std::time::Duration;

/// A messenger that the page cannot name would break it for everybody whom the shop writes to there.
#[test]
fn every_messenger_for_customers_has_a_name_in_every_language() {
    let words = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages/words");
    for locale in orderwire::words::LOCALES {
        let text = std::fs::read_to_string(format!("{words}/{locale}.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        for kind in orderwire::channel::ALL {
            let customers = (kind.capabilities)().audience == orderwire::domain::channel::Audience::Customer;
            assert!(!customers || table["channel"].get(kind.section()).is_some(), "{locale} {}", kind.name);
        }
    }
}

fn line() -> Address {
    Address::new("line", LINE_USER)
}

/// Values of the forms on a page, in order.
pub fn forms(page: &str) -> Vec<String> {
    let values = page.split("name=\"form\" value=\"").skip(1);
    values.map(|rest| rest.split('"').next().unwrap().to_string()).collect()
}

async fn press(relay: &Relay, path: &str, form: &str) -> Answer {
    let post = Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded");
    post.body(format!("form={form}")).send(relay.web).await
}

async fn relay(provider: &str) -> Relay {
    let plan = Plan::on(shared()).provider(provider);
    Relay::start_text(&with_form(&plan.text()), &plan.prefix, Role::All).await
}

/// Waits until the order `id` was told or not, and says why.
async fn told(relay: &Relay, id: u64) -> String {
    relay.post(&woo("order.created", woo_order(id, "pending", 9).to_string().as_bytes())).await;
    let decided = || async {
        let view = relay.view("woo", id).await?;
        let item = view["items"].as_array()?.iter().find(|i| i["milestone"] == "order_placed")?.clone();
        (item["state"] != "open").then(|| item["reason"].as_str().unwrap_or("sent").to_string())
    };
    until("the order is told or not", decided).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_where_the_order_stands_in_four_languages_and_names_nobody() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    assert_eq!(told(&relay, 611).await, "sent");
    let path = relay.page(611, "line-main", &line());
    for (lang, words) in [
        ("", ["Order received", "Pay now", "Turn off for this order"]),
        ("?lang=en", ["Order received", "Pay now", "Turn off for this order"]),
        ("?lang=zh-TW", ["訂單已成立", "前往付款", "關閉此訂單的通知"]),
        ("?lang=zh-CN", ["订单已提交", "去支付", "关闭此订单的通知"]),
        ("?lang=vi", ["Đã nhận đơn hàng", "Thanh toán ngay", "Tắt cho đơn hàng này"]),
        ("?lang=tlh", ["Order received", "Pay now", "Turn off for this order"]),
    ] {
        let answer = get(relay.web, &format!("{path}{lang}")).await;
        assert_eq!(answer.status, 200);
        for words in words {
            assert!(
                lang.is_empty() || lang == "?lang=tlh" || answer.body.contains(words),
                "{lang}: {words}\n{}",
                answer.body
            );
        }
        assert!(answer.body.contains("611") && answer.body.contains("Tea") && answer.body.contains("LINE"));
        for person in [LINE_USER, EMAIL, PHONE, NAME, "canary.person", "912345678"] {
            assert!(!answer.body.contains(person), "{person}\n{}", answer.body);
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains("src="), "nothing runs, nothing is fetched");
        // Where it leads away, nothing goes along.
        assert!(
            answer.body.matches("href=\"https").count() == answer.body.matches("rel=\"noreferrer noopener\"").count()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shop_or_a_buyer_wrote_is_text_and_its_links_are_https() {
    let relay = relay("http://127.0.0.1:9").await;
    let mut order = woo_order(615, "pending", 9);
    order["number"] = "\"><img src=x onerror=alert(1)>".into();
    order["line_items"][0]["name"] = "</style><svg/onload=alert(1)>{{ 7*7 }}\u{202e}".into();
    order["payment_url"] = "javascript:alert(1)".into();
    assert_eq!(relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
    let answer = get(relay.web, &relay.page(615, "line-main", &line())).await;
    assert_eq!(answer.status, 200);
    let shown = answer.body.split("<body>").nth(1).unwrap();
    for bad in ["<img", "<svg", "javascript:", "\u{202e}"] {
        assert!(!shown.contains(bad), "{bad}: {shown}");
    }
    assert!(answer.body.matches("</style>").count() == 1, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_switched_off_and_on_and_then_everything() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    assert_eq!(told(&relay, 621).await, "sent");
    let path = relay.page(621, "line-main", &line());
    let page = get(relay.web, &path).await.body;
    let [off_order, off_all, ..] = &forms(&page)[..] else { panic!("{page}") };
    let before = shared().dump(&relay.prefix);
    // Nothing of this is a press of this page's button.
    for (body, what) in [
        (String::new(), "no form"),
        ("form=".into(), "an empty one"),
        (format!("form={}x", off_order), "a changed one"),
        (format!("form={}", path.trim_start_matches("/p/")), "the link itself"),
        ("x".repeat(20_000), "far too long"),
    ] {
        let answer = Request::new("POST", path.as_str()).body(body).send(relay.web).await;
        assert_eq!(answer.status, 403, "{what}");
        assert!(forms(&answer.body).len() == 6, "it asks anew, for three channels");
    }
    let other = relay.page(622, "line-main", &line());
    assert_eq!(press(&relay, &other, off_order).await.status, 403, "a form of another page");
    assert_eq!(before, shared().dump(&relay.prefix), "and nothing was written");

    let answer = press(&relay, &path, off_order).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("role=\"status\""));
    let muted = || async { !relay.order("woo", 621).await.unwrap().1.muted.is_empty() };
    assert!(muted().await);
    assert_eq!(told(&relay, 623).await, "sent", "other orders go on");
    let [on_order, ..] = &forms(&answer.body)[..] else { panic!("{}", answer.body) };
    assert_eq!(press(&relay, &path, on_order).await.status, 200);
    assert!(!muted().await);
    assert_eq!(press(&relay, &path, off_order).await.status, 200, "switching off always counts");
    assert_eq!(press(&relay, &path, on_order).await.status, 403, "an old form does not bring it back");
    assert!(muted().await);

    let answer = press(&relay, &path, off_all).await;
    assert_eq!(answer.status, 200);
    assert_eq!(told(&relay, 624).await, "opted_out");
    let [on_all, ..] = &forms(&answer.body)[..] else { panic!("{}", answer.body) };
    assert_eq!(press(&relay, &path, on_all).await.status, 200);
    assert_eq!(told(&relay, 625).await, "sent");
    assert_eq!(press(&relay, &path, off_all).await.status, 200);
    assert_eq!(press(&relay, &path, on_all).await.status, 403, "that one was of the refusal before");
    assert_eq!(told(&relay, 626).await, "opted_out");
    relay.clock_ahead(3 * 3_600_000);
    assert_eq!(press(&relay, &path, off_order).await.status, 403, "a form lasts as long as a page stands open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_switches_on_only_where_it_was_sent_and_never_what_a_provider_holds() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    assert_eq!(told(&relay, 631).await, "sent");
    let by_mail = relay.page(631, "mail", &Address::new("email", EMAIL));
    let off = PersonChange { opted_out: Some(true), ..PersonChange::default() };
    let (at, who, channel) = (relay.app.clock.now(), line(), ChannelId::from("line-main"));
    relay.app.store.apply(&channel, &who, "no", at, &off, false).await.unwrap();
    let page = get(relay.web, &format!("{by_mail}?lang=en")).await.body;
    // Mail and SMS can be switched off twice over, LINE cannot be switched on from here.
    assert!(!page.contains("Turn on again"), "{page}");
    assert!(page.contains("To turn it on again, open the link"), "{page}");
    let own = get(relay.web, &format!("{}?lang=en", relay.page(631, "line-main", &who))).await.body;
    assert!(own.contains("Turn on again"), "{own}");
    let blocked = PersonChange { unreachable: Some(Some(Unreachable::Blocked)), ..PersonChange::default() };
    relay.app.store.apply(&channel, &who, "block", at, &blocked, false).await.unwrap();
    let own = get(relay.web, &format!("{}?lang=en", relay.page(631, "line-main", &who))).await.body;
    assert!(!own.contains("Turn on again") && own.contains("Only you can lift that"), "{own}");
    // Twilio keeps refusals itself.
    let (sms, phone) = (ChannelId::from("text"), Address::new("phone", PHONE));
    relay.app.store.apply(&sms, &phone, "no", at, &off, false).await.unwrap();
    let own = get(relay.web, &relay.page(631, "text", &phone)).await.body;
    assert!(!own.contains("Turn on again"), "{own}");
}

/// A chat that was tied to the order by a link is switched off like what the order itself carries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_was_tied_by_a_link_is_switched_too() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    assert_eq!(told(&relay, 626).await, "sent");
    let (app, channel) = (&relay.app, ChannelId::from("line-main"));
    let other = Address::new("line", "U0000000000000000000000000000beef");
    let invitation = Invitation { shop: "woo".into(), order: "626".into(), shown: None };
    let code = link::code(app, &invitation, plus_secs(app.clock.now(), 600)).await.unwrap();
    let claimed = link::claim(app, (&channel, &other), &code, app.clock.now()).await.unwrap();
    assert_eq!(claimed, link::Claim::Tied(invitation));
    // By the link of another channel: whoever ordered may silence every chat of the order.
    let path = relay.page(626, "mail", &Address::new("email", EMAIL));
    let page = get(relay.web, &path).await.body;
    let row = page.split("LINE").nth(1).unwrap_or_else(|| panic!("{page}"));
    let [_, off_all, ..] = &forms(row)[..] else { panic!("{page}") };
    assert_eq!(press(&relay, &path, off_all).await.status, 200);
    let who = [(channel.clone(), other), (channel, line())];
    let facts = app.store.facts(&who).await.unwrap();
    assert!(facts.iter().all(|f| f.opted_out.is_some()), "both are off");
}

/// The shop switched the order off for a wrong person: no link brings that back, not even one made before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_shop_muted_the_page_does_not_switch_on() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    assert_eq!(told(&relay, 627).await, "sent");
    let path = relay.page(627, "line-main", &line());
    let off = &forms(&get(relay.web, &path).await.body)[0];
    let own = press(&relay, &path, off).await.body;
    let on = &forms(&own)[0];
    desk::mute(&relay.app, ("woo", "627"), Some("line-main"), true, "wrong person").await.unwrap();
    let page = get(relay.web, &path).await.body;
    assert_eq!(forms(&page).len(), forms(&own).len() - 1, "nothing to switch it on by: {page}");
    assert_eq!(press(&relay, &path, on).await.status, 403, "nor by the page as it was");
    desk::mute(&relay.app, ("woo", "627"), Some("line-main"), false, "it was theirs").await.unwrap();
    assert!(get(relay.web, &format!("{path}?lang=en")).await.body.contains("Turn off for this order"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_program_switches_off_with_one_click_by_the_same_link() {
    let line_api = Provider::line().await;
    let relay = relay(&line_api.url).await;
    let path = relay.page(641, "line-main", &line());
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=b", multipart),
    ] {
        let answer = Request::new("POST", path.as_str()).header("content-type", kind).body(body).send(relay.web).await;
        assert_eq!(answer.status, 200, "{kind}");
        assert!(answer.header("set-cookie").is_none() && !answer.body.contains("<form"), "{}", answer.body);
    }
    assert_eq!(told(&relay, 642).await, "opted_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mails_own_link_leads_to_the_page_and_switches_off() {
    let mock = Mock::start(MockOptions::default()).await.unwrap();
    let plan = Plan::on(shared()).provider(&mock.http_url());
    let text = with_form_at(&plan.text(), &mock.http_url(), mock.smtp_addr().port());
    let relay = Relay::start_text(&text, &plan.prefix, Role::All).await;
    relay.post(&woo("order.created", woo_order(645, "pending", 9).to_string().as_bytes())).await;
    let mail = || async { mock.sent().into_iter().find(|taken| taken.channel == "smtp") };
    let mail = until("the mail is sent", mail).await;
    let head = mail.header("list-unsubscribe").unwrap();
    let path = head.trim_matches(['<', '>']).strip_prefix("https://notify.example.com").unwrap();
    assert!(mail.text.contains(path), "and under the words");
    let page = get(relay.web, path).await;
    assert!(page.status == 200 && page.body.contains("645"), "{}", page.body);
    let click = Request::new("POST", path).body("List-Unsubscribe=One-Click").send(relay.web).await;
    assert_eq!(click.status, 200);
    let who = [(ChannelId::from("mail"), Address::new("email", EMAIL))];
    assert!(relay.app.store.facts(&who).await.unwrap()[0].opted_out.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_order_that_is_gone_only_the_switches_are_left() {
    let relay = relay("http://127.0.0.1:9").await;
    let holder = |shop: &str| Holder {
        order: Some((ShopId::from(shop), "999".into())),
        channel: "line-main".into(),
        address: line(),
    };
    for shop in ["woo", "no-such-shop"] {
        let token = relay.app.live().page_token(&holder(shop), plus_secs(relay.app.clock.now(), 60)).unwrap();
        let answer = get(relay.web, &format!("/p/{token}")).await;
        assert_eq!((answer.status, forms(&answer.body).len()), (200, 1), "{shop}: {}", answer.body);
        assert!(!answer.body.contains("999"));
    }
}

/// Whatever is not a link of ours: one answer, word for word, and as soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_at_a_link_learn_nothing() {
    let relay = std::sync::Arc::new(relay("http://127.0.0.1:9").await);
    let path = relay.page(651, "line-main", &line());
    let (soon, live) = (plus_secs(relay.app.clock.now(), 3600), relay.app.live());
    let seal = &live.keyed.as_ref().unwrap().seal;
    let foreign: Vec<String> =
        (0..64).map(|i| format!("/p/{}", seal.token(["form", "track", "link"][i % 3], &[7; 120], soon))).collect();
    let first = get(relay.web, "/p/forged").await;
    let mut running = Vec::new();
    for task in 0..8_usize {
        let (relay, path, foreign, body) = (relay.clone(), path.clone(), foreign.clone(), first.body.clone());
        running.push(tokio::spawn(async move {
            let (mut forged, mut real) = (Vec::new(), Vec::new());
            for i in 0..1250_usize {
                let n = task * 1250 + i;
                // A changed letter at every place of a genuine one, and genuine ones for something else.
                let target = if n.is_multiple_of(2) { foreign[n % 64].clone() } else { changed(&path, n) };
                let answer = get(relay.web, &target).await;
                assert_eq!((answer.status, &answer.body), (404, &body), "{target}");
                (if n.is_multiple_of(2) { &mut real } else { &mut forged }).push(answer.took);
            }
            (forged, real)
        }));
    }
    ten_thousand_alike(running).await;
}

/// What every guesser measured of forged and of real ones, put together: as many as promised, and no way to tell them
/// apart by time.
pub async fn ten_thousand_alike(running: Vec<tokio::task::JoinHandle<(Vec<Duration>, Vec<Duration>)>>) {
    let (mut forged, mut real) = (Vec::new(), Vec::new());
    for task in running {
        let (f, r) = task.await.unwrap();
        forged.extend(f);
        real.extend(r);
    }
    assert_eq!(forged.len() + real.len(), 10_000);
    alike(forged, real);
}

pub fn changed(path: &str, n: usize) -> String {
    let mut letters: Vec<char> = path.chars().collect();
    let at = 3 + n % (letters.len() - 3);
    // Of the last letter not all bits count: another one may mean the same.
    let at = at.min(letters.len() - 2);
    letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

/// Medians of what was measured side by side, coarsely.
pub fn alike(mut a: Vec<Duration>, mut b: Vec<Duration>) {
    a.sort();
    b.sort();
    let (a, b) = (a[a.len() / 2], b[b.len() / 2]);
    let (less, more) = (a.min(b), a.max(b));
    assert!(more < less * 3 / 2 + Duration::from_millis(2), "{a:?} and {b:?}");
}
