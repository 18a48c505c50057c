//! Questions to the Admin API, answered by a responder on loopback.

use super::{kind, shop};
use orderwire::domain::event::{About, JoinKey, OrderEvent};
use orderwire::domain::order::{ParcelState, PaymentState, ReturnState};
use orderwire::domain::settings::Secret;
use orderwire::platform::{Api, AskFault, Question, Shop};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Asked = Result<Option<OrderEvent>, AskFault>;

fn client() -> reqwest::Client {
    // Another test of this process may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn shop_at(url: String) -> Shop {
    Shop { api: Some(Api::new(url, None, Secret::new("shpat_0123456789"))), ..shop() }
}

/// Takes one request, gives `answer` to it and returns what the shop's API saw: head and body.
async fn one_answer(listener: TcpListener, answer: String) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        seen.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_string));
        if n == 0 || body.len() >= length.unwrap().parse::<usize>().unwrap() {
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            return (head.to_string(), serde_json::from_str(body).unwrap());
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn ask(question: Question, answer: String) -> (Asked, String, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = shop_at(format!("http://{}/", listener.local_addr().unwrap()));
        let client = client();
        let asked = (kind().ask)(&shop, &client, question);
        let (got, (head, body)) = tokio::join!(asked, one_answer(listener, answer));
        (got, head, body)
    })
}

fn order() -> Value {
    let answer = r##"{
        "id": "gid://shopify/Order/820982911946154511", "admin_graphql_api_id": "gid://shopify/Order/820982911946154511",
        "name": "#2041", "test": false, "confirmed": true, "tags": ["vip"], "email": "mei@example.net", "phone": null,
        "created_at": "2026-11-20T09:30:00Z", "updated_at": "2026-11-22T01:00:00Z", "cancelled_at": null, "cancel_reason": null,
        "financial_status": "PARTIALLY_REFUNDED", "fulfillment_status": "PARTIALLY_FULFILLED",
        "currency": "USD", "presentment_currency": "TWD",
        "current_total_price_set": {"presentment_money": {"amount": "980.0", "currency_code": "TWD"}, "shop_money": {"amount": "30.0", "currency_code": "USD"}},
        "total_outstanding_set": {"presentment_money": {"amount": "0.0", "currency_code": "TWD"}},
        "payment_gateway_names": ["shopify_payments"], "customer_locale": "zh-TW", "source_name": "web",
        "order_status_url": "https://demo-tw.myshopify.com/55/orders/abc",
        "shipping_address": {"first_name": "美玲", "last_name": "陳", "phone": "0900000001", "country_code": "TW"},
        "billing_address": null, "note_attributes": [{"name": "line_user_id", "value": "U1"}],
        "line_items": {"nodes": [{"name": "Tea", "quantity": 2, "current_quantity": 1, "requires_shipping": true, "image": {"url": "https://cdn.example/tea.png"}}]},
        "fulfillments": [{"id": "gid://shopify/Fulfillment/4401?x=1", "status": "SUCCESS", "created_at": "2026-11-21T01:00:00Z",
            "updated_at": "2026-11-21T04:00:00Z", "shipment_status": "IN_TRANSIT", "requires_shipping": true,
            "tracking_info": [{"company": "黑貓", "number": "900", "url": "https://track.example/900"}]}],
        "refunds": [{"id": "gid://shopify/Refund/66001", "created_at": "2026-11-21T05:00:00Z", "transactions": {"nodes": [
            {"kind": "REFUND", "status": "SUCCESS", "amount_set": {"presentment_money": {"amount": "300.0", "currency_code": "TWD"}}},
            {"kind": "REFUND", "status": "PENDING", "amount_set": {"presentment_money": {"amount": "9.0", "currency_code": "TWD"}}}]}}],
        "returns": {"nodes": [{"id": "gid://shopify/Return/3301", "name": "#2041-R1", "status": "OPEN"}]},
        "fulfillment_orders": {"nodes": [{"id": "gid://shopify/FulfillmentOrder/601"}]}
    }"##;
    serde_json::from_str(answer).unwrap()
}

