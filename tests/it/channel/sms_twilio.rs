//! SMS through Twilio: goldens, the request, and the published description.

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{CALLBACKS, Parts, message, open, outside, secret};
use super::twilio::{settings, signature};
use orderwire::channel::find;
use orderwire::domain::channel::Form;
use orderwire::domain::person::Address;
use orderwire::domain::verdict::Verdict;
use serde_json::{Value, json};

pub fn sign(token: &str, body: &[u8]) -> (String, String) {
    ("x-twilio-signature".into(), signature(token, CALLBACKS, std::str::from_utf8(body).unwrap_or_default()))
}

#[test]
fn goldens() {
    golden::run("sms_twilio", &settings(), Some("+12025550123"), sign);
}

fn mistakes(change: Value) -> Vec<String> {
    let mut settings = settings();
    settings.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
    let found = (find("sms_twilio").unwrap().open)("a".into(), settings).err().unwrap_or_default();
    found.into_iter().map(|m| m.key).collect()
}

#[test]
fn settings_are_checked() {
    let sid = |prefix: &str| format!("{prefix}{}", "0a".repeat(16));
    assert_eq!(mistakes(json!({ "from": "MyShop" })), [""; 0]);
    assert_eq!(mistakes(json!({ "from": "#MyShop", "messaging_service": sid("MG") })), [""; 0]);
    assert_eq!(mistakes(json!({ "api_key": sid("SK"), "api_secret": secret("s") })), [""; 0]);
    for (change, key) in [
        (json!({ "account_sid": sid("SK") }), "account_sid"),
        (json!({ "from": null }), "from"),
        (json!({ "from": "whatsapp:+15005550006" }), "from"),
        (json!({ "from": "twelve chars" }), "from"),
        (json!({ "messaging_service": "MG1" }), "messaging_service"),
        (json!({ "api_key": sid("SK") }), "api_secret"),
        (json!({ "api_secret": secret("s") }), "api_key"),
        (json!({ "auth_token": secret("") }), "auth_token"),
        (json!({ "auth_tokens": vec![secret("a"); 4] }), "auth_tokens"),
        (json!({ "max_segments": 11 }), "max_segments"),
        (json!({ "per_second": 101 }), "per_second"),
    ] {
        assert_eq!(mistakes(change.clone()), [key], "{change}");
    }
}

#[test]
fn it_needs_an_address_that_twilio_calls() {
    let mut account = (find("sms_twilio").unwrap().open)("a".into(), settings()).ok().unwrap();
    assert!(account.called_back_at(None)[0].message.contains("server.public_url"));
    let odd = account.called_back_at(Some("https://my_relay.example/callbacks/a"));
    assert!(odd[0].message.contains("underscore"), "{odd:?}");
}

#[tokio::test]
async fn the_request_is_a_form_with_the_accounts_credentials() {
    let server =
        Server::start(|_| answer_json(201, json!({ "sid": "SM1", "status": "queued", "error_code": null }))).await;
    let mut settings = settings();
    settings["api_url"] = server.url.as_str().into();
    let by_token = open("sms_twilio", &settings);
    settings["api_key"] = format!("SK{}", "0".repeat(32)).into();
    settings["api_secret"] = secret("pw");
    let by_key = open("sms_twilio", &settings);
    let parts = Parts::of(Form::Free, Some(Address::new("phone", "+12025550123")));
    for account in [&by_token, &by_key] {
        let verdict = account.send(&account.shape(&message(), &parts.errand()).unwrap()).await;
        assert_eq!(verdict, Verdict::Accepted { ids: vec!["SM1".into()], again: false });
    }
    let seen = server.seen();
    let due = "POST /2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json ";
    assert!(seen[0].line.starts_with(due) && seen[1].line.starts_with(due), "{}", seen[1].line);
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    // Basic AC…:12345 and SK…:pw.
    assert!(seen[0].header("authorization").unwrap().starts_with("Basic QUMwMDAw"));
    assert!(seen[1].header("authorization").unwrap().starts_with("Basic U0swMDAw"));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(seen[0].body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap();
    assert_eq!((field("To"), field("From")), ("+12025550123", "+15005550006"));
    assert_eq!(field("StatusCallback"), format!("{CALLBACKS}?ref=r-1#rc=5&rp=5xx,ct,rt"));
    assert!(field("Body").starts_with("訂單#1001已出貨\n"));
}

#[test]
fn every_parameter_is_one_of_the_published_call() {
    let Some(folder) = outside("ORDERWIRE_SPECS") else { return };
    let text = std::fs::read_to_string(folder.join("twilio/messages-v2010.openapi.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    let template =
        [("content_sid".to_string(), json!(format!("HX{}", "0".repeat(32)))), ("params".into(), json!(["a"]))];
    for (kind, form, from) in [
        ("sms_twilio", Form::Free, "+15005550006"),
        ("whatsapp_twilio", Form::Free, "whatsapp:+15005550006"),
        ("whatsapp_twilio", Form::Template, "whatsapp:+15005550006"),
    ] {
        let mut settings = settings();
        settings["from"] = from.into();
        settings["messaging_service"] = format!("MG{}", "0".repeat(32)).into();
        let account = open(kind, &settings);
        let parts = Parts::of(form, Some(Address::new("phone", "+12025550123")));
        let words = orderwire::domain::channel::Message { extra: template.clone().into(), ..message() };
        let envelope = account.shape(&words, &parts.errand()).unwrap();
        let body: Value = serde_json::from_str(&envelope.body).unwrap();
        let known = parameters(&description);
        for (name, value) in body.as_object().unwrap() {
            let schema = known.get(name).unwrap_or_else(|| panic!("{kind}: {name} is not known"));
            assert_eq!(schema["type"], "string", "{kind} {name}");
            if let Some(pattern) = schema["pattern"].as_str() {
                assert_eq!(pattern.get(1..3), value.as_str().unwrap().get(..2), "{kind} {name}: {pattern}");
            }
            seen += 1;
        }
    }
    assert!(seen > 12);
}

/// The form of the call that creates a message.
fn parameters(description: &Value) -> serde_json::Map<String, Value> {
    let call = &description["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"];
    let schema = &call["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    schema["properties"].as_object().expect("the parameters").clone()
}
