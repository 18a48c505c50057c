//! Text from outside, fit to be shown.

use super::markup::{decode, named, strip};

/// Longest text kept, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Longest link kept, in bytes: what browsers and messengers take.
const MAX_URL: usize = 2048;

/// One line of text: control characters and bidirectional overrides removed, line ends and tabs made
/// blanks, trimmed, at most 64 KiB. `None` where nothing is left.
pub(in crate::platform) fn clean(text: &str) -> Option<String> {
    tidy(text, false)
}

/// Customer-visible text of several lines: markup removed, entities decoded, then as [`clean`] but with its
/// line ends.
pub(super) fn plain(text: &str) -> Option<String> {
    // Tags go first: `&lt;b&gt;` was meant to be read, so it must not become a tag on the way.
    tidy(&decode(&strip(cut(text)), named), true)
}

/// An `https` link without credentials, else `None`.
pub(in crate::platform) fn https(link: &str) -> Option<String> {
    let url = url::Url::parse(link.trim()).ok()?;
    let safe = url.scheme() == "https"
        && url.host_str().is_some_and(|h| !h.is_empty())
        && url.username().is_empty()
        && url.password().is_none();
    let url = String::from(url);
    (safe && url.len() <= MAX_URL).then_some(url)
}

fn tidy(text: &str, keep_lines: bool) -> Option<String> {
    let text = cut(text);
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        // Nearly every text: nothing of it is to be changed.
        return Some(text.trim()).filter(|t| !t.is_empty()).map(str::to_string);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if keep_lines => {
                out.truncate(out.trim_end_matches(' ').len());
                // One empty line at most: mark-up leaves heaps of them.
                if !out.is_empty() && !out.ends_with("\n\n") {
                    out.push('\n');
                }
            }
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' if !out.ends_with([' ', '\n']) => out.push(' '),
            '\u{2028}' | '\u{2029}' => {}
            _ if c.is_control() || is_bidi(c) => {}
            _ => out.push(c),
        }
    }
    let trimmed = out.trim();
    match trimmed.len() {
        0 => None,
        same if same == out.len() => Some(out),
        _ => Some(trimmed.to_string()),
    }
}

/// Characters that change the direction of text or stand for nothing: they make a name read as another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// At most [`MAX_TEXT`] bytes, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_left_of_a_text() {
        assert_eq!(clean("  a\r\n\tb\u{0}\u{202e}c \u{2028}"), Some("a bc".into()));
        assert_eq!(clean("\u{200f}\u{7} \n"), None);
        assert_eq!(clean("  a  b ~"), Some("a  b ~".into()));
        assert_eq!(clean("   "), None);
        assert_eq!(clean("👩‍👩‍👧 Nguyễn"), Some("👩‍👩‍👧 Nguyễn".into()));
        let cut = clean(&"繁".repeat(30_000)).unwrap();
        assert!(cut.len() <= MAX_TEXT && cut.len() > MAX_TEXT - 4);
    }

    #[test]
    fn markup_goes_and_words_stay() {
        let cases = [
            ("a <b>bold</b> one<br/>next", "a bold one\nnext"),
            ("1 < 2 > 0, I <3 you", "1 < 2 > 0, I <3 you"),
            ("&lt;b&gt; &amp;amp; &#39;x&#x27; &nbsp;&hellip;", "<b> &amp; 'x'  …"),
            ("&unknown; &#xd800; &#0; & &;", "&unknown; &#xd800;  & &;"),
            ("<p>a</p><p>b</p>\n\n\n\nc", "a\n\nb\n\nc"),
            ("<a href='x", "<a href='x"),
            ("<!-- gone -->there", "there"),
            ("<hr>no line <header>end", "no line end"),
        ];
        for (given, expected) in cases {
            assert_eq!(plain(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn tags_that_never_end_take_no_time_to_speak_of() {
        let start = std::time::Instant::now();
        assert!(plain(&"<a".repeat(MAX_TEXT)).is_some() && plain(&"&#".repeat(MAX_TEXT)).is_some());
        assert!(start.elapsed().as_secs() < 2);
    }

    #[test]
    fn only_plain_https_links_are_kept() {
        assert_eq!(https(" https://track.example/繁?a=1 ").as_deref(), Some("https://track.example/%E7%B9%81?a=1"));
        let long = format!("https://track.example/{}", "x".repeat(MAX_URL));
        for bad in
            ["http://a.example", "javascript:alert(1)", "https://u:p@a.example", "https://", "a.example", "", &long]
        {
            assert_eq!(https(bad), None, "{bad}");
        }
    }
}
