//! `preview`: what customers would get, before any of them does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::child::{Ran, run};
use crate::support::dir::Dir;
use serde_json::Value;
use std::path::PathBuf;

const SETTINGS: &str = r#"
[[shop]]
id = "tw"
name = "A & B <shop>"
platform = "woocommerce"
secrets = [{ value = "0123456789abcdef0123" }]
country = "TW"
timezone = "Asia/Taipei"
locale = "zh-TW"
[[channel]]
id = "line-main"
kind = "line"
access_token = { value = "token" }
channel_secret = { value = "0123456789abcdef0123456789abcdef" }
[[channel]]
id = "page"
kind = "messenger"
page_id = "123456"
access_token = { value = "token" }
app_secret = { value = "0123456789abcdef0123456789abcdef" }
verify_token = { value = "0123456789abcdef" }
[[route]]
id = "customers"
milestones = ["*"]
audience = "customer"
channels = ["line-main", "page"]
"#;

fn settings(dir: &Dir, more: &str) -> PathBuf {
    dir.write("orderwire.toml", &format!("{more}{SETTINGS}"))
}

fn preview(file: &std::path::Path, args: &[&str]) -> Ran {
    run(&[&["-c", file.to_str().unwrap(), "preview"], args].concat())
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_built_in_message_fits_line_and_messenger_in_every_language() {
    let dir = Dir::new();
    let ran = preview(&settings(&dir, ""), &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = lines(&ran);
    let milestones = orderwire::words::built_in_milestones().len();
    // LINE has no window; Messenger's is open or closed.
    assert_eq!(all.len(), milestones * orderwire::words::LOCALES.len() * 3);
    for cell in &all {
        let closed = cell["window"] == "closed";
        assert_eq!(cell["envelope"].is_string(), !closed, "{cell}");
        assert_eq!(cell["fault"], Value::Null, "{cell}");
    }
    let vi = all.iter().find(|c| c["locale"] == "vi" && c["milestone"] == "shipped").unwrap();
    assert!(vi["message"]["title"].as_str().unwrap().starts_with("Kiện hàng"), "{vi}");
}

/// Free words are never allowed to a phone number at Zalo: only what names a template is shown, and checked.
#[test]
fn where_free_words_never_go_only_templates_are_shown() {
    let dir = Dir::new();
    let account = r#"
[[shop]]
id = "vn"
platform = "woocommerce"
secrets = [{ value = "0123456789abcdef0123" }]
country = "VN"
timezone = "Asia/Ho_Chi_Minh"
locale = "vi"
[[channel]]
id = "zalo-oa"
kind = "zalo"
app_id = "2074138120372622546"
app_secret = { value = "secret" }
oa_id = "388613280878808645"
oa_secret_key = { value = "secret" }
access_token = { value = "token" }
[[route]]
id = "customers"
milestones = ["*"]
audience = "customer"
channels = ["zalo-oa"]
"#;
    let words = |limit: u32| {
        let section = "[zalo]\ntemplate_id = 231540\ndata = { van_don = \"{{ parcel.number or 'x' }}\" }\n";
        std::fs::create_dir_all(dir.path().join("words/vi")).unwrap();
        dir.write("words/vi/shipped.toml", &format!("{section}limits = {{ van_don = {limit} }}\n"));
    };
    let place = format!("[words]\ndir = {:?}\n", dir.join("words"));
    let file = dir.write("orderwire.toml", &(place + account));
    words(30);
    let check = || run(&["-c", file.to_str().unwrap(), "check", "--strict"]);
    assert_eq!(check().code, 0, "{:?}", check());
    let ran = preview(&file, &["--json", "--locale", "vi", "shipped", "order_placed"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let cells = lines(&ran);
    assert_eq!(cells.iter().map(|c| c["window"].as_str().unwrap()).collect::<Vec<_>>(), ["closed", "closed"]);
    let shown = cells.iter().find(|c| c["milestone"] == "shipped").unwrap();
    assert!(shown["envelope"].as_str().unwrap().contains(r#""phone":"84912345678""#), "{shown}");
    // A tracking number is not cut: the words name a limit that it does not keep.
    words(5);
    let ran = check();
    assert!(ran.code == 1 && ran.out.contains("[zalo.data] has 12, the channel takes 5"), "{ran:?}");
}

#[test]
fn choices_narrow_and_wrong_ones_are_named() {
    let dir = Dir::new();
    let file = settings(&dir, "");
    let ran = preview(&file, &["payment_*", "--locale", "zh-TW", "--channel", "page", "--shop", "tw", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = lines(&ran);
    assert!(all.iter().all(|c| c["channel"] == "page" && c["locale"] == "zh-TW"));
    assert!(all.iter().all(|c| c["milestone"].as_str().unwrap().starts_with("payment_")));
    assert!(all.iter().any(|c| c["message"]["shop_name"] == "A & B <shop>"));
    for (args, word) in [
        (&["shiped"][..], "there is no milestone \"shiped\""),
        (&["--locale", "fr"][..], "there is no language \"fr\""),
        (&["--channel", "sms"][..], "there is no channel \"sms\"; there are: line-main, page"),
        (&["--shop", "cn"][..], "no shop \"cn\""),
    ] {
        let ran = preview(&file, args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.err.contains(word), "{args:?}: {}", ran.err);
    }
}

#[test]
fn words_too_long_for_a_channel_are_a_failure_that_names_them() {
    let dir = Dir::new();
    let long = "long words ".repeat(250);
    dir.write("words/en/shipped.toml", &format!("body = \"{long}to the end.\"\n"));
    let words = format!("[words]\ndir = {:?}\n", dir.join("words").display().to_string());
    let ran = preview(&settings(&dir, &words), &["shipped", "--locale", "en"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    // 2,750 characters: LINE takes 5,000 of them, Messenger 2,000.
    let place = ran.out.split("── ").find(|part| part.contains("! ")).unwrap();
    assert!(place.starts_with("shipped · en · page (messenger) · window open"), "{}", ran.out);
    assert_eq!(ran.out.matches("   ! ").count(), 1, "{}", ran.out);
}

#[test]
fn the_page_shows_words_as_words() {
    let dir = Dir::new();
    dir.write("words/en/shipped.toml", "title = \"<script>alert(1)</script> {{ order.name }}\"\n");
    let words = format!("[words]\ndir = {:?}\n", dir.join("words").display().to_string());
    let page = dir.join("page.html");
    let ran = preview(&settings(&dir, &words), &["shipped", "--html", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(!html.contains("<script"), "{html}");
    for locale in orderwire::words::LOCALES {
        assert!(html.contains(&format!("<h2 id=\"{locale}\">")));
    }
}

/// A shop in Taiwan that sends by SMS; `MORE` stands for further keys of the account.
const SMS: &str = r#"
[server]
public_url = "https://notify.example.com"
[[shop]]
id = "tw"
platform = "woocommerce"
secrets = [{ value = "0123456789abcdef0123" }]
country = "TW"
timezone = "Asia/Taipei"
locale = "zh-TW"
[[channel]]
id = "sms"
kind = "sms_mitake"
api_url = "https://smsb2c.mitake.com.tw/b2c/mtk"
username = "shop"
password = { value = "password" }
callback_secret = { value = "0123456789abcdef" }
MORE
[[route]]
id = "customers"
milestones = ["*"]
audience = "customer"
channels = ["sms"]
[words]
dir = "WORDS"
"#;

#[test]
fn check_and_preview_refuse_what_carriers_would_block() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.join("words/zh-TW")).unwrap();
    let link = "[sms]\ntext = \"訂單{{ order.name }}已送達，請至 https://short.example/x 查看。\"\n";
    let (brand, long) = ("registered = { tw = { brand = \"好日選物\" } }", "long = true");
    let said = |more: &str, words: &str| {
        std::fs::write(dir.join("words/zh-TW/delivered.toml"), words).unwrap();
        let text = SMS.replace("MORE", more).replace("WORDS", dir.join("words").to_str().unwrap());
        let file = dir.write("orderwire.toml", &text);
        let check = run(&["-c", file.to_str().unwrap(), "check"]);
        let args = ["delivered", "--locale", "zh-TW", "--json"];
        (check, preview(&file, &args))
    };
    // No brand is on file: one mistake, not one for each text.
    let (check, _) = said(long, "");
    assert_eq!((check.code, check.out.lines().count()), (2, 1), "{}", check.out);
    assert!(check.out.contains("channel.sms: shop tw: ") && check.out.contains("registered.tw.brand"), "{}", check.out);
    let (check, _) = said(&format!("{brand}\n{long}"), link);
    assert_eq!(check.code, 2, "{}", check.out);
    assert!(check.out.contains("short.example") && check.out.contains("delivered in zh-TW"), "{}", check.out);
    // All is well, and the segments are counted before anybody pays for them.
    let (check, shown) = said(&format!("{brand}\n{long}"), "");
    assert_eq!((check.code, shown.code), (0, 0), "{} {}", check.out, shown.err);
    let cell = &lines(&shown)[0];
    let text = "【好日選物】訂單#1001的第1件包裹（共2件）已送達。";
    assert_eq!(serde_json::from_str::<Value>(cell["envelope"].as_str().unwrap()).unwrap()["smbody"], text);
    assert!(cell["notes"].to_string().contains("1 SMS segment, 28 UTF-16 units of UCS-2 because of '【'"), "{cell}");
    // An account that may not send long messages is warned of those that do not fit; they would be refused.
    let (check, _) = said(brand, "");
    assert_eq!(check.code, 0, "{}", check.out);
    assert!(check.out.contains("warning: channel.sms: shop tw: the text, counted in SMS segments,"), "{}", check.out);
    // Without a public address nobody could tell what became of messages.
    let text = SMS.replace("MORE", brand).replace("WORDS", dir.join("words").to_str().unwrap());
    let file = dir.write("orderwire.toml", &text.replace("public_url", "# public_url"));
    let check = run(&["-c", file.to_str().unwrap(), "check"]);
    assert!(check.code == 2 && check.out.contains("needs server.public_url"), "{}", check.out);
}
