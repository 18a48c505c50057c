//! Zalo: words, codes, events, what goes over the wire, and the chain of tokens.

use super::golden;
use super::server::{Server, json as answer_json};
use super::stand_in::{Parts, at, message, open, outside, secret};
use futures_util::future::BoxFuture;
use orderwire::channel::{Channel, find};
use orderwire::domain::channel::{Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::keeper::Keeper;
use orderwire::domain::person::{Address, Unreachable};
use orderwire::domain::verdict::{Answer, Scope, Verdict};
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::mock::{Fault, FaultKind, Mock, MockOptions, ZaloOptions};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const APP: &str = "2074138120372622546";
const OA: &str = "388613280878808645";
const PERSON: &str = "246845883529197922";
const PHONE: &str = "+84912345678";
const KEY: &str = "oa-secret-key";

fn settings() -> Value {
    json!({
        "app_id": APP, "app_secret": secret("app-secret"), "oa_id": OA, "oa_secret_key": secret(KEY),
        "old_oa_secret_keys": [secret("oa-secret-key-old")], "access_token": secret("access-token"),
    })
}

/// As Zalo signs: a plain digest over app, body, the timestamp in it, and the key.
pub fn signature_of(app: &str, key: &str, body: &[u8]) -> (String, String) {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = document["timestamp"].as_str().map_or_else(|| document["timestamp"].to_string(), String::from);
    let signed = Sha256::new().chain_update(app).chain_update(body).chain_update(at).chain_update(key);
    ("x-zevent-signature".into(), format!("mac={}", hex::encode(signed.finalize())))
}

fn signature(key: &str, body: &[u8]) -> (String, String) {
    signature_of(APP, key, body)
}

#[test]
fn goldens() {
    golden::run("zalo", &settings(), Some(PERSON), signature);
}

#[test]
fn an_address_is_a_vietnamese_number_or_an_id_of_the_account() {
    let oa = open("zalo", &settings());
    assert_eq!(oa.address(PHONE), Some(Address::new("phone", PHONE)));
    assert_eq!(oa.address(PERSON), Some(Address::new("zalo", PERSON)));
    for bad in ["84912345678", "+84012345678", "+8491234567", "+886912345678", "0912345678", "a2468458835291979", ""] {
        assert_eq!(oa.address(bad), None, "{bad}");
    }
    assert_eq!(oa.capabilities().scheme, "phone");
    let mut to_users = settings();
    to_users["to"] = "user".into();
    let to_users = open("zalo", &to_users);
    assert_eq!((to_users.capabilities().scheme, to_users.address(PHONE)), ("zalo", None));
    assert_eq!(to_users.address(PERSON), Some(Address::new("zalo", PERSON)));
}

#[test]
fn mistakes_in_settings_are_named() {
    let keys = |change: &[(&str, Value)]| {
        let mut own = settings();
        for (key, value) in change {
            own[*key] = value.clone();
        }
        own.as_object_mut().unwrap().retain(|_, v| !v.is_null());
        let mistakes = (find("zalo").unwrap().open)("z".into(), own).err().unwrap_or_default();
        let mut keys: Vec<String> = mistakes.into_iter().map(|m| m.key).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(&[]), [""; 0]);
    assert_eq!(
        keys(&[("app_id", "x".into()), ("oa_id", "".into()), ("api_url", "http://a.example".into())]),
        ["api_url", "app_id", "business_url", "oa_id", "oauth_url",]
    );
    assert_eq!(keys(&[("refresh_token", secret("r"))]), ["access_token"]);
    let no_token = ("access_token", Value::Null);
    assert_eq!(keys(std::slice::from_ref(&no_token)), ["refresh_token"]);
    assert_eq!(keys(&[no_token.clone(), ("refresh_token", secret(""))]), ["refresh_token"]);
    assert_eq!(keys(&[no_token, ("refresh_token", secret("r"))]), [""; 0]);
}

/// The rows of the reference's table.
#[test]
fn every_documented_code_has_its_verdict() {
    let judged = |code: i64| judge(code, None);
    let waits = |code: i64, why: Reason, how_far: Scope| {
        let verdict = judged(code);
        assert!(
            matches!(&verdict, Verdict::TryLater { reason, scope, .. } if *reason == why && *scope == how_far),
            "{code}: {verdict:?}"
        );
    };
    for code in [-100, -200] {
        waits(code, Reason::Retrying, Scope::Message);
    }
    for code in [-32, -211] {
        waits(code, Reason::RateLimited, Scope::Account);
    }
    for code in [-144, -1441] {
        waits(code, Reason::QuotaSpent, Scope::Account);
    }
    waits(-147, Reason::QuotaSpent, Scope::Template);
    for code in [-133, -234] {
        waits(code, Reason::QuietHours, Scope::Message);
    }
    let stops = [
        -216, -220, -124, -115, -101, -102, -103, -104, -105, -135, -1351, -136, -137, -138, -209, -212, -219, -221,
        -223, -224, -320, -321, -240, -242, -1241,
    ];
    for code in stops {
        waits(code, Reason::ChannelPaused, Scope::Account);
    }
    let passes = |code: i64, why: Reason, how_far: Scope| match judged(code) {
        Verdict::Unreachable { reason, scope, change, .. } if reason == why && scope == how_far => change,
        other => panic!("{code}: {other:?}"),
    };
    for code in [-109, -117, -131, -145, -146] {
        assert!(passes(code, Reason::TemplateMissing, Scope::Template).is_empty(), "{code}");
    }
    for code in [-118, -114, -119, -110, -217, -227] {
        assert!(passes(code, Reason::RecipientInvalid, Scope::Recipient).is_empty(), "{code}");
    }
    for code in [-108, -201] {
        let change = passes(code, Reason::RecipientInvalid, Scope::Recipient);
        assert_eq!(change.unreachable, Some(Some(Unreachable::Invalid)), "{code}");
    }
    assert_eq!(passes(-213, Reason::RecipientBlocked, Scope::Recipient).unreachable, Some(Some(Unreachable::Blocked)));
    for code in [-139, -140, -141, -244] {
        assert_eq!(passes(code, Reason::OptedOut, Scope::Recipient).opted_out, Some(true), "{code}");
    }
    for code in [-230, -232] {
        assert!(passes(code, Reason::WindowClosed, Scope::Recipient).window_closed, "{code}");
    }
    // The last of them is in no table.
    for code in [-111, -112, -1121, -1122, -1124, -122, -132, -249, -99_999] {
        assert!(matches!(judged(code), Verdict::Refused { .. }), "{code}");
    }
}

fn judge(code: i64, date: Option<&str>) -> Verdict {
    let body = json!({ "error": code, "message": "Refused for 84912345678" }).to_string();
    let headers = date.map(|d| ("date".to_string(), d.to_string())).into_iter().collect();
    (find("zalo").unwrap().judge)(&Answer::Reply { status: 200, headers, body: body.into_bytes() })
}

#[test]
fn the_night_ends_at_five_past_six_and_the_quota_with_the_day_both_in_vietnam() {
    let waits = |code, date| match judge(code, date) {
        Verdict::TryLater { after_secs: Some(secs), detail, .. } => {
            assert!(!detail.contains("84912345678"), "a number is in {detail}");
            secs
        }
        other => panic!("{other:?}"),
    };
    // 23:00, 05:59 and 06:05 there.
    assert_eq!(waits(-133, Some("Wed, 25 Nov 2026 16:00:00 GMT")), 7 * 3600 + 300);
    assert_eq!(waits(-234, Some("Wed, 25 Nov 2026 22:59:00 GMT")), 360);
    assert_eq!(waits(-133, Some("Wed, 25 Nov 2026 23:05:00 GMT")), 86_400);
    assert_eq!(waits(-144, Some("Wed, 25 Nov 2026 16:00:00 GMT")), 3900);
    assert_eq!(waits(-147, Some("Wed, 25 Nov 2026 17:05:01 GMT")), 86_399);
    for none in [None, Some("yesterday")] {
        assert_eq!((waits(-133, none), waits(-144, none)), (3600, 3600));
    }
}

/// Words that name a template.
fn templated() -> Message {
    let mut words = message();
    words.extra.insert("template_id".into(), "231540".into());
    words.extra.insert("data".into(), json!({ "don_hang": "#1001" }));
    words
}

#[tokio::test]
async fn each_way_has_its_address_and_the_token_is_a_header() {
    let server =
        Server::start(|_| answer_json(200, json!({ "error": 0, "data": { "msg_id": "m1", "message_id": "m1" } })))
            .await;
    let mut own = settings();
    own["api_url"] = server.url.clone().into();
    own["business_url"] = format!("{}/business", server.url).into();
    let oa = open("zalo", &own);
    let ways = [
        (Form::Template, PHONE, "POST /business/message/template "),
        (Form::Template, PERSON, "POST /v3.0/oa/message/template "),
        (Form::Free, PERSON, "POST /v3.0/oa/message/cs "),
    ];
    for (i, (form, to, line)) in ways.into_iter().enumerate() {
        let envelope = oa.shape(&templated(), &Parts::of(form, oa.address(to)).errand()).unwrap();
        assert_eq!(oa.send(&envelope).await, Verdict::Accepted { ids: vec!["m1".into()], again: false });
        let seen = server.seen().remove(i);
        assert!(seen.line.starts_with(line), "{}", seen.line);
        assert_eq!(seen.header("access_token"), Some("access-token"));
    }
    let free = oa.shape(&message(), &Parts::of(Form::Free, oa.address(PHONE)).errand());
    assert!(free.unwrap_err().to_string().contains("user id"));
}

#[test]
fn decomposed_vietnamese_is_counted_as_it_is_read() {
    let oa = open("zalo", &settings());
    let mut words = templated();
    // 30 characters as read, 40 code points as some keyboards write them.
    let name: String = "ê\u{301}".repeat(10) + &"ab ".repeat(6) + "ab";
    words.extra.insert("data".into(), json!({ "ten": name }));
    words.extra.insert("limits".into(), json!({ "ten": 30 }));
    let envelope = oa.shape(&words, &Parts::of(Form::Template, oa.address(PHONE)).errand()).unwrap();
    let body: Value = serde_json::from_str(&envelope.body).unwrap();
    assert_eq!(body["template_data"]["ten"], format!("{}{}ab", "ế".repeat(10), "ab ".repeat(6)));
    words.extra.insert("limits".into(), json!({ "ten": 29 }));
    let envelope = oa.shape(&words, &Parts::of(Form::Template, oa.address(PHONE)).errand()).unwrap();
    assert!(envelope.body.contains('…'));
}

/// The store, as an account sees it. `away`: so many further calls fail.
#[derive(Default)]
struct Shelf {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    away: AtomicU32,
}

impl Shelf {
    fn ask(&self) -> Result<(), String> {
        let less = |n: u32| n.checked_sub(1);
        match self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err("the store is away".into()),
            Err(_) => Ok(()),
        }
    }

    fn stored(&self) -> Value {
        let kept = self.kept.lock().unwrap();
        assert_eq!(kept.len(), 1, "one chain");
        serde_json::from_slice(kept.values().next().unwrap()).unwrap()
    }

    fn change(&self, changes: &[(&str, Value)]) {
        let mut stored = self.stored();
        for (key, value) in changes {
            stored[*key] = value.clone();
        }
        // In the order in which they are written: what is compared is bytes.
        let pair = ["access_token", "refresh_token", "issued_at", "expires_at", "seed", "claimed_at", "interrupted"];
        let fields: Vec<String> = pair.iter().map(|key| format!("\"{key}\":{}", stored[*key])).collect();
        let name = self.kept.lock().unwrap().keys().next().unwrap().clone();
        self.kept.lock().unwrap().insert(name, format!("{{{}}}", fields.join(",")).into_bytes());
    }
}

