//! Text from shops and customers, made harmless before it stands in words.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

/// Code points of the longest character that is drawn: families of emoji have eleven.
const MOST_POINTS: usize = 16;

/// One line of at most `limit` characters as a person counts them; `None` if nothing readable is left.
/// Control and bidirectional characters go (a name must not turn the rest of the message round), line ends
/// become spaces, composed forms are used.
pub(super) fn line(text: &str, limit: usize) -> Option<String> {
    if text.len() <= limit && is_line(text) {
        return Some(text.to_string());
    }
    // No more is looked at than can ever be shown: a value of a megabyte costs what a short one does.
    let most = limit.saturating_add(1).saturating_mul(MOST_POINTS);
    let flat: String = match is_nfc_quick(text.chars().take(most)) {
        // Nearly all text is in this form already, and telling so is much cheaper than making it so.
        IsNormalized::Yes => flat(text.chars().take(most)),
        _ => flat(text.chars().take(most).nfc()),
    };
    let words: Vec<&str> = flat.split_whitespace().collect();
    Some(clip(&words.join(" "), limit)).filter(|t| !t.is_empty())
}

/// Nearly every text: printed ASCII, its words one blank apart. Nothing is to be done about it.
fn is_line(text: &str) -> bool {
    let mut after_blank = true;
    let printed = text.bytes().all(|b| {
        let two = after_blank && b == b' ';
        after_blank = b == b' ';
        !two && matches!(b, b' '..=b'~')
    });
    printed && !after_blank
}

fn flat(text: impl Iterator<Item = char>) -> String {
    text.map(|c| if is_break(c) { ' ' } else { c }).filter(|c| !is_unwanted(*c)).collect()
}

/// Several lines, blank ones at most one at a time; otherwise as [`line`].
pub(super) fn lines(text: &str, limit: usize) -> Option<String> {
    let most = limit.saturating_add(1).saturating_mul(MOST_POINTS);
    let text: String = text.chars().take(most).collect();
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let cleaned: Vec<String> = text.split('\n').map(|l| line(l, limit).unwrap_or_default()).collect();
    Some(clip(&paragraphs(&cleaned.join("\n")), limit)).filter(|t| !t.is_empty())
}

/// What only a person can be called. Anything that a messenger would turn into a link or a mention is no
/// name: buyers write addresses there so that our message carries them to others.
pub(super) fn person(text: &str) -> Option<String> {
    let name = line(text, 40)?;
    let letters = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let chars: Vec<char> = name.chars().collect();
    let dotted =
        chars.windows(4).any(|w| w[1] == '.' && letters(Some(w[0])) && letters(Some(w[2])) && letters(Some(w[3])));
    let odd = name.contains(['/', '\\', ':', '@', '<', '>', '#', '*', '`', '|', '[', ']', '{', '}']);
    (!dotted && !odd).then_some(name)
}

/// An `https` address with a host and without a password in it.
pub(super) fn https(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && plain && text.len() <= 2000).then(|| url.to_string())
}

/// The first `limit` characters as a person counts them, with `…` for the rest. A character built of very
/// many code points ends the text: it is an attack on whoever must draw it.
pub(super) fn clip(text: &str, limit: usize) -> String {
    if text.len() <= limit && text.is_ascii() {
        return text.to_string();
    }
    let sane = |g: &&str| g.chars().count() <= MOST_POINTS;
    let fits = text.graphemes(true).take(limit + 1).take_while(sane).map(str::len);
    let kept: Vec<usize> = fits.collect();
    if kept.len() <= limit && kept.iter().sum::<usize>() == text.len() {
        return text.to_string();
    }
    let room = limit.saturating_sub(1).min(kept.len());
    let end: usize = kept.iter().take(room).sum();
    let head = text.get(..end).unwrap_or_default().trim_end();
    if head.is_empty() { String::new() } else { format!("{head}…") }
}

/// A text's paragraphs: lines trimmed, a paragraph whose facts were all absent leaves no gap.
pub(super) fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            gap = !out.is_empty();
            continue;
        }
        if !out.is_empty() {
            out.push_str(if gap { "\n\n" } else { "\n" });
        }
        gap = false;
        out.push_str(line);
    }
    out
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, bidirectional marks and overrides, invisible fillers. The joiner U+200D stays:
/// families of emoji and several scripts are written with it.
fn is_unwanted(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way gives what the long way gives.
    #[test]
    fn what_needs_nothing_stays_as_it_is() {
        for text in ["a", "a b", " a", "a ", "a  b", "", " ", "a\tb", "a\u{7f}", "a~b!", "\u{e4}"] {
            let long = flat(text.chars().nfc()).split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(is_line(text), text.is_ascii() && !text.is_empty() && long == text, "{text:?}");
            assert_eq!(line(text, 40), Some(long).filter(|t| !t.is_empty()), "{text:?}");
        }
    }

    #[test]
    fn lines_lose_what_would_mislead() {
        assert_eq!(line("  a\r\nb\u{202e}c\u{7}  d ", 40).as_deref(), Some("a bc d"));
        assert_eq!(line("e\u{301}", 40).as_deref(), Some("é"));
        assert_eq!(line("\u{202e}\n", 40), None);
        assert_eq!(lines("a\r\n\r\n\r\nb\n c", 99).as_deref(), Some("a\n\nb\nc"));
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(clip("👨‍👩‍👧‍👦家庭", 2), "👨‍👩‍👧‍👦…");
        assert_eq!(clip("信義門市", 4), "信義門市");
        assert_eq!(clip(&"字".repeat(10_000), 3), "字字…");
        let tower = format!("a{}", "\u{301}".repeat(10_000));
        assert!(clip(&tower, 5).is_empty());
    }

    #[test]
    fn a_link_is_no_name() {
        assert_eq!(person("王小明").as_deref(), Some("王小明"));
        assert_eq!(person("J.R. O'Neil-Nguyễn").as_deref(), Some("J.R. O'Neil-Nguyễn"));
        for bad in ["evil.com", "https://evil.example/x", "@everyone", "<!channel>", "a *b*"] {
            assert_eq!(person(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_plain_https_is_a_link() {
        assert_eq!(https(" https://a.example/x?y=1 ").as_deref(), Some("https://a.example/x?y=1"));
        for bad in ["http://a.example", "javascript:alert(1)", "https://u:p@a.example/", "a.example", "", "https://"] {
            assert_eq!(https(bad), None, "{bad}");
        }
    }
}
