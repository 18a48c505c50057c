//! `channels setup`: callbacks, events and menus at the providers, compared and put right. The binary asks the
//! understudies, which refuse what the providers refuse.

use crate::online::{SECRETS, World};
use crate::support::child::{Ran, run};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Accounts at which something is set up by a call.
const IDS: [&str; 7] =
    ["line-main", "messenger-page", "instagram-main", "whatsapp-main", "telegram-bot", "viber-bot", "wechat-main"];

fn setup_in(w: &World, settings: &str, args: &[&str]) -> Ran {
    let file = w.dir.write("orderwire.toml", &settings.replace("$DIR", &w.dir.path().display().to_string()));
    let ran = run(&[&["-c", &file.display().to_string(), "channels", "setup"], args].concat());
    for secret in SECRETS.iter().chain(&["mock-app-secret", "mock-verify-token", "mock-telegram-secret"]) {
        assert!(!format!("{}{}", ran.out, ran.err).contains(secret), "{secret} is printed: {ran:?}");
    }
    ran
}

fn setup(w: &World, args: &[&str]) -> Ran {
    setup_in(w, &w.settings, args)
}

/// What stands how, by channel and thing.
fn stands(ran: &Ran) -> BTreeMap<(String, String), String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_string();
    let told = ran.json();
    let rows = told["pieces"].as_array().unwrap_or_else(|| panic!("{ran:?}"));
    rows.iter().map(|row| ((text(row, "channel"), text(row, "about")), text(row, "stands"))).collect()
}

