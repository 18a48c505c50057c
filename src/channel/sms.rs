//! What every way of sending SMS shares: how a text is counted, and what carriers let through. A helper, no channel.
//!
//! Counting: 3GPP TS 23.038. One character outside the GSM-7 alphabet makes the whole text UCS-2, at less than half
//! the length; so look-alikes (curly quotes, dashes, hard blanks) are written in GSM-7 where that saves the text.
//! Carriers: in Taiwan every commercial text must name a registered brand since 2025-11-01, and links and telephone
//! numbers in it must be registered since 2024-11-18; in mainland China links are not allowed at all. (NCC and
//! EVERY8D notices; Twilio's country pages, read 2026-11.)

use super::text;
use crate::domain::channel::{Message, ShapeFault};
use crate::domain::settings::Mistake;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// GSM-7's basic table, without the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension table: an escape and a character.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";
/// Longest brand; carriers' forms take less.
const BRAND: usize = 20;
/// Longest text in segments that a setting may allow: Twilio takes 1,600 characters, ten segments of GSM-7.
pub(super) const SEGMENTS_MAX: u8 = 10;
/// Twilio advises no more to mainland China.
const SEGMENTS_CHINA: u8 = 8;

/// How a text travels: as one short message, or as several that the phone puts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segments {
    /// How many.
    pub count: usize,
    /// Length of the whole in the alphabet's units.
    pub units: usize,
    /// The first character that is not in GSM-7; `None`: the text is GSM-7.
    pub odd: Option<char>,
}

impl Segments {
    /// Counts `text`. A pair (escape and character, or two UTF-16 units) is never split over segments.
    pub(super) fn of(text: &str) -> Segments {
        let odd = text.chars().find(|c| gsm(*c).is_none());
        let cost = |c: char| if odd.is_none() { gsm(c).unwrap_or(1) } else { c.len_utf16() };
        let (single, part) = if odd.is_none() { (160, 153) } else { (70, 67) };
        let units = text.chars().map(cost).sum();
        let mut count = usize::from(units > 0);
        if units > single {
            let mut used = 0;
            for c in text.chars() {
                if used + cost(c) > part {
                    count += 1;
                    used = 0;
                }
                used += cost(c);
            }
        }
        Segments { count, units, odd }
    }
}

impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.count == 1 { "" } else { "s" };
        match self.odd {
            None => write!(f, "{} SMS segment{s}, {} characters of GSM-7", self.count, self.units),
            Some(odd) => write!(
                f,
                "{} SMS segment{s}, {} UTF-16 units of UCS-2 because of {odd:?} (U+{:04X})",
                self.count,
                self.units,
                u32::from(odd)
            ),
        }
    }
}

/// What a character costs in GSM-7; `None`: it is not in it.
fn gsm(c: char) -> Option<usize> {
    if c.is_ascii_alphanumeric() || BASIC.contains(c) {
        return Some(1);
    }
    EXTENDED.contains(c).then_some(2)
}

