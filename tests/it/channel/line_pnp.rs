//! LINE notification messages: goldens, the request as it goes out, and what the vendor's own description says of it.

use super::golden;
use super::openapi::Schemas;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, message, open, outside, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::find;
use orderwire::domain::channel::{Form, Message};
use orderwire::domain::signature::sign;
use orderwire::domain::verdict::Verdict;
use serde_json::{Value, json};

/// The number and its hash as LINE's own page has them.
const NUMBER: &str = "+818000001234";
const HASH: &str = "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c";

fn settings() -> Value {
    json!({ "access_token": secret("token-1"), "channel_secret": secret("channel-secret") })
}

fn signature(secret: &str, body: &[u8]) -> (String, String) {
    ("x-line-signature".into(), STANDARD.encode(sign(secret.as_bytes(), body)))
}

#[test]
fn goldens() {
    golden::run("line_pnp", &settings(), Some("+886912345678"), signature);
}

#[test]
fn only_numbers_of_three_countries_are_addresses() {
    let channel = open("line_pnp", &settings());
    for good in [NUMBER, "+886912345678", "+66812345678", " +886912345678 "] {
        assert!(channel.address(good).is_some(), "{good}");
    }
    for bad in ["+84912345678", "+8613812345678", "0912345678", "886912345678", "U4af49806292d4ce8b0e0a1c3d5f79b01"] {
        assert_eq!(channel.address(bad), None, "{bad}");
    }
}

#[test]
fn an_id_that_no_tag_can_carry_is_a_mistake() {
    let open = |id: &str| (find("line_pnp").unwrap().open)(id.into(), settings()).err().unwrap_or_default();
    assert_eq!(open(&"a".repeat(32)), []);
    assert_eq!(open(&"a".repeat(33))[0].key, "id");
}

#[tokio::test]
async fn the_number_goes_as_its_hash_and_the_tag_beside_it() {
    let server = Server::start(|_| answer_json(200, json!({}))).await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    let channel = open("line_pnp", &own);
    let parts = Parts::of(Form::Free, channel.address(NUMBER));
    let envelope = channel.shape(&message(), &parts.errand()).unwrap();
    assert!(!envelope.body.contains(NUMBER.trim_start_matches('+')), "the number itself is nowhere");
    assert_eq!(channel.send(&envelope).await, Verdict::Accepted { ids: Vec::new(), again: false });
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].line.starts_with("POST /bot/pnp/push "), "{}", seen[0].line);
    assert_eq!(seen[0].header("x-line-delivery-tag"), Some("orderwire:account:r-1"));
    assert_eq!(seen[0].header("x-line-retry-key"), None, "the call takes none");
    assert_eq!(seen[0].header("authorization"), Some("Bearer token-1"));
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(body["to"], HASH);
    let Some(specs) = outside("ORDERWIRE_SPECS") else { return };
    let schemas = Schemas::read(&std::fs::read_to_string(specs.join("line/messaging-api.yml")).unwrap());
    assert_eq!(schemas.faults("PnpMessagesRequest", &body), Vec::<String>::new());
}

#[tokio::test]
async fn words_that_name_a_template_go_by_its_own_call() {
    let server = Server::start(|_| answer_json(202, json!({}))).await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    let channel = open("line_pnp", &own);
    let parts = Parts::of(Form::Free, channel.address(NUMBER));
    let extra =
        json!({ "template_key": "shipment_completed_ja", "items": [{ "key": "number_001_ja", "content": 1001 }] });
    let words = Message { extra: serde_json::from_value(extra).unwrap(), ..message() };
    let envelope = channel.shape(&words, &parts.errand()).unwrap();
    assert_eq!(envelope.form, Form::Template);
    assert_eq!(channel.send(&envelope).await, Verdict::Accepted { ids: Vec::new(), again: false });
    let seen = server.seen();
    assert!(seen[0].line.starts_with("POST /v2/bot/message/pnp/templated/push "), "{}", seen[0].line);
    assert_eq!(seen[0].header("x-line-delivery-tag"), Some("orderwire:account:r-1"));
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    let items = json!([{ "itemKey": "number_001_ja", "content": "1001" }]);
    assert_eq!(body, json!({ "to": HASH, "templateKey": "shipment_completed_ja", "body": { "items": items } }));
}
