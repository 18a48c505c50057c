//! Making addresses, URLs and others' words fit to be shown.

use crate::domain::person::Address;
use unicode_segmentation::UnicodeSegmentation as _;

/// An address by which its owner knows it and nobody else does: `email:a…@….com`, `phone:+886…78`.
pub fn address(address: &Address) -> String {
    let chars: Vec<char> = address.value.chars().collect();
    let ends = |first: usize, last: usize| {
        // Less than half may be seen.
        if chars.len() < 2 * (first + last) + 1 {
            return "…".to_string();
        }
        let head: String = chars.iter().take(first).collect();
        let tail: String = chars.iter().skip(chars.len() - last).collect();
        format!("{head}…{tail}")
    };
    let shown = match (address.scheme.as_str(), address.value.rsplit_once('@')) {
        ("email", Some((name, domain))) => {
            let first: String = name.graphemes(true).take(1).collect();
            let top = domain.rsplit_once('.').map(|(_, top)| format!(".{top}")).unwrap_or_default();
            format!("{first}…@…{top}")
        }
        ("phone", _) => ends(4, 2),
        _ => ends(2, 2),
    };
    line(&format!("{}:{shown}", address.scheme), 64)
}

/// A URL without what may be secret in it: user, password, path and query. Tokens live in paths too.
pub fn url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".into() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // An unescaped slash in a password: what looks like a host is part of it.
    if after.contains('@') {
        return line(&format!("{scheme}://…"), 64);
    }
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let tail = if after.len() > 1 { "/…" } else { "" };
    line(&format!("{scheme}://{hosts}{tail}"), 256)
}

/// Others' words as part of one line: no control characters, at most `longest` characters as a person
/// counts them.
pub fn line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for (count, grapheme) in text.trim().graphemes(true).enumerate() {
        if count == longest {
            line.push('…');
            break;
        }
        match grapheme.chars().any(harmful) {
            true => line.push(' '),
            false => line.push_str(grapheme),
        }
    }
    line
}

/// Breaks a line, moves a cursor, or turns the direction of text.
pub(super) fn harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_recognised_and_not_read() {
        let masked = |scheme: &str, value: &str| address(&Address::new(scheme, value));
        assert_eq!(masked("email", "anna.smith@mail.example.com"), "email:a…@….com");
        assert_eq!(masked("phone", "+886912345678"), "phone:+886…78");
        assert_eq!(masked("line", "U4af4980629abcdef"), "line:U4…ef");
        assert_eq!(masked("phone", "+1234567"), "phone:…");
        assert_eq!(masked("line", ""), "line:…");
        assert_eq!(masked("email", "王@例子"), "email:王…@…");
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (given, shown) in [
            ("redis://user:pa%40ss@10.0.0.1:6379/0", "redis://10.0.0.1:6379/…"),
            ("redis+sentinel://:pw@a:1,b:2/main?token=x", "redis+sentinel://a:1,b:2/…"),
            ("redis://:pa/ss@host", "redis://…"),
            ("https://api.example.com/bot123:ABC/send", "https://api.example.com/…"),
            ("https://a.example?key=1", "https://a.example/…"),
            ("https://a.example/", "https://a.example"),
            ("unix:///run/redis.sock", "unix:///…"),
            ("token-without-scheme", "…"),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(line(" 訂單\n已\u{1b}出貨 ", 99), "訂單 已 出貨");
        assert_eq!(line("👩‍👩‍👧 and more", 1), "👩‍👩‍👧…");
    }
}