/// Hard blanks as blanks; and the whole in GSM-7 where only the form of quotes, dashes and dots keeps it out.
fn folded(text: &str) -> String {
    let soft = text.replace(['\u{a0}', '\u{202f}', '\u{2007}'], " ");
    let mut plain = String::with_capacity(soft.len());
    for c in soft.chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{2032}' | '`' | '´' => plain.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{2033}' => plain.push('"'),
            '\u{2010}'..='\u{2015}' => plain.push('-'),
            '…' => plain.push_str("..."),
            '×' => plain.push('x'),
            '•' | '·' => plain.push('-'),
            other => plain.push(other),
        }
    }
    if Segments::of(&plain).odd.is_none() { plain } else { soft }
}

/// What carriers have on file for a shop.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registered {
    /// The brand: stands in every text, in front where the words do not say it.
    brand: Option<String>,
    /// Hosts to which links may lead; what lies below one counts with it.
    #[serde(default)]
    domains: Vec<String>,
    /// Telephone numbers that may stand in a text.
    #[serde(default)]
    phones: Vec<String>,
}

/// By shop id; `*` for all that have no entry.
pub(super) type Register = BTreeMap<String, Registered>;

/// What is wrong with a register.
pub(super) fn mistakes(register: &Register) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (shop, entry) in register {
        let mut wrong = |key: &str, why: &str| found.push(Mistake::new(format!("registered.{shop}.{key}"), why));
        if let Some(brand) = &entry.brand {
            let wide = |c: char| ('\u{ff01}'..='\u{ff5e}').contains(&c) || c == '\u{3000}';
            if text::one_line(brand) != *brand || brand.is_empty() || brand.chars().count() > BRAND {
                wrong("brand", "must be one line of at most 20 characters, as the carriers have it on file");
            } else if brand.contains(wide) || brand.contains(['【', '】', '[', ']']) {
                wrong("brand", "write letters and digits in half width, without brackets; they are put around it");
            }
        }
        if entry.domains.iter().any(|d| domain(&d.to_ascii_lowercase()).as_deref() != Some(&d.to_ascii_lowercase())) {
            wrong("domains", "write hosts alone, such as shop.example.com");
        }
        if entry.phones.iter().any(|p| digits(p).len() < 4) {
            wrong("phones", "write telephone numbers as they stand in the texts, such as 02-1234-5678");
        }
    }
    found
}

/// The country rules a number falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Country {
    Taiwan,
    China,
    Other,
}

fn country(e164: &str) -> Country {
    if e164.starts_with("+886") {
        Country::Taiwan
    } else if e164.starts_with("+86") {
        Country::China
    } else {
        Country::Other
    }
}

/// Whose text it is, to whom, and how long it may become.
pub(super) struct Frame<'a> {
    /// The shop's id.
    pub shop: &'a str,
    /// The recipient, E.164.
    pub to: &'a str,
    /// What carriers have on file.
    pub register: &'a Register,
    /// Segments at most.
    pub segments: u8,
    /// A text that is longer is cut, visibly; else it is refused.
    pub cuts: bool,
}

/// The words of a message as one SMS: the section's `text`, else title and body, behind the shop's brand.
///
/// # Errors
/// Nothing to say; what the carriers of that country would block; longer than allowed where it may not be cut.
pub(super) fn compose(message: &Message, frame: &Frame<'_>) -> Result<String, ShapeFault> {
    let own = message.extra.get("text").and_then(serde_json::Value::as_str);
    let words = own.map_or_else(|| format!("{}\n{}", message.title, message.body), str::to_string);
    let words = folded(&text::clean(&words));
    if words.is_empty() {
        return Err(ShapeFault::Unfit("the message has no words".into()));
    }
    let entry = frame.register.get(frame.shop).or_else(|| frame.register.get("*"));
    let words = branded(words, frame, entry)?;
    allowed(&words, frame, entry)?;
    let most = match country(frame.to) {
        Country::China => frame.segments.min(SEGMENTS_CHINA),
        _ => frame.segments,
    };
    fitted(words, usize::from(most), frame.cuts)
}

fn branded(words: String, frame: &Frame<'_>, entry: Option<&Registered>) -> Result<String, ShapeFault> {
    match entry.and_then(|e| e.brand.as_deref()) {
        Some(brand) if words.contains(brand) => Ok(words),
        Some(brand) if Segments::of(&words).odd.or(Segments::of(brand).odd).is_some() => {
            Ok(format!("【{brand}】{words}"))
        }
        Some(brand) => Ok(format!("{brand}: {words}")),
        None if country(frame.to) == Country::Taiwan => Err(ShapeFault::Unfit(format!(
            "carriers in Taiwan block a text without a registered brand: set registered.{}.brand of this channel",
            frame.shop
        ))),
        None => Ok(words),
    }
}

/// Links and telephone numbers that the carriers do not know.
fn allowed(words: &str, frame: &Frame<'_>, entry: Option<&Registered>) -> Result<(), ShapeFault> {
    let country = country(frame.to);
    if entry.is_none() && country == Country::Other {
        return Ok(());
    }
    let unfit = |why: String| Err(ShapeFault::Unfit(why));
    let shop = frame.shop;
    let known = entry.map_or(&[][..], |e| e.domains.as_slice());
    for host in links(words) {
        if country == Country::China {
            return unfit(format!("the text holds a link to {host}, and carriers in mainland China block every link"));
        }
        let fits = |domain: &String| {
            let domain = domain.to_ascii_lowercase();
            host == domain || host.strip_suffix(&domain).is_some_and(|front| front.ends_with('.'))
        };
        if !known.iter().any(fits) {
            return unfit(format!(
                "the text holds a link to {host}, which is not registered: take it out of the words, or add it to \
                 registered.{shop}.domains of this channel once the carriers have it on file"
            ));
        }
    }
    if country == Country::Other {
        return Ok(());
    }
    let known: Vec<String> = entry.into_iter().flat_map(|e| &e.phones).map(|p| national(&digits(p))).collect();
    if phones(words).iter().any(|number| !known.contains(&national(number))) {
        return unfit(format!(
            "the text holds a telephone number that is not registered: take it out of the words, or add it to \
             registered.{shop}.phones of this channel once the carriers have it on file"
        ));
    }
    Ok(())
}

fn fitted(words: String, most: usize, cuts: bool) -> Result<String, ShapeFault> {
    let whole = Segments::of(&words);
    if whole.count <= most {
        return Ok(words);
    }
    if !cuts {
        return Err(ShapeFault::TooLong {
            what: "the text, counted in SMS segments,",
            length: whole.count,
            limit: most,
        });
    }
    let plain = whole.odd.is_none();
    let mut room = match (plain, most) {
        (true, 1) => 160,
        (true, n) => 153 * n,
        (false, 1) => 70,
        (false, n) => 67 * n,
    };
    loop {
        let mut short = text::cut(&words, room, |part| {
            // The ellipsis is no character of GSM-7: three dots stand for it there.
            part.chars().map(|c| if plain { gsm(c).unwrap_or(3) } else { c.len_utf16() }).sum()
        });
        if plain {
            short = short.replace('…', "...");
        }
        // Pairs that would be split leave gaps at the ends of segments.
        if Segments::of(&short).count <= most {
            return Ok(short);
        }
        room = room.saturating_sub(1);
    }
}

/// Hosts of everything in a text that a phone or a carrier takes for a link, in lower case.
fn links(words: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    words.split(|c| !part(c)).filter_map(host_of).collect()
}

fn host_of(run: &str) -> Option<String> {
    let run = run.to_ascii_lowercase();
    let rest = run.split_once("://").map_or(run.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':', ',', ';']).next()?;
    let host = host.rsplit('@').next()?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    domain(host)
}

/// A name with a top-level domain of letters.
fn domain(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.split('.').collect();
    let label = |l: &&str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let top = labels.last()?;
    let named = labels.len() > 1 && top.len() > 1 && top.bytes().all(|b| b.is_ascii_alphabetic());
    (named && labels.iter().all(label)).then(|| host.to_string())
}

/// Digits of everything in a text that reads as a telephone number: from `+` or `0` on, nine to fifteen of them.
fn phones(words: &str) -> Vec<String> {
    let chars: Vec<char> = words.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let before = at.checked_sub(1).and_then(|b| chars.get(b));
        let starts = matches!(c, '+' | '0') && !before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == '#');
        if !starts {
            at += 1;
            continue;
        }
        let run: String = chars
            .iter()
            .skip(at)
            .take_while(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')'))
            .collect();
        let number = digits(&run);
        let most = if *c == '+' { 15 } else { 11 };
        let tail = chars.get(at + run.chars().count()).is_some_and(char::is_ascii_alphabetic);
        if (9..=most).contains(&number.len()) && !tail {
            found.push(number);
        }
        at += run.chars().count().max(1);
    }
    found
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Taiwan's numbers are written with the country code or without.
fn national(digits: &str) -> String {
    digits.strip_prefix("886").map_or_else(|| digits.to_string(), |rest| format!("0{rest}"))
}

/// A phone number in E.164, as `plan` gives it.
pub(super) fn e164(raw: &str) -> Option<&str> {
    let raw = raw.trim();
    let rest = raw.strip_prefix('+')?;
    let good = (7..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit()) && !rest.starts_with('0');
    good.then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_the_network_counts() {
        let count = |text: &str| {
            let s = Segments::of(text);
            (s.count, s.units, s.odd)
        };
        assert_eq!(count(""), (0, 0, None));
        assert_eq!(count(&"a".repeat(160)), (1, 160, None));
        assert_eq!(count(&"a".repeat(161)), (2, 161, None));
        assert_eq!(count(&"€".repeat(81)), (2, 162, None));
        assert_eq!(count(&format!("{}€{}", "a".repeat(151), "a".repeat(153))), (2, 306, None));
        assert_eq!(count(&format!("{}€{}", "a".repeat(152), "a".repeat(152))), (3, 306, None), "no pair is split");
        assert_eq!(count(&"訂".repeat(70)), (1, 70, Some('訂')));
        assert_eq!(count(&"訂".repeat(71)), (2, 71, Some('訂')));
        assert_eq!(count(&format!("{}😀{}", "訂".repeat(66), "訂".repeat(66))), (3, 134, Some('訂')));
        assert_eq!(Segments::of("Đơn").to_string(), "1 SMS segment, 3 UTF-16 units of UCS-2 because of 'Đ' (U+0110)");
    }

    #[test]
    fn look_alikes_are_folded_only_where_that_saves_the_text() {
        assert_eq!(folded("it’s “here” – now…"), "it's \"here\" - now...");
        assert_eq!(folded("訂單…“A”\u{a0}1"), "訂單…“A” 1");
    }

    #[test]
    fn what_looks_like_a_link_or_a_number_is_found() {
        for (words, hosts) in [
            ("見https://shop.example.com/a?b=c。", &["shop.example.com"][..]),
            ("官網Shop.Example.com，謝謝", &["shop.example.com"]),
            ("www.a.tw b.co/x. mail a@b.example", &["www.a.tw", "b.co", "b.example"]),
            ("NT$1,200.00 v2.14 11/27 08:00 #1001. e.g. F12345678901", &[]),
        ] {
            assert_eq!(links(words), hosts, "{words}");
        }
        for (words, found) in [
            ("請電02-1234-5678或+886 912 345 678。", &["0212345678", "886912345678"][..]),
            ("(02)12345678", &["0212345678"]),
            ("電話0800-123-456", &["0800123456"]),
            ("#0123456789 帳號9012345678901234 F0123456789 00:30 11/05", &[]),
        ] {
            assert_eq!(phones(words), found, "{words}");
        }
    }

    #[test]
    fn numbers_in_their_normal_form_only() {
        assert_eq!(e164(" +886912345678 "), Some("+886912345678"));
        for bad in ["", "+", "0912345678", "+0912345678", "+886 912", "886912345678", "+1234567890123456"] {
            assert_eq!(e164(bad), None, "{bad}");
        }
    }
}
