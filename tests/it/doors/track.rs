//! The track-your-order form: the code goes to whom the order belongs, and nobody else learns anything.

use super::customer::alike;
use crate::support::orders::{EMAIL, PHONE, woo, woo_order};
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request, get};
use orderwire::boot::run::Role;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::person::{Address, PersonChange};
use orderwire::flow::track::{Asked, Opened, ask, open};
use orderwire::mock::{Mock, MockOptions};
use std::time::Instant;

const FRAME: &str = "https://shop.example.com";

/// Settings with the form at the shops that have a route, and with mail and SMS among their channels.
pub fn with_form(text: &str) -> String {
    with_form_at(text, "http://127.0.0.1:9", 9)
}

pub fn with_form_at(text: &str, http: &str, smtp: u16) -> String {
    let form = format!("settle_untracked = \"0s\"\n[shop.track]\nembed_origins = [\"{FRAME}\"]\n[shop.identify]");
    let text = text.replace("settle_untracked = \"0s\"\n[shop.identify]", &form);
    let text = text.replace("channels = [\"line-main\"]", "channels = [\"line-main\"]\nalso = [\"mail\", \"text\"]");
    format!(
        "{text}\n[[channel]]\nid = \"mail\"\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = {smtp}\ntls = \"none\"\n\
         from = {{ name = \"Tea\", address = \"tea@shop.example.com\" }}\n\
         [[channel]]\nid = \"text\"\nkind = \"sms_twilio\"\naccount_sid = \"AC00000000000000000000000000000000\"\n\
         auth_token = {{ value = \"mock-twilio-token\" }}\nfrom = \"+15005550006\"\napi_url = \"{http}\"\n\
         registered = {{ woo = {{ brand = \"好日茶\" }} }}\n"
    )
}

struct Stage {
    relay: Relay,
    mock: Mock,
}

impl Stage {
    async fn new(server: &str) -> Stage {
        let mock = Mock::start(MockOptions::default()).await.unwrap();
        let mut plan = Plan::on(shared()).provider(&mock.http_url());
        plan.server = server.into();
        // Only codes are sent: no milestone is told.
        plan.routes = plan.routes.replace("[\"*\"]", "[\"return_reopened\"]");
        let text = with_form_at(&plan.text(), &mock.http_url(), mock.smtp_addr().port());
        Stage { relay: Relay::start_text(&text, &plan.prefix, Role::All).await, mock }
    }

    /// An order of the shop whose number is not its id.
    async fn order(&self, id: u64, number: &str, email: &str) {
        let mut order = woo_order(id, "processing", 9);
        order["number"] = number.into();
        order["billing"]["email"] = email.into();
        assert_eq!(self.relay.post(&woo("order.created", order.to_string().as_bytes())).await.status, 200);
    }

    async fn post(&self, body: String) -> Answer {
        let post = Request::new("POST", "/t/woo").header("content-type", "application/x-www-form-urlencoded");
        post.body(body).send(self.relay.web).await
    }

    async fn ask(&self, number: &str, contact: &str) -> Answer {
        let body = format!("number={}&contact={}", coded(number), coded(contact));
        self.post(body).await
    }

    async fn code(&self, ticket: &str, code: &str) -> Answer {
        self.post(format!("ticket={ticket}&code={code}")).await
    }

    /// The code of the message number `n` that was sent, and all of its words.
    async fn sent(&self, n: usize) -> (String, String) {
        until("a code is sent", || async { (self.mock.sent().len() >= n).then_some(()) }).await;
        let taken = self.mock.sent().swap_remove(n - 1);
        let words = format!("{} {}", taken.title, taken.text);
        let code = words.split(|c: char| !c.is_ascii_digit()).find(|d| d.len() == 6).expect("six digits");
        (code.to_string(), format!("{}: {words}", taken.to))
    }
}

fn coded(text: &str) -> String {
    text.replace('+', "%2B").replace('#', "%23").replace(' ', "+")
}

