//! The REST API, against a responder on loopback.

use super::{SECRET, delivery, golden, kind, shop};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::event::{JoinKey, OrderEvent, Told};
use orderwire::domain::ids::OrderId;
use orderwire::domain::settings::Secret;
use orderwire::platform::{Api, AskFault, Question, Shop};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

/// A shop that answers one request with these bytes, and tells what it was asked.
fn responder(answer: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    let handle = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut head = Vec::new();
        let mut buffer = [0u8; 1024];
        while !head.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut buffer).expect("read");
            assert!(n > 0, "the request ended early");
            head.extend_from_slice(&buffer[..n]);
        }
        // A client that gave up on a long answer is no failure of the responder.
        drop(stream.write_all(answer.as_bytes()));
        String::from_utf8_lossy(&head).into_owned()
    });
    (url, handle)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn client() -> reqwest::Client {
    // Another test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("client")
}

fn shop_with_api(url: &str) -> Shop {
    let api = Api::new(url, Some(Secret::new("ck_1")), Secret::new("cs_2"));
    Shop { api: Some(api), ..shop() }
}

fn asked(url: &str, question: Question) -> Result<Option<OrderEvent>, AskFault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on((kind().ask)(&shop_with_api(url), &client(), question))
}

fn ask_once(reply: String) -> (Result<Option<OrderEvent>, AskFault>, String) {
    let (url, handle) = responder(reply);
    let result = asked(&url, Question::Order(OrderId::from("501")));
    (result, handle.join().expect("responder"))
}

#[test]
fn an_order_is_asked_for_and_read_like_a_webhook() {
    let body = fs::read_to_string(golden().join("order_paid_by_card/body")).expect("body");
    let (result, head) = ask_once(answer("200 OK", "Content-Type: application/json\r\n", body.trim_end()));
    assert!(head.starts_with("GET /wp-json/wc/v3/orders/501 HTTP/1.1\r\n"), "{head}");
    let basic = format!("Basic {}", STANDARD.encode("ck_1:cs_2"));
    assert!(head.lines().any(|l| l.eq_ignore_ascii_case(&format!("authorization: {basic}"))), "{head}");
    let event = result.expect("answer").expect("event");
    let raw = delivery("order.updated", body.trim_end().as_bytes(), SECRET);
    let Told::Events(events) = (kind().normalise)(&shop(), &raw) else { panic!("no event") };
    assert_eq!(event.patch, events[0].patch);
    assert_eq!((event.at, event.dated, event.refetch), (events[0].at, true, false));
}

#[test]
fn a_cart_is_no_order() {
    let body = fs::read_to_string(golden().join("draft_cart/body")).expect("body");
    assert_eq!(ask_once(answer("200 OK", "", body.trim_end())).0, Ok(None));
}

#[test]
fn each_answer_of_the_api_has_its_meaning() {
    let fault = r#"{"code":"woocommerce_rest_cannot_view","message":"Zzyzx","data":{"status":403}}"#;
    let later: [(&str, &str, &str, Option<u64>); 4] = [
        ("503 Service Unavailable", "Retry-After: 30\r\n", "", Some(30)),
        ("429 Too Many Requests", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", "", None),
        ("502 Bad Gateway", "", "<html>", None),
        ("200 OK", "", "<html>maintenance</html>", None),
    ];
    for (status, headers, body, wait) in later {
        match ask_once(answer(status, headers, body)).0 {
            Err(AskFault::Later(_, seconds)) => assert_eq!(seconds, wait, "{status}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    for (status, body, word) in [
        ("401 Unauthorized", fault, "woocommerce_rest_cannot_view"),
        ("403 Forbidden", "", "key"),
        ("404 Not Found", "", "no such order"),
        ("301 Moved Permanently", "", "final address"),
        ("200 OK", "{\"id\":1}", "no order"),
    ] {
        match ask_once(answer(status, "", body)).0 {
            Err(AskFault::Refused(why)) => assert!(why.contains(word) && !why.contains("Zzyzx"), "{status}: {why}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    let long = "x".repeat(3 * 1024 * 1024);
    assert!(matches!(ask_once(answer("200 OK", "", &long)).0, Err(AskFault::Refused(_))));
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let port = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let closed = format!("http://127.0.0.1:{port}");
    let order = || Question::Order(OrderId::from("501"));
    match asked(&closed, order()) {
        Err(AskFault::Later(why, None)) => assert!(!why.contains("127.0.0.1"), "{why}"),
        other => panic!("{other:?}"),
    }
    let join = Question::OrderOf(JoinKey { kind: "fulfillment".into(), id: "9".into() });
    for (url, question, word) in [
        (closed.as_str(), join, "fulfillment"),
        (closed.as_str(), Question::Order(OrderId::from("../customers/1")), "digits"),
        ("http://tea.example", order(), "https://"),
        ("tea.example", order(), "https://"),
    ] {
        match asked(url, question) {
            Err(AskFault::Refused(why)) => assert!(why.contains(word), "{why}"),
            other => panic!("{url}: {other:?}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let ask = |shop: &Shop| runtime.block_on((kind().ask)(shop, &client(), order()));
    assert!(matches!(ask(&shop()), Err(AskFault::Refused(why)) if why.contains("[shop.api]")));
    let mut keyless = shop_with_api(&closed);
    keyless.api.as_mut().expect("api").key = None;
    assert!(matches!(ask(&keyless), Err(AskFault::Refused(why)) if why.contains("consumer key")));
}

#[test]
fn the_example_is_a_shop_table() {
    let table: toml::Table = kind().example.parse().expect("TOML");
    let shop = table["shop"].as_array().expect("[[shop]]")[0].as_table().expect("table").clone();
    assert_eq!(shop["platform"].as_str(), Some("woocommerce"));
    assert!(shop.contains_key("statuses") && shop.contains_key("secrets") && shop.contains_key("api"));
}
