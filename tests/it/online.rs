//! `check --online`: what providers say of accounts, as people and programs see it. The binary asks the understudies.

use crate::support::child::{Ran, run};
use crate::support::dir::Dir;
use crate::support::redis;
use crate::support::relay::KEY;
use orderwire::domain::channel::{Envelope, Form};
use orderwire::domain::keeper::Keeper;
use orderwire::domain::settings::SECRET_KEY;
use orderwire::domain::verdict::Verdict;
use orderwire::mock::{
    MessengerOptions, Mock, MockOptions, Shelved, SmtpOptions, TwilioOptions, WhatsAppOptions, ZaloOptions,
};
use orderwire::seal::Seal;
use orderwire::store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const CONTENT: &str = "HX00000000000000000000000000000001";
const SETTINGS: &str = include_str!("online/settings.toml");
const WORDS: &str = include_str!("online/shipped.toml");
const PUBLIC: &str = "https://notify.example.com";
/// Every secret of the settings: what must never be printed.
pub const SECRETS: [&str; 12] = [
    "mock-line-token",
    "mock-page-token",
    "mock-instagram-token",
    "mock-whatsapp-token",
    "mock-telegram-token",
    "mock-viber-token-0123456789",
    "mock-zalo-token",
    "mock-wechat-secret",
    "mock-twilio-token",
    "mock-mitake-password",
    "xoxb-mock",
    "mock-discord-token",
];

/// The understudies, and the settings of an account at each.
pub struct World {
    pub mock: Mock,
    pub dir: Dir,
    pub settings: String,
}

impl World {
    pub async fn start() -> World {
        let mock = Mock::start(MockOptions {
            whatsapp: WhatsAppOptions {
                templates: vec![("order_shipped".into(), "zh_TW".into(), 2)],
                ..WhatsAppOptions::default()
            },
            messenger: MessengerOptions {
                templates: vec![("order_shipped".into(), "zh_TW".into())],
                ..MessengerOptions::default()
            },
            twilio: TwilioOptions {
                contents: vec![CONTENT.into()],
                senders: vec!["+15005550006".into(), "whatsapp:+15005550006".into()],
                ..TwilioOptions::default()
            },
            zalo: ZaloOptions {
                templates: vec![("231540".into(), vec!["don_hang".into(), "van_don".into()])],
                ..ZaloOptions::default()
            },
            mail: SmtpOptions { login: Some(("orders".into(), "mock-smtp-password".into())) },
            relay: Some(PUBLIC.into()),
            ..MockOptions::default()
        })
        .await
        .expect("the mock starts");
        let world = World { settings: fill(&mock), mock, dir: Dir::new() };
        for (channel, name, body) in [
            ("messenger", "order_shipped", "{{1}}: {{2}}"),
            ("twilio", CONTENT, "{{1}}: {{2}}"),
            ("wechat", "TM00001", "{{character_string1.DATA}} {{thing2.DATA}}"),
        ] {
            world.mock.shelve(channel, name, body_of(body));
        }
        world.dir.write("words/zh-TW/shipped.toml", WORDS);
        world
    }

    /// Runs the check with settings in which something was replaced.
    fn check(&self, change: &[(&str, &str)], more: &[&str]) -> Ran {
        let mut text = self.settings.replace("$DIR", &self.dir.path().display().to_string());
        for (from, to) in change {
            assert!(text.contains(from), "{from} is in the settings");
            text = text.replace(from, to);
        }
        let file = self.dir.write("orderwire.toml", &text);
        run(&[&["-c", &file.display().to_string(), "check", "--online"], more].concat())
    }

    /// Findings that are trouble: channel, about, said.
    fn troubles(&self, change: &[(&str, &str)]) -> Vec<(String, String, String)> {
        let ran = self.check(change, &["--json"]);
        let told = ran.json();
        let rows = told["online"].as_array().unwrap_or_else(|| panic!("{ran:?}"));
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_string();
        let all: Vec<_> = rows
            .iter()
            .filter(|row| row["state"] == "trouble")
            .inspect(|row| assert!(row["remedy"].as_str().is_some_and(|r| r.len() > 5), "no remedy: {row}"))
            .map(|row| (text(row, "channel"), text(row, "about"), text(row, "said")))
            .collect();
        assert_eq!(ran.code, i32::from(!all.is_empty()), "{ran:?}");
        assert_eq!(told["ok"], all.is_empty(), "{ran:?}");
        for secret in SECRETS {
            assert!(!format!("{}{}", ran.out, ran.err).contains(secret), "{secret} is printed");
        }
        all
    }
}

