//! Words made safe and short enough for a messenger: the part of shaping that all channels share.
//!
//! A buyer chooses names, notes and addresses, so every text is taken as hostile: no control characters, no
//! characters that turn the reading direction of what follows, one normal form. Markup is each channel's own.

use crate::domain::channel::{Action, Message, ShapeFault};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation as _;

/// What stands where a text was cut.
const ELLIPSIS: &str = "…";

/// A text of several lines: NFC, line ends as `\n`, no control or direction characters, no blanks at the ends.
pub(super) fn clean(text: &str) -> String {
    if text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')) {
        return text.trim().to_string();
    }
    let kept: String = match is_nfc_quick(text.chars()) {
        // Nearly all text is in this form already, and telling so is much cheaper than making it so.
        IsNormalized::Yes => harmless(text.chars()),
        _ => harmless(text.nfc()),
    };
    kept.trim().to_string()
}

fn harmless(text: impl Iterator<Item = char>) -> String {
    let mut after_return = false;
    text.filter_map(|c| {
        let second_half = c == '\n' && after_return;
        after_return = c == '\r';
        match c {
            _ if second_half => None,
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}' => Some('\n'),
            '\t' => Some(' '),
            '\n' => Some('\n'),
            c if c.is_control() || turns_direction(c) => None,
            c => Some(c),
        }
    })
    .collect()
}

/// The same on one line: for titles, labels and names.
pub(super) fn one_line(text: &str) -> String {
    let text = clean(text);
    if !text.contains("  ") && !text.contains(|c: char| c != ' ' && c.is_whitespace()) {
        return text;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Embeddings, overrides and isolates: with them a name can make the words after it read backwards. The
/// plain marks (U+200E, U+200F) and the joiner of emoji (U+200D) stay.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `limit` of what `count` counts (which must add up over parts), cut between characters as a person
/// sees them, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, limit: usize, count: impl Fn(&str) -> usize) -> String {
    if count(text) <= limit {
        return text.to_string();
    }
    let Some(room) = limit.checked_sub(count(ELLIPSIS)) else { return String::new() };
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += count(grapheme);
        if used > room {
            break;
        }
        kept.push_str(grapheme);
    }
    kept.truncate(kept.trim_end().len());
    kept + ELLIPSIS
}

/// Characters as a person sees them.
pub(super) fn graphemes(text: &str) -> usize {
    if text.is_ascii() && !text.contains('\r') {
        return text.len();
    }
    text.graphemes(true).count()
}

/// An `https` address in the form every vendor takes: host in ASCII, path and query percent-encoded. `None`:
/// it is no such address, or names a user, which only serves to make a link look like another.
pub(super) fn link(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && plain).then(|| url.to_string())
}

/// Title and body as one text, a blank line between them.
///
/// # Errors
/// There are no words.
pub(super) fn whole(message: &Message) -> Result<String, ShapeFault> {
    let (title, body) = (one_line(&message.title), clean(&message.body));
    let whole = [title, body].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n\n");
    if whole.is_empty() { Err(ShapeFault::Unfit("the message has no words".into())) } else { Ok(whole) }
}

/// What a messenger that shows no buttons takes of them.
pub(super) struct Links {
    /// How many.
    pub(super) most: usize,
    /// Characters of a label.
    pub(super) label: usize,
    /// Bytes of an address.
    pub(super) url: usize,
}

/// One text of at most `limit` characters with its links as lines; what is cut, visibly, is the end of the words.
///
/// # Errors
/// There are no words.
pub(super) fn with_links(message: &Message, links: &Links, limit: usize) -> Result<String, ShapeFault> {
    let chars = |words: &str| words.chars().count();
    let whole = whole(message)?;
    let mut tail = String::new();
    for button in message.buttons.iter().take(links.most) {
        let label = cut(&one_line(&button.label), links.label, chars);
        let Some(url) = link(&button.url).filter(|url| url.len() <= links.url && !label.is_empty()) else { continue };
        tail.push_str(&format!("\n\n{label}: {url}"));
    }
    Ok(cut(&whole, limit - chars(&tail), chars) + &tail)
}

/// Characters of an answering button's label: LINE, Messenger and WhatsApp take twenty.
const ACTION: usize = 20;

/// Buttons that answer: label and data, as many as the channel takes.
pub(super) fn actions(message: &Message, most: usize) -> Vec<(String, &str)> {
    let action = |a: &'_ Action| cut(&one_line(&a.label), ACTION, graphemes);
    let all = message.actions.iter().map(|a| (action(a), a.data.as_str()));
    all.filter(|(label, data)| !label.is_empty() && !data.is_empty()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_go_and_lines_stay() {
        assert_eq!(clean(" a\r\nb\rc\u{202e}d\u{0}\u{1b}[1m\te\u{2028}f "), "a\nb\ncd[1m e\nf");
        assert_eq!(one_line("a\r\n\tb  c"), "a b c");
        assert_eq!(one_line(" a b\u{3000}c\n"), "a b c");
        assert_eq!(clean(" a\n\n b \n"), "a\n\n b", "what needs nothing stays as it is");
        assert_eq!(clean("e\u{301}"), "é", "one normal form");
        assert_eq!(clean("👨‍👩‍👧"), "👨‍👩‍👧", "the joiner of emoji stays");
    }

    #[test]
    fn a_cut_falls_between_characters_as_seen() {
        let utf16 = |s: &str| s.encode_utf16().count();
        assert_eq!(cut("訂單已出貨", 5, utf16), "訂單已出貨");
        assert_eq!(cut("訂單已出貨", 4, utf16), "訂單已…");
        assert_eq!(cut("👨‍👩‍👧👨‍👩‍👧", 9, utf16), "👨‍👩‍👧…", "a family is never torn apart");
        assert_eq!(cut("👨‍👩‍👧", 7, utf16), "…");
        assert_eq!(cut("ab", 0, utf16), "");
        assert_eq!(cut("a b", 2, graphemes), "a…");
    }

    #[test]
    fn only_plain_https_becomes_a_link() {
        assert_eq!(link("https://例.tw/訂單?q=a b").as_deref(), Some("https://xn--fsq.tw/%E8%A8%82%E5%96%AE?q=a%20b"));
        for bad in
            ["javascript:alert(1)", "http://a.example/", "https://shop.example@evil.example/", "data:,x", "", "/p/1"]
        {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