#[test]
fn an_order_is_asked_for_by_its_id() {
    let answer = json!({"data": {"order": order()}}).to_string();
    let (got, head, body) = ask(Question::Order("820982911946154511".into()), http("200 OK", "", &answer));
    let event = got.unwrap().unwrap();
    assert!(head.starts_with("POST /admin/api/2026-10/graphql.json HTTP/1.1"), "{head}");
    assert!(head.to_ascii_lowercase().contains("x-shopify-access-token: shpat_0123456789"));
    assert_eq!(body["variables"]["id"], "gid://shopify/Order/820982911946154511");
    let query = body["query"].as_str().unwrap();
    assert_eq!(query.matches('{').count(), query.matches('}').count());
    // Scopes that an app without those webhooks may lack.
    assert!(!query.contains("returns(") && !query.contains("fulfillmentOrders") && !query.contains("%extra%"));

    assert_eq!(event.about, About::Order("820982911946154511".into()));
    assert_eq!((event.at.to_string().as_str(), event.dated, event.refetch), ("2026-11-22T01:00:00Z", true, false));
    let head = event.patch.head.unwrap();
    assert_eq!(head.total.unwrap().amount.to_string(), "980.0");
    assert_eq!(head.outstanding, None);
    assert_eq!(head.items[0].image.as_deref(), Some("https://cdn.example/tea.png"));
    assert_eq!(head.contact.identities, [("line".to_string(), "U1".to_string())]);
    assert_eq!(event.patch.payment, [(PaymentState::PartiallyRefunded, None)]);
    assert_eq!(event.patch.refunds[0].amount.as_ref().unwrap().amount.to_string(), "300.0");
    let parcel = &event.patch.parcels[0];
    assert_eq!((parcel.id.as_str(), parcel.partial, parcel.digital), ("4401", Some(true), false));
    assert_eq!(parcel.state.iter().map(|s| s.0).collect::<Vec<_>>(), [ParcelState::Shipped, ParcelState::InTransit]);
    assert_eq!(parcel.tracking[0].carrier.as_deref(), Some("黑貓"));
    assert_eq!(event.patch.returns[0].state[0].0, ReturnState::Open);
}

#[test]
fn an_order_is_asked_for_by_what_belongs_to_it() {
    for (kind, theirs) in [
        ("fulfillment_order", "FulfillmentOrder"),
        ("fulfillment", "Fulfillment"),
        ("return", "Return"),
        ("reverse_delivery", "ReverseDelivery"),
        ("refund", "Refund"),
        ("order_transaction", "OrderTransaction"),
    ] {
        let owned = json!({"order": order()});
        let thing = if kind == "reverse_delivery" { json!({"owner": owned}) } else { owned };
        let key = JoinKey { kind: kind.into(), id: "9007199254740997".into() };
        let answer = json!({"data": {"thing": thing}}).to_string();
        let (got, _, body) = ask(Question::OrderOf(key.clone()), http("200 OK", "", &answer));
        let event = got.unwrap().unwrap();
        assert_eq!(event.about, About::Order("820982911946154511".into()), "{kind}");
        assert!(event.joins.contains(&key), "{kind}: found once, known from now on");
        assert_eq!(body["variables"]["id"], format!("gid://shopify/{theirs}/9007199254740997"));
        let query = body["query"].as_str().unwrap();
        assert!(query.contains(&format!("... on {theirs} {{")), "{query}");
        assert_eq!(query.matches('{').count(), query.matches('}').count());
    }
}

#[test]
fn what_the_shop_does_not_know_is_nothing() {
    for answer in [
        json!({"data": {"order": null}}),
        json!({"data": {"thing": null}}),
        json!({"data": {"thing": {"order": null}}}),
    ] {
        let (got, ..) = ask(Question::Order("1".into()), http("200 OK", "", &answer.to_string()));
        assert_eq!(got, Ok(None));
    }
}