fn body_of(body: &str) -> Shelved {
    Shelved { body: Some(body.into()), ..Shelved::default() }
}

fn secret(text: &str) -> Value {
    json!({ SECRET_KEY: text })
}

fn fill(mock: &Mock) -> String {
    SETTINGS
        .replace("$HTTP", &mock.http_url())
        .replace("$MITAKE", &mock.mitake_api_url())
        .replace("$SLACK_API", &mock.slack_api_url())
        .replace("$SLACK", &mock.slack_webhook_url())
        .replace("$TEAMS", &mock.teams_url())
        .replace("$DISCORD", &mock.discord_url())
        .replace("$CHAT", &mock.google_chat_url())
        .replace("$HOOK", &mock.webhook_url())
        .replace("$SMTP", &mock.smtp_addr().port().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_account_is_asked_nothing_is_sent_and_no_secret_is_printed() {
    let w = World::start().await;
    assert_eq!(w.troubles(&[]), []);
    let ran = w.check(&[], &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = w.check(&[], &["--json"]).json();
    let rows = told["online"].as_array().expect("rows");
    let kinds: BTreeSet<&str> = rows.iter().filter_map(|r| r["kind"].as_str()).collect();
    let known: BTreeSet<&str> = orderwire::channel::ALL.iter().map(|k| k.name).collect();
    assert_eq!(kinds, known, "a kind of which this test has no account");
    let state = |kind: &str, state: &str| rows.iter().any(|r| r["kind"] == kind && r["state"] == state);
    for kind in &known {
        let mute = ["teams", "google_chat", "webhook"].contains(kind);
        assert_eq!(state(kind, "fine"), !mute, "{kind}");
        assert!(!mute || state(kind, "not_asked"), "{kind}");
    }
    for line in [
        "ok: whatsapp-main (whatsapp), template order_shipped (zh_TW): APPROVED, UTILITY, 2 parameters",
        "ok: messenger-page (messenger), callback: subscribed",
        "ok: line-main (line), callback: https://notify.example.com/callbacks/line-main",
        "ok: whatsapp (whatsapp_twilio), template HX00000000000000000000000000000001: approved, UTILITY, 2 parameters",
        "ok: zalo-oa (zalo), template 231540: ENABLE, TRANSACTION, 2 parameters",
        "ok: sms-mitake (sms_mitake), account: 300 points",
        "ok: mail (email), account: 127.0.0.1 greets, and the login works",
        "ok: desk-bot (slack), channel: C00000001 #orders",
        "not asked: desk (slack), account: a webhook cannot be asked without sending",
    ] {
        assert!(ran.out.lines().any(|l| l == line), "{line}\n{}", ran.out);
    }
    assert_eq!((w.mock.count(), w.mock.refused().len()), (0, 0), "nothing was sent, nothing refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_does_not_work_is_named_for_each() {
    let w = World::start().await;
    for (channel, good, bad) in [
        ("line-main", "mock-line-token", "wrong-line-token"),
        ("messenger-page", "mock-page-token", "wrong-page-token"),
        ("instagram-main", "mock-instagram-token", "wrong-instagram-token"),
        ("whatsapp-main", "mock-whatsapp-token", "wrong-whatsapp-token"),
        ("telegram-bot", "110201543:mock-telegram-token", "110201543:wrong-telegram-token"),
        ("viber-bot", "mock-viber-token-0123456789", "wrong-viber-token-0123456789"),
        ("zalo-oa", "mock-zalo-token", "wrong-zalo-token"),
        ("wechat-main", "mock-wechat-secret", "wrong-wechat-secret"),
        ("sms", "mock-twilio-token", "wrong-twilio-token"),
        ("sms-mitake", "mock-mitake-password", "wrong-mitake-password"),
        ("mail", "mock-smtp-password", "wrong-smtp-password"),
        ("desk-bot", "xoxb-mock", "xoxb-wrong"),
        ("desk-discord", "mock-discord-token", "wrong-discord-token"),
    ] {
        let found = w.troubles(&[(good, bad)]);
        let account = found.iter().find(|(id, about, _)| id == channel && about == "account");
        let (_, _, said) = account.unwrap_or_else(|| panic!("{channel}: {found:?}"));
        assert!(!said.contains(bad), "{channel}: {said}");
        // These have their credentials from another account of the settings.
        let shared = |id: &str| ["whatsapp", "line-phone"].contains(&id);
        let others: Vec<_> = found.iter().filter(|(id, ..)| id != channel && !shared(id)).collect();
        assert_eq!(others.len(), 0, "{channel}: {others:?}");
    }
    let found = w.troubles(&[("account_id = \"400000000000004\"", "account_id = \"400000000000005\"")]);
    assert_eq!(found[0].2, "access_token belongs to another account than account_id");
    let found = w.troubles(&[("from = \"+15005550006\"", "from = \"+15005550001\"")]);
    assert_eq!(found[0].2, "+15005550001 is no number of this account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_must_exist_be_approved_and_have_our_parameters_and_category() {
    let w = World::start().await;
    let one = |change: &[(&str, &str)]| match w.troubles(change).as_slice() {
        [(channel, _, said)] => (channel.clone(), said.clone()),
        others => panic!("{change:?}: {others:?}"),
    };
    let words = |from: &str, to: &str| {
        assert!(WORDS.contains(from), "{from}");
        w.dir.write("words/zh-TW/shipped.toml", &WORDS.replace(from, to));
    };
    for (channel, from, to) in [
        ("whatsapp-main", "\ntemplate = \"order_shipped\"", "\ntemplate = \"order_sent\""),
        ("whatsapp", CONTENT, "HX00000000000000000000000000000002"),
        ("messenger-page", "utility_template = \"order_shipped\"", "utility_template = \"order_sent\""),
        ("zalo-oa", "231540", "231541"),
        ("wechat-main", "TM00001", "TM00002"),
        ("wechat-main", "SN00001", "SN00002"),
    ] {
        words(from, to);
        assert_eq!(one(&[]), (channel.to_string(), "does not exist there".to_string()));
    }
    w.dir.write("words/zh-TW/shipped.toml", WORDS);
    let templates = [
        ("whatsapp-main", "whatsapp", "order_shipped", "PAUSED", "MARKETING", "body 3"),
        ("whatsapp", "twilio", CONTENT, "rejected", "MARKETING", "3"),
        ("messenger-page", "messenger", "order_shipped", "REJECTED", "MARKETING", "body 3"),
        ("zalo-oa", "zalo", "231540", "DISABLE", "PROMOTION", ""),
        ("wechat-main", "wechat", "TM00001", "", "", "thing3"),
    ];
    for (channel, provider, name, status, category, more) in templates {
        let wechat = "{{character_string1.DATA}} {{thing2.DATA}}";
        let good = if provider == "wechat" { wechat } else { "{{1}}: {{2}}" };
        let says = |shelved: Shelved, part: &str| {
            w.mock.shelve(provider, name, Shelved { body: shelved.body.clone().or(Some(good.into())), ..shelved });
            let (id, said) = one(&[]);
            assert_eq!(id, channel);
            assert!(said.contains(part), "{channel}: {said}");
        };
        let state = |status: &str| Shelved { status: Some(status.into()), ..Shelved::default() };
        if !status.is_empty() {
            says(state(status), &format!("is {status}"));
            says(Shelved { reason: Some("INVALID_FORMAT".into()), ..state(status) }, "INVALID_FORMAT");
            says(Shelved { category: Some(category.into()), ..Shelved::default() }, category);
        }
        if !more.is_empty() {
            let place = if provider == "wechat" { "{{thing3.DATA}}" } else { "{{3}}" };
            says(body_of(&format!("{good} {place}")), &format!("has {more}, which the words do not fill"));
        }
        w.mock.shelve(provider, name, body_of(good));
    }
    words(
        "params = [\"{{ order.name }}\", \"{{ parcel.number or '-' }}\"] # whatsapp",
        "params = [\"{{ order.name }}\"]",
    );
    let found = w.troubles(&[]);
    assert!(found.iter().all(|(_, _, said)| said.contains("2, which the words do not fill")), "{found:?}");
    assert_eq!(found.len(), 2, "both ways to WhatsApp: {found:?}");
    // Words that fill nothing at all are found without asking.
    words("don_hang = \"{{ order.name }}\"", "don_hang = \"{% if false %}x{% endif %}\"");
    let (channel, said) = one(&[]);
    assert!(channel == "zalo-oa" && said.contains("don_hang"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_goes_elsewhere_is_trouble() {
    let w = World::start().await;
    w.mock.set_relay(Some("https://old.example.com".into()));
    let found = w.troubles(&[]);
    let channels: BTreeSet<&str> = found.iter().map(|(channel, ..)| channel.as_str()).collect();
    assert_eq!(channels, ["line-main", "line-phone", "sms", "telegram-bot", "viber-bot"].into());
    let line = found.iter().find(|(channel, ..)| channel == "line-main").expect("LINE");
    assert_eq!((line.1.as_str(), line.2.as_str()), ("callback", "goes to https://old.example.com/callbacks/line-main"));
    w.mock.set_relay(None);
    assert!(w.troubles(&[]).iter().all(|(_, _, said)| said == "none is set"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_works_once_is_left_to_the_relay() {
    let w = World::start().await;
    let seed =
        ("access_token = { value = \"mock-zalo-token\" }", "refresh_token = { value = \"mock-zalo-refresh-0\" }");
    let ran = w.check(&[seed], &[]);
    let line = ran.out.lines().find(|l| l.contains("zalo-oa")).unwrap_or_default();
    assert!(ran.code == 0 && line.starts_with("not asked: zalo-oa (zalo), account: no access token"), "{}", ran.out);
    // It is still good: the understudy gives the next pair for it.
    let form = "app_id=2074138120372622546&grant_type=refresh_token&refresh_token=mock-zalo-refresh-0";
    let asked = reqwest::Client::new().post(format!("{}/v4/oa/access_token", w.mock.http_url()));
    let asked = asked.header("secret_key", "mock-zalo-app-secret").body(form).send().await.expect("an answer");
    assert!(asked.text().await.expect("a body").contains("mock-zalo-refresh-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_that_the_relay_keeps_is_asked_with() {
    let w = World::start().await;
    let key = KEY;
    let (url, prefix) = (redis::shared().url(), format!("owtest-online-{}", std::process::id()));
    let options = StoreOptions { url: Some(url.clone()), prefix: prefix.clone(), ..StoreOptions::default() };
    let seal = Seal::new(&[Seal::key_from_text(key).expect("a key")]).expect("a seal");
    let store: Arc<dyn Keeper> = Arc::new(Store::open(&options, Arc::new(seal)).await.expect("Redis"));
    // The relay sent once: the first refresh token is used up, and what came for it lies in Redis.
    let own = json!({
        "app_id": "2074138120372622546", "app_secret": secret("mock-zalo-app-secret"), "oa_id": "388613280878808645",
        "oa_secret_key": secret("mock-zalo-oa-secret"), "refresh_token": secret("mock-zalo-refresh-0"),
        "api_url": w.mock.http_url(),
    });
    let kind = orderwire::channel::find("zalo").expect("the kind");
    let oa = (kind.open)("zalo-oa".into(), own).map_err(|m| format!("{m:?}")).expect("the account");
    oa.kept_by(&store);
    let body = json!({ "phone": "84912345678", "template_id": "231540", "tracking_id": "1",
        "template_data": { "don_hang": "#1001", "van_don": "-" } });
    let (channel, form) = ("zalo-oa".into(), Form::Template);
    let envelope = Envelope { channel, form, body: body.to_string(), key: None, address: None };
    let verdict = oa.send(&envelope).await;
    assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
    w.mock.clear();
    let shared = format!("url = \"{url}\"\nprefix = \"{prefix}\"\nencryption_keys = [{{ value = \"{key}\" }}]");
    let ran = w.check(
        &[
            ("access_token = { value = \"mock-zalo-token\" }", "refresh_token = { value = \"mock-zalo-refresh-0\" }"),
            ("[store]", &format!("[store]\n{shared}")),
        ],
        &[],
    );
    let line = "ok: zalo-oa (zalo), template 231540: ENABLE, TRANSACTION, 2 parameters";
    assert!(ran.code == 0 && ran.out.contains(line), "{ran:?}");
    assert_eq!(w.mock.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_that_are_away_are_named_with_what_to_look_at() {
    let w = World::start().await;
    w.mock.stop();
    let found = w.troubles(&[]);
    assert!(
        found.iter().filter(|(channel, ..)| channel != "mail").all(|(_, about, _)| about == "account"),
        "{found:?}"
    );
    assert_eq!(found.len(), 15, "all that can be asked: {found:?}");
}
