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
