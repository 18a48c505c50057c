//! How pages look: templates, words in four languages, style, and the headers that keep everything else out.
//!
//! A page is one answer: its style stands in it, allowed by its hash; there is no script, no picture, nothing from
//! anywhere else, and nothing is told to where its links lead.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use toml::{Table, Value as Toml};

/// The languages, each under its own name.
const LANGUAGES: [Language; 4] = [
    Language { locale: "en", name: "English", words: include_str!("words/en.toml") },
    Language { locale: "zh-TW", name: "繁體中文", words: include_str!("words/zh-TW.toml") },
    Language { locale: "zh-CN", name: "简体中文", words: include_str!("words/zh-CN.toml") },
    Language { locale: "vi", name: "Tiếng Việt", words: include_str!("words/vi.toml") },
];

const STYLE: &str = include_str!("html/style.css");
const TEMPLATES: [(&str, &str); 5] = [
    ("layout", include_str!("html/layout.html")),
    ("order", include_str!("html/order.html")),
    ("track", include_str!("html/track.html")),
    ("link", include_str!("html/link.html")),
    ("four", include_str!("html/four.html")),
];

#[derive(Serialize)]
struct Language {
    locale: &'static str,
    name: &'static str,
    #[serde(skip)]
    words: &'static str,
}

static WORDS: LazyLock<Vec<(&str, Table)>> = LazyLock::new(|| {
    LANGUAGES.iter().map(|l| (l.locale, l.words.parse().expect("our own words can be read"))).collect()
});

static HTML: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.add_filter("fill", |words: String, value: String| words.replace("{}", &value));
    for (name, text) in TEMPLATES {
        env.add_template(name, text).expect("our own templates can be read");
    }
    env
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    // As it stands between the tags.
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors ")
});

/// The words of a language, English where there are none.
pub fn words(locale: &str) -> &'static Table {
    let found = WORDS.iter().find(|(of, _)| *of == locale);
    found.or(WORDS.first()).map(|(_, words)| words).expect("there are languages")
}

/// One of the words (`done.off_all`); a test asks for all of them.
pub fn word(locale: &str, name: &str) -> &'static str {
    let first = name.split('.').next().and_then(|part| words(locale).get(part));
    let found = name.split('.').skip(1).fold(first, |at, part| at.and_then(|at| at.get(part)));
    found.and_then(Toml::as_str).unwrap_or_default()
}

/// A page in one language.
pub struct Face<'a, T> {
    /// Language.
    pub locale: &'a str,
    /// The shop's name, above all.
    pub shop: Option<&'a str>,
    /// In the browser's list of pages.
    pub title: String,
    /// Which template.
    pub template: &'static str,
    /// What it shows, besides the words.
    pub facts: T,
    /// Who may show it in a frame; empty: nobody.
    pub frames: &'a [String],
}

/// The answer.
pub fn page<T: Serialize>(status: StatusCode, face: &Face<'_, T>) -> HttpResponse {
    let facts = context! { w => Serde(words(face.locale)), locale => face.locale, ..Value::from(Serde(&face.facts)) };
    let body = HTML.get_template(face.template).and_then(|t| t.render(facts));
    laid_out(status, face.locale, (&face.title, face.shop), body, true, face.frames)
}

/// One sentence in all four languages: for whoever's language is not known.
pub fn four(status: StatusCode, name: &str, fill: &str) -> HttpResponse {
    #[derive(Serialize)]
    struct Line {
        locale: &'static str,
        text: String,
    }
    let line = |l: &Language| Line { locale: l.locale, text: word(l.locale, name).replace("{}", fill) };
    let lines: Vec<Line> = LANGUAGES.iter().map(line).collect();
    let body = HTML.get_template("four").and_then(|t| t.render(context! { lines => Serde(&lines) }));
    laid_out(status, "en", (word("en", "updates"), None), body, false, &[])
}

fn laid_out(
    status: StatusCode,
    locale: &str,
    (title, shop): (&str, Option<&str>),
    body: Result<String, minijinja::Error>,
    switch: bool,
    frames: &[String],
) -> HttpResponse {
    let languages: &[Language] = if switch { &LANGUAGES } else { &[] };
    let whole = body.and_then(|body| {
        let facts = context! {
            locale, title, shop, body => Value::from_safe_string(body), style => Value::from_safe_string(STYLE.into()),
            languages => Serde(languages), language => word(locale, "language"),
        };
        HTML.get_template("layout")?.render(facts)
    });
    match whole {
        Ok(html) => guarded(status, frames).content_type("text/html; charset=utf-8").body(html),
        Err(error) => {
            // Names a place in a template, nothing of what it was to show.
            tracing::error!(kind = ?error.kind(), template = error.name(), line = error.line(), "a page failed");
            guarded(StatusCode::INTERNAL_SERVER_ERROR, frames).content_type("text/plain").body("failed")
        }
    }
}

/// An answer that nothing else may come with, and that nobody keeps.
pub fn guarded(status: StatusCode, frames: &[String]) -> actix_web::HttpResponseBuilder {
    let who = if frames.is_empty() { "'none'".to_string() } else { frames.join(" ") };
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header(("content-security-policy", format!("{}{who}", *POLICY)))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("x-robots-tag", "noindex"))
        .insert_header(("cache-control", "no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &Table, before: &str) -> Vec<String> {
        let inner = |(key, value): (&String, &Toml)| match value {
            Toml::Table(table) => keys(table, &format!("{before}{key}.")),
            _ => vec![format!("{before}{key}")],
        };
        of.iter().flat_map(inner).collect()
    }

    #[test]
    fn every_word_stands_in_every_language() {
        let all = keys(words("en"), "");
        assert!(all.len() > 60, "{} words", all.len());
        for (locale, table) in WORDS.iter() {
            assert_eq!(keys(table, ""), all, "{locale}");
            for key in &all {
                let (text, own) = (word(locale, key), word("en", key));
                // An empty one says nothing, and does so everywhere; what a page fills in it fills in everywhere.
                assert_eq!(text.is_empty(), own.is_empty(), "{locale} {key}");
                assert_eq!(text.matches("{}").count(), own.matches("{}").count(), "{locale} {key}");
            }
        }
    }

    #[test]
    fn a_word_is_found_by_its_name_and_none_by_another() {
        assert_eq!((word("vi", "channel.sms"), word("tlh", "is.off")), ("Tin nhắn SMS", "Off"));
        assert_eq!(word("en", "no.such.word"), "");
    }

    #[test]
    fn the_style_is_the_one_that_is_allowed() {
        let html = HTML.get_template("layout").and_then(|t| {
            t.render(context! { locale => "en", title => "t", shop => Value::from(()), body => "", languages => Value::from(()), style => Value::from_safe_string(STYLE.into()) })
        });
        let html = html.expect("it renders");
        let inside = html.split("<style>").nth(1).and_then(|r| r.split("</style>").next()).expect("a style");
        assert!(POLICY.contains(&STANDARD.encode(Sha256::digest(inside.as_bytes()))));
    }
}