impl Keeper for Shelf {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        let found = self.ask().map(|()| self.kept.lock().unwrap().get(name).cloned());
        Box::pin(std::future::ready(found))
    }

    fn swap<'a>(&'a self, name: &'a str, old: Option<&'a [u8]>, new: &'a [u8]) -> BoxFuture<'a, Result<bool, String>> {
        let swapped = self.ask().map(|()| {
            let mut kept = self.kept.lock().unwrap();
            let same = kept.get(name).map(Vec::as_slice) == old;
            if same {
                kept.insert(name.to_string(), new.to_vec());
            }
            same
        });
        Box::pin(std::future::ready(swapped))
    }
}

/// Zalo, played, with no token good but what is renewed.
async fn zalo() -> Mock {
    let own = ZaloOptions {
        access_token: "over".into(),
        templates: vec![("231540".into(), vec!["don_hang".into()])],
        ..ZaloOptions::default()
    };
    Mock::start(MockOptions { zalo: own, ..MockOptions::default() }).await.unwrap()
}

/// An account as one process has it.
fn process(mock: &Mock, shelf: &Arc<Shelf>, seed: &str) -> Box<dyn Channel> {
    let own = json!({
        "app_id": APP, "app_secret": secret("mock-zalo-app-secret"), "oa_id": OA, "oa_secret_key": secret(KEY),
        "refresh_token": secret(seed), "api_url": mock.http_url(),
    });
    let oa = open("zalo", &own);
    let keeper: Arc<dyn Keeper> = Arc::<Shelf>::clone(shelf);
    oa.kept_by(&keeper);
    oa
}