#[test]
fn an_order_in_a_partial_answer_counts() {
    let answer =
        json!({"data": {"order": order()}, "errors": [{"message": "x", "extensions": {"code": "ACCESS_DENIED"}}]});
    let (got, ..) = ask(Question::Order("1".into()), http("200 OK", "", &answer.to_string()));
    assert!(got.unwrap().is_some());
}

#[test]
fn faults_say_whether_to_come_again() {
    let error = |code: &str| {
        http(
            "200 OK",
            "",
            &json!({"errors": [{"message": "mei@example.net", "extensions": {"code": code}}]}).to_string(),
        )
    };
    let cost = json!({"errors": [{"extensions": {"code": "THROTTLED"}}], "extensions": {"cost": {"requestedQueryCost": 250,
        "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 50, "restoreRate": 50.0}}}});
    let later: &[(String, Option<u64>)] = &[
        (http("429 Too Many Requests", "retry-after: 2.0\r\n", ""), Some(2)),
        (http("503 Service Unavailable", "", "<html>"), None),
        (http("502 Bad Gateway", "", ""), None),
        (http("200 OK", "", "<html>"), None),
        (http("200 OK", "", &cost.to_string()), Some(4)),
        (error("THROTTLED"), None),
        (error("INTERNAL_SERVER_ERROR"), None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"data\":".to_string(), None),
    ];
    for (answer, secs) in later {
        let (got, ..) = ask(Question::Order("1".into()), answer.clone());
        assert!(matches!(&got, Err(AskFault::Later(_, after)) if after == secs), "{answer} -> {got:?}");
    }
    let refused = [
        "401 Unauthorized",
        "403 Forbidden",
        "402 Payment Required",
        "404 Not Found",
        "423 Locked",
        "301 Moved Permanently",
    ];
    let refused = refused
        .map(|s| http(s, "", "mei@example.net"))
        .into_iter()
        .chain([error("ACCESS_DENIED"), error("undefinedField")]);
    for answer in refused {
        let (got, ..) = ask(Question::Order("1".into()), answer.clone());
        let Err(AskFault::Refused(why)) = got else { panic!("{answer} -> {got:?}") };
        assert!(!why.contains("mei") && !why.contains("shpat"), "{why}");
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let (got, ..) = ask(Question::Order("1".into()), http("200 OK", "", &"x".repeat(5 * 1024 * 1024)));
    assert!(matches!(got, Err(AskFault::Refused(_))), "{got:?}");
}

#[test]
fn questions_that_cannot_be_asked_are_refused_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = |shop: &Shop, question: Question| {
        let got = runtime.block_on((kind().ask)(shop, &client(), question));
        let Err(AskFault::Refused(why)) = got else { panic!("{got:?}") };
        why
    };
    let one = || Question::Order("1".into());
    assert!(refused(&shop(), one()).contains("[shop.api]"));
    for url in ["http://demo.myshopify.com", "http://10.0.0.1", "ftp://127.0.0.1", "demo.myshopify.com", "", "mailto:x"]
    {
        assert!(refused(&shop_at(url.into()), one()).contains("[shop.api] url"), "{url}");
    }
    let at = shop_at("https://demo.myshopify.com".into());
    assert!(refused(&at, Question::Order("1\") { x".into())).contains("number"));
    let odd = JoinKey { kind: "product".into(), id: "1".into() };
    assert!(refused(&at, Question::OrderOf(odd)).contains("product"));
    let mut broken = at.clone();
    broken.api = broken.api.map(|api| Api { secret: Secret::new("line\nbreak"), ..api });
    assert!(refused(&broken, one()).contains("secret"));
}

#[test]
fn a_shop_that_is_away_is_asked_again_later() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = shop_at(format!("http://{}", listener.local_addr().unwrap()));
        drop(listener);
        (kind().ask)(&shop, &client(), Question::Order("1".into())).await
    });
    let Err(AskFault::Later(why, None)) = got else { panic!("{got:?}") };
    assert!(!why.contains("127.0.0.1"), "{why}");
}