fn all(more: &[&'static str]) -> Vec<&'static str> {
    IDS.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_told_then_installed_and_a_second_run_changes_nothing() {
    let w = World::start().await;
    w.mock.set_relay(None);
    let ran = setup(&w, &all(&["--dry-run", "--json"]));
    assert_eq!((ran.code, w.mock.installed().len()), (1, 0), "{ran:?}");
    let before = stands(&ran);
    assert!(before.values().all(|s| ["differs", "not_asked", "same"].contains(&s.as_str())), "{before:?}");
    let ran = setup(&w, &all(&["--json"]));
    assert_eq!((ran.code, ran.json()["ok"].clone()), (0, json!(true)), "{ran:?}");
    let done = stands(&ran);
    for (thing, stood) in &before {
        let now = if stood == "differs" { "changed" } else { stood };
        assert_eq!(done.get(thing).map(String::as_str), Some(now), "{thing:?}: {ran:?}");
    }
    for thing in [
        ("line-main", "callback"),
        ("line-main", "menu"),
        ("messenger-page", "callback"),
        ("messenger-page", "subscription"),
        ("messenger-page", "button to get started"),
        ("messenger-page", "menu"),
        ("instagram-main", "menu"),
        ("instagram-main", "first questions"),
        ("whatsapp-main", "commands"),
        ("telegram-bot", "callback"),
        ("telegram-bot", "menu"),
        ("telegram-bot", "menu (vi)"),
        ("viber-bot", "callback"),
        ("wechat-main", "menu"),
    ] {
        assert_eq!(done.get(&(thing.0.into(), thing.1.into())).map(String::as_str), Some("changed"), "{thing:?}");
    }
    let held = w.mock.installed();
    let (again, dry) = (setup(&w, &all(&["--json"])), setup(&w, &all(&["--check"])));
    assert_eq!((again.code, dry.code), (0, 0), "{again:?}\n{dry:?}");
    assert!(stands(&again).values().all(|s| ["same", "not_asked"].contains(&s.as_str())), "{again:?}");
    assert_eq!(w.mock.installed(), held, "a second run changes nothing");
    assert!(w.mock.refused().is_empty(), "{:?}", w.mock.refused());
    // `check --online` reads the same of it.
    let file = w.dir.path().join("orderwire.toml");
    let ran = run(&["-c", &file.display().to_string(), "check", "--online"]);
    for id in ["line-main", "telegram-bot", "viber-bot"] {
        assert!(ran.out.lines().any(|l| l.starts_with("ok: ") && l.contains(id) && l.contains("callback")), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_menus_are_in_the_languages_that_a_platform_has_and_each_entry_is_understood() {
    let w = World::start().await;
    assert_eq!(setup(&w, &all(&[])).code, 0);
    let held = w.mock.installed();
    let menu = &held["graph:messenger:profile:persistent_menu"];
    let titles = |locale: &str| {
        let of = menu.as_array().into_iter().flatten().find(|v| v["locale"] == locale).expect("a variant");
        let all = of["call_to_actions"].as_array().into_iter().flatten();
        all.map(|a| a["title"].as_str().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    // The shop's own language is everybody else's.
    assert_eq!(titles("default"), ["我的訂單", "通知設定", "聯絡我們"]);
    assert_eq!(titles("zh_TW"), titles("default"));
    assert_eq!(titles("zh_CN"), ["我的订单", "通知设置", "联系我们"]);
    assert_eq!(titles("en_US"), ["My orders", "Order updates", "Talk to us"]);
    assert_eq!(titles("vi_VN"), ["Đơn hàng của tôi", "Thông báo đơn hàng", "Liên hệ cửa hàng"]);
    assert_eq!(held["telegram:commands:vi"][0], json!({ "command": "orders", "description": "Đơn hàng của tôi" }));
    assert_eq!(held["telegram:commands:zh"][0]["description"], "我的訂單");
    assert_eq!(held["wechat:menu"]["button"][1], json!({ "type": "click", "name": "通知設定", "key": "ow:settings" }));
    assert_eq!(held["graph:whatsapp:commands"]["prompts"], json!(["我的訂單"]));
    let line = held.iter().find(|(thing, _)| thing.starts_with("line:menu:")).expect("a menu").1;
    let data: Vec<&str> =
        line["areas"].as_array().into_iter().flatten().filter_map(|a| a["action"]["data"].as_str()).collect();
    assert_eq!(data, ["ow:orders", "ow:settings", "ow:talk"]);
    assert_eq!(line["chatBarText"], "訂單");
    // No event of Telegram's is kept from us, and the secret goes with it.
    assert_eq!(held["telegram:webhook"]["secret_token"], "mock-telegram-secret");
}

/// What somebody changed elsewhere: the account, the thing as it is told, where it lies, what it is now, how that shows.
fn drifts() -> [(&'static str, &'static str, &'static str, Value, &'static str); 8] {
    [
        (
            "line-main",
            "callback",
            "line:endpoint",
            json!("https://old.example.com/x?token=s3cret"),
            "https://old.example.com/x →",
        ),
        ("messenger-page", "menu", "graph:messenger:profile:persistent_menu", json!([]), "7 entries"),
        (
            "messenger-page",
            "button to get started",
            "graph:messenger:profile:get_started",
            json!({ "payload": "HI" }),
            "\"HI\"",
        ),
        ("instagram-main", "first questions", "graph:instagram:profile:ice_breakers", json!([]), "entries"),
        (
            "whatsapp-main",
            "commands",
            "graph:whatsapp:commands",
            json!({ "commands": [], "prompts": ["Hi"] }),
            "prompts",
        ),
        ("telegram-bot", "menu (en)", "telegram:commands:en", json!([]), "3 entries"),
        (
            "viber-bot",
            "callback",
            "viber:webhook",
            json!({ "url": "https://notify.example.com/callbacks/viber-bot", "event_types": ["seen"] }),
            "event_types",
        ),
        (
            "wechat-main",
            "menu",
            "wechat:menu",
            json!({ "button": [{ "type": "view", "name": "Shop", "url": "https://shop.example.com" }] }),
            "button",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_found_named_and_repaired_and_nothing_else_is_touched() {
    let w = World::start().await;
    w.mock.set_relay(None);
    assert_eq!(setup(&w, &all(&[])).code, 0);
    let good = w.mock.installed();
    for (id, about, thing, value, named) in drifts() {
        w.mock.install(thing, Some(value));
        let ran = setup(&w, &[id, "--dry-run"]);
        let line = ran.out.lines().find(|l| l.starts_with("differs")).unwrap_or_else(|| panic!("{thing}: {ran:?}"));
        assert!(ran.code == 1 && line.contains(&format!(", {about}: ")) && line.contains(named), "{thing}: {line}");
        assert!(!line.contains("s3cret"), "{line}");
        let ran = setup(&w, &[id]);
        assert_eq!(ran.code, 0, "{thing}: {ran:?}");
        assert_eq!(ran.out.lines().filter(|l| l.starts_with("changed")).count(), 1, "{thing}: {ran:?}");
        assert_eq!(w.mock.installed(), good, "{thing}");
    }
    // A subscription that lacks one of our fields and has one of another program's.
    let other = json!({ "id": "1", "name": "orderwire", "subscribed_fields": ["messages", "feed"] });
    w.mock.install("graph:messenger:subscribed", Some(other));
    assert_eq!(setup(&w, &["messenger-page"]).code, 0);
    let fields = w.mock.installed()["graph:messenger:subscribed"]["subscribed_fields"].to_string();
    assert!(fields.contains("feed") && fields.contains("message_reads"), "{fields}");
    // Telegram tells nobody which secret is set; that we refuse its calls shows that it is another.
    let mut hook = good["telegram:webhook"].clone();
    hook["pending_update_count"] = 3.into();
    hook["last_error_message"] = "Wrong response from the webhook: 401 Unauthorized".into();
    w.mock.install("telegram:webhook", Some(hook));
    let ran = setup(&w, &["telegram-bot", "--check"]);
    assert!(ran.code == 1 && ran.out.contains("secret: \"refused by us\""), "{ran:?}");
    assert_eq!(setup(&w, &["telegram-bot"]).code, 0);
    assert_eq!(w.mock.installed()["telegram:webhook"], good["telegram:webhook"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_menu_of_line_that_a_death_left_behind_goes_and_a_strangers_stays() {
    let w = World::start().await;
    assert_eq!(setup(&w, &["line-main"]).code, 0);
    let ours = |w: &World| w.mock.installed().keys().filter(|k| k.starts_with("line:menu:")).count();
    assert_eq!(ours(&w), 1);
    let menu = |name: &str, id: &str| json!({ "richMenuId": id, "name": name, "areas": [], "picture": 1 });
    w.mock.install("line:menu:dead", Some(menu("orderwire 0011223344556677", "dead")));
    w.mock.install("line:menu:theirs", Some(menu("Spring sale", "theirs")));
    let ran = setup(&w, &["line-main", "--dry-run"]);
    assert!(ran.code == 1 && ran.out.contains("earlier menus of ours: left: 1 → 0"), "{ran:?}");
    assert_eq!(setup(&w, &["line-main"]).code, 0);
    let held = w.mock.installed();
    assert!(held.contains_key("line:menu:theirs") && !held.contains_key("line:menu:dead"), "{held:?}");
    // Somebody else's menu is the default now: ours comes back, theirs is not deleted. Without the menu it stays.
    w.mock.install("line:default", Some(json!("theirs")));
    let ran = setup(&w, &["line-main", "--no-menu"]);
    assert_eq!((ran.code, w.mock.installed()["line:default"].clone()), (0, json!("theirs")), "{ran:?}");
    let ran = setup(&w, &["line-main", "--dry-run"]);
    assert!(ran.out.contains("name: \"Spring sale\" → \"orderwire"), "{ran:?}");
    assert_eq!(setup(&w, &["line-main"]).code, 0);
    let held = w.mock.installed();
    assert!(held.contains_key("line:menu:theirs") && held["line:default"] != json!("theirs"), "{held:?}");
    assert_eq!(held.keys().filter(|k| k.starts_with("line:menu:")).count(), 2, "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_set_up_is_said() {
    let w = World::start().await;
    let ran = setup(&w, &["nobody"]);
    assert!(
        ran.code == 2 && ran.err.contains("there is no channel nobody") && ran.err.contains("line-main"),
        "{ran:?}"
    );
    let ran = setup(&w, &["sms", "zalo-oa", "desk"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.lines().filter(|l| l.starts_with("not set up: ")).count(), 3, "{ran:?}");
    // A token that is refused; a page that is too large; no public address.
    let settings =
        w.settings.replace("mock-wechat-secret", "wrong-wechat-secret").replace("mock-line-token", "wrong-line-token");
    let ran = setup_in(&w, &settings, &["wechat-main", "line-main"]);
    assert_eq!((ran.code, ran.out.lines().filter(|l| l.starts_with("failed: ")).count()), (1, 4), "{ran:?}");
    let large = w.dir.write("large.png", &"x".repeat(1_100_000));
    let ran = setup(&w, &["line-main", "--picture", &large.display().to_string()]);
    assert!(ran.code == 1 && ran.out.contains("larger than 1 MB"), "{ran:?}");
    // Without a public address only those can be set up that need none.
    let mut parts = w.settings.split("[[channel]]");
    let head = parts.next().unwrap_or_default().replace("public_url = \"https://notify.example.com\"", "");
    let viber = parts.find(|part| part.contains("viber-bot")).unwrap_or_default();
    let settings = format!("{head}[[channel]]{viber}");
    let ran = setup_in(&w, &settings, &["viber-bot"]);
    assert!(ran.code == 0 && ran.out.contains("server.public_url is not set"), "{ran:?}");
}
