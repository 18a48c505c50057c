//! Words → one MIME message: `multipart/alternative` of plain text and a small HTML page.
//!
//! Everything in it is fixed by message and errand: Message-ID and boundary by the key, Date by the time of
//! shaping. The same errand shaped twice is the same mail, so receivers that merge by Message-ID can. (RFC
//! 5322, 3834, 8058.)

use super::text;
use crate::domain::channel::{Errand, Message, ShapeFault};
use crate::domain::clock::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Longest body, in characters; together with the layout it stays under [`HTML_LIMIT`].
pub(super) const TEXT_LIMIT: usize = 12_000;
/// Buttons of one mail: what the words should have at most.
pub(super) const BUTTONS: usize = 2;
/// Gmail shows no more than 102 KB of a page; a cut page loses its last words and the way to switch off.
const HTML_LIMIT: usize = 100_000;
/// Longest subject, in characters a person sees; the heading repeats it in full.
const SUBJECT: usize = 150;
/// Longest heading, and longest name of shop and picture, in characters.
const TITLE: usize = 500;
/// Longest address of a link, in bytes.
const URL: usize = 2000;
/// Longest button label, in characters a person sees.
const LABEL: usize = 60;
/// First second of the year 9999: later dates are more than the date header can write.
const LATEST_SECS: i64 = 253_370_764_800;

const LAYOUT: &str = include_str!("layout.html");

/// What an account puts into each of its mails.
pub(super) struct Sender {
    /// Name and address people see.
    pub(super) from: Mailbox,
    /// Where answers go.
    pub(super) reply_to: Option<Mailbox>,
    /// For programs that know no page.
    pub(super) unsubscribe_mailto: Option<String>,
    /// The account's name in complaint statistics.
    pub(super) account: String,
}

#[derive(Serialize)]
struct Link {
    label: String,
    url: String,
}

#[derive(Serialize)]
struct Image {
    url: String,
    alt: String,
}

/// What the layout shows.
#[derive(Serialize)]
struct Page<'a> {
    lang: &'a str,
    title: &'a str,
    shop_name: Option<&'a str>,
    image: Option<&'a Image>,
    paragraphs: Vec<Vec<&'a str>>,
    buttons: &'a [Link],
    unsubscribe: Option<&'a Link>,
}

/// The words of one mail, cleaned.
struct Words {
    subject: String,
    title: String,
    body: String,
    buttons: Vec<Link>,
    image: Option<Image>,
    shop_name: Option<String>,
    unsubscribe: Option<Link>,
}

/// The whole MIME text.
///
/// # Errors
/// No title, a section of the wrong kind, an address that is none, or a page that mail programs would cut.
pub(super) fn mime(sender: &Sender, to: &str, message: &Message, errand: &Errand<'_>) -> Result<String, ShapeFault> {
    let words = words(message, errand)?;
    let html = page(&words, message)?;
    if html.len() > HTML_LIMIT {
        return Err(ShapeFault::TooLong { what: "the HTML page", length: html.len(), limit: HTML_LIMIT });
    }
    let to: lettre::Address = to.parse().map_err(|_| ShapeFault::Unfit("the address is no e-mail address".into()))?;
    let domain = sender.from.email.domain();
    // The order's mails share a root that was itself never sent: programs gather them all the same.
    let root = format!("<order.{}@{domain}>", errand.thread);
    let mut mail = lettre::Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(None, to))
        .subject(words.subject.clone())
        .date(date(errand.now))
        .message_id(Some(format!("<{}@{domain}>", errand.key)))
        .in_reply_to(root.clone())
        .references(root);
    if let Some(reply_to) = &sender.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    for (name, value) in extra_headers(sender, message, errand) {
        mail = mail.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let parts = MultiPart::alternative()
        .boundary(format!("=_{}", errand.key.simple()))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(plain(&words)))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html));
    let mail = mail.multipart(parts).map_err(|e| ShapeFault::Unfit(e.to_string()))?;
    String::from_utf8(mail.formatted()).map_err(|_| ShapeFault::Unfit("the mail is not ASCII".into()))
}

