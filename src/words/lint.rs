//! What a finished text must not look like: the marks that an absent fact leaves behind.

const CLOSING: &[char] = &['.', ',', ';', ':', '!', '?', '，', '。', '；', '：', '、', '！', '？', ')', '）', '」'];
const PAUSES: &[char] = &['.', ',', ';', ':', '，', '。', '；', '：', '、'];
const EMPTY: &[&str] = &["()", "( )", "（）", "（ ）", "[]", "「」", "“”", "\"\"", "()", "NT$ "];

/// The first thing wrong with `text`, in words for whoever wrote it.
pub(super) fn problem(text: &str) -> Option<&'static str> {
    if text.contains("  ") {
        return Some("it leaves two spaces in a row");
    }
    if text.contains("\n\n\n") {
        return Some("it leaves empty lines");
    }
    if EMPTY.iter().any(|e| text.contains(e)) {
        return Some("it leaves empty brackets");
    }
    let chars: Vec<char> = text.chars().collect();
    for pair in chars.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if a == ' ' && CLOSING.contains(&b) {
            return Some("it leaves a space before punctuation");
        }
        if PAUSES.contains(&a) && PAUSES.contains(&b) {
            return Some("it leaves doubled punctuation");
        }
    }
    lines(text).or_else(|| links(text))
}

fn lines(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim_start_matches(['-', '·', '•', ' ']);
        if bare.is_empty() && !line.is_empty() {
            return Some("it leaves a list mark without its entry");
        }
        if bare.starts_with(CLOSING) {
            return Some("a line begins with punctuation");
        }
        if bare.ends_with([':', '：']) && lines.peek().is_none_or(|next| next.is_empty()) {
            return Some("a line ends with a colon and nothing follows");
        }
    }
    None
}

/// Messengers take punctuation behind a link for a part of it.
fn links(text: &str) -> Option<&'static str> {
    let tails = text.split("https://").skip(1).filter_map(|t| t.split_whitespace().next());
    let bad = |tail: &str| tail.ends_with(CLOSING) || !tail.is_ascii();
    tails.into_iter().any(bad).then_some("a link is followed by something without a space between")
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn holes_are_seen() {
        for bad in [
            "Carrier  DHL",
            "paid by .",
            "Tracking number:",
            "Tracking number:\n\nMore",
            "By Friday..",
            "parcel () of",
            "，請付款",
            "a\n- \nb",
            "see https://a.example/x.",
            "請看 https://a.example/x。",
            "https://a.example/x查看",
        ] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
        for good in ["Items:\n- Tea × 2", "付款期限:11月25日(三) 23:59", "Wait… or not?", "https://a.example/x"]
        {
            assert_eq!(problem(good), None, "{good:?}");
        }
    }
}