fn ticket(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{}", page.body);
    let rest = page.body.split("name=\"ticket\" value=\"").nth(1).expect("a ticket");
    rest.split('"').next().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_goes_to_the_orders_own_contact_and_opens_its_page_once() {
    let stage = Stage::new("").await;
    stage.order(701, "A-1701", EMAIL).await;
    let form = get(stage.relay.web, "/t/woo?lang=zh-TW").await;
    assert!(form.status == 200 && form.body.contains("訂單編號"), "{}", form.body);
    assert!(form.header("content-security-policy").unwrap().ends_with(&format!("frame-ancestors {FRAME}")));
    let first = ticket(&stage.ask("#a-1701 ", &EMAIL.to_uppercase()).await);
    let (code, words) = stage.sent(1).await;
    assert!(words.contains(EMAIL) && words.contains("A-1701") && !words.contains("/p/"), "{words}");
    assert_eq!(stage.code(&first, "000").await.status, 403);
    let opened = stage.code(&first, &format!(" {code} ").replace(' ', "+")).await;
    assert_eq!(opened.status, 303, "{}", opened.body);
    let page = get(stage.relay.web, opened.header("location").unwrap()).await;
    assert!(page.status == 200 && page.body.contains("A-1701") && page.body.contains("Tea"), "{}", page.body);
    assert_eq!(stage.code(&first, &code).await.status, 403, "a code is good once");
    // By SMS, under the carriers' rules: the brand, no link.
    let second = ticket(&stage.ask("A1701", "0912 345 678").await);
    let (code, words) = stage.sent(2).await;
    assert!(words.contains(PHONE) && words.contains("好日茶") && !words.contains("http"), "{words}");
    assert_eq!(stage.code(&second, &code).await.status, 303);
    // A code of another request, of another shop, and one that is over.
    let third = ticket(&stage.ask("A-1701", EMAIL).await);
    let (code, _) = stage.sent(3).await;
    let elsewhere = Request::new("POST", "/t/shopi").body(format!("ticket={third}&code={code}"));
    assert_eq!(elsewhere.send(stage.relay.web).await.status, 403);
    assert_eq!(stage.code(&first, "999999").await.status, 403);
    stage.relay.clock_ahead(601_000);
    assert_eq!(stage.code(&third, &code).await.status, 403, "ten minutes are over");
    for (target, status) in [("/t/woo-b", 404), ("/t/no-such-shop", 404), ("/t/shopi", 200)] {
        assert_eq!(get(stage.relay.web, target).await.status, status, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_bears_five_wrong_tries_and_lies_in_redis_only_as_a_hash() {
    let stage = Stage::new("").await;
    stage.order(711, "711", EMAIL).await;
    let ticket = ticket(&stage.ask("711", EMAIL).await);
    let (code, _) = stage.sent(1).await;
    let dump = format!("{:?}", shared().dump(&stage.relay.prefix));
    assert!(!dump.contains(&code) && !dump.contains(EMAIL) && dump.contains("code:"));
    let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
    for _ in 0..5 {
        assert_eq!(stage.code(&ticket, &wrong).await.status, 403);
    }
    assert_eq!(stage.code(&ticket, &code).await.status, 403, "it is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_refused_or_asked_too_often_is_sent_nothing_and_the_answer_is_the_same() {
    let stage = Stage::new("").await;
    stage.order(721, "721", "no@example.com").await;
    stage.order(722, "722", "often@example.com").await;
    stage.order(723, "723", "last@example.com").await;
    let off = PersonChange { opted_out: Some(true), ..PersonChange::default() };
    let (mail, who) = (ChannelId::from("mail"), Address::new("email", "no@example.com"));
    stage.relay.app.store.apply(&mail, &who, "no", stage.relay.app.clock.now(), &off, false).await.unwrap();
    let mut pages = vec![stage.ask("721", "no@example.com").await, stage.ask("721", "none@example.com").await];
    for n in 1..=3 {
        pages.push(stage.ask("722", "often@example.com").await);
        stage.sent(n).await;
    }
    pages.push(stage.ask("722", "often@example.com").await);
    pages.push(stage.ask("723", "last@example.com").await);
    let (_, words) = stage.sent(4).await;
    assert!(words.contains("last@example.com"), "{words}");
    assert_eq!(stage.mock.sent().len(), 4);
    let bare = |p: &Answer| p.body.replace(&ticket(p), "");
    assert!(pages.iter().all(|p| bare(p) == bare(&pages[0]) && p.headers.len() == pages[0].headers.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_place_asks_only_so_often() {
    let stage = Stage::new("trusted_proxies = [\"127.0.0.1\"]").await;
    let from = |place: &str| {
        let post = Request::new("POST", "/t/woo").header("x-forwarded-for", place);
        post.body("number=1&contact=a@example.com")
    };
    let asks = (0..20).map(|_| async { from("203.0.113.7").send(stage.relay.web).await.status });
    assert_eq!(futures_util::future::join_all(asks).await, vec![200; 20]);
    assert_eq!(from("203.0.113.7").send(stage.relay.web).await.status, 429);
    assert_eq!(from("203.0.113.8").send(stage.relay.web).await.status, 200);
}

/// Ten thousand pairs of number and contact, hits among them: one kind of answer, of one length, after one time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_at_an_order_learn_nothing() {
    let stage = Stage::new("").await;
    stage.order(731, "731731", EMAIL).await;
    let (mut hits, mut misses) = (Vec::new(), Vec::new());
    for round in 0..20 {
        let guesses = (0..500).map(|n| {
            let app = &stage.relay.app;
            async move {
                let hit = n % 20 == round % 20;
                let number = if hit { "731731".to_string() } else { format!("{}", 100_000 + 500 * round + n) };
                let contact = if n % 2 == 0 { EMAIL.to_string() } else { format!("guess{n:04}.body@example.com") };
                let begun = Instant::now();
                let asked = ask(app, "woo", &number, &contact, None).await;
                let Asked::Ticket(ticket) = asked else { panic!("{asked:?}") };
                (hit && n % 2 == 0, contact.len(), ticket, begun.elapsed())
            }
        });
        for (hit, contact, ticket, took) in futures_util::future::join_all(guesses).await {
            // The ticket is as long as what was typed makes it.
            assert_eq!(ticket.len(), length(contact), "{contact}");
            (if hit { &mut hits } else { &mut misses }).push(took);
        }
    }
    assert!(hits.len() >= 200 && hits.len() + misses.len() == 10_000, "{}", hits.len());
    alike(hits, misses);
    // Codes are guessed as little: whoever was sent none gets what a wrong code gets.
    let Asked::Ticket(none) = ask(&stage.relay.app, "woo", "999999", "x@example.com", None).await else { panic!() };
    assert_eq!(open(&stage.relay.app, "woo", &none, "123456", None).await, Opened::Wrong);
    assert_eq!(open(&stage.relay.app, "woo", "forged", "123456", None).await, Opened::Over);
}

/// Characters of a ticket for a contact of so many: what is sealed, with its end, in the URL alphabet.
fn length(contact: usize) -> usize {
    let typed = serde_json::json!({ "shop": "woo", "number": "731731", "contact": "x".repeat(contact) }).to_string();
    let sealed = 1 + 4 + 24 + 8 + typed.len() + 16;
    (sealed * 4).div_ceil(3)
}