fn words(message: &Message, errand: &Errand<'_>) -> Result<Words, ShapeFault> {
    let chars = |t: &str| t.chars().count();
    let title = text::cut(&text::one_line(&message.title), TITLE, chars);
    if title.is_empty() {
        return Err(ShapeFault::Unfit("a mail needs a title".into()));
    }
    let subject = section(message, "subject")?.unwrap_or_else(|| title.clone());
    let alt = section(message, "image_alt")?.unwrap_or_else(|| text::one_line(&message.order_name));
    let off = section(message, "unsubscribe")?.unwrap_or_else(|| switch_off(&message.locale).into());
    let link = |label: &str, url: &str| {
        let label = text::cut(&text::one_line(label), LABEL, text::graphemes);
        address(url).filter(|_| !label.is_empty()).map(|url| Link { label, url })
    };
    let shop_name = message.shop_name.as_deref().map(|name| text::cut(&text::one_line(name), TITLE, chars));
    Ok(Words {
        subject: text::cut(&subject, SUBJECT, text::graphemes),
        body: text::cut(&text::clean(&message.body), TEXT_LIMIT - chars(&title), chars),
        buttons: message.buttons.iter().filter_map(|b| link(&b.label, &b.url)).take(BUTTONS).collect(),
        image: message.image.as_deref().and_then(address).map(|url| Image { url, alt: text::cut(&alt, TITLE, chars) }),
        shop_name: shop_name.filter(|n| !n.is_empty()),
        unsubscribe: errand.unsubscribe_url.and_then(|url| link(&off, url)),
        title,
    })
}

/// An address that mail programs follow; one longer than browsers take is left out, the words stay.
fn address(url: &str) -> Option<String> {
    text::link(url).filter(|url| url.len() <= URL)
}

/// A text of the words' `[email]` section.
fn section(message: &Message, key: &str) -> Result<Option<String>, ShapeFault> {
    match message.extra.get(key) {
        None => Ok(None),
        Some(Value::String(s)) => Ok(Some(text::one_line(s)).filter(|t| !t.is_empty())),
        Some(_) => Err(ShapeFault::Unfit(format!("{key} in the words' [email] section must be a text"))),
    }
}

/// The link under the page, where the words do not name it.
fn switch_off(locale: &str) -> &'static str {
    match locale {
        "zh-TW" | "zh-HK" | "zh-Hant" => "關閉訂單通知",
        l if l.starts_with("zh") => "关闭订单通知",
        l if l.starts_with("vi") => "Tắt thông báo đơn hàng",
        _ => "Turn off order updates",
    }
}

fn plain(words: &Words) -> String {
    let mut text = words.title.clone();
    if !words.body.is_empty() {
        text.push_str("\n\n");
        text.push_str(&words.body);
    }
    for link in words.buttons.iter().chain(&words.unsubscribe) {
        // The address stands on a line of its own: programs take a neighbouring stop into the link.
        text.push_str(&format!("\n\n{}:\n{}", link.label, link.url));
    }
    if let Some(shop) = &words.shop_name {
        // The mark by which programs recognise a signature ends in a blank.
        text.push_str(&format!("\n\n-- \n{shop}"));
    }
    text.push('\n');
    text
}

fn page(words: &Words, message: &Message) -> Result<String, ShapeFault> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    let paragraphs = words.body.split("\n\n").map(|p| p.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>());
    let page = Page {
        lang: lang(&message.locale),
        title: &words.title,
        shop_name: words.shop_name.as_deref(),
        image: words.image.as_ref(),
        paragraphs: paragraphs.filter(|p| !p.is_empty()).collect(),
        buttons: &words.buttons,
        unsubscribe: words.unsubscribe.as_ref(),
    };
    let page = env.render_str(LAYOUT, Serde(&page));
    page.map_err(|e| ShapeFault::Unfit(format!("the mail's page could not be made: {e}")))
}

/// A language tag that may stand in a header and an attribute; anything else says nothing of the language.
fn lang(locale: &str) -> &str {
    let good =
        !locale.is_empty() && locale.len() <= 35 && locale.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if good { locale } else { "und" }
}

fn extra_headers(sender: &Sender, message: &Message, errand: &Errand<'_>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        // No answer of an absence notice, from programs that keep RFC 3834 and from Exchange.
        ("Auto-Submitted", "auto-generated".to_string()),
        ("X-Auto-Response-Suppress", "All".to_string()),
        ("Content-Language", lang(&message.locale).to_string()),
        ("Feedback-ID", feedback_id(sender, message)),
    ];
    let page = errand.unsubscribe_url.and_then(address);
    let mail = sender.unsubscribe_mailto.as_ref().map(|to| format!("mailto:{to}?subject=unsubscribe"));
    let ways: Vec<String> = page.iter().chain(&mail).map(|way| format!("<{way}>")).collect();
    if !ways.is_empty() {
        headers.push(("List-Unsubscribe", ways.join(", ")));
    }
    if page.is_some() {
        headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_string()));
    }
    headers
}

/// Four fields for Gmail's complaint statistics, the last one fixed; nobody's data.
fn feedback_id(sender: &Sender, message: &Message) -> String {
    let word = |text: &str| -> String {
        let kept = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40);
        kept.collect()
    };
    format!("{}:{}:{}:orderwire", word(&message.milestone), word(&message.locale), word(&sender.account))
}

/// The moment of shaping as the header can write it: from 1970 to 9998.
fn date(now: Timestamp) -> SystemTime {
    let secs = now.as_second().clamp(0, LATEST_SECS - 1);
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs.unsigned_abs())
}
