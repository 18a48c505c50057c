//! Text from a shop → text for people: no markup, no entities, no control characters, bounded.
//!
//! A buyer chooses names and cart contents, so none of this text is trusted; what a channel must escape it
//! escapes itself.

use crate::platform::meta::markup::{decode, named, numeric, strip};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Longest raw text looked at, in bytes. The rest is dropped before any work is done on it.
const RAW_MAX: usize = 64 * 1024;
/// Longest name, title or address line, in characters a person sees.
const LINE_MAX: usize = 200;
/// Longest note, likewise.
const NOTE_MAX: usize = 2000;

/// One line of plain text; `None` where nothing is left.
pub(super) fn line(raw: &str) -> Option<String> {
    let text = decode(&strip(bounded(raw)), named);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let mut joined = String::new();
    for word in words {
        let visible = word.chars().filter(|c| !invisible(*c));
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.extend(visible.nfc());
    }
    clip(joined.trim(), LINE_MAX)
}

/// Several lines of plain text: markup removed, links kept as text, at most one empty line in a row.
pub(super) fn paragraphs(raw: &str) -> Option<String> {
    let text = decode(&strip(bounded(raw)), named);
    let mut kept: Vec<String> = Vec::new();
    for row in text.split(['\n', '\u{2028}', '\u{2029}']) {
        let row: String = row.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).nfc().collect();
        let row: String = row.chars().filter(|c| !c.is_control() && !invisible(*c)).collect();
        let row = row.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
        if !row.is_empty() || kept.last().is_some_and(|last| !last.is_empty()) {
            kept.push(row);
        }
    }
    clip(kept.join("\n").trim(), NOTE_MAX)
}

/// The secret as WordPress uses it (`wp_specialchars_decode` with `ENT_QUOTES`): only the entities that
/// function knows, in one pass, so that `&amp;lt;` becomes `&lt;` and no more.
pub(super) fn specialchars_decoded(secret: &str) -> String {
    decode(secret, special)
}

fn clip(text: &str, most: usize) -> Option<String> {
    let cut: String = text.graphemes(true).take(most).collect();
    (!cut.is_empty()).then_some(cut)
}

fn bounded(raw: &str) -> &str {
    let mut end = raw.len().min(RAW_MAX);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    raw.get(..end).unwrap_or_default()
}

/// Characters that steer how others are shown, or are not shown at all. Joiners stay: emoji need them.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{FEFF}' | '\u{00AD}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}')
}

fn special(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        _ => numeric(name).filter(|c| matches!(c, '&' | '<' | '>' | '"' | '\'')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_markup_entities_and_controls() {
        let cases = [
            ("茶 \"Alishan\" & Co <b>", "茶 \"Alishan\" & Co"),
            ("A &times; 2 &#8217; &#x41; &unknown; & B", "A × 2 ’ A &unknown; & B"),
            ("I <3 tea, 2 < 3", "I <3 tea, 2 < 3"),
            ("<img src=x onerror=\"a>b\">x", "x"),
            ("a\u{202E}b\r\n\u{7}c\u{0}d", "ab c d"),
            ("<script>alert('</b>')</script >after", "after"),
            ("unclosed <b", "unclosed <b"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("e\u{301}", "é"),
        ];
        for (raw, want) in cases {
            assert_eq!(line(raw).as_deref(), Some(want), "{raw:?}");
        }
        assert_eq!(line(" <b></b> \u{200B}"), None);
        assert_eq!(line(&"字".repeat(500)).map(|s| s.chars().count()), Some(LINE_MAX));
    }

    #[test]
    fn a_note_keeps_its_lines_and_its_links_as_text() {
        let raw = "<p>Hello &amp; welcome</p><p>See <a class='x' href='https://t.example/?a=1&amp;b=2'>your parcel</a><br/>\
                   <a href=\"https://u.example\">https://u.example</a></p><ul><li>one</li><li>two</li></ul>\
                   <a href=\"javascript:alert(1)\">bad</a>\n\n\n\nend";
        let want = "Hello & welcome\n\nSee your parcel (https://t.example/?a=1&b=2)\nhttps://u.example\n\n- one\n- two\nbad\n\nend";
        assert_eq!(paragraphs(raw).as_deref(), Some(want));
        assert_eq!(paragraphs("<p> </p>\n"), None);
    }

    #[test]
    fn secrets_are_decoded_as_wordpress_does() {
        assert_eq!(specialchars_decoded("x&amp;y&lt;z&#039;q\""), "x&y<z'q\"");
        assert_eq!(specialchars_decoded("&amp;lt;&times;&#65;&#39;&#x27;&quot"), "&lt;&times;&#65;''&quot");
    }

    #[test]
    fn long_and_broken_markup_is_read_in_bounded_time() {
        let started = std::time::Instant::now();
        for raw in ["<a \"".repeat(500_000), "<script>".repeat(300_000), "&#".repeat(500_000), "<!--".repeat(300_000)] {
            let _ = line(&raw);
            let _ = paragraphs(&raw);
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    }
}