async fn send(oa: &dyn Channel) -> Verdict {
    let envelope = oa.shape(&templated(), &Parts::of(Form::Template, oa.address(PHONE)).errand()).unwrap();
    oa.send(&envelope).await
}

fn went(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted { .. })
}

const SEED: &str = "mock-zalo-refresh-0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_one_chain_and_renew_it_once() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    let pods: Vec<_> = (0..3).map(|_| process(&mock, &shelf, SEED)).collect();
    let sends = pods.iter().flat_map(|pod| (0..3).map(|_| send(&**pod)));
    for verdict in futures_util::future::join_all(sends).await {
        assert!(went(&verdict), "{verdict:?}");
    }
    // Each refresh token works once, so a second renewal would have moved on.
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-1");
    assert_eq!(shelf.stored()["claimed_at"], Value::Null);
    // A process that starts later reads what is there.
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-1");
    // One process renews; the token that the others hold is over, and they take the new one from the store.
    shelf.change(&[("expires_at", 0.into())]);
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    assert!(went(&send(&*pods[0]).await));
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-2");
    assert!(mock.refused().iter().all(|r| r.why.contains("-216")), "{:?}", mock.refused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_pair_stops_the_account_and_names_the_remedy() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    // A process died between the answer and the store: Zalo knows a later pair, and the claim still lies there.
    let before = shelf.stored();
    shelf.change(&[("expires_at", 0.into())]);
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    let spent =
        [("refresh_token", before["refresh_token"].clone()), ("expires_at", 0.into()), ("claimed_at", 1.into())];
    shelf.change(&spent);
    let oa = process(&mock, &shelf, SEED);
    let Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, detail, .. } = send(&*oa).await
    else {
        panic!("the account goes on")
    };
    assert!(detail.contains("used the refresh token up") && detail.contains("consent again"), "{detail}");
    // The remedy: another refresh token in the settings begins anew, whatever is kept.
    assert!(went(&send(&*process(&mock, &shelf, "mock-zalo-refresh-2")).await));
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_renewal_that_never_reached_zalo_goes_on() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    shelf.change(&[("expires_at", 0.into()), ("claimed_at", 1.into())]);
    assert!(went(&send(&*process(&mock, &shelf, SEED)).await));
    assert_eq!(
        (&shelf.stored()["refresh_token"], &shelf.stored()["interrupted"]),
        (&"mock-zalo-refresh-2".into(), &false.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_cannot_be_claimed_is_not_begun() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    let oa = process(&mock, &shelf, SEED);
    shelf.away.store(1, Ordering::SeqCst);
    let Verdict::TryLater { reason: Reason::Retrying, detail, .. } = send(&*oa).await else { panic!("it went") };
    assert!(detail.contains("the store is away"), "{detail}");
    // The refresh token was left alone, and works once there is a place for its successor.
    assert!(went(&send(&*oa).await));
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pair_is_not_used_before_it_is_kept_and_not_lost_while_the_store_is_away() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    let oa = process(&mock, &shelf, SEED);
    mock.fault(Fault::new("zalo:api", FaultKind::SlowAnswer(100)));
    let sending = send(&*oa);
    let leaving = async {
        // The claim is laid down and the answer is on its way: now the store goes, for longer than the tries.
        while shelf.kept.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        shelf.away.store(4, Ordering::SeqCst);
    };
    let (verdict, ()) = futures_util::future::join(sending, leaving).await;
    assert!(matches!(verdict, Verdict::TryLater { reason: Reason::Retrying, .. }), "{verdict:?}");
    assert_eq!(mock.count(), 0);
    assert!(went(&send(&*oa).await), "the pair in hand is kept first, and used then");
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_outlives_the_send_that_wanted_it() {
    let (mock, shelf) = (zalo().await, Arc::new(Shelf::default()));
    let oa = process(&mock, &shelf, SEED);
    mock.fault(Fault::new("zalo:api", FaultKind::SlowAnswer(300)));
    let cut = tokio::time::timeout(Duration::from_millis(50), send(&*oa)).await;
    assert!(cut.is_err(), "the send was to be cut off while it waits for a token");
    assert!(went(&send(&*oa).await), "the token of the renewal that went on is there");
    assert_eq!(shelf.stored()["refresh_token"], "mock-zalo-refresh-1");
}

#[test]
fn published_signatures_are_verified_and_their_events_heard() {
    let Some(folder) = outside("ORDERWIRE_SAMPLES") else { return };
    let text = std::fs::read_to_string(folder.join("chat/zalo.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for item in document["vectors"].as_array().unwrap() {
        let body = item["body_utf8"].as_str().unwrap();
        let event: Value = serde_json::from_str(body).unwrap();
        let name = item["name"].as_str().unwrap();
        let sides = match event["event_name"].as_str().unwrap() {
            "user_received_message" => &event["sender"]["id"],
            "unfollow" => &event["oa_id"],
            "change_oa_daily_quota" => &event["oaId"],
            _ => &event["recipient"]["id"],
        };
        let mut own = settings();
        own["app_id"] = item["app_id"].clone();
        own["oa_id"] = sides.clone();
        own["oa_secret_key"] = secret(item["oa_secret_key"].as_str().unwrap());
        let oa = open("zalo", &own);
        let header = (item["header"].as_str().unwrap(), item["signature_header_value"].as_str().unwrap());
        let raw = RawWebhook::post(&[header], body.to_string(), at("2026-11-25T08:00:00Z"));
        let genuine = item["expect_valid"] != false;
        assert_eq!(matches!(oa.admit(&raw), Admission::Take { .. }), genuine, "{name}");
        if genuine {
            let heard = oa.hear(&raw);
            assert_eq!((heard.unreadable, heard.signals.len()), (0, 1), "{name}: {heard:?}");
        }
    }
}
