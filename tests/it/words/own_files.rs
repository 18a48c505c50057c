//! A shop's own files, right and wrong; and conditions.

use orderwire::domain::channel::Audience;
use orderwire::domain::milestone::Subject;
use orderwire::words::{Condition, Mistake, sample};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of words that goes away with its owner.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(super) fn folder(files: &[(&str, &str)]) -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Folder(std::env::temp_dir().join(format!("orderwire-words-{}-{number}", std::process::id())));
    for (name, text) in files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn mistakes(files: &[(&str, &str)]) -> Vec<Mistake> {
    let dir = folder(files);
    super::load(Some(dir.path())).expect_err("the files are wrong")
}

/// The one mistake in these files: its key and message.
fn mistake(file: &str, text: &str) -> (String, String) {
    let mut found = mistakes(&[(file, text)]);
    assert_eq!(found.len(), 1, "{found:?}");
    let one = found.remove(0);
    assert!(one.file.ends_with(file), "{one}");
    (one.key, one.message)
}

#[test]
fn a_file_is_laid_over_the_built_in_one() {
    let dir = folder(&[(
        "zh-TW/shipped.toml",
        "title = \"出貨囉 {{ order.name }}\"\n[messenger]\nutility_template = \"shipped_v1\"\nlanguage = \"zh_TW\"\n\
         params = [\"{{ order.name }}\", \"{{ parcel.number or '-' }}\"]\nretries = 2\n[line]\ntitle = \"LINE {{ order.name }}\"\n",
    )]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let (full, subject) = (sample::full("zh-TW"), sample::subject("shipped"));
    let mut telling = full.telling("shipped", &[], &subject);
    telling.section = "messenger";
    let message = words.render(&telling).expect("it renders");
    let built_in = super::built_in().render(&telling).expect("it renders");
    assert_eq!((message.title.as_str(), &message.body), ("出貨囉 #1001", &built_in.body));
    assert_eq!(message.extra["params"], serde_json::json!(["#1001", "905511223344"]));
    assert_eq!(message.extra["retries"], 2);
    telling.section = "line";
    assert_eq!(words.render(&telling).expect("it renders").title, "LINE #1001");
    let raw = words.section("shipped", "zh-TW", "messenger");
    assert_eq!(raw["params"][0], "{{ order.name }}");
    assert!(words.section("shipped", "en", "messenger").is_empty());
    assert!(words.section("delivered", "zh-TW", "messenger").is_empty());
}

#[test]
fn staff_words_and_shared_phrases_can_be_changed() {
    let dir = folder(&[
        ("en/shipped.toml", "[staff]\nbody = \"Packed by {{ order.source.store_name or 'us' }}.\""),
        ("en/phrases.toml", "tracking = \"No. {{ parcel.number or '-' }}\""),
    ]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let (full, subject) = (sample::full("en"), sample::subject("shipped"));
    let mut telling = full.telling("shipped", &[], &subject);
    assert!(words.render(&telling).expect("it renders").body.contains("No. 905511223344"));
    telling.audience = Audience::Staff;
    assert_eq!(words.render(&telling).expect("it renders").body, "Packed by Boston store.");
}

#[test]
fn phrases_are_there_however_they_are_named() {
    let dir = folder(&[
        ("en/shipped.toml", "body = \"{% set p = phrases %}{{ p.tracking }}\""),
        ("en/delivered.toml", "body = \"{{ phrases['tracking'] }}\""),
        ("en/preparing.toml", "[staff]\nbody = \"{% for name in ['tracking'] %}{{ phrases[name] }}{% endfor %}\""),
    ]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let full = sample::full("en");
    for milestone in ["shipped", "delivered", "preparing"] {
        let subject = sample::subject("shipped");
        let mut telling = full.telling(milestone, &[], &subject);
        telling.audience = if milestone == "preparing" { Audience::Staff } else { Audience::Customer };
        let body = words.render(&telling).expect("it renders").body;
        assert!(body.contains("905511223344"), "{milestone}: {body}");
    }
}

#[test]
fn a_button_without_a_safe_link_is_dropped() {
    let dir = folder(&[(
        "en/shipped.toml",
        "[[button]]\nlabel = \"A\"\nurl = \"http://shop.example/\"\n[[button]]\nlabel = \"B\"\nurl = \"{{ links.track }}\"\n\
         [[button]]\nlabel = \"C\"\nurl = \"https://shop.example/{{ order.name | replace('#', '') }}\"",
    )]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let (mut full, subject) = (sample::full("en"), sample::subject("shipped"));
    full.order.parcels.iter_mut().for_each(|p| p.tracking.clear());
    let message = words.render(&full.telling("shipped", &[], &subject)).expect("it renders");
    let urls: Vec<&str> = message.buttons.iter().map(|b| b.url.as_str()).collect();
    assert_eq!(urls, ["https://shop.example/1001"]);
}

#[test]
fn misspelt_names_are_found_with_the_nearest() {
    let (key, message) = mistake("en/shipped.toml", "body = \"{% if false %}{{ parcel.numbr }}{% endif %}Hello\"");
    assert_eq!((key.as_str(), message.contains("did you mean parcel.number?")), ("body", true), "{message}");
    let (key, message) = mistake("en/shipped.toml", "titel = \"x\"");
    assert_eq!((key.as_str(), message.contains("did you mean title?")), ("titel", true), "{message}");
    let (key, message) = mistake("en/shipped.toml", "[mesenger]\nx = \"y\"");
    assert_eq!((key.as_str(), message.contains("did you mean messenger?")), ("mesenger", true), "{message}");
    let (_, message) = mistake("en/shiped.toml", "title = \"x\"");
    assert!(message.contains("did you mean shipped.toml?"), "{message}");
    let found = mistakes(&[("zh-tw/shipped.toml", "title = \"x\"")]);
    assert!(found[0].message.contains("did you mean zh-TW?"), "{found:?}");
}

#[test]
fn holes_are_found_when_the_file_is_loaded() {
    for (text, key, part) in [
        ("body = \"Number: {{ parcel.number }}\"", "body", "put it in {% if"),
        ("body = \"Total {{ order.total }}\"", "body", "| money"),
        ("body = \"Until {{ now }}\"", "body", "| day"),
        ("body = \"{{ parcel }} x\"", "body", "name one of them"),
        ("body = \"By {% if parcel.carrier %}{{ parcel.carrier }}{% endif %}.\"", "body", "space before punctuation"),
        ("body = \"Number:{% if parcel.number %} {{ parcel.number }}{% endif %}\"", "body", "colon"),
        ("body = \"See {{ links.status or 'us' }}.\"", "body", "link is followed"),
        ("title = \"{% if parcel.number %}x{% endif %}\"", "title", "renders to nothing"),
        ("body = \"{{ order.name | mony }}\"", "body", "mony"),
        ("body = \"{% if x\"", "body", "unexpected end"),
        (
            "body = \"{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}\"",
            "body",
            "too long",
        ),
        ("[sms]\ntext = \"{{ parcel.number }}\"", "sms.text", "put it in {% if"),
        ("[line]\nflex = { a = [\"{{ parcel.numbr }}\"] }", "line.flex.a[0]", "did you mean parcel.number?"),
        ("title = 7", "title", "in quotes"),
        ("button = \"x\"", "button", "[[button]]"),
        ("[[button]]\nlabel = \"x\"", "button[0]", "`label` and `url`"),
        ("title = \"x\"\ntitle = \"y\"", "", "line 2 is not TOML"),
    ] {
        let (at, message) = mistake("en/shipped.toml", text);
        assert_eq!(at, key, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = mistakes(&[
        ("en/shipped.toml", "title = \"{{ a }}\"\nbody = \"{{ b }}\"\nfoo = 1"),
        ("vi/delivered.toml", "body = \"{{ c }}\""),
        ("fr/delivered.toml", ""),
    ]);
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake() {
    let found = super::load(Some(Path::new("/nonexistent/words"))).expect_err("no such folder");
    assert!(found[0].message.contains("cannot be read"), "{found:?}");
}

#[test]
fn a_milestone_without_words_is_a_mistake_and_a_folder_can_bring_them() {
    let listed = ["order_placed", "gift_wrapped"];
    let found = orderwire::words::Words::load(None, &listed, &["sms", "email"]).expect_err("no words");
    assert_eq!(found.len(), 4, "one per language: {found:?}");
    let text = "name = \"Wrapped\"\ntitle = \"{{ order.name }} is wrapped\"\nbody = \"Done.\"";
    let files: Vec<(String, &str)> =
        orderwire::words::LOCALES.iter().map(|l| (format!("{l}/gift_wrapped.toml"), text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), *t)).collect();
    let dir = folder(&files);
    let words = orderwire::words::Words::load(Some(dir.path()), &listed, &["sms", "email"]).expect("sound words");
    let full = sample::full("en");
    let message = words.render(&full.telling("gift_wrapped", &[], &Subject::Order)).expect("it renders");
    assert_eq!(message.title, "#1001 is wrapped");
    assert_eq!(words.name("gift_wrapped", "en"), Some("Wrapped"));
}

#[test]
fn an_order_that_is_not_known_yet_has_no_words() {
    let mut full = sample::full("en");
    full.order.head = None;
    let told = super::built_in().render(&full.telling("shipped", &[], &Subject::Order));
    assert_eq!(told, Err(orderwire::words::WordsFault::OrderUnknown));
}

#[test]
fn conditions_compare_amounts_as_numbers() {
    let full = sample::full("zh-TW");
    for (when, expected) in [
        ("order.total >= 100", true),
        ("order.total >= 1200 and order.total < 1200.5", true),
        ("order.total > 1200", false),
        ("order.outstanding == 700", true),
        ("'vip' in order.tags", true),
        ("order.source.kind == 'pos' and order.source.store_code == 'S12'", true),
        ("order.country in ['TW', 'HK']", true),
        ("not order.test", true),
        ("milestone == 'shipped'", true),
        ("parcel.number", true),
        ("order.item_count == 3", true),
        ("order.placed_at > '2026-01-01'", true),
    ] {
        let condition = Condition::compile(when).unwrap_or_else(|e| panic!("{when}: {e}"));
        let held = condition.holds(&full.order, &full.rules, "shipped", &sample::subject("shipped"));
        assert_eq!(held, Ok(expected), "{when}");
    }
}

#[test]
fn wrong_conditions_are_refused_with_a_remedy() {
    for (when, part) in [
        ("order.totl > 1", "did you mean order.total?"),
        ("order.total >", "no expression"),
        ("", "no expression"),
        ("order.total %}{% include 'x' %}{% if 1", "no expression"),
        ("order.name | nope", "nope"),
    ] {
        let error = Condition::compile(when).expect_err(when);
        assert!(error.contains(part), "{when}: {error}");
    }
}

/// The example of `docs/customers.md`, as it stands there.
#[test]
fn the_documented_way_to_the_customers_page_works() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/customers.md")).expect("the page");
    let (_, rest) = docs.split_once("```toml\n# <words.dir>/en/shipped.toml\n").expect("the example");
    let dir = folder(&[("en/shipped.toml", rest.split("```").next().expect("its end"))]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let subject = sample::subject("shipped");
    let told = |page: Option<&str>, section, audience| {
        let mut full = sample::full("en");
        full.links.page = page.map(str::to_string);
        let mut telling = full.telling("shipped", &[], &subject);
        (telling.section, telling.audience) = (section, audience);
        format!("{:?}", words.render(&telling).expect("it renders"))
    };
    let url = "https://notify.example/p/t0ken";
    for section in ["line", "email"] {
        assert!(told(Some(url), section, Audience::Customer).contains(url), "{section}");
        assert!(!told(None, section, Audience::Customer).contains("Order and settings"), "{section}");
        assert!(!told(Some(url), section, Audience::Staff).contains(url), "{section}");
    }
    assert!(!told(Some("http://notify.example/p/t0ken"), "line", Audience::Customer).contains("t0ken"));
}

/// The way to a messenger stands in the mails of an order's beginning, in each language; nowhere else unasked, and not
/// beside a button to pay.
#[test]
fn mails_mention_where_a_messenger_is_tied() {
    let words = super::built_in();
    let url = "https://notify.example/l/s4mpl3-own";
    for locale in orderwire::words::LOCALES {
        let full = sample::full(locale);
        for milestone in ["order_placed", "order_confirmed", "payment_received"] {
            let buttons = |section, joined: &[&str]| {
                let subject = sample::subject(milestone);
                let mut telling = full.telling(milestone, joined, &subject);
                telling.section = section;
                let message = words.render(&telling).expect("it renders");
                message.buttons.iter().map(|b| (b.label.clone(), b.url.clone())).collect::<Vec<_>>()
            };
            let mail = buttons("email", &[]);
            assert!(mail.len() == 2 && mail[1].1 == url, "{locale} {milestone}: {mail:?}");
            assert!(mail[1].0.chars().count() <= 40, "{mail:?}");
            for section in ["sms", "line", "line_pnp"] {
                assert!(buttons(section, &[]).iter().all(|(_, to)| to != url), "{locale} {milestone} {section}");
            }
            if milestone == "order_placed" {
                assert!(buttons("email", &["payment_pending"]).iter().all(|(_, to)| to != url), "{locale}");
            }
        }
    }
}
